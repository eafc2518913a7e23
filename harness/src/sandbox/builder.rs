//! Setting up a sandbox.

use crate::Errno;
use crate::mtd::NodeId;
use crate::profile::SimulatedDevice;
use crate::sandbox::error::SandboxError;
use crate::sandbox::flash::handles::Handles;
use crate::sandbox::kernel::filter::FilterPlan;
use crate::sandbox::kernel::kernels::{self, Version};
use crate::sandbox::kernel::sys;
use crate::sandbox::power::Power;
use crate::sandbox::run::Sandbox;
use crate::sandbox::shared::Shared;
use crate::sandbox::state::{Start, State};
use crate::sandbox::trace::{Log, Sink};
use crate::sandbox::view::namespace::{Kind, Namespace};
use crate::sandbox::view::shadow::Shadow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How a sandbox is to be.
pub struct Builder {
    device: SimulatedDevice,
    maps: BTreeMap<PathBuf, PathBuf>,
    read_only: bool,
    exact: bool,
    tracing: bool,
    kernel: Option<Version>,
    sink: Option<Sink>,
    limit: Option<Duration>,
}

impl Builder {
    pub(super) fn new(device: SimulatedDevice) -> Self {
        Self {
            device,
            maps: BTreeMap::new(),
            read_only: false,
            exact: false,
            tracing: false,
            kernel: None,
            sink: None,
            limit: None,
        }
    }

    /// Shows the folder `outside` as `inside`, which need not exist. The device's own
    /// folders ([`SimulatedDevice::folders`]: an iSpot's `/var/wwwroot`) are temporary
    /// ones unless they are mapped.
    pub fn map(mut self, inside: impl Into<PathBuf>, outside: impl Into<PathBuf>) -> Self {
        self.maps.insert(inside.into(), outside.into());
        self
    }

    /// Opens no node for writing: EACCES.
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Makes every read of flash go through the simulated chip, so that it is
    /// counted, timed and subject to faults. Without it, reads of character
    /// nodes are the kernel's own: faster, and not counted; the chip's counters of
    /// reads then stay as they are. Where a chip has faults, every description
    /// that is opened meanwhile is exact all the same.
    pub fn exact(mut self, exact: bool) -> Self {
        self.exact = exact;
        self
    }

    /// Kills a program that has not ended after this time, with all that it started;
    /// see [`Outcome::timed_out`](crate::sandbox::Outcome::timed_out).
    pub fn time_limit(mut self, most: Duration) -> Self {
        self.limit = Some(most);
        self
    }

    /// Records each intercepted call with its answer
    /// ([`Outcome::calls`](crate::sandbox::Outcome::calls)). Reads of flash are among
    /// them where the sandbox is [`exact`](Self::exact).
    pub fn trace(mut self, tracing: bool) -> Self {
        self.tracing = tracing;
        self
    }

    /// Answers ENOSYS to system calls that came after this kernel version.
    pub fn kernel(mut self, version: Version) -> Self {
        self.kernel = Some(version);
        self
    }

    /// Takes warnings (each starts with `warning: `) and the trace, line by line; without
    /// it they go to the
    /// [`Outcome`](crate::sandbox::Outcome) alone.
    pub fn log_to(mut self, sink: impl FnMut(&str) + Send + 'static) -> Self {
        self.sink = Some(Box::new(sink));
        self
    }

    /// Sets the sandbox up: nothing runs yet.
    ///
    /// # Errors
    /// [`SandboxError::Kernel`], [`SandboxError::Denied`] and [`SandboxError::Yama`] where
    /// this system cannot or does not allow it, [`SandboxError::Map`] for a folder to map
    /// that is not there, and [`SandboxError::SetUp`] where files or memory for the device
    /// cannot be had.
    pub fn build(self) -> Result<Sandbox, SandboxError> {
        check_kernel()?;
        let mut namespace = Namespace::new();
        let shadow = Shadow::new(&self.device.system, &mut namespace)
            .map_err(SandboxError::io("its temporary folder"))?;
        self.put_maps(&mut namespace, &shadow)?;
        for (path, id) in &self.device.nodes {
            let path = format!("/{}", path.trim_start_matches('/'));
            put_node(&mut namespace, &shadow, &path, *id)
                .map_err(SandboxError::io("a folder for the nodes"))?;
        }
        let sizes = self.device.system.devices();
        let seek_free_bytes = sizes.iter().map(|device| device.size_bytes).min();
        let handles = Handles::new(self.device.system.clone(), self.exact);
        let state = State::new(Start {
            namespace,
            handles,
            shadow,
            power: Power::watch(&self.device.system),
            read_only: self.read_only,
            kernel: self.kernel,
            log: Log::new(self.tracing, self.sink.unwrap_or_else(|| Box::new(|_| {}))),
        });
        let plan = FilterPlan {
            seek_free_bytes: seek_free_bytes.unwrap_or(0),
            kernel: self.kernel,
            calls: crate::sandbox::calls::table::rules(),
        };
        Ok(Sandbox::new(
            self.device,
            Shared::new(state),
            plan,
            self.limit,
        ))
    }

