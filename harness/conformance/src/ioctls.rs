//! The ioctls that the cases know by name, and the memory their arguments point
//! to, laid out as the calling machine lays it out.
//!
//! Numbers and structures are those of include/uapi/mtd/mtd-abi.h and
//! include/uapi/linux/fs.h in Linux 6.1. They are written down here a second
//! time, apart from the MTD layer's own, so that one mistake cannot hide.
//! A structure that holds a pointer or a C `long` has another size, and its
//! ioctl therefore another number, on 32-bit machines.

mod table;

use super::expression::{BadExpression, Names};
use table::Kind::{Pointer, Pointer64, Words};
use table::{KNOWN, Kind, Known, READ, THREE_BITS, direction_bits, offsets};

/// Whether the ioctl is one of MTD's own, type `M`.
pub fn is_mtd(name: &str) -> bool {
    KNOWN
        .iter()
        .any(|known| known.name == name && known.kind == b'M')
}

/// What a pointer in a structure points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pointee {
    /// Address 0.
    Null,
    /// An address where nothing is.
    Bad,
    /// These bytes; calls that read put theirs here.
    Buffer(Vec<u8>),
}

/// A pointer inside a [`UserStruct`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointerField {
    /// Where it stands in the structure, in bytes.
    pub at: usize,
    /// 4 or 8.
    pub width_bytes: usize,
    /// What it points to.
    pub to: Pointee,
}

/// A structure in memory, with its pointers still to be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserStruct {
    /// The structure; zero where a pointer stands.
    pub bytes: Vec<u8>,
    /// Its pointers.
    pub pointers: Vec<PointerField>,
}

/// One ioctl with its argument's structure, on a machine of some width.
pub struct Call {
    known: &'static Known,
    pointer_bytes: usize,
    /// The structure; a case's arguments have been put into it.
    pub memory: UserStruct,
    before: UserStruct,
}

/// What a byte of an argument holds that the kernel is to overwrite.
const UNTOUCHED: u8 = 0xee;

impl Call {
    /// The ioctl of this name, its structure zeroed, or filled with 0xEE where
    /// the kernel is to write all of it.
    pub fn new(name: &str, pointer_bytes: usize) -> Option<Self> {
        let known = KNOWN.iter().find(|known| known.name == name)?;
        let (fields, size) = offsets(known.fields, pointer_bytes);
        // As much again behind it, to see that nothing is written there.
        let fill = if known.direction == READ || known.raw {
            UNTOUCHED
        } else {
            0
        };
        let mut bytes = vec![fill; size];
        bytes.resize(size + 16, UNTOUCHED);
        let mut pointers = Vec::new();
        for (at, (_, kind)) in fields {
            if matches!(kind, Pointer | Pointer64) {
                let width_bytes = kind.size_bytes(pointer_bytes);
                bytes[at..at + width_bytes].fill(0);
                pointers.push(PointerField {
                    at,
                    width_bytes,
                    to: Pointee::Null,
                });
            }
        }
        let memory = UserStruct { bytes, pointers };
        Some(Self {
            known,
            pointer_bytes,
            before: memory.clone(),
            memory,
        })
    }

    /// The ioctl's number on this machine.
    pub fn command(&self) -> u32 {
        self.command_where(THREE_BITS)
    }

    fn command_where(&self, three_bits: bool) -> u32 {
        let known = self.known;
        let size = match (known.raw, known.name) {
            (true, _) => 0,
            (_, "BLKGETSIZE64" | "BLKBSZGET") => self.pointer_bytes,
            _ => offsets(known.fields, self.pointer_bytes).1,
        };
        let top = direction_bits(known, three_bits);
        top | (size as u32) << 16 | u32::from(known.kind) << 8 | known.number
    }

