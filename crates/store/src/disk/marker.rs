//! A word outside the journal that there is one, and how far it was durable a
//! while ago. Where the journal has gone or has lost its end before the index
//! knew of it, this tells.
//!
//! It lags behind: nothing waits for it, and it is written seldom. It never says
//! more than what was durable.

use super::core::Core;
use super::io::{Disk, DiskFile};
use super::lock;
use super::segment::{is_damage, read_exact};
use crc32c::crc32c;
use std::io;
use std::sync::Arc;
use terms::{Reader, Writer};

/// The file: beside the journal's directory, not in it.
pub(crate) const MARKER: &str = "marker";
/// The same before it is whole.
pub(crate) const NEW_MARKER: &str = "new.marker";
const MAGIC: [u8; 8] = *b"RESTMARK";
const VERSION: u32 = 1;
const SLOT_OCTETS: usize = 512;
/// Where the second slot begins: in a page of its own.
const SECOND_SLOT_AT: u64 = 4096;
/// So long is waited between two writings.
const PAUSE_MILLIS: u64 = 5_000;

/// What it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Which journal.
    pub(crate) journal: u128,
    /// A group that was durable.
    pub(crate) sequence: u64,
    /// How often somebody went on after something was lost.
    pub(crate) losses: u64,
}

impl Mark {
    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.u32(VERSION);
        writer.u128(self.journal);
        writer.u64(self.sequence);
        writer.u64(self.losses);
        let mut rest = writer.into_octets();
        rest.resize(SLOT_OCTETS - 12, 0);
        let mut slot = MAGIC.to_vec();
        slot.extend_from_slice(&crc32c(&rest).to_le_bytes());
        slot.extend_from_slice(&rest);
        slot
    }

    fn decode(slot: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(slot);
        if reader.raw(8).ok()? != MAGIC {
            return None;
        }
        let crc = reader.u32().ok()?;
        if crc != crc32c(reader.raw(SLOT_OCTETS - 12).ok()?) {
            return None;
        }
        let mut reader = Reader::new(slot.get(12..)?);
        if reader.u32().ok()? != VERSION {
            return None;
        }
        Some(Self {
            journal: reader.u128().ok()?,
            sequence: reader.u64().ok()?,
            losses: reader.u64().ok()?,
        })
    }
}

/// What was written down last; `None` where nothing was, or nothing can be read.
pub(crate) fn read(disk: &dyn Disk) -> io::Result<Option<Mark>> {
    let file = match disk.open(MARKER) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut newest: Option<Mark> = None;
    for at in [0, SECOND_SLOT_AT] {
        match read_exact(file.as_ref(), at, SLOT_OCTETS) {
            Ok(slot) => {
                let found = Mark::decode(&slot);
                newest = newest.max_by_sequence(found);
            }
            Err(error) if is_damage(&error) => {}
            Err(error) => return Err(error),
        }
    }
    if newest.is_none() {
        tracing::error!("the marker of the journal is damaged");
    }
    Ok(newest)
}

trait Newer {
    fn max_by_sequence(self, other: Self) -> Self;
}

impl Newer for Option<Mark> {
    fn max_by_sequence(self, other: Self) -> Self {
        match (self, other) {
            (Some(one), Some(other)) if other.sequence <= one.sequence => Some(one),
            (one, None) => one,
            (_, other) => other,
        }
    }
}

/// The marker of the journal that is open.
pub(crate) struct Marker {
    file: Arc<dyn DiskFile>,
    mark: Mark,
    /// Whether the next writing goes to the second slot.
    second: bool,
    written_at: u64,
}

impl Marker {
    /// Puts it there, durable, in the place of the one of the run before.
    pub(crate) fn begin(disk: &dyn Disk, mark: Mark) -> io::Result<Self> {
        let file = disk.create(NEW_MARKER)?;
        write_slot(file.as_ref(), &mark, SECOND_SLOT_AT)?;
        write_slot(file.as_ref(), &mark, 0)?;
        file.sync()?;
        disk.rename(NEW_MARKER, MARKER)?;
        disk.sync_dir()?;
        Ok(Self {
            file,
            mark,
            second: true,
            written_at: 0,
        })
    }

    fn write(&mut self, sequence: u64) -> io::Result<()> {
        let mark = Mark {
            sequence,
            ..self.mark
        };
        let at = if self.second { SECOND_SLOT_AT } else { 0 };
        write_slot(self.file.as_ref(), &mark, at)?;
        self.file.sync()?;
        self.mark = mark;
        self.second = !self.second;
        Ok(())
    }
}

fn write_slot(file: &dyn DiskFile, mark: &Mark, at: u64) -> io::Result<()> {
    super::writer::write_all(file, &mark.encode(), at)
}

/// Writes down how far the journal is durable, if it is time, or `now_or_never`.
pub(crate) fn advance(core: &Core, now: u64, now_or_never: bool) {
    let mark = lock(&core.index_writer).mark;
    let mut marker = lock(&core.marker);
    let (Some(mark), Some(open)) = (mark, marker.as_mut()) else {
        return;
    };
    let due = now_or_never || now >= open.written_at.saturating_add(PAUSE_MILLIS);
    if !due || mark.journal != open.mark.journal || mark.sequence <= open.mark.sequence {
        return;
    }
    open.written_at = now;
    if let Err(error) = open.write(mark.sequence) {
        // The slot of the time before says less, which is true.
        tracing::warn!(%error, "the marker of the journal is written no more");
        *marker = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Call, Fault, Machine, Unsynced};

    #[test]
    fn a_slot_that_is_torn_leaves_the_one_before() {
        let mark = |sequence| Mark {
            journal: 7,
            sequence,
            losses: 2,
        };
        let machine = Machine::new(1);
        let disk = machine.process();
        assert_eq!(read(disk.as_ref()).unwrap(), None);
        let mut marker = Marker::begin(disk.as_ref(), mark(3)).unwrap();
        for sequence in 4..9 {
            marker.write(sequence).unwrap();
            assert_eq!(read(disk.as_ref()).unwrap(), Some(mark(sequence)));
        }
        let writes = machine.calls().len();
        assert_eq!(machine.calls().last(), Some(&Call::Sync));
        machine.fault_at(writes + 1, Fault::DeathBefore);
        assert!(marker.write(9).is_err());
        machine.power_cut(Unsynced::Any(5));
        let disk = machine.process();
        let left = read(disk.as_ref()).unwrap();
        assert!(left == Some(mark(8)) || left == Some(mark(9)), "{left:?}");
        for at in [20, 4_096 + 20] {
            machine.flip(MARKER, at, 1);
        }
        assert_eq!(read(disk.as_ref()).unwrap(), None);
    }
}
