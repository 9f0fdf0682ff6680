//! Signed tokens (JWS in its compact form, RFC 7515) and the keys that sign them
//! (RFC 7517).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde_json::{Map, Value};

/// Keys of one issuer that are looked at.
const KEYS_MAX: usize = 64;

/// What can be checked. `none` and what needs a shared secret (HS256 and its like)
/// are not among them, and must never be: RFC 8725 §3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Es256,
    Es384,
    EdDsa,
}

/// A token that has not been checked.
pub(super) struct Token<'a> {
    algorithm: Algorithm,
    key_id: Option<String>,
    /// What is signed.
    signed: &'a [u8],
    signature: Vec<u8>,
    /// What it says; nothing is true of it yet.
    pub(super) claims: Map<String, Value>,
}

/// An issuer's keys.
pub(super) struct Keys(Vec<Key>);

struct Key {
    id: Option<String>,
    /// The only one that it is for, where it says so.
    algorithm: Option<Algorithm>,
    material: Material,
}

enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// What keys say to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// One of them has signed it.
    Signed,
    /// The one that it names has not.
    Wrong,
    /// It names none of them.
    Unknown,
}

impl Algorithm {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            // RFC 8037 §3.1, RFC 9864 §2.2
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }
}

impl<'a> Token<'a> {
    /// Takes it apart.
    pub(super) fn parse(text: &'a str) -> Result<Self, &'static str> {
        let (signed, signature) = text.rsplit_once('.').ok_or("it is no signed token")?;
        let (header, claims) = signed.split_once('.').ok_or("it is no signed token")?;
        let object = |part: &str| {
            let octets = URL_SAFE_NO_PAD.decode(part).ok()?;
            serde_json::from_slice::<Map<String, Value>>(&octets).ok()
        };
        let header = object(header).ok_or("it is no signed token")?;
        // RFC 7515 §4.1.11: whatever it says there must be understood.
        if header.contains_key("crit") {
            return Err("it asks for an extension");
        }
        let algorithm = header.get("alg").and_then(Value::as_str);
        let algorithm = algorithm.and_then(Algorithm::from_name);
        let key_id = header.get("kid").and_then(Value::as_str);
        Ok(Self {
            algorithm: algorithm.ok_or("it is signed in a way that is not taken")?,
            key_id: key_id.map(str::to_owned),
            signed: signed.as_bytes(),
            signature: URL_SAFE_NO_PAD
                .decode(signature)
                .map_err(|_| "it is no signed token")?,
            claims: object(claims).ok_or("it is no signed token")?,
        })
    }

    /// Whether one of `keys` has signed it.
    pub(super) fn signed_by(&self, keys: &Keys) -> Verdict {
        let id = self.key_id.as_deref();
        let mut named = keys.0.iter().filter(|key| {
            id.is_none_or(|id| key.id.as_deref() == Some(id)) && key.is_for(self.algorithm)
        });
        let mut verdict = Verdict::Unknown;
        if named.any(|key| {
            verdict = Verdict::Wrong;
            key.has_signed(self)
        }) {
            verdict = Verdict::Signed;
        }
        verdict
    }
}

impl Keys {
    /// A JWK Set, RFC 7517 §5. Keys that cannot be used are left out; without any
    /// that can be it is none.
    pub(super) fn parse(set: &Map<String, Value>) -> Option<Self> {
        let keys = set.get("keys")?.as_array()?;
        let keys: Vec<Key> = keys.iter().filter_map(Key::parse).take(KEYS_MAX).collect();
        (!keys.is_empty()).then_some(Self(keys))
    }
}

impl Key {
    fn parse(key: &Value) -> Option<Self> {
        let text = |name| key.get(name).and_then(Value::as_str);
        let octets = |name| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        if text("use").is_some_and(|usage| usage != "sig") {
            return None;
        }
        // SEC 1 §2.3.3: an uncompressed point.
        let point = |octets_each: usize| {
            let (x, y) = (octets("x")?, octets("y")?);
            (x.len() == octets_each && y.len() == octets_each).then(|| [&[4], &*x, &*y].concat())
        };
        let material = match (text("kty")?, text("crv")) {
            ("RSA", _) => Material::Rsa {
                n: octets("n")?,
                e: octets("e")?,
            },
            ("EC", Some("P-256")) => Material::P256(point(32)?),
            ("EC", Some("P-384")) => Material::P384(point(48)?),
            ("OKP", Some("Ed25519")) => Material::Ed25519(octets("x")?),
            _ => return None,
        };
        let algorithm = match text("alg") {
            Some(name) => Some(Algorithm::from_name(name)?),
            None => None,
        };
        Some(Self {
            id: text("kid").map(str::to_owned),
            algorithm,
            material,
        })
    }

    /// Whether it may sign in this way: RFC 8725 §3.1, a key is for one algorithm.
    fn is_for(&self, algorithm: Algorithm) -> bool {
        use Algorithm::{EdDsa, Es256, Es384, Ps256, Rs256, Rs384, Rs512};
        let fits = match self.material {
            Material::Rsa { .. } => matches!(algorithm, Rs256 | Rs384 | Rs512 | Ps256),
            Material::P256(_) => algorithm == Es256,
            Material::P384(_) => algorithm == Es384,
            Material::Ed25519(_) => algorithm == EdDsa,
        };
        fits && self.algorithm.is_none_or(|own| own == algorithm)
    }

    /// ring takes RSA of 2048 bits and more: RFC 7518 §3.3.
    fn has_signed(&self, token: &Token<'_>) -> bool {
        let (signed, signature) = (token.signed, &*token.signature);
        let outcome = match &self.material {
            Material::Rsa { n, e } => {
                let parameters = match token.algorithm {
                    Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
                    Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
                    Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
                    Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
                    _ => return false,
                };
                RsaPublicKeyComponents { n, e }.verify(parameters, signed, signature)
            }
            Material::P256(point) => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
                    .verify(signed, signature)
            }
            Material::P384(point) => {
                UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, point)
                    .verify(signed, signature)
            }
            Material::Ed25519(point) => {
                UnparsedPublicKey::new(&signature::ED25519, point).verify(signed, signature)
            }
        };
        outcome.is_ok()
    }
}

#[cfg(test)]
mod tests;
