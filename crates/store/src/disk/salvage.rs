//! An account whose newest checkpoint has lost a section: what an older one, or
//! none, and the commits since add up to, as far as they still lie in the journal;
//! or the newest one without that section, where more is left of it.

use super::core::{Core, Request};
use super::engine::Engine;
use super::format::Kind;
use super::load::{self, Unbroken, beneath, unbroken};
use super::record::{
    CheckpointRecord, CommitRecord, Mend, Record, Standing, decode_mend, encode_mend,
};
use super::rows::{AccountRow, Folded, ManifestRow};
use super::segment::{Item, read_payload};
use super::{lock, search};
use crate::{SectionKey, StoreError};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use terms::{AccountId, ModSeq};

/// All of an account that can still be read.
#[derive(Default)]
struct Remains {
    /// By their last number.
    commits: BTreeMap<ModSeq, CommitRecord>,
    /// By their serial.
    checkpoints: BTreeMap<u64, CheckpointRecord>,
    /// Every writing of each section, wherever it lies, readable or not.
    sections: HashMap<(SectionKey, u64), Vec<Item>>,
    mends: Vec<Mend>,
}

/// A state from which the log goes on.
struct Base {
    covers: ModSeq,
    standing: Vec<Standing>,
    /// With what is covered then.
    row: AccountRow,
    log: Unbroken,
}

/// Goes back to the state from which most can be had, and lets the account go on
/// after that. `false`: nothing of it is left.
pub(crate) fn salvage(engine: &Engine, id: AccountId) -> Result<bool, StoreError> {
    let core = engine.core();
    // Nobody commits or folds meanwhile.
    lock(&core.damaged).insert(id);
    let Some(row) = load::account_row(core, id)? else {
        return Ok(false);
    };
    let remains = gather(core, id, &row)?;
    let whole = best(core, &row, &remains)?;
    let in_part = match &whole {
        Some(base) if !base.log.is_broken => None,
        // Nobody can do without a part of the directory.
        _ if id == AccountId::DIRECTORY => None,
        _ => part_of_newest(core, &row, &remains)?,
    };
    let kept = |base: &Option<Base>| base.as_ref().map(|base| base.log.kept);
    let base = match kept(&in_part) > kept(&whole) {
        true => in_part,
        false => whole,
    };
    let Some(base) = base else {
        return Ok(false);
    };
    tracing::warn!(
        account = %id,
        covers = %base.covers,
        kept = %base.log.kept,
        head = %row.head,
        "going back to an older checkpoint"
    );
    let serial = remains.checkpoints.keys().next_back().copied();
    let serial = serial.max(row.folded.map(|folded| folded.serial));
    let records = records(core, id, &row, &remains, &base, serial.unwrap_or(0) + 1)?;
    engine
        .ask_and_wait(|reply| Request::Copy { records, reply })
        .map_err(|error| StoreError::Failed(error.to_string()))?;
    lock(&core.damaged).remove(&id);
    Ok(true)
}

fn gather(core: &Core, id: AccountId, row: &AccountRow) -> Result<Remains, StoreError> {
    let mut remains = Remains {
        mends: row.mends.clone(),
        ..Remains::default()
    };
    for commit in load::commits(core, id, row.covers())? {
        remains.commits.insert(commit.commit.last, commit);
    }
    let kinds = [Kind::Commit, Kind::Checkpoint, Kind::Section, Kind::Mend];
    let items = search::items(core, |item| {
        item.entry.id == id.0 && kinds.contains(&item.entry.kind)
    });
    for item in items.map_err(StoreError::Failed)? {
        if item.entry.kind == Kind::Section {
            let name = (SectionKey(item.entry.a), item.entry.b);
            remains.sections.entry(name).or_default().push(item);
            continue;
        }
        let Some(payload) = payload_of(core, &item)? else {
            continue;
        };
        match item.entry.kind {
            Kind::Commit => {
                if let Ok(commit) = CommitRecord::decode(&payload) {
                    remains.commits.insert(commit.commit.last, commit);
                }
            }
            Kind::Checkpoint => {
                if let Ok(checkpoint) = CheckpointRecord::decode(&payload) {
                    remains.checkpoints.insert(checkpoint.serial, checkpoint);
                }
            }
            _ => {
                if let Ok((_, mend)) = decode_mend(&payload)
                    && !remains.mends.contains(&mend)
                {
                    remains.mends.push(mend);
                }
            }
        }
    }
    Ok(remains)
}

