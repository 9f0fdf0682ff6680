//! Mail accounts on the machinery of this module.

use super::live::{ExecuteError, Handle, Unavailable};
use super::machine::{Decision, Machine, OpenFault, Sealed};
use super::registry::Registry;
use crate::limits::Octets;
use crate::stream::Node;
use account::{
    Command, Fold, FoldKind, LoadError, Losses, Note, Outcome, Part, RecentMarks, Refusal, Rest,
    Scope, State, Stored, StoredSection, Which,
};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use store::{Checkpoint, Commit, CommitError, Loaded, Section, SectionKey, Sections, Store};
use terms::{AccountId, MailboxId, ModSeq, UidSet, UidValidity};

/// The accounts of a store, live in this process as they are needed. Cheap to
/// clone.
#[derive(Clone, Debug)]
pub struct Accounts {
    registry: Registry<State>,
}

/// The account cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There is none.
    #[error("there is no such account")]
    Missing,
    /// The store does not answer.
    #[error("the account is not available")]
    Unavailable,
}

/// A state could not be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The state's own answer; never `Needed`.
    Refused(Refusal),
    /// A part of it could not be loaded.
    Unavailable,
}

impl Accounts {
    /// Over `store`, with nothing live yet.
    pub fn new(node: Arc<Node>, store: Arc<dyn Store>) -> Self {
        Self {
            registry: Registry::new(node, store),
        }
    }

    /// The store under it, for blobs.
    pub fn store(&self) -> &Arc<dyn Store> {
        self.registry.store()
    }

    /// What all sessions share.
    pub fn node(&self) -> &Arc<Node> {
        self.registry.node()
    }

    /// Opens an account, at least as new as the store has it. Loads the root and a
    /// short log, no tables.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(&self, id: AccountId) -> Result<Account, OpenError> {
        let handle = self.registry.open(id).await;
        let handle = handle.map_err(|_| OpenError::Unavailable)?;
        if handle.snapshot().created().is_none() {
            return Err(OpenError::Missing);
        }
        Ok(Account { handle })
    }

    /// Makes an account: `id` is random and new.
    ///
    /// # Errors
    /// As for any command.
    pub async fn create(
        &self,
        id: AccountId,
        limits: account::Limits,
        hold: account::HoldSettings,
        uid_validity_floor: Option<UidValidity>,
    ) -> Result<Account, ExecuteError<Refusal>> {
        let handle = self.registry.open(id).await;
        let account = Account {
            handle: handle.map_err(|_| ExecuteError::Unavailable)?,
        };
        account
            .execute(Command::CreateAccount {
                limits,
                hold,
                uid_validity_floor,
            })
            .await?;
        Ok(account)
    }

    /// Removes an account and all its mail for good.
    ///
    /// # Errors
    /// The store's.
    pub async fn remove(&self, id: AccountId) -> Result<(), CommitError> {
        self.store().remove(id).await?;
        self.registry.forget(id);
        Ok(())
    }

    /// Forgets an account that goes beyond what the store has left of it, before
    /// it is repaired. Sessions that have it open end.
    pub fn forget_beyond(&self, id: AccountId, number: ModSeq) {
        self.registry.forget_beyond(id, number);
    }

    /// Gives an account that has lost sections a state again, of all that is left:
    /// for `repair`, after the store's own. Says what is missing; nothing, for an
    /// account that is whole.
    ///
    /// # Errors
    /// If the store does not answer, or there is nothing to build on.
    pub async fn salvage(&self, id: AccountId) -> Result<Losses, String> {
        let loaded = self.store().load(id, Sections::All).await;
        let loaded = loaded.map_err(|error| error.to_string())?;
        let stored = stored(&loaded);
        if loaded.damaged || State::load(id, Scope::All, &stored).is_ok() {
            return Ok(Losses::default());
        }
        let (state, losses) = State::salvage(id, &stored).map_err(|error| error.to_string())?;
        let fold = state.fold(FoldKind::All);
        let fold = fold.map_err(|_| "a part of it is not loaded".to_owned())?;
        let checkpoint = checkpoint(fold.number, fold.covers, &fold.sections, &fold.removed);
        let taken = self.store().checkpoint(id, checkpoint).await;
        taken.map_err(|error| error.to_string())?;
        self.registry.forget(id);
        Ok(losses)
    }

    /// Returns when no command and no checkpoint is on its way.
    pub async fn settled(&self) {
        self.registry.settled().await;
    }

    /// How many accounts are live in this process.
    pub fn live_count(&self) -> usize {
        self.registry.live_count()
    }

    /// Octets of all tables in memory.
    pub fn tables_octets(&self) -> usize {
        self.registry.tables_octets()
    }
}

