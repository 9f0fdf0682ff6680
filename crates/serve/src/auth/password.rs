//! A password on its way through the server.

use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A password as it came. Its octets are overwritten when the last copy goes,
/// and `Debug` does not show them.
#[derive(Clone)]
pub struct Password(Arc<Zeroizing<Box<[u8]>>>);

impl Password {
    /// Longest password, in octets; longer ones are wrong. Some of the old hash
    /// functions take time that grows with the square of the length.
    pub const OCTETS_MAX: usize = 1_024;

    /// `None` if it is too long or has a NUL (RFC 4616 §2).
    pub fn new(octets: &[u8]) -> Option<Self> {
        (octets.len() <= Self::OCTETS_MAX && !octets.contains(&0))
            .then(|| Self(Arc::new(Zeroizing::new(octets.into()))))
    }

    /// One that fits nothing that a password was stored for.
    pub(super) fn none() -> Self {
        Self(Arc::new(Zeroizing::new(Box::default())))
    }

    /// Its octets.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}
