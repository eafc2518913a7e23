//! The simulation measured against a kernel: what `fixtures` holds was
//! printed by the conformance program on Linux with real MTD; the harness's MTD
//! layer must answer the same, line by line.

mod broken;

use broken::{Broken, Lie};
use mtd_conformance::compare::{Comparison, Marks, Scope, compare, parse};
use mtd_conformance::in_process::InProcess;
use mtd_conformance::run::{Line, Report, Runner};
use mtd_conformance::script::{Cases, Roles, Step};
use mtd_conformance::{Permit, Target};
use mtd_harness::chip::{Chip, Geometry};
use mtd_harness::layout::Layout;
use mtd_harness::mtd::NodeId;
use mtd_harness::profile::SimulatedDevice;
use rstest::rstest;
use std::path::Path;

const CHIP_BYTES: usize = 0x100_0000;

/// What a kernel answered.
fn golden() -> Vec<Line> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/virtual-ispot.txt");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    parse(&text).unwrap()
}

fn cases() -> Cases {
    Cases::all(&Roles::default()).unwrap()
}

/// The two partitions that the stored run was allowed to write to.
fn permit() -> Permit {
    Permit(vec![4, 9])
}

/// An iSpot with bytes of no meaning on its chip, and without mtd10's nodes.
fn device() -> SimulatedDevice {
    let layout = Layout::ispot();
    let mut chip = Chip::new(Geometry {
        size_bytes: CHIP_BYTES as u64,
        erase_block_bytes: 0x2_0000,
    });
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let bytes: Vec<u8> = (0..CHIP_BYTES).map(|_| noise()).collect();
    chip.load(0, &bytes).unwrap();
    let nodes = (0..10).flat_map(|index| {
        [
            (format!("dev/mtd{index}"), NodeId::mtd(index)),
            (format!("dev/mtd{index}ro"), NodeId::mtd_read_only(index)),
            (format!("dev/mtdblock{index}"), NodeId::mtdblock(index)),
        ]
    });
    let about = "an iSpot for the conformance cases";
    let mut device = SimulatedDevice::new(about, vec![chip], &layout);
    device.nodes = nodes.collect();
    device
}

fn chip_bytes(device: &SimulatedDevice) -> Vec<u8> {
    let mut bytes = vec![0; CHIP_BYTES];
    device
        .system
        .with_chip(0, |chip| chip.peek(0, &mut bytes).unwrap());
    bytes
}

fn run(target: &mut dyn Target, permit: &Permit) -> Report {
    let mut runner = Runner::new(target, &Roles::default()).unwrap();
    runner
        .run(&cases(), permit, &mut |_| {}, &mut |_, _| Ok(()))
        .unwrap()
}

fn against_golden(report: &Report) -> Comparison {
    compare(
        &golden(),
        report,
        &cases(),
        Scope::InProcess,
        Marks::AsSilicon,
    )
}

#[rstest]
#[case::as_a_64_bit_program(8)]
#[case::as_a_32_bit_program(4)]
fn the_mtd_layer_answers_as_linux_does(#[case] pointer_bytes: usize) {
    let report = run(&mut InProcess::new(&device(), pointer_bytes), &permit());
    let outcome = against_golden(&report);
    println!("{outcome}");
    assert!(outcome.wrong.is_empty(), "{outcome}");
    assert!(outcome.agree > 1000 && outcome.marked > 0, "{outcome}");
}

/// Every call of the cases is in the stored lines, in the same words, those that
/// need a real process too; and nothing else is.
#[test]
fn the_stored_lines_are_those_of_the_cases() {
    let cases = cases();
    let in_words = |step: &Step| format!("{}  {}", step.id, step.words.join(" "));
    let wanted: Vec<String> = cases.calls().map(|(_, step)| in_words(step)).collect();
    let stored = golden().into_iter();
    let stored: Vec<String> = stored
        .map(|line| format!("{}  {}", line.id, line.words))
        .collect();
    for (wanted, stored) in wanted.iter().zip(&stored) {
        assert_eq!(wanted, stored, "`ci/conformance golden` makes them anew");
    }
    assert_eq!(wanted.len(), stored.len());
}

/// A comparison that cannot fail proves nothing: each of these lies, told by an
/// otherwise right target, must be found.
#[rstest]
fn a_target_that_lies_is_found(
    #[values(
        Lie::ReadPastTheEndFails,
        Lie::ReadMovesNothing,
        Lie::PositionalReadMoves,
        Lie::WritePastTheEndIsShort,
        Lie::ReadOnlyIsErofs,
        Lie::EverythingOpensForWriting,
        Lie::UnknownIoctlIsEinval,
        Lie::EraseDoesNothing,
        Lie::FsyncSucceeds,
        Lie::SeekBeyondTheEnd,
        Lie::NameWithoutNewline,
        Lie::NodesHaveASize,
        Lie::MknodReplaces
    )]
    lie: Lie,
) {
    let mut target = Broken::new(InProcess::new(&device(), 8), lie);
    let mut runner = Runner::new(&mut target, &Roles::default()).unwrap();
    // A lie may also make preparing impossible, which is as good.
    let report = runner.run(&cases(), &permit(), &mut |_| {}, &mut |_, _| Ok(()));
    if let Ok(report) = report {
        let outcome = against_golden(&report);
        assert!(!outcome.wrong.is_empty(), "{lie:?} went unnoticed");
    }
    assert!(target.told, "{lie:?} was never told");
}

