//! What POP3 collects and what becomes of it; the quota; the undo window.

use super::House;
use crate::{
    Cause, Collect, Command, DeviceId, DeviceProtocols, DropWindow, Hold, HoldSettings, Limits,
    Maildrop, NewMessage, Outcome, Refusal, Source, UndoWhich, next_due,
};
use terms::{FlagSet, MailboxId, StoreMode, StoreOp, SystemFlag, Timestamp, UidSet};

const DAY: i64 = 86_400_000;

impl House {
    fn with_hold(hold: HoldSettings) -> Self {
        let mut house = Self::empty();
        house
            .run(&Command::CreateAccount {
                limits: Limits::default(),
                hold,
                uid_validity_floor: None,
            })
            .unwrap();
        house
    }

    fn deliver(&mut self, size: u32) -> Result<Outcome, Refusal> {
        let messages = vec![NewMessage::new(self.blob(), size)];
        self.run(&Command::Append {
            mailbox: MailboxId::INBOX.into(),
            create: false,
            messages,
            source: Source::Delivery,
        })
    }

    fn maildrop(&self, device: DeviceId) -> Maildrop {
        Maildrop::open(&self.state, device, DropWindow::Uncollected).unwrap()
    }

    /// DELE of all that is listed, and QUIT.
    fn collect(&mut self, device: DeviceId, how: Collect) -> UidSet {
        let drop = self.maildrop(device);
        let listed = drop.entries().iter().map(|entry| (entry.email, entry.uid));
        let command = Command::Collect {
            device,
            how,
            messages: listed.collect(),
        };
        match self.run(&command).unwrap() {
            Outcome::Collected { expunged, .. } => expunged,
            other => panic!("{other:?}"),
        }
    }

    fn flag(&mut self, mode: StoreMode) {
        let command = Command::Store {
            mailbox: MailboxId::INBOX,
            uids: UidSet::range(terms::Uid::MIN, terms::Uid::MAX),
            op: StoreOp {
                mode,
                flags: FlagSet::from_bits(1 << (SystemFlag::Flagged as u8)),
            },
            unchanged_since: None,
        };
        self.run(&command).unwrap();
    }

    fn later(&mut self, millis: i64) {
        self.now = self.now.plus_millis(millis);
    }

    fn messages(&self) -> u32 {
        self.state
            .mailbox(MailboxId::INBOX)
            .unwrap()
            .counts
            .messages
    }

    fn device(&mut self, name: &str) -> DeviceId {
        let command = Command::DeclareDevice {
            name: name.into(),
            protocols: DeviceProtocols {
                pop3: true,
                imap: false,
            },
            expires: None,
            may_not_delete: false,
        };
        match self.run(&command).unwrap() {
            Outcome::DeviceDeclared { device } => device,
            other => panic!("{other:?}"),
        }
    }
}

fn hold(hold: Hold) -> HoldSettings {
    HoldSettings {
        hold,
        ..HoldSettings::default()
    }
}

#[test]
fn remove_expunges_at_the_quit_that_starts_the_clock() {
    let mut house = House::with_hold(hold(Hold::Remove));
    let laptop = house.device("laptop");
    house.deliver(100).unwrap();
    house.deliver(100).unwrap();
    assert!(house.collect(DeviceId::DEFAULT, Collect::Dele).is_empty());
    assert_eq!(house.messages(), 2);
    assert_eq!(house.maildrop(DeviceId::DEFAULT).len(), 0);
    assert_eq!(house.maildrop(laptop).len(), 2);
    assert_eq!(house.collect(laptop, Collect::Dele).count(), 2);
    assert_eq!(house.messages(), 0);
    assert_eq!(house.state.used().octets, 0);
}

#[test]
fn a_flagged_message_is_out_of_reach() {
    let mut house = House::with_hold(hold(Hold::Remove));
    house.deliver(100).unwrap();
    house.flag(StoreMode::Add);
    assert!(house.collect(DeviceId::DEFAULT, Collect::Dele).is_empty());
    assert_eq!(
        (house.messages(), house.maildrop(DeviceId::DEFAULT).len()),
        (1, 0)
    );
    assert_eq!(house.state.root.clocks.run_count(), 0);
    house.flag(StoreMode::Remove);
    // Its clock starts anew, and the next sweep takes it.
    house.run(&Command::Sweep).unwrap();
    assert_eq!(house.messages(), 0);
}

