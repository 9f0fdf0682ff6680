//! Checkpoints: folding a log that has grown long, beside the writer.
//!
//! A checkpoint is made of a published snapshot and blocks no commit. One that
//! fails loses nothing but time: the log stays as it was.

use super::live::{Handle, Live};
use super::machine::Machine;
use std::sync::Arc;
use tracing::debug;

/// A log of fewer octets since the last checkpoint is left alone.
const FOLD_OCTETS: usize = 64 << 10;
/// A log of so many commits is folded in any case.
const FOLD_COMMITS: usize = 512;
/// After so many commits the root is written.
const ROOT_COMMITS: usize = 64;
/// How often tables are loaded for one checkpoint before it is left.
const LOADS_MAX: usize = 4;

/// Starts a checkpoint if one is due and none is on its way.
pub(super) fn consider<M: Machine>(live: &Arc<Live<M>>) {
    let root_only = {
        let mut queue = live.queue();
        let log = queue.log;
        let octets_max = FOLD_OCTETS.max(log.folded_octets / 2);
        let fold = log.commits >= FOLD_COMMITS || log.octets > octets_max;
        if queue.folding || queue.stale || !(fold || log.since_root >= ROOT_COMMITS) {
            return;
        }
        queue.folding = true;
        !fold
    };
    let live = Arc::clone(live);
    let env = live.shared.node.env.clone();
    env.spawn(async move { fold(&live, root_only).await });
}

async fn fold<M: Machine>(live: &Arc<Live<M>>, root_only: bool) {
    let _folding = Folding(live);
    let before = live.queue().log;
    let mut state = Arc::clone(&live.state.borrow());
    let mut checkpoint = state.checkpoint(before.covers, root_only);
    for _ in 0..LOADS_MAX {
        let Err(parts) = checkpoint else { break };
        // A handle, so that it is not forgotten meanwhile.
        match Handle(Arc::clone(live)).with(parts).await {
            Ok(loaded) => state = loaded,
            Err(_) => return,
        }
        checkpoint = state.checkpoint(before.covers, root_only);
    }
    let Ok(checkpoint) = checkpoint else { return };
    let (covers, octets) = (
        checkpoint.covers,
        checkpoint.sections.iter().map(|s| s.octets.len()).sum(),
    );
    let done = live.shared.store.checkpoint(live.id, checkpoint).await;
    let mut queue = live.queue();
    let log = &mut queue.log;
    // One that failed is tried again when as much has gathered anew.
    log.since_root = log.since_root.saturating_sub(before.since_root);
    if !root_only {
        log.octets = log.octets.saturating_sub(before.octets);
        log.commits = log.commits.saturating_sub(before.commits);
    }
    match done {
        Ok(()) if !root_only => {
            log.covers = covers;
            log.folded_octets = octets;
        }
        Ok(()) => {}
        Err(error) => debug!(account = %live.id, %error, "a checkpoint was not made"),
    }
}

/// Says at its end, however it ends, that no checkpoint is on its way.
struct Folding<'a, M: Machine>(&'a Live<M>);

impl<M: Machine> Drop for Folding<'_, M> {
    fn drop(&mut self) {
        self.0.queue().folding = false;
    }
}
