//! What differs between x86-64 and aarch64: the number of the architecture in
//! a filter, and where a stopped process keeps a system call.

#[cfg(target_arch = "x86_64")]
mod this {
    /// AUDIT_ARCH_X86_64 (include/uapi/linux/audit.h).
    pub const AUDIT_ARCH: u32 = 0xc000_003e;
    pub type Registers = libc::user_regs_struct;

    /// How long the instruction is that enters the kernel.
    const ENTRY_BYTES: u64 = 2;

    /// Prepares the registers so that the process makes one system call next,
    /// with the instruction in front of `behind`.
    pub fn make_call(registers: &mut Registers, behind: u64, number: i64, args: [u64; 6]) {
        registers.rip = behind - ENTRY_BYTES;
        registers.rax = number as u64;
        // No restart: this is not the call that was interrupted.
        registers.orig_rax = u64::MAX;
        registers.rdi = args[0];
        registers.rsi = args[1];
        registers.rdx = args[2];
        registers.r10 = args[3];
        registers.r8 = args[4];
        registers.r9 = args[5];
    }
    /// What the call that just ended answered.
    pub fn answer(registers: &Registers) -> i64 {
        registers.rax as i64
    }
    /// Where a thread that is stopped at its call's end goes on.
    pub fn behind(registers: &Registers) -> u64 {
        registers.rip
    }
    /// Makes the process go on behind its call, with that answer.
    pub fn set_answer(registers: &mut Registers, behind: u64, value: i64) {
        registers.rip = behind;
        registers.rax = value as u64;
        registers.orig_rax = u64::MAX;
    }
    /// The call that a thread is stopped at: number and arguments.
    pub fn call(registers: &Registers) -> (i64, [u64; 6]) {
        let r = registers;
        (r.orig_rax as i64, [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9])
    }
    /// Sets the argument of a call that ended.
    pub fn set_argument(registers: &mut Registers, index: usize, value: u64) {
        let r = registers;
        let arguments = [
            &mut r.rdi, &mut r.rsi, &mut r.rdx, &mut r.r10, &mut r.r8, &mut r.r9,
        ];
        *arguments.into_iter().nth(index).expect("one of six") = value;
    }
    /// Sets what a call that is not executed answers.
    pub fn set_skipped(registers: &mut Registers, value: i64) {
        registers.rax = value as u64;
        registers.orig_rax = u64::MAX;
    }
    /// Whether a signal interrupted the call in a way that may be told as EINTR
    /// (include/linux/errno.h, ERESTARTSYS).
    pub fn is_interrupted(registers: &Registers) -> bool {
        registers.rax as i64 == -512 && registers.orig_rax as i64 >= 0
    }
    /// Has it made again instead, whatever the handler wants (ERESTARTNOINTR).
    pub fn set_restarted(registers: &mut Registers) {
        registers.rax = -513i64 as u64;
    }
}

#[cfg(target_arch = "aarch64")]
mod this {
    /// AUDIT_ARCH_AARCH64 (include/uapi/linux/audit.h).
    pub const AUDIT_ARCH: u32 = 0xc000_00b7;
    pub type Registers = libc::user_regs_struct;

    /// How long the instruction is that enters the kernel.
    const ENTRY_BYTES: u64 = 4;

    /// Prepares the registers so that the process makes one system call next,
    /// with the instruction in front of `behind`.
    pub fn make_call(registers: &mut Registers, behind: u64, number: i64, args: [u64; 6]) {
        registers.pc = behind - ENTRY_BYTES;
        registers.regs[8] = number as u64;
        registers.regs[..6].copy_from_slice(&args);
    }
    /// What the call that just ended answered.
    pub fn answer(registers: &Registers) -> i64 {
        registers.regs[0] as i64
    }
    /// Where a thread that is stopped at its call's end goes on.
    pub fn behind(registers: &Registers) -> u64 {
        registers.pc
    }
    /// Makes the process go on behind its call, with that answer.
    pub fn set_answer(registers: &mut Registers, behind: u64, value: i64) {
        registers.pc = behind;
        registers.regs[0] = value as u64;
    }
    /// The call that a thread is stopped at: number and arguments.
    pub fn call(registers: &Registers) -> (i64, [u64; 6]) {
        let mut args = [0; 6];
        args.copy_from_slice(&registers.regs[..6]);
        (registers.regs[8] as i64, args)
    }
    /// Sets the argument of a call that ended; the first one is its answer.
    pub fn set_argument(registers: &mut Registers, index: usize, value: u64) {
        registers.regs[index] = value;
    }
    /// Sets what a call that is not executed answers.
    pub fn set_skipped(registers: &mut Registers, value: i64) {
        registers.regs[0] = value as u64;
    }
    /// Not to be seen here: the kernel has prepared the restart already, and keeps
    /// to itself whether it is one (arch/arm64/kernel/signal.c, do_signal).
    pub fn is_interrupted(_: &Registers) -> bool {
        false
    }
    /// See [`is_interrupted`].
    pub fn set_restarted(_: &mut Registers) {}
}

pub(in crate::sandbox) use this::*;
