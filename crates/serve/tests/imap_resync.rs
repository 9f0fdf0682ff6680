//! Several IMAP sessions in one mailbox, by chance, whose lines are cut: a client
//! that comes back with QRESYNC has what the server has. RFC 7162 §6.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "these are tests"
)]

#[expect(dead_code, reason = "others need more of it")]
mod client;
#[path = "client/decode.rs"]
#[expect(
    dead_code,
    reason = "transcripts hold the list against all that is sent"
)]
mod decode;
#[path = "transcript/script.rs"]
#[expect(dead_code, reason = "the world needs its bindings alone")]
mod script;
#[path = "transcript/world.rs"]
#[expect(dead_code, reason = "transcripts need more of it")]
mod world;

use client::{Chance, Flags, Story, Wire, flags_in, number_after, numbers_of, seeds};
use std::collections::BTreeMap;
use world::World;

/// When a client takes a mod-sequence that it has seen as its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// RFC 7162 §6: at a tagged response, and HIGHESTMODSEQ before all others. Its
    /// line may be cut anywhere.
    Standard,
    /// The highest that it ever saw. Its line is cut between commands.
    Greedy,
}

/// What stays with a client when its line is cut.
#[derive(Clone, Debug, Default)]
struct Cache {
    uid_validity: u32,
    highest: u64,
    /// All messages up to this one have been fetched.
    upto: u32,
    messages: BTreeMap<u32, Flags>,
}

struct Client {
    wire: Wire,
    story: Story,
    number: u32,
    rule: Rule,
    cache: Cache,
    /// Unique identifiers by message number, as far as they are known.
    numbers: Vec<Option<u32>>,
    /// Seen since the last tagged response.
    seen: u64,
    /// Messages of which only a mod-sequence was told.
    without_flags: Vec<u32>,
    /// Lines that are still read before the line is cut.
    left: Option<usize>,
}

/// The line is cut.
struct Cut;

impl Client {
    async fn connect(world: &mut World, number: u32, rule: Rule, story: &Story) -> Self {
        let stream = world.connect("imap", number).await;
        Self {
            wire: Wire::new(stream, number.to_string(), story.clone()),
            story: story.clone(),
            number,
            rule,
            cache: Cache::default(),
            numbers: Vec::new(),
            seen: 0,
            without_flags: Vec::new(),
            left: None,
        }
    }

    async fn open(world: &mut World, number: u32, rule: Rule, story: &Story) -> Self {
        let mut client = Self::connect(world, number, rule, story).await;
        client.greet().await;
        client.must("SELECT INBOX").await;
        client.catch_up().await;
        client
    }

    async fn greet(&mut self) {
        assert!(self.line().await.is_ok_and(|line| line.starts_with("* OK")));
        self.must("LOGIN alice secret").await;
        self.must("ENABLE QRESYNC").await;
    }

    /// The line is cut, and the client comes back.
    async fn come_back(&mut self, world: &mut World) {
        let story = self.story.clone();
        *self = Self {
            cache: std::mem::take(&mut self.cache),
            ..Self::connect(world, self.number, self.rule, &story).await
        };
        self.greet().await;
        let Cache {
            uid_validity,
            highest,
            ..
        } = self.cache;
        self.must(&format!(
            "SELECT INBOX (QRESYNC ({uid_validity} {highest}))"
        ))
        .await;
        // The numbers of those that it knows.
        let known = self.cache.messages.keys().copied().map(Some).collect();
        let count = self.numbers.len();
        self.numbers = known;
        self.numbers.resize(count.max(self.numbers.len()), None);
        self.catch_up().await;
        let uids: Vec<Option<u32>> = self.cache.messages.keys().copied().map(Some).collect();
        assert_eq!(self.numbers, uids, "numbers after a resync");
    }

    /// Fetches the messages that are new to it.
    async fn catch_up(&mut self) {
        let from = self.cache.upto + 1;
        let command = format!("UID FETCH {from}:* (FLAGS MODSEQ)");
        self.must(&command).await;
        let last = self.cache.messages.keys().last().copied();
        self.cache.upto = self.cache.upto.max(last.unwrap_or(0));
    }

