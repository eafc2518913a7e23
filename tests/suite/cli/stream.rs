//! A backup as a stream: `backup --output -`, and `verify` and `import` of a tar.

use crate::cli::support::{mtdkeep, program, snapshot, text, unwrapped};
use rstest::rstest;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;

/// The simulated iSpot's tar, and what was said.
fn streamed(options: &[&str], code: i32) -> (Vec<u8>, String) {
    let mut command = mtdkeep();
    command.args(["backup", "--simulate", "--output", "-"]);
    let output = command.args(options).output().unwrap();
    let said = text(&output.stderr).to_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    (output.stdout, said)
}

#[test]
fn a_tar_comes_out_and_nothing_else() {
    let outer = tempfile::tempdir().unwrap();
    let (tar, said) = streamed(&[], 0);
    assert!(said.contains("11 partitions, 16 MiB, as a tar"), "{said}");
    assert!(said.contains("backup digest: "), "{said}");
    let mut names = Vec::new();
    for entry in tar::Archive::new(tar.as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_string_lossy().into_owned();
        let mut contents = Vec::new();
        entry.read_to_end(&mut contents).unwrap();
        fs::write(outer.path().join(&name), contents).unwrap();
        names.push(name);
    }
    let images = (0..11).map(|mtd| format!("mtd{mtd}.bin"));
    let texts = ["manifest.json", "SHA256SUMS", "index.html"].map(String::from);
    assert_eq!(names, images.chain(texts).collect::<Vec<_>>());
    // Unpacked by others, it is a backup of that device.
    mtdkeep()
        .args(["verify", "--simulate", "--device"])
        .arg(outer.path())
        .assert()
        .success();
}

#[test]
fn no_folder_is_called_minus() {
    let outer = tempfile::tempdir().unwrap();
    for output in ["-o-", "--output=-"] {
        let mut command = mtdkeep();
        command.current_dir(&outer);
        command.args(["backup", "--simulate", "-p", "ver_1", output]);
        command.assert().success();
        assert!(snapshot(outer.path()).is_empty());
    }
    let mut command = mtdkeep();
    command.current_dir(&outer);
    command.args(["backup", "--simulate", "-p", "ver_1", "-o", "./-"]);
    command.assert().success();
    assert!(outer.path().join("-/manifest.json").is_file());
}

#[test]
fn a_json_document_goes_to_standard_error() {
    let (tar, said) = streamed(&["--json", "--read-again", "-p", "param"], 0);
    let document: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(document["output"], "-");
    let image = &document["manifest"]["images"][0];
    assert_eq!(image["second_reading"]["same"], true);
    assert_eq!(tar.len() % 512, 0);
}

#[test]
fn a_terminal_gets_none() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use std::os::unix::ffi::OsStrExt as _;
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let path = Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()));
    let terminal = fs::File::options().read(true).write(true).open(path);
    let output = program()
        .args(["backup", "--simulate", "-o", "-"])
        .stdout(Stdio::from(terminal.unwrap()))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("terminal"));
}

/// What cannot be read is told in the manifest, as in a folder's.
#[test]
fn a_hole_makes_it_partial() {
    let (tar, said) = streamed(&["--faults", "read-error@0x1a0000"], 3);
    assert!(said.contains("partial"), "{said}");
    verify(&tar, 3);
}

fn verify(tar: &[u8], code: i32) -> String {
    let assert = mtdkeep().args(["verify", "-"]).write_stdin(tar).assert();
    let output = assert.code(code).get_output().clone();
    text(&output.stdout).to_owned() + text(&output.stderr)
}

#[test]
fn a_tar_is_verified_from_a_file_and_from_standard_input() {
    let outer = tempfile::tempdir().unwrap();
    let (tar, said) = streamed(&[], 0);
    let digest = said.split("backup digest: ").nth(1).unwrap();
    let digest = digest.lines().next().unwrap();
    assert!(verify(&tar, 0).contains(digest));
    let file = outer.path().join("b.tar");
    fs::write(&file, &tar).unwrap();
    let run = |words: &[&str], code: i32| {
        mtdkeep().args(words).arg(&file).assert().code(code);
    };
    run(&["verify", "--digest", digest], 0);
    run(&["verify", "--device", "--simulate"], 0);
    run(&["verify", "--device", "--simulate", "--seed", "2"], 1);
}

