//! Which module of a crate names which, and where that goes round.

use std::collections::{BTreeMap, BTreeSet};

/// A module by its path in the crate.
pub type Module = Vec<String>;

/// Which modules of a crate each module names. A folder's own file (`mod.rs`) counts
/// as a module; the crate's root, which names all, does not.
pub type Named = BTreeMap<Module, BTreeSet<Module>>;

/// What the modules of the crate whose sources are in `folder` name. `crate_name` is
/// what its program calls its library.
pub fn named(folder: &str, crate_name: &str, sources: &[(String, String)]) -> Named {
    let mut texts: BTreeMap<Module, &str> = BTreeMap::new();
    for (path, text) in sources {
        let Some(below) = path.strip_prefix(folder).and_then(|p| p.strip_prefix('/')) else {
            continue;
        };
        let mut module: Module = below
            .trim_end_matches(".rs")
            .split('/')
            .map(Into::into)
            .collect();
        if module.iter().any(|part| part == "tests" || part == "bin") {
            continue;
        }
        if matches!(
            module.last().map(String::as_str),
            Some("mod" | "lib" | "main")
        ) {
            module.pop();
        }
        texts.insert(module, text);
    }
    let modules = texts
        .iter()
        .map(|(module, text)| (module.clone(), code(text)))
        .collect();
    let all = Crate {
        name: crate_name,
        modules,
    };
    let named = all.modules.keys();
    named
        .map(|module| (module.clone(), all.names(module)))
        .collect()
}

/// The circles among modules: sorted module paths such as `mtd/handle`.
pub fn circles(named: &Named) -> Vec<Vec<String>> {
    let reaches: BTreeMap<&Module, BTreeSet<&Module>> = named
        .keys()
        .map(|module| (module, reach(module, named)))
        .collect();
    let mut circles = Vec::new();
    let mut done: BTreeSet<&Module> = BTreeSet::new();
    for module in named.keys() {
        let circle: Vec<&Module> = reaches[module]
            .iter()
            .copied()
            .filter(|other| reaches[other].contains(module))
            .collect();
        if circle.len() > 1 && done.insert(module) {
            done.extend(&circle);
            circles.push(circle.iter().map(|module| module.join("/")).collect());
        }
    }
    circles
}

fn reach<'a>(from: &Module, named: &'a Named) -> BTreeSet<&'a Module> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&Module> = vec![from];
    while let Some(module) = open.pop() {
        for next in &named[module] {
            if seen.insert(next) {
                open.push(next);
            }
        }
    }
    seen
}

/// What an import brings into a module: its name there, and the path it stands for.
#[derive(Clone)]
struct Import {
    name: String,
    path: Module,
    /// Whether it is there for others (`pub use`): then it names nothing by itself, and
    /// who names it here names what it stands for.
    is_passed_on: bool,
}

/// The code of a module: its imports, and the other paths in it.
struct Code {
    imports: Vec<Import>,
    paths: Vec<Module>,
}

/// All modules of a crate.
struct Crate<'a> {
    name: &'a str,
    modules: BTreeMap<Module, Code>,
}

impl Crate<'_> {
    /// The other modules that a module's code names.
    fn names(&self, module: &Module) -> BTreeSet<Module> {
        let code = &self.modules[module];
        let imported = code.imports.iter().filter(|import| !import.is_passed_on);
        let paths = imported.map(|import| &import.path).chain(&code.paths);
        paths
            .filter_map(|path| self.resolved(module, path, 0))
            .filter(|named| !named.is_empty() && named != module)
            .collect()
    }

    /// The deepest module on a path's way, as a module sees it; what follows is an item of
    /// it. None where the path begins in another crate, or with a name of the code.
    fn resolved(&self, from: &Module, path: &Module, depth: usize) -> Option<Module> {
        let (first, below) = path.split_first()?;
        let mut at = match first.as_str() {
            "self" | "super" => from.clone(),
            first if first == "crate" || first == self.name => Module::new(),
            first => [&from[..], &[first.to_owned()]].concat(),
        };
        if first == "super" {
            at.pop();
        }
        if !at.is_empty() && !self.modules.contains_key(&at) {
            return None;
        }
        for part in below {
            let child = [&at[..], std::slice::from_ref(part)].concat();
            if part == "super" {
                at.pop();
            } else if self.modules.contains_key(&child) {
                at = child;
            } else {
                let code = self.modules.get(&at)?;
                let import = code.imports.iter().find(|import| import.name == *part);
                // Imports that go round are no code that compiles.
                let import = import.filter(|_| depth < 8);
                let Some(named) = import.and_then(|i| self.resolved(&at, &i.path, depth + 1))
                else {
                    break;
                };
                at = named;
            }
        }
        Some(at)
    }
}

