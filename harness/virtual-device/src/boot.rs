//! What the board finds when it is switched on: a boot stub, the tag list, and
//! where in the chip they belong.
//!
//! The PXA255 starts at address 0, which is the first byte of the chip. The
//! iSpot has RedBoot there; here it is a stub of thirteen instructions that
//! does the one thing needed: it copies the kernel from flash into RAM and
//! jumps into it as Linux asks (Documentation/arm/booting.rst, 6.1: r0 = 0,
//! r1 = machine number, r2 = address of the tag list).
//!
//! Invariant: [`install`] changes nothing outside the two places it returns.

use super::boards::Board;
use super::error::Error;
use std::ops::Range;

/// What the initramfs may take. It is in RAM twice, packed and unpacked, but for
/// the exchange area; so this leaves some 15 MiB to the guest at the worst.
pub const INITRAMFS_ROOM_BYTES: usize = 0x200_0000;

/// `ldr rD, [pc, #distance]`: loads the word `literal` into a register, for an
/// instruction that is word `index` of the program. The processor's pc is two
/// words ahead.
const fn ldr_literal(register: u32, index: u32, literal: u32) -> u32 {
    0xE59F_0000 | (register << 12) | ((literal - index - 2) * 4)
}

/// The program at address 0 of the chip: copies `size_bytes` (a multiple of 4)
/// from `kernel_offset_bytes` in flash to RAM and starts them.
#[must_use]
pub fn flash_stub(board: &Board, kernel_offset_bytes: u32, size_bytes: u32) -> Vec<u8> {
    const PC: u32 = 15;
    words(&[
        ldr_literal(0, 0, 13),   //  0       ldr   r0, from
        ldr_literal(1, 1, 14),   //  1       ldr   r1, kernel
        ldr_literal(2, 2, 15),   //  2       ldr   r2, size
        0xE081_2002,             //  3       add   r2, r1, r2      r2 = end
        0xE490_3004,             //  4 copy: ldr   r3, [r0], #4
        0xE481_3004,             //  5       str   r3, [r1], #4
        0xE151_0002,             //  6       cmp   r1, r2
        0x3AFF_FFFB,             //  7       blo   copy
        0xE3A0_0000,             //  8       mov   r0, #0
        ldr_literal(1, 9, 16),   //  9       ldr   r1, machine
        ldr_literal(2, 10, 17),  // 10       ldr   r2, tags
        ldr_literal(PC, 11, 14), // 11       ldr   pc, kernel
        0xEAFF_FFFE,             // 12 stop: b     stop            not reached
        kernel_offset_bytes,     // 13 from
        board.kernel_address(),  // 14 kernel
        size_bytes,              // 15 size
        board.machine_number,    // 16 machine
        board.tags_address(),    // 17 tags
    ])
}

/// The same without the copy, for a kernel that the emulator put into RAM.
#[must_use]
pub fn ram_stub(board: &Board) -> Vec<u8> {
    const PC: u32 = 15;
    words(&[
        0xE3A0_0000,            // 0   mov   r0, #0
        ldr_literal(1, 1, 4),   // 1   ldr   r1, machine
        ldr_literal(2, 2, 5),   // 2   ldr   r2, tags
        ldr_literal(PC, 3, 6),  // 3   ldr   pc, kernel
        board.machine_number,   // 4 machine
        board.tags_address(),   // 5 tags
        board.kernel_address(), // 6 kernel
    ])
}

