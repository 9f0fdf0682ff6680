//! The protocols' octets, both ways, with nothing around them: octets become
//! typed commands, typed replies become octets.
//!
//! Nothing here does I/O, reads a clock or knows a mailbox. Whatever a peer may
//! send is bounded by a named limit, and no input makes anything panic. Code
//! that reads takes its input in pieces of any size and gives the same result
//! for every way of cutting it.
//!
//! - [`wire`] has lines with limits, dot-stuffing, the bodies of DATA and BDAT;
//! - [`sasl`] has authentication exchanges;
//! - [`pop3`] has the maildrop's commands and replies;
//! - [`smtp`] has LMTP's;
//! - [`imap`] has IMAP's, the server's side.

#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic))]

pub mod imap;
pub mod pop3;
pub mod sasl;
pub mod smtp;
pub mod wire;
