//! The code of docs/power-cuts.md, which must be the code that stands here.

// guide: begin
use mtd_embedded_storage::cut::{Ask, Script, Work};
use mtd_embedded_storage::{Flash, every_cut, ready};
use sequential_storage::cache::Cache;
use sequential_storage::map::{MapConfig, MapStorage};

#[test]
fn settings_survive_every_power_cut() {
    // 40 asks on 4 keys, values of 1 to 16 bytes, from seed 1.
    let work = Work::key_value(4, 40, 1..=16, 1);
    // Words of 4 bytes, erase blocks of 1024, 4 of them.
    let report = every_cut(
        4096,
        work,
        |flash: Flash<_, 4, 1024>, script: &mut Script| {
            let config = MapConfig::new(0..4096);
            let mut map = MapStorage::<u8, _, _>::new(flash, config, Cache::new_uncached());
            let mut buffer = [0; 64];
            while let Some(ask) = script.next() {
                match ask {
                    Ask::Set(key, value) => {
                        ready(map.store_item(&mut buffer, &key, &value.as_slice()))?;
                    }
                    Ask::Remove(key) => ready(map.remove_item(&mut buffer, &key))?,
                    Ask::Get(key) => {
                        script.found(ready(map.fetch_item::<&[u8]>(&mut buffer, &key))?);
                    }
                    _ => {}
                }
            }
            Ok::<(), sequential_storage::Error<_>>(())
        },
    );
    println!("{}", report.unwrap());
}
// guide: end

#[test]
fn the_guide_has_this_code() {
    let own = include_str!("guide.rs");
    let code = own.split("// guide: begin\n").nth(1).unwrap();
    let code = code.split("// guide: end").next().unwrap();
    let guide = include_str!("../../../docs/power-cuts.md");
    assert!(
        guide.contains(code.trim()),
        "docs/power-cuts.md has other code"
    );
}

/// What the guide shows of the report is what the code prints, but for the time that it takes.
#[test]
fn the_guide_has_this_report() {
    let guide = include_str!("../../../docs/power-cuts.md");
    let shown = guide.split("```text\n").nth(1).unwrap();
    let shown = shown.split("```").next().unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["settings_survive_every_power_cut", "--exact", "--nocapture"])
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let mut lines = shown.lines().filter(|line| line.trim() != "\u{2026}");
    let (first, rest) = lines.next().unwrap().split_once(" in ").unwrap();
    let failed = rest.rsplit_once("): ").unwrap().1;
    let has = |line: &str| line.starts_with(first) && line.ends_with(failed);
    assert!(printed.lines().any(has), "{first}:\n{printed}");
    for line in lines {
        assert!(printed.lines().any(|own| own == line), "{line}:\n{printed}");
    }
}
