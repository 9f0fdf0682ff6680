//! UIDBATCHES: ranges of unique identifiers with as many messages each. RFC 10022.

use super::reply::Reply;
use super::user::{Done, User};
use crate::stream::Stream;
use account::View;
use proto::imap::Tag;
use proto::imap::response::{self, Code};
use std::io::Write as _;
use terms::{Uid, UidSet};

/// Messages in a batch at the least: with fewer, message numbers could be had from
/// the answers, which UIDONLY is there to do without. RFC 10022 §3.1.3.2.
const SIZE_MIN: u32 = 500;

/// Messages that a range of batches may span. RFC 10022 §3.1.5.
const SPAN_MAX: u64 = 100_000;

/// Batches written before the output is relieved.
const BATCHES_AT_ONCE: usize = 1_000;

/// Answers that are remembered, so that the same is not asked again and again.
const ASKED_MAX: usize = 16;

/// What was asked, and of which messages the answer was.
pub(super) struct Batched {
    size: u32,
    range: Option<(u32, u32)>,
    exists: u32,
    last: Option<Uid>,
}

impl Batched {
    /// Whether it may be asked again: after half a batch of messages has come or
    /// gone. RFC 10022 §3.1.1.
    fn is_stale(&self, view: &View) -> bool {
        let above = self.last.map_or(Some(Uid::MIN), Uid::next);
        let came = above.map_or(0, |above| {
            let range = UidSet::range(above, Uid::MAX);
            view.uids().intersection(&range).count()
        });
        let left = u64::from(view.exists()).saturating_sub(came);
        let went = u64::from(self.exists).saturating_sub(left);
        came.max(went) >= u64::from(self.size / 2)
    }
}

impl User {
    /// RFC 10022 §3.1
    pub(super) async fn uidbatches(
        &mut self,
        stream: &mut Stream,
        tag: &Tag,
        size: u32,
        range: Option<(u32, u32)>,
    ) -> Done {
        let Some(selected) = &mut self.selected else {
            return Ok(Self::nothing_selected());
        };
        if let Some(reply) = refused(size, range) {
            return Ok(reply);
        }
        let (view, asked) = (&selected.view, &mut selected.batched);
        asked.retain(|asked| !asked.is_stale(view));
        let again = |asked: &Batched| asked.size == size && asked.range == range;
        if asked.iter().any(again) {
            let text = "little has come or gone since this was asked before";
            return Ok(Reply::no(Code::Limit, text));
        }
        write_batches(stream, tag, view, size, range).await?;
        if asked.len() == ASKED_MAX {
            asked.remove(0);
        }
        asked.push(Batched {
            size,
            range,
            exists: view.exists(),
            last: view.last_uid(),
        });
        Ok(Reply::ok("that is all"))
    }
}

/// What is asked too finely, too widely or the wrong way round.
fn refused(size: u32, range: Option<(u32, u32)>) -> Option<Reply> {
    if let Some((first, last)) = range
        && first > last
    {
        let text = "the lower batch stands first";
        return Some(Reply::bad(text).with(Code::ClientBug));
    }
    if size < SIZE_MIN {
        let text = format!("a batch has {SIZE_MIN} messages at the least");
        return Some(Reply::no(Code::TooFew, text));
    }
    let (first, last) = range?;
    let batches = u64::from(last - first) + 1;
    if batches.saturating_mul(u64::from(size)) > SPAN_MAX {
        let text = format!("a range spans {SPAN_MAX} messages at the most");
        return Some(Reply::no(Code::TooMany, text));
    }
    None
}

/// Writes `* UIDBATCHES (TAG "a") 215295:99696,99695:1`, the newest first. Each range
/// ends above the next, and the last one at 1, by which it is known (§3.1.4).
async fn write_batches(
    stream: &mut Stream,
    tag: &Tag,
    view: &View,
    size: u32,
    range: Option<(u32, u32)>,
) -> Result<(), crate::stream::StreamError> {
    let mut out = Vec::new();
    response::uidbatches_head(&mut out, tag.as_str());
    let count = view.exists().div_ceil(size);
    let (first, last) = range.unwrap_or((1, count));
    // The number of the oldest message of a batch.
    let oldest = |batch: u32| {
        let newer = u64::from(batch) * u64::from(size);
        let number = u64::from(view.exists()).saturating_sub(newer) + 1;
        u32::try_from(number).unwrap_or(u32::MAX)
    };
    let mut top = match first {
        1 => view.last_uid(),
        first => view.uid(oldest(first - 1)).and_then(below),
    };
    for (index, batch) in (first..=last.min(count)).enumerate() {
        let bottom = if batch == count {
            Some(Uid::MIN)
        } else {
            view.uid(oldest(batch))
        };
        let (Some(high), Some(low)) = (top, bottom) else {
            break;
        };
        let comma = if index == 0 { ' ' } else { ',' };
        // Writing to memory does not fail.
        let _ = write!(out, "{comma}{high}:{low}");
        top = below(low);
        if index % BATCHES_AT_ONCE == BATCHES_AT_ONCE - 1 {
            stream.send(&out).await?;
            out.clear();
        }
    }
    out.extend_from_slice(b"\r\n");
    stream.send(&out).await
}

fn below(uid: Uid) -> Option<Uid> {
    Uid::new(uid.value() - 1)
}
