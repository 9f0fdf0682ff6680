//! Writing segments: groups are appended, synced, and a full segment is sealed
//! with its footer and followed by a new one.

use super::core::{Core, SegmentInfo};
use super::footer::{FooterBuilder, end_record};
use super::format::{
    BLOCK, GroupHeader, Predecessor, SEGMENT_HEADER_OCTETS, SegmentHeader, encode_directory,
};
use super::io::DiskFile;
use super::lock;
use super::record::Record;
use super::rows::Place;
use super::segment::{NEW_SEGMENT, name_of};
use std::io;
use std::sync::Arc;

/// Why a group was not written.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// No space; nothing has changed.
    Full,
    /// Nothing has changed.
    Failed(String),
    /// Nothing is known about what was written last; never write again.
    Poisoned(String),
}

/// The segment that is being written.
struct Open {
    header: SegmentHeader,
    file: Arc<dyn DiskFile>,
    /// Where the next group begins.
    end: u64,
    chain: u32,
    footer: FooterBuilder,
}

/// A group as it was written.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) sequence: u64,
    /// Of each record, in order.
    pub(crate) places: Vec<Place>,
}

/// Appends to the journal.
pub(crate) struct Writer {
    open: Option<Open>,
    /// Which journal; zero before the first segment.
    journal: u128,
    predecessor: Predecessor,
    /// The next group's.
    sequence: u64,
    /// The last group that is known to be durable.
    durable: u64,
    segment_octets: u64,
    salt_state: Option<u64>,
    /// Octets since the last sync.
    unsynced: u64,
    /// Octets since the room that is left was last asked for.
    pub(crate) since_room_check: u64,
}