/// A live account. Clones are handles on the same; an idle one costs little.
#[derive(Clone)]
pub struct Account {
    handle: Handle<State>,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}

impl Account {
    /// How often a state is asked again after something was loaded for it.
    const LOADS_MAX: usize = 16;

    /// Which.
    pub fn id(&self) -> AccountId {
        self.handle.id()
    }

    /// The newest durable state that this process knows. Tables may be missing
    /// in it: see [`Account::read`] and [`Account::with_table`].
    pub fn snapshot(&self) -> Arc<State> {
        self.handle.snapshot()
    }

    /// A state that shows at least what any writer had committed when this was
    /// called: for login, SELECT, STATUS and NOOP.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn fresh(&self) -> Result<Arc<State>, Unavailable> {
        self.handle.fresh().await
    }

    /// A state, not older than [`Account::snapshot`], that has these parts.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn with(&self, parts: Vec<Part>) -> Result<Arc<State>, Unavailable> {
        self.handle.with(parts).await
    }

    /// A state, not older than [`Account::snapshot`], that has the table of
    /// `mailbox`, if there is such a mailbox.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn with_table(&self, mailbox: MailboxId) -> Result<Arc<State>, Unavailable> {
        self.with(vec![Part::Table(mailbox)]).await
    }

    /// Asks the newest state; what it needs for the answer is loaded. The state
    /// that answered comes with the answer.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn read<T>(
        &self,
        mut ask: impl FnMut(&State) -> Result<T, Refusal>,
    ) -> Result<(Arc<State>, T), ReadError> {
        let mut state = self.snapshot();
        // All together: one that was loaded alone may go again before the next
        // comes.
        let mut needed = Vec::new();
        for _ in 0..Self::LOADS_MAX {
            match ask(&state) {
                Ok(answer) => return Ok((state, answer)),
                Err(Refusal::Needed(part)) => {
                    needed.push(part);
                    let loaded = self.with(needed.clone()).await;
                    state = loaded.map_err(|_| ReadError::Unavailable)?;
                }
                Err(refusal) => return Err(ReadError::Refused(refusal)),
            }
        }
        Err(ReadError::Unavailable)
    }

    /// Has the command decided and committed. When this returns it is durable and
    /// [`Account::snapshot`] shows it. One that touches more rows than a commit
    /// may hold goes on in several, and the outcomes are put together.
    ///
    /// Dropped, it may still be done, wholly or in part.
    ///
    /// # Errors
    /// See [`ExecuteError`]; `Refused` is never [`Refusal::Needed`].
    pub async fn execute(&self, command: Command) -> Result<Outcome, ExecuteError<Refusal>> {
        let outcome = self.execute_all(command).await?;
        let node = &self.handle.0.shared.node;
        let shown = self.handle.snapshot();
        node.quota.note(&shown, &node.limits.quota_warnings);
        Ok(outcome)
    }

    async fn execute_all(&self, command: Command) -> Result<Outcome, ExecuteError<Refusal>> {
        // Only these can leave a rest.
        let mut again = match &command {
            Command::Store { .. }
            | Command::Within { .. }
            | Command::Expunge { .. }
            | Command::Collect { .. }
            | Command::Undo { .. }
            | Command::Sweep(_) => Some(command.clone()),
            _ => None,
        };
        let (mut outcome, mut rest) = self.handle.execute(command).await?;
        while let (Some(command), Some(left)) = (&mut again, rest) {
            narrow(command, left);
            let (more, left) = match self.handle.execute(command.clone()).await {
                // Somebody else has brought the rest back meanwhile.
                Err(ExecuteError::Refused(Refusal::NothingToRestore)) => return Ok(outcome),
                done => done?,
            };
            outcome = joined(outcome, more);
            rest = left;
        }
        Ok(outcome)
    }

    /// Returns when there is a state newer than `seen`, made here or elsewhere.
    /// Cancel safe.
    pub async fn newer_than(&self, seen: ModSeq) -> Arc<State> {
        self.handle.newer_than(seen).await
    }

    /// Who was told of which messages as \Recent, for all sessions of the account
    /// in this process. Hold it while a view moves, not while anything waits.
    pub fn recent_marks(&self) -> MutexGuard<'_, RecentMarks> {
        self.handle.marks().recent()
    }

    /// What all APPENDs to the account may hold of `all`: a part, so that one
    /// account cannot keep it from the others. A longer message may still come,
    /// alone.
    pub fn append_share(&self, all: &Octets) -> Octets {
        let share = &self.handle.marks().appends;
        let share = share.get_or_init(|| Octets::new(all.max() / AccountMarks::APPEND_PART));
        share.clone()
    }

    /// Has something filed that is no change: it rides on the next commit.
    pub fn note(&self, note: Note) {
        let mut notes = self.handle.marks().notes();
        notes.retain(|kept| !is_same(kept, &note));
        if notes.len() < AccountMarks::NOTES_MAX {
            notes.push(note);
        }
    }
}

