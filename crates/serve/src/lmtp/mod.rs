//! LMTP: mail comes in. RFC 2033, with the rules of RFC 5321.
//!
//! A session reads a transaction, stores the message once, has every account
//! that it is for bind it, and answers each recipient when that is durable for
//! it. While commits are on their way the next pipelined transaction is read
//! already, so that one connection's deliveries share the store's syncs; answers
//! go out in order.
//!
//! What must stay true: no 250 after the text before the account's commit has
//! returned; no lock is held across a commit; only CRLF.CRLF ends a text.

mod body;
mod deliver;
mod recipient;
mod session;
mod trace;

pub use recipient::FOLDERS_SETTING;
pub use session::run;

use crate::auth::Directory;
use std::sync::Arc;

/// What is done with NULs in a message. The store holds none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nul {
    /// They become 0x80.
    #[default]
    Replace,
    /// The message is refused.
    Refuse,
}

/// What the sessions of a listener share.
#[derive(Clone, Debug)]
pub struct Lmtp {
    /// What we call ourselves.
    pub hostname: Arc<str>,
    /// Who is a recipient.
    pub directory: Directory,
    /// What is done with NULs.
    pub nul: Nul,
}
