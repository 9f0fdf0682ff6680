//! What a large mailbox costs.

use super::House;
use crate::table::{Chunk, Table};
use crate::{
    COMMIT_ROWS_MAX, Cause, Command, FoldKind, NewMessage, Outcome, Part, Rest, Source, Which,
};
use std::sync::Arc;
use terms::{FlagSet, MailboxId, StoreMode, StoreOp, Uid, UidSet};

fn filled(count: usize) -> House {
    let mut house = House::new();
    let prefix = b"Delivered-To: somebody@example.org\r\n".to_vec();
    let messages = (0..count)
        .map(|_| NewMessage {
            prefix: prefix.clone(),
            ..NewMessage::new(house.blob(), 2_000)
        })
        .collect();
    let command = Command::Append {
        mailbox: MailboxId::INBOX.into(),
        create: false,
        messages,
        source: Source::Import,
    };
    house.run(&command).unwrap();
    house
}

fn table(house: &House) -> Arc<Table> {
    Arc::clone(house.state.table(MailboxId::INBOX).unwrap())
}

fn copied(before: &Table, after: &Table) -> usize {
    let shared = |chunk: &&Arc<Chunk>| before.chunks().iter().any(|old| Arc::ptr_eq(old, chunk));
    after.chunks().iter().filter(|chunk| !shared(chunk)).count()
}

fn seen(uids: UidSet) -> Command {
    Command::Store {
        mailbox: MailboxId::INBOX,
        uids,
        op: StoreOp {
            mode: StoreMode::Add,
            flags: FlagSet::from_bits(0b1_0000),
        },
        unchanged_since: None,
    }
}

#[test]
fn a_hundred_thousand_rows_take_under_eight_megabytes() {
    let mut house = filled(100_000);
    assert!(
        table(&house).octets() < 8_000_000,
        "{}",
        table(&house).octets()
    );
    house.fold(FoldKind::All);
    house.state.unload(Part::Table(MailboxId::INBOX));
    house.attach_all();
    assert!(
        table(&house).octets() < 8_000_000,
        "{}",
        table(&house).octets()
    );
    let octets: usize = house.sections.values().map(|section| section.1.len()).sum();
    assert!(octets < 2_500_000, "{octets} octets of sections");
}

#[test]
fn a_change_copies_what_it_touches() {
    let mut house = filled(20_000);
    let before = table(&house);
    let one = UidSet::single(Uid::new(5_000).unwrap());
    house.run(&seen(one)).unwrap();
    assert_eq!(copied(&before, &table(&house)), 1);

    let before = table(&house);
    let command = Command::Append {
        mailbox: MailboxId::INBOX.into(),
        create: false,
        messages: vec![NewMessage::new(house.blob(), 100)],
        source: Source::Delivery,
    };
    house.run(&command).unwrap();
    assert_eq!(copied(&before, &table(&house)), 1);
}

#[test]
fn a_large_store_goes_in_parts() {
    let mut house = filled(25_000);
    let mut command = seen(UidSet::range(Uid::MIN, Uid::MAX));
    let mut sizes = Vec::new();
    loop {
        let decision = house.step(&command).unwrap();
        let Outcome::Stored {
            changed, missing, ..
        } = decision.outcome
        else {
            panic!("{:?}", decision.outcome);
        };
        sizes.push(changed.count());
        match decision.rest {
            Some(Rest::Uids(uids)) => {
                assert!(missing.is_empty());
                command = seen(uids);
            }
            _ => break,
        }
    }
    assert_eq!(sizes, [10_000, 10_000, 5_000]);
    assert_eq!(
        house.state.mailbox(MailboxId::INBOX).unwrap().counts.unseen,
        0
    );
    let payloads: Vec<usize> = house.log.iter().rev().take(3).map(|c| c.2.len()).collect();
    assert!(payloads.iter().all(|&octets| octets < 64), "{payloads:?}");

    let expunge = Command::Expunge {
        mailbox: MailboxId::INBOX,
        which: Which::All,
        deleted_only: false,
        cause: Cause::Expunge,
    };
    let decision = house.step(&expunge).unwrap();
    assert_eq!(decision.rest, Some(Rest::Again));
    assert_eq!(table(&house).len(), 25_000 - COMMIT_ROWS_MAX);
}

