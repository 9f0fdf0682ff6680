//! A random workload, told to a store and to the model.

use crate::model::{Blob, Model, Removal};
use bytes::Bytes;
use futures::future::join_all;
use store::fault::{Chance, Machine};
use store::{Checkpoint, Commit, CommitError, PutError, Section, SectionKey, Store};
use terms::{AccountId, BlobId, ModSeq, Timestamp};

/// The store has failed; the process should end.
#[derive(Debug)]
pub(crate) struct Ended;

pub(crate) struct Worker<'a> {
    pub(crate) model: &'a mut Model,
    pub(crate) chance: &'a mut Chance,
    pub(crate) machine: &'a Machine,
    pub(crate) store: &'a dyn Store,
}

impl Worker<'_> {
    fn id(&mut self) -> u128 {
        u128::from(self.chance.number()) << 64 | u128::from(self.chance.number())
    }

    /// Does something.
    pub(crate) async fn step(&mut self) -> Result<(), Ended> {
        match self.chance.below(20) {
            0..=8 => self.one_commit().await,
            9..=12 => self.several_commits().await,
            13..=14 => self.shared_body().await,
            15..=16 => self.checkpoint().await,
            17 => self.release_much().await,
            18 if self.chance.once_in(3) => self.remove().await,
            18 => self.derive_anew(),
            _ => self.dropped_sink().await,
        }
    }

    fn some_account(&mut self) -> AccountId {
        let living = self.model.living();
        if living.is_empty() || self.chance.once_in(10 + living.len()) {
            return AccountId(self.id());
        }
        living[self.chance.below(living.len())]
    }

    /// The next commit of an account, with blobs to bind.
    fn commit(&mut self, account: AccountId, binds: Vec<BlobId>) -> (ModSeq, Commit) {
        let head = self.model.account(account).head();
        let gap = match self.chance.once_in(30) {
            true => 1 << 32,
            false => 0,
        };
        let first = ModSeq(head.0 + 1 + gap);
        let length = match self.chance.below(10) {
            0 => 70_000,
            1 => 600,
            _ => self.chance.below(200),
        };
        let mut releases = Vec::new();
        if self.chance.once_in(4) {
            let bound = self.model.account(account).bound();
            let many = self.chance.below(3);
            releases = bound.into_iter().take(many).collect();
        }
        let commit = Commit {
            id: self.id(),
            first,
            last: ModSeq(first.0 + self.chance.below(3) as u64),
            time: Timestamp(1_700_000_000_000 + self.chance.below(1_000_000) as i64),
            binds,
            releases,
            due: (!self.chance.once_in(3)).then_some(Timestamp(self.chance.below(1 << 20) as i64)),
            payload: self.body(length),
        };
        (head, commit)
    }

    /// Octets of a body: noise, text, one octet again and again, or what the
    /// engine's own files hold.
    fn body(&mut self, length: usize) -> Bytes {
        let kind = self.chance.below(6);
        let mut octets = Vec::with_capacity(length + 64);
        if kind >= 4
            && let Some(looks_alike) = self.look_alike(length)
        {
            return looks_alike;
        }
        let fill = [0, 0xff, b'\n'][self.chance.below(3)];
        while octets.len() < length {
            match kind {
                0 | 1 => octets.extend_from_slice(&self.chance.number().to_le_bytes()),
                2 => octets.push(fill),
                _ => octets.extend_from_slice(b"the same words in every line of the letter\r\n"),
            }
        }
        octets.truncate(length);
        Bytes::from(octets)
    }

    /// A piece of a file of the engine, from a group's border, or all of it.
    fn look_alike(&mut self, length: usize) -> Option<Bytes> {
        let names = self.machine.names();
        let name = names.get(self.chance.below(names.len()))?;
        let file = self.machine.file(name)?;
        if file.is_empty() || file.len() > 1 << 20 {
            return None;
        }
        if self.chance.once_in(8) {
            return Some(Bytes::from(file));
        }
        let start = match self.chance.once_in(3) {
            true => 0,
            false => self.chance.below(file.len()) / 512 * 512,
        };
        let end = file.len().min(start + length.max(2_048));
        // Aligned in the body, or by one octet off.
        let mut octets = vec![b'.'; self.chance.below(2) * self.chance.below(512)];
        octets.extend_from_slice(&file[start..end]);
        Some(Bytes::from(octets))
    }

    fn body_length(&mut self) -> usize {
        match self.chance.below(24) {
            0 => 0,
            1..=4 => 500 + self.chance.below(30),
            5 => 65_530 + self.chance.below(12),
            6 => 262_144 + self.chance.below(3) - 1,
            7 => 300_000 + self.chance.below(200_000),
            8 => 100_000,
            _ => self.chance.below(6_000),
        }
    }

    /// Puts a new blob; `None` where there was no space.
    async fn put(&mut self) -> Result<Option<BlobId>, Ended> {
        let id = BlobId(self.id());
        let length = self.body_length();
        let octets = self.body(length);
        let derived = match self.chance.once_in(3) {
            true => Bytes::new(),
            false => Bytes::from(vec![b'd'; self.chance.below(900) + 1]),
        };
        let hint = self.chance.once_in(2).then_some(octets.len() as u64);
        let mut sink = self.store.blob_sink(id, hint);
        let piece = match self.chance.below(3) {
            0 => 4_096,
            1 => 65_536,
            _ => 1 << 20,
        };
        let mut outcome = Ok(());
        for piece in octets.chunks(piece) {
            outcome = sink.write(piece).await;
            if outcome.is_err() {
                break;
            }
        }
        if outcome.is_ok() {
            outcome = sink.finish(derived.clone()).await;
        }
        match outcome {
            Ok(()) => {
                self.model.blobs.insert(id, Blob { octets, derived });
                Ok(Some(id))
            }
            Err(PutError::Full) => {
                self.model.full += 1;
                Ok(None)
            }
            Err(_) if self.machine.is_dead() => Err(Ended),
            Err(PutError::Failed(_)) => Err(Ended),
            Err(error) => panic!("{error}"),
        }
    }

    /// Puts none, one or two blobs.
    async fn put_some(&mut self) -> Result<Vec<BlobId>, Ended> {
        let mut blobs = Vec::new();
        for _ in 0..self.chance.below(3) {
            blobs.extend(self.put().await?);
        }
        Ok(blobs)
    }

    /// Tells the model how a commit ended.
    fn record(
        &mut self,
        account: AccountId,
        commit: Commit,
        outcome: Result<(), CommitError>,
    ) -> Result<(), Ended> {
        let state = self.model.account(account);
        match outcome {
            Ok(()) => state.acknowledge(commit),
            Err(CommitError::Full) => self.model.full += 1,
            Err(CommitError::Failed(_)) => {
                state.unknown.push(commit);
                return Err(Ended);
            }
            Err(error) => panic!("account {account}: {error}"),
        }
        Ok(())
    }

    async fn one_commit(&mut self) -> Result<(), Ended> {
        let binds = self.put_some().await?;
        let account = self.some_account();
        let (after, commit) = self.commit(account, binds);
        let outcome = self.store.commit(account, after, commit.clone()).await;
        self.record(account, commit, outcome)?;
        if self.chance.once_in(8) {
            // A writer that is late hears so.
            let (_, late) = self.commit(account, Vec::new());
            let outcome = self.store.commit(account, after, late.clone()).await;
            match outcome {
                Err(CommitError::Conflict { current }) => {
                    assert_eq!(current, self.model.account(account).head());
                }
                Err(CommitError::Failed(_)) => return Err(Ended),
                Err(CommitError::Full) => {}
                Err(CommitError::Refused(_)) if late.first <= after => {}
                Ok(()) if self.model.account(account).head() == after => {
                    self.model.account(account).acknowledge(late);
                }
                outcome => panic!("a late writer: {outcome:?}"),
            }
        }
        Ok(())
    }

    /// Several accounts at once, so that a group holds several commits.
    async fn several_commits(&mut self) -> Result<(), Ended> {
        let mut asked = Vec::new();
        for _ in 0..2 + self.chance.below(6) {
            let account = self.some_account();
            if asked.iter().any(|(other, _, _)| *other == account) {
                continue;
            }
            let binds = self.put_some().await?;
            let (after, commit) = self.commit(account, binds);
            asked.push((account, after, commit));
        }
        let store = self.store;
        let outcomes = join_all(
            asked
                .iter()
                .map(|(account, after, commit)| store.commit(*account, *after, commit.clone())),
        )
        .await;
        let mut ended = Ok(());
        for ((account, _, commit), outcome) in asked.into_iter().zip(outcomes) {
            ended = self.record(account, commit, outcome).and(ended);
        }
        ended
    }

    /// One body, bound by several accounts one after the other.
    async fn shared_body(&mut self) -> Result<(), Ended> {
        let Some(blob) = self.put().await? else {
            return Ok(());
        };
        for _ in 0..1 + self.chance.below(3) {
            let account = self.some_account();
            // Who releases it at once is the last to have it.
            let (after, mut commit) = self.commit(account, vec![blob]);
            commit.releases.clear();
            let outcome = self.store.commit(account, after, commit.clone()).await;
            self.record(account, commit, outcome)?;
        }
        Ok(())
    }

    async fn checkpoint(&mut self) -> Result<(), Ended> {
        let living = self.model.living();
        if living.is_empty() {
            return Ok(());
        }
        let id = living[self.chance.below(living.len())];
        let number = self.model.account(id).head();
        let old = self.model.account(id).newest_fold().clone();
        let covers = match self.chance.once_in(3) {
            true => old.covers,
            false => number,
        };
        let mut checkpoint = Checkpoint {
            number,
            covers,
            replaces: Some(old.covers),
            ..Checkpoint::default()
        };
        let mut keys = vec![SectionKey::ROOT];
        if covers == number {
            keys.extend(
                (0..self.chance.below(4)).map(|_| SectionKey(1 + self.chance.number() % 5)),
            );
        }
        keys.dedup();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            let length = match self.chance.below(12) {
                0 => 300_000,
                1 => 65_536,
                _ => self.chance.below(3_000),
            };
            let octets = self.body(length);
            checkpoint.sections.push(Section {
                key,
                number,
                octets: octets.slice(..octets.len().min(Section::OCTETS_MAX)),
            });
        }
        if self.chance.once_in(4) {
            let gone = old.sections.keys().find(|key| **key != SectionKey::ROOT);
            let named = |key: &&SectionKey| checkpoint.sections.iter().all(|s| s.key != **key);
            let gone = gone.filter(named).copied();
            checkpoint.removed.extend(gone);
        }
        match self.store.checkpoint(id, checkpoint.clone()).await {
            Ok(()) => self.model.account(id).fold(&checkpoint),
            Err(CommitError::Full) => {}
            Err(CommitError::Failed(_)) => {
                self.model.account(id).fold(&checkpoint);
                return Err(Ended);
            }
            Err(error) => panic!("a checkpoint of {id}: {error}"),
        }
        Ok(())
    }

    /// Mail collected and deleted: most of what an account has goes.
    async fn release_much(&mut self) -> Result<(), Ended> {
        let account = self.some_account();
        let (after, mut commit) = self.commit(account, Vec::new());
        let bound = self.model.account(account).bound();
        commit.releases = bound.into_iter().collect();
        let outcome = self.store.commit(account, after, commit.clone()).await;
        self.record(account, commit, outcome)
    }

    async fn remove(&mut self) -> Result<(), Ended> {
        let living = self.model.living();
        if living.len() < 3 {
            return Ok(());
        }
        let id = living[self.chance.below(living.len())];
        let removal = match self.store.remove(id).await {
            Ok(()) => Removal::Done,
            Err(CommitError::Full) => Removal::No,
            Err(CommitError::Failed(_)) => Removal::Unknown,
            Err(error) => panic!("removing {id}: {error}"),
        };
        self.model.account(id).removal = removal;
        match removal {
            Removal::Unknown => Err(Ended),
            _ => Ok(()),
        }
    }

    fn derive_anew(&mut self) -> Result<(), Ended> {
        let blob = self
            .model
            .blobs
            .iter()
            .find(|(_, blob)| !blob.derived.is_empty());
        if let Some((id, blob)) = blob {
            // The same row: whether it was lost or not must not show.
            self.store.put_derived(*id, blob.derived.clone());
        }
        Ok(())
    }

    async fn dropped_sink(&mut self) -> Result<(), Ended> {
        let id = BlobId(self.id());
        let length = self.body_length();
        let octets = self.body(length);
        let mut sink = self.store.blob_sink(id, None);
        match sink.write(&octets).await {
            Ok(()) | Err(PutError::Full) => {}
            Err(PutError::Failed(_)) => return Err(Ended),
            Err(error) => panic!("{error}"),
        }
        drop(sink);
        assert!(self.store.blob(id, 0..9).await.is_err());
        Ok(())
    }
}
