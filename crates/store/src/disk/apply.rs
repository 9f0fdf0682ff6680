//! What a record means for the index. The same for a group just written, for the
//! tail replayed at the start, and for an index built anew: applying a record
//! twice, or a copy of it later, changes nothing but where it lies.

use super::format::{Entry, Kind};
use super::ledger::Draft;
use super::record::{
    CheckpointRecord, CommitRecord, Mend, Tie, decode_mend, decode_numbers, decode_ties, ties_of,
};
use super::rows::{
    AccountRow, BlobRow, COPY_OCTETS_MAX, CommitRow, Folded, KeyRow, ManifestRow, Place,
    RetiredRow, TieRow, key,
};
use crate::SectionKey;
use crate::index::IndexError;
use bytes::Bytes;
use terms::{AccountId, BlobId, ModSeq};

/// A record and where it lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lying<'a> {
    pub(crate) entry: &'a Entry,
    pub(crate) place: Place,
    /// Its group's sequence.
    pub(crate) sequence: u64,
    /// Needed where [`super::segment::speaks_by_payload`] says so.
    pub(crate) payload: Option<&'a Bytes>,
}

/// Files a record. `false`: its payload is missing or no such record.
pub(crate) fn apply(draft: &mut Draft<'_>, record: Lying<'_>) -> Result<bool, IndexError> {
    let entry = record.entry;
    match entry.kind {
        Kind::Blob => put_blob(draft, &record, 0),
        Kind::Part => put_blob(draft, &record, u32::try_from(entry.a).unwrap_or(u32::MAX)),
        Kind::Section => {
            let key = key::section(AccountId(entry.id), SectionKey(entry.a), entry.b);
            draft.put(key, &record.place);
        }
        Kind::Remove => remove(draft, AccountId(entry.id), record.sequence)?,
        Kind::Footer | Kind::End => {}
        Kind::Commit | Kind::Checkpoint | Kind::Ties | Kind::Retire | Kind::Mend => {
            let known = match record.payload {
                Some(payload) => apply_payload(draft, &record, payload)?,
                None => false,
            };
            if !known {
                lost_record(draft, &record)?;
            }
            return Ok(known);
        }
    }
    Ok(true)
}

fn apply_payload(
    draft: &mut Draft<'_>,
    record: &Lying<'_>,
    payload: &Bytes,
) -> Result<bool, IndexError> {
    match record.entry.kind {
        Kind::Commit => match CommitRecord::decode(payload) {
            Ok(commit) => commit_record(draft, record, &commit, payload)?,
            Err(_) => return Ok(false),
        },
        Kind::Checkpoint => match CheckpointRecord::decode(payload) {
            Ok(checkpoint) => checkpoint_record(draft, record, checkpoint)?,
            Err(_) => return Ok(false),
        },
        Kind::Ties => match decode_ties(payload) {
            Ok(ties) => put_ties(draft, ties.into_iter(), record.place.segment),
            Err(_) => return Ok(false),
        },
        Kind::Mend => match decode_mend(payload) {
            Ok((account, mend)) => mend_record(draft, account, mend)?,
            Err(_) => return Ok(false),
        },
        Kind::Retire => match decode_numbers(payload) {
            Ok(numbers) => draft.put(key::RETIRED.to_vec(), &RetiredRow { numbers }),
            Err(_) => return Ok(false),
        },
        _ => {}
    }
    Ok(true)
}

/// A record that cannot be read. What its directory says of an account stays
/// known: a lost commit is a hole in the log, never a shorter log.
fn lost_record(draft: &mut Draft<'_>, record: &Lying<'_>) -> Result<(), IndexError> {
    if record.entry.kind == Kind::Mend {
        // The directory says all of it.
        let mend = Mend {
            kept: ModSeq(record.entry.a),
            head: ModSeq(record.entry.b),
        };
        return mend_record(draft, AccountId(record.entry.id), mend);
    }
    let number = match record.entry.kind {
        Kind::Commit => ModSeq(record.entry.b),
        Kind::Checkpoint => ModSeq(record.entry.a),
        _ => return Ok(()),
    };
    let account = AccountId(record.entry.id);
    let mut row = account_row(draft, account, record.sequence)?;
    if !row.removed {
        row.head = row.head.max(number);
    }
    put_account(draft, account, row.due, &row);
    Ok(())
}

fn put_blob(draft: &mut Draft<'_>, record: &Lying<'_>, part: u32) {
    let row = BlobRow {
        place: record.place,
        front: u32::try_from(record.entry.b).unwrap_or(u32::MAX),
        length: record.entry.a,
    };
    draft.put(key::blob(BlobId(record.entry.id), part), &row);
}

fn put_ties(draft: &mut Draft<'_>, ties: impl Iterator<Item = Tie>, segment: u64) {
    for tie in ties {
        draft.put(key::tie(&tie), &TieRow { segment });
    }
}

