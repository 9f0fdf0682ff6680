//! Asking the issuer about a token. RFC 7662.

use super::http::{Http, Question};
use crate::env::Env;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use zeroize::Zeroizing;

/// How long a good token is not asked about again: as long as one that was taken
/// back may be used.
const KEPT: Duration = Duration::from_secs(60);

/// Tokens that are remembered.
const KEPT_MAX: usize = 10_000;

/// What stays as it is in `application/x-www-form-urlencoded`.
const FORM: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'*')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_');

/// The endpoint, and what it has said.
pub(super) struct Introspection {
    url: String,
    authorization: Zeroizing<String>,
    key: Zeroizing<[u8; 32]>,
    /// By keyed hashes of tokens: whose they are, and until when
    /// ([`Env::monotonic`]) that is believed.
    kept: Mutex<HashMap<[u8; 32], (String, Duration)>>,
}

impl Introspection {
    /// `key` is random.
    pub(super) fn new(url: String, id: &str, secret: &str, key: [u8; 32]) -> Self {
        // RFC 6749 §2.3.1: both as a form has them, then as RFC 7617 says.
        let encode = |text| utf8_percent_encode(text, FORM);
        let pair = Zeroizing::new(format!("{}:{}", encode(id), encode(secret)));
        Self {
            url,
            authorization: Zeroizing::new(format!("Basic {}", STANDARD.encode(&*pair))),
            key: Zeroizing::new(key),
            kept: Mutex::default(),
        }
    }

    /// Whose the token was a moment ago.
    pub(super) fn known(&self, env: &Env, token: &str) -> Option<String> {
        let kept = self.kept();
        let (name, until) = kept.get(&self.mark(token))?;
        (*until > env.monotonic()).then(|| name.clone())
    }

    /// What the issuer says about it.
    pub(super) async fn ask(
        &self,
        http: &Http,
        env: &Env,
        token: &str,
    ) -> Result<Map<String, Value>, String> {
        let form = vec![
            ("token", token.to_owned()),
            ("token_type_hint", "access_token".to_owned()),
        ];
        let question = Question {
            url: self.url.clone(),
            post: Some((self.authorization.to_string(), form)),
        };
        http.ask(env, question).await
    }

    /// Remembers a good one, `until` its end (in seconds since 1970) at the longest.
    pub(super) fn keep(&self, env: &Env, token: &str, name: &str, until: Option<i64>) {
        let left = match until {
            Some(end) => {
                let seconds = end.saturating_sub(env.now().seconds());
                Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
            }
            None => KEPT,
        };
        let now = env.monotonic();
        let mut kept = self.kept();
        if kept.len() >= KEPT_MAX {
            kept.retain(|_, (_, until)| *until > now);
        }
        if kept.len() < KEPT_MAX && !left.is_zero() {
            let until = now + left.min(KEPT);
            kept.insert(self.mark(token), (name.to_owned(), until));
        }
    }

    fn mark(&self, token: &str) -> [u8; 32] {
        let mut mac = match Hmac::<Sha256>::new_from_slice(self.key.as_ref()) {
            Ok(mac) => mac,
            // HMAC takes a key of any length.
            Err(_) => return [0; 32],
        };
        mac.update(token.as_bytes());
        mac.finalize().into_bytes().into()
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<[u8; 32], (String, Duration)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
