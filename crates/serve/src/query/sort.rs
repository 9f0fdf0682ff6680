//! SORT: messages in an order. RFC 5256 §3.
//!
//! What each is sorted by is written as octets that compare as it does, one
//! message's behind another's: a million messages are one block of memory and
//! an array of places in it.

use super::derive::derived_rows;
use super::{BATCH_MESSAGES, Message, Messages};
use crate::limits::OctetsHeld;
use crate::stream::{Node, StreamError};
use mime::{Address, Derived, Fields, addresses, decode_words, pick_fields, unicode_casemap};
use std::sync::Arc;
use store::Store;
use terms::{SortCriterion, SortKey, Uid};

/// Octets held of the node at once while keys gather.
const HELD_OCTETS: usize = 1 << 20;
/// Longest text that is compared.
const TEXT_OCTETS_MAX: usize = 1_000;
/// More messages are sorted beside the tasks.
const HERE_MESSAGES: usize = 2_000;

/// What came of a SORT.
#[derive(Debug, Default)]
pub struct Sorted {
    /// The messages in their order.
    pub uids: Vec<Uid>,
    /// All could be read; the others count as messages without a header.
    pub readable: bool,
}

/// The messages by these criteria; equal ones in the order of the mailbox.
///
/// # Errors
/// The node has too much to do.
pub async fn sorted<'m>(
    node: &Arc<Node>,
    store: &dyn Store,
    criteria: &[SortCriterion],
    messages: Messages<'m>,
) -> Result<Sorted, StreamError> {
    let criteria = first_of_each(criteria);
    let mut keys = Keys::new(node);
    let mut readable = true;
    let derives = criteria
        .iter()
        .any(|criterion| needs_derived(criterion.key));
    let mut messages = messages.peekable();
    while messages.peek().is_some() {
        let batch: Vec<Message<'m>> = messages.by_ref().take(BATCH_MESSAGES).collect();
        let rows: Vec<_> = batch.iter().map(|message| message.row).collect();
        let derived = if derives {
            derived_rows(node, store, &rows).await?
        } else {
            Vec::new()
        };
        for (index, message) in batch.iter().enumerate() {
            let octets = derived.get(index).and_then(|octets| octets.as_ref().ok());
            let derived = octets.and_then(|octets| Derived::decode(octets).ok());
            readable &= derived.is_some() || !derives;
            for criterion in &criteria {
                keys.put(message, derived.as_ref(), *criterion);
            }
            keys.end(message.row.uid);
        }
        keys.hold().await?;
        tokio::task::yield_now().await;
    }
    let uids = keys.sorted().await;
    Ok(Sorted { uids, readable })
}

/// The criteria without those whose key came before: what is equal by it is equal by
/// it again, either way round.
fn first_of_each(criteria: &[SortCriterion]) -> Vec<SortCriterion> {
    let mut first: Vec<SortCriterion> = Vec::new();
    for criterion in criteria {
        if first.iter().all(|other| other.key != criterion.key) {
            first.push(*criterion);
        }
    }
    first
}

fn needs_derived(key: SortKey) -> bool {
    !matches!(key, SortKey::Arrival | SortKey::Size)
}

/// What messages are sorted by.
struct Keys {
    node: Arc<Node>,
    octets: Vec<u8>,
    /// Each message, and where its key ends.
    ends: Vec<(Uid, usize)>,
    held: Option<OctetsHeld>,
}

impl Keys {
    fn new(node: &Arc<Node>) -> Self {
        Self {
            node: Arc::clone(node),
            octets: Vec::new(),
            ends: Vec::new(),
            held: None,
        }
    }

    fn put(&mut self, message: &Message<'_>, derived: Option<&Derived<'_>>, by: SortCriterion) {
        let start = self.octets.len();
        let row = &message.row;
        let field = |name| first_address(message, derived, name);
        match by.key {
            SortKey::Arrival => self.put_number(row.internal_date.seconds),
            SortKey::Size => self.put_number(i64::from(row.size)),
            // RFC 5256 §2.2: the sent date, or else the internal one; in UTC.
            SortKey::Date => self.put_number(sent_seconds(message, derived)),
            SortKey::Subject => {
                let subject = derived.map_or("", |derived| derived.base_subject);
                self.put_text(subject);
            }
            SortKey::From => self.put_text(&field("From").map_or_else(String::new, local_part)),
            SortKey::To => self.put_text(&field("To").map_or_else(String::new, local_part)),
            SortKey::Cc => self.put_text(&field("Cc").map_or_else(String::new, local_part)),
            SortKey::DisplayFrom => self.put_text(&field("From").map_or_else(String::new, shown)),
            SortKey::DisplayTo => self.put_text(&field("To").map_or_else(String::new, shown)),
        }
        if by.reverse {
            for octet in self.octets.iter_mut().skip(start) {
                *octet = !*octet;
            }
        }
    }

