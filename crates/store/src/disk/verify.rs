//! Reading everything and saying what is wrong with it; passing by a hole.

use super::core::{Core, Request, SegmentInfo};
use super::engine::Engine;
use super::format::Kind;
use super::frame::Front;
use super::io::DiskFile;
use super::ledger::decode;
use super::load::{self, Fault};
use super::reader::{self, Patience, ReadError};
use super::rows::{BlobRow, CommitRow, Place, RetiredRow, key};
use super::segment::{Found, Group, Walk, is_damage, read_payload};
use super::{lock, salvage, search};
use crate::{Sections, StoreError, Verification};
use std::collections::BTreeSet;
use std::ops::{ControlFlow, Range};
use terms::{AccountId, BlobId, ModSeq};

/// So many accounts are asked for at once.
const LIST_MAX: usize = 1_000;

/// See [`crate::Store::repair`].
pub(crate) fn repair(engine: &Engine, account: AccountId) -> Result<ModSeq, StoreError> {
    let core = engine.core();
    let fault = load::find_fault(core, account)?;
    if let Some(Fault::Hole(mend)) = fault {
        tracing::warn!(%account, kept = %mend.kept, head = %mend.head, "passing by a hole");
        engine
            .ask_and_wait(|reply| Request::Mend {
                account,
                mend,
                reply,
            })
            .map_err(|error| StoreError::Failed(error.to_string()))?;
    } else if fault.is_none() {
        lock(&core.damaged).remove(&account);
    } else if !salvage::salvage(engine, account)? {
        return Err(StoreError::Failed(format!(
            "no checkpoint of account {account} can be read, and its log does not begin at its \
             beginning any more"
        )));
    }
    let row = load::account_row(core, account)?;
    Ok(row.map_or(ModSeq::ZERO, |row| row.head))
}

