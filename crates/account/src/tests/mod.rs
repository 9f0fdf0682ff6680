//! Random commands, and what must hold after each.

mod commands;
mod holds;
mod mailboxes;
mod model;
mod months;
mod mutation;
mod reach;
mod replay;
mod salvage;
mod sizes;
mod views;

use crate::{Command, Decision, Moment, Outcome, Part, Refusal, State, Stored, decide};
use std::collections::{BTreeMap, BTreeSet};
use terms::{AccountId, BlobId, ModSeq, Timestamp};

/// An account with the store's part of the work: a log and sections in memory.
#[derive(Clone)]
pub(crate) struct House {
    pub state: State,
    pub now: Timestamp,
    /// Where it is not `now`.
    pub believed: Option<Timestamp>,
    /// First number, last number, payload.
    pub log: Vec<(ModSeq, ModSeq, Vec<u8>)>,
    pub sections: BTreeMap<u64, (ModSeq, Vec<u8>)>,
    pub covers: ModSeq,
    pub bound: BTreeSet<BlobId>,
    pub next_blob: u128,
}

pub(crate) const ACCOUNT: AccountId = AccountId(0x0123_4567_89ab_cdef_0011_2233_4455_6677);
pub(crate) const START: Timestamp = Timestamp(1_700_000_000_000);

impl House {
    pub(crate) fn empty() -> Self {
        Self {
            state: State::new(ACCOUNT),
            now: START,
            believed: None,
            log: Vec::new(),
            sections: BTreeMap::new(),
            covers: ModSeq::ZERO,
            bound: BTreeSet::new(),
            next_blob: 1,
        }
    }

    pub(crate) fn new() -> Self {
        let mut house = Self::empty();
        house
            .run(&Command::CreateAccount {
                limits: crate::Limits::default(),
                hold: crate::HoldSettings::default(),
                uid_validity_floor: None,
            })
            .unwrap();
        house
    }

    /// Decides and commits; attaches what is needed.
    pub(crate) fn run(&mut self, command: &Command) -> Result<Outcome, Refusal> {
        self.step(command).map(|decision| decision.outcome)
    }

    pub(crate) fn step(&mut self, command: &Command) -> Result<Decision, Refusal> {
        loop {
            match decide(&self.state, command, self.moment()) {
                Err(Refusal::Needed(part)) => self.attach(part),
                Err(refusal) => return Err(refusal),
                Ok(decision) => {
                    self.commit(&decision);
                    return Ok(decision);
                }
            }
        }
    }

    fn moment(&self) -> Moment {
        Moment {
            now: self.now,
            believed: self.believed.unwrap_or(self.now),
        }
    }

    pub(crate) fn commit(&mut self, decision: &Decision) {
        let changes = &decision.changes;
        let (Some(first), Some(last)) = (changes.first(), changes.last()) else {
            return;
        };
        let payload = changes.encode();
        self.state.apply(changes);
        self.state.committed(payload.len());
        self.log.push((first, last, payload));
        self.bound.extend(changes.binds());
        for blob in changes.releases() {
            assert!(self.bound.remove(blob), "released what is not bound");
        }
    }

    pub(crate) fn commits_after(&self, number: ModSeq) -> Vec<&[u8]> {
        let commits = self.log.iter().filter(|commit| commit.1 > number);
        commits.map(|commit| commit.2.as_slice()).collect()
    }

    pub(crate) fn stored(&self, keys: Option<&[u64]>) -> Stored<'_> {
        let wanted = |key: &u64| keys.is_none_or(|keys| keys.contains(key));
        let sections = self.sections.iter().filter(|(key, _)| wanted(key));
        Stored {
            covers: self.covers,
            sections: sections
                .map(|(key, (number, octets))| crate::StoredSection {
                    key: *key,
                    number: *number,
                    octets,
                })
                .collect(),
            commits: self.commits_after(self.covers),
        }
    }

    pub(crate) fn attach(&mut self, part: Part) {
        let mut state = self.state.clone();
        let keys = state.keys_of(part);
        state.attach(part, &self.stored(Some(&keys))).unwrap();
        self.state = state;
    }

    pub(crate) fn fold(&mut self, kind: crate::FoldKind) {
        let fold = loop {
            match self.state.fold(kind) {
                Ok(fold) => break fold,
                Err(Refusal::Needed(part)) => self.attach(part),
                Err(refusal) => panic!("{refusal}"),
            }
        };
        for (key, octets) in &fold.sections {
            assert!(octets.len() <= 1 << 20);
            self.sections.insert(*key, (fold.number, octets.clone()));
        }
        for key in &fold.removed {
            self.sections.remove(key);
        }
        assert!(fold.covers >= self.covers);
        self.covers = fold.covers;
        self.state.folded(&fold);
    }

    pub(crate) fn attach_all(&mut self) {
        let mailboxes = self.state.mailboxes().map(|m| Part::Table(m.id));
        let parts: Vec<Part> = mailboxes.chain([Part::Expunged]).collect();
        for part in parts {
            if !self.state.is_loaded(part) {
                self.attach(part);
            }
        }
    }

    pub(crate) fn blob(&mut self) -> BlobId {
        self.next_blob += 1;
        BlobId(self.next_blob)
    }
}

/// So many cases, or as many times more as `ACCOUNT_CASES` says.
pub(crate) fn cases(count: u32) -> proptest::test_runner::Config {
    let more = std::env::var("ACCOUNT_CASES")
        .ok()
        .and_then(|n| n.parse().ok());
    proptest::test_runner::Config::with_cases(count * more.unwrap_or(1))
}
