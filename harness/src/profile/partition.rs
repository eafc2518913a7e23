//! The partitions of a simulated device by their names: contents, reading and writing as
//! through its node, and faults by place.

use super::{ProfileError, SimulatedDevice};
use crate::Errno;
use crate::chip::Chip;
use crate::fault::FaultPlan;
use crate::mtd::{Handle, MtdDevice, NodeId, OpenFlags};
use std::collections::BTreeMap;

/// One partition of a simulated device.
///
/// ```
/// use mtd_harness::profile;
///
/// let device = profile::ispot(1);
/// let param = device.partition("param")?;
/// param.load(0, b"made at the factory")?; // past locks and counters
/// let mut bytes = [0; 4];
/// param.read(0, &mut bytes)?; // as through its node
/// assert_eq!(&bytes, b"made");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Partition<'d> {
    simulated: &'d SimulatedDevice,
    device: MtdDevice,
}

impl SimulatedDevice {
    /// The first partition of this name.
    ///
    /// # Errors
    /// [`ProfileError::NoSuchPartition`], with the names that there are.
    pub fn partition(&self, name: &str) -> Result<Partition<'_>, ProfileError> {
        let devices = self.system.devices();
        let found = devices.iter().find(|device| device.name == name);
        match found {
            Some(device) => Ok(Partition {
                simulated: self,
                device: device.clone(),
            }),
            None => Err(ProfileError::NoSuchPartition {
                name: name.to_owned(),
                known: names(&devices),
            }),
        }
    }

    /// Puts faults in front of the chips. Their places are offsets on the first chip, or in
    /// a partition: `read-error@rootfs` (all of it), `read-error@rootfs+0x100` (a byte),
    /// `read-error@rootfs+0x100+0x20`, `bit-flip@rootfs+0x100.3`; the rest of the SPEC is
    /// that of [`crate::fault`].
    ///
    /// # Errors
    /// [`ProfileError::Faults`]: not a SPEC, a place past the end of its partition, or a
    /// chip that has faults already ([`Chip::set_faults`]). Nothing was put then.
    pub fn put_faults(&self, spec: &str) -> Result<(), ProfileError> {
        let devices = self.system.devices();
        let mut by_chip: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for part in spec.split(',') {
            let (chip, part) = placed(part.trim(), &devices)?;
            by_chip.entry(chip).or_default().push(part);
        }
        let mut plans = Vec::new();
        for (chip, parts) in by_chip {
            let plan = parts.join(",").parse::<FaultPlan>();
            let plan = plan.map_err(|error| ProfileError::Faults {
                why: error.to_string(),
            })?;
            plans.push((chip, plan));
        }
        for (chip, _) in &plans {
            let there = self
                .system
                .with_chip(*chip, |chip| chip.faults().map(FaultPlan::to_string));
            if let Some(there) = there {
                let why = format!(
                    "the chip has the faults `{there}`; take them away before you put \
                     `{spec}`, or put both as one plan"
                );
                return Err(ProfileError::Faults { why });
            }
        }
        for (chip, plan) in plans {
            self.set_faults(chip, Some(plan));
        }
        Ok(())
    }
}

fn names(devices: &[MtdDevice]) -> String {
    let names: Vec<_> = devices.iter().map(|device| device.name.as_str()).collect();
    names.join(", ")
}

