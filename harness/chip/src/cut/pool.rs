//! Threads that work while more work is being made, and answers in the order of the work.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Jobs that wait, and answers that wait for those before them.
pub(super) struct Pool<J, A, W> {
    work: W,
    /// Jobs that may wait; one more is done by whoever brings it.
    room: usize,
    queue: Mutex<Queue<J, A>>,
    changed: Condvar,
}

struct Queue<J, A> {
    waiting: VecDeque<(u64, J)>,
    done: BTreeMap<u64, Result<A, Box<dyn Any + Send>>>,
    pushed: u64,
    taken: u64,
    /// Threads that wait for something to do, or for the last answer.
    asleep: u32,
    is_closed: bool,
}

/// Ends the threads that serve a pool, also if whoever brings the work panics.
pub(super) struct Closing<'p, J, A, W>(&'p Pool<J, A, W>);

impl<J, A, W> Drop for Closing<'_, J, A, W> {
    fn drop(&mut self) {
        self.0.queue().is_closed = true;
        self.0.changed.notify_all();
    }
}

impl<J, A, W> Pool<J, A, W> {
    fn queue(&self) -> MutexGuard<'_, Queue<J, A>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'q>(&self, mut queue: MutexGuard<'q, Queue<J, A>>) -> MutexGuard<'q, Queue<J, A>> {
        queue.asleep += 1;
        let woken = self.changed.wait(queue);
        let mut queue = woken.unwrap_or_else(PoisonError::into_inner);
        queue.asleep -= 1;
        queue
    }

    /// Waking nobody takes a call to the system as well.
    fn wake(&self, queue: &Queue<J, A>) {
        if queue.asleep > 0 {
            self.changed.notify_all();
        }
    }

    /// To be held by whoever brings the work, inside the scope of the threads.
    pub(super) fn closing(&self) -> Closing<'_, J, A, W> {
        Closing(self)
    }
}

impl<J: Send, A: Send, W: Fn(J) -> A + Sync> Pool<J, A, W> {
    pub(super) fn new(room: usize, work: W) -> Self {
        Self {
            work,
            room,
            queue: Mutex::new(Queue {
                waiting: VecDeque::new(),
                done: BTreeMap::new(),
                pushed: 0,
                taken: 0,
                asleep: 0,
                is_closed: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// What a thread of the pool does until it is closed.
    pub(super) fn serve(&self) {
        let mut queue = self.queue();
        while !queue.is_closed {
            queue = match queue.waiting.pop_front() {
                Some(job) => self.work_on(queue, job),
                None => self.wait(queue),
            };
        }
    }

    fn work_on<'q>(
        &'q self,
        queue: MutexGuard<'q, Queue<J, A>>,
        (number, job): (u64, J),
    ) -> MutexGuard<'q, Queue<J, A>> {
        drop(queue);
        let answer = catch_unwind(AssertUnwindSafe(|| (self.work)(job)));
        let mut queue = self.queue();
        queue.done.insert(number, answer);
        self.wake(&queue);
        queue
    }

    /// Brings a job; where there is no room, works instead of waiting. Answers what is
    /// ready by now.
    pub(super) fn push(&self, job: J) -> Vec<A> {
        let mut queue = self.queue();
        let number = queue.pushed;
        queue.pushed += 1;
        queue.waiting.push_back((number, job));
        if queue.waiting.len() > self.room {
            if let Some(job) = queue.waiting.pop_front() {
                queue = self.work_on(queue, job);
            }
        } else {
            self.wake(&queue);
        }
        Self::ready(queue)
    }

    /// Takes back what waits.
    pub(super) fn drop_waiting(&self) -> Vec<J> {
        let mut queue = self.queue();
        let dropped: Vec<J> = queue.waiting.drain(..).map(|(_, job)| job).collect();
        queue.pushed -= dropped.len() as u64;
        dropped
    }

    /// Works until something is ready; answers nothing when all is done.
    pub(super) fn rest(&self) -> Vec<A> {
        let mut queue = self.queue();
        while queue.taken < queue.pushed && !queue.done.contains_key(&queue.taken) {
            queue = match queue.waiting.pop_front() {
                Some(job) => self.work_on(queue, job),
                None => self.wait(queue),
            };
        }
        Self::ready(queue)
    }

    fn ready(mut queue: MutexGuard<'_, Queue<J, A>>) -> Vec<A> {
        let mut ready = Vec::new();
        while let Some(answer) = queue.next_done() {
            match answer {
                Ok(answer) => ready.push(answer),
                Err(payload) => {
                    drop(queue);
                    resume_unwind(payload);
                }
            }
        }
        ready
    }
}

impl<J, A> Queue<J, A> {
    fn next_done(&mut self) -> Option<Result<A, Box<dyn Any + Send>>> {
        let answer = self.done.remove(&self.taken)?;
        self.taken += 1;
        Some(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::Pool;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::thread::scope;

    fn all_the_rest<J: Send, A: Send, W: Fn(J) -> A + Sync>(pool: &Pool<J, A, W>) -> Vec<A> {
        let pieces = std::iter::repeat_with(|| pool.rest());
        pieces
            .take_while(|some| !some.is_empty())
            .flatten()
            .collect()
    }

    /// Answers come in the order of the jobs, whoever did them, and none is lost.
    #[test]
    fn answers_come_in_order() {
        for (threads, room) in [(0, 0), (1, 0), (1, 3), (3, 1), (3, 64), (2, 5000)] {
            let pool = Pool::new(room, |n: u64| {
                if n % 97 == 0 {
                    std::thread::yield_now();
                }
                n * n
            });
            let all = scope(|scope| {
                let _closing = pool.closing();
                (0..threads).for_each(|_| drop(scope.spawn(|| pool.serve())));
                let mut all: Vec<u64> = (0..2000).flat_map(|n| pool.push(n)).collect();
                all.extend(all_the_rest(&pool));
                all
            });
            let squares: Vec<_> = (0..2000).map(|n| n * n).collect();
            assert_eq!(all, squares, "{threads} threads, room for {room}");
        }
    }

    #[test]
    fn what_is_dropped_is_not_waited_for() {
        let pool = Pool::new(10, |n: u32| n);
        let mut all: Vec<u32> = (0..7).flat_map(|n| pool.push(n)).collect();
        assert_eq!(pool.drop_waiting(), [0, 1, 2, 3, 4, 5, 6]);
        all.extend(pool.push(7));
        all.extend(all_the_rest(&pool));
        assert_eq!(all, [7]);
    }

    /// A panic of the work comes out where its answer would, and ends the threads.
    #[test]
    fn a_panic_is_passed_on() {
        let pool = Pool::new(4, |n: u32| assert!(n != 50, "fifty"));
        let caught = catch_unwind(AssertUnwindSafe(|| {
            scope(|scope| {
                let _closing = pool.closing();
                scope.spawn(|| pool.serve());
                (0..100).for_each(|n| drop(pool.push(n)));
                all_the_rest(&pool);
            });
        }));
        let text = caught.unwrap_err();
        assert!(
            text.downcast_ref::<&str>()
                .is_some_and(|text| *text == "fifty")
        );
    }
}