impl Writer {
    /// Goes on after `predecessor`, in a new segment, with `sequence`.
    pub(crate) fn new(core: &Core, journal: u128, predecessor: Predecessor, sequence: u64) -> Self {
        Self {
            open: None,
            journal,
            predecessor,
            sequence,
            durable: sequence.saturating_sub(1),
            segment_octets: core.options.segment_octets,
            salt_state: core
                .options
                .salt_seed
                .map(|seed| seed ^ sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            unsynced: 0,
            since_room_check: 0,
        }
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(crate) fn unsynced(&self) -> u64 {
        self.unsynced
    }

    /// Number and salt of the segment that is being written, and how far.
    pub(crate) fn position(&self) -> Option<(SegmentHeader, u64)> {
        self.open.as_ref().map(|open| (open.header, open.end))
    }

    fn salt(&mut self) -> io::Result<u128> {
        let mut octets = [0; 16];
        match &mut self.salt_state {
            Some(state) => {
                for half in octets.chunks_mut(8) {
                    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                    let mut mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                    half.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
                }
            }
            None => getrandom::fill(&mut octets).map_err(io::Error::other)?,
        }
        Ok(u128::from_le_bytes(octets))
    }

    /// Whether `octets` more (a group, about) call for a new segment.
    pub(crate) fn is_full_for(&self, octets: u64) -> bool {
        self.open.as_ref().is_none_or(|open| {
            open.end > SEGMENT_HEADER_OCTETS as u64
                && open.end + octets + open.footer.octets() > self.segment_octets
        })
    }

    /// Begins a segment under a name of its own. It belongs to the journal from
    /// [`Writer::adopt`] on.
    pub(crate) fn begin(&mut self, core: &Core) -> Result<(), WriteError> {
        let salt = self
            .salt()
            .map_err(|error| WriteError::Failed(error.to_string()))?;
        if self.journal == 0 {
            self.journal = salt.rotate_left(64) ^ u128::from(self.sequence);
        }
        let header = SegmentHeader {
            journal: self.journal,
            number: self.predecessor.number + 1,
            salt,
            sequence: self.sequence,
            predecessor: self.predecessor,
        };
        let file = core.disk.create(NEW_SEGMENT).map_err(error_of)?;
        write_all(file.as_ref(), &header.encode(), 0).map_err(error_of)?;
        self.open = Some(Open {
            header,
            file,
            end: SEGMENT_HEADER_OCTETS as u64,
            chain: header.seed(),
            footer: FooterBuilder::new(self.segment_octets),
        });
        Ok(())
    }

    /// Makes the segment that was begun durable and part of the journal.
    pub(crate) fn adopt(&mut self, core: &Core) -> Result<(), WriteError> {
        let Some(open) = &self.open else {
            return Err(WriteError::Failed("no segment is open".into()));
        };
        let number = open.header.number;
        let poisoned = |error| WriteError::Poisoned(format!("syncing a new segment: {error}"));
        let adopted = open.file.sync().map_err(poisoned).and_then(|()| {
            let renamed = core.disk.rename(NEW_SEGMENT, &name_of(number));
            renamed.map_err(error_of)?;
            core.disk.sync_dir().map_err(poisoned)
        });
        if let Err(error) = adopted {
            self.open = None;
            return Err(error);
        }
        self.durable = self.sequence - 1;
        self.unsynced = 0;
        let info = SegmentInfo {
            header: open.header,
            end: open.end,
            sealed: false,
            footer_from: u64::MAX,
        };
        lock(&core.segments).insert(number, info);
        Ok(())
    }

    /// Appends one group, without syncing. The segment must have been begun.
    pub(crate) fn append(&mut self, records: &[Record]) -> Result<Written, WriteError> {
        let sequence = self.sequence;
        let durable = self.durable;
        let Some(open) = &mut self.open else {
            return Err(WriteError::Failed("no segment is open".into()));
        };
        let group = encode_group(open, records, sequence, durable);
        if let Err(error) = write_all(open.file.as_ref(), &group.octets, open.end) {
            if let Err(why) = open.file.truncate(open.end) {
                return Err(WriteError::Poisoned(format!(
                    "writing: {error}; cutting back: {why}"
                )));
            }
            return Err(error_of(error));
        }
        let directory = &group.octets[GROUP_DIRECTORY..group.payload_at];
        open.footer.push(open.end, sequence, directory, records);
        let mut at = open.end + group.payload_at as u64;
        let places = records
            .iter()
            .map(|record| {
                let place = Place::of(&record.entry, open.header.number, at);
                at += u64::from(record.entry.length);
                place
            })
            .collect();
        open.end += group.octets.len() as u64;
        open.chain = group.chain;
        self.unsynced += group.octets.len() as u64;
        self.since_room_check += group.octets.len() as u64;
        self.sequence += 1;
        Ok(Written { sequence, places })
    }

    /// Makes everything appended durable.
    pub(crate) fn sync(&mut self) -> Result<(), WriteError> {
        let Some(open) = &self.open else {
            return Ok(());
        };
        open.file
            .sync()
            .map_err(|error| WriteError::Poisoned(format!("syncing the journal: {error}")))?;
        self.durable = self.sequence - 1;
        self.unsynced = 0;
        Ok(())
    }

    /// Ends the segment with its footer. Everything in it must be durable. A
    /// segment without groups just ends.
    pub(crate) fn seal(&mut self, core: &Core) -> Result<(), WriteError> {
        let footed = match self.open {
            Some(_) => self.write_footer()?,
            None => false,
        };
        if let Some(open) = self.open.take() {
            self.predecessor = Predecessor {
                number: open.header.number,
                length: open.end,
                chain: open.chain,
                footed,
            };
            if let Some(info) = lock(&core.segments).get_mut(&open.header.number) {
                info.end = open.end;
                info.sealed = true;
                if footed {
                    info.footer_from = self.sequence - FOOTER_GROUPS;
                }
            }
        }
        Ok(())
    }

    /// Footer and end block in one write, synced. Without room for them the
    /// segment does without: `false`.
    fn write_footer(&mut self) -> Result<bool, WriteError> {
        let (sequence, durable) = (self.sequence, self.durable);
        let Some(open) = &mut self.open else {
            return Ok(false);
        };
        let begin = (open.end, open.chain);
        let empty = FooterBuilder::new(self.segment_octets);
        let record = std::mem::replace(&mut open.footer, empty).into_record();
        let footer = encode_group(open, std::slice::from_ref(&record), sequence, durable);
        let at = open.end + footer.payload_at as u64;
        let place = Place::of(&record.entry, open.header.number, at);
        open.end += footer.octets.len() as u64;
        open.chain = footer.chain;
        let end = encode_group(open, &[end_record(&place)], sequence + 1, durable);
        let octets = [footer.octets, end.octets].concat();
        if let Err(error) = write_all(open.file.as_ref(), &octets, begin.0) {
            (open.end, open.chain) = begin;
            let cut = open.file.truncate(begin.0).map(|()| false);
            return cut.map_err(|why| {
                WriteError::Poisoned(format!("writing: {error}; cutting back: {why}"))
            });
        }
        open.end = begin.0 + octets.len() as u64;
        open.chain = end.chain;
        self.sequence += FOOTER_GROUPS;
        self.since_room_check += octets.len() as u64;
        self.sync().map(|()| true)
    }
}

struct Encoded {
    octets: Vec<u8>,
    /// Where among them the payloads begin.
    payload_at: usize,
    chain: u32,
}

/// A footer, and the group that says where it is.
pub(crate) const FOOTER_GROUPS: u64 = 2;

/// Where among a group's octets its directory begins.
const GROUP_DIRECTORY: usize = super::format::GROUP_HEADER_OCTETS;

fn encode_group(open: &Open, records: &[Record], sequence: u64, durable: u64) -> Encoded {
    let directory = encode_directory(records.iter().map(|record| &record.entry));
    let header = GroupHeader {
        sequence,
        durable,
        payload_octets: records.iter().map(|one| one.payload.len() as u64).sum(),
        directory_octets: directory.len() as u32,
        records: records.len() as u32,
        previous: open.chain,
    };
    let (mut octets, chain) = header.encode(open.header.seed(), &directory);
    let payload_at = octets.len();
    let whole = octets.len() + header.payload_octets as usize;
    octets.reserve_exact(whole.next_multiple_of(BLOCK as usize) - octets.len());
    for record in records {
        octets.extend_from_slice(&record.payload);
    }
    octets.resize(octets.len().next_multiple_of(BLOCK as usize), 0);
    Encoded {
        octets,
        payload_at,
        chain,
    }
}

pub(crate) fn write_all(file: &dyn DiskFile, octets: &[u8], at: u64) -> io::Result<()> {
    let mut done = 0;
    while done < octets.len() {
        match file.write_at(&octets[done..], at + done as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

pub(crate) fn error_of(error: io::Error) -> WriteError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => WriteError::Full,
        _ => WriteError::Failed(error.to_string()),
    }
}
