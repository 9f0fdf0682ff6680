//! A section of one message, for the server's own use.

use super::derive::derived_rows;
use super::octets::MessageOctets;
use super::section::{Value, Wanted, cut, is_whole, section_value};
use crate::stream::{Node, StreamError};
use account::Row;
use bytes::Bytes;
use mime::Derived;
use std::sync::Arc;
use store::{BlobError, Store};
use terms::{Partial, Section};

/// Octets of a message that are read in pieces.
pub struct Excerpt<'a> {
    octets: Octets<'a>,
    length: u64,
}

enum Octets<'a> {
    Ready(Option<Vec<u8>>),
    Stored(MessageOctets<'a>),
}

impl Excerpt<'_> {
    /// How many there are in all.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// See [`BlobError`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, BlobError> {
        match &mut self.octets {
            Octets::Ready(octets) => Ok(octets.take().map(Bytes::from)),
            Octets::Stored(octets) => octets.next().await,
        }
    }
}

/// What FETCH of this section would send; `None` where there is no such part.
///
/// # Errors
/// The outer one: the node has too much to do. The inner one: the message cannot
/// be read.
pub async fn excerpt<'a>(
    node: &Node,
    store: &'a dyn Store,
    row: &Row<'a>,
    section: &Section,
    partial: Option<Partial>,
) -> Result<Result<Option<Excerpt<'a>>, BlobError>, StreamError> {
    let value = if is_whole(section) {
        Value::Range(0..u64::from(row.size))
    } else {
        let derived = derived_rows(node, store, std::slice::from_ref(row)).await?;
        let octets = match derived.into_iter().next() {
            Some(Ok(octets)) => octets,
            Some(Err(error)) => return Ok(Err(error)),
            None => return Ok(Err(BlobError::Missing(row.blob))),
        };
        let Ok(derived) = Derived::decode(&octets) else {
            return Ok(Err(BlobError::Damaged(row.blob)));
        };
        let wanted = Wanted::of(section).map(Arc::new);
        let value = section_value(node, store.into(), row, &derived, section, wanted.as_ref());
        match value.await? {
            Ok(value) => value,
            Err(error) => return Ok(Err(error)),
        }
    };
    Ok(Ok(match cut(value, partial) {
        Value::Range(range) => {
            let octets = MessageOctets::range(store, *row, range);
            Some(Excerpt {
                length: octets.remaining(),
                octets: Octets::Stored(octets),
            })
        }
        Value::Octets(made) | Value::Written(made) => Some(Excerpt {
            length: made.octets.len() as u64,
            octets: Octets::Ready(Some(made.octets)),
        }),
        Value::Nil | Value::Undecodable => None,
    }))
}
