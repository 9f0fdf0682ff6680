//! Authentication exchanges, the server's side. RFC 4422.
//!
//! An [`Exchange`] takes what the client sends, in base64, and says what to do
//! next. It knows no account: whose keys they are, whether a password or a token
//! is right, and who may act for whom is the caller's business. A further
//! mechanism is another [`Mechanism`], its state in `State` and its result in
//! [`Claim`].

mod base64;
mod plain;
mod scram;
mod token;

pub use base64::{decode, encode};
pub use scram::{Binding, Channel};
pub use token::TokenError;

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
    /// SCRAM-SHA-256 bound to its TLS connection. RFC 7677.
    ScramSha256Plus,
    /// SCRAM-SHA-1 bound to its TLS connection. RFC 5802.
    ScramSha1Plus,
    /// RFC 7677.
    ScramSha256,
    /// RFC 5802.
    ScramSha1,
    /// A bearer token. RFC 7628.
    OAuthBearer,
    /// The form of it that came before; without a standard.
    XOAuth2,
    /// What TLS knows. RFC 4422 appendix A.
    External,
    /// A name and a password in the clear. RFC 4616.
    Plain,
    /// The same in two steps; without a standard.
    Login,
}

impl Mechanism {
    /// All of them, what is best to be used first.
    pub const ALL: [Self; 9] = [
        Self::ScramSha256Plus,
        Self::ScramSha1Plus,
        Self::ScramSha256,
        Self::ScramSha1,
        Self::OAuthBearer,
        Self::XOAuth2,
        Self::External,
        Self::Plain,
        Self::Login,
    ];

    /// From its name, in any case.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|mechanism| name.eq_ignore_ascii_case(mechanism.name().as_bytes()))
    }

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::ScramSha1Plus => "SCRAM-SHA-1-PLUS",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha1 => "SCRAM-SHA-1",
            Self::OAuthBearer => "OAUTHBEARER",
            Self::XOAuth2 => "XOAUTH2",
            Self::External => "EXTERNAL",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
        }
    }

    /// The hash function, where it is SCRAM.
    pub fn scram(self) -> Option<Hash> {
        match self {
            Self::ScramSha256Plus | Self::ScramSha256 => Some(Hash::Sha256),
            Self::ScramSha1Plus | Self::ScramSha1 => Some(Hash::Sha1),
            _ => None,
        }
    }

    /// Whether it binds itself to the TLS connection.
    pub fn is_plus(self) -> bool {
        matches!(self, Self::ScramSha256Plus | Self::ScramSha1Plus)
    }
}

/// The hash function of a SCRAM mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hash {
    /// RFC 5802.
    Sha1,
    /// RFC 7677.
    Sha256,
}

/// A SCRAM mechanism's keys, without the password. RFC 5802 §3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramKeys {
    /// Of PBKDF2.
    pub iterations: u32,
    /// Random.
    pub salt: Vec<u8>,
    /// `H(ClientKey)`.
    pub stored_key: Vec<u8>,
    /// What the server proves itself with.
    pub server_key: Vec<u8>,
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
    /// A name and a proof that the password is known.
    Proof {
        /// Whom to act as; empty: the one who logs in.
        authorization: String,
        /// Who logs in.
        name: String,
        /// Whether the proof fits the keys that were given.
        right: bool,
    },
    /// A token, which says itself whose it is.
    Token {
        /// Whom to act as; empty: whom the token names.
        name: String,
        /// The token.
        token: Secret,
    },
    /// What TLS has checked.
    External {
        /// Whom to act as; empty: whom the certificate names.
        authorization: String,
    },
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this to the client (it is in base64 already) and give its answer to
    /// [`Exchange::line`].
    Challenge(String),
    /// Give [`Exchange::keys`] the keys of this name, or ones that nobody has.
    Keys {
        /// Who logs in.
        name: String,
        /// The keys of which hash function.
        hash: Hash,
    },
    /// Check this, and say what came of it: [`Exchange::accept`] or
    /// [`Exchange::refuse`].
    Verify(Claim),
    /// The exchange is over, and what was accepted holds.
    Accepted,
    /// The exchange is over, and what was refused has been said.
    Refused,
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
    /// The channel binding is none that we know, or not that of this channel.
    Binding,
    /// The client did not see that we can bind to the channel.
    Downgrade,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancelled => "authentication cancelled",
            Self::Base64 => "invalid base64",
            Self::Malformed => "invalid response",
            Self::Binding => "the channel binding does not fit this connection",
            Self::Downgrade => {
                "channel binding is possible here: somebody has hidden that from you"
            }
        })
    }
}

/// What an exchange waits for.
#[derive(Debug)]
enum State {
    /// The message of a mechanism that has one.
    Message(Mechanism),
    LoginName,
    LoginPassword(String),
    ScramFirst(Mechanism),
    ScramKeys(Hash, scram::ClientFirst),
    ScramFinal(Box<scram::ServerFirst>),
    /// The caller's word; what is then said to the client before the end.
    Word(Option<String>, Option<Mechanism>),
    /// The client's answer to the last message: of a login that was accepted, or
    /// was not.
    Last(bool),
    Over,
}

/// One exchange.
#[derive(Debug)]
pub struct Exchange {
    state: State,
    channel: Channel,
    nonce: String,
}

