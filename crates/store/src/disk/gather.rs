//! Choosing what goes into the next group: who may, who is refused, who waits.

use super::core::{Answered, Core, Reply, Request};
use super::format::Kind;
use super::record::{
    CheckpointRecord, CommitRecord, Mend, Record, SectionRecord, Standing, encode_mend,
    encode_remove, encode_retire,
};
use super::room::Room;
use super::rows::{AccountRow, BlobRow, ManifestRow, RetiredRow, key};
use super::{indexer, lock};
use crate::{Checkpoint, CommitError, SectionKey};
use std::collections::{BTreeMap, HashSet, VecDeque};
use terms::{AccountId, BlobId, ModSeq};

/// Most records of one group.
const RECORDS_MAX: usize = 60_000;

/// A group that is being put together, and who waits for it.
#[derive(Default)]
pub(crate) struct Gathered {
    pub(crate) records: Vec<Record>,
    octets: usize,
    /// Answered once the group is durable.
    pub(crate) durable_replies: Vec<Reply>,
    /// Answered once it is written.
    pub(crate) written_replies: Vec<Reply>,
    pub(crate) bound: Vec<BlobId>,
    /// Told to who watches.
    pub(crate) heads: Vec<(AccountId, ModSeq)>,
    pub(crate) removed: Vec<AccountId>,
    pub(crate) mended: Vec<AccountId>,
    /// Keys that go with a retired segment.
    pub(crate) doomed: Vec<Vec<u8>>,
    pub(crate) close: bool,
    /// Accounts with a commit, a removal or a mend in this group or waiting.
    touched: HashSet<AccountId>,
    /// Accounts with a checkpoint in this group or waiting.
    folding: HashSet<AccountId>,
    blobs: HashSet<BlobId>,
}

impl Gathered {
    /// Nothing but who waits for the end.
    pub(crate) fn closing(durable_replies: Vec<Reply>) -> Self {
        Self {
            durable_replies,
            close: true,
            ..Self::default()
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
            && self.durable_replies.is_empty()
            && self.written_replies.is_empty()
    }

    fn push(&mut self, record: Record) {
        self.octets += record.payload.len() + 64;
        self.records.push(record);
    }
}

/// What became of a request.
enum Fate {
    /// It is in the group.
    Taken,
    /// It has been answered.
    Answered,
    /// It waits for the next group.
    Waits(Box<Request>),
}

pub(crate) struct Gatherer<'a> {
    pub(crate) core: &'a Core,
    pub(crate) room: Room,
    /// Blobs that are written but not published.
    pub(crate) held: &'a HashSet<BlobId>,
    pub(crate) serial: &'a mut u64,
    pub(crate) group: Gathered,
    pub(crate) octets_max: usize,
}

/// Answers at once.
fn answer(reply: Reply, answer: Answered) -> Fate {
    // Who has gone does not want to know.
    let _ = reply.send(answer);
    Fate::Answered
}

fn waits(request: Request) -> Fate {
    Fate::Waits(Box::new(request))
}

