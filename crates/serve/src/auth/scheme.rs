//! Password verifiers: texts of the form `{SCHEME}…`, as Dovecot writes them.
//!
//! Made here: `{ARGON2ID}`, `{SCRAM-SHA-256}` and `{SCRAM-SHA-1}`, and `{SSHA256}` for devices. The others
//! are understood because people come from elsewhere. Whatever a verifier asks
//! for in time and memory is bounded when it is taken in ([`check`]).

use super::password::Password;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
pub use proto::sasl::{Hash as ScramHash, ScramKeys};
use sha_crypt::PasswordVerifier as _;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use std::cell::RefCell;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Longest verifier, in octets.
pub const VERIFIER_OCTETS_MAX: usize = 1_024;
/// Memory of one Argon2, in KB, at the most: 256 MB.
const ARGON2_MEMORY_MAX: u32 = 256 << 10;
/// Passes of one Argon2, at the most.
const ARGON2_PASSES_MAX: u32 = 20;
/// Rounds of SHA-crypt and PBKDF2, at the most.
const ROUNDS_MAX: u32 = 5_000_000;
/// Cost of bcrypt, at the most: the logarithm of its rounds.
const BCRYPT_COST_MAX: u32 = 16;

/// What a new Argon2id verifier costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory, in KB.
    pub memory: u32,
    /// Passes.
    pub passes: u32,
    /// Iterations of SCRAM's PBKDF2. RFC 7677 §4 wants 4,096 or more.
    pub iterations: u32,
}

impl Default for Cost {
    /// 19 MB and 2 passes, as OWASP's password storage page recommends.
    fn default() -> Self {
        Self {
            memory: 19_456,
            passes: 2,
            iterations: 4_096,
        }
    }
}

/// Why a text is no verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifierError {
    /// Over [`VERIFIER_OCTETS_MAX`] octets, or characters that no verifier has.
    #[error("the text is too long or has characters that no verifier has")]
    Text,
    /// No `{SCHEME}`, or one that is not known.
    #[error("the scheme is not known")]
    Scheme,
    /// Not of the form that the scheme has.
    #[error("the text is not of the form that its scheme has")]
    Form,
    /// It would take too much time or memory.
    #[error("the verifier asks for too much time or memory")]
    Cost,
}

