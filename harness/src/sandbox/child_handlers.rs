//! Which threads handle the end of a child in a way that interrupts their calls.

use std::collections::HashMap;

/// Whose calls the end of a child interrupts, as far as that is known.
#[derive(Default)]
pub(super) struct ChildHandlers {
    known: HashMap<u32, bool>,
    /// How many were left when the dead were last forgotten.
    left: usize,
}

impl ChildHandlers {
    /// So many more may come until the dead are forgotten: far fewer than there are ids,
    /// so that no new process is taken for one that had its number before.
    const MORE_MAX: usize = 1024;

    /// Whether no process ever had such a handler.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// What is known of this thread.
    pub fn get(&self, tid: u32) -> Option<bool> {
        self.known.get(&tid).copied()
    }

    /// Notes what this thread's calls are.
    pub fn note(&mut self, tid: u32, interrupts: bool) {
        self.note_among(tid, interrupts, |tid| {
            std::path::Path::new(&format!("/proc/{tid}")).exists()
        });
    }

    fn note_among(&mut self, tid: u32, interrupts: bool, is_alive: impl Fn(u32) -> bool) {
        if self.known.len() >= self.left + Self::MORE_MAX {
            self.known.retain(|tid, _| is_alive(*tid));
            self.left = self.known.len();
        }
        self.known.insert(tid, interrupts);
    }
}

#[cfg(test)]
mod tests {
    use super::ChildHandlers;

    /// A shell that has a handler starts more processes than there are ids.
    #[test]
    fn a_shells_handler_is_known_however_many_processes_end() {
        const SHELL: u32 = 100;
        let mut handlers = ChildHandlers::default();
        let is_alive = |tid| tid == SHELL;
        handlers.note_among(SHELL, true, is_alive);
        for count in 0..40_000 {
            let new = 101 + count % 32_000;
            assert_eq!(handlers.get(new), None, "process {count}");
            handlers.note_among(new, count % 7 == 0, is_alive);
            assert_eq!(handlers.get(new), Some(count % 7 == 0));
            assert_eq!(handlers.get(SHELL), Some(true), "process {count}");
        }
    }
}
