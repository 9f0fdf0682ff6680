//! Copying forward: what is still needed of a segment that is mostly not goes to
//! the end of the journal, and the segment goes.
//!
//! The order: condemn what nobody needs, copy the rest, sync, persist the index
//! past the copies, write down that the segment has gone, sync, persist, unlink.
//! A crash anywhere between leaves records twice, which is harmless.

use super::core::{Core, Request, SegmentInfo};
use super::engine::Engine;
use super::format::Kind;
use super::indexer;
use super::ledger::decode;
use super::lock;
use super::record::{CommitRecord, Record, Tie, decode_mend, decode_ties, encode_ties, ties_of};
use super::rows::{AccountRow, BlobRow, CommitRow, KeptRow, ManifestRow, Place, TieRow, key};
use super::search;
use super::segment::{Item, contents, name_of, read_payload};
use crate::SectionKey;
use crate::index::IndexError;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use terms::{AccountId, BlobId};

/// Ties in one record at the most.
const TIES_MAX: usize = 10_000;

/// What a segment holds that is needed, and what goes with it.
#[derive(Default)]
struct Survey {
    /// To be copied.
    live: Vec<Item>,
    live_octets: u64,
    /// To be written anew: their commits are dead.
    ties: BTreeMap<AccountId, Vec<Tie>>,
    /// Keys of the index that go.
    doomed: Vec<Vec<u8>>,
    condemned: BTreeSet<BlobId>,
    damaged: bool,
}

/// Looks at up to `count_max` sealed segments after number `after` and cleans
/// those that are worth it. Says the last one looked at, if there were more, and
/// how many have gone.
pub(crate) fn clean(
    engine: &Engine,
    after: u64,
    count_max: usize,
) -> Result<(Option<u64>, usize), String> {
    let core = engine.core();
    let sealed: Vec<_> = lock(&core.segments)
        .range(after + 1..)
        .map(|(_, info)| *info)
        .filter(|info| info.sealed)
        .collect();
    let mut gone = 0;
    let kept: Option<KeptRow> =
        indexer::guarded(core, || core.ledger.row(key::KEPT)).map_err(|error| error.to_string())?;
    for info in sealed.iter().take(count_max) {
        if core.poison().is_some() || engine.is_stopped() || core.is_closed() {
            break;
        }
        let number = info.header.number;
        let is_kept = kept.is_some_and(|kept| number <= kept.segment);
        if is_kept || lock(&core.pinned).contains(&number) {
            continue;
        }
        let found = survey(core, info, false)?;
        if found.damaged {
            tracing::error!(segment = number, "a damaged segment is kept as it is");
            lock(&core.pinned).insert(number);
        } else if is_worth(core, info, found.live_octets) && clean_segment(engine, info)? {
            gone += 1;
        }
    }
    let last = sealed.get(count_max.saturating_sub(1));
    let more = last.filter(|_| sealed.len() > count_max);
    Ok((more.map(|info| info.header.number), gone))
}

/// Under half live; or so short that it is only in the way.
fn is_worth(core: &Core, info: &SegmentInfo, live: u64) -> bool {
    live.saturating_mul(2) < info.end || info.end < core.options.segment_octets / 8
}

/// `false`: it turned out that it has to stay.
fn clean_segment(engine: &Engine, info: &SegmentInfo) -> Result<bool, String> {
    let core = engine.core();
    let survey = survey(core, info, true)?;
    let condemned = survey.condemned.clone();
    let gone = move_out(engine, info, survey);
    let mut blobs = lock(&core.blobs);
    for id in condemned {
        blobs.condemned.remove(&id);
    }
    gone
}

fn move_out(engine: &Engine, info: &SegmentInfo, survey: Survey) -> Result<bool, String> {
    let core = engine.core();
    let number = info.header.number;
    if survey.damaged || !copy_all(engine, number, &survey)? {
        tracing::error!(segment = number, "a damaged segment is kept as it is");
        lock(&core.pinned).insert(number);
        return Ok(false);
    }
    if !indexer::persist_now(core) {
        return Err("the index could not be persisted".into());
    }
    let doomed = survey.doomed;
    engine
        .ask_and_wait(|reply| Request::Retire {
            segment: number,
            doomed,
            reply,
        })
        .map_err(|error| error.to_string())?;
    if !indexer::persist_now(core) {
        return Err("the index could not be persisted".into());
    }
    lock(&core.segments).remove(&number);
    core.handles.forget(number);
    core.disk
        .unlink(&name_of(number))
        .and_then(|()| core.disk.sync_dir())
        .map_err(|error| error.to_string())?;
    tracing::debug!(
        segment = number,
        live = survey.live_octets,
        "copied forward"
    );
    Ok(true)
}

