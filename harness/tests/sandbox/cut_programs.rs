//! Programs that others wrote, under power cuts: which of them survive, and which leave a
//! device that does not start.

use crate::cuts::{blank, load, sh};
use crate::support::{device, text};
use mtd_harness::chip::cut::{Explorer, Model, Report, Tears};
use mtd_harness::profile::SimulatedDevice;
use mtd_harness::sandbox::{Sandbox, UnderCuts};
use rstest::rstest;
use std::path::Path;
use std::process::Command;

/// Searches, with the tools of the system's administrator; at least so many states.
#[track_caller]
fn searched(
    program: &'static str,
    prepare: fn(&SimulatedDevice),
    check: &str,
    states: u64,
) -> Report {
    let device = device();
    prepare(&device);
    let subject =
        UnderCuts::new(device, sh(program)).check(format!("export PATH=$PATH:/usr/sbin; {check}"));
    let start = subject.start();
    let report = Explorer::new(&start, &subject)
        .tears(Tears::stable())
        .states(states)
        .run()
        .unwrap();
    assert!(subject.trouble().is_none());
    println!("{program}\n{report}");
    assert!(report.states() >= states / 4, "{report}");
    report
}

/// The article's script only reads: there is nothing to cut.
#[test]
fn a_script_that_reads_has_no_operation() {
    let line = "for x in 0 1 2 3 4 5 6 7 8 9; do dd if=/dev/mtd$x of=/var/wwwroot/mtd$x.bin 2>/dev/null || exit 1; done";
    let subject = UnderCuts::new(device(), sh(line)).check_with(|device, _| {
        match device.chip_bytes(0) == crate::support::device().chip_bytes(0) {
            true => Ok(()),
            false => Err("the flash changed".into()),
        }
    });
    let start = subject.start();
    let report = Explorer::new(&start, &subject).run().unwrap();
    report.assert_held();
    assert_eq!((report.operations, report.states()), (0, 1));
}

/// The boot loader's environment in two copies, of which the newer counts: whenever
/// power goes, one is whole, and old or new.
#[test]
#[ignore = "needs libubootenv-tool"]
fn a_redundant_environment_survives_every_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config").display().to_string();
    std::fs::write(
        &path,
        "/dev/mtd6 0 0x100 0x20000 1\n/dev/mtd7 0 0x100 0x20000 1\n",
    )
    .unwrap();
    // What is there before: two good copies.
    let device = blank();
    let sandbox = Sandbox::builder(device.clone()).build().unwrap();
    let line = format!(
        "printf 'state=old\\nother=kept\\n' > {path}.default
         fw_setenv -c {path} -f {path}.default state old && fw_setenv -c {path} state old"
    );
    let mut before = Command::new("sh");
    before
        .args(["-c", &line])
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let outcome = sandbox.output(&mut before).unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    drop(sandbox);
    let update = path.clone();
    let subject = UnderCuts::new(device, move || {
        let mut command = Command::new("/usr/bin/fw_setenv");
        command.args(["-c", &update, "state", "new"]);
        command
    })
    .check(format!(
        "told=$(/usr/bin/fw_printenv -c {path} 2>&1) || {{ echo unreadable; exit 1; }}
         case $told in *other=kept*) ;; *) echo \"$told\"; exit 1; esac
         case $told in *state=old*|*state=new*) ;; *) echo \"$told\"; exit 1; esac"
    ));
    let start = subject.start();
    let report = Explorer::new(&start, &subject)
        .tears(Tears::stable())
        .states(400)
        .run()
        .unwrap();
    println!("{report}");
    assert!(subject.trouble().is_none());
    report.assert_held();
    assert!(report.states() >= 100, "{report}");
}

