//! Threads that hash passwords: as many as there are cores, so that logins
//! cannot take memory or time without bound.

use crate::env::Env;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Too much to do just now; it may work later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are waiting to be checked")]
pub struct Busy;

/// The threads and what waits for them, the oldest first.
pub(super) struct Pool {
    shared: Arc<Shared>,
    env: Env,
    waiting_max: usize,
    wait: Duration,
    /// Without threads, as in a simulation, whoever asks does the work.
    threads: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    more: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Work>,
    closed: bool,
}

type Work = Box<dyn FnOnce() + Send>;

impl Pool {
    /// Starts `threads` threads; more than `waiting_max` pieces of work, or one
    /// that has waited for longer than `wait`, are Busy.
    pub(super) fn new(env: Env, threads: usize, waiting_max: usize, wait: Duration) -> Self {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            more: Condvar::new(),
        });
        let mut started = false;
        for _ in 0..threads.max(1) {
            let shared = Arc::clone(&shared);
            started |= env.thread("password", move || shared.work());
        }
        Self {
            shared,
            env,
            waiting_max,
            wait,
            threads: started,
        }
    }

    /// How many pieces of work wait for a thread.
    pub(super) fn waiting(&self) -> usize {
        self.shared.queue().waiting.len()
    }

    /// Has `work` done on one of the threads.
    ///
    /// # Errors
    /// Busy, if it was not begun in time.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, Busy>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        if !self.threads {
            return Ok(work());
        }
        let (done, result) = oneshot::channel();
        let started = self.env.monotonic();
        let (env, wait) = (self.env.clone(), self.wait);
        {
            let mut queue = self.shared.queue();
            if queue.waiting.len() >= self.waiting_max {
                return Err(Busy);
            }
            queue.waiting.push_back(Box::new(move || {
                // Nobody waits any more, or has waited for too long: the thread
                // is for the others.
                if !done.is_closed() && env.monotonic().saturating_sub(started) <= wait {
                    let _ = done.send(work());
                }
            }));
        }
        self.shared.more.notify_one();
        result.await.map_err(|_| Busy)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.queue().closed = true;
        self.shared.more.notify_all();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        loop {
            let work = {
                let mut queue = self.queue();
                loop {
                    if let Some(work) = queue.waiting.pop_front() {
                        break work;
                    }
                    if queue.closed {
                        return;
                    }
                    super::scheme::release_memory();
                    queue = self
                        .more
                        .wait(queue)
                        .unwrap_or_else(PoisonError::into_inner);
                }
            };
            // A panic in it must not cost the thread; whoever waits is told Busy.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn the_oldest_goes_first_and_too_many_are_busy() {
        let pool = Arc::new(Pool::new(Env::system(), 1, 2, Duration::from_secs(60)));
        let (release, held) = mpsc::channel::<()>();
        let (begun, has_begun) = oneshot::channel();
        let (order, seen) = mpsc::channel();
        let first = {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move {
                pool.run(move || {
                    let _ = begun.send(());
                    let _ = held.recv();
                })
                .await
            })
        };
        has_begun.await.unwrap();
        let mut others = Vec::new();
        for number in 0..2 {
            let (pool, order) = (Arc::clone(&pool), order.clone());
            let waiting = Box::pin(async move {
                pool.run(move || {
                    order.send(number).unwrap();
                    number
                })
                .await
            });
            others.push(tokio::spawn(waiting));
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.run(|| ()).await, Err(Busy));
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(()));
        for (number, other) in others.into_iter().enumerate() {
            assert_eq!(other.await.unwrap(), Ok(number));
        }
        assert_eq!(seen.try_iter().collect::<Vec<_>>(), [0, 1]);
    }

    #[tokio::test]
    async fn what_waits_too_long_is_busy_and_a_panic_costs_no_thread() {
        let pool = Pool::new(Env::system(), 1, 10, Duration::ZERO);
        let (release, held) = mpsc::channel::<()>();
        // Begun later than at once, with no time to wait: not done at all.
        let blocked = pool.run(move || held.recv());
        let late = pool.run(|| ());
        let both = futures::future::join(blocked, late);
        let release_both = async {
            tokio::task::yield_now().await;
            drop(release);
        };
        let ((_, late), ()) = futures::future::join(both, release_both).await;
        assert_eq!(late, Err(Busy));

        let pool = Pool::new(Env::system(), 1, 10, Duration::from_secs(60));
        assert_eq!(pool.run(|| panic!("told to")).await, Err::<(), _>(Busy));
        assert_eq!(pool.run(|| 7).await, Ok(7));
    }
}
