//! Live accounts: one writer each, and snapshots for everyone.
//!
//! Nothing here assumes that this process is the only one that writes: a commit
//! goes through only if it follows the newest, and whoever asks for the newest
//! gets at least what the store had when it asked.

mod account;
mod clock;
mod directory;
mod fold;
mod live;
mod machine;
mod names;
mod registry;
#[cfg(test)]
mod repaired;
#[cfg(test)]
mod steps;
pub(crate) mod sweep;
#[cfg(test)]
mod tests;
pub(crate) mod transfers;
#[cfg(test)]
mod two_nodes;
mod writer;

pub use account::{Account, AccountMarks, Accounts, OpenError, ReadError};
pub use clock::{Clock, Doubt, Verdict};
pub use live::{ExecuteError, Handle, Unavailable};
pub use machine::{Decision, Machine, OpenFault, Sealed};
pub use names::{AccountName, AccountNameError, NameRules, NewNameError, normal_domain};
pub use registry::Registry;
pub use sweep::{SweepTotals, Sweeps};
