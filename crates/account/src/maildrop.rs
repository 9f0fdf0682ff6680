//! What a POP3 device sees of INBOX. RFC 1939.

use crate::device::DeviceId;
use crate::outcome::Refusal;
use crate::rows::Row;
use crate::settings::{Collect, Hold, HoldSettings};
use crate::state::State;
use crate::table::Table;
use std::collections::BTreeSet;
use std::sync::Arc;
use terms::{AccountId, EmailNumber, MailboxId, Timestamp, Uid};

/// A snapshot of INBOX for one device: numbers never move within a session.
///
/// It keeps the table that it was made of, which costs nothing while that does not
/// change, and four octets for each message.
#[derive(Clone, Debug)]
pub struct Maildrop {
    device: DeviceId,
    table: Arc<Table>,
    /// Message n is at n - 1.
    uids: Vec<Uid>,
    octets: u64,
    downgraded_octets: u64,
}

/// Which messages of INBOX a maildrop shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropWindow {
    /// Those that the device has not collected.
    Uncollected,
    /// All that came into INBOX at or after this moment, whatever was collected.
    Since(Timestamp),
}

impl Maildrop {
    /// The maildrop of a device: each message once, by its lowest row; \Deleted
    /// ones too.
    ///
    /// # Errors
    /// `NoSuchDevice`; `Needed` if INBOX is not loaded.
    pub fn open(state: &State, device: DeviceId, window: DropWindow) -> Result<Self, Refusal> {
        let record = state.device(device).ok_or(Refusal::NoSuchDevice)?;
        let table = state.table(MailboxId::INBOX)?;
        let mut drop = Self {
            device,
            table: Arc::clone(table),
            uids: Vec::with_capacity(table.len()),
            octets: 0,
            downgraded_octets: 0,
        };
        let mut twice = BTreeSet::new();
        for row in table.rows() {
            let shown = match window {
                DropWindow::Uncollected => !record.collected.contains(row.email),
                DropWindow::Since(moment) => row.save_date >= moment,
            };
            if shown && (state.copies(row.email).live <= 1 || twice.insert(row.email)) {
                drop.uids.push(row.uid);
                drop.octets += u64::from(row.maildrop_size(true));
                drop.downgraded_octets += u64::from(row.maildrop_size(false));
            }
        }
        drop.uids.shrink_to_fit();
        Ok(drop)
    }

    /// Whose maildrop it is.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// How many messages.
    pub fn len(&self) -> usize {
        self.uids.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.uids.is_empty()
    }

    /// Octets of all together, as they are sent with UTF8 or without. RFC 1939 §5,
    /// STAT.
    pub fn octets(&self, utf8: bool) -> u64 {
        if utf8 {
            self.octets
        } else {
            self.downgraded_octets
        }
    }

    /// The message of this number, from one on.
    pub fn message(&self, number: u32) -> Option<Row<'_>> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.table.get(*self.uids.get(index)?)
    }

    /// All messages with their numbers, ascending.
    pub fn messages(&self) -> impl Iterator<Item = (u32, Row<'_>)> + '_ {
        let mut rows = self.table.rows();
        (1..).zip(&self.uids).map_while(move |(number, uid)| {
            let row = rows.find(|row| row.uid >= *uid)?;
            Some((number, row))
        })
    }
}

impl HoldSettings {
    /// For how many days at least a message stays that no client deletes; `None`:
    /// for ever. RFC 2449 §6.7, EXPIRE.
    pub fn expire_days(&self) -> Option<u32> {
        if self.collect == Collect::Dele {
            return None;
        }
        let held = match self.hold {
            Hold::Remove => Some(self.at_least_seconds),
            Hold::Span(seconds) => Some(seconds.max(self.at_least_seconds)),
            Hold::Forever => None,
        };
        let seconds = match held {
            _ if self.give_way => self.at_least_seconds,
            seconds => seconds?,
        };
        Some(seconds / 86_400)
    }
}

