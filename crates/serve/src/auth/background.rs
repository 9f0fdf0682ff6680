//! What happens by itself: removals that were interrupted are finished, accounts
//! that are due are woken, last use is filed.

use super::directory::Directory;
use crate::accounts::sweep;
use account::directory::Command;
use std::time::Duration;
use tokio::task::JoinHandle;
use tracing::{info, warn};

/// Between two times that last use is filed.
const FILE_USES: Duration = Duration::from_secs(3_600);
/// Uses filed in one command.
const USES_MAX: usize = 10_000;

/// Starts it; it ends when the node stops, and the store must not be closed sooner.
pub(super) fn start(directory: &Directory) -> Vec<JoinHandle<()>> {
    let env = &directory.accounts().node().env;
    vec![
        env.spawn(crate::notice::watch_quota(directory.clone())),
        env.spawn(run(directory.clone())),
    ]
}

async fn run(directory: Directory) {
    let node = std::sync::Arc::clone(directory.accounts().node());
    let env = &node.env;
    directory.begin_clock().await;
    for id in directory.snapshot().removals().collect::<Vec<_>>() {
        match directory.finish_removal(id).await {
            Ok(()) => info!(account = %id, "an interrupted removal is finished"),
            Err(error) => warn!(account = %id, %error, "a removal is not finished"),
        }
    }
    let mut sweeper = sweep::Sweeper::new(directory.clone());
    let mut filed = env.monotonic();
    loop {
        let wait = env.timeout(node.limits.sweep_interval, node.stopping());
        let stopping = wait.await.is_ok();
        if stopping || env.monotonic().saturating_sub(filed) >= FILE_USES {
            filed = env.monotonic();
            file_uses(&directory).await;
        }
        if stopping {
            return;
        }
        sweeper.sweep().await;
        directory
            .follow_defaults(node.limits.sweep_accounts_max)
            .await;
    }
}

async fn file_uses(directory: &Directory) {
    let uses = directory.take_uses();
    for some in uses.chunks(USES_MAX) {
        // What is lost here is of no weight.
        let _ = directory
            .execute(Command::FileDeviceUse(some.to_vec()))
            .await;
    }
}
