//! Several IMAP sessions in one mailbox, by chance: what a client has pieced
//! together from what it was told is what the server has.

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

use client::{Chance, Flags, Story, Wire, flags_in, seeds};
use world::World;

/// What a client knows of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known {
    uid: Option<u32>,
    flags: Option<Flags>,
}

/// A client that believes what it is told, and nothing else.
struct Client {
    wire: Wire,
    messages: Vec<Known>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expunges {
    Allowed,
    Forbidden,
}

impl Client {
    async fn open(world: &mut World, number: u32, story: &Story) -> Self {
        let stream = world.connect("imap", number).await;
        let wire = Wire::new(stream, number.to_string(), story.clone());
        let mut client = Self {
            wire,
            messages: Vec::new(),
        };
        client.wire.line().await;
        client.ask("LOGIN alice secret").await;
        client.ask("SELECT INBOX").await;
        client
    }

    /// The answer to a command.
    async fn ask(&mut self, command: &str) -> String {
        let by_number = ["FETCH", "STORE", "SEARCH"]
            .iter()
            .any(|name| command.starts_with(name));
        let expunges = if by_number {
            Expunges::Forbidden
        } else {
            Expunges::Allowed
        };
        self.wire.say(&format!("a {command}")).await;
        loop {
            let line = self.wire.line().await;
            if let Some(answer) = line.strip_prefix("a ") {
                return answer.to_owned();
            }
            self.hear(&line, expunges, command);
        }
    }

    fn hear(&mut self, line: &str, expunges: Expunges, during: &str) {
        if line.starts_with("+ ") {
            return;
        }
        let line = line.strip_prefix("* ").unwrap_or_else(|| panic!("{line}"));
        if let Some(found) = line.strip_prefix("SEARCH") {
            if !during.starts_with("UID") {
                for number in found.split_whitespace() {
                    let number: usize = number.parse().unwrap();
                    assert!(number <= self.messages.len(), "{during}: {line}");
                }
            }
            return;
        }
        let mut words = line.splitn(3, ' ');
        let Some(number) = words.next().and_then(|word| word.parse::<usize>().ok()) else {
            return;
        };
        match words.next() {
            Some("EXISTS") => {
                assert!(number >= self.messages.len(), "{during}: {line}");
                self.messages.resize(number, Known::default());
            }
            Some("EXPUNGE") => {
                assert_eq!(expunges, Expunges::Allowed, "{during}: {line}");
                self.messages.remove(number - 1);
            }
            Some("FETCH") => self.learn(number, words.next().unwrap_or_default()),
            _ => {}
        }
    }

    fn learn(&mut self, number: usize, items: &str) {
        let known = &mut self.messages[number - 1];
        if let Some((_, uid)) = items.split_once("UID ") {
            let uid = uid.split([' ', ')']).next().unwrap().parse().unwrap();
            assert!(known.uid.is_none_or(|before| before == uid), "{items}");
            known.uid = Some(uid);
        }
        if let Some(flags) = flags_in(items) {
            known.flags = Some(flags);
        }
    }

    /// STORE .SILENT: the client knows itself what it has done.
    fn did(&mut self, number: usize, adds: bool, flag: &str) {
        if let Some(flags) = &mut self.messages[number - 1].flags {
            if adds {
                flags.insert(flag.to_owned());
            } else {
                flags.remove(flag);
            }
        }
    }
}

async fn step(client: &mut Client, chance: &mut Chance) {
    let count = client.messages.len();
    let number = 1 + chance.below(count.max(1));
    let flag = chance.pick(&["\\Seen", "\\Flagged", "\\Deleted", "$x", "$y"]);
    let sign = chance.pick(&["+", "-"]);
    let command = match chance.below(15) {
        0 | 1 => {
            client
                .wire
                .say("a APPEND INBOX {14+}\r\nSubject: new\r\n")
                .await;
            loop {
                let line = client.wire.line().await;
                if line.starts_with("a OK") {
                    return;
                }
                client.hear(&line, Expunges::Allowed, "APPEND");
            }
        }
        _ if count == 0 => "NOOP".to_owned(),
        2 | 3 => format!("STORE {number} {sign}FLAGS ({flag})"),
        4 => {
            let answer = client
                .ask(&format!("STORE {number} {sign}FLAGS.SILENT ({flag})"))
                .await;
            // What was told on the way is newer than what the client has done.
            if answer.starts_with("OK") && client.messages[number - 1].flags.is_some() {
                client.did(number, sign == "+", flag);
            }
            return;
        }
        5 => format!("UID STORE {} {sign}FLAGS ({flag})", number * 3),
        6 => format!("FETCH {number}:* (UID FLAGS)"),
        7 => format!("FETCH {number} BODY[]"),
        8 => format!("UID FETCH {number}:* FLAGS"),
        9 => "EXPUNGE".to_owned(),
        10 => format!("COPY {number} INBOX"),
        11 => format!("MOVE {number} {}", chance.pick(&["INBOX", "Archive"])),
        12 => chance
            .pick(&["SEARCH ALL", "SEARCH UNSEEN", "UID SEARCH 1:*"])
            .to_owned(),
        13 => "IDLE\r\nDONE".to_owned(),
        _ => "NOOP".to_owned(),
    };
    let answer = client.ask(&command).await;
    assert!(!answer.starts_with("BAD"), "{command}: {answer}");
}

/// After a NOOP the client knows the mailbox as it is.
async fn check(client: &mut Client, seed: u64) {
    client.ask("NOOP").await;
    let believed = client.messages.clone();
    for known in &mut client.messages {
        *known = Known::default();
    }
    if !believed.is_empty() {
        client.ask("FETCH 1:* (UID FLAGS)").await;
    }
    assert_eq!(believed.len(), client.messages.len(), "seed {seed}");
    for (number, (believed, is)) in believed.iter().zip(&client.messages).enumerate() {
        let number = number + 1;
        assert!(
            is.uid.is_some() && is.flags.is_some(),
            "seed {seed}: {number}"
        );
        if believed.uid.is_some() {
            assert_eq!(believed.uid, is.uid, "seed {seed}: {number}");
        }
        if believed.flags.is_some() {
            assert_eq!(believed.flags, is.flags, "seed {seed}: {number}");
        }
    }
}

async fn play(seed: u64) {
    let mut chance = Chance(seed);
    let story = Story::of(seed);
    let mut world = World::new();
    world.account("alice", "secret", &[]).await.expect("made");
    let mut clients = Vec::new();
    // The last is at a second server over the same store.
    for number in [1, 2, 11] {
        clients.push(Client::open(&mut world, number, &story).await);
    }
    for _ in 0..60 {
        let one = chance.below(clients.len());
        step(&mut clients[one], &mut chance).await;
        if chance.below(12) == 0 {
            check(&mut clients[one], seed).await;
        }
    }
    for client in &mut clients {
        check(client, seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn clients_know_what_the_server_has() {
    for seed in seeds(200) {
        play(seed).await;
    }
}
