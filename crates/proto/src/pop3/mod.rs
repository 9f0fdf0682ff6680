//! The maildrop protocol. RFC 1939, 2449, 2595, 3206, 5034, 6856.
//!
//! [`command`] takes a line apart; the functions of [`reply`] write answers.
//! Which command is allowed when, and what it does, is the session's affair.

mod command;
pub mod reply;

pub use command::{Command, SyntaxError, command, line_octets_max};

/// Whether `id` is a legal unique-id: one to 70 octets, each 0x21 to 0x7E.
/// RFC 1939 §7.
pub fn is_unique_id(id: &[u8]) -> bool {
    (1..=70).contains(&id.len()) && id.iter().all(|octet| (0x21..=0x7e).contains(octet))
}