/// Of a record, as it lies there or as the footer has it.
fn payload_of(core: &Core, item: &Item) -> Result<Option<Bytes>, StoreError> {
    let file = core.handles.of(item.place.segment);
    let read = file.and_then(|file| read_payload(file.as_ref(), &item.place));
    let read = read.map_err(|error| StoreError::Failed(error.to_string()))?;
    let copy = item.copy.as_ref();
    Ok(read.or_else(|| {
        copy.filter(|copy| crc32c::crc32c(copy) == item.entry.crc)
            .cloned()
    }))
}

/// The base that the log goes furthest from; of several the newest.
fn best(core: &Core, row: &AccountRow, remains: &Remains) -> Result<Option<Base>, StoreError> {
    let mut best: Option<Base> = None;
    let checkpoints = remains.checkpoints.values().rev();
    let known = checkpoints.map(|one| (one.covers, standing_at_covers(one)));
    for (covers, standing) in known.chain([(ModSeq::ZERO, Vec::new())]) {
        let has_root = standing.iter().any(|one| one.key == SectionKey::ROOT);
        if covers > ModSeq::ZERO && !has_root {
            continue;
        }
        let base = base(row, remains, covers, standing);
        let further = best
            .as_ref()
            .is_none_or(|best| base.log.kept > best.log.kept);
        if further && base.log.kept > ModSeq::ZERO && is_readable(core, remains, &base)? {
            best = Some(base);
        }
    }
    Ok(best)
}

/// The newest base whose root can be read, without the sections that cannot.
fn part_of_newest(
    core: &Core,
    row: &AccountRow,
    remains: &Remains,
) -> Result<Option<Base>, StoreError> {
    for checkpoint in remains.checkpoints.values().rev() {
        let mut left = Vec::new();
        for one in standing_at_covers(checkpoint) {
            if section_of(core, remains, &one)?.is_some() {
                left.push(one);
            }
        }
        if left.iter().any(|one| one.key == SectionKey::ROOT) {
            return Ok(Some(base(row, remains, checkpoint.covers, left)));
        }
    }
    Ok(None)
}

fn standing_at_covers(checkpoint: &CheckpointRecord) -> Vec<Standing> {
    let manifest = ManifestRow {
        standing: checkpoint.standing.clone(),
        beneath: checkpoint.beneath.clone(),
        ..ManifestRow::default()
    };
    beneath(&manifest, checkpoint.covers)
}

fn base(row: &AccountRow, remains: &Remains, covers: ModSeq, standing: Vec<Standing>) -> Base {
    let mut row = AccountRow {
        folded: Some(Folded {
            number: covers,
            covers,
            serial: 0,
        }),
        mends: remains.mends.clone(),
        ..row.clone()
    };
    row.mends.retain(|mend| mend.head > covers);
    let commits = remains.commits.range(covers.next()..);
    let log = unbroken(&row, commits.map(|(_, commit)| commit.clone()).collect());
    Base {
        covers,
        standing,
        row,
        log,
    }
}

fn is_readable(core: &Core, remains: &Remains, base: &Base) -> Result<bool, StoreError> {
    for one in &base.standing {
        if section_of(core, remains, one)?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn section_of(
    core: &Core,
    remains: &Remains,
    standing: &Standing,
) -> Result<Option<Record>, StoreError> {
    let items = remains.sections.get(&(standing.key, standing.serial));
    for item in items.into_iter().flatten() {
        if let Some(payload) = payload_of(core, item)? {
            return Ok(Some(Record {
                entry: item.entry,
                payload,
            }));
        }
    }
    Ok(None)
}

/// What makes the account stand there: all in one group.
fn records(
    core: &Core,
    id: AccountId,
    row: &AccountRow,
    remains: &Remains,
    base: &Base,
    serial: u64,
) -> Result<Vec<Record>, StoreError> {
    let mut records = Vec::new();
    for one in &base.standing {
        let section = section_of(core, remains, one)?;
        records.push(section.ok_or_else(|| StoreError::Failed("a section has gone".into()))?);
    }
    let checkpoint = CheckpointRecord {
        account: id,
        number: base.covers,
        covers: base.covers,
        serial,
        head: row.head,
        due: row.due,
        standing: base.standing.clone(),
        beneath: Vec::new(),
    };
    records.push(checkpoint.encode());
    records.extend(base.row.mends.iter().map(|mend| encode_mend(id, *mend)));
    let kept = base.log.commits.iter();
    let kept = kept.filter_map(|commit| remains.commits.get(&commit.last));
    records.extend(kept.map(CommitRecord::encode));
    if base.log.is_broken {
        let mend = Mend {
            kept: base.log.kept,
            head: row.head,
        };
        records.push(encode_mend(id, mend));
    }
    Ok(records)
}
