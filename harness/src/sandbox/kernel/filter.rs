//! The seccomp filter: a small classic-BPF program, written by hand.
//!
//! Invariant: a call that is on no list passes without looking at its
//! arguments, so that Linux (5.11 and later) remembers it as always allowed and
//! does not run the program for it at all: `read` and `write` cost nothing.
//!
//! Layout of what the program sees: `struct seccomp_data` in
//! include/uapi/linux/seccomp.h: nr, arch, instruction pointer, six arguments.

use crate::sandbox::call::{Rule, StopOn};
use crate::sandbox::kernel::arch::AUDIT_ARCH;
use crate::sandbox::kernel::kernels::{SECCOMP_SINCE, SUPERVISOR_COOKIE, Version};

pub(in crate::sandbox) const RET_ALLOW: u32 = 0x7fff_0000;
pub(in crate::sandbox) const RET_NOTIFY: u32 = 0x7fc0_0000;
pub(in crate::sandbox) const RET_TRACE: u32 = 0x7ff0_0000;
const RET_ERRNO: u32 = 0x0005_0000;

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const SHIFT_RIGHT: u16 = 0x74;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER: u16 = 0x25;
const JUMP_AT_LEAST: u16 = 0x35;
const JUMP_SET: u16 = 0x45;
const RETURN: u16 = 0x06;

const OFFSET_NR: u32 = 0;
const OFFSET_ARCH: u32 = 4;

/// Offset of the low half of argument `index`; the high half follows it
/// (both architectures are little-endian).
const fn low(index: u32) -> u32 {
    16 + 8 * index
}

/// What the filter depends on.
pub(in crate::sandbox) struct FilterPlan {
    /// No seek up to here needs to be stopped: the smallest MTD device's size.
    pub seek_free_bytes: u64,
    /// Plays a kernel of this version.
    pub kernel: Option<Version>,
    /// The calls to stop, by number.
    pub calls: Vec<(i64, Rule)>,
}

