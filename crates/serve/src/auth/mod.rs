//! Who may log in: verifiers, the threads that compute them, what is remembered.

mod background;
mod cache;
mod certificate;
mod defaults;
mod devices;
mod dialogue;
mod directory;
mod login;
pub mod oauth;
mod operator;
mod password;
mod pool;
mod scheme;
mod service;
mod settings;
mod sharing;
mod standing;
mod throttle;

pub use certificate::CertificateName;
pub use defaults::HoldDefaults;
pub(crate) use defaults::walk_again;
pub use devices::NewDevice;
pub use dialogue::{Denied, Dialogue, Next, Offer, PlaintextLogin};
pub use directory::{Directory, LANGUAGE_SETTING, Recipient, RecipientError};
pub use login::{Access, Login, LoginError, Protocol, hour, shown_name};
pub use oauth::{OAuth, OAuthSettings, TokenSource};
pub use operator::{Addition, OperatorError};
pub use password::Password;
pub use pool::Busy;
pub use scheme::{
    Cost, ScramHash, ScramKeys, VERIFIER_OCTETS_MAX, VerifierError, argon2id, check, is_strong,
    plain_text, schemes, scram, scram_keys_of, verify,
};
pub use service::{Auth, Checked, make};
pub use settings::{Counters, Scram, Settings};

#[cfg(test)]
mod hold_tests;
#[cfg(test)]
pub(crate) mod tests;
