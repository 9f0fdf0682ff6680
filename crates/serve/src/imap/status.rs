//! STATUS.

use super::reply::Reply;
use super::session::emit;
use super::user::{Done, User, existing};
use crate::stream::Stream;
use account::{Mailbox as Record, State};
use proto::imap::Mailbox;
use proto::imap::response::{self, Code};
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
            let state = self.fresh().await?;
            let Some(record) = state.mailbox_named(&name) else {
                return Err(Reply::no(Code::NonExistent, "no such mailbox"));
            };
            let mut values = Vec::new();
            for &item in items {
                match item {
                    StatusItem::Recent => {
                        values.push(("RECENT", self.recent(record).await?));
                    }
                    StatusItem::HighestModSeq => {
                        values.push(("HIGHESTMODSEQ", self.modseq_of(record, &state).0));
                    }
                    item => values.extend(value(record, item)),
                }
            }
            Ok((name, values))
        };
        match found.await {
            Ok((name, values)) => {
                emit(stream, |out| {
                    response::mailbox_status(out, &name, &values, false)
                });
                Ok(Reply::ok("that is all"))
            }
            Err(reply) => Ok(reply),
        }
    }

    /// HIGHESTMODSEQ; of the selected mailbox none that is beyond what the session
    /// has been told, or it would never ask for what is between. RFC 7162 §3.1.7.
    fn modseq_of(&self, record: &Record, state: &State) -> ModSeq {
        match &self.selected {
            Some(selected) if selected.mailbox() == record.id => {
                selected.view.highest_modseq(state)
            }
            _ => record.highest_modseq,
        }
    }

    /// How many messages nobody was told of as \Recent. STATUS changes nothing.
    async fn recent(&self, record: &Record) -> Result<u64, Reply> {
        let told = self.account.recent_marks().told(record);
        let from = told.checked_add(1).and_then(Uid::new);
        let Some(from) = from.filter(|&from| record.uid_next.is_none_or(|next| from < next)) else {
            return Ok(0);
        };
        let state = self.account.with_table(record.id).await?;
        Ok(state
            .table(record.id)
            .map_or(0, |table| table.rows_from(from).count() as u64))
    }
}

/// RFC 3501 §6.3.10. `None` for what only extensions ask for.
fn value(record: &Record, item: StatusItem) -> Option<(&'static str, u64)> {
    let counts = record.counts;
    // Where all identifiers have been given, the last one stands for the next.
    let uid_next = record.uid_next.unwrap_or(Uid::MAX);
    match item {
        StatusItem::Messages => Some(("MESSAGES", counts.messages.into())),
        StatusItem::UidNext => Some(("UIDNEXT", uid_next.value().into())),
        StatusItem::UidValidity => Some(("UIDVALIDITY", record.uid_validity.value().into())),
        StatusItem::Unseen => Some(("UNSEEN", counts.unseen.into())),
        _ => None,
    }
}
