//! What a command may do with the mailbox that is selected: the rights of RFC 4314
//! §4, asked of the newest list; and what a device that may not delete lacks, which
//! are the rights t, e and x.

use super::reply::{Reply, Tell};
use super::selected::Selected;
use super::session::emit;
use super::user::User;
use crate::accounts::Account;
use crate::stream::Stream;
use account::{FlagRights, Rights};
use proto::imap::CommandBody;
use proto::imap::response::{self, Code, Status};
use terms::{Flag, FlagSet, StoreMode, StoreOp, SystemFlag};

impl User {
    /// Why a command is not done with the mailbox that is selected.
    pub(super) async fn permit(&mut self, body: &CommandBody) -> Result<(), Reply> {
        let Some(asked) = Asked::of(body) else {
            return Ok(());
        };
        let Some(rights) = self.rights_now().await? else {
            return self.permit_gone();
        };
        match asked {
            Asked::All(asked) => self.check_selected(rights, asked),
            // Its answers show what there is.
            Asked::Store { .. } if !rights.has(Rights::READ) => Err(self.not_allowed(Rights::READ)),
            Asked::Store { op, .. } if may_store(FlagRights::of(rights), op) => Ok(()),
            Asked::Store { op, uid } => {
                let deletes = op.flags.has(SystemFlag::Deleted);
                let lacking = if deletes {
                    Rights::DELETED
                } else {
                    Rights::WRITE
                };
                let reply = self.not_allowed(lacking);
                // RFC 3501 §7.4.1: no expunge is told by a STORE.
                Err(if uid {
                    reply
                } else {
                    reply.telling(Tell::ButExpunges)
                })
            }
        }
    }

    /// The same where the mailbox is there no more: what is left of it, ghosts, is its
    /// owner's alone.
    fn permit_gone(&self) -> Result<(), Reply> {
        match &self.selected {
            Some(selected) if selected.account.id() != self.account.id() => {
                Err(if selected.barred {
                    self.not_allowed(Rights::READ)
                } else {
                    Reply::gone()
                })
            }
            _ => Ok(()),
        }
    }

    fn check_selected(&self, rights: Rights, asked: Rights) -> Result<(), Reply> {
        if rights.has(asked) {
            return Ok(());
        }
        Err(self.not_allowed(asked.without(rights)))
    }

    /// What the user may do with the mailbox that is selected, as the newest list
    /// has it; `None` where there is none any more, or not its account.
    pub(super) async fn rights_now(&mut self) -> Result<Option<Rights>, Reply> {
        let Some(selected) = &self.selected else {
            return Ok(None);
        };
        let state = if selected.account.id() == self.account.id() {
            selected.account.snapshot()
        } else {
            match selected.account.fresh().await {
                Ok(state) => state,
                Err(_) if self.has_gone(&selected.account).await => return Ok(None),
                Err(unavailable) => return Err(unavailable.into()),
            }
        };
        let record = state.mailbox(selected.mailbox());
        let rights = record.map(|record| self.rights_on(&state, record));
        if let (Some(selected), Some(rights)) = (&mut self.selected, rights) {
            selected.rights = rights;
        }
        Ok(rights)
    }

    /// Whether another user's account has been removed, where it cannot be read.
    pub(super) async fn has_gone(&self, account: &Account) -> bool {
        let directory = self.directory.fresh().await;
        directory.is_ok_and(|directory| directory.record(account.id()).is_none())
    }

    /// Whether the session may be told of the mailbox that is selected. It is told
    /// once that the right to read it is gone; should that come back, so does the
    /// news. It is told once that its account is gone, for that account says nothing.
    pub(super) fn may_be_told(&mut self, stream: &mut Stream) -> bool {
        let who = self.account.id();
        let Some(selected) = &mut self.selected else {
            return false;
        };
        let own = selected.account.id() == who;
        let directory = self.directory.snapshot();
        if !own && directory.record(selected.account.id()).is_none() {
            if !selected.gone && !selected.barred {
                selected.tell_gone(stream);
            }
            selected.gone = true;
            return false;
        }
        let barred = !own && {
            let state = selected.account.snapshot();
            match state.mailbox(selected.mailbox()) {
                Some(record) => !record.rights_of(who).has(Rights::READ),
                // Nobody gets a right by its deletion.
                None => selected.barred,
            }
        };
        if barred && !selected.barred {
            let text = "you may not read the selected mailbox any more";
            emit(stream, |out| {
                response::status(out, "*", Status::No, Some(&Code::NoPerm), text);
            });
        }
        selected.barred = barred;
        !barred
    }
}

/// RFC 6851 §4: what COPY asks, and what takes the messages out.
pub(super) const MOVED: Rights = Rights::READ.and(Rights::DELETED).and(Rights::EXPUNGE);

/// What a command asks of the mailbox that is selected.
enum Asked<'a> {
    /// All of these rights.
    All(Rights),
    /// Those of one of the flags.
    Store { op: &'a StoreOp, uid: bool },
}

impl<'a> Asked<'a> {
    fn of(body: &'a CommandBody) -> Option<Self> {
        let rights = match body {
            CommandBody::Store { op, uid, .. } => return Some(Self::Store { op, uid: *uid }),
            CommandBody::Fetch { .. }
            | CommandBody::Search { .. }
            | CommandBody::Sort { .. }
            | CommandBody::Thread { .. }
            | CommandBody::UidBatches { .. }
            | CommandBody::Copy { .. } => Rights::READ,
            CommandBody::Expunge | CommandBody::UidExpunge(_) => Rights::EXPUNGE,
            CommandBody::Move { .. } => MOVED,
            _ => return None,
        };
        Some(Self::All(rights))
    }
}

/// RFC 4314 §4, STORE: done if one of the flags may be changed; the others stay as
/// they are, and nothing is said of it.
fn may_store(may: FlagRights, op: &StoreOp) -> bool {
    // FLAGS () and the like change all flags there are.
    if op.mode == StoreMode::Replace {
        let named_deleted_alone = op.flags.iter().count() == 1 && op.flags.has(SystemFlag::Deleted);
        let any = may.seen || may.others;
        return may.deleted || any && !named_deleted_alone;
    }
    let none = op.flags.iter().next().is_none();
    none || op.flags.iter().any(|flag| may_change(may, &flag))
}

fn may_change(may: FlagRights, flag: &Flag) -> bool {
    match flag {
        Flag::System(SystemFlag::Seen) => may.seen,
        Flag::System(SystemFlag::Deleted) => may.deleted,
        _ => may.others,
    }
}

/// Those of `flags` that may be changed.
pub(super) fn permitted(flags: &FlagSet, may: FlagRights) -> FlagSet {
    let flags = flags.iter().filter(|flag| may_change(may, flag));
    flags.collect()
}

impl Selected {
    /// A command that changes flags, within the rights.
    pub(super) fn within(&self, command: account::Command) -> account::Command {
        within(command, FlagRights::of(self.rights))
    }
}

/// The command by somebody who may change these flags.
pub(super) fn within(command: account::Command, may: FlagRights) -> account::Command {
    if may == FlagRights::ALL {
        return command;
    }
    account::Command::Within {
        may,
        command: Box::new(command),
    }
}
