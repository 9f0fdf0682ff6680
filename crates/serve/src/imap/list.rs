//! LIST and LSUB.

use super::pattern::Pattern;
use super::reply::Reply;
use super::session::emit;
use super::user::{Done, User};
use crate::stream::{Stream, StreamError};
use account::State;
use proto::imap::response;
use std::collections::BTreeMap;
use terms::MailboxName;

/// Names looked at before others get their turn.
const NAMES_MAX: usize = 256;

impl User {
    /// RFC 3501 §6.3.8, with \HasChildren and \HasNoChildren (RFC 3348 §3).
    pub(super) async fn list(
        &mut self,
        stream: &mut Stream,
        reference: &str,
        patterns: &[String],
    ) -> Done {
        if asks_for_root(patterns) {
            emit(stream, |out| response::list_root(out, "LIST", ""));
            return Ok(Reply::ok("that is all"));
        }
        let state = match self.fresh().await {
            Ok(state) => state,
            Err(reply) => return Ok(reply),
        };
        let names = with_levels(state.mailboxes().map(|mailbox| &mailbox.name));
        each_match(stream, reference, patterns, &names, |out, name, level| {
            let children = if has_children(&state, name, level) {
                "\\HasChildren"
            } else {
                "\\HasNoChildren"
            };
            let attributes: &[&str] = if level {
                &["\\Noselect", children]
            } else {
                &[children]
            };
            response::list(out, attributes, name, false);
        })
        .await?;
        Ok(Reply::ok("that is all"))
    }

    /// RFC 3501 §6.3.9. A level of a subscribed name that `%` stops at is told as
    /// \Noselect.
    pub(super) async fn lsub(
        &mut self,
        stream: &mut Stream,
        reference: &str,
        patterns: &[String],
    ) -> Done {
        if asks_for_root(patterns) {
            emit(stream, |out| response::list_root(out, "LSUB", ""));
            return Ok(Reply::ok("that is all"));
        }
        let state = match self.fresh().await {
            Ok(state) => state,
            Err(reply) => return Ok(reply),
        };
        let mut names = with_levels(state.subscriptions());
        if patterns.iter().all(|pattern| !pattern.contains('%')) {
            names.retain(|_, level| !*level);
        }
        each_match(stream, reference, patterns, &names, |out, name, level| {
            let selectable = !level && state.mailbox_named(name).is_some();
            let attributes: &[&str] = if selectable { &[] } else { &["\\Noselect"] };
            response::lsub(out, attributes, name, false);
        })
        .await?;
        Ok(Reply::ok("that is all"))
    }
}

/// RFC 3501 §6.3.8: an empty pattern asks for the separator and the root.
fn asks_for_root(patterns: &[String]) -> bool {
    matches!(patterns, [only] if only.is_empty())
}

/// The names and the levels above them that are none of them; true for a level.
fn with_levels<'a>(names: impl Iterator<Item = &'a MailboxName>) -> BTreeMap<MailboxName, bool> {
    let mut all = BTreeMap::new();
    for name in names {
        let mut level = name.parent();
        while let Some(parent) = level {
            level = parent.parent();
            if all.contains_key(&parent) {
                break;
            }
            all.insert(parent, true);
        }
        all.insert(name.clone(), false);
    }
    all
}

/// A level has something below it, or it would be none.
fn has_children(state: &State, name: &MailboxName, level: bool) -> bool {
    level || state.has_children(name)
}

/// Writes what matches, a part at a time.
async fn each_match(
    stream: &mut Stream,
    reference: &str,
    patterns: &[String],
    names: &BTreeMap<MailboxName, bool>,
    mut write: impl FnMut(&mut Vec<u8>, &MailboxName, bool),
) -> Result<(), StreamError> {
    let patterns: Vec<Pattern> = patterns
        .iter()
        .map(|pattern| Pattern::new(reference, pattern))
        .collect();
    let mut out = Vec::new();
    for (index, (name, &level)) in names.iter().enumerate() {
        if patterns
            .iter()
            .any(|pattern| pattern.matches(name.as_str()))
        {
            write(&mut out, name, level);
        }
        if index % NAMES_MAX == NAMES_MAX - 1 {
            stream.send(&out).await?;
            out.clear();
            tokio::task::yield_now().await;
        }
    }
    stream.send(&out).await
}
