//! What fixed jobs cost the simulated iSpot's chip: virtual time and exact
//! operation counts, as a table. Exits with 1 where they differ from
//! `fixtures/device-time.json`, naming the job and both figures.
//!
//!     cargo bench --bench device_time               the table, and the comparison
//!     cargo bench --bench device_time -- --write    makes the fixture anew

mod jobs;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/device-time.json");
    let now = jobs::run();
    println!("{} on {}", now.device, now.chip);
    println!(
        "{:>12}  {:>7}  {:>9}  {:>8}  {:>10}  {:>6}  job",
        "virtual s", "reads", "KiB read", "programs", "KiB progr.", "erases"
    );
    for cost in &now.jobs {
        println!(
            "{:>12.6}  {:>7}  {:>9}  {:>8}  {:>10}  {:>6}  {}",
            cost.virtual_ns as f64 / 1e9,
            cost.reads,
            cost.bytes_read >> 10,
            cost.programs,
            cost.bytes_programmed >> 10,
            cost.erases,
            cost.job
        );
    }
    if std::env::args().any(|word| word == "--write") {
        std::fs::write(&path, now.to_json()).expect("the fixture can be written");
        println!("\nwritten: fixtures/device-time.json");
        return ExitCode::SUCCESS;
    }
    let text = std::fs::read_to_string(&path).expect("fixtures/device-time.json");
    let fixture: jobs::Costs = serde_json::from_str(&text).expect("as --write made it");
    let differences = now.differences_to(&fixture);
    if differences.is_empty() {
        println!("\nexactly as in fixtures/device-time.json");
        return ExitCode::SUCCESS;
    }
    for difference in differences {
        eprintln!("differs: {difference}");
    }
    eprintln!(
        "if that is meant: cargo bench --bench device_time -- --write, and say why in the commit"
    );
    ExitCode::FAILURE
}
