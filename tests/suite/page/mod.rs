//! The page about a backup: in its folder, from the server, and from the script. Here
//! its structure; in a browser, with axe-core, where there is one (`ci/page`).

mod structure;

use crate::cli::support::mtdkeep;
use crate::serve::client::TOKEN;
use crate::serve::support::Serving;
use mtdkeep::backend::SimulatedBackend;
use mtdkeep::backup::{self, Folder, Request, Work};
use rstest::rstest;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};
use structure::Structure;

/// A page larger than this is none for a telephone in the field.
const BYTES_MAX: usize = 24 << 10;

fn backed_up(path: &Path, options: &[&str]) -> String {
    let mut command = mtdkeep();
    command.args(["backup", "--output"]).arg(path).args(options);
    let code = command.output().unwrap().status.code();
    assert!(matches!(code, Some(0 | 3)), "{code:?}");
    fs::read_to_string(path.join("index.html")).unwrap()
}

/// The page that a capture by the script leaves.
fn captured(outer: &Path, root: &Path) -> String {
    let folder = outer.join("captured");
    let mut command = mtdkeep();
    command.args(["script", "--output-dir"]).arg(&folder);
    let script = command.output().unwrap().stdout;
    fs::write(outer.join("capture.sh"), script).unwrap();
    let output = Command::new("sh")
        .arg(outer.join("capture.sh"))
        .env("MTDKEEP_ROOT", root)
        .env("MTDKEEP_SPACE", "unknown")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    fs::read_to_string(folder.join("index.html")).unwrap()
}

/// All three, with their links.
fn pages(outer: &Path) -> Vec<(&'static str, String)> {
    let device = mtd_harness::profile::ispot(1);
    let tree = mtd_harness::tree::TreeBuilder::default()
        .all_nodes()
        .build(&device);
    let tree = tree.unwrap();
    let serving = Serving::ispot();
    let served = String::from_utf8(serving.get("")).unwrap();
    serving.get("backup.tar");
    let known = String::from_utf8(serving.get("")).unwrap();
    vec![
        ("folder", backed_up(&outer.join("b"), &["--simulate"])),
        ("server", served),
        ("server, all read", known),
        ("script", captured(outer, tree.root())),
    ]
}