#[test]
fn a_span_holds_for_as_long_as_it_says() {
    let mut house = House::with_hold(hold(Hold::Span(14 * 86_400)));
    house.deliver(100).unwrap();
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    let collected = house.now;
    assert_eq!(
        next_due(&house.state),
        Some(collected.plus_millis(14 * DAY))
    );
    house.now = collected.plus_millis(14 * DAY - 1);
    house.run(&Command::Sweep).unwrap();
    assert_eq!(house.messages(), 1);
    house.later(1);
    house.run(&Command::Sweep).unwrap();
    assert_eq!(house.messages(), 0);
    let batch = house.state.expunged().unwrap().batches().next().unwrap();
    assert_eq!(batch.cause, Cause::Hold);
    // The undo window: seven days, then the blob is released.
    assert_eq!(next_due(&house.state), Some(house.now.plus_millis(7 * DAY)));
    assert_eq!(house.bound.len(), 1);
    house.later(7 * DAY);
    let swept = Outcome::Swept {
        expunged: 0,
        purged: 1,
    };
    assert_eq!(house.run(&Command::Sweep), Ok(swept));
    assert!(house.bound.is_empty());
}

#[test]
fn an_undo_window_of_nothing_still_keeps_a_day() {
    let mut house = House::with_hold(HoldSettings {
        undo_seconds: 0,
        ..hold(Hold::Remove)
    });
    house.deliver(100).unwrap();
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    house.later(DAY - 1);
    house.run(&Command::Sweep).unwrap();
    assert_eq!(house.bound.len(), 1);
    house.later(1);
    house.run(&Command::Sweep).unwrap();
    assert!(house.bound.is_empty());
}

#[test]
fn what_comes_back_is_the_same_message() {
    let mut house = House::with_hold(hold(Hold::Remove));
    house.deliver(100).unwrap();
    let first = house.maildrop(DeviceId::DEFAULT).entry(1).unwrap().clone();
    let unique_id = house.state.unique_id(first.email);
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    let undo = Command::Undo {
        which: UndoWhich::default(),
        keep_collected: false,
    };
    house.run(&undo).unwrap();
    let drop = house.maildrop(DeviceId::DEFAULT);
    let again = drop.entry(1).unwrap();
    assert!(again.uid > first.uid);
    assert_eq!(house.state.unique_id(again.email), unique_id);
    assert!(crate::is_unique_id(&unique_id));
    assert_eq!(house.state.expunged().unwrap().len(), 0);
}

#[test]
fn a_forgotten_device_starts_clocks_when_it_is_forgotten() {
    let mut house = House::with_hold(hold(Hold::Span(86_400)));
    let old = house.device("old");
    house.deliver(100).unwrap();
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    assert_eq!(house.state.root.clocks.run_count(), 0);
    house.later(80 * DAY);
    // The default one is alive.
    let mut changes = crate::decide(
        &house.state,
        &Command::SetLimits(Limits {
            octets: Some(1 << 40),
            messages: None,
        }),
        house.now,
    )
    .unwrap();
    changes.changes.note([crate::Note::LastPoll {
        device: DeviceId::DEFAULT,
        time: house.now,
    }]);
    house.commit(&changes);
    house.later(10 * DAY);
    assert_eq!(next_due(&house.state), Some(house.now));
    house.run(&Command::Sweep).unwrap();
    assert!(house.state.device(old).unwrap().forgotten.is_some());
    assert_eq!(house.messages(), 1);
    assert_eq!(next_due(&house.state), Some(house.now.plus_millis(DAY)));
    house.later(DAY);
    house.run(&Command::Sweep).unwrap();
    assert_eq!(house.messages(), 0);
    // It comes back and counts again.
    house.deliver(100).unwrap();
    house.collect(old, Collect::Dele);
    assert!(house.state.device(old).unwrap().counts());
}

#[test]
fn a_message_is_listed_once_by_its_lowest_row() {
    let mut house = House::new();
    house.deliver(100).unwrap();
    house.deliver(100).unwrap();
    let all = UidSet::range(terms::Uid::MIN, terms::Uid::MAX);
    house
        .run(&Command::Copy {
            from: MailboxId::INBOX,
            uids: all,
            all: false,
            to: MailboxId::INBOX.into(),
        })
        .unwrap();
    assert_eq!(house.messages(), 4);
    let drop = house.maildrop(DeviceId::DEFAULT);
    let uids: Vec<u32> = drop
        .entries()
        .iter()
        .map(|entry| entry.uid.value())
        .collect();
    assert_eq!(uids, [1, 2]);
    assert_eq!(drop.octets(), 200);
}

fn limited(octets: u64) -> House {
    let mut house = House::with_hold(HoldSettings {
        give_way: true,
        ..HoldSettings::default()
    });
    let limits = Limits {
        octets: Some(octets),
        messages: None,
    };
    house.run(&Command::SetLimits(limits)).unwrap();
    house
}

#[test]
fn the_quota_has_the_grace_of_one_message() {
    let mut house = limited(250);
    house.deliver(200).unwrap();
    // APPEND has no grace.
    let append = Command::Append {
        mailbox: MailboxId::INBOX.into(),
        create: false,
        messages: vec![NewMessage::new(house.blob(), 200)],
        source: Source::Append,
    };
    assert_eq!(house.run(&append), Err(Refusal::OverQuota));
    house.deliver(200).unwrap();
    assert_eq!(house.deliver(1), Err(Refusal::OverQuota));
    assert_eq!(house.state.used().octets, 400);
}

