//! Logins by bearer tokens, in both protocols, against a real issuer.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "these are tests"
)]

#[path = "oauth/issuer.rs"]
mod issuer;
#[path = "transcript/script.rs"]
#[expect(dead_code, reason = "the world needs its bindings alone")]
mod script;
#[path = "oauth/sign.rs"]
mod sign;
#[path = "transcript/world.rs"]
#[expect(dead_code, reason = "transcripts need more of it")]
mod world;

use issuer::{Answer, Issuer};
use proto::sasl::{decode, encode};
use serde_json::{Value, json};
use serve::auth::{OAuth, OAuthSettings, TokenSource};
use sign::Signer;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use world::World;

/// What a login has come to, whatever the protocol.
const IN: &str = "in";
const WRONG: &str = "wrong";
const UNAVAILABLE: &str = "unavailable";

fn settings(issuer: &Issuer) -> OAuthSettings {
    OAuthSettings {
        source: TokenSource::Issuer,
        issuer: Some(issuer.url.clone()),
        audience: Some("mail".to_owned()),
        claim: "email".to_owned(),
        scopes: vec!["imap".to_owned()],
        ca: None,
        timeout: Duration::from_secs(5),
    }
}

/// A world in which tokens of the issuer are good for alice and bob.
async fn world(settings: OAuthSettings) -> World {
    let mut world = World::new();
    world.limits.login_failures_max = 3;
    world.oauth = Some(OAuth::new(&world.env, settings).unwrap());
    world.account("alice", "secret", &[]).await.unwrap();
    world.account("bob", "secret", &[]).await.unwrap();
    world
}

/// What alice's token says, with something changed.
fn claims(world: &World, issuer: &Issuer, change: &Value) -> Value {
    let mut claims = json!({
        "iss": issuer.url, "aud": "mail", "exp": world.env.now().seconds() + 3_600,
        "scope": "openid imap", "email": "Alice@Example.org",
    });
    for (key, value) in change.as_object().unwrap() {
        claims[key] = value.clone();
    }
    claims
}

fn publish(issuer: &Issuer, signers: &[&Signer]) {
    let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
    issuer.says("/jwks", Answer::Json(json!({"keys": keys})));
}

struct Client {
    wire: DuplexStream,
    imap: bool,
}

impl Client {
    async fn new(world: &mut World, protocol: &str) -> Self {
        let mut wire = world.connect(protocol, 1).await;
        line(&mut wire).await;
        let imap = protocol == "imap";
        Self { wire, imap }
    }

    async fn say(&mut self, text: &str) -> String {
        self.wire.write_all(text.as_bytes()).await.unwrap();
        self.wire.write_all(b"\r\n").await.unwrap();
        line(&mut self.wire).await
    }

    /// The last line, and the error that came before it.
    async fn login(&mut self, mechanism: &str, message: &str) -> (String, Option<Value>) {
        let command = if self.imap { "a AUTHENTICATE" } else { "AUTH" };
        // The message is too long for a POP3 command: RFC 5034 §4.
        let asked = self.say(&format!("{command} {mechanism}")).await;
        assert_eq!(asked, "+ ");
        let said = self.say(&encode(message.as_bytes())).await;
        match said.strip_prefix("+ ") {
            None => (said, None),
            Some(challenge) => {
                let error = decode(challenge.as_bytes()).unwrap();
                // RFC 7628 §3.2.3: the client answers with a lone control-A.
                let end = self.say("AQ==").await;
                (end, Some(serde_json::from_slice(&error).unwrap()))
            }
        }
    }
}

/// A line; at the end what there is of it.
async fn line(stream: &mut DuplexStream) -> String {
    let mut octets = Vec::new();
    while !octets.ends_with(b"\r\n") {
        octets.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(octets)
        .unwrap()
        .trim_end_matches("\r\n")
        .to_owned()
}

fn outcome(said: &str) -> &'static str {
    let is = |starts: [&str; 2]| starts.iter().any(|start| said.starts_with(start));
    if is(["a OK [CAPABILITY ", "+OK "]) {
        IN
    } else if is(["a NO [AUTHENTICATIONFAILED] ", "-ERR [AUTH] "]) {
        WRONG
    } else if is(["a NO [UNAVAILABLE] ", "-ERR [SYS/TEMP] "]) {
        UNAVAILABLE
    } else {
        panic!("{said}")
    }
}

