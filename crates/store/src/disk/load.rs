//! Loading an account: its newest checkpoint's sections and the commits since,
//! without a hole.

use super::core::Core;
use super::reader::{Patience, ReadError, read_record};
use super::record::{CommitRecord, Mend, SectionRecord, Standing};
use super::rows::{AccountRow, CommitRow, ManifestRow, Place, key};
use super::segment::contents;
use super::{indexer, lock, search};
use crate::{Commit, DueAccount, Loaded, Section, SectionKey, Sections, StoreError};
use bytes::Bytes;
use std::ops::ControlFlow;
use terms::{AccountId, ModSeq, Timestamp};

/// How often an account that changes meanwhile is looked at.
const LOOKS_MAX: usize = 16;

fn failed(error: impl ToString) -> StoreError {
    StoreError::Failed(error.to_string())
}

/// The row of an account that is there.
pub(crate) fn account_row(core: &Core, id: AccountId) -> Result<Option<AccountRow>, StoreError> {
    let key = key::account(id);
    let row = indexer::guarded(core, || core.ledger.row::<AccountRow>(&key)).map_err(failed)?;
    Ok(row.filter(|row| !row.removed))
}

/// What was read of an account at one moment.
struct Attempt {
    loaded: Loaded,
    /// A section or a commit is missing.
    hole: bool,
    /// A section is, whatever the log has.
    sections_lost: bool,
    /// The last number before the hole.
    kept: ModSeq,
}

/// See [`crate::Store::load`].
pub(crate) fn load(core: &Core, id: AccountId, wanted: &Sections) -> Result<Loaded, StoreError> {
    let attempt = load_whole(core, id, wanted)?;
    let mut loaded = attempt.loaded;
    if attempt.hole {
        tracing::error!(account = %id, kept = %attempt.kept, "the account's log has a hole");
        lock(&core.damaged).insert(id);
        loaded.damaged = true;
    }
    Ok(loaded)
}

/// What is wrong with an account.
pub(crate) enum Fault {
    /// Its log has a hole, which can be passed by.
    Hole(Mend),
    /// Its newest checkpoint cannot be read: passing by would make what is left of
    /// the log void, too.
    Sections,
}

/// The fault of an account that has one.
pub(crate) fn find_fault(core: &Core, id: AccountId) -> Result<Option<Fault>, StoreError> {
    let attempt = load_whole(core, id, &Sections::All)?;
    if attempt.sections_lost {
        return Ok(Some(Fault::Sections));
    }
    Ok(attempt.hole.then_some(Fault::Hole(Mend {
        kept: attempt.kept,
        head: attempt.loaded.head,
    })))
}

fn load_whole(core: &Core, id: AccountId, wanted: &Sections) -> Result<Attempt, StoreError> {
    let mut searched = false;
    for look in 0.. {
        let Some(row) = account_row(core, id)? else {
            return Ok(Attempt {
                loaded: Loaded::default(),
                hole: false,
                sections_lost: false,
                kept: ModSeq::ZERO,
            });
        };
        let attempt = attempt(core, id, wanted, &row)?;
        if !attempt.hole && searched {
            tracing::error!(account = %id, "the index had lost commits of the account");
            indexer::flag_rebuild(core);
        }
        if !attempt.hole || look >= LOOKS_MAX {
            return Ok(attempt);
        }
        if account_row(core, id)?.as_ref() != Some(&row) {
            continue;
        }
        if searched || !search::account(core, id).map_err(StoreError::Failed)? {
            return Ok(attempt);
        }
        searched = true;
    }
    Err(StoreError::Failed(
        "the account does not stand still".into(),
    ))
}

