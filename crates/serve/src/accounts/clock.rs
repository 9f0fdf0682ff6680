//! Whether the wall clock is believed.
//!
//! The hold deletes mail by the clock, and clocks lie: batteries run out, time
//! servers are wrong, machines are restored. What has passed is known better, as
//! long as the process lives. The two are held against each other: a wall clock
//! that has run away from the time that has passed is not believed, and nothing
//! is swept, until the operator says so or both have agreed for a day.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use terms::Timestamp;

/// The wall clock may run ahead of the time that has passed, or back, by so much.
const OFF_MAX: i64 = 3_600_000;
/// Over a restart, when it is not known what has passed, it may run ahead by so much.
const RESTART_MAX: i64 = 24 * OFF_MAX;
/// After so much agreement a wall clock that has jumped is believed.
const AGREEMENT: i64 = 24 * OFF_MAX;

/// The wall clock and the time that has passed, held against each other.
#[derive(Debug)]
pub struct Clock(Mutex<State>);

#[derive(Clone, Copy, Debug)]
struct Both {
    wall: Timestamp,
    elapsed: Duration,
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// When both were last believed together.
    right: Both,
    doubt: Option<(Doubt, Both)>,
}

/// A wall clock that is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// What it said when it was first not believed.
    pub since: Timestamp,
    /// By how many milliseconds it is ahead of the time that has passed; below
    /// zero: behind.
    pub ahead_millis: i64,
    /// Milliseconds for which both have agreed again.
    pub agreed_millis: i64,
}

/// What a look at the clocks has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The wall clock is right.
    Right,
    /// It is right again: it was set back, or both have agreed for a day.
    RightAgain,
    /// It has just run away.
    Doubted(Doubt),
    /// It is not believed yet.
    StillDoubted(Doubt),
}

impl Both {
    /// By how much the wall clock has run ahead since, in milliseconds.
    fn ahead(&self, now: Self) -> i64 {
        let wall = now.wall.0.saturating_sub(self.wall.0);
        wall.saturating_sub(self.passed(now))
    }

    /// What the wall clock would say at `now` if it had gone on from here with the
    /// time that has passed.
    fn counted(self, now: Self) -> Timestamp {
        self.wall.plus_millis(self.passed(now))
    }

    fn passed(&self, now: Self) -> i64 {
        let passed = now.elapsed.saturating_sub(self.elapsed).as_millis();
        i64::try_from(passed).unwrap_or(i64::MAX)
    }
}

