//! Simulated MTD devices: the harness's chips behind the same system calls.
//!
//! The harness answers errno by errno as Linux does; what this file adds is what
//! a process adds on the device: looking for a node, opening it, and the memory
//! that an ioctl points into.
//!
//! Invariants: everything goes through handles (open, pread, pwrite, ioctl), never
//! past them to the cells; a missing node is as missing as on the device.
//!
//! Faults tolerated: whatever the harness's fault plan does.

use super::ioctl::Request;
use super::open_device::{DeviceCalls, OpenDevice};
use crate::mtd::{
    ChipTiming, Errno, FactSource, MtdBackend, MtdError, MtdIndex, MtdInfo, MtdRead, MtdWrite,
    Node, NodeKind, NodeState, Operation, PartitionOffset, WritePermit, parse_proc_mtd,
};
use mtd_harness::mtd::{Handle, NodeId, OpenFlags, Seek, UserMemory};
use mtd_harness::profile::SimulatedDevice;
use std::path::PathBuf;

/// The MTD devices of a simulated device, reached as a process on it reaches them.
///
/// ```
/// use mtdkeep::backend::SimulatedBackend;
/// use mtdkeep::mtd::{MtdBackend, MtdError};
///
/// let backend = SimulatedBackend::new(mtd_harness::profile::ispot(1));
/// let devices = backend.devices()?;
/// let mut magic = [0; 2];
/// backend.open(&devices[3])?.read_at(0, &mut magic)?;
/// assert_eq!(magic, [0x85, 0x19]); // JFFS2
/// // The chip below has counted it.
/// let read = backend.device().system.with_chip(0, |chip| chip.counters().bytes_read());
/// assert_eq!(read, 2);
/// # Ok::<(), MtdError>(())
/// ```
#[derive(Clone)]
pub struct SimulatedBackend {
    device: SimulatedDevice,
    may_make_nodes: bool,
    provenance: Vec<Provenance>,
}

/// What is known of a simulated partition beside what the harness holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Provenance {
    /// Who tells where it starts; none: nobody, and nothing lets it be inferred.
    pub(crate) source: Option<FactSource>,
    /// Nobody tells how large its erase blocks are.
    pub(crate) erase_block_assumed: bool,
    /// Who tells its size; none: the simulation.
    pub(crate) size_source: Option<FactSource>,
    /// Who tells how large its erase blocks are; none: the simulation.
    pub(crate) erase_block_source: Option<FactSource>,
    /// Who tells that it is read-only, or that it is not; none: the simulation.
    pub(crate) writeable_source: Option<FactSource>,
    /// How large its chip is in bytes, where somebody tells that.
    pub(crate) chip_bytes: Option<u64>,
}

impl SimulatedBackend {
    /// A process on that device that may make nodes, as root may.
    pub fn new(device: SimulatedDevice) -> Self {
        Self {
            device,
            may_make_nodes: true,
            provenance: Vec::new(),
        }
    }

    /// Who told the layout, in the order of the MTD numbers; what nobody is named for is the
    /// simulation's own.
    pub(crate) fn with_provenance(mut self, provenance: Vec<Provenance>) -> Self {
        self.provenance = provenance;
        self
    }

    /// Whether the process may make nodes. Where it may not, a device without a
    /// node is left out ([`MtdError::NodeMissing`]), as for an ordinary user.
    pub fn with_nodes_allowed(mut self, may_make_nodes: bool) -> Self {
        self.may_make_nodes = may_make_nodes;
        self
    }

    /// The simulated device, for looking at its chips and counters.
    pub fn device(&self) -> &SimulatedDevice {
        &self.device
    }

    fn table_path() -> PathBuf {
        PathBuf::from("/proc/mtd")
    }

