//! Derived rows: fetched in batches, made anew where they are missing.

use super::octets::{Source, blob_range, blob_size};
use crate::limits::OctetsHeld;
use crate::stream::{Node, StreamError};
use account::Row;
use bytes::Bytes;
use mime::Derived;
use std::ops::Range;
use store::{BlobError, Store};
use terms::BlobId;
use tracing::warn;

/// Messages above this are parsed beside the tasks.
const BESIDE_OCTETS: usize = 64 << 10;

/// The derived rows of these rows, in their order; an error for each message
/// that has none and cannot be read.
///
/// # Errors
/// The node has too much to do.
pub(super) async fn derived_rows(
    node: &Node,
    store: &dyn Store,
    rows: &[Row<'_>],
) -> Result<Vec<Result<Bytes, BlobError>>, StreamError> {
    let blobs: Vec<BlobId> = rows.iter().map(|row| row.blob).collect();
    let kept = store.derived(&blobs).await.unwrap_or_else(|error| {
        // A cache that does not answer is an empty one.
        warn!(%error, "derived rows are made anew");
        Vec::new()
    });
    let mut kept = kept.into_iter();
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let octets = kept.next().flatten();
        let octets = octets.filter(|octets| is_of(octets, row));
        found.push(match octets {
            Some(octets) => Ok(octets),
            None => make(node, store, row).await?,
        });
    }
    Ok(found)
}

/// Whether the octets are a derived row of this version for this row.
fn is_of(octets: &[u8], row: &Row<'_>) -> bool {
    Derived::decode(octets).is_ok_and(|derived| derived.size == blob_size(row))
}

/// Makes the derived row from the blob and keeps it.
async fn make(
    node: &Node,
    store: &dyn Store,
    row: &Row<'_>,
) -> Result<Result<Bytes, BlobError>, StreamError> {
    make_by(node, store, row, mime::derive).await
}

/// Makes the derived row anew, with the texts that SEARCH looks through.
pub(super) async fn remade(
    node: &Node,
    store: &dyn Store,
    row: &Row<'_>,
) -> Result<Result<Bytes, BlobError>, StreamError> {
    make_by(node, store, row, mime::derive_searchable).await
}

async fn make_by(
    node: &Node,
    store: &dyn Store,
    row: &Row<'_>,
    derive: fn(&[u8]) -> Vec<u8>,
) -> Result<Result<Bytes, BlobError>, StreamError> {
    let message = match whole_blob(node, store, row).await? {
        Ok(message) => message,
        Err(error) => return Ok(Err(error)),
    };
    let derived = compute(node, &message, derive).await;
    Ok(match derived {
        Some(derived) => {
            let derived = Bytes::from(derived);
            store.put_derived(row.blob, derived.clone());
            Ok(derived)
        }
        None => Err(BlobError::Failed("it cannot be parsed".to_owned())),
    })
}

/// Octets in memory, counted as in flight while they are there.
pub(super) struct Held {
    octets: Bytes,
    held: Option<Taken>,
}

/// Of [`Node::readings`] and of [`Node::octets`].
type Taken = [OctetsHeld; 2];

impl Held {
    /// A part of them, which counts with the whole; `None` where they end before.
    pub(super) fn part(&self, range: Range<u64>) -> Option<Self> {
        let range = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
        (range.start <= range.end && range.end <= self.octets.len()).then(|| Self {
            octets: self.octets.slice(range),
            held: None,
        })
    }

    /// What was made of them, counted in their place.
    pub(super) fn made(self, octets: Vec<u8>) -> Made {
        let mut held = self.held;
        for held in held.iter_mut().flatten() {
            held.keep(octets.capacity());
        }
        Made {
            octets,
            _held: held,
        }
    }
}

/// Octets for the peer, counted as in flight until it has taken them.
pub(super) struct Made {
    pub(super) octets: Vec<u8>,
    _held: Option<Taken>,
}

impl From<Vec<u8>> for Made {
    /// Few, which are not counted.
    fn from(octets: Vec<u8>) -> Self {
        Self {
            octets,
            _held: None,
        }
    }
}

impl std::ops::Deref for Held {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.octets
    }
}

/// A blob as a whole.
pub(super) async fn whole_blob(
    node: &Node,
    store: &dyn Store,
    row: &Row<'_>,
) -> Result<Result<Held, BlobError>, StreamError> {
    held_range(node, store.into(), row, 0..blob_size(row), 1).await
}

/// A range of a blob. `factor`: how many octets work on one of them takes.
pub(super) async fn held_range(
    node: &Node,
    source: Source<'_>,
    row: &Row<'_>,
    range: Range<u64>,
    factor: u64,
) -> Result<Result<Held, BlobError>, StreamError> {
    let count = range.end.saturating_sub(range.start).saturating_mul(factor);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let held = async {
        [
            node.readings.take(count).await,
            node.octets.take(count).await,
        ]
    };
    let wait = node.limits.octets_wait;
    let held = node.env.timeout(wait, Box::pin(held)).await;
    let held = held.map_err(|_| StreamError::Crowded)?;
    Ok(blob_range(source, row, range).await.map(|octets| Held {
        octets,
        held: Some(held),
    }))
}

/// Runs work on octets, beside the tasks if it may take long; `None` if it
/// panicked there.
pub(super) async fn compute<T: Send + 'static>(
    node: &Node,
    octets: &Bytes,
    work: impl FnOnce(&[u8]) -> T + Send + 'static,
) -> Option<T> {
    if octets.len() <= BESIDE_OCTETS {
        return Some(work(octets));
    }
    let octets = octets.clone();
    node.env.compute(move || work(&octets)).await
}
