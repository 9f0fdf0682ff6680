//! IMAP4rev1 (RFC 3501), IMAP4rev2 (RFC 9051) and their extensions, the server's side.
//!
//! [`CommandReader`] takes octets as they come, in pieces of any size, and
//! gives [`Event`]s: whole commands, requests for a continuation, the octets of
//! an APPEND as they pass. [`response`] writes answers. Every parser function
//! bears the name of its ABNF rule.
//!
//! It owns the grammar and nothing else: whether a command is legal in the
//! session's state, and what it does, is the driver's affair.

mod acl;
mod append;
mod command;
mod date;
mod limits;
mod metadata;
mod parse;
mod reader;
pub mod response;
mod url;
mod utf7;

pub use acl::AclCommand;
pub use append::{AppendHead, AppendLiteral, AppendPart, AppendStep, Replaces};
pub use command::{
    Command, CommandBody, FetchModifiers, IllegalName, ListOptions, Mailbox, PartialRange, QResync,
    SearchProgram, SearchReturn, SelectParameters, SyntaxError, Tag,
};
pub use date::{parse_date_time, write_date_time};
pub use limits::Limits;
pub use metadata::{Entry, GetMetadata, MetadataDepth, MetadataOptions, SetMetadata};
pub use reader::{CommandReader, Event};
pub use url::{MessageUrl, UrlServer};
pub use utf7::{decode_utf7, encode_utf7};