fn bearer(authorization: &str, token: &str) -> String {
    format!("n,{authorization},\x01auth=Bearer {token}\x01\x01")
}

/// What a login by this token comes to, in POP3; and what the client is told.
async fn told(world: &mut World, token: &str) -> (&'static str, Option<Value>) {
    let mut client = Client::new(world, "pop3").await;
    let (said, error) = client.login("OAUTHBEARER", &bearer("", token)).await;
    (outcome(&said), error)
}

async fn tried(world: &mut World, token: &str) -> &'static str {
    told(world, token).await.0
}

#[tokio::test(start_paused = true)]
async fn tokens_open_their_account_by_both_mechanisms() {
    let (issuer, signer) = (Issuer::start(None), Signer::new("k", "RS256"));
    publish(&issuer, &[&signer]);
    let mut world = world(settings(&issuer)).await;
    let token = signer.sign(&claims(&world, &issuer, &json!({})));
    let other = signer.sign(&claims(&world, &issuer, &json!({"aud": "other"})));
    let configuration = format!("{}/.well-known/openid-configuration", issuer.url);
    for protocol in ["pop3", "imap"] {
        // RFC 7628 §4.1, and XOAUTH2's form of it.
        let example = |name: &str, token: &str| {
            let host = "host=server.example.com\x01port=143";
            format!("n,a={name},\x01{host}\x01auth=Bearer {token}\x01\x01")
        };
        let older = |name: &str, token: &str| format!("user={name}\x01auth=Bearer {token}\x01\x01");
        for (mechanism, message, expected) in [
            ("OAUTHBEARER", example("alice@example.org", &token), IN),
            ("oauthbearer", bearer("", &token), IN),
            ("OAUTHBEARER", example("Alice", &token), IN),
            ("XOAUTH2", older("alice", &token), IN),
            ("OAUTHBEARER", example("alice", &other), WRONG),
            ("XOAUTH2", older("alice", &other), WRONG),
        ] {
            let mut client = Client::new(&mut world, protocol).await;
            let (said, error) = client.login(mechanism, &message).await;
            assert_eq!(outcome(&said), expected, "{protocol} {mechanism} {said}");
            let Some(error) = error else {
                assert_eq!(expected, IN);
                continue;
            };
            let mut described = json!({
                "status": "invalid_token", "scope": "imap", "openid-configuration": configuration,
            });
            if mechanism == "XOAUTH2" {
                described["status"] = "401".into();
                described["schemes"] = "Bearer".into();
            }
            assert_eq!(error, described);
        }
        // Whoever has alice's token is not bob.
        let mut client = Client::new(&mut world, protocol).await;
        let (said, error) = client.login("OAUTHBEARER", &example("bob", &token)).await;
        assert!(said.contains("[AUTH"), "{said}");
        assert!(error.is_some());
        // At once with the command, where that is long enough (RFC 4959 §3).
        if protocol == "imap" {
            let mut client = Client::new(&mut world, protocol).await;
            let message = encode(bearer("", &token).as_bytes());
            let command = format!("a AUTHENTICATE OAUTHBEARER {message}");
            assert_eq!(outcome(&client.say(&command).await), IN);
        }
    }
    // All of it with the keys of the beginning.
    let asked: Vec<String> = issuer.asked().into_iter().map(|asked| asked.line).collect();
    assert_eq!(
        asked,
        [
            "GET /.well-known/openid-configuration HTTP/1.1",
            "GET /jwks HTTP/1.1"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_must_be_right_in_everything() {
    let (issuer, signer) = (Issuer::start(None), Signer::new("k", "ES256"));
    publish(&issuer, &[&signer]);
    let mut world = world(settings(&issuer)).await;
    let now = world.env.now().seconds();
    for (change, expected) in [
        (json!({}), None),
        (json!({"exp": now - 30}), None),
        (json!({"email": "bob"}), None),
        (json!({"exp": now - 120}), Some("invalid_token")),
        (json!({"nbf": now + 120}), Some("invalid_token")),
        (
            json!({"iss": "https://other.example"}),
            Some("invalid_token"),
        ),
        (json!({"email": "eve@example.org"}), Some("invalid_token")),
        (
            json!({"email": "alice+phone@example.org"}),
            Some("invalid_token"),
        ),
        (json!({"email": "a b"}), Some("invalid_token")),
        (json!({"email_verified": false}), Some("invalid_token")),
        (json!({"scope": "openid"}), Some("insufficient_scope")),
    ] {
        let token = signer.sign(&claims(&world, &issuer, &change));
        let (came_to, error) = told(&mut world, &token).await;
        assert_eq!(came_to == IN, expected.is_none(), "{change}");
        let status = error.map(|error| error["status"].clone());
        assert_eq!(status, expected.map(Value::from), "{change}");
    }
    let right = claims(&world, &issuer, &json!({}));
    let forged = Signer::new("k", "ES256").sign(&right);
    let unsigned = signer.sign_as(&json!({"alg": "none"}), &right);
    for token in [&*forged, &unsigned, "x", "a.b.c"] {
        assert_eq!(tried(&mut world, token).await, WRONG, "{token}");
    }
    // Longer than any line of an exchange.
    let long = claims(&world, &issuer, &json!({"x": "x".repeat(7_000)}));
    assert_eq!(tried(&mut world, &signer.sign(&long)).await, IN);
}

#[tokio::test(start_paused = true)]
async fn new_keys_are_found_and_old_ones_forgotten() {
    let issuer = Issuer::start(None);
    let (old, new) = (Signer::new("old", "ES256"), Signer::new("new", "RS256"));
    publish(&issuer, &[&old]);
    let mut world = world(settings(&issuer)).await;
    let claims = claims(&world, &issuer, &json!({"exp": 4_000_000_000_i64}));
    let (by_old, by_new) = (old.sign(&claims), new.sign(&claims));
    assert_eq!(tried(&mut world, &by_old).await, IN);
    publish(&issuer, &[&new]);
    issuer.asked();
    // Not again within a minute, whatever tokens name.
    assert_eq!(tried(&mut world, &by_new).await, WRONG);
    assert!(issuer.asked().is_empty());
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(tried(&mut world, &by_new).await, IN);
    assert_eq!(tried(&mut world, &by_old).await, WRONG);
    assert_eq!(issuer.asked().len(), 2);
    // A key that is taken back is found out within the hour without that.
    publish(&issuer, &[&old]);
    tokio::time::sleep(Duration::from_secs(3_601)).await;
    assert_eq!(tried(&mut world, &by_new).await, WRONG);
    assert_eq!(tried(&mut world, &by_old).await, IN);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_in_trouble_makes_no_token_wrong() {
    let (issuer, signer) = (Issuer::start(None), Signer::new("k", "ES256"));
    let mut patient = settings(&issuer);
    patient.timeout = Duration::from_millis(300);
    let mut world = world(patient).await;
    let token = signer.sign(&claims(&world, &issuer, &json!({"exp": 4_000_000_000_i64})));
    let path = "/.well-known/openid-configuration";
    let url = &issuer.url;
    let right = json!({"issuer": url, "jwks_uri": format!("{url}/jwks")});
    let mut huge = right.clone();
    huge["x"] = "x".repeat(300 << 10).into();
    let moved = "302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";
    issuer.says("/elsewhere", Answer::Json(right.clone()));
    publish(&issuer, &[&signer]);
    for answer in [
        Answer::Silence,
        Answer::Json(huge),
        Answer::Other(moved),
        Answer::Other("500 No\r\nContent-Length: 0\r\n\r\n"),
        Answer::Other("200 OK\r\nContent-Length: 3\r\n\r\nyes"),
        Answer::Other("200 OK\r\nContent-Length: 30\r\n\r\n{"),
        Answer::Json(json!({"issuer": "https://other.example", "jwks_uri": right["jwks_uri"]})),
        Answer::Json(json!({"issuer": url, "jwks_uri": "http://192.0.2.1/jwks"})),
        Answer::Json(json!({"issuer": url, "jwks_uri": path})),
    ] {
        issuer.says(path, answer);
        // Its trouble is no reason to tell the client to get another token.
        assert_eq!(told(&mut world, &token).await, (UNAVAILABLE, None));
        // And not asked again at once.
        issuer.asked();
        assert_eq!(told(&mut world, &token).await, (UNAVAILABLE, None));
        assert!(issuer.asked().is_empty());
        tokio::time::sleep(Duration::from_secs(6)).await;
    }
    issuer.says(path, Answer::Json(right));
    assert_eq!(tried(&mut world, &token).await, IN);
    // What is known is good for a day.
    issuer.says("/jwks", Answer::Silence);
    tokio::time::sleep(Duration::from_secs(7_200)).await;
    assert_eq!(tried(&mut world, &token).await, IN);
    let unknown = Signer::new("new", "ES256").sign(&json!({}));
    assert_eq!(tried(&mut world, &unknown).await, UNAVAILABLE);
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    assert_eq!(tried(&mut world, &token).await, UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn nobody_there_is_unavailable_in_both_protocols() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut nowhere = settings(&Issuer::start(None));
    nowhere.issuer = Some(format!("http://{}", closed.local_addr().unwrap()));
    drop(closed);
    let mut world = world(nowhere).await;
    let token = Signer::new("k", "ES256").sign(&json!({}));
    for protocol in ["pop3", "imap"] {
        for mechanism in ["OAUTHBEARER", "XOAUTH2"] {
            let mut client = Client::new(&mut world, protocol).await;
            let message = match mechanism {
                "XOAUTH2" => format!("user=alice\x01auth=Bearer {token}\x01\x01"),
                _ => bearer("a=alice", &token),
            };
            let (said, error) = client.login(mechanism, &message).await;
            assert_eq!((outcome(&said), error), (UNAVAILABLE, None));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_issuer_is_asked_about_a_token() {
    let issuer = Issuer::start(None);
    let mut asking = settings(&issuer);
    asking.source = TokenSource::Introspection {
        url: format!("{}/introspect", issuer.url),
        client_id: "mail server".to_owned(),
        client_secret: "a+b:c".to_owned().into(),
    };
    let mut world = world(asking).await;
    let now = world.env.now().seconds();
    let answer = |change: &Value| {
        let mut answer = json!({
            "active": true, "aud": "mail", "scope": "imap", "email": "alice@example.org",
        });
        for (key, value) in change.as_object().unwrap() {
            answer[key] = value.clone();
        }
        Answer::Json(answer)
    };
    issuer.says("/introspect", answer(&json!({})));
    assert_eq!(tried(&mut world, "opaque+/=").await, IN);
    let asked = issuer.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].line, "POST /introspect HTTP/1.1");
    let basic = asked[0].authorization.strip_prefix("Basic ").unwrap();
    assert_eq!(
        decode(basic.as_bytes()).unwrap(),
        b"mail%20server:a%2Bb%3Ac"
    );
    let form = "token=opaque%2B%2F%3D&token_type_hint=access_token";
    assert_eq!(asked[0].body, form);
    // Believed for a minute, and no longer.
    issuer.says("/introspect", Answer::Json(json!({"active": false})));
    assert_eq!(tried(&mut world, "opaque+/=").await, IN);
    assert!(issuer.asked().is_empty());
    assert_eq!(tried(&mut world, "another").await, WRONG);
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(tried(&mut world, "opaque+/=").await, WRONG);
    // Its own end counts: nothing is remembered beyond it.
    let end = world.env.now().seconds() + 10;
    issuer.says("/introspect", answer(&json!({"exp": end})));
    assert_eq!(tried(&mut world, "short").await, IN);
    issuer.asked();
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(tried(&mut world, "short").await, IN);
    assert_eq!(issuer.asked().len(), 1);
    for (number, (change, expected)) in [
        (json!({"active": "true"}), WRONG),
        (json!({"aud": "other"}), WRONG),
        (json!({"exp": now - 3_600}), WRONG),
        (json!({"scope": "openid"}), WRONG),
        (json!({"email": 7}), WRONG),
        (json!({"iss": "https://other.example"}), WRONG),
        (json!({"iss": issuer.url}), IN),
    ]
    .into_iter()
    .enumerate()
    {
        issuer.says("/introspect", answer(&change));
        let token = format!("t{number}");
        assert_eq!(tried(&mut world, &token).await, expected, "{change}");
    }
    // We are not who we say that we are.
    let refused = "401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    for answer in [Answer::Other(refused), Answer::Json(json!([]))] {
        issuer.says("/introspect", answer);
        assert_eq!(tried(&mut world, "new").await, UNAVAILABLE);
    }
}

#[tokio::test(start_paused = true)]
async fn https_needs_a_certificate_that_is_trusted() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    let (issuer, signer) = (
        Issuer::start(Some(Arc::new(tls))),
        Signer::new("k", "ES256"),
    );
    publish(&issuer, &[&signer]);
    for (ca, expected) in [(Some(made.cert.pem()), IN), (None, UNAVAILABLE)] {
        let mut settings = settings(&issuer);
        settings.ca = ca.map(String::into_bytes);
        let mut world = world(settings).await;
        let token = signer.sign(&claims(&world, &issuer, &json!({})));
        assert_eq!(tried(&mut world, &token).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn the_user_name_says_which_device_polls() {
    let (issuer, signer) = (Issuer::start(None), Signer::new("k", "ES256"));
    publish(&issuer, &[&signer]);
    let mut world = world(settings(&issuer)).await;
    let mut bindings = Default::default();
    for (keyword, arguments, block) in [
        ("device", "alice phone secret2", &[][..]),
        ("mail", "alice INBOX", &["Subject: x".to_owned()]),
    ] {
        let step = world.step(keyword, arguments, block, &mut bindings);
        step.await.unwrap();
    }
    let token = signer.sign(&claims(&world, &issuer, &json!({})));
    for (name, expected) in [
        // From here on her program without a device of its own is waited for.
        ("a=alice", "+OK 1 messages"),
        ("a=alice+phone", "+OK 1 messages"),
        // What the telephone has collected is there for the others.
        ("a=alice", "+OK 1 messages"),
        ("a=alice+phone", "+OK 0 messages"),
        ("", "+OK 1 messages"),
        ("a=alice+unknown", "-ERR [AUTH] "),
        ("a=bob+phone", "-ERR [AUTH] "),
    ] {
        let mut client = Client::new(&mut world, "pop3").await;
        let (said, _) = client.login("OAUTHBEARER", &bearer(name, &token)).await;
        assert!(said.starts_with(expected), "{name}: {said}");
        if name == "a=alice+phone" && expected.contains('1') {
            client.say("DELE 1").await;
            assert_eq!(client.say("QUIT").await, "+OK goodbye");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_tokens_count_as_wrong_passwords_do() {
    let (issuer, signer) = (Issuer::start(None), Signer::new("k", "ES256"));
    publish(&issuer, &[&signer]);
    let mut world = world(settings(&issuer)).await;
    let mut bindings = Default::default();
    let step = world.step("from", "192.0.2.7", &[], &mut bindings);
    step.await.unwrap();
    let right = signer.sign(&claims(&world, &issuer, &json!({})));
    // The same again is nothing new: a program with a token that has expired.
    for token in ["a.b.c", "a.b.c", "a.b.c", "a.b.c", "d.e.f"] {
        assert_eq!(tried(&mut world, token).await, WRONG);
    }
    assert_eq!(tried(&mut world, &right).await, IN);
    // A right one forgives what was wrong for its own name alone.
    assert_eq!(tried(&mut world, "g.h.i").await, WRONG);
    assert_eq!(told(&mut world, &right).await, (UNAVAILABLE, None));
}

#[tokio::test(start_paused = true)]
async fn tokens_are_announced_where_they_are_taken_and_safe() {
    let issuer = Issuer::start(None);
    for (configured, safe) in [(true, true), (true, false), (false, true)] {
        let mut world = world(settings(&issuer)).await;
        if !configured {
            world = World::new();
        }
        let answer = if safe { "yes" } else { "no" };
        let mut bindings = Default::default();
        let step = world.step("plaintext-login", answer, &[], &mut bindings);
        step.await.unwrap();
        let mut client = Client::new(&mut world, "imap").await;
        let said = client.say("c CAPABILITY").await;
        let announced = said.contains(" AUTH=OAUTHBEARER AUTH=XOAUTH2 ");
        assert_eq!(announced, configured && safe, "{said}");
        let mut client = Client::new(&mut world, "pop3").await;
        let mut said = client.say("CAPA").await;
        while !said.ends_with("\n.") {
            said = said + "\n" + &line(&mut client.wire).await;
        }
        let announced = said.contains("\nSASL OAUTHBEARER XOAUTH2 PLAIN LOGIN\n");
        assert_eq!(announced, configured && safe, "{said}");
        if !configured {
            let said = client.say("AUTH XOAUTH2").await;
            assert_eq!(said, "-ERR there is no such mechanism");
        }
    }
}
