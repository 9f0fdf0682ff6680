//! Bringing the index up to date with the journal when it is opened, or building it
//! anew.

use super::core::Core;
use super::indexer::{self, Missed, finish, keep_all, missing_segments, rebuild, replay};
use super::ledger::{Draft, decode};
use super::lock;
use super::lost;
use super::rows::{AccountRow, Census, RetiredRow, Watermark, key};
use super::segment::{Found, Walk, name_of};
use crate::index::{Index, IndexError, OrderedIndex};
use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Brings the index up to date, or builds it anew if it cannot be.
pub(crate) fn catch_up(core: &Core, rebuild_index: bool) -> io::Result<Census> {
    if !rebuild_index {
        let replayed = replay_tail(core).and_then(|census| {
            drop_retired(core)?;
            Ok(census)
        });
        match replayed {
            Ok(Some(census)) => return Ok(census),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "the index cannot be used"),
        }
    }
    rebuild_all(core)
}

/// Replays what came after the watermark. `None`: the index is not of this
/// journal, is too old, or lacks something.
fn replay_tail(core: &Core) -> io::Result<Option<Census>> {
    let mark: Option<Watermark> = core.ledger.row(key::WATERMARK).map_err(io::Error::other)?;
    let segments: Vec<_> = lock(&core.segments).values().copied().collect();
    let Some((mark, last)) = mark.zip(segments.last()) else {
        return Ok(None);
    };
    let known = segments
        .iter()
        .any(|info| info.header.number == mark.segment);
    if mark.journal != last.header.journal || !known || mark.sequence >= next_sequence(core)? {
        tracing::warn!("the index does not belong to this journal as it is");
        return Ok(None);
    }
    let mut draft = Draft::new(&core.ledger);
    let mut sweeps = BTreeSet::new();
    let mut missed = Missed::default();
    for info in &segments {
        if info.header.number >= mark.segment {
            missed.add(replay(
                &core.handles,
                &mut draft,
                &mut sweeps,
                info,
                mark.sequence,
            )?);
        }
    }
    finish(&core.ledger, &mut draft, &sweeps)?;
    if !missing_segments(&core.ledger, &segments, mark.segment)?.is_empty() {
        missed.add(Missed::ALL);
    }
    keep_all(&core.ledger, &segments, missed)?;
    if missed.numbers {
        lost::note(core)?;
    }
    for number in missing_segments(&core.ledger, &segments, 0)? {
        tracing::error!(segment = number, "a segment of the journal is not there");
    }
    let (census, then) = take_census(core, mark.sequence).map_err(io::Error::other)?;
    if then != mark.census {
        tracing::error!("the index lacks accounts");
        return Ok(None);
    }
    remember(core, census, mark.sequence)?;
    Ok(Some(census))
}

/// The sequence after that of the newest group there is.
fn next_sequence(core: &Core) -> io::Result<u64> {
    let last = lock(&core.segments).values().next_back().copied();
    let Some(last) = last else {
        return Ok(1);
    };
    let file = core.handles.of(last.header.number)?;
    let mut walk = Walk::new(file.as_ref(), &last.header, last.end);
    let mut next = last.header.sequence;
    while let Some(found) = walk.step()? {
        if let Found::Group(group) = found {
            next = group.header.sequence + 1;
        }
    }
    Ok(next)
}

/// Where the index stands now.
fn remember(core: &Core, census: Census, persisted: u64) -> io::Result<()> {
    let sequence = next_sequence(core)? - 1;
    let last = lock(&core.segments).values().next_back().copied();
    if let Some(last) = last {
        let mut state = lock(&core.index_writer);
        state.mark = Some(Watermark {
            segment: last.header.number,
            journal: last.header.journal,
            sequence,
            census,
        });
        state.dirty = sequence > persisted;
    }
    Ok(())
}

/// All accounts, and those that were there when `sequence` was written.
fn take_census(core: &Core, sequence: u64) -> Result<(Census, Census), IndexError> {
    let (mut all, mut then) = (Census::default(), Census::default());
    let mut failed = None;
    core.ledger
        .scan_prefix(&[key::ACCOUNT], &mut |key, value| {
            let row: Result<AccountRow, _> = decode(key, value);
            match (key::account_of(key), row) {
                (Some(account), Ok(row)) => {
                    all.add(account);
                    if row.since <= sequence {
                        then.add(account);
                    }
                    ControlFlow::Continue(())
                }
                (_, row) => {
                    failed = row.err();
                    ControlFlow::Break(())
                }
            }
        })?;
    match failed {
        Some(error) => Err(error),
        None => Ok((all, then)),
    }
}

/// Throws the index away and fills it from the journal.
fn rebuild_all(core: &Core) -> io::Result<Census> {
    let build = |index: Arc<dyn Index>| -> io::Result<()> {
        core.ledger.replace_index(index);
        loop {
            core.ledger.index().clear().map_err(io::Error::other)?;
            let segments: Vec<_> = lock(&core.segments).values().copied().collect();
            let missed = rebuild(&core.handles, &core.ledger, &segments)?;
            // Segments that had gone already were in the way.
            if drop_retired(core)? > 0 {
                continue;
            }
            if missed.numbers {
                lost::note(core)?;
            }
            for number in missing_segments(&core.ledger, &segments, 0)? {
                tracing::error!(segment = number, "a segment of the journal is not there");
            }
            return Ok(());
        }
    };
    tracing::info!("the index is built from the journal");
    if let Err(error) = build(core.ledger.index()) {
        tracing::error!(%error, "the index cannot be built; one in memory takes its place");
        indexer::flag_rebuild(core);
        build(Arc::new(OrderedIndex::makeshift()))?;
    }
    let (census, _) = take_census(core, 0).map_err(io::Error::other)?;
    remember(core, census, 0)?;
    indexer::persist_now(core);
    Ok(census)
}

/// Unlinks segments that have gone but for their files; says how many.
fn drop_retired(core: &Core) -> io::Result<usize> {
    let retired: Option<RetiredRow> = core.ledger.row(key::RETIRED).map_err(io::Error::other)?;
    let retired = retired.unwrap_or_default().numbers;
    let mut dropped = 0;
    for number in retired {
        if lock(&core.segments).remove(&number).is_some() {
            core.handles.forget(number);
            core.disk.unlink(&name_of(number))?;
            dropped += 1;
        }
    }
    Ok(dropped)
}
