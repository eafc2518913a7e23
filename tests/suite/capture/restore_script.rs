//! The script of `mtdkeep script --restore`, unmodified, in the sandbox: with each tool
//! that a device may have, by dash and BusyBox's ash; what it refuses; cuts of the power.

use crate::cli::restore_cuts::small_device;
use crate::cli::support::{mtdkeep, numbered_bytes, program_words, run_in, text};
use mtd_harness::profile::{self, SimulatedDevice};
use mtd_harness::sandbox::{Outcome, Sandbox};
use rstest::rstest;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use tempfile::TempDir;

const ERASE_BLOCK: u64 = 0x2_0000;
const PARAM: u64 = 0x4_0000;
const LINUX: u64 = 0x6_0000;
const SYSTEM: u64 = 0x78_0000;
const LINUX_2: u64 = 0x88_0000;

/// A backup of the iSpot, made once.
static BACKUP: LazyLock<TempDir> = LazyLock::new(|| {
    let outer = tempfile::tempdir().unwrap();
    run_in(outer.path(), "backup --simulate -o mtd_backup -q", 0);
    outer
});

/// The simulated iSpot as `--simulate` has it, damaged, with its backup in its web
/// server's folder.
struct Bench {
    device: SimulatedDevice,
    good: Vec<u8>,
    sandbox: Sandbox,
    web: TempDir,
    outer: TempDir,
}

impl Bench {
    fn new(damaged: &[u64]) -> Self {
        let device = profile::ispot(1);
        let good = device.chip_bytes(0);
        device.system.with_chip(0, |chip| {
            for at in damaged {
                let block = at / ERASE_BLOCK * ERASE_BLOCK;
                chip.load(block, &numbered_bytes(7, 4096)).unwrap();
            }
        });
        let web = tempfile::tempdir().unwrap();
        let images = web.path().join("mtd_backup");
        fs::create_dir(&images).unwrap();
        for entry in fs::read_dir(BACKUP.path().join("mtd_backup")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), images.join(entry.file_name())).unwrap();
        }
        let sandbox = Sandbox::builder(device.clone())
            .map("/var/wwwroot", web.path())
            .build()
            .unwrap();
        Self {
            device,
            good,
            sandbox,
            web,
            outer: tempfile::tempdir().unwrap(),
        }
    }

    /// Makes the script; what is said beside it.
    fn make(&self, options: &str, code: i32) -> String {
        let line = format!("script --restore mtd_backup {options}");
        let words = line.split_whitespace();
        let output = mtdkeep()
            .current_dir(BACKUP.path())
            .args(words)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{line}: {output:?}");
        fs::write(self.outer.path().join("restore.sh"), &output.stdout).unwrap();
        text(&output.stderr).to_owned()
    }

    /// Runs a line of sh, which starts the script with `$SH restore.sh`.
    fn run(&self, shell: &str, line: &str) -> (Option<i32>, String) {
        let mut command = Command::new("sh");
        let tools = self.outer.path().join("tools");
        let path = format!(
            "{}:{}:/usr/sbin:/sbin",
            tools.display(),
            std::env::var("PATH").unwrap()
        );
        command
            .args(["-c", line])
            .env("PATH", path)
            .env("SH", shell)
            .env("MTDKEEP_MEMORY", "yes")
            .current_dir(self.outer.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let outcome: Outcome = self.sandbox.run(&mut command).unwrap();
        let said = [&outcome.stdout, &outcome.stderr].map(|bytes| text(bytes).to_owned());
        (outcome.status.code(), said.concat())
    }

    /// Runs the script, which has to succeed.
    fn restores(&self, shell: &str) -> String {
        let (code, said) = self.run(shell, "$SH restore.sh --yes");
        assert_eq!(code, Some(0), "{said}");
        said
    }

    /// Runs it, which has to change nothing.
    fn refuses(&self, line: &str, code: i32, why: &str) {
        let before = self.device.chip_bytes(0);
        let (is, said) = self.run("sh", line);
        assert_eq!(is, Some(code), "{said}");
        assert!(said.contains(why), "{said}");
        assert!(said.contains("nothing on the flash was changed"), "{said}");
        assert!(self.device.chip_bytes(0) == before);
        assert!(!self.kept().exists());
    }

    fn kept(&self) -> PathBuf {
        self.web.path().join("mtd_backup.restore")
    }

    fn is_good(&self) {
        let is = self.device.chip_bytes(0);
        let differs = is.iter().zip(&self.good).position(|(a, b)| a != b);
        assert_eq!(differs, None);
        assert!(!self.kept().exists());
    }

    /// OpenWrt's mtd is in no package of a usual system: this has its arguments, erases
    /// and writes, and reads nothing back.
    fn stand_in_for_mtd(&self) {
        let tools = self.outer.path().join("tools");
        fs::create_dir(&tools).unwrap();
        let script = "#!/bin/sh\n[ \"$1\" = write ] && flash_erase -q \"$3\" 0 0 &&\n\
                      dd if=\"$2\" of=\"$3\" bs=131072 2>/dev/null\n";
        fs::write(tools.join("mtd"), script).unwrap();
        fs::set_permissions(tools.join("mtd"), PermissionsExt::from_mode(0o755)).unwrap();
    }
}

