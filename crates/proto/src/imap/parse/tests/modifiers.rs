//! RFC 4466's places for extensions, and what RFC 7162 puts there.

use super::*;
use crate::imap::{FetchModifiers, QResync};
use terms::{ModSeq, Uid, UidSet, UidValidity};

fn uids(runs: &[(u32, u32)]) -> UidSet {
    let mut set = UidSet::new();
    for &(first, last) in runs {
        set.insert_range(Uid::new(first).unwrap(), Uid::new(last).unwrap());
    }
    set
}

#[track_caller]
fn bad(texts: &[&str]) {
    for text in texts {
        assert!(parse(&format!("a {text}")).is_err(), "{text}");
    }
}

#[test]
fn select() {
    let parameters = |text: &str| match body(text) {
        CommandBody::Select { parameters, .. } => parameters,
        other => panic!("{other:?}"),
    };
    assert_eq!(parameters("SELECT INBOX"), SelectParameters::default());
    assert!(parameters("EXAMINE INBOX (condstore)").condstore);
    let known = |modseq, known_uids, matches| {
        Some(QResync {
            uid_validity: UidValidity::new(67_890_007).unwrap(),
            modseq: ModSeq(modseq),
            known_uids,
            matches,
        })
    };
    // RFC 7162 §3.2.5.1, §3.2.5.2, §7.
    for (text, expected) in [
        ("(67890007 1)", known(1, None, None)),
        (
            "(67890007 90060115194045000 41:211,214:541)",
            known(
                90_060_115_194_045_000,
                Some(uids(&[(41, 211), (214, 541)])),
                None,
            ),
        ),
        (
            "(67890007 20 1:29997 (5000,7500,9990:9991 15000,22500,29970,29973))",
            known(
                20,
                Some(uids(&[(1, 29_997)])),
                Some((
                    uids(&[(5_000, 5_000), (7_500, 7_500), (9_990, 9_991)]),
                    uids(&[
                        (15_000, 15_000),
                        (22_500, 22_500),
                        (29_970, 29_970),
                        (29_973, 29_973),
                    ]),
                )),
            ),
        ),
        (
            "(67890007 20 (1 3))",
            known(20, None, Some((uids(&[(1, 1)]), uids(&[(3, 3)])))),
        ),
    ] {
        let parameters = parameters(&format!("SELECT INBOX (CONDSTORE QRESYNC {text})"));
        assert!(parameters.condstore);
        assert_eq!(parameters.qresync, expected, "{text}");
    }
    bad(&[
        "SELECT INBOX ()",
        "SELECT INBOX (CONDSTORE",
        "SELECT INBOX (NOSUCH)",
        "SELECT INBOX (QRESYNC)",
        "SELECT INBOX (QRESYNC (1))",
        "SELECT INBOX (QRESYNC (0 1))",
        "SELECT INBOX (QRESYNC (1 0))",
        "SELECT INBOX (QRESYNC (1 1 *))",
        "SELECT INBOX (QRESYNC (1 1 5:1))",
        "SELECT INBOX (QRESYNC (1 1 1 1))",
        "SELECT INBOX (QRESYNC (1 1 (1:2 3)))",
        "SELECT INBOX (QRESYNC (1 1 (1 3) 1))",
        "SELECT INBOX (QRESYNC (1 1 (2,1 3,4)))",
    ]);
}

#[test]
fn fetch() {
    let modifiers = |text: &str| match body(text) {
        CommandBody::Fetch {
            modifiers, items, ..
        } => (modifiers, items),
        other => panic!("{other:?}"),
    };
    // RFC 7162 §3.1.4.1, §3.2.6: MODSEQ is implied.
    let (found, items) = modifiers("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 12345)");
    assert_eq!(items, [FetchItem::Uid, FetchItem::Flags, FetchItem::ModSeq]);
    assert_eq!(
        found,
        FetchModifiers {
            changed_since: Some(ModSeq(12_345)),
            ..FetchModifiers::default()
        }
    );
    let (found, items) = modifiers("UID FETCH 300:500 MODSEQ (vanished changedsince 1)");
    assert_eq!(items, [FetchItem::Uid, FetchItem::ModSeq]);
    assert!(found.vanished);
    bad(&[
        "FETCH 1 FLAGS ()",
        "FETCH 1 FLAGS (CHANGEDSINCE)",
        "FETCH 1 FLAGS (CHANGEDSINCE 0)",
        "FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775808)",
        "FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
        "UID FETCH 1 FLAGS (VANISHED)",
        "UID FETCH 1 FLAGS CHANGEDSINCE 1",
    ]);
}

