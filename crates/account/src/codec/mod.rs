//! The octets of commits' payloads and of sections. docs/FORMAT-ACCOUNT.md says
//! every one of them; a change here needs a new version number there.

pub(crate) mod change;
pub(crate) mod parts;
pub(crate) mod root;
mod rows;

pub(crate) use rows::{put_columns, put_rows, take_columns, take_rows};

use crate::changes::Copies;
use crate::persistent::Run;
use crate::{Collect, Hold, SeenAfterRetr};
use crate::{EmailSet, HoldSettings, Limits, Used};
use terms::{
    EmailNumber, Keyword, MailboxName, Malformed, ModSeq, Reader, Timestamp, Uid, UidSet,
    UidValidity, Writer,
};

pub(crate) type Result<T> = std::result::Result<T, Malformed>;

pub(crate) fn put_bool(w: &mut Writer, value: bool) {
    w.u8(u8::from(value));
}

pub(crate) fn take_bool(r: &mut Reader<'_>) -> Result<bool> {
    match r.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(r.malformed("0 or 1")),
    }
}

pub(crate) fn put_option<T>(w: &mut Writer, value: Option<T>, put: impl FnOnce(&mut Writer, T)) {
    put_bool(w, value.is_some());
    if let Some(value) = value {
        put(w, value);
    }
}

pub(crate) fn take_option<'a, T>(
    r: &mut Reader<'a>,
    take: impl FnOnce(&mut Reader<'a>) -> Result<T>,
) -> Result<Option<T>> {
    take_bool(r)?.then(|| take(r)).transpose()
}

pub(crate) fn put_time(w: &mut Writer, time: Timestamp) {
    w.signed(time.0);
}

pub(crate) fn take_time(r: &mut Reader<'_>) -> Result<Timestamp> {
    r.signed().map(Timestamp)
}

pub(crate) fn put_number(w: &mut Writer, number: ModSeq) {
    w.varint(number.0);
}

pub(crate) fn take_number(r: &mut Reader<'_>) -> Result<ModSeq> {
    let number = ModSeq(r.varint()?);
    if number > ModSeq::MAX {
        return Err(r.malformed("a number of a change"));
    }
    Ok(number)
}

/// Zero stands for none.
pub(crate) fn put_uid_next(w: &mut Writer, uid: Option<Uid>) {
    w.varint(uid.map_or(0, |uid| u64::from(uid.value())));
}

pub(crate) fn take_uid_next(r: &mut Reader<'_>) -> Result<Option<Uid>> {
    r.varint32().map(Uid::new)
}

pub(crate) fn take_uid(r: &mut Reader<'_>) -> Result<Uid> {
    take_uid_next(r)?.ok_or_else(|| r.malformed("a unique identifier"))
}

/// Zero stands for none.
pub(crate) fn put_validity(w: &mut Writer, validity: Option<UidValidity>) {
    w.varint(validity.map_or(0, |validity| u64::from(validity.value())));
}

pub(crate) fn take_validity(r: &mut Reader<'_>) -> Result<Option<UidValidity>> {
    r.varint32().map(UidValidity::new)
}

pub(crate) fn take_mailbox_name(r: &mut Reader<'_>) -> Result<MailboxName> {
    let text = r.text()?;
    MailboxName::new(text).map_err(|_| r.malformed("a mailbox name"))
}

pub(crate) fn put_keywords(w: &mut Writer, keywords: &[Keyword]) {
    w.varint(keywords.len() as u64);
    for keyword in keywords {
        w.text(keyword.as_str());
    }
}

pub(crate) fn take_keywords(r: &mut Reader<'_>) -> Result<Vec<Keyword>> {
    let count = r.count(2)?;
    let mut keywords = Vec::with_capacity(count);
    for _ in 0..count {
        let text = r.text()?;
        keywords.push(Keyword::new(text).ok_or_else(|| r.malformed("a keyword"))?);
    }
    Ok(keywords)
}

/// Runs of whole numbers, ascending: how far above the run before, how long less one.
struct RunWriter {
    next: u64,
}

impl RunWriter {
    fn put(&mut self, w: &mut Writer, first: u64, last: u64) {
        w.varint(first.wrapping_sub(self.next));
        w.varint(last - first);
        self.next = last.wrapping_add(1);
    }
}

struct RunReader {
    next: Option<u64>,
}

impl RunReader {
    fn take(&mut self, r: &mut Reader<'_>) -> Result<(u64, u64)> {
        let (gap, more) = (r.varint()?, r.varint()?);
        let first = self.next.and_then(|next| next.checked_add(gap));
        let last = first.and_then(|first| first.checked_add(more));
        let (Some(first), Some(last)) = (first, last) else {
            return Err(r.malformed("an ascending run"));
        };
        self.next = last.checked_add(1);
        Ok((first, last))
    }
}

pub(crate) fn put_uid_set(w: &mut Writer, set: &UidSet) {
    w.varint(set.run_count() as u64);
    let mut runs = RunWriter { next: 0 };
    for (first, last) in set.runs() {
        runs.put(w, first.value().into(), last.value().into());
    }
}

pub(crate) fn take_uid_set(r: &mut Reader<'_>) -> Result<UidSet> {
    let count = r.count(2)?;
    let mut set = UidSet::new();
    let mut runs = RunReader { next: Some(0) };
    for _ in 0..count {
        let (first, last) = runs.take(r)?;
        let uid = |value: u64| u32::try_from(value).ok().and_then(Uid::new);
        let (Some(first), Some(last)) = (uid(first), uid(last)) else {
            return Err(r.malformed("unique identifiers"));
        };
        set.insert_range(first, last);
    }
    Ok(set)
}

