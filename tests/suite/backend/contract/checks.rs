//! The checks of the contract. Each works on a fresh subject and answers why it
//! is not satisfied, so that a broken backend can be seen to fail.

use super::{Device, Subject, devices};
use mtdkeep::mtd::{
    MtdError, MtdErrorKind, MtdIndex, MtdInfo, MtdRead, MtdWrite, NodeState, WritePermit,
};

type Verdict = Result<(), String>;

/// Fails a check with what was found.
macro_rules! ensure {
    ($condition:expr, $($why:tt)+) => {
        if !$condition {
            return Err(format!($($why)+));
        }
    };
}

/// A check of the contract.
pub type Check = fn(&dyn Subject) -> Verdict;

/// All checks by name.
pub const CHECKS: &[(&str, Check)] = &[
    ("devices come in order, as the table says", table),
    ("offset, permission and node are told", told),
    ("every byte is read, in pieces of any size", whole_reads),
    ("a read at or past the end gives 0", end_of_device),
    ("a read that crosses the end is cut there", cut_at_the_end),
    ("a device that ends early says where", ended_early),
    ("reading changes nothing", reading_is_harmless),
    ("a missing node is named, with what to do", missing_node),
    ("a device that is not there does not open", no_such_device),
    ("a size that is not the device's does not open", wrong_size),
    ("a read-only partition does not open for writing", read_only),
    ("erasing hits its erase blocks only", erase),
    ("a bad erase is refused before anything changes", bad_erase),
    ("programming clears bits, in its range only", program),
    (
        "a bad program is refused before anything changes",
        bad_program,
    ),
    ("two handles see the same cells", two_handles),
];

/// The check of that name.
pub fn check(name: &str) -> Check {
    CHECKS.iter().find(|(known, _)| *known == name).unwrap().1
}

fn told_error(error: &MtdError) -> String {
    format!("{error} ({error:?})")
}

/// The erase-block size, and the size of the partition that may be changed, in bytes.
fn block_and_size(subject: &dyn Subject) -> (u64, u64) {
    let device = subject.device();
    let writeable = &device.parts[device.writeable];
    (device.erase_block_bytes, writeable.size_bytes)
}

/// What that partition holds at the start.
fn writeable_contents(subject: &dyn Subject) -> Vec<u8> {
    subject.contents(subject.device().writeable)
}

fn open(subject: &dyn Subject, position: usize) -> Result<Box<dyn MtdRead>, String> {
    let device = &devices(subject)[position];
    subject.backend().open(device).map_err(|e| told_error(&e))
}

fn open_for_writing(subject: &dyn Subject, position: usize) -> Result<Box<dyn MtdWrite>, String> {
    let device = &devices(subject)[position];
    let permit = WritePermit::granted_because("the contract suite writes");
    let opened = subject.backend().open_for_writing(device, &permit);
    opened.map_err(|e| told_error(&e))
}

/// All bytes of an open device, in pieces of `piece_bytes`.
pub fn read_all<D: MtdRead + ?Sized>(
    device: &mut D,
    piece_bytes: usize,
) -> Result<Vec<u8>, String> {
    let size = usize::try_from(device.info().size_bytes).unwrap();
    let mut bytes = Vec::new();
    let mut piece = vec![0; piece_bytes];
    loop {
        let at = bytes.len() as u64;
        let count = device.read_at(at, &mut piece).map_err(|e| told_error(&e))?;
        ensure!(count <= piece.len(), "{count} bytes into {piece_bytes}");
        bytes.extend_from_slice(&piece[..count]);
        ensure!(bytes.len() <= size, "more than {size} bytes");
        if count == 0 {
            return Ok(bytes);
        }
    }
}

fn unchanged_but(subject: &dyn Subject, changed: usize) -> Verdict {
    let parts = subject.device().parts;
    for position in (0..parts.len()).filter(|position| *position != changed) {
        ensure!(
            subject.cells(position) == subject.contents(position),
            "{} changed",
            parts[position].name
        );
    }
    Ok(())
}

