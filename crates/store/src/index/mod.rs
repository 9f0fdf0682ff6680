//! The seam between the journal engine and its index.
//!
//! The journal is the truth; an index only says where things lie in it. So an
//! [`Index`] may lag behind, lose what was not persisted, be wrong or be gone:
//! its errors are values that the engine answers by reading the journal.

mod fjall;
mod ordered;

pub use self::fjall::FjallIndex;
pub use ordered::OrderedIndex;

use bytes::Bytes;
use std::ops::ControlFlow;

/// A part of the index with its own keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// Where blobs, commits and sections lie, copies of small ones, the due
    /// queue, bookkeeping: small values, often asked.
    Places,
    /// Derived rows: larger values, scanned.
    Derived,
}

impl Space {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Places, Self::Derived];
}

/// The index did not do what was asked. Never fatal: what it says lies in the
/// journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the index failed: {0}")]
pub struct IndexError(pub String);

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// In which space.
    pub space: Space,
    /// Which key.
    pub key: Bytes,
    /// What it says from now on; `None` removes it.
    pub value: Option<Bytes>,
}

/// Changes that are applied together or not at all, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    changes: Vec<Change>,
}

impl Batch {
    /// No changes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The key says `value` from now on.
    pub fn put(&mut self, space: Space, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.changes.push(Change {
            space,
            key: key.into(),
            value: Some(value.into()),
        });
    }

    /// The key is gone from now on.
    pub fn remove(&mut self, space: Space, key: impl Into<Bytes>) {
        self.changes.push(Change {
            space,
            key: key.into(),
            value: None,
        });
    }

    /// How many changes.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The changes in order.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }
}

/// What a scan calls with each key and value; breaks to end the scan.
pub type Visitor<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// An ordered map of octets to octets in [`Space`]s.
///
/// Reads may come from any thread; `apply`, `persist` and `clear` are called by
/// one thread only. Calls may block on the disk.
pub trait Index: Send + Sync + 'static {
    /// What the key says.
    ///
    /// # Errors
    /// If the index cannot be read.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, IndexError>;

    /// Visits the keys from `from` (inclusive) to `to` (exclusive; `None`: to the
    /// end of the space), ascending, as they stood at one moment.
    ///
    /// # Errors
    /// If the index cannot be read; some keys may have been visited by then.
    fn scan(
        &self,
        space: Space,
        from: &[u8],
        to: Option<&[u8]>,
        visit: &mut Visitor<'_>,
    ) -> Result<(), IndexError>;

    /// Applies the whole batch or nothing; visible when it returns.
    ///
    /// # Errors
    /// If it could not be written; whether it was is unknown.
    fn apply(&self, batch: Batch) -> Result<(), IndexError>;

    /// Makes everything applied so far durable. What is lost after a crash is
    /// always a run of the newest batches, each whole.
    ///
    /// # Errors
    /// If it could not be made durable.
    fn persist(&self) -> Result<(), IndexError>;

    /// Removes every key of every space, before a rebuild.
    ///
    /// # Errors
    /// If it could not be cleared; some keys may remain.
    fn clear(&self) -> Result<(), IndexError>;

    /// Visits the keys that begin with `prefix`, ascending.
    ///
    /// # Errors
    /// As for [`Index::scan`].
    fn scan_prefix(
        &self,
        space: Space,
        prefix: &[u8],
        visit: &mut Visitor<'_>,
    ) -> Result<(), IndexError> {
        let end = after_prefix(prefix);
        self.scan(space, prefix, end.as_deref(), visit)
    }
}

/// The smallest key above all that begin with `prefix`; `None` if there is none.
pub fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|octet| *octet != u8::MAX)?;
    let mut end = prefix.get(..=kept)?.to_vec();
    *end.last_mut()? += 1;
    Some(end)
}

#[cfg(test)]
mod tests;
