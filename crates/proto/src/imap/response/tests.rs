use super::*;
use terms::{FetchItem, Flag, Partial, Section, SectionText, Uid, UidSet, UidValidity};

#[track_caller]
fn check(write: impl FnOnce(&mut Vec<u8>), expected: &str) {
    let mut out = Vec::new();
    write(&mut out);
    assert_eq!(String::from_utf8_lossy(&out), expected);
}

fn uid(value: u32) -> Uid {
    Uid::new(value).unwrap()
}

#[test]
fn statuses_and_codes() {
    let validity = UidValidity::new(38505).unwrap();
    let set = |from, to| UidSet::range(uid(from), uid(to));
    let flags: FlagSet = ["\\Seen", "$x"]
        .into_iter()
        .filter_map(Flag::parse)
        .collect();
    for (code, expected) in [
        (Code::ReadWrite, "READ-WRITE"),
        (
            Code::AppendUid(validity, UidSet::single(uid(3955))),
            "APPENDUID 38505 3955",
        ),
        (
            Code::BadUrl("/a;UID=1/;section=[x]\r\"".to_owned()),
            "BADURL \"/a;UID=1/;section=x\"",
        ),
        (
            Code::CopyUid(validity, set(304, 319), set(3956, 3971)),
            "COPYUID 38505 304:319 3956:3971",
        ),
        (
            Code::PermanentFlags(flags.clone(), true),
            "PERMANENTFLAGS (\\Seen $x \\*)",
        ),
        (
            Code::PermanentFlags(FlagSet::new(), false),
            "PERMANENTFLAGS ()",
        ),
        (
            Code::Capability(vec!["IMAP4rev1".into(), "IDLE".into()]),
            "CAPABILITY IMAP4rev1 IDLE",
        ),
        (Code::UidNext(uid(7)), "UIDNEXT 7"),
        (Code::HighestModSeq(terms::ModSeq(99)), "HIGHESTMODSEQ 99"),
        (Code::Modified(set(7, 9)), "MODIFIED 7:9"),
        (Code::BadCharset, "BADCHARSET (US-ASCII UTF-8)"),
    ] {
        check(
            |out| status(out, "a1", Status::Ok, Some(&code), "done"),
            &format!("a1 OK [{expected}] done\r\n"),
        );
    }
    check(
        |out| status(out, "*", Status::Bye, None, "so\r\nlong é"),
        "* BYE so??long ?\r\n",
    );
    check(|out| continue_req(out, "go on"), "+ go on\r\n");
    check(|out| numbered(out, 23, "EXISTS"), "* 23 EXISTS\r\n");
    check(|out| super::flags(out, &flags), "* FLAGS (\\Seen $x)\r\n");
    check(
        |out| capability(out, &["IMAP4rev1", "ID"]),
        "* CAPABILITY IMAP4rev1 ID\r\n",
    );
    check(|out| enabled(out, &[]), "* ENABLED\r\n");
    check(|out| search(out, [2, 84]), "* SEARCH 2 84\r\n");
    check(|out| search(out, []), "* SEARCH\r\n");
    check(|out| id(out, &[]), "* ID NIL\r\n");
    check(
        |out| id(out, &[("name", "x\"y")]),
        "* ID (\"name\" \"x\\\"y\")\r\n",
    );
    check(
        |out| namespace(out, "Users/"),
        "* NAMESPACE ((\"\" \"/\")) ((\"Users/\" \"/\")) NIL\r\n",
    );
}

