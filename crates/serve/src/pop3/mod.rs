//! POP3: mail goes out. RFC 1939, 2449, 2595, 3206, 5034.
//!
//! A session sees one maildrop: INBOX as it was at login. Numbers never move
//! within it, sizes come from kept state, and nothing is deleted before QUIT has
//! committed.
//!
//! What must stay true: a connection that breaks, and one that falls silent,
//! deletes nothing; a message is sent as it is stored, octet for octet; what
//! was sent before a TLS handshake is never seen after it.

mod login;
mod maildrop;
mod session;

pub use session::run;

use crate::auth::Directory;
use crate::stream::Tls;
use std::sync::Arc;

/// What the sessions of a listener share.
#[derive(Clone, Debug)]
pub struct Pop3 {
    /// What we call ourselves.
    pub hostname: Arc<str>,
    /// Who may log in.
    pub directory: Directory,
    /// For STLS; `None`: not offered.
    pub tls: Option<Tls>,
    /// Whether passwords are taken without TLS.
    pub plaintext_login: bool,
}
