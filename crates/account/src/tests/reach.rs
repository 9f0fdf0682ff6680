//! What the hold may reach, and what it may not: messages with several rows, rights,
//! dates of a clock that had run ahead.

use super::House;
use super::holds::{DAY, SWEEP, hold, limited, retr};
use crate::{
    Collect, Command, DeviceId, FlagRights, Hold, HoldSettings, Moment, Refusal, UndoWhich,
    has_late_dates, next_due, preview,
};
use terms::{EmailNumber, MailboxId, StoreMode, Timestamp, Uid, UidSet};

impl House {
    fn uids(&self) -> Vec<u32> {
        let table = self.state.table(MailboxId::INBOX).unwrap();
        table.rows().map(|row| row.uid.value()).collect()
    }
}

/// Octets are free when a message's last row goes: what frees none does not go.
#[test]
fn rows_of_one_message_give_way_together() {
    let mut house = limited(1_000);
    house.deliver(400).unwrap();
    house.copy(MailboxId::INBOX);
    house.deliver(400).unwrap();
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    house.later(2 * DAY);
    assert_eq!(house.uids(), [1, 2, 3]);
    house.deliver(500).unwrap();
    assert_eq!(house.uids(), [3, 4]);
    assert_eq!(house.state.used().octets, 900);

    // One row of it is out of reach: then the next message goes, and it stays.
    let mut house = limited(1_000);
    house.deliver(400).unwrap();
    house.copy(MailboxId::INBOX);
    house.deliver(400).unwrap();
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    house.store(1, StoreMode::Add, "\\Flagged");
    house.later(2 * DAY);
    house.deliver(500).unwrap();
    assert_eq!(house.uids(), [1, 2, 4]);
    super::model::check(&house);
}

/// What a preview says is free is free when all of that has gone.
#[test]
fn a_preview_counts_the_octets_of_rows_that_go_together() {
    let mut house = House::with_hold(hold(Hold::Span(86_400)));
    house.deliver(400).unwrap();
    house.copy(MailboxId::INBOX);
    house.deliver(100).unwrap();
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    let seen = |house: &House| {
        let seen = preview(&house.state, &house.state.hold(), house.now).unwrap();
        let total = seen.total();
        (total.messages, total.octets)
    };
    assert_eq!(seen(&house), (3, 500));
    house.store(1, StoreMode::Add, "\\Flagged");
    assert_eq!(seen(&house), (2, 100));
}

/// For the count of rows alone, no more rows go than are too many.
#[test]
fn just_enough_rows_give_way() {
    let mut house = limited(10_000);
    let limits = crate::Limits {
        octets: None,
        messages: Some(3),
    };
    house.run(&Command::SetLimits(limits)).unwrap();
    house.deliver(400).unwrap();
    house.copy(MailboxId::INBOX);
    house.deliver(400).unwrap();
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    house.later(2 * DAY);
    house.deliver(1).unwrap();
    assert_eq!(house.uids(), [2, 3, 4]);
    super::model::check(&house);
}

/// Who may not flag copies a flagged message without its flag: the copy is in reach.
#[test]
fn a_copy_that_loses_its_flag_is_in_reach() {
    let mut house = House::with_hold(hold(Hold::Span(86_400)));
    house.deliver(100).unwrap();
    house.store(1, StoreMode::Add, "\\Flagged");
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    house
        .run(&Command::Within {
            may: FlagRights {
                seen: true,
                deleted: true,
                others: false,
            },
            command: Box::new(Command::Copy {
                from: MailboxId::INBOX,
                uids: UidSet::single(Uid::MIN),
                all: true,
                to: MailboxId::INBOX.into(),
            }),
        })
        .unwrap();
    assert_eq!(house.state.clock(EmailNumber(1)), Some(house.now));
    assert!(house.state.wrong_clocks().unwrap().is_empty());
    house.later(DAY);
    house.run(&SWEEP).unwrap();
    assert_eq!(house.uids(), [1]);
}

/// What undo brings back uncollected is shown as collected nowhere, and what it brings
/// back collected only if every device that counts has it.
#[test]
fn undo_shows_as_collected_what_is() {
    let shown = HoldSettings {
        show_collected: true,
        ..hold(Hold::Span(86_400))
    };
    for (later_device, keep_collected, expected) in [
        (false, false, ""),
        (false, true, "$Collected"),
        (true, true, ""),
    ] {
        let mut house = House::with_hold(shown);
        house.deliver(100).unwrap();
        house.copy(MailboxId::INBOX);
        house.collect(DeviceId::DEFAULT, Collect::Dele);
        assert_eq!(house.flags_of(2), ["$Collected"]);
        house.expunge(1);
        if later_device {
            house.device("later");
        }
        let undo = Command::Undo {
            which: UndoWhich::default(),
            keep_collected,
        };
        house.run(&undo).unwrap();
        let flags = |uid| house.flags_of(uid).join(" ");
        assert_eq!(flags(3), expected, "{later_device} {keep_collected}");
        // No device that is declared later stops the other row's clock.
        let other = if keep_collected { "$Collected" } else { "" };
        assert_eq!(flags(2), other, "{later_device} {keep_collected}");
    }
}

