//! execve and execveat: a program, or the interpreter of a script, may really
//! be elsewhere.

use crate::Errno;
use crate::sandbox::call::{Answer, Decision, Job, PathArgument, Program, Trapped};
use crate::sandbox::kernel::caller;
use crate::sandbox::kernel::hosts;
use crate::sandbox::kernel::process::{Process, c_string};
use crate::sandbox::kernel::sys;
use crate::sandbox::state::{State, Target};
use crate::sandbox::view::namespace::Bytes;
use std::os::unix::fs::FileExt;

/// As many interpreters of interpreters as Linux starts (fs/exec.c).
const INTERPRETERS_MAX: usize = 5;

/// Answers execve, and execveat with flags: `arguments` and `environment` are
/// the addresses of the program's lists.
pub(in crate::sandbox) fn exec(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    (arguments, environment): (u64, u64),
    flags: i32,
) -> Decision {
    if flags & !(libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH) != 0 {
        return Err(Errno::INVAL);
    }
    let process = trapped.process();
    let follow = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
    let written = process.path(path.address).unwrap_or_default();
    let (mut real, mut elsewhere) = match state.target(trapped, path, follow)? {
        Target::Node(..) => return Err(Errno::ACCESS),
        Target::Hidden(_) => return Err(Errno::NOENT),
        Target::Host(path) => (path, false),
        // The kernel finds the same file from where the process stands.
        Target::Elsewhere { real, .. } => (real, !is_below(&written)),
        Target::Descriptor(fd) if flags & libc::AT_EMPTY_PATH != 0 => {
            if state.node_behind(process, fd).is_some() {
                return Err(Errno::ACCESS);
            }
            (process.proc(&format!("fd/{fd}")).into_bytes(), false)
        }
        Target::Descriptor(_) | Target::Foreign | Target::Unknown => return Ok(Answer::THROUGH),
    };
    note_lost_rights(state, process, &real);
    if elsewhere && !follow && sys::readlink(&c_string(&real)).is_ok() {
        return Err(Errno::LOOP);
    }
    let name = name_of(path.folder, &written);
    let Some(interpreter) = interpreters(state, trapped, name, (&mut real, &mut elsewhere))? else {
        return Ok(Answer::THROUGH);
    };
    if !interpreter.is_empty() && will_be_closed(process, path.folder, &written) {
        // The interpreter would not find the script (fs/binfmt_script.c).
        return Err(Errno::NOENT);
    }
    caller::act(process, || sys::stat(&c_string(&real), true))?;
    let rest = match interpreter.is_empty() {
        true => Vec::new(),
        false => further_arguments(trapped, arguments)?,
    };
    Ok(Answer::InThread(Job::Exec(Program {
        path: process.inside(&real).ok_or(Errno::NOENT)?,
        arguments,
        environment,
        interpreter,
        rest,
    })))
}

/// Names a program that would run with its owner's rights, and here does not: who starts
/// a sandbox without root's rights has to give up getting new ones (kernel/seccomp.c).
fn note_lost_rights(state: &mut State, process: Process, real: &[u8]) {
    const SET_GROUP: u32 = libc::S_ISGID | libc::S_IXGRP;
    // SAFETY: no arguments.
    if unsafe { libc::geteuid() } == 0 {
        return;
    }
    let Ok(about) = sys::stat(&c_string(real), true) else {
        return;
    };
    let (user, group) = process.owner();
    let gets_user = about.st_mode & libc::S_ISUID != 0 && about.st_uid != user;
    let gets_group = about.st_mode & SET_GROUP == SET_GROUP && about.st_gid != group;
    if gets_user || gets_group {
        let path = String::from_utf8_lossy(real).into_owned();
        state.warn(&format!(
            "{path} is set-uid or set-gid: in an ordinary user's sandbox it gets no rights by that"
        ));
    }
}

/// The arguments that interpreters put before those of a program called `name`, and
/// what is really started; none: the kernel finds all of it by itself.
fn interpreters(
    state: &mut State,
    trapped: &Trapped,
    mut name: Bytes,
    (real, elsewhere): (&mut Bytes, &mut bool),
) -> Result<Option<Vec<Bytes>>, Errno> {
    let mut arguments: Vec<Bytes> = Vec::new();
    let mut depth = 0;
    while let Some((next, argument)) = state.interpreter_of(trapped, real) {
        depth += 1;
        if depth > INTERPRETERS_MAX {
            return if *elsewhere {
                Err(Errno::LOOP)
            } else {
                Ok(None)
            };
        }
        caller::act(trapped.process(), || may_execute(real))?;
        let rest = arguments.split_off(arguments.len().min(1));
        arguments = vec![next.clone()];
        arguments.extend(argument);
        arguments.push(name);
        arguments.extend(rest);
        *real = match state.target_at(trapped, libc::AT_FDCWD, next.clone(), true)? {
            Target::Host(path) => path,
            Target::Elsewhere { real, .. } => {
                *elsewhere = true;
                real
            }
            _ => return Err(Errno::ACCESS),
        };
        name = next;
    }
    Ok(elsewhere.then_some(arguments))
}