/// A verifier that has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Scheme<'a> {
    Plain(&'a [u8]),
    Argon2 {
        algorithm: Algorithm,
        version: Version,
        memory: u32,
        passes: u32,
        lanes: u32,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    Bcrypt(&'a str),
    ShaCrypt(&'a str),
    /// A digest of password and salt, the salt after it.
    Digest(Hash, Vec<u8>),
    Scram(ScramHash, ScramKeys),
}

/// What the texts of a scheme look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    /// `$id$…`, as crypt(3) has it.
    Crypt,
    /// A digest, with salt after it or without.
    Digest(Hash, bool),
    Scram(ScramHash),
}

/// The schemes, as Dovecot names them.
const SCHEMES: [(&str, Kind); 18] = [
    ("PLAIN", Kind::Plain),
    ("CLEARTEXT", Kind::Plain),
    ("CLEAR", Kind::Plain),
    ("ARGON2ID", Kind::Crypt),
    ("ARGON2I", Kind::Crypt),
    ("BLF-CRYPT", Kind::Crypt),
    ("SHA256-CRYPT", Kind::Crypt),
    ("SHA512-CRYPT", Kind::Crypt),
    ("CRYPT", Kind::Crypt),
    ("SHA", Kind::Digest(Hash::Sha1, false)),
    ("SHA1", Kind::Digest(Hash::Sha1, false)),
    ("SHA256", Kind::Digest(Hash::Sha256, false)),
    ("SHA512", Kind::Digest(Hash::Sha512, false)),
    ("SSHA", Kind::Digest(Hash::Sha1, true)),
    ("SSHA256", Kind::Digest(Hash::Sha256, true)),
    ("SSHA512", Kind::Digest(Hash::Sha512, true)),
    ("SCRAM-SHA-1", Kind::Scram(ScramHash::Sha1)),
    ("SCRAM-SHA-256", Kind::Scram(ScramHash::Sha256)),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

impl Hash {
    fn octets(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// The names of all schemes that [`check`] takes.
pub fn schemes() -> impl Iterator<Item = &'static str> {
    SCHEMES.iter().map(|(name, _)| *name)
}

/// The password itself, where `text` has one in place of a hash.
pub fn plain_text(text: &str) -> Option<&str> {
    match split(text) {
        Ok((Kind::Plain, password)) => Some(password),
        _ => None,
    }
}

/// Whether `text` is a verifier that [`verify`] understands and can afford.
///
/// # Errors
/// Says what is wrong with it.
pub fn check(text: &str) -> Result<(), VerifierError> {
    parse(text).map(drop)
}

/// Whether `password` is the one that the verifier `text` was made of. Takes as
/// long as the scheme wants: for a thread of its own.
///
/// # Errors
/// If `text` is no verifier.
pub fn verify(text: &str, password: &Password) -> Result<bool, VerifierError> {
    let password = password.octets();
    Ok(match parse(text)? {
        Scheme::Plain(plain) => plain.ct_eq(password).into(),
        Scheme::Argon2 {
            algorithm,
            version,
            memory,
            passes,
            lanes,
            salt,
            hash,
        } => {
            let params = Params::new(memory, passes, lanes, Some(hash.len()))
                .map_err(|_| VerifierError::Form)?;
            let mut made = Zeroizing::new(vec![0; hash.len()]);
            let argon2 = Argon2::new(algorithm, version, params);
            hash_into(&argon2, password, &salt, &mut made).map_err(|_| VerifierError::Form)?;
            made.ct_eq(&hash).into()
        }
        Scheme::Bcrypt(text) => bcrypt::verify(password, text).map_err(|_| VerifierError::Form)?,
        Scheme::ShaCrypt(text) => {
            let hash = sha_crypt::PasswordHash::new(text).map_err(|_| VerifierError::Form)?;
            sha_crypt::ShaCrypt::default()
                .verify_password(password, &hash)
                .is_ok()
        }
        Scheme::Digest(hash, octets) => {
            let (digest, salt) = octets
                .split_at_checked(hash.octets())
                .ok_or(VerifierError::Form)?;
            digested(hash, password, salt).ct_eq(digest).into()
        }
        Scheme::Scram(hash, keys) => {
            let made = scram_keys(hash, password, &keys.salt, keys.iterations);
            made.stored_key.ct_eq(&keys.stored_key).into()
        }
    })
}

/// The password as a client prepares it before it hashes it (SASLprep, RFC 4013;
/// RFC 5802 §2.2), so that both sides hash the same octets however a keyboard
/// makes them. What cannot be prepared stays as it is.
pub(super) fn prepared(password: &Password) -> Password {
    let octets = password.octets();
    if octets.is_ascii() {
        return password.clone();
    }
    std::str::from_utf8(octets)
        .ok()
        .and_then(|text| stringprep::saslprep(text).ok())
        .and_then(|text| Password::new(text.as_bytes()))
        .unwrap_or_else(|| password.clone())
}

/// Makes a salted digest: for a password that was made at random, 128 bits of it
/// or more. Nobody can try that many, so that slowness would protect nothing.
pub(super) fn ssha256(password: &Password, salt: [u8; 16]) -> String {
    let mut octets = digested(Hash::Sha256, password.octets(), &salt);
    octets.extend_from_slice(&salt);
    format!("{{SSHA256}}{}", STANDARD.encode(octets))
}

/// Whether it costs next to nothing to verify `text`.
pub(super) fn is_quick(text: &str) -> bool {
    matches!(parse(text), Ok(Scheme::Digest(Hash::Sha256, octets)) if octets.len() > 32)
}

/// Makes an Argon2id verifier.
pub fn argon2id(password: &Password, salt: [u8; 16], cost: Cost) -> Option<String> {
    let mut hash = Zeroizing::new([0; 32]);
    let params = Params::new(cost.memory, cost.passes, 1, Some(hash.len())).ok()?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    hash_into(&argon2, password.octets(), &salt, hash.as_mut()).ok()?;
    Some(format!(
        "{{ARGON2ID}}$argon2id$v=19$m={},t={},p=1${}${}",
        cost.memory,
        cost.passes,
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(hash.as_ref()),
    ))
}

thread_local! {
    /// What this thread's Argon2 works in; kept from one password to the next.
    static MEMORY: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
}

/// Room asked for at the least, in blocks of 1 KB: 33 MB, of which only what is
/// used is ever there. glibc gives back at once what is freed of more than 32 MB;
/// of less it keeps, after the first time, several times 19 MB for good.
const MEMORY_BLOCKS_MIN: usize = 33 << 10;

/// Gives back what this thread's Argon2 has worked in.
pub(super) fn release_memory() {
    MEMORY.with_borrow_mut(|memory| *memory = Vec::new());
}

fn hash_into(
    argon2: &Argon2<'_>,
    password: &[u8],
    salt: &[u8],
    hash: &mut [u8],
) -> argon2::Result<()> {
    let blocks = argon2.params().block_count();
    MEMORY.with_borrow_mut(|memory| {
        if memory.len() < blocks {
            *memory = Vec::with_capacity(blocks.max(MEMORY_BLOCKS_MIN));
            memory.resize(blocks, Block::new());
        }
        let memory = memory.get_mut(..blocks).unwrap_or_default();
        argon2.hash_password_into_with_memory(password, salt, hash, memory)
    })
}

/// Makes a SCRAM verifier: `{SCRAM-SHA-256}iterations,salt,StoredKey,ServerKey`.
pub fn scram(hash: ScramHash, password: &Password, salt: [u8; 16], cost: Cost) -> String {
    let keys = scram_keys(hash, password.octets(), &salt, cost.iterations);
    format!(
        "{{{}}}{},{},{},{}",
        match hash {
            ScramHash::Sha1 => "SCRAM-SHA-1",
            ScramHash::Sha256 => "SCRAM-SHA-256",
        },
        keys.iterations,
        STANDARD.encode(keys.salt),
        STANDARD.encode(keys.stored_key),
        STANDARD.encode(keys.server_key),
    )
}

/// The keys in `text` if it is a SCRAM verifier for `hash`.
pub fn scram_keys_of(text: &str, hash: ScramHash) -> Option<ScramKeys> {
    match parse(text) {
        Ok(Scheme::Scram(of, keys)) if of == hash => Some(keys),
        _ => None,
    }
}

/// Whether `text` is an Argon2id verifier that costs at least `cost`.
pub fn is_strong(text: &str, cost: Cost) -> bool {
    matches!(
        parse(text),
        Ok(Scheme::Argon2 {
            algorithm: Algorithm::Argon2id,
            memory,
            passes,
            ..
        }) if memory >= cost.memory && passes >= cost.passes
    )
}

/// RFC 5802 §3. The password is prepared already.
fn scram_keys(hash: ScramHash, password: &[u8], salt: &[u8], iterations: u32) -> ScramKeys {
    fn keyed<M: Mac + KeyInit>(key: &[u8], text: &[u8]) -> Vec<u8> {
        // HMAC takes a key of any length.
        let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else {
            return Vec::new();
        };
        mac.update(text);
        mac.finalize().into_bytes().to_vec()
    }
    let (stored_key, server_key) = match hash {
        ScramHash::Sha1 => {
            let mut salted = Zeroizing::new([0; 20]);
            pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, iterations, salted.as_mut());
            let client = Zeroizing::new(keyed::<Hmac<Sha1>>(salted.as_ref(), b"Client Key"));
            (
                Sha1::digest(&*client).to_vec(),
                keyed::<Hmac<Sha1>>(salted.as_ref(), b"Server Key"),
            )
        }
        ScramHash::Sha256 => {
            let mut salted = Zeroizing::new([0; 32]);
            pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, salted.as_mut());
            let client = Zeroizing::new(keyed::<Hmac<Sha256>>(salted.as_ref(), b"Client Key"));
            (
                Sha256::digest(&*client).to_vec(),
                keyed::<Hmac<Sha256>>(salted.as_ref(), b"Server Key"),
            )
        }
    };
    ScramKeys {
        iterations,
        salt: salt.to_vec(),
        stored_key,
        server_key,
    }
}

fn digested(hash: Hash, password: &[u8], salt: &[u8]) -> Vec<u8> {
    match hash {
        Hash::Sha1 => Sha1::new_with_prefix(password)
            .chain_update(salt)
            .finalize()
            .to_vec(),
        Hash::Sha256 => Sha256::new_with_prefix(password)
            .chain_update(salt)
            .finalize()
            .to_vec(),
        Hash::Sha512 => Sha512::new_with_prefix(password)
            .chain_update(salt)
            .finalize()
            .to_vec(),
    }
}

fn parse(text: &str) -> Result<Scheme<'_>, VerifierError> {
    if text.len() > VERIFIER_OCTETS_MAX + Password::OCTETS_MAX || text.chars().any(char::is_control)
    {
        return Err(VerifierError::Text);
    }
    let (kind, rest) = split(text)?;
    match kind {
        Kind::Plain => Ok(Scheme::Plain(rest.as_bytes())),
        Kind::Crypt => crypt(rest),
        Kind::Digest(hash, salted) => digest(hash, rest, salted),
        Kind::Scram(hash) => scram_text(hash, rest),
    }
}

/// The scheme and what follows it.
fn split(text: &str) -> Result<(Kind, &str), VerifierError> {
    let (scheme, rest) = text
        .strip_prefix('{')
        .and_then(|text| text.split_once('}'))
        .ok_or(VerifierError::Scheme)?;
    let known = SCHEMES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(scheme));
    known
        .map(|(_, kind)| (*kind, rest))
        .ok_or(VerifierError::Scheme)
}