#[test]
fn collected_messages_give_way_to_deliveries() {
    let mut house = limited(1_050);
    for _ in 0..5 {
        house.deliver(200).unwrap();
        house.collect(DeviceId::DEFAULT, Collect::Dele);
        house.later(1_000);
    }
    // Not before a day has passed.
    house.deliver(100).unwrap();
    assert_eq!(house.messages(), 6);
    assert_eq!(house.deliver(100), Err(Refusal::OverQuota));
    house.later(2 * DAY);
    house.deliver(300).unwrap();
    // 1,100 and 300 are 350 too many: the two oldest went.
    let table = house.state.table(MailboxId::INBOX).unwrap();
    let uids: Vec<u32> = table.rows().map(|row| row.uid.value()).collect();
    assert_eq!(uids, [3, 4, 5, 6, 7]);
    assert_eq!(house.state.used().octets, 1_000);
    super::model::check(&house);
}

#[test]
fn copying_to_trash_is_never_refused() {
    let mut house = House::new();
    house.deliver(100).unwrap();
    let limits = Limits {
        octets: Some(1),
        messages: Some(1),
    };
    house.run(&Command::SetLimits(limits)).unwrap();
    let copy = |text: &str| Command::Copy {
        from: MailboxId::INBOX,
        uids: UidSet::range(terms::Uid::MIN, terms::Uid::MAX),
        all: false,
        to: terms::MailboxName::new(text).unwrap().into(),
    };
    assert_eq!(house.run(&copy("Archive")), Err(Refusal::OverQuota));
    house.run(&copy("Trash")).unwrap();
}

#[test]
fn a_shared_body_is_released_by_its_last_message() {
    let mut house = House::with_hold(hold(Hold::Remove));
    let blob = house.blob();
    for shared in [false, true] {
        let message = NewMessage {
            shared,
            ..NewMessage::new(blob, 100)
        };
        house
            .run(&Command::Append {
                mailbox: MailboxId::INBOX.into(),
                create: false,
                messages: vec![message],
                source: Source::Delivery,
            })
            .unwrap();
    }
    let expunge = |uid: u32| Command::Expunge {
        mailbox: MailboxId::INBOX,
        which: crate::Which::Uids(UidSet::single(terms::Uid::new(uid).unwrap())),
        deleted_only: false,
        cause: Cause::Expunge,
    };
    house.run(&expunge(1)).unwrap();
    house.later(8 * DAY);
    house.run(&Command::Sweep).unwrap();
    assert!(house.bound.contains(&blob));
    house.run(&expunge(2)).unwrap();
    house.later(8 * DAY);
    house.run(&Command::Sweep).unwrap();
    assert!(!house.bound.contains(&blob));
    assert_eq!(house.state.root.shared.len(), 0);
}

#[test]
fn a_shorter_hold_waits_a_day() {
    let mut house = House::with_hold(hold(Hold::Forever));
    house.deliver(100).unwrap();
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    house.later(100 * DAY);
    house.run(&Command::SetHold(hold(Hold::Remove))).unwrap();
    house.run(&Command::Sweep).unwrap();
    assert_eq!(house.messages(), 1);
    let due: Timestamp = house.now.plus_millis(DAY);
    house.now = due;
    house.run(&Command::Sweep).unwrap();
    assert_eq!(house.messages(), 0);
}

#[test]
fn what_was_only_read_stays_for_at_least_a_day() {
    let mut house = House::with_hold(hold(Hold::Remove));
    house.deliver(100).unwrap();
    // It does not count yet, and will not have counted.
    house.collect(DeviceId::DEFAULT, Collect::Retr);
    assert!(
        house
            .state
            .device(DeviceId::DEFAULT)
            .unwrap()
            .read
            .is_empty()
    );
    let mut house = House::with_hold(HoldSettings {
        collect: Collect::Retr,
        ..hold(Hold::Remove)
    });
    house.deliver(100).unwrap();
    house.deliver(100).unwrap();
    assert!(house.collect(DeviceId::DEFAULT, Collect::Retr).is_empty());
    // It is still listed.
    assert_eq!(house.maildrop(DeviceId::DEFAULT).len(), 2);
    house.later(DAY - 1);
    house.run(&Command::Sweep).unwrap();
    assert_eq!(house.messages(), 2);
    house.later(1);
    house.run(&Command::Sweep).unwrap();
    assert_eq!(house.messages(), 0);
    // DELE takes it at once.
    house.deliver(100).unwrap();
    assert_eq!(house.collect(DeviceId::DEFAULT, Collect::Dele).count(), 1);
}
