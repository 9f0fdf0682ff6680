//! The table of one mailbox: its rows in chunks, and what was expunged from it.

use crate::expunge_log::ExpungeLog;
use crate::rows::{Ascending, Columns, Row, Rows};
use std::sync::Arc;
use terms::{ModSeq, Uid, UidSet};

/// Chunks that would be heavier together are not joined.
const JOIN_OCTETS_MAX: usize = 128 << 10;

/// Rows of the last chunk beyond which a few more make a new one.
const SHORT_ROWS_MAX: usize = 128;

/// A part of a table. Copied when it changes; all others are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Its name on disk: the unique identifier of its first row when it was made.
    pub base: Uid,
    /// The last change to any of its rows, removals included.
    pub changed: ModSeq,
    /// No row has a higher mod-sequence.
    pub modseq_max: ModSeq,
    pub columns: Columns,
}

impl Chunk {
    /// Takes in the rows of the next chunk.
    fn join(&mut self, next: &Self, number: ModSeq) {
        for row in next.columns.iter() {
            self.columns.push(&row);
        }
        self.changed = number;
        self.modseq_max = self.modseq_max.max(next.modseq_max);
    }
}

/// The rows of a mailbox, ascending by unique identifier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    chunks: Vec<Arc<Chunk>>,
    len: usize,
    pub(crate) log: ExpungeLog,
}

