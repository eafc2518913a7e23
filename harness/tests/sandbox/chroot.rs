//! Processes with a root folder of their own.

use crate::support::{bench, inside};
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::Path;

/// A folder with what a root folder has.
fn furnish(root: &Path) {
    for folder in ["dev", "etc", "var/wwwroot", "sub"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::write(root.join("etc/passwd"), "its own").unwrap();
    fs::write(root.join("var/wwwroot/page"), "its own page").unwrap();
    symlink("/etc/passwd", root.join("link")).unwrap();
    symlink("../../../etc/passwd", root.join("sub/high")).unwrap();
    let path = CString::new(root.join("dev/flash").to_str().unwrap()).unwrap();
    // SAFETY: the path is a C string.
    let made = unsafe { libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o600, libc::makedev(90, 8)) };
    assert_eq!(made, 0);
}

fn lock_up(root: &Path) {
    let path = CString::new(root.to_str().unwrap()).unwrap();
    // SAFETY: the path is a C string.
    let answer = unsafe { libc::chroot(path.as_ptr()) };
    assert_eq!(answer, 0, "{}", std::io::Error::last_os_error());
    std::env::set_current_dir("/").unwrap();
}

/// What a process finds that is locked up in a furnished folder.
fn look_around(flash: &[u8]) {
    assert_eq!(std::env::current_dir().unwrap(), Path::new("/"));
    for path in ["/etc/passwd", "link", "/sub/high", "/../../etc/passwd"] {
        assert_eq!(fs::read_to_string(path).unwrap(), "its own", "{path}");
    }
    let page = fs::read_to_string("/var/wwwroot/page");
    assert_eq!(page.unwrap(), "its own page");
    for path in ["/dev/mtd4", "/proc/mtd", "/sys/class/mtd"] {
        assert!(fs::symlink_metadata(path).is_err(), "{path}");
    }
    assert!(fs::read("/dev/flash").unwrap() == flash);
    assert!(
        fs::metadata("/dev/flash")
            .unwrap()
            .file_type()
            .is_char_device()
    );
    fs::create_dir("/sub/new").unwrap();
    fs::write("/sub/new/file", "written").unwrap();
    std::env::set_current_dir("/sub/new").unwrap();
    assert_eq!(std::env::current_dir().unwrap(), Path::new("/sub/new"));
    assert_eq!(fs::read_to_string("file").unwrap(), "written");
    assert_eq!(
        fs::read_to_string("/sub/new/../new/file").unwrap(),
        "written"
    );
}

#[test]
#[ignore = "started in a sandbox by who_is_locked_up_finds_his_own_files"]
fn locked_up() {
    let flash = fs::read("/dev/mtd4").unwrap();
    let host = tempfile::tempdir().unwrap();
    for root in [host.path(), Path::new("/var/wwwroot")] {
        furnish(root);
        // SAFETY: the child has this thread alone, and ends here; the other thread of
        // this program waits for this one, and holds no lock meanwhile.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                let looked = std::panic::catch_unwind(|| {
                    lock_up(root);
                    look_around(&flash);
                });
                libc::_exit(i32::from(looked.is_err()));
            }
            let mut status = 0;
            assert_eq!(libc::waitpid(child, &mut status, 0), child);
            assert_eq!(status, 0, "{}: its own words are above", root.display());
        }
        // Everybody else is where he was.
        assert!(fs::read("/dev/mtd4").unwrap() == flash);
        assert_eq!(
            fs::read_to_string(root.join("sub/new/file")).unwrap(),
            "written"
        );
    }
    assert!(fs::read_to_string("/etc/passwd").unwrap().contains("root"));
}

#[test]
#[ignore = "needs root"]
fn who_is_locked_up_finds_his_own_files_by_root() {
    let bench = bench();
    inside(&bench, "chroot::locked_up");
    let written = fs::read_to_string(bench.file("sub/new/file"));
    assert_eq!(written.unwrap(), "written");
}

/// A root file system of another machine, as one starts it with QEMU, too.
#[test]
#[ignore = "needs root and busybox-static"]
fn a_root_file_system_runs_its_own_programs_by_root() {
    let bench = bench();
    let told = bench.ok(
        "mkdir -p bin dev && cp \"$(command -v busybox)\" bin/busybox && ln -s busybox bin/sh && \
         mknod dev/mtd7 c 90 14 && printf '#!/bin/sh\\necho script $PWD\\n' > run && chmod +x run && \
         chroot /var/wwwroot /bin/sh -c 'cd /bin && /run && printf \"\\\\0\" > /dev/mtd7 && \
         [ -c /dev/mtd7 ] && echo $(ls /dev)'",
    );
    assert_eq!(told, "script /bin\nmtd7\n");
    assert_eq!(bench.flash(7)[0], 0);
}
