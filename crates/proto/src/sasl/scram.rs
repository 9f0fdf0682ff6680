//! SCRAM, the server's side. RFC 5802, RFC 7677; channel bindings of RFC 5929
//! and RFC 9266.
//!
//! The messages are taken apart and the proof is computed here; whose keys they
//! are is the caller's business. What must stay true: a name that nobody has is
//! answered like any other, so that the caller always gives keys.

use super::{Failure, Hash, ScramKeys, base64};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use std::fmt;
use subtle::ConstantTimeEq as _;

/// Longest name, and longest nonce, in octets.
const VALUE_OCTETS_MAX: usize = 1_024;

/// What a TLS connection can be bound by. RFC 5056.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// `tls-exporter`, RFC 9266: TLS 1.3.
    TlsExporter,
    /// `tls-server-end-point`, RFC 5929 §4.
    TlsServerEndPoint,
}

impl Binding {
    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::TlsExporter => "tls-exporter",
            Self::TlsServerEndPoint => "tls-server-end-point",
        }
    }
}

/// The channel that an exchange goes over.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Channel {
    /// What it can be bound by; empty without TLS.
    pub bindings: Vec<(Binding, Vec<u8>)>,
    /// Whether a mechanism that binds (`-PLUS`) was announced on it.
    pub announced: bool,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.bindings.iter().map(|(kind, _)| kind).collect();
        f.debug_struct("Channel")
            .field("bindings", &names)
            .field("announced", &self.announced)
            .finish()
    }
}

/// What the client's first message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClientFirst {
    /// Whom to act as; empty: who logs in.
    pub authorization: String,
    /// Who logs in.
    pub name: String,
    /// What `c=` has to say: the GS2 header and the channel binding's data.
    channel: Vec<u8>,
    nonce: String,
    bare: String,
}

/// `client-first-message = gs2-header client-first-message-bare`, RFC 5802 §7.
/// `plus`: the mechanism is one that binds.
pub(super) fn client_first(
    octets: &[u8],
    plus: bool,
    channel: &Channel,
) -> Result<ClientFirst, Failure> {
    let text = std::str::from_utf8(octets).map_err(|_| Failure::Malformed)?;
    let (flag, rest) = text.split_once(',').ok_or(Failure::Malformed)?;
    let (authorization, bare) = rest.split_once(',').ok_or(Failure::Malformed)?;
    let data = binding(flag, plus, channel)?;
    let authorization = match authorization.strip_prefix("a=") {
        Some(name) => saslname(name)?,
        None if authorization.is_empty() => String::new(),
        None => return Err(Failure::Malformed),
    };
    // RFC 5802 §5.1: an extension that must be understood ("m=") is none of ours.
    let mut attributes = bare.split(',');
    let mut value = |name: &str| attributes.next().and_then(|text| text.strip_prefix(name));
    let name = saslname(value("n=").ok_or(Failure::Malformed)?)?;
    let nonce = value("r=").ok_or(Failure::Malformed)?;
    if name.is_empty() || !is_nonce(nonce) {
        return Err(Failure::Malformed);
    }
    let header = octets.len() - bare.len();
    let mut expected = octets.get(..header).unwrap_or_default().to_vec();
    expected.extend_from_slice(data);
    Ok(ClientFirst {
        authorization,
        name,
        channel: expected,
        nonce: nonce.to_owned(),
        bare: bare.to_owned(),
    })
}

/// The data of the binding that `gs2-cbind-flag` names. RFC 5802 §6.
fn binding<'a>(flag: &str, plus: bool, channel: &'a Channel) -> Result<&'a [u8], Failure> {
    match (flag, plus) {
        ("n", false) => Ok(&[]),
        // The client could bind and thinks that we cannot: somebody has taken
        // our -PLUS mechanisms out of what it saw.
        ("y", false) if channel.announced => Err(Failure::Downgrade),
        ("y", false) => Ok(&[]),
        ("n" | "y", true) => Err(Failure::Binding),
        _ => {
            let name = flag.strip_prefix("p=").ok_or(Failure::Malformed)?;
            let mut known = channel.bindings.iter();
            let found = known.find(|(kind, _)| plus && kind.name() == name);
            found.map(|(_, data)| &**data).ok_or(Failure::Binding)
        }
    }
}

/// `saslname`: `=2C` stands for a comma and `=3D` for an equals sign.
fn saslname(text: &str) -> Result<String, Failure> {
    if text.len() > VALUE_OCTETS_MAX || text.contains('\0') {
        return Err(Failure::Malformed);
    }
    let mut parts = text.split('=');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (c, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return Err(Failure::Malformed),
        };
        name.push(c);
        name.push_str(rest);
    }
    Ok(name)
}

