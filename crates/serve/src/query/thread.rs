//! THREAD: messages that belong together. RFC 5256 §3; REFS is that of
//! draft-ietf-morg-inthread §5.1.
//!
//! Message identifiers and subjects are kept as hashes, links as numbers, so that
//! a million messages take some hundred octets each while they are linked.

mod links;
mod write;

use super::derive::derived_rows;
use super::sort::{hold_in_all, sent_seconds};
use super::{BATCH_MESSAGES, Message, Messages};
use crate::limits::OctetsHeld;
use crate::stream::{Node, StreamError};
use crate::work::Work;
use links::Links;
use mime::{Derived, unicode_casemap};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use store::Store;
use terms::ThreadAlgorithm;
pub use write::Writing;

/// More identifiers than these are threaded beside the tasks.
const HERE_NODES: usize = 4_000;

/// What a step from one message to another takes, as [`Work`] counts.
const STEP_UNITS: usize = 4;

/// What came of a THREAD.
#[derive(Debug, Default)]
pub struct Threaded {
    /// The threads, in the order in which they are told.
    pub threads: Threads,
    /// All could be read; the others are threads of their own.
    pub readable: bool,
}

/// Which message follows which. Places below `messages.len()` are messages, the
/// others stand for ones that are not there.
#[derive(Debug, Default)]
pub struct Threads {
    /// The number or unique identifier of each message.
    numbers: Vec<u32>,
    /// The places of all but the roots, siblings together in their order.
    children: Vec<u32>,
    /// Of each place, where its children begin in `children`; one more at the end.
    starts: Vec<u32>,
    /// The places of the roots, in their order.
    roots: Vec<u32>,
}

impl Threads {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    fn children(&self, place: u32) -> &[u32] {
        let place = place as usize;
        let bounds = self.starts.get(place).zip(self.starts.get(place + 1));
        let (start, end) = bounds.map_or((0, 0), |(start, end)| (*start, *end));
        self.children
            .get(start as usize..end as usize)
            .unwrap_or_default()
    }
}

/// The threads of these messages, which come ascending; `uid`: told by unique
/// identifiers.
///
/// # Errors
/// The node has too much to do.
pub async fn threads<'m>(
    node: &Arc<Node>,
    store: &dyn Store,
    algorithm: ThreadAlgorithm,
    uid: bool,
    messages: Messages<'m>,
) -> Result<Threaded, StreamError> {
    let mut facts = Facts::default();
    let mut links = Links::default();
    let mut held: Option<OctetsHeld> = None;
    let mut readable = true;
    let mut done = Work::default();
    let mut messages = messages.peekable();
    while messages.peek().is_some() {
        let batch: Vec<Message<'m>> = messages.by_ref().take(BATCH_MESSAGES).collect();
        let rows: Vec<_> = batch.iter().map(|message| message.row).collect();
        let derived = derived_rows(node, store, &rows).await?;
        for (message, octets) in batch.iter().zip(&derived) {
            let octets = octets.as_ref().ok();
            let derived = octets.and_then(|octets| Derived::decode(octets).ok());
            readable &= derived.is_some();
            let place = facts.add(message, derived.as_ref(), algorithm, uid);
            if algorithm != ThreadAlgorithm::OrderedSubject {
                let (id, references) = derived.map_or((&[][..], &[][..]), |derived| {
                    (derived.message_id, derived.references)
                });
                links.add(place, id, references);
            }
            done.done(links.take_steps() * STEP_UNITS).await;
        }
        hold_in_all(node, &mut held, facts.octets() + links.octets()).await?;
        tokio::task::yield_now().await;
    }
    let many = facts.messages.len().max(links.nodes()) > HERE_NODES;
    let unwanted = Unwanted::default();
    let stop = unwanted.0.clone();
    let work = move || {
        // Counted as long as it is there, be it that nobody waits any more.
        let _held = held;
        match algorithm {
            _ if stop.is_set() => Threads::default(),
            ThreadAlgorithm::OrderedSubject => facts.by_subject(),
            ThreadAlgorithm::References => facts.by_references(&mut links, true, &stop),
            ThreadAlgorithm::Refs => facts.by_references(&mut links, false, &stop),
        }
    };
    let threads = if many {
        node.env.compute(work).await.unwrap_or_default()
    } else {
        work()
    };
    Ok(Threaded { threads, readable })
}

/// Whether work that is done beside the tasks is to stop.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Says so when it is dropped: nobody waits for the work any more.
#[derive(Default)]
struct Unwanted(Stop);