/// Writes the live records once more. `false`: one of them is damaged.
fn copy_all(engine: &Engine, number: u64, survey: &Survey) -> Result<bool, String> {
    let core = engine.core();
    let file = core.handles.of(number).map_err(|error| error.to_string())?;
    let mut batch = Vec::new();
    let mut octets = 0;
    for item in &survey.live {
        let read = read_payload(file.as_ref(), &item.place).map_err(|error| error.to_string())?;
        let second = item.copy.clone();
        let whole = second.filter(|copy| crc32c::crc32c(copy) == item.entry.crc);
        let Some(payload) = read.or(whole) else {
            return Ok(false);
        };
        octets += payload.len();
        batch.push(Record {
            entry: item.entry,
            payload,
        });
        if octets >= core.options.group_octets() / 2 {
            write_copies(engine, std::mem::take(&mut batch), octets)?;
            octets = 0;
        }
    }
    for (account, ties) in &survey.ties {
        for ties in ties.chunks(TIES_MAX) {
            batch.push(encode_ties(*account, ties));
        }
    }
    if !batch.is_empty() {
        write_copies(engine, batch, octets)?;
    }
    Ok(true)
}

fn write_copies(engine: &Engine, records: Vec<Record>, octets: usize) -> Result<(), String> {
    engine
        .ask_and_wait(|reply| Request::Copy { records, reply })
        .map_err(|error| error.to_string())?;
    engine.pause_for(octets as u64);
    Ok(())
}

/// Goes through the records of a segment. With `condemn` blobs that nobody needs
/// cannot be bound any more afterwards.
fn survey(core: &Core, info: &SegmentInfo, condemn: bool) -> Result<Survey, String> {
    let read = || -> std::io::Result<_> {
        let file = core.handles.of(info.header.number)?;
        let contents = contents(file.as_ref(), &info.header, info.end)?;
        Ok((file, contents))
    };
    let (file, contents) = read().map_err(|error| error.to_string())?;
    let mut surveyor = Surveyor {
        core,
        file: file.as_ref(),
        segment: info.header.number,
        condemn,
        found: Survey {
            damaged: contents.bad.iter().any(|bad| bad.oldest < info.footer_from),
            ..Survey::default()
        },
    };
    for item in contents.items {
        if let Err(error) = surveyor.consider(item) {
            surveyor.absolve();
            return Err(error);
        }
    }
    Ok(surveyor.found)
}

struct Surveyor<'a> {
    core: &'a Core,
    file: &'a dyn super::io::DiskFile,
    segment: u64,
    condemn: bool,
    found: Survey,
}

