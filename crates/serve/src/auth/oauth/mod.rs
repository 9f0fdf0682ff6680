//! Bearer tokens: whether one is good, and whose it is.
//!
//! A token is either signed (RFC 7519) and checked here against its issuer's keys,
//! or the issuer is asked about it (RFC 7662). What must stay true: a token is never
//! logged and goes nowhere but to the introspection endpoint that is configured;
//! whatever an issuer answers is bounded in size and time; an issuer that does not
//! answer is our trouble and never makes a token wrong.

mod claims;
mod http;
mod introspection;
mod jwt;
mod keys;

use crate::env::Env;
use claims::{Good, Rules};
use http::Http;
use introspection::Introspection;
use keys::KeySource;
use proto::sasl::TokenError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tracing::error;
use zeroize::Zeroizing;

pub use http::check_url;

/// Longest token, in octets.
pub const TOKEN_OCTETS_MAX: usize = 16 << 10;

/// How long a question to the issuer may take, from the first octet to the last.
pub const ISSUER_TIMEOUT: Duration = Duration::from_secs(5);

/// How tokens are checked.
#[derive(Clone)]
pub struct OAuthSettings {
    /// By what a token is checked.
    pub source: TokenSource,
    /// Who must have issued it, as the token says it.
    pub issuer: Option<String>,
    /// For whom it must have been issued. Signed tokens need one: the issuer has
    /// signed others for other services.
    pub audience: Option<String>,
    /// The claim that names the account.
    pub claim: String,
    /// What it must allow.
    pub scopes: Vec<String>,
    /// The certificates, in PEM, of those who certify the issuer; `None`: those
    /// whom browsers trust.
    pub ca: Option<Vec<u8>>,
    /// How long a question may take: [`ISSUER_TIMEOUT`].
    pub timeout: Duration,
}

/// By what a token is checked.
#[derive(Clone)]
pub enum TokenSource {
    /// The keys that the issuer's configuration leads to. OpenID Connect Discovery
    /// 1.0 §4.
    Issuer,
    /// The keys at this address. RFC 7517 §5.
    Keys(String),
    /// What is answered there. RFC 7662.
    Introspection {
        /// Where.
        url: String,
        /// As whom we ask.
        client_id: String,
        /// With which secret.
        client_secret: Zeroizing<String>,
    },
}

/// Checks tokens. Cheap to clone.
#[derive(Clone)]
pub struct OAuth(Arc<Inner>);

struct Inner {
    check: Check,
    rules: Rules,
    http: Http,
    scope: Option<String>,
    configuration: Option<String>,
}

enum Check {
    Keys(KeySource),
    Introspection(Introspection),
}

/// Why a token does not open anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is not good; why is for the log.
    Invalid(&'static str),
    /// It is good, but not for this.
    Scope,
    /// The issuer cannot be asked.
    Unavailable,
}

impl OAuth {
    /// Nothing is asked yet: an issuer may be started after us.
    ///
    /// # Errors
    /// Says what of the settings cannot be.
    pub fn new(env: &Env, settings: OAuthSettings) -> Result<Self, String> {
        let http = Http::new(settings.ca.as_deref(), settings.timeout)?;
        let issuer = settings.issuer.as_deref();
        let checked = |url: String| match check_url(&url) {
            Ok(()) => Ok(url),
            Err(why) => Err(format!("`{url}` {why}")),
        };
        let configuration = issuer.map(discovery);
        let check = match settings.source {
            TokenSource::Issuer => {
                let issuer = issuer.ok_or("there is no issuer")?.to_owned();
                Check::Keys(KeySource::of_issuer(checked(issuer)?))
            }
            TokenSource::Keys(url) => Check::Keys(KeySource::at(checked(url)?)),
            TokenSource::Introspection {
                url,
                client_id,
                client_secret,
            } => {
                let mut key = [0; 32];
                env.random(&mut key);
                let url = checked(url)?;
                Check::Introspection(Introspection::new(url, &client_id, &client_secret, key))
            }
        };
        if matches!(check, Check::Keys(_)) && settings.audience.is_none() {
            return Err("signed tokens need an audience".to_owned());
        }
        let scope = Some(settings.scopes.join(" ")).filter(|scope| !scope.is_empty());
        Ok(Self(Arc::new(Inner {
            check,
            rules: Rules {
                issuer: settings.issuer,
                audience: settings.audience,
                claim: settings.claim,
                scopes: settings.scopes,
            },
            http,
            scope,
            configuration,
        })))
    }

    /// The name of the account that a token is for.
    pub(super) async fn check(&self, env: &Env, token: &str) -> Result<String, Refusal> {
        if token.len() > TOKEN_OCTETS_MAX {
            return Err(Refusal::Invalid("it is too long"));
        }
        let inner = &self.0;
        match &inner.check {
            Check::Keys(source) => {
                let token = jwt::Token::parse(token).map_err(Refusal::Invalid)?;
                source.check(&inner.http, env, &token).await?;
                let now = env.now().seconds();
                let good = inner.rules.check(&token.claims, now, true)?;
                Ok(good.name)
            }
            Check::Introspection(introspection) => {
                if let Some(name) = introspection.known(env, token) {
                    return Ok(name);
                }
                let answer = introspection.ask(&inner.http, env, token).await;
                let claims = answer.map_err(|why| {
                    error!(why, "the issuer cannot be asked about a token");
                    Refusal::Unavailable
                })?;
                if claims.get("active") != Some(&true.into()) {
                    return Err(Refusal::Invalid("the issuer calls it inactive"));
                }
                let now = env.now().seconds();
                let Good { name, until } = inner.rules.check(&claims, now, false)?;
                introspection.keep(env, token, &name, until);
                Ok(name)
            }
        }
    }

    /// What a client is told; nothing where its token is not at fault. RFC 7628
    /// §3.2.2.
    pub(super) fn error(&self, refusal: Refusal) -> Option<TokenError> {
        let status = match refusal {
            Refusal::Invalid(_) => "invalid_token",
            Refusal::Scope => "insufficient_scope",
            Refusal::Unavailable => return None,
        };
        Some(TokenError {
            status,
            scope: self.0.scope.clone(),
            configuration: self.0.configuration.clone(),
        })
    }
}

impl fmt::Debug for OAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth").finish_non_exhaustive()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invalid(why) => why,
            Self::Scope => "it does not allow what is needed",
            Self::Unavailable => "the issuer cannot be asked now",
        })
    }
}

/// Where an issuer's configuration stands. OpenID Connect Discovery 1.0 §4.
fn discovery(issuer: &str) -> String {
    let issuer = issuer.trim_end_matches('/');
    format!("{issuer}/.well-known/openid-configuration")
}
