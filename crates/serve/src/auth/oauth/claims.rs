//! What a token says, once it is known to be its issuer's.

use super::Refusal;
use serde_json::{Map, Value};

/// How far the issuer's clock may be from ours, in seconds. RFC 7519 §4.1.4 leaves
/// room for "no more than a few minutes".
const LEEWAY_SECONDS: i64 = 60;

/// What a token must say.
pub(super) struct Rules {
    pub(super) issuer: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) claim: String,
    pub(super) scopes: Vec<String>,
}

/// What it has said.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Good {
    /// Whose account.
    pub(super) name: String,
    /// When it ends, in seconds since 1970.
    pub(super) until: Option<i64>,
}

impl Rules {
    /// Whether the claims open an account at `now`, in seconds since 1970. What is
    /// `signed` must name its issuer and its end; where the issuer itself answers,
    /// it knows both (RFC 7662 §2.2 has them optional).
    pub(super) fn check(
        &self,
        claims: &Map<String, Value>,
        now: i64,
        signed: bool,
    ) -> Result<Good, Refusal> {
        let invalid = |why| Err(Refusal::Invalid(why));
        if let Some(issuer) = &self.issuer {
            match claims.get("iss") {
                Some(Value::String(named)) if named == issuer => {}
                None if !signed => {}
                _ => return invalid("another has issued it"),
            }
        }
        if let Some(audience) = &self.audience
            && !words(claims.get("aud"), false).any(|named| named == audience)
        {
            return invalid("it is for another audience");
        }
        let until = match claims.get("exp").map(seconds) {
            Some(Some(end)) if now.saturating_sub(LEEWAY_SECONDS) < end => Some(end),
            Some(Some(_)) => return invalid("it has expired"),
            None if !signed => None,
            Some(None) | None => return invalid("it does not say when it ends"),
        };
        match claims.get("nbf").map(seconds) {
            None => {}
            Some(Some(begin)) if begin <= now.saturating_add(LEEWAY_SECONDS) => {}
            Some(_) => return invalid("it is not valid yet"),
        }
        // RFC 9068 §2.2.3 has `scope`; some issuers write a list, or `scp`.
        let allows = |scope: &String| {
            ["scope", "scp"]
                .into_iter()
                .any(|key| words(claims.get(key), true).any(|named| named == scope))
        };
        if !self.scopes.iter().all(allows) {
            return Err(Refusal::Scope);
        }
        let verified = claims.get("email_verified");
        if self.claim == "email" && verified.is_some_and(|verified| *verified != Value::Bool(true))
        {
            return invalid("its mail address is not verified");
        }
        match claims.get(&self.claim) {
            Some(Value::String(name)) if !name.is_empty() => Ok(Good {
                name: name.clone(),
                until,
            }),
            _ => invalid("it does not name an account"),
        }
    }
}

/// A string, or several: each of a list and, where `split`, what spaces separate.
fn words(value: Option<&Value>, split: bool) -> impl Iterator<Item = &str> {
    let list = match value {
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    list.iter()
        .filter_map(Value::as_str)
        .flat_map(move |text| text.split(move |c| split && c == ' '))
}

/// `NumericDate`, RFC 7519 §2, which may have a fraction.
fn seconds(value: &Value) -> Option<i64> {
    let whole = value.as_i64();
    // The cast saturates.
    let fraction = || value.as_f64().map(|seconds| seconds.floor() as i64);
    whole.or_else(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: i64 = 1_700_000_000;

    fn rules() -> Rules {
        Rules {
            issuer: Some("https://id.example".into()),
            audience: Some("mail".into()),
            claim: "email".into(),
            scopes: vec!["imap".into(), "pop".into()],
        }
    }

    fn good() -> Value {
        json!({
            "iss": "https://id.example", "aud": ["x", "mail"], "exp": NOW + 60,
            "scope": "pop openid imap", "email": "anna@example.org",
        })
    }

    fn check(change: &Value, signed: bool) -> Result<String, Refusal> {
        let mut claims = good().as_object().unwrap().clone();
        for (key, value) in change.as_object().unwrap() {
            claims.insert(key.clone(), value.clone());
        }
        claims.retain(|_, value| !value.is_null());
        rules().check(&claims, NOW, signed).map(|good| good.name)
    }

    #[test]
    fn what_is_good() {
        for change in [
            json!({}),
            json!({"aud": "mail"}),
            json!({"exp": NOW - 59}),
            json!({"exp": 1.8e12}),
            json!({"nbf": NOW + 60}),
            json!({"scope": ["imap", "pop"]}),
            json!({"scope": null, "scp": "imap pop"}),
            json!({"email_verified": true}),
            json!({"azp": "whoever"}),
        ] {
            let name = Ok("anna@example.org".to_owned());
            assert_eq!(check(&change, true), name, "{change}");
            assert_eq!(check(&change, false), name, "{change}");
        }
        assert!(check(&json!({"exp": null, "iss": null}), false).is_ok());
    }

    #[test]
    fn what_is_not() {
        for change in [
            json!({"iss": "https://id.example/"}),
            json!({"iss": 1}),
            json!({"aud": "mail x"}),
            json!({"aud": []}),
            json!({"aud": null}),
            json!({"exp": NOW - 60}),
            json!({"exp": "tomorrow"}),
            json!({"nbf": NOW + 61}),
            json!({"nbf": "x"}),
            json!({"email": ""}),
            json!({"email": ["anna@example.org"]}),
            json!({"email": null}),
            json!({"email_verified": false}),
            json!({"email_verified": "true"}),
        ] {
            for signed in [true, false] {
                let refused = check(&change, signed);
                assert!(matches!(refused, Err(Refusal::Invalid(_))), "{change}");
            }
        }
        for change in [json!({"exp": null}), json!({"iss": null})] {
            let refused = check(&change, true);
            assert!(matches!(refused, Err(Refusal::Invalid(_))), "{change}");
        }
        for change in [json!({"scope": "imap"}), json!({"scope": null})] {
            assert_eq!(check(&change, true), Err(Refusal::Scope), "{change}");
        }
    }
}
