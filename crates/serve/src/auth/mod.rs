//! Who may log in: verifiers, the threads that compute them, what is remembered.

mod background;
mod cache;
mod defaults;
mod directory;
mod operator;
mod password;
mod pool;
mod scheme;
mod service;
mod standing;

pub use defaults::HoldDefaults;
pub use directory::{
    Directory, LANGUAGE_SETTING, Login, LoginError, Protocol, Recipient, RecipientError,
};
pub use operator::{Addition, OperatorError};
pub use password::Password;
pub use pool::Busy;
pub use scheme::{
    Cost, ScramHash, ScramKeys, VERIFIER_OCTETS_MAX, VerifierError, argon2id, check, is_strong,
    plain_text, schemes, scram, scram_keys_of, verify,
};
pub use service::{Auth, Checked, make};

#[cfg(test)]
mod hold_tests;
#[cfg(test)]
mod tests;
