//! Authentication exchanges, the server's side. RFC 4422.
//!
//! An [`Exchange`] takes what the client sends, in base64, and says what to do
//! next. It checks no password: that is the caller's, who alone knows accounts.
//! A further mechanism is another [`Mechanism`], its state in `State` and its
//! result in [`Claim`].

mod base64;
mod plain;

pub use base64::{decode, encode};

use std::fmt;
use zeroize::Zeroizing;

/// Longest line of an exchange, CRLF included, in octets: RFC 4954 §4 asks for
/// 12,288, which we round up.
pub const LINE_OCTETS_MAX: usize = 16_384;

/// A password: wiped when dropped, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes it over.
    pub fn new(secret: String) -> Self {
        Self(Zeroizing::new(secret))
    }

    /// The password itself, for the one who verifies it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The mechanisms that are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mechanism {
    /// A name and a password in the clear. RFC 4616.
    Plain,
}

impl Mechanism {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::Plain];

    /// From its name, in any case.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|mechanism| name.eq_ignore_ascii_case(mechanism.name().as_bytes()))
    }

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
        }
    }

    /// Whether it shows the password to anybody who can read the line.
    pub fn is_clear(self) -> bool {
        match self {
            Self::Plain => true,
        }
    }
}

/// Who the client says that it is, and how that can be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A name and its password.
    Password {
        /// Whom to act as; empty: the one who logs in.
        authorization: String,
        /// Who logs in.
        name: String,
        /// The password.
        password: Secret,
    },
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this to the client (it is in base64 already) and give its answer to
    /// [`Exchange::line`].
    Challenge(String),
    /// The exchange is over: check this.
    Verify(Claim),
    /// The exchange is over and has failed.
    Failed(Failure),
}

/// Why an exchange failed before anything could be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The client sent `*`.
    Cancelled,
    /// What it sent is not base64.
    Base64,
    /// It is not what the mechanism asks for.
    Malformed,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancelled => "authentication cancelled",
            Self::Base64 => "invalid base64",
            Self::Malformed => "invalid response",
        })
    }
}

/// What a mechanism waits for.
#[derive(Debug)]
enum State {
    Plain,
}

/// One exchange.
#[derive(Debug)]
pub struct Exchange {
    state: State,
}

impl Exchange {
    /// Begins. `initial` is the initial response as it stood in the command: in
    /// base64, `=` for one that is empty. RFC 4954 §4, RFC 5034 §4, RFC 4959 §3.
    pub fn begin(mechanism: Mechanism, initial: Option<&[u8]>) -> (Self, Step) {
        let mut exchange = match mechanism {
            Mechanism::Plain => Self {
                state: State::Plain,
            },
        };
        let step = match initial {
            // RFC 4422 §5: the client goes first, so an empty challenge asks it.
            None => Step::Challenge(String::new()),
            Some(b"=") => exchange.response(b""),
            Some(response) => exchange.line(response),
        };
        (exchange, step)
    }

    /// Takes the client's answer: a line without its end.
    pub fn line(&mut self, line: &[u8]) -> Step {
        if line == b"*" {
            return Step::Failed(Failure::Cancelled);
        }
        match base64::decode(line) {
            Some(response) => self.response(&Zeroizing::new(response)),
            None => Step::Failed(Failure::Base64),
        }
    }

    fn response(&mut self, response: &[u8]) -> Step {
        match self.state {
            State::Plain => {
                plain::message(response).map_or(Step::Failed(Failure::Malformed), Step::Verify)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(authorization: &str, name: &str, password: &str) -> Step {
        Step::Verify(Claim::Password {
            authorization: authorization.into(),
            name: name.into(),
            password: Secret::new(password.into()),
        })
    }

    #[test]
    fn plain_in_all_its_forms() {
        let begin =
            |initial: Option<&str>| Exchange::begin(Mechanism::Plain, initial.map(str::as_bytes));
        // RFC 4616 §4.
        assert_eq!(
            begin(Some("AHRpbQB0YW5zdGFhZnRhbnN0YWFm")).1,
            password("", "tim", "tanstaaftanstaaf")
        );
        let initial = encode("Ursel\0Kurt\0xipj3plmq".as_bytes());
        assert_eq!(
            begin(Some(&initial)).1,
            password("Ursel", "Kurt", "xipj3plmq")
        );
        let (mut exchange, step) = begin(None);
        assert_eq!(step, Step::Challenge(String::new()));
        assert_eq!(
            exchange.line(initial.as_bytes()),
            password("Ursel", "Kurt", "xipj3plmq")
        );
        for (initial, failure) in [
            ("*", Failure::Cancelled),
            ("=", Failure::Malformed),
            ("", Failure::Malformed),
            ("AHRpb", Failure::Base64),
            ("AHRp bQB0", Failure::Base64),
            ("AHRpbQ==", Failure::Malformed),
        ] {
            assert_eq!(begin(Some(initial)).1, Step::Failed(failure), "{initial:?}");
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".into())), "Secret(…)");
    }

    #[test]
    fn names_are_taken_in_any_case() {
        assert_eq!(Mechanism::from_name(b"plain"), Some(Mechanism::Plain));
        assert_eq!(Mechanism::from_name(b"PLAINER"), None);
    }
}
