//! chdir, getcwd and listings: where the kernel must really stand in
//! the folder that the program means.

use crate::Errno;
use crate::sandbox::call::{Answer, Decision, Job, PathArgument, Trapped};
use crate::sandbox::kernel::process::{Process, c_string};
use crate::sandbox::kernel::sys;
use crate::sandbox::state::{State, Target};
use crate::sandbox::view::namespace::Bytes;
use crate::sandbox::view::resolve::is_removed;
use std::os::fd::{AsFd, BorrowedFd};

/// Answers chdir.
pub(in crate::sandbox) fn chdir(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
) -> Decision {
    let target = state.target(trapped, path, true)?;
    state.notice_folder(&target);
    match target {
        Target::Node(..) => Err(Errno::NOTDIR),
        Target::Hidden(_) => Err(Errno::NOENT),
        Target::Elsewhere { real, .. } => {
            // Not O_PATH: the kernel hands no such descriptor over.
            let folder = sys::open(&c_string(&real), libc::O_RDONLY | libc::O_DIRECTORY, 0)?;
            Ok(Answer::InThread(Job::Chdir(folder)))
        }
        _ => Ok(Answer::THROUGH),
    }
}

/// Answers getcwd.
pub(in crate::sandbox) fn getcwd(state: &mut State, trapped: &Trapped) -> Decision {
    let Ok(real) = trapped.process().cwd() else {
        return Ok(Answer::THROUGH);
    };
    let Some(mut seen) = state.namespace.seen(&real).filter(|_| !is_removed(&real)) else {
        return Ok(Answer::THROUGH);
    };
    if let Some(root) = trapped.process().root() {
        let root = state.namespace.seen(&root).unwrap_or(root);
        match seen.strip_prefix(root.as_slice()) {
            Some(b"") => seen = b"/".to_vec(),
            Some(rest) if rest[0] == b'/' => seen = rest.to_vec(),
            // It stands outside of its root: the kernel has words for that.
            _ => return Ok(Answer::THROUGH),
        }
    }
    seen.push(0);
    if trapped.args[1] < seen.len() as u64 {
        return Err(Errno::RANGE);
    }
    trapped.process().write(trapped.args[0], &seen)?;
    Answer::value(seen.len() as i64)
}

/// Looks at what a new program inherits: the folder that it stands in, and those that
/// it has open.
pub(in crate::sandbox) fn inherited(state: &mut State, process: Process) {
    let fds = std::fs::read_dir(format!("/proc/{}/fd", process.tid));
    let fds = fds.into_iter().flatten().flatten();
    let fds = fds.filter_map(|fd| fd.file_name().to_str()?.parse().ok());
    let mut open = fds.filter_map(|fd| state.folder_behind(process, fd));
    let mut inherits = open.any(|folder| state.lists_ours(&folder));
    inherits |= match process.cwd() {
        Ok(real) => {
            let seen = state.namespace.seen(&real).unwrap_or(real);
            state.lists_ours(&seen)
        }
        Err(_) => true,
    };
    state.may_list |= inherits;
}

/// The structure in which a listing tells of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Entries {
    /// `struct linux_dirent`, of the old getdents: its d_type is the last byte.
    #[cfg(target_arch = "x86_64")]
    Old,
    /// `struct linux_dirent64`: its d_type is before the name.
    New,
}

impl Entries {
    /// Makes entries of the new structure into these, which are as long.
    fn convert(self, entries: &mut [u8]) {
        if self == Entries::New {
            return;
        }
        let mut at = 0;
        while at + NAME_AT < entries.len() {
            let length = usize::from(u16::from_ne_bytes([entries[at + 16], entries[at + 17]]));
            // The kind comes to stand behind what was behind it.
            entries[at + NAME_AT - 1..at + length].rotate_left(1);
            at += length;
        }
    }
}

/// Answers getdents and getdents64: the host's entries without its flash nodes, then
/// ours.
pub(in crate::sandbox) fn list(state: &mut State, trapped: &Trapped, form: Entries) -> Decision {
    let (fd, address) = (trapped.int(0), trapped.args[1]);
    let Some(folder) = state.changed_folder(trapped.process(), fd) else {
        return Ok(Answer::THROUGH);
    };
    let mut bytes = entries(state, trapped, &folder, fd)?;
    form.convert(&mut bytes);
    trapped.process().write(address, &bytes)?;
    Answer::value(bytes.len() as i64)
}

/// Where in a listing our entries stand, each one further than the one before: what
/// `telldir` tells of them. File systems do not count up to here; ext4's hashes of names,
/// which come nearest, end below (fs/ext4/ext4.h, EXT4_HTREE_EOF_64BIT).
const OURS_AT: i64 = 0x7fff_ffff_0000_0000;

/// Answers a seek to one of our entries; none: it is another one.
pub(in crate::sandbox) fn seek(state: &mut State, trapped: &Trapped) -> Option<Decision> {
    let (process, fd, to) = (trapped.process(), trapped.int(0), trapped.args[1] as i64);
    if trapped.int(2) != libc::SEEK_SET || to < OURS_AT {
        return None;
    }
    state.changed_folder(process, fd)?;
    Some(seek_to_ours(state, process, fd, to))
}

fn seek_to_ours(state: &mut State, process: Process, fd: i32, to: i64) -> Decision {
    let duplicate = state.duplicate(process, fd)?;
    // The host's entries are over.
    let mut buf = [0; ENTRIES_BYTES];
    while sys::getdents64(duplicate.as_fd(), &mut buf)? > 0 {}
    let shown = usize::try_from(to - OURS_AT).unwrap_or(usize::MAX);
    state.listed.insert((process.tgid(), fd), shown);
    Answer::value(to)
}

