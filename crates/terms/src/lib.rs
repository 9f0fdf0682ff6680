//! The standards' small types and the nouns that all crates share.
//!
//! This crate owns no behaviour beyond what makes a value legal: a [`Uid`] is
//! never zero, a [`UidSet`] is sorted and has no overlaps, a [`MailboxName`] is
//! NFC and has no empty level. It does no I/O, reads no clock and knows no
//! protocol's wire form, except for the texts that a standard gives to a value
//! (`\Seen`, `INBOX`).

#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic))]

mod codec;
mod fetch;
mod flag;
mod id;
mod mailbox;
mod search;
mod sequence;
mod sort;
mod time;
mod uid_set;

pub use codec::{Malformed, Reader, Writer};
pub use fetch::{BodyPath, FetchItem, Partial, Section, SectionText, StatusItem};
pub use flag::{Flag, FlagSet, Keyword, StoreMode, StoreOp, SystemFlag};
pub use id::{AccountId, BlobId, EmailNumber, MailboxId, ModSeq, Uid, UidValidity};
pub use mailbox::{MailboxName, MailboxNameError, SpecialUse};
pub use search::SearchKey;
pub use sequence::{SequenceNumber, SequenceRange, SequenceSet};
pub use sort::{SortCriterion, SortKey, ThreadAlgorithm};
pub use time::{Date, InternalDate, Timestamp};
pub use uid_set::UidSet;