    fn put_number(&mut self, number: i64) {
        // The sign bit turned: then octets compare as the numbers do.
        let ordered = (number as u64) ^ (1 << 63);
        self.octets.extend_from_slice(&ordered.to_be_bytes());
    }

    fn put_text(&mut self, text: &str) {
        let folded = unicode_casemap(text);
        let octets = folded.bytes().take(TEXT_OCTETS_MAX);
        // Zero ends it, so that what follows does not count where one text is the
        // beginning of another.
        self.octets.extend(octets.map(|octet| octet.max(1)));
        self.octets.push(0);
    }

    fn end(&mut self, uid: Uid) {
        self.ends.push((uid, self.octets.len()));
    }

    /// Has as many octets of the node as it takes up.
    async fn hold(&mut self) -> Result<(), StreamError> {
        let entries = self.ends.capacity() * size_of::<(Uid, usize)>() * 3;
        hold_in_all(&self.node, &mut self.held, self.octets.capacity() + entries).await
    }

    async fn sorted(self) -> Vec<Uid> {
        if self.ends.len() <= HERE_MESSAGES {
            return self.sort();
        }
        let node = Arc::clone(&self.node);
        node.env
            .compute(move || self.sort())
            .await
            .unwrap_or_default()
    }

    fn sort(self) -> Vec<Uid> {
        let mut start = 0;
        let mut places: Vec<(usize, usize, Uid)> = Vec::with_capacity(self.ends.len());
        for (uid, end) in &self.ends {
            places.push((start, *end, *uid));
            start = *end;
        }
        let key = |(start, end, _): &(usize, usize, Uid)| {
            self.octets.get(*start..*end).unwrap_or_default()
        };
        // The messages came ascending: RFC 5256 §3, equal ones by their numbers.
        places.sort_by(|one, other| key(one).cmp(key(other)).then(one.2.cmp(&other.2)));
        places.into_iter().map(|(_, _, uid)| uid).collect()
    }
}

/// Has so many octets of the node held in all. Who holds some already does not
/// wait: two could wait for one another.
pub(super) async fn hold_in_all(
    node: &Node,
    held: &mut Option<OctetsHeld>,
    wanted: usize,
) -> Result<(), StreamError> {
    let have = held.as_ref().map_or(0, OctetsHeld::count);
    if wanted <= have {
        return Ok(());
    }
    let count = (wanted - have).max(HELD_OCTETS);
    match (node.octets.try_take(count), held) {
        (Some(more), Some(held)) => held.merge(more),
        (Some(more), held) => *held = Some(more),
        (None, Some(_)) => return Err(StreamError::Crowded),
        (None, held) => {
            let wait = node.limits.octets_wait;
            let more = node.env.timeout(wait, node.octets.take(count)).await;
            *held = Some(more.map_err(|_| StreamError::Crowded)?);
        }
    }
    Ok(())
}

/// When the message was sent. RFC 5256 §2.2.
pub(super) fn sent_seconds(message: &Message<'_>, derived: Option<&Derived<'_>>) -> i64 {
    let sent = derived.and_then(|derived| derived.sent);
    sent.unwrap_or(message.row.internal_date).seconds
}

/// The first address of a field.
fn first_address(
    message: &Message<'_>,
    derived: Option<&Derived<'_>>,
    name: &str,
) -> Option<Address> {
    let names = [name.to_owned()];
    let mut fields = Vec::new();
    pick_fields(message.row.prefix, &names, false, &mut fields);
    if let Some(derived) = derived {
        derived.pick_fields(&names, &mut fields);
    }
    let field = Fields::new(&fields).next()?;
    addresses(field.value, 1).into_iter().next()
}

/// RFC 5256 §3, FROM: addr-mailbox of ENVELOPE: of a group, its name.
fn local_part(address: Address) -> String {
    let octets = match address {
        Address::Mailbox { local_part, .. } => local_part,
        Address::Group(name) => name,
        Address::GroupEnd => Vec::new(),
    };
    String::from_utf8_lossy(&octets).into_owned()
}

/// RFC 5957 §3: the display name, decoded, or else the address.
fn shown(address: Address) -> String {
    match address {
        Address::Mailbox {
            name,
            local_part,
            domain,
            ..
        } => {
            let name = name.map(|name| decode_words(&name)).unwrap_or_default();
            if !name.trim().is_empty() {
                return name;
            }
            let octets = [&local_part[..], &domain].join(&b'@');
            String::from_utf8_lossy(&octets).into_owned()
        }
        Address::Group(name) => decode_words(&name),
        Address::GroupEnd => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_once() {
        let by = |key, reverse| SortCriterion { reverse, key };
        let criteria = [
            by(SortKey::Subject, true),
            by(SortKey::Date, false),
            by(SortKey::Subject, false),
            by(SortKey::Date, true),
        ];
        let many = criteria.repeat(25);
        assert_eq!(first_of_each(&many), criteria[..2]);
    }
}