#[test]
fn store() {
    let since = |text: &str| match body(text) {
        CommandBody::Store {
            unchanged_since, ..
        } => unchanged_since,
        other => panic!("{other:?}"),
    };
    let text = "UID STORE 6,4,8 (UNCHANGEDSINCE 12121230045) +FLAGS.SILENT (\\Deleted)";
    assert_eq!(since(text), Some(ModSeq(12_121_230_045)));
    // RFC 7162 §3.1.3, example 8.
    let text = "STORE 12 (unchangedsince 0) +FLAGS.SILENT ($MDNSent)";
    assert_eq!(since(text), Some(ModSeq::ZERO));
    bad(&[
        "STORE 1 () +FLAGS (\\Seen)",
        "STORE 1 (UNCHANGEDSINCE) +FLAGS (\\Seen)",
        "STORE 1 (UNCHANGEDSINCE 1)+FLAGS (\\Seen)",
        "STORE 1 (UNCHANGEDSINCE 1 UNCHANGEDSINCE 1) +FLAGS (\\Seen)",
    ]);
}

#[test]
fn search() {
    for text in [
        "SEARCH MODSEQ 620162338",
        "SEARCH MODSEQ \"/flags/\\\\draft\" all 620162338",
        "SEARCH MODSEQ \"/flags/$x\" PRIV 620162338",
    ] {
        let expected = SearchKey::ModSeq(ModSeq(620_162_338));
        let CommandBody::Search { program, .. } = body(text) else {
            panic!("{text}")
        };
        assert_eq!(program, SearchProgram::Keys(expected), "{text}");
    }
    bad(&[
        "SEARCH MODSEQ",
        "SEARCH MODSEQ x",
        "SEARCH MODSEQ \"/flags/x\" 1",
        "SEARCH MODSEQ \"/flags/x\" none 1",
        "SEARCH MODSEQ \"x\" all 1",
    ]);
}

#[test]
fn search_returns() {
    use crate::imap::{PartialRange, SearchReturn};
    let returns = |text: &str| match body(text) {
        CommandBody::Search { returns, .. } => returns,
        other => panic!("{other:?}"),
    };
    assert_eq!(returns("SEARCH ALL"), None);
    assert_eq!(returns("SEARCH RETURN () ALL"), Some(SearchReturn::ALL));
    let found = returns("UID SEARCH RETURN (min MAX count SAVE) 1 $ UID $").unwrap();
    assert!(found.min && found.max && found.count && found.save && !found.all);
    let partial = |first, last, from_end| PartialRange {
        first,
        last,
        from_end,
    };
    for (text, range, places) in [
        ("1:500", partial(1, 500, false), 0..23),
        ("500:400", partial(500, 400, false), 0..0),
        ("-1:-3", partial(1, 3, true), 20..23),
        ("-30:-20", partial(30, 20, true), 0..4),
        ("23:23", partial(23, 23, false), 22..23),
    ] {
        let found = returns(&format!("SEARCH RETURN (PARTIAL {text}) ALL")).unwrap();
        assert_eq!(found.partial, Some(range));
        assert_eq!(range.places(23), places, "{text}");
        assert_eq!(range.to_string(), text);
    }
    bad(&[
        "SEARCH RETURN ALL",
        "SEARCH RETURN (ALL)",
        "SEARCH RETURN ( ) ALL",
        "SEARCH RETURN (PARTIAL) ALL",
        "SEARCH RETURN (PARTIAL 0:1) ALL",
        "SEARCH RETURN (PARTIAL 1) ALL",
        "SEARCH RETURN (PARTIAL *:1) ALL",
        "SEARCH RETURN (PARTIAL -1:1) ALL",
        "UID FETCH 1 FLAGS (PARTIAL 1:2 PARTIAL 1:2)",
    ]);
}
