//! What a command comes to: results, written into [`Changes`].

mod append;
mod collect;
mod collected;
mod copy;
mod expunge;
mod mailboxes;
mod metadata;
mod repair;
mod replace;
mod rights;
mod settings;
mod store;
mod sweep;
mod transfer;
mod undo;

pub(crate) use collect::{collected_by_reading, is_collected};
pub use collected::{COLLECTED, without_collected};
pub use sweep::has_late_dates;
pub(crate) use sweep::{forget_due, purge_due, warn_due};

use crate::acl::FlagRights;
use crate::changes::{Change, Changes, Copies};
use crate::command::Command;
use crate::mailbox::Mailbox;
use crate::moment::Moment;
use crate::outcome::{Decision, Outcome, Refusal, Rest};
use crate::persistent::Run;
use crate::rows::Ascending;
use crate::state::State;
use std::collections::BTreeMap;
use terms::{
    EmailNumber, FlagSet, Keyword, MailboxId, ModSeq, Timestamp, Uid, UidSet, UidValidity,
};

/// What `command` comes to on `state` at a [`Moment`], or at a time of a clock that
/// is believed. Pure: the same arguments always give the same answer.
///
/// # Errors
/// Says why it is not done. [`Refusal::Needed`] asks for a part of the state; any
/// other refusal is the answer.
pub fn decide(
    state: &State,
    command: &Command,
    moment: impl Into<Moment>,
) -> Result<Decision, Refusal> {
    let moment = moment.into();
    match command {
        Command::Within { may, command } => decide_within(state, command, *may, moment),
        command => decide_within(state, command, FlagRights::ALL, moment),
    }
}

/// The same by somebody who may change these flags alone.
fn decide_within(
    state: &State,
    command: &Command,
    may: FlagRights,
    moment: Moment,
) -> Result<Decision, Refusal> {
    let now = moment.now;
    if let Command::CreateAccount {
        limits,
        hold,
        uid_validity_floor,
    } = command
    {
        return settings::create_account(state, *limits, *hold, *uid_validity_floor, now);
    }
    if state.root.created.is_none() {
        return Err(Refusal::NoAccount);
    }
    match command {
        Command::CreateAccount { .. } => Err(Refusal::AccountExists),
        Command::Within { .. } => Err(Refusal::Invalid("rights within rights")),
        Command::Append {
            mailbox,
            create,
            messages,
            source,
        } => append::append(state, mailbox, *create, messages, *source, moment),
        Command::Store {
            mailbox,
            uids,
            op,
            unchanged_since,
        } => store::store(state, *mailbox, uids, (op, may), *unchanged_since, now),
        Command::Expunge {
            mailbox,
            which,
            deleted_only,
            cause,
        } => expunge::expunge(state, *mailbox, which, *deleted_only, *cause, now),
        Command::Copy {
            from,
            uids,
            all,
            to,
        } => copy::copy(state, *from, (uids, *all), (to, may), now),
        Command::Move {
            from,
            uids,
            all,
            to,
        } => copy::move_rows(state, *from, (uids, *all), (to, may), now),
        Command::Replace {
            from,
            uid,
            to,
            message,
        } => replace::replace(state, *from, *uid, to, message, now),
        Command::CreateMailbox { name, special_uses } => {
            mailboxes::create(state, name, *special_uses, now)
        }
        Command::DeleteMailbox { name } => mailboxes::delete(state, name, now),
        Command::RenameMailbox { from, to } => mailboxes::rename(state, from, to, now),
        Command::Subscribe { name, subscribed } => mailboxes::subscribe(state, name, *subscribed),
        Command::SetSpecialUses {
            mailbox,
            special_uses,
        } => mailboxes::set_special_uses(state, *mailbox, *special_uses),
        Command::BeginTransfer {
            operation,
            to,
            mailbox,
            uids,
        } => transfer::begin(state, *operation, *to, *mailbox, uids, now),
        Command::ReceiveTransfer {
            operation,
            from,
            mailbox,
            messages,
        } => transfer::receive(state, *operation, *from, *mailbox, messages, now),
        Command::FinishTransfer(operation) => transfer::finish(state, *operation, now),
        Command::ForgetTransfer(operation) => Ok(transfer::forget(state, *operation)),
        Command::WithdrawTransfer { operation, from } => {
            Ok(transfer::withdraw(state, *operation, *from, now))
        }
        Command::SetRights {
            mailbox,
            identifier,
            mode,
            rights,
        } => rights::set_rights(state, *mailbox, *identifier, *mode, *rights),
        Command::SetMetadata { mailbox, entries } => {
            metadata::set_metadata(state, *mailbox, entries)
        }
        Command::Collect {
            device,
            how,
            messages,
        } => collect::collect(state, *device, *how, messages, moment),
        Command::SetUniqueIdForm(form) => settings::set_unique_id_form(state, form.as_ref()),
        Command::SetLimits(limits) => settings::set_limits(state, *limits),
        Command::SetHold(hold) => settings::set_hold(state, *hold, now),
        Command::DeclareDevice {
            name,
            protocols,
            expires,
            may_not_delete,
        } => settings::declare_device(state, name, *protocols, *expires, *may_not_delete, now),
        Command::RevokeDevice(device) => settings::revoke_device(state, *device, now),
        Command::Poll(device) => collect::poll(state, *device, now),
        Command::DeviceWarned(device) => sweep::device_warned(state, *device, now),
        Command::Sweep(rules) => sweep::sweep(state, *rules, moment),
        Command::Undo {
            which,
            keep_collected,
        } => undo::undo(state, which, *keep_collected, now),
        Command::Epoch { told } => repair::epoch(state, *told, now),
        Command::TrimExpungeLog { mailbox, floor } => {
            repair::trim_expunge_log(state, *mailbox, *floor)
        }
    }
}