impl Drop for Unwanted {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// The beginning of a hash that nobody finds collisions of.
pub(super) type Hash = [u8; 16];

fn hash(octets: &[u8]) -> Hash {
    let digest = Sha256::digest(octets);
    let mut hash = Hash::default();
    for (to, from) in hash.iter_mut().zip(digest) {
        *to = from;
    }
    hash
}

/// What is known of the messages.
#[derive(Default)]
struct Facts {
    messages: Vec<Fact>,
}

#[derive(Clone, Copy)]
struct Fact {
    /// The number or unique identifier.
    number: u32,
    /// What siblings are sorted by.
    seconds: i64,
    /// Of the base subject; none where that is empty.
    subject: Option<Hash>,
    is_reply: bool,
}

/// No place.
const NONE: u32 = u32::MAX;

impl Facts {
    /// Gives the message's place.
    fn add(
        &mut self,
        message: &Message<'_>,
        derived: Option<&Derived<'_>>,
        algorithm: ThreadAlgorithm,
        uid: bool,
    ) -> u32 {
        let subject = derived.map_or("", |derived| derived.base_subject);
        let place = u32::try_from(self.messages.len()).unwrap_or(NONE);
        self.messages.push(Fact {
            number: if uid {
                message.row.uid.value()
            } else {
                message.number
            },
            seconds: match algorithm {
                ThreadAlgorithm::Refs => message.row.internal_date.seconds,
                _ => sent_seconds(message, derived),
            },
            subject: (!subject.is_empty()).then(|| hash(unicode_casemap(subject).as_bytes())),
            is_reply: derived.is_some_and(|derived| derived.is_reply_or_forward),
        });
        place
    }

    fn octets(&self) -> usize {
        // And as much again for what is made of it.
        self.messages.capacity() * size_of::<Fact>() * 3
    }

    fn get(&self, place: u32) -> Option<&Fact> {
        self.messages.get(place as usize)
    }

    /// What siblings are sorted by: their dates, then their numbers.
    fn order(&self, place: u32) -> Order {
        let fact = self.get(place);
        fact.map_or(LAST, |fact| (fact.seconds, fact.number))
    }

    /// RFC 5256 §3, ORDEREDSUBJECT: all of one subject are children of the first.
    fn by_subject(&self) -> Threads {
        let mut places: Vec<u32> = (0..).take(self.messages.len()).collect();
        places.sort_by_key(|&place| self.order(place));
        let mut parents = vec![NONE; self.messages.len()];
        let mut firsts: HashMap<Option<Hash>, u32> = HashMap::new();
        for &place in &places {
            let subject = self.get(place).and_then(|fact| fact.subject);
            let first = *firsts.entry(subject).or_insert(place);
            if first != place {
                set(&mut parents, place, first);
            }
        }
        self.threads(&parents, false)
    }

    /// RFC 5256 §3, REFERENCES, from step 2 on; without `subjects` as REFS has it.
    fn by_references(&self, links: &mut Links, subjects: bool, stop: &Stop) -> Threads {
        let mut parents = links.parents(self.messages.len(), stop);
        if stop.is_set() {
            return Threads::default();
        }
        if subjects {
            self.join_subjects(&mut parents);
        }
        self.threads(&parents, !subjects)
    }

    /// Step 5: roots of one subject become one thread.
    fn join_subjects(&self, parents: &mut Vec<u32>) {
        let is_dummy = |place: u32| place as usize >= self.messages.len();
        let is_reply = |place: u32| self.get(place).is_some_and(|fact| fact.is_reply);
        let firsts = self.orders(parents);
        let subjects = self.subjects(parents, &firsts);
        let subject = |place: u32| subjects.get(place as usize).copied().flatten();
        let mut roots = roots(parents);
        roots.sort_by_key(|&root| firsts.get(root as usize).copied());
        // Steps B and C.
        let mut table: HashMap<Hash, u32> = HashMap::new();
        for &root in &roots {
            let Some(subject) = subject(root) else {
                continue;
            };
            let kept = table.entry(subject).or_insert(root);
            if !is_dummy(*kept) && (is_dummy(root) || is_reply(*kept) && !is_reply(root)) {
                *kept = root;
            }
        }
        // Step D.
        let mut moved: HashMap<u32, u32> = HashMap::new();
        for &root in &roots {
            let Some(kept) = subject(root).and_then(|subject| table.get_mut(&subject)) else {
                continue;
            };
            if *kept == root {
                continue;
            }
            match (is_dummy(*kept), is_dummy(root)) {
                (true, true) => {
                    moved.insert(root, *kept);
                }
                (true, false) => set(parents, root, *kept),
                (false, _) if is_reply(root) && !is_reply(*kept) => set(parents, root, *kept),
                (false, _) => {
                    let both = u32::try_from(parents.len()).unwrap_or(NONE);
                    parents.push(NONE);
                    set(parents, root, both);
                    set(parents, *kept, both);
                    *kept = both;
                }
            }
        }
        for parent in parents.iter_mut() {
            if let Some(to) = moved.get(parent) {
                *parent = *to;
            }
        }
    }

