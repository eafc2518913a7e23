//! Finds, checks and opens device files, and makes nodes: those that the user asks
//! for, and private ones.
//!
//! Invariants: a node is opened only after a look at it (opening a foreign node
//! may have effects), and used only if the open file is the right one too. A
//! private node has mode 0600, stands in a folder of its own that only this user
//! can enter, and is gone before the device is used.
//!
//! Faults tolerated: folders that allow no nodes (nodev), read-only folders, a
//! process that may make no nodes.

use super::super::open_device::uninterrupted;
use super::root::Root;
use super::{DeviceFiles, path_error};
use crate::mtd::{
    Errno, MtdError, MtdIndex, MtdInfo, MtdName, Node, NodeKind, NodeState, Operation,
};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, StatVfsMountFlags};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What stands where a device's node belongs.
#[derive(Debug)]
pub(super) enum Found {
    /// The right thing, at this path.
    Usable(PathBuf),
    /// Nothing.
    Missing(PathBuf),
    /// Something else; says what.
    Wrong(PathBuf, String),
}

impl Found {
    pub(super) fn into_state(self) -> NodeState {
        match self {
            Self::Usable(_) => NodeState::Present,
            Self::Missing(_) => NodeState::Missing,
            Self::Wrong(_, found) => NodeState::Wrong(found),
        }
    }
}

/// An open device file.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) fd: OwnedFd,
    pub(super) is_plain_file: bool,
}

/// Looks for the character node `/dev/mtdN`, devfs's `/dev/mtd/N`, or Android's
/// `/dev/mtd/mtdN`.
pub(super) fn find(root: &Root, index: MtdIndex, files: DeviceFiles) -> Found {
    find_node(root, &Node::character(index), ["mtd/", "mtd/mtd"], files)
}

/// Looks for the block node `/dev/mtdblockN`, devfs's `/dev/mtdblock/N`, or Android's
/// `/dev/block/mtdblockN`.
pub(super) fn find_block(root: &Root, index: MtdIndex, files: DeviceFiles) -> Found {
    find_node(
        root,
        &Node::block(index),
        ["mtdblock/", "block/mtdblock"],
        files,
    )
}

fn find_node(root: &Root, node: &Node, others: [&str; 2], files: DeviceFiles) -> Found {
    let [devfs, android] = others.map(|path| format!("dev/{path}{}", node.index.0));
    for below in [&node.path, &devfs, &android] {
        let looked = root
            .resolve(below)
            .and_then(|path| Ok((rustix::fs::stat(&path)?, path)));
        match looked {
            Ok((stat, path)) => {
                return match foreign(&stat, node, files) {
                    None => Found::Usable(path),
                    Some(what) => Found::Wrong(path, what),
                };
            }
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(errno) => {
                return Found::Wrong(root.path(below), format!("out of reach ({errno})"));
            }
        }
    }
    Found::Missing(root.path(&node.path))
}

/// `None` if this is what stands for the device, else what it is instead.
fn foreign(stat: &Stat, node: &Node, files: DeviceFiles) -> Option<String> {
    let file_type = FileType::from_raw_mode(stat.st_mode);
    let wanted = match (files, node.kind) {
        (DeviceFiles::PlainFiles, _) => FileType::RegularFile,
        (DeviceFiles::Nodes, NodeKind::Character) => FileType::CharacterDevice,
        (DeviceFiles::Nodes, NodeKind::Block) => FileType::BlockDevice,
    };
    let (major, minor) = (
        rustix::fs::major(stat.st_rdev),
        rustix::fs::minor(stat.st_rdev),
    );
    let right_number =
        files == DeviceFiles::PlainFiles || (major, minor) == (node.major, node.minor);
    if file_type == wanted && right_number {
        return None;
    }
    Some(match file_type {
        FileType::RegularFile => "a plain file".into(),
        FileType::Directory => "a folder".into(),
        FileType::CharacterDevice => format!("character node {major}:{minor}"),
        FileType::BlockDevice => format!("block node {major}:{minor}"),
        FileType::Fifo => "a pipe".into(),
        FileType::Socket => "a socket".into(),
        _ => "something unknown".into(),
    })
}

