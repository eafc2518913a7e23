//! Whose addresses are served: those of this machine and of private networks.

use rustix::fd::AsRawFd as _;
use rustix::net::{AddressFamily, SocketType};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Whether an address is this machine's own, a private network's, or of one wire.
pub(crate) fn is_near(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_near(v4.into()),
            None => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
        },
    }
}

/// An address with a port, as somebody writes it. The device's program, which has no
/// room for more, knows IPv4 alone.
pub(crate) fn parse(text: &str) -> Option<SocketAddr> {
    #[cfg(feature = "full")]
    return text.parse().ok();
    #[cfg(not(feature = "full"))]
    return text.parse().ok().map(SocketAddr::V4);
}

/// The address of a host, as it stands in another.
pub(crate) fn host(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        #[cfg(feature = "full")]
        IpAddr::V6(v6) => format!("[{v6}]"),
        #[cfg(not(feature = "full"))]
        IpAddr::V6(_) => String::new(),
    }
}

/// Bytes of `struct ifreq`: a name, and a union of which a pointer may be a part.
const ENTRY_BYTES: usize = if cfg!(target_pointer_width = "64") {
    40
} else {
    32
};

/// SIOCGIFCONF (Linux 2.6.24, include/linux/sockios.h).
const LIST: libc::c_long = 0x8912;

/// `struct ifconf` (include/linux/if.h).
#[repr(C)]
struct Answer {
    length: libc::c_int,
    entries: *mut u8,
}

/// This machine's addresses that are served, its own loopback last; none where the
/// system does not tell.
pub(crate) fn own() -> Vec<Ipv4Addr> {
    let mut entries = [0_u8; 16 * ENTRY_BYTES];
    let mut answer = Answer {
        length: entries.len() as libc::c_int,
        entries: entries.as_mut_ptr(),
    };
    let Ok(socket) = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None) else {
        return Vec::new();
    };
    // SAFETY: the request takes an `ifconf`, and writes at most `length` bytes where
    // its pointer says; both live until the call is over.
    let told = unsafe {
        let fd = libc::c_long::from(socket.as_raw_fd());
        libc::syscall(libc::SYS_ioctl, fd, LIST, &raw mut answer)
    };
    if told != 0 {
        return Vec::new();
    }
    let length = usize::try_from(answer.length).unwrap_or(0);
    let mut found = Vec::new();
    for entry in entries[..length.min(entries.len())].chunks_exact(ENTRY_BYTES) {
        // A `sockaddr_in` follows the name: family, port, address.
        let address = Ipv4Addr::new(entry[20], entry[21], entry[22], entry[23]);
        if !is_near(address.into()) {
            continue;
        }
        match address.is_loopback() {
            true => found.push(address),
            false => found.insert(0, address),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("127.0.0.1", true)]
    #[case("192.168.1.1", true)]
    #[case("10.1.2.3", true)]
    #[case("172.16.0.1", true)]
    #[case("169.254.3.4", true)]
    #[case("::1", true)]
    #[case("fe80::1", true)]
    #[case("fd00::1", true)]
    #[case("::ffff:192.168.1.1", true)]
    #[case("8.8.8.8", false)]
    #[case("172.32.0.1", false)]
    #[case("2001:db8::1", false)]
    #[case("::ffff:8.8.8.8", false)]
    #[case("0.0.0.0", false)]
    fn near_and_far(#[case] address: &str, #[case] near: bool) {
        assert_eq!(is_near(address.parse().unwrap()), near);
    }

    #[test]
    fn own_addresses_are_near() {
        assert!(own().into_iter().all(|address| is_near(address.into())));
    }
}
