//! STORE. RFC 9051 §6.4.6, RFC 7162 §3.1.3.

use super::{Ascending, COLLECTED, Draft, KeywordPlaces, collect, collected, mailbox};
use crate::acl::FlagRights;
use crate::changes::{Change, FlagGroup};
use crate::command::COMMIT_ROWS_MAX;
use crate::mailbox::Counts;
use crate::outcome::{Decision, Outcome, Refusal, Rest};
use crate::rows::Row;
use crate::state::State;
use std::collections::BTreeMap;
use terms::{
    EmailNumber, FlagSet, Keyword, MailboxId, ModSeq, StoreMode, StoreOp, SystemFlag, Timestamp,
    Uid, UidSet,
};

pub(super) fn store(
    state: &State,
    id: MailboxId,
    uids: &UidSet,
    (op, may): (&StoreOp, FlagRights),
    unchanged_since: Option<ModSeq>,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    let target = mailbox(state, id)?;
    let table = state.table(id)?;
    let mut keywords = KeywordPlaces::new(target);
    // No client sets or clears what mirrors the devices.
    let flags = collected::without_collected(&op.flags);
    // RFC 4314 §4: flags that somebody may not change stay as they are.
    let bits_may = may.system_bits();
    let flags = if may.others {
        flags
    } else {
        FlagSet::from_bits(flags.system_bits())
    };
    let mirror = Keyword::new(COLLECTED).and_then(|word| target.keyword_place(&word));
    let wanted = match op.mode {
        // What nobody has ever set need not be made known to be cleared.
        StoreMode::Remove => {
            let keywords = flags.keywords().iter();
            let mut places: Vec<u16> = keywords
                .filter_map(|keyword| target.keyword_place(keyword))
                .collect();
            // The places are in the order of their first use, the names are not.
            places.sort_unstable();
            places
        }
        StoreMode::Add | StoreMode::Replace => keywords.of(&flags)?,
    };
    let mirrored = mirror.map(|place| {
        let mut mirrored = wanted.clone();
        mirrored.push(place);
        mirrored.sort_unstable();
        (place, mirrored)
    });
    let mut pass = Pass::new(target.counts);
    let mut rest = None;
    for row in table.rows_in(uids) {
        if pass.hit >= COMMIT_ROWS_MAX {
            rest = Some(row.uid);
            break;
        }
        pass.found.push(row.uid);
        if unchanged_since.is_some_and(|since| row.modseq > since) {
            pass.modified.push(row.uid);
            continue;
        }
        let old = row.flags.system_bits();
        let bits = combine(op.mode, old, flags.system_bits()) & bits_may | old & !bits_may;
        let wanted = match &mirrored {
            Some((place, mirrored))
                if op.mode == StoreMode::Replace && row.keywords.binary_search(place).is_ok() =>
            {
                mirrored
            }
            _ => &wanted,
        };
        let places = may
            .others
            .then(|| combine_places(op.mode, row.keywords, wanted))
            .flatten();
        pass.file(&row, bits, places);
    }
    let missing = missing(uids, pass.found.finish(), rest);
    let outcome = |number, changed| Outcome::Stored {
        number,
        changed,
        unchanged: pass.unchanged.finish(),
        modified: pass.modified.finish(),
        missing,
    };
    let mut draft = Draft::new(state);
    let groups = pass
        .groups
        .into_iter()
        .map(Group::finish)
        .collect::<Vec<_>>();
    let decision = if groups.is_empty() {
        Decision::nothing(outcome(None, UidSet::new()))
    } else {
        let clocks = if id == MailboxId::INBOX {
            collect::clocks_after_flags(state, &pass.flagged, &pass.unflagged, now)?
        } else {
            Vec::new()
        };
        let change = Change::Stored {
            mailbox: id,
            keywords: used_keywords(keywords, &groups),
            groups,
            counts: pass.counts,
            clocks: clocks.clone(),
        };
        let number = collected::push_shown(&mut draft, state, change, &clocks)?;
        draft.decision(outcome(Some(number), pass.changed.finish()))
    };
    let rest = rest.map(|from| Rest::Uids(from_on(uids, from)));
    Ok(decision.with_rest(rest))
}