fn unchanged(subject: &dyn Subject) -> Verdict {
    unchanged_but(subject, usize::MAX)
}

fn table(subject: &dyn Subject) -> Verdict {
    let found: Vec<_> = devices(subject)
        .into_iter()
        .map(|d| (d.index.0, d.name, d.size_bytes, d.erase_block_bytes))
        .collect();
    let expected: Vec<_> = (0..)
        .zip(subject.device().parts)
        .map(|(index, part)| {
            (
                index,
                part.name.to_owned(),
                part.size_bytes,
                subject.device().erase_block_bytes,
            )
        })
        .collect();
    ensure!(found == expected, "found {found:?}");
    Ok(())
}

fn told(subject: &dyn Subject) -> Verdict {
    for (device, part) in devices(subject).iter().zip(subject.device().parts) {
        let id = device.id();
        ensure!(
            device.offset_bytes() == Some(part.offset_bytes),
            "{id}: {:?}",
            device.offset
        );
        ensure!(
            device.writeable == Some(part.writeable),
            "{id}: {:?}",
            device.writeable
        );
        let present = device.node == NodeState::Present;
        ensure!(present == part.has_node, "{id}: {:?}", device.node);
    }
    Ok(())
}

fn whole_reads(subject: &dyn Subject) -> Verdict {
    let parts = subject.device().parts;
    for position in (0..parts.len()).filter(|position| parts[*position].has_node) {
        for piece_bytes in [7, 512, 0x1fff, 0x2000, 0x20000] {
            // A million calls take an emulated processor long.
            if parts[position].size_bytes > 0x2_0000 && piece_bytes < 0x1000 {
                continue;
            }
            let mut device = open(subject, position)?;
            let bytes = read_all(&mut *device, piece_bytes)?;
            ensure!(
                bytes == subject.contents(position),
                "{} in pieces of {piece_bytes} differs",
                parts[position].name
            );
        }
    }
    Ok(())
}

fn end_of_device(subject: &dyn Subject) -> Verdict {
    let Device {
        parts, read_only, ..
    } = subject.device();
    let mut device = open(subject, *read_only)?;
    let size = parts[*read_only].size_bytes;
    let mut buf = [0xA5; 16];
    for offset in [size, size + 1, size + 0x400, 1 << 32, 1 << 63, u64::MAX] {
        let count = device.read_at(offset, &mut buf);
        ensure!(matches!(count, Ok(0)), "at {offset:#x}: {count:?}");
    }
    let nothing = device.read_at(0, &mut []);
    ensure!(matches!(nothing, Ok(0)), "into nothing: {nothing:?}");
    ensure!(buf == [0xA5; 16], "the buffer was touched");
    Ok(())
}

fn cut_at_the_end(subject: &dyn Subject) -> Verdict {
    let Device {
        parts, read_only, ..
    } = subject.device();
    let mut device = open(subject, *read_only)?;
    let size = parts[*read_only].size_bytes;
    let mut buf = [0; 16];
    for outside in 1..=15 {
        let count = device.read_at(size - 16 + outside, &mut buf);
        let inside = usize::try_from(16 - outside).unwrap();
        ensure!(
            matches!(count, Ok(n) if (1..=inside).contains(&n)),
            "{count:?} of {inside} bytes"
        );
    }
    Ok(())
}

