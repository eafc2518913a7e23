//! How programs that look for block devices find the nodes, and what happens to
//! the calls that put a path into something else.

use crate::support::{bench, bench_with, text};
use rstest::rstest;

#[test]
fn disks_stand_below_their_mtd_device() {
    let bench = bench();
    let disk = "/sys/devices/virtual/mtd/mtd3/mtdblock3";
    for path in [
        "/sys/block/mtdblock3",
        "/sys/class/block/mtdblock3",
        "/sys/dev/block/31:3",
    ] {
        assert_eq!(
            bench.ok(&format!("readlink -f {path}")),
            format!("{disk}\n")
        );
        assert_eq!(
            bench.ok(&format!("cat {path}/dev {path}/size {path}/ro")),
            "31:3\n12288\n0\n"
        );
    }
    assert_eq!(bench.ok("ls /sys/block | grep -c mtdblock"), "11\n");
    assert_eq!(bench.ok("ls /sys/class/block | grep -c mtdblock"), "11\n");
    assert_eq!(
        bench.ok(&format!("readlink -f {disk}/device {disk}/subsystem")),
        "/sys/devices/virtual/mtd/mtd3\n/sys/class/block\n"
    );
    assert_eq!(
        bench.ok(&format!("cat {disk}/uevent")),
        "MAJOR=31\nMINOR=3\nDEVNAME=mtdblock3\nDEVTYPE=disk\n"
    );
    assert_eq!(bench.ok("cat /sys/block/mtdblock9/ro"), "1\n");
    bench.ok(&format!("ls -laR {disk} /sys/block > /dev/null"));
}

#[test]
fn a_setting_of_sys_has_its_mode_and_stays() {
    let bench = bench();
    assert_eq!(
        bench.ok("stat -c %a /sys/class/mtd/mtd3/bitflip_threshold /sys/class/mtd/mtd3/size"),
        "644\n444\n"
    );
    let outcome = bench.sh("echo 1 > /sys/class/mtd/mtd3/bitflip_threshold");
    assert!(!outcome.status.success());
    assert!(
        outcome
            .warnings
            .iter()
            .any(|line| line.contains("bitflip_threshold")),
        "{:?}",
        outcome.warnings
    );
}

#[test]
fn file_systems_are_told_by_path_and_descriptor() {
    let bench = bench();
    for path in [
        "/sys/class/mtd/mtd3/size",
        "/sys/block/mtdblock3",
        "/proc/mtd",
        "/dev/mtd3",
    ] {
        let folder = path[..path[1..].find('/').unwrap() + 1].to_owned();
        assert_eq!(
            bench.ok(&format!("stat -f -c %t {path}")),
            bench.ok(&format!("stat -f -c %t {folder}")),
            "{path}"
        );
    }
}

#[test]
#[ignore = "needs python3"]
fn a_link_s_file_system_is_that_of_the_link() {
    let line = "import os; f = os.open('/sys/class/mtd/mtd4', os.O_PATH | os.O_NOFOLLOW); \
                import stat; print(stat.S_ISLNK(os.fstat(f).st_mode), os.fstatvfs(f).f_bsize > 0)";
    assert_eq!(bench().ok(&format!("python3 -c \"{line}\"")), "True True\n");
}

/// Answers of Linux for what nothing in a sandbox can do, with a warning.
#[rstest]
#[case("mount /dev/mtdblock3 /mnt", "mount")]
#[case("mount -t tmpfs none /var/wwwroot", "mount")]
#[case("chroot /sys/class/mtd /bin/true", "chroot")]
#[case("mount --bind /var/wwwroot /mnt", "mount")]
fn what_the_kernel_would_look_up_itself_is_refused_by_name(#[case] line: &str, #[case] call: &str) {
    let bench = bench();
    let outcome = bench.sh(&format!("PATH=$PATH:/usr/sbin:/sbin {line}"));
    // Who may not do it at all is told so before.
    // SAFETY: no arguments.
    let is_root = unsafe { libc::geteuid() } == 0;
    assert!(
        !outcome.status.success(),
        "{line}: {}",
        text(&outcome.stderr)
    );
    if is_root || call == "chroot" {
        assert!(
            outcome
                .warnings
                .iter()
                .any(|warning| warning.contains(call)),
            "{line}: {:?} {}",
            outcome.warnings,
            text(&outcome.stderr)
        );
    }
}

