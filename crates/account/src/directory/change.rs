//! What a commit of the directory carries.

use super::DeviceUse;
use super::blocks::Entry;
use terms::{AccountId, ModSeq, Timestamp};

/// Numbered changes of the directory that are committed together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub(super) list: Vec<(ModSeq, Change)>,
}

/// One step of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Put {
        key: String,
        entry: Entry,
    },
    Removed {
        key: String,
    },
    RemovalBegun {
        id: AccountId,
        time: Timestamp,
    },
    RemovalFinished {
        id: AccountId,
    },
    Used(Vec<(AccountId, Timestamp)>),
    /// The log was repaired: the numbers between belong to what is lost.
    Epoch,
    DevicesUsed(Vec<DeviceUse>),
}

impl Changes {
    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The number of the first change.
    pub fn first(&self) -> Option<ModSeq> {
        self.list.first().map(|change| change.0)
    }

    /// The number of the last change.
    pub fn last(&self) -> Option<ModSeq> {
        self.list.last().map(|change| change.0)
    }

    /// Puts what was decided on the state after these changes behind them.
    pub fn extend(&mut self, later: Self) {
        self.list.extend(later.list);
    }
}
