//! Internationalised messages for sessions that know none. RFC 6858.

use super::derive::compute;
use super::octets::MessageOctets;
use crate::limits::OctetsHeld;
use crate::stream::{Node, StreamError};
use account::Row;
use bytes::Bytes;
use store::{BlobError, Store};

/// The message, its form, and what is derived from that.
const FORM_FACTOR: usize = 3;

/// A message's form, counted as in flight while it is there.
pub(super) struct Form {
    pub(super) octets: Bytes,
    pub(super) derived: Bytes,
    _held: OctetsHeld,
}

/// Makes the form of a message, which is kept nowhere: such messages are few.
///
/// # Errors
/// The outer one: the node has too much to do. The inner one: the message cannot
/// be read.
pub(super) async fn downgraded(
    node: &Node,
    store: &dyn Store,
    row: &Row<'_>,
) -> Result<Result<Form, BlobError>, StreamError> {
    let count = usize::try_from(row.size).unwrap_or(usize::MAX);
    let count = count.saturating_mul(FORM_FACTOR);
    let wait = node.limits.octets_wait;
    let held = node.env.timeout(wait, node.octets.take(count)).await;
    let held = held.map_err(|_| StreamError::Crowded)?;
    let whole = match whole(store, row).await {
        Ok(whole) => whole,
        Err(error) => return Ok(Err(error)),
    };
    let made = compute(node, &whole, |whole| {
        // Somebody who reads mail otherwise may have stored it: then it has none.
        let form = mime::downgrade(whole).unwrap_or_else(|| whole.to_vec());
        let derived = mime::derive(&form);
        (Bytes::from(form), Bytes::from(derived))
    });
    Ok(match made.await {
        Some((octets, derived)) => Ok(Form {
            octets,
            derived,
            _held: held,
        }),
        None => Err(BlobError::Failed("it cannot be parsed".to_owned())),
    })
}

async fn whole(store: &dyn Store, row: &Row<'_>) -> Result<Bytes, BlobError> {
    let mut octets = MessageOctets::new(store, *row);
    let mut whole = Vec::new();
    while let Some(piece) = octets.next().await? {
        whole.extend_from_slice(&piece);
    }
    Ok(whole.into())
}
