//! What a session is allowed after login.

use super::Imap;
use super::annotations::Annotations;
use super::enabled::Enabled;
use super::list::Renamed;
use super::place::{OTHER_USERS, is_reserved};
use super::reply::{Reply, Tell};
use super::search::Asked;
use super::selected::Selected;
use super::session::emit;
use super::store::Wanted;
use super::uid_only::{needs_numbers, uid_required};
use crate::accounts::{Account, Unavailable};
use crate::auth::Directory;
use crate::sessions::SessionHeld;
use crate::stream::{Stream, StreamError};
use account::State;
use proto::imap::response;
use proto::imap::response::{Code, Status};
use proto::imap::{CommandBody, Mailbox, Tag};
use std::sync::Arc;
use terms::{MailboxName, ModSeq};

/// Somebody who has logged in, and what they have selected.
pub(super) struct User {
    pub(super) name: String,
    pub(super) account: Account,
    /// Who else there is.
    pub(super) directory: Directory,
    pub(super) selected: Option<Box<Selected>>,
    /// Whether it may remove messages.
    pub(super) may_delete: bool,
    /// Whether it may set the quotas of all.
    pub(super) quota_admin: bool,
    /// What it has switched on.
    pub(super) enabled: Enabled,
    /// With METADATA switched on: what it has been told of annotations.
    pub(super) annotations: Option<Box<Annotations>>,
    /// Its place among the account's sessions, kept for as long as it is here.
    pub(super) session: Option<SessionHeld>,
}

/// What a command of this state comes to.
pub(super) type Done = Result<Reply, StreamError>;

impl User {
    pub(super) fn new(name: String, account: Account, directory: Directory) -> Self {
        Self {
            name,
            account,
            directory,
            selected: None,
            may_delete: true,
            quota_admin: false,
            enabled: Enabled::default(),
            annotations: None,
            session: None,
        }
    }

    /// The commands of the states "authenticated" and "selected". RFC 3501 §6.3, §6.4.
    pub(super) async fn command(
        &mut self,
        stream: &mut Stream,
        imap: &Imap,
        tag: &Tag,
        body: CommandBody,
    ) -> Done {
        use CommandBody as Body;
        if self.enabled.uid_only && needs_numbers(&body) {
            return Ok(uid_required());
        }
        if let Err(reply) = self.permit(&body).await {
            return Ok(reply);
        }
        match body {
            Body::GetQuota(root) => self.get_quota(stream, &root).await,
            Body::GetQuotaRoot(mailbox) => self.get_quota_root(stream, mailbox).await,
            Body::SetQuota { root, limits } => self.set_quota(stream, &root, &limits).await,
            Body::GetMetadata(asked) => self.get_metadata(stream, asked).await,
            Body::SetMetadata(asked) => self.set_metadata(asked).await,
            Body::Noop | Body::Check => self.noop(matches!(body, Body::Check)).await,
            Body::Namespace => {
                let others = format!("{OTHER_USERS}/");
                emit(stream, |out| response::namespace(out, &others));
                Ok(Reply::ok("that is all"))
            }
            Body::Select {
                mailbox,
                read_only,
                parameters,
            } => self.select(stream, mailbox, read_only, parameters).await,
            Body::Acl(command) => self.acl(stream, command).await,
            Body::Close => self.close().await,
            Body::Unselect => Ok(self.unselect()),
            Body::Create {
                mailbox,
                uses,
                old_name,
            } => {
                let renamed = Renamed::of(&mailbox, old_name);
                let created = self.create(mailbox, &uses).await;
                self.told_renamed(stream, renamed, created).await
            }
            Body::Delete { mailbox, old_name } => {
                let renamed = Renamed::of(&mailbox, old_name);
                let deleted = self.delete(mailbox).await;
                self.told_renamed(stream, renamed, deleted).await
            }
            Body::Rename { from, to, old_name } => {
                let renamed = Renamed::of(&to, old_name);
                let done = self.rename(from, to).await;
                self.told_renamed(stream, renamed, done).await
            }
            Body::Subscribe(mailbox) => self.subscribe(mailbox, true).await,
            Body::Unsubscribe(mailbox) => self.subscribe(mailbox, false).await,
            Body::List {
                reference,
                patterns,
                options,
            } => self.list(stream, &reference, &patterns, options).await,
            Body::Lsub {
                reference,
                patterns,
            } => self.lsub(stream, &reference, &patterns).await,
            Body::Status { mailbox, items } => self.status(stream, mailbox, &items).await,
            Body::Fetch {
                uid,
                set,
                items,
                modifiers,
            } => {
                self.fetch(stream, imap, uid, &set, &items, &modifiers)
                    .await
            }
            Body::Store {
                uid,
                set,
                op,
                silent,
                unchanged_since,
            } => {
                let wanted = Wanted {
                    uid,
                    op,
                    silent,
                    unchanged_since,
                    newest_first: false,
                };
                self.store(stream, &set, wanted).await
            }
            Body::Search {
                uid,
                returns,
                program,
            } => {
                let asked = Asked { tag, uid, returns };
                self.search(stream, imap, &asked, program).await
            }
            Body::Sort {
                uid,
                returns,
                criteria,
                program,
            } => {
                let asked = Asked { tag, uid, returns };
                self.sort(stream, imap, &asked, &criteria, program).await
            }
            Body::Thread {
                uid,
                algorithm,
                program,
            } => {
                self.thread(stream, imap, tag, uid, algorithm, program)
                    .await
            }
            Body::Copy { uid, set, mailbox } => self.copy(uid, &set, mailbox).await,
            Body::Move { uid, set, mailbox } => self.r#move(stream, uid, &set, mailbox).await,
            Body::UidBatches { size, range } => self.uidbatches(stream, tag, size, range).await,
            Body::Expunge => self.expunge(None).await,
            Body::UidExpunge(set) => self.expunge(Some(&set)).await,
            // The session has answered these before.
            Body::Authenticate { .. }
            | Body::Capability
            | Body::Compress(_)
            | Body::Enable(_)
            | Body::Id(_)
            | Body::Idle
            | Body::Login { .. }
            | Body::Logout
            | Body::StartTls
            | Body::Unauthenticate => Ok(Reply::bad("not in this state")),
        }
    }

