//! Tries the stores, or one state of one of them again.

use mtd_chip::cut::CutId;
use std::process::ExitCode;
use std::time::Duration;
use stores::{Limits, cases};

const HELP: &str = "\
usage: stores [--states N] [--cuts N] [--threads N] [--seconds N] [--unstable]
              [NAME…]
       stores --id ID NAME

Puts stores of others through every power cut, up to N cuts (2) and N states each
(1500000), and prints what it found. NAME is the beginning of a store's name. With
--unstable, with bits that read differently each time and no other tear. With
--id, replays a state and looks for the shortest path to it. What is found is not
confirmed by the authors.

exit: 0 all of it was tried, 2 usage";

struct Args {
    limits: Limits,
    id: Option<CutId>,
    names: Vec<String>,
}

fn parse() -> Result<Args, String> {
    let mut args = Args {
        limits: Limits {
            cuts: 2,
            states: 1_500_000,
            threads: None,
            time: None,
            unstable: false,
        },
        id: None,
        names: Vec::new(),
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            let value = words.next().and_then(|value| value.parse::<u64>().ok());
            value.ok_or_else(|| format!("{word} wants a number"))
        };
        match word.as_str() {
            "--states" => args.limits.states = number()?,
            "--cuts" => args.limits.cuts = number()? as u32,
            "--threads" => args.limits.threads = Some(number()? as usize),
            "--seconds" => args.limits.time = Some(Duration::from_secs(number()?)),
            "--unstable" => args.limits.unstable = true,
            "--id" => {
                let id = words.next().unwrap_or_default();
                args.id = Some(id.parse().map_err(|error| format!("{error}"))?);
            }
            "-h" | "--help" => return Err(String::new()),
            option if option.starts_with('-') => return Err(format!("no option {option}")),
            _ => args.names.push(word),
        }
    }
    Ok(args)
}

fn main() -> ExitCode {
    let args = match parse() {
        Ok(args) => args,
        Err(problem) if problem.is_empty() => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("stores: {problem}; see --help");
            return ExitCode::from(2);
        }
    };
    let wanted = |name: &str| {
        args.names.is_empty()
            || args
                .names
                .iter()
                .any(|start| name.starts_with(start.as_str()))
    };
    for case in cases().iter().filter(|case| wanted(case.name)) {
        println!("== {} {}: {}", case.name, case.version, case.about);
        match &args.id {
            None => match case.explore(args.limits, &mut |_| {}) {
                Ok(report) => println!("{report}"),
                Err(error) => println!("{error}\n"),
            },
            Some(id) => match case.again(id) {
                Ok((short, replay)) => {
                    println!("{short}");
                    replay.cuts.iter().for_each(|cut| println!("  {cut}"));
                    println!("  {}\n", replay.verdict.err().unwrap_or("it holds".into()));
                }
                Err(error) => println!("{error}\n"),
            },
        }
    }
    ExitCode::SUCCESS
}
