//! The language of the case files.
//!
//! ```text
//! # a comment
//! @reason bits why a real chip answers otherwise than QEMU's
//! section NAME on=INDEX [aims=INDEX[,INDEX]] [native]
//! @fill 0 55*block            prepares contents; prints nothing
//! open rw /dev/mtd$W RDWR     a call; prints one line
//! pread {r,w} 16 size-4 hex   braces make several lines of one
//! pread rw 4 0 hex !bits = 4: 00*4   a marked line, and what silicon answers
//! read n 4 ~mode              a line that QEMU's user mode answers by itself
//! ```
//!
//! `$W` is the scratch partition, `$R` one that Linux forces read-only, `$N` one
//! whose nodes are missing, `$X` an index with no MTD device, `$T` a folder for
//! temporary nodes. A line's id is its section's name and its number there.

use std::fmt;

/// What the `$` names stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    /// `$W`: writeable, several erase blocks; calls that write aim at it.
    pub scratch: u32,
    /// `$R`: forced read-only.
    pub read_only: u32,
    /// `$N`: an MTD device without nodes.
    pub nodeless: u32,
    /// `$X`: no MTD device has this index, nor the ones behind it.
    pub absent: u32,
    /// `$T`: a folder where nodes may be made.
    pub folder: String,
}

impl Default for Roles {
    /// The iSpot's: `system`, `FIS directory`, `RedBoot config`.
    fn default() -> Self {
        Self {
            scratch: 4,
            read_only: 9,
            nodeless: 10,
            absent: 11,
            folder: "/tmp".into(),
        }
    }
}

/// Some calls that are made one after another and share their handles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its name, unique among all sections.
    pub name: String,
    /// The MTD device that `size` and `block` are taken from.
    pub on: u32,
    /// The MTD devices that its calls write to, or would if not refused.
    pub aims: Vec<u32>,
    /// It needs a real process.
    pub native: bool,
    /// Its calls and preparations, in order.
    pub steps: Vec<Step>,
}

/// One call, or one preparation (whose verb begins with `@`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// `read.007`; empty for a preparation.
    pub id: String,
    /// Verb and arguments.
    pub words: Vec<String>,
    /// The mark it carries.
    pub mark: Option<Mark>,
    /// The reason why QEMU's user mode, which runs single programs of another
    /// machine, answers it otherwise.
    pub user_mode: Option<String>,
    /// It is an ioctl of MTD or follows one that changed something: programs
    /// that reach the kernel through QEMU's user mode are not told.
    pub mtd_ioctl: bool,
}

/// Says that a chip of silicon answers otherwise than the kernel that printed
/// the stored lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The name of the reason.
    pub name: String,
    /// What silicon answers.
    pub silicon: String,
}

/// All sections of all case files, and the reasons behind the marks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cases {
    /// In the order in which they run.
    pub sections: Vec<Section>,
    /// Mark and reason.
    pub reasons: Vec<(String, String)>,
}

/// A case file that breaks the language's rules: a mistake of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadCase {
    /// The line as it stands.
    pub line: String,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for BadCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "case {:?}: {}", self.line, self.why)
    }
}

impl std::error::Error for BadCase {}

const FILES: &[&str] = &[
    include_str!("../cases/open.cases"),
    include_str!("../cases/seek.cases"),
    include_str!("../cases/read.cases"),
    include_str!("../cases/write.cases"),
    include_str!("../cases/ioctl.cases"),
    include_str!("../cases/erase.cases"),
    include_str!("../cases/lock.cases"),
    include_str!("../cases/block.cases"),
    include_str!("../cases/node.cases"),
    include_str!("../cases/text.cases"),
    include_str!("../cases/process.cases"),
];

/// The ioctls after which later answers differ from what they were without.
const CHANGES: &[&str] = &[
    "MEMERASE",
    "MEMERASE64",
    "MEMLOCK",
    "MEMUNLOCK",
    "MEMWRITE",
    "MTDFILEMODE",
    "OTPSELECT",
];

impl Cases {
    /// The project's own cases, for devices with these roles.
    pub fn all(roles: &Roles) -> Result<Self, BadCase> {
        let mut cases = Self::default();
        for file in FILES {
            cases.add(file, roles)?;
        }
        Ok(cases)
    }

