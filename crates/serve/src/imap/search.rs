//! SEARCH and UID SEARCH.

use super::Imap;
use super::selected::Selected;
use super::user::{Done, User};
use crate::stream::{Stream, StreamError};
use proto::imap::response;
use proto::imap::{SearchProgram, SearchReturn, Tag};
use std::io::Write as _;
use terms::{ModSeq, SearchKey, SequenceSet, Uid, UidSet};

/// Numbers written before the output is relieved.
const NUMBERS_AT_ONCE: usize = 4_000;

/// Texts of BODY and TEXT in one search: each may have all bodies read, decoded and
/// gone through.
pub(super) const TEXTS_MAX: usize = 100;

/// A SEARCH as it was asked.
pub(super) struct Asked<'a> {
    pub(super) tag: &'a Tag,
    pub(super) uid: bool,
    /// `None`: a plain SEARCH.
    pub(super) returns: Option<SearchReturn>,
}

impl User {
    /// RFC 3501 §6.4.4, RFC 4731 §3.1, RFC 5182 §2.
    pub(super) async fn search(
        &mut self,
        stream: &mut Stream,
        imap: &Imap,
        asked: &Asked<'_>,
        program: SearchProgram,
    ) -> Done {
        // RFC 9051 §6.4.4: in IMAP4rev2 the answer is ESEARCH, of ALL where nothing is
        // asked for.
        let rev2 = self.enabled.rev2.then_some(SearchReturn::ALL);
        let returns = asked.returns.or(rev2);
        let saves = asked.returns.is_some_and(|returns| returns.save);
        let found = self
            .matches(stream, imap, asked.tag, asked.uid, program)
            .await?;
        let Some(selected) = &mut self.selected else {
            return Ok(Self::nothing_selected());
        };
        // RFC 5182 §2.1: where a search fails that was to be saved, "the search
        // result variable is reset to the empty sequence".
        let matches = match found {
            Ok(matches) => matches,
            Err(reply) => {
                if saves && !reply.is_bad() {
                    selected.saved = UidSet::new();
                }
                return Ok(reply);
            }
        };
        let results = Results {
            selected,
            uid: asked.uid,
            found: &matches.uids,
            newest_first: matches.limited.is_some(),
        };
        match returns {
            None => results.write_plain(stream, matches.modseq).await?,
            Some(returns) if returns.is_told() => {
                let told = results.told_alone(returns);
                let highest = |_| matches.snapshot.highest_modseq(selected, &told);
                let modseq = matches.modseq.and_then(highest);
                let mut out = Vec::new();
                results.write(&mut out, asked.tag, returns, modseq);
                stream.send(&out).await?;
            }
            Some(_) => {}
        }
        if let Some(returns) = asked.returns
            && saves
        {
            let saved = results.saved(returns);
            selected.saved = if matches.readable {
                saved
            } else {
                UidSet::new()
            };
        }
        Ok(matches.reply("searched"))
    }
}

/// What was found, to be told.
struct Results<'a> {
    selected: &'a Selected,
    /// Unique identifiers are told, not message numbers.
    uid: bool,
    found: &'a UidSet,
    /// A plain answer is so. RFC 9738 §3.1.
    newest_first: bool,
}

