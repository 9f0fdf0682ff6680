//! What POP3 collects and what becomes of it; the quota; the undo window.

use super::House;
use crate::{
    Cause, Collect, Command, DeviceId, DeviceProtocols, DropWindow, Hold, HoldSettings, Limits,
    Maildrop, NewMessage, Outcome, Refusal, Source, SweepRules, UndoWhich, devices_to_warn,
    next_due,
};
use terms::{FlagSet, MailboxId, StoreMode, StoreOp, SystemFlag, Timestamp, UidSet};

pub(super) const DAY: i64 = 86_400_000;
pub(super) const SWEEP: Command = Command::Sweep(SweepRules {
    run_percent_max: 50,
    run_rows_min: 100,
});

impl House {
    pub(super) fn with_hold(hold: HoldSettings) -> Self {
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

    pub(super) fn deliver(&mut self, size: u32) -> Result<Outcome, Refusal> {
        let messages = vec![NewMessage::new(self.blob(), size)];
        self.run(&Command::Append {
            mailbox: MailboxId::INBOX.into(),
            create: false,
            messages,
            source: Source::Delivery,
        })
    }

    pub(super) fn maildrop(&self, device: DeviceId) -> Maildrop {
        Maildrop::open(&self.state, device, DropWindow::Uncollected).unwrap()
    }

    /// DELE of all that is listed, and QUIT.
    pub(super) fn collect(&mut self, device: DeviceId, how: Collect) -> UidSet {
        let drop = self.maildrop(device);
        let listed = drop.messages().map(|(_, row)| (row.email, row.uid));
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

    pub(super) fn flag(&mut self, mode: StoreMode) {
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

    pub(super) fn later(&mut self, millis: i64) {
        self.now = self.now.plus_millis(millis);
    }

    pub(super) fn messages(&self) -> u32 {
        self.state
            .mailbox(MailboxId::INBOX)
            .unwrap()
            .counts
            .messages
    }

    pub(super) fn device(&mut self, name: &str) -> DeviceId {
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

pub(super) fn hold(hold: Hold) -> HoldSettings {
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
    house.run(&SWEEP).unwrap();
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
    house.run(&SWEEP).unwrap();
    assert_eq!(house.messages(), 1);
    house.later(1);
    house.run(&SWEEP).unwrap();
    assert_eq!(house.messages(), 0);
    let batch = house.state.expunged().unwrap().batches().next().unwrap();
    assert_eq!(batch.cause, Cause::Hold);
    // The undo window: seven days, then the blob is released.
    assert_eq!(next_due(&house.state), Some(house.now.plus_millis(7 * DAY)));
    assert_eq!(house.bound.len(), 1);
    house.later(7 * DAY);
    let swept = Outcome::Swept {
        expunged: 0,
        octets: 0,
        purged: 1,
        waiting: 0,
    };
    assert_eq!(house.run(&SWEEP), Ok(swept));
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
    house.run(&SWEEP).unwrap();
    assert_eq!(house.bound.len(), 1);
    house.later(1);
    house.run(&SWEEP).unwrap();
    assert!(house.bound.is_empty());
}

#[test]
fn what_comes_back_is_the_same_message() {
    let mut house = House::with_hold(hold(Hold::Remove));
    house.deliver(100).unwrap();
    let before = house.maildrop(DeviceId::DEFAULT);
    let first = before.message(1).unwrap();
    let unique_id = house.state.unique_id(first.email);
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    let undo = Command::Undo {
        which: UndoWhich::default(),
        keep_collected: false,
    };
    house.run(&undo).unwrap();
    let drop = house.maildrop(DeviceId::DEFAULT);
    let again = drop.message(1).unwrap();
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
    // Its owner is told a week before; nobody is forgotten without that.
    house.later(3 * DAY - 1);
    assert_eq!(devices_to_warn(&house.state, house.now), []);
    house.later(1);
    assert_eq!(devices_to_warn(&house.state, house.now), [old]);
    assert_eq!(next_due(&house.state), Some(house.now));
    house.later(DAY);
    house.run(&Command::DeviceWarned(old)).unwrap();
    assert_eq!(devices_to_warn(&house.state, house.now), []);
    house.later(7 * DAY - 1);
    house.run(&SWEEP).unwrap();
    assert!(house.state.device(old).unwrap().counts());
    house.later(1);
    assert_eq!(next_due(&house.state), Some(house.now));
    house.run(&SWEEP).unwrap();
    assert!(house.state.device(old).unwrap().forgotten.is_some());
    assert_eq!(house.messages(), 1);
    assert_eq!(next_due(&house.state), Some(house.now.plus_millis(DAY)));
    house.later(DAY);
    house.run(&SWEEP).unwrap();
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
    let uids: Vec<u32> = drop.messages().map(|(_, row)| row.uid.value()).collect();
    assert_eq!(uids, [1, 2]);
    assert_eq!(drop.octets(true), 200);
}

pub(super) fn limited(octets: u64) -> House {
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
    house.run(&SWEEP).unwrap();
    assert!(house.bound.contains(&blob));
    house.run(&expunge(2)).unwrap();
    house.later(8 * DAY);
    house.run(&SWEEP).unwrap();
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
    house.run(&SWEEP).unwrap();
    assert_eq!(house.messages(), 1);
    let due: Timestamp = house.now.plus_millis(DAY);
    house.now = due;
    house.run(&SWEEP).unwrap();
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
    house.run(&SWEEP).unwrap();
    assert_eq!(house.messages(), 2);
    house.later(1);
    house.run(&SWEEP).unwrap();
    assert_eq!(house.messages(), 0);
    // DELE takes it at once.
    house.deliver(100).unwrap();
    assert_eq!(house.collect(DeviceId::DEFAULT, Collect::Dele).count(), 1);
}

pub(super) fn retr(hold: Hold) -> HoldSettings {
    HoldSettings {
        collect: Collect::Retr,
        ..self::hold(hold)
    }
}

impl House {
    pub(super) fn sweep(&mut self) -> u32 {
        self.run(&SWEEP).unwrap();
        self.messages()
    }

    pub(super) fn store(&mut self, uid: u32, mode: StoreMode, flag: &str) {
        let command = Command::Store {
            mailbox: MailboxId::INBOX,
            uids: UidSet::single(terms::Uid::new(uid).unwrap()),
            op: StoreOp {
                mode,
                flags: [terms::Flag::parse(flag).unwrap()].into_iter().collect(),
            },
            unchanged_since: None,
        };
        self.run(&command).unwrap();
    }

    pub(super) fn flags_of(&self, uid: u32) -> Vec<String> {
        let inbox = self.state.mailbox(MailboxId::INBOX).unwrap();
        let table = self.state.table(MailboxId::INBOX).unwrap();
        let row = table.get(terms::Uid::new(uid).unwrap()).unwrap();
        let flags = inbox.flag_set(&row);
        flags.iter().map(|flag| flag.as_str().to_owned()).collect()
    }

    pub(super) fn copy(&mut self, to: MailboxId) {
        let command = Command::Copy {
            from: MailboxId::INBOX,
            uids: UidSet::range(terms::Uid::MIN, terms::Uid::MAX),
            to: to.into(),
            all: false,
        };
        self.run(&command).unwrap();
    }

    pub(super) fn expunge(&mut self, uid: u32) {
        let command = Command::Expunge {
            mailbox: MailboxId::INBOX,
            which: crate::Which::Uids(UidSet::single(terms::Uid::new(uid).unwrap())),
            deleted_only: false,
            cause: Cause::Expunge,
        };
        self.run(&command).unwrap();
    }
}

/// What one device has deleted and another only read stays for a day after that
/// one's QUIT, under `remove` too.
#[test]
fn a_dele_does_not_take_what_another_device_has_only_read() {
    let mut house = House::with_hold(retr(Hold::Remove));
    let phone = house.device("phone");
    house.deliver(100).unwrap();
    house.collect(phone, Collect::Retr);
    assert!(house.collect(DeviceId::DEFAULT, Collect::Dele).is_empty());
    house.later(DAY - 1);
    assert_eq!(house.sweep(), 1);
    house.later(1);
    assert_eq!(house.sweep(), 0);
    // Deleted by both, it goes at once.
    house.deliver(100).unwrap();
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    house.collect(phone, Collect::Retr);
    assert_eq!(house.collect(phone, Collect::Dele).count(), 1);
}

/// A span below `at-least` holds for what was deleted; what was only read stays.
#[test]
fn a_short_span_is_for_what_was_deleted() {
    let mut house = House::with_hold(retr(Hold::Span(6 * 3_600)));
    house.deliver(100).unwrap();
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    house.deliver(100).unwrap();
    house.collect(DeviceId::DEFAULT, Collect::Retr);
    let start = house.now;
    assert_eq!(next_due(&house.state), Some(start.plus_millis(DAY / 4)));
    house.later(DAY / 4);
    assert_eq!(house.sweep(), 1);
    assert_eq!(next_due(&house.state), Some(start.plus_millis(DAY)));
    house.now = start.plus_millis(DAY);
    assert_eq!(house.sweep(), 0);
}

#[test]
fn switching_back_to_dele_stops_the_clocks_of_what_was_read() {
    let mut house = House::with_hold(retr(Hold::Span(2 * 86_400)));
    house.deliver(100).unwrap();
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    house.deliver(100).unwrap();
    house.collect(DeviceId::DEFAULT, Collect::Retr);
    house
        .run(&Command::SetHold(hold(Hold::Span(2 * 86_400))))
        .unwrap();
    house.later(30 * DAY);
    assert_eq!(house.sweep(), 1);
    // Switched once more, only what is read from now on counts.
    house
        .run(&Command::SetHold(retr(Hold::Span(2 * 86_400))))
        .unwrap();
    house.later(30 * DAY);
    assert_eq!(house.sweep(), 1);
    house.collect(DeviceId::DEFAULT, Collect::Retr);
    house.later(2 * DAY);
    assert_eq!(house.sweep(), 0);
}

/// Nothing goes for a day after any change that lets something go sooner, not even
/// under `remove`; a change that does not, delays nothing.
#[test]
fn every_change_that_lets_mail_go_sooner_waits_a_day() {
    type Step = fn(&mut House);
    let revoke: Step = |house| {
        let phone = house.state.device_named("phone").unwrap().id;
        house.run(&Command::RevokeDevice(phone)).unwrap();
    };
    let shorten: Step = |house| {
        house.run(&Command::SetHold(hold(Hold::Remove))).unwrap();
        house.collect(DeviceId(2), Collect::Dele);
    };
    let count_reads: Step = |house| {
        house.run(&Command::SetHold(retr(Hold::Remove))).unwrap();
        house.collect(DeviceId(2), Collect::Retr);
    };
    for (name, begin, step) in [
        ("revoke", hold(Hold::Remove), revoke),
        ("shorten", hold(Hold::Span(90 * 86_400)), shorten),
        ("collect", hold(Hold::Remove), count_reads),
    ] {
        let mut house = House::with_hold(begin);
        house.device("phone");
        house.deliver(100).unwrap();
        house.collect(DeviceId::DEFAULT, Collect::Dele);
        house.later(5 * DAY);
        step(&mut house);
        assert_eq!(house.sweep(), 1, "{name}");
        assert_eq!(
            next_due(&house.state),
            Some(house.now.plus_millis(DAY)),
            "{name}"
        );
        house.later(DAY - 1);
        assert_eq!(house.sweep(), 1, "{name}");
        house.later(1);
        assert_eq!(house.sweep(), 0, "{name}");
    }
    // A longer hold and what is shown let nothing go sooner.
    let mut house = House::with_hold(hold(Hold::Span(86_400)));
    house.deliver(100).unwrap();
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    house.later(2 * DAY);
    let longer = HoldSettings {
        show_collected: true,
        undo_seconds: 30 * 86_400,
        ..hold(Hold::Span(2 * 86_400))
    };
    house.run(&Command::SetHold(longer)).unwrap();
    assert_eq!(house.sweep(), 0);
}

/// A day is not less where `at-least` is more.
#[test]
fn a_change_waits_for_at_least() {
    let begin = HoldSettings {
        at_least_seconds: 3 * 86_400,
        ..hold(Hold::Forever)
    };
    let mut house = House::with_hold(begin);
    house.deliver(100).unwrap();
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    house.later(10 * DAY);
    let shorter = HoldSettings {
        hold: Hold::Remove,
        ..begin
    };
    house.run(&Command::SetHold(shorter)).unwrap();
    house.later(3 * DAY - 1);
    assert_eq!(house.sweep(), 1);
    house.later(1);
    assert_eq!(house.sweep(), 0);
}

/// A message that stands in INBOX twice keeps its clock when one of its rows goes
/// or is flagged: else the other would stay forever.
#[test]
fn the_clock_of_a_message_is_that_of_all_its_rows() {
    let mut house = House::with_hold(hold(Hold::Span(86_400)));
    house.deliver(100).unwrap();
    house.copy(MailboxId::INBOX);
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    house.expunge(1);
    house.later(DAY);
    assert_eq!(house.sweep(), 0);

    let mut house = House::with_hold(hold(Hold::Span(86_400)));
    house.deliver(100).unwrap();
    house.copy(MailboxId::INBOX);
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    house.store(1, StoreMode::Add, "\\Flagged");
    house.later(DAY);
    assert_eq!(house.sweep(), 1);
    assert_eq!(house.flags_of(1), ["\\Flagged"]);
}

/// What comes back is collected by no device: neither is the copy of it that had
/// stayed.
#[test]
fn undo_stops_the_clock_of_what_had_stayed() {
    let mut house = House::with_hold(hold(Hold::Span(86_400)));
    house.deliver(100).unwrap();
    house.copy(MailboxId::INBOX);
    house.expunge(1);
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    let undo = Command::Undo {
        which: UndoWhich::default(),
        keep_collected: false,
    };
    house.run(&undo).unwrap();
    assert_eq!(house.maildrop(DeviceId::DEFAULT).len(), 1);
    house.later(5 * DAY);
    assert_eq!(house.sweep(), 2);
}

#[test]
fn a_large_run_waits_a_day() {
    let mut house = House::with_hold(hold(Hold::Span(86_400)));
    let rules = SweepRules {
        run_percent_max: 50,
        run_rows_min: 3,
    };
    for _ in 0..5 {
        house.deliver(100).unwrap();
    }
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    for _ in 0..2 {
        house.deliver(100).unwrap();
    }
    house.later(DAY);
    let waiting = |rows| Outcome::Swept {
        expunged: 0,
        octets: 0,
        purged: 0,
        waiting: rows,
    };
    assert_eq!(house.run(&Command::Sweep(rules)), Ok(waiting(5)));
    assert_eq!(house.messages(), 7);
    assert_eq!(next_due(&house.state), Some(house.now.plus_millis(DAY)));
    assert_eq!(house.state.run_waits(), Some(house.now));
    house.later(DAY - 1);
    assert_eq!(house.run(&Command::Sweep(rules)), Ok(waiting(5)));
    house.later(1);
    let gone = Outcome::Swept {
        expunged: 5,
        octets: 500,
        purged: 0,
        waiting: 0,
    };
    assert_eq!(house.run(&Command::Sweep(rules)), Ok(gone));
    assert_eq!(house.state.run_waits(), None);
    // Fewer than half go at once; and one message is no large run.
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    house.later(DAY);
    house.run(&Command::Sweep(rules)).unwrap();
    assert_eq!(house.messages(), 0);
}

/// A run that waits and is not due any more is waited for no longer.
#[test]
fn waiting_ends_with_what_was_waited_for() {
    let mut house = House::with_hold(hold(Hold::Span(86_400)));
    let rules = SweepRules {
        run_percent_max: 50,
        run_rows_min: 1,
    };
    house.deliver(100).unwrap();
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    house.later(DAY);
    house.run(&Command::Sweep(rules)).unwrap();
    house.flag(StoreMode::Add);
    house.later(DAY);
    assert_eq!(next_due(&house.state), Some(house.now));
    house.run(&Command::Sweep(rules)).unwrap();
    assert_eq!(house.state.run_waits(), None);
    assert!(house.state.root.clocks.is_empty());
}

#[test]
fn what_is_collected_is_shown_where_it_is_wanted() {
    let mut house = House::with_hold(HoldSettings {
        show_collected: true,
        ..hold(Hold::Span(86_400))
    });
    let phone = house.device("phone");
    house.deliver(100).unwrap();
    house.deliver(100).unwrap();
    house.store(2, StoreMode::Add, "\\Flagged");
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    assert_eq!(house.flags_of(1), [""; 0]);
    let before = house.state.head();
    house.collect(phone, Collect::Dele);
    assert_eq!(house.flags_of(1), ["$Collected"]);
    assert_eq!(house.flags_of(2), ["\\Flagged"]);
    // The collection is one number, the keyword and the clock another.
    assert_eq!(house.state.head().0, before.0 + 2);
    let inbox = house.state.mailbox(MailboxId::INBOX).unwrap();
    assert_eq!(inbox.highest_modseq, house.state.head());
    // No client sets or clears it.
    for (mode, flag, flags) in [
        (StoreMode::Remove, "$collected", &["$Collected"][..]),
        (StoreMode::Replace, "\\Seen", &["\\Seen", "$Collected"]),
        (StoreMode::Replace, "$Collected", &["$Collected"]),
    ] {
        house.store(1, mode, flag);
        assert_eq!(house.flags_of(1), flags, "{mode:?} {flag}");
    }
    house.store(2, StoreMode::Add, "$Collected");
    assert_eq!(house.flags_of(2), ["\\Flagged"]);
    // It goes with the device table, and when it is to be shown no longer.
    house.later(DAY);
    house.sweep();
    let undo = Command::Undo {
        which: UndoWhich::default(),
        keep_collected: false,
    };
    house.run(&undo).unwrap();
    assert_eq!(house.flags_of(3), [""; 0]);
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    house.collect(phone, Collect::Dele);
    assert_eq!(house.flags_of(3), ["$Collected"]);
    house
        .run(&Command::SetHold(hold(Hold::Span(86_400))))
        .unwrap();
    assert_eq!(house.flags_of(3), [""; 0]);
    super::model::check(&house);
}

/// A device that is heard of again counts again, and that is not filed more often
/// than once an hour.
#[test]
fn a_poll_is_filed_once_an_hour() {
    let mut house = House::with_hold(hold(Hold::Forever));
    let poll = Command::Poll(DeviceId::DEFAULT);
    house.run(&poll).unwrap();
    let head = house.state.head();
    house.later(3_599_999);
    house.run(&poll).unwrap();
    assert_eq!(house.state.head(), head);
    house.later(1);
    house.run(&poll).unwrap();
    assert_eq!(house.state.head(), head.next());
    house.later(100 * DAY);
    house
        .run(&Command::DeviceWarned(DeviceId::DEFAULT))
        .unwrap();
    house.later(7 * DAY);
    house.run(&SWEEP).unwrap();
    assert!(!house.state.device(DeviceId::DEFAULT).unwrap().counts());
    house.run(&poll).unwrap();
    assert!(house.state.device(DeviceId::DEFAULT).unwrap().counts());
}

/// The default device of somebody who uses IMAP only is forgotten without a word,
/// and nothing goes for that.
#[test]
fn a_device_that_was_never_used_lets_nothing_go() {
    let mut house = House::with_hold(hold(Hold::Remove));
    house.deliver(100).unwrap();
    house.later(90 * DAY);
    assert_eq!(devices_to_warn(&house.state, house.now), []);
    house.run(&SWEEP).unwrap();
    assert!(!house.state.device(DeviceId::DEFAULT).unwrap().counts());
    house.later(90 * DAY);
    assert_eq!(house.sweep(), 1);
    assert_eq!(next_due(&house.state), None);
}

/// Who gives two programs devices of their own waits for no other: the default device
/// counts from its first login on then, sees all that is in INBOX and stops no clock.
/// With one alone it is waited for: it may be the other program's.
#[test]
fn the_default_device_counts_where_it_is_used() {
    let mut house = House::with_hold(hold(Hold::Span(86_400)));
    let home = house.device("home");
    assert!(house.state.device(DeviceId::DEFAULT).unwrap().counts());
    let phone = house.device("phone");
    assert!(!house.state.device(DeviceId::DEFAULT).unwrap().counts());
    house.deliver(100).unwrap();
    house.collect(home, Collect::Dele);
    assert!(house.state.clock(terms::EmailNumber(1)).is_none());
    house.collect(phone, Collect::Dele);
    let clock = house.state.clock(terms::EmailNumber(1));
    assert!(clock.is_some());
    house.later(60_000);
    house.run(&Command::Poll(DeviceId::DEFAULT)).unwrap();
    assert!(house.state.device(DeviceId::DEFAULT).unwrap().counts());
    assert_eq!(house.maildrop(DeviceId::DEFAULT).len(), 1);
    assert_eq!(house.state.clock(terms::EmailNumber(1)), clock);
    house.deliver(100).unwrap();
    house.collect(home, Collect::Dele);
    house.collect(phone, Collect::Dele);
    assert!(house.state.clock(terms::EmailNumber(2)).is_none());
    house.later(2 * DAY);
    assert_eq!(house.sweep(), 1);
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    assert!(house.state.clock(terms::EmailNumber(2)).is_some());
}

/// Mail would wait for a device whose password nobody can use.
#[test]
fn a_device_is_not_declared_with_an_end_that_has_been() {
    let mut house = House::with_hold(hold(Hold::Remove));
    let declare = |name: &str, end: Timestamp| Command::DeclareDevice {
        name: name.into(),
        protocols: DeviceProtocols {
            pop3: true,
            imap: false,
        },
        expires: Some(end),
        may_not_delete: false,
    };
    let (now, next) = (house.now, house.now.plus_millis(1));
    let refused = house.run(&declare("phone", now));
    assert!(matches!(refused, Err(Refusal::Invalid(_))), "{refused:?}");
    house.run(&declare("phone", next)).unwrap();
}

/// What a device that may not delete hides, it hides for itself alone.
#[test]
fn a_device_that_may_not_delete_counts_for_nothing() {
    let mut house = House::with_hold(hold(Hold::Remove));
    let command = Command::DeclareDevice {
        name: "kiosk".into(),
        protocols: DeviceProtocols {
            pop3: true,
            imap: true,
        },
        expires: None,
        may_not_delete: true,
    };
    house.run(&command).unwrap();
    let kiosk = house.state.device_named("kiosk").unwrap().id;
    house.deliver(100).unwrap();
    assert!(house.collect(kiosk, Collect::Dele).is_empty());
    assert_eq!(house.maildrop(kiosk).len(), 0);
    assert_eq!(house.maildrop(DeviceId::DEFAULT).len(), 1);
    assert!(house.state.clock(terms::EmailNumber(1)).is_none());
    // Nor does anybody wait for it.
    house.deliver(100).unwrap();
    assert_eq!(house.collect(DeviceId::DEFAULT, Collect::Dele).count(), 2);
}

/// A revoked device's collections say nothing: it may have been stolen.
#[test]
fn what_a_revoked_device_alone_took_stays() {
    let mut house = House::with_hold(hold(Hold::Remove));
    let stolen = house.device("stolen");
    house.run(&Command::Poll(DeviceId::DEFAULT)).unwrap();
    house.deliver(100).unwrap();
    house.collect(stolen, Collect::Dele);
    house.run(&Command::RevokeDevice(stolen)).unwrap();
    house.later(100 * DAY);
    house
        .run(&Command::DeviceWarned(DeviceId::DEFAULT))
        .unwrap();
    house.later(7 * DAY);
    assert_eq!(house.sweep(), 1);
    assert!(!house.state.device(DeviceId::DEFAULT).unwrap().counts());
}

/// Also where its clock ran already; one that a later device did not stop runs on.
#[test]
fn a_revoked_device_stops_the_clocks_that_it_alone_has_started() {
    for counting in [hold(Hold::Span(86_400)), retr(Hold::Span(86_400))] {
        let mut house = House::with_hold(counting);
        let stolen = house.device("stolen");
        // Two had it; the one that is revoked last had it alone.
        house.deliver(100).unwrap();
        house.collect(DeviceId::DEFAULT, counting.collect);
        house.collect(stolen, counting.collect);
        house.device("later");
        house
            .run(&Command::RevokeDevice(DeviceId::DEFAULT))
            .unwrap();
        assert_eq!(house.state.root.clocks.run_count(), 1);
        house.run(&Command::RevokeDevice(stolen)).unwrap();
        assert!(house.state.root.clocks.is_empty(), "{counting:?}");
        house.later(100 * DAY);
        assert_eq!(house.sweep(), 1);
    }
    let mut house = House::with_hold(hold(Hold::Span(86_400)));
    let stolen = house.device("stolen");
    house.deliver(100).unwrap();
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    house.collect(stolen, Collect::Dele);
    house.device("later");
    house.run(&Command::RevokeDevice(stolen)).unwrap();
    house.later(DAY);
    assert_eq!(house.sweep(), 0);
}

/// What waited for a revoked device, and goes with another's QUIT then, stays for a
/// day too: it may have been the wrong one that was revoked.
#[test]
fn what_waited_for_a_revoked_device_stays_for_a_day() {
    let mut house = House::with_hold(hold(Hold::Remove));
    let phone = house.device("phone");
    house.deliver(100).unwrap();
    house.run(&Command::RevokeDevice(phone)).unwrap();
    assert!(house.collect(DeviceId::DEFAULT, Collect::Dele).is_empty());
    house.later(DAY - 1);
    assert_eq!(house.sweep(), 1);
    house.later(1);
    assert_eq!(house.sweep(), 0);
}

/// What one device has only read stays for `at-least`; where only DELE counts it
/// would not: that lets it go sooner.
#[test]
fn switching_to_dele_waits_a_day() {
    let mut house = House::with_hold(retr(Hold::Span(3_600)));
    let phone = house.device("phone");
    house.deliver(100).unwrap();
    house.collect(phone, Collect::Retr);
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    house.later(DAY / 2);
    let dele = hold(Hold::Span(3_600));
    house.run(&Command::SetHold(dele)).unwrap();
    assert_eq!(house.state.hold().changed, house.now);
    // Nothing went sooner under a span that is no shorter.
    let mut house = House::with_hold(retr(Hold::Span(86_400)));
    house.later(DAY);
    house
        .run(&Command::SetHold(hold(Hold::Span(86_400))))
        .unwrap();
    assert_eq!(house.state.hold().changed, Timestamp::EPOCH);
}

/// A wall clock that has run away dates what happens and takes nothing away.
#[test]
fn a_clock_that_has_run_away_takes_nothing() {
    let jumped = |house: &House| crate::Moment {
        now: house.now.plus_millis(365 * DAY),
        believed: house.now,
    };
    let mut house = limited(1_050);
    for _ in 0..6 {
        house.deliver(200).unwrap();
        house.collect(DeviceId::DEFAULT, Collect::Dele);
    }
    let delivery = Command::Append {
        mailbox: MailboxId::INBOX.into(),
        create: false,
        messages: vec![NewMessage::new(house.blob(), 300)],
        source: Source::Delivery,
    };
    let refused = crate::decide(&house.state, &delivery, jumped(&house));
    assert_eq!(
        refused.map(|decision| decision.outcome),
        Err(Refusal::OverQuota)
    );
    house.later(2 * DAY);
    assert!(crate::decide(&house.state, &delivery, jumped(&house)).is_ok());
    // The day after a change is not over for `remove`.
    let mut house = House::with_hold(hold(Hold::Forever));
    house.run(&Command::SetHold(hold(Hold::Remove))).unwrap();
    house.deliver(100).unwrap();
    let quit = Command::Collect {
        device: DeviceId::DEFAULT,
        how: Collect::Dele,
        messages: vec![(terms::EmailNumber(1), terms::Uid::MIN)],
    };
    let expunged = |house: &House, moment: crate::Moment| {
        let decision = crate::decide(&house.state, &quit, moment).unwrap();
        match decision.outcome {
            Outcome::Collected { expunged, .. } => expunged.count(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(expunged(&house, jumped(&house)), 0);
    // `remove` itself asks no clock.
    house.later(DAY);
    assert_eq!(expunged(&house, jumped(&house)), 1);
    // Nor does a sweep go by it.
    let mut house = House::with_hold(hold(Hold::Span(86_400)));
    house.deliver(100).unwrap();
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    let swept = crate::decide(&house.state, &SWEEP, jumped(&house)).unwrap();
    assert!(swept.changes.is_empty());
}

/// `$Collected` shows where a clock starts, whatever starts it, and stays in INBOX.
#[test]
fn what_is_shown_as_collected_is_what_stands_in_inbox() {
    let shown = |collect| HoldSettings {
        show_collected: true,
        collect,
        ..hold(Hold::Span(86_400))
    };
    let mut house = House::with_hold(shown(Collect::Dele));
    house.deliver(100).unwrap();
    house.store(1, StoreMode::Add, "\\Flagged");
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    assert_eq!(house.flags_of(1), ["\\Flagged"]);
    // Unflagged: the client's change is one number, what follows from it the next.
    let before = house.state.head();
    house.store(1, StoreMode::Remove, "\\Flagged");
    assert_eq!(house.flags_of(1), ["$Collected"]);
    assert_eq!(house.state.head().0, before.0 + 2);
    // Elsewhere nobody could clear it.
    let archive = house.state.mailbox_for(terms::SpecialUse::Archive).unwrap();
    let archive = archive.id;
    house.copy(archive);
    house.copy(MailboxId::INBOX);
    assert_eq!(house.flags_of(2), ["$Collected"]);
    let moved = |from: MailboxId, to: MailboxId| Command::Move {
        from,
        uids: UidSet::range(terms::Uid::MIN, terms::Uid::MAX),
        to: to.into(),
        all: false,
    };
    house.run(&moved(MailboxId::INBOX, archive)).unwrap();
    let record = house.state.mailbox(archive).unwrap();
    assert_eq!(record.counts.messages, 3);
    assert!(record.keywords.is_empty());
    // Moved back, their clock starts anew.
    house.run(&moved(archive, MailboxId::INBOX)).unwrap();
    for uid in 3..=5 {
        assert_eq!(house.flags_of(uid), ["$Collected"], "{uid}");
    }
    // Where a clock stops since nobody has collected it any more, it is cleared.
    house.device("later");
    let revoke = Command::RevokeDevice(DeviceId::DEFAULT);
    house.run(&revoke).unwrap();
    assert_eq!(house.flags_of(3), [""; 0]);
    let mut house = House::with_hold(shown(Collect::Retr));
    house.deliver(100).unwrap();
    house.collect(DeviceId::DEFAULT, Collect::Retr);
    assert_eq!(house.flags_of(1), ["$Collected"]);
    house.run(&Command::SetHold(shown(Collect::Dele))).unwrap();
    assert_eq!(house.flags_of(1), [""; 0]);
}

/// A device declared later sees all of INBOX and stops no clock.
#[test]
fn a_later_device_stops_no_running_clock() {
    let mut house = House::with_hold(hold(Hold::Span(14 * 86_400)));
    house.deliver(100).unwrap();
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    let start = house.now;
    house.later(DAY);
    let tablet = house.device("tablet");
    assert_eq!(house.maildrop(tablet).len(), 1);
    house.collect(tablet, Collect::Dele);
    assert_eq!(next_due(&house.state), Some(start.plus_millis(14 * DAY)));
    house.now = start.plus_millis(14 * DAY);
    assert_eq!(house.sweep(), 0);
}

/// A clock that is missing, or one too many, is told by the verifier.
#[test]
fn wrong_clocks_are_found() {
    let mut house = House::with_hold(hold(Hold::Span(14 * 86_400)));
    house.deliver(100).unwrap();
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    house.deliver(100).unwrap();
    let found = |house: &House| house.state.wrong_clocks().unwrap();
    assert!(found(&house).is_empty());
    let row = house.state.table(MailboxId::INBOX).unwrap().rows().next();
    let email = row.unwrap().email;
    let clocks = |house: &mut House, number: u64, start| {
        let root = std::sync::Arc::make_mut(&mut house.state.root);
        root.clocks.set(number, number, start);
    };
    let start = house.state.clock(email);
    clocks(&mut house, email.0, None);
    assert_eq!(found(&house), [email].into());
    clocks(&mut house, email.0, start);
    clocks(&mut house, 1_000, start);
    assert_eq!(found(&house), [terms::EmailNumber(1_000)].into());
}

/// Moved away and back, the clock starts anew, and the device is not offered the
/// message again.
#[test]
fn moved_back_into_inbox_the_clock_starts_anew() {
    let mut house = House::with_hold(hold(Hold::Span(14 * 86_400)));
    house.deliver(100).unwrap();
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    let archive = house
        .state
        .mailbox_for(terms::SpecialUse::Archive)
        .unwrap()
        .id;
    let all = UidSet::range(terms::Uid::MIN, terms::Uid::MAX);
    let moved = |from: MailboxId, to: MailboxId| Command::Move {
        from,
        uids: all.clone(),
        to: to.into(),
        all: false,
    };
    house.later(DAY);
    house.run(&moved(MailboxId::INBOX, archive)).unwrap();
    assert!(house.state.root.clocks.is_empty());
    house.later(30 * DAY);
    house.run(&moved(archive, MailboxId::INBOX)).unwrap();
    assert_eq!(house.maildrop(DeviceId::DEFAULT).len(), 0);
    house.later(14 * DAY - 1);
    assert_eq!(house.sweep(), 1);
    house.later(1);
    assert_eq!(house.sweep(), 0);
}

#[test]
fn unique_ids_of_new_mail_have_the_form_that_is_set() {
    let mut house = House::with_hold(hold(Hold::Forever));
    house.deliver(100).unwrap();
    let own = ids(&house);
    let form = crate::UniqueIdForm::new("%u").unwrap();
    house.run(&Command::SetUniqueIdForm(Some(form))).unwrap();
    house.deliver(100).unwrap();
    let messages = ["2", "4", "4", &own[0]].map(|id| NewMessage {
        unique_id: Some(id.to_owned()),
        ..NewMessage::new(house.blob(), 10)
    });
    let import = Command::Append {
        mailbox: MailboxId::INBOX.into(),
        create: false,
        messages: messages.to_vec(),
        source: Source::Import,
    };
    house.run(&import).unwrap();
    house.deliver(100).unwrap();
    let want = format!("{} 2 2-2 4 4-2 {}-2 7", own[0], own[0]);
    assert_eq!(ids(&house).join(" "), want);
    // The form and the ids come back from the log, and from the sections.
    let log: Vec<&[u8]> = house.commits_after(terms::ModSeq::ZERO);
    let mut again = crate::State::new(house.state.account());
    for payload in log {
        again.follow(payload).unwrap();
    }
    assert_eq!(again.digest(), house.state.digest());
    house.fold(crate::FoldKind::All);
    let stored = house.stored(None);
    let again = crate::State::load(house.state.account(), crate::Scope::All, &stored);
    house.state = again.unwrap();
    assert_eq!(ids(&house).join(" "), want);
    house.deliver(100).unwrap();
    assert_eq!(ids(&house)[7], "8");
    house.run(&Command::SetUniqueIdForm(None)).unwrap();
    house.deliver(100).unwrap();
    assert!(ids(&house)[8].starts_with(&own[0][..16]));
}

fn ids(house: &House) -> Vec<String> {
    let drop = house.maildrop(DeviceId::DEFAULT);
    let rows = drop.messages();
    rows.map(|(_, row)| house.state.unique_id(row.email))
        .collect()
}

#[test]
fn a_preview_says_what_goes_and_who_is_waited_for() {
    let mut house = House::with_hold(hold(Hold::Span(14 * 86_400)));
    let phone = house.device("phone");
    for size in [100, 200, 400, 800] {
        house.deliver(size).unwrap();
    }
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    house.later(DAY);
    for number in [1, 2] {
        let command = Command::Collect {
            device: phone,
            how: Collect::Dele,
            messages: vec![(
                terms::EmailNumber(number),
                terms::Uid::new(number as u32).unwrap(),
            )],
        };
        house.run(&command).unwrap();
        house.later(DAY);
    }
    house.deliver(1_600).unwrap();
    house.store(1, StoreMode::Add, "\\Flagged");
    let set = house.state.hold();
    let seen = crate::preview(&house.state, &set, house.now).unwrap();
    let share = |messages, octets| crate::Share { messages, octets };
    assert_eq!(seen.inbox, share(5, 3_100));
    assert_eq!(seen.flagged, share(1, 100));
    assert_eq!(seen.total(), share(1, 200));
    assert_eq!(seen.first(), Some(house.now.plus_millis(13 * DAY)));
    assert_eq!(seen.not_collected, share(1, 1_600));
    assert_eq!(seen.devices[0].blocks, share(0, 0));
    assert_eq!(seen.devices[1].device, phone);
    assert_eq!(seen.devices[1].blocks, share(2, 1_200));
    assert_eq!(seen.may_give_way, share(1, 200));
    // One that is considered: nothing goes before a day has passed.
    let seen = crate::preview(&house.state, &hold(Hold::Remove), house.now).unwrap();
    assert_eq!(seen.first(), Some(house.now.plus_millis(DAY)));
    let seen = crate::preview(&house.state, &hold(Hold::Forever), house.now).unwrap();
    assert_eq!((seen.total(), seen.stays), (share(0, 0), share(1, 200)));
    // It says what then happens.
    house.run(&Command::SetHold(hold(Hold::Remove))).unwrap();
    house.later(DAY);
    assert_eq!(house.sweep(), 4);
}
