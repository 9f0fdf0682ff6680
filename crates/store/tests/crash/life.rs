//! One machine and the processes that live and die on it.

use crate::model::{After, Model};
use crate::stepped::Stepped;
use crate::work::{Ended, Worker};
use bytes::Bytes;
use std::sync::Arc;
use store::fault::{Call, Chance, Fault, Machine, Unsynced};
use store::index::OrderedIndex;
use store::{Commit, CommitError, Disk, DiskStore, Drive, Options, Store};
use terms::{AccountId, ModSeq, Timestamp};

pub(crate) struct Life {
    pub(crate) machine: Machine,
    pub(crate) model: Model,
    pub(crate) chance: Chance,
    pub(crate) options: Options,
    index: OrderedIndex,
    old_index: OrderedIndex,
    /// How the last process ended.
    last: After,
    /// What has happened, for whoever reads a failure.
    pub(crate) diary: Vec<String>,
}

impl Life {
    pub(crate) fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let options = Options {
            segment_octets: 16_384 << chance.below(6),
            salt_seed: Some(seed),
            drive: Drive::Steps,
            ..Options::small()
        };
        Self {
            machine: Machine::new(seed),
            model: Model::default(),
            chance,
            options,
            index: OrderedIndex::new(),
            old_index: OrderedIndex::new(),
            last: After::Close,
            diary: Vec::new(),
        }
    }

    pub(crate) fn note(&mut self, line: impl Into<String>) {
        self.diary.push(line.into());
    }

    /// Opens the store in a new process; faults may be set before.
    fn open(&self, disk: Arc<dyn Disk>) -> Result<Stepped, String> {
        let index = Arc::new(self.index.clone());
        let store = DiskStore::open(self.options.clone(), disk, index);
        store.map(Stepped::new).map_err(|error| error.to_string())
    }

    /// Opens the store where nothing is in the way and compares everything.
    pub(crate) async fn open_whole(&mut self) -> Stepped {
        let disk = self.machine.process();
        let store = self
            .open(disk)
            .unwrap_or_else(|error| panic!("it does not open: {error}"));
        self.model.compare(&store, self.last).await;
        self.last = After::Close;
        store
    }

    /// Opens the store and dies on the way.
    pub(crate) fn open_and_die(&mut self) {
        let disk = self.machine.process();
        let (at, fault) = (self.chance.below(12), self.any_fault());
        self.note(format!("opens with {fault:?} at {at}"));
        self.machine.fault_at(at, fault);
        match self.open(disk) {
            Ok(store) => self.die(store),
            Err(_) => self.crash(),
        }
    }

    /// Opens the store and expects nothing of it but that it opens.
    pub(crate) fn open_again(&mut self) -> Stepped {
        self.index = match self.chance.below(3) {
            0 => {
                self.note("without an index");
                OrderedIndex::new()
            }
            _ => self.index.survivor(usize::MAX),
        };
        let disk = self.machine.process();
        self.open(disk)
            .unwrap_or_else(|error| panic!("it does not open: {error}"))
    }

    /// Turns a bit over in any file; says where.
    pub(crate) fn flip_a_bit(&mut self) -> (String, usize) {
        let names = self.machine.names();
        let name = names[self.chance.below(names.len())].clone();
        let octets = self.machine.file(&name).map_or(0, |file| file.len());
        let at = self.chance.below(octets);
        self.machine.flip(&name, at, 1 << self.chance.below(8));
        self.note(format!("a bit of {name} at {at} turns over"));
        (name, at)
    }

    /// Makes a sector of any file unreadable; says where.
    pub(crate) fn lose_a_sector(&mut self) -> (String, usize) {
        const SECTOR_OCTETS: usize = 512;
        let names = self.machine.names();
        let name = names[self.chance.below(names.len())].clone();
        let octets = self.machine.file(&name).map_or(0, |file| file.len());
        let at = self.chance.below(octets) / SECTOR_OCTETS * SECTOR_OCTETS;
        self.machine.make_unreadable(&name, at..at + SECTOR_OCTETS);
        self.note(format!("{name} cannot be read at {at}"));
        (name, at)
    }

    /// A commit of an account that is not there yet.
    pub(crate) async fn commit_elsewhere(&mut self, store: &Stepped) -> Result<(), CommitError> {
        let commit = Commit {
            id: 1,
            first: ModSeq(1),
            last: ModSeq(1),
            time: Timestamp(0),
            binds: Vec::new(),
            releases: Vec::new(),
            due: None,
            payload: Bytes::from_static(b"of a new account"),
        };
        store.commit(AccountId(1), ModSeq::ZERO, commit).await
    }

    /// Every account releases all that it has.
    pub(crate) async fn release_everything(&mut self, store: &Stepped) {
        for id in self.model.living() {
            let account = self.model.account(id);
            if account.bound().is_empty() {
                continue;
            }
            let number = account.head().next();
            let commit = Commit {
                id: u128::from(number.0),
                first: number,
                last: number,
                time: Timestamp(0),
                binds: Vec::new(),
                releases: account.bound().into_iter().collect(),
                due: None,
                payload: Bytes::new(),
            };
            let after = account.head();
            let released = store.commit(id, after, commit.clone()).await;
            assert_eq!(released, Ok(()), "what frees room passes");
            self.model.account(id).acknowledge(commit);
        }
    }

    /// Works for some steps, or until the store fails.
    pub(crate) async fn work(&mut self, store: &Stepped, steps: usize) -> Result<(), Ended> {
        for _ in 0..steps {
            store.pass(self.chance.below(4_000) as u64);
            if self.chance.once_in(12) {
                self.clean(store)?;
            }
            let mut worker = Worker {
                model: &mut self.model,
                chance: &mut self.chance,
                machine: &self.machine,
                store,
            };
            worker.step().await?;
        }
        Ok(())
    }

    /// Copies forward what is still needed of old segments.
    fn clean(&mut self, store: &Stepped) -> Result<(), Ended> {
        match store.clean() {
            Ok(0) => Ok(()),
            Ok(gone) => {
                self.note(format!("{gone} segments are cleaned"));
                Ok(())
            }
            Err(_) => Err(Ended),
        }
    }

    /// Sets something to go wrong within the next calls.
    pub(crate) fn set_fault(&mut self, within: usize) {
        let at = self.machine.calls().len() + self.chance.below(within);
        let fault = self.any_fault();
        self.note(format!("{fault:?} at call {at}"));
        self.machine.fault_at(at, fault);
    }

    fn any_fault(&mut self) -> Fault {
        match self.chance.below(8) {
            0..=1 => Fault::DeathBefore,
            2..=3 => Fault::DeathAfter,
            4 => Fault::Short(self.chance.below(5_000)),
            5 => Fault::NoSpace(self.chance.below(5_000)),
            _ => Fault::Failure,
        }
    }

    /// The process ends as it stands: killed, or by a power cut.
    pub(crate) fn die(&mut self, store: Stepped) {
        self.machine.kill();
        drop(store);
        self.crash();
    }

    /// Lives until a call, dies there, and comes back. Says whether the story is
    /// long enough for that.
    pub(crate) async fn die_at(&mut self, at: usize, fault: Fault, unsynced: Unsynced) -> bool {
        self.note(format!("{fault:?} at call {at}, then {unsynced:?}"));
        let disk = self.machine.process();
        self.machine.fault_at(at, fault);
        if let Ok(store) = self.open(disk) {
            let _ = self.work(&store, 6).await;
            let died = self.machine.is_dead();
            self.cut(store, unsynced);
            if !died {
                return false;
            }
        } else {
            self.machine.power_cut(unsynced);
            self.crashed(usize::MAX);
        }
        let store = self.open_whole().await;
        let _ = self.work(&store, 1).await;
        self.close(store).await;
        drop(self.open_whole().await);
        true
    }

    /// Kill -9.
    pub(crate) fn kill(&mut self, store: Stepped) {
        self.machine.kill();
        drop(store);
        self.note("killed");
        self.crashed(usize::MAX);
    }

    /// The power goes.
    pub(crate) fn cut(&mut self, store: Stepped, unsynced: Unsynced) {
        self.machine.power_cut(unsynced);
        drop(store);
        self.note(format!("power cut: {unsynced:?}"));
        self.crashed(0);
    }

    fn crashed(&mut self, batches_kept: usize) {
        self.last = After::Crash;
        self.index = self.index.survivor(batches_kept);
    }

    fn crash(&mut self) {
        let mut kept = usize::MAX;
        if self.chance.once_in(3) {
            self.machine.kill();
            self.note("killed");
        } else {
            let unsynced = match self.chance.below(4) {
                0 => Unsynced::Lost,
                1 => Unsynced::Kept,
                _ => Unsynced::Any(self.chance.number()),
            };
            self.machine.power_cut(unsynced);
            kept = self.chance.below(self.index.unpersisted() + 1);
            self.note(format!("power cut: {unsynced:?}"));
        }
        self.crashed(kept);
        self.upset_index();
    }

    /// An orderly end.
    pub(crate) async fn close(&mut self, store: Stepped) {
        store.close().await;
        drop(store);
        self.note("closed");
        self.last = After::Close;
        self.index = self.index.survivor(usize::MAX);
        self.upset_index();
    }

    /// The index may be lost, come back as it was long ago, or be damaged.
    fn upset_index(&mut self) {
        match self.chance.below(8) {
            0 => {
                self.note("the index is lost");
                self.index = OrderedIndex::new();
            }
            1 => {
                self.note("an old index comes back");
                self.index = self.old_index.copied();
            }
            2 => {
                self.note("the index is damaged");
                let mut chance = Chance::new(self.chance.number());
                let rarity = 1 + chance.below(20);
                self.index.scramble(|_, _, value| {
                    if !chance.once_in(rarity) {
                        return Some(Bytes::copy_from_slice(value));
                    }
                    let mut value = value.to_vec();
                    let at = chance.below(value.len());
                    match value.get_mut(at) {
                        Some(octet) if chance.once_in(2) => *octet ^= 1 << chance.below(8),
                        _ => value.truncate(at),
                    }
                    Some(Bytes::from(value))
                });
            }
            3 => self.old_index = self.index.copied(),
            _ => {}
        }
    }

    pub(crate) fn index(&self) -> &OrderedIndex {
        &self.index
    }

    /// How many of the calls so far were of this kind.
    pub(crate) fn count(&self, call: Call) -> usize {
        self.machine
            .calls()
            .iter()
            .filter(|of| **of == call)
            .count()
    }
}
