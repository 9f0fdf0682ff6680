//! Going on after the journal has lost something that was acknowledged, and
//! nobody can say which accounts it concerns: its end, a segment, a group.
//!
//! Numbers that may have been told for what is lost must not be told again. So a
//! mend is filed for every account, whose next commit has to be an Epoch. What
//! the index still knew of a lost end is written once more: commits that it had
//! copies of, and removals.
//!
//! A file beside the segments says from before the index is thrown away until all
//! of this is durable that it has to be done.

use super::core::{Core, Reply, Request};
use super::journal::Journal;
use super::ledger::decode;
use super::record::{CommitRecord, Mend, Record, encode_mend, encode_remove};
use super::rows::{AccountRow, CommitRow, Watermark, key};
use super::segment::{is_damage, read_exact};
use bytes::Bytes;
use crc32c::crc32c;
use std::collections::HashMap;
use std::io;
use std::ops::ControlFlow;
use terms::{AccountId, Malformed, ModSeq, Reader, Writer};

/// The file.
pub(crate) const LOST: &str = "lost";
const NEW_LOST: &str = "new.lost";
/// By how much an Epoch lets an account's number jump.
const EPOCH_JUMP: u64 = 1 << 32;
/// So many records are written together.
const RECORDS_MAX: usize = 1_000;

/// What was done after the journal had lost something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WentOn {
    /// Accounts whose next change begins with an Epoch.
    pub accounts: u64,
    /// Commits that were not in the journal any more and that the index had.
    pub commits: u64,
}

/// What only the index knows.
#[derive(Debug, Default)]
struct Remembered {
    removed: Vec<AccountId>,
    /// Payloads of commits, by account and number.
    commits: Vec<Bytes>,
}

impl Remembered {
    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.varint(self.removed.len() as u64);
        for account in &self.removed {
            writer.u128(account.0);
        }
        writer.varint(self.commits.len() as u64);
        for commit in &self.commits {
            writer.bytes(commit);
        }
        let rest = writer.into_octets();
        let mut octets = crc32c(&rest).to_le_bytes().to_vec();
        octets.extend_from_slice(&rest);
        octets
    }

    fn decode(octets: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(octets);
        let crc = reader.u32()?;
        if octets.get(4..).map(crc32c) != Some(crc) {
            return Err(reader.malformed("a whole file"));
        }
        let count = reader.count(16)?;
        let removed = (0..count).map(|_| Ok(AccountId(reader.u128()?)));
        let removed = removed.collect::<Result<_, Malformed>>()?;
        let count = reader.count(1)?;
        let commits = (0..count).map(|_| Ok(Bytes::copy_from_slice(reader.bytes()?)));
        let commits = commits.collect::<Result<_, Malformed>>()?;
        reader.finish()?;
        Ok(Self { removed, commits })
    }
}

/// Writes down that something is lost, before the index says otherwise.
pub(crate) fn note(core: &Core) -> io::Result<()> {
    if core.disk.list()?.iter().any(|name| name == LOST) {
        return Ok(());
    }
    keep(core, &Remembered::default())
}

/// Writes down what the index knows of this journal beyond `end` of `segment`.
pub(crate) fn remember(core: &Core, journal: u128, segment: u64, end: u64) -> io::Result<()> {
    let mut remembered = Remembered::default();
    let mark: Option<Watermark> = core.ledger.row(key::WATERMARK).ok().flatten();
    if mark.is_none_or(|mark| mark.journal != journal) {
        return keep(core, &remembered);
    }
    let removed = core.ledger.scan_prefix(&[key::ACCOUNT], &mut |key, value| {
        let row = decode::<AccountRow>(key, value);
        if row.is_ok_and(|row| row.removed) {
            remembered.removed.extend(key::account_of(key));
        }
        ControlFlow::Continue(())
    });
    let commits = core.ledger.scan_prefix(&[key::COMMIT], &mut |key, value| {
        if let Ok(row) = decode::<CommitRow>(key, value) {
            let place = row.place;
            let beyond = place.segment > segment || (place.segment == segment && place.at >= end);
            remembered.commits.extend(row.copy.filter(|_| beyond));
        }
        ControlFlow::Continue(())
    });
    if let Err(error) = removed.and(commits) {
        tracing::error!(%error, "not all that the index knows can be taken from it");
    }
    keep(core, &remembered)
}

fn keep(core: &Core, remembered: &Remembered) -> io::Result<()> {
    let file = core.disk.create(NEW_LOST)?;
    super::writer::write_all(file.as_ref(), &remembered.encode(), 0)?;
    file.sync()?;
    core.disk.rename(NEW_LOST, LOST)?;
    core.disk.sync_dir()
}

