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
use crate::stream::Trusted;
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

/// What a delivery over quota is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverQuota {
    /// 452 4.2.2: whoever sends it tries again, and room may have been made.
    #[default]
    Temporary,
    /// 552 5.2.2: whoever sends it is told at once.
    Permanent,
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
    /// What a delivery over quota is told.
    pub over_quota: OverQuota,
    /// Who may say by XCLIENT for whom it speaks.
    pub xclient: Trusted,
}

impl Lmtp {
    /// With what holds where nothing else is said.
    pub fn new(hostname: impl Into<Arc<str>>, directory: Directory) -> Self {
        Self {
            hostname: hostname.into(),
            directory,
            nul: Nul::default(),
            over_quota: OverQuota::default(),
            xclient: Trusted::default(),
        }
    }
}
