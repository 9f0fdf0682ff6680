//! Whatever way a state was loaded, it is the same.

use super::commands::dice;
use super::{ACCOUNT, House};
use crate::changes::Changes;
use crate::{FoldKind, Part, Refusal, Scope, State, decide, next_due};
use proptest::prelude::*;
use terms::MailboxId;

/// From everything that the store has.
pub(crate) fn whole(house: &House) -> State {
    State::load(ACCOUNT, Scope::All, &house.stored(None)).unwrap()
}

/// From the root, then part by part.
fn by_parts(house: &House) -> State {
    let root = house
        .sections
        .get(&0)
        .map_or_else(Default::default, |s| s.0);
    let mut stored = house.stored(Some(&[0]));
    stored.commits = house.commits_after(root);
    let mut state = State::load(ACCOUNT, Scope::Root, &stored).unwrap();
    let mailboxes: Vec<MailboxId> = state.mailboxes().map(|m| m.id).collect();
    let tables = mailboxes.into_iter().map(Part::Table);
    for part in tables.chain([Part::Expunged]) {
        let keys = state.keys_of(part);
        state.attach(part, &house.stored(Some(&keys))).unwrap();
    }
    state
}

proptest! {
    #![proptest_config(crate::tests::cases(64))]

    #[test]
    fn replay_is_the_state(steps in prop::collection::vec((dice(), 0u8..16), 1..70)) {
        let mut house = House::new();
        for (dice, fold) in steps {
            house.now = house.now.plus_millis(dice.millis());
            let command = dice.command(&mut house);
            let _ = house.step(&command);
            match fold {
                0 => house.fold(FoldKind::All),
                1 => house.fold(FoldKind::Root),
                2 => {
                    let state = whole(&house);
                    prop_assert_eq!(state.digest(), house.state.digest());
                    // It goes on from what was loaded as from what was there.
                    house.state = state;
                }
                3 => {
                    let state = by_parts(&house);
                    prop_assert_eq!(state.digest(), house.state.digest());
                    house.state = state;
                }
                _ => {}
            }
        }
        let mut fresh = State::new(ACCOUNT);
        for (_, _, payload) in &house.log {
            fresh.follow(payload).unwrap();
        }
        prop_assert_eq!(fresh.digest(), house.state.digest());
        prop_assert_eq!(whole(&house).digest(), house.state.digest());
        prop_assert_eq!(by_parts(&house).digest(), house.state.digest());
        prop_assert_eq!(next_due(&whole(&house)), next_due(&house.state));
    }

    #[test]
    fn unloaded_tables_change_no_answer(steps in prop::collection::vec((dice(), any::<u8>()), 1..60)) {
        let mut house = House::new();
        let mut lazy = house.clone();
        for (dice, choice) in steps {
            house.now = house.now.plus_millis(dice.millis());
            lazy.now = house.now;
            let command = dice.command(&mut house);
            lazy.next_blob = house.next_blob;
            let answer = house.step(&command);
            prop_assert_eq!(lazy.step(&command), answer);
            let all: Vec<Part> = lazy.state.mailboxes().map(|m| Part::Table(m.id)).collect();
            match choice % 8 {
                0 => lazy.state.unload(Part::Expunged),
                1 => for part in all { lazy.state.unload(part) },
                2..5 => lazy.state.unload(all[usize::from(choice) / 8 % all.len()]),
                5 if choice > 128 => lazy.fold(FoldKind::All),
                6 if choice > 128 => lazy.fold(FoldKind::Root),
                _ => {}
            }
        }
        lazy.attach_all();
        prop_assert_eq!(lazy.state.digest(), house.state.digest());
    }

    #[test]
    fn what_is_decided_on_a_copy_stands_in_its_octets(steps in prop::collection::vec(dice(), 1..40)) {
        let mut house = House::new();
        for dice in steps {
            house.now = house.now.plus_millis(dice.millis());
            let command = dice.command(&mut house);
            if let Ok(decision) = house.step(&command) {
                let octets = decision.changes.encode();
                let mut changes = Changes::decode(&octets).unwrap();
                changes.binds = decision.changes.binds.clone();
                changes.releases = decision.changes.releases.clone();
                prop_assert_eq!(changes, decision.changes);
            }
        }
    }
}