    fn node_state(&self, node: &Node) -> NodeState {
        let number = node.index.0;
        let names = match node.kind {
            NodeKind::Character => [format!("dev/mtd/{number}"), format!("dev/mtd/mtd{number}")],
            NodeKind::Block => [
                format!("dev/mtdblock/{number}"),
                format!("dev/block/mtdblock{number}"),
            ],
        };
        let nodes = &self.device.nodes;
        let other = || names.iter().find_map(|name| nodes.get(name));
        match nodes.get(&node.path).or_else(other) {
            None => NodeState::Missing,
            Some(there) if *there == node_id(node) => NodeState::Present,
            Some(NodeId::Character { major, minor }) => {
                NodeState::Wrong(format!("character node {major}:{minor}"))
            }
            Some(NodeId::Block { major, minor }) => {
                NodeState::Wrong(format!("block node {major}:{minor}"))
            }
        }
    }

    fn open_handle(&self, device: &MtdInfo, for_writing: bool) -> Result<Handle, MtdError> {
        let node = Node::character(device.index);
        let path = PathBuf::from(format!("/{}", node.path));
        match self.node_state(&node) {
            NodeState::Present => {}
            NodeState::Missing if self.may_make_nodes => {}
            NodeState::Missing => {
                return Err(MtdError::NodeMissing {
                    device: device.id(),
                    path,
                    why: "this process may not make one".into(),
                    fix: format!("as root: {}", node.mknod_line()),
                });
            }
            NodeState::Wrong(found) => {
                return Err(MtdError::NodeWrong {
                    device: device.id(),
                    fix: format!("as root: rm {} && {}", path.display(), node.mknod_line()),
                    path,
                    found,
                });
            }
        }
        let flags = OpenFlags {
            read: true,
            write: for_writing,
        };
        let handle = self.device.system.open(node_id(&node), flags);
        handle.map_err(errno).map_err(|source| match source {
            Errno::ACCESS | Errno::PERM => MtdError::NotPermitted {
                operation: Operation::Open,
                device: device.id(),
                path,
                nodev: false,
                source,
            },
            _ => MtdError::Device {
                operation: Operation::Open,
                device: device.id(),
                offset_bytes: None,
                length_bytes: None,
                source,
            },
        })
    }
}

fn node_id(node: &Node) -> NodeId {
    let (major, minor) = (node.major, node.minor);
    match node.kind {
        NodeKind::Character => NodeId::Character { major, minor },
        NodeKind::Block => NodeId::Block { major, minor },
    }
}

impl MtdBackend for SimulatedBackend {
    fn description(&self) -> String {
        self.device.description.clone()
    }

    fn devices(&self) -> Result<Vec<MtdInfo>, MtdError> {
        // The table's text, as on the device; the chip's layout only adds to it.
        let path = Self::table_path();
        let mut devices = match parse_proc_mtd(self.device.system.proc_mtd().as_bytes()) {
            Ok(devices) if devices.is_empty() => return Err(MtdError::NoDevices { path }),
            Ok(devices) => devices,
            Err(source) => return Err(MtdError::BadTable { path, source }),
        };
        let registered = self.device.system.devices();
        for device in &mut devices {
            let at = registered.binary_search_by_key(&device.index.0, |known| known.index);
            if let Ok(at) = at {
                let (known, provenance) = (&registered[at], self.provenance.get(at));
                let source = provenance.map_or(Some(FactSource::Simulation), |known| known.source);
                device.offset = source.map(|source| PartitionOffset {
                    bytes: known.offset_bytes,
                    source,
                });
                device.parent = known.parent.map(MtdIndex);
                device.erase_block_assumed =
                    provenance.is_some_and(|known| known.erase_block_assumed);
                device.chip = u32::try_from(known.chip).ok();
                let (size_bytes, timing) = self.device.system.with_chip(known.chip, |chip| {
                    (chip.geometry().size_bytes, chip.timing())
                });
                device.chip_bytes = match provenance {
                    Some(provenance) => provenance.chip_bytes,
                    None => Some(size_bytes),
                };
                device.timing = Some(ChipTiming {
                    erase: timing.erase,
                    program_kib: timing.program(0, 1024),
                });
                device.writeable = Some(known.writeable);
                let simulated =
                    |source: Option<FactSource>| source.unwrap_or(FactSource::Simulation);
                device.size_source = simulated(provenance.and_then(|known| known.size_source));
                let source = provenance.and_then(|known| known.erase_block_source);
                device.erase_block_source = simulated(source);
                let source = provenance.and_then(|known| known.writeable_source);
                device.writeable_source = Some(simulated(source));
            }
            device.node = self.node_state(&Node::character(device.index));
            device.block_node = self.node_state(&Node::block(device.index));
        }
        Ok(devices)
    }

