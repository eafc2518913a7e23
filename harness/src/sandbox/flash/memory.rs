//! How much memory there is left: on the machine, and in the control groups
//! around this process.

use crate::sandbox::kernel::sys;
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes that can still be had; none where nothing tells.
pub(in crate::sandbox) fn available_bytes() -> Option<u64> {
    let machine = sys::text(c"/proc/meminfo").ok();
    let machine = machine.and_then(|text| of_machine(&text));
    let groups = sys::text(c"/proc/self/cgroup").unwrap_or_default();
    let groups = folders(&groups).into_iter();
    let left = groups.flat_map(|(folder, files)| of_group(&folder, files));
    machine.into_iter().chain(left).min()
}

/// MemAvailable of /proc/meminfo.
fn of_machine(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib = line.trim().strip_suffix("kB")?.trim();
    kib.parse::<u64>().ok()?.checked_mul(1024)
}

/// What a version of control groups calls its files: limit and use.
type Files = [&'static str; 2];
const VERSION_1: Files = ["memory.limit_in_bytes", "memory.usage_in_bytes"];
const VERSION_2: Files = ["memory.max", "memory.current"];

/// The groups that limit memory, by /proc/self/cgroup.
fn folders(text: &str) -> Vec<(PathBuf, Files)> {
    let group = |line: &str| {
        let (_, line) = line.split_once(':')?;
        let (controllers, path) = line.split_once(':')?;
        let (root, files) = match controllers {
            "" => ("/sys/fs/cgroup", VERSION_2),
            _ if controllers.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", VERSION_1)
            }
            _ => return None,
        };
        Some((Path::new(root).join(path.trim_start_matches('/')), files))
    };
    text.lines().filter_map(group).collect()
}

/// What is left in a group and in each one above it.
fn of_group(folder: &Path, [limit, usage]: Files) -> Vec<u64> {
    let number = |folder: &Path, file: &str| {
        let text = fs::read_to_string(folder.join(file)).ok()?;
        text.trim().parse::<u64>().ok()
    };
    let above = folder.ancestors();
    let above = above.take_while(|folder| folder.starts_with("/sys/fs/cgroup"));
    let left = above.filter_map(|folder| {
        let (limit, used) = (number(folder, limit)?, number(folder, usage)?);
        // Files that were only read give way.
        Some(limit.saturating_sub(used.saturating_sub(reclaimable(folder))))
    });
    left.collect()
}

fn reclaimable(folder: &Path) -> u64 {
    let text = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let line = lines.find(|(name, _)| matches!(*name, "inactive_file" | "total_inactive_file"));
    line.and_then(|(_, bytes)| bytes.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_memory_is_read_in_kib() {
        let text = "MemTotal:       24683520 kB\nMemAvailable:   24094720 kB\n";
        assert_eq!(of_machine(text), Some(24_094_720 * 1024));
        assert_eq!(of_machine("MemTotal: 1 kB\n"), None);
    }

    #[test]
    fn groups_of_both_versions_are_found() {
        let text = "12:cpu,memory:/docker/x\n3:pids:/docker/x\n0::/user.slice\n";
        let expected = [
            (PathBuf::from("/sys/fs/cgroup/memory/docker/x"), VERSION_1),
            (PathBuf::from("/sys/fs/cgroup/user.slice"), VERSION_2),
        ];
        assert_eq!(folders(text), expected);
    }

    #[test]
    fn the_least_of_a_group_and_those_above_counts() {
        let top = tempfile::tempdir().unwrap();
        let inner = top.path().join("a");
        fs::create_dir(&inner).unwrap();
        for (folder, limit, used) in [(top.path(), "1000", "900"), (&inner, "max", "10")] {
            fs::write(folder.join("memory.max"), limit).unwrap();
            fs::write(folder.join("memory.current"), used).unwrap();
        }
        fs::write(top.path().join("memory.stat"), "anon 5\ninactive_file 50\n").unwrap();
        let left = |folder: &Path| {
            let [limit, usage] = VERSION_2;
            let number = |file| fs::read_to_string(folder.join(file)).unwrap();
            (number(limit), number(usage), reclaimable(folder))
        };
        assert_eq!(left(top.path()), ("1000".into(), "900".into(), 50));
        assert_eq!(left(&inner).2, 0);
    }
}
