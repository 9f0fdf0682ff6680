//! An issuer's keys: fetched when they are first needed, again now and then, and
//! when a token names one that is not known.

use super::http::{Http, Question, check_url};
use super::jwt::{Keys, Token, Verdict};
use super::{Refusal, discovery};
use crate::env::Env;
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tracing::{info, warn};

/// After so long they are fetched again: a key that is taken back is taken no
/// longer.
const FRESH: Duration = Duration::from_secs(3_600);
/// While the issuer does not answer, known keys are good for so long.
const KEPT: Duration = Duration::from_secs(86_400);
/// Time between two fetches, whatever tokens name.
const PAUSE: Duration = Duration::from_secs(60);
/// The same after one that has failed.
const PAUSE_FAILED: Duration = Duration::from_secs(5);

/// The keys and where they come from.
pub(super) struct KeySource(Arc<Inner>);

struct Inner {
    place: Place,
    state: Mutex<State>,
    /// One fetches at a time, the others wait for what it brings.
    fetching: tokio::sync::Mutex<()>,
}

enum Place {
    Issuer(String),
    Url(String),
}

#[derive(Default)]
struct State {
    keys: Option<(Arc<Keys>, Duration)>,
    /// When it was last tried to fetch them, and whether that has failed.
    tried: Option<(Duration, bool)>,
}

impl KeySource {
    /// Where the issuer's configuration says.
    pub(super) fn of_issuer(issuer: String) -> Self {
        Self::from(Place::Issuer(issuer))
    }

    /// There.
    pub(super) fn at(url: String) -> Self {
        Self::from(Place::Url(url))
    }

    fn from(place: Place) -> Self {
        Self(Arc::new(Inner {
            place,
            state: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        }))
    }

    /// Whether the issuer has signed the token.
    pub(super) async fn check(
        &self,
        http: &Http,
        env: &Env,
        token: &Token<'_>,
    ) -> Result<(), Refusal> {
        let now = env.monotonic();
        let known = self.0.state().keys.clone();
        let keys = match known {
            Some((keys, since)) if now.saturating_sub(since) < FRESH => keys,
            Some((keys, since)) if now.saturating_sub(since) < KEPT => {
                self.fetch(http, env).await.unwrap_or(keys)
            }
            _ => self.fetch(http, env).await?,
        };
        let mut verdict = token.signed_by(&keys);
        if verdict == Verdict::Unknown {
            verdict = token.signed_by(&*self.fetch(http, env).await?);
        }
        match verdict {
            Verdict::Signed => Ok(()),
            Verdict::Wrong => Err(Refusal::Invalid("its signature is wrong")),
            Verdict::Unknown => Err(Refusal::Invalid("its key is none of the issuer's")),
        }
    }

    /// The newest keys; those of the last time where that was a moment ago.
    async fn fetch(&self, http: &Http, env: &Env) -> Result<Arc<Keys>, Refusal> {
        let (inner, http, world) = (Arc::clone(&self.0), http.clone(), env.clone());
        // A task of its own: a client that goes away takes nothing from the others.
        let fetched = env.spawn(async move { inner.fetch(&http, &world).await });
        fetched.await.unwrap_or(Err(Refusal::Unavailable))
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch(&self, http: &Http, env: &Env) -> Result<Arc<Keys>, Refusal> {
        let _turn = self.fetching.lock().await;
        let now = env.monotonic();
        {
            let state = self.state();
            let (last, failed) = match state.tried {
                Some((last, failed)) => (Some(last), failed),
                None => (None, false),
            };
            let pause = if failed { PAUSE_FAILED } else { PAUSE };
            if last.is_some_and(|last| now.saturating_sub(last) < pause) {
                let known = state.keys.as_ref().filter(|_| !failed);
                return known
                    .map(|(keys, _)| Arc::clone(keys))
                    .ok_or(Refusal::Unavailable);
            }
        }
        let downloaded = self.download(http, env).await;
        let now = env.monotonic();
        match downloaded {
            Ok(keys) => {
                info!("the token issuer's keys are fetched");
                let keys = Arc::new(keys);
                *self.state() = State {
                    keys: Some((Arc::clone(&keys), now)),
                    tried: Some((now, false)),
                };
                Ok(keys)
            }
            Err(why) => {
                self.state().tried = Some((now, true));
                warn!(why, "the token issuer's keys cannot be fetched");
                Err(Refusal::Unavailable)
            }
        }
    }

    async fn download(&self, http: &Http, env: &Env) -> Result<Keys, String> {
        let url = match &self.place {
            Place::Url(url) => url.clone(),
            Place::Issuer(issuer) => {
                let configuration = http.ask(env, Question::get(&discovery(issuer))).await?;
                let text = |name| configuration.get(name).and_then(Value::as_str);
                // OpenID Connect Discovery 1.0 §4.3: exactly the same.
                if text("issuer") != Some(issuer) {
                    let named = text("issuer").unwrap_or_default();
                    return Err(format!("the issuer there calls itself `{named}`"));
                }
                let url = text("jwks_uri").ok_or("the issuer names no jwks_uri")?;
                check_url(url).map_err(|why| format!("the issuer's jwks_uri {why}"))?;
                url.to_owned()
            }
        };
        let set = http.ask(env, Question::get(&url)).await?;
        Keys::parse(&set).ok_or_else(|| format!("{url}: there is no key in it that can be used"))
    }
}