fn recall(core: &Core) -> io::Result<Remembered> {
    let file = core.disk.open(LOST)?;
    let length = usize::try_from(file.length()?).map_err(io::Error::other)?;
    let octets = match read_exact(file.as_ref(), 0, length) {
        Ok(octets) => octets,
        Err(error) if is_damage(&error) => Vec::new(),
        Err(error) => return Err(error),
    };
    Ok(Remembered::decode(&octets).unwrap_or_else(|error| {
        tracing::error!(%error, "what the index knew of the journal's end is damaged");
        Remembered::default()
    }))
}

/// Does what the file says. Done twice it changes nothing more.
///
/// `losses`: how often it was done for other things. The Epochs of then may be among
/// what is lost now.
pub(crate) fn settle(core: &Core, journal: &mut Journal, losses: u64) -> io::Result<WentOn> {
    let remembered = recall(core)?;
    let mut records = Vec::new();
    for account in remembered.removed {
        if row_of(core, account)?.is_some_and(|row| !row.removed) {
            records.push(encode_remove(account));
        }
    }
    let removed = records.len();
    let mut heads: HashMap<AccountId, Option<ModSeq>> = HashMap::new();
    for payload in &remembered.commits {
        let Ok(commit) = CommitRecord::decode(payload) else {
            continue;
        };
        if let std::collections::hash_map::Entry::Vacant(head) = heads.entry(commit.account) {
            let row = row_of(core, commit.account)?.unwrap_or_default();
            // After a mend, from a time before, nothing old can follow.
            let goes_on = !row.removed && !ends_mended(&row);
            head.insert(goes_on.then_some(row.head));
        }
        if heads.get(&commit.account) == Some(&Some(commit.after)) {
            heads.insert(commit.account, Some(commit.commit.last));
            records.push(commit.encode());
        }
    }
    let commits = (records.len() - removed) as u64;
    write(core, journal, &records)?;
    let mends = mends(core, losses)?;
    write(core, journal, &mends)?;
    let went_on = WentOn {
        accounts: mends.len() as u64,
        commits,
    };
    tracing::error!(
        accounts = went_on.accounts,
        commits = went_on.commits,
        "the journal has lost something: each account's next change begins with an Epoch"
    );
    Ok(went_on)
}

/// The file has served.
pub(crate) fn forget(core: &Core) -> io::Result<()> {
    core.disk.unlink(LOST)?;
    core.disk.sync_dir()
}

/// Whether the account's next commit has to be an Epoch already.
fn ends_mended(row: &AccountRow) -> bool {
    row.mends.iter().any(|mend| mend.head == row.head)
}

fn row_of(core: &Core, account: AccountId) -> io::Result<Option<AccountRow>> {
    let row = core.ledger.row(&key::account(account));
    row.map_err(io::Error::other)
}

/// One for each account that does not end with one. An account with a hole keeps
/// it: what lies before this is not bridged.
fn mends(core: &Core, losses: u64) -> io::Result<Vec<Record>> {
    let beyond = losses.saturating_mul(EPOCH_JUMP).saturating_add(1);
    let mut mends = Vec::new();
    let mut wrong = None;
    let scanned = core.ledger.scan_prefix(&[key::ACCOUNT], &mut |key, value| {
        match (key::account_of(key), decode::<AccountRow>(key, value)) {
            (Some(account), Ok(row)) => {
                let kept = row.head;
                let head = ModSeq(kept.0.saturating_add(beyond));
                let numbered = kept > ModSeq::ZERO && head <= ModSeq::MAX;
                if numbered && !row.removed && !ends_mended(&row) {
                    mends.push(encode_mend(account, Mend { kept, head }));
                }
            }
            (_, row) => wrong = wrong.take().or(row.err()),
        }
        ControlFlow::Continue(())
    });
    scanned.map_err(io::Error::other)?;
    wrong.map_or(Ok(mends), |error| Err(io::Error::other(error)))
}

/// Writes records and makes them durable.
fn write(core: &Core, journal: &mut Journal, records: &[Record]) -> io::Result<()> {
    for some in records.chunks(RECORDS_MAX) {
        let (reply, mut answer) = Reply::new();
        core.queue.push(Request::Copy {
            records: some.to_vec(),
            reply,
        });
        while journal.step(core, core.now()) {}
        match answer.try_recv() {
            Ok(answer) => answer.map_err(io::Error::other)?,
            Err(error) => return Err(io::Error::other(error)),
        }
    }
    Ok(())
}
