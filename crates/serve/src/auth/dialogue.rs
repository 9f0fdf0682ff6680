//! One authentication exchange (SASL), for any protocol that has them: the
//! protocol carries lines, everything else is here.

use super::certificate;
use super::directory::Directory;
use super::login::{Access, Login, LoginError, Target};
use super::oauth::Refusal;
use super::password::Password;
use super::settings::Scram;
use crate::stream::Stream;
use account::directory::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proto::sasl::{Channel, Claim, Exchange, Failure, Hash, Mechanism, Secret, Step, TokenError};
use sha2::{Digest as _, Sha256};
use tracing::info;

/// An exchange that goes on.
#[derive(Debug)]
pub struct Dialogue {
    directory: Directory,
    access: Access,
    exchange: Exchange,
    /// Whose keys a SCRAM exchange goes on with.
    target: Option<Target>,
    /// Who logs in, as far as that was said and as it was said.
    name: String,
    /// What of a name is the account's.
    base: fn(&str) -> String,
    /// What the client is told about a token that opens nothing.
    token_error: Option<TokenError>,
    outcome: Option<Result<Login, Denied>>,
}

/// What the protocol does next.
#[derive(Debug)]
pub enum Next {
    /// Send this (it is in base64) and give the client's line to
    /// [`Dialogue::line`].
    Challenge(String),
    /// It is over.
    End(Result<Login, Denied>),
}

/// Why an exchange did not lead to a login.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// There is no such mechanism, or not here.
    #[error("there is no such mechanism")]
    Mechanism,
    /// The exchange was broken off, by either side.
    #[error("{0}")]
    Exchange(Failure),
    /// Whoever it is may not act for whom they named.
    #[error("acting for another is not possible")]
    Acting,
    /// What was claimed is not so, or cannot be checked now.
    #[error("{0}")]
    Login(LoginError),
}

impl From<LoginError> for Denied {
    fn from(error: LoginError) -> Self {
        Self::Login(error)
    }
}

/// Where a password may come without TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlaintextLogin {
    /// Nowhere.
    #[default]
    Never,
    /// From this machine alone, where nobody else can listen in: not from the client
    /// that a load balancer on it speaks for.
    Local,
    /// Everywhere.
    Always,
}

impl PlaintextLogin {
    /// Whether it may on this connection.
    pub fn allows(self, stream: &Stream) -> bool {
        match self {
            Self::Never => stream.is_secure(),
            Self::Local => stream.is_secure() || stream.peer().is_local(),
            Self::Always => true,
        }
    }
}

/// What a connection allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// Whether a login may be seen by whoever can read along: over TLS, or where
    /// the listener allows it without. Without it nothing is offered.
    pub clear: bool,
    /// Whether there is TLS to be bound to.
    pub bindable: bool,
    /// Whether the client has shown a certificate that TLS took.
    pub certificate: bool,
}

impl Offer {
    /// That of a connection.
    pub fn of(stream: &Stream, plaintext_login: PlaintextLogin) -> Self {
        Self {
            clear: plaintext_login.allows(stream),
            bindable: stream.is_secure(),
            certificate: stream.peer_certificate().is_some(),
        }
    }
}

impl Directory {
    /// The mechanisms that may be used on such a connection, the best first.
    pub fn mechanisms(&self, offer: Offer) -> Vec<Mechanism> {
        if !offer.clear {
            return Vec::new();
        }
        let state = self.snapshot();
        let offered = |mechanism: &Mechanism| match mechanism {
            Mechanism::Plain | Mechanism::Login => true,
            Mechanism::OAuthBearer | Mechanism::XOAuth2 => self.auth().settings().oauth.is_some(),
            Mechanism::External => offer.certificate && self.auth().settings().external.is_some(),
            _ => {
                let hash = mechanism.scram();
                let has_keys = hash.is_some_and(|hash| self.offers_scram(&state, hash));
                has_keys && (offer.bindable || !mechanism.is_plus())
            }
        };
        Mechanism::ALL.into_iter().filter(offered).collect()
    }

