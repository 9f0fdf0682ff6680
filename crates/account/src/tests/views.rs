//! A session's numbering, against a client that remembers what it was told.

use super::House;
use super::commands::dice;
use crate::{Part, RecentMarks, Refusal, State, Told, View};
use proptest::prelude::*;
use std::collections::BTreeMap;
use terms::{FlagSet, MailboxId, ModSeq, Uid};

/// What an IMAP client knows of its mailbox.
struct Client {
    view: View,
    list: Vec<(Uid, FlagSet)>,
    /// The highest mod-sequence that it has seen.
    highest: ModSeq,
    marks: bool,
}

fn flags(state: &State, mailbox: MailboxId, uid: Uid) -> Option<(FlagSet, ModSeq)> {
    let record = state.mailbox(mailbox)?;
    let row = state.table(mailbox).ok()?.get(uid)?;
    Some((record.flag_set(&row), row.modseq))
}

impl Client {
    fn open(state: &State, mailbox: MailboxId, marks: Option<&mut RecentMarks>) -> Self {
        let with_marks = marks.is_some();
        let view = View::open(state, mailbox, marks).unwrap();
        let uids = view.uids();
        let list = uids
            .iter()
            .map(|uid| (uid, flags(state, mailbox, uid).unwrap().0));
        Self {
            list: list.collect(),
            highest: view.highest_modseq(state),
            marks: with_marks,
            view,
        }
    }

    /// Reads what it is told in the order in which a server writes it.
    fn hear(&mut self, state: &State, told: &Told) {
        let version = self.view.version();
        // Nothing is told of a change that the view has not reached.
        let reached = |uid: Uid| {
            let seen = flags(state, self.view.mailbox(), uid);
            assert!(seen.is_none_or(|(_, modseq)| modseq <= version));
        };
        told.changed.iter().for_each(reached);
        for number in &told.expunged {
            let (uid, _) = self.list.remove(*number as usize - 1);
            assert!(told.vanished.contains(uid));
        }
        if let Some(exists) = told.exists {
            assert!(exists as usize > self.list.len(), "EXISTS never shrinks");
            for number in self.list.len() as u32 + 1..=exists {
                let uid = self.view.uid(number).unwrap();
                let seen = flags(state, self.view.mailbox(), uid);
                assert!(seen.is_none_or(|(_, modseq)| modseq <= version));
                self.list.push((uid, FlagSet::new()));
                self.fetch(state, uid);
            }
        }
        for uid in told.changed.iter() {
            self.fetch(state, uid);
        }
    }

    /// FETCH (FLAGS MODSEQ) of one message.
    fn fetch(&mut self, state: &State, uid: Uid) {
        let Some((flags, modseq)) = flags(state, self.view.mailbox(), uid) else {
            return;
        };
        let number = self.view.number(uid).unwrap();
        let (known, had) = &mut self.list[number as usize - 1];
        assert_eq!(*known, uid);
        *had = flags;
        self.highest = self.highest.max(self.view.modseq_told(modseq));
    }

    /// The line is cut and the client comes back with what it knows (RFC 7162
    /// §3.2.5): it then equals the server.
    fn check_resync(&self, state: &State) {
        let mailbox = self.view.mailbox();
        let Some(record) = state.mailbox(mailbox) else {
            return;
        };
        if record.uid_validity != self.view.uid_validity() {
            return;
        }
        let table = state.table(mailbox).unwrap();
        let mut known: BTreeMap<Uid, FlagSet> = self.list.iter().cloned().collect();
        match table.expunged_since(self.highest) {
            Some(vanished) => known.retain(|uid, _| !vanished.contains(*uid)),
            None => known.retain(|uid, _| table.contains(*uid)),
        }
        for row in table.changed_since(self.highest) {
            known.insert(row.uid, record.flag_set(&row));
        }
        let server: BTreeMap<Uid, FlagSet> = table
            .rows()
            .map(|row| (row.uid, record.flag_set(&row)))
            .collect();
        assert_eq!(known, server, "after a resync from {}", self.highest);
    }

