//! execve and execveat: a program, or the interpreter of a script, may really
//! be elsewhere.

use crate::Errno;
use crate::sandbox::call::{Answer, Decision, Job, PathArgument, Program, Trapped};
use crate::sandbox::kernel::caller;
use crate::sandbox::kernel::hosts;
use crate::sandbox::kernel::process::c_string;
use crate::sandbox::kernel::sys;
use crate::sandbox::state::{State, Target};
use crate::sandbox::view::namespace::Bytes;
use std::os::fd::{AsRawFd, OwnedFd};

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
    let follow = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
    let written = trapped.process().path(path.address).unwrap_or_default();
    let (mut real, mut elsewhere) = match state.target(trapped, path, follow)? {
        Target::Node(..) => return Err(Errno::ACCESS),
        Target::Hidden(_) => return Err(Errno::NOENT),
        Target::Host(path) => (path, false),
        // The kernel finds the same file from where the process stands.
        Target::Elsewhere { real, .. } => (real, !is_below(&written)),
        Target::Descriptor(_) | Target::Unknown => return Ok(Answer::Through),
    };
    if elsewhere && !follow && sys::readlink(&c_string(&real)).is_ok() {
        return Err(Errno::LOOP);
    }
    let mut interpreter: Vec<Bytes> = Vec::new();
    let mut name = written;
    for _ in 0..INTERPRETERS_MAX {
        let Some(head) = head_of(&real) else {
            break;
        };
        let Some((next, argument)) = script(&head) else {
            state.look_at_loader(trapped, &head);
            break;
        };
        caller::act(trapped.process(), || may_execute(&real))?;
        let rest = interpreter.split_off(interpreter.len().min(1));
        interpreter = vec![next.clone()];
        interpreter.extend(argument);
        interpreter.push(name);
        interpreter.extend(rest);
        real = match state.target_of(trapped, libc::AT_FDCWD, next.clone(), true)? {
            Target::Host(path) => path,
            Target::Elsewhere { real, .. } => {
                elsewhere = true;
                real
            }
            _ => return Err(Errno::ACCESS),
        };
        name = next;
    }
    if !elsewhere {
        return Ok(Answer::Through);
    }
    caller::act(trapped.process(), || sys::stat(&c_string(&real), true))?;
    let rest = match interpreter.is_empty() {
        true => Vec::new(),
        false => further_arguments(trapped, arguments)?,
    };
    Ok(Answer::Stop(Job::Exec(Program {
        path: real,
        arguments,
        environment,
        interpreter,
        rest,
    })))
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

/// The first bytes of a plain file; the kernel looks at 256 of them.
fn head_of(real: &[u8]) -> Option<Vec<u8>> {
    const HEAD_BYTES: usize = 1024;
    // Not a FIFO's: opening one waits.
    let fd: OwnedFd = sys::open(&c_string(real), libc::O_RDONLY | libc::O_NONBLOCK, 0).ok()?;
    let mut head = vec![0u8; HEAD_BYTES];
    // SAFETY: the buffer is ours.
    let count = unsafe { libc::pread(fd.as_raw_fd(), head.as_mut_ptr().cast(), head.len(), 0) };
    head.truncate(usize::try_from(count).ok()?);
    Some(head)
}

/// The interpreter of a script and its argument (fs/binfmt_script.c).
fn script(head: &[u8]) -> Option<(Bytes, Option<Bytes>)> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let line = head[..head.len().min(256)].strip_prefix(b"#!")?;
    let line = line.split(|&byte| byte == b'\n').next()?;
    let start = line.iter().position(|byte| !is_space(byte))?;
    let end = line.iter().rposition(|byte| !is_space(byte))? + 1;
    let line = &line[start..end];
    let Some(space) = line.iter().position(is_space) else {
        return Some((line.to_vec(), None));
    };
    let argument = &line[space..];
    let start = argument.iter().position(|byte| !is_space(byte))?;
    Some((line[..space].to_vec(), Some(argument[start..].to_vec())))
}

impl State {
    /// The kernel itself looks for an ELF program's loader, and does not find
    /// one in a mapped folder.
    fn look_at_loader(&mut self, trapped: &Trapped, head: &[u8]) {
        let Some(loader) = loader(head) else {
            return;
        };
        let path = String::from_utf8_lossy(&loader).into_owned();
        let target = self.target_of(trapped, libc::AT_FDCWD, loader, true);
        if matches!(target, Ok(Target::Elsewhere { .. })) {
            self.warn(&format!(
                "a program's loader {path} is in a mapped folder, where the kernel does not \
                 find it: start the loader with the program as its argument"
            ));
        }
    }
}

/// The loader of a 64-bit little-endian ELF program (elf(5), PT_INTERP).
fn loader(head: &[u8]) -> Option<Bytes> {
    const ENTRY_BYTES: usize = 56;
    const PT_INTERP: u64 = 3;
    let number = |at: usize, length: usize| -> Option<u64> {
        let mut bytes = [0u8; 8];
        bytes[..length].copy_from_slice(head.get(at..at + length)?);
        Some(u64::from_le_bytes(bytes))
    };
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let (table, count) = (number(32, 8)? as usize, number(56, 2)? as usize);
    let entries = (0..count).map(|index| table + index * ENTRY_BYTES);
    let entry = entries
        .take_while(|at| at + ENTRY_BYTES <= head.len())
        .find(|at| number(*at, 4) == Some(PT_INTERP))?;
    let (at, length) = (
        number(entry + 8, 8)? as usize,
        number(entry + 32, 8)? as usize,
    );
    let path = head.get(at..at.checked_add(length)?)?;
    Some(path.strip_suffix(b"\0").unwrap_or(path).to_vec())
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
    #[case("# !/bin/sh\n", None)]
    #[case("", None)]
    fn first_lines(#[case] head: &str, #[case] expected: Option<(&str, Option<&str>)>) {
        let bytes = |text: &str| text.as_bytes().to_vec();
        let expected = expected.map(|(path, argument)| (bytes(path), argument.map(bytes)));
        assert_eq!(script(head.as_bytes()), expected);
    }
}