fn verify_code(tar: &[u8]) -> i32 {
    let output = mtdkeep().args(["verify", "-"]).write_stdin(tar).output();
    output.unwrap().status.code().unwrap()
}

/// Wherever it is cut, it is no backup; but for the empty blocks at its end.
#[test]
fn a_tar_that_was_cut_off_never_verifies() {
    let (tar, _) = streamed(&["-p", "param", "-p", "ver_1"], 0);
    let sums = |entry: &[u8]| entry.starts_with(b"SHA256SUMS\0");
    let texts = tar.chunks(512).position(sums).unwrap() * 512;
    let cuts = (0..texts)
        .step_by(20_011)
        .chain((texts - 1500..texts).step_by(97));
    let mut count = 0;
    for cut in cuts {
        // 1: of all that belongs to a backup, only SHA256SUMS and the page are missing.
        let code = verify_code(&tar[..cut]);
        assert!(
            code == 4 || (code == 1 && cut > texts - 512),
            "{cut}: {code}"
        );
        count += 1;
    }
    assert!(count > 20);
    // Without SHA256SUMS, or without the page alone, the manifest proves the images.
    assert!(verify(&tar[..texts], 1).contains("SHA256SUMS"));
}

#[rstest]
#[case::in_an_image(700_000)]
#[case::in_a_header_of_the_second(0x40000 + 512 + 100)]
fn a_changed_byte_is_found(#[case] at: usize) {
    let (mut tar, _) = streamed(&["-p", "linux", "-p", "RedBoot"], 0);
    tar[at] ^= 1;
    let outer = tempfile::tempdir().unwrap();
    let target = outer.path().join("t");
    let mut command = mtdkeep();
    command.args(["import", "-", "-o"]).arg(&target);
    let code = command.write_stdin(tar.clone()).output().unwrap().status;
    assert!(matches!(code.code(), Some(1 | 4)), "{code:?}");
    assert!(!target.exists(), "nothing is made of it");
}

#[test]
fn an_archive_becomes_the_backup_that_it_holds() {
    let outer = tempfile::tempdir().unwrap();
    let (tar, said) = streamed(&[], 0);
    let file = outer.path().join("router.tar");
    fs::write(&file, &tar).unwrap();
    let assert = mtdkeep().arg("import").arg(&file).assert().success();
    let digest = said.split("backup digest: ").nth(1).unwrap();
    assert!(text(&assert.get_output().stdout).contains(digest.lines().next().unwrap()));
    let folder = outer.path().join("router-imported");
    mtdkeep().arg("verify").arg(&folder).assert().success();
    for entry in tar::Archive::new(tar.as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut contents = Vec::new();
        entry.read_to_end(&mut contents).unwrap();
        let made = fs::read(folder.join(&*entry.path().unwrap())).unwrap();
        assert!(made == contents, "{:?}", entry.path());
    }
    // Not into what is there already.
    mtdkeep().arg("import").arg(&file).assert().code(5);
    // From standard input, with a name of its own.
    let mut command = mtdkeep();
    command
        .current_dir(&outer)
        .args(["import", "-", "-o", "two"]);
    command.write_stdin(tar.clone()).assert().success();
    let two = snapshot(&outer.path().join("two"));
    assert!(two.into_values().eq(snapshot(&folder).into_values()));
    mtdkeep()
        .args(["import", "-"])
        .write_stdin(tar)
        .assert()
        .code(2);
}

