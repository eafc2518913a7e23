//! Linux itself: this very test, as a program for the device, runs in the virtual iSpot
//! (`device::virtual_ispot::contract`), where it erases and programs `system`.

use super::{Device, Part, Subject, keeps_it_but_for, part};
use mtdkeep::backend::LinuxBackend;
use mtdkeep::mtd::MtdBackend;
use std::fs::{File, read, write};
use std::sync::LazyLock;

/// Says that the flash of this machine is there to be written; a folder with a node of
/// mtd10, which the device has none of.
const HIDDEN: &str = "MTDKEEP_CONTRACT_MAY_WRITE";

const ISPOT: Device = Device {
    parts: &PARTS,
    erase_block_bytes: 0x2_0000,
    writeable: 4,
    read_only: 9,
    without_node: 10,
};

const PARTS: [Part; 11] = [
    part("RedBoot", 0, 0x4_0000),
    part("param", 0x4_0000, 0x2_0000),
    part("linux", 0x6_0000, 0x12_0000),
    part("rootfs", 0x18_0000, 0x60_0000),
    part("system", 0x78_0000, 0x10_0000),
    part("linux_2", 0x88_0000, 0x12_0000),
    part("rootfs_2", 0x9A_0000, 0x60_0000),
    part("ver_1", 0xFA_0000, 0x2_0000),
    part("ver_2", 0xFC_0000, 0x2_0000),
    Part {
        writeable: false,
        ..part("FIS directory", 0xFE_0000, 0x1_F000)
    },
    Part {
        writeable: false,
        has_node: false,
        ..part("RedBoot config", 0xFF_F000, 0x1000)
    },
];

/// The running kernel, past which plain reads of the nodes look.
struct Real {
    backend: LinuxBackend,
}

fn cells(position: usize) -> Vec<u8> {
    let path = match position == ISPOT.without_node {
        true => format!("{}/mtd{position}", std::env::var(HIDDEN).unwrap()),
        false => format!("/dev/mtd{position}"),
    };
    read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The device's memory has no room for these twice; that they do not change, the test
/// outside sees on the chip itself.
const LARGE_BYTES: u64 = 0x20_0000;

/// What the flash holds before the first check, but for what is large.
static BEFORE: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let is_large = |position: usize| PARTS[position].size_bytes > LARGE_BYTES;
    let before = |position| match is_large(position) {
        true => Vec::new(),
        false => cells(position),
    };
    (0..PARTS.len()).map(before).collect()
});

impl Real {
    /// The flash as it was; the kernel's block device puts it back.
    fn new() -> Self {
        let (was, writeable) = (&BEFORE[ISPOT.writeable], ISPOT.writeable);
        if cells(writeable) != *was {
            let block = format!("/dev/mtdblock{writeable}");
            write(&block, was).unwrap();
            File::open(&block).unwrap().sync_all().unwrap();
            assert!(cells(writeable) == *was, "{block} does not put it back");
        }
        Self {
            backend: LinuxBackend::new(None),
        }
    }
}

impl Subject for Real {
    fn backend(&self) -> &dyn MtdBackend {
        &self.backend
    }

    fn device(&self) -> &Device {
        &ISPOT
    }

    fn only_clears_bits(&self) -> bool {
        false
    }

    fn contents(&self, position: usize) -> Vec<u8> {
        match &*BEFORE[position] {
            [] => cells(position),
            before => before.to_vec(),
        }
    }

    fn cells(&self, position: usize) -> Vec<u8> {
        cells(position)
    }

    fn shorten(&self, _: usize, _: u64) {
        unreachable!("that check is left out");
    }
}

#[test]
#[ignore = "needs the virtual iSpot, whose flash it writes"]
fn linux_itself_keeps_the_contract() {
    assert!(
        std::env::var_os(HIDDEN).is_some(),
        "{HIDDEN} does not say that this machine's flash may be written"
    );
    // Nobody makes this chip shorter; and root makes itself a node.
    let left_out = [
        "a device that ends early says where",
        "a missing node is named, with what to do",
    ];
    keeps_it_but_for(&left_out, Real::new);
}

/// The same in the sandbox: this program, started once more, has the simulated iSpot's
/// flash below `/dev` by way of the kernel's own calls.
#[cfg(feature = "full")]
#[test]
fn linux_as_the_sandbox_shows_it_keeps_the_contract() {
    use mtd_harness::mtd::NodeId;
    use mtd_harness::{profile, sandbox::Sandbox};

    let mut device = profile::ispot(1);
    let node = NodeId::Character {
        major: 90,
        minor: 20,
    };
    device.nodes.insert("dev/hidden/mtd10".into(), node);
    let before = device.chip_bytes(0);
    let sandbox = Sandbox::builder(device.clone()).build().unwrap();
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "--ignored", "--test-threads=1"])
        .arg("backend::contract::real::linux_itself_keeps_the_contract")
        .env(HIDDEN, "/dev/hidden");
    let output = sandbox.output(&mut command).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(said.contains("1 passed"), "{said}");
    // It was this flash that was erased and programmed, and nothing beside that.
    let (after, written) = (device.chip_bytes(0), &PARTS[ISPOT.writeable]);
    let (start, end) = (
        written.offset_bytes as usize,
        (written.offset_bytes + written.size_bytes) as usize,
    );
    assert!(after[start..end] != before[start..end]);
    assert!(after[..start] == before[..start] && after[end..] == before[end..]);
}
