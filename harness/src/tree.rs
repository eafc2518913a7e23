//! A folder that looks like a device's `proc`, `sys` and `dev`, of plain files.
//!
//! For programs that can be told to look below another root. Each node that the
//! device has is a plain file with the partition's exact bytes (erased cells
//! included), a snapshot of the moment: nothing that is written to it reaches
//! the chip. The names of one partition (`mtdN`, `mtdNro`, `mtdblockN`) are hard
//! links to one file, so that what is written to one is seen in the others, as
//! on a device.
//!
//! Invariants: a node that the device lacks is absent; nothing outside the
//! folder is touched and nothing that stood there before is overwritten; a
//! temporary folder goes when the [`Tree`] goes, even if making it failed half
//! way.
//!
//! What plain files cannot show: device numbers, ioctls, errors, locks, a
//! driver's read-only nodes. For these there is [`crate::mtd`].

use crate::mtd::{MTD_BLOCK_MAJOR, MTD_CHAR_MAJOR, MtdDevice, NodeId};
use crate::profile::{SimulatedDevice, nodes_of};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use tempfile::TempDir;

#[cfg(test)]
mod tests;

/// Bytes that are copied at once.
const CHUNK_BYTES: usize = 128 << 10;

/// Why the folder could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// The system refused.
    #[error("cannot {operation} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A node's path that leads out of the folder.
    #[error("the node path `{path}` does not stay below the root")]
    Outside {
        /// The path.
        path: String,
    },
}

/// A folder with the files of a simulated device.
///
/// ```
/// use mtd_harness::{profile, tree::Tree};
///
/// let tree = Tree::of(&profile::ispot(1))?;
/// let text = std::fs::read_to_string(tree.path("proc/mtd"))?;
/// assert!(text.contains("mtd10: 00001000 00020000 \"RedBoot config\""));
/// assert_eq!(std::fs::metadata(tree.path("dev/mtd0"))?.len(), 0x40000);
/// assert!(!tree.path("dev/mtd10").exists()); // as on the device
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    temporary: Option<TempDir>,
}

impl Tree {
    /// A temporary folder with `proc`, `sys` and the nodes that the device has.
    ///
    /// # Errors
    /// [`TreeError`]; nothing is left behind then.
    pub fn of(device: &SimulatedDevice) -> Result<Self, TreeError> {
        TreeBuilder::default().build(device)
    }

    /// Its root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path below its root, such as `dev/mtd0`.
    pub fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    /// Leaves the folder where it is, for the caller to remove.
    pub fn keep(self) -> PathBuf {
        match self.temporary {
            Some(folder) => folder.keep(),
            None => self.root,
        }
    }
}

/// A [`Tree`] with something else about it.
#[derive(Debug, Clone, Default)]
pub struct TreeBuilder {
    without_sys: bool,
    all_nodes: bool,
    folder: Option<PathBuf>,
}

impl TreeBuilder {
    /// Without `sys`, as kernels before 2.6.31 have it (the iSpot's, too).
    #[must_use]
    pub fn without_sys(mut self) -> Self {
        self.without_sys = true;
        self
    }

    /// With a node for every MTD device, missing or not.
    #[must_use]
    pub fn all_nodes(mut self) -> Self {
        self.all_nodes = true;
        self
    }

    /// In this folder, made if need be, instead of a temporary one. It stays.
    #[must_use]
    pub fn in_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Makes the folder.
    ///
    /// # Errors
    /// [`TreeError`]; a given folder keeps what was made until then.
    pub fn build(self, device: &SimulatedDevice) -> Result<Tree, TreeError> {
        let temporary = match &self.folder {
            Some(_) => None,
            None => Some(tempfile::tempdir().map_err(|source| TreeError::Io {
                operation: "make a folder in",
                path: std::env::temp_dir(),
                source,
            })?),
        };
        let root = match (&temporary, self.folder) {
            (Some(temporary), _) => temporary.path().to_owned(),
            (None, folder) => folder.unwrap_or_default(),
        };
        // From here on the temporary folder goes when an error returns.
        let tree = Tree { root, temporary };
        write_new(&tree.path("proc/mtd"), device.system.proc_mtd().as_bytes())?;
        if !self.without_sys {
            write_sys(&tree, device)?;
        }
        let mut nodes = device.nodes.clone();
        if self.all_nodes {
            for mtd in device.system.devices() {
                for (name, node) in nodes_of(mtd.index) {
                    nodes.entry(format!("dev/{name}")).or_insert(node);
                }
            }
        }
        write_nodes(&tree, device, &nodes)?;
        Ok(tree)
    }
}