#[rstest]
#[case::dd("dd", "sh")]
#[ignore = "needs busybox-static"]
#[case::dd_busybox("dd", "busybox ash")]
#[ignore = "needs mtd-utils"]
#[case::flashcp("flashcp", "sh")]
#[ignore = "needs mtd-utils and busybox-static"]
#[case::flashcp_busybox("flashcp", "busybox ash")]
#[ignore = "needs mtd-utils"]
#[case::flash_eraseall("flash_eraseall", "sh")]
#[ignore = "needs mtd-utils and busybox-static"]
#[case::flash_eraseall_busybox("flash_eraseall", "busybox ash")]
#[ignore = "needs mtd-utils"]
#[case::mtd("mtd", "sh")]
#[ignore = "needs mtd-utils and busybox-static"]
#[case::mtd_busybox("mtd", "busybox ash")]
fn each_tool_restores_what_differs(#[case] tool: &str, #[case] shell: &str) {
    let bench = Bench::new(&[SYSTEM, SYSTEM + 3 * ERASE_BLOCK, 0xfa_0000]);
    if tool == "mtd" {
        bench.stand_in_for_mtd();
    }
    let script = format!("--with {tool} -p system -p ver_1 -p ver_2");
    assert_eq!(bench.make(&script, 0), "");
    let (code, said) = bench.run(shell, "$SH restore.sh --dry-run");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("mtd4 (system): differs"), "{said}");
    assert!(said.contains("mtd8 (ver_2): same"), "{said}");
    assert!(said.contains("nothing was changed"), "{said}");
    let before = bench
        .device
        .system
        .with_chip(0, |chip| chip.counters().erases());
    let said = bench.restores(shell);
    assert!(said.contains("done: 2 partition(s) written"), "{said}");
    // The header comes last, version counters after what they count.
    assert!(
        said.find("(system): writing") < said.find("(ver_1): writing"),
        "{said}"
    );
    bench.is_good();
    let after = bench
        .device
        .system
        .with_chip(0, |chip| chip.counters().erases());
    let erases = after - before;
    // dd writes erase blocks that differ, the others whole partitions.
    assert_eq!(erases, if tool == "dd" { 3 } else { 9 });
    assert!(bench.restores(shell).contains("already"));
    let again = bench
        .device
        .system
        .with_chip(0, |chip| chip.counters().erases());
    assert_eq!(again, after);
}

#[rstest]
#[case::the_boot_loader(&[0], "", "mtd0 (RedBoot) differs, and has the boot loader")]
#[case::both_banks(&[LINUX, LINUX_2], "", "different banks of the firmware")]
#[case::another_device(&[PARAM, SYSTEM], "-p system", "this is not the device")]
#[case::param_itself(&[PARAM], "-p param", "this is not the device")]
fn what_is_refused_on_the_device(#[case] damaged: &[u64], #[case] more: &str, #[case] why: &str) {
    let bench = Bench::new(damaged);
    bench.make(&format!("--with dd {more}"), 0);
    bench.refuses("$SH restore.sh --yes", 5, why);
}

#[rstest]
#[case::allowed(&[0], "-p RedBoot --allow RedBoot")]
#[case::param_itself(&[PARAM], "-p param --allow param")]
#[case::another_device(&[PARAM, SYSTEM], "-p system --other-device")]
fn what_is_asked_for_by_name_is_done(#[case] damaged: &[u64], #[case] more: &str) {
    let bench = Bench::new(damaged);
    bench.make(&format!("--with dd {more}"), 0);
    bench.restores("sh");
    let (is, system) = (bench.device.chip_bytes(0), SYSTEM as usize);
    assert!(is[system..] == bench.good[system..]);
    assert_eq!(is == bench.good, !more.contains("other"));
}