    fn offers_scram(&self, state: &State, hash: Hash) -> bool {
        match self.auth().settings().scram {
            Scram::On => true,
            Scram::Off => false,
            Scram::Auto => {
                let scheme = match hash {
                    Hash::Sha1 => "SCRAM-SHA-1",
                    Hash::Sha256 => "SCRAM-SHA-256",
                };
                state.accounts_with(scheme) >= state.accounts_with_password()
            }
        }
    }
}

impl Dialogue {
    /// Begins; `initial` is the initial response as it stood in the command, and
    /// `base` takes off a name what the protocol lets stand before it.
    ///
    /// # Errors
    /// If the mechanism is none that is offered.
    pub async fn begin(
        directory: &Directory,
        mut access: Access,
        offer: Offer,
        mechanism: &str,
        base: fn(&str) -> String,
        initial: Option<&[u8]>,
    ) -> Result<(Self, Next), Denied> {
        let offered = directory.mechanisms(offer);
        let mechanism = Mechanism::from_name(mechanism.as_bytes())
            .filter(|mechanism| offered.contains(mechanism))
            .ok_or(Denied::Mechanism)?;
        access.mechanism = Some(mechanism);
        let channel = Channel {
            bindings: access.bindings.clone(),
            announced: offered.iter().any(|mechanism| mechanism.is_plus()),
        };
        let mut nonce = [0; 18];
        directory.accounts().node().env.random(&mut nonce);
        let (exchange, step) = Exchange::begin(mechanism, initial, channel, STANDARD.encode(nonce));
        let mut dialogue = Self {
            directory: directory.clone(),
            access,
            exchange,
            target: None,
            name: String::new(),
            base,
            token_error: None,
            outcome: None,
        };
        let next = dialogue.go_on(step).await;
        Ok((dialogue, next))
    }

    /// Takes the client's line, without its end.
    pub async fn line(&mut self, line: &[u8]) -> Next {
        let step = self.exchange.line(line);
        self.go_on(step).await
    }

    /// Who logs in, as far as that was said: for the log.
    pub fn name(&self) -> &str {
        &self.name
    }

    async fn go_on(&mut self, mut step: Step) -> Next {
        loop {
            step = match step {
                Step::Challenge(challenge) => return Next::Challenge(challenge),
                Step::Keys { name, hash } => {
                    match self.directory.scram_keys(&(self.base)(&name), hash).await {
                        Ok((target, keys)) => {
                            self.target = target;
                            self.name = name;
                            self.exchange.keys(keys)
                        }
                        Err(error) => return Next::End(Err(error.into())),
                    }
                }
                Step::Verify(claim) => {
                    let outcome = self.verify(claim).await;
                    let step = match &outcome {
                        Ok(_) => self.exchange.accept(),
                        Err(_) => self.exchange.refuse(self.token_error.as_ref()),
                    };
                    self.outcome = Some(outcome);
                    step
                }
                Step::Accepted | Step::Refused => {
                    let outcome = self.outcome.take();
                    return Next::End(outcome.unwrap_or(Err(Denied::Mechanism)));
                }
                Step::Failed(failure) => return Next::End(Err(Denied::Exchange(failure))),
            }
        }
    }

    async fn verify(&mut self, claim: Claim) -> Result<Login, Denied> {
        let (directory, access) = (self.directory.clone(), &self.access);
        let (login, authorization) = match claim {
            Claim::Password {
                authorization,
                name,
                password,
            } => {
                self.name.clone_from(&name);
                let password = password.reveal().as_bytes();
                let name = (self.base)(&name);
                let login = directory.login(access, &name, password).await?;
                (login, authorization)
            }
            Claim::Proof {
                authorization,
                name,
                right,
            } => {
                let name = (self.base)(&name);
                let asked = directory.ask(access, &name)?;
                let found = directory
                    .by_proof(access, self.target.as_ref(), right)
                    .await;
                let login = directory.answer(asked, access, &name, None, found).await?;
                (login, authorization)
            }
            Claim::External { authorization } => {
                self.name.clone_from(&authorization);
                let login = self.external(&(self.base)(&authorization)).await?;
                (login, authorization)
            }
            Claim::Token { name, token } => {
                self.name.clone_from(&name);
                let login = self.token(&(self.base)(&name), &token).await?;
                (login, name)
            }
        };
        self.may_act(login, &authorization)
    }