fn attempt(
    core: &Core,
    id: AccountId,
    wanted: &Sections,
    row: &AccountRow,
) -> Result<Attempt, StoreError> {
    let covers = row.covers();
    let key = key::manifest(id);
    let manifest = match row.folded {
        Some(_) => indexer::guarded(core, || core.ledger.row::<ManifestRow>(&key)),
        None => Ok(None),
    };
    let manifest = manifest.map_err(failed)?;
    let mut sections_lost = row.folded.is_some() && manifest.is_none();
    let manifest = manifest.unwrap_or_default();
    // A root that stands beyond a hole says nothing about it, so that the log is
    // looked through from `covers` on whatever is wanted.
    let log = unbroken(row, commits(core, id, covers)?);
    let mut sections = None;
    if manifest.standing.iter().all(|one| log.reaches(row, one)) {
        sections = read_sections(core, id, wanted, &manifest.standing)?;
    }
    let is_newest = sections.is_some();
    let sections = match sections {
        Some(sections) => sections,
        None => {
            let beneath = beneath(&manifest, covers);
            let read = read_sections(core, id, wanted, &beneath)?;
            sections_lost |= read.is_none();
            read.unwrap_or_default()
        }
    };
    let root = sections.iter().find(|one| one.key == SectionKey::ROOT);
    let from = match (wanted, root) {
        (Sections::Root, Some(root)) if is_newest => covers.max(root.number),
        _ => covers,
    };
    let mut whole = log.commits;
    if sections_lost {
        whole.clear();
    }
    whole.retain(|commit| commit.last > from);
    Ok(Attempt {
        loaded: Loaded {
            head: row.head,
            covers,
            sections,
            commits: whole,
            damaged: false,
        },
        hole: log.is_broken || sections_lost,
        sections_lost,
        kept: log.kept,
    })
}

/// The log after `covers`, as far as nothing is missing.
pub(crate) struct Unbroken {
    pub(crate) commits: Vec<Commit>,
    pub(crate) kept: ModSeq,
    /// It does not reach the account's head.
    pub(crate) is_broken: bool,
}

impl Unbroken {
    /// Whether all that a section knows is in the log.
    fn reaches(&self, row: &AccountRow, section: &Standing) -> bool {
        let number = section.number;
        number <= row.covers() || (number <= self.kept && !row.is_dead(number))
    }
}

pub(crate) fn unbroken(row: &AccountRow, commits: Vec<CommitRecord>) -> Unbroken {
    let mut log = Unbroken {
        commits: Vec::with_capacity(commits.len()),
        kept: row.covers(),
        is_broken: false,
    };
    for commit in commits {
        if row.is_dead(commit.commit.last) {
            continue;
        }
        if !follows(row, log.kept, commit.after) {
            log.is_broken = true;
            break;
        }
        log.kept = commit.commit.last;
        log.commits.push(commit.commit);
    }
    log.is_broken |= !follows(row, log.kept, row.head);
    log
}

/// What stood at `covers`.
pub(crate) fn beneath(manifest: &ManifestRow, covers: ModSeq) -> Vec<Standing> {
    let old = manifest.standing.iter().filter(|one| one.number <= covers);
    let mut sections: Vec<Standing> = old.chain(&manifest.beneath).copied().collect();
    sections.sort_unstable_by_key(|one| one.key);
    sections
}

/// Those of the sections that are wanted; `None` if one cannot be read.
fn read_sections(
    core: &Core,
    id: AccountId,
    wanted: &Sections,
    standing: &[Standing],
) -> Result<Option<Vec<Section>>, StoreError> {
    let mut sections = Vec::new();
    for one in standing {
        let asked = match wanted {
            Sections::Root => one.key == SectionKey::ROOT,
            Sections::Only(keys) => keys.contains(&one.key),
            Sections::All => true,
        };
        if !asked {
            continue;
        }
        match section(core, id, one)? {
            Some(section) => sections.push(section),
            None => return Ok(None),
        }
    }
    Ok(Some(sections))
}

/// Whether nothing is missing between `kept` and a commit that came after
/// `after`.
fn follows(row: &AccountRow, kept: ModSeq, after: ModSeq) -> bool {
    after <= kept
        || row
            .mends
            .iter()
            .any(|mend| mend.kept <= kept && mend.head >= after)
}

fn section(core: &Core, id: AccountId, standing: &Standing) -> Result<Option<Section>, StoreError> {
    let key = key::section(id, standing.key, standing.serial);
    let place = indexer::guarded(core, || core.ledger.row::<Place>(&key)).map_err(failed)?;
    let Some(place) = place else {
        return Ok(None);
    };
    let read = record(core, &place, |octets| {
        let record = SectionRecord::decode(octets).ok()?;
        (record.account == id && record.key == standing.key).then_some(record)
    })?;
    Ok(read.map(|record| Section {
        key: record.key,
        number: record.number,
        octets: record.octets,
    }))
}