#[rstest]
#[case::an_image_changed(
    "printf x >>/var/wwwroot/mtd_backup/mtd4.bin; $SH restore.sh --yes",
    "is not the image"
)]
#[case::an_image_is_missing(
    "rm /var/wwwroot/mtd_backup/mtd4.bin; $SH restore.sh --yes",
    "is missing"
)]
#[case::another_folder("$SH restore.sh --yes /nowhere", "is missing")]
#[case::nobody_agreed("$SH restore.sh", "nobody has agreed")]
#[case::open_for_reading("exec 5</dev/mtd4; $SH restore.sh --yes", "mtd4 (system) is in use")]
#[case::open_as_a_block_device(
    "exec 5</dev/mtdblock4; $SH restore.sh --yes",
    "mtd4 (system) is in use"
)]
#[case::open_read_only("exec 5</dev/mtd4ro; $SH restore.sh --yes", "mtd4 (system) is in use")]
#[case::no_md5sum(
    "mkdir t; for i in cat dd ls; do ln -s $(command -v $i) t; done; PATH=$PWD/t; . ./restore.sh",
    "there is no md5sum here"
)]
#[case::no_such_tool(
    "sed -i 's/^WITH=dd/WITH=mtd/' restore.sh; $SH restore.sh --yes",
    "there is no mtd here; `mtdkeep script --restore` makes one for other tools"
)]
// A `cat` that tells of flash without single bits, as NAND is.
#[case::nand(
    "mkdir t; printf '#!/bin/sh\nPATH=%s; case $1 in */flags) echo 0x400 ;; *) cat \"$@\" ;; esac' \
     \"$PATH\" >t/cat; chmod +x t/cat; PATH=$PWD/t:$PATH; $SH restore.sh --yes",
    "mtd4 (system) is no NOR"
)]
fn what_else_is_refused(#[case] line: &str, #[case] why: &str) {
    let bench = Bench::new(&[SYSTEM]);
    bench.make("--with dd -p system", 0);
    bench.refuses(line, 5, why);
}

#[test]
fn another_layout_is_refused() {
    let bench = Bench::new(&[SYSTEM]);
    bench.make("--with dd -p system", 0);
    let file = bench.outer.path().join("restore.sh");
    let script = fs::read_to_string(&file).unwrap();
    assert!(script.contains("mtd8: 00020000"));
    fs::write(&file, script.replace("mtd8: 00020000", "mtd8: 00040000")).unwrap();
    bench.refuses("$SH restore.sh --yes", 5, "/proc/mtd is not as it was");
}

/// What no script is made for.
#[rstest]
#[case("--with dd -p mtd9", 5, "shares an erase block")]
#[case("--with dd -p param --other-device --allow param", 5, "never written")]
#[case("--with dd -p nosuch", 2, "there is no partition")]
#[case(
    "--with nandwrite",
    2,
    "--with takes one of flashcp, flash_eraseall, mtd, dd"
)]
#[case("", 2, "--restore needs --with")]
#[case("--with dd --output-dir relative", 2, "absolute")]
fn what_no_script_is_made_for(#[case] options: &str, #[case] code: i32, #[case] why: &str) {
    let bench = Bench::new(&[]);
    let said = bench.make(options, code);
    assert!(said.contains(why), "{said}");
}

#[test]
fn what_is_left_out_is_told_and_the_first_lines_say_what_is_not_promised() {
    let bench = Bench::new(&[]);
    let said = bench.make("--with flashcp", 0);
    assert!(said.contains("left out: mtd9 (FIS directory)"), "{said}");
    assert!(said.contains("left out: mtd10 (RedBoot config)"), "{said}");
    let script = fs::read_to_string(bench.outer.path().join("restore.sh")).unwrap();
    let head: Vec<_> = script.lines().take(8).collect();
    assert!(
        head.join("\n").contains("WHAT IT CANNOT PROMISE"),
        "{head:?}"
    );
    assert!(
        head.join("\n").contains("flashcp erases a whole partition"),
        "{head:?}"
    );
}

/// A locked erase block: nothing changes, and nothing is said to have.
#[test]
fn a_locked_erase_block_is_told() {
    let bench = Bench::new(&[SYSTEM]);
    bench.device.system.with_chip(0, |chip| {
        let block = mtd_harness::chip::EraseBlock(SYSTEM / ERASE_BLOCK);
        chip.set_locked(block, true).unwrap();
    });
    bench.make("--with dd -p system", 0);
    bench.refuses(
        "$SH restore.sh --yes",
        4,
        "is it locked, read-only or worn out?",
    );
}