/// Keywords are made known even if the rows that were to have them have all
/// been passed over only when some row has them.
fn used_keywords(keywords: KeywordPlaces<'_>, groups: &[FlagGroup]) -> Vec<terms::Keyword> {
    let known = keywords.known.len();
    let new_in_use = groups.iter().any(|group| {
        group
            .keywords
            .iter()
            .any(|&place| usize::from(place) >= known)
    });
    if new_in_use { keywords.new } else { Vec::new() }
}

/// Those of `uids` that are neither found nor beyond what was looked at.
fn missing(uids: &UidSet, found: UidSet, rest: Option<Uid>) -> UidSet {
    let mut missing = uids.difference(&found);
    if let Some(from) = rest {
        missing.remove_range(from, Uid::MAX);
    }
    missing
}

/// Those of `uids` from `from` on.
pub(super) fn from_on(uids: &UidSet, from: Uid) -> UidSet {
    uids.intersection(&UidSet::range(from, Uid::MAX))
}

fn combine(mode: StoreMode, old: u8, wanted: u8) -> u8 {
    match mode {
        StoreMode::Add => old | wanted,
        StoreMode::Remove => old & !wanted,
        StoreMode::Replace => wanted,
    }
}

/// `None` where the places stay as they are.
fn combine_places(mode: StoreMode, old: &[u16], wanted: &[u16]) -> Option<Vec<u16>> {
    let new = match mode {
        StoreMode::Add => {
            if wanted.iter().all(|place| old.binary_search(place).is_ok()) {
                return None;
            }
            let mut new = [old, wanted].concat();
            new.sort_unstable();
            new.dedup();
            new
        }
        StoreMode::Remove => {
            if !wanted.iter().any(|place| old.binary_search(place).is_ok()) {
                return None;
            }
            let kept = old
                .iter()
                .filter(|place| wanted.binary_search(place).is_err());
            kept.copied().collect()
        }
        StoreMode::Replace => {
            if old == wanted {
                return None;
            }
            wanted.to_vec()
        }
    };
    Some(new)
}

/// Rows that get the same flags.
struct Group {
    bits: u8,
    keywords: Vec<u16>,
    uids: Ascending,
}

impl Group {
    fn finish(self) -> FlagGroup {
        FlagGroup {
            uids: self.uids.finish(),
            system_bits: self.bits,
            keywords: self.keywords,
        }
    }
}

/// One pass over the rows that are meant.
struct Pass {
    counts: Counts,
    hit: usize,
    groups: Vec<Group>,
    /// Where the group with these flags stands.
    places: BTreeMap<(u8, Vec<u16>), usize>,
    /// The group of the row before.
    recent: usize,
    found: Ascending,
    changed: Ascending,
    unchanged: Ascending,
    modified: Ascending,
    flagged: Vec<(EmailNumber, Uid)>,
    unflagged: Vec<EmailNumber>,
}

impl Pass {
    fn new(counts: Counts) -> Self {
        Self {
            counts,
            hit: 0,
            groups: Vec::new(),
            places: BTreeMap::new(),
            recent: 0,
            found: Ascending::default(),
            changed: Ascending::default(),
            unchanged: Ascending::default(),
            modified: Ascending::default(),
            flagged: Vec::new(),
            unflagged: Vec::new(),
        }
    }

    fn file(&mut self, row: &Row<'_>, bits: u8, places: Option<Vec<u16>>) {
        let old = row.flags.system_bits();
        if bits == old && places.is_none() {
            self.unchanged.push(row.uid);
            return;
        }
        self.hit += 1;
        self.changed.push(row.uid);
        let flags = row.flags.with_system_bits(bits);
        self.counts.subtract(row.flags, row.size);
        self.counts.add(flags, row.size);
        match (
            row.flags.has(SystemFlag::Flagged),
            flags.has(SystemFlag::Flagged),
        ) {
            (false, true) => self.flagged.push((row.email, row.uid)),
            (true, false) => self.unflagged.push(row.email),
            _ => {}
        }
        let keywords = places.as_deref().unwrap_or(row.keywords);
        let same = |group: &Group| group.bits == bits && group.keywords == keywords;
        if !self.groups.get(self.recent).is_some_and(same) {
            let next = self.groups.len();
            let place = self.places.entry((bits, keywords.to_vec()));
            self.recent = *place.or_insert(next);
            if self.recent == next {
                self.groups.push(Group {
                    bits,
                    keywords: keywords.to_vec(),
                    uids: Ascending::default(),
                });
            }
        }
        if let Some(group) = self.groups.get_mut(self.recent) {
            group.uids.push(row.uid);
        }
    }
}
