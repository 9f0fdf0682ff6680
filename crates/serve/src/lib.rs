//! The servers: sessions of IMAP, POP3 and LMTP over accounts in a store.
//!
//! `accounts` has one writer for each live account and hands out snapshots;
//! `auth` says who may log in; the directories named after protocols hold their
//! sessions. Everything from outside comes through `env` (clocks, randomness,
//! tasks) and `stream` (octets); every bound stands in `limits`.

#![cfg_attr(test, allow(clippy::disallowed_methods))]

pub mod accounts;
pub mod auth;
pub mod env;
pub mod imap;
pub mod limits;
pub mod lmtp;
pub mod metrics;
pub mod notice;
pub mod pop3;
pub mod query;
pub mod sessions;
pub mod stream;
#[cfg(test)]
mod test_tls;
mod work;

pub use accounts::{Account, Accounts};
pub use auth::Directory;
pub use env::Env;
pub use limits::{Limits, MessageLimit, Octets, OctetsHeld};
pub use stream::{Filled, Network, Node, Peer, Revoked, Stream, StreamError, Tls, Trusted};
