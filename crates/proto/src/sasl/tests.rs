//! Exchanges, line by line.

use super::*;

fn begin(mechanism: Mechanism, initial: Option<&str>) -> (Exchange, Step) {
    let initial = initial.map(str::as_bytes);
    Exchange::begin(mechanism, initial, Channel::default(), "nonce".into())
}

fn password(authorization: &str, name: &str, password: &str) -> Step {
    Step::Verify(Claim::Password {
        authorization: authorization.into(),
        name: name.into(),
        password: Secret::new(password.into()),
    })
}

#[test]
fn plain_in_all_its_forms() {
    let begin = |initial: Option<&str>| begin(Mechanism::Plain, initial);
    // RFC 4616 §4.
    assert_eq!(
        begin(Some("AHRpbQB0YW5zdGFhZnRhbnN0YWFm")).1,
        password("", "tim", "tanstaaftanstaaf")
    );
    let initial = encode("Ursel\0Kurt\0xipj3plmq".as_bytes());
    assert_eq!(
        begin(Some(&initial)).1,
        password("Ursel", "Kurt", "xipj3plmq")
    );
    let (mut exchange, step) = begin(None);
    assert_eq!(step, Step::Challenge(String::new()));
    assert_eq!(
        exchange.line(initial.as_bytes()),
        password("Ursel", "Kurt", "xipj3plmq")
    );
    assert_eq!(exchange.accept(), Step::Accepted);
    for (initial, failure) in [
        ("*", Failure::Cancelled),
        ("=", Failure::Malformed),
        ("", Failure::Malformed),
        ("AHRpb", Failure::Base64),
        ("AHRp bQB0", Failure::Base64),
        ("AHRpbQ==", Failure::Malformed),
    ] {
        assert_eq!(begin(Some(initial)).1, Step::Failed(failure), "{initial:?}");
    }
}

#[test]
fn login_in_two_steps() {
    for initial in [None, Some("dGlt")] {
        let (mut exchange, mut step) = begin(Mechanism::Login, initial);
        if initial.is_none() {
            assert_eq!(step, Step::Challenge("VXNlcm5hbWU6".into()));
            step = exchange.line(b"dGlt");
        }
        assert_eq!(step, Step::Challenge("UGFzc3dvcmQ6".into()));
        assert_eq!(exchange.line(b"cHc="), password("", "tim", "pw"));
        assert_eq!(exchange.refuse(None), Step::Refused);
        // Over is over.
        assert_eq!(exchange.line(b"cHc="), Step::Failed(Failure::Malformed));
    }
}

#[test]
fn external_names_somebody_or_nobody() {
    for (initial, authorization) in [("=", ""), ("dGlt", "tim")] {
        let claim = Claim::External {
            authorization: authorization.into(),
        };
        assert_eq!(
            begin(Mechanism::External, Some(initial)).1,
            Step::Verify(claim)
        );
    }
}

