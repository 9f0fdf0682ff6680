//! What is left of an account that has lost sections.

use super::{ACCOUNT, House};
use crate::{Cause, Command, FoldKind, LoadError, Scope, State, Which};
use terms::{MailboxId, ModSeq, Uid, UidSet};

/// The sections of a kind that the house has.
fn keys(house: &House, kind: u64) -> Vec<u64> {
    let keys = house.sections.keys().copied();
    keys.filter(|key| key >> 60 == kind).collect()
}

/// Without these sections; the rest counted anew and folded.
fn salvaged(house: &mut House, gone: &[u64]) -> crate::Losses {
    for key in gone {
        house.sections.remove(key);
    }
    let stored = house.stored(None);
    let loaded = State::load(ACCOUNT, Scope::All, &stored);
    assert!(matches!(loaded, Err(LoadError::Gap(_))));
    let (state, losses) = State::salvage(ACCOUNT, &stored).unwrap();
    assert_eq!(state.head(), house.state.head());
    house.state = state;
    house.fold(FoldKind::All);
    let again = State::load(ACCOUNT, Scope::All, &house.stored(None)).unwrap();
    assert_eq!(again.digest(), house.state.digest());
    losses
}

/// It goes on as any other, and its sums are right.
fn goes_on(house: &mut House) {
    house.run(&Command::Epoch { told: ModSeq::ZERO }).unwrap();
    house.append("INBOX", &[]);
    let rows = house.state.table(MailboxId::INBOX).unwrap().rows();
    house.bound = rows.map(|row| row.blob).collect();
    let expunged = house.state.expunged().unwrap();
    for batch in expunged.batches() {
        house.bound.extend(batch.rows.iter().map(|row| row.blob));
    }
    super::model::check(house);
}

#[test]
fn rows_that_are_lost_are_counted() {
    let mut house = House::new();
    for number in 0..2_500 {
        let flags: &[&str] = if number % 3 == 0 { &["\\Seen"] } else { &[] };
        house.append("INBOX", flags);
    }
    house.fold(FoldKind::All);
    house.append("INBOX", &["\\Deleted"]);
    let chunks = keys(&house, 1);
    assert!(chunks.len() > 1);
    let losses = salvaged(&mut house, &chunks[..1]);
    let [(name, lost)] = &losses.messages[..] else {
        panic!("{losses:?}");
    };
    assert_eq!((name.as_str(), losses.sections), ("INBOX", 0));
    assert!((100..2_500).contains(lost), "{lost}");
    let inbox = house.state.mailbox(MailboxId::INBOX).unwrap();
    assert_eq!(inbox.counts.messages, 2_501 - lost);
    goes_on(&mut house);
}

#[test]
fn what_was_expunged_and_its_log_may_be_lost() {
    let mut house = House::new();
    for _ in 0..10 {
        house.append("INBOX", &[]);
    }
    let expunge = Command::Expunge {
        mailbox: MailboxId::INBOX,
        which: Which::Uids(UidSet::single(Uid::MIN)),
        deleted_only: false,
        cause: Cause::Expunge,
    };
    house.run(&expunge).unwrap();
    house.fold(FoldKind::All);
    let gone = [keys(&house, 2), keys(&house, 3)].concat();
    assert_eq!(gone.len(), 2);
    let losses = salvaged(&mut house, &gone);
    assert_eq!((losses.messages.len(), losses.sections), (0, 2));
    assert!(house.state.expunged().unwrap().is_empty());
    goes_on(&mut house);
}
