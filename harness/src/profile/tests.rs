mod builder;

use super::ispot::FLASH_BASE;
use super::*;
use crate::chip::{Geometry, MemoryStorage, Storage};
use crate::format::jffs2::{Content, DeviceClass};
use crate::format::{ByteOrder, crc32, fconfig, fis, jffs2};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rstest::rstest;
use sha2::{Digest, Sha256};

const ERASE_BLOCK_BYTES: u32 = 0x2_0000;

fn by_name(device: &SimulatedDevice, name: &str) -> Vec<u8> {
    let devices = device.system.devices();
    let found = devices.iter().find(|d| d.name == name).unwrap();
    device.partition_bytes(found.index)
}

/// The digests that hold all later versions to the same bytes: lines of
/// `seed sha256 partition`, see fixtures/profile/README.md. No CRC: data that
/// ends with its own CRC has the same one whatever it is.
#[test]
fn the_same_seed_gives_the_same_bytes_for_good() {
    let fixture = include_str!("../../fixtures/profile/ispot.sha256");
    let mut lines = Vec::new();
    for seed in [1, 2] {
        let device = ispot(seed);
        for mtd in device.system.devices() {
            let digest = Sha256::digest(device.partition_bytes(mtd.index));
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            lines.push(format!("{seed} {hex} {}", mtd.name));
        }
    }
    let expected: Vec<_> = fixture.lines().filter(|l| !l.starts_with('#')).collect();
    assert_eq!(lines, expected);
}

#[rstest]
fn a_real_device_could_hold_it(#[values(0, 1, 2, 77, u64::MAX)] seed: u64) {
    let device = ispot(seed);
    let chip = device.chip_bytes(0);
    let programmed = chip.iter().filter(|&&byte| byte != 0xff).count();
    assert!(programmed > 9 << 20, "{programmed} bytes are not FF");

    let table = fis::parse(&by_name(&device, "FIS directory"), ERASE_BLOCK_BYTES).unwrap();
    assert_eq!(table.order, ByteOrder::Little);
    fis::check(&table, chip.len() as u64, ERASE_BLOCK_BYTES).unwrap();
    assert_eq!(table.entries.len(), 11);
    let layout = Layout::ispot();
    let mut checksums = 0;
    for (entry, (_, partition)) in table.entries.iter().zip(layout.partitions()) {
        assert_eq!(entry.name, partition.name);
        assert_eq!(
            entry.offset_bytes(chip.len() as u64),
            partition.offset_bytes
        );
        assert_eq!(
            u64::from(entry.flash_base),
            u64::from(FLASH_BASE) + partition.offset_bytes
        );
        assert_eq!(u64::from(entry.size_bytes), partition.size_bytes);
        let data = &chip[partition.offset_bytes as usize..];
        assert_ne!(entry.checksum_fits(data), Some(false), "{}", entry.name);
        checksums += usize::from(entry.checksum_fits(data) == Some(true));
    }
    assert_eq!(checksums, 3, "RedBoot and both kernels have a checksum");
}

#[test]
fn redboot_has_its_settings_in_the_last_4096_bytes() {
    let device = ispot(1);
    let (order, items) = fconfig::parse(&by_name(&device, "RedBoot config")).unwrap();
    assert_eq!(order, ByteOrder::Little);
    assert!(items.iter().any(|item| item.name == "boot_script_data"));
    let chip = device.chip_bytes(0);
    assert_eq!(fconfig::parse(&chip[0xff_f000..]).unwrap().1, items);
}

#[rstest]
#[case("rootfs", "IMW-C615W 1.3.0\n")]
#[case("rootfs_2", "IMW-C615W 1.4.0\n")]
fn root_file_systems_are_whole(#[case] partition: &str, #[case] version: &str) {
    let bytes = by_name(&ispot(1), partition);
    let found = jffs2::check(&bytes, ERASE_BLOCK_BYTES);
    assert_eq!(found.problems, []);
    assert_eq!(found.cleanmarkers, 48);
    assert!(
        (6..=12).contains(&found.free_erase_blocks),
        "{}",
        found.free_erase_blocks
    );
    let content = |path: &str| &found.files[path].content;
    assert_eq!(content("etc/version"), &Content::File(version.into()));
    assert_eq!(
        content("sbin/init"),
        &Content::Symlink("../bin/busybox".into())
    );
    assert_eq!(
        content("dev/mtd9"),
        &Content::Device(DeviceClass::Character, 90, 18)
    );
    assert_eq!(
        content("dev/mtdblock9"),
        &Content::Device(DeviceClass::Block, 31, 9)
    );
    assert!(!found.files.contains_key("dev/mtd10"));
    let Content::File(busybox) = content("bin/busybox") else {
        panic!("bin/busybox is no file");
    };
    assert!(busybox.starts_with(b"\x7fELF") && busybox.len() > 600_000);
}

