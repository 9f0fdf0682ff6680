//! SELECT, EXAMINE, CLOSE, UNSELECT.

use super::enabled::Enabled;
use super::reply::{Reply, Tell};
use super::resync::resync;
use super::selected::{Selected, Shown, known_flags};
use super::session::emit;
use super::status::uid_next;
use super::uid_only::{names_numbers, uid_required};
use super::user::{Done, User};
use crate::stream::Stream;
use account::{Rights, State};
use proto::imap::response::{self, Code, Status};
use proto::imap::{Mailbox, SelectParameters};
use terms::SystemFlag;

/// Who has none of these sees a mailbox that is read-only. RFC 4314 §5.2.
const CHANGING: Rights = Rights::SEEN
    .and(Rights::WRITE)
    .and(Rights::INSERT)
    .and(Rights::DELETED)
    .and(Rights::EXPUNGE);

impl User {
    /// RFC 3501 §6.3.1, §6.3.2
    pub(super) async fn select(
        &mut self,
        stream: &mut Stream,
        mailbox: Mailbox,
        read_only: bool,
        parameters: SelectParameters,
    ) -> Done {
        if parameters.qresync.is_some() && !self.enabled.qresync {
            // RFC 7162 §3.2.5
            return Ok(Reply::bad("QRESYNC takes ENABLE QRESYNC"));
        }
        if self.enabled.uid_only && names_numbers(&parameters) {
            // RFC 9586 §3.7
            return Ok(uid_required());
        }
        // Whatever comes of it, the mailbox selected before is so no longer.
        if self.selected.take().is_some() {
            let text = "the mailbox selected before is closed";
            // RFC 9051 §7.1, CLOSED.
            emit(stream, |out| {
                response::status(out, "*", Status::Ok, Some(&Code::Closed), text);
            });
        }
        // RFC 7162 §3.1.8
        self.enabled.condstore |= parameters.condstore;
        let name = mailbox.as_ref().ok().cloned();
        match self.open(mailbox, read_only).await {
            Ok((mut selected, state)) => {
                let mut out = Vec::new();
                describe(&mut out, &selected, &state, self.enabled);
                if let Some(name) = name.filter(|_| self.enabled.rev2) {
                    // RFC 9051 §6.3.2
                    let old_name = parameters.old_name.as_deref();
                    if let Err(reply) = self.list_one(&mut out, &name, old_name).await {
                        return Ok(reply);
                    }
                }
                stream.send(&out).await?;
                if let Some(known) = &parameters.qresync {
                    let shown = Shown::of_news(self.enabled);
                    resync(stream, &mut selected, &state, known, shown).await?;
                }
                let changes = selected.rights.has_any(CHANGING);
                self.selected = Some(Box::new(selected));
                let (code, text) = if read_only || !changes {
                    (Code::ReadOnly, "selected read-only")
                } else {
                    (Code::ReadWrite, "selected")
                };
                Ok(Reply::ok(text).with(code).telling(Tell::Nothing))
            }
            Err(reply) => Ok(reply),
        }
    }

    async fn open(
        &self,
        mailbox: Mailbox,
        read_only: bool,
    ) -> Result<(Selected, std::sync::Arc<State>), Reply> {
        // RFC 4314 §4
        let found = self.found(mailbox, Rights::READ).await?;
        let recents = !self.enabled.rev2;
        let (account, rights) = (&found.place.account, found.rights);
        Selected::open(account, found.id, read_only, rights, recents).await
    }

    /// RFC 3501 §6.4.2: expunges and says nothing of it; after EXAMINE it
    /// expunges nothing.
    pub(super) async fn close(&mut self) -> Done {
        let rights = match self.rights_now().await {
            Ok(rights) => rights,
            Err(reply) => return Ok(reply),
        };
        let Some(selected) = self.selected.take() else {
            return Ok(Self::nothing_selected());
        };
        let account = selected.account.clone();
        // RFC 4314 §4: without the right e nothing is expunged, and nothing said.
        if selected.locked().is_none()
            && rights.is_some_and(|rights| rights.has(Rights::EXPUNGE))
            && let Err(reply) = self
                .expunge_deleted(&account, selected.mailbox(), None, None)
                .await
        {
            // Still selected, so that the client can try again.
            self.selected = Some(selected);
            return Ok(reply);
        }
        Ok(Reply::ok("closed"))
    }

    /// RFC 3691 §2
    pub(super) fn unselect(&mut self) -> Reply {
        match self.selected.take() {
            Some(_) => Reply::ok("closed, nothing expunged"),
            None => Self::nothing_selected(),
        }
    }
}

/// What SELECT says of the mailbox. RFC 3501 §6.3.1; RFC 9051 app. E: RECENT and
/// UNSEEN not in IMAP4rev2. RFC 9586 §3: UNSEEN is a message number.
fn describe(out: &mut Vec<u8>, selected: &Selected, state: &State, enabled: Enabled) {
    let Some(mailbox) = state.mailbox(selected.mailbox()) else {
        return;
    };
    let flags = known_flags(mailbox);
    response::flags(out, &flags);
    response::numbered(out, selected.view.exists(), "EXISTS");
    if !enabled.rev2 {
        let recent = u32::try_from(selected.view.recent().count()).unwrap_or(u32::MAX);
        response::numbered(out, recent, "RECENT");
    }
    let mut ok = |code: Code, text: &str| response::status(out, "*", Status::Ok, Some(&code), text);
    if !enabled.rev2
        && !enabled.uid_only
        && mailbox.counts.unseen > 0
        && let Ok(table) = state.table(mailbox.id)
        && let Some(row) = table.rows().find(|row| !row.flags.has(SystemFlag::Seen))
        && let Some(number) = selected.view.number(row.uid)
    {
        ok(Code::Unseen(number), "the first that is not seen");
    }
    ok(
        Code::UidValidity(mailbox.uid_validity),
        "as long as this stays, so do the UIDs",
    );
    ok(Code::UidNext(uid_next(mailbox)), "the next UID");
    // RFC 7162 §3.1.2.1: to all, for there are clients that look for it before they
    // enable anything.
    ok(
        Code::HighestModSeq(selected.view.highest_modseq(state)),
        "the highest so far",
    );
    // RFC 8474 §4.2
    ok(
        Code::MailboxId(state.mailbox_id(mailbox.id)),
        "the same after RENAME",
    );
    selected.write_permanent_flags(out, mailbox, flags);
}