fn write_sys(tree: &Tree, device: &SimulatedDevice) -> Result<(), TreeError> {
    let system = &device.system;
    let mtds = system.devices();
    // Folders are enough where every device is a part of the one chip itself.
    let flat = system.chip_count() == 1 && mtds.iter().all(|mtd| mtd.parent.is_none());
    for mtd in &mtds {
        let index = mtd.index;
        for (name, files) in [
            (format!("mtd{index}"), system.sysfs(index)),
            (format!("mtd{index}ro"), system.sysfs_read_only_twin(index)),
        ] {
            let home = match flat {
                true => format!("sys/class/mtd/{name}"),
                false => link_home(tree, device, mtd, &name)?,
            };
            for (file, text) in files.into_iter().flatten() {
                write_new(&tree.path(&format!("{home}/{file}")), text.as_bytes())?;
            }
        }
    }
    Ok(())
}

/// Where a device's files stand, with the kernel's link to it: the path tells chip and
/// parents.
fn link_home(
    tree: &Tree,
    device: &SimulatedDevice,
    mtd: &MtdDevice,
    name: &str,
) -> Result<String, TreeError> {
    let path = device.system.sysfs_path(mtd.index).unwrap_or_default();
    let above = path
        .strip_suffix(&format!("mtd{}", mtd.index))
        .unwrap_or("");
    let home = format!(
        "devices/platform/simulated-nor.{}/mtd/{above}{name}",
        mtd.chip
    );
    let link = tree.path(&format!("sys/class/mtd/{name}"));
    make_parent(&link)?;
    symlink(format!("../../{home}"), &link).map_err(failed("make", &link))?;
    Ok(format!("sys/{home}"))
}

#[cfg(unix)]
use std::os::unix::fs::symlink;

#[cfg(not(unix))]
fn symlink(_: String, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

fn write_nodes(
    tree: &Tree,
    device: &SimulatedDevice,
    nodes: &BTreeMap<String, NodeId>,
) -> Result<(), TreeError> {
    let mtds = device.system.devices();
    let mut written: BTreeMap<u32, PathBuf> = BTreeMap::new();
    for (below, node) in nodes {
        let stays = Path::new(below)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !stays || below.is_empty() {
            return Err(TreeError::Outside {
                path: below.clone(),
            });
        }
        // A node without a driver behind it is ENODEV; a file cannot say that.
        let of_node = |index| mtds.iter().find(|mtd| mtd.index == index);
        let Some(mtd) = index_of(*node).and_then(of_node) else {
            continue;
        };
        let path = tree.path(below);
        if let Some(first) = written.get(&mtd.index) {
            make_parent(&path)?;
            match fs::hard_link(first, &path) {
                Ok(()) => continue,
                // File systems without links get a copy.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(failed("make", &path)(error));
                }
                Err(_) => {}
            }
        }
        write_partition(&path, device, mtd)?;
        written.insert(mtd.index, path);
    }
    Ok(())
}

/// N of the MTD device that a node stands for.
fn index_of(node: NodeId) -> Option<u32> {
    match node {
        NodeId::Character { major, minor } => (major == MTD_CHAR_MAJOR).then_some(minor / 2),
        NodeId::Block { major, minor } => (major == MTD_BLOCK_MAJOR).then_some(minor),
    }
}

fn write_partition(
    path: &Path,
    device: &SimulatedDevice,
    mtd: &MtdDevice,
) -> Result<(), TreeError> {
    let mut file = create_new(path)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut at = 0;
    let size_bytes = device.readable_bytes(mtd);
    while at < size_bytes {
        let length = (size_bytes - at).min(CHUNK_BYTES as u64) as usize;
        device.peek(mtd, at, &mut chunk[..length]);
        file.write_all(&chunk[..length])
            .map_err(failed("write", path))?;
        at += length as u64;
    }
    Ok(())
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), TreeError> {
    create_new(path)?
        .write_all(bytes)
        .map_err(failed("write", path))
}

fn create_new(path: &Path) -> Result<File, TreeError> {
    make_parent(path)?;
    File::create_new(path).map_err(failed("make", path))
}

fn make_parent(path: &Path) -> Result<(), TreeError> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(failed("make the folder", parent))
}

fn failed<'a>(operation: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> TreeError + 'a {
    move |source| TreeError::Io {
        operation,
        path: path.to_owned(),
        source,
    }
}
