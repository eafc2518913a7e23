//! sequential-storage: a map and a queue, "either fine or fully recoverable after a power
//! failure" (its README).

use crate::{About, Case, case};
use mtd_chip::Chip;
use mtd_chip::cut::{Ask, Script, Scripted, Tears, Work};
use mtd_embedded_storage::{Flash, FlashError, driver, erased, ready};
use sequential_storage::Error;
use sequential_storage::cache::Cache;
use sequential_storage::map::{MapConfig, MapStorage};
use sequential_storage::queue::{QueueConfig, QueueStorage};

const WORD: usize = 4;
const PAGE: usize = 256;
const BYTES: u64 = 4 * PAGE as u64;

type Small<'c> = Flash<&'c mut Chip, WORD, PAGE>;

fn drive_map(flash: Small<'_>, script: &mut Script<'_>) -> Result<(), Error<FlashError>> {
    let config = MapConfig::new(0..BYTES as u32);
    let mut map = MapStorage::<u8, _, _>::new(flash, config, Cache::new_uncached());
    let mut buffer = [0; 64];
    while let Some(ask) = script.next() {
        match ask {
            Ask::Set(key, value) => {
                ready(map.store_item(&mut buffer, &key, &value.as_slice()))?;
            }
            Ask::Get(key) => script.found(ready(map.fetch_item::<&[u8]>(&mut buffer, &key))?),
            Ask::Remove(key) => ready(map.remove_item(&mut buffer, &key))?,
            _ => {}
        }
    }
    Ok(())
}

fn drive_queue(flash: Small<'_>, script: &mut Script<'_>) -> Result<(), Error<FlashError>> {
    let config = QueueConfig::new(0..BYTES as u32);
    let mut queue = QueueStorage::new(flash, config, Cache::new_uncached());
    let mut buffer = [0; 64];
    while let Some(ask) = script.next() {
        match ask {
            Ask::Push(value) => ready(queue.push(&value, false))?,
            Ask::Pop => script.found(ready(queue.pop(&mut buffer))?),
            _ => {}
        }
    }
    Ok(())
}

pub fn map() -> Case {
    let about = About {
        name: "sequential-storage map",
        version: "8.0.2",
        about: "4 pages of 256 bytes, words of 4; without a cache",
        fails: &["cut:575.2d17.9fe1.221r0.d2dd"],
        cuts_max: 3,
    };
    let work = Work::key_value(6, 120, 1..=20, 1);
    let subject = Scripted::new(work, driver(drive_map));
    case(about, erased::<WORD, PAGE>(BYTES), subject, Tears::stable())
}

pub fn queue() -> Case {
    let about = About {
        name: "sequential-storage queue",
        version: "8.0.2",
        about: "4 pages of 256 bytes, words of 4; without a cache",
        fails: &["cut:452.2d17.c17f.321a.13r0.682f"],
        cuts_max: 3,
    };
    let subject = Scripted::new(Work::queue(120, 1..=20, 2), driver(drive_queue));
    case(about, erased::<WORD, PAGE>(BYTES), subject, Tears::stable())
}
