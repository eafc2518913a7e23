//! The file systems: two versions of the firmware, and the settings.
//!
//! The files are of our own invention; their number, sizes and kinds are those
//! of a small ARM device of 2010 with BusyBox and a web server.

use super::super::noise::{Look, Noise, NoiseFile};
use super::boot::mac_address;
use crate::format::jffs2::{BuildError, Builder, Data, DeviceClass, Image};
use crate::layout::Layout;
use std::sync::Arc;

/// ELF, 32 bits, little-endian, ARM: a program, and a shared object.
const PROGRAM: &[u8] = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x28\0\x01\0\0\0";
const LIBRARY: &[u8] = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x28\0\x01\0\0\0";
const MODULE: &[u8] = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x01\0\x28\0\x01\0\0\0";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

/// When the two firmware versions were made, and the settings last written.
const TIMES: [u32; 3] = [1_281_000_000, 1_290_000_000, 1_295_000_000];

const DIRECTORIES: [&str; 18] = [
    "bin",
    "dev",
    "etc",
    "etc/init.d",
    "lib",
    "lib/firmware",
    "lib/modules",
    "mnt",
    "proc",
    "root",
    "sbin",
    "sys",
    "tmp",
    "usr",
    "usr/bin",
    "usr/sbin",
    "var",
    "var/wwwroot",
];

/// Path, permissions, first bytes, what follows, length in the first version.
const BINARIES: [(&str, u32, &[u8], Look, u32); 27] = [
    ("bin/busybox", 0o755, PROGRAM, Look::Code, 612_344),
    (
        "lib/ld-uClibc-0.9.30.so",
        0o755,
        LIBRARY,
        Look::Code,
        24_420,
    ),
    (
        "lib/libuClibc-0.9.30.so",
        0o755,
        LIBRARY,
        Look::Code,
        398_212,
    ),
    ("lib/libcrypt-0.9.30.so", 0o755, LIBRARY, Look::Code, 12_988),
    ("lib/libm-0.9.30.so", 0o755, LIBRARY, Look::Code, 71_440),
    (
        "lib/libpthread-0.9.30.so",
        0o755,
        LIBRARY,
        Look::Code,
        84_112,
    ),
    (
        "lib/libcrypto.so.0.9.8",
        0o755,
        LIBRARY,
        Look::Code,
        1_104_672,
    ),
    ("lib/libssl.so.0.9.8", 0o755, LIBRARY, Look::Code, 231_580),
    (
        "lib/firmware/wimax.bin",
        0o644,
        b"",
        Look::Compressed,
        561_152,
    ),
    (
        "lib/firmware/wlan.bin",
        0o644,
        b"",
        Look::Compressed,
        118_784,
    ),
    ("lib/modules/wimax.ko", 0o644, MODULE, Look::Code, 167_320),
    ("lib/modules/wlan.ko", 0o644, MODULE, Look::Code, 442_608),
    ("lib/modules/usbnet.ko", 0o644, MODULE, Look::Code, 18_204),
    ("lib/modules/nat.ko", 0o644, MODULE, Look::Code, 38_916),
    ("usr/bin/update", 0o755, PROGRAM, Look::Code, 54_208),
    ("usr/sbin/dnsmasq", 0o755, PROGRAM, Look::Code, 128_764),
    ("usr/sbin/hostapd", 0o755, PROGRAM, Look::Code, 262_248),
    ("usr/sbin/httpd", 0o755, PROGRAM, Look::Code, 176_540),
    ("usr/sbin/iptables", 0o755, PROGRAM, Look::Code, 91_336),
    ("usr/sbin/wimaxd", 0o755, PROGRAM, Look::Code, 388_820),
    ("usr/sbin/ntpclient", 0o755, PROGRAM, Look::Code, 13_376),
    ("var/wwwroot/logo.png", 0o644, PNG, Look::Compressed, 9_310),
    (
        "var/wwwroot/battery.png",
        0o644,
        PNG,
        Look::Compressed,
        3_018,
    ),
    (
        "var/wwwroot/signal.png",
        0o644,
        PNG,
        Look::Compressed,
        4_417,
    ),
    ("var/wwwroot/help.png", 0o644, PNG, Look::Compressed, 35_210),
    ("var/wwwroot/setup.cgi", 0o755, PROGRAM, Look::Code, 62_712),
    ("var/wwwroot/status.cgi", 0o755, PROGRAM, Look::Code, 48_540),
];

const LINKS: [(&str, &str); 14] = [
    ("bin/ash", "busybox"),
    ("bin/cat", "busybox"),
    ("bin/dd", "busybox"),
    ("bin/ls", "busybox"),
    ("bin/mknod", "busybox"),
    ("bin/sh", "busybox"),
    ("lib/ld-uClibc.so.0", "ld-uClibc-0.9.30.so"),
    ("lib/libc.so.0", "libuClibc-0.9.30.so"),
    ("lib/libcrypt.so.0", "libcrypt-0.9.30.so"),
    ("lib/libm.so.0", "libm-0.9.30.so"),
    ("lib/libpthread.so.0", "libpthread-0.9.30.so"),
    ("sbin/ifconfig", "../bin/busybox"),
    ("sbin/init", "../bin/busybox"),
    ("etc/mtab", "../proc/mounts"),
];

