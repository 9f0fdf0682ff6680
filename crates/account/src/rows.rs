//! Rows in columns: what is kept of each message in a mailbox.
//!
//! There is no heap block per row: prefixes and sets of keywords, which are
//! mostly alike, stand once in each [`Columns`].

use std::sync::Arc;
use terms::{
    BlobId, EmailNumber, FlagSet, InternalDate, ModSeq, SystemFlag, Timestamp, Uid, UidSet,
};

/// One message in one mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// Its unique identifier in the mailbox.
    pub uid: Uid,
    /// Its octets, but for the prefix.
    pub blob: BlobId,
    /// Its number in the account.
    pub email: EmailNumber,
    /// The last change to it.
    pub modseq: ModSeq,
    /// System flags and marks.
    pub flags: RowFlags,
    /// Its keywords: ascending places in [`crate::Mailbox::keywords`].
    pub keywords: &'a [u16],
    /// When it was received, as a client sees it.
    pub internal_date: InternalDate,
    /// When it came into this mailbox. RFC 8514 §2.
    pub save_date: Timestamp,
    /// Octets as a client sees them, prefix included. Where the message lacks a
    /// final CRLF, that is not counted.
    pub size: u32,
    /// Octets that stand before the blob's.
    pub prefix: &'a [u8],
    /// Octets of the form that is sent to clients without UTF8, where the message
    /// is internationalised. RFC 6858.
    pub downgraded_size: Option<u32>,
}

impl Row<'_> {
    /// Octets of the prefix and the blob as POP3 counts them: with the final
    /// CRLF that RETR adds where it lacks.
    pub fn maildrop_size(&self) -> u32 {
        self.size
            .saturating_add(if self.flags.lacks_final_crlf() { 2 } else { 0 })
    }
}

/// System flags and marks of a row, in one octet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RowFlags(u8);

impl RowFlags {
    const SYSTEM: u8 = 0b1_1111;
    const LACKS_FINAL_CRLF: u8 = 1 << 5;
    const INTERNATIONALISED: u8 = 1 << 6;

    /// From the bits of [`FlagSet::system_bits`] and the marks.
    pub fn new(system_bits: u8, lacks_final_crlf: bool, internationalised: bool) -> Self {
        let mut bits = system_bits & Self::SYSTEM;
        if lacks_final_crlf {
            bits |= Self::LACKS_FINAL_CRLF;
        }
        if internationalised {
            bits |= Self::INTERNATIONALISED;
        }
        Self(bits)
    }

    /// As on disk.
    pub(crate) fn from_octet(octet: u8) -> Self {
        Self(octet)
    }

    /// As on disk.
    pub(crate) fn octet(self) -> u8 {
        self.0
    }

    /// The bits of [`FlagSet::system_bits`].
    pub fn system_bits(self) -> u8 {
        self.0 & Self::SYSTEM
    }

    /// The same marks with other system flags.
    #[must_use]
    pub fn with_system_bits(self, system_bits: u8) -> Self {
        Self((self.0 & !Self::SYSTEM) | (system_bits & Self::SYSTEM))
    }

    /// Whether `flag` is set.
    pub fn has(self, flag: SystemFlag) -> bool {
        self.0 & (1 << (flag as u8)) != 0
    }

    /// The message's octets do not end in CRLF.
    pub fn lacks_final_crlf(self) -> bool {
        self.0 & Self::LACKS_FINAL_CRLF != 0
    }

    /// It came with SMTPUTF8 or a UTF8 APPEND. RFC 6856 §2.
    pub fn internationalised(self) -> bool {
        self.0 & Self::INTERNATIONALISED != 0
    }

    /// The system flags alone.
    pub fn flag_set(self) -> FlagSet {
        FlagSet::from_bits(self.system_bits())
    }
}

/// Short lists that stand once each; number 0 is the empty one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Interned<T> {
    items: Vec<T>,
    ends: Vec<u32>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            ends: Vec::new(),
        }
    }
}

impl<T: Copy + Eq> Interned<T> {
    /// How far back an equal list is looked for.
    const LOOK_BACK: usize = 32;

    fn get(&self, number: u16) -> &[T] {
        let Some(index) = usize::from(number).checked_sub(1) else {
            return &[];
        };
        let start = index
            .checked_sub(1)
            .and_then(|before| self.ends.get(before));
        let start = start.map_or(0, |&end| end as usize);
        let end = self.ends.get(index).map_or(start, |&end| end as usize);
        self.items.get(start..end).unwrap_or_default()
    }

