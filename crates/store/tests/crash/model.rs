//! What must be there: the engine's promises, kept in plain maps.

use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use store::{BlobError, Checkpoint, Commit, Section, SectionKey, Sections, Store, Verification};
use terms::{AccountId, BlobId, ModSeq, Timestamp};

/// All that an engine has been told.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) accounts: BTreeMap<AccountId, Account>,
    pub(crate) blobs: HashMap<BlobId, Blob>,
    /// How often there was no space.
    pub(crate) full: usize,
}

/// One account.
pub(crate) struct Account {
    /// Every acknowledged commit since ever.
    pub(crate) commits: Vec<Commit>,
    /// Commits whose outcome is unknown and after which none was acknowledged:
    /// each may follow `commits`, alone.
    pub(crate) unknown: Vec<Commit>,
    /// The checkpoints' states, oldest first; the first is the empty one. Any of
    /// them that is not older than the last one seen after a restart may be found.
    pub(crate) folds: Vec<Fold>,
    /// Those before, which are found again where newer ones are damaged.
    older_folds: Vec<Fold>,
    pub(crate) removal: Removal,
}

/// What a checkpoint makes of the ones before.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fold {
    pub(crate) covers: ModSeq,
    pub(crate) sections: BTreeMap<SectionKey, Section>,
}

/// Whether an account was removed.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) enum Removal {
    #[default]
    No,
    /// Asked for, with an unknown outcome.
    Unknown,
    Done,
}

/// A blob that was put whole.
#[derive(Clone)]
pub(crate) struct Blob {
    pub(crate) octets: Bytes,
    pub(crate) derived: Bytes,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            commits: Vec::new(),
            unknown: Vec::new(),
            folds: vec![Fold::default()],
            older_folds: Vec::new(),
            removal: Removal::No,
        }
    }
}

impl Account {
    pub(crate) fn head(&self) -> ModSeq {
        self.commits
            .last()
            .map_or(ModSeq::ZERO, |commit| commit.last)
    }

    pub(crate) fn newest_fold(&self) -> &Fold {
        self.folds.last().unwrap()
    }

    pub(crate) fn acknowledge(&mut self, commit: Commit) {
        self.commits.push(commit);
        self.unknown.clear();
    }

    pub(crate) fn fold(&mut self, checkpoint: &Checkpoint) {
        let mut fold = self.newest_fold().clone();
        fold.covers = checkpoint.covers;
        for key in &checkpoint.removed {
            fold.sections.remove(key);
        }
        for section in &checkpoint.sections {
            fold.sections.insert(section.key, section.clone());
        }
        self.folds.push(fold);
    }

    /// The blobs that the account needs.
    pub(crate) fn bound(&self) -> BTreeSet<BlobId> {
        let mut bound = BTreeSet::new();
        for commit in &self.commits {
            bound.extend(&commit.binds);
            for blob in &commit.releases {
                bound.remove(blob);
            }
        }
        bound
    }

    fn due(&self) -> Option<Timestamp> {
        self.commits.last().and_then(|commit| commit.due)
    }
}

/// What a store says to be damaged.
#[derive(Debug, Default)]
pub(crate) struct Damage {
    pub(crate) accounts: BTreeSet<AccountId>,
    /// Needed and damaged or missing.
    pub(crate) blobs: BTreeSet<BlobId>,
    /// Those of them that accounts without damage need. Who has a hole in its log
    /// may have lost the commit that says so.
    known: BTreeSet<BlobId>,
}

impl Damage {
    pub(crate) fn count(&self) -> usize {
        self.accounts.len() + self.blobs.len()
    }

    /// All of it is named, as far as it can be known.
    pub(crate) fn is_named(&self, found: &Verification) {
        let named = self.accounts.iter();
        let named = named.filter(|id| !found.damaged_accounts.contains(id));
        assert_eq!(named.count(), 0, "accounts of {self:?}: {found:?}");
        let named = self.known.iter();
        let named = named.filter(|id| !found.damaged_blobs.contains(id));
        assert_eq!(named.count(), 0, "blobs of {self:?}: {found:?}");
        assert!(self.count() == 0 || !found.notes.is_empty(), "{found:?}");
    }
}

/// How much of the newest must be there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum After {
    /// A crash: checkpoints may have been lost.
    Crash,
    /// An orderly end: nothing may have been lost.
    Close,
    /// Nothing: the store is in use.
    Use,
}

