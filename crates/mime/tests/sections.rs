//! Sections of messages through their derived rows.

#![allow(clippy::unwrap_used)]

use mime::{Derived, Located, derive, locate, pick_fields};
use terms::{Section, SectionText};

/// A section's octets, as a session would put them together.
fn fetch(prefix: &str, message: &[u8], section: &Section) -> Option<String> {
    let row = derive(message);
    let derived = Derived::decode(&row).unwrap();
    let octets = |with_prefix: bool, range: std::ops::Range<u64>| {
        let blob = &message[range.start as usize..range.end as usize];
        let mut octets = if with_prefix {
            prefix.as_bytes().to_vec()
        } else {
            Vec::new()
        };
        octets.extend_from_slice(blob);
        octets
    };
    let octets = match locate(&derived, section) {
        Located::Missing => return None,
        Located::Octets { prefix, range } => octets(prefix, range),
        Located::Header { prefix, range } => {
            let header = octets(prefix, range);
            let mut out = Vec::new();
            match section.text.as_ref().unwrap() {
                SectionText::HeaderFields(names) => pick_fields(&header, names, false, &mut out),
                SectionText::HeaderFieldsNot(names) => pick_fields(&header, names, true, &mut out),
                other => panic!("{other:?} gives no fields"),
            }
            out.extend_from_slice(b"\r\n");
            out
        }
    };
    Some(String::from_utf8(octets).unwrap())
}

/// `1.2.MIME`, `HEADER`, `` … as a section.
fn section(text: &str) -> Section {
    let mut section = Section::default();
    for word in text.split('.').filter(|word| !word.is_empty()) {
        let names = || vec!["Subject".to_owned(), "to".to_owned()];
        match word {
            "HEADER" => section.text = Some(SectionText::Header),
            "TEXT" => section.text = Some(SectionText::Text),
            "MIME" => section.text = Some(SectionText::Mime),
            "FIELDS" => section.text = Some(SectionText::HeaderFields(names())),
            "NOT" => section.text = Some(SectionText::HeaderFieldsNot(names())),
            number => section.path.push(number.parse().unwrap()),
        }
    }
    section
}

const NESTED: &str = "Subject: outer\nContent-Type: multipart/mixed; boundary=a\n\npre\n\
    --a\nContent-Type: text/plain\n\none\n\
    --a\nContent-Type: message/rfc822\nX: y\n\n\
    Subject: inner\nFrom: f\nContent-Type: multipart/alternative; boundary=b\n\n\
    --b\n\ntwo-one\n--b\nContent-Type: text/html\n\ntwo-two\n--b--\n\
    --a\nContent-Type: message/rfc822\n\nTo: t\n\nthree\n\
    --a--\nepi\n";

#[test]
fn sections_of_a_nested_message() {
    let message = NESTED.replace('\n', "\r\n");
    for (text, expected) in [
        ("", Some(NESTED)),
        (
            "HEADER",
            Some("Subject: outer\nContent-Type: multipart/mixed; boundary=a\n\n"),
        ),
        ("FIELDS", Some("Subject: outer\n\n")),
        ("NOT", Some("Content-Type: multipart/mixed; boundary=a\n\n")),
        ("1", Some("one")),
        ("1.MIME", Some("Content-Type: text/plain\n\n")),
        ("1.1", None),
        ("1.TEXT", None),
        ("1.HEADER", None),
        ("2.MIME", Some("Content-Type: message/rfc822\nX: y\n\n")),
        (
            "2.HEADER",
            Some("Subject: inner\nFrom: f\nContent-Type: multipart/alternative; boundary=b\n\n"),
        ),
        ("2.FIELDS", Some("Subject: inner\n\n")),
        (
            "2.TEXT",
            Some("--b\n\ntwo-one\n--b\nContent-Type: text/html\n\ntwo-two\n--b--"),
        ),
        ("2.1", Some("two-one")),
        ("2.1.MIME", Some("\n")),
        ("2.2", Some("two-two")),
        ("2.2.MIME", Some("Content-Type: text/html\n\n")),
        ("2.3", None),
        ("3", Some("To: t\n\nthree")),
        ("3.1", Some("three")),
        ("3.1.MIME", Some("To: t\n\n")),
        ("3.2", None),
        ("3.TEXT", Some("three")),
        ("4", None),
        ("MIME", None),
    ] {
        let expected = expected.map(|text| text.replace('\n', "\r\n"));
        assert_eq!(
            fetch("", message.as_bytes(), &section(text)),
            expected,
            "{text}"
        );
    }
    let text = "TEXT";
    let whole = fetch("", message.as_bytes(), &section(text)).unwrap();
    assert!(whole.starts_with("pre\r\n--a") && whole.ends_with("epi\r\n"));
}

#[test]
fn a_prefix_is_header_of_the_message_alone() {
    let prefix = "Delivered-To: x\r\n";
    let message = b"Subject: s\r\n\r\nbody\r\n";
    for (text, expected) in [
        ("", "Delivered-To: x\r\nSubject: s\r\n\r\nbody\r\n"),
        ("HEADER", "Delivered-To: x\r\nSubject: s\r\n\r\n"),
        ("NOT", "Delivered-To: x\r\n\r\n"),
        ("FIELDS", "Subject: s\r\n\r\n"),
        ("TEXT", "body\r\n"),
        ("1", "body\r\n"),
        ("1.MIME", "Delivered-To: x\r\nSubject: s\r\n\r\n"),
    ] {
        assert_eq!(
            fetch(prefix, message, &section(text)).as_deref(),
            Some(expected),
            "{text}"
        );
    }
}

#[test]
fn messages_without_header_or_body() {
    for (message, header, body) in [
        ("", "", ""),
        ("\r\n", "\r\n", ""),
        ("\r\nbody", "\r\n", "body"),
        ("Subject: s", "Subject: s", ""),
        ("no header at all\r\n", "no header at all\r\n", ""),
    ] {
        let part = |text| fetch("", message.as_bytes(), &section(text)).unwrap();
        assert_eq!(part("HEADER"), header);
        assert_eq!(part("TEXT"), body);
        assert_eq!(part("1"), body);
    }
}
