//! Messages on their way between two accounts, by one operation's number.
//!
//! The source files what is leaving; the target adds it and files that it arrived,
//! in one commit; the source expunges it and forgets, in one commit; the target
//! forgets. Whatever is left of that after a crash is finished if it had arrived,
//! and withdrawn if it had not: what was withdrawn cannot arrive any more.

use crate::settings::DAY;
use crate::state::State;
use terms::{AccountId, MailboxId, Timestamp, UidSet};

/// One account's part in a MOVE between two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// When it began here.
    pub time: Timestamp,
    /// What it is.
    pub part: TransferPart,
}

/// What an account has to do with a MOVE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferPart {
    /// These go to another account.
    Leaving {
        /// Which.
        to: AccountId,
        /// From where.
        mailbox: MailboxId,
        /// Which messages.
        uids: UidSet,
    },
    /// They have come from another account.
    Arrived {
        /// Which.
        from: AccountId,
    },
    /// They may not come any more.
    Withdrawn {
        /// From which account.
        from: AccountId,
    },
}

impl Transfer {
    /// Operations that an account takes part in at the most.
    pub(crate) const COUNT_MAX: usize = 100;
    /// After so long whoever began it is taken to have gone.
    const LEAVING_MILLIS: i64 = 600_000;
    const ARRIVED_MILLIS: i64 = 3_600_000;

    /// When somebody is to look after it.
    pub fn due(&self) -> Timestamp {
        self.time.plus_millis(match self.part {
            TransferPart::Leaving { .. } => Self::LEAVING_MILLIS,
            TransferPart::Arrived { .. } => Self::ARRIVED_MILLIS,
            TransferPart::Withdrawn { .. } => DAY,
        })
    }
}

impl State {
    /// Messages on their way from or to other accounts.
    pub fn transfers(&self) -> impl Iterator<Item = (u128, &Transfer)> + '_ {
        let all = self.root.transfers.iter();
        all.map(|(operation, transfer)| (*operation, transfer))
    }

    /// One of them.
    pub fn transfer(&self, operation: u128) -> Option<&Transfer> {
        self.root.transfers.get(&operation)
    }
}
