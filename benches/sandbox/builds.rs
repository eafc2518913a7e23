//! Builds of C programs, which do little but start processes and look files up.

use super::rounds::{Bench, installed, run, sh};
use super::shared::rounds::{Contest, Standing};
use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

/// The configure script that is timed; nothing else of its project is built.
const CONFIGURE: &str = "MTDKEEP_BENCH_CONFIGURE";

/// A build that takes seconds is timed so often at most.
const ROUNDS_MAX: usize = 5;

/// `make -j2` and a configure script, as far as they are there; and what is not.
pub fn builds(bench: &Bench, rounds: usize) -> (Vec<Standing>, Vec<String>) {
    let rounds = rounds.min(ROUNDS_MAX);
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    if installed("gcc") && installed("make") {
        let folder = bench.path().join("project");
        write_project(&folder);
        let at = folder.display();
        let lines = (
            format!("rm -f {at}/*.o {at}/program"),
            format!("make -j2 -C {at}"),
        );
        let name = "make -j2 of 40 files of C";
        found.extend(compared(bench, name, 1.25, &lines, rounds));
    } else {
        missing.push("gcc and make".to_owned());
    }
    match std::env::var(CONFIGURE) {
        Ok(script) => {
            let at = bench.path().join("configured");
            let at = at.display();
            let lines = (
                format!("rm -rf {at}; mkdir {at}"),
                format!("cd {at} && sh {script}"),
            );
            let name = "a configure script";
            found.extend(compared(bench, name, 1.2, &lines, rounds));
        }
        Err(_) => missing.push(format!("a configure script, in {CONFIGURE}")),
    }
    for what in &missing {
        println!("missing: {what}");
    }
    (found, missing)
}

/// A line of work outside and inside; the line that prepares it does not count.
fn compared(
    bench: &Bench,
    name: &str,
    aim: f64,
    (before, line): &(String, String),
    rounds: usize,
) -> Vec<Standing> {
    let mut contest = Contest::new(format!("sandbox/{name}"), None);
    let timed = |work: &dyn Fn()| {
        run(&mut sh(before));
        let began = Instant::now();
        work();
        began.elapsed().as_secs_f64()
    };
    contest.enter_timed("outside", None, || timed(&|| run(&mut sh(line))));
    contest.enter_timed(name, Some(aim), || timed(&|| bench.inside(&mut sh(line))));
    contest.run(rounds).into_iter().skip(1).collect()
}

/// Files of C, each with a few headers of the system and of its own.
fn write_project(folder: &Path) {
    const FILES: usize = 40;
    const HEADERS: usize = 20;
    std::fs::create_dir_all(folder).expect("a folder");
    let write = |name: String, text: &str| {
        std::fs::write(folder.join(name), text).expect("a file of the project");
    };
    for index in 0..HEADERS {
        let text = format!("#pragma once\nint h{index}(int);\n");
        write(format!("h{index}.h"), &text);
    }
    let mut objects = String::new();
    for file in 0..FILES {
        let mut text = String::new();
        for header in ["stdio", "stdlib", "string", "unistd", "fcntl", "signal"] {
            let _ = writeln!(text, "#include <{header}.h>");
        }
        for header in file..file + 8 {
            let _ = writeln!(text, "#include \"h{}.h\"", header % HEADERS);
        }
        for part in 0..20 {
            let _ = writeln!(
                text,
                "int f{file}_{part}(int x) {{ char t[64]; int s = {part};\n\
                 for (int i = 0; i < x; i++) s += i * x ^ s;\n\
                 snprintf(t, sizeof t, \"%d\", s); return (int)strlen(t) + s; }}"
            );
        }
        write(format!("f{file}.c"), &text);
        let _ = write!(objects, " f{file}.o");
    }
    write(
        "main.c".into(),
        "int f0_0(int);\nint main(void) { return f0_0(1) > 9; }\n",
    );
    let makefile =
        format!("program:{objects} main.o\n\tgcc -o $@ $^\n%.o: %.c\n\tgcc -O1 -I. -c -o $@ $<\n");
    write("Makefile".into(), &makefile);
}