#[test]
#[ignore = "needs python3"]
fn sockets_and_watches_in_mapped_folders() {
    let bench = bench();
    let line = "
import ctypes, os, socket, struct
os.chdir('/var/wwwroot')
deep = '/var/wwwroot/' + 'd' * 60
os.mkdir(deep)
for name in ('/var/wwwroot/s', deep + '/t', 'u'):
    server = socket.socket(socket.AF_UNIX); server.bind(name); server.listen()
    client = socket.socket(socket.AF_UNIX); client.connect(name)
    client.send(b'hello'); print(server.accept()[0].recv(9).decode(), os.path.exists(name))
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.inotify_init()
print(libc.inotify_add_watch(fd, b'/var/wwwroot', 0x100))
open('/var/wwwroot/new', 'w')
event = os.read(fd, 4096)
print(event[16:].rstrip(b'\\0').decode())
print(libc.inotify_add_watch(fd, b'/var/wwwroot/none', 0x100), ctypes.get_errno())
print(libc.inotify_add_watch(fd, b'/dev/mtd3', 0x100), ctypes.get_errno())
os.setxattr('/var/wwwroot/new', 'user.k', b'value')
print(os.getxattr('new', 'user.k').decode(), os.listxattr('/var/wwwroot/new'))
os.removexattr('/var/wwwroot/new', 'user.k'); print(os.listxattr('new'))
try: os.setxattr('/dev/mtd3', 'user.k', b'value')
except OSError as e: print(e.errno)
";
    std::fs::write(bench.file("script.py"), line).unwrap();
    assert_eq!(
        bench.ok("python3 script.py"),
        "hello True\nhello True\nhello True\n1\nnew\n-1 2\n-1 13\nvalue ['user.k']\n[]\n1\n"
    );
    // On the host they are where the folder is.
    assert!(bench.file("s").exists());
}

#[test]
#[ignore = "needs udev, util-linux"]
fn tools_find_the_disks() {
    let bench = bench();
    let listed = bench.ok("lsblk -nro NAME,MAJ:MIN,SIZE,RO,TYPE /dev/mtdblock3 /dev/mtdblock9");
    assert_eq!(
        listed,
        "mtdblock3 31:3 6M 0 disk\nmtdblock9 31:9 124K 1 disk\n"
    );
    let told = bench.ok("udevadm info -q property -p /sys/class/mtd/mtd4");
    assert!(
        told.contains("DEVNAME=/dev/mtd4\n") && told.contains("SUBSYSTEM=mtd\n"),
        "{told}"
    );
    let told = bench.ok("udevadm info -q property -n /dev/mtdblock3");
    assert!(
        told.contains("SUBSYSTEM=block\n") && told.contains("DEVTYPE=disk\n"),
        "{told}"
    );
    assert_eq!(
        bench.ok("PATH=$PATH:/sbin:/usr/sbin blockdev --getsize64 --getro --getss /dev/mtdblock3"),
        "6291456\n0\n512\n"
    );
}

#[test]
#[ignore = "needs e2fsprogs, util-linux"]
fn a_file_system_on_a_block_node_is_found_by_its_label() {
    let bench = bench();
    bench.ok("PATH=$PATH:/sbin:/usr/sbin; mke2fs -q -L mtdlabel /dev/mtdblock3 >/dev/null 2>&1; e2fsck -fn /dev/mtdblock3 >/dev/null 2>&1");
    let told = bench.ok(
        "PATH=$PATH:/sbin:/usr/sbin blkid -c /dev/null -o value -s LABEL -s TYPE /dev/mtdblock3",
    );
    assert_eq!(told, "mtdlabel\next2\n");
    assert_eq!(
        bench.ok("PATH=$PATH:/sbin:/usr/sbin BLKID_FILE=/dev/null findfs LABEL=mtdlabel"),
        "/dev/mtdblock3\n"
    );
}

/// A program that opens a block node for itself has it for itself.
#[test]
#[ignore = "needs python3"]
fn an_exclusive_open_claims_a_block_node() {
    let bench = bench();
    std::fs::write(
        bench.file("script.py"),
        "
import os
a = os.open('/dev/mtdblock3', os.O_RDONLY | os.O_EXCL)
b = os.open('/dev/mtdblock3', os.O_RDONLY)
try: os.open('/dev/mtdblock3', os.O_RDWR | os.O_EXCL)
except OSError as e: print(e.errno)
os.close(os.open('/dev/mtd3', os.O_RDONLY | os.O_EXCL))
os.close(os.open('/dev/mtdblock2', os.O_RDONLY | os.O_EXCL))
os.close(a)
print(os.open('/dev/mtdblock3', os.O_RDONLY | os.O_EXCL) > 0)
",
    )
    .unwrap();
    assert_eq!(bench.ok("python3 script.py"), "16\nTrue\n");
}

