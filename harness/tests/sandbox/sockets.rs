//! Unix sockets in mapped folders, and descriptors that come through sockets.

use crate::support::{bench, inside, pass};
use std::os::fd::AsRawFd;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};

fn said(address: &SocketAddr) -> &str {
    address.as_pathname().unwrap().to_str().unwrap()
}

#[test]
#[ignore = "started in a sandbox by sockets_in_mapped_folders_are_called_as_they_were"]
fn names_and_peers() {
    std::env::set_current_dir("/var/wwwroot").unwrap();
    for name in ["/var/wwwroot/s", "r", "../wwwroot/./t", "/dev/log-of-ours"] {
        let listener = UnixListener::bind(name).unwrap();
        let client = UnixStream::connect(name).unwrap();
        // By another way than its own name it is told from the root on.
        let called = name.replace("../wwwroot/./", "/var/wwwroot/");
        assert_eq!(said(&listener.local_addr().unwrap()), called);
        assert_eq!(said(&client.peer_addr().unwrap()), called);
        let (server, _) = listener.accept().unwrap();
        let mut peer = libc::ucred {
            pid: 0,
            uid: 0,
            gid: 0,
        };
        let mut length = size_of::<libc::ucred>() as libc::socklen_t;
        // SAFETY: the kernel fills the structure, which is as long as it is told.
        let answer = unsafe {
            libc::getsockopt(
                server.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERCRED,
                (&raw mut peer).cast(),
                &mut length,
            )
        };
        assert_eq!((answer, peer.pid as u32), (0, std::process::id()), "{name}");
    }
    let error = UnixStream::connect("/dev/mtd4").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ECONNREFUSED));
}

#[test]
fn sockets_in_mapped_folders_are_called_as_they_were() {
    inside(&bench(), "sockets::names_and_peers");
}

/// sendmsg to a path, or sendmmsg of two messages; answers how many were sent.
fn send_messages(socket: &UnixDatagram, path: &[u8], count: u32) -> i32 {
    let mut byte = b'm';
    let mut data = libc::iovec {
        iov_base: (&raw mut byte).cast(),
        iov_len: 1,
    };
    // SAFETY: all-zero is a valid value of these structures; every pointer is to a
    // local that outlives the call.
    unsafe {
        let mut address: libc::sockaddr_un = std::mem::zeroed();
        address.sun_family = libc::AF_UNIX as libc::sa_family_t;
        for (to, from) in address.sun_path.iter_mut().zip(path) {
            *to = *from as libc::c_char;
        }
        let mut messages: [libc::mmsghdr; 2] = std::mem::zeroed();
        for message in &mut messages {
            message.msg_hdr.msg_name = (&raw mut address).cast();
            message.msg_hdr.msg_namelen = size_of::<libc::sockaddr_un>() as libc::socklen_t;
            message.msg_hdr.msg_iov = &mut data;
            message.msg_hdr.msg_iovlen = 1;
        }
        match count {
            1 => libc::sendmsg(socket.as_raw_fd(), &messages[0].msg_hdr, 0) as i32,
            _ => libc::sendmmsg(socket.as_raw_fd(), messages.as_mut_ptr(), count, 0),
        }
    }
}

#[test]
#[ignore = "started in a sandbox by datagrams_reach_a_socket_in_a_mapped_folder"]
fn datagrams() {
    let receiver = UnixDatagram::bind("/var/wwwroot/receiver").unwrap();
    let sender = UnixDatagram::bind("/var/wwwroot/sender").unwrap();
    let mut room = [0; 8];
    std::env::set_current_dir("/var/wwwroot").unwrap();
    for round in 0..20 {
        for path in ["/var/wwwroot/receiver", "receiver"] {
            assert_eq!(sender.send_to(&[round], path).unwrap(), 1);
            let (count, from) = receiver.recv_from(&mut room).unwrap();
            assert_eq!((count, room[0]), (1, round));
            // Whatever it is called, it is the way back.
            assert_eq!(
                receiver
                    .send_to(b"back", from.as_pathname().unwrap())
                    .unwrap(),
                4
            );
            assert_eq!(sender.recv(&mut room).unwrap(), 4);
        }
    }
    assert_eq!(send_messages(&sender, b"/var/wwwroot/receiver", 1), 1);
    assert_eq!((receiver.recv(&mut room).unwrap(), room[0]), (1, b'm'));
    assert_eq!(send_messages(&sender, b"/var/wwwroot/nobody", 1), -1);
    // By its own name the kernel finds it; by another one it is refused.
    assert_eq!(send_messages(&sender, b"receiver", 2), 2);
    for _ in 0..2 {
        assert_eq!((receiver.recv(&mut room).unwrap(), room[0]), (1, b'm'));
    }
    assert_eq!(send_messages(&sender, b"/var/wwwroot/receiver", 2), -1);
    let error = std::io::Error::last_os_error().raw_os_error();
    assert_eq!(error, Some(libc::EOPNOTSUPP));
}

