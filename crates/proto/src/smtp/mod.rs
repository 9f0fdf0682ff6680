//! LMTP, the server's side. RFC 2033 with the rules of RFC 5321, and RFC 1652
//! (8BITMIME), 1870 (SIZE), 2034 (enhanced codes), 2920 (pipelining), 3030
//! (CHUNKING), 6531 (SMTPUTF8).
//!
//! [`command`] takes a line apart, [`Reply`] writes an answer. The texts that
//! follow DATA and BDAT are decoded by [`crate::wire`]. Which command is allowed
//! when, and who is a recipient, is the session's affair.

mod address;
mod command;
mod reply;
mod xclient;

pub use address::{Address, Domain, ReversePath};
pub use command::{Body, Command, MailParameters, command, line_octets_max};
pub use reply::{EnhancedCode, Reply};
pub use xclient::{XCLIENT_KEYWORD, Xclient};