    /// Opens the account that the client's certificate names; of several the one
    /// that the client wants.
    async fn external(&mut self, authorization: &str) -> Result<Login, LoginError> {
        let directory = &self.directory;
        let names = self
            .access
            .certificate
            .as_deref()
            .zip(directory.auth().settings().external);
        let names = names.map_or_else(Vec::new, |(certificate, which)| {
            certificate::names(certificate, which)
        });
        let state = directory.snapshot();
        let id = |name: &str| Some(directory.target(&state, name)?.account_id());
        let wanted = id(authorization);
        let found = names.iter().find(|name| match authorization {
            "" => id(name).is_some(),
            _ => wanted.is_some() && id(name) == wanted,
        });
        let name = found
            .or(names.first())
            .map_or(authorization, String::as_str);
        if self.name.is_empty() {
            self.name = name.to_owned();
        }
        let asked = directory.ask(&self.access, name)?;
        let login = match found {
            Some(name) => directory.by_name(&self.access, name, authorization).await,
            None => Err(LoginError::Wrong),
        };
        directory
            .answer(asked, &self.access, name, None, login)
            .await
    }

    /// Opens the account that a token names; `wanted` is whom the client named.
    async fn token(&mut self, wanted: &str, token: &Secret) -> Result<Login, Denied> {
        let directory = self.directory.clone();
        let oauth = directory.auth().settings().oauth.as_ref();
        let oauth = oauth.ok_or(Denied::Mechanism)?;
        let asked = directory.ask(&self.access, wanted)?;
        let env = &directory.accounts().node().env;
        let (name, found) = match oauth.check(env, token.reveal()).await {
            Ok(named) => {
                // Should the account not be there, or be another's.
                self.token_error = oauth.error(Refusal::Invalid("it opens nothing"));
                let found = directory.by_name(&self.access, &named, wanted).await;
                if self.name.is_empty() {
                    self.name.clone_from(&named);
                }
                (
                    if wanted.is_empty() { &named } else { wanted }.to_owned(),
                    found,
                )
            }
            Err(refusal) => {
                info!(peer = %self.access.peer, user = wanted, why = %refusal, "a token was refused");
                self.token_error = oauth.error(refusal);
                let error = match refusal {
                    Refusal::Unavailable => LoginError::Unavailable,
                    Refusal::Invalid(_) | Refusal::Scope => LoginError::Wrong,
                };
                (wanted.to_owned(), Err(error))
            }
        };
        // It is not the token's fault then.
        if let Err(LoginError::Unavailable | LoginError::TooMany) = found {
            self.token_error = None;
        }
        // Of one length, so that one token is told from another.
        let secret = STANDARD.encode(Sha256::digest(token.reveal()));
        let secret = Password::new(secret.as_bytes());
        let answer = directory.answer(asked, &self.access, &name, secret.as_ref(), found);
        Ok(answer.await?)
    }

    /// Nobody may act for another.
    fn may_act(&self, login: Login, authorization: &str) -> Result<Login, Denied> {
        if authorization.is_empty() {
            return Ok(login);
        }
        let directory = &self.directory;
        let wanted = (self.base)(authorization);
        let target = directory.target(&directory.snapshot(), &wanted);
        if target.is_some_and(|target| target.account_id() == login.account.id()) {
            Ok(login)
        } else {
            Err(Denied::Acting)
        }
    }
}