/// `printable = %x21-2B / %x2D-7E`
fn is_nonce(text: &str) -> bool {
    (1..=VALUE_OCTETS_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|octet| matches!(octet, 0x21..=0x2b | 0x2d..=0x7e))
}

/// What has been said when the keys are known.
#[derive(Debug)]
pub(super) struct ServerFirst {
    first: ClientFirst,
    hash: Hash,
    keys: ScramKeys,
    nonce: String,
    /// The message itself.
    pub message: String,
}

impl ServerFirst {
    /// `server-first-message = nonce "," salt "," iteration-count`; `nonce` is
    /// our half of it.
    pub(super) fn new(first: ClientFirst, hash: Hash, keys: ScramKeys, nonce: &str) -> Self {
        let nonce = format!("{}{nonce}", first.nonce);
        let salt = base64::encode(&keys.salt);
        let message = format!("r={nonce},s={salt},i={}", keys.iterations);
        Self {
            first,
            hash,
            keys,
            nonce,
            message,
        }
    }

    /// The client's final message: whether its proof is right, and the server's
    /// final message, `v=` and its signature.
    pub(super) fn client_final(&self, octets: &[u8]) -> Result<(bool, String), Failure> {
        let text = std::str::from_utf8(octets).map_err(|_| Failure::Malformed)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(Failure::Malformed)?;
        let proof = base64::decode(proof.as_bytes()).ok_or(Failure::Malformed)?;
        let mut attributes = without_proof.split(',');
        let mut value = |name: &str| attributes.next().and_then(|text| text.strip_prefix(name));
        let channel = value("c=").ok_or(Failure::Malformed)?;
        let channel = base64::decode(channel.as_bytes()).ok_or(Failure::Malformed)?;
        let nonce = value("r=").ok_or(Failure::Malformed)?;
        if !bool::from(channel.ct_eq(&self.first.channel)) {
            return Err(Failure::Binding);
        }
        if nonce != self.nonce {
            return Err(Failure::Malformed);
        }
        // RFC 5802 §3: AuthMessage.
        let signed = format!("{},{},{without_proof}", self.first.bare, self.message);
        let signature = self.hash.keyed(&self.keys.stored_key, signed.as_bytes());
        if proof.len() != signature.len() {
            return Err(Failure::Malformed);
        }
        let client_key: Vec<u8> = proof.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        let right = self.hash.digest(&client_key).ct_eq(&self.keys.stored_key);
        let server = self.hash.keyed(&self.keys.server_key, signed.as_bytes());
        Ok((right.into(), format!("v={}", base64::encode(&server))))
    }

    pub(super) fn names(self) -> (String, String) {
        (self.first.authorization, self.first.name)
    }
}

impl Hash {
    fn digest(self, octets: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(octets).to_vec(),
            Self::Sha256 => Sha256::digest(octets).to_vec(),
        }
    }

    fn keyed(self, key: &[u8], text: &[u8]) -> Vec<u8> {
        fn keyed<M: Mac + KeyInit>(key: &[u8], text: &[u8]) -> Vec<u8> {
            // HMAC takes a key of any length.
            let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else {
                return Vec::new();
            };
            mac.update(text);
            mac.finalize().into_bytes().to_vec()
        }
        match self {
            Self::Sha1 => keyed::<Hmac<Sha1>>(key, text),
            Self::Sha256 => keyed::<Hmac<Sha256>>(key, text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unescaped() {
        assert_eq!(saslname("a=2Cb=3Dc"), Ok("a,b=c".to_owned()));
        for wrong in ["a=", "a=2c", "=2", "=41", "a\0"] {
            assert_eq!(saslname(wrong), Err(Failure::Malformed), "{wrong:?}");
        }
    }

    #[test]
    fn first_messages_that_are_none() {
        let channel = Channel::default();
        for (text, failure) in [
            ("", Failure::Malformed),
            ("n", Failure::Malformed),
            ("n,", Failure::Malformed),
            ("n,,", Failure::Malformed),
            ("n,,n=u", Failure::Malformed),
            ("n,,n=,r=x", Failure::Malformed),
            ("n,,n=u,r=", Failure::Malformed),
            ("n,,n=u,r=\u{e4}", Failure::Malformed),
            ("n,,m=x,n=u,r=x", Failure::Malformed),
            ("n,b=x,n=u,r=x", Failure::Malformed),
            ("x,,n=u,r=x", Failure::Malformed),
            ("p=tls-unique,,n=u,r=x", Failure::Binding),
        ] {
            let found = client_first(text.as_bytes(), false, &channel).map(|_| ());
            assert_eq!(found, Err(failure), "{text}");
        }
        // Extensions behind are passed over.
        assert!(client_first(b"n,a=x=2Cy,n=u,r=x,x=1", false, &channel).is_ok());
    }
}