/// What a node's descriptor refuses, in the order of Linux.
#[test]
#[ignore = "needs python3"]
fn descriptors_refuse_what_no_node_does() {
    let bench = bench();
    std::fs::write(
        bench.file("script.py"),
        "
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_long
libc.mmap.argtypes = [ctypes.c_long, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
def mmap(fd, flags):
    ctypes.set_errno(0); libc.mmap(0, 4096, 1, flags, fd, 0); return ctypes.get_errno()
def sendfile(to, of):
    try: return os.sendfile(to, of, 0, 512)
    except OSError as e: return e.errno
block, character = os.open('/dev/mtdblock3', os.O_RDONLY), os.open('/dev/mtd3', os.O_RDONLY)
text = os.open('/etc/passwd', os.O_RDONLY)
print(mmap(block, 0), mmap(block, 0x80003), mmap(block, 1), mmap(character, 1), mmap(character, 0))
print(sendfile(block, text), sendfile(character, text))
print(sendfile(os.open('/dev/mtd7', os.O_WRONLY), text))
import fcntl, struct
def ioctl(fd, command):
    try: return struct.unpack('i', fcntl.ioctl(fd, command, bytes(64))[:4])[0]
    except OSError as e: return -e.errno
print([ioctl(fd, command) for fd in (block, character) for command in (2, 0xc020660b, 0x5460)])
",
    )
    .unwrap();
    assert_eq!(
        bench.ok("python3 script.py"),
        "22 95 0 19 22\n9 9\n22\n[4096, -95, -25, 4096, -95, -25]\n"
    );
}

/// Who gave up his privileges handles mapped files with what is left.
#[test]
#[ignore = "needs root"]
fn a_sandbox_run_by_root_knows_who_asks() {
    let bench = bench_with(|builder| builder);
    bench.ok("echo secret > /var/wwwroot/secret && chmod 600 /var/wwwroot/secret && chmod 777 /var/wwwroot && mkdir -m 700 /var/wwwroot/closed && echo x > /var/wwwroot/closed/x");
    let nobody = "cd / && setpriv --reuid=65534 --regid=65534 --clear-groups";
    for line in [
        "cat /var/wwwroot/secret",
        "sh -c 'echo x > /var/wwwroot/secret'",
        "chmod 666 /var/wwwroot/secret",
        "stat /var/wwwroot/closed/x",
        "truncate -s 0 /var/wwwroot/secret",
        "touch /var/wwwroot/closed/y",
        "test -r /var/wwwroot/secret",
        "ln /var/wwwroot/closed/x /var/wwwroot/l",
        "mv /var/wwwroot/closed/x /var/wwwroot/m",
        "mknod /var/wwwroot/closed/n c 90 2",
    ] {
        bench.fails(&format!("{nobody} {line}"));
    }
    assert_eq!(
        bench.ok(&format!("{nobody} sh -c 'umask 027; echo mine > /var/wwwroot/mine'; stat -c '%u:%g %a' /var/wwwroot/mine; cat /var/wwwroot/secret")),
        "65534:65534 640\nsecret\n"
    );
}

/// What cannot be looked into sees no node, and is named.
#[test]
#[ignore = "needs python3 and an ordinary user"]
fn an_undumpable_program_of_an_ordinary_user_is_named() {
    let bench = bench();
    let outcome = bench.sh("python3 -c 'import ctypes, os; ctypes.CDLL(None).prctl(4, 0); print(os.path.exists(\"/dev/mtd0\"))'");
    assert_eq!(text(&outcome.stdout), "False\n");
    assert!(
        outcome
            .warnings
            .iter()
            .any(|line| line.contains("python3") && line.contains("looked into")),
        "{:?}",
        outcome.warnings
    );
}

/// A single name of nothing of ours is the kernel's business unless it is a link: the
/// nodes and texts that it may lead to are not there for the kernel.
#[rstest]
#[case::in_a_mapped_folder("/var/wwwroot")]
#[case::in_a_folder_of_the_hosts("$there")]
fn a_name_in_the_working_directory_may_be_a_link_to_something_of_ours(#[case] folder: &str) {
    let bench = bench();
    let there = tempfile::tempdir().unwrap();
    let line = format!(
        "there={}; cd {folder} && ln -s /dev/mtd0 node && ln -s node other &&
         ln -s /proc/mtd text && ln -s nothing dangling && printf x > plain &&
         stat -L -c %F node other text plain && test -r text && head -c 5 text &&
         cmp node /dev/mtd0 && test -w other && ! test -x other &&
         ! test -e dangling && ! cat dangling 2> /dev/null && cat plain",
        there.path().display()
    );
    assert_eq!(
        bench.ok(&line),
        "character special file\ncharacter special file\nregular empty file\n\
         regular file\ndev: x"
    );
}
