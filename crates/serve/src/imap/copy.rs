//! COPY and MOVE, with their UID forms.

use super::reply::{Reply, Tell};
use super::session::emit;
use super::user::{Done, User, new_name};
use crate::stream::Stream;
use account::{Command, MailboxRef, Outcome};
use proto::imap::Mailbox;
use proto::imap::response::{self, Code, Status};
use terms::{MailboxId, SequenceSet, UidSet};

impl User {
    /// RFC 3501 §6.4.7: all or nothing. A number stands for a message even where
    /// that has been expunged: then nothing is copied (RFC 2180 §4.4.1). A unique
    /// identifier that is gone is passed over.
    pub(super) async fn copy(&mut self, uid: bool, set: &SequenceSet, to: Mailbox) -> Done {
        let (uids, to) = match self.source(uid, set, to) {
            Ok(source) => source,
            Err(reply) => return Ok(reply),
        };
        let Some(selected) = &self.selected else {
            return Ok(Self::nothing_selected());
        };
        let from = selected.mailbox();
        let command = Command::Copy {
            from,
            uids,
            all: !uid,
            to,
        };
        match self.transfer(command, from).await {
            // RFC 4315 §3
            Ok(Some(code)) => Ok(Reply::ok("copied").with(code)),
            Ok(None) => Ok(Reply::ok("there was nothing to copy")),
            Err(reply) => Ok(reply),
        }
    }

    /// RFC 6851 §3.1: COPYUID is told before the expunges.
    pub(super) async fn r#move(
        &mut self,
        stream: &mut Stream,
        uid: bool,
        set: &SequenceSet,
        to: Mailbox,
    ) -> Done {
        let (uids, to) = match self.source(uid, set, to) {
            Ok(source) => source,
            Err(reply) => return Ok(reply),
        };
        let Some(selected) = &self.selected else {
            return Ok(Self::nothing_selected());
        };
        if let Some(reply) = selected.locked() {
            return Ok(reply);
        }
        let from = selected.mailbox();
        let command = Command::Move {
            from,
            uids,
            all: !uid,
            to,
        };
        match self.transfer(command, from).await {
            Ok(Some(code)) => {
                emit(stream, |out| {
                    response::status(out, "*", Status::Ok, Some(&code), "moved")
                });
                let reply = Reply::ok("moved");
                // As EXPUNGE does: RFC 7162 §3.2.7.
                Ok(if self.enabled.qresync {
                    reply.with_modseq()
                } else {
                    reply
                })
            }
            Ok(None) => Ok(Reply::ok("there was nothing to move")),
            Err(reply) => Ok(reply),
        }
    }

    /// What is to be copied, and where to.
    fn source(
        &self,
        uid: bool,
        set: &SequenceSet,
        to: Mailbox,
    ) -> Result<(UidSet, MailboxRef), Reply> {
        let Some(selected) = &self.selected else {
            return Err(Self::nothing_selected());
        };
        let uids = selected.resolve(set, uid)?;
        let to = new_name(to)?;
        if selected.gone {
            return Err(Reply::gone());
        }
        Ok((uids, MailboxRef::Name(to)))
    }

    async fn transfer(&self, command: Command, from: MailboxId) -> Result<Option<Code>, Reply> {
        let outcome = self.account.execute(command).await;
        let refused = |error| {
            if self.account.snapshot().mailbox(from).is_none() {
                return Reply::gone();
            }
            // The expunges are told with it.
            Reply::from(error).or_try_create().telling(Tell::All)
        };
        match outcome.map_err(refused)? {
            Outcome::Copied {
                uid_validity,
                source,
                target,
                ..
            } if !source.is_empty() => Ok(Some(Code::CopyUid(uid_validity, source, target))),
            _ => Ok(None),
        }
    }
}