impl Results<'_> {
    /// As it is told.
    fn number(&self, uid: Uid) -> Option<u32> {
        if self.uid {
            Some(uid.value())
        } else {
            self.selected.view.number(uid)
        }
    }

    fn numbers(&self, uids: &UidSet) -> UidSet {
        if self.uid {
            uids.clone()
        } else {
            self.selected.view.numbers_of(uids)
        }
    }

    /// `* SEARCH 2 84`
    async fn write_plain(
        &self,
        stream: &mut Stream,
        modseq: Option<ModSeq>,
    ) -> Result<(), StreamError> {
        let mut out = b"* SEARCH".to_vec();
        let found: Box<dyn Iterator<Item = Uid> + Send> = if self.newest_first {
            Box::new(self.found.iter().rev())
        } else {
            Box::new(self.found.iter())
        };
        for (index, uid) in found.enumerate() {
            if let Some(number) = self.number(uid) {
                response::search_number(&mut out, number);
            }
            if index % NUMBERS_AT_ONCE == NUMBERS_AT_ONCE - 1 {
                stream.send(&out).await?;
                out.clear();
                tokio::task::yield_now().await;
            }
        }
        if let Some(modseq) = modseq {
            response::search_modseq(&mut out, modseq);
        }
        out.extend_from_slice(b"\r\n");
        stream.send(&out).await
    }

    /// `* ESEARCH (TAG "a") MIN 2 COUNT 3`. RFC 4731 §3.1: of nothing, COUNT alone.
    fn write(&self, out: &mut Vec<u8>, tag: &Tag, returns: SearchReturn, modseq: Option<ModSeq>) {
        response::esearch_head(out, tag.as_str(), self.uid);
        let one = |asked: bool, uid: Option<Uid>| uid.filter(|_| asked);
        if let Some(min) = one(returns.min, self.found.first()).and_then(|uid| self.number(uid)) {
            // Writing to memory does not fail, here and below.
            let _ = write!(out, " MIN {min}");
        }
        if let Some(max) = one(returns.max, self.found.last()).and_then(|uid| self.number(uid)) {
            let _ = write!(out, " MAX {max}");
        }
        if returns.all && !self.found.is_empty() {
            let _ = write!(out, " ALL {}", self.numbers(self.found));
        }
        if let Some(range) = returns.partial {
            // RFC 9394 §3.1
            let some = self.numbers(&self.found.at_places(range.places(self.found.count())));
            let _ = match some.is_empty() {
                true => write!(out, " PARTIAL ({range} NIL)"),
                false => write!(out, " PARTIAL ({range} {some})"),
            };
        }
        if returns.count {
            let _ = write!(out, " COUNT {}", self.found.count());
        }
        if let Some(modseq) = modseq {
            let _ = write!(out, " MODSEQ {modseq}");
        }
        out.extend_from_slice(b"\r\n");
    }

    fn ends(&self, returns: SearchReturn) -> UidSet {
        let min = self.found.first().filter(|_| returns.min);
        let max = self.found.last().filter(|_| returns.max);
        [min, max].into_iter().flatten().collect()
    }

    /// The messages whose highest mod-sequence is told: all, but where MIN or MAX
    /// alone were asked for. RFC 4731 §3.2.
    fn told_alone(&self, returns: SearchReturn) -> UidSet {
        if returns.all || returns.count || returns.partial.is_some() {
            self.found.clone()
        } else {
            self.ends(returns)
        }
    }

    /// What `$` is to stand for. RFC 5182 §2.4, RFC 9394 §3.2.
    fn saved(&self, returns: SearchReturn) -> UidSet {
        if returns.all || returns.count || !returns.is_told() {
            return self.found.clone();
        }
        let mut saved = self.ends(returns);
        if let Some(range) = returns.partial {
            saved.extend(&self.found.at_places(range.places(self.found.count())));
        }
        saved
    }
}

/// The sets of message numbers among the criteria.
pub(super) fn numbers_in(key: &SearchKey) -> Vec<&SequenceSet> {
    let leaves = leaves(key).into_iter();
    leaves
        .filter_map(|key| match key {
            SearchKey::Sequence(set @ SequenceSet::Ranges(_)) => Some(set),
            _ => None,
        })
        .collect()
}

/// How many texts are looked for in bodies.
pub(super) fn texts_in(key: &SearchKey) -> usize {
    let text = |key: &&&SearchKey| matches!(key, SearchKey::Body(_) | SearchKey::Text(_));
    leaves(key).iter().filter(text).count()
}

/// Whether MODSEQ is among the criteria.
pub(super) fn has_modseq(key: &SearchKey) -> bool {
    let modseq = |key: &&SearchKey| matches!(key, SearchKey::ModSeq(_));
    leaves(key).iter().any(modseq)
}

/// The criteria that are made of no others.
fn leaves(key: &SearchKey) -> Vec<&SearchKey> {
    match key {
        SearchKey::And(keys) => keys.iter().flat_map(leaves).collect(),
        SearchKey::Or(one, other) => [one, other]
            .into_iter()
            .flat_map(|key| leaves(key))
            .collect(),
        SearchKey::Not(key) => leaves(key),
        key => vec![key],
    }
}
