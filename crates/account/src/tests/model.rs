//! What must hold after every command.

use super::House;
use super::commands::dice;
use crate::changes::Copies;
use crate::{Counts, State};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use terms::{EmailNumber, MailboxId, ModSeq, Uid, UidValidity};

/// All rows that were ever seen: none may come again for another message.
#[derive(Default)]
pub(crate) struct Seen {
    rows: BTreeMap<(MailboxId, UidValidity, Uid), EmailNumber>,
    validities: BTreeMap<UidValidity, MailboxId>,
    head: ModSeq,
}

/// Sums that are kept equal those that are counted.
pub(crate) fn check(house: &House) {
    let state = &house.state;
    let mut live: BTreeMap<EmailNumber, (u32, u32)> = BTreeMap::new();
    let mut blobs = BTreeSet::new();
    let (mut octets, mut messages) = (0, 0);
    let mut names = 0;
    for mailbox in state.mailboxes() {
        names += 1;
        assert_eq!(state.mailbox_named(&mailbox.name).unwrap().id, mailbox.id);
        let table = state.table(mailbox.id).unwrap();
        let mut counts = Counts::default();
        let mut last: Option<Uid> = None;
        for row in table.rows() {
            assert!(last < Some(row.uid), "identifiers ascend");
            last = Some(row.uid);
            counts.add(row.flags, row.size);
            assert!(row.modseq <= mailbox.highest_modseq);
            assert!(row.keywords.is_sorted());
            assert!(
                row.keywords
                    .iter()
                    .all(|&k| usize::from(k) < mailbox.keywords.len())
            );
            assert_eq!(table.get(row.uid), Some(row));
            let entry = live.entry(row.email).or_default();
            entry.0 += 1;
            messages += 1;
            if entry.0 == 1 {
                octets += u64::from(row.size);
            }
            blobs.insert(row.blob);
        }
        assert!(mailbox.uid_next.is_none_or(|next| last < Some(next)));
        assert_eq!(mailbox.counts, counts, "counts of {}", mailbox.name);
        assert_eq!(table.len(), counts.messages as usize);
        assert_eq!(table.last_uid(), last);
        assert!(mailbox.highest_modseq <= state.head());
        for chunk in table.chunks() {
            assert!(
                chunk
                    .columns
                    .iter()
                    .all(|row| row.modseq <= chunk.modseq_max)
            );
        }
        for (number, uids) in table.expunge_log().entries() {
            assert!(number > table.expunge_log().floor());
            assert!(uids.iter().all(|uid| !table.contains(uid)));
        }
    }
    assert_eq!(names, state.mailbox_count());
    assert_eq!(state.used().octets, octets);
    assert_eq!(state.used().messages, messages);
    let mut oldest = None;
    for batch in state.expunged().unwrap().batches() {
        oldest = oldest.or(Some(batch.time));
        for row in batch.rows.iter() {
            live.entry(row.email).or_default().1 += 1;
            blobs.insert(row.blob);
        }
    }
    assert_eq!(state.root.expunged_oldest.is_some(), oldest.is_some());
    check_copies(state, &live);
    assert_eq!(blobs, house.bound, "blobs that are bound");
    // What the verifier says of the hold, after every command.
    assert_eq!(state.wrong_clocks().unwrap(), BTreeSet::new());
}

fn check_copies(state: &State, live: &BTreeMap<EmailNumber, (u32, u32)>) {
    for (email, &(live, expunged)) in live {
        assert_eq!(state.copies(*email), Copies { live, expunged }, "{email}");
        assert!(*email < state.root.next_email);
    }
    for run in state.root.copies.runs() {
        for number in run.first..=run.last {
            assert!(live.contains_key(&EmailNumber(number)));
        }
    }
}

impl Seen {
    pub(crate) fn check(&mut self, state: &State) {
        assert!(state.head() >= self.head);
        self.head = state.head();
        for mailbox in state.mailboxes() {
            let owner = self
                .validities
                .entry(mailbox.uid_validity)
                .or_insert(mailbox.id);
            assert_eq!(*owner, mailbox.id, "a UIDVALIDITY was given twice");
            for row in state.table(mailbox.id).unwrap().rows() {
                let key = (mailbox.id, mailbox.uid_validity, row.uid);
                let email = self.rows.entry(key).or_insert(row.email);
                assert_eq!(*email, row.email, "a unique identifier was reused");
            }
        }
    }
}

proptest! {
    #![proptest_config(crate::tests::cases(96))]
    #[test]
    fn any_commands_keep_the_invariants(steps in prop::collection::vec(dice(), 1..90)) {
        let mut house = House::new();
        let mut seen = Seen::default();
        for dice in steps {
            house.now = house.now.plus_millis(dice.millis());
            let command = dice.command(&mut house);
            let before = house.state.head();
            let copy = house.state.clone();
            let digest = copy.digest().unwrap();
            match house.step(&command) {
                Ok(decision) => {
                    let changes = &decision.changes;
                    prop_assert_eq!(changes.is_empty(), house.state.head() == before);
                    let numbers: Vec<_> = changes.list.iter().map(|change| change.0).collect();
                    prop_assert!(numbers.is_sorted_by(|a, b| a < b));
                    prop_assert!(numbers.first().is_none_or(|first| *first > before));
                }
                Err(_) => prop_assert_eq!(house.state.head(), before),
            }
            check(&house);
            seen.check(&house.state);
            // The snapshot from before has stayed as it was.
            prop_assert_eq!(copy.digest().unwrap(), digest);
        }
    }
}