/// Whether the later note replaces the earlier.
fn is_same(one: &Note, other: &Note) -> bool {
    match (one, other) {
        (Note::RecentTold { mailbox: a, .. }, Note::RecentTold { mailbox: b, .. }) => a == b,
        (Note::LastPoll { device: a, .. }, Note::LastPoll { device: b, .. }) => a == b,
        _ => false,
    }
}

/// The same command for what is left of it.
fn narrow(command: &mut Command, rest: Rest) {
    let Rest::Uids(left) = rest else { return };
    match command {
        Command::Within { command, .. } => narrow(command, Rest::Uids(left)),
        Command::Store { uids, .. } => *uids = left,
        Command::Expunge { which, .. } => *which = Which::Uids(left),
        _ => {}
    }
}

/// The outcome of a command that was done in two steps.
fn joined(first: Outcome, second: Outcome) -> Outcome {
    fn both(mut one: UidSet, other: &UidSet) -> UidSet {
        one.extend(other);
        one
    }
    match (first, second) {
        (
            Outcome::Stored {
                number,
                changed,
                unchanged,
                modified,
                missing,
            },
            Outcome::Stored {
                number: number2,
                changed: changed2,
                unchanged: unchanged2,
                modified: modified2,
                missing: missing2,
            },
        ) => Outcome::Stored {
            number: number2.or(number),
            changed: both(changed, &changed2),
            unchanged: both(unchanged, &unchanged2),
            modified: both(modified, &modified2),
            missing: both(missing, &missing2),
        },
        (
            Outcome::Expunged { number, uids },
            Outcome::Expunged {
                number: number2,
                uids: uids2,
            },
        ) => Outcome::Expunged {
            number: number2.or(number),
            uids: both(uids, &uids2),
        },
        (
            Outcome::Swept {
                expunged,
                octets,
                purged,
                waiting,
            },
            Outcome::Swept {
                expunged: expunged2,
                octets: octets2,
                purged: purged2,
                waiting: waiting2,
            },
        ) => Outcome::Swept {
            expunged: expunged.saturating_add(expunged2),
            octets: octets.saturating_add(octets2),
            purged: purged.saturating_add(purged2),
            waiting: waiting.max(waiting2),
        },
        (
            Outcome::Collected {
                collected,
                expunged,
            },
            Outcome::Collected {
                collected: collected2,
                expunged: expunged2,
            },
        ) => Outcome::Collected {
            collected: collected.saturating_add(collected2),
            expunged: both(expunged, &expunged2),
        },
        (
            Outcome::Restored { count, .. },
            Outcome::Restored {
                count: count2,
                over_quota,
            },
        ) => Outcome::Restored {
            count: count.saturating_add(count2),
            over_quota,
        },
        (_, second) => second,
    }
}