/// The imports and paths of a text, those of grouped imports one by one; comments and the
/// file's own tests left out.
fn code(text: &str) -> Code {
    let code: String = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default()
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n");
    let words = words(&code);
    let (mut imports, mut paths) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < words.len() {
        let before = at.checked_sub(1).map_or("", |before| words[before]);
        if words[at] == "use" {
            let is_passed_on = matches!(before, "pub" | ")");
            let mut found = Vec::new();
            at = follow(&words, at + 1, &Vec::new(), &mut found);
            imports.extend(found.into_iter().map(|(path, name)| Import {
                name,
                path,
                is_passed_on,
            }));
        } else if words.get(at + 1) == Some(&"::") && !matches!(before, "::" | "in") {
            let mut found = Vec::new();
            at = follow(&words, at, &Vec::new(), &mut found).max(at + 1);
            paths.extend(found.into_iter().map(|(path, _)| path));
        } else {
            at += 1;
        }
    }
    Code { imports, paths }
}

/// Reads a path from `at` on, which may end in a group; answers where it ends. With each
/// path, the name that its end has from there on.
fn follow(
    words: &[&str],
    mut at: usize,
    before: &Module,
    found: &mut Vec<(Module, String)>,
) -> usize {
    let mut path = before.clone();
    loop {
        match words.get(at) {
            Some(&"{") => {
                at += 1;
                while words.get(at).is_some_and(|word| *word != "}") {
                    let next = follow(words, at, &path, found);
                    at = next.max(at + 1);
                }
                return at + 1;
            }
            Some(word) if word.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                path.push((*word).into());
                at += 1;
            }
            _ => return at,
        }
        if words.get(at) != Some(&"::") {
            if path.last().is_some_and(|last| last == "self") {
                path.pop();
            }
            let mut name = path.last().cloned().unwrap_or_default();
            if let (Some(&"as"), Some(other)) = (words.get(at), words.get(at + 1)) {
                name = (*other).into();
                at += 2;
            }
            found.push((path, name));
            return at;
        }
        at += 1;
    }
}

/// Identifiers, `::`, and every other sign by itself.
fn words(code: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let in_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = match first {
            c if in_word(c) => rest.find(|c| !in_word(c)).unwrap_or(rest.len()),
            ':' if rest.starts_with("::") => 2,
            c => c.len_utf8(),
        };
        words.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    words
}

#[test]
fn a_circle_is_found_and_a_line_is_none() {
    let source = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let sources = [
        source("s/lib.rs", "mod a; mod b; mod c;"),
        source("s/a.rs", "use crate::b::{self, x::{Y, z}};"),
        source("s/b/mod.rs", "use super::c; // crate::a"),
        source("s/c.rs", "fn f() { crate::a::g() }"),
        source("s/d.rs", "use s::a; use self::inner::x;"),
    ];
    let named = named("s", "s", &sources);
    assert_eq!(circles(&named), [["a", "b", "c"]]);
}

/// A folder's own file names what lies below it without a word before.
#[test]
fn a_path_that_begins_below_is_seen() {
    let source = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    for text in [
        "use block::Block;",
        "use { block::{self, Block} };",
        "fn f() { block::g() }",
    ] {
        let sources = [
            source("s/lib.rs", "mod a;"),
            source("s/a/mod.rs", &format!("mod block; mod other; {text}")),
            source("s/a/block.rs", "fn f() { super::g(); other::h() }"),
            source("s/a/other.rs", "fn h() {} // super::g"),
        ];
        let circles = circles(&named("s", "s", &sources));
        assert_eq!(circles, [["a", "a/block"]], "{text}");
    }
    // What only looks like it: another crate's, a field, and what is there for others.
    for text in [
        "use std::block::x;",
        "fn f() { self.block.g() }",
        "pub use block::Block;",
        "pub(in crate::a) use block::{Block as B};",
    ] {
        let sources = [
            source("s/lib.rs", "mod a;"),
            source("s/a/mod.rs", &format!("mod block; {text}")),
            source("s/a/block.rs", "use super::f;"),
        ];
        assert!(circles(&named("s", "s", &sources)).is_empty(), "{text}");
    }
}

/// Who names what a folder's own file passes on names where it comes from.
#[test]
fn what_is_passed_on_is_where_it_comes_from() {
    let source = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let sources = [
        source(
            "s/a/mod.rs",
            "mod one; mod two; pub(crate) use two::{T as U};",
        ),
        source("s/a/one.rs", "use crate::a::U;"),
        source("s/a/two.rs", "fn f(_: super::one::O) {}"),
    ];
    assert_eq!(circles(&named("s", "s", &sources)), [["a/one", "a/two"]]);
}