    /// Puts `name=value` into the structure; for a pointer the value is `null`,
    /// `bad`, or bytes.
    pub fn set(&mut self, argument: &str, names: &Names) -> Result<(), BadExpression> {
        let bad = || BadExpression(argument.into());
        let (name, value) = argument.split_once('=').ok_or_else(bad)?;
        let (fields, _) = offsets(self.known.fields, self.pointer_bytes);
        let (at, (_, kind)) = *fields
            .iter()
            .find(|(_, (known, _))| *known == name)
            .ok_or_else(bad)?;
        if matches!(kind, Pointer | Pointer64) {
            let to = match value {
                "null" => Pointee::Null,
                "bad" => Pointee::Bad,
                _ => Pointee::Buffer(names.bytes(value)?),
            };
            let mut pointers = self.memory.pointers.iter_mut();
            pointers.find(|field| field.at == at).ok_or_else(bad)?.to = to;
        } else {
            let number = names.bits(value)?;
            let width = kind.size_bytes(self.pointer_bytes).min(8);
            put_number(&mut self.memory.bytes[at..at + width], number);
        }
        self.before = self.memory.clone();
        Ok(())
    }

    /// What the kernel put into the structure and behind its pointers: every
    /// field that it is to write or that has changed.
    pub fn written(&self, succeeded: bool) -> String {
        let (fields, size) = offsets(self.known.fields, self.pointer_bytes);
        let whole = succeeded && (self.known.direction == READ || self.known.raw);
        let mut text = String::new();
        for (at, (name, kind)) in fields {
            let width = kind.size_bytes(self.pointer_bytes);
            let (now, was) = (&self.memory.bytes, &self.before.bytes);
            let changed = now[at..at + width] != was[at..at + width];
            if matches!(kind, Pointer | Pointer64) || !(whole || changed) {
                continue;
            }
            text += &format!(" {name}={}", value(kind, &now[at..at + width], name));
        }
        if self.memory.bytes[size..] != self.before.bytes[size..] {
            text += " and wrote behind the structure";
        }
        for (now, was) in self.memory.pointers.iter().zip(&self.before.pointers) {
            if let (Pointee::Buffer(data), true) = (&now.to, now.to != was.to) {
                text += &format!(" [{}]", super::answer::bytes(data));
            }
        }
        text
    }
}

fn value(kind: Kind, bytes: &[u8], name: &str) -> String {
    if bytes.iter().all(|byte| *byte == UNTOUCHED) {
        return "untouched".into();
    }
    if matches!(kind, Words(_)) {
        return super::answer::bytes(bytes);
    }
    let number = number_in(bytes);
    match name {
        "flags" => format!("{number:#x}"),
        _ => number.to_string(),
    }
}

/// Stores the low bytes of a number, as many as there is room for (8 at most), in
/// this machine's order.
pub fn put_number(room: &mut [u8], number: u64) {
    let (bytes, width) = (number.to_ne_bytes(), room.len());
    room.copy_from_slice(match cfg!(target_endian = "big") {
        true => &bytes[8 - width..],
        false => &bytes[..width],
    });
}

