//! The mailbox that a session has selected.

use super::enabled::Enabled;
use super::reply::{Reply, Tell};
use super::rights::permitted;
use super::session::emit;
use super::uidbatches::Batched;
use crate::accounts::Account;
use crate::stream::{Stream, StreamError};
use account::{FlagRights, Mailbox, RecentMarks, Refusal, Rights, Row, State, Table, Told, View};
use proto::imap::response::{self, Code, Status};
use std::sync::Arc;
use terms::{Flag, FlagSet, MailboxId, ModSeq, SequenceSet, SystemFlag, Uid, UidSet};

/// A selected mailbox, as the session was told of it.
pub(super) struct Selected {
    /// Whose it is.
    pub(super) account: Account,
    /// What the user may do, when that was asked last.
    pub(super) rights: Rights,
    /// The user has lost the right to read it, and was told so.
    pub(super) barred: bool,
    pub(super) view: View,
    /// EXAMINE.
    pub(super) read_only: bool,
    /// The mailbox was deleted: what is left are ghosts.
    pub(super) gone: bool,
    /// What `$` stands for. RFC 5182 §2.1.
    pub(super) saved: UidSet,
    /// What UIDBATCHES has answered.
    pub(super) batched: Vec<Batched>,
    /// How many keywords the session has been told of.
    keywords_told: usize,
    /// It is told what is \Recent, and takes that from others: not in IMAP4rev2.
    recents: bool,
}

/// Messages whose flags are told before the output is relieved.
const FLAGS_AT_ONCE: usize = 500;

impl Selected {
    /// SELECT or EXAMINE.
    pub(super) async fn open(
        account: &Account,
        mailbox: MailboxId,
        read_only: bool,
        rights: Rights,
        recents: bool,
    ) -> Result<(Self, Arc<State>), Reply> {
        let state = account.with_table(mailbox).await?;
        let view = with_marks(account, read_only, |marks| {
            View::open(&state, mailbox, recents.then_some(marks))
        });
        let (Ok(view), Some(record)) = (view, state.mailbox(mailbox)) else {
            return Err(Reply::no(Code::NonExistent, "no such mailbox"));
        };
        let selected = Self {
            account: account.clone(),
            rights,
            barred: false,
            view,
            read_only,
            gone: false,
            saved: UidSet::new(),
            batched: Vec::new(),
            keywords_told: record.keywords.len(),
            recents,
        };
        Ok((selected, state))
    }

    pub(super) fn mailbox(&self) -> MailboxId {
        self.view.mailbox()
    }

    /// The messages that `set` means, by unique identifier or by number.
    ///
    /// # Errors
    /// BAD for a number that no message has, `*` too where there is none.
    /// RFC 9051 §9, seq-number. A unique identifier that no message has is passed
    /// over (RFC 3501 §6.4.8).
    pub(super) fn resolve(&self, set: &SequenceSet, uid: bool) -> Result<UidSet, Reply> {
        if *set == SequenceSet::SavedResult {
            // Those that were expunged are out of it (RFC 5182 §2.1); none is legal.
            return Ok(self.saved.intersection(&self.view.uids()));
        }
        if uid {
            let last = self.view.last_uid().map(Uid::value);
            return Ok(set.resolve(last).intersection(&self.view.uids()));
        }
        let count = self.view.exists();
        let numbers = set.resolve(Some(count.max(1)));
        if numbers.last().is_none_or(|last| last.value() > count) {
            return Err(Reply::no_such_number());
        }
        Ok(self.view.uids_of(&numbers))
    }

    /// What stands in the way of changing the mailbox.
    pub(super) fn locked(&self) -> Option<Reply> {
        if self.gone {
            Some(Reply::gone())
        } else if self.read_only {
            Some(Reply::read_only())
        } else {
            None
        }
    }

    /// Tells what is new, as far as it may be told.
    pub(super) async fn tell(
        &mut self,
        stream: &mut Stream,
        account: &Account,
        tell: Tell,
        enabled: Enabled,
    ) -> Result<(), StreamError> {
        match self.advance(account, tell).await {
            Some((state, told)) => self.write(stream, &state, told, enabled).await,
            None => Ok(()),
        }
    }

