//! Mail that nobody would write, unless to break a server.

#![allow(clippy::unwrap_used)]

use mime::{
    DERIVED_OCTETS_MAX, Derived, Located, SearchText, StructureForm, derive, derive_searchable,
    encode_binary, locate, render_bodystructure,
};
use proptest::prelude::*;
use std::time::{Duration, Instant};
use terms::{Section, SectionText};

/// Derives, decodes and checks what must always hold.
fn check(message: &[u8]) {
    let row = derive(message);
    assert!(
        row.len() <= DERIVED_OCTETS_MAX,
        "a row of {} octets",
        row.len()
    );
    let derived = Derived::decode(&row).unwrap();
    let size = message.len() as u64;
    assert_eq!(derived.size, size);
    assert!(derived.header_length <= size);
    assert!(derived.preview.chars().count() <= 200);
    let parts = derived.parts();
    assert!(!parts.is_empty());
    for (index, part) in parts.iter().enumerate() {
        assert!(part.header.start <= part.header.end && part.header.end == part.body.start);
        assert!(part.body.start <= part.body.end && part.body.end <= size);
        assert!(part.next > index && part.next <= parts.len());
    }
    for path in [
        vec![],
        vec![1],
        vec![2],
        vec![1, 1],
        vec![1, 2, 1],
        vec![u32::MAX],
    ] {
        let texts = [
            None,
            Some(SectionText::Header),
            Some(SectionText::Text),
            Some(SectionText::Mime),
        ];
        for text in texts {
            let path = path.clone();
            if let Located::Octets { range, .. } = locate(&derived, &Section { path, text }) {
                assert!(range.start <= range.end && range.end <= size);
            }
        }
    }
    if let Some(kept) = derived.bodystructure {
        let form = StructureForm {
            extended: true,
            global: true,
        };
        assert_eq!(kept, render_bodystructure(message, form));
    }
    check_searchable(message, &derived);
    if let Some(form) = mime::downgrade(message) {
        assert!(form.len() <= message.len() * 5 + 2_000_000);
    }
    if let Ok(encoded) = encode_binary(message) {
        assert!(!encoded.contains(&0));
        // What has been encoded needs it no more.
        assert_eq!(encode_binary(&encoded).as_deref(), Ok(&*encoded));
    }
}

/// The row with texts for searching is the same otherwise.
fn check_searchable(message: &[u8], derived: &Derived<'_>) {
    let row = derive_searchable(message);
    assert!(row.len() <= DERIVED_OCTETS_MAX);
    let searchable = Derived::decode(&row).unwrap();
    assert_eq!(searchable.parts(), derived.parts());
    assert_eq!(derived.search_text, SearchText::Missing);
    match searchable.search_text {
        SearchText::Missing => panic!("texts are made or too long"),
        SearchText::TooLong => {}
        SearchText::Kept { header, body } => {
            assert!(header.len() + body.len() <= DERIVED_OCTETS_MAX / 2);
        }
    }
}

/// Fragments of mail in any order give more than random octets do.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop::sample::select(vec![
        "Content-Type: multipart/mixed; boundary=a\r\n",
        "Content-Type: multipart/digest; boundary=\"ab\"\r\n",
        "Content-Type: message/rfc822\r\n",
        "Content-Type: text/html; charset=\"utf-8\"; a*0*=x; a*1=\"\r\n",
        "Content-Transfer-Encoding: base64\r\n",
        "Content-Transfer-Encoding: quoted-printable\r\n",
        "Content-Disposition: attachment; filename=(x\r\n",
        "From: a <@b,@c:d@e>, g: (h, \"i\\\" <j>;\r\n",
        "Subject: [a] Re: =?utf-8?q?=C3?= =?x?b?w?= [fwd: x]\r\n",
        "Date: Wed, 17 Jul 1996 02:23:25 -0700\r\n",
        "References: <a> <b <c>>\r\n",
        "\r\n",
        "\r\n\r\n",
        "\r\n--a\r\n",
        "--ab\r\n",
        "--a--\r\n",
        "\r\n--ab--",
        "\r\n",
        " folded\r\n",
        "text=\r\n=C3=BC<p>&amp;</p>",
        "\0",
        "\r",
        "\n",
        ":",
        "\u{fc}",
        "<style><!--",
    ]);
    prop::collection::vec(fragment, 0..40).prop_map(|list| list.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_octets_give_a_row(message in prop::collection::vec(any::<u8>(), 0..2_000)) {
        check(&message);
    }

    #[test]
    fn any_fragments_give_a_row(message in fragments()) {
        check(&message);
    }

    #[test]
    fn any_row_is_read_without_panic(row in prop::collection::vec(any::<u8>(), 0..300), version in any::<bool>()) {
        let mut row = row;
        if let (true, Some(first)) = (version, row.first_mut()) {
            *first = mime::DERIVED_VERSION;
        }
        if let Ok(derived) = Derived::decode(&row) {
            derived.parts();
            derived.pick_fields(&["To".to_owned()], &mut Vec::new());
            locate(&derived, &Section { path: vec![1, 2], text: None });
        }
    }
}