fn ended_early(subject: &dyn Subject) -> Verdict {
    let writeable = subject.device().writeable;
    let mut device = open(subject, writeable)?;
    subject.shorten(writeable, 0x2410);
    let expected = &writeable_contents(subject)[..0x2410];
    let mut buf = [0; 0x1000];
    let mut bytes = Vec::new();
    // Up to the end, then past it, and once more before it.
    let error = loop {
        match device.read_at(bytes.len() as u64, &mut buf) {
            Ok(0) => return Err(format!("a silent end at {:#x}", bytes.len())),
            Ok(count) => bytes.extend_from_slice(&buf[..count]),
            Err(error) => break error,
        }
        ensure!(
            expected.starts_with(&bytes),
            "other bytes than the device's"
        );
    };
    ensure!(bytes == expected, "{:#x} bytes and {error}", bytes.len());
    for (offset, error) in [
        (0x2410, Err(error)),
        (0x2411, device.read_at(0x2411, &mut buf)),
        (0x7fff, device.read_at(0x7fff, &mut buf)),
    ] {
        let told = match &error {
            Err(MtdError::EndedEarly { offset_bytes, .. }) => *offset_bytes == offset,
            _ => false,
        };
        ensure!(told, "at {offset:#x}: {error:?}");
    }
    let again = device.read_at(0x2400, &mut buf);
    ensure!(matches!(again, Ok(0x10)), "before the end: {again:?}");
    Ok(())
}

fn reading_is_harmless(subject: &dyn Subject) -> Verdict {
    whole_reads(subject)?;
    unchanged(subject)
}

fn missing_node(subject: &dyn Subject) -> Verdict {
    let device = &devices(subject)[subject.device().without_node];
    let Err(error) = subject.backend().open(device) else {
        return Err("it opened".into());
    };
    ensure!(error.kind() == MtdErrorKind::NodeMissing, "{error:?}");
    let (MtdError::NodeMissing { device: named, .. }
    | MtdError::NodeWrong { device: named, .. }
    | MtdError::NotCaptured { device: named, .. }) = &error
    else {
        return Err(format!("it names no device: {error:?}"));
    };
    ensure!(*named == device.id(), "{error:?}");
    let text = format!("{error}; {}", error.help().unwrap_or_default());
    ensure!(text.contains(&device.id().to_string()), "{text}");
    ensure!(text.contains(&format!("/dev/{}", device.index)), "{text}");
    unchanged(subject)
}

fn no_such_device(subject: &dyn Subject) -> Verdict {
    let device = MtdInfo::new(
        MtdIndex(77),
        "ghost",
        0x2000,
        subject.device().erase_block_bytes,
    );
    let opened = subject.backend().open(&device).is_ok();
    ensure!(!opened, "it opened");
    Ok(())
}

fn wrong_size(subject: &dyn Subject) -> Verdict {
    let (_, is) = block_and_size(subject);
    for size in [0, 1, is - 1, is + 1, is + 0x1_0000_0000, u64::MAX] {
        let mut device = devices(subject)[subject.device().writeable].clone();
        device.size_bytes = size;
        let Err(error) = subject.backend().open(&device) else {
            return Err(format!("it opened with {size:#x} bytes"));
        };
        ensure!(error.kind() == MtdErrorKind::Disagreement, "{error:?}");
        let text = error.to_string();
        ensure!(
            text.contains(&format!("{size:#x}")) && text.contains(&format!("{is:#x}")),
            "{text}"
        );
    }
    Ok(())
}

fn read_only(subject: &dyn Subject) -> Verdict {
    let device = &devices(subject)[subject.device().read_only];
    let permit = WritePermit::granted_because("to see it refused");
    let Err(error) = subject.backend().open_for_writing(device, &permit) else {
        return Err("it opened".into());
    };
    ensure!(error.kind() == MtdErrorKind::Refused, "{error:?}");
    ensure!(error.to_string().contains("to see it refused"), "{error}");
    unchanged(subject)
}

fn erase(subject: &dyn Subject) -> Verdict {
    let writeable = subject.device().writeable;
    let mut device = open_for_writing(subject, writeable)?;
    let (block, size) = block_and_size(subject);
    device.erase(block, 2 * block).map_err(|e| told_error(&e))?;
    device.erase(size, 0).map_err(|e| told_error(&e))?;
    let mut expected = writeable_contents(subject);
    expected[block as usize..3 * block as usize].fill(0xFF);
    ensure!(
        subject.cells(writeable) == expected,
        "other cells than asked for"
    );
    ensure!(
        read_all(&mut *device, 999)? == expected,
        "read back differs"
    );
    unchanged_but(subject, writeable)
}