    /// Moves on as far as the session may be told; `None` if there is nothing to
    /// tell. What cannot be loaded now is told another time.
    pub(super) async fn advance(
        &mut self,
        account: &Account,
        tell: Tell,
    ) -> Option<(Arc<State>, Told)> {
        let mut state = account.snapshot();
        loop {
            if !self.view.is_behind(&state) {
                return None;
            }
            let may_expunge = tell == Tell::All;
            let told = with_marks(account, self.read_only, |marks| {
                let marks = self.recents.then_some(marks);
                self.view.advance(&state, may_expunge, marks)
            });
            match told {
                Ok(told) => return Some((state, told)),
                Err(Refusal::Needed(_)) => {}
                Err(_) => return None,
            }
            state = account.with_table(self.mailbox()).await.ok()?;
        }
    }

    /// The mailbox has been deleted: nothing more will be told.
    pub(super) fn tell_gone(&mut self, stream: &mut Stream) {
        self.gone = true;
        let text = "the selected mailbox has been deleted";
        emit(stream, |out| {
            response::status(out, "*", Status::No, Some(&Code::NonExistent), text);
        });
    }

    /// Writes what the session is to be told. Expunges go first and flags by
    /// ascending mod-sequence: a client that loses the line takes the highest that
    /// it saw as its own.
    pub(super) async fn write(
        &mut self,
        stream: &mut Stream,
        state: &State,
        told: Told,
        enabled: Enabled,
    ) -> Result<(), StreamError> {
        if told.gone {
            self.tell_gone(stream);
            return Ok(());
        }
        let mut out = Vec::new();
        if enabled.qresync || enabled.uid_only {
            // RFC 7162 §3.2.10.2, RFC 9586 §3.6
            response::vanished(&mut out, false, &told.vanished);
        } else {
            for number in told.expunged {
                response::numbered(&mut out, number, "EXPUNGE");
            }
        }
        if let Some(exists) = told.exists {
            response::numbered(&mut out, exists, "EXISTS");
        }
        if let Some(recent) = told.recent.filter(|_| self.recents) {
            response::numbered(&mut out, recent, "RECENT");
        }
        stream.send(&out).await?;
        let shown = Shown::of_news(enabled);
        self.write_rows(stream, state, &told.changed, shown).await
    }

    /// Writes `* n FETCH (…)` for rows as they are in `state`, ascending by
    /// mod-sequence where that is shown.
    pub(super) async fn write_rows(
        &mut self,
        stream: &mut Stream,
        state: &State,
        uids: &UidSet,
        shown: Shown,
    ) -> Result<(), StreamError> {
        let Some(mailbox) = state.mailbox(self.mailbox()) else {
            return Ok(());
        };
        let mut out = Vec::new();
        if shown.flags {
            self.write_new_keywords(&mut out, mailbox);
        }
        if let Ok(table) = state.table(self.mailbox())
            && !uids.is_empty()
        {
            for (index, row) in in_order(table, uids, shown).enumerate() {
                self.write_flags(&mut out, mailbox, &row, shown);
                if index % FLAGS_AT_ONCE == FLAGS_AT_ONCE - 1 {
                    stream.send(&out).await?;
                    out.clear();
                    tokio::task::yield_now().await;
                }
            }
        }
        stream.send(&out).await
    }

    /// Writes FLAGS and PERMANENTFLAGS where there are keywords that the session
    /// has not been told of. RFC 3501 §7.2.6, §7.1.
    pub(super) fn write_new_keywords(&mut self, out: &mut Vec<u8>, mailbox: &Mailbox) {
        if self.keywords_told == mailbox.keywords.len() {
            return;
        }
        self.keywords_told = mailbox.keywords.len();
        let flags = known_flags(mailbox);
        response::flags(out, &flags);
        self.write_permanent_flags(out, mailbox, flags);
    }

    pub(super) fn write_permanent_flags(
        &self,
        out: &mut Vec<u8>,
        mailbox: &Mailbox,
        flags: FlagSet,
    ) {
        let may = FlagRights::of(self.rights);
        let code = if self.read_only {
            Code::PermanentFlags(FlagSet::new(), false)
        } else {
            let more = may.others && mailbox.keywords.len() < Mailbox::KEYWORDS_MAX;
            // What mirrors the POP3 devices no client can set; nor flags that the
            // rights do not cover (RFC 4314 §5.1.1).
            let flags = permitted(&account::without_collected(&flags), may);
            Code::PermanentFlags(flags, more)
        };
        let text = if self.read_only {
            "read-only"
        } else {
            "flags that stay"
        };
        response::status(out, "*", Status::Ok, Some(&code), text);
    }

