use super::*;
use serde_json::json;

#[path = "../../../../tests/oauth/sign.rs"]
mod sign;
use sign::Signer;

fn keys(keys: &[Value]) -> Keys {
    Keys::parse(json!({"keys": keys}).as_object().unwrap()).unwrap()
}

#[test]
fn every_algorithm_that_is_named_is_checked() {
    for algorithm in [
        "RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA",
    ] {
        let signer = Signer::new("k", algorithm);
        let text = signer.sign(&json!({"sub": "anna"}));
        let token = Token::parse(&text).unwrap();
        assert_eq!(token.claims["sub"], "anna");
        let mut own = signer.jwk();
        assert_eq!(token.signed_by(&keys(&[own.clone()])), Verdict::Signed);
        // Another claim under the same signature, and a signature that is cut off.
        let (head, signature) = text.rsplit_once('.').unwrap();
        let header = head.split_once('.').unwrap().0;
        let other = URL_SAFE_NO_PAD.encode(r#"{"sub":"bob"}"#);
        for text in [
            format!("{header}.{other}.{signature}"),
            format!("{head}.{}", &signature[..40]),
            format!("{head}."),
        ] {
            let token = Token::parse(&text).unwrap();
            assert_eq!(token.signed_by(&keys(&[own.clone()])), Verdict::Wrong);
        }
        // A key says for which algorithm alone it is.
        own["alg"] = algorithm.into();
        assert_eq!(token.signed_by(&keys(&[own.clone()])), Verdict::Signed);
        own["alg"] = if algorithm == "RS256" {
            "PS256"
        } else {
            "RS256"
        }
        .into();
        assert_eq!(token.signed_by(&keys(&[own])), Verdict::Unknown);
    }
}

#[test]
fn keys_are_found_by_their_identifier_and_kind() {
    let (one, two) = (Signer::new("1", "ES256"), Signer::new("2", "ES256"));
    let rsa = Signer::new("2", "RS256");
    let set = keys(&[
        one.jwk(),
        rsa.jwk(),
        two.jwk(),
        json!({"kty": "oct", "k": "AA"}),
    ]);
    let verdict = |text: &str| Token::parse(text).unwrap().signed_by(&set);
    let claims = json!({});
    for signer in [&one, &two, &rsa] {
        assert_eq!(verdict(&signer.sign(&claims)), Verdict::Signed);
        // RFC 7515 §4.1.4: naming a key is optional.
        let header = json!({"alg": signer.algorithm});
        assert_eq!(verdict(&signer.sign_as(&header, &claims)), Verdict::Signed);
    }
    let header = json!({"alg": "ES256", "kid": "2"});
    assert_eq!(verdict(&one.sign_as(&header, &claims)), Verdict::Wrong);
    let header = json!({"alg": "ES256", "kid": "3"});
    assert_eq!(verdict(&one.sign_as(&header, &claims)), Verdict::Unknown);
    // An RSA key is none for what an elliptic curve has signed.
    let header = json!({"alg": "RS256", "kid": "1"});
    assert_eq!(verdict(&one.sign_as(&header, &claims)), Verdict::Unknown);
}

#[test]
fn what_is_no_signed_token_is_refused() {
    let signer = Signer::new("k", "ES256");
    let claims = json!({});
    let with = |header: Value| signer.sign_as(&header, &claims);
    for text in [
        with(json!({"alg": "none"})),
        with(json!({"alg": "HS256"})),
        with(json!({"alg": "es256"})),
        with(json!({"alg": ["ES256"]})),
        with(json!({"kid": "k"})),
        with(json!({"alg": "ES256", "crit": ["exp"]})),
        signer.sign_as(&json!("ES256"), &claims),
        signer.sign(&json!([])),
        String::new(),
        "a.b".to_owned(),
        "..".to_owned(),
        "e30.e30.AA".to_owned(),
        "=.=.=".to_owned(),
        format!("{}.x", signer.sign(&claims)),
        signer.sign(&claims) + "=",
    ] {
        assert!(Token::parse(&text).is_err(), "{text}");
    }
}

#[test]
fn a_set_without_a_key_is_none() {
    let rsa = Signer::new("k", "RS256").jwk();
    let mut encrypts = rsa.clone();
    encrypts["use"] = "enc".into();
    let mut short = Signer::new("k", "ES256").jwk();
    short["x"] = "AA".into();
    for keys in [
        json!([]),
        json!({}),
        json!([1, "x", null]),
        json!([encrypts]),
        json!([short]),
        json!([{"kty": "RSA", "n": "AQAB"}]),
        json!([{"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"}]),
    ] {
        let set = json!({"keys": keys});
        assert!(Keys::parse(set.as_object().unwrap()).is_none(), "{set}");
    }
    assert!(Keys::parse(json!({}).as_object().unwrap()).is_none());
    let many = json!({"keys": vec![rsa; KEYS_MAX + 10]});
    assert_eq!(
        Keys::parse(many.as_object().unwrap()).unwrap().0.len(),
        KEYS_MAX
    );
}
