//! What clients do in one life of the server, and what must be there in the next.

use crate::client::{Collector, Postman, Reader, Shown};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Result;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::fault::Chance;
use tokio::io::DuplexStream;

/// Where a client knocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// LMTP.
    Lmtp,
    /// POP3.
    Pop3,
    /// IMAP.
    Imap,
}

/// Connects to the server of this life.
pub type Connect = Arc<dyn Fn(Door) -> DuplexStream + Send + Sync>;

/// The users, whose mail is collected in different ways.
pub const USERS: [&str; 3] = ["ann", "bob", "eve"];

/// Everyone's password.
pub const PASSWORD: &str = "correct-horse";

/// Where a letter stands for one of its recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Sent; nothing is known.
    Asked,
    /// Taken by the server.
    Taken,
    /// Somebody asked to delete it; nothing is known.
    Leaving,
    /// Deleted for good.
    Gone,
}

/// A letter in one mailbox, by what was told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Told {
    validity: u32,
    uid: u32,
}

/// All that clients know.
#[derive(Debug, Default)]
pub struct Knowledge {
    letters: u64,
    places: BTreeMap<(String, u64), Place>,
    /// Which letter a UID was ever told to be, by user.
    told: BTreeMap<(String, Told), u64>,
    /// The highest UIDNEXT that was told, by user.
    next: BTreeMap<String, Told>,
    /// Letters that were marked seen, acknowledged.
    seen: BTreeSet<(String, u64)>,
}

/// Shared by all clients of a story.
#[derive(Clone, Debug, Default)]
pub struct Story(Arc<Mutex<Knowledge>>);

/// The text of a letter.
fn text_of(letter: u64) -> String {
    let mut text = format!("From: postman@example.org\r\nSubject: letter {letter}\r\n\r\n");
    for line in 0..letter * 13 % 97 {
        text += &format!(".{letter} line {line}, with a dot before it\r\n");
    }
    // Some are longer than a frame of the journal.
    if letter % 11 == 5 {
        text += &"a line among a great many others that are the same\r\n".repeat(1_500);
    }
    text + &format!("{letter}: the end\r\n")
}

fn letter_in(text: &str) -> Option<u64> {
    let rest = text.split("Subject: letter ").nth(1)?;
    rest.split("\r\n").next()?.parse().ok()
}

impl Story {
    fn known(&self) -> MutexGuard<'_, Knowledge> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many letters were taken.
    pub fn taken(&self) -> usize {
        let known = self.known();
        known
            .places
            .values()
            .filter(|place| **place != Place::Asked)
            .count()
    }

    fn set(&self, user: &str, letter: u64, place: Place) {
        let key = (user.to_owned(), letter);
        self.known().places.insert(key, place);
    }

    /// The answer may come after somebody has collected the letter already.
    fn set_taken(&self, user: &str, letter: u64) {
        let mut known = self.known();
        let place = known.places.entry((user.to_owned(), letter));
        place
            .and_modify(|place| {
                if *place == Place::Asked {
                    *place = Place::Taken;
                }
            })
            .or_insert(Place::Taken);
    }

    /// Delivers letters to one user or several until the server is gone or all
    /// are delivered.
    ///
    /// # Errors
    /// What the server said that it should not have said, or that it has gone.
    pub async fn post(&self, connect: &Connect, mut chance: Chance, letters: usize) -> Result<()> {
        let mut postman = Postman::new(connect(Door::Lmtp)).await?;
        for _ in 0..letters {
            let letter = {
                let mut known = self.known();
                known.letters += 1;
                known.letters
            };
            let mut to: Vec<_> = USERS.map(str::to_owned).to_vec();
            to.retain(|_| !chance.once_in(2));
            if to.is_empty() {
                to.push(USERS[chance.below(USERS.len())].to_owned());
            }
            for user in &to {
                self.set(user, letter, Place::Asked);
            }
            let text = text_of(letter);
            let taken = |user: &str, taken| {
                if taken {
                    self.set_taken(user, letter);
                }
            };
            postman.deliver(&to, &text, taken).await?;
        }
        Ok(())
    }

    /// Collects by POP3 and deletes a part of it.
    ///
    /// # Errors
    /// As [`Story::post`].
    pub async fn collect(&self, connect: &Connect, user: &str, mut chance: Chance) -> Result<()> {
        let mut collector = Collector::new(connect(Door::Pop3), user, PASSWORD).await?;
        let mut leaving = Vec::new();
        for number in 1..=collector.count().await? {
            let text = collector.retrieve(number).await?;
            let letter = self.check_text(user, &text);
            if chance.once_in(3) {
                collector.delete(number).await?;
                leaving.push(letter);
            }
        }
        for letter in &leaving {
            self.set(user, *letter, Place::Leaving);
        }
        collector.quit().await?;
        for letter in leaving {
            self.set(user, letter, Place::Gone);
        }
        Ok(())
    }