/// Opens a device file that [`find`] found, and checks again what it is.
pub(super) fn open(
    path: &Path,
    device: &MtdInfo,
    files: DeviceFiles,
    for_writing: bool,
) -> Result<Opened, MtdError> {
    let fd = uninterrupted(|| rustix::fs::open(path, flags(for_writing), Mode::empty()))
        .map_err(|errno| path_error(Operation::Open, device, path, is_nodev(path), errno))?;
    let stat = uninterrupted(|| rustix::fs::fstat(&fd))
        .map_err(|errno| path_error(Operation::Look, device, path, false, errno))?;
    if let Some(found) = foreign(&stat, &Node::character(device.index), files) {
        return Err(MtdError::NodeWrong {
            device: device.id(),
            path: path.to_owned(),
            found,
            fix: fix(path, device.index, files, true),
        });
    }
    Ok(Opened {
        fd,
        is_plain_file: files == DeviceFiles::PlainFiles,
    })
}

fn flags(for_writing: bool) -> OFlags {
    let mode = if for_writing {
        OFlags::RDWR
    } else {
        OFlags::RDONLY
    };
    mode | OFlags::CLOEXEC
}

/// What to do about a missing or wrong node.
pub(super) fn fix(path: &Path, index: MtdIndex, files: DeviceFiles, is_wrong: bool) -> String {
    match files {
        DeviceFiles::PlainFiles => {
            format!(
                "put the partition's bytes into a plain file {}",
                path.display()
            )
        }
        DeviceFiles::Nodes => {
            let line = Node::character(index).mknod_line();
            if is_wrong {
                format!("as root: rm {} && {line}", path.display())
            } else {
                format!("as root: {line}")
            }
        }
    }
}

/// Opens a device that has no node through a private one.
pub(super) fn open_private(
    missing: &Path,
    device: &MtdInfo,
    for_writing: bool,
) -> Result<Opened, MtdError> {
    let mut why = String::from("a private one could not be used");
    // /tmp is often mounted nodev; /dev never is.
    for folder in [std::env::temp_dir(), PathBuf::from("/dev")] {
        match try_private(&folder, device, for_writing)? {
            Ok(fd) => {
                return Ok(Opened {
                    fd,
                    is_plain_file: false,
                });
            }
            Err(Obstacle::NoPermission) => {
                why = "this process may not make one".into();
                break;
            }
            Err(Obstacle::Folder(what)) => {
                // Writing to a String does not fail.
                let _ = write!(why, "; {}: {what}", folder.display());
            }
        }
    }
    Err(MtdError::NodeMissing {
        device: device.id(),
        path: missing.to_owned(),
        why,
        fix: fix(missing, device.index, DeviceFiles::Nodes, false),
    })
}

/// Why a private node did not come about.
enum Obstacle {
    /// The process may not make nodes anywhere.
    NoPermission,
    /// Not in this folder.
    Folder(String),
}

fn try_private(
    folder: &Path,
    device: &MtdInfo,
    for_writing: bool,
) -> Result<Result<OwnedFd, Obstacle>, MtdError> {
    let not_here = |what: String| Ok(Err(Obstacle::Folder(what)));
    let private = match make_private_folder(folder) {
        Ok(private) => private,
        Err(errno) => return not_here(errno.to_string()),
    };
    let node = Node::character(device.index);
    let path = private.join("node");
    let made = uninterrupted(|| {
        rustix::fs::mknodat(
            CWD,
            &path,
            FileType::CharacterDevice,
            Mode::RUSR | Mode::WUSR,
            rustix::fs::makedev(node.major, node.minor),
        )
    });
    let opened = made.map(|()| {
        let opened = uninterrupted(|| rustix::fs::open(&path, flags(for_writing), Mode::empty()));
        (opened, is_nodev(&path))
    });
    remove_private(&private, opened.is_ok().then_some(&path))?;
    match opened {
        Err(Errno::PERM) => Ok(Err(Obstacle::NoPermission)),
        Err(errno) => not_here(errno.to_string()),
        Ok((Ok(fd), _)) => Ok(Ok(fd)),
        Ok((Err(Errno::ACCESS), true)) => not_here("it is mounted nodev".into()),
        // A container's device rules answer EPERM, a user namespace EACCES.
        Ok((Err(errno @ (Errno::ACCESS | Errno::PERM)), _)) => {
            not_here(format!("a node there may not be opened ({errno})"))
        }
        Ok((Err(errno), _)) => Err(path_error(Operation::Open, device, &path, false, errno)),
    }
}