    fn advance(&mut self, state: &State, may_expunge: bool, marks: &mut RecentMarks) -> bool {
        let marks = self.marks.then_some(marks);
        let told = self.view.advance(state, may_expunge, marks).unwrap();
        if !may_expunge {
            assert!(told.expunged.is_empty() && told.vanished.is_empty());
        }
        if told.gone {
            return false;
        }
        self.hear(state, &told);
        assert!(self.highest <= self.view.version());
        if may_expunge {
            let table = state.table(self.view.mailbox()).unwrap();
            let record = state.mailbox(self.view.mailbox()).unwrap();
            let server: Vec<_> = table
                .rows()
                .map(|row| (row.uid, record.flag_set(&row)))
                .collect();
            assert_eq!(self.list, server);
            assert_eq!(self.view.exists() as usize, server.len());
            assert!(!self.view.is_behind(state));
        }
        true
    }
}

proptest! {
    #![proptest_config(crate::tests::cases(96))]
    #[test]
    fn a_client_equals_the_server(steps in prop::collection::vec((dice(), any::<u8>()), 1..80)) {
        let mut house = House::new();
        let mut marks = RecentMarks::default();
        let mut clients: Vec<Client> = Vec::new();
        for (dice, choice) in steps {
            house.now = house.now.plus_millis(dice.millis());
            let command = dice.command(&mut house);
            let mut changes = crate::decide(&house.state, &command, house.now).map(|decision| {
                house.commit(&decision);
                decision.changes
            }).unwrap_or_default();
            changes.note(marks.notes(&house.state));
            clients.retain_mut(|client| {
                let state = &house.state;
                client.check_resync(state);
                let keep = match choice % 4 {
                    0 => client.advance(state, false, &mut marks),
                    1 | 2 => client.advance(state, true, &mut marks),
                    _ => {
                        // It asks by itself, before it is told anything.
                        for uid in client.view.uids().iter().take(2) {
                            client.fetch(state, uid);
                        }
                        true
                    }
                };
                client.check_resync(state);
                keep
            });
            if choice % 5 == 0 && clients.len() < 3 {
                let all: Vec<MailboxId> = house.state.mailboxes().map(|m| m.id).collect();
                let mailbox = if choice % 2 == 0 {
                    MailboxId::INBOX
                } else {
                    all[usize::from(choice / 5) % all.len()]
                };
                let marks = (choice % 3 == 0).then_some(&mut marks);
                clients.push(Client::open(&house.state, mailbox, marks));
            }
        }
    }

    #[test]
    fn a_view_of_what_others_commit(steps in prop::collection::vec((dice(), any::<u8>()), 1..40)) {
        let mut house = House::new();
        let mut other = house.clone();
        let mut view = View::open(&house.state, MailboxId::INBOX, None).unwrap();
        let mut other_view = view.clone();
        other.state.unload(Part::Table(MailboxId::INBOX));
        for (dice, choice) in steps {
            house.now = house.now.plus_millis(dice.millis());
            let command = dice.command(&mut house);
            let _ = house.step(&command);
            if choice % 3 == 0 {
                continue;
            }
            // The other writer's node has only the log.
            for (_, _, payload) in &house.log[other.log.len()..] {
                other.state.follow(payload).unwrap();
            }
            other.log.clone_from(&house.log);
            let may_expunge = choice % 4 != 0;
            let told = view.advance(&house.state, may_expunge, None);
            let heard = loop {
                match other_view.advance(&other.state, may_expunge, None) {
                    Err(Refusal::Needed(part)) => other.attach(part),
                    answer => break answer,
                }
            };
            prop_assert_eq!(heard, told);
            if choice % 5 == 0 {
                other.state.unload(Part::Table(MailboxId::INBOX));
            }
        }
    }

    #[test]
    fn a_view_needs_only_what_has_come(steps in prop::collection::vec(dice(), 1..40)) {
        let mut house = House::new();
        let mut lazy = house.clone();
        let mut view = View::open(&house.state, MailboxId::INBOX, None).unwrap();
        let mut lazy_view = view.clone();
        lazy.state.unload(Part::Table(MailboxId::INBOX));
        for (index, dice) in steps.into_iter().enumerate() {
            house.now = house.now.plus_millis(dice.millis());
            lazy.now = house.now;
            let command = dice.command(&mut house);
            let _ = house.step(&command);
            let _ = lazy.step(&command);
            let may_expunge = index % 3 != 0;
            let told = view.advance(&house.state, may_expunge, None);
            let lazily = loop {
                match lazy_view.advance(&lazy.state, may_expunge, None) {
                    Err(Refusal::Needed(part)) => lazy.attach(part),
                    answer => break answer,
                }
            };
            prop_assert_eq!(lazily, told);
            lazy.state.unload(Part::Table(MailboxId::INBOX));
        }
    }
}
