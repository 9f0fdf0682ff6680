//! A message's octets: the row's prefix, then the blob.

use account::Row;
use bytes::Bytes;
use std::ops::Range;
use store::{BlobError, Store};

/// Octets of a blob that are asked for at once while they are only looked at.
const READ_OCTETS: u64 = 1 << 20;

/// Octets that are held while a peer takes them.
const SEND_OCTETS: u64 = 128 << 10;

/// Where a message's octets are after the row's prefix.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// In its blob.
    Store(&'a dyn Store),
    /// In a form that was made of the whole message: its row has no prefix.
    Form(&'a Bytes),
}

impl<'a> From<&'a dyn Store> for Source<'a> {
    fn from(store: &'a dyn Store) -> Self {
        Self::Store(store)
    }
}

/// Octets of a blob, at once where the store has them ready.
///
/// # Errors
/// See [`BlobError`]; a blob that is shorter than the range counts as damaged.
pub(super) async fn blob_octets(
    source: Source<'_>,
    row: &Row<'_>,
    range: Range<u64>,
) -> Result<Bytes, BlobError> {
    let wanted = range.end.saturating_sub(range.start);
    if wanted == 0 {
        return Ok(Bytes::new());
    }
    let octets = match source {
        Source::Form(form) => part(form, range),
        Source::Store(store) => match store.blob_now(row.blob, range.clone()) {
            Some(octets) => octets?,
            None => store.blob(row.blob, range).await?,
        },
    };
    if octets.len() as u64 == wanted {
        Ok(octets)
    } else {
        Err(BlobError::Damaged(row.blob))
    }
}

/// What there is of a range.
fn part(form: &Bytes, range: Range<u64>) -> Bytes {
    let place = |at: u64| usize::try_from(at).map_or(form.len(), |at| at.min(form.len()));
    let (start, end) = (place(range.start), place(range.end));
    form.slice(start.min(end)..end)
}

/// A longer range of a blob in one piece of memory, read in pieces.
pub(super) async fn blob_range(
    source: Source<'_>,
    row: &Row<'_>,
    range: Range<u64>,
) -> Result<Bytes, BlobError> {
    if range.end.saturating_sub(range.start) <= READ_OCTETS {
        return blob_octets(source, row, range).await;
    }
    let mut whole = Vec::new();
    let mut start = range.start;
    while start < range.end {
        let end = range.end.min(start + READ_OCTETS);
        whole.extend_from_slice(&blob_octets(source, row, start..end).await?);
        start = end;
    }
    Ok(whole.into())
}

/// Octets of the blob of a row.
pub(super) fn blob_size(row: &Row<'_>) -> u64 {
    u64::from(row.size).saturating_sub(row.prefix.len() as u64)
}

/// A range of a message's octets, to be sent in pieces.
pub struct MessageOctets<'a> {
    source: Source<'a>,
    row: Row<'a>,
    range: Range<u64>,
}

impl<'a> MessageOctets<'a> {
    /// All of it.
    pub fn new(store: &'a dyn Store, row: Row<'a>) -> Self {
        Self::range(store, row, 0..u64::from(row.size))
    }

    /// A range of it, cut to its length.
    pub fn range(store: &'a dyn Store, row: Row<'a>, range: Range<u64>) -> Self {
        Self::of(store.into(), row, range)
    }

    /// A range of what is there or elsewhere.
    pub(super) fn of(source: Source<'a>, row: Row<'a>, range: Range<u64>) -> Self {
        let end = range.end.min(u64::from(row.size));
        let range = range.start.min(end)..end;
        Self { source, row, range }
    }

    /// Octets that are still to come.
    pub fn remaining(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Makes sure that all of it can be read, so that its length can be
    /// announced. Short ones are left to the first call of
    /// [`MessageOctets::next`], which has to come before the announcement.
    ///
    /// # Errors
    /// See [`BlobError`].
    pub async fn verify(&self) -> Result<(), BlobError> {
        let mut start = self.range.start;
        while self.remaining() > SEND_OCTETS && start < self.range.end {
            let end = self.range.end.min(start + READ_OCTETS);
            self.piece(start..end).await?;
            start = end;
        }
        Ok(())
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// See [`BlobError`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, BlobError> {
        if self.range.is_empty() {
            return Ok(None);
        }
        let end = self.range.end.min(self.range.start + SEND_OCTETS);
        let octets = self.piece(self.range.start..end).await?;
        self.range.start = end;
        Ok(Some(octets))
    }

    async fn piece(&self, range: Range<u64>) -> Result<Bytes, BlobError> {
        let prefix = self.row.prefix;
        let shift = prefix.len() as u64;
        let of_blob = range.start.saturating_sub(shift)..range.end.saturating_sub(shift);
        let blob = blob_octets(self.source, &self.row, of_blob).await?;
        if range.start >= shift {
            return Ok(blob);
        }
        let place = |at: u64| usize::try_from(at.min(shift)).unwrap_or(prefix.len());
        let before = prefix.get(place(range.start)..place(range.end));
        Ok([before.unwrap_or_default(), &blob].concat().into())
    }
}