/// What begins with `$` says itself what it is.
fn crypt(text: &str) -> Result<Scheme<'_>, VerifierError> {
    let kind = text.split('$').nth(1).ok_or(VerifierError::Form)?;
    match kind {
        "argon2id" => argon2_text(Algorithm::Argon2id, text),
        "argon2i" => argon2_text(Algorithm::Argon2i, text),
        "2a" | "2b" | "2x" | "2y" => {
            let cost: Option<u32> = text.split('$').nth(2).and_then(|cost| cost.parse().ok());
            match cost {
                Some(cost) if cost <= BCRYPT_COST_MAX && text.len() == 60 => {
                    Ok(Scheme::Bcrypt(text))
                }
                Some(cost) if cost > BCRYPT_COST_MAX => Err(VerifierError::Cost),
                _ => Err(VerifierError::Form),
            }
        }
        "5" | "6" => {
            let rounds = text
                .split('$')
                .nth(2)
                .and_then(|s| s.strip_prefix("rounds="));
            match rounds.map(str::parse::<u32>) {
                Some(Ok(rounds)) if rounds > ROUNDS_MAX => return Err(VerifierError::Cost),
                Some(Err(_)) => return Err(VerifierError::Form),
                _ => {}
            }
            let digits = if kind == "5" { 43 } else { 86 };
            if !is_sha_crypt(text, usize::from(rounds.is_some()), digits) {
                return Err(VerifierError::Form);
            }
            sha_crypt::PasswordHash::new(text)
                .map(|_| Scheme::ShaCrypt(text))
                .map_err(|_| VerifierError::Form)
        }
        _ => Err(VerifierError::Scheme),
    }
}

