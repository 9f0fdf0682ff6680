//! Which message refers to which. RFC 5256 §3, REFERENCES, steps 1 to 3.

use super::{Hash, NONE, Stop, hash, set};
use std::collections::HashMap;

/// So many generations are looked up before a link is taken for a cycle.
const GENERATIONS_MAX: usize = 1_000;

/// Work on one reference, beside links, in steps along them.
const REFERENCE_STEPS: usize = 100;

/// So many messages are linked before the sign to stop is looked at.
const STOP_EVERY: u32 = 1_000;

/// Identifiers, and the links between them.
#[derive(Default)]
pub(super) struct Links {
    places: HashMap<Hash, u32>,
    nodes: Vec<Node>,
    /// The node of each message.
    of_messages: Vec<u32>,
    /// Nodes looked at, for [`Links::take_steps`].
    steps: usize,
}

struct Node {
    parent: u32,
    /// The message of this identifier, if it is there.
    message: u32,
}

impl Links {
    /// Adds the next message.
    pub(super) fn add(&mut self, message: u32, id: &[u8], references: &[u8]) {
        let node = self.message(message, id);
        self.of_messages.push(node);
        let mut last = NONE;
        for reference in split(references) {
            let known = self.nodes.len();
            let next = self.node(hash(reference));
            // Step 1.A: a link that is there already stays. What was not known before
            // is nobody's ancestor.
            if last != NONE
                && self.parent(next) == NONE
                && (self.nodes.len() > known || !self.would_cycle(next, last))
            {
                self.link(next, last);
            }
            self.steps += REFERENCE_STEPS;
            last = next;
        }
        // Step 1.B: the last one is the parent, whatever was known before.
        if last == NONE {
            self.link(node, NONE);
        } else if !self.would_cycle(node, last) {
            self.link(node, last);
        }
    }

    /// How many nodes have been looked at since this was asked last.
    pub(super) fn take_steps(&mut self) -> usize {
        std::mem::take(&mut self.steps)
    }

    /// How many identifiers there are.
    pub(super) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// What it takes up.
    pub(super) fn octets(&self) -> usize {
        let table = self.places.capacity() * (size_of::<(Hash, u32)>() + 1);
        table + self.nodes.capacity() * size_of::<Node>() + self.of_messages.capacity() * 4
    }

    /// The node of a message: its own, where another has its identifier.
    fn message(&mut self, message: u32, id: &[u8]) -> u32 {
        let fresh = |nodes: &mut Vec<Node>| {
            let place = u32::try_from(nodes.len()).unwrap_or(NONE);
            nodes.push(Node {
                parent: NONE,
                message,
            });
            place
        };
        if id.is_empty() {
            return fresh(&mut self.nodes);
        }
        let node = self.node(hash(id));
        match self.nodes.get_mut(node as usize) {
            Some(found) if found.message == NONE => {
                found.message = message;
                node
            }
            _ => fresh(&mut self.nodes),
        }
    }

    fn node(&mut self, id: Hash) -> u32 {
        let nodes = &mut self.nodes;
        *self.places.entry(id).or_insert_with(|| {
            let place = u32::try_from(nodes.len()).unwrap_or(NONE);
            nodes.push(Node {
                parent: NONE,
                message: NONE,
            });
            place
        })
    }

    fn parent(&self, node: u32) -> u32 {
        let node = self.nodes.get(node as usize);
        node.map_or(NONE, |node| node.parent)
    }

    fn link(&mut self, child: u32, parent: u32) {
        if let Some(child) = self.nodes.get_mut(child as usize) {
            child.parent = parent;
        }
    }

    /// Whether `child` is among the ancestors of `parent`, or may be.
    fn would_cycle(&mut self, child: u32, parent: u32) -> bool {
        let mut place = parent;
        for _ in 0..GENERATIONS_MAX {
            self.steps += 1;
            if place == child {
                return true;
            }
            place = self.parent(place);
            if place == NONE {
                return false;
            }
        }
        true
    }

    /// The nearest node above that is a message, else the root; the nodes between are
    /// linked to it, as Step 3 will have it. `path` is room to work in.
    fn above(&mut self, start: u32, path: &mut Vec<u32>) -> u32 {
        let mut node = start;
        loop {
            self.steps += 1;
            let above = self.parent(node);
            let Some(found) = self.nodes.get(above as usize) else {
                break;
            };
            path.push(node);
            node = above;
            if found.message != NONE {
                break;
            }
        }
        for passed in path.drain(..) {
            self.link(passed, node);
        }
        node
    }

    /// The parent of each of `count` messages, and of what stands behind them for
    /// roots that are not there and have several children. Step 3: others that are
    /// not there give their children to their own parents.
    ///
    /// Each node is gone through once, however long the chains are of those that are
    /// not there: they grow from below by as much as a message refers to.
    pub(super) fn parents(&mut self, count: usize, stop: &Stop) -> Vec<u32> {
        let mut parents = vec![NONE; count];
        let mut path = Vec::new();
        let of_messages = std::mem::take(&mut self.of_messages);
        // Roots that are not there: their only child so far, or their place.
        let mut tops: HashMap<u32, Top> = HashMap::new();
        for (place, &start) in (0..).zip(&of_messages) {
            if place % STOP_EVERY == 0 && stop.is_set() {
                break;
            }
            let node = self.above(start, &mut path);
            let parent = self
                .nodes
                .get(node as usize)
                .filter(|_| node != start)
                .map_or(NONE, |found| found.message);
            if parent != NONE {
                set(&mut parents, place, parent);
            } else if node != start {
                match tops.get(&node) {
                    None => {
                        tops.insert(node, Top::Child(place));
                    }
                    Some(&Top::Child(first)) => {
                        let top = u32::try_from(parents.len()).unwrap_or(NONE);
                        parents.push(NONE);
                        set(&mut parents, first, top);
                        set(&mut parents, place, top);
                        tops.insert(node, Top::Place(top));
                    }
                    Some(&Top::Place(top)) => set(&mut parents, place, top),
                }
            }
        }
        parents
    }
}

enum Top {
    Child(u32),
    Place(u32),
}

/// The identifiers in a row of them, each with its brackets.
fn split(references: &[u8]) -> impl Iterator<Item = &[u8]> {
    references.split_inclusive(|&octet| octet == b'>')
}
