//! Whatever lines a client sends, an exchange ends, says only base64, and finds no
//! proof right that does not come from the keys.

#![no_main]

use libfuzzer_sys::fuzz_target;
use proto::sasl::{
    Binding, Channel, Claim, Exchange, Mechanism, ScramKeys, Step, TokenError, decode, encode,
};

/// More lines than any exchange takes.
const LINES_MAX: usize = 8;

fuzz_target!(|input: (u8, bool, bool, Vec<Vec<u8>>)| {
    let (which, bindable, refuse, lines) = input;
    let mechanism = Mechanism::ALL[usize::from(which) % Mechanism::ALL.len()];
    let channel = Channel {
        bindings: if bindable {
            vec![(Binding::TlsExporter, vec![7; 32])]
        } else {
            Vec::new()
        },
        announced: bindable,
    };
    // Half of the lines as they are, half in base64, so that messages are reached.
    let mut lines = lines.iter().enumerate().map(|(at, line)| {
        if (usize::from(which) / 16 + at) % 2 == 0 {
            encode(line).into_bytes()
        } else {
            line.clone()
        }
    });
    let initial = lines.next();
    let (mut exchange, mut step) =
        Exchange::begin(mechanism, initial.as_deref(), channel, "nonce".into());
    for _ in 0..LINES_MAX {
        step = match step {
            Step::Challenge(challenge) => {
                assert!(decode(challenge.as_bytes()).is_some());
                match lines.next() {
                    Some(line) => exchange.line(&line),
                    None => return,
                }
            }
            Step::Keys { .. } => {
                let octets = mechanism.scram().map_or(0, |_| {
                    if mechanism.name().contains("256") {
                        32
                    } else {
                        20
                    }
                });
                exchange.keys(ScramKeys {
                    iterations: 4_096,
                    salt: vec![1; 16],
                    stored_key: vec![2; octets],
                    server_key: vec![3; octets],
                })
            }
            Step::Verify(claim) => {
                // Nothing hashes to these keys.
                assert!(!matches!(claim, Claim::Proof { right: true, .. }));
                if refuse {
                    exchange.refuse(Some(&TokenError {
                        status: "invalid_token",
                        ..TokenError::default()
                    }))
                } else {
                    exchange.accept()
                }
            }
            Step::Accepted | Step::Refused | Step::Failed(_) => return,
        };
    }
    panic!("the exchange does not end");
});
