//! POP3: mail goes out. RFC 1939, 2449, 2595, 3206, 5034, 6856.
//!
//! A session sees one maildrop: INBOX as it was at login. Numbers never move
//! within it, sizes come from kept state, and nothing is deleted before QUIT has
//! committed.
//!
//! What must stay true: a connection that breaks, and one that falls silent,
//! deletes nothing and collects nothing; a message is sent as it is stored, octet
//! for octet, but for an internationalised one to a client without UTF8; what was
//! sent before a TLS handshake is never seen after it.

mod enter;
pub mod language;
mod login;
mod maildrop;
mod policy;
mod session;
mod transaction;

pub use language::{Language, Languages};
pub use policy::{EXPIRE_SETTING, LOGIN_DELAY_SETTING, Policy, Settings, file_expire};
pub use session::run;

use crate::auth::{Directory, PlaintextLogin};
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
    /// Where passwords are taken without TLS.
    pub plaintext_login: PlaintextLogin,
    /// What the sessions of all listeners know of each other.
    pub policy: Arc<Policy>,
    /// What LANG offers. RFC 6856 §3.
    pub languages: Arc<Languages>,
}

impl Pop3 {
    /// With passwords taken without TLS only where `plaintext_login` is set later,
    /// no TLS, and all settings as they come.
    pub fn new(hostname: &str, directory: Directory) -> Self {
        Self {
            hostname: hostname.into(),
            directory,
            tls: None,
            plaintext_login: PlaintextLogin::Never,
            policy: Arc::default(),
            languages: Arc::default(),
        }
    }
}
