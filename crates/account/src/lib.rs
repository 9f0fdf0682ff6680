//! An account as a state machine.
//!
//! [`decide`] says what a command comes to on a [`State`]: [`Changes`], which
//! hold results, or a [`Refusal`]. [`State::apply`] files them. Between the two
//! stands the store: what was not committed is never applied. Both are pure:
//! there is no clock, no randomness and no file here. A [`State`] is a snapshot
//! that costs nothing to copy.
//!
//! [`View`] is one IMAP session's numbering of a mailbox, [`Maildrop`] one POP3
//! device's snapshot of INBOX.

#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic))]

mod acl;
mod apply;
mod changes;
mod codec;
mod command;
mod decide;
mod device;
mod digest;
pub mod directory;
mod due;
mod email_set;
mod expunge_log;
mod expunged;
mod fold;
mod known;
mod load;
mod mailbox;
mod maildrop;
mod metadata;
mod moment;
mod numbering;
mod outcome;
mod persistent;
mod preview;
mod rows;
mod salvage;
mod settings;
mod state;
mod table;
mod transfer;
mod unique_id;
mod view;

pub use acl::{FlagRights, Grantee, Identifier, Rights};
pub use changes::{Changes, Note};
pub use command::{
    COMMIT_ROWS_MAX, Command, MailboxRef, NewMessage, Source, SweepRules, UndoWhich,
    WHOLE_ROWS_MAX, Which,
};
pub use decide::{COLLECTED, decide, has_late_dates, without_collected};
pub use device::{Device, DeviceId, DeviceProtocols};
pub use due::{devices_to_warn, next_due};
pub use email_set::EmailSet;
pub use expunge_log::ExpungeLog;
pub use expunged::{Batch, Cause, Expunged};
pub use fold::{Fold, FoldKind};
pub use load::{LoadError, Scope, Stored, StoredSection};
pub use mailbox::{Counts, Mailbox, SpecialUses};
pub use maildrop::{DropWindow, Maildrop, email_id, is_unique_id};
pub use metadata::{METADATA_LIMITS, Metadata, MetadataLimits};
pub use moment::Moment;
pub use outcome::{Decision, Outcome, Part, Refusal, Rest};
pub use preview::{Going, Preview, Share, Waiting, preview};
pub use rows::{Columns, Row, RowFlags, Rows};
pub use salvage::Losses;
pub use settings::{Collect, Hold, HoldSettings, Limits, SeenAfterRetr, Used};
pub use state::State;
pub use table::Table;
pub use transfer::{Transfer, TransferPart};
pub use unique_id::{UniqueIdForm, UniqueIdFormError};
pub use view::{RecentMarks, Told, View};

#[cfg(test)]
mod tests;