/// What the sessions of one account share besides its state.
#[derive(Debug, Default)]
pub struct AccountMarks {
    recent: Mutex<RecentMarks>,
    appends: OnceLock<Octets>,
    notes: Mutex<Vec<Note>>,
}

impl AccountMarks {
    /// Notes kept until the next commit; more are forgotten.
    const NOTES_MAX: usize = 1_000;
    /// An account's share of what APPENDs may hold, as a part.
    const APPEND_PART: usize = 8;

    fn recent(&self) -> MutexGuard<'_, RecentMarks> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notes(&self) -> MutexGuard<'_, Vec<Note>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Machine for State {
    type Command = Command;
    type Outcome = (Outcome, Option<Rest>);
    type Refusal = Refusal;
    type Changes = account::Changes;
    type Part = Part;
    type Fold = Fold;
    type Marks = AccountMarks;

    fn number(&self) -> ModSeq {
        self.head()
    }

    fn weight(command: &Command) -> usize {
        let set = |uids: &UidSet| uids.run_count() * 8;
        match command {
            Command::Append { messages, .. } | Command::ReceiveTransfer { messages, .. } => {
                messages
                    .iter()
                    .map(|message| 128 + message.prefix.len())
                    .sum()
            }
            Command::Store { uids, .. }
            | Command::Copy { uids, .. }
            | Command::Move { uids, .. }
            | Command::Expunge {
                which: Which::Uids(uids),
                ..
            } => set(uids),
            Command::Within { command, .. } => Self::weight(command),
            Command::SetMetadata { entries, .. } => entries
                .iter()
                .map(|(entry, value)| 64 + entry.len() + value.as_ref().map_or(0, Vec::len))
                .sum(),
            Command::Collect { messages, .. } => messages.len() * 16,
            Command::Replace { message, .. } => 192 + message.prefix.len(),
            _ => 64,
        }
    }

    fn decide(&self, command: &Command, moment: account::Moment) -> Decision<Self> {
        match account::decide(self, command, moment) {
            Ok(decision) => Decision::Done {
                changes: (!decision.changes.is_empty()).then_some(decision.changes),
                outcome: (decision.outcome, decision.rest),
            },
            Err(Refusal::Needed(part)) => Decision::Needs(vec![part]),
            Err(refusal) => Decision::Refused(refusal),
        }
    }

    fn apply(&mut self, changes: &account::Changes) {
        Self::apply(self, changes);
    }

    fn epoch(told: ModSeq) -> Command {
        Command::Epoch { told }
    }

    fn is_epoch(command: &Command) -> bool {
        matches!(command, Command::Epoch { .. })
    }

    fn riders(&self, marks: &AccountMarks) -> Option<account::Changes> {
        let mut notes = marks.recent().notes(self);
        notes.append(&mut marks.notes());
        let mut changes = account::Changes::default();
        changes.note(notes);
        (changes != account::Changes::default()).then_some(changes)
    }

    fn seal(&self, changes: &[account::Changes]) -> Sealed {
        let mut all = account::Changes::default();
        for changes in changes {
            all.extend(changes.clone());
        }
        Sealed {
            first: all.first().unwrap_or_default(),
            last: all.last().unwrap_or_default(),
            binds: all.binds().to_vec(),
            releases: all.releases().to_vec(),
            due: account::next_due(self),
            payload: all.encode().into(),
        }
    }

    fn binds(changes: &account::Changes) -> bool {
        !changes.binds().is_empty()
    }

    fn opening() -> Sections {
        Sections::Root
    }

    fn open(id: AccountId, loaded: &Loaded) -> Result<Self, OpenFault> {
        Self::load(id, Scope::Root, &stored(loaded)).map_err(|error| match error {
            LoadError::MorePieces(keys) => {
                OpenFault::More(keys.into_iter().map(SectionKey).collect())
            }
            error => OpenFault::Bad(error.to_string()),
        })
    }

    fn follow(&mut self, commits: &[Commit]) -> Result<(), String> {
        for commit in commits {
            Self::follow(self, &commit.payload).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn sections(&self, parts: &[Part]) -> Vec<SectionKey> {
        let keys = parts.iter().flat_map(|part| self.keys_of(*part));
        keys.map(SectionKey).collect()
    }

    fn fill(&mut self, parts: &[Part], loaded: &Loaded) -> Result<(), String> {
        let stored = stored(loaded);
        for part in parts {
            self.attach(*part, &stored)
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn has(&self, parts: &[Part]) -> bool {
        parts.iter().all(|part| self.is_loaded(*part))
    }

    fn tables_octets(&self) -> usize {
        self.mailboxes()
            .filter_map(|mailbox| Some(self.table(mailbox.id).ok()?.octets()))
            .sum()
    }

    fn unload(&mut self) {
        let mailboxes: Vec<MailboxId> = self.mailboxes().map(|mailbox| mailbox.id).collect();
        for mailbox in mailboxes {
            Self::unload(self, Part::Table(mailbox));
        }
        Self::unload(self, Part::Expunged);
    }

    fn committed(&mut self, octets: usize) {
        Self::committed(self, octets);
    }

    fn covers(&self) -> ModSeq {
        Self::covers(self)
    }

    fn fold_due(&self) -> bool {
        Self::fold_due(self).is_some()
    }

    fn fold(&self) -> Result<(Checkpoint, Fold), Vec<Part>> {
        let kind = Self::fold_due(self).unwrap_or(FoldKind::Root);
        match Self::fold(self, kind) {
            Ok(mut fold) => {
                let sections = std::mem::take(&mut fold.sections);
                let checkpoint = checkpoint(fold.number, fold.covers, &sections, &fold.removed);
                fold.sections = keys_alone(sections);
                Ok((checkpoint, fold))
            }
            Err(Refusal::Needed(part)) => Err(vec![part]),
            // It has no other reason.
            Err(_) => Err(Vec::new()),
        }
    }

    fn folded(&mut self, fold: &Fold) {
        Self::folded(self, fold);
    }
}

/// What the store has, as the state machines read it.
pub(super) fn stored(loaded: &Loaded) -> Stored<'_> {
    Stored {
        covers: loaded.covers,
        sections: loaded
            .sections
            .iter()
            .map(|section| StoredSection {
                key: section.key.0,
                number: section.number,
                octets: &section.octets,
            })
            .collect(),
        commits: loaded
            .commits
            .iter()
            .map(|commit| &commit.payload[..])
            .collect(),
    }
}

/// A checkpoint whose sections all stand at `number`.
pub(super) fn checkpoint(
    number: ModSeq,
    covers: ModSeq,
    sections: &[(u64, Vec<u8>)],
    removed: &[u64],
) -> Checkpoint {
    Checkpoint {
        number,
        covers,
        replaces: None,
        sections: sections
            .iter()
            .map(|(key, octets)| Section {
                key: SectionKey(*key),
                number,
                octets: octets.clone().into(),
            })
            .collect(),
        removed: removed.iter().copied().map(SectionKey).collect(),
    }
}

/// The keys without the octets, which are not needed to remember it by.
fn keys_alone(sections: Vec<(u64, Vec<u8>)>) -> Vec<(u64, Vec<u8>)> {
    sections
        .into_iter()
        .map(|(key, _)| (key, Vec::new()))
        .collect()
}
