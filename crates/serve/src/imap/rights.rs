//! What a command may do with the mailbox that is selected: the rights of RFC 4314
//! §4, asked of the newest list; and what a device that may not delete lacks, which
//! are the rights t, e and x.

use super::reply::Reply;
use super::selected::Selected;
use super::session::emit;
use super::user::User;
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
            return Ok(());
        };
        match asked {
            Asked::All(asked) => self.check_selected(rights, asked),
            Asked::Store(op) if may_store(FlagRights::of(rights), op) => Ok(()),
            Asked::Store(op) => {
                let deletes = op.flags.has(SystemFlag::Deleted);
                let lacking = if deletes {
                    Rights::DELETED
                } else {
                    Rights::WRITE
                };
                Err(self.not_allowed(lacking))
            }
        }
    }

    fn check_selected(&self, rights: Rights, asked: Rights) -> Result<(), Reply> {
        if rights.has(asked) {
            return Ok(());
        }
        Err(self.not_allowed(asked.without(rights)))
    }

    /// What the user may do with the mailbox that is selected, as the newest list
    /// has it; `None` where there is none any more.
    pub(super) async fn rights_now(&mut self) -> Result<Option<Rights>, Reply> {
        let Some(selected) = &self.selected else {
            return Ok(None);
        };
        let state = if selected.account.id() == self.account.id() {
            selected.account.snapshot()
        } else {
            selected.account.fresh().await?
        };
        let record = state.mailbox(selected.mailbox());
        let rights = record.map(|record| self.rights_on(&state, record));
        if let (Some(selected), Some(rights)) = (&mut self.selected, rights) {
            selected.rights = rights;
        }
        Ok(rights)
    }

    /// Whether the session may be told of the mailbox that is selected. It is told
    /// once that the right to read it is gone; should that come back, so does the
    /// news.
    pub(super) fn may_be_told(&mut self, stream: &mut Stream) -> bool {
        let who = self.account.id();
        let Some(selected) = &mut self.selected else {
            return false;
        };
        let own = selected.account.id() == who;
        let barred = !own && {
            let state = selected.account.snapshot();
            let record = state.mailbox(selected.mailbox());
            record.is_some_and(|record| !record.rights_of(who).has(Rights::READ))
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

/// What a command asks of the mailbox that is selected.
enum Asked<'a> {
    /// All of these rights.
    All(Rights),
    /// Those of one of the flags.
    Store(&'a StoreOp),
}

impl<'a> Asked<'a> {
    fn of(body: &'a CommandBody) -> Option<Self> {
        let rights = match body {
            CommandBody::Store { op, .. } => return Some(Self::Store(op)),
            CommandBody::Fetch { .. }
            | CommandBody::Search { .. }
            | CommandBody::Sort { .. }
            | CommandBody::Thread { .. }
            | CommandBody::UidBatches { .. }
            | CommandBody::Copy { .. } => Rights::READ,
            CommandBody::Expunge | CommandBody::UidExpunge(_) => Rights::EXPUNGE,
            // RFC 6851 §4: what COPY asks, and what takes the messages out.
            CommandBody::Move { .. } => {
                let out = Rights::DELETED.and(Rights::EXPUNGE);
                out.and(Rights::READ)
            }
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
