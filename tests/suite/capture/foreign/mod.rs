//! `mtdkeep import` of files that other people made: their names, their digests, and
//! what happened to them on the way.

mod damage;
mod digests;

use crate::capture::import::{assert_code, manifest, run_import, words};
use crate::cli::support::{mtdkeep, snapshot};
use flate2::Compression;
use flate2::write::GzEncoder;
use rand::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use rstest::rstest;
use serde_json::Value;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Output;
use tempfile::TempDir;

const TABLE: &str = "dev:    size   erasesize  name
mtd0: 00004000 00001000 \"u-boot\"
mtd1: 00002000 00001000 \"u-boot-env\"
mtd2: 00002000 00001000 \"factory\"
";
const NAMES: [&str; 3] = ["u-boot", "u-boot-env", "factory"];

/// A folder with what somebody saved of a device, and the table beside it.
struct Dumps {
    outer: TempDir,
    /// Each partition's bytes.
    contents: Vec<Vec<u8>>,
}

impl Dumps {
    fn new() -> Self {
        Self::of(TABLE)
    }

    fn of(table: &str) -> Self {
        let outer = tempfile::tempdir().unwrap();
        fs::create_dir(outer.path().join("dumps")).unwrap();
        fs::write(outer.path().join("table"), table).unwrap();
        let entries = mtdkeep::mtd::parse_proc_mtd(table.as_bytes()).unwrap();
        let bytes = |n: u64, size: u64| {
            let mut data = vec![0; size as usize];
            Xoshiro256PlusPlus::seed_from_u64(n).fill_bytes(&mut data);
            data
        };
        let contents = (7..).zip(&entries).map(|(n, e)| bytes(n, e.size_bytes));
        Self {
            contents: contents.collect(),
            outer,
        }
    }

    /// Every partition under the name that `name` makes of its number.
    fn named(name: impl Fn(usize) -> String) -> Self {
        let dumps = Self::new();
        for (n, data) in dumps.contents.iter().enumerate() {
            dumps.put(&name(n), data);
        }
        dumps
    }

    fn whole() -> Self {
        Self::named(|n| format!("mtd{n}.bin"))
    }

    fn at(&self, name: &str) -> PathBuf {
        self.outer.path().join(name)
    }

    fn put(&self, file: &str, data: impl AsRef<[u8]>) {
        fs::write(self.at("dumps").join(file), data).unwrap();
    }

    /// Imports with the table; the dumps stay as they are.
    fn import(&self, options: &[&str]) -> Output {
        let table = self.at("table");
        let layout = ["--layout", table.to_str().unwrap()];
        self.import_alone(&[&layout, options].concat())
    }

    fn import_alone(&self, options: &[&str]) -> Output {
        let before = snapshot(&self.at("dumps"));
        let output = run_import(&self.at("dumps"), &self.at("backup"), options);
        assert_eq!(snapshot(&self.at("dumps")), before);
        output
    }

    #[track_caller]
    fn assert_imported(&self) {
        self.assert_images(&[0, 1, 2]);
    }

    #[track_caller]
    fn assert_images(&self, numbers: &[usize]) {
        for &n in numbers {
            let image = fs::read(self.at(&format!("backup/mtd{n}.bin"))).unwrap();
            assert!(image == self.contents[n], "mtd{n}");
        }
        mtdkeep()
            .arg("verify")
            .arg(self.at("backup"))
            .assert()
            .code(0);
    }

    #[track_caller]
    fn assert_refused(&self, output: &Output, code: i32, says: &[&str]) {
        assert_code(output, code);
        for what in says {
            assert!(words(output).contains(what), "{what}: {}", words(output));
        }
        assert!(!self.at("backup").exists());
    }

    fn not_proven(&self) -> String {
        manifest(&self.at("backup"))["origin"]["not_proven"].to_string()
    }
}

fn packed(data: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(data).unwrap();
    packer.finish().unwrap()
}