#[test]
fn settings_were_written_again() {
    let found = jffs2::check(&by_name(&ispot(1), "system"), ERASE_BLOCK_BYTES);
    assert_eq!(found.problems, []);
    assert_eq!(found.obsolete_nodes, 2);
    assert_eq!(
        found.files["boot"].content,
        Content::File(b"image=2\n".to_vec())
    );
}

#[test]
fn kernels_have_a_header_and_end_before_their_partition() {
    for seed in [0, 1, 4095, u64::MAX] {
        let device = ispot(seed);
        for name in ["linux", "linux_2"] {
            let bytes = by_name(&device, name);
            let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
            assert_eq!(
                (word(0), word(0x24), word(0x28)),
                (0xe1a0_0000, 0x016f_2818, 0)
            );
            let end = word(0x2c) as usize;
            assert!(
                bytes[end..].iter().all(|&b| b == 0xff),
                "{name}, seed {seed}"
            );
            assert!(
                bytes[end - 64..end].iter().any(|&b| b != 0xff),
                "{name}, seed {seed}"
            );
        }
    }
}

#[test]
fn the_mac_address_is_nobodys() {
    let bytes = by_name(&ispot(1), "param");
    assert_eq!(bytes[16] & 3, 2, "locally administered, for one device");
    assert_ne!(bytes[16..22], by_name(&ispot(2), "param")[16..22]);
    assert_eq!(
        crc32(&bytes[..4092]),
        u32::from_le_bytes(bytes[4092..4096].try_into().unwrap())
    );
    assert_eq!(bytes[..4096], bytes[0x1_0000..0x1_1000]);
}

#[test]
fn the_second_firmware_is_newer() {
    let device = ispot(1);
    let last = |name| {
        let bytes = by_name(&device, name);
        u32::from_le_bytes(bytes[20..24].try_into().unwrap())
    };
    assert_eq!((last("ver_1"), last("ver_2")), (3, 4));
}

#[test]
fn nodes_are_those_of_the_device() {
    let device = ispot(1);
    assert_eq!(device.nodes.len(), 30);
    assert_eq!(device.nodes["dev/mtd3"], NodeId::mtd(3));
    assert_eq!(device.nodes["dev/mtd3ro"], NodeId::mtd_read_only(3));
    assert_eq!(device.nodes["dev/mtdblock3"], NodeId::mtdblock(3));
    assert!(!device.nodes.keys().any(|path| path.contains("10")));
    let device = IspotBuilder::new(1)
        .with_node("mtd10")
        .with_node("mtdblock10")
        .build()
        .unwrap();
    assert_eq!(device.nodes.len(), 32);
    assert_eq!(device.nodes["dev/mtd10"], NodeId::mtd(10));
    let error = IspotBuilder::new(1)
        .with_node("mtd11")
        .build()
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("`mtd11`") && error.contains("up to 10"),
        "{error}"
    );
}

#[test]
fn a_device_of_another_size_has_the_bytes_of_its_chip() {
    let device = ispot(1);
    device.system.set_size(10, Some(0x4000));
    assert_eq!(
        device.partition_bytes(10).len(),
        0x1000,
        "the chip ends there"
    );
    device.system.set_size(10, Some(0x10));
    assert_eq!(device.partition_bytes(10).len(), 0x10);
}