impl Surveyor<'_> {
    /// Takes back what was condemned.
    fn absolve(&self) {
        let mut blobs = lock(&self.core.blobs);
        for id in &self.found.condemned {
            blobs.condemned.remove(id);
        }
    }

    fn keep(&mut self, item: Item) {
        self.found.live_octets += u64::from(item.entry.length);
        self.found.live.push(item);
    }

    fn row<R: super::rows::Row>(&self, key: &[u8]) -> Result<Option<R>, String> {
        indexer::guarded(self.core, || self.core.ledger.row(key)).map_err(|error| error.to_string())
    }

    fn account(&self, id: u128) -> Result<AccountRow, String> {
        let row = self.row(&key::account(AccountId(id)))?;
        Ok(row.unwrap_or_default())
    }

    /// The payload; `None` if it is damaged, which is noted.
    fn payload(&mut self, item: &Item) -> Result<Option<Bytes>, String> {
        if let Some(copy) = &item.copy
            && crc32c::crc32c(copy) == item.entry.crc
        {
            return Ok(Some(copy.clone()));
        }
        let payload = read_payload(self.file, &item.place).map_err(|error| error.to_string())?;
        self.found.damaged |= payload.is_none();
        Ok(payload)
    }

    fn consider(&mut self, item: Item) -> Result<(), String> {
        let entry = item.entry;
        match entry.kind {
            Kind::Blob => self.blob(item, 0)?,
            Kind::Part => self.blob(item, u32::try_from(entry.a).unwrap_or(u32::MAX))?,
            Kind::Commit => self.commit(item)?,
            Kind::Section => {
                let account = AccountId(entry.id);
                let key = key::section(account, SectionKey(entry.a), entry.b);
                let here = self.row::<Place>(&key)? == Some(item.place);
                let manifest = self.row::<ManifestRow>(&key::manifest(account))?;
                let row = self.account(entry.id)?;
                let stands = manifest
                    .unwrap_or_default()
                    .names(SectionKey(entry.a), entry.b);
                let coming = row.folded.is_none_or(|folded| entry.b > folded.serial);
                if here && !row.removed && (stands || coming) {
                    self.keep(item);
                }
            }
            Kind::Checkpoint => {
                let manifest = self.row::<ManifestRow>(&key::manifest(AccountId(entry.id)))?;
                if manifest.is_some_and(|manifest| manifest.place == item.place) {
                    self.keep(item);
                }
            }
            Kind::Remove => self.keep(item),
            Kind::Ties => {
                if let Some(payload) = self.payload(&item)? {
                    for tie in decode_ties(&payload).unwrap_or_default() {
                        self.tie(tie)?;
                    }
                }
            }
            Kind::Mend => {
                if let Some(payload) = self.payload(&item)?
                    && let Ok((account, mend)) = decode_mend(&payload)
                    && self.account(account.0)?.mends.contains(&mend)
                {
                    self.keep(item);
                }
            }
            // The record that this segment has gone names all that have.
            Kind::Retire | Kind::Footer | Kind::End => {}
        }
        Ok(())
    }

    fn blob(&mut self, item: Item, part: u32) -> Result<(), String> {
        let id = BlobId(item.entry.id);
        let key = key::blob(id, part);
        let row = self.row::<BlobRow>(&key)?;
        if row.is_none_or(|row| row.place != item.place) {
            return Ok(());
        }
        if self.is_needed(id)? {
            self.keep(item);
        } else {
            self.found.doomed.push(key);
        }
        Ok(())
    }

    fn is_needed(&mut self, id: BlobId) -> Result<bool, String> {
        let bound =
            |core| search::is_bound(core, id).map_err(|error: IndexError| error.to_string());
        if self.found.condemned.contains(&id) {
            return Ok(false);
        }
        if bound(self.core)? {
            return Ok(true);
        }
        {
            let mut blobs = lock(&self.core.blobs);
            if blobs.is_wanted(id) {
                return Ok(true);
            }
            if !self.condemn {
                return Ok(false);
            }
            blobs.condemned.insert(id);
        }
        // A commit that was on its way until now has been published by now.
        if bound(self.core)? {
            lock(&self.core.blobs).condemned.remove(&id);
            return Ok(true);
        }
        self.found.condemned.insert(id);
        Ok(false)
    }

    fn commit(&mut self, item: Item) -> Result<(), String> {
        let account = AccountId(item.entry.id);
        let last = terms::ModSeq(item.entry.b);
        let key = key::commit(account, last);
        let dead = self.account(account.0)?.is_dead(last);
        let row = self.row::<CommitRow>(&key)?;
        let here = row.is_some_and(|row| row.place == item.place);
        if !dead && here {
            self.keep(item);
            return Ok(());
        }
        let Some(payload) = self.payload(&item)? else {
            return Ok(());
        };
        if let Ok(commit) = CommitRecord::decode(&payload) {
            for tie in ties_of(account, &commit.commit) {
                self.tie(tie)?;
            }
        }
        Ok(())
    }

    /// A tie whose commit is dead.
    fn tie(&mut self, tie: Tie) -> Result<(), String> {
        let rows = self.ties(&tie)?;
        let here = rows
            .iter()
            .any(|(other, segment)| *other == tie && *segment == self.segment);
        if !here {
            return Ok(());
        }
        let needed = if self.account(tie.account.0)?.removed {
            false
        } else if tie.released {
            // As long as another segment says that it was bound before.
            rows.iter()
                .any(|(other, segment)| *other < tie && *segment != self.segment)
        } else {
            rows.last().is_some_and(|(newest, _)| *newest == tie)
        };
        if needed {
            self.found.ties.entry(tie.account).or_default().push(tie);
        } else {
            self.found.doomed.push(key::tie(&tie));
        }
        Ok(())
    }

    /// All ties between the blob and the account, oldest first, and their segments.
    fn ties(&self, tie: &Tie) -> Result<Vec<(Tie, u64)>, String> {
        indexer::guarded(self.core, || {
            let mut rows = Vec::new();
            let mut wrong = None;
            self.core
                .ledger
                .scan_prefix(&key::ties(tie.blob), &mut |key, value| {
                    match (key::tie_of(key), decode::<TieRow>(key, value)) {
                        (Some(found), Ok(row)) if found.account == tie.account => {
                            rows.push((found, row.segment));
                        }
                        (_, Err(error)) => wrong = Some(error),
                        _ => {}
                    }
                    ControlFlow::Continue(())
                })?;
            wrong.map_or(Ok(rows), Err)
        })
        .map_err(|error| error.to_string())
    }
}