#[rstest]
#[case::the_ispots_article("mtd{n}_backup.bin", "by number and size")]
#[case::luci("OpenWrt.mtd{n}.bin", "by number and size")]
#[case::no_ending("mtd{n}", "by number and size")]
#[case::read_only_node("mtd{n}ro", "by number and size")]
#[case::block_node("mtdblock{n}", "by number and size")]
#[case::image("mtd{n}.img", "by number and size")]
#[case::dump("mtd{n}.dump", "by number and size")]
#[case::with_name("mtd{n}_{name}.bin", "by number, name and size")]
#[case::block_node_with_name("mtdblock{n}-{name}.bin", "by number, name and size")]
#[case::backup("mtd{n}_{name}.backup", "by number, name and size")]
#[case::copy("copy_dd_mtd{n}.bin", "by number and size")]
#[case::two_digits("MTD0{n}.BIN", "by number and size")]
#[case::packed("DJA0231-mtd{n}-{name}.img.gz", "by number, name and size, unpacked")]
#[case::packed_alone("mtd{n}.gz", "by number and size, unpacked")]
#[case::by_name("{name}.bin", "by name and size")]
fn files_are_taken_as_people_name_them(#[case] pattern: &str, #[case] says: &str) {
    let name = |n: usize| {
        let name = pattern.replace("{n}", &n.to_string());
        name.replace("{name}", NAMES[n])
    };
    let dumps = Dumps::named(name);
    if pattern.ends_with("gz") {
        for (n, data) in dumps.contents.iter().enumerate() {
            dumps.put(&name(n), packed(data));
        }
    }
    let output = dumps.import(&[]);
    assert_code(&output, 0);
    dumps.assert_imported();
    let said = words(&output);
    for (n, its) in NAMES.iter().enumerate() {
        let line = format!("{} is mtd{n} ({its}): {says}", name(n));
        // Lines are broken at 80 columns.
        let said = said.replace("\n  ", " ");
        assert!(said.contains(&line), "{line}: {said}");
    }
    let by_name = dumps.not_proven().contains("their names say so");
    assert_eq!(by_name, says == "by name and size");
}

#[test]
fn our_own_names_need_no_line() {
    let dumps = Dumps::whole();
    let output = dumps.import(&[]);
    assert_code(&output, 0);
    assert!(!words(&output).contains("by number"), "{}", words(&output));
    dumps.assert_imported();
}

/// Name and size do not tell: it is asked, and what is said then stands in the manifest.
#[test]
fn what_names_do_not_tell_is_asked_for() {
    let dumps = Dumps::new();
    dumps.put("flash1.bin", &dumps.contents[1]);
    dumps.put("mtd0.bin", &dumps.contents[0]);
    dumps.put("mtd2.bin", &dumps.contents[2]);
    let output = dumps.import(&[]);
    let says = [
        "flash1.bin has the size of mtd1 (u-boot-env)",
        "--map FILE=mtdN",
    ];
    dumps.assert_refused(&output, 2, &says);
    assert_code(&dumps.import(&["--map", "flash1.bin=mtd1"]), 0);
    dumps.assert_imported();
    assert!(dumps.not_proven().contains("said so: flash1.bin for mtd1"));
}

#[test]
fn a_map_by_name_wins_over_what_the_files_are_called() {
    let dumps = Dumps::whole();
    // Somebody mixed two of one size up, and knows it.
    dumps.put("mtd1.bin", &dumps.contents[2]);
    dumps.put("mtd2.bin", &dumps.contents[1]);
    let maps = ["--map", "mtd1.bin=factory", "--map", "mtd2.bin=mtd1"];
    assert_code(&dumps.import(&maps), 0);
    dumps.assert_imported();
}

#[rstest]
#[case(&["--map", "mtd9.bin=mtd1"], "there is no file mtd9.bin")]
#[case(&["--map", "mtd1.bin=mtd7"], "there is no partition mtd7")]
#[case(&["--map", "mtd1.bin=mtd0", "--map", "mtd2.bin=mtd0"], "has a file already")]
#[case(&["--map", "mtd1.bin=mtd0", "--map", "mtd1.bin=mtd2"], "another partition's already")]
#[case(&["--map", "mtd1.bin"], "--map takes FILE=mtdN")]
fn maps_that_cannot_be(#[case] options: &[&str], #[case] says: &str) {
    let dumps = Dumps::whole();
    dumps.assert_refused(&dumps.import(options), 2, &[says]);
}

