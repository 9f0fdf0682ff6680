//! Random commands: numbers that are read against the state as it is.

#![expect(clippy::manual_is_multiple_of, reason = "dice are thrown, not counted")]

use super::House;
use crate::{
    Cause, Collect, Command, DeviceId, DeviceProtocols, Grantee, Hold, HoldSettings, Identifier,
    Limits, MailboxRef, NewMessage, Rights, Source, SpecialUses, SweepRules, UndoWhich,
    UniqueIdForm, Which,
};
use proptest::prelude::*;
use terms::{
    AccountId, Flag, FlagSet, InternalDate, Keyword, MailboxId, MailboxName, ModSeq, StoreMode,
    StoreOp, Uid, UidSet,
};

/// What a command is made of.
#[derive(Clone, Debug)]
pub(crate) struct Dice {
    pub kind: u8,
    pub a: u16,
    pub b: u16,
    pub c: u16,
    pub d: u16,
}

pub(crate) fn dice() -> impl Strategy<Value = Dice> {
    (
        0u8..64,
        any::<u16>(),
        any::<u16>(),
        any::<u16>(),
        any::<u16>(),
    )
        .prop_map(|(kind, a, b, c, d)| Dice { kind, a, b, c, d })
}

const NAMES: [&str; 8] = [
    "INBOX", "a", "a/b", "a/b/c", "Drafts", "Trash", "z", "INBOX/x",
];

fn name(number: u16) -> MailboxName {
    MailboxName::new(NAMES[usize::from(number) % NAMES.len()]).unwrap()
}

fn mailbox(house: &House, number: u16) -> MailboxId {
    // Half of all goes to INBOX.
    if number % 2 == 0 {
        return MailboxId::INBOX;
    }
    let all: Vec<MailboxId> = house.state.mailboxes().map(|m| m.id).collect();
    all[usize::from(number / 2) % all.len()]
}

fn uids(house: &House, mailbox: MailboxId, a: u16, b: u16) -> UidSet {
    let next = house.state.mailbox(mailbox).and_then(|m| m.uid_next);
    let next = next.map_or(u32::MAX, Uid::value);
    let lowest = next.saturating_sub(12);
    let uid = |number: u16| Uid::new((lowest + u32::from(number) % 14).max(1)).unwrap();
    match a % 3 {
        0 => UidSet::range(Uid::MIN, Uid::MAX),
        1 => UidSet::range(uid(a / 3), uid(b)),
        _ => {
            let mut set = UidSet::single(uid(a / 3));
            set.insert(uid(b));
            set.insert(uid(b / 14));
            set
        }
    }
}

fn flags(number: u16) -> FlagSet {
    let mut set = FlagSet::from_bits((number & 0b1_1111) as u8);
    for (bit, keyword) in [(5, "$Forwarded"), (6, "blue"), (7, "red")] {
        if number & (1 << bit) != 0 {
            set.insert(Flag::Keyword(Keyword::new(keyword).unwrap()));
        }
    }
    set
}

fn messages(house: &mut House, dice: &Dice) -> Vec<NewMessage> {
    (0..1 + dice.c % 4)
        .map(|index| NewMessage {
            flags: flags(dice.d.rotate_left(u32::from(index))),
            prefix: vec![b'x'; usize::from(dice.b % 3) * 7],
            internal_date: (dice.b % 2 == 0).then(|| InternalDate {
                seconds: 1_600_000_000 + i64::from(dice.d),
                zone_minutes: (dice.d % 600) as i16 - 300,
            }),
            lacks_final_crlf: dice.d % 5 == 0,
            internationalised: dice.d % 7 == 0,
            downgraded_size: (dice.d % 7 == 0).then_some(90),
            unique_id: (dice.d % 11 == 0).then(|| format!("old-{}", house.next_blob)),
            ..NewMessage::new(house.blob(), 100 + u32::from(dice.d % 50))
        })
        .collect()
}

/// One account's part in a MOVE between two.
fn transfer(house: &mut House, dice: &Dice) -> Command {
    let operation = u128::from(dice.d % 3);
    let here = mailbox(house, dice.a);
    match dice.c % 6 {
        0 | 1 => Command::BeginTransfer {
            operation,
            to: AccountId(9),
            mailbox: here,
            uids: uids(house, here, dice.a, dice.d),
        },
        2 => Command::ReceiveTransfer {
            operation,
            from: AccountId(9),
            mailbox: here,
            messages: messages(house, dice),
        },
        3 => Command::FinishTransfer(operation),
        4 => Command::ForgetTransfer(operation),
        _ => Command::WithdrawTransfer {
            operation,
            from: AccountId(9),
        },
    }
}