/// See [`crate::Store::verify`].
pub(crate) fn verify(
    core: &Core,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<Verification, StoreError> {
    let mut found = Verification::default();
    verify_segments(core, progress, &mut found)?;
    verify_accounts(core, &mut found)?;
    found.damaged_accounts.sort_unstable();
    found.damaged_blobs.sort_unstable();
    found.damaged_blobs.dedup();
    Ok(found)
}

fn failed(error: impl ToString) -> StoreError {
    StoreError::Failed(error.to_string())
}

fn verify_segments(
    core: &Core,
    progress: &(dyn Fn(u64) + Send + Sync),
    found: &mut Verification,
) -> Result<(), StoreError> {
    let segments: Vec<_> = lock(&core.segments).values().copied().collect();
    let retired: Option<RetiredRow> = core.ledger.row(key::RETIRED).map_err(failed)?;
    let retired = retired.unwrap_or_default().numbers;
    let mut next = 1;
    let mut seen = BTreeSet::new();
    for info in &segments {
        let number = info.header.number;
        for missing in next..number {
            if retired.binary_search(&missing).is_err() {
                found.faults.push(format!(
                    "segment {missing} of the journal is not there, or its header cannot be read"
                ));
            }
        }
        next = number + 1;
        let file = match core.handles.of(number) {
            Ok(file) => file,
            Err(error) => {
                found.notes.push(format!("segment {number}: {error}"));
                continue;
            }
        };
        verify_segment(core, file.as_ref(), info, &mut seen, progress, found)?;
    }
    found.blobs = seen.len() as u64;
    Ok(())
}

fn verify_segment(
    core: &Core,
    file: &dyn DiskFile,
    info: &SegmentInfo,
    seen: &mut BTreeSet<u128>,
    progress: &(dyn Fn(u64) + Send + Sync),
    found: &mut Verification,
) -> Result<(), StoreError> {
    let number = info.header.number;
    let mut walk = Walk::new(file, &info.header, info.end);
    while let Some(next) = walk.step().map_err(failed)? {
        match next {
            Found::Bad(range) => verify_bad(core, number, &range, found)?,
            Found::Group(group) => {
                found.octets += group.header.octets();
                verify_group(core, file, &group, number, seen, found)?;
                progress(found.octets);
            }
        }
    }
    Ok(())
}

/// Octets that are no group any more: what the index knows to lie there may still
/// be whole.
fn verify_bad(
    core: &Core,
    segment: u64,
    range: &Range<u64>,
    found: &mut Verification,
) -> Result<(), StoreError> {
    let is_there = |place: &Place| place.segment == segment && range.contains(&place.at);
    let mut blobs = BTreeSet::new();
    core.ledger
        .scan_prefix(&[key::BLOB], &mut |key, value| {
            if decode::<BlobRow>(key, value).is_ok_and(|row| is_there(&row.place)) {
                blobs.extend(key::blob_of(key));
            }
            ControlFlow::Continue(())
        })
        .map_err(failed)?;
    let mut commits = 0;
    core.ledger
        .scan_prefix(&[key::COMMIT], &mut |key, value| {
            let row = decode::<CommitRow>(key, value);
            commits += u64::from(row.is_ok_and(|row| is_there(&row.place)));
            ControlFlow::Continue(())
        })
        .map_err(failed)?;
    found.notes.push(format!(
        "segment {segment}: octets {} to {} are damaged; as far as is known {commits} commits \
         and {} message bodies lie there",
        range.start,
        range.end,
        blobs.len()
    ));
    for blob in blobs {
        if is_lost(core, blob)? {
            found.damaged_blobs.push(blob);
        }
    }
    Ok(())
}

fn verify_group(
    core: &Core,
    file: &dyn DiskFile,
    group: &Group,
    segment: u64,
    seen: &mut BTreeSet<u128>,
    found: &mut Verification,
) -> Result<(), StoreError> {
    for (entry, at) in group.records() {
        if entry.kind == Kind::Blob {
            seen.insert(entry.id);
        }
        let place = Place::of(entry, segment, at);
        let payload = match read_payload(file, &place) {
            Ok(payload) => payload,
            Err(error) if is_damage(&error) => None,
            Err(error) => return Err(failed(error)),
        };
        let Some(payload) = payload else {
            found.notes.push(format!(
                "segment {segment}: the {:?} record at octet {at} is damaged",
                entry.kind
            ));
            if matches!(entry.kind, Kind::Blob | Kind::Part) && is_lost(core, BlobId(entry.id))? {
                found.damaged_blobs.push(BlobId(entry.id));
            }
            continue;
        };
        if matches!(entry.kind, Kind::Blob | Kind::Part) && Front::decode(&payload).is_err() {
            found.damaged_blobs.push(BlobId(entry.id));
        }
    }
    Ok(())
}

/// Whether a blob that somebody has bound cannot be read.
fn is_lost(core: &Core, id: BlobId) -> Result<bool, StoreError> {
    if !search::is_bound(core, id).map_err(failed)? {
        return Ok(false);
    }
    match reader::blob(core, id, &(0..u64::MAX), Patience::Waits) {
        Ok(_) => Ok(false),
        Err(ReadError::Failed(why)) => Err(StoreError::Failed(why)),
        Err(_) => Ok(true),
    }
}

fn verify_accounts(core: &Core, found: &mut Verification) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let accounts = load::list(core, after, LIST_MAX)?;
        for account in &accounts {
            verify_account(core, *account, found)?;
        }
        let is_mail = |account: &&AccountId| **account != AccountId::DIRECTORY;
        found.accounts += accounts.iter().filter(is_mail).count() as u64;
        match accounts.last() {
            Some(last) if accounts.len() == LIST_MAX => after = Some(*last),
            _ => break,
        }
    }
    verify_bound(core, found)
}

fn verify_account(
    core: &Core,
    account: AccountId,
    found: &mut Verification,
) -> Result<(), StoreError> {
    let loaded = load::load(core, account, &Sections::All)?;
    found.commits += loaded.commits.len() as u64;
    if loaded.damaged {
        found.damaged_accounts.push(account);
        found
            .notes
            .push(format!("account {account}: its log has a hole"));
    }
    Ok(())
}

/// Every blob that is bound must be there.
fn verify_bound(core: &Core, found: &mut Verification) -> Result<(), StoreError> {
    let mut blobs = BTreeSet::new();
    core.ledger
        .scan_prefix(&key::ties_all(), &mut |key, _| {
            blobs.extend(key::tie_of(key).map(|tie| tie.blob));
            std::ops::ControlFlow::Continue(())
        })
        .map_err(failed)?;
    for blob in blobs {
        let there = reader::is_there(core, blob);
        if !there && is_lost(core, blob)? {
            found.damaged_blobs.push(blob);
            found
                .notes
                .push(format!("blob {blob}: it is bound and cannot be read"));
        }
    }
    Ok(())
}