impl Gatherer<'_> {
    /// Goes through what is waiting and leaves there what has to wait on.
    pub(crate) fn gather(&mut self, waiting: &mut VecDeque<Request>) {
        let mut later = VecDeque::new();
        while let Some(request) = waiting.pop_front() {
            if self.is_full() || self.group.close {
                later.push_back(request);
                break;
            }
            if let Fate::Waits(request) = self.consider(request) {
                later.push_back(*request);
            }
        }
        later.append(waiting);
        *waiting = later;
    }

    fn is_full(&self) -> bool {
        self.group.octets >= self.octets_max || self.group.records.len() >= RECORDS_MAX
    }

    /// Whether `octets` more would make the group too long.
    fn is_full_for(&self, octets: usize) -> bool {
        !self.group.records.is_empty() && self.group.octets + octets > self.octets_max
            || self.group.records.len() >= RECORDS_MAX
    }

    fn consider(&mut self, request: Request) -> Fate {
        match request {
            Request::Commit {
                commit,
                record,
                reply,
            } => self.commit(commit, record, reply),
            Request::Put { record, reply } => self.put(record, reply),
            Request::Checkpoint {
                account,
                checkpoint,
                written,
                reply,
            } => self.checkpoint(account, checkpoint, written, reply),
            Request::Remove { account, reply } => self.remove(account, reply),
            Request::Mend {
                account,
                mend,
                reply,
            } => self.mend(account, mend, reply),
            Request::Copy { records, reply } => {
                for record in records {
                    self.group.push(record);
                }
                self.group.durable_replies.push(reply);
                Fate::Taken
            }
            Request::Retire {
                segment,
                doomed,
                reply,
            } => self.retire(segment, doomed, reply),
            Request::Close { reply } => {
                self.group.durable_replies.push(reply);
                self.group.close = true;
                Fate::Taken
            }
        }
    }

    fn account(&self, account: AccountId) -> Result<Option<AccountRow>, CommitError> {
        let key = key::account(account);
        indexer::guarded(self.core, || self.core.ledger.row(&key))
            .map_err(|error| CommitError::Failed(error.to_string()))
    }

    fn commit(&mut self, commit: CommitRecord, record: Record, reply: Reply) -> Fate {
        let account = commit.account;
        if !self.group.touched.insert(account) {
            return waits(Request::Commit {
                commit,
                record,
                reply,
            });
        }
        let missing = match self.check(&commit) {
            Ok(missing) => missing,
            Err(error) => {
                self.group.touched.remove(&account);
                return answer(reply, Err(error));
            }
        };
        for blob in missing {
            if self.is_full_for(blob.payload.len()) {
                return waits(Request::Commit {
                    commit,
                    record,
                    reply,
                });
            }
            self.group.blobs.insert(BlobId(blob.entry.id));
            self.group.push(blob);
        }
        if self.is_full_for(record.payload.len()) {
            return waits(Request::Commit {
                commit,
                record,
                reply,
            });
        }
        let mut blobs = lock(&self.core.blobs);
        if commit
            .commit
            .binds
            .iter()
            .any(|blob| blobs.condemned.contains(blob))
        {
            drop(blobs);
            return answer(reply, Err(GONE));
        }
        blobs.binding.extend(&commit.commit.binds);
        drop(blobs);
        self.group.bound.extend(&commit.commit.binds);
        self.group.heads.push((account, commit.commit.last));
        self.group.push(record);
        self.group.durable_replies.push(reply);
        Fate::Taken
    }

    /// Whether the commit may be made; gives the records of blobs that have to be
    /// written before it.
    fn check(&self, commit: &CommitRecord) -> Result<Vec<Record>, CommitError> {
        let row = self.account(commit.account)?.unwrap_or_default();
        if row.removed {
            return Err(CommitError::Refused("the account has been removed"));
        }
        if lock(&self.core.damaged).contains(&commit.account) {
            return Err(CommitError::Damaged);
        }
        if row.head != commit.after {
            return Err(CommitError::Conflict { current: row.head });
        }
        let (binds, releases) = (&commit.commit.binds, &commit.commit.releases);
        let refused = match self.room {
            Room::Enough => false,
            Room::Low => !binds.is_empty(),
            Room::Lowest => !binds.is_empty() || releases.is_empty(),
        };
        if refused {
            return Err(CommitError::Full);
        }
        let mut missing = Vec::new();
        let mut seen = HashSet::new();
        for id in binds {
            let written = self.group.blobs.contains(id) || self.held.contains(id);
            if written || !seen.insert(*id) {
                continue;
            }
            let blobs = lock(&self.core.blobs);
            if blobs.condemned.contains(id) {
                return Err(GONE);
            }
            if let Some(pending) = blobs.pending.get(id) {
                missing.push(pending.record.clone());
                continue;
            }
            let known = blobs.unbound.contains_key(id);
            drop(blobs);
            if !known && !self.is_known(*id)? {
                return Err(GONE);
            }
        }
        Ok(missing)
    }

    fn is_known(&self, id: BlobId) -> Result<bool, CommitError> {
        let key = key::blob(id, 0);
        let row = indexer::guarded(self.core, || self.core.ledger.row::<BlobRow>(&key));
        match row {
            Ok(row) => Ok(row.is_some_and(|row| self.core.segment(row.place.segment).is_some())),
            Err(error) => Err(CommitError::Failed(error.to_string())),
        }
    }

    fn put(&mut self, record: Record, reply: Reply) -> Fate {
        if self.room != Room::Enough {
            return answer(reply, Err(CommitError::Full));
        }
        if self.is_full_for(record.payload.len()) {
            return waits(Request::Put { record, reply });
        }
        let id = BlobId(record.entry.id);
        let written = record.entry.kind == Kind::Blob
            && (self.held.contains(&id) || !self.group.blobs.insert(id));
        if !written {
            self.group.push(record);
        }
        self.group.written_replies.push(reply);
        Fate::Taken
    }

    fn checkpoint(
        &mut self,
        account: AccountId,
        mut checkpoint: Checkpoint,
        mut written: Vec<Standing>,
        reply: Reply,
    ) -> Fate {
        let checked = self.check_checkpoint(account, &checkpoint);
        let first = self.group.folding.insert(account);
        let row = match checked {
            Ok(row) if first && !self.group.touched.contains(&account) => row,
            Err(error) => {
                if first {
                    self.group.folding.remove(&account);
                }
                return answer(reply, Err(error));
            }
            Ok(_) => {
                return waits(Request::Checkpoint {
                    account,
                    checkpoint,
                    written,
                    reply,
                });
            }
        };
        let serial_min = row.folded.map_or(0, |folded| folded.serial);
        *self.serial = (*self.serial).max(serial_min);
        while let Some(section) = checkpoint.sections.get(written.len()) {
            if self.is_full_for(section.octets.len()) {
                return waits(Request::Checkpoint {
                    account,
                    checkpoint,
                    written,
                    reply,
                });
            }
            *self.serial += 1;
            let section = SectionRecord {
                account,
                key: section.key,
                serial: *self.serial,
                number: section.number,
                octets: section.octets.clone(),
            };
            written.push(Standing {
                key: section.key,
                serial: section.serial,
                number: section.number,
            });
            self.group.push(section.encode());
        }
        match self.standing(account, row.covers(), &mut checkpoint, written) {
            Ok((standing, beneath)) => {
                *self.serial += 1;
                let record = CheckpointRecord {
                    account,
                    number: checkpoint.number,
                    covers: checkpoint.covers,
                    serial: *self.serial,
                    head: row.head,
                    due: row.due,
                    standing,
                    beneath,
                };
                self.group.push(record.encode());
                self.group.durable_replies.push(reply);
                Fate::Taken
            }
            Err(error) => answer(reply, Err(error)),
        }
    }

    fn check_checkpoint(
        &self,
        account: AccountId,
        checkpoint: &Checkpoint,
    ) -> Result<AccountRow, CommitError> {
        let row = self.account(account)?.filter(|row| !row.removed);
        let row = row.ok_or(CommitError::Refused("the account has no commit"))?;
        if lock(&self.core.damaged).contains(&account) {
            return Err(CommitError::Damaged);
        }
        checkpoint.check(row.head, row.covers())?;
        Ok(row)
    }

    /// What stands after a checkpoint: what stood, without what has gone, with
    /// what was written. And what stood at `covers` where a checkpoint goes beyond
    /// that with some sections alone.
    fn standing(
        &self,
        account: AccountId,
        covers: ModSeq,
        checkpoint: &mut Checkpoint,
        written: Vec<Standing>,
    ) -> Result<(Vec<Standing>, Vec<Standing>), CommitError> {
        let key = key::manifest(account);
        let old = indexer::guarded(self.core, || self.core.ledger.row::<ManifestRow>(&key))
            .map_err(|error| CommitError::Failed(error.to_string()))?;
        let by_key = |sections: Vec<Standing>| -> BTreeMap<SectionKey, Standing> {
            sections.into_iter().map(|one| (one.key, one)).collect()
        };
        let old = old.unwrap_or_default();
        let (mut standing, mut beneath) = (by_key(old.standing), by_key(old.beneath));
        let mut gone: Vec<Standing> = Vec::new();
        for key in checkpoint.removed.drain(..) {
            gone.extend(standing.remove(&key));
        }
        for one in written {
            gone.extend(standing.insert(one.key, one));
        }
        if checkpoint.number > checkpoint.covers && checkpoint.covers == covers {
            gone.retain(|one| one.number <= covers);
            beneath.extend(gone.into_iter().map(|one| (one.key, one)));
        } else {
            beneath.clear();
        }
        let beneath = beneath.into_values().collect();
        Ok((standing.into_values().collect(), beneath))
    }

    fn remove(&mut self, account: AccountId, reply: Reply) -> Fate {
        if self.group.folding.contains(&account) || !self.group.touched.insert(account) {
            return waits(Request::Remove { account, reply });
        }
        match self.account(account) {
            Err(error) => answer(reply, Err(error)),
            Ok(Some(row)) if row.removed => {
                self.group.durable_replies.push(reply);
                Fate::Taken
            }
            Ok(_) => {
                self.group.push(encode_remove(account));
                self.group.removed.push(account);
                self.group.durable_replies.push(reply);
                Fate::Taken
            }
        }
    }

    fn mend(&mut self, account: AccountId, mend: Mend, reply: Reply) -> Fate {
        if !self.group.touched.insert(account) {
            return waits(Request::Mend {
                account,
                mend,
                reply,
            });
        }
        self.group.push(encode_mend(account, mend));
        self.group.mended.push(account);
        self.group.durable_replies.push(reply);
        Fate::Taken
    }

    fn retire(&mut self, segment: u64, doomed: Vec<Vec<u8>>, reply: Reply) -> Fate {
        let row = indexer::guarded(self.core, || {
            self.core.ledger.row::<RetiredRow>(key::RETIRED)
        });
        let mut numbers = match row {
            Ok(row) => row.unwrap_or_default().numbers,
            Err(error) => return answer(reply, Err(CommitError::Failed(error.to_string()))),
        };
        if !self.group.doomed.is_empty() {
            return waits(Request::Retire {
                segment,
                doomed,
                reply,
            });
        }
        if let Err(at) = numbers.binary_search(&segment) {
            numbers.insert(at, segment);
        }
        self.group.push(encode_retire(&numbers));
        self.group.doomed = doomed;
        self.group.durable_replies.push(reply);
        Fate::Taken
    }
}

const GONE: CommitError = CommitError::Refused("a blob to be bound is not there");
