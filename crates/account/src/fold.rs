//! When and how the log is folded into sections.
//!
//! A fold of everything writes the root and all sections that have changed since
//! the last one; all sections then stand at its number. A fold of the root alone
//! lets a sleeping account be opened by a short log.

use crate::codec::parts::{
    Kind, expunged_key, put_chunk, put_expunged_part, put_log_part, root_key, table_key,
};
use crate::codec::root::{mailbox_of, put_folding, put_root};
use crate::mailbox::Mailbox;
use crate::outcome::{Part, Refusal};
use crate::persistent::Map;
use crate::state::{Slot, State};
use std::sync::Arc;
use terms::{ModSeq, Writer};

/// What is known of the log and of the sections that the store has. It is no
/// part of what the changes add up to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Folding {
    /// All sections stand as if all changes up to this were in them.
    pub covers: ModSeq,
    /// The root stands at this.
    pub root: ModSeq,
    /// Sections that the store has.
    pub stored: Map<u64, ()>,
    /// Octets of payloads since `covers`.
    pub octets: u64,
    /// Commits since `covers`.
    pub commits: u32,
    /// Commits since `root`.
    pub root_commits: u32,
}

/// How much is folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoldKind {
    /// The root alone.
    Root,
    /// Everything that has changed.
    All,
}

/// A checkpoint for the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// How much is folded.
    pub kind: FoldKind,
    /// The number of the last change in it.
    pub number: ModSeq,
    /// Every section stands as if all changes up to this were in it.
    pub covers: ModSeq,
    /// Keys and octets of the sections that have changed, ascending; all stand at
    /// `number`.
    pub sections: Vec<(u64, Vec<u8>)>,
    /// Keys of the sections that have gone.
    pub removed: Vec<u64>,
    octets: u64,
    commits: u32,
    root_commits: u32,
}

/// Octets of the log below which nothing is folded.
const LOG_OCTETS_MIN: u64 = 64 << 10;
/// Commits after which everything is folded.
const LOG_COMMITS_MAX: u32 = 512;
/// Commits after which the root is folded.
const ROOT_COMMITS_MAX: u32 = 64;
/// Octets of a section at the most, with some to spare.
const SECTION_OCTETS_MAX: usize = 1_000_000;

impl State {
    /// A commit with a payload of so many octets has been made, and applied.
    pub fn committed(&mut self, payload_octets: usize) {
        let folding = Arc::make_mut(&mut self.folding);
        folding.octets = folding.octets.saturating_add(payload_octets as u64);
        folding.commits = folding.commits.saturating_add(1);
        folding.root_commits = folding.root_commits.saturating_add(1);
    }

    /// What the newest checkpoint covers, as far as this state knows.
    pub fn covers(&self) -> ModSeq {
        self.folding.covers
    }

    /// Whether the log should be folded now, and how much of it.
    pub fn fold_due(&self) -> Option<FoldKind> {
        let folding = &self.folding;
        if folding.commits >= LOG_COMMITS_MAX {
            return Some(FoldKind::All);
        }
        if folding.octets > LOG_OCTETS_MIN && !self.is_dirty_beyond(folding.octets * 2) {
            return Some(FoldKind::All);
        }
        (folding.root_commits >= ROOT_COMMITS_MAX).then_some(FoldKind::Root)
    }

    /// Whether a fold of everything would write more than about `octets`. Stops
    /// counting there.
    fn is_dirty_beyond(&self, octets: u64) -> bool {
        let covers = self.folding.covers;
        let mailboxes = self.root.mailboxes.values();
        let tables = mailboxes
            .filter(|mailbox| mailbox.table_changed > covers)
            .flat_map(|mailbox| match self.slots.get(&mailbox.id) {
                Some(Slot::Loaded(table)) => table.chunks(),
                _ => &[],
            })
            .filter(|chunk| chunk.changed > covers)
            .map(|chunk| chunk.columns.weight());
        let expunged = self.expunged.list.parts().iter();
        let expunged = expunged
            .filter(|part| part.changed > covers)
            .map(|part| part.weight);
        let root = self.root.mailboxes.len() * 64 + self.root.clocks.run_count() * 8;
        let mut left = octets;
        for weight in std::iter::once(root).chain(expunged).chain(tables) {
            match left.checked_sub(weight as u64) {
                Some(rest) => left = rest,
                None => return true,
            }
        }
        false
    }

    /// The checkpoint to be written.
    ///
    /// # Errors
    /// `Needed` if a part that has changed is not loaded: attach it and ask again.
    pub fn fold(&self, kind: FoldKind) -> Result<Fold, Refusal> {
        let mut fold = Fold {
            kind,
            number: self.head(),
            covers: match kind {
                FoldKind::Root => self.folding.covers,
                FoldKind::All => self.head(),
            },
            sections: Vec::new(),
            removed: Vec::new(),
            octets: self.folding.octets,
            commits: self.folding.commits,
            root_commits: self.folding.root_commits,
        };
        if kind == FoldKind::All {
            for mailbox in self.root.mailboxes.values() {
                self.fold_mailbox(mailbox, &mut fold)?;
            }
            self.fold_expunged(&mut fold)?;
            let gone = self.folding.stored.iter().map(|(key, ())| *key);
            fold.removed.extend(gone.filter(|key| {
                matches!(Kind::of(*key), Some(Kind::Chunk | Kind::Log))
                    && self.mailbox(mailbox_of(*key)).is_none()
            }));
        }
        self.fold_root(&mut fold);
        fold.sections.sort_by_key(|section| section.0);
        Ok(fold)
    }

