//! What is left of an account where sections other than the root are lost.

use crate::Used;
use crate::changes::Copies;
use crate::expunged::Expunged;
use crate::load::{LoadError, Stored};
use crate::mailbox::Counts;
use crate::outcome::Refusal;
use crate::persistent::{Map, RunMap};
use crate::state::{Root, State};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use terms::{AccountId, BlobId, EmailNumber, MailboxId, MailboxName, SystemFlag, Timestamp};

/// What was found to be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// The mailboxes that have lost messages, and how many.
    pub messages: Vec<(MailboxName, u32)>,
    /// Sections of which it cannot be said how much was in them: of what had been
    /// expunged and could be brought back, and of the logs of expunges.
    pub sections: u32,
}

impl Losses {
    /// Whether nothing is missing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl State {
    /// The state that the root, the sections that are left and the commits add up
    /// to, with all its sums counted anew, and what is missing. `stored` is all there
    /// is. A fold of everything makes it the account's; then an Epoch has to follow.
    ///
    /// # Errors
    /// If the root is missing, or something cannot be read.
    pub fn salvage(account: AccountId, stored: &Stored<'_>) -> Result<(Self, Losses), LoadError> {
        let mut state = Self::new(account);
        let lost = state.begin_salvage(stored)?;
        let mut losses = Losses {
            sections: lost,
            ..Losses::default()
        };
        let count = Counting::of(&state).map_err(|_| LoadError::Stale)?;
        let expunged = state.expunged.list.batches().next();
        let oldest = expunged.map(|batch| batch.time);
        let root = Arc::make_mut(&mut state.root);
        count.file(root, oldest, &mut losses);
        Ok((state, losses))
    }
}

/// Everything that the root keeps of the rows.
#[derive(Default)]
struct Counting {
    counts: BTreeMap<MailboxId, Counts>,
    used: Used,
    emails: BTreeMap<EmailNumber, Copies>,
    blobs: BTreeMap<BlobId, BTreeSet<EmailNumber>>,
    /// Those that the hold may have a clock for.
    in_reach: BTreeSet<EmailNumber>,
}

impl Counting {
    fn of(state: &State) -> Result<Self, Refusal> {
        let mut all = Self::default();
        for mailbox in state.mailboxes() {
            let mut counts = Counts::default();
            for row in state.table(mailbox.id)?.rows() {
                counts.add(row.flags, row.size);
                all.used.messages += 1;
                let copies = all.emails.entry(row.email).or_insert(Copies::GONE);
                if copies.live == 0 {
                    all.used.octets += u64::from(row.size);
                }
                copies.live += 1;
                all.blobs.entry(row.blob).or_default().insert(row.email);
                if mailbox.id == MailboxId::INBOX && !row.flags.has(SystemFlag::Flagged) {
                    all.in_reach.insert(row.email);
                }
            }
            all.counts.insert(mailbox.id, counts);
        }
        all.add_expunged(state.expunged()?);
        Ok(all)
    }

    fn add_expunged(&mut self, expunged: &Expunged) {
        for row in expunged.batches().flat_map(|batch| batch.rows.iter()) {
            self.emails
                .entry(row.email)
                .or_insert(Copies::GONE)
                .expunged += 1;
            self.blobs.entry(row.blob).or_default().insert(row.email);
        }
    }

    fn file(&self, root: &mut Root, oldest: Option<Timestamp>, losses: &mut Losses) {
        for (id, counts) in &self.counts {
            let Some(mailbox) = root.mailboxes.get_mut(id) else {
                continue;
            };
            let lost = mailbox.counts.messages.saturating_sub(counts.messages);
            if lost > 0 {
                losses.messages.push((mailbox.name.clone(), lost));
            }
            Arc::make_mut(mailbox).counts = *counts;
        }
        root.used = self.used;
        root.expunged_oldest = oldest;
        root.copies = RunMap::default();
        for (email, copies) in &self.emails {
            if *copies != Copies::ONE {
                root.copies.set(email.0, email.0, Some(*copies));
            }
        }
        let clocks: Vec<_> = root.clocks.runs().collect();
        for run in clocks {
            for email in run.first..=run.last {
                if !self.in_reach.contains(&EmailNumber(email)) {
                    root.clocks.set(email, email, None);
                }
            }
        }
        root.shared = Map::new();
        for (blob, emails) in &self.blobs {
            let more = u32::try_from(emails.len())
                .unwrap_or(u32::MAX)
                .saturating_sub(1);
            if more > 0 {
                root.shared.insert(*blob, more);
            }
        }
        let gone: Vec<EmailNumber> = root
            .unique_ids
            .iter()
            .map(|(email, _)| *email)
            .filter(|email| !self.emails.contains_key(email))
            .collect();
        for email in gone {
            root.unique_ids.remove(&email);
        }
    }
}
