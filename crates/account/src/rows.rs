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
    /// CRLF that RETR adds where it lacks, and for a session without UTF8 those of
    /// the form that it gets. RFC 6856 §2.1.
    pub fn maildrop_size(&self, utf8: bool) -> u32 {
        let size = match self.downgraded_size {
            Some(size) if !utf8 => size,
            _ => self.size,
        };
        // RETR adds nothing to a message that is empty.
        let lacks = size > 0 && self.flags.lacks_final_crlf();
        size.saturating_add(if lacks { 2 } else { 0 })
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
    fn of(lists: &[impl AsRef<[T]>]) -> Self {
        let mut interned = Self::default();
        for list in lists {
            interned.items.extend_from_slice(list.as_ref());
            let end = u32::try_from(interned.items.len()).unwrap_or(u32::MAX);
            interned.ends.push(end);
        }
        interned
    }

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

/// Rows, ascending by unique identifier, in columns. What a STORE changes stands
/// apart from what stays as it is, so that it copies a sixth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    cold: Arc<Cold>,
    modseqs: Vec<ModSeq>,
    flags: Vec<RowFlags>,
    keywords: Vec<u16>,
    keyword_sets: Interned<u16>,
}

/// What never changes in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Cold {
    uids: Vec<Uid>,
    blobs: Vec<BlobId>,
    emails: Vec<EmailNumber>,
    dates: Vec<i64>,
    zones: Vec<i16>,
    saved: Vec<Timestamp>,
    sizes: Vec<u32>,
    prefixes: Vec<u16>,
    prefix_texts: Interned<u8>,
    /// Sparse, ascending.
    downgraded: Vec<(Uid, u32)>,
}

