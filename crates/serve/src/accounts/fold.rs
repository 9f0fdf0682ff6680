//! Checkpoints: folding a log that has grown long, beside the writer.
//!
//! A checkpoint is made of a published snapshot and blocks no commit. One that
//! fails loses nothing but time: the log stays as it was.

use super::live::{Handle, Job, Live, Unavailable};
use super::machine::Machine;
use super::registry::Running;
use std::sync::Arc;
use store::Sections;
use tracing::debug;

/// After a checkpoint that failed so many commits are waited for.
const RETRY_COMMITS: u32 = 64;
/// How often tables are loaded for one checkpoint before it is left.
const LOADS_MAX: usize = 10_000;

/// Starts a checkpoint if one is due and none is on its way.
pub(super) fn consider<M: Machine>(live: &Arc<Live<M>>) {
    if !live.state.borrow().fold_due() {
        return;
    }
    {
        let mut queue = live.queue();
        queue.fold_wait = queue.fold_wait.saturating_sub(1);
        if queue.folding || queue.stale || queue.fold_wait > 0 {
            return;
        }
        queue.folding = true;
    }
    let live = Arc::clone(live);
    let env = live.shared.node.env.clone();
    let running = Running::begin(&live.shared);
    env.spawn(async move {
        let folding = Folding(&live);
        if !fold(&live).await {
            live.queue().fold_wait = RETRY_COMMITS;
        }
        drop(folding);
        drop(running);
    });
}

/// Makes one checkpoint; `false` if it was not made.
async fn fold<M: Machine>(live: &Arc<Live<M>>) -> bool {
    // A handle, so that the account is not forgotten meanwhile.
    let handle = Handle(Arc::clone(live));
    let mut state = Arc::clone(&live.state.borrow());
    // Which sections there are is known from the checkpoint before. If another
    // writer has made one since, that knowledge is old.
    match live.shared.store.load(live.id, Sections::Root).await {
        Ok(loaded) if loaded.covers == state.covers() => {}
        Ok(_) => match handle.reopen().await {
            Ok(reopened) => state = reopened,
            Err(Unavailable) => return false,
        },
        Err(_) => return false,
    }
    let mut folded = state.fold();
    // All together: one that was loaded alone may go again before the next comes.
    let mut needed = Vec::new();
    for _ in 0..LOADS_MAX {
        let Err(parts) = folded else { break };
        needed.extend(parts);
        match handle.with(needed.clone()).await {
            Ok(loaded) => state = loaded,
            Err(Unavailable) => return false,
        }
        folded = state.fold();
    }
    let Ok((mut checkpoint, fold)) = folded else {
        return false;
    };
    // Another writer may have made one since the look above: this one would not
    // know of its sections, nor remove what has gone of them.
    checkpoint.replaces = Some(state.covers());
    match live.shared.store.checkpoint(live.id, checkpoint).await {
        Ok(()) => {
            live.push(Job::Folded(fold), None);
            true
        }
        Err(error) => {
            debug!(account = %live.id, %error, "a checkpoint was not made");
            false
        }
    }
}

/// Says at its end, however it ends, that no checkpoint is on its way.
struct Folding<'a, M: Machine>(&'a Live<M>);

impl<M: Machine> Drop for Folding<'_, M> {
    fn drop(&mut self) {
        self.0.queue().folding = false;
    }
}
