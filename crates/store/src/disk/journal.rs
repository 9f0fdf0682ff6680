//! The journal: takes what is waiting, writes it as one group, syncs once,
//! publishes, answers.
//!
//! A state machine: [`Journal::step`] does one group's work and nothing happens
//! between steps. One thread calls it, or a simulator.

use super::apply::{Lying, apply};
use super::core::{Core, Request};
use super::format::Kind;
use super::gather::{Gathered, Gatherer};
use super::ledger::Draft;
use super::marker::Mark;
use super::record::Record;
use super::room::{Room, RoomWatch};
use super::rows::{Census, Watermark};
use super::writer::{WriteError, Writer, Written};
use super::{indexer, lock};
use crate::CommitError;
use std::collections::{HashSet, VecDeque};
use std::sync::atomic::Ordering;
use std::time::Instant;
use terms::BlobId;

/// Octets that may be written without a sync.
const UNSYNCED_OCTETS_MAX: u64 = 8 << 20;
/// Finished blobs that nobody binds are forgotten after this long.
const UNBOUND_MILLIS: u64 = 24 * 60 * 60 * 1_000;

/// A group that is written and not durable yet.
struct Held {
    written: Written,
    records: Vec<Record>,
    gathered: Gathered,
}

/// The one writer of the segments.
pub(crate) struct Journal {
    writer: Writer,
    waiting: VecDeque<Request>,
    held: Vec<Held>,
    held_blobs: HashSet<BlobId>,
    room: RoomWatch,
    serial: u64,
    census: Census,
    /// When the last group was written, unless a seal followed it.
    unsealed_since: Option<u64>,
}

impl Journal {
    pub(crate) fn new(core: &Core, writer: Writer, census: Census) -> Self {
        Self {
            serial: writer.sequence() << 16,
            writer,
            waiting: VecDeque::new(),
            held: Vec::new(),
            held_blobs: HashSet::new(),
            room: RoomWatch::new(core),
            census,
            unsealed_since: None,
        }
    }

    /// Which journal this is, and a group of it that is durable.
    pub(crate) fn mark(&self) -> Option<Mark> {
        let (header, _) = self.writer.position()?;
        Some(Mark {
            journal: header.journal,
            sequence: self.writer.sequence() - 1,
            losses: 0,
        })
    }

    /// When [`Journal::step`] has something to do though nothing is asked of it.
    pub(crate) fn seal_at(&self, core: &Core) -> Option<u64> {
        let since = self.unsealed_since?;
        Some(since + core.options.seal_millis)
    }

    /// Writes one group of what is waiting, or a seal if it is time. `false`: there
    /// was nothing to do.
    pub(crate) fn step(&mut self, core: &Core, now: u64) -> bool {
        core.now.store(now, Ordering::Relaxed);
        self.waiting.append(&mut core.queue.take());
        if core.is_closed() || core.poison().is_some() {
            return self.refuse_all(core);
        }
        if self.waiting.is_empty() {
            return self.idle(core, now);
        }
        let mut group = self.gather(core, now);
        let records = std::mem::take(&mut group.records);
        if records.is_empty() {
            if group.is_empty() {
                return !self.waiting.is_empty() || !core.queue.is_empty();
            }
            self.finish(core, now, group, None);
            return true;
        }
        match self.write(core, &records) {
            Ok(written) => {
                self.unsealed_since = Some(now);
                self.finish(core, now, group, Some((written, records)));
            }
            Err(error) => self.fail(core, now, group, error),
        }
        true
    }

    /// Finds out what may still be written.
    pub(crate) fn look_at_room(&mut self, core: &Core, now: u64) -> Room {
        let room = self.room.room(core, now, &mut self.writer.since_room_check);
        core.room_is_low
            .store(room != Room::Enough, Ordering::Relaxed);
        room
    }

    fn gather(&mut self, core: &Core, now: u64) -> Gathered {
        self.serial = self.serial.max(self.writer.sequence() << 16);
        let room = self.look_at_room(core, now);
        let mut gatherer = Gatherer {
            core,
            room,
            held: &self.held_blobs,
            serial: &mut self.serial,
            group: Gathered::default(),
            octets_max: core.options.group_octets(),
        };
        gatherer.gather(&mut self.waiting);
        gatherer.group
    }

    /// Writes a group, in a new segment if the old one is full.
    fn write(&mut self, core: &Core, records: &[Record]) -> Result<Written, WriteError> {
        let octets: usize = records.iter().map(|one| one.payload.len() + 64).sum();
        if self.writer.is_full_for(octets as u64) {
            self.sync(core)?;
            self.writer.seal(core)?;
            self.writer.begin(core)?;
            self.writer.adopt(core)?;
            indexer::ask_persist(core);
        }
        self.writer.append(records)
    }