    fn put(&mut self, list: &[T]) -> u16 {
        if list.is_empty() {
            return 0;
        }
        let count = self.ends.len();
        for number in (count.saturating_sub(Self::LOOK_BACK)..count).rev() {
            let number = u16::try_from(number + 1).unwrap_or(0);
            if self.get(number) == list {
                return number;
            }
        }
        self.items.extend_from_slice(list);
        self.ends
            .push(u32::try_from(self.items.len()).unwrap_or(u32::MAX));
        u16::try_from(self.ends.len()).unwrap_or(0)
    }

    fn count(&self) -> usize {
        self.ends.len()
    }
}

/// Rows, ascending by unique identifier, in columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    uids: Vec<Uid>,
    blobs: Vec<BlobId>,
    emails: Vec<EmailNumber>,
    modseqs: Vec<ModSeq>,
    flags: Vec<RowFlags>,
    keywords: Vec<u16>,
    dates: Vec<i64>,
    zones: Vec<i16>,
    saved: Vec<Timestamp>,
    sizes: Vec<u32>,
    prefixes: Vec<u16>,
    keyword_sets: Interned<u16>,
    prefix_texts: Interned<u8>,
    /// Sparse, ascending.
    downgraded: Vec<(Uid, u32)>,
}

impl Columns {
    /// Rows at the most.
    pub const ROWS_MAX: usize = 1_024;
    /// Octets of prefixes beyond which no further row is taken.
    const PREFIX_OCTETS_MAX: usize = 384 << 10;
    /// Keyword places beyond which no further row is taken.
    const KEYWORD_PLACES_MAX: usize = 64 << 10;

