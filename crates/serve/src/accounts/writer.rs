//! The writer of one account: decide, commit, publish, answer.
//!
//! It is a task that lives while jobs wait. Commands that gather while a commit
//! is on its way go out together in the next. What must stay true:
//!
//! - nothing is published or answered before it is durable;
//! - a commit's future is never dropped;
//! - a command is decided on exactly the state that its commit follows: when
//!   another writer was first, or the store's answer was lost, the state is
//!   loaded and everything that waits is decided again;
//! - after a lost answer the commit is looked for by its identifier, and where
//!   that cannot be settled the account says so and guesses nothing.

use super::live::{Answer, Command, ExecuteError, Job, Live, Unavailable, Waiting};
use super::machine::{Decision, Machine};
use super::registry::{Running, load, open};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use store::{Commit, CommitError, Loaded, SectionKey, Sections};
use terms::ModSeq;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tracing::{debug, error, warn};

type Asked<M> = oneshot::Sender<Result<Arc<M>, Unavailable>>;

/// Does what waits in `live`'s queue, until nothing does.
pub(super) async fn run<M: Machine>(live: Arc<Live<M>>, running: Running) {
    let guard = Unfinished(&live);
    let writer = Writer { live: &live };
    while let Some(waiting) = next(&live) {
        writer.turn(Turn::sort(waiting)).await;
        super::fold::consider(&live);
        live.shared.relieve();
    }
    std::mem::forget(guard);
    drop(running);
}

/// What to do now; `None` ends the writer. An empty turn is one for looking at
/// what another writer has done.
fn next<M: Machine>(live: &Live<M>) -> Option<VecDeque<Waiting<M>>> {
    let mut queue = live.queue();
    if queue.gone {
        queue.running = false;
        let dropped = std::mem::take(&mut queue.waiting);
        drop(queue);
        // Whoever waits is told that it is unavailable.
        drop(dropped);
        return None;
    }
    if queue.waiting.is_empty() {
        // Whoever waits for news and saw `running` relies on this look.
        let remote = *live.remote.borrow();
        let behind = remote > live.state.borrow().number().max(queue.loaded);
        if !behind || queue.stale {
            queue.running = false;
            queue.waiting = VecDeque::new();
            return None;
        }
    }
    Some(std::mem::take(&mut queue.waiting))
}

/// Leaves the account usable when the writer panics: what it was at is dropped,
/// and whoever waits is told that it is unavailable.
struct Unfinished<'a, M: Machine>(&'a Live<M>);

impl<M: Machine> Drop for Unfinished<'_, M> {
    fn drop(&mut self) {
        // Or the runtime ends, and drops whatever is not done.
        if std::thread::panicking() {
            error!(account = %self.0.id, "the writer ended by a fault of its own");
        }
        let mut queue = self.0.queue();
        let dropped = std::mem::take(&mut queue.waiting);
        queue.running = false;
        queue.stale = true;
        drop(queue);
        drop(dropped);
    }
}

/// The jobs of one turn, by kind.
struct Turn<M: Machine> {
    commands: VecDeque<Pending<M>>,
    refreshes: Vec<Asked<M>>,
    loads: Vec<(Vec<M::Part>, Asked<M>)>,
    reopens: Vec<Asked<M>>,
    folds: Vec<M::Fold>,
    unload: bool,
    look: bool,
}

/// A command taken from the queue, whose room there it keeps.
struct Pending<M: Machine> {
    command: Command<M>,
    _room: Option<OwnedSemaphorePermit>,
}

impl<M: Machine> Turn<M> {
    fn sort(waiting: VecDeque<Waiting<M>>) -> Self {
        let mut turn = Self {
            look: waiting.is_empty(),
            commands: VecDeque::with_capacity(waiting.len()),
            refreshes: Vec::new(),
            loads: Vec::new(),
            reopens: Vec::new(),
            folds: Vec::new(),
            unload: false,
        };
        for Waiting { job, room } in waiting {
            match job {
                Job::Command(command) => turn.commands.push_back(Pending {
                    command,
                    _room: room,
                }),
                Job::Refresh { answer } => turn.refreshes.push(answer),
                Job::Load { parts, answer } => turn.loads.push((parts, answer)),
                Job::Reopen { answer } => turn.reopens.push(answer),
                Job::Folded(fold) => turn.folds.push(fold),
                Job::Unload => turn.unload = true,
            }
        }
        turn
    }
}

