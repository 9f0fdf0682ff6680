//! The seam to the world: clocks, randomness, tasks and threads.
//!
//! Everything in this crate gets them here and nowhere else (clippy's
//! `disallowed-methods` says so), so that a simulation can run whole servers
//! from one seed. Waiting is tokio's, whose clock a test can pause; the wall
//! clock and the randomness can be set.

#![allow(clippy::disallowed_methods)]

use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use terms::Timestamp;
use tokio::time::Instant;

pub use tokio::task::JoinHandle;

/// Clocks, randomness and tasks. Cheap to clone.
#[derive(Clone)]
pub struct Env(Arc<Inner>);

struct Inner {
    started: Instant,
    wall: Wall,
    random: Random,
}

enum Wall {
    System,
    /// Milliseconds since 1970 at `started`; it goes on with tokio's clock.
    Set(AtomicI64),
}

enum Random {
    System,
    Seeded(Mutex<u64>),
}

/// A time has passed before the thing waited for was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the time is over")]
pub struct Elapsed;

impl Env {
    /// The real world.
    pub fn system() -> Self {
        Self(Arc::new(Inner {
            started: Instant::now(),
            wall: Wall::System,
            random: Random::System,
        }))
    }

    /// A world of its own: the wall clock stands at `wall` and goes with tokio's
    /// clock (which is best paused), and all randomness comes from `seed`.
    pub fn simulated(seed: u64, wall: Timestamp) -> Self {
        Self(Arc::new(Inner {
            started: Instant::now(),
            wall: Wall::Set(AtomicI64::new(wall.0)),
            random: Random::Seeded(Mutex::new(seed)),
        }))
    }

    /// Whether this is a simulation: then nothing may run on other threads.
    pub fn is_simulated(&self) -> bool {
        matches!(self.0.random, Random::Seeded(_))
    }

    /// The wall clock.
    pub fn now(&self) -> Timestamp {
        match &self.0.wall {
            Wall::System => {
                let millis = match SystemTime::now().duration_since(UNIX_EPOCH) {
                    Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
                    Err(before) => i64::try_from(before.duration().as_millis())
                        .map_or(i64::MIN, |millis| -millis),
                };
                Timestamp(millis)
            }
            Wall::Set(base) => Timestamp(base.load(Ordering::Relaxed))
                .plus_millis(i64::try_from(self.monotonic().as_millis()).unwrap_or(i64::MAX)),
        }
    }

    /// Moves the wall clock of a simulation, and no other.
    pub fn shift_wall(&self, millis: i64) {
        if let Wall::Set(base) = &self.0.wall {
            base.fetch_add(millis, Ordering::Relaxed);
        }
    }

    /// Time since this `Env` was made; never goes back.
    pub fn monotonic(&self) -> Duration {
        self.0.started.elapsed()
    }

    /// Time since some moment in the past, that in which the machine slept included;
    /// never goes back. What the wall clock is held against.
    pub fn elapsed(&self) -> Duration {
        if self.is_simulated() {
            return self.monotonic();
        }
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
    }

    /// Fills `octets` with randomness; cryptographic in the real world.
    ///
    /// # Panics
    /// If the operating system has no randomness: nothing could go on safely.
    pub fn random(&self, octets: &mut [u8]) {
        match &self.0.random {
            #[expect(clippy::panic, reason = "identifiers without randomness would collide")]
            Random::System => {
                if getrandom::fill(octets).is_err() {
                    panic!("the operating system gives no randomness");
                }
            }
            Random::Seeded(state) => {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                for chunk in octets.chunks_mut(8) {
                    // SplitMix64.
                    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                    let mut z = *state;
                    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                    z ^= z >> 31;
                    for (to, from) in chunk.iter_mut().zip(z.to_le_bytes()) {
                        *to = from;
                    }
                }
            }
        }
    }

    /// A random identifier; never zero.
    pub fn random_u128(&self) -> u128 {
        loop {
            let mut octets = [0; 16];
            self.random(&mut octets);
            let value = u128::from_le_bytes(octets);
            if value != 0 {
                return value;
            }
        }
    }

    /// A random duration below `limit`, so that those who wait do not all come
    /// back at once.
    pub fn jitter(&self, limit: Duration) -> Duration {
        let mut octets = [0; 4];
        self.random(&mut octets);
        limit.mul_f64(f64::from(u32::from_le_bytes(octets)) / f64::from(u32::MAX))
    }

    /// Waits. Dropping the future is harmless.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Waits until [`Env::monotonic`] says `moment`.
    pub async fn sleep_until(&self, moment: Duration) {
        tokio::time::sleep_until(self.0.started + moment).await;
    }

    /// Waits for `future`, but no longer than `limit`.
    ///
    /// # Errors
    /// If `limit` has passed; `future` has been dropped.
    pub async fn timeout<F: Future>(
        &self,
        limit: Duration,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        tokio::time::timeout(limit, future)
            .await
            .map_err(|_| Elapsed)
    }

    /// Runs `future` as a task of its own.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        tokio::spawn(future)
    }

    /// Runs `work`, which computes for long, beside the tasks; in a simulation
    /// it runs here and now. `None` if it panicked.
    pub async fn compute<T, F>(&self, work: F) -> Option<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        if self.is_simulated() {
            return Some(work());
        }
        tokio::task::spawn_blocking(work).await.ok()
    }

    /// Starts a thread, unless this is a simulation: `false` says that there is
    /// none and the caller has to do the work itself.
    pub fn thread<F: FnOnce() + Send + 'static>(&self, name: &str, work: F) -> bool {
        !self.is_simulated()
            && std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(work)
                .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_simulation_has_its_own_time_and_chance() {
        let start = Timestamp::from_seconds(1_000);
        let env = Env::simulated(7, start);
        assert_eq!(env.now(), start);
        env.sleep(Duration::from_secs(60)).await;
        assert_eq!(env.now(), start.plus_millis(60_000));
        assert_eq!(env.monotonic(), Duration::from_secs(60));
        env.shift_wall(-1_000);
        assert_eq!(env.now(), start.plus_millis(59_000));

        let other = Env::simulated(7, start);
        assert_eq!(env.random_u128(), other.random_u128());
        assert_ne!(env.random_u128(), env.random_u128());
        assert!(env.jitter(Duration::from_secs(1)) <= Duration::from_secs(1));
        assert_eq!(
            env.timeout(Duration::from_secs(1), std::future::pending::<()>())
                .await,
            Err(Elapsed)
        );
    }

    #[test]
    fn the_system_has_a_clock_and_randomness() {
        let env = Env::system();
        assert!(env.now() > Timestamp::from_seconds(1_600_000_000));
        assert_ne!(env.random_u128(), env.random_u128());
    }
}
