//! Rows on disk: column after column, each by runs of equal steps.

use super::{Result, RunReader, RunWriter};
use crate::rows::{Columns, RawColumns, Row, RowFlags, Rows};
use terms::{BlobId, EmailNumber, ModSeq, Reader, Timestamp, Uid, Writer};

/// Octets that a row takes at the least: its blob's identifier.
const ROW_OCTETS_MIN: usize = 16;

pub(crate) fn put_rows(w: &mut Writer, rows: &Rows) {
    w.varint(rows.parts().len() as u64);
    for part in rows.parts() {
        put_columns(w, part);
    }
}

pub(crate) fn take_rows(r: &mut Reader<'_>) -> Result<Rows> {
    let count = r.count(ROW_OCTETS_MIN)?;
    let mut rows = Rows::new();
    for _ in 0..count {
        let part = take_columns(r)?;
        let last = rows.parts().last().and_then(|part| part.last_uid());
        if part.is_empty() || last.is_some_and(|last| part.first_uid() <= Some(last)) {
            return Err(r.malformed("ascending rows"));
        }
        rows.push_part(part);
    }
    Ok(rows)
}

/// Lists that rows share, numbered from one on as they are written.
struct Lists<'a, T> {
    lists: Vec<&'a [T]>,
}

impl<'a, T: PartialEq> Lists<'a, T> {
    fn number(&mut self, list: &'a [T]) -> i64 {
        if list.is_empty() {
            return 0;
        }
        // Equal lists stand at one place in memory, or near.
        let known = self
            .lists
            .iter()
            .rposition(|known| std::ptr::eq(*known, list));
        let place = known.unwrap_or_else(|| {
            self.lists.push(list);
            self.lists.len() - 1
        });
        i64::try_from(place + 1).unwrap_or(0)
    }
}

pub(crate) fn put_columns(w: &mut Writer, columns: &Columns) {
    w.varint(columns.len() as u64);
    put_uids(w, columns);
    let mut keywords = Lists { lists: Vec::new() };
    let mut prefixes = Lists { lists: Vec::new() };
    let rows: Vec<Row<'_>> = columns.iter().collect();
    put_steps(w, rows.iter().map(|row| row.email.0 as i64));
    put_steps(w, rows.iter().map(|row| row.modseq.0 as i64));
    put_steps(w, rows.iter().map(|row| i64::from(row.flags.octet())));
    put_steps(w, rows.iter().map(|row| row.internal_date.seconds));
    put_steps(
        w,
        rows.iter()
            .map(|row| i64::from(row.internal_date.zone_minutes)),
    );
    put_steps(w, rows.iter().map(|row| row.save_date.0));
    put_steps(w, rows.iter().map(|row| keywords.number(row.keywords)));
    put_steps(w, rows.iter().map(|row| prefixes.number(row.prefix)));
    w.varint(keywords.lists.len() as u64);
    for list in keywords.lists {
        w.varint(list.len() as u64);
        for &place in list {
            w.varint(place.into());
        }
    }
    w.varint(prefixes.lists.len() as u64);
    for prefix in prefixes.lists {
        w.bytes(prefix);
    }
    let downgraded: Vec<_> = rows.iter().zip(0u64..).collect();
    let downgraded: Vec<_> = downgraded
        .into_iter()
        .filter_map(|(row, index)| Some((index, row.downgraded_size?)))
        .collect();
    w.varint(downgraded.len() as u64);
    for (index, size) in downgraded {
        w.varint(index);
        w.varint(size.into());
    }
    for row in &rows {
        w.varint(row.size.into());
    }
    for row in &rows {
        w.u128(row.blob.0);
    }
}

pub(crate) fn take_columns(r: &mut Reader<'_>) -> Result<Columns> {
    let count = r.count(ROW_OCTETS_MIN)?;
    if count > Columns::ROWS_MAX {
        return Err(r.malformed("fewer rows"));
    }
    let uids = take_uids(r, count)?;
    let emails = take_steps(r, count, |value| Some(EmailNumber(value as u64)))?;
    let modseqs = take_steps(r, count, |value| Some(ModSeq(value as u64)))?;
    let octet = |value| u8::try_from(value).ok();
    let flags = take_steps(r, count, |value| octet(value).map(RowFlags::from_octet))?;
    let dates = take_steps(r, count, Some)?;
    let zones = take_steps(r, count, |value| i16::try_from(value).ok())?;
    let saved = take_steps(r, count, |value| Some(Timestamp(value)))?;
    let keywords = take_steps(r, count, |value| u16::try_from(value).ok())?;
    let prefixes = take_steps(r, count, |value| u16::try_from(value).ok())?;
    let keyword_lists = take_keyword_lists(r)?;
    let prefix_lists = take_prefixes(r)?;
    let there = |numbers: &[u16], lists: usize| numbers.iter().all(|&n| usize::from(n) <= lists);
    if !there(&keywords, keyword_lists.len()) || !there(&prefixes, prefix_lists.len()) {
        return Err(r.malformed("a list that is there"));
    }
    let downgraded = take_downgraded(r, &uids)?;
    let mut sizes = Vec::with_capacity(count);
    for _ in 0..count {
        sizes.push(r.varint32()?);
    }
    let mut blobs = Vec::with_capacity(count);
    for _ in 0..count {
        blobs.push(BlobId(r.u128()?));
    }
    Ok(Columns::from_raw(RawColumns {
        uids,
        blobs,
        emails,
        modseqs,
        flags,
        dates,
        zones,
        saved,
        sizes,
        keywords,
        keyword_lists,
        prefixes,
        prefix_lists,
        downgraded,
    }))
}

