//! What Linux itself makes of the file systems that the profile generates.
//!
//! `fixtures/jffs2.listing` is what a kernel showed of the simulated
//! iSpot's three file systems (seed 1), file by file; its README has the recipe.
//! The checker must read the same from the same bytes, here and everywhere. With
//! a virtual iSpot at hand, a kernel is asked again, and then made to write.

use mtd_harness::format::jffs2::{self, Content, DeviceClass};
use mtd_harness::profile;
use sha2::{Digest, Sha256};
use std::fmt::Write;

const GOLDEN: &str = include_str!("../fixtures/jffs2.listing");
const ERASE_BLOCK_BYTES: u32 = 0x2_0000;
/// `rootfs`, `system` and `rootfs_2`.
const FILE_SYSTEMS: [u32; 3] = [3, 4, 6];

/// Mode in hex, time, what it holds, path: as the guest's script prints it.
fn listing(partition: &[u8]) -> String {
    let found = jffs2::check(partition, ERASE_BLOCK_BYTES);
    assert_eq!(found.problems, []);
    let mut lines: Vec<_> = found
        .files
        .iter()
        .map(|(path, entry)| {
            let (kind, content) = match &entry.content {
                Content::Directory => (0x4000, "-".to_owned()),
                Content::File(bytes) => (0x8000, hex(&Sha256::digest(bytes))),
                Content::Symlink(target) => (0xa000, target.clone()),
                Content::Device(DeviceClass::Character, major, minor) => {
                    (0x2000, format!("{major:x}:{minor:x}"))
                }
                Content::Device(DeviceClass::Block, major, minor) => {
                    (0x6000, format!("{major:x}:{minor:x}"))
                }
                other => panic!("{path}: {other:?}"),
            };
            let path = match path.as_str() {
                "" => ".".to_owned(),
                path => format!("./{path}"),
            };
            (
                path,
                format!("{:x} {} {content}", kind | entry.mode, entry.time),
            )
        })
        .collect();
    lines.sort();
    lines.iter().fold(String::new(), |mut text, (path, rest)| {
        writeln!(text, "{rest} {path}").unwrap();
        text
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_checker_reads_what_a_kernel_read() {
    let device = profile::ispot(1);
    let mut ours = String::new();
    for index in FILE_SYSTEMS {
        let name = &device.system.devices()[index as usize].name;
        let partition = device.partition_bytes(index);
        write!(ours, "mtd{index} {name}\n{}", listing(&partition)).unwrap();
    }
    let golden: Vec<_> = GOLDEN
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    assert!(
        golden.len() > 150,
        "the listing holds {} lines",
        golden.len()
    );
    for (ours, golden) in ours.lines().zip(&golden) {
        assert_eq!(ours, *golden, "ours and the kernel's");
    }
    assert_eq!(ours.lines().count(), golden.len());
}

#[cfg(target_os = "linux")]
mod on_a_kernel {
    use super::*;
    use mtd_virtual_device::{BootFrom, VirtualDevice, boards::ISPOT};

    /// Prints the listing of one file system after its `/proc/mtd` name.
    const LIST: &str = r#"
list() {
    sed -n "s/^mtd$1: .* \"\(.*\)\"$/mtd$1 \1/p" /proc/mtd
    mount -t jffs2 -o ro /dev/mtdblock$1 /mnt || exit 9
    cd /mnt
    find . | sort | while read path; do
        content=-
        if [ -h "$path" ]; then content=$(readlink "$path")
        elif [ -f "$path" ]; then content=$(sha256sum < "$path" | cut -d ' ' -f 1)
        elif [ ! -d "$path" ]; then content=$(stat -c %t:%T "$path"); fi
        echo "$(stat -c '%f %Y' "$path") $content $path"
    done
    cd /
    umount /mnt
}
mkdir -p /mnt
"#;

    fn ispot() -> VirtualDevice {
        VirtualDevice::new(&ISPOT, profile::ispot(1).chip_bytes(0))
            .expect("what the virtual iSpot needs is installed")
            .boot_from(BootFrom::Ram)
    }

    /// The kernel's own complaints about a file system.
    fn complaints(console: &str) -> Vec<&str> {
        console
            .lines()
            .filter(|line| line.contains("jffs2") && !line.contains("jffs2: version"))
            .collect()
    }

    /// With MTDKEEP_GOLDEN=write it makes the fixture instead.
    #[test]
    #[ignore = "needs what ci/virtual-ispot installs"]
    fn a_kernel_mounts_them_and_reads_the_same_files() {
        let before = profile::ispot(1).chip_bytes(0);
        let mut ispot = ispot();
        let script = format!("{LIST}list 3; list 4; list 6; uname -r >&2");
        let outcome = ispot.run(&script).unwrap().expect_success();
        assert_eq!(complaints(&outcome.console), Vec::<&str>::new());
        assert!(outcome.console.contains("11 RedBoot partitions found"));
        assert!(ispot.chip() == before, "a read-only mount changes nothing");
        let text = outcome.stdout_text();
        if std::env::var_os("MTDKEEP_GOLDEN").is_some_and(|value| value == "write") {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/jffs2.listing");
            let version = outcome.stderr_text();
            let head = "the simulated iSpot's file systems, seed 1; see README.md";
            std::fs::write(path, format!("# Linux {}: {head}\n{text}", version.trim())).unwrap();
            return;
        }
        let golden = GOLDEN.split_once('\n').unwrap().1;
        assert_eq!(text, golden);
    }

    #[test]
    #[ignore = "needs what ci/virtual-ispot installs"]
    fn a_kernel_writes_to_them_and_the_checker_still_reads_them() {
        let mut ispot = ispot();
        let script = "mkdir -p /mnt && mount -t jffs2 /dev/mtdblock4 /mnt && cd /mnt &&
            echo new > cert/new && echo image=1 > boot && rm wimax.conf && mv wlan.conf w.conf &&
            dd if=/dev/zero of=log/zeros bs=1k count=100 && chmod 711 log &&
            cd / && umount /mnt";
        let outcome = ispot.run(script).unwrap().expect_success();
        assert_eq!(complaints(&outcome.console), Vec::<&str>::new());
        let found = jffs2::check(&ispot.chip()[0x78_0000..0x88_0000], ERASE_BLOCK_BYTES);
        assert_eq!(found.problems, []);
        assert_eq!(
            found.files["cert/new"].content,
            Content::File(b"new\n".to_vec())
        );
        assert_eq!(
            found.files["boot"].content,
            Content::File(b"image=1\n".to_vec())
        );
        assert_eq!(found.files["log"].mode, 0o711);
        assert!(found.files.contains_key("w.conf") && found.files.contains_key("log/zeros"));
        assert!(!found.files.contains_key("wimax.conf") && !found.files.contains_key("wlan.conf"));
    }
}