const TEXTS: [(&str, u32, &str); 7] = [
    (
        "etc/fstab",
        0o644,
        "proc /proc proc defaults 0 0\n/dev/mtdblock4 /mnt jffs2 defaults 0 0\nnone /tmp tmpfs size=4m 0 0\n",
    ),
    ("etc/group", 0o644, "root:x:0:\nnobody:x:99:\n"),
    (
        "etc/hosts",
        0o644,
        "127.0.0.1 localhost\n192.168.1.1 ispot\n",
    ),
    (
        "etc/inittab",
        0o644,
        "::sysinit:/etc/init.d/rcS\nttyS0::respawn:/bin/sh\n::ctrlaltdel:/bin/umount -a -r\n",
    ),
    (
        "etc/init.d/rcS",
        0o755,
        "#!/bin/sh\nmount -a\ninsmod /lib/modules/wlan.ko\ninsmod /lib/modules/wimax.ko\nifconfig br0 192.168.1.1 up\n/usr/sbin/dnsmasq\n/usr/sbin/hostapd /mnt/wlan.conf &\n/usr/sbin/wimaxd /mnt/wimax.conf &\n/usr/sbin/httpd -h /var/wwwroot\n",
    ),
    (
        "etc/passwd",
        0o644,
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:99:99::/:/bin/false\n",
    ),
    (
        "var/wwwroot/index.html",
        0o644,
        "<html><head><title>iSpot</title></head><body><h1>iSpot</h1><p><img src=\"signal.png\"> <img src=\"battery.png\"></p><p><a href=\"status.cgi\">Status</a> <a href=\"setup.cgi\">Setup</a></p></body></html>\n",
    ),
];

/// The root file system of firmware image 1 or 2.
pub(super) fn rootfs(seed: u64, image: u8) -> Image {
    let mut files = Builder::new(TIMES[usize::from(image) - 1]);
    fill_rootfs(&mut files, seed, image)
        .and_then(|()| build(files, "rootfs"))
        .expect("the tables above make a tree that fits")
}

fn fill_rootfs(files: &mut Builder, seed: u64, image: u8) -> Result<(), BuildError> {
    for path in DIRECTORIES {
        let mode = if path == "tmp" { 0o1777 } else { 0o755 };
        files.directory(path, mode)?;
    }
    device_nodes(files)?;
    for (path, mode, text) in TEXTS {
        files.file(path, mode, text)?;
    }
    let version = format!("IMW-C615W 1.{}.0\n", u32::from(image) + 2);
    files.file("etc/version", 0o644, version)?;
    for (path, target) in LINKS {
        files.symlink(path, target)?;
    }
    for (path, mode, head, look, length) in BINARIES {
        let noise = Noise::new(seed, &format!("{path} {image}"), look);
        // The second version has grown by a percent; a device of another seed
        // has another build.
        let spread = (seed % 251) as u32 * 4;
        let length_bytes = length + length / 100 * u32::from(image - 1) + spread;
        let data = NoiseFile {
            head,
            noise,
            length_bytes,
        };
        files.file(path, mode, Data::Source(Arc::new(data)))?;
    }
    // A file that was written in advance and never filled.
    files.file("root/swap", 0o600, Data::Zeros(65_536))?;
    Ok(())
}

fn device_nodes(files: &mut Builder) -> Result<(), BuildError> {
    use DeviceClass::{Block, Character};
    for (name, class, major, minor) in [
        ("console", Character, 5, 1),
        ("null", Character, 1, 3),
        ("ttyS0", Character, 4, 64),
        ("zero", Character, 1, 5),
    ] {
        files.device(&format!("dev/{name}"), 0o600, class, major, minor)?;
    }
    // mtd10 has none, which is why a script that asks for nodes leaves it out.
    for index in 0..10 {
        files.device(&format!("dev/mtd{index}"), 0o600, Character, 90, 2 * index)?;
        files.device(&format!("dev/mtdblock{index}"), 0o600, Block, 31, index)?;
    }
    Ok(())
}

/// The settings, which outlive a firmware update.
pub(super) fn system(seed: u64) -> Image {
    let mut files = Builder::new(TIMES[2]);
    fill_system(&mut files, seed)
        .and_then(|()| build(files, "system"))
        .expect("the lines above make a tree that fits")
}

fn fill_system(files: &mut Builder, seed: u64) -> Result<(), BuildError> {
    let mac = mac_address(seed)
        .map(|byte| format!("{byte:02x}"))
        .join(":");
    let wlan = |channel| {
        format!(
            "interface=wlan0\nssid=ispot-{}\nchannel={channel}\nwpa=2\nwpa_passphrase=simulated\n",
            &mac[12..]
        )
    };
    files.rewritten_file("wlan.conf", 0o600, wlan(1), wlan(11))?;
    files.file(
        "wimax.conf",
        0o600,
        format!("mac={mac}\nnap=000002\nmode=auto\n"),
    )?;
    files.rewritten_file("boot", 0o644, "image=1\n", "image=2\n")?;
    files.directory("cert", 0o700)?;
    files.directory("log", 0o755)?;
    for (path, length_bytes) in [
        ("cert/device.der", 1214),
        ("cert/root.der", 968),
        ("log/wimax.dat", 412_760),
    ] {
        let noise = Noise::new(seed, path, Look::Compressed);
        let data = NoiseFile {
            head: b"",
            noise,
            length_bytes,
        };
        files.file(path, 0o600, Data::Source(Arc::new(data)))?;
    }
    Ok(())
}

fn build(files: Builder, partition: &str) -> Result<Image, BuildError> {
    let layout = Layout::ispot();
    let (chip, partition) = layout.partition(partition).expect("one of the eleven");
    let erase_block_bytes = layout.chips[chip].geometry.erase_block_bytes;
    let erase_blocks = partition.size_bytes / u64::from(erase_block_bytes);
    files.build(erase_block_bytes, erase_blocks as usize)
}
