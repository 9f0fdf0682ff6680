//! When an account next has something to do by itself.

use crate::decide::{forget_due, purge_due};
use crate::state::State;
use terms::Timestamp;

/// The moment at which [`crate::Command::Sweep`] has something to do; `None`:
/// never. It stands in the envelope of every commit.
pub fn next_due(state: &State) -> Option<Timestamp> {
    let purge = state
        .root
        .expunged_oldest
        .map(|time| purge_due(state, time));
    let hold = state.hold();
    let clock = state
        .root
        .clocks
        .runs()
        .filter_map(|run| hold.due(run.value))
        .min();
    let silent = state
        .devices()
        .filter_map(|device| forget_due(state, device))
        .min();
    [purge, clock, silent].into_iter().flatten().min()
}