impl Clock {
    /// Believes what it is first told.
    pub fn new(wall: Timestamp, elapsed: Duration) -> Self {
        Self(Mutex::new(State {
            right: Both { wall, elapsed },
            doubt: None,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what was kept over a restart: what the wall clock said when it
    /// was last right, and since when it was not believed, if it was not.
    pub fn restore(
        &self,
        right: Timestamp,
        doubted: Option<Timestamp>,
        wall: Timestamp,
        elapsed: Duration,
    ) {
        let now = Both { wall, elapsed };
        let gap = wall.0.saturating_sub(right.0);
        let mut state = self.state();
        state.doubt = None;
        if doubted.is_none() && (-OFF_MAX..=RESTART_MAX).contains(&gap) {
            state.right = now;
            return;
        }
        state.right = Both {
            wall: right,
            elapsed,
        };
        let doubt = Doubt {
            since: doubted.unwrap_or(wall),
            ahead_millis: gap,
            agreed_millis: 0,
        };
        state.doubt = Some((doubt, now));
    }

    /// Looks at both.
    pub fn look(&self, wall: Timestamp, elapsed: Duration) -> Verdict {
        let now = Both { wall, elapsed };
        let mut state = self.state();
        let ahead = state.right.ahead(now);
        let Some((mut doubt, mut base)) = state.doubt else {
            if ahead.abs() <= OFF_MAX {
                return Verdict::Right;
            }
            let doubt = Doubt {
                since: wall,
                ahead_millis: ahead,
                agreed_millis: 0,
            };
            state.doubt = Some((doubt, now));
            return Verdict::Doubted(doubt);
        };
        if base.ahead(now).abs() > OFF_MAX {
            base = now;
        }
        doubt.ahead_millis = ahead;
        doubt.agreed_millis = base.passed(now);
        if ahead.abs() <= OFF_MAX {
            state.doubt = None;
            return Verdict::RightAgain;
        }
        if doubt.agreed_millis >= AGREEMENT {
            state.right = now;
            state.doubt = None;
            return Verdict::RightAgain;
        }
        state.doubt = Some((doubt, base));
        Verdict::StillDoubted(doubt)
    }

    /// The wall clock is right: the operator says so.
    pub fn resume(&self, wall: Timestamp, elapsed: Duration) {
        let mut state = self.state();
        state.right = Both { wall, elapsed };
        state.doubt = None;
    }

    /// Why the wall clock is not believed, if it is not.
    pub fn doubt(&self) -> Option<Doubt> {
        self.state().doubt.map(|(doubt, _)| doubt)
    }

    /// What the wall clock would say if it had been right all the time.
    pub fn counted(&self, elapsed: Duration) -> Timestamp {
        let right = self.state().right;
        let wall = right.wall;
        right.counted(Both { wall, elapsed })
    }

    /// The time that decisions go by: see [`crate::Node::now`].
    pub fn now(&self, wall: Timestamp, elapsed: Duration) -> Timestamp {
        let now = Both { wall, elapsed };
        let right = self.state().right;
        if right.ahead(now) < -OFF_MAX {
            right.counted(now)
        } else {
            wall
        }
    }

    /// The time by which something may be taken away: the wall clock's, or where
    /// that has run ahead the time that has passed since it was right.
    ///
    /// Asked anew for each decision: a clock may have jumped since it was looked at.
    pub fn believed(&self, wall: Timestamp, elapsed: Duration) -> Timestamp {
        let now = Both { wall, elapsed };
        let right = self.state().right;
        if right.ahead(now) > OFF_MAX {
            right.counted(now)
        } else {
            wall
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const START: i64 = 1_700_000_000_000;

    /// Hours that have passed, and by how many hours the wall clock is off.
    fn at(hours: i64, off: i64) -> (Timestamp, Duration) {
        let wall = Timestamp(START + (hours + off) * HOUR);
        (wall, Duration::from_millis((hours * HOUR) as u64))
    }

    fn look(clock: &Clock, hours: i64, off: i64) -> &'static str {
        let (wall, elapsed) = at(hours, off);
        match clock.look(wall, elapsed) {
            Verdict::Right => "right",
            Verdict::RightAgain => "right again",
            Verdict::Doubted(_) => "doubted",
            Verdict::StillDoubted(_) => "still doubted",
        }
    }

    fn clock() -> Clock {
        let (wall, elapsed) = at(0, 0);
        Clock::new(wall, elapsed)
    }

    #[test]
    fn a_clock_that_jumps_is_believed_after_a_day_of_agreement() {
        let clock = clock();
        assert_eq!(look(&clock, 10, 1), "right");
        assert_eq!(look(&clock, 11, 2), "doubted");
        assert_eq!(look(&clock, 34, 2), "still doubted");
        assert_eq!(look(&clock, 35, 2), "right again");
        assert_eq!(look(&clock, 36, 3), "right");
        assert_eq!(look(&clock, 37, 4), "doubted");
        // Another jump: the day begins anew.
        assert_eq!(look(&clock, 50, 400), "still doubted");
        assert_eq!(look(&clock, 73, 400), "still doubted");
        assert_eq!(look(&clock, 74, 400), "right again");
        assert_eq!(clock.doubt(), None);
    }

    /// Small steps add up: a clock may not creep ahead by an hour a minute.
    #[test]
    fn steps_add_up() {
        let clock = clock();
        assert_eq!(look(&clock, 1, 1), "right");
        assert_eq!(look(&clock, 2, 2), "doubted");
    }

    #[test]
    fn a_clock_that_was_set_right_is_right_at_once() {
        let clock = clock();
        assert_eq!(look(&clock, 5, 9_000), "doubted");
        assert_eq!(look(&clock, 6, 0), "right again");
        assert_eq!(look(&clock, 7, 0), "right");
    }

    /// While the clock has run back, what begins now is not counted from too early.
    #[test]
    fn backwards_time_goes_on_from_what_was_right() {
        let clock = clock();
        let (wall, elapsed) = at(5, -1_000);
        assert_eq!(clock.now(wall, elapsed), at(5, 0).0);
        assert_eq!(look(&clock, 5, -1_000), "doubted");
        clock.resume(wall, elapsed);
        assert_eq!(clock.now(wall, elapsed), wall);
        assert_eq!(look(&clock, 6, -1_000), "right");
        assert_eq!(clock.believed(wall, elapsed), wall);
        // Ahead, dates are the wall clock's; only nothing goes by them.
        let (wall, elapsed) = at(7, 0);
        assert_eq!(clock.now(wall, elapsed), wall);
        assert_eq!(clock.believed(wall, elapsed), at(7, -1_000).0);
        // An hour is no matter.
        let (near, _) = at(7, -999);
        assert_eq!(clock.believed(near, elapsed), near);
        assert_eq!(look(&clock, 7, 0), "doubted");
    }

    #[test]
    fn a_restart_may_take_a_day() {
        for (off, doubted, expected) in [
            (0, None, "right"),
            (24, None, "right"),
            (25, None, "still doubted"),
            (-1, None, "right"),
            (-2, None, "still doubted"),
            // What was not believed before is not believed now.
            (3, Some(Timestamp(START)), "still doubted"),
            (1, Some(Timestamp(START)), "right again"),
        ] {
            let clock = clock();
            let (wall, elapsed) = at(0, off);
            clock.restore(Timestamp(START), doubted, wall, elapsed);
            assert_eq!(look(&clock, 0, off), expected, "{off} {doubted:?}");
            // A day later it is believed.
            look(&clock, 24, off);
            assert_eq!(look(&clock, 25, off), "right", "{off} {doubted:?}");
        }
    }
}
