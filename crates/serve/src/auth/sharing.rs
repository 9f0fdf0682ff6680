//! Who shares mailboxes with whom, as the directory has it: what follows from the
//! lists of rights, so that LIST looks into no account that shares nothing.
//!
//! It may name somebody who has no right any more, and is never without somebody
//! who has one: it is filed before a right is given, and made exact after.

use super::directory::Directory;
use crate::accounts::{Account, Unavailable};
use account::Grantee;
use account::directory::Command;
use terms::AccountId;
use tracing::warn;

/// How often it is looked at again because rights have changed meanwhile.
const ROUNDS_MAX: usize = 8;

impl Directory {
    /// Somebody is about to be given a right.
    ///
    /// # Errors
    /// If it cannot be filed: then no right is given.
    pub async fn will_share(&self, owner: AccountId, with: Grantee) -> Result<(), Unavailable> {
        let mut shares = self.fresh().await?.shares(owner);
        if !shares.insert(with) {
            return Ok(());
        }
        let command = Command::SetShares {
            owner,
            with: shares,
        };
        self.execute(command).await.map_err(|error| {
            warn!(account = %owner, ?error, "what is shared cannot be filed");
            Unavailable
        })
    }

    /// Rights of an account have changed. What cannot be filed is filed another
    /// time: until then it says too much.
    pub async fn file_shares(&self, account: &Account) {
        for _ in 0..ROUNDS_MAX {
            let (Ok(state), Ok(directory)) = (account.fresh().await, self.fresh().await) else {
                return;
            };
            let with = state.shared_with();
            if directory.shares(account.id()) == with {
                return;
            }
            let command = Command::SetShares {
                owner: account.id(),
                with,
            };
            if let Err(error) = self.execute(command).await {
                warn!(account = %account.id(), ?error, "what is shared cannot be filed");
                return;
            }
        }
    }
}