#[test]
fn large_hostile_messages_take_linear_time() {
    let nested = |kind: &str, depth: usize| {
        (0..depth)
            .map(|n| format!("Content-Type: {kind}; boundary=b{n}\r\n\r\n--b{n}\r\n"))
            .collect::<String>()
    };
    let digest = "Content-Type: multipart/digest; boundary=a\r\n\r\n".to_owned();
    for (name, message) in [
        ("headers", "X: y\r\n".repeat(100_000)),
        (
            "wanted headers",
            "To: a@b, c@d\r\nSubject: x\r\n".repeat(100_000),
        ),
        (
            "one line",
            format!("Subject: x\r\n\r\n{}", "x".repeat(8_000_000)),
        ),
        ("one header line", format!("To: {}", "a,".repeat(2_000_000))),
        ("a subject", format!("Subject: {}", "[a]".repeat(1_000_000))),
        ("words", format!("Subject: {}", "=?".repeat(1_000_000))),
        (
            "words without an end",
            format!(
                "Subject: ü{0}\r\nFrom: ü{0}\r\n",
                "=?a?q?x ".repeat(500_000)
            ),
        ),
        ("dots", format!("From: {}@y", ".".repeat(4_000_000))),
        ("comments", format!("From: {}", "(".repeat(1_000_000))),
        ("angles", format!("From: {}", "a@b<".repeat(500_000))),
        (
            "identifiers",
            format!("References: {}\r\n", "<a@b> ".repeat(300_000)),
        ),
        (
            "parameters",
            format!("Content-Type: a/b{}\r\n", "; x*1=y".repeat(300_000)),
        ),
        ("multiparts", nested("multipart/mixed", 2_000)),
        ("messages", nested("message/rfc822", 2_000)),
        (
            "parts",
            digest + &"--a\r\n\r\nTo: b\r\n\r\nc\r\n".repeat(100_000),
        ),
        (
            "delimiters",
            nested("multipart/mixed", 99) + "\r\n\r\n" + &"--\r\n".repeat(500_000),
        ),
        ("nuls", "\0".repeat(1_000_000)),
        ("carriage returns", "\r".repeat(1_000_000)),
        ("line feeds", "\n".repeat(1_000_000)),
        ("folds", format!("To: {}", "\r\n ".repeat(1_000_000))),
        (
            "html",
            format!("Content-Type: text/html\r\n\r\n{}", "<".repeat(1_000_000)),
        ),
        (
            "entities",
            format!("Content-Type: text/html\r\n\r\n{}", "&#".repeat(1_000_000)),
        ),
    ] {
        let begun = Instant::now();
        check(message.as_bytes());
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{name}: {:?}",
            begun.elapsed()
        );
    }
}

#[test]
fn octets_that_are_not_ascii_are_carried_in_headers() {
    let message = b"Subject: gr\xfcn\r\nFrom: \xff <a@b>\r\n\r\nx";
    let row = derive(message);
    let derived = Derived::decode(&row).unwrap();
    assert_eq!(derived.base_subject, "gr\u{fc}n");
    let envelope = derived.envelope.unwrap();
    assert!(envelope.starts_with(b"(NIL {4}\r\ngr\xfcn (({1}\r\n\xff NIL \"a\" \"b\"))"));
}
