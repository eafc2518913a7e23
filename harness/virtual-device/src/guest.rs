//! What the board runs besides its kernel: an initramfs made in memory, with
//! BusyBox, the init script, the nodes, and the caller's files.
//!
//! Invariant: the exchange area is at [`Guest::exchange_address`] in RAM, whatever
//! else the archive holds.

use super::boards::Board;
use super::boot::INITRAMFS_ROOM_BYTES;
use super::clock::{TIMED, TIMES};
use super::cpio::{BLOCK, CHARACTER, DIRECTORY, REGULAR, Writer};
use super::error::Error;
use std::collections::BTreeSet;
use std::fmt::Write as _;

const INIT: &[u8] = include_bytes!("../guest/init");
const PAGE_BYTES: usize = 4096;
/// The unit in which the init script counts.
const UNIT_BYTES: usize = 0x1_0000;
/// Where the guest leaves its results, a unit for the record, then the archive. 20
/// MiB: a backup of the whole chip and some.
pub const EXCHANGE_BYTES: usize = 0x140_0000;
/// Where the archive of files starts within the exchange area.
pub const ARCHIVE_OFFSET_BYTES: usize = UNIT_BYTES;
/// The initramfs is taken apart at boot; told to keep it, Linux leaves alone
/// the RAM in which it stood (init/initramfs.c, 6.1).
pub const COMMAND_LINE: &str = "console=ttyS0,115200 panic=-1 retain_initrd";

/// A file for the guest.
#[derive(Debug, Clone)]
pub struct Put {
    pub path: String,
    pub bytes: Vec<u8>,
    pub permissions: u32,
}

/// What differs from one guest to another.
#[derive(Debug, Clone)]
pub struct Guest {
    pub board: &'static Board,
    pub put: Vec<Put>,
    pub wanted: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub without_sysfs: bool,
    pub with_all_nodes: bool,
    /// With the script that times a command, and what it noted handed back.
    pub timed: bool,
}

/// What the guest shall do.
#[derive(Debug, Clone, Copy)]
pub enum Job<'a> {
    /// Run this shell command line.
    Command(&'a str),
    /// A shell on the console.
    Shell,
}

impl Guest {
    /// A guest of this board, with nothing of its own.
    pub fn of(board: &'static Board) -> Self {
        Self {
            board,
            put: Vec::new(),
            wanted: Vec::new(),
            environment: Vec::new(),
            without_sysfs: false,
            with_all_nodes: false,
            timed: false,
        }
    }

    /// Where in RAM the exchange area is.
    pub fn exchange_address(&self) -> u32 {
        self.board.initramfs_address() + 0x1_0000
    }

    /// The archive for this job.
    ///
    /// # Errors
    /// Paths and names that the guest cannot have; files too large for its RAM.
    pub fn initramfs(&self, busybox: &[u8], job: Job<'_>) -> Result<Vec<u8>, Error> {
        let mut archive = Writer::default();
        let spare_bytes = UNIT_BYTES - PAGE_BYTES;
        archive.reserve("exchange", PAGE_BYTES, spare_bytes + EXCHANGE_BYTES);
        for folder in [
            "bin",
            "dev",
            "etc",
            "proc",
            "root",
            "sys",
            "tmp",
            "var",
            "var/wwwroot",
            "virtual-ispot",
        ] {
            archive.add(folder, DIRECTORY | 0o755, &[]);
        }
        self.nodes(&mut archive);
        archive.add("bin/busybox", REGULAR | 0o755, busybox);
        archive.add("init", REGULAR | 0o755, INIT);
        if self.timed {
            archive.add("bin/timed", REGULAR | 0o755, TIMED);
        }
        archive.add(
            "virtual-ispot/settings",
            REGULAR | 0o644,
            self.settings(job).as_bytes(),
        );
        if !self.environment.is_empty() {
            let exports = self.exports()?;
            archive.add(
                "virtual-ispot/environment",
                REGULAR | 0o644,
                exports.as_bytes(),
            );
        }
        if let Job::Command(command) = job {
            archive.add(
                "virtual-ispot/command",
                REGULAR | 0o644,
                format!("{command}\n").as_bytes(),
            );
        }
        if self.wants_files() {
            for path in &self.wanted {
                check_path(path)?;
            }
            let times = self.timed.then_some(TIMES);
            let wanted = times
                .into_iter()
                .chain(self.wanted.iter().map(String::as_str));
            let wanted: String = wanted.map(|path| format!("{path}\n")).collect();
            archive.add("virtual-ispot/wanted", REGULAR | 0o644, wanted.as_bytes());
        }
        self.add_files(&mut archive)?;
        let archive = archive.finish();
        if archive.len() > INITRAMFS_ROOM_BYTES {
            return Err(Error::TooMuchPut {
                size_bytes: self.put.iter().map(|put| put.bytes.len() as u64).sum(),
                room_bytes: (INITRAMFS_ROOM_BYTES - EXCHANGE_BYTES - busybox.len()) as u64,
            });
        }
        Ok(archive)
    }

    /// Whether anything is to be handed back but output and status.
    pub fn wants_files(&self) -> bool {
        self.timed || !self.wanted.is_empty()
    }