/// What a script is called when its interpreter is started (fs/exec.c, alloc_bprm).
fn name_of(folder: i32, written: &[u8]) -> Bytes {
    if folder == libc::AT_FDCWD || written.first() == Some(&b'/') {
        return written.to_vec();
    }
    let folder = format!("/dev/fd/{folder}").into_bytes();
    match written.is_empty() {
        true => folder,
        false => [&folder, written].join(&b'/'),
    }
}

/// Whether a path leads through a descriptor that the new program does not get.
fn will_be_closed(process: Process, folder: i32, written: &[u8]) -> bool {
    if folder == libc::AT_FDCWD || written.first() == Some(&b'/') {
        return false;
    }
    let about = std::fs::read_to_string(format!("/proc/{}/fdinfo/{folder}", process.tid));
    let about = about.unwrap_or_default();
    let flags = about.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & libc::O_CLOEXEC != 0)
}

/// The addresses of all arguments but the first.
fn further_arguments(trapped: &Trapped, list: u64) -> Result<Vec<u64>, Errno> {
    // A quarter of the largest stack is what Linux takes; more is E2BIG.
    const COUNT_MAX: u64 = 1 << 18;
    let mut addresses = Vec::new();
    for index in 0..COUNT_MAX {
        match trapped.process().read_u64(list + 8 * index) {
            _ if list == 0 => return Ok(addresses),
            Ok(0) => return Ok(addresses.split_off(addresses.len().min(1))),
            Ok(address) => addresses.push(address),
            Err(errno) => return Err(errno),
        }
    }
    Err(Errno::from_raw_os_error(libc::E2BIG))
}

/// Whether a path leads down from the working directory.
fn is_below(written: &[u8]) -> bool {
    let climbs = written
        .split(|&byte| byte == b'/')
        .any(|part| part == b"..");
    written.first() != Some(&b'/') && !climbs
}

fn may_execute(real: &[u8]) -> Result<(), Errno> {
    hosts::access(&c_string(real), libc::X_OK, libc::AT_EACCESS).map(drop)
}

/// As many bytes of a file as the kernel looks at (BINPRM_BUF_SIZE); what a shorter
/// one lacks is zero.
type Head = [u8; 256];

/// A file that may be a program. Opening a FIFO would wait.
fn open(real: &[u8]) -> Option<std::fs::File> {
    let fd = sys::open(&c_string(real), libc::O_RDONLY | libc::O_NONBLOCK, 0).ok()?;
    Some(std::fs::File::from(fd))
}

/// The interpreter of a script and its argument (fs/binfmt_script.c, load_script); none:
/// it is no script, or the kernel refuses it.
fn script(head: &Head) -> Option<(Bytes, Option<Bytes>)> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let ends_word = |byte: &u8| is_space(byte) || *byte == 0;
    let text = head.strip_prefix(b"#!")?;
    let until_zero = text.iter().position(|&byte| byte == 0);
    let line_end = text[..until_zero.unwrap_or(text.len())]
        .iter()
        .position(|&byte| byte == b'\n');
    let line = match line_end {
        Some(end) => &text[..end],
        None => {
            // The last byte never counts, and a name that reaches it was cut off.
            let line = &text[..text.len() - 1];
            let start = line.iter().position(|byte| !is_space(byte))?;
            line[start..].iter().position(ends_word)?;
            line
        }
    };
    let end = line.iter().rposition(|byte| !is_space(byte))? + 1;
    let start = line.iter().position(|byte| !is_space(byte))?;
    let line = &line[start..end];
    let Some(word) = line.iter().position(ends_word) else {
        return Some((line.to_vec(), None));
    };
    let name = line[..word].to_vec();
    if line[word] == 0 {
        return Some((name, None));
    }
    let argument = line[word..].iter().skip_while(|byte| is_space(byte));
    let argument: Bytes = argument.copied().take_while(|&byte| byte != 0).collect();
    Some((name, Some(argument)))
}