#[test]
fn a_delivery_needs_no_table() {
    use crate::{Command, NewMessage, Source};
    let mut house = House::new();
    let message = |house: &mut House| Command::Append {
        mailbox: MailboxId::INBOX.into(),
        create: false,
        messages: vec![NewMessage::new(house.blob(), 100)],
        source: Source::Delivery,
    };
    for _ in 0..5 {
        let command = message(&mut house);
        house.run(&command).unwrap();
    }
    house.fold(FoldKind::All);
    house.state.unload(Part::Table(MailboxId::INBOX));
    let command = message(&mut house);
    let decision = decide(&house.state, &command, house.now).unwrap();
    house.commit(&decision);
    let refusal = house.state.table(MailboxId::INBOX).unwrap_err();
    assert_eq!(refusal, Refusal::Needed(Part::Table(MailboxId::INBOX)));
    house.attach_all();
    assert_eq!(house.state.table(MailboxId::INBOX).unwrap().len(), 6);
}

#[test]
fn a_missing_section_or_commit_is_noticed() {
    use crate::{Cause, Command, LoadError, NewMessage, Source, Which};
    let mut house = House::new();
    for round in 0..4 {
        let messages = (0..600)
            .map(|_| NewMessage::new(house.blob(), 100))
            .collect();
        let append = Command::Append {
            mailbox: MailboxId::INBOX.into(),
            create: false,
            messages,
            source: Source::Import,
        };
        house.run(&append).unwrap();
        let first = terms::Uid::new(1 + round * 600).unwrap();
        let expunge = Command::Expunge {
            mailbox: MailboxId::INBOX,
            which: Which::Uids(terms::UidSet::single(first)),
            deleted_only: false,
            cause: Cause::Expunge,
        };
        house.run(&expunge).unwrap();
        if round == 2 {
            house.fold(FoldKind::All);
        }
    }
    let mut stored = house.stored(None);
    assert!(stored.sections.len() >= 5);
    for gone in 0..stored.sections.len() {
        let section = stored.sections.remove(gone);
        let loaded = State::load(ACCOUNT, Scope::All, &stored);
        assert!(matches!(loaded, Err(LoadError::Gap(_))), "section {gone}");
        stored.sections.insert(gone, section);
    }
    let commit = stored.commits.remove(0);
    let loaded = State::load(ACCOUNT, Scope::All, &stored);
    assert!(matches!(loaded, Err(LoadError::Gap(_))));
    stored.commits.insert(0, commit);
    // What an earlier checkpoint has left over says nothing.
    let stray = crate::StoredSection {
        key: (1 << 60) + (1 << 32) + 100_000,
        number: stored.covers,
        octets: &[1, 2, 3],
    };
    stored.sections.push(stray);
    stored.sections.sort_by_key(|section| section.key);
    let loaded = State::load(ACCOUNT, Scope::All, &stored).unwrap();
    assert_eq!(loaded.digest(), house.state.digest());
}

#[test]
fn a_part_from_a_later_fold_is_not_taken() {
    use crate::{Command, LoadError, NewMessage, Source};
    let mut house = House::new();
    let deliver = |house: &mut House| {
        let command = Command::Append {
            mailbox: MailboxId::INBOX.into(),
            create: false,
            messages: vec![NewMessage::new(house.blob(), 100)],
            source: Source::Delivery,
        };
        house.run(&command).unwrap();
    };
    deliver(&mut house);
    house.fold(FoldKind::All);
    let part = Part::Table(MailboxId::INBOX);
    let mut old = house.state.clone();
    old.unload(part);
    deliver(&mut house);
    old.follow(&house.log.last().unwrap().2).unwrap();
    // Another writer folds, and this one does not know of it.
    house.fold(FoldKind::All);
    let keys = old.keys_of(part);
    let attached = old.attach(part, &house.stored(Some(&keys)));
    assert_eq!(attached, Err(LoadError::Stale));
    assert!(!old.is_loaded(part));
}
