//! No line makes the parsers of POP3 and SASL panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use proto::pop3;
use proto::sasl::{Channel, Exchange, Mechanism, Step};

fuzz_target!(|line: &[u8]| {
    let command = pop3::command(line);
    assert!(pop3::line_octets_max(line) >= 255);
    if let Ok(pop3::Command::Auth { initial, .. }) = command {
        let (mut exchange, step) = Exchange::begin(
            Mechanism::Plain,
            initial.as_deref(),
            Channel::default(),
            "n".into(),
        );
        if matches!(step, Step::Challenge(_)) {
            exchange.line(line);
        }
    }
    let (mut exchange, _) = Exchange::begin(Mechanism::Plain, None, Channel::default(), "n".into());
    exchange.line(line);
});
