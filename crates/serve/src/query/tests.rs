//! FETCH and SEARCH over the memory engine.

use super::{Fetch, Fetched, Message, MessageOctets, Search, Searched};
use crate::{Env, Limits, Node, Stream};
use account::{Row, RowFlags};
use bytes::Bytes;
use std::sync::Arc;
use store::{MemoryStore, Store};
use terms::{
    BlobId, Date, EmailNumber, FetchItem, Flag, InternalDate, Keyword, ModSeq, Partial, SearchKey,
    Section, SectionText, SequenceNumber, SequenceRange, SequenceSet, SystemFlag, Timestamp, Uid,
    UidSet,
};
use tokio::io::AsyncReadExt;

const PREFIX: &[u8] = b"Delivered-To: me\r\n";

struct Mailbox {
    node: Arc<Node>,
    store: MemoryStore,
    messages: Vec<Vec<u8>>,
    keywords: Vec<Keyword>,
}

impl Mailbox {
    /// Blob `n` is message `n`; every other one has its derived row already.
    async fn with(messages: &[&[u8]]) -> Self {
        let store = MemoryStore::new();
        for (number, message) in (1u128..).zip(messages) {
            let mut sink = store.blob_sink(BlobId(number), None);
            sink.write(message).await.unwrap();
            let derived = if number % 2 == 0 {
                mime::derive(message)
            } else {
                Vec::new()
            };
            sink.finish(Bytes::from(derived)).await.unwrap();
        }
        Self {
            node: Node::new(Env::simulated(1, Timestamp::EPOCH), Limits::default()),
            store,
            messages: messages.iter().map(|message| message.to_vec()).collect(),
            keywords: vec![
                Keyword::new("$Old").unwrap(),
                Keyword::new("$Junk").unwrap(),
            ],
        }
    }

    /// UIDs 10, 20, …; even ones are \Seen and $Junk, the last is \Recent.
    fn rows(&self) -> Vec<Message<'_>> {
        let count = self.messages.len() as u32;
        let message = |(number, octets): (u32, &Vec<u8>)| Message {
            number,
            account: terms::AccountId(1),
            row: Row {
                uid: Uid::new(number * 10).unwrap(),
                blob: BlobId(u128::from(number)),
                email: EmailNumber(u64::from(number) + 100),
                modseq: ModSeq(u64::from(number) + 1_000),
                flags: if number % 2 == 0 {
                    RowFlags::new(1 << SystemFlag::Seen as u8, false, false)
                } else {
                    RowFlags::default()
                },
                keywords: if number % 2 == 0 { &[1] } else { &[] },
                internal_date: InternalDate {
                    seconds: i64::from(number) * 86_400 - 60,
                    zone_minutes: 0,
                },
                save_date: Timestamp::from_seconds(0),
                size: (octets.len() + PREFIX.len()) as u32,
                prefix: PREFIX,
                downgraded_size: None,
            },
            keywords: &self.keywords,
            is_recent: number == count,
        };
        (1..).zip(&self.messages).map(message).collect()
    }

    /// Everything that FETCH of these items writes.
    async fn fetch(&self, items: &[FetchItem]) -> (String, Fetched) {
        let (octets, fetched) = self.fetch_octets(items).await;
        (String::from_utf8_lossy(&octets).into_owned(), fetched)
    }

    async fn fetch_octets(&self, items: &[FetchItem]) -> (Vec<u8>, Fetched) {
        let (mut stream, mut peer) = Stream::memory(Arc::clone(&self.node), 4_096);
        let write = async move {
            let fetch = Fetch {
                store: &self.store,
                items,
                utf8: true,
                global: true,
                uid_only: false,
            };
            let fetched = fetch
                .run(&mut stream, Box::new(self.rows().into_iter()))
                .await
                .unwrap();
            stream.flush().await.unwrap();
            stream.close().await;
            fetched
        };
        let read = async {
            let mut octets = Vec::new();
            peer.read_to_end(&mut octets).await.unwrap();
            octets
        };
        let (fetched, octets) = tokio::join!(write, read);
        (octets, fetched)
    }

    async fn search_whole(&self, key: &SearchKey) -> Searched {
        let saved: UidSet = [Uid::new(20).unwrap()].into_iter().collect();
        let search = Search {
            node: &self.node,
            store: &self.store,
            last_number: Some(self.messages.len() as u32),
            last_uid: Uid::new(self.messages.len() as u32 * 10),
            saved: Some(&saved),
            now: Timestamp::from_seconds(3 * 86_400),
        };
        search
            .run(key, Box::new(self.rows().into_iter()))
            .await
            .unwrap()
    }

    async fn search(&self, key: &SearchKey) -> String {
        self.search_whole(key).await.uids.to_string()
    }
}