fn op(code: u16, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

fn answer(code: u32) -> libc::sock_filter {
    op(RETURN, code, 0, 0)
}

/// The filter that stops calls for the supervisor.
pub(in crate::sandbox) fn notifying(plan: &FilterPlan) -> Vec<libc::sock_filter> {
    let mut program = vec![
        op(LOAD, OFFSET_ARCH, 0, 0),
        op(JUMP_EQUAL, AUDIT_ARCH, 1, 0),
        // A 32-bit program: the supervisor warns and answers ENOSYS.
        answer(RET_NOTIFY),
        op(LOAD, OFFSET_NR, 0, 0),
    ];
    if cfg!(target_arch = "x86_64") {
        // The x32 calls carry bit 30.
        program.push(op(JUMP_AT_LEAST, 0x4000_0000, 0, 1));
        program.push(answer(RET_NOTIFY));
    }
    if let Some(version) = plan.kernel {
        for (number, flags) in crate::sandbox::kernel::kernels::newer_than(version) {
            let block = match flags {
                Some(index) => vec![
                    op(LOAD, low(index), 0, 0),
                    op(JUMP_EQUAL, 0, 1, 0),
                    errno(libc::ENOSYS),
                    answer(RET_ALLOW),
                ],
                None => vec![errno(libc::ENOSYS)],
            };
            push_block(&mut program, number, block);
        }
        if version < SECCOMP_SINCE {
            let block = vec![
                op(LOAD, low(5), 0, 0),
                op(JUMP_EQUAL, SUPERVISOR_COOKIE, 1, 0),
                errno(libc::ENOSYS),
                answer(RET_ALLOW),
            ];
            push_block(&mut program, libc::SYS_seccomp, block);
        }
    }
    for &(number, rule) in &plan.calls {
        if let Some(block) = block(rule, plan) {
            push_block(&mut program, number, block);
        }
    }
    program.push(answer(RET_ALLOW));
    program
}

fn errno(number: i32) -> libc::sock_filter {
    answer(RET_ERRNO | number as u32)
}

fn push_block(program: &mut Vec<libc::sock_filter>, number: i64, block: Vec<libc::sock_filter>) {
    program.push(op(JUMP_EQUAL, number as u32, 0, block.len() as u8));
    program.extend(block);
}

fn block(rule: Rule, plan: &FilterPlan) -> Option<Vec<libc::sock_filter>> {
    Some(match rule {
        Rule::Always => vec![answer(RET_NOTIFY)],
        Rule::Uname => {
            plan.kernel?;
            vec![answer(RET_NOTIFY)]
        }
        Rule::Ioctl => assemble(&ioctl_steps()),
        Rule::Signal(index) => assemble(&signal_steps(index)),
        Rule::Fcntl => assemble(&fcntl_steps()),
        Rule::Lseek => assemble(&lseek_steps(plan.seek_free_bytes)),
        // Anonymous memory, and the dynamic loader's own mappings, which alone
        // carry the long dead MAP_DENYWRITE, pass.
        Rule::Mmap => {
            let passes = (libc::MAP_ANONYMOUS | libc::MAP_DENYWRITE) as u32;
            assemble(&[
                Step::Load(low(3)),
                Step::If(JUMP_SET, passes, Goto::Allow, Goto::Notify),
            ])
        }
        Rule::Address(index) => assemble(&[
            Step::Load(low(index)),
            Step::If(JUMP_EQUAL, 0, Goto::Next, Goto::Notify),
            Step::Load(low(index) + 4),
            Step::If(JUMP_EQUAL, 0, Goto::Allow, Goto::Notify),
        ]),
        Rule::Unmarked => assemble(&[
            Step::Load(low(5)),
            Step::If(JUMP_EQUAL, SUPERVISOR_COOKIE, Goto::Allow, Goto::Notify),
        ]),
        Rule::ChildHandler => assemble(&[
            Step::Load(low(0)),
            Step::If(JUMP_EQUAL, libc::SIGCHLD as u32, Goto::Next, Goto::Allow),
            Step::Load(low(1)),
            Step::If(JUMP_EQUAL, 0, Goto::Allow, Goto::Notify),
        ]),
        Rule::Kinds(flags) => assemble(&[
            Step::Load(low(0)),
            Step::If(JUMP_SET, libc::CLONE_THREAD as u32, Goto::Allow, Goto::Next),
            Step::If(JUMP_SET, flags, Goto::Notify, Goto::Allow),
        ]),
        Rule::Listener => assemble(&[
            Step::Load(low(0)),
            Step::If(
                JUMP_EQUAL,
                libc::SECCOMP_SET_MODE_FILTER,
                Goto::Next,
                Goto::Allow,
            ),
            Step::Load(low(1)),
            Step::If(
                JUMP_SET,
                libc::SECCOMP_FILTER_FLAG_NEW_LISTENER as u32,
                Goto::Notify,
                Goto::Allow,
            ),
        ]),
        Rule::Flags => assemble(&[
            Step::Load(low(5)),
            Step::If(JUMP_EQUAL, 0, Goto::Allow, Goto::Notify),
        ]),
    })
}

/// Where a comparison leads.
#[derive(Clone, Copy)]
enum Goto {
    Next,
    Skip(u8),
    Allow,
    Notify,
}

#[derive(Clone, Copy)]
enum Step {
    Load(u32),
    Alu(u16, u32),
    If(u16, u32, Goto, Goto),
}

/// Turns steps into a block that ends in "allow" and "notify".
fn assemble(steps: &[Step]) -> Vec<libc::sock_filter> {
    let mut block = Vec::with_capacity(steps.len() + 2);
    for (index, step) in steps.iter().enumerate() {
        let left = (steps.len() - index - 1) as u8;
        let distance = |to| match to {
            Goto::Next => 0,
            Goto::Skip(count) => count,
            Goto::Allow => left,
            Goto::Notify => left + 1,
        };
        block.push(match *step {
            Step::Load(offset) => op(LOAD, offset, 0, 0),
            Step::Alu(code, k) => op(code, k, 0, 0),
            Step::If(code, k, yes, no) => op(code, k, distance(yes), distance(no)),
        });
    }
    block.push(answer(RET_ALLOW));
    block.push(answer(RET_NOTIFY));
    block
}

/// Nobody handles SIGKILL and SIGSTOP, and signal 0 is none; Go's runtime sends
/// SIGURG to its threads all the time, and C libraries 32 to 34.
fn signal_steps(index: u32) -> Vec<Step> {
    let mut steps = vec![Step::Load(low(index))];
    for signal in [0, libc::SIGKILL, libc::SIGSTOP, libc::SIGURG, 32, 33] {
        steps.push(Step::If(JUMP_EQUAL, signal as u32, Goto::Allow, Goto::Next));
    }
    steps.push(Step::If(JUMP_EQUAL, 34, Goto::Allow, Goto::Notify));
    steps
}

/// F_SETSIG and F_GETSIG, F_SETLEASE and F_GETLEASE, F_ADD_SEALS and F_GET_SEALS; what
/// brings signals: F_SETOWN, F_SETOWN_EX and F_NOTIFY; and F_SETFL of O_DIRECT.
fn fcntl_steps() -> Vec<Step> {
    let mut steps = vec![Step::Load(low(1))];
    for command in [10, 11, 1024, 1025, 1033, 1034, 8, 15, 1026] {
        steps.push(Step::If(JUMP_EQUAL, command, Goto::Notify, Goto::Next));
    }
    steps.push(Step::If(
        JUMP_EQUAL,
        libc::F_SETFL as u32,
        Goto::Next,
        Goto::Allow,
    ));
    steps.push(Step::Load(low(2)));
    let direct = libc::O_DIRECT as u32;
    steps.push(Step::If(JUMP_SET, direct, Goto::Notify, Goto::Allow));
    steps
}

/// FIBMAP, FIGETBSZ, HDIO_GETGEO, FIONREAD, FIOQSIZE, the three that put a file under a loop
/// device, and whatever has a type of MTD
/// ('M'), block devices (0x12), file systems ('f') or file clones (0x94).
fn ioctl_steps() -> Vec<Step> {
    let mut steps = vec![Step::Load(low(1))];
    for command in [0x1, 0x2, 0x301, 0x541b, 0x5460, 0x4c00, 0x4c06, 0x4c0a] {
        steps.push(Step::If(JUMP_EQUAL, command, Goto::Notify, Goto::Next));
    }
    steps.push(Step::Alu(SHIFT_RIGHT, 8));
    steps.push(Step::Alu(AND, 0xff));
    for kind in [0x4d, 0x12, 0x66] {
        steps.push(Step::If(JUMP_EQUAL, kind, Goto::Notify, Goto::Next));
    }
    steps.push(Step::If(JUMP_EQUAL, 0x94, Goto::Notify, Goto::Allow));
    steps
}

/// A stand-in file answers a seek like a node as long as the target is inside;
/// only what could go past the end has to be looked at.
fn lseek_steps(free_bytes: u64) -> Vec<Step> {
    let free_bytes = u32::try_from(free_bytes).unwrap_or(u32::MAX);
    let high = low(1) + 4;
    vec![
        Step::Load(low(2)),
        Step::If(JUMP_EQUAL, libc::SEEK_SET as u32, Goto::Next, Goto::Skip(4)),
        Step::Load(high),
        Step::If(JUMP_EQUAL, 0, Goto::Next, Goto::Notify),
        Step::Load(low(1)),
        Step::If(JUMP_GREATER, free_bytes, Goto::Notify, Goto::Allow),
        // SEEK_CUR and SEEK_END: zero and backwards stay inside.
        Step::If(
            JUMP_GREATER,
            libc::SEEK_END as u32,
            Goto::Notify,
            Goto::Next,
        ),
        Step::Load(high),
        Step::If(JUMP_SET, 0x8000_0000, Goto::Allow, Goto::Next),
        Step::If(JUMP_EQUAL, 0, Goto::Next, Goto::Notify),
        Step::Load(low(1)),
        Step::If(JUMP_EQUAL, 0, Goto::Allow, Goto::Notify),
    ]
}

/// A filter that a process gets when it opens a node for writing: these calls stop
/// for its tracer, on these descriptors (none: on all).
pub(in crate::sandbox) fn tracing(
    calls: &[(i64, StopOn)],
    covered: Option<Vec<i32>>,
) -> Vec<libc::sock_filter> {
    let mut program = vec![
        op(LOAD, OFFSET_ARCH, 0, 0),
        op(JUMP_EQUAL, AUDIT_ARCH, 1, 0),
        answer(RET_ALLOW),
        op(LOAD, OFFSET_NR, 0, 0),
    ];
    let covered = covered.as_deref();
    for &(number, on) in calls {
        push_block(&mut program, number, stop_block(on, covered));
    }
    program.push(answer(RET_ALLOW));
    program
}

fn stop_block(on: StopOn, covered: Option<&[i32]>) -> Vec<libc::sock_filter> {
    let mut block = Vec::new();
    let compare = |block: &mut Vec<libc::sock_filter>, index| {
        block.push(op(LOAD, low(index), 0, 0));
        for &number in covered.unwrap_or_default() {
            block.push(op(JUMP_EQUAL, number as u32, 0, 1));
            block.push(answer(RET_TRACE));
        }
    };
    if on == StopOn::Duplicating {
        block.push(op(LOAD, low(1), 0, 0));
        block.push(op(JUMP_EQUAL, libc::F_DUPFD as u32, 2, 0));
        block.push(op(JUMP_EQUAL, libc::F_DUPFD_CLOEXEC as u32, 1, 0));
        block.push(answer(RET_ALLOW));
    }
    if on == StopOn::Any || covered.is_none() {
        block.push(answer(RET_TRACE));
        return block;
    }
    compare(&mut block, 0);
    if on == StopOn::FirstOrSecond {
        compare(&mut block, 1);
    }
    block.push(answer(RET_ALLOW));
    block
}

#[cfg(test)]
mod tests;
