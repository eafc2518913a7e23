//! The code of docs/power-cuts.md, which must be the code that stands here.

// guide: begin
use mtd_embedded_storage::chip::Chip;
use mtd_embedded_storage::cut::{Ask, Script, Work};
use mtd_embedded_storage::{Flash, FlashError, every_cut, ready};
use sequential_storage::cache::Cache;
use sequential_storage::map::{MapConfig, MapStorage};

/// Opens the store, does what it is asked, and tells what it found.
fn drive(
    flash: Flash<&mut Chip, 4, 1024>, // words of 4 bytes, erase blocks of 1024
    script: &mut Script,
) -> Result<(), sequential_storage::Error<FlashError>> {
    let config = MapConfig::new(0..2048);
    let mut map = MapStorage::<u8, _, _>::new(flash, config, Cache::new_uncached());
    let mut buffer = [0; 64];
    while let Some(ask) = script.next() {
        match ask {
            Ask::Set(key, value) => {
                ready(map.store_item(&mut buffer, &key, &value.as_slice()))?;
            }
            Ask::Remove(key) => ready(map.remove_item(&mut buffer, &key))?,
            Ask::Get(key) => {
                script.found(ready(map.fetch_item::<&[u8]>(&mut buffer, &key))?);
            }
            _ => {}
        }
    }
    Ok(())
}

#[test]
fn settings_survive_every_power_cut() {
    // 40 asks on 4 keys, values of 1 to 16 bytes, from seed 1; flash of 2048 bytes.
    let report = every_cut(2048, Work::key_value(4, 40, 1..=16, 1), drive).unwrap();
    report.assert_held();
}
// guide: end

// guide: begin
#[test]
fn settings_survive_a_second_cut() -> Result<(), Box<dyn std::error::Error>> {
    use mtd_embedded_storage::cut::{CutId, Explorer, Scripted, Tears};
    use mtd_embedded_storage::{driver, erased};

    let chip = erased::<4, 1024>(2048);
    // So many asks that the store has to make room: erases are cut as well.
    let store = Scripted::new(Work::key_value(4, 150, 1..=16, 1), driver(drive));
    let search = || Explorer::new(&chip, &store).tears(Tears::stable());
    // Each recovery is cut again; of all that, a sample of 20,000 states.
    let report = search().cuts(2).states(20_000).run()?;
    println!("{report}");
    // From the text alone: a shorter way to such a failure, and what it looks like.
    let id: CutId = "cut:633.3648.1ae5.351p1.1n.3027".parse()?;
    let short = search().shrink(&id)?;
    println!("{short}\n{}", search().replay(&short)?);
    Ok(())
}
// guide: end

#[test]
fn the_guide_has_this_code() {
    let own = include_str!("guide.rs");
    let guide = include_str!("../../../docs/power-cuts.md");
    let mut blocks = 0;
    for code in own.split("\n// guide: begin\n").skip(1) {
        let code = code.split("\n// guide: end").next().unwrap().trim();
        assert!(guide.contains(code), "docs/power-cuts.md lacks:\n{code}");
        blocks += 1;
    }
    assert_eq!(blocks, 2);
}

/// What the guide shows of the report is what the code prints, but for the time that it takes.
#[test]
fn the_guide_has_this_report() {
    let guide = include_str!("../../../docs/power-cuts.md");
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["settings_survive_a_second_cut", "--exact", "--nocapture"])
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let mut blocks = 0;
    for shown in guide.split("```text\n").skip(1).take(2) {
        let shown = shown.split("```").next().unwrap();
        for line in shown.lines().filter(|line| line.trim() != "\u{2026}") {
            let (first, last) = match line.split_once(" a second): ") {
                Some((_, failed)) => (line.split_once(" in ").unwrap().0, failed),
                None => (line, ""),
            };
            let has = |own: &str| own.contains(first) && own.ends_with(last);
            assert!(printed.lines().any(has), "{line}:\n{printed}");
        }
        blocks += 1;
    }
    assert_eq!(blocks, 2);
}