#[test]
fn mailboxes() {
    let name = |text: &str| MailboxName::new(text).unwrap();
    check(
        |out| list(out, &["\\HasNoChildren", "\\Sent"], &name("Sent"), false),
        "* LIST (\\HasNoChildren \\Sent) \"/\" Sent\r\n",
    );
    check(
        |out| lsub(out, &[], &name("a b"), false),
        "* LSUB () \"/\" \"a b\"\r\n",
    );
    check(
        |out| list(out, &[], &name("Entwürfe"), false),
        "* LIST () \"/\" Entw&APw-rfe\r\n",
    );
    check(
        |out| list(out, &[], &name("Entwürfe"), true),
        "* LIST () \"/\" \"Entwürfe\"\r\n",
    );
    check(
        |out| list(out, &[], &name("A&B"), false),
        "* LIST () \"/\" A&-B\r\n",
    );
    check(
        |out| list(out, &[], &name("A&B"), true),
        "* LIST () \"/\" A&B\r\n",
    );
    check(
        |out| list_root(out, "LIST", ""),
        "* LIST (\\Noselect) \"/\" \"\"\r\n",
    );
    check(|out| mailbox(out, &name("nil"), false), "\"nil\"");
    check(|out| mailbox(out, &name("50%"), false), "\"50%\"");
    check(
        |out| {
            mailbox_status(
                out,
                &name("b"),
                &[
                    ("MESSAGES", StatusValue::Number(231)),
                    ("UIDNEXT", StatusValue::Number(44292)),
                    ("MAILBOXID", StatusValue::Id("F2".into())),
                ],
                false,
            )
        },
        "* STATUS b (MESSAGES 231 UIDNEXT 44292 MAILBOXID (F2))\r\n",
    );
}

#[test]
fn strings() {
    check(|out| string(out, b""), "\"\"");
    check(|out| string(out, b"a\"b\\c"), "\"a\\\"b\\\\c\"");
    check(|out| string(out, b"a\r\nb"), "{4}\r\na\r\nb");
    check(|out| string(out, "é".as_bytes()), "{2}\r\né");
    check(
        |out| string(out, &[b'x'; 2_000]),
        &format!("{{2000}}\r\n{}", "x".repeat(2_000)),
    );
    check(|out| nstring(out, None), "NIL");
    check(|out| nstring(out, Some(b"NIL")), "\"NIL\"");
    check(|out| astring(out, b"From"), "From");
    check(|out| astring(out, b"a b"), "\"a b\"");
}

#[test]
fn fetch_names() {
    let body = |path: &[u32], text, partial| FetchItem::Body {
        section: Section {
            path: path.to_vec(),
            text,
        },
        partial,
        peek: true,
    };
    let fields = vec!["From".to_owned(), "X y".to_owned()];
    for (item, expected) in [
        (body(&[], None, None), "BODY[]"),
        (
            body(
                &[],
                None,
                Some(Partial {
                    offset: 7,
                    count: 9,
                }),
            ),
            "BODY[]<7>",
        ),
        (body(&[1, 2], None, None), "BODY[1.2]"),
        (
            body(&[1, 2], Some(SectionText::Mime), None),
            "BODY[1.2.MIME]",
        ),
        (
            body(&[], Some(SectionText::HeaderFields(fields.clone())), None),
            "BODY[HEADER.FIELDS (From \"X y\")]",
        ),
        (
            body(&[3], Some(SectionText::HeaderFieldsNot(fields)), None),
            "BODY[3.HEADER.FIELDS.NOT (From \"X y\")]",
        ),
        (FetchItem::Rfc822Header, "RFC822.HEADER"),
        (FetchItem::BinarySize(vec![4, 2]), "BINARY.SIZE[4.2]"),
        (FetchItem::Uid, "UID"),
    ] {
        check(|out| fetch_item_name(out, &item), expected);
    }
}

#[test]
fn what_has_vanished() {
    let mut gone = UidSet::range(uid(41), uid(41));
    gone.insert_range(uid(43), uid(116));
    check(
        |out| vanished(out, true, &gone),
        "* VANISHED (EARLIER) 41,43:116\r\n",
    );
    check(|out| vanished(out, false, &UidSet::new()), "");
    let many: UidSet = (1..=501).map(|half| uid(half * 2)).collect();
    let mut out = Vec::new();
    vanished(&mut out, false, &many);
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1], "* VANISHED 1002");
    check(
        |out| search_modseq(out, terms::ModSeq(917_162_500)),
        " (MODSEQ 917162500)",
    );
}
