//! COPY and MOVE into another account.
//!
//! A MOVE is filed in both: [`account::Transfer`] says how it is never lost, never
//! left in both and never doubled.
//!
//! The octets become blobs of that account's own: accounts may bind one blob, but
//! one that came twice into an account by two ways could not be told from two.

use super::copy::Source;
use super::place::Found;
use super::reply::Reply;
use super::rights::{MOVED, permitted};
use super::user::User;
use crate::accounts::{ExecuteError, transfers};
use account::{Command, FlagRights, NewMessage, Outcome, Rights, Row};
use bytes::Bytes;
use proto::imap::response::Code;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use terms::{BlobId, FlagSet, UidSet};

/// Messages, and octets of them, that one COPY carries into another account.
const MESSAGES_MAX: usize = 10_000;
const OCTETS_MAX: u64 = 1 << 30;

/// A move that took longer to begin is given up: after ten minutes it may be
/// withdrawn.
const BEGIN_MAX: Duration = Duration::from_secs(300);

/// Octets of a blob that are read at once.
const PIECE_OCTETS: u64 = 1 << 18;

impl User {
    /// Copies messages into another account, all or none.
    pub(super) async fn carry(&self, source: &Source, to: &Found) -> Result<Option<Code>, Reply> {
        let read = Rights::READ;
        let Some((messages, uids)) = self.carried_all(source, to, read).await? else {
            return Ok(None);
        };
        let command = Command::Append {
            mailbox: to.id.into(),
            create: false,
            messages,
            source: account::Source::Append,
        };
        let placed = to.place.account.execute(command).await?;
        Ok(copy_uid(placed, uids))
    }

    /// Moves messages into another account, all or none.
    pub(super) async fn move_away(
        &self,
        source: &Source,
        to: &Found,
    ) -> Result<Option<Code>, Reply> {
        let Some((messages, uids)) = self.carried_all(source, to, MOVED).await? else {
            return Ok(None);
        };
        let node = Arc::clone(self.directory.accounts().node());
        let operation = node.env.random_u128();
        let (account, target) = (&source.account, &to.place.account);
        let begin = Command::BeginTransfer {
            operation,
            to: target.id(),
            mailbox: source.mailbox,
            uids: uids.clone(),
        };
        let began = node.env.monotonic();
        account.execute(begin).await?;
        if node.env.monotonic() - began > BEGIN_MAX {
            // Somebody may be withdrawing it.
            transfers::forget(account, operation).await;
            return Err(not_stored());
        }
        let receive = Command::ReceiveTransfer {
            operation,
            from: account.id(),
            mailbox: to.id,
            messages,
        };
        match target.execute(receive).await {
            Ok(placed) => {
                if !transfers::finish(account, target, operation).await {
                    let text = "the messages have arrived; they are expunged here soon";
                    return Err(Reply::no(Code::Unavailable, text));
                }
                Ok(copy_uid(placed, uids))
            }
            Err(ExecuteError::Unavailable) => {
                // Whether they have arrived is found out later.
                Err(crate::accounts::Unavailable.into())
            }
            Err(error) => {
                transfers::forget(account, operation).await;
                Err(error.into())
            }
        }
    }

    /// The messages for another account, and which they are; `None` if there are none.
    /// Of their source is asked `asked` when they are carried.
    async fn carried_all(
        &self,
        source: &Source,
        to: &Found,
        asked: Rights,
    ) -> Result<Option<(Vec<NewMessage>, UidSet)>, Reply> {
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
        let mut messages = Vec::with_capacity(rows.len());
        for row in &rows {
            messages.push(self.carried(row, record.flag_set(row)).await?);
        }
        // It may have taken long.
        self.still_may(&source.account, source.mailbox, asked)
            .await?;
        let account = &to.place.account;
        let rights = self.still_may(account, to.id, Rights::INSERT).await?;
        let may = FlagRights::of(rights);
        for message in &mut messages {
            message.flags = permitted(&message.flags, may);
        }
        let uids: UidSet = rows.iter().map(|row| row.uid).collect();
        Ok(Some((messages, uids)))
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

/// RFC 4315 §3, COPYUID.
fn copy_uid(placed: Outcome, source: UidSet) -> Option<Code> {
    match placed {
        Outcome::Appended {
            uid_validity, uids, ..
        } => Some(Code::CopyUid(uid_validity, source, uids)),
        _ => None,
    }
}