#[test]
fn what_is_left_of_a_churned_mailbox_is_in_few_chunks() {
    let mut house = filled(50_000);
    let mut going = UidSet::range(Uid::MIN, Uid::MAX);
    for uid in (1..50_000).step_by(500) {
        going.remove(Uid::new(uid).unwrap());
    }
    loop {
        let expunge = Command::Expunge {
            mailbox: MailboxId::INBOX,
            which: Which::Uids(going.clone()),
            deleted_only: false,
            cause: Cause::Expunge,
        };
        match house.step(&expunge).unwrap().rest {
            Some(Rest::Uids(rest)) => going = rest,
            _ => break,
        }
    }
    assert_eq!(table(&house).len(), 100);
    assert!(
        table(&house).chunks().len() <= 5,
        "{}",
        table(&house).chunks().len()
    );
}

#[test]
fn a_mailbox_of_a_million_keywords_stays_within_its_sections() {
    let mut house = filled(2_000);
    // Every row another set of many keywords.
    for uid in 1..=1_200u32 {
        let mut flags = FlagSet::new();
        for bit in 0..250u32 {
            if (uid.wrapping_mul(2_654_435_761) >> (bit % 31)) & 1 == 0 || bit % 3 == 0 {
                let keyword = terms::Keyword::new(&format!("k{bit}")).unwrap();
                flags.insert(terms::Flag::Keyword(keyword));
            }
        }
        let command = Command::Store {
            mailbox: MailboxId::INBOX,
            uids: UidSet::single(Uid::new(uid).unwrap()),
            op: StoreOp {
                mode: StoreMode::Replace,
                flags,
            },
            unchanged_since: None,
        };
        house.run(&command).unwrap();
    }
    // The helper checks the length of each section.
    house.fold(FoldKind::All);
    let digest = house.state.digest().unwrap();
    house.state.unload(Part::Table(MailboxId::INBOX));
    house.attach_all();
    assert_eq!(house.state.digest().unwrap(), digest);
}

/// Chunks are joined when rows come and when they go: what is written then is all
/// there is.
#[test]
fn joined_chunks_are_written() {
    let mut house = filled(1_500);
    house.fold(FoldKind::All);
    for round in 0..400u32 {
        let command = Command::Append {
            mailbox: MailboxId::INBOX.into(),
            create: false,
            messages: vec![NewMessage::new(house.blob(), 100)],
            source: Source::Delivery,
        };
        house.run(&command).unwrap();
        if round % 50 == 49 {
            house.fold(FoldKind::All);
            assert_eq!(super::replay::whole(&house).digest(), house.state.digest());
            super::model::check(&house);
        }
    }
    assert_eq!(table(&house).chunks().len(), 3);
    for first in (1..1_900).step_by(300) {
        let uid = |value| Uid::new(value).unwrap();
        let expunge = Command::Expunge {
            mailbox: MailboxId::INBOX,
            which: Which::Uids(UidSet::range(uid(first), uid(first + 280))),
            deleted_only: false,
            cause: Cause::Expunge,
        };
        house.run(&expunge).unwrap();
        super::model::check(&house);
        house.fold(FoldKind::All);
        let loaded = super::replay::whole(&house);
        assert_eq!(loaded.digest(), house.state.digest());
        house.state = loaded;
    }
}

#[test]
fn the_log_of_expunges_is_bounded() {
    use crate::{ExpungeLog, View};
    let mut house = filled(100_000);
    let mut view = View::open(&house.state, MailboxId::INBOX, None).unwrap();
    // As if so many had been expunged one by one.
    let mut state = house.state.clone();
    let slot = state.slots.get_mut(&MailboxId::INBOX).unwrap();
    let crate::state::Slot::Loaded(filled) = slot else {
        panic!("not loaded");
    };
    for number in 0..ExpungeLog::ENTRIES_MAX + ExpungeLog::ENTRIES_MAX / 10 {
        let number = terms::ModSeq(1 + number as u64 / 16_000);
        let gone = UidSet::single(Uid::MAX);
        Arc::make_mut(filled).log.push(number, &gone);
    }
    house.state = state;
    for uid in 1..=3 {
        let expunge = Command::Expunge {
            mailbox: MailboxId::INBOX,
            which: Which::Uids(UidSet::single(Uid::new(uid).unwrap())),
            deleted_only: false,
            cause: Cause::Expunge,
        };
        house.run(&expunge).unwrap();
    }
    let table = table(&house);
    assert!(table.expunge_log().len() <= ExpungeLog::ENTRIES_MAX + 3);
    assert!(table.expunge_log().floor() > terms::ModSeq::ZERO);
    // One who comes from below the floor is told what is missing.
    assert_eq!(table.expunged_since(terms::ModSeq::ZERO), None);
    let told = view.advance(&house.state, true, None).unwrap();
    assert_eq!(told.vanished.to_string(), "1:3");
}
