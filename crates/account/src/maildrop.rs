//! What a POP3 device sees of INBOX. RFC 1939.

use crate::device::DeviceId;
use crate::outcome::Refusal;
use crate::rows::Row;
use crate::state::State;
use std::collections::BTreeSet;
use std::sync::Arc;
use terms::{AccountId, BlobId, EmailNumber, MailboxId, Timestamp, Uid};

/// A snapshot of INBOX for one device: numbers never move within a session.
#[derive(Clone, Debug)]
pub struct Maildrop {
    device: DeviceId,
    entries: Arc<Vec<DropEntry>>,
    octets: u64,
}

/// One message of a maildrop; its number is its place, counted from one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropEntry {
    /// The message.
    pub email: EmailNumber,
    /// The lowest row that it has in INBOX.
    pub uid: Uid,
    /// Its octets, but for the prefix.
    pub blob: BlobId,
    /// Octets as RETR sends them, before dot-stuffing: prefix, blob, and the final
    /// CRLF where it lacks.
    pub size: u32,
    /// The same for a session without UTF8. RFC 6856 §2.1.
    pub downgraded_size: Option<u32>,
    /// RETR adds a final CRLF.
    pub lacks_final_crlf: bool,
    /// RFC 6856 §2.
    pub internationalised: bool,
    /// Octets that stand before the blob's; shared with equal ones.
    pub prefix: Arc<[u8]>,
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
        let mut twice = BTreeSet::new();
        let mut entries = Vec::with_capacity(table.len());
        let mut octets = 0u64;
        let mut prefix: Arc<[u8]> = Arc::default();
        for row in table.rows() {
            let shown = match window {
                DropWindow::Uncollected => !record.collected.contains(row.email),
                DropWindow::Since(moment) => row.save_date >= moment,
            };
            if !shown || (state.copies(row.email).live > 1 && !twice.insert(row.email)) {
                continue;
            }
            if *prefix != *row.prefix {
                prefix = row.prefix.into();
            }
            let entry = DropEntry::new(&row, Arc::clone(&prefix));
            octets = octets.saturating_add(u64::from(entry.size));
            entries.push(entry);
        }
        Ok(Self {
            device,
            entries: Arc::new(entries),
            octets,
        })
    }

    /// Whose maildrop it is.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// How many messages.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Octets of all together. RFC 1939 §5, STAT.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// The message of this number, from one on.
    pub fn entry(&self, number: u32) -> Option<&DropEntry> {
        self.entries
            .get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    /// All messages, ascending by number.
    pub fn entries(&self) -> &[DropEntry] {
        &self.entries
    }
}

impl DropEntry {
    fn new(row: &Row<'_>, prefix: Arc<[u8]>) -> Self {
        Self {
            email: row.email,
            uid: row.uid,
            blob: row.blob,
            size: row.maildrop_size(),
            downgraded_size: row.downgraded_size,
            lacks_final_crlf: row.flags.lacks_final_crlf(),
            internationalised: row.flags.internationalised(),
            prefix,
        }
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