#[test]
fn locks_and_faults_and_storage_are_the_callers() {
    let faults: FaultPlan = "read-error@0x40000".parse().unwrap();
    let device = IspotBuilder::new(3)
        .locked()
        .faults(faults)
        .storage(|geometry| Box::new(MemoryStorage::new(geometry)))
        .build()
        .unwrap();
    assert!(device.chip_bytes(0) == ispot(3).chip_bytes(0));
    device.system.with_chip(0, |chip| {
        assert!(chip.is_locked(crate::chip::EraseBlock(127)));
        assert!(chip.read(0x4_0000, &mut [0]).is_err());
    });
    device.set_faults(0, None);
    device
        .system
        .with_chip(0, |chip| chip.read(0x4_0000, &mut [0]))
        .unwrap();
}

#[test]
fn a_layout_of_gigabytes_costs_no_memory() {
    let layout = Layout::from_proc_mtd(
        "dev:    size   erasesize  name\n\
         mtd0: 00040000 00020000 \"boot\"\n\
         mtd1: fffc0000 00020000 \"data\"\n",
    )
    .unwrap();
    let device = from_layout(&layout, 1);
    let mut cells = vec![0; 0x2_0000];
    let mut programmed = 0;
    for block in (0..0x8000).step_by(1000) {
        device
            .system
            .with_chip(0, |chip| chip.read(block * 0x2_0000, &mut cells))
            .unwrap();
        programmed += usize::from(cells.iter().any(|&b| b != 0xff));
    }
    assert!(
        (20..25).contains(&programmed),
        "{programmed} of 33 are programmed"
    );
}

#[test]
fn any_layout_has_contents() {
    let text = "dev:    size   erasesize  name\n\
         mtd0: 00000007 00001000 \"a name that is longer than its partition\"\n\
         mtd1: 00001ffc 00001000 \"two\"\n\
         mtd2: 00000000 00001000 \"none\"\n\
         mtd3: 00010000 00004000 \"other chip\"\n";
    let layout = Layout::from_proc_mtd(text).unwrap();
    let device = from_layout(&layout, 1);
    assert_eq!(device.partition_bytes(0), b"a name ");
    assert!(device.partition_bytes(1).starts_with(b"two\0"));
    assert_eq!(device.partition_bytes(2), b"");
    let other = device.partition_bytes(3);
    assert!(other.starts_with(b"other chip\0") && other[0xb000..].iter().all(|&b| b == 0xff));
    assert!(from_layout(&layout, 1).chip_bytes(0) == device.chip_bytes(0));
    assert!(from_layout(&layout, 2).chip_bytes(0) != device.chip_bytes(0));
    assert_eq!(device.system.proc_mtd(), text);
}

#[test]
fn an_image_is_taken_as_it_is() {
    let bytes = ispot(1).chip_bytes(0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flash.bin");
    std::fs::write(&path, &bytes).unwrap();
    assert!(from_image(&path, &Layout::ispot()).unwrap().chip_bytes(0) == bytes);
    assert!(from_bytes(&bytes, &Layout::ispot()).unwrap().chip_bytes(0) == bytes);

    let error = from_bytes(&bytes[1..], &Layout::ispot())
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("16777215 bytes"), "{error}");
    let mut two = Layout::ispot();
    two.chips.push(two.chips[0].clone());
    let error = from_image(&path, &two).err().unwrap().to_string();
    assert!(error.contains("2 chips"), "{error}");
    assert!(from_image(folder.path().join("absent"), &Layout::ispot()).is_err());
}

/// Contents that count up, with every third erase block erased.
struct Model(Geometry);

impl Contents for Model {
    fn fill(&self, block: crate::chip::EraseBlock, cells: &mut [u8]) {
        for (at, cell) in cells.iter_mut().enumerate() {
            *cell = if self.is_erased(block) {
                0xff
            } else {
                (at as u64 + block.0 * 3) as u8
            };
        }
    }
    fn is_erased(&self, block: crate::chip::EraseBlock) -> bool {
        assert!(block.0 < self.0.erase_blocks());
        block.0 % 3 == 2
    }
}

/// Contents that nobody may ask for.
struct Untouchable;

impl Contents for Untouchable {
    fn fill(&self, block: crate::chip::EraseBlock, _: &mut [u8]) {
        panic!("{block:?} was made");
    }
}

