//! What serving costs: memory and descriptors.

use super::client::{Client, TOKEN};
use super::support::Serving;
use std::io::Write as _;
use std::time::Duration;

/// A server over a simulated device of two partitions.
struct Process {
    serving: Serving,
    _table: tempfile::NamedTempFile,
}

impl Process {
    fn start(megabytes: u64) -> Self {
        let mut table = tempfile::NamedTempFile::new().unwrap();
        let half = (megabytes << 20) / 2;
        let text = format!(
            "dev:    size   erasesize  name\nmtd0: {half:08x} 00020000 \"a\"\nmtd1: {half:08x} 00020000 \"b\"\n"
        );
        table.write_all(text.as_bytes()).unwrap();
        let simulate = format!("--simulate={}", table.path().display());
        Self {
            serving: Serving::start(&[&simulate]),
            _table: table,
        }
    }

    /// Takes the tar by so many clients at once; how many bytes each got.
    fn take(&self, clients: usize) -> Vec<u64> {
        let mut all: Vec<Client> = (0..clients)
            .map(|_| Client::connect(self.serving.address).unwrap())
            .collect();
        let ask = format!("GET /{TOKEN}/backup.tar HTTP/1.0\r\n\r\n");
        // All have asked before the first gets all of it.
        for client in &mut all {
            client
                .stream
                .set_read_timeout(Some(Duration::from_secs(300)))
                .unwrap();
            client.stream.write_all(ask.as_bytes()).unwrap();
        }
        let take = |mut client: Client| {
            std::thread::spawn(move || std::io::copy(&mut client.stream, &mut std::io::sink()))
        };
        let taken: Vec<_> = all.into_iter().map(take).collect();
        taken
            .into_iter()
            .map(|one| one.join().unwrap().unwrap())
            .collect()
    }

    /// The most that it had in memory so far, in KiB.
    fn peak(&self) -> u64 {
        let status = format!("/proc/{}/status", self.serving.id());
        let status = std::fs::read_to_string(status).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak.unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap()
    }

    fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.serving.id());
        std::fs::read_dir(folder).unwrap().count()
    }
}

/// The peak does not follow the flash: 16 MiB and 256.
#[test]
fn memory_does_not_grow_with_the_flash() {
    let peaks = [16, 256].map(|megabytes| {
        let process = Process::start(megabytes);
        assert!(process.take(1)[0] > megabytes << 20);
        process.peak()
    });
    assert!(peaks[1] < peaks[0] + 8192, "{peaks:?} KiB");
}

/// Nor with what sixty-four clients take at once, an erase block of memory each; and
/// when they have gone, nothing of them is left.
#[test]
fn sixty_four_clients_cost_a_block_each_and_leave_nothing() {
    let peaks = [1, 4].map(|megabytes| {
        let process = Process::start(megabytes);
        process.take(1);
        let (peak, open) = (process.peak(), process.descriptors());
        assert!(
            process
                .take(64)
                .iter()
                .all(|bytes| *bytes > megabytes << 20)
        );
        let began = std::time::Instant::now();
        while process.descriptors() > open {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "descriptors leak"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        println!(
            "{megabytes} MiB: {peak} KiB by one client, {} by 64",
            process.peak()
        );
        // A buffer of 128 KiB for each, and as much again for what the allocator keeps.
        assert!(
            process.peak() < peak + 64 * 256,
            "{peak}, then {}",
            process.peak()
        );
        process.peak()
    });
    assert!(peaks[1] < peaks[0] + 8192, "{peaks:?} KiB");
}
