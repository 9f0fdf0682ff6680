//! IMAP where there is much of everything.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "these are tests"
)]

#[path = "transcript/script.rs"]
#[expect(dead_code, reason = "the world needs its bindings alone")]
mod script;
#[path = "transcript/world.rs"]
#[expect(dead_code, reason = "transcripts need more of it")]
mod world;

use account::{Command, MailboxRef, NewMessage, Source};
use terms::{BlobId, MailboxName};
use tokio::io::{
    AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream,
};
use world::World;

const MESSAGES: usize = 100_000;

struct Client(BufReader<DuplexStream>);

impl Client {
    async fn login(world: &mut World) -> Self {
        let mut client = Self(BufReader::new(world.connect("imap", 1).await));
        client.line().await;
        client.ask("LOGIN alice secret").await;
        client
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.expect("a line");
        line.trim_end().to_owned()
    }

    async fn say(&mut self, command: &str) {
        let octets = format!("a {command}\r\n");
        self.0.write_all(octets.as_bytes()).await.expect("taken");
    }

    /// The untagged lines; the answer must be OK.
    async fn ask(&mut self, command: &str) -> Vec<String> {
        self.say(command).await;
        let mut lines = Vec::new();
        loop {
            let line = self.line().await;
            match line.strip_prefix("a ") {
                Some(answer) => {
                    assert!(answer.starts_with("OK"), "{command}: {answer}");
                    return lines;
                }
                None => lines.push(line),
            }
        }
    }
}

/// A world where INBOX has many messages, all with one body.
async fn crowded() -> World {
    crowded_with(MESSAGES).await
}

