//! COPY into another account.
//!
//! The octets become blobs of that account's own: accounts may bind one blob, but
//! one that came twice into an account by two ways could not be told from two.

use super::copy::Source;
use super::place::Found;
use super::reply::Reply;
use super::rights::permitted;
use super::user::User;
use crate::accounts::Account;
use account::{Command, FlagRights, NewMessage, Outcome, Row};
use bytes::Bytes;
use proto::imap::response::Code;
use store::Store;
use terms::{BlobId, FlagSet, UidSet};

/// Messages, and octets of them, that one COPY carries into another account.
const MESSAGES_MAX: usize = 10_000;
const OCTETS_MAX: u64 = 1 << 30;

/// Octets of a blob that are read at once.
const PIECE_OCTETS: u64 = 1 << 18;

impl User {
    /// Copies messages into another account, all or none.
    pub(super) async fn carry(&self, source: &Source, to: &Found) -> Result<Option<Code>, Reply> {
        let state = source.account.with_table(source.mailbox).await?;
        let Some(record) = state.mailbox(source.mailbox) else {
            return Err(Reply::gone());
        };
        let table = state.table(source.mailbox).map_err(|_| Reply::gone())?;
        let rows: Vec<Row<'_>> = table.rows_in(&source.uids).take(MESSAGES_MAX + 1).collect();
        let octets: u64 = rows.iter().map(|row| u64::from(row.size)).sum();
        if rows.len() > MESSAGES_MAX || octets > OCTETS_MAX {
            let text = "too much to carry into another account at once";
            return Err(Reply::no(Code::Limit, text));
        }
        if source.all && (rows.len() as u64) < source.uids.count() {
            let text = "some of the messages have been expunged";
            return Err(Reply::no(Code::ExpungeIssued, text));
        }
        if rows.is_empty() {
            return Ok(None);
        }
        // What counts is said when they are bound; this keeps what would not fit
        // from being copied.
        let (limits, used) = (to.state.limits(), to.state.used());
        if limits
            .octets
            .is_some_and(|max| used.octets.saturating_add(octets) > max)
        {
            return Err(Reply::no(Code::OverQuota, "the owner is over quota"));
        }
        let may = FlagRights::of(to.rights);
        let mut messages = Vec::with_capacity(rows.len());
        for row in &rows {
            let flags = permitted(&record.flag_set(row), may);
            messages.push(self.carried(row, flags).await?);
        }
        let uids: UidSet = rows.iter().map(|row| row.uid).collect();
        let placed = append(&to.place.account, to, messages).await?;
        Ok(placed.map(|(validity, target)| Code::CopyUid(validity, uids, target)))
    }

    /// A message for another account, with octets of its own.
    async fn carried(&self, row: &Row<'_>, flags: FlagSet) -> Result<NewMessage, Reply> {
        let store = self.directory.store();
        let blob = BlobId(self.directory.accounts().node().env.random_u128());
        copy_blob(&**store, row, blob).await?;
        Ok(NewMessage {
            prefix: row.prefix.to_vec(),
            flags,
            internal_date: Some(row.internal_date),
            lacks_final_crlf: row.flags.lacks_final_crlf(),
            internationalised: row.flags.internationalised(),
            downgraded_size: row.downgraded_size,
            ..NewMessage::new(blob, row.size)
        })
    }
}

/// Copies the octets of a row's blob, and what is derived from them.
async fn copy_blob(store: &dyn Store, row: &Row<'_>, to: BlobId) -> Result<(), Reply> {
    let unreadable = || Reply::no(Code::Corruption, "some of the messages cannot be read");
    let length = u64::from(row.size).saturating_sub(row.prefix.len() as u64);
    let mut sink = store.blob_sink(to, Some(length));
    let mut start = 0;
    while start < length {
        let end = length.min(start + PIECE_OCTETS);
        let octets = store.blob(row.blob, start..end).await;
        let octets = octets.map_err(|_| unreadable())?;
        if octets.len() as u64 != end - start {
            return Err(unreadable());
        }
        sink.write(&octets).await.map_err(|_| not_stored())?;
        start = end;
    }
    // Where there is nothing derived it is made when it is asked for.
    let derived = store.derived(&[row.blob]).await.unwrap_or_default();
    let derived: Option<Bytes> = derived.into_iter().next().flatten();
    let done = sink.finish(derived.unwrap_or_default()).await;
    done.map_err(|_| not_stored())
}

fn not_stored() -> Reply {
    Reply::no(Code::Unavailable, "the messages could not be stored")
}

/// Adds the messages: they count against the owner's quota.
async fn append(
    account: &Account,
    to: &Found,
    messages: Vec<NewMessage>,
) -> Result<Option<(terms::UidValidity, UidSet)>, Reply> {
    let command = Command::Append {
        mailbox: to.id.into(),
        create: false,
        messages,
        source: account::Source::Append,
    };
    match account.execute(command).await? {
        Outcome::Appended {
            uid_validity, uids, ..
        } => Ok(Some((uid_validity, uids))),
        _ => Ok(None),
    }
}
