//! The `mtdkeep` program.

fn main() -> std::process::ExitCode {
    mtdkeep::run(std::env::args_os().skip(1))
}

/// A static program has no symbols to look up. musl's own stand-in for this says so in
/// words, for which it brings `printf`, 12 KB.
#[cfg(all(
    target_env = "musl",
    target_feature = "crt-static",
    not(feature = "full")
))]
#[unsafe(no_mangle)]
extern "C" fn dlsym(_: *mut libc::c_void, _: *const libc::c_char) -> *mut libc::c_void {
    std::ptr::null_mut()
}
