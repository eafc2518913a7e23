//! The socket over which a new process hands its filter's listener to the
//! supervisor, or says what failed.

use crate::Errno;
use crate::sandbox::kernel::kernels::SUPERVISOR_COOKIE;
use crate::sandbox::kernel::sys;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// What the new process reports, together with the listener.
pub(in crate::sandbox) const STAGE_LISTENING: u8 = 0;
/// PR_SET_NO_NEW_PRIVS failed.
pub(in crate::sandbox) const STAGE_PRIVILEGES: u8 = 1;
/// seccomp(2) failed.
pub(in crate::sandbox) const STAGE_FILTER: u8 = 2;
/// fork(2) failed.
pub(in crate::sandbox) const STAGE_FORK: u8 = 3;
/// pidfd_open(2) failed.
pub(in crate::sandbox) const STAGE_WATCH: u8 = 4;

const CONTROL_BYTES: usize = 32;

/// A message buffer for one descriptor, aligned for its header.
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

/// Sends stage, error number and, if not negative, a descriptor.
pub(super) fn send(socket: RawFd, stage: u8, errno: i32, fd: RawFd) -> io::Result<()> {
    let mut bytes = [0u8; 5];
    bytes[0] = stage;
    bytes[1..].copy_from_slice(&errno.to_ne_bytes());
    let mut control = Control([0; CONTROL_BYTES]);
    let mut data = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    // SAFETY: all-zero is a valid value; every pointer set below is to a local
    // that outlives the call; `control` has room for one descriptor.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &mut data;
        message.msg_iovlen = 1;
        if fd >= 0 {
            message.msg_control = control.0.as_mut_ptr().cast();
            message.msg_controllen = libc::CMSG_SPACE(4) as _;
            let header = libc::CMSG_FIRSTHDR(&message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(4) as _;
            libc::CMSG_DATA(header).cast::<RawFd>().write_unaligned(fd);
        }
        // Nobody answers calls yet: with the mark the filter lets this one pass.
        let mark = libc::c_long::from(SUPERVISOR_COOKIE as i32);
        let message = &raw const message;
        if libc::syscall(
            libc::SYS_sendmsg,
            socket,
            message,
            libc::MSG_NOSIGNAL,
            0,
            0,
            mark,
        ) < 0
        {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Waits for what the new process sends. None: it ended without a word.
pub(in crate::sandbox) fn receive(
    socket: &OwnedFd,
) -> Result<Option<(u8, i32, Option<OwnedFd>)>, Errno> {
    use std::os::fd::FromRawFd;
    let mut bytes = [0u8; 5];
    let mut control = Control([0; CONTROL_BYTES]);
    let mut data = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    // SAFETY: as in `send`; a received descriptor is ours alone.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &mut data;
        message.msg_iovlen = 1;
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = CONTROL_BYTES as _;
        let count = libc::recvmsg(socket.as_raw_fd(), &mut message, libc::MSG_CMSG_CLOEXEC);
        if count < 0 {
            return Err(sys::last_errno());
        }
        if count < 5 {
            return Ok(None);
        }
        let header = libc::CMSG_FIRSTHDR(&message);
        let fd = (!header.is_null() && (*header).cmsg_type == libc::SCM_RIGHTS).then(|| {
            OwnedFd::from_raw_fd(libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned())
        });
        let errno = i32::from_ne_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]);
        Ok(Some((bytes[0], errno, fd)))
    }
}
