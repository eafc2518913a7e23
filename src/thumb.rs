//! What a program of Thumb code needs on a kernel without `CONFIG_ARM_THUMB`.
//!
//! Such a kernel's helpers in the vector page return with `mov pc, lr` (Linux,
//! `arch/arm/kernel/entry-armv.S`, `usr_ret`), which stays in ARM code whatever called
//! them. musl's `__aeabi_read_tp` and compiler_builtins' `__sync_synchronize` end by
//! jumping there, so that the helper would return to their own caller. These here
//! replace them, call the helper, and return in the caller's state.
//!
//! System calls are made by musl, which is ARM code; the entry of signals stands with
//! their handler.

// By the contracts of both, r0 (the result of the first), ip, lr and the flags may change;
// the helpers change no more (Linux, Documentation/arch/arm/kernel_user_helpers.rst).
std::arch::global_asm!(
    ".pushsection .text.mtdkeep_kernel_helpers, \"ax\", %progbits",
    ".arm",
    ".balign 4",
    ".globl __aeabi_read_tp",
    ".type __aeabi_read_tp, %function",
    "__aeabi_read_tp:",
    "str lr, [sp, #-8]!",
    // musl has put there which way this kernel has.
    "ldr r0, 3f",
    "2: ldr r0, [pc, r0]",
    "blx r0",
    "ldr lr, [sp], #8",
    "bx lr",
    "3: .word __a_gettp_ptr - (2b + 8)",
    ".size __aeabi_read_tp, . - __aeabi_read_tp",
    ".globl __sync_synchronize",
    ".type __sync_synchronize, %function",
    "__sync_synchronize:",
    "str lr, [sp, #-8]!",
    // __kuser_memory_barrier: 0xffff0fa0.
    "mvn ip, #0x5f",
    "sub ip, ip, #0xf000",
    "blx ip",
    "ldr lr, [sp], #8",
    "bx lr",
    ".size __sync_synchronize, . - __sync_synchronize",
    ".popsection",
);
