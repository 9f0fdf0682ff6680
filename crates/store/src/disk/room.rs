//! How much room is left, and the reserve that is given up when there is none.

use super::core::Core;
use super::io::Disk;
use super::options::Options;
use std::io;

/// What may still be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Room {
    /// Everything.
    #[default]
    Enough,
    /// Nothing that brings blobs.
    Low,
    /// Only what helps to free some.
    Lowest,
}

/// A file that only keeps room.
pub(crate) const RESERVE: &str = "reserve";
/// The room is asked for again after this long, or this much written.
const CHECK_MILLIS: u64 = 1_000;
const CHECK_OCTETS_MAX: u64 = 4 << 20;

/// Watches the room.
#[derive(Debug, Default)]
pub(crate) struct RoomWatch {
    room: Room,
    /// What the log has last said of it.
    told: Room,
    checked: Option<u64>,
    /// Whether the reserve is there.
    reserved: bool,
    /// The disk has said that it is full, whatever it says about room.
    refused: bool,
}

impl RoomWatch {
    /// Makes the reserve if there is room for it.
    pub(crate) fn new(core: &Core) -> Self {
        let mut watch = Self {
            reserved: core
                .disk
                .list()
                .is_ok_and(|names| names.iter().any(|name| name == RESERVE)),
            ..Self::default()
        };
        watch.check(core, 0);
        watch
    }

    /// What may be written now.
    pub(crate) fn room(&mut self, core: &Core, now: u64, since_octets: &mut u64) -> Room {
        let due = self
            .checked
            .is_none_or(|checked| now >= checked + CHECK_MILLIS);
        let often = (core.options.lowest_octets / 8).min(CHECK_OCTETS_MAX);
        if due || *since_octets >= often {
            *since_octets = 0;
            self.refused = false;
            self.check(core, now);
        }
        self.room
    }

    fn check(&mut self, core: &Core, now: u64) {
        self.checked = Some(now);
        let options = &core.options;
        let Ok(free) = core.disk.free_octets() else {
            return;
        };
        if !self.reserved && options.reserve_octets > 0 {
            // The reserve comes back before anything else may be written.
            let wanted = options.reserve_octets.saturating_add(options.low_octets);
            if free > wanted && !self.refused {
                self.reserved = reserve(core.disk.as_ref(), options.reserve_octets).is_ok();
            }
        }
        let missing = if self.reserved {
            0
        } else {
            options.reserve_octets
        };
        let left = free.saturating_sub(missing);
        self.room = if left < options.lowest_octets || self.refused {
            Room::Lowest
        } else if left < options.low_octets {
            Room::Low
        } else {
            Room::Enough
        };
        if self.room != self.told {
            self.told = self.room;
            self.tell(free, missing, options);
        }
        if self.room == Room::Lowest {
            self.give_up(core);
        }
    }

    /// Says that something else may be written now than before.
    fn tell(&self, free: u64, missing: u64, options: &Options) {
        let wanted = options.low_octets.saturating_add(missing);
        let what = match self.room {
            Room::Enough => "there is room again: everything is taken",
            Room::Low => "room is low: no mail is taken",
            Room::Lowest => "room is at its lowest: only what frees some is done",
        };
        tracing::warn!(free_octets = free, wanted_octets = wanted, what);
    }

    /// The disk has said that it is full.
    pub(crate) fn refused(&mut self, core: &Core, now: u64) {
        self.refused = true;
        self.checked = Some(now);
        self.room = Room::Lowest;
        self.give_up(core);
    }

    fn give_up(&mut self, core: &Core) {
        if self.reserved {
            tracing::error!("no room is left: giving up the reserve");
            // Failing that, what frees room will be refused like the rest.
            let _ = core.disk.unlink(RESERVE);
            self.reserved = false;
        }
    }
}

fn reserve(disk: &dyn Disk, octets: u64) -> io::Result<()> {
    let made = disk.create(RESERVE).and_then(|file| file.allocate(octets));
    if made.is_err() {
        let _ = disk.unlink(RESERVE);
    }
    made
}