impl Model {
    pub(crate) fn account(&mut self, id: AccountId) -> &mut Account {
        self.accounts.entry(id).or_default()
    }

    /// Accounts that are surely there.
    pub(crate) fn living(&self) -> Vec<AccountId> {
        self.accounts
            .iter()
            .filter(|(_, account)| account.removal == Removal::No && !account.commits.is_empty())
            .map(|(id, _)| *id)
            .collect()
    }

    /// The blobs that somebody needs.
    pub(crate) fn needed(&self) -> BTreeSet<BlobId> {
        self.accounts
            .values()
            .filter(|account| account.removal == Removal::No)
            .flat_map(Account::bound)
            .collect()
    }

    /// Compares the whole store with the model; what had an unknown outcome has a
    /// known one afterwards.
    pub(crate) async fn compare(&mut self, store: &dyn Store, after: After) {
        for (id, account) in &mut self.accounts {
            account.compare(*id, store, after).await;
        }
        self.accounts
            .retain(|_, account| account.removal == Removal::Done || !account.commits.is_empty());
        let living = self.living();
        assert_eq!(
            store.list(None, usize::MAX).await.unwrap(),
            living,
            "the list"
        );
        let mut due: Vec<_> = living
            .iter()
            .filter_map(|id| Some((self.accounts[id].due()?, *id)))
            .collect();
        due.sort_unstable();
        let found: Vec<_> = store.due(Timestamp::MAX, usize::MAX).await.unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|entry| (entry.due, entry.account))
            .collect();
        assert_eq!(found, due, "what is due");
        self.compare_blobs(store).await;
    }

    /// Compares a store that has been damaged: what it gives is right, or it says
    /// that it is damaged. Gives the accounts and blobs that are.
    pub(crate) async fn compare_damaged(&self, store: &dyn Store) -> Damage {
        let mut damage = Damage::default();
        for id in self.living() {
            let account = &self.accounts[&id];
            let loaded = store.load(id, Sections::All).await.unwrap();
            let rest = account.since(loaded.covers);
            if loaded.damaged {
                damage.accounts.insert(id);
                let given = loaded.commits.len();
                assert!(
                    loaded.commits.iter().eq(rest.take(given)),
                    "account {id}: what stands before the hole"
                );
            } else {
                // Where nobody can say whose numbers are lost, all go on.
                assert!(loaded.head >= account.head(), "account {id}");
                assert!(loaded.commits.iter().eq(rest), "account {id}: its commits");
                // A checkpoint that is lost loses nothing.
                let folds = account.folds.iter().chain(&account.older_folds);
                let mut folds = folds.filter(|fold| fold.covers == loaded.covers);
                assert!(
                    folds.any(|fold| loaded.sections.iter().eq(fold.sections.values())),
                    "account {id}: its sections"
                );
            }
        }
        for id in self.needed() {
            match store.blob(id, 0..u64::MAX).await {
                Ok(octets) => assert!(octets == self.blobs[&id].octets, "blob {id}"),
                Err(BlobError::Damaged(_) | BlobError::Missing(_)) => {
                    damage.blobs.insert(id);
                }
                Err(error) => panic!("{error}"),
            }
        }
        let whole = self.living().into_iter();
        let whole = whole.filter(|id| !damage.accounts.contains(id));
        let known: BTreeSet<_> = whole.flat_map(|id| self.accounts[&id].bound()).collect();
        damage.known = damage.blobs.intersection(&known).copied().collect();
        damage
    }

    async fn compare_blobs(&mut self, store: &dyn Store) {
        let needed = self.needed();
        for (id, blob) in &self.blobs {
            match store.blob(*id, 0..u64::MAX).await {
                Ok(octets) => assert!(octets == blob.octets, "blob {id} has other octets"),
                Err(BlobError::Missing(_)) if !needed.contains(id) => continue,
                Err(error) => panic!("{error} of {} octets", blob.octets.len()),
            }
            let middle = blob.octets.len() as u64 / 2;
            let part = store.blob(*id, middle..middle + 700).await;
            if needed.contains(id) {
                let end = blob.octets.len().min(blob.octets.len() / 2 + 700);
                let expected = blob.octets.slice(blob.octets.len() / 2..end);
                assert!(part == Ok(expected), "a part of blob {id}");
                let rows = store.derived(&[*id]).await.unwrap();
                let expected = (!blob.derived.is_empty()).then(|| blob.derived.clone());
                assert_eq!(rows, [expected], "the row of blob {id}");
            }
        }
        // What has gone stays gone; no need to keep its octets.
        self.blobs.retain(|id, _| needed.contains(id));
    }
}