    fn put_maps(&self, namespace: &mut Namespace, shadow: &Shadow) -> Result<(), SandboxError> {
        let mut maps = BTreeMap::new();
        for (inside, outside) in &self.maps {
            let real = real_folder(outside).map_err(|source| SandboxError::Map {
                path: outside.clone(),
                source,
            })?;
            maps.insert(inside.clone(), real);
        }
        for own in &self.device.folders {
            let path = Path::new("/").join(own);
            if let Entry::Vacant(place) = maps.entry(path) {
                let folder = shadow
                    .folder_later(&format!("/mapped/{own}"))
                    .map_err(SandboxError::io("its temporary folder"))?;
                place.insert(folder);
            }
        }
        for (inside, real) in maps {
            let seen = clean(&inside);
            ensure_above(namespace, shadow, &seen)
                .map_err(SandboxError::io("a folder above a mapped one"))?;
            let listed = (!Path::new(&inside).exists()).then_some(libc::DT_DIR);
            namespace.redirect(
                seen.as_bytes(),
                real.as_os_str().as_bytes(),
                Kind::Mapped,
                listed,
            );
        }
        Ok(())
    }
}

/// A path without trailing and double slashes.
fn clean(path: &Path) -> String {
    let text = path.to_string_lossy();
    let parts = text.split('/').filter(|part| !matches!(*part, "" | "."));
    parts.fold(String::new(), |path, part| path + "/" + part)
}

fn real_folder(outside: &Path) -> std::io::Result<PathBuf> {
    let real = outside.canonicalize()?;
    if real.is_dir() {
        Ok(real)
    } else {
        Err(std::io::Error::from_raw_os_error(libc::ENOTDIR))
    }
}

/// Gives a path the folders above it, where neither host nor sandbox has them.
fn ensure_above(namespace: &mut Namespace, shadow: &Shadow, path: &str) -> std::io::Result<()> {
    let Some(missing) = namespace.missing_above(path.as_bytes()) else {
        return Ok(());
    };
    let missing = String::from_utf8_lossy(&missing).into_owned();
    let above = &path[..path.rfind('/').unwrap_or(0)];
    shadow.folder_later(&format!("/folders{above}"))?;
    let real = shadow.at(&format!("/folders{missing}"));
    namespace.redirect(missing.as_bytes(), &real, Kind::Mapped, Some(libc::DT_DIR));
    Ok(())
}

fn put_node(
    namespace: &mut Namespace,
    shadow: &Shadow,
    path: &str,
    id: NodeId,
) -> std::io::Result<()> {
    const DEVTMPFS_MODE: u32 = 0o600;
    ensure_above(namespace, shadow, path)?;
    // As old as the host's own nodes: from when the machine started.
    let start = sys::stat(c"/dev/null", true);
    let start = start.map_or((0, 0), |about| (about.st_mtime, about.st_mtime_nsec));
    namespace.add_node(path.as_bytes(), id, DEVTMPFS_MODE, start);
    Ok(())
}

/// Says what is missing before anything fails in a new process.
fn check_kernel() -> Result<(), SandboxError> {
    let release = kernels::release_text();
    let kernel = |lacks| SandboxError::Kernel {
        release: release.clone(),
        lacks,
    };
    if kernels::release().is_some_and(|numbers| numbers < (5, 9)) {
        return Err(kernel(
            "handing descriptors over (SECCOMP_IOCTL_NOTIF_ADDFD)",
        ));
    }
    let action = crate::sandbox::kernel::filter::RET_NOTIFY;
    let args = [
        u64::from(libc::SECCOMP_GET_ACTION_AVAIL),
        0,
        std::ptr::from_ref(&action) as u64,
        0,
        0,
        0,
    ];
    // SAFETY: the address is that of a local.
    match unsafe { sys::raw(libc::SYS_seccomp, args) } {
        Ok(_) => check_permissions(),
        Err(Errno::OPNOTSUPP | Errno::INVAL) => Err(kernel("user notification by seccomp")),
        Err(Errno::NOSYS) => Err(kernel("seccomp(2)")),
        Err(errno) => Err(SandboxError::Denied {
            call: "seccomp",
            errno,
        }),
    }
}

/// Tries on this process what the supervisor does to the program. A container's
/// profile may forbid it (Docker's own allows pidfd_getfd only together with
/// CAP_SYS_PTRACE).
fn check_permissions() -> Result<(), SandboxError> {
    let denied = |call| move |errno| SandboxError::Denied { call, errno };
    let me = sys::pidfd_open(std::process::id()).map_err(denied("pidfd_open"))?;
    sys::pidfd_getfd(&me, me.as_raw_fd()).map_err(denied("pidfd_getfd"))?;
    let mut byte = [0u8; 1];
    let address = std::ptr::from_ref(&me) as u64;
    sys::memory_read(std::process::id(), address, &mut byte).map_err(denied("process_vm_readv"))?;
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
    // SAFETY: no arguments.
    let is_root = unsafe { libc::geteuid() } == 0;
    match scope.unwrap_or_default().trim() {
        "3" => Err(SandboxError::Yama),
        "2" if !is_root => Err(SandboxError::Yama),
        _ => Ok(()),
    }
}
