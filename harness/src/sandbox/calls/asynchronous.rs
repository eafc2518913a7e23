//! Linux's asynchronous I/O (io_submit): the kernel reads and writes a description
//! by itself.

use crate::Errno;
use crate::mtd::NodeId;
use crate::sandbox::call::{Answer, Decision, Trapped};
use crate::sandbox::state::State;

/// `struct iocb` of include/uapi/linux/aio_abi.h.
const OPCODE_AT: u64 = 16;
const DESCRIPTOR_AT: u64 = 20;
const PREAD: u16 = 0;
const PWRITE: u16 = 1;
const PREADV: u16 = 7;
const PWRITEV: u16 = 8;
/// More are not looked at at once; nobody submits so many.
const REQUESTS_MAX: u64 = 1 << 16;

/// Answers io_submit with `count` pointers to requests at `list`. A character node
/// takes none (no read_iter and no fsync). Reads of a block node find what it holds
/// in its stand-in; the rest is refused, and nothing of the list is submitted.
pub(in crate::sandbox) fn submit(
    state: &mut State,
    trapped: &Trapped,
    count: u64,
    list: u64,
) -> Decision {
    let process = trapped.process();
    let mut reads_flash = false;
    for number in 0..count.min(REQUESTS_MAX) {
        // What cannot be read is the kernel's to refuse.
        let Ok(request) = process.read_u64(list + 8 * number) else {
            break;
        };
        let mut head = [0u8; 8];
        if process.read(request + OPCODE_AT, &mut head).is_err() {
            break;
        }
        let at = (DESCRIPTOR_AT - OPCODE_AT) as usize;
        let opcode = u16::from_ne_bytes([head[0], head[1]]);
        let fd = i32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let Some((_, which)) = state.flash(process, fd) else {
            continue;
        };
        let exact = state.handles.is_exact(which.index);
        let open = state.handles.get(which)?;
        let access = open.handle.flags();
        match (open.node, opcode) {
            (NodeId::Character { .. }, _) => return Err(Errno::INVAL),
            (_, PREAD | PREADV) if !access.read => return Err(Errno::BADF),
            (_, PWRITE | PWRITEV) if !access.write => return Err(Errno::BADF),
            (_, PREAD | PREADV) if !exact => reads_flash = true,
            _ => {
                state.warn(
                    "io_submit on a block node is emulated for reads alone, and not where reads \
                     are counted or meet faults: EINVAL",
                );
                return Err(Errno::INVAL);
            }
        }
    }
    if reads_flash {
        state.handles.refresh()?;
    }
    Ok(Answer::THROUGH)
}