    /// The order of each place: its own, or that of its first child.
    fn orders(&self, parents: &[u32]) -> Vec<Order> {
        let mut orders: Vec<Order> = (0..)
            .take(parents.len())
            .map(|place| self.order(place))
            .collect();
        for (place, &parent) in (0..).zip(parents) {
            let order = self.order(place);
            if let Some(first) = orders.get_mut(parent as usize)
                && parent as usize >= self.messages.len()
            {
                *first = order.min(*first);
            }
        }
        orders
    }

    /// The subject of each place: its own, or that of its first child.
    fn subjects(&self, parents: &[u32], orders: &[Order]) -> Vec<Option<Hash>> {
        let own = |place: u32| self.get(place).and_then(|fact| fact.subject);
        let mut subjects: Vec<Option<Hash>> = (0..).take(parents.len()).map(own).collect();
        for (place, &parent) in (0..).zip(parents) {
            let is_first = orders.get(parent as usize) == Some(&self.order(place));
            if let Some(subject) = subjects.get_mut(parent as usize)
                && parent as usize >= self.messages.len()
                && is_first
            {
                *subject = own(place);
            }
        }
        subjects
    }

    /// Steps 4 and 6: siblings by their dates; with `newest` the roots by their
    /// newest messages.
    fn threads(&self, parents: &[u32], newest: bool) -> Threads {
        let orders = self.orders(parents);
        let order = |place: u32| orders.get(place as usize).copied().unwrap_or(LAST);
        let mut children: Vec<u32> = (0..)
            .zip(parents)
            .filter(|(_, parent)| **parent != NONE)
            .map(|(place, _)| place)
            .collect();
        let parent = |place: u32| parents.get(place as usize).copied().unwrap_or(NONE);
        children.sort_by_key(|&child| (parent(child), order(child)));
        let mut starts = vec![0u32; parents.len() + 1];
        for &child in &children {
            if let Some(start) = starts.get_mut(parent(child) as usize + 1) {
                *start += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut roots = roots(parents);
        // One that is not there and has lost its children.
        roots.retain(|&root| order(root) != LAST);
        if newest {
            let last = self.newest(parents);
            roots.sort_by_key(|&root| last.get(root as usize).copied());
        } else {
            roots.sort_by_key(|&root| order(root));
        }
        Threads {
            numbers: self.messages.iter().map(|fact| fact.number).collect(),
            children,
            starts,
            roots,
        }
    }

    /// The newest of the thread that each root begins.
    fn newest(&self, parents: &[u32]) -> Vec<Order> {
        let parent = |place: u32| parents.get(place as usize).copied().unwrap_or(NONE);
        let mut tops = vec![NONE; parents.len()];
        let mut newest = vec![(i64::MIN, 0); parents.len()];
        let mut path = Vec::new();
        for start in (0..).take(parents.len()) {
            let mut place = start;
            let top = loop {
                match tops.get(place as usize) {
                    Some(&top) if top != NONE => break top,
                    _ if parent(place) == NONE => break place,
                    _ => path.push(place),
                }
                place = parent(place);
            };
            for place in path.drain(..).chain([start]) {
                set(&mut tops, place, top);
            }
            if let (Some(newest), Some(_)) = (newest.get_mut(top as usize), self.get(start)) {
                *newest = self.order(start).max(*newest);
            }
        }
        newest
    }
}

type Order = (i64, u32);

/// Of what has no date: after all that have one.
const LAST: Order = (i64::MAX, u32::MAX);

fn roots(parents: &[u32]) -> Vec<u32> {
    let roots = (0..).zip(parents).filter(|(_, parent)| **parent == NONE);
    roots.map(|(place, _)| place).collect()
}

fn set(places: &mut [u32], place: u32, value: u32) {
    if let Some(slot) = places.get_mut(place as usize) {
        *slot = value;
    }
}

#[cfg(test)]
mod tests;
