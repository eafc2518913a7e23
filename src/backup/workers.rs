//! Runs jobs side by side, and hands their results over in order.
//!
//! Invariant: results come in the order of the jobs, one at a time, each as soon
//! as it and all before it are there; with one worker the jobs run in order on
//! the caller's thread, and the device's own build never starts another.

/// Runs `work` on every job with up to `workers` workers, each with a state of
/// its own; `done` sees each result in the order of the jobs. Larger jobs
/// (`weight`) start first where several workers share them.
#[cfg(feature = "full")]
pub(crate) fn run<J: Send, R: Send, S: Default>(
    workers: usize,
    jobs: Vec<J>,
    weight: impl Fn(&J) -> u64,
    work: impl Fn(&mut J, &mut S) -> R + Sync,
    done: impl FnMut(R) + Send,
) {
    use std::sync::Mutex;

    if workers <= 1 || jobs.len() <= 1 {
        return run_in_order(jobs, work, done);
    }
    let results = Mutex::new(InOrder {
        waiting: jobs.iter().map(|_| None).collect(),
        next: 0,
        done,
    });
    let mut queue: Vec<(usize, J)> = jobs.into_iter().enumerate().collect();
    // Taken from the end: the largest first, equal ones in order.
    queue.sort_by_key(|(at, job)| (weight(job), std::cmp::Reverse(*at)));
    let helpers = workers.min(queue.len()) - 1;
    let queue = Mutex::new(queue);
    let labour = || {
        let mut state = S::default();
        loop {
            let taken = lock(&queue).pop();
            let Some((at, mut job)) = taken else {
                return;
            };
            let result = work(&mut job, &mut state);
            lock(&results).hand_over(at, result);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..helpers {
            // Where no thread can be had, those that are there do the work.
            let started = std::thread::Builder::new().spawn_scoped(scope, labour);
            if started.is_err() {
                break;
            }
        }
        labour();
    });
}

/// As above, on the caller's thread only.
#[cfg(not(feature = "full"))]
pub(crate) fn run<J, R, S: Default>(
    _workers: usize,
    jobs: Vec<J>,
    _weight: impl Fn(&J) -> u64,
    work: impl Fn(&mut J, &mut S) -> R,
    done: impl FnMut(R),
) {
    run_in_order(jobs, work, done);
}

fn run_in_order<J, R, S: Default>(
    jobs: Vec<J>,
    work: impl Fn(&mut J, &mut S) -> R,
    mut done: impl FnMut(R),
) {
    let mut state = S::default();
    for mut job in jobs {
        done(work(&mut job, &mut state));
    }
}

#[cfg(feature = "full")]
struct InOrder<R, F> {
    waiting: Vec<Option<R>>,
    next: usize,
    done: F,
}

#[cfg(feature = "full")]
impl<R, F: FnMut(R)> InOrder<R, F> {
    fn hand_over(&mut self, at: usize, result: R) {
        self.waiting[at] = Some(result);
        while let Some(result) = self.waiting.get_mut(self.next).and_then(Option::take) {
            self.next += 1;
            (self.done)(result);
        }
    }
}

/// A worker that panicked stops the whole scope; the lock itself stays usable.
#[cfg(feature = "full")]
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(all(test, feature = "full"))]
mod tests {
    use super::run;
    use rstest::rstest;

    #[rstest]
    fn results_come_in_order(#[values(1, 2, 3, 50)] workers: usize) {
        let mut seen = Vec::new();
        run(
            workers,
            (0..20u64).collect(),
            // The last jobs are the largest, and so run first.
            |job| *job,
            |job, calls: &mut u64| {
                *calls += 1;
                *job * 10
            },
            |result| seen.push(result),
        );
        assert_eq!(seen, (0..20).map(|job| job * 10).collect::<Vec<_>>());
    }
}