    /// NOOP and CHECK: news is told at the end, as new as the store has it.
    async fn noop(&mut self, check: bool) -> Done {
        if check && self.selected.is_none() {
            return Ok(Self::nothing_selected());
        }
        for account in self.other_accounts() {
            if account.fresh().await.is_err() && !self.has_gone(&account).await {
                return Ok(Unavailable.into());
            }
        }
        if self.account.fresh().await.is_err() {
            return Ok(Unavailable.into());
        }
        Ok(Reply::ok("done"))
    }

    /// Tells what is new in the mailbox that is selected.
    pub(super) async fn tell(
        &mut self,
        stream: &mut Stream,
        tell: Tell,
    ) -> Result<(), StreamError> {
        if tell == Tell::Nothing {
            return Ok(());
        }
        if self.may_be_told(stream)
            && let Some(selected) = &mut self.selected
        {
            let account = selected.account.clone();
            selected.tell(stream, &account, tell, self.enabled).await?;
        }
        self.tell_metadata(stream).await
    }

    /// The accounts of others of which the session may be told something: that of the
    /// mailbox that is selected, and those whose annotations it hears of.
    pub(super) fn other_accounts(&self) -> Vec<Account> {
        let selected = self.selected.as_ref().filter(|selected| !selected.gone);
        let selected = selected.map(|selected| &selected.account);
        let other = selected.filter(|selected| selected.id() != self.account.id());
        let followed = self.annotations.iter();
        let followed = followed.flat_map(|annotations| annotations.others());
        let followed =
            followed.filter(|account| other.is_none_or(|other| other.id() != account.id()));
        other.into_iter().chain(followed).cloned().collect()
    }

    /// Whether something may come that the session is told unasked.
    pub(super) fn awaits_news(&self) -> bool {
        let selected = self.selected.as_ref();
        self.annotations.is_some() || selected.is_some_and(|selected| !selected.gone)
    }

    /// Switches CONDSTORE on. RFC 7162 §3.1: a first enabling command "with a
    /// mailbox selected MUST cause the server to return HIGHESTMODSEQ".
    pub(super) fn enable_condstore(&mut self, stream: &mut Stream) {
        if !self.enabled.condstore {
            self.enabled.condstore = true;
            self.tell_highest_modseq(stream);
        }
    }

    /// Tells the HIGHESTMODSEQ of the mailbox that is selected.
    pub(super) fn tell_highest_modseq(&self, stream: &mut Stream) {
        if let Some(modseq) = self.highest_modseq() {
            let code = Code::HighestModSeq(modseq);
            emit(stream, |out| {
                response::status(out, "*", Status::Ok, Some(&code), "the highest so far");
            });
        }
    }

    /// The highest mod-sequence of the mailbox that is selected, of what the
    /// session has been told.
    pub(super) fn highest_modseq(&self) -> Option<ModSeq> {
        let selected = self.selected.as_ref().filter(|selected| !selected.gone)?;
        let state = selected.account.snapshot();
        Some(selected.view.highest_modseq(&state))
    }

    pub(super) fn nothing_selected() -> Reply {
        Reply::bad("select a mailbox first")
    }

    /// A state that shows what is durable, for commands that ask what there is.
    pub(super) async fn fresh(&self) -> Result<Arc<State>, Reply> {
        self.account.fresh().await.map_err(Reply::from)
    }
}

/// The name that a command needs of an existing mailbox.
pub(super) fn existing(mailbox: Mailbox) -> Result<MailboxName, Reply> {
    mailbox.map_err(|illegal| Reply::no(Code::NonExistent, illegal.to_string()))
}

/// The name that a mailbox is to get.
pub(super) fn new_name(mailbox: Mailbox) -> Result<MailboxName, Reply> {
    mailbox.map_err(|illegal| Reply::no(Code::Cannot, illegal.to_string()))
}

/// A name that CREATE or RENAME may give in one's own account: not one of another
/// user's.
pub(super) fn check_own(name: &MailboxName) -> Result<(), Reply> {
    if is_reserved(name) {
        return Err(kept_for_others());
    }
    Ok(())
}

/// The answer to a name that only another user's mailbox could have.
pub(super) fn kept_for_others() -> Reply {
    let text = format!("{OTHER_USERS} is kept for mailboxes of other users");
    Reply::no(Code::Cannot, text)
}