/// Makes a folder that only this user can enter. Its name need not be secret: it
/// is ours if the call made it, and what somebody else put there is passed by.
/// (No crate for it: they ask for random numbers, which old kernels have not.)
fn make_private_folder(parent: &Path) -> Result<PathBuf, Errno> {
    let process = rustix::process::getpid().as_raw_nonzero();
    let mut attempt = 0;
    loop {
        let path = parent.join(format!(".mtdkeep-{process}-{attempt}"));
        match uninterrupted(|| rustix::fs::mkdirat(CWD, &path, Mode::RWXU)) {
            Err(Errno::EXIST) if attempt < PRIVATE_FOLDER_ATTEMPTS_MAX => attempt += 1,
            answer => return answer.map(|()| path),
        }
    }
}

/// How many foreign files of our folder's name are passed by.
const PRIVATE_FOLDER_ATTEMPTS_MAX: u32 = 1000;

/// Removes the private node and its folder; what stays is an error, for it would
/// be a way to the flash that nobody knows of.
fn remove_private(folder: &Path, node: Option<&PathBuf>) -> Result<(), MtdError> {
    let remove = |path: &Path, flags| uninterrupted(|| rustix::fs::unlinkat(CWD, path, flags));
    node.map_or(Ok(()), |node| remove(node, AtFlags::empty()))
        .and_then(|()| remove(folder, AtFlags::REMOVEDIR))
        .map_err(|source| MtdError::LeftBehind {
            path: folder.to_owned(),
            source,
        })
}

/// Whether the file system at `path` allows no nodes. Kernels before 2.6.36 do
/// not tell; then it counts as no.
fn is_nodev(path: &Path) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|stat| stat.f_flag.contains(StatVfsMountFlags::NODEV))
}

/// Makes a node of `device`, mode 0600, below `root` (`/` on the device itself). An
/// existing path is an error (EEXIST) and stays as it is; nothing is ever replaced.
pub(crate) fn make_node(root: &Path, node: &Node, device: &MtdName) -> Result<(), MtdError> {
    // A link in the place of `dev` must not lead to another root's.
    let (folder, name) = node.path.rsplit_once('/').unwrap_or(("", &node.path));
    let folder = Root::new(Some(root.to_owned())).resolve(folder);
    let path = folder.map(|folder| folder.join(name));
    let path = path.map_err(|source| MtdError::File {
        operation: Operation::MakeNode,
        path: root.join(&node.path),
        source,
    })?;
    let file_type = match node.kind {
        NodeKind::Character => FileType::CharacterDevice,
        NodeKind::Block => FileType::BlockDevice,
    };
    let number = rustix::fs::makedev(node.major, node.minor);
    let mode = Mode::RUSR | Mode::WUSR;
    rustix::fs::mknodat(CWD, &path, file_type, mode, number).map_err(|source| match source {
        Errno::PERM | Errno::ACCESS => MtdError::NotPermitted {
            operation: Operation::MakeNode,
            device: device.clone(),
            path,
            nodev: false,
            source,
        },
        _ => MtdError::File {
            operation: Operation::MakeNode,
            path,
            source,
        },
    })
}

#[cfg(test)]
mod tests;
