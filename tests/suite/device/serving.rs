//! The device's own program, as ARM code under QEMU user mode, serves its flash: nodes and
//! `/proc/mtd` are the sandbox's, the network is this machine's. The virtual iSpot has no
//! network.

use crate::cli::support::{program, text};
use crate::fetch::support::{TABLE, assert_good};
use crate::serve::support::address_told;
use std::fs;
use std::io::BufReader;
use std::path::Path;
use std::process::{Child, Stdio};

/// Ends with the test.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program over the table's flash; the address that it tells.
fn served(folder: &Path) -> (Served, String) {
    let device = std::env::var("MTDKEEP_DEVICE_BINARY").expect("it names the device's program");
    fs::write(folder.join("table"), TABLE).unwrap();
    let mut child = program()
        .args(["sandbox", "-q", "--simulate=table", "--"])
        .args(["qemu-arm-static", "-cpu", "arm926", "-r", "2.6.24", &device])
        .args(["serve", "--listen", "127.0.0.1:0", "--once"])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let address = address_told(&mut said);
    // It goes on to speak.
    std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
    (Served(child), address)
}

/// Everything is fetched, each image against the digest that the device made as it sent
/// it and against the flash; then the device's program ends, as `--once` says.
#[test]
#[ignore = "needs qemu-user-static, and MTDKEEP_DEVICE_BINARY to name tools/device-build's program"]
fn the_devices_program_serves_its_flash() {
    let outer = tempfile::tempdir().unwrap();
    let (mut served, address) = served(outer.path());
    let folder = outer.path().join("b");
    let fetched = program().arg("fetch").arg(&address).arg(&folder).output();
    let fetched = fetched.unwrap();
    assert_eq!(fetched.status.code(), Some(0), "{fetched:?}");
    assert_eq!(text(&fetched.stderr).lines().count(), 1, "{fetched:?}");
    let layout = mtd_harness::layout::Layout::from_proc_mtd(TABLE).unwrap();
    let device = mtd_harness::profile::from_layout(&layout, 1);
    for mtd in 0..3 {
        let image = fs::read(folder.join(format!("mtd{mtd}.bin"))).unwrap();
        assert!(image == device.partition_bytes(mtd), "mtd{mtd}");
    }
    assert_good(&folder);
    assert_eq!(served.0.wait().unwrap().code(), Some(0));
}

/// The tar in one piece, as a PC without this program has it.
#[test]
#[ignore = "needs qemu-user-static, and MTDKEEP_DEVICE_BINARY to name tools/device-build's program"]
fn the_devices_program_serves_a_tar() {
    let outer = tempfile::tempdir().unwrap();
    let (mut served, address) = served(outer.path());
    let address = address.strip_prefix("http://").unwrap();
    let (place, path) = address.split_once('/').unwrap();
    let mut client = crate::serve::client::Client::connect(place.parse().unwrap()).unwrap();
    let ask = format!("GET /{path}backup.tar HTTP/1.1\r\nHost: {place}\r\n\r\n");
    let answer = client.ask(&ask).unwrap();
    drop(client);
    fs::write(outer.path().join("backup.tar"), &answer.body).unwrap();
    assert_eq!(served.0.wait().unwrap().code(), Some(0));
    let status = program()
        .args(["verify", "-q"])
        .arg(outer.path().join("backup.tar"))
        .status();
    assert_eq!(status.unwrap().code(), Some(0));
}