    /// The group is written: syncs if somebody waits for that, and answers.
    fn finish(
        &mut self,
        core: &Core,
        now: u64,
        mut gathered: Gathered,
        written: Option<(Written, Vec<Record>)>,
    ) {
        let written_replies = std::mem::take(&mut gathered.written_replies);
        let mut sync = !gathered.durable_replies.is_empty();
        if let Some((written, records)) = written {
            sync |= records.iter().any(|record| record.entry.kind.wants_sync());
            for record in &records {
                if record.entry.kind == Kind::Blob {
                    self.held_blobs.insert(BlobId(record.entry.id));
                }
            }
            self.held.push(Held {
                written,
                records,
                gathered,
            });
        } else {
            self.held.push(Held {
                written: Written {
                    sequence: self.writer.sequence(),
                    places: Vec::new(),
                },
                records: Vec::new(),
                gathered,
            });
        }
        sync |= self.writer.unsynced() > UNSYNCED_OCTETS_MAX;
        if !sync {
            self.show(core);
        }
        let closing = self.held.iter().any(|held| held.gathered.close);
        if sync && let Err(error) = self.sync(core) {
            self.fail_held(core, now, error);
        } else if closing {
            self.close(core);
        }
        for reply in written_replies {
            let _ = reply.send(match core.poison() {
                None => Ok(()),
                Some(why) => Err(CommitError::Failed(why)),
            });
        }
    }

    /// Lets whoever puts a long blob read it before a commit has bound it.
    fn show(&self, core: &Core) {
        if let Some(newest) = self.held.last()
            && let Ok(draft) = draft_of(core, std::slice::from_ref(newest))
        {
            core.ledger.show(draft);
        }
    }

    /// Makes everything written durable, publishes and answers it.
    fn sync(&mut self, core: &Core) -> Result<(), WriteError> {
        if self.writer.unsynced() > 0 {
            let begun = Instant::now();
            self.writer.sync()?;
            core.counts.synced(begun.elapsed());
        }
        let held = std::mem::take(&mut self.held);
        self.held_blobs.clear();
        if let Some((header, end)) = self.writer.position()
            && let Some(info) = lock(&core.segments).get_mut(&header.number)
        {
            info.end = end;
        }
        if let Err(error) = self.publish(core, &held) {
            // The groups are durable and nobody can be shown them.
            let why = format!("the index cannot be used: {error}");
            for reply in held
                .into_iter()
                .flat_map(|held| held.gathered.durable_replies)
            {
                let _ = reply.send(Err(CommitError::Failed(why.clone())));
            }
            return Err(WriteError::Poisoned(why));
        }
        for held in held {
            let commits = held.records.iter();
            let commits = commits.filter(|record| record.entry.kind == Kind::Commit);
            core.counts.committed(commits.count());
            for (account, head) in held.gathered.heads {
                core.watches.tell(account, head);
            }
            if held.gathered.close {
                // Answered by `close`.
                self.held.push(Held {
                    written: held.written,
                    records: Vec::new(),
                    gathered: Gathered::closing(held.gathered.durable_replies),
                });
                continue;
            }
            for reply in held.gathered.durable_replies {
                let _ = reply.send(Ok(()));
            }
        }
        Ok(())
    }

    /// Shows durable groups to the readers and queues them for the index.
    fn publish(&mut self, core: &Core, held: &[Held]) -> Result<(), crate::index::IndexError> {
        if held.iter().all(|held| held.records.is_empty()) {
            return Ok(());
        }
        let draft = indexer::guarded(core, || draft_of(core, held))?;
        for account in &draft.created {
            self.census.add(*account);
        }
        let mark = self.writer.position().map(|(header, _)| Watermark {
            segment: header.number,
            journal: header.journal,
            sequence: self.writer.sequence() - 1,
            census: self.census,
        });
        core.ledger.publish(draft, mark);
        let now = core.now();
        let mut blobs = lock(&core.blobs);
        for record in held.iter().flat_map(|held| &held.records) {
            let id = BlobId(record.entry.id);
            if record.entry.kind == Kind::Blob && blobs.pending.contains_key(&id) {
                blobs.forget_pending(id);
                blobs.unbound.insert(id, now);
            }
        }
        for id in held.iter().flat_map(|held| &held.gathered.bound) {
            blobs.binding.remove(id);
            blobs.unbound.remove(id);
        }
        drop(blobs);
        let mut damaged = lock(&core.damaged);
        for held in held {
            let healed = held.gathered.removed.iter().chain(&held.gathered.mended);
            for account in healed {
                damaged.remove(account);
            }
        }
        Ok(())
    }