    fn open(&self, device: &MtdInfo) -> Result<Box<dyn MtdRead>, MtdError> {
        let calls = SimulatedCalls(self.open_handle(device, false)?);
        Ok(Box::new(OpenDevice::new(calls, device)?))
    }

    fn open_for_writing(
        &self,
        device: &MtdInfo,
        permit: &WritePermit,
    ) -> Result<Box<dyn MtdWrite>, MtdError> {
        super::refuse_read_only(device, permit)?;
        let calls = SimulatedCalls(self.open_handle(device, true)?);
        let open = OpenDevice::new(calls, device)?;
        Ok(Box::new(open.must_be_writeable(permit.reason())?))
    }
}

struct SimulatedCalls(Handle);

/// The harness's error by the name that this crate knows it by.
fn errno(error: mtd_harness::Errno) -> Errno {
    Errno::from_raw_os_error(error.raw_os_error())
}

/// Offsets are signed to the kernel, and one it cannot have is EINVAL.
fn signed(offset_bytes: u64) -> Result<i64, Errno> {
    i64::try_from(offset_bytes).map_err(|_| Errno::INVAL)
}

impl DeviceCalls for SimulatedCalls {
    fn pread(&mut self, offset_bytes: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        self.0.pread(signed(offset_bytes)?, buf).map_err(errno)
    }

    fn pwrite(&mut self, offset_bytes: u64, data: &[u8]) -> Result<usize, Errno> {
        self.0.pwrite(signed(offset_bytes)?, data).map_err(errno)
    }

    fn ioctl(&mut self, request: &mut Request) -> Result<i32, Errno> {
        let command = request.opcode();
        let mut memory = ArgumentMemory(request.bytes_mut());
        self.0
            .ioctl(command, ARGUMENT_ADDRESS, &mut memory)
            .map_err(errno)
    }

    fn end_bytes(&mut self) -> Result<u64, Errno> {
        self.0.lseek(Seek::End(0)).map_err(errno)
    }
}

/// Where an ioctl's argument lies in the memory that the simulation sees. Not 0,
/// so that a null pointer stays one.
const ARGUMENT_ADDRESS: u64 = 0x1000;

/// A process's memory that holds nothing but an ioctl's argument.
struct ArgumentMemory<'a>(&'a mut [u8]);

impl ArgumentMemory<'_> {
    fn range(
        &self,
        address: u64,
        length: usize,
    ) -> Result<std::ops::Range<usize>, mtd_harness::Errno> {
        use mtd_harness::Errno;
        let start = address
            .checked_sub(ARGUMENT_ADDRESS)
            .and_then(|start| usize::try_from(start).ok())
            .ok_or(Errno::FAULT)?;
        let end = start.checked_add(length).ok_or(Errno::FAULT)?;
        if end > self.0.len() {
            return Err(Errno::FAULT);
        }
        Ok(start..end)
    }
}

impl UserMemory for ArgumentMemory<'_> {
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), mtd_harness::Errno> {
        let range = self.range(address, buf.len())?;
        buf.copy_from_slice(&self.0[range]);
        Ok(())
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), mtd_harness::Errno> {
        let range = self.range(address, bytes.len())?;
        self.0[range].copy_from_slice(bytes);
        Ok(())
    }
}