    /// Writes `* 2 FETCH (FLAGS (…))`, or `* 25 UIDFETCH (FLAGS (…))`.
    pub(super) fn write_flags(
        &self,
        out: &mut Vec<u8>,
        mailbox: &Mailbox,
        row: &Row<'_>,
        shown: Shown,
    ) {
        use std::io::Write as _;
        let Some(number) = self.view.number(row.uid) else {
            return;
        };
        // Writing to memory does not fail.
        let _ = if shown.uid_only {
            write!(out, "* {} UIDFETCH (", row.uid)
        } else {
            write!(out, "* {number} FETCH (")
        };
        let mut space = "";
        if shown.uid {
            let _ = write!(out, "UID {}", row.uid);
            space = " ";
        }
        if shown.flags {
            let _ = write!(out, "{space}FLAGS ");
            self.write_flag_list(out, &mailbox.flag_set(row), row.uid);
            space = " ";
        }
        if shown.modseq {
            let modseq = self.view.modseq_told(row.modseq);
            let _ = write!(out, "{space}MODSEQ ({modseq})");
        }
        out.extend_from_slice(b")\r\n");
    }

    /// Writes a message's flags, with \Recent where it is.
    pub(super) fn write_flag_list(&self, out: &mut Vec<u8>, flags: &FlagSet, uid: Uid) {
        let recent = self.view.recent().contains(uid);
        let more: &[&str] = if recent { &["\\Recent"] } else { &[] };
        response::flag_list(out, flags, more);
    }
}

/// What an answer shows of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) uid: bool,
    pub(super) flags: bool,
    pub(super) modseq: bool,
    /// As UIDFETCH, where the identifier stands in front. RFC 9586 §3.3.
    pub(super) uid_only: bool,
    /// The highest unique identifiers first, or else the lowest.
    pub(super) newest_first: bool,
}

impl Shown {
    /// What the server shows of a row whose flags have changed. RFC 7162 §3.2.4, RFC
    /// 9051 §7.5.2: with the unique identifier.
    pub(super) fn of_news(enabled: Enabled) -> Self {
        Self {
            uid: enabled.condstore || enabled.rev2,
            flags: true,
            modseq: enabled.condstore,
            uid_only: enabled.uid_only,
            newest_first: false,
        }
    }

    /// The same with the unique identifier, as an answer to a UID command.
    pub(super) fn with_uid(self, uid: bool) -> Self {
        Self {
            uid: self.uid || uid,
            ..self
        }
    }
}

/// The rows of `uids`, ascending by mod-sequence where that is shown.
fn in_order<'a>(
    table: &'a Table,
    uids: &'a UidSet,
    shown: Shown,
) -> Box<dyn Iterator<Item = Row<'a>> + Send + 'a> {
    if !shown.modseq {
        if shown.newest_first {
            return Box::new(uids.iter().rev().filter_map(|uid| table.get(uid)));
        }
        return Box::new(table.rows_in(uids));
    }
    let mut order: Vec<(ModSeq, Uid)> = table
        .rows_in(uids)
        .map(|row| (row.modseq, row.uid))
        .collect();
    order.sort_unstable_by(|(one, first), (other, second)| {
        let by_uid = first.cmp(second);
        let by_uid = if shown.newest_first {
            by_uid.reverse()
        } else {
            by_uid
        };
        one.cmp(other).then(by_uid)
    });
    Box::new(order.into_iter().filter_map(|(_, uid)| table.get(uid)))
}

/// Lets a view move by who was told of what as \Recent. EXAMINE sees what SELECT
/// would, and takes nothing away (RFC 3501 §6.3.2).
fn with_marks<T>(
    account: &Account,
    read_only: bool,
    work: impl FnOnce(&mut RecentMarks) -> T,
) -> T {
    let mut marks = account.recent_marks();
    if read_only {
        work(&mut marks.clone())
    } else {
        work(&mut marks)
    }
}

/// All flags that messages of the mailbox can have.
pub(super) fn known_flags(mailbox: &Mailbox) -> FlagSet {
    let system = SystemFlag::ALL.into_iter().map(Flag::System);
    let keywords = mailbox.keywords.iter().cloned().map(Flag::Keyword);
    system.chain(keywords).collect()
}