/// Columns as they were read; lists have numbers from one on.
#[derive(Debug)]
pub(crate) struct RawColumns<'a> {
    pub uids: Vec<Uid>,
    pub blobs: Vec<BlobId>,
    pub emails: Vec<EmailNumber>,
    pub modseqs: Vec<ModSeq>,
    pub flags: Vec<RowFlags>,
    pub dates: Vec<i64>,
    pub zones: Vec<i16>,
    pub saved: Vec<Timestamp>,
    pub sizes: Vec<u32>,
    pub keywords: Vec<u16>,
    pub keyword_lists: Vec<Vec<u16>>,
    pub prefixes: Vec<u16>,
    pub prefix_lists: Vec<&'a [u8]>,
    pub downgraded: Vec<(Uid, u32)>,
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

    /// What was read. The caller has made sure that the columns are equally long,
    /// the identifiers ascend and the lists are there.
    pub(crate) fn from_raw(raw: RawColumns<'_>) -> Self {
        Self {
            cold: Arc::new(Cold {
                uids: raw.uids,
                blobs: raw.blobs,
                emails: raw.emails,
                dates: raw.dates,
                zones: raw.zones,
                saved: raw.saved,
                sizes: raw.sizes,
                prefixes: raw.prefixes,
                prefix_texts: Interned::of(&raw.prefix_lists),
                downgraded: raw.downgraded,
            }),
            modseqs: raw.modseqs,
            flags: raw.flags,
            keywords: raw.keywords,
            keyword_sets: Interned::of(&raw.keyword_lists),
        }
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.cold.uids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.cold.uids.is_empty()
    }

    /// Whether no further row should be put.
    pub(crate) fn is_full(&self) -> bool {
        self.len() >= Self::ROWS_MAX
            || self.cold.prefix_texts.items.len() >= Self::PREFIX_OCTETS_MAX
            || self.keyword_sets.items.len() >= Self::KEYWORD_PLACES_MAX
    }

    /// About how many octets they take on disk.
    pub(crate) fn weight(&self) -> usize {
        self.len() * 24 + self.cold.prefix_texts.items.len() + self.keyword_sets.items.len() * 2
    }

    /// Octets of memory that the columns take.
    pub(crate) fn memory(&self) -> usize {
        fn of<T>(column: &Vec<T>) -> usize {
            column.capacity() * size_of::<T>()
        }
        let cold = &*self.cold;
        of(&cold.uids)
            + of(&cold.blobs)
            + of(&cold.emails)
            + of(&cold.dates)
            + of(&cold.zones)
            + of(&cold.saved)
            + of(&cold.sizes)
            + of(&cold.prefixes)
            + of(&cold.prefix_texts.items)
            + of(&cold.prefix_texts.ends)
            + of(&cold.downgraded)
            + of(&self.modseqs)
            + of(&self.flags)
            + of(&self.keywords)
            + of(&self.keyword_sets.items)
            + of(&self.keyword_sets.ends)
            + size_of::<Self>()
            + size_of::<Cold>()
    }

    /// The row at `index`, from zero.
    pub fn get(&self, index: usize) -> Option<Row<'_>> {
        let cold = &*self.cold;
        let uid = *cold.uids.get(index)?;
        Some(Row {
            uid,
            blob: *cold.blobs.get(index)?,
            email: *cold.emails.get(index)?,
            modseq: *self.modseqs.get(index)?,
            flags: *self.flags.get(index)?,
            keywords: self.keyword_sets.get(*self.keywords.get(index)?),
            internal_date: InternalDate {
                seconds: *cold.dates.get(index)?,
                zone_minutes: *cold.zones.get(index)?,
            },
            save_date: *cold.saved.get(index)?,
            size: *cold.sizes.get(index)?,
            prefix: cold.prefix_texts.get(*cold.prefixes.get(index)?),
            downgraded_size: if cold.downgraded.is_empty() {
                None
            } else {
                cold.downgraded
                    .binary_search_by_key(&uid, |entry| entry.0)
                    .ok()
                    .and_then(|at| cold.downgraded.get(at))
                    .map(|entry| entry.1)
            },
        })
    }

    /// Where `uid` stands, or where it would stand.
    pub(crate) fn find(&self, uid: Uid) -> Result<usize, usize> {
        self.cold.uids.binary_search(&uid)
    }

    /// All rows, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Row<'_>> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// The unique identifiers, ascending.
    pub fn uids(&self) -> &[Uid] {
        &self.cold.uids
    }

    /// The mod-sequences, in the order of the rows.
    pub(crate) fn modseqs(&self) -> &[ModSeq] {
        &self.modseqs
    }

    /// The lowest unique identifier.
    pub fn first_uid(&self) -> Option<Uid> {
        self.cold.uids.first().copied()
    }

    /// The highest unique identifier.
    pub fn last_uid(&self) -> Option<Uid> {
        self.cold.uids.last().copied()
    }

    /// Puts a row after the last; one that is not above it is left out.
    pub(crate) fn push(&mut self, row: &Row<'_>) -> bool {
        if self.last_uid().is_some_and(|last| last >= row.uid) || self.len() >= Self::ROWS_MAX {
            return false;
        }
        let cold = Arc::make_mut(&mut self.cold);
        cold.uids.push(row.uid);
        cold.blobs.push(row.blob);
        cold.emails.push(row.email);
        cold.dates.push(row.internal_date.seconds);
        cold.zones.push(row.internal_date.zone_minutes);
        cold.saved.push(row.save_date);
        cold.sizes.push(row.size);
        let prefix = cold.prefix_texts.put(row.prefix);
        cold.prefixes.push(prefix);
        if let Some(size) = row.downgraded_size {
            cold.downgraded.push((row.uid, size));
        }
        self.modseqs.push(row.modseq);
        self.flags.push(row.flags);
        let keywords = self.keyword_sets.put(row.keywords);
        self.keywords.push(keywords);
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
        let keep: Vec<bool> = self.uids().iter().map(|&uid| !gone.contains(uid)).collect();
        let cold = Arc::make_mut(&mut self.cold);
        retain(&mut cold.uids, &keep);
        retain(&mut cold.blobs, &keep);
        retain(&mut cold.emails, &keep);
        retain(&mut cold.dates, &keep);
        retain(&mut cold.zones, &keep);
        retain(&mut cold.saved, &keep);
        retain(&mut cold.sizes, &keep);
        retain(&mut cold.prefixes, &keep);
        cold.downgraded.retain(|(uid, _)| !gone.contains(*uid));
        let garbage = self.keyword_sets.count() + cold.prefix_texts.count();
        retain(&mut self.modseqs, &keep);
        retain(&mut self.flags, &keep);
        retain(&mut self.keywords, &keep);
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

/// Builds a set from ascending identifiers.
#[derive(Default)]
pub(crate) struct Ascending {
    set: UidSet,
    open: Option<(Uid, Uid)>,
}

impl Ascending {
    pub(crate) fn push(&mut self, uid: Uid) {
        self.open = match self.open {
            Some((first, last)) if last.next() == Some(uid) => Some((first, uid)),
            Some((first, last)) => {
                self.set.insert_range(first, last);
                Some((uid, uid))
            }
            None => Some((uid, uid)),
        };
    }

    pub(crate) fn finish(mut self) -> UidSet {
        if let Some((first, last)) = self.open {
            self.set.insert_range(first, last);
        }
        self.set
    }
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
        let mut set = Ascending::default();
        for uid in self.parts.iter().flat_map(|part| part.uids()) {
            set.push(*uid);
        }
        set.finish()
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
