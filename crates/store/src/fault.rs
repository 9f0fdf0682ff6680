//! A machine whose power fails: a [`Disk`] in memory with two images.
//!
//! The *cache* is what reads see; the *disk* is what a power cut leaves. A sync
//! carries octets from the one to the other, a directory sync carries names. At
//! a power cut any subset of the unsynced 512-octet pages, some of them torn,
//! and any subset of the unsynced names have reached the disk already.
//!
//! [`Machine::process`] gives the disk to one run of an engine. A fault stands
//! at a number: changing calls are counted from zero. Everything follows from
//! the seed.

use crate::{Disk, DiskFile};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Octets that a disk writes at once, mostly.
const PAGE: usize = 512;

/// What is to go wrong at a changing call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process ends before the call has done anything.
    DeathBefore,
    /// The process ends after the call has done everything, without an answer.
    DeathAfter,
    /// A write takes at most this many octets and says so.
    Short(usize),
    /// A write, a creation or an allocation finds no space; this many octets were
    /// written nonetheless.
    NoSpace(usize),
    /// The call fails. A write may have written some; of what a sync should have
    /// carried to the disk, some pages were and all others never will be: the
    /// cache takes them for clean.
    Failure,
}

/// What a power cut leaves of that which was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsynced {
    /// Nothing.
    Lost,
    /// Everything.
    Kept,
    /// Any pages, whole or torn, and any names, by the seed.
    Any(u64),
}

/// A changing call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// [`DiskFile::write_at`].
    Write,
    /// [`DiskFile::sync`].
    Sync,
    /// [`DiskFile::truncate`].
    Truncate,
    /// [`DiskFile::allocate`].
    Allocate,
    /// [`Disk::create`].
    Create,
    /// [`Disk::rename`].
    Rename,
    /// [`Disk::unlink`].
    Unlink,
    /// [`Disk::sync_dir`].
    SyncDir,
}

/// Numbers that follow from a seed.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(0x9e37_79b9_7f4a_7c15))
    }

    /// The next number, by SplitMix64.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`; zero for zero.
    pub fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.number() % limit).unwrap_or(0)
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// A machine with one directory of files. Clones are the same machine.
#[derive(Clone, Debug)]
pub struct Machine {
    shared: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Since the last directory sync, oldest first.
    name_changes: Vec<NameChange>,
    /// Which process runs; handles of an earlier one are dead.
    process: u64,
    dead: bool,
    locked: bool,
    calls: Vec<Call>,
    faults: BTreeMap<usize, Fault>,
    syncs_fail: bool,
    failed: bool,
    capacity: u64,
    chance: Chance,
}

#[derive(Clone, Debug)]
enum NameChange {
    Set(String, usize),
    Renamed(String, String, usize),
    Gone(String, usize),
}

#[derive(Debug, Default)]
struct File {
    cache: Vec<u8>,
    disk: Vec<u8>,
    /// Pages where the cache is newer and a sync would carry it over.
    dirty: BTreeSet<usize>,
    unreadable: Vec<std::ops::Range<usize>>,
}

fn gone() -> Error {
    Error::other("the process has ended")
}

fn no_space() -> Error {
    Error::new(ErrorKind::StorageFull, "no space left on the disk")
}

/// `EIO`.
fn failed() -> Error {
    Error::from_raw_os_error(5)
}

fn not_found(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no file {name}"))
}

fn offset(at: u64) -> Result<usize> {
    usize::try_from(at).map_err(|_| Error::from(ErrorKind::FileTooLarge))
}