impl Table {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The row of `uid`.
    pub fn get(&self, uid: Uid) -> Option<Row<'_>> {
        let chunk = self.chunks.get(self.chunk_of(uid))?;
        chunk.columns.get(chunk.columns.find(uid).ok()?)
    }

    /// Whether there is a row of `uid`.
    pub fn contains(&self, uid: Uid) -> bool {
        self.chunks
            .get(self.chunk_of(uid))
            .is_some_and(|chunk| chunk.columns.find(uid).is_ok())
    }

    /// All rows, ascending.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = Row<'_>> + '_ {
        self.chunks.iter().flat_map(|chunk| chunk.columns.iter())
    }

    /// The rows from `uid` on, ascending.
    pub fn rows_from(&self, uid: Uid) -> impl Iterator<Item = Row<'_>> + '_ {
        let index = self.chunk_of(uid);
        let chunks = self.chunks.get(index..).unwrap_or_default();
        let mut skip = chunks
            .first()
            .map_or(0, |chunk| match chunk.columns.find(uid) {
                Ok(at) | Err(at) => at,
            });
        chunks.iter().flat_map(move |chunk| {
            let from = std::mem::take(&mut skip);
            (from..chunk.columns.len()).filter_map(move |index| chunk.columns.get(index))
        })
    }

    /// The rows of those of `uids` that are there, ascending.
    pub fn rows_in<'a>(&'a self, uids: &'a UidSet) -> impl Iterator<Item = Row<'a>> + 'a {
        uids.runs()
            .flat_map(|(first, last)| self.rows_from(first).take_while(move |row| row.uid <= last))
    }

    /// The rows with a mod-sequence above `modseq`, ascending by unique
    /// identifier. Chunks with none cost nothing.
    pub fn changed_since(&self, modseq: ModSeq) -> impl Iterator<Item = Row<'_>> + '_ {
        self.chunks
            .iter()
            .filter(move |chunk| chunk.modseq_max > modseq)
            .flat_map(move |chunk| {
                let modseqs = chunk.columns.modseqs().iter().enumerate();
                modseqs
                    .filter(move |(_, number)| **number > modseq)
                    .filter_map(|(index, _)| chunk.columns.get(index))
            })
    }

    /// The unique identifiers of all rows.
    pub fn uids(&self) -> UidSet {
        let mut set = Ascending::default();
        for uid in self.chunks.iter().flat_map(|chunk| chunk.columns.uids()) {
            set.push(*uid);
        }
        set.finish()
    }

    /// The highest unique identifier: what `*` stands for.
    pub fn last_uid(&self) -> Option<Uid> {
        self.chunks
            .last()
            .and_then(|chunk| chunk.columns.last_uid())
    }

    /// What was expunged after `modseq`; `None` where the log no longer reaches
    /// back so far: all that is not there then counts as expunged.
    pub fn expunged_since(&self, modseq: ModSeq) -> Option<UidSet> {
        self.log.since(modseq)
    }

    /// The log of expunges.
    pub fn expunge_log(&self) -> &ExpungeLog {
        &self.log
    }

    /// About how many octets of memory it takes, shared ones included.
    pub fn octets(&self) -> usize {
        self.chunks
            .iter()
            .map(|chunk| chunk.columns.memory() + 64)
            .sum::<usize>()
            + self.log.octets()
    }

    pub(crate) fn chunks(&self) -> &[Arc<Chunk>] {
        &self.chunks
    }

    /// The chunk that holds `uid` if any does.
    fn chunk_of(&self, uid: Uid) -> usize {
        self.chunks
            .partition_point(|chunk| chunk.columns.last_uid().is_some_and(|last| last < uid))
    }

    /// Takes a chunk as it was read; chunks come ascending.
    pub(crate) fn push_chunk(&mut self, chunk: Chunk) -> bool {
        let above = match (self.last_uid(), chunk.columns.first_uid()) {
            (_, None) => false,
            (None, _) => true,
            (Some(last), Some(first)) => last < first,
        };
        if above {
            self.len += chunk.columns.len();
            self.chunks.push(Arc::new(chunk));
        }
        above
    }

    /// Puts rows after the last. Few rows go into a short last chunk, so that the
    /// next few copy little; it is joined to the one before when it has grown.
    pub(crate) fn append(&mut self, rows: &Rows, number: ModSeq) {
        let room = if rows.len() < SHORT_ROWS_MAX {
            SHORT_ROWS_MAX
        } else {
            Columns::ROWS_MAX
        };
        for row in rows.iter() {
            self.append_row(&row, number, room);
        }
    }

    fn append_row(&mut self, row: &Row<'_>, number: ModSeq, room: usize) {
        if self.last_uid().is_some_and(|last| last >= row.uid) {
            return;
        }
        let full = |chunk: &Arc<Chunk>| chunk.columns.is_full() || chunk.columns.len() >= room;
        if self.chunks.last().is_none_or(full) {
            self.join_last(number);
            self.chunks.push(Arc::new(Chunk {
                base: row.uid,
                changed: number,
                modseq_max: ModSeq::ZERO,
                columns: Columns::new(),
            }));
        }
        if let Some(shared) = self.chunks.last_mut() {
            let chunk = Arc::make_mut(shared);
            chunk.changed = number;
            chunk.modseq_max = chunk.modseq_max.max(row.modseq);
            if chunk.columns.push(row) {
                self.len += 1;
            }
        }
    }

    /// Joins the last chunk to the one before, if they fit.
    fn join_last(&mut self, number: ModSeq) {
        let Some((last, before)) = self.chunks.split_last_mut() else {
            return;
        };
        let fits = |left: &&mut Arc<Chunk>| {
            left.columns.len() + last.columns.len() <= Columns::ROWS_MAX
                && left.columns.weight() + last.columns.weight() <= JOIN_OCTETS_MAX
        };
        if let Some(left) = before.last_mut().filter(fits) {
            Arc::make_mut(left).join(last, number);
            self.chunks.pop();
        }
    }

    /// Gives rows other flags; says whether all of them were there.
    pub(crate) fn set_flags(
        &mut self,
        uids: &UidSet,
        bits: u8,
        keywords: &[u16],
        number: ModSeq,
    ) -> bool {
        let mut found = 0;
        for (first, last) in uids.runs() {
            let mut index = self.chunk_of(first);
            while let Some(shared) = self.chunks.get_mut(index) {
                let (Ok(from) | Err(from)) = shared.columns.find(first);
                let to = match shared.columns.find(last) {
                    Ok(at) => at + 1,
                    Err(at) => at,
                };
                if from >= to {
                    break;
                }
                let chunk = Arc::make_mut(shared);
                for at in from..to {
                    chunk.columns.set_flags(at, bits, keywords, number);
                }
                chunk.changed = number;
                chunk.modseq_max = chunk.modseq_max.max(number);
                found += (to - from) as u64;
                index += 1;
            }
        }
        found == uids.count()
    }

    /// Takes rows out; says whether all of them were there.
    pub(crate) fn remove(&mut self, uids: &UidSet, number: ModSeq) -> bool {
        let before = self.len;
        let mut runs = uids.runs().peekable();
        for shared in &mut self.chunks {
            let columns = &shared.columns;
            let (Some(low), Some(high)) = (columns.first_uid(), columns.last_uid()) else {
                continue;
            };
            while runs.next_if(|run| run.1 < low).is_some() {}
            match runs.peek() {
                None => break,
                Some(run) if run.0 > high => continue,
                Some(_) => {}
            }
            if columns.uids().iter().any(|&uid| uids.contains(uid)) {
                let chunk = Arc::make_mut(shared);
                let count = chunk.columns.len();
                chunk.columns.remove(uids);
                chunk.changed = number;
                self.len -= count - chunk.columns.len();
            }
        }
        if self.len < before {
            self.tidy(number);
        }
        (before - self.len) as u64 == uids.count()
    }

    /// Drops chunks that have no rows left and joins small neighbours, if the
    /// change `number` has touched them.
    fn tidy(&mut self, number: ModSeq) {
        let mut kept: Vec<Arc<Chunk>> = Vec::with_capacity(self.chunks.len());
        for chunk in self.chunks.drain(..) {
            if chunk.columns.is_empty() {
                continue;
            }
            let touched = chunk.changed == number;
            match kept.last_mut().filter(|left| {
                (touched || left.changed == number)
                    && left.columns.len() + chunk.columns.len() <= Columns::ROWS_MAX / 2
                    && left.columns.weight() + chunk.columns.weight() <= JOIN_OCTETS_MAX
            }) {
                Some(left) => Arc::make_mut(left).join(&chunk, number),
                None => kept.push(chunk),
            }
        }
        self.chunks = kept;
    }

    /// Gives every row this mod-sequence.
    pub(crate) fn touch_all(&mut self, number: ModSeq) {
        for shared in &mut self.chunks {
            let chunk = Arc::make_mut(shared);
            chunk.columns.set_modseqs(number);
            chunk.changed = number;
            chunk.modseq_max = number;
        }
    }

    /// Gives every row a new unique identifier, from one on.
    pub(crate) fn renumber(&mut self, number: ModSeq) {
        let old = std::mem::take(self);
        let mut uid = Uid::MIN;
        for row in old.rows() {
            let row = Row {
                uid,
                modseq: number,
                ..row
            };
            self.append_row(&row, number, Columns::ROWS_MAX);
            uid = uid.next().unwrap_or(Uid::MAX);
        }
        self.log = ExpungeLog::starting_at(number);
    }
}