async fn crowded_with(count: usize) -> World {
    let mut world = World::new();
    world.account("alice", "secret", &[]).await.expect("made");
    let account = world.find("alice").await.expect("there");
    let body = b"Subject: one of many\r\n\r\nbody\r\n";
    let blob = BlobId(world.env.random_u128());
    let mut sink = world.store.blob_sink(blob, None);
    sink.write(body).await.expect("written");
    sink.finish(mime::derive(body).into()).await.expect("whole");
    let message = NewMessage::new(blob, u32::try_from(body.len()).expect("short"));
    let mut appended = 0;
    while appended < count {
        let mut messages = vec![message.clone(); (count - appended).min(MESSAGES)];
        for message in messages.iter_mut().skip(usize::from(appended == 0)) {
            message.shared = true;
        }
        appended += messages.len();
        let command = Command::Append {
            mailbox: MailboxRef::Name(MailboxName::inbox()),
            create: false,
            messages,
            source: Source::Import,
        };
        account.execute(command).await.expect("appended");
    }
    world
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_messages_stream() {
    let mut world = crowded().await;
    let mut client = Client::login(&mut world).await;
    client.ask("SELECT INBOX").await;

    // All flags, through a pipe of 64 KB.
    let lines = client.ask("FETCH 1:* (UID FLAGS)").await;
    assert_eq!(lines.len(), MESSAGES);
    assert_eq!(lines[0], "* 1 FETCH (UID 1 FLAGS (\\Recent))");
    assert_eq!(
        lines[MESSAGES - 1],
        format!("* {MESSAGES} FETCH (UID {MESSAGES} FLAGS (\\Recent))")
    );

    // From kept rows, without the bodies.
    let lines = client.ask("UID FETCH 99990:* ENVELOPE").await;
    assert_eq!(lines.len(), 11);
    assert!(lines[0].contains("\"one of many\""), "{}", lines[0]);
    let lines = client.ask("SEARCH SUBJECT MANY 99998:*").await;
    assert_eq!(lines, ["* SEARCH 99998 99999 100000"]);

    // A STORE and an EXPUNGE in parts, told once.
    assert_eq!(
        client.ask("STORE 1:* +FLAGS.SILENT (\\Seen)").await.len(),
        0
    );
    assert_eq!(
        client
            .ask("STORE 3:* +FLAGS.SILENT (\\Deleted)")
            .await
            .len(),
        0
    );
    let lines = client.ask("EXPUNGE").await;
    assert_eq!(lines.len(), MESSAGES - 2);
    assert_eq!(lines[0], format!("* {MESSAGES} EXPUNGE"));
    let lines = client.ask("FETCH 1:* (FLAGS BODY.PEEK[TEXT])").await;
    assert_eq!(
        lines[0],
        "* 1 FETCH (FLAGS (\\Seen \\Recent) BODY[TEXT] {6}"
    );
    assert_eq!(lines.len(), 2 * 2 + 2);
}

/// What a command answers, and that another session is served twenty times before it
/// has ended.
async fn beside(world: &mut World, command: &str) -> Vec<String> {
    let mut busy = Client::login(world).await;
    busy.ask("EXAMINE INBOX").await;
    let mut other = Client::login(world).await;
    other.ask("EXAMINE INBOX").await;
    let ended = std::cell::Cell::new(false);
    let many = async {
        let lines = busy.ask(command).await;
        ended.set(true);
        lines
    };
    let few = async {
        for _ in 0..20 {
            other.ask("UID FETCH 7 (FLAGS ENVELOPE)").await;
        }
        assert!(!ended.get(), "{command} was over before");
    };
    let (lines, ()) = futures::future::join(many, few).await;
    lines
}

/// Another session is served while one has much to do, and what that takes is
/// given back.
#[tokio::test(start_paused = true)]
async fn sorting_many_keeps_nobody_waiting() {
    let mut world = crowded().await;
    let free = world.octets().await.free();
    for command in [
        "SORT (REVERSE SUBJECT ARRIVAL) UTF-8 ALL",
        "THREAD REFERENCES UTF-8 ALL",
        "SEARCH TEXT MANY",
    ] {
        let lines = beside(&mut world, command).await;
        assert_eq!(lines.len(), 1, "{command}");
        let numbers = lines[0].split([' ', ')', '(']);
        let numbers = numbers.filter(|word| word.parse::<u32>().is_ok());
        assert_eq!(numbers.count(), MESSAGES, "{command}");
    }
    assert_eq!(world.octets().await.free(), free);
}

/// So it is while rows, headers and texts are told.
#[tokio::test(start_paused = true)]
async fn fetching_many_keeps_nobody_waiting() {
    let mut world = crowded().await;
    let free = world.octets().await.free();
    for (items, lines_each) in [
        ("(UID FLAGS)", 1),
        ("(ENVELOPE BODYSTRUCTURE)", 1),
        ("BODY.PEEK[]", 5),
    ] {
        let lines = beside(&mut world, &format!("FETCH 1:* {items}")).await;
        assert_eq!(lines.len(), MESSAGES * lines_each, "{items}");
    }
    assert_eq!(world.octets().await.free(), free);
}

/// RFC 3501 §7.4.2: rows of a million messages, through a pipe of 64 KB.
#[tokio::test(start_paused = true)]
async fn a_million_messages_stream() {
    const COUNT: usize = 1_000_000;
    let mut world = crowded_with(COUNT).await;
    let free = world.octets().await.free();
    let mut client = Client::login(&mut world).await;
    client.ask("EXAMINE INBOX").await;
    client.say("FETCH 1:* FLAGS").await;
    let mut rows = 0;
    while client.line().await.starts_with("* ") {
        rows += 1;
        // Nothing of the answer is held but what is on its way.
        if rows % 100_000 == 0 {
            assert!(world.octets().await.free() + (1 << 20) > free);
        }
    }
    assert_eq!(rows, COUNT);
    assert_eq!(
        client.ask("SEARCH 999999:*").await,
        ["* SEARCH 999999 1000000"]
    );
    let lines = client.ask("SORT (REVERSE ARRIVAL) UTF-8 999999:*").await;
    assert_eq!(lines, ["* SORT 999999 1000000"]);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_mailboxes_are_listed() {
    let mut world = World::new();
    world.account("alice", "secret", &[]).await.expect("made");
    let account = world.find("alice").await.expect("there");
    for index in 0..10_000 {
        let command = Command::CreateMailbox {
            name: MailboxName::new(&format!("many/{index}")).expect("a name"),
            special_uses: account::SpecialUses::NONE,
        };
        account.execute(command).await.expect("made");
    }
    let mut client = Client::login(&mut world).await;
    let lines = client.ask("LIST \"\" *").await;
    assert_eq!(lines.len(), 10_000 + 7);
    // Others are served meanwhile. `many` is a name and no mailbox (RFC 5258 §3.4).
    let counted = "LIST \"\" * RETURN (SUBSCRIBED STATUS (MESSAGES RECENT UNSEEN SIZE))";
    let lines = beside(&mut world, counted).await;
    assert_eq!(lines.len(), 2 * (10_000 + 6));
    assert_eq!(client.ask("LIST \"\" many/%9").await.len(), 1_000);
    assert_eq!(client.ask("LIST \"\" %").await.len(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stalls_stops_its_own_session_alone() {
    let mut world = crowded().await;
    let mut slow = Client::login(&mut world).await;
    slow.ask("EXAMINE INBOX").await;
    slow.say("FETCH 1:* (UID FLAGS)").await;
    slow.line().await;

    let mut other = Client::login(&mut world).await;
    other.ask("SELECT INBOX").await;
    assert_eq!(other.ask("UID FETCH 7 FLAGS").await.len(), 1);

    // Cut off when nothing has moved for long.
    tokio::time::sleep(world.limits.write_stall * 2).await;
    let mut rest = Vec::new();
    let _ = slow.0.read_to_end(&mut rest).await;
    assert!(rest.len() < 1 << 20, "{} octets were buffered", rest.len());
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_before_the_handshake_is_thrown_away() {
    let mut world = World::new();
    world.account("alice", "secret", &[]).await.expect("made");
    let mut plain = world.connect("imap", 1).await;
    let mut greeting = vec![0; 4_096];
    let count = plain.read(&mut greeting).await.expect("a greeting");
    assert!(greeting[..count].starts_with(b"* OK"));
    plain
        .write_all(b"a STARTTLS\r\nb LOGIN alice secret\r\n")
        .await
        .expect("taken");
    let count = plain.read(&mut greeting).await.expect("an answer");
    assert!(
        greeting[..count].starts_with(b"a OK"),
        "{:?}",
        &greeting[..count]
    );
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(world.client_tls()));
    let name = rustls::pki_types::ServerName::try_from("localhost").expect("a name");
    let tls = connector.connect(name, plain).await.expect("TLS");
    let mut tls = BufReader::new(tls);
    tls.write_all(b"c SELECT INBOX\r\n").await.expect("taken");
    tls.flush().await.expect("sent");
    let mut line = String::new();
    tls.read_line(&mut line).await.expect("a line");
    assert!(line.starts_with("c BAD"), "{line}");
}

/// RFC 7162 §3.2.5: ten changes among many messages are told as ten.
#[tokio::test(start_paused = true)]
async fn who_comes_back_hears_of_ten_changes_alone() {
    let mut world = crowded().await;
    let mut client = Client::login(&mut world).await;
    client.ask("ENABLE QRESYNC").await;
    let number = |lines: &[String], name: &str| {
        let found = lines.iter().find_map(|line| line.split_once(name));
        let (_, rest) = found.expect("told");
        let end = rest.find(']').expect("a bracket");
        rest[..end].parse::<u64>().expect("a number")
    };
    let opened = client.ask("SELECT INBOX").await;
    let validity = number(&opened, "[UIDVALIDITY ");
    let before = number(&opened, "[HIGHESTMODSEQ ");
    for uid in (1..=5).map(|tenth| tenth * 10_000) {
        client
            .ask(&format!("UID STORE {uid} +FLAGS.SILENT (\\Flagged)"))
            .await;
        client
            .ask(&format!("UID STORE {} +FLAGS.SILENT (\\Deleted)", uid + 1))
            .await;
    }
    client.ask("UID EXPUNGE 1:*").await;
    let back = client
        .ask(&format!("SELECT INBOX (QRESYNC ({validity} {before}))"))
        .await;
    let told: Vec<&String> = back
        .iter()
        .filter(|line| line.contains("VANISHED") || line.contains("FETCH"))
        .collect();
    assert_eq!(
        told[0],
        "* VANISHED (EARLIER) 10001,20001,30001,40001,50001"
    );
    assert_eq!(told.len(), 6, "{told:?}");
    let octets: usize = back.iter().map(String::len).sum();
    assert!(octets < 2_000, "{octets} octets");
}