    /// Adds the sections of one case file.
    pub fn add(&mut self, file: &str, roles: &Roles) -> Result<(), BadCase> {
        for line in file.lines() {
            let text = substitute(line.trim(), roles);
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            if let Some(rest) = text.strip_prefix("@reason ") {
                let (mark, why) = rest
                    .split_once(' ')
                    .ok_or_else(|| bad(&text, "no reason"))?;
                self.reasons.push((mark.into(), why.trim().into()));
            } else if let Some(rest) = text.strip_prefix("section ") {
                let section = section(rest).map_err(|why| bad(&text, &why))?;
                if self.sections.iter().any(|other| other.name == section.name) {
                    return Err(bad(&text, "a second section of this name"));
                }
                self.sections.push(section);
            } else {
                self.add_steps(&text)?;
            }
        }
        Ok(())
    }

    fn add_steps(&mut self, text: &str) -> Result<(), BadCase> {
        let (call, mark) = match text.rsplit_once(" !") {
            Some((call, mark)) => (call, Some(self.mark(text, mark)?)),
            None => (text, None),
        };
        let (call, user_mode) = match call.rsplit_once(" ~") {
            Some((call, name)) => (call, Some(self.reason(text, name)?)),
            None => (call, None),
        };
        let Some(section) = self.sections.last_mut() else {
            return Err(bad(text, "no section yet"));
        };
        for line in expand(call).map_err(|why| bad(text, &why))? {
            let words: Vec<String> = line.split_whitespace().map(Into::into).collect();
            let pushed = section.push(words, mark.clone(), user_mode.clone());
            pushed.map_err(|why| bad(text, why))?;
        }
        Ok(())
    }

    fn mark(&self, line: &str, text: &str) -> Result<Mark, BadCase> {
        let answer = || bad(line, "a mark without what silicon answers");
        let (name, silicon) = text.split_once(" = ").ok_or_else(answer)?;
        Ok(Mark {
            name: self.reason(line, name)?,
            silicon: silicon.into(),
        })
    }

    fn reason(&self, line: &str, name: &str) -> Result<String, BadCase> {
        match self.reasons.iter().any(|(known, _)| known == name) {
            true => Ok(name.into()),
            false => Err(bad(line, "a mark without a @reason before it")),
        }
    }

    /// Every call with its section, in order.
    pub fn calls(&self) -> impl Iterator<Item = (&Section, &Step)> {
        self.sections.iter().flat_map(|section| {
            let calls = section.steps.iter().filter(|step| !step.id.is_empty());
            calls.map(move |step| (section, step))
        })
    }
}

impl Section {
    fn push(
        &mut self,
        words: Vec<String>,
        mark: Option<Mark>,
        user_mode: Option<String>,
    ) -> Result<(), &'static str> {
        let verb = words.first().ok_or("a line without a call")?;
        let calls = self.steps.iter().filter(|step| !step.id.is_empty());
        let id = match verb.starts_with('@') {
            true => String::new(),
            false => format!("{}.{:03}", self.name, calls.count() + 1),
        };
        if verb == "ioctl" && words.len() < 3 {
            return Err("an ioctl without a handle and a name");
        }
        let own = ioctl_name(&words).is_some_and(super::ioctls::is_mtd);
        let after = self.steps.iter().any(|step| {
            let name = ioctl_name(&step.words);
            name.is_some_and(|name| CHANGES.contains(&name))
        });
        self.steps.push(Step {
            id,
            words,
            mark,
            user_mode,
            mtd_ioctl: own || after,
        });
        Ok(())
    }
}

/// The name in `ioctl HANDLE NAME …`.
fn ioctl_name(words: &[String]) -> Option<&str> {
    match words {
        [verb, _, name, ..] if verb == "ioctl" => Some(name),
        _ => None,
    }
}

fn bad(line: &str, why: &str) -> BadCase {
    BadCase {
        line: line.into(),
        why: why.into(),
    }
}

fn substitute(line: &str, roles: &Roles) -> String {
    line.replace("$W", &roles.scratch.to_string())
        .replace("$R", &roles.read_only.to_string())
        .replace("$N", &roles.nodeless.to_string())
        .replace("$X", &roles.absent.to_string())
}

