use super::*;
use crate::imap::append::{AppendLiteral, AppendStep, Replaces};
use crate::imap::{IllegalName, Mailbox, SearchProgram, SelectParameters};
use proptest::prelude::*;
use terms::{
    Date, FetchItem, Flag, FlagSet, InternalDate, MailboxName, MailboxNameError, Partial,
    SearchKey, Section, SectionText, SequenceNumber, SequenceRange, SequenceSet, StoreMode,
    StoreOp, SystemFlag,
};

fn parse(text: &str) -> Result<Line, String> {
    super::command(&mut Cursor::new(text.as_bytes())).map_err(|fail| match fail {
        Fail::Syntax(error) => error.to_string(),
        Fail::Incomplete => "incomplete".into(),
    })
}

fn body(text: &str) -> CommandBody {
    match parse(&format!("a {text}")) {
        Ok(Line::Command(command)) => command.body,
        other => panic!("{text}: {other:?}"),
    }
}

fn append_start(text: &str) -> Start {
    match parse(&format!("a {text}")) {
        Ok(Line::Append(_, start)) => start,
        other => panic!("{text}: {other:?}"),
    }
}

fn name(text: &str) -> Mailbox {
    Ok(MailboxName::new(text).unwrap())
}

fn set(ranges: &[(u32, u32)]) -> SequenceSet {
    let number = |value| match value {
        0 => SequenceNumber::Last,
        value => SequenceNumber::Number(value),
    };
    SequenceSet::Ranges(
        ranges
            .iter()
            .map(|&(first, last)| SequenceRange {
                first: number(first),
                last: number(last),
            })
            .collect(),
    )
}

fn flags(text: &str) -> FlagSet {
    text.split_whitespace()
        .map(|flag| Flag::parse(flag).unwrap())
        .collect()
}

fn system(flag: SystemFlag) -> SearchKey {
    SearchKey::Flag(Flag::System(flag))
}

fn day(year: i32, month: u32, day: u32) -> Date {
    Date::from_ymd(year, month, day).unwrap()
}

#[test]
fn commands_without_arguments() {
    use CommandBody as Body;
    for (text, expected) in [
        ("CAPABILITY", Body::Capability),
        ("nOOp", Body::Noop),
        ("LOGOUT", Body::Logout),
        ("STARTTLS", Body::StartTls),
        ("check", Body::Check),
        ("CLOSE", Body::Close),
        ("EXPUNGE", Body::Expunge),
        ("IDLE", Body::Idle),
        ("NAMESPACE", Body::Namespace),
        ("UNSELECT", Body::Unselect),
    ] {
        assert!(body(text) == expected, "{text}");
        for wrong in [format!("a {text} x"), format!("a {text} ")] {
            let error = parse(&wrong).unwrap_err();
            assert!(error.starts_with("expected the end"), "{wrong}: {error}");
        }
    }
}