impl Dice {
    /// The command that the dice say, on the house as it is.
    pub(crate) fn command(&self, house: &mut House) -> Command {
        let (a, b, c, d) = (self.a, self.b, self.c, self.d);
        let here = mailbox(house, a);
        match self.kind {
            0 => Command::Replace {
                from: here,
                uid: uids(house, here, b, c).first().unwrap_or(Uid::MIN),
                to: mailbox(house, d).into(),
                message: Box::new(messages(house, self).swap_remove(0)),
            },
            1..14 => Command::Append {
                mailbox: if a % 5 == 0 {
                    MailboxRef::Name(name(b))
                } else {
                    MailboxRef::Id(here)
                },
                create: c % 2 == 0,
                messages: messages(house, self),
                source: [Source::Delivery, Source::Append, Source::Import][usize::from(d % 3)],
            },
            14..26 => Command::Store {
                mailbox: here,
                uids: uids(house, here, b, c),
                op: StoreOp {
                    mode: [StoreMode::Add, StoreMode::Remove, StoreMode::Replace]
                        [usize::from(c % 3)],
                    flags: flags(d),
                },
                unchanged_since: (b % 4 == 0)
                    .then(|| ModSeq(house.state.head().0.saturating_sub(u64::from(c % 6)))),
            },
            26..34 => Command::Expunge {
                mailbox: here,
                which: if b % 4 == 0 {
                    Which::All
                } else {
                    Which::Uids(uids(house, here, b, c))
                },
                deleted_only: d % 3 != 0,
                cause: Cause::Expunge,
            },
            34..40 => Command::Copy {
                from: here,
                uids: uids(house, here, b, c),
                all: c % 4 == 0,
                to: mailbox(house, d).into(),
            },
            40..46 => Command::Move {
                from: here,
                uids: uids(house, here, b, c),
                all: c % 4 == 0,
                to: mailbox(house, d).into(),
            },
            46..50 => self.mailbox_command(),
            _ => self.other_command(house),
        }
    }

    fn mailbox_command(&self) -> Command {
        match self.b % 5 {
            0 | 1 => Command::CreateMailbox {
                name: name(self.a),
                special_uses: SpecialUses::from_bits(self.c & 0b1_1110),
            },
            2 => Command::DeleteMailbox { name: name(self.a) },
            3 => Command::RenameMailbox {
                from: name(self.a),
                to: name(self.c),
            },
            _ => Command::Subscribe {
                name: name(self.a),
                subscribed: self.c % 2 == 0,
            },
        }
    }

    fn other_command(&self, house: &mut House) -> Command {
        let (a, b, c, d) = (self.a, self.b, self.c, self.d);
        let device = DeviceId(1 + u32::from(a) % 3);
        match self.kind {
            50..54 => {
                house.attach_all();
                let table = house.state.table(MailboxId::INBOX).unwrap();
                let chosen = |index: usize| (usize::from(b) >> (index % 16)) & 1 == 0;
                let rows = table.rows().enumerate().filter(|(index, _)| chosen(*index));
                Command::Collect {
                    device,
                    how: if c % 4 == 0 {
                        Collect::Retr
                    } else {
                        Collect::Dele
                    },
                    messages: rows.map(|(_, row)| (row.email, row.uid)).collect(),
                }
            }
            54 => Command::SetHold(HoldSettings {
                hold: [Hold::Remove, Hold::Span(5 * 86_400), Hold::Forever][usize::from(a % 3)],
                collect: if b % 2 == 0 {
                    Collect::Dele
                } else {
                    Collect::Retr
                },
                give_way: c % 2 == 0,
                undo_seconds: u32::from(d % 4) * 86_400,
                show_collected: (a ^ b) % 4 == 0,
                ..HoldSettings::default()
            }),
            55 => Command::SetLimits(Limits {
                octets: (a % 3 == 0).then_some(u64::from(b % 6_000)),
                messages: (c % 3 == 0).then_some(u64::from(d % 60)),
            }),
            56 => Command::DeclareDevice {
                name: format!("device {}", a % 3),
                protocols: DeviceProtocols {
                    pop3: b % 4 != 0,
                    imap: true,
                },
                expires: None,
                may_not_delete: c % 4 == 0,
            },
            57 => Command::RevokeDevice(device),
            58 => Command::Sweep(SweepRules {
                run_percent_max: (a % 3) as u8 * 25,
                run_rows_min: 1,
            }),
            59 => Command::Poll(device),
            60 | 61 => Command::Undo {
                which: UndoWhich {
                    cause: (a % 3 == 0).then_some(Cause::Expunge),
                    mailbox: (b % 3 == 0).then_some(MailboxId::INBOX),
                    ..UndoWhich::default()
                },
                keep_collected: c % 2 == 0,
            },
            62 if a % 4 == 0 => Command::Epoch {
                told: terms::ModSeq::ZERO,
            },
            62 if a % 4 == 1 => Command::DeviceWarned(device),
            62 if a % 4 == 2 => {
                let forms = [None, Some("%u"), Some("dovecot")];
                let form = forms[usize::from(b % 3)].map(UniqueIdForm::new);
                Command::SetUniqueIdForm(form.transpose().unwrap())
            }
            62 if b % 4 == 1 => transfer(house, self),
            62 if b % 2 == 0 => Command::SetRights {
                mailbox: mailbox(house, c),
                identifier: Identifier {
                    negative: d % 3 == 0,
                    grantee: Grantee::Account(AccountId(u128::from(d % 4) + 1)),
                },
                mode: [StoreMode::Replace, StoreMode::Add, StoreMode::Remove][usize::from(c % 3)],
                rights: Rights::from_bits(u32::from(d)),
            },
            62 => Command::SetMetadata {
                mailbox: (b % 3 != 0).then(|| mailbox(house, b)),
                entries: (0..1 + c % 3)
                    .map(|n| {
                        let value = (d >> n) % 2 == 0;
                        let entry = format!("/private/{}", (c + n) % 5);
                        (entry, value.then(|| vec![b'v'; usize::from(d % 300)]))
                    })
                    .collect(),
            },
            _ => Command::TrimExpungeLog {
                mailbox: mailbox(house, a),
                floor: ModSeq(house.state.head().0.saturating_sub(u64::from(b % 8))),
            },
        }
    }

    /// How far the clock moves before the command.
    pub(crate) fn millis(&self) -> i64 {
        match self.d % 16 {
            0 => 86_400_000 * i64::from(self.c % 5),
            1 => -1_000,
            _ => i64::from(self.c % 5_000),
        }
    }
}