/// `$6$[rounds=…$]salt$hash`, the hash of so many of the digits that crypt(3) has:
/// with others nobody could ever log in.
fn is_sha_crypt(text: &str, rounds: usize, digits: usize) -> bool {
    let is_digit = |octet: u8| octet.is_ascii_alphanumeric() || b"./".contains(&octet);
    let mut fields = text.split('$').skip(2 + rounds);
    let (Some(salt), Some(hash), None) = (fields.next(), fields.next(), fields.next()) else {
        return false;
    };
    (1..=16).contains(&salt.len()) && hash.len() == digits && hash.bytes().all(is_digit)
}

/// `$argon2id$v=19$m=…,t=…,p=…$salt$hash`; `v` may be missing and is 16 then.
fn argon2_text(algorithm: Algorithm, text: &str) -> Result<Scheme<'_>, VerifierError> {
    let mut fields = text.split('$').skip(2).peekable();
    let version = match fields.next_if(|field| field.starts_with("v=")) {
        None | Some("v=16") => Version::V0x10,
        Some("v=19") => Version::V0x13,
        Some(_) => return Err(VerifierError::Form),
    };
    let (Some(costs), Some(salt), Some(hash), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(VerifierError::Form);
    };
    let mut numbers = costs
        .split(',')
        .zip(["m=", "t=", "p="])
        .map(|(cost, name)| {
            cost.strip_prefix(name)
                .and_then(|number| number.parse::<u32>().ok())
        });
    let (Some(Some(memory)), Some(Some(passes)), Some(Some(lanes))) =
        (numbers.next(), numbers.next(), numbers.next())
    else {
        return Err(VerifierError::Form);
    };
    if memory > ARGON2_MEMORY_MAX || passes > ARGON2_PASSES_MAX || lanes > 16 {
        return Err(VerifierError::Cost);
    }
    let salt = octets(salt)?;
    let hash = octets(hash)?;
    if !(8..=64).contains(&salt.len()) || !(4..=128).contains(&hash.len()) {
        return Err(VerifierError::Form);
    }
    Params::new(memory, passes, lanes, Some(hash.len())).map_err(|_| VerifierError::Form)?;
    Ok(Scheme::Argon2 {
        algorithm,
        version,
        memory,
        passes,
        lanes,
        salt,
        hash,
    })
}

