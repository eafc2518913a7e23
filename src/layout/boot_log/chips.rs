//! How large chips are, by a kernel's messages:
//!
//! ```text
//! spi-nor spi0.0: w25q128 (16384 Kbytes)
//! spi-nand spi0.0: 128 MiB, block size: 128 KiB, page size: 2048, OOB size: 64
//! nand: 128 MiB, SLC, erase size: 128 KiB, page size: 2048, OOB size: 64
//! NAND device: Manufacturer ID: 0xad, Chip ID: 0xf1 (… 128MiB 3,3V 8-bit), 128MiB, page size: 2048, OOB size: 64
//! ```
//!
//! Sources: Linux 6.1, drivers/mtd/spi-nor/core.c, nand/spi/core.c, nand/raw/nand_base.c;
//! m25p80.c and nand_base.c of Linux 2.6.30 to 4.9.
//!
//! Raw NAND's line does not name the chip. It counts where there is one such line, one
//! chip, and one heading whose name is a NAND controller's: two chips that were found
//! together (`nand: 2 chips detected`) are one MTD device of both.

use super::super::ChipFacts;
use super::super::lines::decimal;

/// What the lines said so far.
#[derive(Debug, Default)]
pub(super) struct Sizes {
    /// By the chip's name.
    named: Vec<(String, Size)>,
    /// Of NAND without a name.
    nand: Vec<Size>,
    /// Several chips are one device.
    several: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    bytes: u64,
    erase_block_bytes: Option<u64>,
}

impl Sizes {
    /// Takes a line in; whether it was one of them.
    pub(super) fn take(&mut self, text: &str) -> bool {
        if let Some((chip, size)) = of_nor(text).or_else(|| of_spi_nand(text)) {
            self.named.push((chip.to_owned(), size));
            return true;
        }
        let Some(rest) = text
            .strip_prefix("nand: ")
            .or_else(|| text.strip_prefix("NAND device: "))
        else {
            return false;
        };
        self.several |= rest.ends_with(" chips detected");
        let size = of_nand(rest);
        self.nand
            .extend(size.filter(|size| !self.nand.contains(size)));
        size.is_some()
    }

    /// Puts the sizes to their chips, where no two of one name differ.
    pub(super) fn put_to(&self, chips: &mut [ChipFacts]) {
        for chip in chips.iter_mut() {
            let mut of_chip = self.named.iter().filter(|(name, _)| *name == chip.name);
            let first = of_chip.next().map(|(_, size)| *size);
            let size = first.filter(|size| of_chip.all(|(_, other)| other == size));
            chip.size_bytes = size.map(|size| size.bytes);
            chip.erase_block_bytes = size.and_then(|size| size.erase_block_bytes);
        }
        let mut nands = chips.iter_mut().filter(|chip| is_nand(&chip.name));
        if let (Some(chip), None, [size], false) =
            (nands.next(), nands.next(), &self.nand[..], self.several)
        {
            if chip.size_bytes.is_none() {
                chip.size_bytes = Some(size.bytes);
                chip.erase_block_bytes = size.erase_block_bytes;
            }
        }
    }
}

/// Whether a chip is called as drivers of NAND call theirs: `qcom_nand.0`, `MTK-SNAND`,
/// `1100d000.snfi`, `NAND 128MiB 3,3V 8-bit`.
fn is_nand(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("nand") || name.contains("snfi")
}

/// `spi-nor spi0.0: w25q128 (16384 Kbytes)`.
fn of_nor(text: &str) -> Option<(&str, Size)> {
    let rest = text
        .strip_prefix("spi-nor ")
        .or_else(|| text.strip_prefix("m25p80 "))?;
    let (chip, model) = rest.split_once(": ")?;
    let (_, size) = model.strip_suffix(" Kbytes)")?.rsplit_once('(')?;
    let size = Size {
        bytes: bytes(size, 1 << 10)?,
        erase_block_bytes: None,
    };
    Some((chip, size))
}

fn of_spi_nand(text: &str) -> Option<(&str, Size)> {
    let (chip, rest) = text.strip_prefix("spi-nand ")?.split_once(": ")?;
    Some((chip, of_nand(rest)?))
}

