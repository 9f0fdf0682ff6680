//! EXPUNGE and UID EXPUNGE.

use super::message_limit::{Highest, Limited};
use super::reply::Reply;
use super::store::in_parts;
use super::user::{Done, User};
use crate::accounts::Account;
use account::{COMMIT_ROWS_MAX, Cause, Command, Which};
use terms::{MailboxId, SequenceSet, SystemFlag, Uid, UidSet};

impl User {
    /// RFC 3501 §6.4.3; with a set, RFC 4315 §2.1. The session is told at the
    /// command's end.
    pub(super) async fn expunge(&mut self, set: Option<&SequenceSet>) -> Done {
        let Some(selected) = &self.selected else {
            return Ok(Self::nothing_selected());
        };
        if let Some(reply) = selected.locked() {
            return Ok(reply);
        }
        let last = selected.view.last_uid().map(Uid::value);
        let only = set.map(|set| match set {
            SequenceSet::SavedResult => selected.saved.clone(),
            set => set.resolve(last),
        });
        let account = selected.account.clone();
        // RFC 9738 §3.1: "MUST NOT impose any message limit when processing EXPUNGE".
        let limit = only.as_ref().and(self.message_limit().of_others());
        let mailbox = selected.mailbox();
        let done = self.expunge_deleted(&account, mailbox, only, limit).await;
        Ok(match done {
            // RFC 7162 §3.2.7, §3.2.9.
            Ok((true, limited)) if self.enabled.qresync => {
                Reply::ok("expunged").with_modseq().limited(limited)
            }
            Ok((_, limited)) => Reply::ok("expunged").limited(limited),
            Err(reply) => reply,
        })
    }

    /// Takes out what has \Deleted, of `only` or of all, 10,000 messages in a
    /// change, of more than `limit` the highest; says whether there was anything, and
    /// whether there was more.
    pub(super) async fn expunge_deleted(
        &self,
        account: &Account,
        mailbox: MailboxId,
        only: Option<UidSet>,
        limit: Option<u32>,
    ) -> Result<(bool, Option<Limited>), Reply> {
        let state = account.with_table(mailbox).await?;
        if state.mailbox(mailbox).is_none() {
            return Err(Reply::gone());
        }
        let deleted: UidSet = match state.table(mailbox) {
            Ok(table) => table
                .rows()
                .filter(|row| row.flags.has(SystemFlag::Deleted))
                .map(|row| row.uid)
                .collect(),
            Err(_) => UidSet::new(),
        };
        let deleted = match only {
            Some(only) => deleted.intersection(&only),
            None => deleted,
        };
        let Highest { uids, limited } = Highest::of(deleted, limit);
        for part in in_parts(&uids, COMMIT_ROWS_MAX, limited.is_some()) {
            let command = Command::Expunge {
                mailbox,
                which: Which::Uids(part),
                deleted_only: true,
                cause: Cause::Expunge,
            };
            account.execute(command).await?;
        }
        Ok((!uids.is_empty(), limited))
    }
}
