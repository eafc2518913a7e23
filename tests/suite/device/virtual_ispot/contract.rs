//! The contract of the MTD traits on Linux itself: the suite as a program for the device,
//! of which the guest runs that test.

use super::{SYSTEM, assert_chip_untouched, run, virtual_ispot};

/// Names this suite, built for the device's machine.
const SUITE: &str = "MTDKEEP_DEVICE_SUITE";
const TEST: &str = "backend::contract::real::linux_itself_keeps_the_contract";

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn linux_itself_keeps_the_contract() {
    let path = std::env::var_os(SUITE).expect("MTDKEEP_DEVICE_SUITE names the program");
    let suite = std::fs::read(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let mut ispot = virtual_ispot().put("/bin/suite", suite, 0o755).unwrap();
    let steps = run(
        &mut ispot,
        &format!(
            "mkdir /hidden; mknod /hidden/mtd10 c 90 21
export MTDKEEP_CONTRACT_MAY_WRITE=/hidden
step suite suite --ignored --exact --nocapture --test-threads 1 {TEST}"
        ),
    );
    let suite = steps.step("suite");
    assert_eq!(suite.status, 0, "{suite:#?}");
    suite.says(&["1 passed; 0 failed"]);
    assert_chip_untouched(&ispot, &[SYSTEM]);
}