    /// A response.
    async fn line(&mut self) -> Result<String, Cut> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1).ok_or(Cut)?;
        }
        Ok(self.wire.line().await)
    }

    async fn must(&mut self, command: &str) {
        let answer = self.ask(command).await;
        assert!(answer.is_ok_and(|answer| answer.starts_with("OK")));
    }

    /// The answer to a command.
    async fn ask(&mut self, command: &str) -> Result<String, Cut> {
        self.wire.say(&format!("a {command}")).await;
        self.without_flags.clear();
        loop {
            let line = self.line().await?;
            if let Some(answer) = line.strip_prefix("a ") {
                self.take_modseq(answer);
                return Ok(answer.to_owned());
            }
            self.hear(&line, command);
        }
    }

    fn take_modseq(&mut self, answer: &str) {
        let told = number_after(answer, "[HIGHESTMODSEQ ");
        self.cache.highest = match (self.rule, told) {
            (Rule::Standard, Some(told)) => told,
            (_, told) => self.cache.highest.max(self.seen).max(told.unwrap_or(0)),
        };
        self.seen = 0;
    }

    fn hear(&mut self, line: &str, during: &str) {
        if line.starts_with("+ ") {
            return;
        }
        if let Some(told) = number_after(line, "[HIGHESTMODSEQ ") {
            self.seen = self.seen.max(told);
        }
        if let Some(told) = number_after(line, "[UIDVALIDITY ") {
            self.cache.uid_validity = u32::try_from(told).unwrap();
        }
        if let Some(set) = line.strip_prefix("* VANISHED (EARLIER) ") {
            self.cache
                .messages
                .retain(|uid, _| !numbers_of(set).contains(uid));
            return;
        }
        if let Some(set) = line.strip_prefix("* VANISHED ") {
            let by_number = ["FETCH", "STORE", "SEARCH"];
            assert!(!by_number.iter().any(|name| during.starts_with(name)));
            // §3.2.10.2: messages that the session counts, and no others.
            self.vanish(set);
            self.cache
                .messages
                .retain(|uid, _| !numbers_of(set).contains(uid));
            return;
        }
        let mut words = line.strip_prefix("* ").unwrap().splitn(3, ' ');
        let Some(number) = words.next().and_then(|word| word.parse::<usize>().ok()) else {
            return;
        };
        match words.next() {
            Some("EXISTS") => {
                assert!(number >= self.numbers.len(), "{during}: {line}");
                self.numbers.resize(number, None);
            }
            Some("FETCH") => self.learn(number, words.next().unwrap_or_default(), during),
            Some("EXPUNGE") => panic!("{line}"),
            _ => {}
        }
    }

    /// Each identifier takes one message away. Those that it has not fetched yet it
    /// cannot tell apart then.
    fn vanish(&mut self, set: &str) {
        let upto = self.cache.upto;
        let count = self.numbers.len() - numbers_of(set).len();
        let mut known = self.numbers.clone();
        known.retain(|uid| uid.is_some_and(|uid| uid <= upto && !numbers_of(set).contains(&uid)));
        assert!(known.len() <= count, "VANISHED {set}");
        self.numbers = known;
        self.numbers.resize(count, None);
    }

    fn learn(&mut self, number: usize, items: &str, during: &str) {
        let known = &mut self.numbers[number - 1];
        let told = number_after(items, "UID ").map(|uid| u32::try_from(uid).unwrap());
        assert!(
            known.is_none() || told.is_none() || *known == told,
            "{during}: {items}"
        );
        *known = told.or(*known);
        let Some(uid) = *known else { return };
        if let Some(modseq) = number_after(items, "MODSEQ (") {
            self.seen = self.seen.max(modseq);
        }
        match flags_in(items) {
            Some(flags) => {
                // What lies beyond is fetched as a whole.
                let catches_up = during.starts_with("UID FETCH") && during.contains(":* ");
                if uid <= self.cache.upto || catches_up {
                    self.cache.messages.insert(uid, flags);
                }
            }
            None => self.without_flags.push(uid),
        }
    }
}

