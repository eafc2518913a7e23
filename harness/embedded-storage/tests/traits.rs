//! The contract of the traits, call by call.

use embedded_storage::nor_flash::{NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};
use embedded_storage::{ReadStorage, Storage};
use mtd_embedded_storage::chip::{Chip, Errno};
use mtd_embedded_storage::{ByteStorage, Flash, FlashError, OnceFlash, erased, ready};
use rstest::rstest;

const BYTES: u64 = 4096;

fn chip() -> Chip {
    erased::<4, 1024>(BYTES)
}

type Small<C> = Flash<C, 4, 1024, 2>;

#[rstest]
#[case::past_the_end(4096, 4, NorFlashErrorKind::OutOfBounds)]
#[case::across_the_end(4092, 8, NorFlashErrorKind::OutOfBounds)]
#[case::far_past_the_end(u32::MAX, 4, NorFlashErrorKind::OutOfBounds)]
#[case::offset(2, 4, NorFlashErrorKind::NotAligned)]
#[case::length(4, 6, NorFlashErrorKind::NotAligned)]
fn a_write_that_breaks_the_contract(
    #[case] offset: u32,
    #[case] length: usize,
    #[case] kind: NorFlashErrorKind,
) {
    let mut flash: Small<_> = Flash::new(chip());
    let error = flash.write(offset, &vec![0; length]).unwrap_err();
    assert_eq!(error.kind(), kind);
    assert!(
        error.is_misuse() && error.to_string().contains(&format!("{offset:#x}")),
        "{error}"
    );
    let chip = flash.into_chip();
    assert_eq!(
        (chip.operations(), chip.counters().failures()),
        (0, 0),
        "nothing reached it"
    );
}

#[rstest]
#[case::backwards(1024, 0, NorFlashErrorKind::OutOfBounds)]
#[case::past_the_end(0, 8192, NorFlashErrorKind::OutOfBounds)]
#[case::start(4, 1024, NorFlashErrorKind::NotAligned)]
#[case::end(0, 1020, NorFlashErrorKind::NotAligned)]
fn an_erase_that_breaks_the_contract(
    #[case] from: u32,
    #[case] to: u32,
    #[case] kind: NorFlashErrorKind,
) {
    let mut flash: Small<_> = Flash::new(chip());
    assert_eq!(flash.erase(from, to).unwrap_err().kind(), kind);
}

#[test]
fn a_read_keeps_to_its_unit_too() {
    let mut flash: Small<_> = Flash::new(chip());
    assert_eq!(
        flash.read(1, &mut [0; 2]).unwrap_err().kind(),
        NorFlashErrorKind::NotAligned
    );
    assert_eq!(
        flash.read(4094, &mut [0; 4]).unwrap_err().kind(),
        NorFlashErrorKind::OutOfBounds
    );
    let mut cells = [0; 6];
    flash.read(4, &mut cells).unwrap();
    assert_eq!(cells, [0xff; 6]);
    assert_eq!(flash.capacity(), 4096);
}

#[test]
fn words_are_anded_or_written_once() {
    let mut many: Small<_> = Flash::new(chip());
    many.write(8, &[0xf0; 4]).unwrap();
    many.write(8, &[0x3c; 4]).unwrap();
    let mut cells = [0; 4];
    many.read(8, &mut cells).unwrap();
    assert_eq!(cells, [0x30; 4]);

    let mut once: OnceFlash<_, 4, 1024> = OnceFlash::new(many.into_chip());
    let again = once.write(4, &[0; 12]).unwrap_err();
    assert_eq!(again, FlashError::WrittenTwice { offset: 8 });
    once.erase(0, 1024).unwrap();
    once.write(4, &[0; 12]).unwrap();
}

#[test]
#[should_panic(expected = "not aligned to 4 bytes")]
fn misuse_is_a_panic_where_that_is_asked_for() {
    let mut flash = Small::new(chip()).strict();
    let _ = flash.write(1, &[0; 4]);
}

#[test]
#[should_panic(expected = "erasing 512 bytes at a time does not fit")]
fn sizes_that_do_not_fit_the_chip_are_refused() {
    let _ = Flash::<_, 4, 512>::new(chip());
}

#[test]
fn what_the_chip_says_is_passed_on() {
    let mut chip = chip();
    chip.set_faults(Some("program-error@0x400+4".parse().unwrap()));
    let mut flash: Small<_> = Flash::new(chip);
    let error = flash.write(0x400, &[0; 4]).unwrap_err();
    assert!(matches!(
        error,
        FlashError::Chip {
            errno: Errno::IO,
            offset: 0x400,
            ..
        }
    ));
    assert!(!error.is_misuse());
    flash.chip().power_off();
    assert!(matches!(
        flash.erase(0, 1024),
        Err(FlashError::Chip {
            errno: Errno::NODEV,
            ..
        })
    ));
}

#[test]
fn the_asynchronous_traits_do_the_same() {
    use embedded_storage_async::nor_flash::NorFlash;
    async fn work<F: NorFlash>(flash: &mut F) -> Result<[u8; 4], F::Error> {
        flash.erase(0, 1024).await?;
        flash.write(4, &[1, 2, 3, 4]).await?;
        let mut cells = [0; 4];
        flash.read(4, &mut cells).await?;
        Ok(cells)
    }
    let mut flash: Small<_> = Flash::new(chip());
    assert_eq!(ready(work(&mut flash)), Ok([1, 2, 3, 4]));
    assert_eq!(flash.into_chip().operations(), 2);
}

#[test]
#[should_panic(expected = "waits for something else")]
fn a_future_that_waits_is_not_run_for_ever() {
    ready(std::future::pending::<()>());
}

#[test]
fn bytes_go_anywhere_and_nothing_is_erased_without_need() {
    let mut storage = ByteStorage::new(chip());
    let across: Vec<u8> = (0..100).collect();
    storage.write(1000, &across).unwrap();
    storage.write(1010, &[0xff, 0x55]).unwrap();
    let mut expected = [0xff; 4096];
    expected[1000..1100].copy_from_slice(&across);
    expected[1010..1012].copy_from_slice(&[0xff, 0x55]);
    let mut found = [0; 4096];
    storage.read(0, &mut found).unwrap();
    assert_eq!(found, expected);
    assert!(storage.write(4090, &[0; 7]).is_err());
    assert_eq!(storage.capacity(), 4096);
    // What is there already costs nothing.
    let before = storage.into_chip();
    let done = before.operations();
    let mut storage = ByteStorage::new(before);
    storage.write(1000, &expected[1000..1100]).unwrap();
    assert_eq!(storage.into_chip().operations(), done);
}
