//! COPY and MOVE, with their UID forms.

use super::message_limit::{Highest, too_many};
use super::place::Found;
use super::reply::{Reply, Tell};
use super::rights::within;
use super::session::emit;
use super::user::{Done, User, check_own, new_name};
use crate::accounts::Account;
use crate::stream::Stream;
use account::{Command, FlagRights, MailboxRef, Outcome, Rights};
use proto::imap::Mailbox;
use proto::imap::response::{self, Code, Status};
use terms::{MailboxId, SequenceSet, UidSet};

/// Which messages are to be copied.
pub(super) struct Source {
    pub(super) account: Account,
    pub(super) mailbox: MailboxId,
    pub(super) uids: UidSet,
    /// What is not there: refused, or else left out.
    pub(super) all: bool,
}

/// Where they go.
enum Target {
    /// Within the account, with these rights.
    Here(MailboxRef, Rights),
    /// Into another one.
    Elsewhere(Box<Found>),
}

impl Target {
    /// Whether the user may read what lies there, and so learn what became of the
    /// messages.
    fn is_readable(&self) -> bool {
        let rights = match self {
            Self::Here(_, rights) => *rights,
            Self::Elsewhere(found) => found.rights,
        };
        rights.has(Rights::READ)
    }
}

impl User {
    /// RFC 3501 §6.4.7: all or nothing. A number stands for a message even where
    /// that has been expunged: then nothing is copied (RFC 2180 §4.4.1). A unique
    /// identifier that is gone is passed over.
    pub(super) async fn copy(&mut self, uid: bool, set: &SequenceSet, to: Mailbox) -> Done {
        let copied = async {
            let source = self.source(uid, set)?;
            if let Some(reply) = too_many(&source.uids, self.message_limit().of_saving()) {
                return Err(reply);
            }
            let target = self.target(&source, to).await?;
            let readable = target.is_readable();
            let copied = match target {
                Target::Here(to, rights) => {
                    let command = Command::Copy {
                        from: source.mailbox,
                        uids: source.uids.clone(),
                        all: source.all,
                        to,
                    };
                    transfer(&source, within(command, FlagRights::of(rights))).await
                }
                Target::Elsewhere(found) => self.carry(&source, &found).await,
            };
            Ok((copied?, readable))
        };
        match copied.await {
            // RFC 4315 §3
            Ok((Some(code), true)) => Ok(Reply::ok("copied").with(code)),
            // RFC 9051 §6.4.7: to others "it would disclose information".
            Ok((Some(_), false)) => Ok(Reply::ok("copied")),
            Ok((None, _)) => Ok(Reply::ok("there was nothing to copy")),
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
        let mut limited = None;
        let moved = async {
            let mut source = self.source(uid, set)?;
            // RFC 9738 §3.1: unlike COPY it may be done in part.
            let highest = Highest::of(source.uids, self.message_limit().of_others());
            (source.uids, limited) = (highest.uids, highest.limited);
            if let Some(reply) = self.selected.as_ref().and_then(|s| s.locked()) {
                return Err(reply);
            }
            let target = self.target(&source, to).await?;
            let readable = target.is_readable();
            let moved = match target {
                Target::Here(to, rights) => {
                    let command = Command::Move {
                        from: source.mailbox,
                        uids: source.uids.clone(),
                        all: source.all,
                        to,
                    };
                    transfer(&source, within(command, FlagRights::of(rights))).await
                }
                Target::Elsewhere(found) => self.move_away(&source, &found).await,
            };
            Ok((moved?, readable))
        };
        match moved.await {
            Ok((Some(copied), readable)) => {
                if readable {
                    emit(stream, |out| {
                        response::status(out, "*", Status::Ok, Some(&copied), "moved")
                    });
                }
                let reply = Reply::ok("moved").limited(limited);
                // As EXPUNGE does: RFC 7162 §3.2.7.
                Ok(if self.enabled.qresync {
                    reply.with_modseq()
                } else {
                    reply
                })
            }
            Ok((None, _)) => Ok(Reply::ok("there was nothing to move").limited(limited)),
            Err(reply) => Ok(reply),
        }
    }

    /// What is to be copied.
    fn source(&self, uid: bool, set: &SequenceSet) -> Result<Source, Reply> {
        let Some(selected) = &self.selected else {
            return Err(Self::nothing_selected());
        };
        let uids = selected.resolve(set, uid)?;
        if selected.gone {
            return Err(Reply::gone());
        }
        Ok(Source {
            account: selected.account.clone(),
            mailbox: selected.mailbox(),
            uids,
            all: !uid,
        })
    }

    /// Where it goes.
    async fn target(&self, source: &Source, to: Mailbox) -> Result<Target, Reply> {
        let place = self.place(new_name(to)?).await?;
        let own = place.owner.is_none();
        if own && source.account.id() == self.account.id() {
            check_own(&place.name)?;
            let name = MailboxRef::Name(place.name);
            return Ok(Target::Here(name, self.own_rights()));
        }
        let found = self.found_target(place).await?;
        if found.place.account.id() == source.account.id() {
            return Ok(Target::Here(found.id.into(), found.rights));
        }
        Ok(Target::Elsewhere(Box::new(found)))
    }
}

/// Has a COPY or MOVE within an account done.
async fn transfer(source: &Source, command: Command) -> Result<Option<Code>, Reply> {
    let outcome = source.account.execute(command).await;
    let refused = |error| {
        if source.account.snapshot().mailbox(source.mailbox).is_none() {
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