/// A commit whose outcome is not known, and what its commands would be told.
struct Doubt<M: Machine> {
    id: u128,
    first: ModSeq,
    answers: Vec<Answer<M>>,
}

/// What one round has brought.
enum Round<M: Machine> {
    /// Answers for as many commands, from the front.
    Answer(Vec<Answer<M>>),
    /// Everything again, after a while.
    Again,
    /// Everything again, at once: something was missing that is there now.
    Continue,
    /// One by one from now on: one of them spoils it for the others.
    OneByOne,
    /// No space for those marked; the others again.
    Full(Vec<bool>),
    /// Nothing more can be said.
    GiveUp,
}

/// Commands decided on one state, one after the other.
struct Decided<M: Machine> {
    state: M,
    changes: Vec<M::Changes>,
    answers: Vec<Answer<M>>,
    binding: Vec<bool>,
}

struct Writer<'a, M: Machine> {
    live: &'a Arc<Live<M>>,
}

impl<M: Machine> Writer<'_, M> {
    /// Between two attempts, at first; doubled each time, with jitter.
    const PAUSE: Duration = Duration::from_millis(4);
    /// Tables grow slowly: they are counted at each change of this multiple.
    const COUNT_EVERY: u64 = 16;
    /// How often a part is loaded while others commit.
    const LOADS_MAX: usize = 4;

    async fn turn(&self, turn: Turn<M>) {
        if turn.look || !turn.refreshes.is_empty() {
            let renewed = self.renew().await;
            for asked in turn.refreshes {
                // Whoever asked may have gone.
                let _ = asked.send(renewed.map(|()| self.published()));
            }
        }
        for fold in &turn.folds {
            let mut state = (*self.published()).clone();
            state.folded(fold);
            self.publish(state);
        }
        if !turn.reopens.is_empty() {
            let reopened = self.reopen().await;
            for asked in turn.reopens {
                let _ = asked.send(reopened.map(|()| self.published()));
            }
        }
        // Before loading: what is asked for now is used now.
        if turn.unload {
            let mut state = (*self.published()).clone();
            state.unload();
            self.publish(state);
            self.live.count_tables();
        }
        for (parts, asked) in turn.loads {
            let loaded = self.load(&parts).await;
            let _ = asked.send(loaded.map(|()| self.published()));
        }
        self.serve(turn.commands).await;
    }

    fn published(&self) -> Arc<M> {
        Arc::clone(&self.live.state.borrow())
    }

    /// Shows `state` to everyone; wakes those who wait only if it is newer.
    fn publish(&self, state: M) {
        self.live.state.send_if_modified(|shown| {
            let newer = state.number() > shown.number();
            *shown = Arc::new(state);
            newer
        });
    }

    fn set_stale(&self, stale: bool) {
        self.live.queue().stale = stale;
    }

    /// Becomes as new as the store.
    async fn renew(&self) -> Result<(), Unavailable> {
        if !self.live.queue().stale {
            let head = self.live.shared.store.head(self.live.id).await;
            if self.live.is_as_new_as(head.map_err(|_| Unavailable)?) {
                return Ok(());
            }
        }
        self.reload(M::opening()).await.map(drop)
    }

    /// Loads what others have committed and publishes it.
    async fn reload(&self, sections: Sections) -> Result<Loaded, Unavailable> {
        let loaded = load(&self.live.shared, self.live.id, sections).await?;
        let shown = self.published();
        if loaded.head < shown.number() {
            // What was durable is no longer there: removed, or worse.
            warn!(account = %self.live.id, "the account has gone from the store");
            self.set_stale(true);
            return Err(Unavailable);
        }
        match self.advance(&shown, &loaded) {
            Some(state) => {
                self.live.note_loaded(&loaded, state.number());
                self.publish(state);
            }
            None => self.reopen().await?,
        }
        self.set_stale(false);
        Ok(loaded)
    }

    /// Begins anew from what the store has, without tables.
    async fn reopen(&self) -> Result<(), Unavailable> {
        let (state, loaded) = open::<M>(&self.live.shared, self.live.id).await?;
        if state.number() < self.published().number() {
            warn!(account = %self.live.id, "the account has gone from the store");
            self.set_stale(true);
            return Err(Unavailable);
        }
        self.live.note_loaded(&loaded, state.number());
        self.publish(state);
        self.live.count_tables();
        Ok(())
    }

    /// `shown` with what `loaded` has beyond it; `None` where the commits between
    /// have been folded.
    fn advance(&self, shown: &M, loaded: &Loaded) -> Option<M> {
        let root = loaded
            .sections
            .iter()
            .find(|section| section.key == SectionKey::ROOT);
        let folded = root.map_or(loaded.covers, |root| root.number.max(loaded.covers));
        if folded > shown.number() {
            return None;
        }
        let news: Vec<Commit> = loaded
            .commits
            .iter()
            .filter(|commit| commit.first > shown.number())
            .cloned()
            .collect();
        let mut state = shown.clone();
        match state.follow(&news) {
            Ok(()) => Some(state),
            Err(why) => {
                warn!(account = %self.live.id, why, "commits do not follow");
                None
            }
        }
    }

    /// Has these parts in memory.
    async fn load(&self, parts: &[M::Part]) -> Result<(), Unavailable> {
        let mut reason = String::from("the account changes all the time");
        for _ in 0..Self::LOADS_MAX {
            let shown = self.published();
            if shown.has(parts) {
                return Ok(());
            }
            let sections = Sections::Only(shown.sections(parts));
            let loaded = load(&self.live.shared, self.live.id, sections).await?;
            if !self.live.is_as_new_as(loaded.head) {
                // Others have committed; what the parts are made of may be other
                // sections now.
                self.reload(M::opening()).await?;
                continue;
            }
            let mut state = (*shown).clone();
            match state.fill(parts, &loaded) {
                Ok(()) => {
                    self.publish(state);
                    self.live.count_tables();
                }
                Err(why) => {
                    // Another writer may have folded meanwhile.
                    debug!(account = %self.live.id, why, "a part does not fit");
                    reason = why;
                    self.reopen().await?;
                }
            }
        }
        warn!(account = %self.live.id, why = reason, "a table could not be loaded");
        Err(Unavailable)
    }

    /// Does the commands, in their order.
    async fn serve(&self, mut waiting: VecDeque<Pending<M>>) {
        let limits = &self.live.shared.node.limits;
        let env = &self.live.shared.node.env;
        let mut doubts = Vec::new();
        let mut attempts = 0;
        let mut most = limits.commit_commands_max.max(1);
        while !waiting.is_empty() {
            match self.round(&waiting, most, &mut doubts).await {
                Round::Answer(answers) => {
                    doubts.clear();
                    attempts = 0;
                    for (pending, answer) in waiting.drain(..answers.len()).zip(answers) {
                        // Whoever asked may have gone; it is done all the same.
                        let _ = pending.command.answer.send(answer);
                    }
                }
                Round::Continue => {}
                Round::OneByOne => most = 1,
                Round::Full(which) => refuse_full(&mut waiting, &which),
                Round::Again => {
                    attempts += 1;
                    if attempts >= limits.commit_attempts_max {
                        warn!(account = %self.live.id, attempts, "commands were given up");
                        break;
                    }
                    let pause = Self::PAUSE * (1 << attempts.min(8));
                    env.sleep(pause / 2 + env.jitter(pause)).await;
                }
                Round::GiveUp => break,
            }
        }
        if !waiting.is_empty() {
            self.set_stale(true);
        }
        for pending in waiting {
            let _ = pending.command.answer.send(Err(ExecuteError::Unavailable));
        }
    }

    /// Decides and commits the first commands of `waiting`, `most` at the most.
    async fn round(
        &self,
        waiting: &VecDeque<Pending<M>>,
        most: usize,
        doubts: &mut Vec<Doubt<M>>,
    ) -> Round<M> {
        if self.live.queue().gone {
            return Round::GiveUp;
        }
        if self.live.queue().stale
            && let Err(round) = self.settle(waiting, doubts).await
        {
            return round;
        }
        let base = self.published();
        let decided = match self.decide(&base, waiting, most) {
            Ok(decided) => decided,
            Err(parts) => {
                return match self.load(&parts).await {
                    Ok(()) => Round::Continue,
                    Err(Unavailable) => Round::Again,
                };
            }
        };
        if decided.changes.is_empty() {
            // Nothing to commit, so nothing has said yet that the state is the
            // newest: a refusal must not rest on an older one.
            return match self.live.shared.store.head(self.live.id).await {
                Ok(head) if head < base.number() => Round::GiveUp,
                Ok(head) if self.live.is_as_new_as(head) => Round::Answer(decided.answers),
                Ok(_) => {
                    self.set_stale(true);
                    Round::Again
                }
                Err(_) => Round::Again,
            };
        }
        self.commit(&base, decided, doubts).await
    }

    /// Loads the newest state; ends the round where the commit in doubt is found
    /// there, or where it cannot be said whether it is.
    async fn settle(
        &self,
        waiting: &VecDeque<Pending<M>>,
        doubts: &mut Vec<Doubt<M>>,
    ) -> Result<(), Round<M>> {
        // The root, and the commits since the newest `covers`: more of them than
        // with the root alone.
        let sections = match M::opening() {
            Sections::Root => Sections::Only(vec![SectionKey::ROOT]),
            all => all,
        };
        let loaded = self.reload(sections).await.map_err(|_| Round::Again)?;
        let found = doubts
            .iter()
            .position(|doubt| loaded.commits.iter().any(|commit| commit.id == doubt.id));
        if let Some(index) = found {
            return Err(Round::Answer(doubts.swap_remove(index).answers));
        }
        if doubts.iter().any(|doubt| doubt.first <= loaded.covers) {
            // Folded away by another writer: it may have been ours.
            return Err(Round::GiveUp);
        }
        if loaded.damaged {
            let answers = waiting.iter().map(|_| Err(ExecuteError::Damaged));
            return Err(Round::Answer(answers.collect()));
        }
        Ok(())
    }

    /// Where the log was repaired and nothing was committed since: the number that
    /// the next commit goes after.
    fn after_repair(&self) -> Option<ModSeq> {
        let shown = self.published().number();
        let queue = self.live.queue();
        (queue.repaired && queue.loaded > shown).then_some(queue.loaded)
    }

    /// Decides and applies on a copy of `base`.
    fn decide(
        &self,
        base: &Arc<M>,
        waiting: &VecDeque<Pending<M>>,
        most: usize,
    ) -> Result<Decided<M>, Vec<M::Part>> {
        let moment = self.live.shared.node.moment();
        let mut decided = Decided {
            state: (**base).clone(),
            changes: Vec::new(),
            answers: Vec::with_capacity(waiting.len().min(most)),
            binding: Vec::with_capacity(waiting.len().min(most)),
        };
        let epoch = self.after_repair().map(M::epoch);
        if let Some(epoch) = &epoch
            && !waiting
                .front()
                .is_some_and(|it| M::is_epoch(&it.command.command))
        {
            match decided.state.decide(epoch, moment) {
                Decision::Done { changes, .. } => {
                    if let Some(changes) = changes {
                        decided.state.apply(&changes);
                        decided.changes.push(changes);
                    }
                }
                Decision::Needs(parts) => return Err(parts),
                // The store refuses what does not begin with one.
                Decision::Refused(_) => {}
            }
        }
        for pending in waiting.iter().take(most) {
            let mut binding = false;
            let asked = &pending.command.command;
            // Whoever asks for one does not know what was told.
            let command = epoch.as_ref().filter(|_| M::is_epoch(asked));
            let answer = match decided.state.decide(command.unwrap_or(asked), moment) {
                Decision::Done { changes, outcome } => {
                    if let Some(changes) = changes {
                        binding = M::binds(&changes);
                        decided.state.apply(&changes);
                        decided.changes.push(changes);
                    }
                    Ok(outcome)
                }
                Decision::Refused(refusal) => Err(ExecuteError::Refused(refusal)),
                Decision::Needs(parts) => return Err(parts),
            };
            decided.answers.push(answer);
            decided.binding.push(binding);
        }
        Ok(decided)
    }

    async fn commit(
        &self,
        base: &Arc<M>,
        decided: Decided<M>,
        doubts: &mut Vec<Doubt<M>>,
    ) -> Round<M> {
        let Decided {
            mut state,
            mut changes,
            answers,
            binding,
        } = decided;
        if let Some(riders) = state.riders(&self.live.marks) {
            state.apply(&riders);
            changes.push(riders);
        }
        let env = &self.live.shared.node.env;
        let sealed = state.seal(&changes);
        let (id, first, octets) = (env.random_u128(), sealed.first, sealed.payload.len());
        let commit = Commit {
            id,
            first,
            last: sealed.last,
            time: env.now(),
            binds: sealed.binds,
            releases: sealed.releases,
            due: sealed.due,
            payload: sealed.payload,
        };
        let store = &self.live.shared.store;
        let after = self.after_repair().unwrap_or(base.number());
        let begun = env.monotonic();
        let committed = store.commit(self.live.id, after, commit).await;
        let metrics = &self.live.shared.node.metrics;
        metrics
            .commits
            .observe(env.monotonic().saturating_sub(begun));
        match committed {
            Ok(()) => {
                metrics.commit_commands.add(answers.len() as u64);
                state.committed(octets);
                if state.number().0.is_multiple_of(Self::COUNT_EVERY) {
                    self.publish(state);
                    self.live.count_tables();
                } else {
                    self.publish(state);
                }
                Round::Answer(answers)
            }
            Err(CommitError::Conflict { current }) => {
                debug!(account = %self.live.id, %current, "another writer was first");
                self.set_stale(true);
                Round::Again
            }
            Err(CommitError::Full) if doubts.is_empty() => Round::Full(binding),
            Err(CommitError::Full) => Round::GiveUp,
            Err(CommitError::Refused(_)) if answers.len() > 1 => Round::OneByOne,
            Err(CommitError::Refused(why)) => {
                error!(account = %self.live.id, why, "the store refuses a commit");
                Round::Answer(vec![Err(ExecuteError::Unavailable)])
            }
            Err(CommitError::Damaged) => {
                let damaged = answers.iter().map(|_| Err(ExecuteError::Damaged));
                Round::Answer(damaged.collect())
            }
            Err(CommitError::Failed(why)) => {
                metrics.commits_unknown.increment();
                warn!(account = %self.live.id, why, "the outcome of a commit is unknown");
                doubts.push(Doubt { id, first, answers });
                self.set_stale(true);
                Round::Again
            }
        }
    }
}

/// Answers those that there is no space for: the marked ones, or, where none is
/// marked, all that were tried.
fn refuse_full<M: Machine>(waiting: &mut VecDeque<Pending<M>>, which: &[bool]) {
    let all = !which.contains(&true);
    let tried: Vec<_> = waiting.drain(..which.len()).collect();
    for (pending, binds) in tried.into_iter().zip(which).rev() {
        if all || *binds {
            let _ = pending.command.answer.send(Err(ExecuteError::Full));
        } else {
            waiting.push_front(pending);
        }
    }
}