    /// Reads by IMAP: looks at everything, marks some seen and expunges some.
    ///
    /// # Errors
    /// As [`Story::post`].
    pub async fn read(&self, connect: &Connect, user: &str, mut chance: Chance) -> Result<()> {
        let mut reader = Reader::new(connect(Door::Imap), user, PASSWORD).await?;
        let (_, _, shown) = reader.show("INBOX").await?;
        for shown in shown {
            let letter = self.check_text(user, &shown.text);
            let uid = shown.uid;
            match chance.below(6) {
                0 => {
                    reader
                        .ask(&format!("UID STORE {uid} +FLAGS (\\Seen)"))
                        .await?;
                    self.known().seen.insert((user.to_owned(), letter));
                }
                1 => {
                    // From here on it may go, by whoever expunges.
                    self.set(user, letter, Place::Leaving);
                    reader
                        .ask(&format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)"))
                        .await?;
                    reader.ask(&format!("UID EXPUNGE {uid}")).await?;
                    self.set(user, letter, Place::Gone);
                }
                _ => {}
            }
        }
        reader.ask("NOOP").await?;
        reader.ask("LOGOUT").await.map(|_| ())
    }

    /// A letter that was shown is one that was sent, whole.
    fn check_text(&self, user: &str, text: &str) -> u64 {
        let letter = letter_in(text);
        let known = self.known();
        let sent = letter.filter(|letter| known.places.contains_key(&(user.to_owned(), *letter)));
        let Some(letter) = sent else {
            panic!("{user} was never sent {text}");
        };
        drop(known);
        assert!(
            text.ends_with(&text_of(letter)),
            "letter {letter} came as {text}"
        );
        letter
    }

    /// In a new life, or between: everything that was acknowledged is there, once.
    ///
    /// # Errors
    /// As [`Story::post`].
    pub async fn check(&self, connect: &Connect) -> Result<()> {
        for user in USERS {
            let mut reader = Reader::new(connect(Door::Imap), user, PASSWORD).await?;
            let (validity, next, shown) = reader.show("INBOX").await?;
            self.check_user(
                user,
                Told {
                    validity,
                    uid: next,
                },
                &shown,
            );
            reader.ask("LOGOUT").await?;
        }
        Ok(())
    }

    fn check_user(&self, user: &str, next: Told, shown: &[Shown]) {
        let mut there = BTreeMap::new();
        for shown in shown {
            let letter = self.check_text(user, &shown.text);
            let twice = there.insert(letter, shown);
            assert!(twice.is_none(), "{user} has letter {letter} twice");
        }
        let mut known = self.known();
        let before = known.next.insert(user.to_owned(), next);
        assert!(
            before.is_none_or(|before| before <= next),
            "UIDNEXT went back"
        );
        for (letter, shown) in &there {
            let told = Told {
                validity: next.validity,
                uid: shown.uid,
            };
            assert!(told < next, "UID {} is not below UIDNEXT", shown.uid);
            let was = known.told.insert((user.to_owned(), told), *letter);
            assert!(
                was.is_none_or(|was| was == *letter),
                "{user}: UID {} was letter {was:?} and is {letter}",
                shown.uid
            );
            let key = (user.to_owned(), *letter);
            let seen = shown.flags.iter().any(|flag| flag == "\\Seen");
            assert!(
                seen || !known.seen.contains(&key),
                "letter {letter} was seen"
            );
        }
        for ((of, letter), place) in &mut known.places {
            if of != user {
                continue;
            }
            *place = match (*place, there.contains_key(letter)) {
                (Place::Taken, false) => panic!("{user}: letter {letter} was taken and is lost"),
                (Place::Gone, true) => panic!("{user}: letter {letter} has come back"),
                (Place::Asked | Place::Leaving, true) => Place::Taken,
                (Place::Leaving, false) => Place::Gone,
                (place, _) => place,
            };
        }
    }

    /// Panics if a client has met an error while the server lives. A dying one may
    /// refuse whatever it likes.
    pub fn judge(ended: Result<()>, alive: bool) {
        if let Err(error) = ended
            && alive
        {
            panic!("a client met: {error}");
        }
    }
}