pub(crate) fn put_email_set(w: &mut Writer, set: &EmailSet) {
    w.varint(set.run_count() as u64);
    let mut runs = RunWriter { next: 0 };
    for (first, last) in set.runs() {
        runs.put(w, first.0, last.0);
    }
}

pub(crate) fn take_email_set(r: &mut Reader<'_>) -> Result<EmailSet> {
    let count = r.count(2)?;
    let mut set = EmailSet::new();
    let mut runs = RunReader { next: Some(0) };
    for _ in 0..count {
        let (first, last) = runs.take(r)?;
        set.insert_range(EmailNumber(first), EmailNumber(last));
    }
    Ok(set)
}

pub(crate) fn put_runs<V: Copy>(
    w: &mut Writer,
    list: &[Run<V>],
    mut put: impl FnMut(&mut Writer, V),
) {
    w.varint(list.len() as u64);
    let mut runs = RunWriter { next: 0 };
    for run in list {
        runs.put(w, run.first, run.last);
        put(w, run.value);
    }
}

pub(crate) fn take_runs<V>(
    r: &mut Reader<'_>,
    mut take: impl FnMut(&mut Reader<'_>) -> Result<V>,
) -> Result<Vec<Run<V>>> {
    let count = r.count(3)?;
    let mut list = Vec::with_capacity(count);
    let mut runs = RunReader { next: Some(0) };
    for _ in 0..count {
        let (first, last) = runs.take(r)?;
        let value = take(r)?;
        list.push(Run { first, last, value });
    }
    Ok(list)
}

pub(crate) fn put_copies(w: &mut Writer, list: &[Run<Copies>]) {
    put_runs(w, list, |w, copies| {
        w.varint(copies.live.into());
        w.varint(copies.expunged.into());
    });
}

pub(crate) fn take_copies(r: &mut Reader<'_>) -> Result<Vec<Run<Copies>>> {
    take_runs(r, |r| {
        Ok(Copies {
            live: r.varint32()?,
            expunged: r.varint32()?,
        })
    })
}

pub(crate) fn put_clocks(w: &mut Writer, list: &[Run<Option<Timestamp>>]) {
    put_runs(w, list, |w, time| put_option(w, time, put_time));
}

pub(crate) fn take_clocks(r: &mut Reader<'_>) -> Result<Vec<Run<Option<Timestamp>>>> {
    take_runs(r, |r| take_option(r, take_time))
}

pub(crate) fn put_limits(w: &mut Writer, limits: Limits) {
    put_option(w, limits.octets, Writer::varint);
    put_option(w, limits.messages, Writer::varint);
}

pub(crate) fn take_limits(r: &mut Reader<'_>) -> Result<Limits> {
    Ok(Limits {
        octets: take_option(r, Reader::varint)?,
        messages: take_option(r, Reader::varint)?,
    })
}

pub(crate) fn put_used(w: &mut Writer, used: Used) {
    w.varint(used.octets);
    w.varint(used.messages);
}

pub(crate) fn take_used(r: &mut Reader<'_>) -> Result<Used> {
    Ok(Used {
        octets: r.varint()?,
        messages: r.varint()?,
    })
}

pub(crate) fn put_hold(w: &mut Writer, hold: &HoldSettings) {
    match hold.hold {
        Hold::Remove => w.u8(0),
        Hold::Span(seconds) => {
            w.u8(1);
            w.varint(seconds.into());
        }
        Hold::Forever => w.u8(2),
    }
    put_collect(w, hold.collect);
    put_bool(w, hold.give_way);
    w.varint(hold.at_least_seconds.into());
    put_bool(w, hold.seen_after_retr == SeenAfterRetr::Quit);
    w.varint(hold.undo_seconds.into());
    w.varint(hold.forget_device_seconds.into());
    put_bool(w, hold.show_collected);
    put_time(w, hold.changed);
}

pub(crate) fn take_hold(r: &mut Reader<'_>) -> Result<HoldSettings> {
    let hold = match r.u8()? {
        0 => Hold::Remove,
        1 => Hold::Span(r.varint32()?),
        2 => Hold::Forever,
        _ => return Err(r.malformed("a hold")),
    };
    Ok(HoldSettings {
        hold,
        collect: take_collect(r)?,
        give_way: take_bool(r)?,
        at_least_seconds: r.varint32()?,
        seen_after_retr: if take_bool(r)? {
            SeenAfterRetr::Quit
        } else {
            SeenAfterRetr::Never
        },
        undo_seconds: r.varint32()?,
        forget_device_seconds: r.varint32()?,
        show_collected: take_bool(r)?,
        changed: take_time(r)?,
    })
}

pub(crate) fn put_collect(w: &mut Writer, collect: Collect) {
    put_bool(w, collect == Collect::Retr);
}

pub(crate) fn take_collect(r: &mut Reader<'_>) -> Result<Collect> {
    Ok(if take_bool(r)? {
        Collect::Retr
    } else {
        Collect::Dele
    })
}

/// The number of a change, written as its distance to the one before: above
/// `last`, in every list of changes.
pub(crate) fn take_number_after(r: &mut Reader<'_>, last: ModSeq) -> Result<ModSeq> {
    let step = r.varint()?;
    let number = last.0.checked_add(step).map(ModSeq);
    let number = number.filter(|&number| number > last && number <= ModSeq::MAX);
    number.ok_or_else(|| r.malformed("an ascending number"))
}

/// A version that this release knows.
pub(crate) fn take_version(r: &mut Reader<'_>, known: u8) -> Result<()> {
    if r.u8()? == known {
        Ok(())
    } else {
        Err(r.malformed("a version that this release knows"))
    }
}