impl State {
    /// The interpreter of what is at this path, if that is a script, and its argument.
    fn interpreter_of(&mut self, trapped: &Trapped, real: &[u8]) -> Option<(Bytes, Option<Bytes>)> {
        let file = open(real)?;
        let mut head: Head = [0; 256];
        file.read_at(&mut head, 0).ok()?;
        let found = script(&head);
        if found.is_none() {
            self.look_at_loader(trapped, &file, &head);
        }
        found
    }

    /// The kernel itself looks for an ELF program's loader, and does not find
    /// one in a mapped folder.
    fn look_at_loader(&mut self, trapped: &Trapped, file: &std::fs::File, head: &Head) {
        let Some(loader) = loader(file, head) else {
            return;
        };
        let path = String::from_utf8_lossy(&loader).into_owned();
        let target = self.target_at(trapped, libc::AT_FDCWD, loader, true);
        let Ok(Target::Elsewhere { real, .. }) = target else {
            return;
        };
        let process = trapped.process();
        // Who is locked up in that folder finds it.
        if process.root().is_none() || process.inside(&real).is_none() {
            self.warn(&format!(
                "a program's loader {path} is in a mapped folder, where the kernel does not \
                 find it: start the loader with the program as its argument"
            ));
        }
    }
}

/// The loader of a 64-bit little-endian ELF program (elf(5), PT_INTERP), wherever in
/// the file its tables are.
fn loader(file: &std::fs::File, head: &Head) -> Option<Bytes> {
    const ENTRY_BYTES: u64 = 56;
    const PT_INTERP: u64 = 3;
    const PATH_MAX: u64 = 4096;
    let number = |bytes: &[u8], at: usize, length: usize| -> Option<u64> {
        let mut number = [0u8; 8];
        number[..length].copy_from_slice(bytes.get(at..at + length)?);
        Some(u64::from_le_bytes(number))
    };
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let (table, count) = (number(head, 32, 8)?, number(head, 56, 2)?);
    for index in 0..count {
        let mut entry = [0u8; ENTRY_BYTES as usize];
        let at = table.checked_add(index * ENTRY_BYTES)?;
        file.read_exact_at(&mut entry, at).ok()?;
        if number(&entry, 0, 4)? == PT_INTERP {
            let (at, length) = (number(&entry, 8, 8)?, number(&entry, 32, 8)?);
            let mut path = vec![0u8; length.min(PATH_MAX) as usize];
            file.read_exact_at(&mut path, at).ok()?;
            return Some(path.strip_suffix(b"\0").unwrap_or(&path).to_vec());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::script;
    use rstest::rstest;

    #[rstest]
    #[case("#!/bin/sh\necho", Some(("/bin/sh", None)))]
    #[case("#! /bin/sh -e -x \t\n", Some(("/bin/sh", Some("-e -x"))))]
    #[case("#!/bin/sh", Some(("/bin/sh", None)))]
    #[case("#!\n", None)]
    #[case("#!  \t\n", None)]
    #[case("#!", Some(("", None)))]
    #[case("# !/bin/sh\n", None)]
    #[case("", None)]
    // A zero byte ends the name, and what is behind it, too.
    #[case("#!/bin/sh\0x\n", Some(("/bin/sh", None)))]
    #[case("#!/bin/sh a\0b", Some(("/bin/sh", Some("a"))))]
    fn first_lines(#[case] head: &str, #[case] expected: Option<(&str, Option<&str>)>) {
        assert_first_line(head, expected);
    }

    /// What does not fit is cut off, but never a name.
    #[test]
    fn long_first_lines() {
        let x = |count| "x".repeat(count);
        let (argument, path) = (x(245), format!("/{}", x(252)));
        let cut = Some(("/bin/sh", Some(&*argument)));
        assert_first_line(&format!("#!/bin/sh {}\n", x(300)), cut);
        assert_first_line(&format!("#!/{}\n", x(300)), None);
        assert_first_line(&format!("#!{path}\n"), Some((&path, None)));
        assert_first_line(&format!("#!{path}x\n"), None);
    }

    fn assert_first_line(head: &str, expected: Option<(&str, Option<&str>)>) {
        let mut bytes = [0; 256];
        let length = head.len().min(bytes.len());
        bytes[..length].copy_from_slice(&head.as_bytes()[..length]);
        let copied = |text: &str| text.as_bytes().to_vec();
        let expected = expected.map(|(path, argument)| (copied(path), argument.map(copied)));
        assert_eq!(script(&bytes), expected);
    }
}
