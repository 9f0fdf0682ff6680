//! Answers about messages: FETCH, SEARCH, and a message's octets in pieces.
//!
//! A question is answered from the cheapest source that can: the rows of the
//! account's snapshot first, then the derived rows, which are fetched in
//! batches, then the blobs. A derived row that is missing or of an old version
//! is made anew and kept. A message whose blob is damaged or gone fails alone;
//! all else goes on.

mod derive;
mod downgraded;
mod excerpt;
mod fetch;
mod octets;
mod search;
mod section;
mod sort;
#[cfg(test)]
mod tests;
mod thread;

pub use excerpt::{Excerpt, excerpt};
pub use fetch::{Fetch, Fetched};
pub use octets::MessageOctets;
pub use search::{Search, Searched};
pub use sort::{Sorted, sorted};
pub use thread::{Threaded, Threads, Writing, threads};

use account::Row;
use terms::{AccountId, Flag, FlagSet, Keyword};

/// A message as a session sees it.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Its message sequence number.
    pub number: u32,
    /// What the account keeps of it.
    pub row: Row<'a>,
    /// Whose it is.
    pub account: AccountId,
    /// What the row's keywords are places in: [`account::Mailbox::keywords`].
    pub keywords: &'a [Keyword],
    /// Whether this session shows it as \Recent. RFC 3501 §2.3.2.
    pub is_recent: bool,
}

impl<'a> Message<'a> {
    /// Its keywords.
    pub fn keywords(&self) -> impl Iterator<Item = &'a Keyword> + use<'a> {
        let names = self.keywords;
        let places = self.row.keywords.iter();
        places.filter_map(move |&place| names.get(usize::from(place)))
    }

    /// Its flags, without \Recent.
    pub fn flag_set(&self) -> FlagSet {
        let mut flags = self.row.flags.flag_set();
        for keyword in self.keywords() {
            flags.insert(Flag::Keyword(keyword.clone()));
        }
        flags
    }

    /// Its EMAILID. RFC 8474 §5.1.
    pub fn email_id(&self) -> String {
        account::email_id(self.account, self.row.email)
    }
}

/// Messages in any order, lazily. Boxed, so that the futures that walk them can
/// move between threads whatever closures made them.
pub type Messages<'a> = Box<dyn Iterator<Item = Message<'a>> + Send + 'a>;

/// Messages whose derived rows are fetched together.
const BATCH_MESSAGES: usize = 128;
