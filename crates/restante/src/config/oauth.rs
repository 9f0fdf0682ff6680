//! `[auth.oauth]`: how bearer tokens are checked.

use super::table::table;
use serve::auth::oauth::check_url;
use std::fmt;
use std::path::PathBuf;

table! {
    /// Bearer tokens (OAUTHBEARER and XOAUTH2), where there is somebody who issues
    /// them: `issuer`, `jwks-url` or `introspection-url` must say how one is checked.
    /// Without any of them none is taken. Read when the server starts.
    OAuth {
        /// Who issues them: an OpenID Connect provider, exactly as it calls itself.
        /// Its keys are looked up from there (/.well-known/openid-configuration),
        /// unless one of the next two is set.
        Example issuer "issuer": Option<String> = None,
            r#""https://id.example.org/realms/example""#;

        /// The keys by which tokens are signed, where they have to be named: a JWK
        /// Set. Addresses are https://, or http:// on this machine.
        Example jwks_url "jwks-url": Option<String> = None,
            r#""https://id.example.org/jwks""#;

        /// Where the issuer says what a token is worth (RFC 7662), for tokens that
        /// are not signed or may be taken back at once.
        Example introspection_url "introspection-url": Option<String> = None,
            r#""https://id.example.org/introspect""#;

        /// As whom the server asks there.
        Example client_id "client-id": Option<String> = None, r#""restante""#;

        /// With which secret; or, better, the file that holds it, which must be
        /// readable by `user`.
        Example client_secret "client-secret": Option<Hidden> = None, r#""…""#;

        /// A file that holds the secret, and nothing else.
        Example client_secret_file "client-secret-file": Option<PathBuf> = None,
            r#""/etc/restante/oauth-secret""#;

        /// For whom a token must have been issued (`aud`). Signed tokens need it:
        /// otherwise what the issuer signs for any other service opened mail too.
        Example audience "audience": Option<String> = None, r#""restante""#;

        /// The claim that names the account; completed by `default-domain` as a login
        /// name is. Where it is `email` and `email_verified` is false, it is not
        /// believed.
        Default claim "claim": String = String::from("email"), r#""email""#;

        /// What a token must allow, each of them (`scope` or `scp`).
        Default scopes "scopes": Vec<String> = Vec::new(), "[]";

        /// The certificates, in PEM, of those who certify the issuer's HTTPS. Without
        /// it: those whom browsers trust.
        Example ca "ca": Option<PathBuf> = None, r#""/etc/restante/issuer-ca.pem""#;
    }
}

/// A secret in the file: shown to nobody.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
pub struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(…)")
    }
}

/// What is wrong: at which key, what, and what would be right.
pub(super) type Wrong = (&'static str, String, &'static str);

impl OAuth {
    /// Whether tokens are taken.
    pub fn is_set(&self) -> bool {
        self.issuer.is_some() || self.jwks_url.is_some() || self.introspection_url.is_some()
    }

    /// What each value allows but together they do not.
    pub(super) fn wrong(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        if !self.is_set() {
            if *self != Self::default() {
                let what = "`[auth.oauth]` does not say how a token is checked".to_owned();
                wrong.push(("", what, "add issuer = \"https://…\""));
            }
            return wrong;
        }
        let asks = self.introspection_url.is_some();
        if asks && self.jwks_url.is_some() {
            let what = "`jwks-url` and `introspection-url` are two ways".to_owned();
            wrong.push(("jwks-url", what, "take one away"));
        }
        let discovers = !asks && self.jwks_url.is_none();
        for (key, url) in [
            ("issuer", self.issuer.as_ref().filter(|_| discovers)),
            ("jwks-url", self.jwks_url.as_ref()),
            ("introspection-url", self.introspection_url.as_ref()),
        ] {
            if let Some((url, Err(why))) = url.map(|url| (url, check_url(url))) {
                let (what, right) = why.split_once("; ").unwrap_or((why, "write another"));
                wrong.push((key, format!("`{url}` {what}"), right));
            }
        }
        if !asks && self.audience.is_none() {
            let what = "`audience` is missing in [auth.oauth]".to_owned();
            wrong.push(("", what, "add for example audience = \"restante\""));
        }
        if self.claim.is_empty() {
            wrong.push(("claim", "`claim` is empty".to_owned(), "write \"email\""));
        }
        let secrets = [
            ("client-id", self.client_id.is_some()),
            ("client-secret", self.client_secret.is_some()),
            ("client-secret-file", self.client_secret_file.is_some()),
        ];
        let [(_, id), (_, secret), (_, file)] = secrets;
        if asks && !(id && (secret || file)) {
            let what = "`introspection-url` needs to know as whom to ask".to_owned();
            let right = "add client-id and client-secret-file";
            wrong.push(("introspection-url", what, right));
        }
        if secret && file {
            let what = "`client-secret` and `client-secret-file` are one secret".to_owned();
            wrong.push(("client-secret", what, "take one away"));
        }
        for (key, _) in secrets.iter().filter(|(_, set)| *set && !asks) {
            let what = format!("`{key}` is of `introspection-url`");
            wrong.push((key, what, "take it away"));
        }
        wrong
    }
}