/// The account's row; a new one if there is none.
fn account_row(
    draft: &mut Draft<'_>,
    account: AccountId,
    sequence: u64,
) -> Result<AccountRow, IndexError> {
    if let Some(row) = draft.row::<AccountRow>(&key::account(account))? {
        return Ok(row);
    }
    draft.created.push(account);
    Ok(AccountRow {
        since: sequence,
        ..AccountRow::default()
    })
}

/// Puts the account's row and moves its place in the due queue.
fn put_account(
    draft: &mut Draft<'_>,
    account: AccountId,
    old_due: Option<terms::Timestamp>,
    row: &AccountRow,
) {
    if old_due != row.due {
        if let Some(due) = old_due {
            draft.remove(key::due(due, account));
        }
        if let Some(due) = row.due {
            draft.put(key::due(due, account), &KeyRow);
        }
    }
    draft.put(key::account(account), row);
}

fn commit_record(
    draft: &mut Draft<'_>,
    record: &Lying<'_>,
    commit: &CommitRecord,
    payload: &Bytes,
) -> Result<(), IndexError> {
    let account = commit.account;
    let mut row = account_row(draft, account, record.sequence)?;
    let last = commit.commit.last;
    put_ties(
        draft,
        ties_of(account, &commit.commit),
        record.place.segment,
    );
    let old_due = row.due;
    if last > row.head && !row.removed {
        row.head = last;
        row.due = commit.commit.due;
    }
    put_account(draft, account, old_due, &row);
    if !row.is_dead(last) {
        let copy = (payload.len() <= COPY_OCTETS_MAX).then(|| payload.clone());
        let place = record.place;
        draft.put(key::commit(account, last), &CommitRow { place, copy });
    }
    Ok(())
}

fn checkpoint_record(
    draft: &mut Draft<'_>,
    record: &Lying<'_>,
    checkpoint: CheckpointRecord,
) -> Result<(), IndexError> {
    let account = checkpoint.account;
    let mut row = account_row(draft, account, record.sequence)?;
    let old_due = row.due;
    if !row.removed && checkpoint.head > row.head {
        row.head = checkpoint.head;
        row.due = checkpoint.due;
    }
    let newest = row
        .folded
        .is_none_or(|folded| folded.serial <= checkpoint.serial);
    if newest && !row.removed {
        row.folded = Some(Folded {
            number: checkpoint.number,
            covers: checkpoint.covers,
            serial: checkpoint.serial,
        });
        row.mends.retain(|mend| mend.head > checkpoint.covers);
        let manifest = ManifestRow {
            place: record.place,
            standing: checkpoint.standing,
            beneath: checkpoint.beneath,
        };
        draft.put(key::manifest(account), &manifest);
        draft.sweep(account);
    }
    put_account(draft, account, old_due, &row);
    Ok(())
}

fn remove(draft: &mut Draft<'_>, account: AccountId, sequence: u64) -> Result<(), IndexError> {
    let mut row = account_row(draft, account, sequence)?;
    let old_due = row.due.take();
    row.removed = true;
    row.folded = None;
    row.mends.clear();
    put_account(draft, account, old_due, &row);
    draft.sweep(account);
    Ok(())
}

fn mend_record(draft: &mut Draft<'_>, account: AccountId, mend: Mend) -> Result<(), IndexError> {
    let mut row = account_row(draft, account, 0)?;
    let old_due = row.due;
    row.head = row.head.max(mend.head);
    if mend.head > row.covers() && !row.mends.contains(&mend) {
        row.mends.push(mend);
        row.mends.sort_unstable_by_key(|mend| mend.head);
    }
    put_account(draft, account, old_due, &row);
    draft.sweep(account);
    Ok(())
}

/// Which of an account's rows are dead now: commits that are folded or void, and
/// sections that no longer stand.
pub(crate) fn dead_rows(
    ledger: &super::ledger::Ledger,
    account: AccountId,
) -> Result<Vec<Bytes>, IndexError> {
    let Some(row) = ledger.row::<AccountRow>(&key::account(account))? else {
        return Ok(Vec::new());
    };
    let manifest: ManifestRow = ledger.row(&key::manifest(account))?.unwrap_or_default();
    let mut dead = Vec::new();
    ledger.scan_prefix(&key::commits(account), &mut |key, _| {
        let last = key.get(17..25).and_then(|octets| octets.try_into().ok());
        let last = ModSeq(last.map_or(0, u64::from_be_bytes));
        if row.is_dead(last) {
            dead.push(Bytes::copy_from_slice(key));
        }
        std::ops::ControlFlow::Continue(())
    })?;
    ledger.scan_prefix(&key::sections(account), &mut |key, _| {
        // A section beyond the newest checkpoint belongs to one on its way.
        let stands = key::section_of(key).is_some_and(|(of, serial)| {
            row.folded.is_none_or(|folded| serial > folded.serial) || manifest.names(of, serial)
        });
        if !stands || row.removed {
            dead.push(Bytes::copy_from_slice(key));
        }
        std::ops::ControlFlow::Continue(())
    })?;
    if row.removed {
        dead.push(Bytes::from(key::manifest(account)));
    }
    Ok(dead)
}
