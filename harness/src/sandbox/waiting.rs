//! A stopped call that waits for its answer, of which it gets exactly one.
//!
//! Whatever answers takes the call away, so that nobody answers twice; one that is
//! dropped unanswered, by a mistake or a panic of ours, is answered ENOSYS, which is
//! what the kernel says where nobody listens. None is left hanging.

use crate::Errno;
use crate::sandbox::call::Reply;
use crate::sandbox::kernel::listener::Listener;
use std::os::fd::{AsRawFd, OwnedFd};

/// The error with which the kernel makes a call again after a stop
/// (include/linux/errno.h, ERESTARTSYS); no program ever sees it.
const RESTART: i32 = 512;

/// Who passes answers on: the kernel.
pub(super) trait Answers: Sync {
    fn let_through(&self, id: u64);
    fn answer(&self, id: u64, value: i64);
    /// `errno` may be one that only the kernel sees.
    fn fail(&self, id: u64, errno: i32);
    /// Puts a descriptor into the caller; where `answers`, its number is the answer,
    /// unless that fails.
    fn add_fd(&self, id: u64, fd: &OwnedFd, cloexec: bool, answers: bool) -> Result<i32, Errno>;
    fn is_valid(&self, id: u64) -> bool;
}

/// An answer that does not arrive was for a caller that died.
impl Answers for Listener {
    fn let_through(&self, id: u64) {
        let _ = Listener::let_through(self, id);
    }
    fn answer(&self, id: u64, value: i64) {
        let _ = Listener::answer(self, id, value);
    }
    fn fail(&self, id: u64, errno: i32) {
        let _ = Listener::fail(self, id, errno);
    }
    fn add_fd(&self, id: u64, fd: &OwnedFd, cloexec: bool, answers: bool) -> Result<i32, Errno> {
        Listener::add_fd(self, id, fd.as_raw_fd(), cloexec, answers)
    }
    fn is_valid(&self, id: u64) -> bool {
        Listener::is_valid(self, id)
    }
}

/// One call that waits.
pub(super) struct Waiting<'a> {
    id: u64,
    kernel: &'a dyn Answers,
}

impl<'a> Waiting<'a> {
    /// The call of this notification.
    pub fn new(id: u64, kernel: &'a dyn Answers) -> Self {
        Self { id, kernel }
    }

    /// Whether it still does: the number of a process that died may be another's by now.
    pub fn is_there(&self) -> bool {
        self.kernel.is_valid(self.id)
    }

    /// Puts a descriptor into the caller, which does not learn of it yet.
    pub fn give(&self, fd: &OwnedFd, cloexec: bool) -> Result<i32, Errno> {
        self.kernel.add_fd(self.id, fd, cloexec, false)
    }

    /// The kernel executes it.
    pub fn let_through(self) {
        self.with(|kernel, id| kernel.let_through(id));
    }

    /// It gets this; says what that is, for the trace.
    pub fn reply(self, result: Result<Reply, Errno>) -> Result<i64, Errno> {
        match result {
            Ok(Reply::Value(value)) => self.with(|kernel, id| {
                kernel.answer(id, value);
                Ok(value)
            }),
            Ok(Reply::Descriptor { fd, cloexec }) => self.hand_over(&fd, cloexec),
            Err(errno) => self.with(|kernel, id| {
                kernel.fail(id, errno.raw_os_error());
                Err(errno)
            }),
        }
    }

    /// The kernel makes it again, once its thread was stopped and goes on.
    pub fn restart(self) {
        self.with(|kernel, id| kernel.fail(id, RESTART));
    }

    /// Nobody waits for an answer any more: the caller died, or is being killed.
    pub fn leave(self) {
        self.with(|_, _| ());
    }

    fn hand_over(self, fd: &OwnedFd, cloexec: bool) -> Result<i64, Errno> {
        match self.kernel.add_fd(self.id, fd, cloexec, true) {
            Ok(number) => self.with(|_, _| Ok(i64::from(number))),
            // Before Linux 5.14 adding and answering are two steps.
            Err(Errno::INVAL) => {
                let number = self.give(fd, cloexec);
                self.reply(number.map(|number| Reply::Value(i64::from(number))))
            }
            Err(errno) => self.reply(Err(errno)),
        }
    }