fn bad_erase(subject: &dyn Subject) -> Verdict {
    let mut device = open_for_writing(subject, subject.device().writeable)?;
    let (block, size) = block_and_size(subject);
    let last = u64::MAX - (block - 1);
    let bad = [
        (1, block),
        (0, 1),
        (block, block - 1),
        (size, block),
        (size - block, 2 * block),
        (0, last),
        (last, block),
    ];
    for (offset, length) in bad {
        let Err(error) = device.erase(offset, length) else {
            return Err(format!("{length:#x} at {offset:#x} was done"));
        };
        ensure!(error.kind() == MtdErrorKind::Refused, "{error:?}");
        let text = error.to_string();
        ensure!(text.contains(&format!("{offset:#x}")), "{text}");
    }
    unchanged(subject)
}

fn program(subject: &dyn Subject) -> Verdict {
    let writeable = subject.device().writeable;
    let mut device = open_for_writing(subject, writeable)?;
    let mut expected = writeable_contents(subject);
    let (block, size) = block_and_size(subject);
    if !subject.only_clears_bits() {
        device.erase(0, size).map_err(|e| told_error(&e))?;
        expected.fill(0xFF);
    }
    let (block, size) = (block as usize, size as usize);
    // Across an erase-block boundary, longer than any buffer inside, odd edges.
    let data: Vec<u8> = (0..2 * block + 0x321)
        .map(|n| n.to_le_bytes()[0] ^ 0x5A)
        .collect();
    for (offset, data) in [
        (block / 2 + 1, &data[..]),
        (0, &[0]),
        (size - 1, &[0x0F]),
        (size, &[]),
    ] {
        device
            .program(offset as u64, data)
            .map_err(|e| told_error(&e))?;
        for (cell, new) in expected[offset..].iter_mut().zip(data) {
            *cell &= new;
        }
    }
    ensure!(
        subject.cells(writeable) == expected,
        "other cells than old AND new"
    );
    ensure!(
        read_all(&mut *device, 4096)? == expected,
        "read back differs"
    );
    unchanged_but(subject, writeable)
}

fn bad_program(subject: &dyn Subject) -> Verdict {
    let mut device = open_for_writing(subject, subject.device().writeable)?;
    let (_, size) = block_and_size(subject);
    for (offset, length) in [(size - 1, 2), (size, 1), (0, size + 1), (u64::MAX, 2)] {
        let Err(error) = device.program(offset, &vec![0; length as usize]) else {
            return Err(format!("{length:#x} at {offset:#x} was done"));
        };
        ensure!(error.kind() == MtdErrorKind::Refused, "{error:?}");
    }
    unchanged(subject)
}

fn two_handles(subject: &dyn Subject) -> Verdict {
    let writeable = subject.device().writeable;
    let mut reader = open(subject, writeable)?;
    let mut writer = open_for_writing(subject, writeable)?;
    let (block, _) = block_and_size(subject);
    read_all(&mut *reader, 4096)?;
    writer.erase(0, block).map_err(|e| told_error(&e))?;
    let mut buf = [0; 4];
    reader
        .read_at(block - 4, &mut buf)
        .map_err(|e| told_error(&e))?;
    ensure!(buf == [0xFF; 4], "{buf:?} after an erase");
    writer
        .program(block - 2, &[1, 2])
        .map_err(|e| told_error(&e))?;
    reader
        .read_at(block - 4, &mut buf)
        .map_err(|e| told_error(&e))?;
    ensure!(buf == [0xFF, 0xFF, 1, 2], "{buf:?} after a program");
    Ok(())
}