/// The number that [`put_number`] stored.
fn number_in(bytes: &[u8]) -> u64 {
    let add = |number, byte: &u8| number << 8 | u64::from(*byte);
    match cfg!(target_endian = "big") {
        true => bytes.iter().fold(0, add),
        false => bytes.iter().rev().fold(0, add),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// As a C compiler gives them for x86-64 and for 32-bit ARM (EABI).
    #[rstest]
    #[case("MEMGETINFO", 0x8020_4d01, 0x8020_4d01)]
    #[case("MEMERASE", 0x4008_4d02, 0x4008_4d02)]
    #[case("MEMWRITEOOB", 0xc010_4d03, 0xc00c_4d03)]
    #[case("MEMREADOOB", 0xc010_4d04, 0xc00c_4d04)]
    #[case("MEMUNLOCK", 0x4008_4d06, 0x4008_4d06)]
    #[case("MEMGETREGIONINFO", 0xc010_4d08, 0xc010_4d08)]
    #[case("MEMGETOOBSEL", 0x80c8_4d0a, 0x80c8_4d0a)]
    #[case("MEMGETBADBLOCK", 0x4008_4d0b, 0x4008_4d0b)]
    #[case("ECCGETLAYOUT", 0x8148_4d11, 0x8148_4d11)]
    #[case("MEMERASE64", 0x4010_4d14, 0x4010_4d14)]
    #[case("MEMWRITEOOB64", 0xc018_4d15, 0xc018_4d15)]
    #[case("MEMWRITE", 0xc030_4d18, 0xc030_4d18)]
    #[case("MEMREAD", 0xc040_4d1a, 0xc040_4d1a)]
    #[case("MTDFILEMODE", 0x4d13, 0x4d13)]
    #[case("BLKGETSIZE64", 0x8008_1272, 0x8004_1272)]
    #[case("BLKBSZGET", 0x8008_1270, 0x8004_1270)]
    #[case("BLKROGET", 0x125e, 0x125e)]
    #[case("TCGETS", 0x5401, 0x5401)]
    fn numbers(#[case] name: &str, #[case] wide: u32, #[case] narrow: u32) {
        let number = |pointer_bytes| {
            let call = Call::new(name, pointer_bytes).unwrap();
            call.command_where(false)
        };
        assert_eq!(number(8), wide);
        assert_eq!(number(4), narrow);
    }

    /// As a C compiler gives them for 64-bit and for 32-bit PowerPC and MIPS.
    #[rstest]
    #[case("MEMGETINFO", 0x4020_4d01, 0x4020_4d01)]
    #[case("MEMERASE", 0x8008_4d02, 0x8008_4d02)]
    #[case("MEMREADOOB", 0xc010_4d04, 0xc00c_4d04)]
    #[case("MEMERASE64", 0x8010_4d14, 0x8010_4d14)]
    #[case("MTDFILEMODE", 0x2000_4d13, 0x2000_4d13)]
    #[case("BLKGETSIZE64", 0x4008_1272, 0x4004_1272)]
    #[case("BLKROGET", 0x2000_125e, 0x2000_125e)]
    #[case("HDIO_GETGEO", 0x0301, 0x0301)]
    fn numbers_with_three_bits(#[case] name: &str, #[case] wide: u32, #[case] narrow: u32) {
        let number = |pointer_bytes| {
            let call = Call::new(name, pointer_bytes).unwrap();
            call.command_where(true)
        };
        assert_eq!(number(8), wide);
        assert_eq!(number(4), narrow);
    }

    #[test]
    fn arguments_and_answers() {
        let mut call = Call::new("MEMREADOOB", 4).unwrap();
        call.set("length=0x10", &Names::default()).unwrap();
        call.set("data=55*2", &Names::default()).unwrap();
        assert!(call.set("nothing=1", &Names::default()).is_err());
        let words = [0u32, 16, 0].map(u32::to_ne_bytes).concat();
        assert_eq!(call.memory.bytes[..12], words);
        assert_eq!(call.written(true), "");
        call.memory.bytes[..4].copy_from_slice(&7u32.to_ne_bytes());
        call.memory.pointers[0].to = Pointee::Buffer(vec![1, 1]);
        assert_eq!(call.written(false), " start=7 [01*2]");
        call.memory.bytes[12] = 0;
        assert!(
            call.written(true)
                .ends_with("and wrote behind the structure [01*2]")
        );
        assert!(Call::new("MEMNOTHING", 8).is_none());
    }

    #[test]
    fn an_answer_that_the_kernel_left_alone_says_so() {
        let mut call = Call::new("MEMGETREGIONCOUNT", 8).unwrap();
        assert_eq!(call.written(true), " value=untouched");
        call.memory.bytes[..4].fill(0);
        assert_eq!(call.written(true), " value=0");
    }
}