fn body(path: &[u32], text: Option<SectionText>, partial: Option<(u64, u64)>) -> FetchItem {
    FetchItem::Body {
        section: Section {
            path: path.to_vec(),
            text,
        },
        partial: partial.map(|(offset, count)| Partial { offset, count }),
        peek: true,
    }
}

fn fields(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

const PLAIN: &[u8] = b"From: a@b\r\nSubject: Hi\r\nX-Odd: z\r\n\r\nHello\r\nworld\r\n";
const MULTI: &[u8] = b"Subject: =?utf-8?q?gr=C3=BCn?=\r\nDate: Tue, 2 Jan 2024 23:30:00 -0500\r\n\
    Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\none\r\n--x\r\n\
    Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
    Stra=DFe\r\n--x\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n\
    AAEC\r\n--x--\r\n";

#[tokio::test]
async fn kept_items_need_no_blob() {
    let mailbox = Mailbox::with(&[PLAIN, MULTI]).await;
    mailbox.store.damage_blob(BlobId(1));
    mailbox.store.lose_derived();
    let items = [
        FetchItem::Uid,
        FetchItem::Flags,
        FetchItem::InternalDate,
        FetchItem::Rfc822Size,
        FetchItem::ModSeq,
        FetchItem::EmailId,
        FetchItem::ThreadId,
        FetchItem::SaveDate,
    ];
    let (answer, fetched) = mailbox.fetch(&items).await;
    assert_eq!(fetched, Fetched::default());
    let date = "\" 1-Jan-1970 00:00:00 +0000\"";
    assert_eq!(
        answer,
        format!(
            "* 1 FETCH (UID 10 FLAGS () INTERNALDATE \" 1-Jan-1970 23:59:00 +0000\" \
             RFC822.SIZE {} MODSEQ (1001) EMAILID (M000000000000000065) THREADID NIL SAVEDATE {date})\r\n\
             * 2 FETCH (UID 20 FLAGS (\\Seen $Junk \\Recent) \
             INTERNALDATE \" 2-Jan-1970 23:59:00 +0000\" RFC822.SIZE {} MODSEQ (1002) \
             EMAILID (M000000000000000066) THREADID NIL SAVEDATE {date})\r\n",
            PLAIN.len() + PREFIX.len(),
            MULTI.len() + PREFIX.len(),
        )
    );
}

#[tokio::test]
async fn sections_include_the_prefix() {
    let mailbox = Mailbox::with(&[PLAIN]).await;
    let whole = [PREFIX, PLAIN].concat();
    let whole = String::from_utf8(whole).unwrap();
    for (item, expected) in [
        (body(&[], None, None), format!("BODY[] {{{}}}\r\n{whole}", whole.len())),
        (FetchItem::Rfc822, format!("RFC822 {{{}}}\r\n{whole}", whole.len())),
        (body(&[], None, Some((0, 12))), "BODY[]<0> {12}\r\nDelivered-To".to_owned()),
        (body(&[], None, Some((14, 10))), "BODY[]<14> {10}\r\nme\r\nFrom: ".to_owned()),
        (body(&[], None, Some((500, 10))), "BODY[]<500> {0}\r\n".to_owned()),
        (body(&[], Some(SectionText::Text), None), "BODY[TEXT] {14}\r\nHello\r\nworld\r\n".to_owned()),
        (body(&[1], None, Some((7, 100))), "BODY[1]<7> {7}\r\nworld\r\n".to_owned()),
        (FetchItem::Rfc822Text, "RFC822.TEXT {14}\r\nHello\r\nworld\r\n".to_owned()),
        (
            FetchItem::Rfc822Header,
            "RFC822.HEADER {54}\r\nDelivered-To: me\r\nFrom: a@b\r\nSubject: Hi\r\nX-Odd: z\r\n\r\n".to_owned(),
        ),
        (
            body(&[], Some(SectionText::HeaderFields(fields(&["subject", "FROM"]))), None),
            "BODY[HEADER.FIELDS (subject FROM)] {26}\r\nFrom: a@b\r\nSubject: Hi\r\n\r\n".to_owned(),
        ),
        (
            body(&[], Some(SectionText::HeaderFields(fields(&["X-Odd", "delivered-to"]))), None),
            "BODY[HEADER.FIELDS (X-Odd delivered-to)] {30}\r\nDelivered-To: me\r\nX-Odd: z\r\n\r\n".to_owned(),
        ),
        (
            body(&[], Some(SectionText::HeaderFieldsNot(fields(&["From"]))), Some((0, 3))),
            "BODY[HEADER.FIELDS.NOT (From)]<0> {3}\r\nDel".to_owned(),
        ),
        (body(&[2], None, None), "BODY[2] NIL".to_owned()),
        (
            FetchItem::BodyStructureShort,
            "BODY (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 14 2)".to_owned(),
        ),
        (FetchItem::Preview { lazy: false }, "PREVIEW \"Hello world\"".to_owned()),
    ] {
        let (answer, fetched) = mailbox.fetch(std::slice::from_ref(&item)).await;
        assert_eq!(answer, format!("* 1 FETCH ({expected})\r\n"));
        assert_eq!(fetched, Fetched::default());
    }
}

/// A message with one part of so many octets in base64.
fn attachment(octets: usize) -> Vec<u8> {
    let body = "QUJD".repeat(octets / 3);
    format!("Content-Transfer-Encoding: base64\r\n\r\n{body}\r\n").into_bytes()
}

#[tokio::test]
async fn decoded_octets_count_until_they_are_taken() {
    let mailbox = Mailbox::with(&[&attachment(3_000_000)]).await;
    let item = |partial| FetchItem::Binary {
        path: vec![1],
        partial,
        peek: true,
    };
    let (_, fetched) = mailbox.fetch(&[item(None)]).await;
    assert_eq!(fetched, Fetched::default());
    let (octets, readings) = (&mailbox.node.octets, &mailbox.node.readings);
    assert_eq!(octets.free(), octets.max());
    // However many take nothing, others have room for what comes in.
    assert!(readings.max() <= octets.max() / 4);

    let (mut stream, mut peer) = Stream::memory(Arc::clone(&mailbox.node), 4_096);
    let (items, rows) = ([item(None)], mailbox.rows());
    let fetch = Fetch {
        store: &mailbox.store,
        items: &items,
        utf8: true,
        global: true,
        uid_only: false,
    };
    let run = fetch.run(&mut stream, Box::new(rows.into_iter()));
    let begun = async {
        peer.read_exact(&mut [0; 100]).await.unwrap();
        let held = octets.max() - octets.free();
        assert_eq!(readings.max() - readings.free(), held);
        held
    };
    tokio::select! {
        biased;
        _ = run => panic!("nobody took it"),
        held = begun => assert!((3_000_000..3_100_000).contains(&held), "{held}"),
    }
    assert_eq!(octets.free(), octets.max());
    assert_eq!(readings.free(), readings.max());
}

#[tokio::test]
async fn many_items_let_others_have_their_turn() {
    let lines = |count| format!("{}\r\n", "X-Line: y\r\n".repeat(count));
    let (short, long) = (lines(3_000), lines(30_000));
    let mailbox = Mailbox::with(&[short.as_bytes(), long.as_bytes()]).await;
    // One that the derived row keeps, and one that it does not.
    for name in ["To", "X-Odd"] {
        let item = body(&[], Some(SectionText::HeaderFields(fields(&[name]))), None);
        let items = vec![item; 100];
        let mut turns = 0;
        tokio::select! {
            biased;
            _ = async {
                loop {
                    turns += 1;
                    tokio::task::yield_now().await;
                }
            } => {}
            (answer, _) = mailbox.fetch(&items) => assert!(!answer.is_empty()),
        }
        // 100 times 33 KB, twice in a turn, and 100 times 330 KB.
        assert!(turns >= 150, "{name}: {turns}");
    }
}

#[tokio::test]
async fn encoded_parts_are_decoded() {
    let mailbox = Mailbox::with(&[MULTI]).await;
    let items = [
        FetchItem::BinarySize(vec![2]),
        FetchItem::Binary {
            path: vec![2],
            partial: None,
            peek: true,
        },
        FetchItem::Binary {
            path: vec![3],
            partial: None,
            peek: true,
        },
        FetchItem::Binary {
            path: vec![1],
            partial: None,
            peek: true,
        },
    ];
    let (answer, _) = mailbox.fetch_octets(&items).await;
    assert_eq!(
        answer.escape_ascii().to_string(),
        b"* 1 FETCH (BINARY.SIZE[2] 6 BINARY[2] {6}\r\nStra\xdfe BINARY[3] ~{3}\r\n\0\x01\x02 BINARY[1] {3}\r\none)\r\n"
            .escape_ascii()
            .to_string()
    );
}

#[tokio::test]
async fn derived_rows_are_made_once() {
    let mailbox = Mailbox::with(&[PLAIN, MULTI, PLAIN]).await;
    let (answer, fetched) = mailbox
        .fetch(&[FetchItem::Envelope, FetchItem::BodyStructure])
        .await;
    assert_eq!(answer.matches(" FETCH (ENVELOPE (").count(), 3);
    assert_eq!(fetched, Fetched::default());
    // What was made is kept: the blobs are not needed again.
    for blob in 1..=3 {
        mailbox.store.damage_blob(BlobId(blob));
    }
    let (again, _) = mailbox
        .fetch(&[FetchItem::Envelope, FetchItem::BodyStructure])
        .await;
    assert_eq!(again, answer);
}

#[tokio::test]
async fn a_damaged_blob_costs_its_own_items() {
    let large = [
        b"Subject: large\r\n\r\n".as_slice(),
        &b"0123456789abcde\n".repeat(20_000),
    ]
    .concat();
    let mailbox = Mailbox::with(&[PLAIN, &large, PLAIN]).await;
    let items = [FetchItem::Uid, body(&[], None, None), FetchItem::Rfc822Size];
    let (whole, fetched) = mailbox.fetch(&items).await;
    assert_eq!(fetched, Fetched::default());
    assert!(whole.contains(&format!("BODY[] {{{}}}\r\n", large.len() + PREFIX.len())));
    assert!(whole.contains(std::str::from_utf8(&large).unwrap()));

    mailbox.store.damage_blob(BlobId(2));
    let (answer, fetched) = mailbox.fetch(&items).await;
    assert_eq!(fetched.unreadable.to_string(), "20");
    assert_eq!(answer.matches("BODY[]").count(), 2);
    let size = large.len() + PREFIX.len();
    assert!(answer.contains(&format!("* 2 FETCH (UID 20 RFC822.SIZE {size})\r\n")));
    // Nothing else was asked for: then nothing is answered.
    let (answer, fetched) = mailbox.fetch(&[body(&[], None, None)]).await;
    assert!(!answer.contains("* 2 FETCH"));
    assert_eq!(fetched.unreadable.to_string(), "20");
}

#[tokio::test]
async fn what_a_derived_row_cannot_hold_is_rendered() {
    let to = (0..4_000)
        .map(|n| format!("user{n}@example.org"))
        .collect::<Vec<_>>()
        .join(",\r\n ");
    let message = format!("From: a@b\r\nTo: {to}\r\n\r\nx\r\n");
    let mailbox = Mailbox::with(&[PLAIN, message.as_bytes()]).await;
    let names = SectionText::HeaderFields(fields(&["To"]));
    let (answer, _) = mailbox
        .fetch(&[FetchItem::Envelope, body(&[], Some(names), None)])
        .await;
    assert!(answer.contains("(NIL NIL \"user3999\" \"example.org\"))"));
    assert!(answer.ends_with("user3999@example.org\r\n\r\n)\r\n"));
}

#[tokio::test]
async fn searches_find_what_they_should() {
    let html = b"Subject: html\r\nContent-Type: text/html\r\n\r\n<p>Gr&uuml;<b>n</b></p>\r\n";
    let mailbox = Mailbox::with(&[PLAIN, MULTI, html]).await;
    let text = |text: &str| SearchKey::Text(text.to_owned());
    let body = |text: &str| SearchKey::Body(text.to_owned());
    let header = |name: &str, text: &str| SearchKey::Header(name.to_owned(), text.to_owned());
    let not = |key| SearchKey::Not(Box::new(key));
    let flag = |flag| SearchKey::Flag(flag);
    let day = |year, month, day| Date::from_ymd(year, month, day).unwrap();
    let set = |first, last| SequenceSet::Ranges(vec![SequenceRange { first, last }]);
    let number = SequenceNumber::Number;
    for (key, expected) in [
        (SearchKey::All, "10,20,30"),
        (SearchKey::And(vec![]), "10,20,30"),
        (flag(Flag::System(SystemFlag::Seen)), "20"),
        (not(flag(Flag::System(SystemFlag::Seen))), "10,30"),
        (flag(Flag::Keyword(Keyword::new("$junk").unwrap())), "20"),
        (flag(Flag::Keyword(Keyword::new("$Never").unwrap())), ""),
        (SearchKey::Recent, "30"),
        (SearchKey::Old, "10,20"),
        (SearchKey::New, "30"),
        (
            SearchKey::Sequence(set(number(2), SequenceNumber::Last)),
            "20,30",
        ),
        (SearchKey::Uid(set(number(15), number(20))), "20"),
        (SearchKey::Uid(set(number(500), SequenceNumber::Last)), "30"),
        (SearchKey::Sequence(SequenceSet::SavedResult), "20"),
        (SearchKey::Before(day(1970, 1, 2)), "10"),
        (SearchKey::On(day(1970, 1, 2)), "20"),
        (SearchKey::Since(day(1970, 1, 2)), "20,30"),
        (SearchKey::SavedOn(day(1970, 1, 1)), "10,20,30"),
        (SearchKey::SentOn(day(2024, 1, 2)), "20"),
        (SearchKey::SentSince(day(2024, 1, 3)), ""),
        (SearchKey::SentBefore(day(2024, 1, 3)), "20"),
        (
            SearchKey::Larger(PLAIN.len() as u64 + PREFIX.len() as u64),
            "20,30",
        ),
        (
            SearchKey::Smaller(PLAIN.len() as u64 + PREFIX.len() as u64),
            "",
        ),
        (SearchKey::Younger(86_400), "30"),
        (SearchKey::Older(86_400), "10,20"),
        (SearchKey::ModSeq(ModSeq(1_002)), "20,30"),
        (SearchKey::EmailId("M000000000000000066".to_owned()), "20"),
        (header("Subject", "GRÜN"), "20"),
        (header("subject", ""), "10,20,30"),
        (header("X-Odd", "Z"), "10"),
        (header("X-Odd", ""), "10"),
        (header("X-None", ""), ""),
        (header("Delivered-To", "me"), "10,20,30"),
        (body("hello\r\nWORLD"), "10"),
        (body("subject"), ""),
        (text("SUBJECT: HI"), "10"),
        (text("delivered-to: ME"), "10,20,30"),
        (body("straße"), "20"),
        (body("STRAßE"), "20"),
        (body("Stra=DFe"), ""),
        (body("grün"), "30"),
        (body("AAEC"), ""),
        (body(""), "10,20,30"),
        (not(body("hello")), "20,30"),
        (
            SearchKey::And(vec![body("hello"), flag(Flag::System(SystemFlag::Seen))]),
            "",
        ),
        (
            SearchKey::Or(Box::new(body("hello")), Box::new(header("X-Odd", "q"))),
            "10",
        ),
        (
            SearchKey::Or(Box::new(not(text("nowhere"))), Box::new(SearchKey::Recent)),
            "10,20,30",
        ),
    ] {
        assert_eq!(mailbox.search(&key).await, expected, "{key:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_searched_is_said() {
    let mailbox = Mailbox::with(&[PLAIN, PLAIN, PLAIN]).await;
    mailbox.store.damage_blob(BlobId(2));
    let found = mailbox
        .search_whole(&SearchKey::Body("hello".to_owned()))
        .await;
    assert_eq!(found.uids.to_string(), "10,30");
    assert_eq!(found.unreadable.to_string(), "20");
    // What the row or the derived row tells needs no blob.
    let cheap = SearchKey::And(vec![
        SearchKey::Body("hello".to_owned()),
        SearchKey::Header("Subject".to_owned(), "nothing".to_owned()),
    ]);
    assert_eq!(mailbox.search_whole(&cheap).await, Searched::default());
}

#[tokio::test]
async fn octets_come_in_pieces_with_the_prefix_first() {
    let large = [b"A: b\r\n\r\n".as_slice(), &b"line\r\n".repeat(60_000)].concat();
    let mailbox = Mailbox::with(&[PLAIN, &large]).await;
    let rows = mailbox.rows();
    for (message, octets) in rows.iter().zip([PLAIN, &large]) {
        let mut reader = MessageOctets::new(&mailbox.store, message.row);
        reader.verify().await.unwrap();
        let mut read = Vec::new();
        while let Some(piece) = reader.next().await.unwrap() {
            read.extend_from_slice(&piece);
        }
        assert_eq!(read, [PREFIX, octets].concat());
    }
    mailbox.store.damage_blob(BlobId(2));
    let damaged = MessageOctets::new(&mailbox.store, rows[1].row);
    assert!(damaged.verify().await.is_err());
}

/// Sessions are tasks that move between threads.
#[tokio::test]
async fn answers_can_move_between_threads() {
    let mailbox = Mailbox::with(&[PLAIN]).await;
    let node = Arc::clone(&mailbox.node);
    let mailbox = Arc::new(mailbox);
    let task = tokio::spawn(async move {
        let (mut stream, peer) = Stream::memory(Arc::clone(&node), 4_096);
        let items = [FetchItem::Envelope];
        let fetch = Fetch {
            store: &mailbox.store,
            items: &items,
            utf8: true,
            global: true,
            uid_only: false,
        };
        let rows = mailbox.rows();
        let uids = UidSet::single(Uid::new(10).unwrap());
        let chosen = rows
            .iter()
            .copied()
            .filter(|message| uids.contains(message.row.uid));
        fetch.run(&mut stream, Box::new(chosen)).await.unwrap();
        let found = mailbox
            .search_whole(&SearchKey::Text("hello".to_owned()))
            .await;
        drop(peer);
        found.uids.to_string()
    });
    assert_eq!(task.await.unwrap(), "10");
}
