//! How the small static program starts, in the place of std's own start.
//!
//! That of std is 5 KB, for what this program does not need: a second stack on which to
//! tell of an overflow of the first, and the name of its only thread. What it does besides
//! is done here: descriptors 0 to 2 are open, and a pipe without a reader is an error of
//! the write.

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::{CStr, OsStr, OsString};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;

/// musl's malloc, without std's way to larger alignments than it gives (1 KB).
struct Malloc;

/// What `malloc` aligns to: at least two words (C11, 7.22.3; musl, src/malloc).
const ALIGNMENT: usize = 2 * size_of::<usize>();

#[global_allocator]
static MALLOC: Malloc = Malloc;

// SAFETY: malloc, calloc, realloc and free keep the contract between them; memory that
// would have to be aligned further is refused, which ends the program.
unsafe impl GlobalAlloc for Malloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > ALIGNMENT {
            return std::ptr::null_mut();
        }
        // SAFETY: any size may be asked for.
        unsafe { libc::malloc(layout.size()).cast() }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.align() > ALIGNMENT {
            return std::ptr::null_mut();
        }
        // SAFETY: any size may be asked for.
        unsafe { libc::calloc(layout.size(), 1).cast() }
    }

    unsafe fn realloc(&self, memory: *mut u8, _: Layout, new_bytes: usize) -> *mut u8 {
        // SAFETY: it came from this allocator, by the caller's contract.
        unsafe { libc::realloc(memory.cast(), new_bytes).cast() }
    }

    unsafe fn dealloc(&self, memory: *mut u8, _: Layout) {
        // SAFETY: it came from this allocator, by the caller's contract.
        unsafe { libc::free(memory.cast()) }
    }
}

/// A static program has no symbols to look up. musl's own stand-in for this says so in
/// words, for which it brings `printf`, 12 KB.
#[unsafe(no_mangle)]
extern "C" fn dlsym(_: *mut libc::c_void, _: *const libc::c_char) -> *mut libc::c_void {
    std::ptr::null_mut()
}

/// Where the C library hands over.
#[unsafe(no_mangle)]
extern "C" fn main(count: libc::c_int, words: *const *const libc::c_char) -> libc::c_int {
    open_standard_descriptors();
    // SAFETY: no handler is given, and no other thread is there.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    let words = (1..count.max(1) as usize).map(|at| {
        // SAFETY: the system hands over `count` texts, which stay.
        let word = unsafe { CStr::from_ptr(*words.add(at)) };
        OsStr::from_bytes(word.to_bytes()).to_owned()
    });
    let code = mtdkeep::run(words.collect::<Vec<OsString>>());
    // What could not be written was told of by then.
    let _ = std::io::stdout().flush();
    code.into()
}

/// Opens what whoever started the program left closed of 0 to 2: a file of ours would get
/// the number, and what is printed would land in it. What is printed nowhere is no success:
/// output gets what cannot be written.
fn open_standard_descriptors() {
    for fd in 0..=2 {
        let how = match fd {
            1 => libc::O_RDONLY,
            _ => libc::O_RDWR,
        };
        // SAFETY: asks, and opens the lowest free number, which is this one.
        let is_open = unsafe {
            libc::fcntl(fd, libc::F_GETFD) != -1 || libc::open(c"/dev/null".as_ptr(), how) != -1
        };
        if !is_open {
            std::process::abort();
        }
    }
}