#[test]
fn datagrams_reach_a_socket_in_a_mapped_folder() {
    inside(&bench(), "sockets::datagrams");
}

/// Writes a zero, and answers whether it went to flash.
fn writes(fd: i32, at: i64) -> bool {
    // SAFETY: the buffer is a static of one byte.
    unsafe { libc::pwrite(fd, c"".as_ptr().cast(), 1, at) == 1 }
}

/// A process that waited for a message before anybody opened flash, and one that starts
/// to wait when it is open.
#[test]
#[ignore = "started in a sandbox by who_is_handed_flash_writes_to_it"]
fn handed() {
    for (at, waits_first) in [(0, true), (1, false)] {
        let mut sockets = [0; 2];
        // SAFETY: room for two descriptors; the child makes system calls alone.
        unsafe {
            let made =
                libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0, sockets.as_mut_ptr());
            assert_eq!(made, 0);
            let child = libc::fork();
            if child == 0 {
                if !waits_first {
                    libc::usleep(50_000);
                }
                libc::_exit(if writes(pass(sockets[1], None), at) {
                    0
                } else {
                    7
                });
            }
            if waits_first {
                wait_until_it_waits(child);
            }
            let node = std::fs::File::options().write(true).open("/dev/mtd7");
            pass(sockets[0], Some(node.unwrap().as_raw_fd()));
            let mut status = 0;
            assert_eq!(libc::waitpid(child, &mut status, 0), child);
            assert_eq!(status, 0, "{waits_first}");
        }
    }
}

/// A thread that waited for a message before its own process opened flash.
#[test]
#[ignore = "started in a sandbox by who_is_handed_flash_writes_to_it"]
fn handed_to_a_thread() {
    let mut sockets = [0; 2];
    // SAFETY: room for two descriptors.
    let made =
        unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0, sockets.as_mut_ptr()) };
    assert_eq!(made, 0);
    let (tell, told) = std::sync::mpsc::channel();
    let receives = std::thread::spawn(move || {
        // SAFETY: no arguments.
        tell.send(unsafe { libc::gettid() }).unwrap();
        let fd = pass(sockets[1], None);
        (fd, writes(fd, 3))
    });
    wait_until_it_waits(told.recv().unwrap());
    let own = std::fs::File::options()
        .write(true)
        .open("/dev/mtd7")
        .unwrap();
    assert!(writes(own.as_raw_fd(), 3));
    // Of a process that it starts: not from the same numbers.
    // SAFETY: the child makes system calls alone.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            let fd = libc::open(c"/dev/mtd7".as_ptr(), libc::O_WRONLY);
            pass(sockets[0], Some(libc::dup2(fd, 40)));
            libc::_exit(0);
        }
        assert_eq!(libc::waitpid(child, std::ptr::null_mut(), 0), child);
    }
    let (fd, written) = receives.join().unwrap();
    assert!(written, "{fd}");
}

fn wait_until_it_waits(child: i32) {
    let number = libc::SYS_recvmsg.to_string() + " ";
    for _ in 0..5000 {
        let call = std::fs::read_to_string(format!("/proc/{child}/syscall"));
        if call.is_ok_and(|call| call.starts_with(&number)) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    panic!("it waits for no message");
}

/// A descriptor that is taken out of another process.
#[test]
#[ignore = "started in a sandbox by who_is_handed_flash_writes_to_it"]
fn taken() {
    let mut pipe = [0; 2];
    // SAFETY: room for two descriptors; the child makes system calls alone.
    unsafe {
        assert_eq!(libc::pipe(pipe.as_mut_ptr()), 0);
        let child = libc::fork();
        if child == 0 {
            let fd = libc::open(c"/dev/mtd7".as_ptr(), libc::O_WRONLY);
            libc::write(pipe[1], (&raw const fd).cast(), 4);
            loop {
                libc::pause();
            }
        }
        let mut fd = 0i32;
        assert_eq!(libc::read(pipe[0], (&raw mut fd).cast(), 4), 4);
        let process = libc::syscall(libc::SYS_pidfd_open, child, 0);
        let taken = libc::syscall(libc::SYS_pidfd_getfd, process, fd, 0) as i32;
        assert!(taken >= 0, "{}", std::io::Error::last_os_error());
        assert!(writes(taken, 2));
        libc::kill(child, libc::SIGKILL);
    }
}

#[test]
fn who_is_handed_flash_writes_to_it() {
    let bench = bench();
    let before = bench.flash(7);
    assert!(before[..4].iter().all(|byte| *byte != 0));
    inside(&bench, "sockets::handed");
    inside(&bench, "sockets::taken");
    inside(&bench, "sockets::handed_to_a_thread");
    assert_eq!(bench.flash(7)[..4], [0; 4]);
    assert_eq!(bench.flash(7)[4..], before[4..]);
}
