//! Bearer tokens: OAUTHBEARER, RFC 7628, and XOAUTH2, which came before it.

use super::{Claim, Secret};

/// What separates key-value pairs. RFC 7628 §3.1.
const SEPARATOR: char = '\x01';

/// `client-resp = (gs2-header kvsep *kvpair kvsep) / kvsep`, RFC 7628 §3.1. The
/// pairs `host` and `port` say what the client meant to reach; nothing depends on
/// them.
pub(super) fn oauthbearer(octets: &[u8]) -> Option<Claim> {
    let text = std::str::from_utf8(octets).ok()?;
    let (header, pairs) = text.split_once(SEPARATOR)?;
    let mut header = header.splitn(3, ',');
    // Without channel binding: RFC 7628 §3.1 says "n" and tolerates "y".
    let flag = header.next()?;
    let authorization = header.next()?;
    if !matches!(flag, "n" | "y") || header.next() != Some("") {
        return None;
    }
    let name = match authorization.strip_prefix("a=") {
        Some(name) => name.replace("=2C", ",").replace("=3D", "="),
        None if authorization.is_empty() => String::new(),
        None => return None,
    };
    Some(Claim::Token {
        name,
        token: bearer(pairs)?,
    })
}

/// `"user=" name 1*kvsep "auth=Bearer " token kvsep kvsep`
pub(super) fn xoauth2(octets: &[u8]) -> Option<Claim> {
    let text = std::str::from_utf8(octets).ok()?;
    let (name, pairs) = text.strip_prefix("user=")?.split_once(SEPARATOR)?;
    Some(Claim::Token {
        name: name.to_owned(),
        token: bearer(pairs)?,
    })
}

/// The token among the pairs, which end in two separators.
fn bearer(pairs: &str) -> Option<Secret> {
    let pairs = pairs.strip_suffix(SEPARATOR)?.strip_suffix(SEPARATOR)?;
    let mut values = pairs
        .split(SEPARATOR)
        .filter_map(|pair| pair.strip_prefix("auth="));
    let (scheme, token) = values.next()?.split_once(' ')?;
    // RFC 6750 §2.1: b64token.
    let legal = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~+/=".contains(&octet);
    let is_token = !token.is_empty() && token.bytes().all(legal);
    (scheme.eq_ignore_ascii_case("bearer") && is_token && values.next().is_none())
        .then(|| Secret::new(token.to_owned()))
}

/// Why a token was refused, and where one can be had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenError {
    /// `invalid_token`, `insufficient_scope` or `invalid_request`: RFC 6750 §3.1.
    pub status: &'static str,
    /// What a token must allow, separated by spaces.
    pub scope: Option<String>,
    /// Where the issuer says how a token can be had.
    pub configuration: Option<String>,
}

impl TokenError {
    /// The message to the client, in JSON. RFC 7628 §3.2.2.
    pub(super) fn bearer(&self) -> String {
        self.json(vec![("status", self.status)])
    }

    /// The same as XOAUTH2 has it: with a number of HTTP.
    pub(super) fn xoauth2(&self) -> String {
        let status = match self.status {
            "insufficient_scope" => "403",
            "invalid_request" => "400",
            _ => "401",
        };
        self.json(vec![("status", status), ("schemes", "Bearer")])
    }

    fn json<'a>(&'a self, mut pairs: Vec<(&'static str, &'a str)>) -> String {
        pairs.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
        let configuration = self.configuration.as_deref();
        pairs.extend(configuration.map(|url| ("openid-configuration", url)));
        let object: serde_json::Map<String, serde_json::Value> = pairs
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.into()))
            .collect();
        serde_json::Value::Object(object).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(name: &str, token: &str) -> Option<Claim> {
        Some(Claim::Token {
            name: name.into(),
            token: Secret::new(token.into()),
        })
    }

    #[test]
    fn both_forms_carry_a_token() {
        // RFC 7628 §4.1.
        let message = "n,a=user@example.com,\x01host=server.example.com\x01port=143\x01\
                       auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01";
        assert_eq!(
            oauthbearer(message.as_bytes()),
            token(
                "user@example.com",
                "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
            )
        );
        assert_eq!(oauthbearer(b"n,,\x01auth=bearer x\x01\x01"), token("", "x"));
        assert_eq!(
            xoauth2(b"user=someuser@example.com\x01auth=Bearer ya29.vF9dft4\x01\x01"),
            token("someuser@example.com", "ya29.vF9dft4")
        );
    }

    #[test]
    fn what_is_neither_is_refused() {
        for octets in [
            &b""[..],
            b"\x01",
            b"n,,\x01\x01",
            b"n,,\x01auth=Bearer \x01\x01",
            b"n,,\x01auth=Bearer a b\x01\x01",
            b"n,,\x01auth=Basic x\x01\x01",
            b"n,,\x01auth=Bearer x\x01",
            b"n,,\x01auth=Bearer x\x01auth=Bearer y\x01\x01",
            b"p=tls-exporter,,\x01auth=Bearer x\x01\x01",
            b"n,x,\x01auth=Bearer x\x01\x01",
            b"n,,\x01auth=Bearer \xff\x01\x01",
        ] {
            assert_eq!(oauthbearer(octets), None, "{octets:?}");
            assert_eq!(xoauth2(octets), None, "{octets:?}");
        }
    }

    #[test]
    fn errors_are_json() {
        let error = TokenError {
            status: "invalid_token",
            scope: Some("mail \"x\"".into()),
            configuration: Some("https://id.example/.well-known/openid-configuration".into()),
        };
        let value: serde_json::Value = serde_json::from_str(&error.bearer()).unwrap();
        assert_eq!(value.get("status"), Some(&"invalid_token".into()));
        assert_eq!(value.get("scope"), Some(&"mail \"x\"".into()));
        assert!(value.get("openid-configuration").is_some());
        let value: serde_json::Value = serde_json::from_str(&error.xoauth2()).unwrap();
        assert_eq!(value.get("status"), Some(&"401".into()));
    }
}