/// A shell script of dd and erase, old or new: it is neither after most cuts.
#[test]
#[ignore = "needs mtd-utils"]
fn a_script_of_erase_and_dd_is_caught() {
    let report = searched(
        "flash_erase -q /dev/mtd7 0 1 && head -c 200 /dev/zero | tr '\\0' n | dd of=/dev/mtd7 2>/dev/null",
        |device| load(device, 7, &[b'o'; 200]),
        "case $(head -c 200 /dev/mtd7 | tr -s on) in o|n) ;; *) echo neither; exit 1; esac",
        200,
    );
    assert!(report.failed() > 20);
    assert!(report.failures[0].why.contains("neither"), "{report}");
    assert!(report.models[&Model::Zeros].1 > 0, "{report}");
}

/// An image of 4096 bytes: a header of 64, whose first byte is the mark of an image, and
/// the rest. A boot loader takes what has the mark, and must find the rest whole.
const BOOTS: &str = "[ $(head -c 1 /dev/mtd7) != H ] ||
    [ $(head -c 4096 /dev/mtd7 | tail -c 4032 | tr -d n | wc -c) = 0 ] || { echo half an image; exit 1; }";

/// That image in a file, for a program that puts it into mtd7.
fn image() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), [&[b'H'; 64][..], &[b'n'; 4032]].concat()).unwrap();
    file
}

/// An updater that starts with the mark of an image: it promises what is not there yet,
/// and most cuts show it. Under each kind of cut but those in the erase.
#[track_caller]
fn leaves_half_an_image(updater: impl Fn(&Path) -> Command + Send + Sync + 'static) {
    let device = device();
    load(&device, 7, &[b'o'; 4096]);
    let file = image();
    let path = file.path().to_owned();
    let subject = UnderCuts::new(device, move || updater(&path)).check(BOOTS);
    let start = subject.start();
    let report = Explorer::new(&start, &subject)
        .tears(Tears::stable())
        .states(80)
        .run()
        .unwrap();
    println!("{report}");
    assert!(subject.trouble().is_none());
    assert!(report.states() >= 40, "{report}");
    assert!(report.failed() > 20, "{report}");
    for model in [Model::Before, Model::Bytes, Model::Words] {
        assert!(report.models[&model].1 > 0, "{model}: {report}");
    }
    let why = &report.failures[0].why;
    assert!(why.contains("half an image"), "{why}");
    // What the first of them leads to really happens.
    let real = subject.replay(&report.failures[0].id).unwrap();
    assert_eq!(real.verdict.unwrap_err(), *why);
}

/// flashcp writes from the front, also where it writes only what differs.
#[rstest]
#[ignore = "needs mtd-utils"]
fn flashcp_leaves_half_an_image(#[values(None, Some("-p"))] option: Option<&'static str>) {
    leaves_half_an_image(move |image| {
        let mut command = Command::new("/usr/sbin/flashcp");
        command.args(option).arg(image).arg("/dev/mtd7");
        command
    });
}

/// So does that of BusyBox, which Debian's BusyBox does not have: `ci/sandbox` builds it.
#[test]
#[ignore = "needs BusyBox's flashcp"]
fn the_flashcp_of_busybox_leaves_half_an_image() {
    let program = std::env::var_os("MTDKEEP_BUSYBOX_FLASHCP").expect("its path");
    leaves_half_an_image(move |image| {
        let mut command = Command::new(&program);
        command.arg(image).arg("/dev/mtd7");
        command
    });
}

/// What flashcp --wr-last does, which Debian 12's does not know, in the same order by
/// hand: the erase, then all but the header, then the header.
#[test]
#[ignore = "needs mtd-utils"]
fn the_header_written_last_holds() {
    let report = searched(
        "flash_erase -q /dev/mtd7 0 1 && head -c 4032 /dev/zero | tr '\\0' n | dd of=/dev/mtd7 bs=64 seek=1 2>/dev/null &&
         head -c 64 /dev/zero | tr '\\0' H | dd of=/dev/mtd7 2>/dev/null",
        |device| load(device, 7, &[b'o'; 4096]),
        BOOTS,
        150,
    );
    report.assert_held();
}