#[test]
fn a_refused_token_is_explained_before_the_end() {
    let message = encode(b"n,a=u,\x01auth=Bearer x\x01\x01");
    let (mut exchange, step) = begin(Mechanism::OAuthBearer, Some(&message));
    assert!(matches!(step, Step::Verify(Claim::Token { .. })));
    let error = TokenError {
        status: "invalid_token",
        ..TokenError::default()
    };
    // RFC 7628 §4.3.
    let said = encode(br#"{"status":"invalid_token"}"#);
    assert_eq!(exchange.refuse(Some(&error)), Step::Challenge(said));
    assert_eq!(exchange.line(b"AQ=="), Step::Refused);
    // Our own trouble is no trouble of the token.
    let (mut exchange, _) = begin(Mechanism::OAuthBearer, Some(&message));
    assert_eq!(exchange.refuse(None), Step::Refused);
}

/// The keys of the examples: user "user", password "pencil".
fn pencil(hash: Hash) -> (ScramKeys, &'static str) {
    let (salt, stored, server, nonce) = match hash {
        Hash::Sha1 => (
            "QSXCR+Q6sek8bf92",
            "6dlGYMOdZcOPutkcNY8U2g7vK9Y=",
            "D+CSWLOshSulAsxiupA+qs2/fTE=",
            "3rfcNHYJY1ZVvWVs7j",
        ),
        Hash::Sha256 => (
            "W22ZaJ0SNY7soEsUEjb6gQ==",
            "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=",
            "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
            "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        ),
    };
    let octets = |text: &str| decode(text.as_bytes()).unwrap();
    let keys = ScramKeys {
        iterations: 4_096,
        salt: octets(salt),
        stored_key: octets(stored),
        server_key: octets(server),
    };
    (keys, nonce)
}

/// Plays SCRAM: what each side says, in the clear. Returns the last step.
fn scram(mechanism: Mechanism, channel: Channel, lines: [&str; 4]) -> Step {
    let hash = mechanism.scram().unwrap();
    let (keys, nonce) = pencil(hash);
    let [client_first, server_first, client_final, server_final] = lines;
    let initial = encode(client_first.as_bytes());
    let (mut exchange, step) =
        Exchange::begin(mechanism, Some(initial.as_bytes()), channel, nonce.into());
    if let Step::Failed(_) = step {
        return step;
    }
    let name = "user".to_owned();
    assert_eq!(step, Step::Keys { name, hash });
    let challenge = Step::Challenge(encode(server_first.as_bytes()));
    assert_eq!(exchange.keys(keys), challenge);
    match exchange.line(encode(client_final.as_bytes()).as_bytes()) {
        Step::Verify(Claim::Proof { right: true, .. }) => {}
        other => return other,
    }
    let challenge = Step::Challenge(encode(server_final.as_bytes()));
    assert_eq!(exchange.accept(), challenge);
    exchange.line(b"")
}

/// RFC 5802 §5.
const SHA1: [&str; 4] = [
    "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
    "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
    "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
    "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
];

/// RFC 7677 §3.
const SHA256: [&str; 4] = [
    "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
     p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
];

#[test]
fn scram_as_its_standards_show_it() {
    let none = Channel::default;
    assert_eq!(scram(Mechanism::ScramSha1, none(), SHA1), Step::Accepted);
    assert_eq!(
        scram(Mechanism::ScramSha256, none(), SHA256),
        Step::Accepted
    );
}

#[test]
fn scram_that_is_not_right() {
    let last = |at: usize, from: &str, to: &str| {
        let mut lines = SHA1;
        let changed = lines[at].replace(from, to);
        assert_ne!(changed, lines[at]);
        lines[at] = &changed;
        scram(Mechanism::ScramSha1, Channel::default(), lines)
    };
    let wrong = Step::Verify(Claim::Proof {
        authorization: String::new(),
        name: "user".into(),
        right: false,
    });
    assert_eq!(last(2, "p=v0X8", "p=v0X9"), wrong);
    for (from, to, failure) in [
        // Another nonce, another channel, no proof, a short one.
        ("WVs7j", "WVs7k", Failure::Malformed),
        ("c=biws", "c=eSws", Failure::Binding),
        ("p=", "q=", Failure::Malformed),
        ("c=", "x=", Failure::Malformed),
        ("HI4Ts=", "HI4", Failure::Malformed),
    ] {
        assert_eq!(last(2, from, to), Step::Failed(failure), "{from} {to}");
    }
}

#[test]
fn scram_is_bound_to_its_channel() {
    let channel = |announced| Channel {
        bindings: vec![
            (Binding::TlsExporter, b"exported".to_vec()),
            (Binding::TlsServerEndPoint, b"certificate".to_vec()),
        ],
        announced,
    };
    let play = |mechanism, flag: &str, announced| {
        let first = format!("{flag},,n=user,r=fyko+d2lbbFgONRv9qkxdawL");
        let mut lines = SHA1;
        lines[0] = &first;
        scram(mechanism, channel(announced), lines)
    };
    use Mechanism::{ScramSha1, ScramSha1Plus};
    for (mechanism, flag, announced, failure) in [
        (ScramSha1Plus, "n", true, Failure::Binding),
        (ScramSha1Plus, "y", true, Failure::Binding),
        (ScramSha1Plus, "p=tls-unique", true, Failure::Binding),
        (ScramSha1, "p=tls-exporter", true, Failure::Binding),
        (ScramSha1, "y", true, Failure::Downgrade),
        // The right binding, but the client was at another server's.
        (ScramSha1Plus, "p=tls-exporter", true, Failure::Binding),
    ] {
        assert_eq!(
            play(mechanism, flag, announced),
            Step::Failed(failure),
            "{mechanism:?} {flag}"
        );
    }
    let nonce = "fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j";
    for (mechanism, flag, announced, c, p, v) in [
        // RFC 5802 §6: "y" is right where nothing was announced.
        (
            ScramSha1,
            "y",
            false,
            "eSws",
            "BjZF5dV+EkD3YCb3pH3IP8riMGw=",
            "dsprQ5R2AGYt1kn4bQRwTAE0PTU=",
        ),
        (
            ScramSha1Plus,
            "p=tls-exporter",
            true,
            "cD10bHMtZXhwb3J0ZXIsLGV4cG9ydGVk",
            "Oh5iOsa0QSIuaZO4Gi3y0JoIOZQ=",
            "BvNE75P66hwtCKRQouaZVcmwing=",
        ),
    ] {
        let first = format!("{flag},,n=user,r=fyko+d2lbbFgONRv9qkxdawL");
        let last = format!("c={c},r={nonce},p={p}");
        let server = format!("v={v}");
        let lines = [&*first, SHA1[1], &*last, &*server];
        assert_eq!(scram(mechanism, channel(announced), lines), Step::Accepted);
    }
}

#[test]
fn a_secret_is_not_shown() {
    assert_eq!(format!("{:?}", Secret::new("hunter2".into())), "Secret(…)");
}

#[test]
fn names_are_taken_in_any_case() {
    for mechanism in Mechanism::ALL {
        let name = mechanism.name().to_ascii_lowercase();
        assert_eq!(Mechanism::from_name(name.as_bytes()), Some(mechanism));
    }
    assert_eq!(Mechanism::from_name(b"PLAINER"), None);
}