#[test]
fn erase_blocks_that_are_replaced_as_a_whole_are_never_made() {
    let geometry = Geometry {
        size_bytes: 640,
        erase_block_bytes: 64,
    };
    let mut lazy = LazyStorage::new(geometry, Box::new(Untouchable));
    lazy.erase(0, 128).unwrap();
    lazy.load(128, &[7; 512]).unwrap();
    let mut read = [0; 640];
    lazy.read(0, &mut read).unwrap();
    assert_eq!(
        (&read[..128], &read[128..]),
        (&[0xff; 128][..], &[7; 512][..])
    );
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    /// Cells that are made late behave as cells that were there from the start.
    #[test]
    fn lazy_cells_are_cells(steps in prop::collection::vec((0u8..4, 0u64..640, 1usize..200, any::<u8>()), 1..40)) {
        let geometry = Geometry { size_bytes: 640, erase_block_bytes: 64 };
        let mut lazy = LazyStorage::new(geometry, Box::new(Model(geometry)));
        let mut model: Vec<u8> = (0..640u64)
            .map(|at| if at / 64 % 3 == 2 { 0xff } else { (at % 64 + at / 64 * 3) as u8 })
            .collect();
        for (step, offset, length, byte) in steps {
            let length = length.min(640 - offset as usize);
            let range = offset as usize..offset as usize + length;
            let data = vec![byte; length];
            match step {
                0 => {
                    lazy.program(offset, &data).unwrap();
                    model[range.clone()].iter_mut().for_each(|cell| *cell &= byte);
                }
                1 => {
                    lazy.load(offset, &data).unwrap();
                    model[range.clone()].copy_from_slice(&data);
                }
                2 => {
                    lazy.erase(offset / 64 * 64, 64).unwrap();
                    model[range.start / 64 * 64..][..64].fill(0xff);
                }
                _ => {}
            }
            let mut read = vec![0; length];
            lazy.read(offset, &mut read).unwrap();
            prop_assert_eq!(&read, &model[range]);
        }
    }
}

#[test]
fn a_fork_of_a_device_has_chips_of_its_own() {
    use crate::mtd::OpenFlags;
    let device = ispot(3);
    let before = device.partition_bytes(1);
    let fork = device.fork();
    let mut node = fork
        .system
        .open(NodeId::mtd(1), OpenFlags::READ_WRITE)
        .unwrap();
    node.pwrite(0, &[0; 64]).unwrap();
    assert_eq!(device.partition_bytes(1), before);
    assert_eq!(fork.partition_bytes(1)[..64], [0; 64]);
    // What the fork did not touch is shared: nothing was made or copied for it.
    let difference = device.system.with_chip(0, |ours| {
        fork.system
            .with_chip(0, |theirs| ours.differences(theirs))
            .unwrap()
    });
    assert_eq!(difference.erase_blocks, 1);
    assert_eq!(difference.first[0].offset_bytes, 0x40000);
}

#[test]
fn what_a_fork_inherits_is_flash_not_caches() {
    use crate::mtd::OpenFlags;
    let device = ispot(3);
    let mut node = device
        .system
        .open(NodeId::mtdblock(1), OpenFlags::READ_WRITE)
        .unwrap();
    node.pwrite(0, &[0; 512]).unwrap();
    let fork = device.fork();
    let mut buf = [0xaa; 512];
    let mut there = fork
        .system
        .open(NodeId::mtdblock(1), OpenFlags::READ)
        .unwrap();
    there.pread(0, &mut buf).unwrap();
    assert_eq!(buf, device.partition_bytes(1)[..512]);
    assert_ne!(buf, [0; 512], "only the cache of the first device has that");
}

#[test]
fn what_is_given_twice_is_refused() {
    let plan = || "read-error@0x10".parse::<FaultPlan>().unwrap();
    let built = IspotBuilder::new(1).faults(plan()).faults(plan()).build();
    assert!(matches!(
        built,
        Err(ProfileError::GivenTwice { what: "faults" })
    ));
    let memory = |geometry| Box::new(MemoryStorage::new(geometry)) as Box<dyn Storage>;
    let built = IspotBuilder::new(1).storage(memory).storage(memory).build();
    assert!(matches!(
        built,
        Err(ProfileError::GivenTwice { what: "storage" })
    ));
}
