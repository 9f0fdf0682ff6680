//! Looking for records in the journal itself, where the index does not know them
//! though it should.

use super::apply::{Lying, apply};
use super::core::Core;
use super::format::Kind;
use super::ledger::Draft;
use super::record::Tie;
use super::rows::{AccountRow, key};
use super::segment::{Item, contents, is_damage, read_payload, speaks_by_payload};
use super::{indexer, lock};
use crate::index::IndexError;
use std::io;
use std::ops::ControlFlow;
use terms::{AccountId, BlobId};

/// So many searches for one thing each are remembered, and made.
const SEARCHES_MAX: usize = 1_000;

/// Every record of the journal that is wanted, oldest first. Segments that cannot
/// be read are passed over.
pub(crate) fn items(core: &Core, wanted: impl Fn(&Item) -> bool) -> Result<Vec<Item>, String> {
    let segments: Vec<_> = lock(&core.segments).values().copied().collect();
    let mut found = Vec::new();
    for info in segments {
        let contents = core
            .handles
            .of(info.header.number)
            .and_then(|file| contents(file.as_ref(), &info.header, info.end));
        match contents {
            Ok(contents) => found.extend(contents.items.into_iter().filter(|item| wanted(item))),
            Err(error) if is_damage(&error) || error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(found)
}

/// Looks for a blob that the index does not know; if it is there, the index knows
/// it again. Each is looked for once.
pub(crate) fn blob(core: &Core, id: BlobId) -> Result<bool, String> {
    {
        let mut searched = lock(&core.searched);
        if searched.len() >= SEARCHES_MAX || !searched.insert(id.0) {
            return Ok(false);
        }
    }
    let found = items(core, |item| {
        matches!(item.entry.kind, Kind::Blob | Kind::Part) && item.entry.id == id.0
    })?;
    let there = refile(core, &found)?;
    if there {
        tracing::error!(blob = %id, "the index had lost a blob");
        indexer::flag_rebuild(core);
    }
    Ok(there)
}

/// Looks for the records of an account whose log has a hole and files them again.
pub(crate) fn account(core: &Core, id: AccountId) -> Result<bool, String> {
    {
        let mut searched = lock(&core.searched);
        if searched.len() >= SEARCHES_MAX || !searched.insert(id.0) {
            return Ok(false);
        }
    }
    let found = items(core, |item| {
        let of_account = !matches!(
            item.entry.kind,
            Kind::Blob | Kind::Part | Kind::Footer | Kind::End | Kind::Retire
        );
        of_account && item.entry.id == id.0
    })?;
    refile(core, &found)
}

/// Files records again that the index had lost.
fn refile(core: &Core, items: &[Item]) -> Result<bool, String> {
    if items.is_empty() {
        return Ok(false);
    }
    let mut draft = Draft::new(&core.ledger);
    for item in items {
        let payload = match (&item.copy, speaks_by_payload(item.entry.kind)) {
            (_, false) => None,
            (Some(copy), true) if crc32c::crc32c(copy) == item.entry.crc => Some(copy.clone()),
            (_, true) => {
                let file = core.handles.of(item.place.segment);
                let read = file.and_then(|file| read_payload(file.as_ref(), &item.place));
                read.map_err(|error| error.to_string())?
            }
        };
        let lying = Lying {
            entry: &item.entry,
            place: item.place,
            sequence: item.sequence,
            payload: payload.as_ref(),
        };
        apply(&mut draft, lying).map_err(|error| error.to_string())?;
    }
    core.ledger.publish(draft, None);
    Ok(true)
}

/// Whether an account that is there has bound the blob and not released it.
pub(crate) fn is_bound(core: &Core, id: BlobId) -> Result<bool, IndexError> {
    indexer::guarded(core, || {
        for tie in newest_ties(core, id)? {
            if !tie.released {
                let key = key::account(tie.account);
                let row: Option<AccountRow> = core.ledger.row(&key)?;
                if row.is_none_or(|row| !row.removed) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    })
}

/// Of each account that has to do with a blob the newest tie.
pub(crate) fn newest_ties(core: &Core, id: BlobId) -> Result<Vec<Tie>, IndexError> {
    let mut newest: Vec<Tie> = Vec::new();
    core.ledger.scan_prefix(&key::ties(id), &mut |key, _| {
        if let Some(tie) = key::tie_of(key) {
            match newest.last_mut() {
                Some(last) if last.account == tie.account => *last = tie,
                _ => newest.push(tie),
            }
        }
        ControlFlow::Continue(())
    })?;
    Ok(newest)
}
