//! Bits that are nearly there: they pass a checksum now, and do not later.

use super::*;
use crate::Errno;

const SLOT: u64 = 256;

fn sum(bytes: &[u8]) -> [u8; 4] {
    let mix = |sum: u32, byte: &u8| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    bytes.iter().fold(0x811c_9dc5, mix).to_le_bytes()
}

/// Two slots of which the newer counts: a number, a value of four bytes, a checksum.
struct Slots<'c>(&'c mut Chip);

impl Slots<'_> {
    /// Slot, number and value of the newest record that is whole.
    fn newest(&mut self) -> Result<Option<(u64, u8, [u8; 4])>, Errno> {
        let mut newest = None;
        for slot in 0..2 {
            let mut cells = [0; 9];
            self.0.read(slot * SLOT, &mut cells)?;
            let [number, a, b, c, d, check @ ..] = cells;
            let is_newer = newest.is_none_or(|(_, known, _)| number > known);
            if sum(&cells[..5]) == check && is_newer {
                newest = Some((slot, number, [a, b, c, d]));
            }
        }
        Ok(newest)
    }

    fn set(&mut self, value: [u8; 4]) -> Result<(), Errno> {
        let (slot, number, _) = self.newest()?.unwrap_or((1, 0, value));
        let slot = 1 - slot;
        let [a, b, c, d] = value;
        let head = [number + 1, a, b, c, d];
        self.0.erase(EraseBlock(slot))?;
        self.0
            .program(slot * SLOT, &[&head[..], &sum(&head)].concat())
    }
}

/// Under unstable bits alone, which stores with a good checksum hold: those that write anew
/// what they found when they were opened, and no others.
#[rstest]
#[case::trusts_the_check(false)]
#[case::writes_anew(true)]
fn a_checksum_does_not_settle_weak_bits(#[case] writes_anew: bool) {
    let mut chip = Chip::new(Geometry {
        size_bytes: 2 * SLOT,
        erase_block_bytes: SLOT as u32,
    });
    chip.set_programming(Programming {
        unit_bytes: 1,
        ..Programming::words(4).buffers(SLOT as u32)
    });
    let store = move |chip: &mut Chip, script: &mut Script<'_>| -> Result<(), Errno> {
        let mut slots = Slots(chip);
        if writes_anew {
            match slots.newest()? {
                Some((_, _, value)) => slots.set(value)?,
                None => (0..2).try_for_each(|slot| slots.0.erase(EraseBlock(slot)))?,
            }
        }
        while let Some(ask) = script.next() {
            match ask {
                Ask::Set(_, value) => slots.set(value.try_into().expect("four bytes"))?,
                _ => script.found(slots.newest()?.map(|(_, _, value)| value)),
            }
        }
        Ok(())
    };
    let work = Work::key_value(1, 20, 4..=4, 1).without_removals();
    let subject = Scripted::new(work, store);
    let unstable = Tears::only([Model::UnstableProgram]);
    let search = || Explorer::new(&chip, &subject);
    search().tears(Tears::stable()).run().unwrap().assert_held();
    let report = search().tears(unstable).run().unwrap();
    assert_eq!(report.failed() == 0, writes_anew, "{report}");
}
