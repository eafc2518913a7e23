//! A store of one value, put through every power cut: `cargo run --example twenty_lines`.

use embedded_storage::nor_flash::NorFlash;
use mtd_embedded_storage::cut::{Ask, Script, Work};
use mtd_embedded_storage::{Flash, FlashError, every_cut};

/// The store to be tested: one value, in the newer of two erase blocks.
struct Slots<F>(F);

impl<F: NorFlash> Slots<F> {
    /// Which erase block holds the newest whole value: its number, then the value.
    fn newest(&mut self) -> Result<Option<(u8, [u8; 4])>, F::Error> {
        let mut newest: Option<(u8, [u8; 4])> = None;
        for slot in 0..2 {
            let mut cells = [0; 8];
            self.0.read(slot * 1024, &mut cells)?;
            let [number, a, b, c, d, check @ ..] = cells;
            let sum = [number, a, b, c, d].iter().fold(1u16, |sum, byte| {
                sum.wrapping_mul(259).wrapping_add(u16::from(*byte))
            });
            let is_whole = check == [0x5a, sum as u8, (sum >> 8) as u8];
            if is_whole && newest.is_none_or(|(known, _)| number > known) {
                newest = Some((number, [a, b, c, d]));
            }
        }
        Ok(newest)
    }

    fn set(&mut self, value: [u8; 4]) -> Result<(), F::Error> {
        let number = self.newest()?.map_or(0, |(number, _)| number) + 1;
        let [a, b, c, d] = value;
        let sum = [number, a, b, c, d].iter().fold(1u16, |sum, byte| {
            sum.wrapping_mul(259).wrapping_add(u16::from(*byte))
        });
        let start = u32::from(number % 2) * 1024;
        self.0.erase(start, start + 1024)?;
        let cells = [number, a, b, c, d, 0x5a, sum as u8, (sum >> 8) as u8];
        self.0.write(start, &cells)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Flash with words of 4 bytes and erase blocks of 1024, two of them; ten new values.
    let work = Work::key_value(1, 10, 4..=4, 7).without_removals();
    let report = every_cut::<4, 1024, FlashError>(
        2048,
        work,
        |flash: Flash<_, 4, 1024>, script: &mut Script| {
            let mut slots = Slots(flash);
            while let Some(ask) = script.next() {
                match ask {
                    Ask::Set(_, value) => slots.set(value.try_into().unwrap())?,
                    Ask::Get(_) => script.found(slots.newest()?.map(|(_, value)| value)),
                    _ => {}
                }
            }
            Ok(())
        },
    )?;
    println!("{report}");
    report.assert_held();
    Ok(())
}
