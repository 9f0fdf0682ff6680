//! SORT and UID SORT.

use super::Imap;
use super::progress::Progress;
use super::search::Asked;
use super::user::{Done, User};
use crate::query::sorted;
use crate::stream::{Stream, StreamError};
use proto::imap::response;
use proto::imap::{PartialRange, SearchProgram, SearchReturn, Tag};
use std::io::Write as _;
use std::sync::Arc;
use terms::{ModSeq, SortCriterion, Uid};

/// Numbers written before the output is relieved.
const NUMBERS_AT_ONCE: usize = 4_000;

impl User {
    /// RFC 5256 §3, RFC 5957 §3, RFC 5267 §3
    pub(super) async fn sort(
        &mut self,
        stream: &mut Stream,
        imap: &Imap,
        asked: &Asked<'_>,
        criteria: &[SortCriterion],
        program: SearchProgram,
    ) -> Done {
        let mut matches = match self
            .matches(stream, imap, asked.tag, asked.uid, program)
            .await?
        {
            Ok(matches) => matches,
            Err(reply) => return Ok(reply),
        };
        if let Some(reply) = matches.incomplete() {
            return Ok(reply);
        }
        let Some(selected) = &mut self.selected else {
            return Ok(Self::nothing_selected());
        };
        let node = Arc::clone(stream.node());
        let store = &**imap.directory.store();
        let messages = matches.snapshot.messages(selected, &matches.uids);
        let work = Box::pin(sorted(&node, store, criteria, messages));
        let progress = Progress::unknown();
        let sorted = match progress.of_work(stream, asked.tag, work).await? {
            Ok(sorted) => sorted,
            Err(reply) => return Ok(reply.telling(matches.tell)),
        };
        matches.readable &= sorted.readable;
        let number = |uid: &Uid| match asked.uid {
            true => Some(uid.value()),
            false => selected.view.number(*uid),
        };
        let numbers: Vec<u32> = sorted.uids.iter().filter_map(number).collect();
        let results = Results {
            numbers: &numbers,
            modseq: matches.modseq,
        };
        match asked.returns {
            None => results.write_plain(stream).await?,
            Some(returns) if returns.is_told() => {
                results.write(stream, asked.tag, asked.uid, returns).await?;
            }
            Some(_) => {}
        }
        if asked.returns.is_some_and(|returns| returns.save) {
            // RFC 5182 §2.1
            selected.saved = matches.uids.clone();
        }
        Ok(matches.reply("sorted"))
    }
}

/// What was found, in its order.
struct Results<'a> {
    numbers: &'a [u32],
    modseq: Option<ModSeq>,
}

impl Results<'_> {
    /// `* SORT 2 84 882`
    async fn write_plain(&self, stream: &mut Stream) -> Result<(), StreamError> {
        let mut out = b"* SORT".to_vec();
        for piece in self.numbers.chunks(NUMBERS_AT_ONCE) {
            for &number in piece {
                response::search_number(&mut out, number);
            }
            stream.send(&out).await?;
            out.clear();
            tokio::task::yield_now().await;
        }
        if let Some(modseq) = self.modseq {
            response::search_modseq(&mut out, modseq);
        }
        out.extend_from_slice(b"\r\n");
        stream.send(&out).await
    }

    /// `* ESEARCH (TAG "a") COUNT 3 ALL 5,3,4`. RFC 5267 §3: MIN and MAX are the
    /// first and the last in the order, ALL and PARTIAL stand in it.
    async fn write(
        &self,
        stream: &mut Stream,
        tag: &Tag,
        uid: bool,
        returns: SearchReturn,
    ) -> Result<(), StreamError> {
        let mut out = Vec::new();
        response::esearch_head(&mut out, tag.as_str(), uid);
        if let Some(min) = self.numbers.first().filter(|_| returns.min) {
            // Writing to memory does not fail, here and below.
            let _ = write!(out, " MIN {min}");
        }
        if let Some(max) = self.numbers.last().filter(|_| returns.max) {
            let _ = write!(out, " MAX {max}");
        }
        if returns.all && !self.numbers.is_empty() {
            out.extend_from_slice(b" ALL ");
            write_set(stream, &mut out, self.numbers).await?;
        }
        if let Some(range) = returns.partial {
            let _ = write!(out, " PARTIAL ({range} ");
            match self.at(range) {
                [] => out.extend_from_slice(b"NIL"),
                some => write_set(stream, &mut out, some).await?,
            }
            out.push(b')');
        }
        if returns.count {
            let _ = write!(out, " COUNT {}", self.numbers.len());
        }
        if let Some(modseq) = self.modseq {
            let _ = write!(out, " MODSEQ {modseq}");
        }
        out.extend_from_slice(b"\r\n");
        stream.send(&out).await
    }

    /// Those at some places of the order. RFC 9394 §3.1.
    fn at(&self, range: PartialRange) -> &[u32] {
        let count = self.numbers.len() as u64;
        let places = range.places(count);
        let places = places.start as usize..places.end as usize;
        self.numbers.get(places).unwrap_or_default()
    }
}

/// Writes numbers in this order, runs of ascending ones as ranges.
async fn write_set(
    stream: &mut Stream,
    out: &mut Vec<u8>,
    numbers: &[u32],
) -> Result<(), StreamError> {
    let runs = numbers.chunk_by(|one, next| one.checked_add(1) == Some(*next));
    for (index, run) in runs.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        // Writing to memory does not fail.
        let _ = match run {
            [first, .., last] => write!(out, "{first}:{last}"),
            [only] => write!(out, "{only}"),
            [] => Ok(()),
        };
        if index % NUMBERS_AT_ONCE == NUMBERS_AT_ONCE - 1 {
            stream.send(out).await?;
            out.clear();
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}
