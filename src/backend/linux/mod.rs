//! Real MTD devices through the kernel, or a copied tree of plain files.
//!
//! `/proc/mtd` comes first; the devices' own word (MEMGETINFO, their end) is
//! compared when they are opened; sysfs only adds what the table has not.
//!
//! Invariants: flash is opened O_RDONLY unless a permit is shown; no thread, no
//! memory that grows with flash; on the path that succeeds only system calls
//! that Linux 2.6.24 has (where the C library or rustix tries a newer one first,
//! it falls back from ENOSYS).
//!
//! Faults tolerated: no sysfs (before 2.6.31), no MTD ioctls (QEMU user mode),
//! missing nodes (a private one is made where the process may), nodes of the
//! devfs and Android kinds (`/dev/mtd/N`, `/dev/mtd/mtdN`), something else where a node belongs.

mod calls;
mod discover;
mod flash_table;
mod in_use;
#[cfg(feature = "full")]
mod kernel_layout;
#[cfg(not(feature = "full"))]
mod kernel_layout_on_device;
mod nesting;
mod node;
mod root;

use super::open_device::{DeviceCalls, OpenDevice};
use crate::mtd::{
    FactSource, InUse, MtdBackend, MtdError, MtdInfo, MtdRead, MtdWrite, Operation, SizeWitness,
    WritePermit, infer_offsets, parse_proc_mtd,
};
use calls::{CharDevice, PlainFile};
#[cfg(not(feature = "full"))]
use kernel_layout_on_device as kernel_layout;
use nesting::Link;
pub(crate) use node::make_node;
use node::{Found, Opened};
use root::Root;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// What stands for a device in `dev`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DeviceFiles {
    /// Nodes of the running kernel's MTD devices.
    Nodes,
    /// Plain files of a copied tree. Nodes there are *not* used: they would lead
    /// to this machine's flash, and the table tells of another one's.
    PlainFiles,
}

/// MTD devices of the running kernel, or of a tree that looks like one's
/// `proc`, `sys` and `dev`.
///
/// ```
/// use mtdkeep::backend::LinuxBackend;
/// use mtdkeep::mtd::MtdBackend;
/// # let root = tempfile::tempdir()?;
/// # let root = root.path().to_owned();
/// std::fs::create_dir_all(root.join("proc"))?;
/// std::fs::create_dir_all(root.join("dev"))?;
/// std::fs::write(
///     root.join("proc/mtd"),
///     "dev:    size   erasesize  name\nmtd0: 00000004 00000004 \"boot\"\n",
/// )?;
/// std::fs::write(root.join("dev/mtd0"), b"data")?;
///
/// let backend = LinuxBackend::new(Some(root));
/// let boot = &backend.devices()?[0];
/// let mut bytes = [0; 16];
/// let count = backend.open(boot)?.read_at(0, &mut bytes)?;
/// assert_eq!(&bytes[..count], b"data");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct LinuxBackend {
    root: Root,
    /// Known once the table was read.
    files: OnceLock<DeviceFiles>,
}

impl LinuxBackend {
    /// The running kernel's devices; with `root`, looks for `proc`, `sys` and
    /// `dev` below that folder instead.
    ///
    /// Below a `root` whose `proc` is a real one the devices are nodes (a change
    /// of root in all but name); otherwise they are plain files. Symbolic links are
    /// followed as if `root` were the root: nothing outside of it is read.
    pub fn new(root: Option<PathBuf>) -> Self {
        Self {
            root: Root::new(root),
            files: OnceLock::new(),
        }
    }

    /// Whether it looks at a copy of a device's files, in which plain files stand for
    /// the nodes: a node there would be of the flash of the machine that has the copy.
    ///
    /// Errors: as [`MtdBackend::devices`].
    pub(crate) fn is_copied_tree(&self) -> Result<bool, MtdError> {
        Ok(self.files()? == DeviceFiles::PlainFiles)
    }

    fn proc_mtd_path(&self) -> PathBuf {
        self.root.path(discover::TABLE)
    }

    fn table(&self) -> Result<(Vec<u8>, DeviceFiles), MtdError> {
        let read = discover::read_table(&self.root);
        let (text, on_procfs) = read.map_err(|source| MtdError::NoMtd {
            path: self.proc_mtd_path(),
            other_root: self.root.is_other(),
            source,
        })?;
        let files = if self.root.is_other() && !on_procfs {
            DeviceFiles::PlainFiles
        } else {
            DeviceFiles::Nodes
        };
        Ok((text, *self.files.get_or_init(|| files)))
    }

    /// What stands for a device. The table tells, and is read once for all of them.
    fn files(&self) -> Result<DeviceFiles, MtdError> {
        match self.files.get() {
            Some(files) => Ok(*files),
            None => Ok(self.table()?.1),
        }
    }

