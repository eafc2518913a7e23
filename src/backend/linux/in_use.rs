//! Who else works on an MTD device: what the kernel has mounted or attached, and what
//! other processes have open.
//!
//! Invariant: nothing is opened but texts below `proc` and `sys`; whatever cannot be
//! read tells nothing.
//!
//! Faults tolerated: no `proc`, a process that ends meanwhile or is somebody else's, the
//! names of a kernel's early mounts (`/dev/root`), which tell no number.

use super::super::open_device::uninterrupted;
use super::discover;
use super::root::Root;
use crate::mtd::{InUse, MTD_BLOCK_MAJOR, MTD_CHAR_MAJOR, MtdIndex, MtdInfo, mount};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};

/// All that is seen of these devices.
pub(super) fn find(root: &Root, devices: &[MtdInfo]) -> Vec<InUse> {
    let mut found = Vec::new();
    mounts(root, devices, &mut found);
    numbers(root, &mut found);
    attached(root, &mut found);
    processes(root, &mut found);
    found
}

fn mounts(root: &Root, devices: &[MtdInfo], found: &mut Vec<InUse>) {
    for line in discover::text(root, "proc/mounts")
        .unwrap_or_default()
        .lines()
    {
        let mut words = line.split(' ');
        let (Some(source), Some(place), Some(kind)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let index = mount::of_source(source, devices).or_else(|| {
            // The root file system's source is a word; its number tells.
            let is_node = source.starts_with('/');
            is_node.then(|| by_number(root, place))?
        });
        if let Some(index) = index {
            let how = format!("mounted at {place} ({kind})");
            found.push(InUse { index, how });
        }
    }
}

/// What is mounted by the file system's own number, whatever its source is called and
/// whatever is mounted over it: known since Linux 2.6.26.
fn numbers(root: &Root, found: &mut Vec<InUse>) {
    let table = discover::text(root, "proc/self/mountinfo").unwrap_or_default();
    for line in table.lines() {
        let mut words = line.split(' ').skip(2);
        let (number, place) = (words.next(), words.nth(1));
        let minor = number.and_then(|number| number.split_once(':'));
        let minor = minor.filter(|(major, _)| major.parse() == Ok(MTD_BLOCK_MAJOR));
        if let Some(index) = minor.and_then(|(_, minor)| minor.parse().ok()) {
            let how = format!("mounted at {}", place.unwrap_or("?"));
            let index = MtdIndex(index);
            found.push(InUse { index, how });
        }
    }
}

/// The device whose file system is mounted there.
fn by_number(root: &Root, place: &str) -> Option<MtdIndex> {
    let path = root.resolve(place).ok()?;
    let number = uninterrupted(|| rustix::fs::stat(&path)).ok()?.st_dev;
    (rustix::fs::major(number) == MTD_BLOCK_MAJOR).then(|| MtdIndex(rustix::fs::minor(number)))
}

/// What UBI has attached.
fn attached(root: &Root, found: &mut Vec<InUse>) {
    for name in names(root, "sys/class/ubi") {
        let number = discover::text(root, &format!("sys/class/ubi/{name}/mtd_num"));
        if let Some(index) = number.and_then(|number| number.trim().parse().ok()) {
            let how = format!("attached as {name}");
            let index = MtdIndex(index);
            found.push(InUse { index, how });
        }
    }
}

fn processes(root: &Root, found: &mut Vec<InUse>) {
    let own = std::process::id();
    for process in names(root, "proc") {
        let Some(number) = process.parse::<u32>().ok().filter(|number| *number != own) else {
            continue;
        };
        let Some(mut folder) = folder(root, &format!("proc/{process}/fd")) else {
            continue;
        };
        for descriptor in names_in(&mut folder) {
            let stat = || rustix::fs::statat(folder.fd()?, &descriptor, AtFlags::empty());
            let Ok(stat) = uninterrupted(stat) else {
                continue;
            };
            let (major, minor) = (
                rustix::fs::major(stat.st_rdev),
                rustix::fs::minor(stat.st_rdev),
            );
            let index = match (FileType::from_raw_mode(stat.st_mode), major) {
                (FileType::CharacterDevice, MTD_CHAR_MAJOR) => minor / 2,
                (FileType::BlockDevice, MTD_BLOCK_MAJOR) => minor,
                _ => continue,
            };
            let how = format!("open in process {number}");
            let index = MtdIndex(index);
            found.push(InUse { index, how });
        }
    }
}

/// The names in a folder; none where it cannot be read.
fn names(root: &Root, path: &str) -> Vec<String> {
    let folder = folder(root, path);
    folder.map_or_else(Vec::new, |mut folder| names_in(&mut folder))
}

fn folder(root: &Root, path: &str) -> Option<Dir> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let path = root.resolve(path).ok()?;
    let handle = uninterrupted(|| rustix::fs::open(&path, flags, Mode::empty())).ok()?;
    Dir::new(handle).ok()
}

fn names_in(entries: &mut Dir) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(Ok(entry)) = entries.read() {
        if let Ok(name) = entry.file_name().to_str() {
            names.push(name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_tree_tells() {
        let tree = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = tree.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(
            "proc/mounts",
            "rootfs / rootfs rw 0 0\n/dev/root / jffs2 rw 0 0\n\
             /dev/mtdblock4 /etc/config jffs2 rw 0 0\nbroken\n",
        );
        write(
            "proc/self/mountinfo",
            "15 1 31:3 / /rom ro,relatime - squashfs /tmp/any ro\n\
             16 1 0:3 / /proc rw - proc proc rw\nbroken\n20 1 31:x / / rw\n",
        );
        write("sys/class/ubi/ubi0/mtd_num", "6\n");
        write("sys/class/ubi/version", "1\n");
        let found = find(&Root::new(Some(tree.path().into())), &[]);
        let found: Vec<_> = found
            .iter()
            .map(|use_| (use_.index.0, &*use_.how))
            .collect();
        let expected = [
            (4, "mounted at /etc/config (jffs2)"),
            (3, "mounted at /rom"),
            (6, "attached as ubi0"),
        ];
        assert_eq!(found, expected);
    }
}