    /// No rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.uids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.uids.is_empty()
    }

    /// Whether no further row should be put.
    pub(crate) fn is_full(&self) -> bool {
        self.len() >= Self::ROWS_MAX
            || self.prefix_texts.items.len() >= Self::PREFIX_OCTETS_MAX
            || self.keyword_sets.items.len() >= Self::KEYWORD_PLACES_MAX
    }

    /// About how many octets they take on disk.
    pub(crate) fn weight(&self) -> usize {
        self.len() * 44 + self.prefix_texts.items.len() + self.keyword_sets.items.len() * 2
    }

    /// Octets of memory that the columns take.
    pub(crate) fn memory(&self) -> usize {
        fn of<T>(column: &Vec<T>) -> usize {
            column.capacity() * size_of::<T>()
        }
        of(&self.uids)
            + of(&self.blobs)
            + of(&self.emails)
            + of(&self.modseqs)
            + of(&self.flags)
            + of(&self.keywords)
            + of(&self.dates)
            + of(&self.zones)
            + of(&self.saved)
            + of(&self.sizes)
            + of(&self.prefixes)
            + of(&self.keyword_sets.items)
            + of(&self.keyword_sets.ends)
            + of(&self.prefix_texts.items)
            + of(&self.prefix_texts.ends)
            + of(&self.downgraded)
            + size_of::<Self>()
    }

    /// The row at `index`, from zero.
    pub fn get(&self, index: usize) -> Option<Row<'_>> {
        let uid = *self.uids.get(index)?;
        let flags = *self.flags.get(index)?;
        Some(Row {
            uid,
            blob: *self.blobs.get(index)?,
            email: *self.emails.get(index)?,
            modseq: *self.modseqs.get(index)?,
            flags,
            keywords: self.keyword_sets.get(*self.keywords.get(index)?),
            internal_date: InternalDate {
                seconds: *self.dates.get(index)?,
                zone_minutes: *self.zones.get(index)?,
            },
            save_date: *self.saved.get(index)?,
            size: *self.sizes.get(index)?,
            prefix: self.prefix_texts.get(*self.prefixes.get(index)?),
            downgraded_size: if self.downgraded.is_empty() {
                None
            } else {
                self.downgraded
                    .binary_search_by_key(&uid, |entry| entry.0)
                    .ok()
                    .and_then(|at| self.downgraded.get(at))
                    .map(|entry| entry.1)
            },
        })
    }

    /// Where `uid` stands, or where it would stand.
    pub(crate) fn find(&self, uid: Uid) -> Result<usize, usize> {
        self.uids.binary_search(&uid)
    }

    /// All rows, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Row<'_>> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// The unique identifiers, ascending.
    pub fn uids(&self) -> &[Uid] {
        &self.uids
    }

    /// The mod-sequences, in the order of the rows.
    pub(crate) fn modseqs(&self) -> &[ModSeq] {
        &self.modseqs
    }

    /// The lowest unique identifier.
    pub fn first_uid(&self) -> Option<Uid> {
        self.uids.first().copied()
    }

    /// The highest unique identifier.
    pub fn last_uid(&self) -> Option<Uid> {
        self.uids.last().copied()
    }

    /// Puts a row after the last; one that is not above it is left out.
    pub(crate) fn push(&mut self, row: &Row<'_>) -> bool {
        if self.last_uid().is_some_and(|last| last >= row.uid) || self.len() >= Self::ROWS_MAX {
            return false;
        }
        self.uids.push(row.uid);
        self.blobs.push(row.blob);
        self.emails.push(row.email);
        self.modseqs.push(row.modseq);
        self.flags.push(row.flags);
        let keywords = self.keyword_sets.put(row.keywords);
        self.keywords.push(keywords);
        self.dates.push(row.internal_date.seconds);
        self.zones.push(row.internal_date.zone_minutes);
        self.saved.push(row.save_date);
        self.sizes.push(row.size);
        let prefix = self.prefix_texts.put(row.prefix);
        self.prefixes.push(prefix);
        if let Some(size) = row.downgraded_size {
            self.downgraded.push((row.uid, size));
        }
        true
    }

    /// Gives the row at `index` other flags.
    pub(crate) fn set_flags(&mut self, index: usize, bits: u8, keywords: &[u16], modseq: ModSeq) {
        if self.keyword_sets.count() > 2 * Self::ROWS_MAX {
            self.rebuild();
        }
        let keywords = self.keyword_sets.put(keywords);
        if let (Some(flags), Some(place), Some(number)) = (
            self.flags.get_mut(index),
            self.keywords.get_mut(index),
            self.modseqs.get_mut(index),
        ) {
            *flags = flags.with_system_bits(bits);
            *place = keywords;
            *number = modseq;
        }
    }

    /// Gives every row this mod-sequence.
    pub(crate) fn set_modseqs(&mut self, modseq: ModSeq) {
        self.modseqs.fill(modseq);
    }

    /// Keeps the rows that are not in `gone`.
    pub(crate) fn remove(&mut self, gone: &UidSet) {
        let uids = std::mem::take(&mut self.uids);
        let keep: Vec<bool> = uids.iter().map(|&uid| !gone.contains(uid)).collect();
        self.uids = uids;
        retain(&mut self.uids, &keep);
        retain(&mut self.blobs, &keep);
        retain(&mut self.emails, &keep);
        retain(&mut self.modseqs, &keep);
        retain(&mut self.flags, &keep);
        retain(&mut self.keywords, &keep);
        retain(&mut self.dates, &keep);
        retain(&mut self.zones, &keep);
        retain(&mut self.saved, &keep);
        retain(&mut self.sizes, &keep);
        retain(&mut self.prefixes, &keep);
        self.downgraded.retain(|(uid, _)| !gone.contains(*uid));
        let garbage = self.keyword_sets.count() + self.prefix_texts.count();
        if garbage > 2 * self.len() + 64 {
            self.rebuild();
        }
    }

    /// Leaves out what was interned and is used no longer.
    pub(crate) fn rebuild(&mut self) {
        let old = std::mem::take(self);
        for row in old.iter() {
            self.push(&row);
        }
    }
}

fn retain<T>(column: &mut Vec<T>, keep: &[bool]) {
    let mut marks = keep.iter();
    column.retain(|_| marks.next().copied().unwrap_or(true));
}

/// Rows in as many [`Columns`] as they need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    parts: Vec<Arc<Columns>>,
}

impl Rows {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// All rows, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Row<'_>> + '_ {
        self.parts.iter().flat_map(|part| part.iter())
    }

    /// The unique identifiers.
    pub fn uids(&self) -> UidSet {
        self.iter().map(|row| row.uid).collect()
    }

    pub(crate) fn parts(&self) -> &[Arc<Columns>] {
        &self.parts
    }

    pub(crate) fn push_part(&mut self, part: Columns) {
        self.parts.push(Arc::new(part));
    }

    /// Puts a row after the last.
    pub(crate) fn push(&mut self, row: &Row<'_>) {
        if self.parts.last().is_none_or(|part| part.is_full()) {
            self.parts.push(Arc::new(Columns::new()));
        }
        if let Some(part) = self.parts.last_mut() {
            Arc::make_mut(part).push(row);
        }
    }
}