/// A fault with the place in a partition made one on its chip.
fn placed(part: &str, devices: &[MtdDevice]) -> Result<(usize, String), ProfileError> {
    let Some((name, rest)) = part.split_once('@') else {
        return Ok((0, part.to_owned()));
    };
    // The longest, because one name may begin with another.
    let named = devices
        .iter()
        .filter(|device| {
            let after = rest.strip_prefix(device.name.as_str());
            after.is_some_and(|after| after.is_empty() || after.starts_with(['+', ':']))
        })
        .max_by_key(|device| device.name.len());
    let Some(device) = named.filter(|_| name != "size") else {
        return Ok((0, part.to_owned()));
    };
    let after = &rest[device.name.len()..];
    let (place, options) = match after.find(':') {
        Some(at) => after.split_at(at),
        None => (after, ""),
    };
    let wrong = |why: &str| ProfileError::Faults {
        why: format!("fault `{part}`: {why}"),
    };
    let start = device.offset_bytes;
    let place = match place.strip_prefix('+') {
        None => format!("{start:#x}+{:#x}", device.size_bytes),
        Some(place) => {
            let end = place.find(['+', '.']).unwrap_or(place.len());
            let (offset, more) = place.split_at(end);
            let offset = number(offset).ok_or_else(|| wrong("the offset is no number"))?;
            let length = match more.strip_prefix('+') {
                Some(length) => number(length).ok_or_else(|| wrong("the length is no number"))?,
                None => 1,
            };
            if offset
                .checked_add(length)
                .is_none_or(|end| end > device.size_bytes)
            {
                return Err(wrong("the partition ends before that"));
            }
            format!("{:#x}{more}", start + offset)
        }
    };
    Ok((device.chip, format!("{name}@{place}{options}")))
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

impl Partition<'_> {
    /// What it is: number, offset, size.
    pub fn device(&self) -> &MtdDevice {
        &self.device
    }

    /// Its bytes, uncounted and past any fault.
    pub fn bytes(&self) -> Vec<u8> {
        self.simulated.partition_bytes(self.device.index)
    }

    /// Test control: puts contents in place, uncounted, whatever the cells held.
    ///
    /// # Errors
    /// EINVAL past the partition's end.
    pub fn load(&self, offset_bytes: u64, bytes: &[u8]) -> Result<(), Errno> {
        match offset_bytes.checked_add(bytes.len() as u64) {
            Some(end) if end <= self.device.size_bytes => {}
            _ => return Err(Errno::INVAL),
        }
        let at = self.device.offset_bytes + offset_bytes;
        self.with_chip(|chip| chip.load(at, bytes))
    }

    /// Opens its character node.
    ///
    /// # Errors
    /// As Linux answers: EACCES for writing where Linux made it read-only.
    pub fn open(&self, flags: OpenFlags) -> Result<Handle, Errno> {
        let node = NodeId::mtd(self.device.index);
        self.simulated.system.open(node, flags)
    }

    /// Reads all of `buf`, as pread(2) on its node, again and again where that is short.
    ///
    /// # Errors
    /// The node's; EINVAL past the end.
    pub fn read(&self, offset_bytes: u64, buf: &mut [u8]) -> Result<(), Errno> {
        let mut node = self.open(OpenFlags::READ)?;
        let mut done = 0;
        while done < buf.len() {
            match node.pread(position(offset_bytes, done)?, &mut buf[done..])? {
                0 => return Err(Errno::INVAL),
                more => done += more,
            }
        }
        Ok(())
    }

    /// Programs, as pwrite(2) on its node: clears bits.
    ///
    /// # Errors
    /// The node's; ENOSPC past the end.
    pub fn program(&self, offset_bytes: u64, data: &[u8]) -> Result<(), Errno> {
        let mut node = self.open(OpenFlags::READ_WRITE)?;
        let mut done = 0;
        while done < data.len() {
            match node.pwrite(position(offset_bytes, done)?, &data[done..])? {
                0 => return Err(Errno::NOSPC),
                more => done += more,
            }
        }
        Ok(())
    }

    /// Erases whole erase blocks ([`Handle::erase`]).
    ///
    /// # Errors
    /// The node's; EINVAL off the erase blocks' boundaries.
    pub fn erase(&self, offset_bytes: u64, length_bytes: u64) -> Result<(), Errno> {
        self.open(OpenFlags::READ_WRITE)?
            .erase(offset_bytes, length_bytes)
    }

    fn with_chip<R>(&self, work: impl FnOnce(&mut Chip) -> R) -> R {
        self.simulated.system.with_chip(self.device.chip, work)
    }
}

fn position(offset_bytes: u64, done: usize) -> Result<i64, Errno> {
    i64::try_from(offset_bytes + done as u64).map_err(|_| Errno::INVAL)
}