fn section(text: &str) -> Result<Section, String> {
    let mut words = text.split_whitespace();
    let mut section = Section {
        name: words.next().ok_or("no name")?.into(),
        on: 0,
        aims: Vec::new(),
        native: false,
        steps: Vec::new(),
    };
    let number = |text: &str| text.parse().map_err(|_| format!("{text:?} is no index"));
    for word in words {
        match word.split_once('=') {
            None if word == "native" => section.native = true,
            Some(("on", index)) => section.on = number(index)?,
            Some(("aims", list)) => {
                section.aims = list.split(',').map(number).collect::<Result<_, _>>()?;
            }
            _ => return Err(format!("{word:?} means nothing here")),
        }
    }
    Ok(section)
}

/// The most lines that one line of a case file may stand for.
const MOST_LINES: usize = 1000;

/// Expands every pair of braces, the last one fastest: `a{b,c}` to `ab` and `ac`.
fn expand(text: &str) -> Result<Vec<String>, String> {
    let mut lines = vec![String::new()];
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        let (inside, after) = behind
            .split_once('}')
            .ok_or("a brace that nothing closes")?;
        if inside.contains('{') {
            return Err("braces inside braces".into());
        }
        let choices: Vec<&str> = inside.split(',').collect();
        if lines.len().saturating_mul(choices.len()) > MOST_LINES {
            return Err(format!("braces that make more than {MOST_LINES} lines"));
        }
        let begun = std::mem::take(&mut lines);
        for (line, choice) in begun
            .iter()
            .flat_map(|line| choices.iter().map(move |c| (line, c)))
        {
            lines.push(format!("{line}{before}{choice}"));
        }
        rest = after;
    }
    for line in &mut lines {
        line.push_str(rest);
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    #[test]
    fn braces_make_every_combination() {
        let expand = |text| expand(text).unwrap();
        assert_eq!(expand("a{b,c} {1,2}"), ["ab 1", "ab 2", "ac 1", "ac 2"]);
        assert_eq!(expand("plain"), ["plain"]);
        assert_eq!(expand("x{,ro}"), ["x", "xro"]);
    }

    #[test]
    fn a_file_becomes_sections() {
        let text = "@reason bits because\nsection s on=$W aims=$W\n@fill 0 55*4\n\
                    open rw /dev/mtd$W RDWR\nioctl rw MEMERASE start=0 length=4\n\
                    pread rw 4 0 hex !bits = 4: 00*4\n";
        let mut cases = Cases::default();
        cases.add(text, &Roles::default()).unwrap();
        let section = &cases.sections[0];
        assert_eq!((section.on, &section.aims[..]), (4, &[4][..]));
        let ids: Vec<&str> = section.steps.iter().map(|step| step.id.as_str()).collect();
        assert_eq!(ids, ["", "s.001", "s.002", "s.003"]);
        let flags: Vec<bool> = section.steps.iter().map(|step| step.mtd_ioctl).collect();
        assert_eq!(flags, [false, false, true, true]);
        let mark = section.steps[3].mark.as_ref().unwrap();
        assert_eq!((&*mark.name, &*mark.silicon), ("bits", "4: 00*4"));
    }

    #[test]
    fn mistakes_are_named() {
        for text in [
            "open a b RDWR",
            "section s\nopen a b RDWR !no = ok",
            "@reason no because\nsection s\nopen a b RDWR !no",
            "section s\nopen a b RDWR ~no",
            "section",
            "section s x=1",
            "section s\nsection s",
            "section s\n{,}",
            "section s\nioctl x",
            "section s\nioctl",
            "section s\na{b",
            "section s\na{b{c,d}}",
        ] {
            assert!(
                Cases::default().add(text, &Roles::default()).is_err(),
                "{text}"
            );
        }
        let lines = format!("section s\ncall {}", "{a,b}".repeat(64));
        let error = Cases::default().add(&lines, &Roles::default()).unwrap_err();
        assert_eq!(error.why, "braces that make more than 1000 lines");
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

        #[test]
        fn any_text_is_answered(text in any::<String>()) {
            let _ = Cases::default().add(&text, &Roles::default());
        }

        /// Pieces of the language in any order.
        #[test]
        fn any_pieces_are_answered(
            pieces in prop::collection::vec(
                prop::sample::select(vec![
                    "section s", "@reason r ", "@fill", "ioctl", "open", "{", "}", ",", " ", "\n",
                    " !r = ", " ~r", "$W", "on=", "aims=", "4294967296", "MEMERASE", "é",
                ]),
                0..40,
            )
        ) {
            let _ = Cases::default().add(&pieces.concat(), &Roles::default());
            let text = format!("section x\n{}", pieces.concat());
            let _ = Cases::default().add(&text, &Roles::default());
        }
    }
}