/// One command; `Err` if the line was cut while it was answered.
async fn step(client: &mut Client, chance: &mut Chance) -> Result<(), Cut> {
    let count = client.numbers.len();
    let number = 1 + chance.below(count.max(1));
    let other = 1 + chance.below(count.max(1));
    let uids = number * 2..=number * 2 + other;
    let uids = format!("{}:{}", uids.start(), uids.end());
    let flag = chance.pick(&["\\Seen", "\\Flagged", "\\Deleted", "$x", "$y"]);
    let sign = chance.pick(&["+", "-"]);
    let highest = client.cache.highest;
    let since = chance.pick(&["", "", "", " (UNCHANGEDSINCE 0)"]).replace(
        '0',
        &highest.saturating_sub(chance.below(4) as u64).to_string(),
    );
    let command = match chance.below(18) {
        0..=2 => "APPEND INBOX {14+}\r\nSubject: new\r\n".to_owned(),
        _ if count == 0 => "NOOP".to_owned(),
        3 => format!("STORE {number}:{other}{since} {sign}FLAGS ({flag})"),
        4 | 5 => {
            let (name, set) = if chance.below(2) == 0 {
                ("STORE", format!("{number},{other}"))
            } else {
                ("UID STORE", uids)
            };
            let answer = client
                .ask(&format!("{name} {set}{since} {sign}FLAGS.SILENT ({flag})"))
                .await?;
            assert!(!answer.starts_with("BAD"), "{answer}");
            // The client knows itself what it has done.
            for uid in client.without_flags.clone() {
                if let Some(flags) = client.cache.messages.get_mut(&uid) {
                    if sign == "+" {
                        flags.insert(flag.to_owned());
                    } else {
                        flags.remove(flag);
                    }
                }
            }
            return Ok(());
        }
        6 => format!("UID STORE {uids}{since} {sign}FLAGS ({flag})"),
        7 => format!("FETCH {number}:* (FLAGS MODSEQ)"),
        8 => format!("FETCH {number}:{other} BODY[]"),
        9 => format!("UID FETCH {uids} BODY[]"),
        10 => {
            let since = client.cache.highest.max(1);
            format!(
                "UID FETCH 1:{} FLAGS (CHANGEDSINCE {since} VANISHED)",
                client.cache.upto.max(1)
            )
        }
        11 => "EXPUNGE".to_owned(),
        12 => format!("UID EXPUNGE {uids}"),
        13 => format!("COPY {number} INBOX"),
        14 => format!("MOVE {number} {}", chance.pick(&["INBOX", "Archive"])),
        15 => chance
            .pick(&["SEARCH MODSEQ 1", "SEARCH UNSEEN", "UID SEARCH 1:*"])
            .to_owned(),
        16 => "STATUS INBOX (HIGHESTMODSEQ)".to_owned(),
        _ => "NOOP".to_owned(),
    };
    let answer = client.ask(&command).await?;
    assert!(!answer.starts_with("BAD"), "{command}: {answer}");
    let unknown = client.numbers.iter().any(Option::is_none);
    if client.left.is_none() && unknown && chance.below(2) == 0 {
        client.catch_up().await;
    }
    Ok(())
}

/// What the server has.
async fn truth(world: &mut World, story: &Story) -> BTreeMap<u32, Flags> {
    let mut client = Client::connect(world, 9, Rule::Standard, story).await;
    assert!(client.line().await.is_ok());
    client.must("LOGIN alice secret").await;
    client.must("EXAMINE INBOX").await;
    client.must("UID FETCH 1:* FLAGS").await;
    client.cache.messages
}

async fn play(seed: u64) {
    let mut chance = Chance(seed);
    let story = Story::of(seed);
    let mut world = World::new();
    world.account("alice", "secret", &[]).await.expect("made");
    let rule = if seed.is_multiple_of(2) {
        Rule::Standard
    } else {
        Rule::Greedy
    };
    let mut clients = Vec::new();
    // The last is at a second server over the same store.
    for number in [1, 2, 11] {
        clients.push(Client::open(&mut world, number, rule, &story).await);
    }
    for turn in 0..60 {
        let client = &mut clients[chance.below(3)];
        let cut = chance.below(6) == 0;
        if cut && rule == Rule::Standard {
            client.left = Some(chance.below(6));
        }
        let done = step(client, &mut chance).await;
        if cut || done.is_err() {
            client.come_back(&mut world).await;
            let is = truth(&mut world, &story).await;
            // It may have come back before the command that it lost was done.
            client.must("NOOP").await;
            client.catch_up().await;
            assert_eq!(
                client.cache.messages, is,
                "seed {seed}, turn {turn}, {rule:?}"
            );
        }
    }
    for client in &mut clients {
        client.must("NOOP").await;
        client.catch_up().await;
        let is = truth(&mut world, &story).await;
        assert_eq!(client.cache.messages, is, "seed {seed}, {rule:?}");
        client.come_back(&mut world).await;
        assert_eq!(client.cache.messages, is, "seed {seed}, {rule:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_has_what_the_server_has() {
    for seed in seeds(200) {
        play(seed).await;
    }
}