/// The list that tells Linux what the board has
/// (arch/arm/include/uapi/asm/setup.h, 6.1): each entry is its length in
/// words, its number, its values.
#[must_use]
pub fn tags(board: &Board, initramfs_bytes: u32, command_line: &str) -> Vec<u8> {
    const CORE: u32 = 0x5441_0001;
    const MEM: u32 = 0x5441_0002;
    const INITRD2: u32 = 0x5442_0005;
    const CMDLINE: u32 = 0x5441_0009;
    let mut text = command_line.as_bytes().to_vec();
    text.push(0);
    text.resize(text.len().next_multiple_of(4), 0);
    let text: Vec<u32> = text
        .chunks_exact(4)
        .map(|word| u32::from_le_bytes(word.try_into().expect("four bytes")))
        .collect();
    let mut list = Vec::new();
    let mut tag = |number: u32, values: &[u32]| {
        list.push(2 + u32::try_from(values.len()).expect("a command line is short"));
        list.push(number);
        list.extend_from_slice(values);
    };
    tag(CORE, &[0, 4096, 0]); // flags, page size, root device
    tag(MEM, &[board.ram_bytes, board.ram_start]);
    tag(INITRD2, &[board.initramfs_address(), initramfs_bytes]);
    tag(CMDLINE, &text);
    list.extend_from_slice(&[0, 0]); // ATAG_NONE, of length 0
    words(&list)
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Where boot stub and kernel go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootPlaces {
    /// The partition in which the processor starts.
    pub boot: Range<usize>,
    /// The partition of the kernel.
    pub kernel: Range<usize>,
}

impl BootPlaces {
    /// From the FIS directory in the last erase block of the image, or, where
    /// that has no such entries, the board's own.
    #[must_use]
    pub fn of(board: &Board, image: &[u8]) -> Self {
        let place = |name| fis_entry(board, image, name).unwrap_or_else(|| board.partition(name));
        Self {
            boot: place(board.boot_partition),
            kernel: place(board.kernel_partition),
        }
    }
}

/// A partition by name from the table in the last erase block: records of 256
/// bytes, name at 0, absolute base address at 16, size at 24; FF starts an
/// unused or deleted one (eCos packages/redboot, fis.h).
fn fis_entry(board: &Board, image: &[u8], name: &str) -> Option<Range<usize>> {
    let directory = image.get(image.len().checked_sub(board.erase_block_bytes)?..)?;
    let record = directory
        .chunks_exact(256)
        .find(|record| record.starts_with(name.as_bytes()) && record[name.len()] == 0)?;
    let word =
        |at: usize| u32::from_le_bytes(record[at..at + 4].try_into().expect("four bytes")) as usize;
    let start = word(16) & (board.chip_bytes - 1);
    let end = start.checked_add(word(24))?;
    (start < end && end <= image.len()).then_some(start..end)
}

/// Puts boot stub and kernel into the image, each at the start of its partition. What follows them in those
/// partitions, and everything else, stays as it is.
///
/// # Errors
/// [`Error::DoesNotFit`], and the image untouched.
pub fn install(board: &Board, image: &mut [u8], kernel: &[u8]) -> Result<BootPlaces, Error> {
    let places = BootPlaces::of(board, image);
    let offset = u32::try_from(places.kernel.start).expect("inside the chip");
    let copied = kernel.len().next_multiple_of(4);
    let stub = flash_stub(
        board,
        offset,
        u32::try_from(copied).expect("a kernel is small"),
    );
    fits("the kernel", copied, board.kernel_partition, &places.kernel)?;
    fits(
        "the boot stub",
        stub.len(),
        board.boot_partition,
        &places.boot,
    )?;
    if places.boot.start != 0 {
        return Err(Error::DoesNotFit {
            what: "the boot stub (which must be at 0)",
            size_bytes: stub.len() as u64,
            partition: board.boot_partition.into(),
            offset_bytes: places.boot.start as u64,
            room_bytes: 0,
        });
    }
    image[..stub.len()].copy_from_slice(&stub);
    let start = places.kernel.start;
    image[start..start + kernel.len()].copy_from_slice(kernel);
    Ok(places)
}

fn fits(
    what: &'static str,
    size_bytes: usize,
    partition: &str,
    place: &Range<usize>,
) -> Result<(), Error> {
    if size_bytes <= place.len() {
        return Ok(());
    }
    Err(Error::DoesNotFit {
        what,
        size_bytes: size_bytes as u64,
        partition: partition.into(),
        offset_bytes: place.start as u64,
        room_bytes: place.len() as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boards::ISPOT;

    #[test]
    fn the_loop_goes_back_to_copy() {
        let stub = flash_stub(&ISPOT, 0, 4);
        let branch = u32::from_le_bytes(stub[28..32].try_into().unwrap());
        // A branch holds its distance in words from two words ahead, signed.
        let distance = (((branch & 0xFF_FFFF) << 8) as i32) >> 8;
        assert_eq!(7 + 2 + distance, 4);
    }

    #[test]
    fn literals_are_where_the_instructions_look() {
        let stub = flash_stub(&ISPOT, 0x6_0000, 0x10_0000);
        let word =
            |index: usize| u32::from_le_bytes(stub[4 * index..4 * index + 4].try_into().unwrap());
        let literal = |index: usize| word(index + 2 + (word(index) & 0xFFF) as usize / 4);
        assert_eq!(literal(0), 0x6_0000);
        assert_eq!(literal(1), ISPOT.kernel_address());
        assert_eq!(literal(2), 0x10_0000);
        assert_eq!(literal(9), ISPOT.machine_number);
        assert_eq!(literal(10), ISPOT.tags_address());
        assert_eq!(literal(11), ISPOT.kernel_address());
    }

    #[test]
    fn tag_lengths_lead_from_one_to_the_next() {
        let list = tags(&ISPOT, 1234, "console=ttyS0");
        let word =
            |index: usize| u32::from_le_bytes(list[4 * index..4 * index + 4].try_into().unwrap());
        let mut at = 0;
        let mut numbers = Vec::new();
        while word(at) != 0 {
            numbers.push(word(at + 1));
            at += word(at) as usize;
        }
        assert_eq!(
            numbers,
            [0x5441_0001, 0x5441_0002, 0x5442_0005, 0x5441_0009]
        );
        assert_eq!(list.len(), 4 * at + 8);
    }

    fn image_with(entries: &[(&str, u32, u32)]) -> Vec<u8> {
        let mut image = vec![0xFF; ISPOT.chip_bytes];
        for (index, (name, base, size)) in entries.iter().enumerate() {
            let at = ISPOT.chip_bytes - ISPOT.erase_block_bytes + 256 * index;
            image[at..at + 256].fill(0);
            image[at..at + name.len()].copy_from_slice(name.as_bytes());
            image[at + 16..at + 20].copy_from_slice(&base.to_le_bytes());
            image[at + 24..at + 28].copy_from_slice(&size.to_le_bytes());
        }
        image
    }

    #[test]
    fn places_come_from_the_directory_or_are_the_ispots() {
        let own = BootPlaces::of(&ISPOT, &vec![0xFF; ISPOT.chip_bytes]);
        assert_eq!(own.kernel, 0x6_0000..0x18_0000);
        // An absolute base address, and a name that only begins like the right one.
        let image = image_with(&[
            ("linux_2", 0x5040_0000, 0x10_0000),
            ("linux", 0x5020_0000, 0x12_0000),
        ]);
        assert_eq!(BootPlaces::of(&ISPOT, &image).kernel, 0x20_0000..0x32_0000);
        // An entry that leaves the chip is not believed.
        let image = image_with(&[("linux", 0xFE_0000, 0x12_0000)]);
        assert_eq!(BootPlaces::of(&ISPOT, &image).kernel, 0x6_0000..0x18_0000);
    }

    #[test]
    fn the_blank_image_has_the_boards_places() {
        let image = ISPOT.blank_image();
        assert_eq!(image.len(), ISPOT.chip_bytes);
        let mut end = 0;
        for &(name, offset, size) in ISPOT.partitions {
            assert_eq!(offset, end);
            end += size;
            let found = fis_entry(&ISPOT, &image, name).unwrap();
            assert_eq!(found, offset as usize..end as usize);
        }
        assert_eq!(end as usize, ISPOT.chip_bytes);
    }

    #[test]
    fn install_touches_two_places_only() {
        let mut image = vec![0xA5; ISPOT.chip_bytes];
        let kernel = vec![0x11; 0x10_0001];
        install(&ISPOT, &mut image, &kernel).unwrap();
        let stub = flash_stub(&ISPOT, 0x6_0000, 0x10_0004);
        assert_eq!(image[..stub.len()], stub);
        assert!(image[stub.len()..0x6_0000].iter().all(|b| *b == 0xA5));
        assert_eq!(image[0x6_0000..0x16_0001], kernel);
        assert!(image[0x16_0001..].iter().all(|b| *b == 0xA5));
    }

    #[test]
    fn a_kernel_too_large_changes_nothing() {
        let mut image = vec![0xA5; ISPOT.chip_bytes];
        let error = install(&ISPOT, &mut image, &vec![0; 0x12_0001]).unwrap_err();
        assert!(matches!(
            error,
            Error::DoesNotFit {
                room_bytes: 0x12_0000,
                ..
            }
        ));
        assert!(image.iter().all(|b| *b == 0xA5));
    }
}