fn take_keyword_lists(r: &mut Reader<'_>) -> Result<Vec<Vec<u16>>> {
    let count = r.count(2)?;
    let mut lists = Vec::with_capacity(count);
    for _ in 0..count {
        let count = r.count(1)?;
        let mut list = Vec::with_capacity(count);
        for _ in 0..count {
            let place = u16::try_from(r.varint()?).map_err(|_| r.malformed("a keyword's place"))?;
            if list.last().is_some_and(|last| *last >= place) {
                return Err(r.malformed("ascending places"));
            }
            list.push(place);
        }
        lists.push(list);
    }
    Ok(lists)
}

fn take_prefixes<'a>(r: &mut Reader<'a>) -> Result<Vec<&'a [u8]>> {
    let count = r.count(1)?;
    (0..count).map(|_| r.bytes()).collect()
}

fn take_downgraded(r: &mut Reader<'_>, uids: &[Uid]) -> Result<Vec<(Uid, u32)>> {
    let count = r.count(2)?;
    let mut sizes: Vec<(Uid, u32)> = Vec::with_capacity(count);
    for _ in 0..count {
        let row = usize::try_from(r.varint()?).ok();
        let uid = row.and_then(|row| uids.get(row)).copied();
        let above = uid.filter(|uid| sizes.last().is_none_or(|last| last.0 < *uid));
        let uid = above.ok_or_else(|| r.malformed("ascending rows"))?;
        sizes.push((uid, r.varint32()?));
    }
    Ok(sizes)
}

fn put_uids(w: &mut Writer, columns: &Columns) {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for uid in columns.uids() {
        let uid = u64::from(uid.value());
        match runs.last_mut() {
            Some(run) if run.1 + 1 == uid => run.1 = uid,
            _ => runs.push((uid, uid)),
        }
    }
    w.varint(runs.len() as u64);
    let mut writer = RunWriter { next: 0 };
    for (first, last) in runs {
        writer.put(w, first, last);
    }
}

fn take_uids(r: &mut Reader<'_>, count: usize) -> Result<Vec<Uid>> {
    let runs = r.count(2)?;
    let mut reader = RunReader { next: Some(0) };
    let mut uids = Vec::with_capacity(count);
    for _ in 0..runs {
        let (first, last) = reader.take(r)?;
        let more = usize::try_from(last - first).unwrap_or(usize::MAX);
        if more >= count.saturating_sub(uids.len()) {
            return Err(r.malformed("as many identifiers as rows"));
        }
        for value in first..=last {
            let uid = u32::try_from(value).ok().and_then(Uid::new);
            uids.push(uid.ok_or_else(|| r.malformed("a unique identifier"))?);
        }
    }
    if uids.len() != count {
        return Err(r.malformed("as many identifiers as rows"));
    }
    Ok(uids)
}

/// Values by the steps between them: how many equal steps, the step. A constant
/// or even column takes a few octets.
fn put_steps(w: &mut Writer, values: impl Iterator<Item = i64>) {
    let mut last = 0i64;
    let mut run: Option<(u64, i64)> = None;
    for value in values {
        let step = value.wrapping_sub(last);
        last = value;
        run = match run {
            Some((count, same)) if same == step => Some((count + 1, same)),
            Some((count, other)) => {
                w.varint(count);
                w.signed(other);
                Some((1, step))
            }
            None => Some((1, step)),
        };
    }
    if let Some((count, step)) = run {
        w.varint(count);
        w.signed(step);
    }
}

fn take_steps<T: Copy>(
    r: &mut Reader<'_>,
    count: usize,
    of: impl Fn(i64) -> Option<T>,
) -> Result<Vec<T>> {
    let mut values = Vec::with_capacity(count);
    let mut last = 0i64;
    while values.len() < count {
        let steps = r.varint()?;
        let step = r.signed()?;
        let room = (count - values.len()) as u64;
        if steps == 0 || steps > room {
            return Err(r.malformed("as many values as rows"));
        }
        for _ in 0..steps {
            last = last.wrapping_add(step);
            let value = of(last).ok_or_else(|| r.malformed("a value that fits its column"))?;
            values.push(value);
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use terms::InternalDate;

    #[test]
    fn alike_rows_are_small() {
        let mut columns = Columns::new();
        for number in 1..=1_000u32 {
            columns.push(&Row {
                uid: Uid::new(number).unwrap(),
                blob: BlobId(u128::from(number) << 64),
                email: EmailNumber(u64::from(number)),
                modseq: ModSeq(7),
                flags: RowFlags::new(0b1_0000, false, false),
                keywords: &[1, 3],
                internal_date: InternalDate {
                    seconds: 1_700_000_000,
                    zone_minutes: 60,
                },
                save_date: Timestamp(1_700_000_000_000),
                size: 2_000,
                prefix: b"Delivered-To: a@example.org\r\n",
                downgraded_size: (number == 500).then_some(1_900),
            });
        }
        let mut w = Writer::new();
        put_columns(&mut w, &columns);
        let octets = w.into_octets();
        assert!(octets.len() < 18_200, "{}", octets.len());
        let read = take_columns(&mut Reader::new(&octets)).unwrap();
        assert!(read.iter().eq(columns.iter()));
        assert_eq!(read.get(499).unwrap().downgraded_size, Some(1_900));
    }
}