/// `128 MiB, SLC, erase size: 128 KiB, page size: 2048, OOB size: 64`.
fn of_nand(text: &str) -> Option<Size> {
    let (before, _) = text.split_once(", page size: ")?;
    let mut size = None;
    let mut erase_block_bytes = None;
    for word in before.split(", ") {
        if let Some(number) = word.strip_suffix("MiB") {
            size = bytes(number.trim_end(), 1 << 20).or(size);
        }
        let block = word
            .strip_prefix("erase size: ")
            .or_else(|| word.strip_prefix("block size: "));
        if let Some(number) = block.and_then(|block| block.strip_suffix(" KiB")) {
            erase_block_bytes = bytes(number, 1 << 10);
        }
    }
    Some(Size {
        bytes: size?,
        erase_block_bytes,
    })
}

/// A number of such units, if that is a size.
fn bytes(number: &str, unit_bytes: u64) -> Option<u64> {
    let bytes = decimal::<u64>(number)?.checked_mul(unit_bytes)?;
    Some(bytes).filter(|bytes| *bytes > 0 && i64::try_from(*bytes).is_ok())
}

#[cfg(test)]
mod tests {
    use super::super::super::lines::lines;
    use super::super::read;
    use rstest::rstest;

    const NAND: &str = "nand: 128 MiB, SLC, erase size: 128 KiB, page size: 2048, OOB size: 64";
    const BLOCK: Option<u64> = Some(0x2_0000);

    #[rstest]
    #[case::today(NAND, "qcom_nand.0", Some(128), BLOCK)]
    #[case::three_years_before(
        "nand: 128MiB, SLC, page size: 2048, OOB size: 64",
        "brcmnand.0",
        Some(128),
        None
    )]
    #[case::in_2010(
        "NAND device: Manufacturer ID: 0xad, Chip ID: 0xf1 (Hynix NAND 128MiB 3,3V 8-bit), 256MiB, page size: 2048, OOB size: 64",
        "orion_nand",
        Some(256),
        None
    )]
    #[case::before(
        "NAND device: Manufacturer ID: 0xec, Chip ID: 0xf1 (Samsung NAND 128MiB 3,3V 8-bit)",
        "NAND 128MiB 3,3V 8-bit",
        None,
        None
    )]
    #[case::spi_nand(
        "spi-nand spi0.0: 128 MiB, block size: 128 KiB, page size: 2048, OOB size: 64",
        "spi0.0",
        Some(128),
        BLOCK
    )]
    #[case::spi_nand_of_another(
        "spi-nand spi1.0: 128 MiB, block size: 128 KiB, page size: 2048, OOB size: 64",
        "spi0.0",
        None,
        None
    )]
    #[case::a_nor_beside_it(NAND, "spi0.0", None, None)]
    #[case::not_whole("nand: 128 MiB, SLC, erase size: 128 KiB", "qcom_nand.0", None, None)]
    #[case::two_in_one(
        "nand: 2 chips detected\nnand: 128 MiB, SLC, page size: 2048, OOB size: 64",
        "gen_nand",
        None,
        None
    )]
    fn sizes(
        #[case] line: &str,
        #[case] chip: &str,
        #[case] mib: Option<u64>,
        #[case] block: Option<u64>,
    ) {
        let text = format!(
            "{line}\n[ 0.6] Creating 1 MTD partitions on \"{chip}\":\n0x0-0x4000000 : \"ubi\"\n"
        );
        let chip = read(&lines(&text)).unwrap().unwrap().chips.remove(0);
        let found = (
            chip.size_bytes.map(|bytes| bytes >> 20),
            chip.erase_block_bytes,
        );
        assert_eq!(found, (mib, block), "{text}");
    }

    /// Of two NANDs nobody knows which one a line is about.
    #[test]
    fn two_chips_of_one_kind() {
        let text = format!(
            "{NAND}\nCreating 1 MTD partitions on \"nand0\":\n0x0-0x1000 : \"a\"\n\
             Creating 1 MTD partitions on \"nand1\":\n0x0-0x1000 : \"b\"\n"
        );
        let chips = read(&lines(&text)).unwrap().unwrap().chips;
        assert!(
            chips.iter().all(|chip| chip.size_bytes.is_none()),
            "{chips:?}"
        );
        // And no partition reaches past what is told.
        let text =
            format!("{NAND}\nCreating 1 MTD partitions on \"nand0\":\n0x0-0x8000001 : \"a\"\n");
        read(&lines(&text)).unwrap().unwrap_err();
    }
}