#[test]
fn every_page_is_well_formed_and_whole_in_itself() {
    let outer = tempfile::tempdir().unwrap();
    for (name, text) in pages(outer.path()) {
        let page = Structure::of(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(text.len() <= BYTES_MAX, "{name}: {} bytes", text.len());
        assert!(text.starts_with("<!DOCTYPE html>"), "{name}");
        assert_eq!(page.attribute("html", "lang"), ["en"], "{name}");
        assert_eq!(page.attribute("meta", "charset"), ["utf-8"], "{name}");
        assert!(
            text.contains("name=\"viewport\" content=\"width=device-width"),
            "{name}"
        );
        for once in ["h1", "header", "main", "footer"] {
            assert_eq!(page.count(once), 1, "{name}: {once}");
        }
        for none in ["script", "link", "img", "iframe", "object", "form", "table"] {
            assert_eq!(page.count(none), 0, "{name}: {none}");
        }
        for (tag, attribute, value) in page.attributes() {
            assert!(!attribute.starts_with("on"), "{name}: {tag} {attribute}");
            assert!(!value.contains("://"), "{name}: {tag} {attribute}={value}");
        }
        assert!(
            !text.contains("@import") && !text.contains("url(http"),
            "{name}"
        );
        page.assert_ids(name);
        assert_eq!(
            page.count("h2"),
            page.count("section"),
            "{name}: a heading each"
        );
        let links = page.count("a");
        assert!(links >= 12, "{name}: {links}");
        assert_eq!(page.attribute("a", "download").len(), links, "{name}");
    }
}

#[test]
fn every_link_is_of_a_file_that_is_there() {
    let outer = tempfile::tempdir().unwrap();
    let all = pages(outer.path());
    for (name, folder) in [("folder", "b"), ("script", "captured")] {
        let text = &all.iter().find(|(page, _)| *page == name).unwrap().1;
        let page = Structure::of(text).unwrap();
        let mut links = page.attribute("a", "href");
        links.push("index.html".into());
        links.sort();
        let names = fs::read_dir(outer.path().join(folder)).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        assert_eq!(links, names, "{name}");
    }
    let serving = Serving::ispot();
    let page = String::from_utf8(serving.get("")).unwrap();
    let links = Structure::of(&page).unwrap().attribute("a", "href");
    assert!(links.contains(&"backup.tar".into()) && links.contains(&"flash.bin".into()));
    for link in links {
        let head = format!("HEAD /{TOKEN}/{link} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(serving.client().ask(&head).unwrap().status, 200, "{link}");
    }
}

#[test]
fn it_tells_at_once_what_it_is() {
    let outer = tempfile::tempdir().unwrap();
    for (name, text) in pages(outer.path()) {
        for said in ["<strong>Whole:</strong>", "secrets", "Prove it"] {
            assert!(text.contains(said), "{name}: {said}");
        }
    }
    let partial = outer.path().join("partial");
    let page = backed_up(&partial, &["--simulate", "--faults", "read-error@0x1a0000"]);
    assert!(page.contains("Partial:") && page.contains("128 KiB could not be read"));
    assert!(page.contains("url(#h)"), "hatched");
    let some = backed_up(&outer.path().join("some"), &["--simulate", "-p", "param"]);
    assert!(some.contains("10 other partitions of this device had not been asked for"));
    assert!(some.contains("(missing)"));
}

/// A router's `firmware` holds `kernel` and `rootfs`: the sum of the files is more than the
/// chip, and the page says so; where nothing overlaps it does not.
#[test]
fn what_is_counted_twice_is_told() {
    let outer = tempfile::tempdir().unwrap();
    let nested = backed_up(&outer.path().join("r"), &["--simulate=openwrt-router"]);
    let told = "7 partitions, 41.5 MiB; some lie in others, and are counted in both.";
    assert!(nested.contains(told), "{nested}");
    let plain = backed_up(&outer.path().join("b"), &["--simulate"]);
    assert!(plain.contains("11 partitions, 16 MiB.</p>"), "{plain}");
}

/// A device without a battery begins in 1970.
#[test]
fn a_clock_that_was_not_set_is_told() {
    let outer = tempfile::tempdir().unwrap();
    for (seconds, told) in [(12, true), (1_300_000_000, false)] {
        let path = outer.path().join(seconds.to_string());
        let request = Request {
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
            ..Request::default()
        };
        let folder = Folder::open_or_create(&path).unwrap();
        let ispot = SimulatedBackend::new(mtd_harness::profile::ispot(1));
        backup::backup(&ispot, &folder, &request, &Work::default()).unwrap();
        let page = fs::read_to_string(path.join("index.html")).unwrap();
        assert_eq!(page.contains("had not been set"), told, "{seconds}");
    }
}

/// Nobody tells offsets here: no picture, which would be a guess.
#[test]
fn there_is_a_picture_only_where_places_are_certain() {
    let outer = tempfile::tempdir().unwrap();
    let table = outer.path().join("table");
    let text = "dev:    size   erasesize  name\nmtd0: 00020000 00020000 \"a\"\n\
                mtd1: 00020000 00020000 \"b\"\n";
    fs::write(&table, text).unwrap();
    let simulate = format!("--simulate={}", table.display());
    let page = backed_up(&outer.path().join("b"), &[&simulate]);
    assert_eq!(Structure::of(&page).unwrap().count("svg"), 0);
    let page = backed_up(&outer.path().join("c"), &["--simulate"]);
    let page = Structure::of(&page).unwrap();
    assert_eq!(page.count("svg"), 1);
    // The chip, and a partition each.
    assert_eq!(page.count("rect"), 12);
    assert_eq!(page.count("text"), 11);
}

/// Whatever a partition is called, it is text, in the list and in the picture.
#[rstest]
#[case("</title><script>alert(1)</script>")]
#[case("\" onmouseover=\"x")]
#[case("&lt;b&gt; 'x' \u{202e}")]
#[case("a very long name that goes on and on, past all that there is room for")]
fn names_are_text(#[case] name: &str) {
    let outer = tempfile::tempdir().unwrap();
    let line =
        |mtd: u32, name: &str| format!("0x{0:x}00000-0x{1:x}00000 : \"{name}\"\n", mtd, mtd + 1);
    let log = format!("{}{}", line(0, "plain"), line(1, name));
    let file = outer.path().join("log");
    fs::write(&file, log).unwrap();
    let simulate = format!("--simulate={}", file.display());
    let page = backed_up(&outer.path().join("b"), &[&simulate]);
    let page = Structure::of(&page).unwrap();
    assert_eq!(page.count("script"), 0);
    assert!(
        page.attributes()
            .all(|(_, name, _)| !name.starts_with("on"))
    );
}

#[test]
fn forty_partitions_are_still_a_page() {
    let outer = tempfile::tempdir().unwrap();
    let mut table = String::from("dev:    size   erasesize  name\n");
    for mtd in 0..40 {
        table += &format!("mtd{mtd}: 00020000 00020000 \"partition {mtd}\"\n");
    }
    let file = outer.path().join("table");
    fs::write(&file, table).unwrap();
    let simulate = format!("--simulate={}", file.display());
    let page = backed_up(&outer.path().join("b"), &[&simulate]);
    // All but the copy of the manifest, which has a place of its own.
    let without_copy = page.split("<pre id=\"manifest\">").next().unwrap();
    assert!(without_copy.len() <= BYTES_MAX, "{}", without_copy.len());
}

fn browse(modules: &str, url: &str, options: &[&str]) {
    let mut command = Command::new("node");
    command
        .arg("tools/page-check.mjs")
        .args([modules, url])
        .args(options);
    let output = command.output().expect("node starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{url}: {said}");
}

fn modules() -> String {
    std::env::var("MTDKEEP_NODE_MODULES").expect("MTDKEEP_NODE_MODULES names the folder")
}

/// Every link is clicked, and what came is the flash.
#[test]
#[ignore = "needs chromium"]
fn a_browser_finds_nothing_wrong_and_downloads_all() {
    let outer = tempfile::tempdir().unwrap();
    let serving = Serving::ispot();
    let got = outer.path().join("got");
    fs::create_dir(&got).unwrap();
    let url = format!("http://{}/{TOKEN}/", serving.address);
    browse(&modules(), &url, &["--downloads", got.to_str().unwrap()]);
    mtdkeep()
        .arg("verify")
        .arg(got.join("backup.tar"))
        .assert()
        .success();
    fs::remove_file(got.join("backup.tar")).unwrap();
    assert_eq!(fs::metadata(got.join("flash.bin")).unwrap().len(), 16 << 20);
    fs::remove_file(got.join("flash.bin")).unwrap();
    mtdkeep().arg("verify").arg(&got).assert().success();
}

/// Small files come as fast as they are clicked, and a browser drops what a page begins
/// beyond ten in a second: the check has to wait, or it loses one and calls it ours.
#[test]
#[ignore = "needs chromium"]
fn a_browser_downloads_many_small_files() {
    let outer = tempfile::tempdir().unwrap();
    let layout: String = (0..16)
        .map(|mtd| {
            format!(
                "mtd{mtd}: chip 0, offset {:#x} (user), size 0x1000 (user), \
                 erase block 0x1000 (user), name \"p{mtd}\"\n",
                mtd * 0x1000
            )
        })
        .collect();
    let file = outer.path().join("layout");
    let chip = "mtdkeep layout 1\nchip 0: size 0x10000, name \"\"\n";
    fs::write(&file, format!("{chip}{layout}")).unwrap();
    let serving = Serving::start(&[&format!("--simulate={}", file.display())]);
    let got = outer.path().join("got");
    fs::create_dir(&got).unwrap();
    let url = format!("http://{}/{TOKEN}/", serving.address);
    let options = ["--links-only", "--downloads", got.to_str().unwrap()];
    browse(&modules(), &url, &options);
    for whole in ["backup.tar", "flash.bin"] {
        fs::remove_file(got.join(whole)).unwrap();
    }
    mtdkeep().arg("verify").arg(&got).assert().success();
}

#[test]
#[ignore = "needs chromium"]
fn a_browser_finds_nothing_wrong_with_any_page() {
    let outer = tempfile::tempdir().unwrap();
    pages(outer.path());
    let partial = [
        "--simulate",
        "--faults",
        "read-error@0x1a0000",
        "-p",
        "rootfs",
    ];
    backed_up(&outer.path().join("partial"), &partial);
    for folder in ["b", "captured", "partial"] {
        let file = outer.path().join(folder).join("index.html");
        browse(&modules(), &format!("file://{}", file.display()), &[]);
    }
    let serving = Serving::start(&[outer.path().join("b").to_str().unwrap()]);
    serving.get("backup.tar");
    browse(
        &modules(),
        &format!("http://{}/{TOKEN}/", serving.address),
        &[],
    );
}