    /// The answer, after which there is nothing to drop.
    fn with<R>(self, answer: impl FnOnce(&dyn Answers, u64) -> R) -> R {
        let (kernel, id) = (self.kernel, self.id);
        std::mem::forget(self);
        answer(kernel, id)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.kernel.fail(self.id, libc::ENOSYS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::sync::Mutex;

    /// A kernel that writes down what it is told.
    #[derive(Default)]
    struct Kernel {
        answers: Mutex<Vec<String>>,
        /// What puts a descriptor in at once, and what puts it in alone, fail with.
        refuses: [Option<Errno>; 2],
    }

    impl Kernel {
        fn note(&self, text: String) {
            self.answers.lock().unwrap().push(text);
        }
    }

    impl Answers for Kernel {
        fn let_through(&self, id: u64) {
            self.note(format!("{id} through"));
        }
        fn answer(&self, id: u64, value: i64) {
            self.note(format!("{id} = {value}"));
        }
        fn fail(&self, id: u64, errno: i32) {
            self.note(format!("{id} error {errno}"));
        }
        fn add_fd(&self, id: u64, _: &OwnedFd, _: bool, answers: bool) -> Result<i32, Errno> {
            if let Some(errno) = self.refuses[usize::from(!answers)] {
                return Err(errno);
            }
            if answers {
                self.answer(id, 5);
            }
            Ok(5)
        }
        fn is_valid(&self, _: u64) -> bool {
            true
        }
    }

    fn descriptor() -> Result<Reply, Errno> {
        let fd = std::fs::File::open("/dev/null").unwrap().into();
        Ok(Reply::Descriptor { fd, cloexec: true })
    }

    fn answers(refuses: [Option<Errno>; 2], work: impl FnOnce(Waiting)) -> Vec<String> {
        let kernel = Kernel {
            refuses,
            ..Kernel::default()
        };
        work(Waiting::new(7, &kernel));
        kernel.answers.into_inner().unwrap()
    }

    #[rstest]
    #[case::through(|it: Waiting| it.let_through(), "7 through")]
    #[case::value(|it: Waiting| assert_eq!(it.reply(Ok(Reply::Value(3))), Ok(3)), "7 = 3")]
    #[case::error(|it: Waiting| assert_eq!(it.reply(Err(Errno::NOENT)), Err(Errno::NOENT)), "7 error 2")]
    #[case::descriptor(|it: Waiting| assert_eq!(it.reply(descriptor()), Ok(5)), "7 = 5")]
    #[case::restart(|it: Waiting| it.restart(), "7 error 512")]
    #[case::forgotten(|it: Waiting| assert!(it.is_there()), "7 error 38")]
    fn a_call_gets_exactly_one_answer(#[case] work: fn(Waiting), #[case] answer: &str) {
        assert_eq!(answers([None; 2], work), [answer]);
    }

    #[rstest]
    #[case::in_two_steps([Some(Errno::INVAL), None], "7 = 5")]
    #[case::not_at_all([Some(Errno::INVAL), Some(Errno::MFILE)], "7 error 24")]
    #[case::too_many([Some(Errno::MFILE), None], "7 error 24")]
    fn a_descriptor_that_is_refused_is_answered_once(
        #[case] refuses: [Option<Errno>; 2],
        #[case] answer: &str,
    ) {
        let told = answers(refuses, |it| {
            let _ = it.reply(descriptor());
        });
        assert_eq!(told, [answer]);
    }

    #[test]
    fn who_is_being_killed_gets_none_and_a_panic_of_ours_leaves_nobody_waiting() {
        assert!(answers([None; 2], |it| it.leave()).is_empty());
        let told = answers([None; 2], |it| {
            let panics = std::panic::AssertUnwindSafe(move || {
                let _call = it;
                std::panic::resume_unwind(Box::new("a mistake of ours"));
            });
            assert!(std::panic::catch_unwind(panics).is_err());
        });
        assert_eq!(told, ["7 error 38"]);
    }
}