impl Account {
    async fn compare(&mut self, id: AccountId, store: &dyn Store, after: After) {
        let head = store.head(id).await.unwrap();
        let loaded = store.load(id, Sections::All).await.unwrap();
        assert_eq!(loaded.head, head, "account {id}: head and load");
        assert!(!loaded.damaged, "account {id} is damaged");
        self.settle_removal(id, head);
        if self.removal == Removal::Done {
            assert_eq!(loaded, store::Loaded::default(), "account {id} was removed");
            return;
        }
        self.settle_commits(id, head);
        self.settle_folds(id, &loaded, after);

        let fold = self.newest_fold();
        let since: Vec<_> = self.since(fold.covers).collect();
        assert_eq!(loaded.covers, fold.covers, "account {id}: covers");
        assert!(
            loaded.commits.iter().eq(since.iter().copied()),
            "account {id}: commits {:?} are there, {:?} should be",
            spans(&loaded.commits),
            spans(since.iter().copied()),
        );

        let root = fold.sections.get(&SectionKey::ROOT);
        let from = root.map_or(fold.covers, |root| root.number.max(fold.covers));
        let loaded = store.load(id, Sections::Root).await.unwrap();
        assert!(
            loaded.sections.iter().eq(root),
            "account {id}: the root alone"
        );
        assert!(
            loaded.commits.iter().eq(self.since(from)),
            "account {id}: commits after the root: {:?}, not {:?}",
            spans(&loaded.commits),
            spans(self.since(from)),
        );
    }

    fn since(&self, number: ModSeq) -> impl Iterator<Item = &Commit> {
        self.commits
            .iter()
            .filter(move |commit| commit.last > number)
    }

    fn settle_removal(&mut self, id: AccountId, head: ModSeq) {
        if self.removal == Removal::Unknown {
            self.removal = match head {
                ModSeq::ZERO => Removal::Done,
                _ => Removal::No,
            };
        }
        if self.removal == Removal::Done {
            assert_eq!(head, ModSeq::ZERO, "account {id} was removed");
        }
    }

    fn settle_commits(&mut self, id: AccountId, head: ModSeq) {
        if head == self.head() {
            return;
        }
        let there = self.unknown.iter().find(|commit| commit.last == head);
        let there = there.cloned().unwrap_or_else(|| {
            panic!(
                "account {id} stands at {head}, not at {}; unknown: {:?}",
                self.head(),
                spans(&self.unknown)
            )
        });
        self.commits.push(there);
    }

    fn settle_folds(&mut self, id: AccountId, loaded: &store::Loaded, after: After) {
        let found = Fold {
            covers: loaded.covers,
            sections: loaded
                .sections
                .iter()
                .map(|section| (section.key, section.clone()))
                .collect(),
        };
        let newest = self.folds.iter().rposition(|fold| *fold == found);
        let newest = newest.unwrap_or_else(|| {
            panic!(
                "account {id}: no checkpoint covers {} with {:?}; there were {:?}",
                found.covers,
                numbers(&found),
                self.folds
                    .iter()
                    .map(|fold| (fold.covers, numbers(fold)))
                    .collect::<Vec<_>>()
            )
        });
        if after != After::Crash {
            assert_eq!(
                newest,
                self.folds.len() - 1,
                "account {id}: the newest checkpoint"
            );
        } else {
            // What has been seen must not go back after the next crash.
            self.folds.drain(newest + 1..);
            self.older_folds.extend(self.folds.drain(..newest));
            self.unknown.clear();
        }
    }
}

fn numbers(fold: &Fold) -> Vec<(u64, u64)> {
    fold.sections
        .values()
        .map(|section| (section.key.0, section.number.0))
        .collect()
}

fn spans<'a>(commits: impl IntoIterator<Item = &'a Commit>) -> Vec<(u64, u64)> {
    commits
        .into_iter()
        .map(|commit| (commit.first.0, commit.last.0))
        .collect()
}
