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
    texts
        .iter()
        .map(|(module, text)| (module.clone(), names(module, text, crate_name, &texts)))
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

/// The other modules that a module's code names.
fn names(
    module: &Module,
    text: &str,
    crate_name: &str,
    texts: &BTreeMap<Module, &str>,
) -> BTreeSet<Module> {
    let mut found = BTreeSet::new();
    for path in paths(text, crate_name) {
        let from_root = path[0] == "crate" || path[0] == crate_name;
        let mut absolute: Module = match from_root {
            true => Vec::new(),
            false => module.clone(),
        };
        for part in path.iter().skip(usize::from(from_root)) {
            match part.as_str() {
                "self" => {}
                "super" => drop(absolute.pop()),
                part => absolute.push(part.into()),
            }
        }
        // The deepest module on the way; what follows is an item of it.
        while !absolute.is_empty() && !texts.contains_key(&absolute) {
            absolute.pop();
        }
        if !absolute.is_empty() && absolute != *module && texts.contains_key(&absolute) {
            found.insert(absolute);
        }
    }
    found
}

/// All paths in the code that begin with `crate` (or the crate's name), `self` or
/// `super`, those of grouped imports one by one; comments and the file's own tests left
/// out.
fn paths(text: &str, crate_name: &str) -> Vec<Module> {
    let code: String = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default()
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n");
    let words = words(&code);
    let mut found = Vec::new();
    for at in 0..words.len() {
        let starts = matches!(words[at], "crate" | "self" | "super") || words[at] == crate_name;
        if starts && (at == 0 || words[at - 1] != "::") {
            follow(&words, at, &Vec::new(), &mut found);
        }
    }
    found
}

/// Reads a path from `at` on, which may end in a group; answers where it ends.
fn follow(words: &[&str], mut at: usize, before: &Module, found: &mut Vec<Module>) -> usize {
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
            found.push(path);
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
