//! What was expunged and is kept for the undo window.

use crate::rows::{Columns, Row, Rows};
use std::sync::Arc;
use terms::{Keyword, MailboxId, MailboxName, ModSeq, Timestamp, Uid, UidSet};

/// Why a row was expunged. The numbers are part of the format on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Cause {
    /// IMAP's EXPUNGE or CLOSE.
    Expunge = 1,
    /// POP3's DELE, under the hold `remove`.
    Collected = 2,
    /// The hold's span was over.
    Hold = 3,
    /// It gave way to a delivery.
    GaveWay = 4,
    /// Its mailbox was deleted.
    MailboxDeleted = 5,
    /// It was moved to another account.
    MovedAway = 6,
    /// The operator.
    Operator = 7,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Expunge,
        Self::Collected,
        Self::Hold,
        Self::GaveWay,
        Self::MailboxDeleted,
        Self::MovedAway,
        Self::Operator,
    ];

    /// From its number on disk.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|&cause| cause as u8 == number)
    }
}

/// Rows that one change has expunged from one mailbox; a large expunge makes
/// several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The change.
    pub number: ModSeq,
    /// When.
    pub time: Timestamp,
    /// Why.
    pub cause: Cause,
    /// From where.
    pub mailbox: MailboxId,
    /// What that was called then.
    pub name: MailboxName,
    /// What the rows' keywords are places in.
    pub keywords: Arc<Vec<Keyword>>,
    /// What. Their mod-sequences are those of before.
    pub rows: Arc<Columns>,
}

/// Some batches: a section on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExpungedPart {
    /// Its name on disk, ascending.
    pub serial: u32,
    pub changed: ModSeq,
    pub batches: Vec<Arc<Batch>>,
    /// About how many octets it takes on disk.
    pub weight: usize,
}

impl ExpungedPart {
    const BATCHES_MAX: usize = 256;
    const OCTETS_MAX: usize = 128 << 10;

    pub(crate) fn new(serial: u32, changed: ModSeq, batches: Vec<Arc<Batch>>) -> Self {
        Self {
            serial,
            changed,
            weight: batches.iter().map(|batch| batch_weight(batch)).sum(),
            batches,
        }
    }

    fn is_full(&self) -> bool {
        self.batches.len() >= Self::BATCHES_MAX || self.weight >= Self::OCTETS_MAX
    }
}

fn batch_weight(batch: &Batch) -> usize {
    let names: usize = batch
        .keywords
        .iter()
        .map(|name| name.as_str().len() + 2)
        .sum();
    batch.rows.weight() + names + batch.name.as_str().len() + 32
}

/// All that was expunged and is kept, in the order of the changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expunged {
    parts: Vec<Arc<ExpungedPart>>,
}

impl Expunged {
    /// Every batch, the oldest first.
    pub fn batches(&self) -> impl DoubleEndedIterator<Item = &Batch> + '_ {
        self.parts
            .iter()
            .flat_map(|part| part.batches.iter().map(|batch| &**batch))
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.batches().map(|batch| batch.rows.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The row that `uid` of `mailbox` was, and what its keywords are places in.
    pub fn find(&self, mailbox: MailboxId, uid: Uid) -> Option<(Row<'_>, &Batch)> {
        let mut batches = self
            .batches()
            .rev()
            .filter(|batch| batch.mailbox == mailbox);
        batches.find_map(|batch| {
            let row = batch.rows.get(batch.rows.find(uid).ok()?)?;
            Some((row, batch))
        })
    }

    pub(crate) fn parts(&self) -> &[Arc<ExpungedPart>] {
        &self.parts
    }

    /// Takes a part as it was read; parts come ascending.
    pub(crate) fn push_part(&mut self, part: ExpungedPart) -> bool {
        let above = self
            .parts
            .last()
            .is_none_or(|last| last.serial < part.serial);
        if above && !part.batches.is_empty() {
            self.parts.push(Arc::new(part));
        }
        above
    }

    /// Files what a change has expunged.
    pub(crate) fn push(&mut self, batch: &Batch, rows: &Rows) {
        for columns in rows.parts() {
            let batch = Batch {
                rows: Arc::clone(columns),
                ..batch.clone()
            };
            self.push_batch(batch);
        }
    }

    fn push_batch(&mut self, batch: Batch) {
        if self.parts.last().is_none_or(|part| part.is_full()) {
            let serial = self
                .parts
                .last()
                .map_or(0, |part| part.serial.wrapping_add(1));
            let part = ExpungedPart::new(serial, batch.number, Vec::new());
            self.parts.push(Arc::new(part));
        }
        if let Some(part) = self.parts.last_mut() {
            let part = Arc::make_mut(part);
            part.changed = batch.number;
            part.weight += batch_weight(&batch);
            part.batches.push(Arc::new(batch));
        }
    }

    /// Takes rows out for good, or because they came back.
    pub(crate) fn remove(&mut self, of: ModSeq, mailbox: MailboxId, uids: &UidSet, by: ModSeq) {
        for shared in &mut self.parts {
            let hit = |batch: &Batch| batch.number == of && batch.mailbox == mailbox;
            if !shared.batches.iter().any(|batch| hit(batch)) {
                continue;
            }
            let part = Arc::make_mut(shared);
            part.changed = by;
            for batch in part.batches.iter_mut().filter(|batch| hit(batch)) {
                Arc::make_mut(&mut Arc::make_mut(batch).rows).remove(uids);
            }
            part.batches.retain(|batch| !batch.rows.is_empty());
            *part = ExpungedPart::new(part.serial, by, std::mem::take(&mut part.batches));
        }
        self.parts.retain(|part| !part.batches.is_empty());
    }
}