    /// A group could not be written.
    fn fail(&mut self, core: &Core, now: u64, gathered: Gathered, error: WriteError) {
        let why = match error {
            WriteError::Full => {
                self.room.refused(core, now);
                CommitError::Full
            }
            WriteError::Failed(why) => {
                tracing::error!(why, "a group could not be written");
                CommitError::Failed(why)
            }
            WriteError::Poisoned(why) => {
                self.held.push(Held {
                    written: Written {
                        sequence: 0,
                        places: Vec::new(),
                    },
                    records: Vec::new(),
                    gathered,
                });
                return self.fail_held(core, now, WriteError::Poisoned(why));
            }
        };
        unbind(core, &gathered);
        let replies = gathered.durable_replies.into_iter();
        for reply in replies.chain(gathered.written_replies) {
            let _ = reply.send(Err(why.clone()));
        }
        self.give_up_waiting(&why);
    }

    /// Answers what would only fail again, so that nothing waits for ever.
    fn give_up_waiting(&mut self, why: &CommitError) {
        let waiting = std::mem::take(&mut self.waiting);
        for request in waiting {
            let keeps = match &request {
                Request::Close { .. } => true,
                Request::Commit { commit, .. } => commit.commit.binds.is_empty(),
                Request::Remove { .. } | Request::Mend { .. } | Request::Retire { .. } => true,
                Request::Put { .. } | Request::Checkpoint { .. } | Request::Copy { .. } => false,
            };
            if keeps {
                self.waiting.push_back(request);
            } else {
                let _ = request.into_reply().send(Err(why.clone()));
            }
        }
    }

    /// Nobody knows what became of the groups that were written last.
    fn fail_held(&mut self, core: &Core, now: u64, error: WriteError) {
        let why = match error {
            WriteError::Poisoned(why) | WriteError::Failed(why) => why,
            WriteError::Full => "no space is left".into(),
        };
        tracing::error!(why, "the journal is read-only from now on");
        core.set_poison(why.clone());
        for held in std::mem::take(&mut self.held) {
            unbind(core, &held.gathered);
            let gathered = held.gathered;
            let replies = gathered.durable_replies.into_iter();
            for reply in replies.chain(gathered.written_replies) {
                let _ = reply.send(Err(CommitError::Failed(why.clone())));
            }
        }
        self.unsealed_since = None;
        core.now.store(now, Ordering::Relaxed);
    }

    fn refuse_all(&mut self, core: &Core) -> bool {
        let any = !self.waiting.is_empty();
        let why = core.poison().unwrap_or_else(|| CLOSED.into());
        for request in self.waiting.drain(..) {
            let answer = match request {
                Request::Close { .. } => Ok(()),
                _ => Err(CommitError::Failed(why.clone())),
            };
            let _ = request.into_reply().send(answer);
        }
        any
    }

    /// Nothing is asked: seals, and forgets what nobody came for.
    fn idle(&mut self, core: &Core, now: u64) -> bool {
        if self.seal_at(core).is_none_or(|at| now < at) {
            return false;
        }
        self.unsealed_since = None;
        let sealed = self.sync(core).and_then(|()| {
            if self.writer.position().is_none() {
                return Ok(());
            }
            self.writer.append(&[]).map(drop)?;
            self.sync(core)
        });
        // A seal that could not be written proves nothing, that is all.
        if let Err(error @ WriteError::Poisoned(_)) = sealed {
            self.fail_held(core, now, error);
        }
        let mut blobs = lock(&core.blobs);
        let old = now.saturating_sub(UNBOUND_MILLIS);
        if old > 0 {
            blobs.unbound.retain(|_, since| *since >= old);
            let gone: Vec<_> = blobs
                .pending
                .iter()
                .filter(|(_, pending)| pending.since < old)
                .map(|(id, _)| *id)
                .collect();
            for id in gone {
                blobs.forget_pending(id);
            }
        }
        true
    }

    /// Seals the segment; nothing is written after this.
    fn close(&mut self, core: &Core) {
        core.closed.store(true, Ordering::SeqCst);
        self.unsealed_since = None;
        let sealed = match core.poison() {
            None => self.sync(core).and_then(|()| self.writer.seal(core)),
            Some(_) => Ok(()),
        };
        if let Err(WriteError::Poisoned(why)) = sealed {
            core.set_poison(why);
        }
        for held in std::mem::take(&mut self.held) {
            for reply in held.gathered.durable_replies {
                let _ = reply.send(Ok(()));
            }
        }
    }
}

pub(crate) const CLOSED: &str = "it has been closed";

fn draft_of<'a>(core: &'a Core, held: &[Held]) -> Result<Draft<'a>, crate::index::IndexError> {
    let mut draft = Draft::new(&core.ledger);
    for held in held {
        for (record, place) in held.records.iter().zip(&held.written.places) {
            let lying = Lying {
                entry: &record.entry,
                place: *place,
                sequence: held.written.sequence,
                payload: Some(&record.payload),
            };
            apply(&mut draft, lying)?;
        }
        for key in &held.gathered.doomed {
            draft.remove(key.clone());
        }
    }
    Ok(draft)
}

fn unbind(core: &Core, gathered: &Gathered) {
    let mut blobs = lock(&core.blobs);
    for id in &gathered.bound {
        blobs.binding.remove(id);
    }
}
