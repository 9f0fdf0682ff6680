//! What the derived row keeps.

#![allow(clippy::unwrap_used)]

use mime::{Derived, derive};

const MESSAGE: &str = "Received: from x\r\nFrom: a@b\r\nSubject: Re: [l] gr\u{fc}n\r\n\
    Date: Wed, 17 Jul 1996 02:23:25 -0700\r\nMessage-ID: <m@i> x\r\nReferences: <a@b>\r\n <c@d>\r\n\
    In-Reply-To: <e@f>\r\nX-Other: y\r\nfrom: second\r\n\r\nHello there\r\n";

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn a_row_keeps_what_is_asked_for() {
    let row = derive(MESSAGE.as_bytes());
    let derived = Derived::decode(&row).unwrap();
    assert_eq!(derived.base_subject, "gr\u{fc}n");
    assert!(derived.is_reply_or_forward);
    assert_eq!(derived.sent.unwrap().seconds, 837_595_405);
    assert_eq!(derived.message_id, b"<m@i>");
    assert_eq!(derived.references, b"<a@b><c@d>");
    assert_eq!(derived.preview, "Hello there");
    assert!(!derived.final_crlf_missing);
    assert!(derived.has_fields(&names(&["FROM", "date"])));
    assert!(!derived.has_fields(&names(&["From", "X-Other"])));
    let mut picked = Vec::new();
    derived.pick_fields(&names(&["subject", "from", "cc"]), &mut picked);
    assert_eq!(
        String::from_utf8(picked).unwrap(),
        "From: a@b\r\nSubject: Re: [l] gr\u{fc}n\r\nfrom: second\r\n"
    );
}

#[test]
fn a_missing_last_line_break_is_known() {
    for (message, missing) in [
        ("A: b\r\n\r\nc", true),
        ("A: b\r\n\r\nc\r\n", false),
        ("", false),
    ] {
        let row = derive(message.as_bytes());
        assert_eq!(Derived::decode(&row).unwrap().final_crlf_missing, missing);
    }
}

#[test]
fn in_reply_to_stands_in_for_references() {
    let row = derive(b"In-Reply-To: your mail <a@b> of <c@d>\r\n\r\n");
    assert_eq!(Derived::decode(&row).unwrap().references, b"<a@b>");
}

#[test]
fn other_versions_are_refused() {
    let mut row = derive(b"A: b\r\n\r\n");
    row[0] += 1;
    assert!(Derived::decode(&row).is_err());
    assert!(Derived::decode(&[]).is_err());
}