#[test]
fn every_string_form_is_taken() {
    let login = |user: &str, password: &str| CommandBody::Login {
        user: user.into(),
        password: password.into(),
    };
    for (text, expected) in [
        ("LOGIN anna secret", login("anna", "secret")),
        (
            "login anna@example.org p]w",
            login("anna@example.org", "p]w"),
        ),
        ("LOGIN \"a\\\"n\\\\na\" \"\"", login("a\"n\\na", "")),
        (
            "LOGIN {4}\r\nanna {6+}\r\nse\r\nct",
            login("anna", "se\r\nct"),
        ),
        ("LOGIN {4}\nanna {0}\r\n", login("anna", "")),
        ("LOGIN \"änna\" \"pässwörd\"", login("änna", "pässwörd")),
    ] {
        assert!(body(text) == expected, "{text}");
    }
    for wrong in [
        "a LOGIN",
        "a LOGIN anna",
        "a LOGIN anna ",
        "a LOGIN anna secret more",
        "a LOGIN an(na secret",
        "a LOGIN anna \"secret",
        "a LOGIN anna \"sec\\ret\"",
        "a LOGIN anna {6}secret",
        "a LOGIN anna {3}\r\nx\0y",
        "a LOGIN änna secret",
        "a LOGIN  anna secret",
        "a  LOGIN anna secret",
        "a LOGIN anna {}\r\n",
        "a LOGIN anna {1-}\r\nx",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
    assert_eq!(parse("a LOGIN {4}\r\nann"), Err("incomplete".into()));
}

#[test]
fn tags_and_names_of_commands() {
    for wrong in [
        "",
        "a",
        " NOOP",
        "+ NOOP",
        "a+b NOOP",
        "a NOPE",
        "(a NOOP",
        "a UID",
        "a UID NOOP",
        "a UID FETCH",
        "POST / HTTP/1.1",
        "a\tNOOP",
        "a NOOP\r",
        "a \"NOOP\"",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
    let Ok(Line::Command(command)) = parse("A]1.$ NOOP") else {
        panic!()
    };
    assert_eq!(command.tag.as_str(), "A]1.$");
}

#[test]
fn mailbox_names() {
    let select = |mailbox, read_only| CommandBody::Select {
        mailbox,
        read_only,
        parameters: SelectParameters::default(),
    };
    for (text, expected) in [
        (
            "SELECT inBox",
            CommandBody::Select {
                mailbox: name("INBOX"),
                read_only: false,
                parameters: SelectParameters {
                    old_name: Some("inBox".to_owned()),
                    ..SelectParameters::default()
                },
            },
        ),
        ("SELECT INBOX", select(name("INBOX"), false)),
        ("EXAMINE \"Sent Mail\"", select(name("Sent Mail"), true)),
        ("SELECT {5}\r\na]b/c", select(name("a]b/c"), false)),
        ("SELECT Entw&APw-rfe", select(name("Entwürfe"), false)),
        ("SELECT \"Entwürfe\"", select(name("Entwürfe"), false)),
        ("SELECT a&b", select(Err(IllegalName::Encoding), false)),
        (
            "SELECT \"\"",
            select(Err(IllegalName::Name(MailboxNameError::Empty)), false),
        ),
        (
            "SELECT a//b",
            select(Err(IllegalName::Name(MailboxNameError::EmptyLevel)), false),
        ),
        (
            "CREATE owatagusiam/",
            CommandBody::Create {
                mailbox: name("owatagusiam"),
                uses: Vec::new(),
                old_name: None,
            },
        ),
        (
            "CREATE a//",
            CommandBody::Create {
                mailbox: Err(IllegalName::Name(MailboxNameError::EmptyLevel)),
                uses: Vec::new(),
                old_name: None,
            },
        ),
        (
            "DELETE blurdybloop",
            CommandBody::Delete {
                mailbox: name("blurdybloop"),
                old_name: None,
            },
        ),
        (
            "DELETE \"u\u{308}\"",
            CommandBody::Delete {
                mailbox: name("ü"),
                old_name: Some("u\u{308}".to_owned()),
            },
        ),
        (
            "RENAME a b",
            CommandBody::Rename {
                from: name("a"),
                to: name("b"),
                old_name: None,
            },
        ),
        (
            "RENAME a \"u\u{308}\"",
            CommandBody::Rename {
                from: name("a"),
                to: name("ü"),
                old_name: Some("a".to_owned()),
            },
        ),
        (
            "RENAME inbox b",
            CommandBody::Rename {
                from: name("INBOX"),
                to: name("b"),
                old_name: Some("inbox".to_owned()),
            },
        ),
        (
            "SUBSCRIBE #news.comp",
            CommandBody::Subscribe(name("#news.comp")),
        ),
        ("UNSUBSCRIBE a", CommandBody::Unsubscribe(name("a"))),
    ] {
        assert!(body(text) == expected, "{text}");
    }
    for wrong in [
        "a SELECT",
        "a SELECT ",
        "a SELECT a b",
        "a RENAME a",
        "a SELECT a*",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn list_patterns() {
    let list = |reference: &str, patterns: &[&str]| CommandBody::List {
        reference: reference.into(),
        patterns: patterns.iter().map(|&text| text.into()).collect(),
        options: None,
    };
    for (text, expected) in [
        ("LIST \"\" *", list("", &["*"])),
        ("LIST \"\" \"\"", list("", &[""])),
        ("LIST #news. comp.%]", list("#news.", &["comp.%]"])),
        ("LIST a/ \"b %\"", list("a/", &["b %"])),
        ("LIST \"\" Entw&APw-%", list("", &["Entwü%"])),
        ("LIST \"\" {2}\r\nx*", list("", &["x*"])),
        ("LIST \"\" a&b*", list("", &[])),
    ] {
        assert!(body(text) == expected, "{text}");
    }
    let lsub = CommandBody::Lsub {
        reference: String::new(),
        patterns: vec!["%".into()],
    };
    assert!(body("LSUB \"\" %") == lsub);
    for wrong in [
        "a LIST",
        "a LIST \"\"",
        "a LIST \"\" ",
        "a LIST \"\" ()",
        "a LIST \"\" (a",
        "a LSUB \"\" (a)",
        "a LIST () \"\" a RETURN",
        "a LIST (RECURSIVEMATCH) \"\" a",
        "a CREATE a (USE)",
        "a LIST * *",
        "a LIST \"\" a b",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn status_items() {
    let CommandBody::Status { mailbox, items } =
        body("STATUS b (uidnext MESSAGES UNSEEN messages)")
    else {
        panic!()
    };
    assert_eq!(mailbox, name("b"));
    assert_eq!(
        items,
        [
            StatusItem::UidNext,
            StatusItem::Messages,
            StatusItem::Unseen
        ]
    );
    for wrong in [
        "a STATUS b",
        "a STATUS b ()",
        "a STATUS b MESSAGES",
        "a STATUS b (NOPE)",
        "a STATUS b (MESSAGES )",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn appends() {
    let start = append_start(
        "APPEND saved-messages (\\Seen $Forwarded) \" 7-Feb-1994 21:52:25 -0800\" {310}\r\n",
    );
    assert_eq!(start.mailbox, name("saved-messages"));
    let date = InternalDate {
        seconds: 760_686_745,
        zone_minutes: -480,
    };
    let message = AppendStep::Message {
        flags: flags("\\Seen $Forwarded"),
        date: Some(date),
    };
    assert_eq!(start.part.steps, [message]);
    let literal = |octets, synchronizing, literal8| AppendLiteral {
        octets,
        synchronizing,
        literal8,
        utf8: false,
    };
    assert_eq!(start.part.literal, Some(literal(310, true, false)));
    let start = append_start("append {5}\r\nINBOX {0+}\n");
    assert_eq!(start.part.literal, Some(literal(0, false, false)));
    let start = append_start("append INBOX () ~{9000000000}\r\n");
    assert_eq!(start.part.literal, Some(literal(9_000_000_000, true, true)));
    let start = append_start("uid replace * INBOX utf8 (~{9}\r\n");
    assert!(start.part.literal.is_some_and(|literal| literal.utf8));
    let replaces = Replaces {
        uid: true,
        message: SequenceNumber::Last,
    };
    assert_eq!(start.replaces, Some(replaces));
    for wrong in [
        "a APPEND",
        "a APPEND INBOX",
        "a APPEND INBOX {3}",
        "a APPEND INBOX  {3}\r\n",
        "a APPEND INBOX (\\Recent) {3}\r\n",
        "a APPEND INBOX \"7-Feb-1994 21:52:25 -0800\" {3}\r\n",
        "a APPEND INBOX (\\Seen \\Nope) {3}\r\n",
        "a APPEND INBOX \"abc\"",
        "a APPEND INBOX {99999999999999999999}\r\n",
        "a APPEND INBOX (a) (b) {3}\r\n",
        "a APPEND INBOX UTF8 ({3}\r\n",
        "a APPEND INBOX CATENATE (URL \"a\"",
        "a APPEND INBOX CATENATE (URL \"a\") x",
        "a APPEND INBOX CATENATE (TEXT \"a\")",
        "a REPLACE INBOX {3}\r\n",
        "a REPLACE 1:2 INBOX {3}\r\n",
        "a REPLACE 0 INBOX {3}\r\n",
        "a UID REPLACE 1 INBOX CATENATE (URL a) CATENATE (URL b)",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn sequence_sets() {
    for (text, expected) in [
        ("1", set(&[(1, 1)])),
        ("2,4:7,9,12:*", set(&[(2, 2), (4, 7), (9, 9), (12, 0)])),
        ("*:4,*", set(&[(0, 4), (0, 0)])),
        ("4294967295", set(&[(u32::MAX, u32::MAX)])),
    ] {
        assert!(
            body(&format!("UID EXPUNGE {text}")) == CommandBody::UidExpunge(expected),
            "{text}"
        );
    }
    for wrong in [
        "0",
        "1:",
        ":1",
        "1,",
        ",1",
        "1:0",
        "4294967296",
        "1:2:3",
        "-1",
        "a",
        "1 ,2",
        "",
        "**",
    ] {
        assert!(parse(&format!("a UID EXPUNGE {wrong}")).is_err(), "{wrong}");
    }
}

#[test]
fn copies_and_moves() {
    let set = || set(&[(2, 4)]);
    let mailbox = || name("MEETING");
    for (text, expected) in [
        (
            "COPY 2:4 MEETING",
            CommandBody::Copy {
                uid: false,
                set: set(),
                mailbox: mailbox(),
            },
        ),
        (
            "uid copy 2:4 MEETING",
            CommandBody::Copy {
                uid: true,
                set: set(),
                mailbox: mailbox(),
            },
        ),
        (
            "MOVE 2:4 MEETING",
            CommandBody::Move {
                uid: false,
                set: set(),
                mailbox: mailbox(),
            },
        ),
        (
            "UID MOVE 2:4 MEETING",
            CommandBody::Move {
                uid: true,
                set: set(),
                mailbox: mailbox(),
            },
        ),
    ] {
        assert!(body(text) == expected, "{text}");
    }
    for wrong in ["a COPY 2:4", "a COPY MEETING", "a MOVE 2:4 a b"] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn stores() {
    let store = |uid, mode, text: &str, silent| CommandBody::Store {
        uid,
        set: set(&[(2, 4)]),
        op: StoreOp {
            mode,
            flags: flags(text),
        },
        silent,
        unchanged_since: None,
    };
    for (text, expected) in [
        (
            "STORE 2:4 +FLAGS (\\Deleted)",
            store(false, StoreMode::Add, "\\Deleted", false),
        ),
        (
            "store 2:4 -flags.silent \\seen $x",
            store(false, StoreMode::Remove, "\\Seen $x", true),
        ),
        (
            "UID STORE 2:4 FLAGS ()",
            store(true, StoreMode::Replace, "", false),
        ),
        (
            "UID STORE 2:4 FLAGS.SILENT a",
            store(true, StoreMode::Replace, "a", true),
        ),
    ] {
        assert!(body(text) == expected, "{text}");
    }
    for wrong in [
        "2:4",
        "2:4 FLAGS",
        "2:4 FLAGS ",
        "2:4 +-FLAGS ()",
        "2:4 *FLAGS ()",
        "2:4 FLAGS (\\Recent)",
        "2:4 FLAGS (\\*)",
        "2:4 FLAGS (a) b",
        "2:4 FLAGS (a  b)",
        "2:4 FLAGS ( a)",
        "2:4 FLAGS.LOUD a",
        "2:4 FLAGS a ",
        "2:4 FLAGS \\",
    ] {
        assert!(parse(&format!("a STORE {wrong}")).is_err(), "{wrong}");
    }
}

fn items(text: &str) -> Vec<FetchItem> {
    match body(&format!("FETCH 1 {text}")) {
        CommandBody::Fetch { items, .. } => items,
        _ => panic!("{text}"),
    }
}

fn of_body(
    path: &[u32],
    text: Option<SectionText>,
    partial: Option<(u64, u64)>,
    peek: bool,
) -> FetchItem {
    FetchItem::Body {
        section: Section {
            path: path.to_vec(),
            text,
        },
        partial: partial.map(|(offset, count)| Partial { offset, count }),
        peek,
    }
}

#[test]
fn fetch_items() {
    use FetchItem as Item;
    let fields = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    for (text, expected) in [
        (
            "ALL",
            vec![
                Item::Flags,
                Item::InternalDate,
                Item::Rfc822Size,
                Item::Envelope,
            ],
        ),
        (
            "fast",
            vec![Item::Flags, Item::InternalDate, Item::Rfc822Size],
        ),
        (
            "FULL",
            vec![
                Item::Flags,
                Item::InternalDate,
                Item::Rfc822Size,
                Item::Envelope,
                Item::BodyStructureShort,
            ],
        ),
        ("(FLAGS UID flags)", vec![Item::Flags, Item::Uid]),
        ("BODY", vec![Item::BodyStructureShort]),
        (
            "(BODY BODYSTRUCTURE)",
            vec![Item::BodyStructureShort, Item::BodyStructure],
        ),
        (
            "(RFC822 RFC822.HEADER RFC822.TEXT RFC822.SIZE)",
            vec![
                Item::Rfc822,
                Item::Rfc822Header,
                Item::Rfc822Text,
                Item::Rfc822Size,
            ],
        ),
        ("BODY[]", vec![of_body(&[], None, None, false)]),
        (
            "body.peek[]<0.100>",
            vec![of_body(&[], None, Some((0, 100)), true)],
        ),
        ("BODY[1.2.3]", vec![of_body(&[1, 2, 3], None, None, false)]),
        (
            "BODY[TEXT]<9.1>",
            vec![of_body(&[], Some(SectionText::Text), Some((9, 1)), false)],
        ),
        (
            "BODY[4.1.MIME]",
            vec![of_body(&[4, 1], Some(SectionText::Mime), None, false)],
        ),
        (
            "BODY[4.HEADER]",
            vec![of_body(&[4], Some(SectionText::Header), None, false)],
        ),
        (
            "(BODY.PEEK[HEADER.FIELDS (Date {4}\r\nFrom \"X y\")] UID)",
            vec![
                of_body(
                    &[],
                    Some(SectionText::HeaderFields(fields(&["Date", "From", "X y"]))),
                    None,
                    true,
                ),
                Item::Uid,
            ],
        ),
        (
            "BODY[1.HEADER.FIELDS.NOT (a)]",
            vec![of_body(
                &[1],
                Some(SectionText::HeaderFieldsNot(fields(&["a"]))),
                None,
                false,
            )],
        ),
    ] {
        assert_eq!(items(text), expected, "{text}");
    }
    let CommandBody::Fetch {
        uid: true, items, ..
    } = body("UID FETCH 1:* FLAGS")
    else {
        panic!()
    };
    assert_eq!(items, [Item::Uid, Item::Flags]);
}

#[test]
fn what_no_fetch_can_ask_for() {
    let deep = format!("BODY[{}1]", "1.".repeat(100));
    let wide = format!("BODY[HEADER.FIELDS (a{})]", " a".repeat(1_000));
    let long = format!("(UID{})", " UID".repeat(1_000));
    for wrong in [
        "",
        "()",
        "(ALL)",
        "ALL FLAGS",
        "FLAGS UID",
        "(FLAGS )",
        "( FLAGS)",
        "BODY[",
        "BODY[MIME]",
        "BODY[0]",
        "BODY[1.]",
        "BODY[.1]",
        "BODY[1.0]",
        "BODY[HEADER.FIELDS]",
        "BODY[HEADER.FIELDS ()]",
        "BODY[HEADER.FIELDS(a)]",
        "BODY[]<0.0>",
        "BODY[]<0>",
        "BODY[]<.1>",
        "BODY[]<-1.1>",
        "BODY[]<1.1",
        "BODY[TEXT.1]",
        "BODY[ ]",
        "BODY []",
        "RFC822.PEEK",
        "BODY.PEEK",
        "BODYSTRUCTURE[]",
        "BODY[]<0.99999999999999999999>",
        "NOPE",
        &deep,
        &wide,
        &long,
    ] {
        assert!(parse(&format!("a FETCH 1 {wrong}")).is_err(), "{wrong}");
    }
    assert!(parse("a FETCH ALL").is_err());
}

fn keys(text: &str) -> SearchKey {
    match body(&format!("SEARCH {text}")) {
        CommandBody::Search {
            uid: false,
            returns: None,
            program: SearchProgram::Keys(key),
        } => key,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn search_criteria() {
    use SearchKey as Key;
    let not = |key| Key::Not(Box::new(key));
    let header = |name: &str, text: &str| Key::Header(name.into(), text.into());
    let keyword = |text: &str| Key::Flag(Flag::parse(text).unwrap());
    for (text, expected) in [
        ("all", Key::All),
        ("2,4:*", Key::Sequence(set(&[(2, 2), (4, 0)]))),
        ("UID 7", Key::Uid(set(&[(7, 7)]))),
        (
            "FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"",
            Key::And(vec![
                system(SystemFlag::Flagged),
                Key::Since(day(1994, 2, 1)),
                not(header("From", "Smith")),
            ]),
        ),
        ("(SEEN)", system(SystemFlag::Seen)),
        (
            "(SEEN (DRAFT ANSWERED))",
            Key::And(vec![
                system(SystemFlag::Seen),
                Key::And(vec![
                    system(SystemFlag::Draft),
                    system(SystemFlag::Answered),
                ]),
            ]),
        ),
        (
            "OR UNSEEN (DELETED)",
            Key::Or(
                Box::new(not(system(SystemFlag::Seen))),
                Box::new(system(SystemFlag::Deleted)),
            ),
        ),
        ("NOT NOT RECENT", not(not(Key::Recent))),
        ("NEW OLD", Key::And(vec![Key::New, Key::Old])),
        (
            "UNANSWERED UNDELETED UNDRAFT UNFLAGGED",
            Key::And(vec![
                not(system(SystemFlag::Answered)),
                not(system(SystemFlag::Deleted)),
                not(system(SystemFlag::Draft)),
                not(system(SystemFlag::Flagged)),
            ]),
        ),
        (
            "KEYWORD $Junk UNKEYWORD x",
            Key::And(vec![keyword("$junk"), not(keyword("x"))]),
        ),
        ("BEFORE \"12-Jan-2020\"", Key::Before(day(2020, 1, 12))),
        ("on 01-jan-2020", Key::On(day(2020, 1, 1))),
        (
            "SENTBEFORE 1-Jan-2020 SENTON 1-Jan-2020 SENTSINCE 1-Jan-2020",
            Key::And(vec![
                Key::SentBefore(day(2020, 1, 1)),
                Key::SentOn(day(2020, 1, 1)),
                Key::SentSince(day(2020, 1, 1)),
            ]),
        ),
        (
            "LARGER 5000000000 SMALLER 0",
            Key::And(vec![Key::Larger(5_000_000_000), Key::Smaller(0)]),
        ),
        (
            "BCC a CC b TO c SUBJECT \"\"",
            Key::And(vec![
                header("Bcc", "a"),
                header("Cc", "b"),
                header("To", "c"),
                header("Subject", ""),
            ]),
        ),
        ("HEADER X-Spam {3}\r\nyes", header("X-Spam", "yes")),
        ("CHARSET utf-8 TEXT \"größe\"", Key::Text("größe".into())),
        ("CHARSET \"US-ASCII\" BODY x", Key::Body("x".into())),
        ("BODY {7}\r\ngröße", Key::Body("größe".into())),
    ] {
        assert_eq!(keys(text), expected, "{text}");
    }
    let unknown = CommandBody::Search {
        returns: None,
        uid: true,
        program: SearchProgram::UnknownCharset,
    };
    assert!(
        super::command(&mut Cursor::new(
            b"a UID SEARCH CHARSET KOI8-R TEXT {2}\r\n\xf0\xf1 SEEN"
        ))
        .is_ok_and(|line| matches!(line, Line::Command(command) if command.body == unknown))
    );
}

#[test]
fn what_no_search_can_look_for() {
    for wrong in [
        "",
        "()",
        "(SEEN",
        "SEEN)",
        "NOT",
        "OR SEEN",
        "OR SEEN ",
        "CHARSET UTF-8",
        "CHARSET",
        "SEEN CHARSET UTF-8 SEEN",
        "UID",
        "UID x",
        "BEFORE",
        "BEFORE 31-Feb-2020",
        "BEFORE 1-1-2020",
        "BEFORE 1-Jan-20",
        "LARGER x",
        "LARGER -1",
        "KEYWORD \\Seen",
        "HEADER a",
        "TEXT",
        "NOPE",
        "SEEN  SEEN",
        "TEXT {1}\r\n\u{0}",
        "BEFORE 001-Jan-2020",
    ] {
        assert!(parse(&format!("a SEARCH {wrong}")).is_err(), "{wrong:?}");
    }
    assert!(super::command(&mut Cursor::new(b"a SEARCH TEXT {2}\r\n\xf0\xf1")).is_err());
}

#[test]
fn nesting_is_bounded() {
    for (open, close) in [("(", ")"), ("NOT ", ""), ("OR SEEN ", "")] {
        let nested =
            |depth: usize| format!("a SEARCH {}SEEN{}", open.repeat(depth), close.repeat(depth));
        assert!(parse(&nested(32)).is_ok(), "{open}");
        assert!(parse(&nested(33)).is_err(), "{open}");
        assert!(parse(&nested(20_000)).is_err(), "{open}");
    }
}

#[test]
fn authentication() {
    let authenticate = |initial: Option<&[u8]>| CommandBody::Authenticate {
        mechanism: "PLAIN".into(),
        initial: initial.map(<[u8]>::to_vec),
    };
    assert!(body("AUTHENTICATE plain") == authenticate(None));
    assert!(body("AUTHENTICATE PLAIN =") == authenticate(Some(b"=")));
    assert!(body("AUTHENTICATE PLAIN AGEAYg==") == authenticate(Some(b"AGEAYg==")));
    for wrong in [
        "AUTHENTICATE",
        "AUTHENTICATE PLAIN ",
        "AUTHENTICATE PLAIN a b",
    ] {
        assert!(parse(&format!("a {wrong}")).is_err(), "{wrong}");
    }
}

#[test]
fn id_and_enable() {
    let pairs = vec![
        ("name".to_owned(), Some("x".to_owned())),
        ("os".to_owned(), None),
    ];
    assert!(body("ID (\"name\" \"x\" \"os\" NIL)") == CommandBody::Id(Some(pairs)));
    assert!(body("ID nil") == CommandBody::Id(None));
    assert!(body("ID ()") == CommandBody::Id(Some(Vec::new())));
    let many = format!("ID ({})", vec!["\"a\" NIL"; 31].join(" "));
    for wrong in [
        "ID",
        "ID (\"a\")",
        "ID (a \"b\")",
        "ID (\"a\" NIL ",
        "ENABLE",
        "ENABLE ",
        "ENABLE (a)",
        &many,
    ] {
        assert!(parse(&format!("a {wrong}")).is_err(), "{wrong}");
    }
    assert!(
        body("ENABLE condstore X-y") == CommandBody::Enable(vec!["CONDSTORE".into(), "X-Y".into()])
    );
}

proptest! {
    #[test]
    fn nothing_panics(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = super::command(&mut Cursor::new(&octets));
    }

    #[test]
    fn nothing_like_a_command_panics(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "a", "UID", "FETCH", "SEARCH", "STORE", "APPEND", "LIST", "ID", "STATUS", "1:*", "(", ")", "BODY[", "]",
                "<0.1>", "\"", "\\", "{3}\r\n", "{0+}\r\n", "FLAGS", "NOT", "OR", "HEADER.FIELDS", "HEADER", "1-Jan-2020",
                "\" 1-Jan-2020 00:00:00 +0000\"", "INBOX", "\\Seen", "&", "-", "0", "4294967296", " ", "\u{e9}",
            ]),
            0..12,
        ),
        space in any::<bool>(),
    ) {
        let text = words.join(if space { " " } else { "" });
        let _ = super::command(&mut Cursor::new(text.as_bytes()));
        let _ = super::command(&mut Cursor::new(format!("a {text}").as_bytes()));
    }
}

mod modifiers;