impl State {
    /// The POP3 unique-id of a message: the one that it came with, or one that no
    /// message of any account has ever had. RFC 1939 §7, UIDL.
    pub fn unique_id(&self, email: EmailNumber) -> String {
        let mut text = String::new();
        self.push_unique_id(email, &mut text);
        text
    }

    /// Puts the unique-id of a message behind what stands in `out`.
    pub fn push_unique_id(&self, email: EmailNumber, out: &mut String) {
        match self.root.unique_ids.get(&email) {
            Some(text) => out.push_str(text),
            None => push_made_id(self.account(), email, out),
        }
    }

    /// EMAILID: the same in every mailbox and after every move. RFC 8474 §5.1.
    pub fn email_id(&self, email: EmailNumber) -> String {
        email_id(self.account(), email)
    }

    /// MAILBOXID: the same after RENAME. RFC 8474 §4.
    pub fn mailbox_id(&self, mailbox: MailboxId) -> String {
        let mut id = String::from("F");
        push_made_id(self.account(), EmailNumber(mailbox.0.into()), &mut id);
        id
    }
}

/// Accounts' identifiers are random: half of one is enough to tell apart all that
/// have ever had one name.
fn account_bits(account: AccountId) -> u64 {
    (account.0 >> 64) as u64
}

/// An identifier of the account, sixteen digits, and one within it. Written by
/// hand: UIDL writes one for each message.
fn push_made_id(account: AccountId, number: EmailNumber, out: &mut String) {
    push_hex(account_bits(account), 16, out);
    push_hex(number.0, 1, out);
}

fn push_hex(value: u64, digits_min: u32, out: &mut String) {
    let digits = (64 - value.leading_zeros()).div_ceil(4).max(digits_min);
    for digit in (0..digits).rev() {
        let digit = (value >> (4 * digit)) as u32 & 0xf;
        out.extend(char::from_digit(digit, 16));
    }
}

/// EMAILID of a message of an account. RFC 8474 §5.1.
pub fn email_id(account: AccountId, email: EmailNumber) -> String {
    let mut id = String::from("M");
    push_made_id(account, email, &mut id);
    id
}

/// Whether `id` is a legal unique-id: 1 to 70 octets of 0x21 to 0x7E. RFC 1939 §7.
pub fn is_unique_id(id: &str) -> bool {
    (1..=70).contains(&id.len()) && id.bytes().all(|octet| (0x21..=0x7e).contains(&octet))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expire_is_what_an_undeleted_message_may_count_on() {
        let check = |collect, hold, give_way, expected| {
            let settings = HoldSettings {
                collect,
                hold,
                give_way,
                at_least_seconds: 2 * 86_400 + 7_200,
                ..HoldSettings::default()
            };
            assert_eq!(settings.expire_days(), expected, "{settings:?}");
        };
        for hold in [Hold::Remove, Hold::Span(60), Hold::Forever] {
            check(Collect::Dele, hold, true, None);
            check(Collect::Retr, hold, true, Some(2));
        }
        check(Collect::Retr, Hold::Remove, false, Some(2));
        check(Collect::Retr, Hold::Span(60), false, Some(2));
        check(Collect::Retr, Hold::Span(30 * 86_400 - 1), false, Some(29));
        check(Collect::Retr, Hold::Forever, false, None);
    }

    #[test]
    fn identifiers_have_a_stable_form() {
        let account = AccountId(0x0000_1234_5678_9abc_def0_1111_2222_3333);
        let state = State::new(account);
        for (email, text) in [(1, "1"), (15, "f"), (16, "10"), (0xabc_def0, "abcdef0")] {
            let id = state.unique_id(EmailNumber(email));
            assert_eq!(id, format!("000012345678{:04x}{text}", 0x9abc));
            assert!(is_unique_id(&id));
            assert_eq!(state.email_id(EmailNumber(email)), format!("M{id}"));
        }
        assert_eq!(state.mailbox_id(MailboxId::INBOX), "F0000123456789abc1");
        let longest = state.unique_id(EmailNumber(u64::MAX));
        assert!(is_unique_id(&longest), "{longest}");
    }
}