    /// The device's nodes; like the device, not for every partition unless asked for.
    fn nodes(&self, archive: &mut Writer) {
        for (name, mode, major, minor) in [
            ("console", 0o600, 5, 1),
            ("tty", 0o666, 5, 0),
            ("null", 0o666, 1, 3),
            ("zero", 0o666, 1, 5),
            ("full", 0o666, 1, 7),
            ("random", 0o666, 1, 8),
            ("urandom", 0o666, 1, 9),
            ("kmsg", 0o644, 1, 11),
            ("ttyS0", 0o600, 4, 64),
            ("ttyS1", 0o600, 4, 65),
            ("ttyS2", 0o600, 4, 66),
        ] {
            archive.add_node(&format!("dev/{name}"), CHARACTER | mode, major, minor);
        }
        let board = self.board;
        let all = 0..u32::try_from(board.partitions.len()).expect("few partitions");
        for index in all.filter(|index| self.with_all_nodes || !board.without_nodes.contains(index))
        {
            archive.add_node(&format!("dev/mtd{index}"), CHARACTER | 0o600, 90, 2 * index);
            archive.add_node(
                &format!("dev/mtd{index}ro"),
                CHARACTER | 0o600,
                90,
                2 * index + 1,
            );
            archive.add_node(&format!("dev/mtdblock{index}"), BLOCK | 0o600, 31, index);
        }
    }

    fn settings(&self, job: Job<'_>) -> String {
        format!(
            "exchange={}\narchive_units={}\nsysfs={}\nshell={}\n",
            self.exchange_address() as usize / UNIT_BYTES,
            EXCHANGE_BYTES / UNIT_BYTES - 1,
            u8::from(!self.without_sysfs),
            u8::from(matches!(job, Job::Shell)),
        )
    }

    fn exports(&self) -> Result<String, Error> {
        let mut text = String::new();
        for (name, value) in &self.environment {
            let plain = |c: char| c == '_' || c.is_ascii_alphanumeric();
            if name.is_empty()
                || !name.chars().all(plain)
                || name.starts_with(|c: char| c.is_ascii_digit())
            {
                return Err(Error::EnvironmentName { name: name.clone() });
            }
            let _ = writeln!(text, "export {name}={}", quote(value));
        }
        Ok(text)
    }

    fn add_files(&self, archive: &mut Writer) -> Result<(), Error> {
        // The kernel wants a folder before what is in it.
        let mut folders = BTreeSet::new();
        for put in &self.put {
            check_path(&put.path)?;
            let path = put.path.trim_start_matches('/');
            for (at, _) in path.match_indices('/') {
                if folders.insert(&path[..at]) {
                    archive.add(&path[..at], DIRECTORY | 0o755, &[]);
                }
            }
            archive.add(path, REGULAR | put.permissions, &put.bytes);
        }
        Ok(())
    }
}

pub fn check_path(path: &str) -> Result<(), Error> {
    let refuse = |reason| {
        Err(Error::GuestPath {
            path: path.into(),
            reason,
        })
    };
    let Some(inside) = path.strip_prefix('/') else {
        return refuse("not absolute");
    };
    if inside.contains(['\n', '\0']) {
        return refuse("holds a line end or NUL");
    }
    if inside
        .split('/')
        .any(|part| matches!(part, "" | "." | ".."))
    {
        return refuse("holds an empty part, . or ..");
    }
    for taken in ["proc", "sys", "virtual-ispot"] {
        if inside.split('/').next() == Some(taken) {
            return refuse("below a folder that is not a plain one");
        }
    }
    Ok(())
}

/// A word for a shell, whatever it holds.
#[must_use]
pub fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boards::ISPOT;
    use crate::cpio;

    #[test]
    fn the_exchange_area_is_where_it_is_said_to_be() {
        let guest = Guest::of(&ISPOT);
        let archive = guest.initramfs(b"busybox", Job::Command("true")).unwrap();
        let start = (guest.exchange_address() - ISPOT.initramfs_address()) as usize;
        let end = start + EXCHANGE_BYTES;
        assert!(archive[start..end].iter().all(|byte| *byte == 0));
        assert!(archive[end..].starts_with(b"070701"));
    }

    #[test]
    fn folders_come_before_their_files_and_mtd10_has_no_nodes() {
        let mut guest = Guest::of(&ISPOT);
        for path in ["/opt/a/one", "/opt/a/two"] {
            guest.put.push(Put {
                path: path.into(),
                bytes: vec![1],
                permissions: 0o755,
            });
        }
        let archive = guest.initramfs(b"", Job::Shell).unwrap();
        let names: Vec<String> = cpio::read(&archive)
            .unwrap()
            .into_iter()
            .map(|e| e.name)
            .collect();
        let at = |name: &str| names.iter().position(|other| other == name);
        assert!(at("opt") < at("opt/a") && at("opt/a") < at("opt/a/one"));
        assert_eq!(names.iter().filter(|name| *name == "opt/a").count(), 1);
        assert!(at("dev/mtd9").is_some());
        assert!(at("dev/mtd10").is_none() && at("dev/mtdblock10").is_none());
    }

    #[test]
    fn refuses_what_the_guest_cannot_have() {
        for path in [
            "relative",
            "/a/../b",
            "/a//b",
            "/a\nb",
            "/proc/x",
            "/virtual-ispot/command",
            "/",
        ] {
            assert!(check_path(path).is_err(), "{path:?}");
        }
        check_path("/tmp/a b").unwrap();
        for name in ["", "1A", "A B", "A=B"] {
            let guest = Guest {
                environment: vec![(name.into(), String::new())],
                ..Guest::of(&ISPOT)
            };
            assert!(guest.exports().is_err(), "{name:?}");
        }
        let guest = Guest {
            put: vec![Put {
                path: "/big".into(),
                bytes: vec![0; INITRAMFS_ROOM_BYTES],
                permissions: 0o644,
            }],
            ..Guest::of(&ISPOT)
        };
        assert!(matches!(
            guest.initramfs(b"", Job::Shell),
            Err(Error::TooMuchPut { .. })
        ));
    }

    #[test]
    fn quotes_for_a_shell() {
        assert_eq!(quote("it's"), r"'it'\''s'");
    }
}