/// Room for some entries, also for the longest one.
const ENTRIES_BYTES: usize = 4096;

fn entries(
    state: &mut State,
    trapped: &Trapped,
    folder: &Bytes,
    fd: i32,
) -> Result<Vec<u8>, Errno> {
    const AT_ONCE_MAX: u64 = 1 << 20;
    let duplicate = state.duplicate(trapped.process(), fd)?;
    let key = (trapped.process().tgid(), fd);
    let room = trapped.args[2].min(AT_ONCE_MAX) as usize;
    let mut buf = vec![0u8; room];
    let mut is_over = sys::lseek(duplicate.as_fd(), 0, libc::SEEK_CUR)? != 0;
    loop {
        let count = sys::getdents64(duplicate.as_fd(), &mut buf)?;
        if count == 0 {
            break;
        }
        // Whoever came back from our entries sees them all again.
        is_over = false;
        let mut kept = without_hidden(state, folder, &buf[..count]);
        if !kept.is_empty() {
            state.forget_shown(trapped.tid, fd);
            if ends_here(duplicate.as_fd())? {
                set_last_offset(&mut kept, OURS_AT);
            }
            return Ok(kept);
        }
    }
    let shown = match is_over {
        true => state.shown_of(trapped.tid, key),
        false => 0,
    };
    let mut bytes = Vec::new();
    let mut now_shown = shown;
    let names = state.namespace.listed(folder).skip(shown);
    for (name, kind) in names {
        let entry = entry(name, kind, OURS_AT + now_shown as i64 + 1);
        if bytes.len() + entry.len() > room {
            if bytes.is_empty() {
                return Err(Errno::INVAL);
            }
            break;
        }
        bytes.extend_from_slice(&entry);
        now_shown += 1;
    }
    state.listed.insert(key, now_shown);
    Ok(bytes)
}

/// Whether the host has no further entry, without passing it.
fn ends_here(folder: BorrowedFd) -> Result<bool, Errno> {
    let at = sys::lseek(folder, 0, libc::SEEK_CUR)?;
    let ends = sys::getdents64(folder, &mut [0; ENTRIES_BYTES])? == 0;
    if !ends {
        sys::lseek(folder, at, libc::SEEK_SET)?;
    }
    Ok(ends)
}

/// Makes whoever comes back to behind the last entry come back to here.
fn set_last_offset(entries: &mut [u8], offset: i64) {
    let mut at = 0;
    while at + NAME_AT < entries.len() {
        let length = usize::from(u16::from_ne_bytes([entries[at + 16], entries[at + 17]]));
        if at + length >= entries.len() {
            entries[at + 8..at + 16].copy_from_slice(&offset.to_ne_bytes());
        }
        at += length;
    }
}

impl State {
    /// The folder behind a descriptor, if its listing is not the host's.
    fn changed_folder(&self, process: Process, fd: i32) -> Option<Bytes> {
        if !self.may_list && !self.namespace.lists_more() {
            return None;
        }
        let folder = self.folder_behind(process, fd)?;
        let folder = if folder == b"/" { Bytes::new() } else { folder };
        self.namespace.is_listing_changed(&folder).then_some(folder)
    }

    /// How many of our names this listing has shown: perhaps by another number, or to
    /// another process, that has the same open folder.
    fn shown_of(&mut self, tid: u32, key: (u32, i32)) -> usize {
        const KNOWN_MAX: usize = 256;
        if let Some(shown) = self.listed.get(&key) {
            return *shown;
        }
        if self.listed.len() > KNOWN_MAX {
            let is_there = |pid: u32| std::path::Path::new(&format!("/proc/{pid}")).exists();
            self.listed.retain(|(pid, _), _| is_there(*pid));
        }
        let same = |other: &(u32, i32)| sys::is_same_open_file((tid, key.1), *other);
        let other = self.listed.keys().copied().find(same);
        other.and_then(|it| self.listed.remove(&it)).unwrap_or(0)
    }

    /// None of them: whoever reads it is at the host's entries.
    fn forget_shown(&mut self, tid: u32, fd: i32) {
        self.listed
            .retain(|other, _| !sys::is_same_open_file((tid, fd), *other));
    }
}

/// Where the name is in a `struct linux_dirent64`, behind its kind.
const NAME_AT: usize = 19;

/// Drops the entries that the program shall not see, or that ours replace.
fn without_hidden(state: &State, folder: &[u8], raw: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(raw.len());
    let mut at = 0;
    while at + NAME_AT < raw.len() {
        let length = usize::from(u16::from_ne_bytes([raw[at + 16], raw[at + 17]]));
        let entry = &raw[at..at + length];
        let name = entry[NAME_AT..].split(|&byte| byte == 0).next();
        if !state
            .namespace
            .is_unlisted(folder, name.unwrap_or_default())
        {
            kept.extend_from_slice(entry);
        }
        at += length;
    }
    kept
}

/// One `struct linux_dirent64`.
fn entry(name: &[u8], kind: u8, offset: i64) -> Vec<u8> {
    let length = (NAME_AT + name.len() + 1).next_multiple_of(8);
    let mut entry = vec![0u8; length];
    entry[..8].copy_from_slice(&1u64.to_ne_bytes());
    entry[8..16].copy_from_slice(&offset.to_ne_bytes());
    entry[16..18].copy_from_slice(&(length as u16).to_ne_bytes());
    entry[18] = kind;
    entry[NAME_AT..NAME_AT + name.len()].copy_from_slice(name);
    entry
}
