//! STATUS.

use super::reply::Reply;
use super::session::emit;
use super::user::{Done, User, existing};
use crate::stream::Stream;
use account::{Mailbox as Record, Rights, State};
use proto::imap::Mailbox;
use proto::imap::response::{self, StatusValue};
use terms::{ModSeq, StatusItem, Uid};

impl User {
    /// RFC 3501 §6.3.10. All but RECENT stands in the account's root.
    pub(super) async fn status(
        &mut self,
        stream: &mut Stream,
        mailbox: Mailbox,
        items: &[StatusItem],
    ) -> Done {
        if items.contains(&StatusItem::HighestModSeq) {
            self.enable_condstore(stream);
        }
        let found = async {
            let name = existing(mailbox)?;
            let place = self.place(name.clone()).await?;
            // RFC 4314 §4
            let found = self.found_at(place, Rights::READ).await?;
            let state = found.state;
            let Some(record) = state.mailbox(found.id) else {
                return Err(Reply::gone());
            };
            let limits = &stream.node().limits;
            let append_octets_max = limits.message_octets_max;
            let values = self
                .status_values(&state, record, items, append_octets_max)
                .await?;
            Ok((name, values))
        };
        match found.await {
            Ok((name, values)) => {
                let utf8 = self.enabled.utf8;
                emit(stream, |out| {
                    response::mailbox_status(out, &name, &values, utf8)
                });
                Ok(Reply::ok("that is all"))
            }
            Err(reply) => Ok(reply),
        }
    }

    /// The items of a STATUS of one mailbox.
    pub(super) async fn status_values(
        &self,
        state: &State,
        record: &Record,
        items: &[StatusItem],
        append_octets_max: u64,
    ) -> Result<Vec<(&'static str, StatusValue)>, Reply> {
        let counts = record.counts;
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            let (name, number) = match item {
                StatusItem::Messages => ("MESSAGES", counts.messages.into()),
                StatusItem::Recent => ("RECENT", self.recent(state, record).await?),
                StatusItem::UidNext => ("UIDNEXT", uid_next(record).value().into()),
                StatusItem::UidValidity => ("UIDVALIDITY", record.uid_validity.value().into()),
                StatusItem::Unseen => ("UNSEEN", counts.unseen.into()),
                // RFC 9051 §6.3.11
                StatusItem::Deleted => ("DELETED", counts.deleted.into()),
                // RFC 9208 §4.1.4
                StatusItem::DeletedStorage => {
                    ("DELETED-STORAGE", counts.deleted_octets.div_ceil(1_024))
                }
                // RFC 8438 §2: all RFC822.SIZEs together.
                StatusItem::Size => ("SIZE", counts.octets),
                StatusItem::HighestModSeq => ("HIGHESTMODSEQ", self.modseq_of(record, state).0),
                // RFC 7889 §3
                StatusItem::AppendLimit => ("APPENDLIMIT", append_octets_max),
                StatusItem::MailboxId => {
                    let id = state.mailbox_id(record.id);
                    values.push(("MAILBOXID", StatusValue::Id(id)));
                    continue;
                }
            };
            values.push((name, StatusValue::Number(number)));
        }
        Ok(values)
    }

    /// HIGHESTMODSEQ; of the selected mailbox none that is beyond what the session
    /// has been told, or it would never ask for what is between. RFC 7162 §3.1.7.
    fn modseq_of(&self, record: &Record, state: &State) -> ModSeq {
        match &self.selected {
            Some(selected)
                if selected.mailbox() == record.id && selected.account.id() == state.account() =>
            {
                selected.view.highest_modseq(state)
            }
            _ => record.highest_modseq,
        }
    }

    /// How many messages nobody was told of as \Recent. STATUS changes nothing.
    async fn recent(&self, state: &State, record: &Record) -> Result<u64, Reply> {
        let account = self.account_of(state).await?;
        let told = account.recent_marks().told(record);
        let from = told.checked_add(1).and_then(Uid::new);
        let Some(from) = from.filter(|&from| record.uid_next.is_none_or(|next| from < next)) else {
            return Ok(0);
        };
        let state = account.with_table(record.id).await?;
        Ok(state
            .table(record.id)
            .map_or(0, |table| table.rows_from(from).count() as u64))
    }
}

/// Where all identifiers have been given, the last one stands for the next.
pub(super) fn uid_next(record: &Record) -> Uid {
    record.uid_next.unwrap_or(Uid::MAX)
}
