//! Modified UTF-7, the wire form of mailbox names in IMAP4rev1. RFC 3501 §5.1.3.

use base64::Engine as _;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &IMAP_MUTF7,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone),
);

/// The wire form of `text`: printing US-ASCII as it is, `&` as `&-`, all else in
/// runs of base64 between `&` and `-`.
pub fn encode_utf7(text: &str) -> String {
    let mut wire = String::with_capacity(text.len());
    let mut shifted = Vec::new();
    for c in text.chars() {
        if matches!(c, ' '..='~') {
            flush(&mut wire, &mut shifted);
            wire.push(c);
            if c == '&' {
                wire.push('-');
            }
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                shifted.extend_from_slice(&unit.to_be_bytes());
            }
        }
    }
    flush(&mut wire, &mut shifted);
    wire
}

fn flush(wire: &mut String, shifted: &mut Vec<u8>) {
    if !shifted.is_empty() {
        wire.push('&');
        ENGINE.encode_string(&*shifted, wire);
        wire.push('-');
        shifted.clear();
    }
}

/// The text of which `wire` is the wire form. `None` where it is none, also
/// where it is not the only possible one: RFC 3501 §5.1.3 forbids superfluous
/// shifts and printing US-ASCII in base64.
pub fn decode_utf7(wire: &str) -> Option<String> {
    let mut text = String::with_capacity(wire.len());
    let mut rest = wire;
    while let Some((plain, shifted)) = rest.split_once('&') {
        text.push_str(plain);
        let (run, after) = shifted.split_once('-')?;
        if run.is_empty() {
            text.push('&');
        } else {
            let octets = ENGINE.decode(run).ok()?;
            let (units, odd) = octets.as_chunks::<2>();
            if !odd.is_empty() {
                return None;
            }
            let units = units.iter().map(|&unit| u16::from_be_bytes(unit));
            for c in char::decode_utf16(units) {
                text.push(c.ok()?);
            }
        }
        rest = after;
    }
    text.push_str(rest);
    (encode_utf7(&text) == wire).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_wire_form_goes_both_ways() {
        for (text, wire) in [
            ("", ""),
            ("INBOX", "INBOX"),
            ("A & B", "A &- B"),
            ("Entwürfe", "Entw&APw-rfe"),
            // RFC 3501 §5.1.3's own example.
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("😀", "&2D3eAA-"),
            ("\u{7f}", "&AH8-"),
        ] {
            assert_eq!(encode_utf7(text), wire);
            assert_eq!(decode_utf7(wire).as_deref(), Some(text), "{wire}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for wire in [
            "&",
            "a&b",
            "&AOk",
            "&AO-",
            "&AOl-",
            "&AGE-",
            "&AOk-&AOk-",
            "&2D0-",
            "é",
            "&A/k-",
            "&AOk=-",
            "&U,BTFw-&ZeVnLIqe-",
            "\t",
        ] {
            assert_eq!(decode_utf7(wire), None, "{wire}");
        }
    }

    proptest! {
        #[test]
        fn every_text_survives(text in ".*") {
            prop_assert_eq!(decode_utf7(&encode_utf7(&text)), Some(text));
        }

        #[test]
        fn nothing_panics(wire in "[&a-zA-Z0-9,+/=-]{0,20}") {
            if let Some(text) = decode_utf7(&wire) {
                prop_assert_eq!(encode_utf7(&text), wire);
            }
        }
    }
}