impl Machine {
    /// A machine with an empty disk.
    pub fn new(seed: u64) -> Self {
        Self {
            shared: Arc::new(Mutex::new(State {
                files: Vec::new(),
                names: BTreeMap::new(),
                durable_names: BTreeMap::new(),
                name_changes: Vec::new(),
                process: 0,
                dead: false,
                locked: false,
                calls: Vec::new(),
                faults: BTreeMap::new(),
                syncs_fail: false,
                failed: false,
                capacity: 1 << 40,
                chance: Chance::new(seed),
            })),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a process: the disk as it is for it alone. All handles of the
    /// process before are dead from now on, as after kill -9; the cache lives.
    /// The count of changing calls begins anew and all faults are forgotten.
    pub fn process(&self) -> Arc<dyn Disk> {
        let mut state = self.state();
        state.process += 1;
        state.dead = false;
        state.locked = false;
        state.calls.clear();
        state.faults.clear();
        state.syncs_fail = false;
        state.failed = false;
        Arc::new(Process {
            machine: self.clone(),
            process: state.process,
        })
    }

    /// Ends the process that runs, as kill -9 does: its calls fail and do nothing.
    pub fn kill(&self) {
        self.state().dead = true;
    }

    /// Ends the process and the power: the cache is gone, and of what was not
    /// synced the disk has what `unsynced` says.
    pub fn power_cut(&self, unsynced: Unsynced) {
        let mut state = self.state();
        state.dead = true;
        state.lose(unsynced);
    }

    /// Sets a fault at a changing call of the process that runs, by its number.
    pub fn fault_at(&self, call: usize, fault: Fault) {
        self.state().faults.insert(call, fault);
    }

    /// Forgets the faults that have not come up yet.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// From now on every sync of a file fails ([`Fault::Failure`]).
    pub fn fail_syncs(&self) {
        self.state().syncs_fail = true;
    }

    /// The changing calls of the process so far.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// Whether the process has ended.
    pub fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// Whether a [`Fault::Failure`] has come up in this process.
    pub fn has_failed(&self) -> bool {
        self.state().failed
    }

    /// From now on the disk holds this many octets.
    pub fn set_capacity(&self, octets: u64) {
        self.state().capacity = octets;
    }

    /// How many octets the files hold.
    pub fn used(&self) -> u64 {
        self.state().used()
    }

    /// The names of all files as the cache has them.
    pub fn names(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    /// A file as the cache has it.
    pub fn file(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        let index = *state.names.get(name)?;
        Some(state.files.get(index)?.cache.clone())
    }

    /// Turns bits over where they lie, in the cache and on the disk.
    pub fn flip(&self, name: &str, at: usize, mask: u8) {
        self.with_file(name, |file| {
            for image in [&mut file.cache, &mut file.disk] {
                if let Some(octet) = image.get_mut(at) {
                    *octet ^= mask;
                }
            }
        });
    }

    /// From now on reading any of these octets fails.
    pub fn make_unreadable(&self, name: &str, range: std::ops::Range<usize>) {
        self.with_file(name, |file| file.unreadable.push(range));
    }

    /// Puts a file there, synced, or replaces it.
    pub fn plant(&self, name: &str, octets: &[u8]) {
        let mut state = self.state();
        let index = state.files.len();
        state.files.push(File {
            cache: octets.to_vec(),
            disk: octets.to_vec(),
            ..File::default()
        });
        state.names.insert(name.to_owned(), index);
        state.durable_names.insert(name.to_owned(), index);
    }

    fn with_file(&self, name: &str, edit: impl FnOnce(&mut File)) {
        let mut state = self.state();
        let index = state.names.get(name).copied();
        if let Some(file) = index.and_then(|index| state.files.get_mut(index)) {
            edit(file);
        }
    }
}

impl State {
    fn used(&self) -> u64 {
        self.names
            .values()
            .filter_map(|index| self.files.get(*index))
            .map(|file| file.cache.len() as u64)
            .sum()
    }

    /// Counts a changing call and says what is to go wrong with it.
    fn enter(&mut self, process: u64, call: Call) -> Result<Option<Fault>> {
        self.alive(process)?;
        let number = self.calls.len();
        self.calls.push(call);
        let fault = match self.faults.get(&number) {
            None if self.syncs_fail && call == Call::Sync => Some(Fault::Failure),
            fault => fault.copied(),
        };
        self.failed |= fault == Some(Fault::Failure);
        if fault == Some(Fault::DeathBefore) {
            self.dead = true;
            return Err(gone());
        }
        Ok(fault)
    }

    /// The end of a changing call.
    fn leave<T>(&mut self, fault: Option<Fault>, value: T) -> Result<T> {
        if fault == Some(Fault::DeathAfter) {
            self.dead = true;
            return Err(gone());
        }
        Ok(value)
    }

    fn alive(&self, process: u64) -> Result<()> {
        match self.dead || process != self.process {
            true => Err(gone()),
            false => Ok(()),
        }
    }

    fn file(&mut self, index: usize) -> Result<&mut File> {
        self.files.get_mut(index).ok_or_else(failed)
    }

    /// Removes a name if it stands for that file.
    fn remove_name(names: &mut BTreeMap<String, usize>, name: &str, index: usize) {
        if names.get(name) == Some(&index) {
            names.remove(name);
        }
    }

    fn carry_names(&mut self, mut kept: impl FnMut() -> bool) {
        let names = &mut self.durable_names;
        for change in std::mem::take(&mut self.name_changes) {
            if !kept() {
                continue;
            }
            match change {
                NameChange::Set(name, index) => {
                    names.insert(name, index);
                }
                NameChange::Renamed(from, to, index) => {
                    Self::remove_name(names, &from, index);
                    names.insert(to, index);
                }
                NameChange::Gone(name, index) => Self::remove_name(names, &name, index),
            }
        }
    }

    fn lose(&mut self, unsynced: Unsynced) {
        let mut chance = match unsynced {
            Unsynced::Any(seed) => Chance::new(seed),
            Unsynced::Lost | Unsynced::Kept => Chance::new(0),
        };
        // How much is kept varies from cut to cut.
        let rarity = 2 + chance.below(3);
        let mostly = chance.once_in(2);
        let mut keep = || match unsynced {
            Unsynced::Lost => false,
            Unsynced::Kept => true,
            Unsynced::Any(_) => chance.once_in(rarity) != mostly,
        };
        self.carry_names(&mut keep);
        for file in &mut self.files {
            let pages = std::mem::take(&mut file.dirty);
            if pages.is_empty() && file.cache.len() == file.disk.len() {
                file.cache = file.disk.clone();
                continue;
            }
            let kept: Vec<_> = pages.into_iter().filter(|_| keep()).collect();
            let length = match keep() {
                true => file.cache.len(),
                false => file.disk.len(),
            };
            let torn = matches!(unsynced, Unsynced::Any(_));
            let mut tear = Chance::new(kept.len() as u64 ^ length as u64);
            // A page that is there makes the file reach to it.
            let reach = kept.last().map_or(0, |page| (page + 1) * PAGE);
            let reach = reach.min(file.cache.len()).max(length);
            file.disk.resize(reach, 0);
            for page in kept {
                let part = match torn && tear.once_in(6) {
                    true => tear.below(PAGE),
                    false => PAGE,
                };
                file.carry(page, part);
            }
            file.cache = file.disk.clone();
        }
        self.names = self.durable_names.clone();
        self.process += 1;
    }
}

impl File {
    /// Carries the first `part` octets of a page to the disk.
    fn carry(&mut self, page: usize, part: usize) {
        let start = page * PAGE;
        let end = (start + part).min(self.cache.len()).min(self.disk.len());
        if let (Some(from), Some(to)) = (self.cache.get(start..end), self.disk.get_mut(start..end))
        {
            to.copy_from_slice(from);
        }
    }

    fn carry_all(&mut self) {
        self.disk.resize(self.cache.len(), 0);
        for page in std::mem::take(&mut self.dirty) {
            self.carry(page, PAGE);
        }
    }

    fn touch(&mut self, start: usize, end: usize) {
        if start < end {
            self.dirty.extend(start / PAGE..=(end - 1) / PAGE);
        }
    }

    fn write(&mut self, octets: &[u8], at: usize) {
        let end = at + octets.len();
        if self.cache.len() < end {
            let old = self.cache.len();
            self.cache.resize(end, 0);
            self.touch(old, end);
        }
        if let Some(place) = self.cache.get_mut(at..end) {
            place.copy_from_slice(octets);
        }
        self.touch(at, end);
    }

    fn cut(&mut self, length: usize) {
        let old = self.cache.len();
        self.cache.resize(length, 0);
        self.touch(old.min(length), old.max(length));
    }
}

/// The disk as one process has it.
struct Process {
    machine: Machine,
    process: u64,
}

struct Open {
    machine: Machine,
    process: u64,
    index: usize,
}

impl Process {
    fn opened(&self, index: usize) -> Arc<dyn DiskFile> {
        Arc::new(Open {
            machine: self.machine.clone(),
            process: self.process,
            index,
        })
    }
}

impl Disk for Process {
    fn lock(&self) -> Result<()> {
        let mut state = self.machine.state();
        state.alive(self.process)?;
        if state.locked {
            return Err(Error::new(ErrorKind::WouldBlock, "it is in use"));
        }
        state.locked = true;
        Ok(())
    }

    fn list(&self) -> Result<Vec<String>> {
        let state = self.machine.state();
        state.alive(self.process)?;
        Ok(state.names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> Result<Arc<dyn DiskFile>> {
        let mut state = self.machine.state();
        let fault = state.enter(self.process, Call::Create)?;
        match fault {
            Some(Fault::NoSpace(_)) => return Err(no_space()),
            Some(Fault::Failure) => return Err(failed()),
            _ => {}
        }
        let index = match state.names.get(name) {
            Some(index) => {
                let index = *index;
                state.file(index)?.cut(0);
                index
            }
            None => {
                let index = state.files.len();
                state.files.push(File::default());
                state.names.insert(name.to_owned(), index);
                state
                    .name_changes
                    .push(NameChange::Set(name.to_owned(), index));
                index
            }
        };
        state.leave(fault, self.opened(index))
    }

    fn open(&self, name: &str) -> Result<Arc<dyn DiskFile>> {
        let state = self.machine.state();
        state.alive(self.process)?;
        let index = *state.names.get(name).ok_or_else(|| not_found(name))?;
        Ok(self.opened(index))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let mut state = self.machine.state();
        let fault = state.enter(self.process, Call::Rename)?;
        if fault == Some(Fault::Failure) {
            return Err(failed());
        }
        let index = state.names.remove(from).ok_or_else(|| not_found(from))?;
        state.names.insert(to.to_owned(), index);
        let change = NameChange::Renamed(from.to_owned(), to.to_owned(), index);
        state.name_changes.push(change);
        state.leave(fault, ())
    }

    fn unlink(&self, name: &str) -> Result<()> {
        let mut state = self.machine.state();
        let fault = state.enter(self.process, Call::Unlink)?;
        if fault == Some(Fault::Failure) {
            return Err(failed());
        }
        let index = state.names.remove(name).ok_or_else(|| not_found(name))?;
        let change = NameChange::Gone(name.to_owned(), index);
        state.name_changes.push(change);
        state.leave(fault, ())
    }

    fn cut(&self, name: &str, length: u64) -> Result<()> {
        let file = self.open(name)?;
        file.truncate(length)?;
        file.sync()
    }

    fn sync_dir(&self) -> Result<()> {
        let mut state = self.machine.state();
        let fault = state.enter(self.process, Call::SyncDir)?;
        if fault == Some(Fault::Failure) {
            let mut chance = state.chance.clone();
            state.carry_names(|| chance.once_in(2));
            state.chance = chance;
            return Err(failed());
        }
        state.carry_names(|| true);
        state.leave(fault, ())
    }

    fn free_octets(&self) -> Result<u64> {
        let state = self.machine.state();
        state.alive(self.process)?;
        Ok(state.capacity.saturating_sub(state.used()))
    }
}

impl DiskFile for Open {
    fn length(&self) -> Result<u64> {
        let mut state = self.machine.state();
        state.alive(self.process)?;
        Ok(state.file(self.index)?.cache.len() as u64)
    }

    fn write_at(&self, octets: &[u8], at: u64) -> Result<usize> {
        let mut state = self.machine.state();
        let fault = state.enter(self.process, Call::Write)?;
        let at = offset(at)?;
        let room = state.capacity.saturating_sub(state.used());
        let file = state.file(self.index)?;
        let room = offset(room)?.saturating_add(file.cache.len().saturating_sub(at));
        let (count, error) = match fault {
            Some(Fault::Short(count)) => (count.max(1), None),
            Some(Fault::NoSpace(count)) => (count, Some(no_space())),
            Some(Fault::Failure) => (octets.len() / 2, Some(failed())),
            _ if room == 0 && !octets.is_empty() => (0, Some(no_space())),
            _ => (octets.len(), None),
        };
        let taken = octets.get(..count.min(room)).unwrap_or(octets);
        file.write(taken, at);
        match error {
            Some(error) => Err(error),
            None => state.leave(fault, taken.len()),
        }
    }

    fn truncate(&self, length: u64) -> Result<()> {
        let mut state = self.machine.state();
        let fault = state.enter(self.process, Call::Truncate)?;
        if fault == Some(Fault::Failure) {
            return Err(failed());
        }
        let length = offset(length)?;
        state.file(self.index)?.cut(length);
        state.leave(fault, ())
    }

    fn allocate(&self, length: u64) -> Result<()> {
        let mut state = self.machine.state();
        let fault = state.enter(self.process, Call::Allocate)?;
        let room = state.capacity.saturating_sub(state.used());
        if matches!(fault, Some(Fault::NoSpace(_))) || room < length {
            return Err(no_space());
        }
        if fault == Some(Fault::Failure) {
            return Err(failed());
        }
        let length = offset(length)?;
        let file = state.file(self.index)?;
        if file.cache.len() < length {
            file.cut(length);
        }
        state.leave(fault, ())
    }

    fn sync(&self) -> Result<()> {
        let mut state = self.machine.state();
        let fault = state.enter(self.process, Call::Sync)?;
        if fault == Some(Fault::Failure) {
            let mut chance = state.chance.clone();
            let file = state.file(self.index)?;
            for page in std::mem::take(&mut file.dirty) {
                if chance.once_in(2) {
                    let reach = ((page + 1) * PAGE).min(file.cache.len());
                    let length = file.disk.len().max(reach);
                    file.disk.resize(length, 0);
                    file.carry(page, PAGE);
                }
            }
            state.chance = chance;
            return Err(failed());
        }
        state.file(self.index)?.carry_all();
        state.leave(fault, ())
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> Result<usize> {
        let mut state = self.machine.state();
        state.alive(self.process)?;
        let start = offset(at)?;
        let file = state.file(self.index)?;
        let end = start.saturating_add(into.len()).min(file.cache.len());
        let start = start.min(end);
        if file
            .unreadable
            .iter()
            .any(|range| range.start < end && start < range.end)
        {
            return Err(failed());
        }
        if let (Some(from), Some(to)) = (file.cache.get(start..end), into.get_mut(..end - start)) {
            to.copy_from_slice(from);
        }
        Ok(end - start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(disk: &dyn Disk, name: &str) -> Vec<u8> {
        let file = disk.open(name).unwrap();
        let mut octets = vec![0; usize::try_from(file.length().unwrap()).unwrap() + 9];
        let count = file.read_at(&mut octets, 0).unwrap();
        octets.truncate(count);
        octets
    }

    #[test]
    fn only_what_was_synced_outlives_the_power() {
        let machine = Machine::new(1);
        let disk = machine.process();
        let file = disk.create("a").unwrap();
        disk.sync_dir().unwrap();
        file.write_at(b"synced", 0).unwrap();
        file.sync().unwrap();
        file.write_at(b" and not", 6).unwrap();
        disk.create("b").unwrap().sync().unwrap();
        assert_eq!(read(&*disk, "a"), b"synced and not");

        // Killed: the cache lives on.
        let disk = machine.process();
        assert_eq!(read(&*disk, "a"), b"synced and not");
        assert_eq!(disk.list().unwrap(), ["a", "b"]);
        assert!(file.write_at(b"late", 0).is_err());

        machine.power_cut(Unsynced::Lost);
        let disk = machine.process();
        assert_eq!(read(&*disk, "a"), b"synced");
        assert_eq!(disk.list().unwrap(), ["a"]);
    }

    #[test]
    fn renames_and_removals_wait_for_the_directory() {
        let cases = [
            (Unsynced::Lost, ["a", "b"], "of b"),
            (Unsynced::Kept, ["b", "c"], "of a"),
        ];
        for (unsynced, names, octets) in cases {
            let machine = Machine::new(1);
            machine.plant("a", b"of a");
            machine.plant("b", b"of b");
            let disk = machine.process();
            disk.rename("b", "c").unwrap();
            disk.rename("a", "b").unwrap();
            machine.power_cut(unsynced);
            let disk = machine.process();
            assert_eq!(disk.list().unwrap(), names);
            assert_eq!(read(&*disk, "b"), octets.as_bytes());
        }
    }

    #[test]
    fn a_failed_sync_lies_ever_after() {
        let machine = Machine::new(3);
        let disk = machine.process();
        let file = disk.create("a").unwrap();
        disk.sync_dir().unwrap();
        file.write_at(&[7; 64 * PAGE], 0).unwrap();
        machine.fault_at(3, Fault::Failure);
        assert!(file.sync().is_err());
        file.sync().unwrap();
        assert_eq!(read(&*disk, "a"), [7; 64 * PAGE]);
        machine.power_cut(Unsynced::Kept);
        let left = read(&*machine.process(), "a");
        let there = left.iter().filter(|octet| **octet == 7).count();
        assert!(0 < there && there < 64 * PAGE, "{there}");
    }

    #[test]
    fn any_pages_in_any_order() {
        let images: BTreeSet<_> = (0..64)
            .map(|seed| {
                let machine = Machine::new(1);
                let disk = machine.process();
                let file = disk.create("a").unwrap();
                disk.sync_dir().unwrap();
                file.write_at(&[1; 4 * PAGE], 0).unwrap();
                file.sync().unwrap();
                file.write_at(&[2; 6 * PAGE], 0).unwrap();
                machine.power_cut(Unsynced::Any(seed));
                let image = read(&*machine.process(), "a");
                assert!(image.len() >= 4 * PAGE);
                assert!(image[..4 * PAGE].iter().all(|octet| [1, 2].contains(octet)));
                image
            })
            .collect();
        assert!(images.len() > 20, "{}", images.len());
        assert!(images.iter().any(|image| {
            // A later page without an earlier one, and a torn one.
            image.chunks(PAGE).any(|page| page[0] != page[PAGE - 1])
        }));
        assert!(
            images
                .iter()
                .any(|image| image[0] == 1 && image[3 * PAGE] == 2)
        );
    }

    #[test]
    fn writes_fall_short_and_find_no_space() {
        let machine = Machine::new(1);
        let disk = machine.process();
        let file = disk.create("a").unwrap();
        machine.fault_at(1, Fault::Short(2));
        machine.fault_at(2, Fault::NoSpace(3));
        assert_eq!(file.write_at(b"abcdef", 0).unwrap(), 2);
        let error = file.write_at(b"cdef", 2).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert_eq!(read(&*disk, "a"), b"abcde");
        machine.set_capacity(8);
        assert_eq!(disk.free_octets().unwrap(), 3);
        assert_eq!(file.write_at(b"fghijk", 5).unwrap(), 3);
        assert!(file.write_at(b"ijk", 8).is_err());
        assert_eq!(file.write_at(b"ABC", 0).unwrap(), 3);
        file.truncate(1).unwrap();
        assert_eq!(read(&*disk, "a"), b"A");
    }

    #[test]
    fn the_dead_do_nothing() {
        let machine = Machine::new(1);
        let disk = machine.process();
        let file = disk.create("a").unwrap();
        machine.fault_at(1, Fault::DeathAfter);
        assert!(file.write_at(b"done", 0).is_err());
        assert!(machine.is_dead());
        assert!(file.write_at(b"not!", 0).is_err());
        assert!(disk.open("a").is_err());
        let disk = machine.process();
        assert_eq!(read(&*disk, "a"), b"done");
        disk.lock().unwrap();
        assert!(disk.lock().is_err());
        machine.flip("a", 0, 0x20);
        assert_eq!(read(&*disk, "a"), b"Done");
        machine.make_unreadable("a", 2..3);
        assert!(disk.open("a").unwrap().read_at(&mut [0; 9], 0).is_err());
        assert_eq!(disk.open("a").unwrap().read_at(&mut [0; 2], 0).unwrap(), 2);
    }
}
