//! Writes to flash: the few processes that are traced, and what is answered there.
//!
//! A filter sees numbers, not descriptors, so it cannot stop writes to flash alone. A
//! process that opens flash for writing is traced from then on. One open for writing, and
//! one write, in the order in which things happen:
//!
//! 1. The program calls `openat("/dev/mtd4", O_RDWR)`. The first filter stops it; the
//!    thread waits in the kernel, and a thread of the [`supervisor`](super::supervisor)
//!    gets the notification.
//! 2. `calls::opening` finds the node, and that the process is not traced at the
//!    [`Level`](super::call::Level) that this needs: the decision is to stop the thread
//!    for a job, `Job::Filter`.
//! 3. The supervisor has [`tracer::attach`] start a tracer thread, which seizes all
//!    threads of the process and interrupts the one that waits. The call is answered
//!    with ERESTARTSYS, which no program ever sees, because the thread stops first.
//! 4. The thread stops; the tracer finds the job and makes the thread itself
//!    ([`tracee`]) install the second filter in all threads of the process. That stops
//!    reads and writes on the covered numbers ([`coverage`]): the lowest free one, which
//!    the open is about to give, is among them. Then the thread makes its call again.
//! 5. The same open arrives at the supervisor once more. Now the process is traced, and
//!    `flash::handles` opens the node: the descriptor is a re-open of the memory that
//!    holds the chip's cells, sealed against writes. If another thread took the lowest
//!    number meanwhile, the number that it got is covered by a further filter
//!    (`Job::Cover`) before the program learns it.
//! 6. The program calls `write`. The second filter stops it for the tracer, and
//!    [`emulate`] looks which flash is behind the descriptor (none: the kernel goes on),
//!    has `calls::transfers` move the bytes from the program's memory through the handle
//!    of [`crate::mtd`], and puts the answer in the place of the call.
//! 7. What gives flash a further number (dup, fcntl, a message with descriptors) stops
//!    at its end, and that number is covered, too. What the process starts is traced like
//!    itself.
//! 8. The process ends, and the tracer forgets it; with the last one its thread ends.
//!
//! The other jobs of a stopped thread (chdir, execve, opens with O_PATH, calls that are
//! made again with other memory) go the same way from 2 to 4, and the thread is let go.
//! A signal that would end a call's wait for the supervisor is the business of
//! [`interrupted`].

pub(in crate::sandbox) mod coverage;
pub(in crate::sandbox) mod emulate;
pub(in crate::sandbox) mod interrupted;
mod tracee;
pub(in crate::sandbox) mod tracer;
