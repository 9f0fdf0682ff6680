//! The journal engine's working parts, and its threads.

use super::core::{Answered, Core, Reply, Request};
use super::io::Disk;
use super::journal::Journal;
use super::ledger::Ledger;
use super::options::{Drive, Options};
use super::pool::Pool;
use super::{indexer, lock, recovery, space};
use crate::CommitError;
use crate::index::Index;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long what has just come waits for more before the index is told.
const INDEX_PAUSE: Duration = Duration::from_millis(10);
/// Segments that are looked at, one time, for copying forward.
const SURVEYS_MAX: usize = 8;
/// How long a thread without work sleeps at the most.
const SLEEP_MAX: Duration = Duration::from_millis(500);

/// The working parts behind a [`super::DiskStore`].
pub(crate) struct Engine {
    core: Core,
    journal: Mutex<Journal>,
    pool: Pool,
    begun: Instant,
}

impl Engine {
    /// Opens the journal; nothing works yet by itself.
    pub(crate) fn open(
        options: Options,
        disk: Arc<dyn Disk>,
        index: Arc<dyn Index>,
    ) -> io::Result<Self> {
        let threads = match options.drive {
            Drive::Threads => options.read_threads.max(1),
            Drive::Steps | Drive::Caller => 0,
        };
        let pool = Pool::new(threads)?;
        let core = Core::new(options, disk, Ledger::new(index));
        let journal = recovery::open(&core)?;
        Ok(Self {
            core,
            journal: Mutex::new(journal),
            pool,
            begun: Instant::now(),
        })
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    fn drive(&self) -> Drive {
        self.core.options.drive
    }

    /// Monotonic milliseconds; a simulator's own.
    fn now(&self) -> u64 {
        match self.drive() {
            Drive::Steps => self.core.now(),
            Drive::Threads | Drive::Caller => {
                u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
            }
        }
    }

    /// Asks the journal for something: now where there is room in its queue, else
    /// while the answer is waited for.
    pub(crate) fn ask(
        &self,
        request: impl FnOnce(Reply) -> Request,
    ) -> impl Future<Output = Answered> + Send + 'static {
        let (reply, answer) = Reply::new();
        let queue = Arc::clone(&self.core.queue);
        let waits = if self.is_stopped() {
            // Refused at once.
            queue.push(request(reply));
            None
        } else {
            queue.try_push(request(reply))
        };
        if self.drive() == Drive::Caller || self.is_stopped() {
            self.step_all(self.now());
        }
        async move {
            if let Some(request) = waits {
                queue.push_later(request).await;
            }
            let stopped = || Err(CommitError::Failed("the store has stopped".into()));
            answer.await.unwrap_or_else(|_| stopped())
        }
    }

    /// The same, waiting; only where the threads or this caller do the work.
    pub(crate) fn ask_and_wait(&self, request: impl FnOnce(Reply) -> Request) -> Answered {
        if self.drive() == Drive::Steps {
            // So that there is room.
            self.step_all(self.now());
        }
        // A caller that is a task itself cannot yield here to be given more to do.
        let mut answer = Box::pin(tokio::task::unconstrained(self.ask(request)));
        if self.drive() == Drive::Steps {
            self.step_all(self.now());
        }
        futures::FutureExt::now_or_never(&mut answer).unwrap_or_else(|| block_on(answer))
    }

    /// All that there is to do now. `false`: there was nothing.
    pub(crate) fn step_all(&self, now: u64) -> bool {
        let mut worked = false;
        {
            let mut journal = lock(&self.journal);
            while journal.step(&self.core, now) {
                worked = true;
            }
        }
        worked |= indexer::work(&self.core, now);
        worked
    }

    /// What the journal last found about room may be old.
    pub(crate) fn look_at_room(&self) {
        if let Ok(mut journal) = self.journal.try_lock() {
            journal.look_at_room(&self.core, self.now());
        }
    }

    pub(crate) fn run_journal(&self) {
        while !self.core.stop.load(Ordering::SeqCst) {
            let wait = {
                let mut journal = lock(&self.journal);
                self.wait_for_index();
                let stepped =
                    catch_unwind(AssertUnwindSafe(|| journal.step(&self.core, self.now())));
                match stepped {
                    Ok(true) => continue,
                    Ok(false) => journal.seal_at(&self.core).map_or(SLEEP_MAX, |at| {
                        Duration::from_millis(at.saturating_sub(self.now()) + 1)
                    }),
                    Err(_) => {
                        self.core.set_poison("the journal has panicked".into());
                        continue;
                    }
                }
            };
            self.core.queue.wait(wait.min(SLEEP_MAX), &self.core.stop);
        }
        self.refuse_all();
    }

    /// Nobody is left to take what is asked: whoever asks from now on does this
    /// himself.
    pub(crate) fn refuse_all(&self) {
        self.core.closed.store(true, Ordering::SeqCst);
        self.core.queue.stop();
        lock(&self.journal).step(&self.core, self.core.now());
    }

    /// Commits wait while the index is too far behind.
    fn wait_for_index(&self) {
        let octets_max = self.core.options.lag_octets_max;
        if self.core.ledger.lag_octets() > octets_max {
            self.core.ledger.wait_shrunk(octets_max, SLEEP_MAX);
        }
    }

    pub(crate) fn run_index(&self) {
        while !self.core.stop.load(Ordering::SeqCst) {
            self.core.ledger.wait_queued(SLEEP_MAX, &self.core.stop);
            std::thread::sleep(INDEX_PAUSE);
            let worked = catch_unwind(AssertUnwindSafe(|| indexer::work(&self.core, self.now())));
            if worked.is_err() {
                self.core
                    .set_poison("the index's writer has panicked".into());
            }
        }
    }

    pub(crate) fn run_space(&self) {
        let pause = Duration::from_millis(self.core.options.clean_millis);
        let mut since = Instant::now();
        let mut cursor = 0;
        while !self.core.stop.load(Ordering::SeqCst) {
            std::thread::park_timeout(SLEEP_MAX.min(pause));
            if since.elapsed() >= pause {
                since = Instant::now();
                match space::clean(self, cursor, SURVEYS_MAX) {
                    Ok((last, _)) => cursor = last.unwrap_or(0),
                    Err(error) => tracing::warn!(error, "copying forward has stopped"),
                }
            }
        }
    }

    /// Lets others have the disk after so many octets of copying forward.
    pub(crate) fn pause_for(&self, octets: u64) {
        if self.drive() == Drive::Threads {
            let millis = octets * 1_000 / self.core.options.clean_octets_per_second.max(1);
            std::thread::park_timeout(Duration::from_millis(millis).min(SLEEP_MAX));
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.core.stop.load(Ordering::SeqCst)
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        std::thread::park();
    }
}
