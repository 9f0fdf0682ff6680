//! The whole system from one seed.
//!
//! For tests: clients that speak LMTP, POP3 and IMAP over streams in memory, and
//! a world in which the servers run on a simulated clock, with seeded randomness,
//! over a disk whose power fails.

#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this is a test: it ends where something does not hold"
)]

pub mod client;
pub mod story;
pub mod world;