    fn fold_mailbox(&self, mailbox: &Mailbox, fold: &mut Fold) -> Result<(), Refusal> {
        if mailbox.table_changed <= self.folding.covers {
            return Ok(());
        }
        let table = self.table(mailbox.id)?;
        let (covers, stored) = (self.folding.covers, &self.folding.stored);
        let dirty = |key: u64, changed: ModSeq| changed > covers || !stored.contains(&key);
        let mut current = Map::<u64, ()>::new();
        for chunk in table.chunks() {
            let key = table_key(Kind::Chunk, mailbox.id, chunk.base.value());
            current.insert(key, ());
            if dirty(key, chunk.changed) {
                fold.sections.push((key, put_chunk(chunk)));
            }
        }
        for part in table.log.parts() {
            let key = table_key(Kind::Log, mailbox.id, part.serial);
            current.insert(key, ());
            if dirty(key, part.changed) {
                fold.sections.push((key, put_log_part(part)));
            }
        }
        let keys = self.keys_of(Part::Table(mailbox.id)).into_iter();
        fold.removed
            .extend(keys.filter(|key| !current.contains(key)));
        Ok(())
    }

    fn fold_expunged(&self, fold: &mut Fold) -> Result<(), Refusal> {
        let (covers, stored) = (self.folding.covers, &self.folding.stored);
        if self.root.expunged_changed <= covers {
            return Ok(());
        }
        let mut current = Map::<u64, ()>::new();
        for part in self.expunged()?.parts() {
            let key = expunged_key(part.serial);
            current.insert(key, ());
            if part.changed > covers || !stored.contains(&key) {
                fold.sections.push((key, put_expunged_part(part)));
            }
        }
        let keys = self.keys_of(Part::Expunged).into_iter();
        fold.removed
            .extend(keys.filter(|key| !current.contains(key)));
        Ok(())
    }

    /// Writes the root, in pieces where it is large. It names all sections that
    /// the store has once this fold is in it.
    fn fold_root(&self, fold: &mut Fold) {
        let mut w = Writer::new();
        put_root(&mut w, &self.root);
        let mut after = self.folding_after(fold);
        // The pieces of the root are not named in it.
        let old = after.stored.iter().map(|(key, ())| *key);
        let old: Vec<u64> = old
            .filter(|key| Kind::of(*key) == Some(Kind::Root))
            .collect();
        for key in &old {
            after.stored.remove(key);
        }
        put_folding(&mut w, &after);
        let octets = w.into_octets();
        let pieces: Vec<&[u8]> = octets.chunks(SECTION_OCTETS_MAX).collect();
        let mut number = 0u32;
        for piece in &pieces {
            let mut w = Writer::new();
            if number == 0 {
                w.varint(pieces.len() as u64);
            }
            w.raw(piece);
            fold.sections.push((root_key(number), w.into_octets()));
            number += 1;
        }
        fold.removed
            .extend(old.into_iter().filter(|key| *key >= root_key(number)));
    }

    fn folding_after(&self, fold: &Fold) -> Folding {
        let mut after = Folding::clone(&self.folding);
        for (key, _) in &fold.sections {
            after.stored.insert(*key, ());
        }
        for key in &fold.removed {
            after.stored.remove(key);
        }
        after.covers = fold.covers;
        after.root = fold.number;
        after.root_commits = after.root_commits.saturating_sub(fold.root_commits);
        if fold.kind == FoldKind::All {
            after.octets = after.octets.saturating_sub(fold.octets);
            after.commits = after.commits.saturating_sub(fold.commits);
        }
        after
    }

    /// The store has taken the checkpoint.
    pub fn folded(&mut self, fold: &Fold) {
        self.folding = Arc::new(self.folding_after(fold));
    }

    /// The keys of the stored sections that hold a part.
    pub fn keys_of(&self, part: Part) -> Vec<u64> {
        let stored = &self.folding.stored;
        let from = |first: u64, last: u64| {
            let keys = stored.range_from(&first).map(|(key, ())| *key);
            keys.take_while(move |key| *key <= last)
        };
        match part {
            Part::Table(mailbox) => [Kind::Chunk, Kind::Log]
                .into_iter()
                .flat_map(|kind| {
                    from(
                        table_key(kind, mailbox, 0),
                        table_key(kind, mailbox, u32::MAX),
                    )
                })
                .collect(),
            Part::Expunged => from(expunged_key(0), expunged_key(u32::MAX)).collect(),
        }
    }
}