impl Exchange {
    /// Begins. `initial` is the initial response as it stood in the command: in
    /// base64, `=` for one that is empty. RFC 4954 §4, RFC 5034 §4, RFC 4959 §3.
    /// `nonce` is printable, random and never used before.
    pub fn begin(
        mechanism: Mechanism,
        initial: Option<&[u8]>,
        channel: Channel,
        nonce: String,
    ) -> (Self, Step) {
        let state = match mechanism {
            Mechanism::Login => State::LoginName,
            _ if mechanism.scram().is_some() => State::ScramFirst(mechanism),
            _ => State::Message(mechanism),
        };
        let mut exchange = Self {
            state,
            channel,
            nonce,
        };
        let step = match initial {
            None if mechanism == Mechanism::Login => Step::Challenge(encode(b"Username:")),
            // RFC 4422 §5: the client goes first, so an empty challenge asks it.
            None => Step::Challenge(String::new()),
            Some(b"=") => exchange.response(b""),
            Some(response) => exchange.line(response),
        };
        (exchange, step)
    }

    /// Takes the client's answer: a line without its end.
    pub fn line(&mut self, line: &[u8]) -> Step {
        let step = if let State::Last(false) = self.state {
            // Whatever it says: RFC 7628 §3.2.3 wants something said.
            Step::Refused
        } else if line == b"*" {
            Step::Failed(Failure::Cancelled)
        } else {
            match base64::decode(line) {
                Some(response) => self.response(&Zeroizing::new(response)),
                None => Step::Failed(Failure::Base64),
            }
        };
        if matches!(step, Step::Failed(_) | Step::Accepted | Step::Refused) {
            self.state = State::Over;
        }
        step
    }

    fn response(&mut self, response: &[u8]) -> Step {
        match self.respond(response) {
            Ok(step) => step,
            Err(failure) => {
                self.state = State::Over;
                Step::Failed(failure)
            }
        }
    }

    fn respond(&mut self, response: &[u8]) -> Result<Step, Failure> {
        let text = || std::str::from_utf8(response).map_err(|_| Failure::Malformed);
        let state = std::mem::replace(&mut self.state, State::Over);
        Ok(match state {
            State::Message(mechanism) => {
                let claim = match mechanism {
                    Mechanism::OAuthBearer => token::oauthbearer(response),
                    Mechanism::XOAuth2 => token::xoauth2(response),
                    Mechanism::External => plain::external(response),
                    _ => plain::message(response),
                };
                self.state = State::Word(None, Some(mechanism));
                Step::Verify(claim.ok_or(Failure::Malformed)?)
            }
            State::LoginName => {
                self.state = State::LoginPassword(text()?.to_owned());
                Step::Challenge(encode(b"Password:"))
            }
            State::LoginPassword(name) => {
                self.state = State::Word(None, None);
                Step::Verify(plain::login(name, text()?).ok_or(Failure::Malformed)?)
            }
            State::ScramFirst(mechanism) => {
                let hash = mechanism.scram().ok_or(Failure::Malformed)?;
                let first = scram::client_first(response, mechanism.is_plus(), &self.channel)?;
                let name = first.name.clone();
                self.state = State::ScramKeys(hash, first);
                Step::Keys { name, hash }
            }
            State::ScramFinal(server_first) => {
                let (right, message) = server_first.client_final(response)?;
                let (authorization, name) = server_first.names();
                self.state = State::Word(Some(message), None);
                Step::Verify(Claim::Proof {
                    authorization,
                    name,
                    right,
                })
            }
            State::Last(true) if response.is_empty() => Step::Accepted,
            State::Last(_) | State::ScramKeys(..) | State::Word(..) | State::Over => {
                return Err(Failure::Malformed);
            }
        })
    }

    /// The keys that [`Step::Keys`] asked for.
    pub fn keys(&mut self, keys: ScramKeys) -> Step {
        match std::mem::replace(&mut self.state, State::Over) {
            State::ScramKeys(hash, first) => {
                let server_first = scram::ServerFirst::new(first, hash, keys, &self.nonce);
                let message = encode(server_first.message.as_bytes());
                self.state = State::ScramFinal(Box::new(server_first));
                Step::Challenge(message)
            }
            _ => Step::Failed(Failure::Malformed),
        }
    }

    /// The claim was right. What the server still has to say goes as a challenge,
    /// as neither POP3 nor IMAP can say it with the success (RFC 5802 §5).
    pub fn accept(&mut self) -> Step {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Word(Some(message), _) => {
                self.state = State::Last(true);
                Step::Challenge(encode(message.as_bytes()))
            }
            _ => Step::Accepted,
        }
    }

    /// The claim was wrong; `error` says why, where it was a token. RFC 7628 §3.2.2.
    pub fn refuse(&mut self, error: Option<&TokenError>) -> Step {
        let message = match (std::mem::replace(&mut self.state, State::Over), error) {
            (State::Word(_, Some(Mechanism::OAuthBearer)), Some(error)) => error.bearer(),
            (State::Word(_, Some(Mechanism::XOAuth2)), Some(error)) => error.xoauth2(),
            _ => return Step::Refused,
        };
        self.state = State::Last(false);
        Step::Challenge(encode(message.as_bytes()))
    }
}

#[cfg(test)]
mod tests;
