//! How logins are set up, and what is counted about them.

use super::certificate::CertificateName;
use super::oauth::OAuth;
use std::fmt;
use std::sync::atomic::AtomicU64;
use zeroize::Zeroizing;

/// How logins are set up.
pub struct Settings {
    /// A secret of this data, the same after each start: what is made up for
    /// names that nobody has comes from it.
    pub secret: Zeroizing<[u8; 32]>,
    /// When SCRAM is announced.
    pub scram: Scram,
    /// What of a client's certificate names the account; `None`: no certificate
    /// is enough to log in.
    pub external: Option<CertificateName>,
    /// What checks bearer tokens; `None`: none is taken.
    pub oauth: Option<OAuth>,
}

impl Settings {
    /// What holds where nothing is set.
    pub fn new(secret: [u8; 32]) -> Self {
        Self {
            secret: Zeroizing::new(secret),
            scram: Scram::Auto,
            external: None,
            oauth: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("scram", &self.scram)
            .field("external", &self.external)
            .field("oauth", &self.oauth)
            .finish_non_exhaustive()
    }
}

/// When SCRAM is announced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scram {
    /// While every account that has a password has what SCRAM needs: a program
    /// that is offered SCRAM tries nothing else.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// What has happened since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Logins.
    pub right: AtomicU64,
    /// Wrong names, passwords, proofs, tokens and certificates.
    pub wrong: AtomicU64,
    /// Logins that were not tried, because their network is blocked.
    pub refused: AtomicU64,
    /// Blocks that have begun.
    pub blocks: AtomicU64,
    /// Logins of accounts that had too many sessions already.
    pub too_many: AtomicU64,
    /// Logins that our own trouble has made impossible.
    pub unavailable: AtomicU64,
}