/// A device that reads a message late keeps it for `at-least`, also where its clock
/// has been running for long.
#[test]
fn what_is_read_late_stays_for_at_least() {
    let mut house = House::with_hold(retr(Hold::Span(14 * 86_400)));
    house.deliver(100).unwrap();
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    let start = house.now;
    house.later(5 * DAY);
    let early = house.device("early");
    house.collect(early, Collect::Retr);
    assert_eq!(house.state.clock(EmailNumber(1)), Some(start));
    house.later(9 * DAY - 1_000);
    let late = house.device("late");
    house.collect(late, Collect::Retr);
    assert_eq!(house.state.clock(EmailNumber(1)), Some(house.now));
    // Read again, it is nothing new.
    house.later(13 * DAY + DAY / 2);
    house.collect(late, Collect::Retr);
    let due = next_due(&house.state);
    assert_eq!(due, Some(start.plus_millis(28 * DAY - 1_000)));
}

/// While a clock is ahead nothing may give way for that, and the preview says so.
#[test]
fn a_preview_does_not_go_by_a_clock_that_is_ahead() {
    let mut house = limited(1_000);
    house.deliver(400).unwrap();
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    let gives_way = |now: Timestamp| {
        let moment = Moment {
            now,
            believed: house.now,
        };
        let seen = preview(&house.state, &house.state.hold(), moment).unwrap();
        seen.may_give_way.messages
    };
    assert_eq!(gives_way(house.now.plus_millis(40 * DAY)), 0);
    house.later(2 * DAY);
    let seen = preview(&house.state, &house.state.hold(), house.now).unwrap();
    assert_eq!(seen.may_give_way.messages, 1);
}

/// What was filed while a clock was ahead waits until it is right again, and then not
/// for as long as the clock was ahead.
#[test]
fn dates_of_a_clock_that_ran_ahead_are_mended() {
    let mut house = House::with_hold(hold(Hold::Span(14 * 86_400)));
    house.deliver(100).unwrap();
    let right = house.now;
    let ahead = right.plus_millis(400 * DAY);
    (house.now, house.believed) = (ahead, Some(right));
    house.run(&Command::Poll(DeviceId::DEFAULT)).unwrap();
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    let sooner = hold(Hold::Span(86_400));
    house.run(&Command::SetHold(sooner)).unwrap();
    let device = Command::DeviceWarned(DeviceId::DEFAULT);
    house.run(&device).unwrap();
    assert_eq!(house.state.hold().changed, ahead);
    // Nothing is mended as long as it is not believed.
    house.run(&SWEEP).unwrap();
    assert!(has_late_dates(&house.state, right));
    assert_eq!(house.state.clock(EmailNumber(1)), Some(ahead));
    // An hour later it is set right.
    (house.now, house.believed) = (right.plus_millis(3_600_000), None);
    let now = house.now;
    house.run(&SWEEP).unwrap();
    assert!(!has_late_dates(&house.state, now));
    assert_eq!(house.state.hold().changed, now);
    assert_eq!(house.state.clock(EmailNumber(1)), Some(now));
    let device = house.state.device(DeviceId::DEFAULT).unwrap();
    assert_eq!((device.heard(), device.warned), (now, Some(now)));
    assert_eq!(next_due(&house.state), Some(now.plus_millis(DAY)));
    house.later(DAY);
    assert_eq!(house.sweep(), 0);
    assert_eq!(house.run(&SWEEP).map(drop), Ok(()));

    // The day of grace after a change is a day, where the clock was right after all.
    let mut house = House::with_hold(hold(Hold::Span(14 * 86_400)));
    house.deliver(100).unwrap();
    house.collect(DeviceId::DEFAULT, Collect::Dele);
    let ahead = house.now.plus_millis(400 * DAY);
    (house.now, house.believed) = (ahead, Some(house.now));
    house.run(&Command::SetHold(sooner)).unwrap();
    house.believed = None;
    assert_eq!(house.sweep(), 1);
    house.later(DAY - 1);
    assert_eq!(house.sweep(), 1);
    house.later(1);
    assert_eq!(house.sweep(), 0);
    let undone = Command::Undo {
        which: UndoWhich::default(),
        keep_collected: true,
    };
    assert_eq!(house.run(&undone).map(drop), Ok::<(), Refusal>(()));
}