/// LuCI's downloads break off; the same partition was fetched once more.
#[test]
fn of_two_files_for_a_partition_none_is_guessed() {
    let dumps = Dumps::whole();
    dumps.put("OpenWrt.mtd1.bin", &dumps.contents[1][..0x1000]);
    let output = dumps.import(&[]);
    dumps.assert_refused(&output, 2, &["only mtd1.bin has its size"]);
    assert_code(&dumps.import(&["--map", "mtd1.bin=mtd1"]), 0);
    dumps.assert_imported();
    let dumps = Dumps::whole();
    dumps.put("OpenWrt.mtd1.bin", &dumps.contents[1]);
    let output = dumps.import(&[]);
    assert_code(&output, 0);
    assert!(words(&output).contains("OpenWrt.mtd1.bin has the same bytes"));
    dumps.assert_imported();
}

#[test]
fn a_table_is_known_by_what_is_in_it() {
    let dumps = Dumps::named(|n| format!("mtd{n}"));
    dumps.put("mtd", TABLE);
    assert_code(&dumps.import_alone(&[]), 0);
    dumps.assert_imported();
    dumps.put("table (1).txt", TABLE.replace("factory", "art"));
    let output = run_import(&dumps.at("dumps"), &dumps.at("second"), &[]);
    assert_code(&output, 5);
}

/// Nothing of a partition without a byte can be missing, and nobody has a file of it.
#[test]
fn a_partition_without_a_byte_needs_no_file() {
    let table = format!("{TABLE}mtd5: 00000000 00001000 \"Data\"\n");
    let dumps = Dumps::of(&table);
    for n in 0..3 {
        dumps.put(&format!("mtd{n}.bin"), &dumps.contents[n]);
    }
    assert_code(&dumps.import(&[]), 0);
    dumps.assert_imported();
    let manifest = manifest(&dumps.at("backup"));
    assert_eq!(manifest["images"][3]["size_bytes"], 0);
    assert_eq!(manifest["images"][3]["mtd"], 5);
}

#[test]
fn what_belongs_to_nothing_is_said_with_what_it_may_be() {
    let dumps = Dumps::whole();
    dumps.put("all.rom", dumps.contents.concat());
    dumps.put("mtd7.tar.xz", b"\xfd7zXZ");
    fs::create_dir(dumps.at("dumps/photos")).unwrap();
    let output = dumps.import(&[]);
    assert_code(&output, 1);
    assert!(words(&output).contains("mtd7.tar.xz is of no partition"));
    fs::rename(
        dumps.at("dumps/mtd7.tar.xz"),
        dumps.at("dumps/config.tar.xz"),
    )
    .unwrap();
    let output = dumps.import(&[]);
    assert_code(&output, 0);
    for says in [
        "all.rom is no part",
        "backup --image",
        "config.tar.xz",
        "unpack it",
        "photos is no part",
    ] {
        assert!(words(&output).contains(says), "{says}: {}", words(&output));
    }
}

#[test]
fn names_that_are_no_names_are_no_harm() {
    let table = "dev:    size   erasesize  name\nmtd0: 00001000 00001000 \"mtd2\"\n\
                 mtd2: 00002000 00001000 \"/yaffs1\"\nmtd7: 00003000 00001000 \"caf\u{e9}\"\n";
    let dumps = Dumps::of(table);
    dumps.put("mtd2.bin", &dumps.contents[1]);
    dumps.put("mtd0.bin", &dumps.contents[0]);
    dumps.put("Caf\u{e9}.img", &dumps.contents[2]);
    assert_code(&dumps.import(&[]), 0);
    let names: Vec<Value> = manifest(&dumps.at("backup"))["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image["name"].clone())
        .collect();
    assert_eq!(names, ["mtd2", "/yaffs1", "caf\u{e9}"]);
    let third = fs::read(dumps.at("backup/mtd7.bin")).unwrap();
    assert!(third == dumps.contents[2]);
}
