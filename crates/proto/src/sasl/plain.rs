//! The mechanisms of one message: PLAIN (RFC 4616), EXTERNAL (RFC 4422
//! appendix A), and LOGIN, which is PLAIN in two.

use super::{Claim, Secret};

/// `message = [authzid] UTF8NUL authcid UTF8NUL passwd`, RFC 4616 §2: all UTF-8
/// without NUL, the name and the password not empty.
pub(super) fn message(octets: &[u8]) -> Option<Claim> {
    let text = std::str::from_utf8(octets).ok()?;
    let (authorization, rest) = text.split_once('\0')?;
    let (name, password) = rest.split_once('\0')?;
    if name.is_empty() || password.is_empty() || password.contains('\0') {
        return None;
    }
    Some(Claim::Password {
        authorization: authorization.into(),
        name: name.into(),
        password: Secret::new(password.into()),
    })
}

/// LOGIN's two answers.
pub(super) fn login(name: String, password: &str) -> Option<Claim> {
    let legal = |text: &str| !text.is_empty() && !text.contains('\0');
    (legal(&name) && legal(password)).then(|| Claim::Password {
        authorization: String::new(),
        name,
        password: Secret::new(password.to_owned()),
    })
}

/// `initial-response = *( UTF8-char-no-nul )`: whom to act as.
pub(super) fn external(octets: &[u8]) -> Option<Claim> {
    let text = std::str::from_utf8(octets).ok()?;
    (!text.contains('\0')).then(|| Claim::External {
        authorization: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_messages_are_refused() {
        assert!(message("\0ü\0p w".as_bytes()).is_some());
        for octets in [
            &b""[..],
            b"\0",
            b"a\0b",
            b"\0\0p",
            b"\0n\0",
            b"\0n\0p\0",
            b"\0n\0p\0q",
            b"\0n\0\xff",
        ] {
            assert_eq!(message(octets), None, "{octets:?}");
        }
    }
}