/// A record as it lies there, otherwise as the segment's footer has it.
fn record<T>(
    core: &Core,
    place: &Place,
    decode: impl Fn(&Bytes) -> Option<T>,
) -> Result<Option<T>, StoreError> {
    match read_record(core, place, Patience::Waits) {
        Ok(octets) => {
            if let Some(record) = decode(&octets) {
                return Ok(Some(record));
            }
        }
        Err(ReadError::Failed(why)) => return Err(StoreError::Failed(why)),
        Err(_) => {}
    }
    Ok(footer_copy(core, place).as_ref().and_then(decode))
}

/// The copy of a record in the footer of its segment.
pub(crate) fn footer_copy(core: &Core, place: &Place) -> Option<Bytes> {
    let info = core.segment(place.segment)?;
    let file = core.handles.of(place.segment).ok()?;
    let contents = contents(file.as_ref(), &info.header, info.end).ok()?;
    let item = contents
        .items
        .into_iter()
        .find(|item| item.place == *place)?;
    item.copy.filter(|copy| crc32c::crc32c(copy) == place.crc)
}

/// The commits after `from` that can be read, ascending.
pub(crate) fn commits(
    core: &Core,
    id: AccountId,
    from: ModSeq,
) -> Result<Vec<CommitRecord>, StoreError> {
    let begin = key::commit(id, from.next());
    let end = crate::index::after_prefix(&key::commits(id));
    let rows = indexer::guarded(core, || {
        let mut rows = Vec::new();
        let mut wrong = None;
        core.ledger
            .scan(&begin, end.as_deref(), &mut |key, value| {
                match super::ledger::decode::<CommitRow>(key, value) {
                    Ok(row) => rows.push(row),
                    Err(error) => wrong = Some(error),
                }
                ControlFlow::Continue(())
            })?;
        match wrong {
            Some(error) => Err(error),
            None => Ok(rows),
        }
    })
    .map_err(failed)?;
    let mut commits = Vec::with_capacity(rows.len());
    for row in rows {
        let decode = |octets: &Bytes| {
            let record = CommitRecord::decode(octets).ok()?;
            (record.account == id).then_some(record)
        };
        let copied = row.copy.as_ref().and_then(decode);
        let found = match copied {
            Some(found) => Some(found),
            None => record(core, &row.place, decode)?,
        };
        commits.extend(found);
    }
    Ok(commits)
}

/// See [`crate::Store::due`].
pub(crate) fn due(
    core: &Core,
    until: Timestamp,
    limit: usize,
) -> Result<Vec<DueAccount>, StoreError> {
    let from = [key::DUE];
    let mut end = key::due(until, AccountId(u128::MAX));
    end.push(0);
    indexer::guarded(core, || {
        let mut due = Vec::new();
        core.ledger.scan(&from, Some(&end), &mut |key, _| {
            if due.len() >= limit {
                return ControlFlow::Break(());
            }
            if let Some((at, account)) = key::due_of(key) {
                due.push(DueAccount { due: at, account });
            }
            ControlFlow::Continue(())
        })?;
        Ok(due)
    })
    .map_err(failed)
}

/// See [`crate::Store::list`].
pub(crate) fn list(
    core: &Core,
    after: Option<AccountId>,
    limit: usize,
) -> Result<Vec<AccountId>, StoreError> {
    let from = match after {
        None => vec![key::ACCOUNT],
        Some(AccountId(u128::MAX)) => return Ok(Vec::new()),
        Some(after) => key::account(AccountId(after.0 + 1)),
    };
    indexer::guarded(core, || {
        let mut accounts = Vec::new();
        let mut wrong = None;
        let end = [key::ACCOUNT + 1];
        core.ledger.scan(&from, Some(&end), &mut |key, value| {
            if accounts.len() >= limit {
                return ControlFlow::Break(());
            }
            match super::ledger::decode::<AccountRow>(key, value) {
                Ok(row) if row.removed || row.head == ModSeq::ZERO => {}
                Ok(_) => accounts.extend(key::account_of(key)),
                Err(error) => wrong = Some(error),
            }
            ControlFlow::Continue(())
        })?;
        match wrong {
            Some(error) => Err(error),
            None => Ok(accounts),
        }
    })
    .map_err(failed)
}