/// What could not be read is told as `backup` tells it.
#[test]
fn an_imported_tar_names_what_it_lacks() {
    let outer = tempfile::tempdir().unwrap();
    let (tar, _) = streamed(&["--faults", "read-error@0x1a0000"], 3);
    fs::write(outer.path().join("b.tar"), tar).unwrap();
    let mut command = mtdkeep();
    let assert = command
        .current_dir(&outer)
        .args(["import", "b.tar"])
        .assert();
    let said = unwrapped(text(&assert.code(3).get_output().stdout));
    let ends = |line: &str| line.ends_with("; partial: 128 KiB unreadable");
    assert!(said.lines().any(ends), "{said}");
}

/// An import that was killed is completed by doing it again.
#[test]
fn an_import_that_was_cut_off_goes_on() {
    let outer = tempfile::tempdir().unwrap();
    let (tar, _) = streamed(&["-p", "param", "-p", "ver_1"], 0);
    let file = outer.path().join("b.tar");
    fs::write(&file, &tar).unwrap();
    let folder = outer.path().join("b-imported");
    mtdkeep().arg("import").arg(&file).assert().success();
    let whole = snapshot(&folder);
    fs::rename(folder.join("manifest.json"), folder.join("unfinished.json")).unwrap();
    fs::write(folder.join("mtd7.bin.part"), "torn").unwrap();
    fs::remove_file(folder.join("mtd7.bin")).unwrap();
    mtdkeep().arg("import").arg(&file).assert().success();
    assert_eq!(snapshot(&folder), whole);
}

/// A tar of others, with anything in it.
fn archive(members: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, kind, contents) in members {
        let mut header = tar::Header::new_ustar();
        // Past the library's own checks.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(contents.len() as u64);
        header.set_cksum();
        builder.append(&header, *contents).unwrap();
    }
    builder.into_inner().unwrap()
}

#[rstest]
#[case::outside("../mtd0.bin", tar::EntryType::Regular)]
#[case::absolute("/etc/passwd", tar::EntryType::Regular)]
#[case::foreign("readme.txt", tar::EntryType::Regular)]
#[case::number("mtd00.bin", tar::EntryType::Regular)]
#[case::a_link("mtd0.bin", tar::EntryType::Symlink)]
#[case::a_device("mtd0.bin", tar::EntryType::Char)]
#[case::a_pipe("manifest.json", tar::EntryType::Fifo)]
#[case::a_mark("unfinished.json", tar::EntryType::Regular)]
fn what_no_backup_holds_is_never_taken(#[case] name: &str, #[case] kind: tar::EntryType) {
    let outer = tempfile::tempdir().unwrap();
    let tar = archive(&[
        ("mtd1.bin", tar::EntryType::Regular, b"x"),
        (name, kind, b""),
    ]);
    for command in ["verify", "import"] {
        let mut line = mtdkeep();
        line.current_dir(&outer).args([command, "-"]);
        if command == "import" {
            line.args(["-o", "target"]);
        }
        let assert = line.write_stdin(tar.clone()).assert().code(4);
        let said = text(&assert.get_output().stderr).to_owned();
        assert!(said.contains("is no backup"), "{said}");
    }
    assert!(snapshot(outer.path()).is_empty());
}

#[rstest]
#[case::nothing(b"".to_vec())]
#[case::text(b"hello".repeat(300))]
#[case::packed(b"\x1f\x8b\x08 and so on".to_vec())]
#[case::twice(archive(&[
    ("mtd0.bin", tar::EntryType::Regular, b"x"),
    ("mtd0.bin", tar::EntryType::Regular, b"y"),
]))]
#[case::empty(archive(&[]))]
fn what_is_no_tar_of_a_backup(#[case] bytes: Vec<u8>) {
    verify(&bytes, 4);
}

/// As somebody packs a folder.
#[test]
fn a_folder_around_all_files_is_taken_off() {
    let outer = tempfile::tempdir().unwrap();
    let mut line = mtdkeep();
    line.current_dir(&outer);
    line.args(["backup", "--simulate", "-p", "param", "-o", "b"]);
    line.assert().success();
    let mut builder = tar::Builder::new(Vec::new());
    builder
        .append_dir_all("keep/b", outer.path().join("b"))
        .unwrap();
    verify(&builder.into_inner().unwrap(), 0);
}

