//! The examples that people copy from do what they say.

#[allow(dead_code)] // its main
#[path = "../../examples/back_up.rs"]
mod back_up;
#[allow(dead_code)] // its main
#[path = "../../examples/harness_in_a_test.rs"]
mod harness_in_a_test;
#[allow(dead_code)] // its main
#[path = "../../examples/own_backend.rs"]
mod own_backend;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[allow(dead_code)] // its main
#[path = "../../examples/sandbox_in_a_test.rs"]
mod sandbox_in_a_test;

use mtd_harness::profile;
use mtd_harness::tree::TreeBuilder;

#[test]
fn backing_up_a_tree_proves_each_partition() {
    let device = profile::ispot(3);
    let tree = TreeBuilder::default().all_nodes().build(&device).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let said = back_up::run(
        &folder.path().join("backup"),
        Some(tree.root().to_path_buf()),
    )
    .unwrap();
    assert!(said.contains("compared with the flash"), "{said}");
}

#[test]
fn a_backend_of_ones_own_is_backed_up_to_the_byte() {
    let device = profile::ispot(3);
    let dump = own_backend::Dump::new(device.chip_bytes(0), &device.system.proc_mtd()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("backup");
    assert_eq!(own_backend::run(dump, &folder).unwrap(), 11);
    for index in 0..11 {
        let image = std::fs::read(folder.join(format!("mtd{index}.bin"))).unwrap();
        assert!(image == device.partition_bytes(index), "mtd{index}");
    }
}

#[test]
fn the_harness_serves_a_test() {
    harness_in_a_test::run().unwrap();
}

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[test]
fn the_sandbox_serves_a_test() {
    sandbox_in_a_test::run().unwrap();
}