fn digest(hash: Hash, text: &str, salted: bool) -> Result<Scheme<'_>, VerifierError> {
    let octets = octets(text)?;
    let fits = if salted {
        octets.len() >= hash.octets()
    } else {
        octets.len() == hash.octets()
    };
    if fits {
        Ok(Scheme::Digest(hash, octets))
    } else {
        Err(VerifierError::Form)
    }
}

fn scram_text(hash: ScramHash, text: &str) -> Result<Scheme<'_>, VerifierError> {
    let mut fields = text.split(',');
    let (Some(iterations), Some(salt), Some(stored), Some(server), None) = (
        fields.next(),
        fields.next(),
        fields.next(),
        fields.next(),
        fields.next(),
    ) else {
        return Err(VerifierError::Form);
    };
    let iterations: u32 = iterations.parse().map_err(|_| VerifierError::Form)?;
    if iterations == 0 {
        return Err(VerifierError::Form);
    }
    if iterations > ROUNDS_MAX {
        return Err(VerifierError::Cost);
    }
    let keys = ScramKeys {
        iterations,
        salt: octets(salt)?,
        stored_key: octets(stored)?,
        server_key: octets(server)?,
    };
    let octets = match hash {
        ScramHash::Sha1 => 20,
        ScramHash::Sha256 => 32,
    };
    if keys.salt.is_empty() || keys.stored_key.len() != octets || keys.server_key.len() != octets {
        return Err(VerifierError::Form);
    }
    Ok(Scheme::Scram(hash, keys))
}

