//! The `mtdkeep` program.

#![cfg_attr(
    all(
        target_env = "musl",
        target_feature = "crt-static",
        not(feature = "full")
    ),
    no_main
)]

#[cfg(all(
    target_env = "musl",
    target_feature = "crt-static",
    not(feature = "full")
))]
mod start;

#[cfg(not(all(
    target_env = "musl",
    target_feature = "crt-static",
    not(feature = "full")
)))]
fn main() -> std::process::ExitCode {
    mtdkeep::run(std::env::args_os().skip(1)).into()
}

#[cfg(not(all(
    target_env = "musl",
    target_feature = "crt-static",
    not(feature = "full")
)))]
mod closed {
    //! Standard output that was closed (`>&-`) stays one that cannot be written.
    //!
    //! Rust's start puts /dev/null in its place, open to be written, and a program would
    //! end with success whose result nobody has. It cannot be told later from a /dev/null
    //! that was meant, so this is done before: by the C library, as for C's constructors.

    #[used]
    #[unsafe(link_section = ".init_array")]
    static BEFORE_THE_START: extern "C" fn() = fill;

    extern "C" fn fill() {
        const STDOUT: libc::c_int = 1;
        // SAFETY: calls that take no memory of ours but a constant text; nothing runs
        // beside them yet.
        unsafe {
            if libc::fcntl(STDOUT, libc::F_GETFD) != -1 {
                return;
            }
            let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY);
            if null != -1 && null != STDOUT {
                libc::dup2(null, STDOUT);
                libc::close(null);
            }
        }
    }
}
