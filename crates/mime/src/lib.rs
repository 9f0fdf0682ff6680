//! The octets of one message, understood.
//!
//! A message is parsed once, at delivery, into a *derived row*: where each of
//! its parts lies, the octets that mail programs ask for over and over, what is
//! sorted and threaded by. [`derive()`] makes the row, [`Derived`] reads it,
//! [`locate`] turns a section of FETCH into ranges of the stored octets.
//!
//! Messages come as they are stored: lines end in CRLF. Nothing else is taken for
//! granted; everything here is hostile. No function panics, all run in time
//! linear in the octets given and in memory a few times those, and depth, parts,
//! addresses and the row's size have limits ([`DEPTH_MAX`], [`PARTS_MAX`],
//! [`ADDRESSES_MAX`], [`ADDRESS_OCTETS_MAX`], [`DERIVED_OCTETS_MAX`]) beyond which
//! the rest is opaque.
//!
//! The structure is walked here, octet for octet, because FETCH needs exact
//! offsets; charsets and HTML are decoded by `mail-parser` and `encoding_rs`.

#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::panic))]

mod address;
mod binary;
mod bodystructure;
mod casemap;
mod date;
mod derived;
mod downgrade;
mod envelope;
mod header;
mod parameter;
mod preview;
mod search_text;
mod section;
mod string;
mod subject;
mod text;
mod walk;
mod words;

pub use address::{ADDRESS_OCTETS_MAX, ADDRESSES_MAX, Address, addresses};
pub use binary::{Unstorable, encode_binary};
pub use bodystructure::{StructureForm, render_bodystructure};
pub use casemap::unicode_casemap;
pub use date::parse_date;
pub use derived::{
    CACHED_FIELDS, DERIVED_OCTETS_MAX, DERIVED_VERSION, Derived, SearchText, derive,
    derive_searchable,
};
pub use downgrade::downgrade;
pub use envelope::render_envelope;
pub use header::{Field, FieldNames, Fields, header_length, pick_fields, unfold};
pub use section::{Located, Part, PartKind, TextPart, locate};
pub use subject::{BaseSubject, base_subject};
pub use text::{TransferEncoding, decode_charset, decode_text, html_to_text};
pub use walk::{DEPTH_MAX, PARTS_MAX};
pub use words::decode_words;

/// The octets of a range; none where it does not fit.
fn cut(octets: &[u8], start: usize, end: usize) -> &[u8] {
    octets.get(start..end).unwrap_or_default()
}