    /// Fills in what sysfs knows of a device; its link there is for all of them
    /// together.
    fn add_sysfs(&self, device: &mut MtdInfo) -> Result<Option<Link>, MtdError> {
        let known = discover::sysfs(&self.root, device.index);
        if let Some(witness_bytes) = known.size_bytes.filter(|size| *size != device.size_bytes) {
            return Err(MtdError::SizeDisagrees {
                device: device.id(),
                table_bytes: device.size_bytes,
                witness: SizeWitness::Sysfs,
                witness_bytes,
            });
        }
        device.offset = known.offset;
        device.writeable = known.writeable;
        device.writeable_source = known.writeable.map(|_| FactSource::Sysfs);
        Ok(known.link)
    }

    /// Whether the kernel lets a device be written, asked of the device itself
    /// (kernels without sysfs); unknown where it cannot be opened.
    fn ask_writeable(&self, device: &MtdInfo) -> Option<bool> {
        let Found::Usable(path) = node::find(&self.root, device.index, DeviceFiles::Nodes) else {
            return None;
        };
        let opened = node::open(&path, device, DeviceFiles::Nodes, false).ok()?;
        device_of(opened, device)
            .ok()
            .and_then(|open| open.info().writeable)
    }

    fn open_file(&self, device: &MtdInfo, for_writing: bool) -> Result<Opened, MtdError> {
        let files = self.files()?;
        match node::find(&self.root, device.index, files) {
            Found::Usable(path) => node::open(&path, device, files, for_writing),
            Found::Wrong(path, found) => Err(MtdError::NodeWrong {
                device: device.id(),
                found,
                fix: node::fix(&path, device.index, files, true),
                path,
            }),
            Found::Missing(path) if files == DeviceFiles::PlainFiles => {
                Err(MtdError::NodeMissing {
                    device: device.id(),
                    why: "the tree has no file for it either".into(),
                    fix: node::fix(&path, device.index, files, false),
                    path,
                })
            }
            Found::Missing(path) => node::open_private(&path, device, for_writing),
        }
    }
}

impl MtdBackend for LinuxBackend {
    fn description(&self) -> String {
        let model = discover::model(&self.root);
        let model = model.as_deref().unwrap_or("Linux MTD device");
        if self.root.is_other() {
            format!("{model} (below another root)")
        } else {
            model.to_owned()
        }
    }

    fn devices(&self) -> Result<Vec<MtdInfo>, MtdError> {
        let (text, files) = self.table()?;
        let path = self.proc_mtd_path();
        let mut devices = match parse_proc_mtd(&text) {
            Ok(devices) if devices.is_empty() => return Err(MtdError::NoDevices { path }),
            Ok(devices) => devices,
            Err(source) => return Err(MtdError::BadTable { path, source }),
        };
        let mut links = Vec::with_capacity(devices.len());
        for device in &mut devices {
            device.node = node::find(&self.root, device.index, files).into_state();
            device.block_node = node::find_block(&self.root, device.index, files).into_state();
            links.push(self.add_sysfs(device)?);
            if device.writeable.is_none() && files == DeviceFiles::Nodes {
                device.writeable = self.ask_writeable(device);
                device.writeable_source = device.writeable.map(|_| FactSource::Device);
            }
        }
        nesting::resolve(&mut devices, &links);
        kernel_layout::add(&self.root, &mut devices);
        infer_offsets(&mut devices);
        flash_table::add(self, &mut devices);
        Ok(devices)
    }

    fn open(&self, device: &MtdInfo) -> Result<Box<dyn MtdRead>, MtdError> {
        Ok(Box::new(device_of(self.open_file(device, false)?, device)?))
    }

    fn open_for_writing(
        &self,
        device: &MtdInfo,
        permit: &WritePermit,
    ) -> Result<Box<dyn MtdWrite>, MtdError> {
        super::refuse_read_only(device, permit)?;
        let open = device_of(self.open_file(device, true)?, device)?;
        Ok(Box::new(open.must_be_writeable(permit.reason())?))
    }

    fn in_use(&self, devices: &[MtdInfo]) -> Vec<InUse> {
        match self.files() {
            Ok(DeviceFiles::Nodes) => in_use::find(&self.root, devices),
            // What a copied tree tells of was so on another machine.
            _ => Vec::new(),
        }
    }
}

/// The device behind an open file.
fn device_of(
    opened: Opened,
    device: &MtdInfo,
) -> Result<OpenDevice<Box<dyn DeviceCalls>>, MtdError> {
    OpenDevice::new(
        match opened.is_plain_file {
            true => Box::new(PlainFile(opened.fd)),
            false => Box::new(CharDevice(opened.fd)),
        },
        device,
    )
}

/// The error of a call on a path, for a device.
fn path_error(
    operation: Operation,
    device: &MtdInfo,
    path: &Path,
    nodev: bool,
    source: crate::mtd::Errno,
) -> MtdError {
    use crate::mtd::Errno;
    match source {
        Errno::ACCESS | Errno::PERM => MtdError::NotPermitted {
            operation,
            device: device.id(),
            path: path.to_owned(),
            nodev,
            source,
        },
        _ => MtdError::Device {
            operation,
            device: device.id(),
            offset_bytes: None,
            length_bytes: None,
            source,
        },
    }
}