/// Whoever reads it has gone: no success, and no silent end.
#[test]
fn a_reader_that_has_gone_is_an_error() {
    let mut child = program()
        .args(["backup", "--simulate", "-o", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut some = vec![0; 300_000];
    stdout.read_exact(&mut some).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("no manifest"), "{said}");
}

/// Where a tar from standard input cannot be stored, that place is named, not the input.
#[test]
fn a_tar_that_cannot_be_stored_is_not_an_unreadable_one() {
    let (tar, _) = streamed(&["-p", "ver_1"], 0);
    let outer = tempfile::tempdir().unwrap();
    let missing = outer.path().join("missing");
    let mut verify = mtdkeep();
    verify.args(["verify", "-"]).env("TMPDIR", &missing);
    // Without a limit for the program itself, which must be loaded.
    let mut limited = assert_cmd::Command::new("sh");
    limited.args(["-c", "ulimit -f 64; exec \"$0\" verify -"]);
    limited
        .arg(program().get_program())
        .env("TMPDIR", outer.path());
    for (mut command, place) in [(verify, &missing), (limited, &outer.path().to_owned())] {
        let assert = command.write_stdin(&*tar).assert().code(4);
        let said = unwrapped(text(&assert.get_output().stderr));
        let place = format!("cannot store standard input in {}", place.display());
        assert!(said.contains(&place), "{said}");
        assert!(said.contains("TMPDIR"), "{said}");
    }
}

/// What is lost is no success: what was asked for, a tar that nobody takes, what is said of
/// one, an address that nobody was told.
#[rstest]
#[case("backup --simulate -q -o - >&-", 2, "standard output is closed")]
#[case(
    "backup --simulate -q -o - 1</dev/null",
    2,
    "standard output is closed"
)]
#[case(
    "list --simulate >&-",
    4,
    "cannot write the output: Bad file descriptor"
)]
#[case("list --simulate <&- >&-", 4, "cannot write the output")]
#[case("list --simulate --json >&-", 4, "cannot write the output")]
#[case(
    "backup --simulate -o made >&-",
    4,
    "all was done, but not all was shown"
)]
#[case("verify made >&-", 4, "all was done, but not all was shown")]
#[case("clean made >/dev/full", 4, "all was done, but not all was shown")]
#[case("--help >&-", 4, "cannot write the output")]
#[case("--version >&-", 4, "cannot write the output")]
#[case("list --frobnicate >&-", 2, "--frobnicate")]
// Where nothing is to be said, nothing is lost.
#[case("list --simulate -q >&-", 0, "")]
#[case("list --simulate >/dev/null", 0, "")]
#[case("list --simulate <>/dev/null 1<>/dev/null", 0, "")]
#[case("backup --simulate --json -o - >tar 2>/dev/full", 4, "")]
#[case("backup --simulate -p ver_1 -o - >tar 2>/dev/full", 4, "")]
#[case(
    "serve --simulate --listen 127.0.0.1:0 >/dev/full",
    4,
    "cannot write the output"
)]
fn what_is_lost_is_no_success(#[case] line: &str, #[case] code: i32, #[case] says: &str) {
    let outer = tempfile::tempdir().unwrap();
    let mut shell = assert_cmd::Command::new("sh");
    shell
        .current_dir(&outer)
        .timeout(std::time::Duration::from_secs(60));
    // A backup to be verified.
    let made = "\"$0\" backup --simulate -q -p ver_1 -o made && ";
    let needs_one = line.starts_with("verify") || line.starts_with("clean");
    let before = if needs_one { made } else { "" };
    shell.args(["-c", &format!("{before} exec \"$0\" {line}")]);
    let assert = shell.arg(program().get_program()).assert().code(code);
    let said = text(&assert.get_output().stderr).to_owned();
    assert!(said.contains(says), "{said}");
}
