//! Killing whatever descends from this process, with system calls alone.

use std::os::fd::RawFd;

/// Kills every descendant, generation by generation: each orphan becomes a
/// child of this subreaper. Answers the status of the child `program`.
///
/// Only in a process with one thread that has no other children.
pub(super) fn kill_rest(program: libc::pid_t, ended: Option<i32>) -> i32 {
    let mut answer = ended.unwrap_or(libc::SIGKILL);
    // SAFETY: system calls on locals and numbers.
    unsafe {
        loop {
            let mut status = 0;
            let pid = libc::waitpid(-1, &mut status, libc::WNOHANG | libc::__WALL);
            if pid < 0 {
                return answer;
            }
            if pid == program {
                answer = status;
            }
            if pid == 0 {
                if !kill_listed_children() {
                    kill_children();
                }
                libc::poll(std::ptr::null_mut(), 0, 1);
            }
        }
    }
}

/// Sends SIGKILL to the children that the kernel lists (CONFIG_PROC_CHILDREN);
/// false if it lists none.
fn kill_listed_children() -> bool {
    let mut buf = [0u8; 4096];
    // SAFETY: system calls on locals and numbers.
    unsafe {
        let path = c"/proc/thread-self/children".as_ptr();
        let file = libc::open(path, libc::O_RDONLY);
        if file < 0 {
            return false;
        }
        let count = libc::read(file, buf.as_mut_ptr().cast(), buf.len());
        libc::close(file);
        let Ok(count) = usize::try_from(count) else {
            return false;
        };
        // A number that the buffer's end cuts is left for the next time.
        let whole = buf[..count].iter().rposition(|&byte| byte == b' ');
        let mut killed = false;
        for word in buf[..whole.unwrap_or(0)].split(|&byte| byte == b' ') {
            if let Some(pid) = number(word) {
                libc::kill(pid, libc::SIGKILL);
                killed = true;
            }
        }
        killed
    }
}

/// Sends SIGKILL to every process whose parent this is.
fn kill_children() {
    let mut buf = [0u8; 8192];
    // SAFETY: system calls on locals and numbers.
    unsafe {
        let me = libc::getpid();
        let proc = libc::open(c"/proc".as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY);
        if proc < 0 {
            return;
        }
        loop {
            let count = libc::syscall(libc::SYS_getdents64, proc, buf.as_mut_ptr(), buf.len());
            if count <= 0 {
                break;
            }
            let mut at = 0;
            while at + 19 < count as usize {
                let length = u16::from_ne_bytes([buf[at + 16], buf[at + 17]]) as usize;
                if let Some(pid) = number(&buf[at + 19..at + length]) {
                    if parent_of(proc, &buf[at + 19..at + length]) == Some(me) {
                        libc::kill(pid, libc::SIGKILL);
                    }
                }
                at += length;
            }
        }
        libc::close(proc);
    }
}

/// Reads the decimal number that starts these bytes, if anything does.
fn number(bytes: &[u8]) -> Option<i32> {
    let mut value = None;
    for byte in bytes.iter().take_while(|byte| byte.is_ascii_digit()) {
        value = Some(value.unwrap_or(0) * 10 + i32::from(byte - b'0'));
    }
    value
}

/// The parent in /proc/PID/stat: the second field behind the name in brackets.
fn parent_of(proc: RawFd, name: &[u8]) -> Option<i32> {
    let digits = name.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut path = [0u8; 32];
    path[..digits].copy_from_slice(&name[..digits]);
    path[digits..digits + 5].copy_from_slice(b"/stat");
    let mut text = [0u8; 512];
    // SAFETY: the path ends in a zero byte; the buffer is a local.
    let count = unsafe {
        let fd = libc::openat(proc, path.as_ptr().cast(), libc::O_RDONLY);
        let count = libc::read(fd, text.as_mut_ptr().cast(), text.len());
        libc::close(fd);
        usize::try_from(count).ok()?
    };
    let text = &text[..count];
    let name_end = text.iter().rposition(|&byte| byte == b')')?;
    number(text.get(name_end + 4..)?)
}
