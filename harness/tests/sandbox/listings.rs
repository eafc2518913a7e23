//! Listings through descriptors of folders that the sandbox did not see opened, or that
//! were opened when there was nothing of ours in them.

use crate::support::{bench, device, inside, pass, text};
use mtd_harness::sandbox::Sandbox;
use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

/// The names in a folder, by its descriptor.
fn names(folder: OwnedFd) -> Vec<String> {
    let mut names = Vec::new();
    // SAFETY: the stream owns the descriptor; an entry is read before the next call.
    unsafe {
        let stream = libc::fdopendir(folder.into_raw_fd());
        assert!(!stream.is_null());
        loop {
            let entry = libc::readdir(stream);
            if entry.is_null() {
                break;
            }
            let name = CStr::from_ptr((*entry).d_name.as_ptr());
            names.push(name.to_str().unwrap().to_owned());
        }
        libc::closedir(stream);
    }
    names
}

fn standard_input() -> OwnedFd {
    // SAFETY: nothing else in this test uses it.
    unsafe { OwnedFd::from_raw_fd(0) }
}

fn run_with(test: &str, input: Stdio) {
    let sandbox = Sandbox::builder(device()).build().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", test]);
    command.stdin(input).stdout(Stdio::piped());
    let outcome = sandbox.run(&mut command).unwrap();
    let told = text(&outcome.stdout);
    assert!(told.contains("1 passed"), "{told}");
}

#[test]
#[ignore = "started in a sandbox by an_inherited_folder_shows_the_nodes"]
fn inherited() {
    let names = names(standard_input());
    assert!(names.iter().any(|name| name == "mtdblock9"), "{names:?}");
}

#[test]
fn an_inherited_folder_shows_the_nodes() {
    run_with("listings::inherited", File::open("/dev").unwrap().into());
}

#[test]
#[ignore = "started in a sandbox by a_folder_that_comes_through_a_socket_shows_the_nodes"]
fn received() {
    let folder = pass(0, None);
    // SAFETY: it was received just now.
    let names = names(unsafe { OwnedFd::from_raw_fd(folder) });
    assert!(names.iter().any(|name| name == "mtdblock9"), "{names:?}");
}

#[test]
fn a_folder_that_comes_through_a_socket_shows_the_nodes() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let dev = File::open("/dev").unwrap();
    pass(ours.as_raw_fd(), Some(dev.as_raw_fd()));
    run_with("listings::received", OwnedFd::from(theirs).into());
}

#[test]
#[ignore = "started in a sandbox by a_node_that_is_made_in_an_open_folder_is_listed"]
fn opened_before() {
    let folder = File::open("/var/wwwroot").unwrap();
    let mut mknod = Command::new("mknod");
    mknod.args(["/var/wwwroot/later", "c", "90", "2"]);
    assert!(mknod.status().unwrap().success());
    let names = names(folder.into());
    assert!(names.iter().any(|name| name == "later"), "{names:?}");
}

#[test]
fn a_node_that_is_made_in_an_open_folder_is_listed() {
    inside(&bench(), "listings::opened_before");
}