/// A program that is killed in the middle leaves old bytes; the same command goes on, and
/// says that it is unfinished whatever keeps it from that.
#[test]
fn it_goes_on_where_it_was_cut_off() {
    let bench = Bench::new(&[SYSTEM, SYSTEM + ERASE_BLOCK]);
    bench.make("--with dd -p system", 0);
    // As a cut in the second erase block leaves it.
    let old =
        bench.device.partition_bytes(4)[ERASE_BLOCK as usize..][..ERASE_BLOCK as usize].to_vec();
    fs::create_dir(bench.kept()).unwrap();
    fs::write(bench.kept().join("mtd4-1.old"), old).unwrap();
    bench.device.system.with_chip(0, |chip| {
        chip.load(
            SYSTEM + ERASE_BLOCK,
            &bench.good[(SYSTEM + ERASE_BLOCK) as usize..][..64],
        )
        .unwrap();
    });
    let (code, said) = bench.run("sh", "$SH restore.sh");
    assert_eq!(code, Some(6), "{said}");
    assert!(said.contains("do not switch off; run it again"), "{said}");
    assert!(
        bench
            .restores("sh")
            .contains("an earlier run stopped in it")
    );
    bench.is_good();
}

/// Wherever the power goes while one small partition is written, the same command ends
/// it, and no other partition changed. A sample: each state is a device that starts.
#[rstest]
#[case::dd("dd")]
#[ignore = "needs mtd-utils"]
#[case::flashcp("flashcp")]
#[ignore = "needs mtd-utils"]
#[case::flash_eraseall("flash_eraseall")]
fn cuts_of_the_power(#[case] tool: &str) {
    let outer = tempfile::tempdir().unwrap();
    let at = outer.path();
    small_device(at);
    let make = format!(
        "script --restore b --with {tool} -p data --output-dir {}/b",
        at.display()
    );
    let (script, _) = run_in(at, &make, 0);
    fs::write(at.join("restore.sh"), script).unwrap();
    fs::write(
        at.join("check.sh"),
        "cat /dev/mtd0 /dev/mtd1 /dev/mtd2 | cmp - whole\n",
    )
    .unwrap();
    let cut = |when: &[&str], recover: &str| {
        let words = ["sandbox", "--simulate=layout", "--image", "torn", "--cut"];
        let more = ["--recover", recover, "--check", "sh check.sh"];
        let program = ["--", "sh", "restore.sh", "--yes"];
        let mut command = mtdkeep();
        let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap());
        command
            .current_dir(at)
            .env("PATH", path)
            .env("MTDKEEP_MEMORY", "yes");
        let line = [&words[..], when, &more, &program].concat();
        command.args(line).assert().code(0);
    };
    // States are tried at once, and in none of them old bytes lie beside the images.
    let alone = "d=$(mktemp -d ./d.XXXXXX) && cp -r b $d && sh restore.sh --yes $d/b";
    cut(&["every", "--states", "8", "--tears", "stable"], alone);
    // These happen, one after the other: old bytes are there.
    cut(&["3", "--tears", "atomic"], "sh restore.sh --yes");
}

/// What writing costs the chip: erases, and bytes that were programmed.
fn cost(bench: &Bench, line: &str) -> (u64, u64) {
    let now = || {
        bench.device.system.with_chip(0, |chip| {
            (chip.counters().erases(), chip.counters().bytes_programmed())
        })
    };
    let before = now();
    let (code, said) = bench.run("sh", line);
    assert_eq!(code, Some(0), "{said}");
    let after = now();
    assert!(bench.device.chip_bytes(0) == bench.good);
    (after.0 - before.0, after.1 - before.1)
}

/// The program itself in the sandbox, against flashcp of the same images: no more erases,
/// no more bytes; and where one file's erase blocks differ, those alone.
#[rstest]
#[case::all_of_it(&[0, 1, 2, 3, 4, 5, 6, 7], 8)]
#[case::one_file(&[2, 5], 2)]
#[ignore = "needs mtd-utils"]
fn restore_writes_no_more_than_flashcp(#[case] blocks: &[u64], #[case] erases: u64) {
    let damaged: Vec<_> = blocks
        .iter()
        .map(|block| SYSTEM + block * ERASE_BLOCK)
        .collect();
    let images = "/var/wwwroot/mtd_backup";
    let flashcp = cost(
        &Bench::new(&damaged),
        &format!("flashcp {images}/mtd4.bin /dev/mtd4"),
    );
    let program = program_words();
    let program = program[0].to_str().unwrap();
    let restore = cost(
        &Bench::new(&damaged),
        &format!("{program} restore --yes -q -p system {images}"),
    );
    assert_eq!(
        (flashcp.0, restore.0),
        (8, erases),
        "{restore:?} {flashcp:?}"
    );
    assert!(restore.1 <= flashcp.1, "{restore:?} {flashcp:?}");
    println!("erases and bytes: restore {restore:?}, flashcp {flashcp:?}");
}