/// Base64, padded or not.
fn octets(text: &str) -> Result<Vec<u8>, VerifierError> {
    STANDARD_NO_PAD
        .decode(text.trim_end_matches('='))
        .map_err(|_| VerifierError::Form)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::new(text.as_bytes()).unwrap()
    }

    /// Cheap enough for a test.
    const CHEAP: Cost = Cost {
        memory: 64,
        passes: 1,
        iterations: 16,
    };

    #[test]
    fn foreign_verifiers_are_understood() {
        // Known answers of the specifications, of crypt(3) and of Python's hashlib.
        for (text, right) in [
            ("{PLAIN}secret", "secret"),
            ("{plain}", ""),
            ("{CLEARTEXT}pa}ss", "pa}ss"),
            (
                "{SHA512-CRYPT}$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
                "Hello world!",
            ),
            (
                "{SHA256-CRYPT}$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA",
                "Hello world!",
            ),
            (
                "{BLF-CRYPT}$2y$05$bvIG6Nmid91Mu9RcmmWZfO5HJIMCT8riNW0hEp8f6/FuA2/mHZFpe",
                "password",
            ),
            ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "password"),
            (
                "{SHA256}XohImNooBHFR0OVvjcYpJ3NgPQ1qq73WKhHvch0VQtg=",
                "password",
            ),
            // RFC 5802 §5: user "user", password "pencil".
            (
                "{SCRAM-SHA-1}4096,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE=",
                "pencil",
            ),
            // RFC 7677 §3.
            (
                "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
                "pencil",
            ),
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
            assert_eq!(verify(text, &password(right)), Ok(true), "{text}");
            assert_eq!(verify(text, &password("wrong")), Ok(false), "{text}");
        }
    }

    #[test]
    fn salted_digests_are_understood() {
        let mut octets = digested(Hash::Sha512, b"secret", b"salt");
        octets.extend_from_slice(b"salt");
        let text = format!("{{SSHA512}}{}", STANDARD.encode(&octets));
        assert_eq!(verify(&text, &password("secret")), Ok(true));
        assert_eq!(verify(&text, &password("Secret")), Ok(false));
    }

    #[test]
    fn passwords_are_prepared() {
        for (raw, prepared_to) in [
            ("plain", "plain"),
            // RFC 4013 §3, and what two keyboards make of one letter.
            ("I\u{ad}X", "IX"),
            ("\u{aa}", "a"),
            ("u\u{308}", "\u{fc}"),
            // Prohibited, so as it is.
            ("\u{e4}\u{7}", "\u{e4}\u{7}"),
        ] {
            assert_eq!(prepared(&password(raw)).octets(), prepared_to.as_bytes());
        }
    }

    #[test]
    fn what_is_made_is_understood() {
        let right = password("correct horse");
        for text in [
            argon2id(&right, [7; 16], CHEAP).unwrap(),
            scram(ScramHash::Sha256, &right, [8; 16], CHEAP),
            scram(ScramHash::Sha1, &right, [9; 16], CHEAP),
            ssha256(&right, [6; 16]),
        ] {
            assert!(text.len() <= VERIFIER_OCTETS_MAX);
            assert_eq!(verify(&text, &right), Ok(true), "{text}");
            assert_eq!(verify(&text, &password("battery")), Ok(false), "{text}");
        }
        let strong = argon2id(&right, [7; 16], CHEAP).unwrap();
        assert!(is_strong(&strong, CHEAP));
        assert!(!is_strong(&strong, Cost::default()));
        let keys = scram(ScramHash::Sha256, &right, [8; 16], CHEAP);
        assert!(scram_keys_of(&keys, ScramHash::Sha256).is_some());
        assert!(scram_keys_of(&keys, ScramHash::Sha1).is_none());
    }

    #[test]
    fn what_is_no_verifier_is_refused() {
        use VerifierError::{Cost, Form, Scheme, Text};
        for (text, error) in [
            ("secret", Scheme),
            ("{NOSUCH}x", Scheme),
            ("{PLAIN}a\nb", Text),
            ("{SHA}short", Form),
            ("{BLF-CRYPT}$2y$05$short", Form),
            (
                "{BLF-CRYPT}$2y$31$bvIG6Nmid91Mu9RcmmWZfO5HJIMCT8riNW0hEp8f6/FuA2/mHZFpe",
                Cost,
            ),
            ("{SHA512-CRYPT}$6$x", Form),
            ("{SHA512-CRYPT}$6$salt$short", Form),
            (
                "{SHA512-CRYPT}$6$$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
                Form,
            ),
            (
                "{CRYPT}$5$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
                Form,
            ),
            ("{SHA512-CRYPT}$6$rounds=999999999$salt$hash", Cost),
            (
                "{ARGON2ID}$argon2id$v=19$m=4294967295,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
                Cost,
            ),
            (
                "{ARGON2ID}$argon2id$v=19$m=64,t=1$c2FsdHNhbHQ$aGFzaGhhc2g",
                Form,
            ),
            ("{SCRAM-SHA-1}4096,AAAA,AAAA,AAAA", Form),
        ] {
            assert_eq!(check(text), Err(error), "{text}");
        }
    }
}