/// Numbers changes and gathers them.
struct Draft {
    next: ModSeq,
    changes: Changes,
}

impl Draft {
    fn new(state: &State) -> Self {
        Self {
            next: state.head().next(),
            changes: Changes::default(),
        }
    }

    fn push(&mut self, change: Change) -> ModSeq {
        let number = self.next;
        self.changes.list.push((number, change));
        self.next = number.next();
        number
    }

    /// Numbers a change and applies it, for what is decided after it.
    fn push_on(&mut self, state: &mut State, change: Change) -> ModSeq {
        state.apply_one(self.next, &change);
        self.push(change)
    }

    fn decision(self, outcome: Outcome) -> Decision {
        Decision {
            changes: self.changes,
            outcome,
            rest: None,
        }
    }
}

impl Decision {
    fn nothing(outcome: Outcome) -> Self {
        Self {
            changes: Changes::default(),
            outcome,
            rest: None,
        }
    }

    fn with_rest(self, rest: Option<Rest>) -> Self {
        Self { rest, ..self }
    }
}

/// Counts the rows of emails while a command is decided.
struct Tally<'a> {
    state: &'a State,
    copies: BTreeMap<u64, Copies>,
}

impl<'a> Tally<'a> {
    fn new(state: &'a State) -> Self {
        Self {
            state,
            copies: BTreeMap::new(),
        }
    }

    /// Changes the counts of `email`; gives those after.
    fn change(&mut self, email: EmailNumber, step: impl FnOnce(&mut Copies)) -> Copies {
        let state = self.state;
        let copies = self
            .copies
            .entry(email.0)
            .or_insert_with(|| state.copies(email));
        step(copies);
        *copies
    }

    fn finish(self) -> Vec<Run<Copies>> {
        runs(self.copies)
    }
}

/// Joins consecutive numbers of equal value.
fn runs<V: Copy + Eq>(values: impl IntoIterator<Item = (u64, V)>) -> Vec<Run<V>> {
    let mut runs: Vec<Run<V>> = Vec::new();
    for (number, value) in values {
        match runs.last_mut() {
            Some(run) if run.value == value && run.last.checked_add(1) == Some(number) => {
                run.last = number;
            }
            _ => runs.push(Run {
                first: number,
                last: number,
                value,
            }),
        }
    }
    runs
}

/// Finds places for keywords in a mailbox, and new ones behind those.
struct KeywordPlaces<'a> {
    known: &'a [Keyword],
    new: Vec<Keyword>,
}

impl<'a> KeywordPlaces<'a> {
    fn new(mailbox: &'a Mailbox) -> Self {
        Self {
            known: &mailbox.keywords,
            new: Vec::new(),
        }
    }

    fn place(&mut self, keyword: &Keyword) -> Result<u16, Refusal> {
        let known = self
            .known
            .iter()
            .chain(&self.new)
            .position(|k| k == keyword);
        let place = match known {
            Some(place) => place,
            None => {
                let place = self.known.len() + self.new.len();
                if place >= Mailbox::KEYWORDS_MAX {
                    return Err(Refusal::TooMany("keywords"));
                }
                self.new.push(keyword.clone());
                place
            }
        };
        u16::try_from(place).map_err(|_| Refusal::TooMany("keywords"))
    }

    fn places<'k>(
        &mut self,
        keywords: impl IntoIterator<Item = &'k Keyword>,
    ) -> Result<Vec<u16>, Refusal> {
        let mut places = Vec::new();
        for keyword in keywords {
            places.push(self.place(keyword)?);
        }
        places.sort_unstable();
        places.dedup();
        Ok(places)
    }

    fn of(&mut self, flags: &FlagSet) -> Result<Vec<u16>, Refusal> {
        self.places(flags.keywords())
    }
}

/// The identifiers that the next `count` messages of a mailbox get, and what
/// UIDNEXT is then.
fn next_uids(mailbox: &Mailbox, count: usize) -> Result<(UidSet, Option<Uid>), Refusal> {
    let Some(first) = mailbox.uid_next else {
        return Err(Refusal::Exhausted);
    };
    let more = u32::try_from(count.saturating_sub(1)).map_err(|_| Refusal::Exhausted)?;
    let last = first.value().checked_add(more).and_then(Uid::new);
    let last = last.ok_or(Refusal::Exhausted)?;
    Ok((UidSet::range(first, last), last.next()))
}

/// A UIDVALIDITY that was never given: the seconds since 1970, or one more than
/// the last.
fn next_uid_validity(last: Option<UidValidity>, now: Timestamp) -> Result<UidValidity, Refusal> {
    let after = last.map_or(1, |last| u64::from(last.value()) + 1);
    let seconds = u64::try_from(now.seconds()).unwrap_or(0);
    let value = u32::try_from(after.max(seconds.min(u64::from(u32::MAX))));
    value
        .ok()
        .and_then(UidValidity::new)
        .ok_or(Refusal::Exhausted)
}

/// A mailbox that must be there.
fn mailbox(state: &State, id: MailboxId) -> Result<&Mailbox, Refusal> {
    state.mailbox(id).ok_or(Refusal::NoSuchMailbox)
}
