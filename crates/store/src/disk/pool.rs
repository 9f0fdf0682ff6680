//! A few threads that read what is not in memory.

use super::lock;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use tokio::sync::{Semaphore, oneshot};

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    stopped: bool,
}

struct Shared {
    jobs: Mutex<Jobs>,
    filled: Condvar,
    /// So many jobs may be waiting or running.
    places: Semaphore,
}

/// Runs jobs; without threads, on the caller's own.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// Jobs waiting or running at a time.
const JOBS_MAX: usize = 256;

impl Pool {
    pub(crate) fn new(threads: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            jobs: Mutex::default(),
            filled: Condvar::new(),
            places: Semaphore::new(JOBS_MAX),
        });
        let mut handles = Vec::new();
        for _ in 0..threads {
            let shared = Arc::clone(&shared);
            let builder = std::thread::Builder::new().name("store-read".into());
            handles.push(builder.spawn(move || work(&shared))?);
        }
        Ok(Self {
            shared,
            threads: Mutex::new(handles),
        })
    }

    /// Runs `job`; `None` if the pool has been stopped, or the job has panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        if lock(&self.threads).is_empty() {
            return (!lock(&self.shared.jobs).stopped).then(job);
        }
        let place = self.shared.places.acquire().await.ok()?;
        let (sender, receiver) = oneshot::channel();
        {
            let mut jobs = lock(&self.shared.jobs);
            if jobs.stopped {
                return None;
            }
            jobs.waiting.push_back(Box::new(move || {
                // Who has gone does not want to know.
                let _ = sender.send(job());
            }));
        }
        self.shared.filled.notify_one();
        let answer = receiver.await.ok();
        drop(place);
        answer
    }

    /// Ends the threads; jobs that wait are dropped.
    pub(crate) fn stop(&self) {
        {
            let mut jobs = lock(&self.shared.jobs);
            jobs.stopped = true;
            jobs.waiting.clear();
        }
        self.shared.filled.notify_all();
        for thread in std::mem::take(&mut *lock(&self.threads)) {
            // A thread that has panicked has nothing more to say.
            let _ = thread.join();
        }
    }
}

fn work(shared: &Shared) {
    loop {
        let job = {
            let jobs = lock(&shared.jobs);
            let waited = shared
                .filled
                .wait_while(jobs, |jobs| jobs.waiting.is_empty() && !jobs.stopped);
            let mut jobs = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
            if jobs.stopped {
                return;
            }
            jobs.waiting.pop_front()
        };
        if let Some(job) = job
            && catch_unwind(AssertUnwindSafe(job)).is_err()
        {
            tracing::error!("reading has panicked");
        }
    }
}