#[test]
fn what_was_written_to_is_put_back() {
    let device = device();
    let before = chip_bytes(&device);
    let mut kept = Vec::new();
    let mut target = InProcess::new(&device, 8);
    let mut runner = Runner::new(&mut target, &Roles::default()).unwrap();
    let mut keep = |index: u32, bytes: &[u8]| {
        assert_eq!(chip_bytes(&device), before, "kept before the first write");
        kept.push((index, bytes.to_vec()));
        Ok(())
    };
    runner
        .run(&cases(), &permit(), &mut |_| {}, &mut keep)
        .unwrap();
    assert_eq!(chip_bytes(&device), before);
    let scratch = before[0x78_0000..0x88_0000].to_vec();
    assert!(kept.contains(&(4, scratch)));
}

#[test]
fn contents_that_cannot_be_kept_are_not_written_to() {
    let device = device();
    let before = chip_bytes(&device);
    let mut target = InProcess::new(&device, 8);
    let mut runner = Runner::new(&mut target, &Roles::default()).unwrap();
    let mut keep = |_: u32, _: &[u8]| Err(mtd_harness::Errno::NOSPC);
    let error = runner
        .run(&cases(), &permit(), &mut |_| {}, &mut keep)
        .unwrap_err();
    assert!(error.to_string().contains("nothing was written"), "{error}");
    assert_eq!(chip_bytes(&device), before);
}

/// Without a permit no call can change anything, whatever the kernel would do.
#[test]
fn without_a_permit_nothing_is_opened_for_writing() {
    let mut target = Broken::new(InProcess::new(&device(), 8), Lie::None);
    let report = run(&mut target, &Permit::default());
    assert!(!report.lines.is_empty() && !report.skipped.is_empty());
    assert_eq!(target.opened_for_writing, Vec::<String>::new());
    let stored = golden();
    for line in &report.lines {
        let golden = stored.iter().find(|golden| golden.id == line.id).unwrap();
        if line.mark.is_none() {
            assert_eq!(line, golden);
        }
    }
}

/// The calls of a process of its own, which believes in the nodes that it sees.
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod in_the_sandbox {
    use super::*;
    use mtd_harness::sandbox::Sandbox;
    use std::process::{Command, Stdio};

    /// Runs a program that speaks as the conformance program does.
    fn run(program: &[&str], exact: bool, scope: Scope) -> Comparison {
        let folder = tempfile::tempdir().unwrap();
        let device = device();
        let before = chip_bytes(&device);
        let sandbox = Sandbox::builder(device.clone()).exact(exact).build();
        let sandbox = sandbox.expect("a sandbox works here");
        let mut command = Command::new(program[0]);
        command
            .args(&program[1..])
            .args(["--allow-writing", "mtd4,mtd9", "--folder"])
            .arg(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let outcome = sandbox.run(&mut command).unwrap();
        let errors = String::from_utf8_lossy(&outcome.stderr);
        assert!(outcome.status.success(), "{:?} {errors}", outcome.status);
        let report = Report {
            lines: parse(&String::from_utf8(outcome.stdout).unwrap()).unwrap(),
            skipped: Vec::new(),
        };
        let comparison = compare(&golden(), &report, &cases(), scope, Marks::AsSilicon);
        println!("{comparison}");
        assert_eq!(chip_bytes(&device), before, "contents were not put back");
        comparison
    }

    #[rstest]
    #[case::with_the_kernel_s_own_reads(false)]
    #[case::with_every_read_through_the_chip(true)]
    fn a_program_gets_linux_s_answers(#[case] exact: bool) {
        let program = env!("CARGO_BIN_EXE_mtd-conformance");
        let outcome = run(&[program], exact, Scope::Everything);
        assert!(outcome.wrong.is_empty(), "{outcome}");
        assert!(outcome.agree > 1500 && outcome.marked > 0, "{outcome}");
    }

    /// `MTDKEEP_CONFORMANCE_ARM` is a command line: an emulator in user mode and
    /// the conformance program for ARM. `ci/conformance` sets it.
    #[test]
    #[ignore = "needs what ci/conformance builds"]
    fn an_arm_program_gets_linux_s_answers() {
        let line = std::env::var("MTDKEEP_CONFORMANCE_ARM").expect("it names an ARM program");
        let program: Vec<&str> = line.split_whitespace().collect();
        let outcome = run(&program, false, Scope::QemuUser);
        assert!(outcome.wrong.is_empty(), "{outcome}");
        assert!(outcome.agree > 1000 && outcome.marked > 0, "{outcome}");
    }
}
