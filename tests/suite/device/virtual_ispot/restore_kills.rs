//! The board loses its power while the device's program restores, and the same program
//! goes on at the next start, which is cut off as well, until one comes to its end.
//!
//! The old bytes are kept where the device itself can keep something: in a JFFS2 on
//! `rootfs_2`, beside the backup, in the same chip. So all that outlives a cut is the
//! chip, and each cut is a real kill of the emulator; nothing is looked at before.
//!
//! Invariant: whenever the emulator was killed, what is claimed must hold; how fast the
//! machine is decides only where the cuts fall.

use super::{ROOTFS_2, SEED, SYSTEM, device, virtual_ispot};
use mtd_virtual_device::{Cut, Error, VirtualDevice};
use rand::{Rng, RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use sha2::{Digest, Sha256};
use std::ops::Range;
use std::time::Duration;

const BLOCK_BYTES: usize = 0x2_0000;
/// What is restored: the boot loader, the settings, a version counter.
const REDBOOT: Range<usize> = 0..0x4_0000;
const VER_2: Range<usize> = 0xFC_0000..0xFE_0000;
const WANTED: &str = "-p RedBoot -p system -p ver_2";
/// How the guest says that (c) is broken, and that something is left in the end.
const NOT_KEPT: i32 = 77;
const LEFT: i32 = 78;
const MOUNT: &str = "mount -t jffs2 /dev/mtdblock6 /mnt || exit 9";

/// How many cuts are wanted: `MTDKEEP_KILLS`, or few.
fn wanted_kills() -> usize {
    let told = std::env::var("MTDKEEP_KILLS").ok();
    told.map_or(8, |text| text.parse().expect("MTDKEEP_KILLS is a number"))
}

/// The erase blocks of the plan, by where they start.
fn planned() -> impl Iterator<Item = Range<usize>> {
    let parts = [REDBOOT, SYSTEM, VER_2].into_iter();
    parts.flat_map(|part| {
        part.step_by(BLOCK_BYTES)
            .map(|start| start..start + BLOCK_BYTES)
    })
}

/// The name under which an erase block's old bytes are kept.
fn file_name(start: usize) -> String {
    let (mtd, part) = match start {
        start if SYSTEM.contains(&start) => (4, SYSTEM),
        start if VER_2.contains(&start) => (8, VER_2),
        _ => (0, REDBOOT),
    };
    format!("mtd{mtd}-{:#x}.old", start - part.start)
}

/// What an erase block holds instead of what it should, in one of the ways in which
/// flash is found.
fn damaged(wanted: &[u8], chance: &mut Xoshiro256PlusPlus) -> Vec<u8> {
    let mut any = vec![0; wanted.len()];
    chance.fill_bytes(&mut any);
    let half = any.len() / 2;
    match chance.random_range(0..6) {
        0 => vec![0xFF; any.len()],
        // No bit has to be set.
        1 => wanted.iter().zip(&any).map(|(a, b)| a | b).collect(),
        // An erase that was cut off: old bytes, then 0.
        2 => [&any[..half], &vec![0; half]].concat(),
        3 => {
            let mut bytes = wanted.to_vec();
            bytes[half] ^= 0xFF;
            bytes
        }
        _ => any,
    }
}

/// A device that is damaged, and what is known of it.
struct Damaged {
    ispot: VirtualDevice,
    /// The chip before the restore, and as it is to be.
    old: Vec<u8>,
    good: Vec<u8>,
}

impl Damaged {
    /// Spoils some erase blocks of what `whole` has.
    fn new(whole: &VirtualDevice, chance: &mut Xoshiro256PlusPlus) -> Self {
        let (mut ispot, good) = (whole.clone(), whole.chip().to_vec());
        let mut count = 0;
        while count < 3 {
            for block in planned() {
                if chance.random_range(0..3) == 0 {
                    let bytes = damaged(&good[block.clone()], chance);
                    ispot.chip_mut()[block].copy_from_slice(&bytes);
                    count += 1;
                }
            }
        }
        let old = ispot.chip().to_vec();
        Self { ispot, old, good }
    }

    /// In an erase block that is yet to be written, as soon as it changes; or anywhere in
    /// the time that the writing takes, most of which goes into keeping old bytes.
    fn next_cut(&self, window: Duration, chance: &mut Xoshiro256PlusPlus) -> Cut {
        let is = self.ispot.chip();
        let mut differ: Vec<usize> = Vec::new();
        if chance.random_range(0..3) > 0 {
            for block in planned() {
                differ.extend(block.clone().find(|at| is[*at] != self.good[*at]));
                differ.extend(block.rev().find(|at| is[*at] != self.good[*at]));
            }
        }
        match differ.len() {
            0 => Cut::StdoutThen {
                text: "plan: ".into(),
                pause: window.mul_f64(chance.random_range(0.0..1.0)),
            },
            count => Cut::ChipChanged {
                offset_bytes: differ[chance.random_range(0..count)] as u64,
            },
        }
    }

    /// What is broken of what holds at every instant: (a) and (e), and (b). Answers the
    /// erase block that is neither old nor new.
    fn torn(&self) -> Result<Option<usize>, String> {
        let is = self.ispot.chip();
        let starts: Vec<usize> = planned().map(|block| block.start).collect();
        let mut torn = None;
        for start in (0..is.len()).step_by(BLOCK_BYTES) {
            let block = start..start + BLOCK_BYTES;
            let (now, old) = (&is[block.clone()], &self.old[block.clone()]);
            // The medium of the old bytes.
            if now == old || ROOTFS_2.contains(&start) {
                continue;
            }
            if !starts.contains(&start) {
                return Err(format!("(a) {start:#x} is not in the plan and changed"));
            }
            if now != &self.good[block] {
                if let Some(other) = torn.replace(start) {
                    return Err(format!("(b) {other:#x} and {start:#x} are torn"));
                }
            }
        }
        Ok(torn)
    }

    /// What the next start does. First (c): the old bytes of the erase block that is torn
    /// are on the medium, before the program does anything.
    fn script(&self, torn: Option<usize>) -> String {
        let check = torn.map(|start| {
            let digest = Sha256::digest(&self.old[start..start + BLOCK_BYTES]);
            let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            let file = file_name(start);
            format!(
                "kept=$(tail -c {BLOCK_BYTES} /mnt/backup.restore/{file} | sha256sum)
[ \"$kept\" = '{digest}  -' ] || exit {NOT_KEPT}"
            )
        });
        format!(
            "mkdir /mnt; {MOUNT}
{}
mtdkeep restore --yes --allow RedBoot {WANTED} /mnt/backup
code=$?
[ $code = 0 ] && [ -e /mnt/backup.restore ] && exit {LEFT}
umount /mnt; exit $code",
            check.unwrap_or_default()
        )
    }
}

/// Where the cuts fell.
#[derive(Debug, Default)]
struct Count {
    /// After something had changed since the board was switched on.
    cuts: usize,
    /// Before that: these do not count.
    early: usize,
    /// In an erase block.
    torn: usize,
    /// Of a run that went on after an earlier cut.
    in_recoveries: usize,
    /// While only the medium of old bytes had changed.
    beside: usize,
    ended: usize,
}

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn a_restore_that_is_killed_goes_on() {
    let mut whole = virtual_ispot();
    whole.chip_mut()[ROOTFS_2].fill(0xFF);
    let made = whole.run(&format!(
        "mkdir /mnt; {MOUNT}; mtdkeep backup -q {WANTED} -p param -o /mnt/backup && umount /mnt"
    ));
    let _ = made.unwrap().expect_success();
    let mut chance = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let mut count = Count::default();
    // How long the writing takes on this machine; found out by what comes too late.
    let mut window = Duration::from_secs(4);
    while count.cuts < wanted_kills() {
        let mut bench = Damaged::new(&whole, &mut chance);
        let (mut torn, mut before) = (None, 0);
        loop {
            let cut = bench.next_cut(window, &mut chance);
            let at = format!("chain {}, cut {before} ({cut}, seed {SEED})", count.ended);
            let fails = |why: String| -> ! { panic!("{at}: {why}") };
            let start = bench.ispot.chip().to_vec();
            match bench.ispot.run_until(&bench.script(torn), &cut) {
                Ok(_) if bench.ispot.chip() == start => {
                    count.early += 1;
                    window = window.mul_f64(1.1);
                }
                Ok(_) => {
                    torn = bench.torn().unwrap_or_else(|why| fails(why));
                    count.cuts += 1;
                    count.torn += usize::from(torn.is_some());
                    count.in_recoveries += usize::from(before > 0);
                    let is = bench.ispot.chip();
                    let changed = planned().any(|it| is[it.clone()] != start[it]);
                    count.beside += usize::from(!changed);
                    before += 1;
                }
                Err(Error::EndedBeforeCut { status: 0, .. }) => {
                    if matches!(cut, Cut::StdoutThen { .. }) {
                        window = window.mul_f64(0.8);
                    }
                    break;
                }
                Err(Error::EndedBeforeCut {
                    status: NOT_KEPT, ..
                }) => fails(format!("(c) the old bytes of {torn:x?} are not kept")),
                Err(error) => fails(error.to_string()),
            }
        }
        // (d), all of it.
        let is = bench.ispot.chip();
        let differs = (0..is.len()).find(|at| is[*at] != bench.good[*at] && !ROOTFS_2.contains(at));
        assert_eq!(differs, None, "(d) after {before} cuts (seed {SEED})");
        assert_eq!(device().chip_bytes(0)[SYSTEM], is[SYSTEM]);
        count.ended += 1;
    }
    println!("{count:?}");
    assert!(count.torn > 0, "no cut fell into an erase block: {count:?}");
}
