//! Rows on disk: column after column, each by runs of equal steps.

use super::{Result, RunReader, RunWriter};
use crate::rows::{Columns, Row, RowFlags, Rows};
use terms::{BlobId, EmailNumber, InternalDate, ModSeq, Reader, Timestamp, Uid, Writer};

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
    let emails = take_steps(r, count)?;
    let modseqs = take_steps(r, count)?;
    let flags = take_steps(r, count)?;
    let dates = take_steps(r, count)?;
    let zones = take_steps(r, count)?;
    let saved = take_steps(r, count)?;
    let keyword_numbers = take_steps(r, count)?;
    let prefix_numbers = take_steps(r, count)?;
    let keywords = take_keyword_lists(r)?;
    let prefixes = take_prefixes(r)?;
    let downgraded = take_downgraded(r)?;
    let mut sizes = Vec::with_capacity(count);
    for _ in 0..count {
        sizes.push(r.varint32()?);
    }
    let mut columns = Columns::new();
    let mut downgraded = downgraded.into_iter().peekable();
    for (index, uid) in uids.into_iter().enumerate() {
        let value = |column: &[i64]| column.get(index).copied().unwrap_or_default();
        let small = |value: i64| u8::try_from(value).map_err(|_| r.malformed("flags"));
        let flags = RowFlags::from_octet(small(value(&flags))?);
        let zone = i16::try_from(value(&zones)).map_err(|_| r.malformed("a zone"))?;
        let keywords = list(&keywords, value(&keyword_numbers));
        let prefix = list(&prefixes, value(&prefix_numbers));
        let (Some(keywords), Some(prefix)) = (keywords, prefix) else {
            return Err(r.malformed("a list that is there"));
        };
        let downgraded_size = downgraded
            .next_if(|entry| entry.0 == index as u64)
            .map(|entry| entry.1);
        let row = Row {
            uid,
            blob: BlobId(r.u128()?),
            email: EmailNumber(value(&emails) as u64),
            modseq: ModSeq(value(&modseqs) as u64),
            flags,
            keywords,
            internal_date: InternalDate {
                seconds: value(&dates),
                zone_minutes: zone,
            },
            save_date: Timestamp(value(&saved)),
            size: sizes.get(index).copied().unwrap_or_default(),
            prefix,
            downgraded_size,
        };
        if !columns.push(&row) {
            return Err(r.malformed("ascending rows"));
        }
    }
    Ok(columns)
}

fn list<T>(lists: &[impl AsRef<[T]>], number: i64) -> Option<&[T]> {
    if number == 0 {
        return Some(&[]);
    }
    let place = usize::try_from(number).ok()?.checked_sub(1)?;
    lists.get(place).map(AsRef::as_ref)
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

fn take_downgraded(r: &mut Reader<'_>) -> Result<Vec<(u64, u32)>> {
    let count = r.count(2)?;
    (0..count)
        .map(|_| Ok((r.varint()?, r.varint32()?)))
        .collect()
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

fn take_steps(r: &mut Reader<'_>, count: usize) -> Result<Vec<i64>> {
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
            values.push(last);
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

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
