//! LIST and LSUB.

use super::metadata::{ANNOTATED, Found as Annotated, without_private};
use super::pattern::Pattern;
use super::place::{Others, is_reserved, may_match_others};
use super::reply::Reply;
use super::session::emit;
use super::special_use::with_uses;
use super::user::{Done, User};
use crate::stream::{Stream, StreamError};
use crate::work::Work;
use account::{Mailbox, Rights, State};
use proto::imap::response::Code;
use proto::imap::{ListOptions, response};
use std::collections::{BTreeMap, BTreeSet};
use terms::{MailboxName, SpecialUse, StatusItem};

/// Octets of an answer that are gathered before they are sent.
const OUT_OCTETS: usize = 16 << 10;

/// What telling of a name takes, as [`Work`] counts.
const NAME_UNITS: usize = 4_000;

/// What a step of comparing it takes.
const STEP_UNITS: usize = 4;

impl User {
    /// RFC 3501 §6.3.8 and RFC 5258 §3, with \HasChildren and \HasNoChildren (RFC
    /// 3348 §3) and special uses (RFC 6154 §2) always.
    pub(super) async fn list(
        &mut self,
        stream: &mut Stream,
        reference: &str,
        patterns: &[String],
        options: Option<ListOptions>,
    ) -> Done {
        if options.is_none() && asks_for_root(patterns) {
            emit(stream, |out| response::list_root(out, "LIST", ""));
            return Ok(Reply::ok("that is all"));
        }
        // RFC 9051 §7.3.1: \NonExistent is a word of IMAP4rev2.
        let extended = options.is_some() || self.enabled.rev2;
        let options = options.unwrap_or_default();
        if options.return_status.contains(&StatusItem::HighestModSeq) {
            self.enable_condstore(stream);
        }
        let state = match self.fresh().await {
            Ok(state) => state,
            Err(reply) => return Ok(reply),
        };
        let others = match self.others(reference, patterns).await {
            Ok(others) => others,
            Err(reply) => return Ok(reply),
        };
        let names = if options.subscribed {
            with_levels(state.subscriptions())
        } else {
            let own = state.mailboxes().map(|mailbox| &mailbox.name);
            with_levels(own.chain(others.names()))
        };
        let mut patterns = Patterns::new(reference, patterns);
        let listing = Listing {
            above: if extended {
                Above::of(&state, &names, &options, &mut patterns).await
            } else {
                Above::default()
            },
            state: &state,
            others: &others,
            rights: self.own_rights(),
            options,
            extended,
            utf8: self.enabled.utf8,
        };
        let mut left_out = None;
        let append_octets_max = stream.node().limits.message_octets_max;
        let mut out = Vec::new();
        for (name, &level) in &names {
            if patterns.matches(name).await
                && listing.write(&mut out, name, level)
                && let Some((state, record, rights)) = listing.find(name)
            {
                let items = listing.options.return_status.as_slice();
                // RFC 5819 §2: one that cannot be told is left out.
                if !items.is_empty()
                    && rights.has(Rights::READ)
                    && let Ok(values) = self
                        .status_values(state, record, items, append_octets_max)
                        .await
                {
                    response::mailbox_status(&mut out, name, &values, listing.utf8);
                }
                if listing.options.return_my_rights {
                    // RFC 8440 §3
                    response::my_rights(&mut out, name, &rights.to_string(), listing.utf8);
                }
                left_out = left_out.max(listing.write_metadata(&mut out, name));
            }
            if out.len() >= OUT_OCTETS {
                stream.send(&out).await?;
                out.clear();
            }
        }
        stream.send(&out).await?;
        let reply = Reply::ok("that is all");
        Ok(match left_out {
            // RFC 5464 §4.2.1
            Some(octets) => reply.with(Code::MetadataLongEntries(octets)),
            None => reply,
        })
    }

    /// Writes what LIST tells of one mailbox, and the name that it was given under.
    pub(super) async fn list_one(
        &self,
        out: &mut Vec<u8>,
        name: &MailboxName,
        old_name: Option<&str>,
    ) -> Result<(), Reply> {
        // RFC 9051 §6.3.2: "the list of mailbox attributes MUST be accurate".
        let options = ListOptions {
            return_subscribed: true,
            ..ListOptions::default()
        };
        let state = self.fresh().await?;
        let others = if is_reserved(name) {
            self.shared_mailboxes().await?
        } else {
            Others::default()
        };
        let listing = Listing {
            above: Above::default(),
            state: &state,
            others: &others,
            rights: self.own_rights(),
            options,
            extended: true,
            utf8: self.enabled.utf8,
        };
        let uses = listing.uses(name);
        let attributes = listing.attributes(name, &uses);
        match old_name {
            Some(old) => response::list_with_old_name(out, &attributes, name, old, listing.utf8),
            None => response::list(out, &attributes, name, listing.utf8),
        }
        Ok(())
    }

    /// Tells a session of IMAP4rev2 what has become of the name that it gave, where
    /// the command has been done.
    pub(super) async fn told_renamed(
        &self,
        stream: &mut Stream,
        renamed: Option<Renamed>,
        done: Done,
    ) -> Done {
        let reply = done?;
        if let Some(Renamed { name, old_name }) = renamed.filter(|_| self.enabled.rev2)
            && reply.is_ok()
        {
            let mut out = Vec::new();
            // What cannot be told is no reason to call undone what is done.
            if self
                .list_one(&mut out, &name, Some(&old_name))
                .await
                .is_ok()
            {
                stream.send(&out).await?;
            }
        }
        Ok(reply)
    }

    /// The mailboxes of others, where the patterns may match one. RFC 4314 §4: those
    /// with the right l.
    async fn others(&self, reference: &str, patterns: &[String]) -> Result<Others, Reply> {
        let wanted = |pattern: &String| may_match_others(reference, pattern);
        if !patterns.iter().any(wanted) {
            return Ok(Others::default());
        }
        self.shared_mailboxes().await
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
        let others = match self.others(reference, patterns).await {
            Ok(others) => others,
            Err(reply) => return Ok(reply),
        };
        let mut names = with_levels(state.subscriptions());
        if patterns.iter().all(|pattern| !pattern.contains('%')) {
            names.retain(|_, level| !*level);
        }
        let utf8 = self.enabled.utf8;
        each_match(stream, reference, patterns, &names, |out, name, level| {
            let there = state.mailbox_named(name).is_some() || others.get(name).is_some();
            let selectable = !level && there;
            let attributes: &[&str] = if selectable { &[] } else { &["\\Noselect"] };
            response::lsub(out, attributes, name, utf8);
        })
        .await?;
        Ok(Reply::ok("that is all"))
    }
}

/// A name that was given in another form than its own. RFC 9051 §6.3.9.7.
pub(super) struct Renamed {
    name: MailboxName,
    /// As it was given.
    old_name: String,
}

impl Renamed {
    /// Of a mailbox that is named in a command.
    pub(super) fn of(mailbox: &proto::imap::Mailbox, old_name: Option<String>) -> Option<Self> {
        let old_name = old_name?;
        let name = mailbox.as_ref().ok()?.clone();
        Some(Self { name, old_name })
    }
}

/// A LIST that is being answered.
struct Listing<'a> {
    state: &'a State,
    others: &'a Others,
    /// On the user's own mailboxes.
    rights: Rights,
    options: ListOptions,
    /// The client knows RFC 5258.
    extended: bool,
    /// Names are told in UTF-8.
    utf8: bool,
    above: Above,
}

impl<'a> Listing<'a> {
    /// What has the name, of whomsoever.
    fn find(&self, name: &MailboxName) -> Option<(&'a State, &'a Mailbox, Rights)> {
        if let Some(record) = self.state.mailbox_named(name) {
            return Some((self.state, record, self.rights));
        }
        let shared = self.others.get(name)?;
        let record = shared.state.mailbox(shared.id)?;
        Some((&shared.state, record, shared.rights))
    }

    /// Writes the annotations that are asked for; gives the octets of the longest
    /// that is left out. RFC 9590 §3.
    fn write_metadata(&self, out: &mut Vec<u8>, name: &MailboxName) -> Option<u64> {
        let wanted = self.options.return_metadata.as_ref()?;
        let (state, record, rights) = self.find(name)?;
        if !rights.has_any(ANNOTATED) {
            return None;
        }
        let own = state.account() == self.state.account();
        let shown = if own {
            with_uses(record)
        } else {
            without_private(&record.metadata)
        };
        let found = Annotated::of(&shown, wanted);
        if !found.values.is_empty() {
            response::metadata(out, Some(name), found.values, self.utf8);
        }
        found.left_out
    }

    /// Writes what is to be told of a name whose pattern matches; false where no more
    /// is to be told of it, since the selection options do not mean it (RFC 5819 §2).
    fn write(&self, out: &mut Vec<u8>, name: &MailboxName, level: bool) -> bool {
        let selected = is_selected(self.state, &self.options, name);
        let shown = if selected {
            // RFC 9051 §6.3.9.3: a level says that there is something below which is
            // not told. In RFC 3501 §6.3.8 it is told in any case.
            !level || !self.extended || self.above.unseen.contains(name)
        } else {
            // §6.3.9.6: "servers SHOULD suppress redundant CHILDINFO responses".
            self.options.recursive_match && self.above.unseen.contains(name)
        };
        if !shown {
            return false;
        }
        let uses = self.uses(name);
        let attributes = self.attributes(name, &uses);
        if self.options.recursive_match && self.above.all.contains(name) {
            response::list_with_children(out, &attributes, name, self.utf8);
        } else {
            response::list(out, &attributes, name, self.utf8);
        }
        selected
    }

    /// What the mailbox is for. What another user's is for is not what it is for here.
    fn uses(&self, name: &MailboxName) -> Vec<SpecialUse> {
        let own = self.state.mailbox_named(name);
        let uses = own.map(|record| record.special_uses);
        uses.into_iter().flat_map(|uses| uses.iter()).collect()
    }

    /// A name's attributes, with what it is for.
    fn attributes<'u>(&self, name: &MailboxName, uses: &'u [SpecialUse]) -> Vec<&'u str> {
        let mut attributes: Vec<&'u str> = Vec::new();
        match self.find(name) {
            // RFC 5258 §3: \NonExistent implies \Noselect, for who knows it.
            None if self.extended => attributes.push("\\NonExistent"),
            // RFC 9051 §6.3.9.2, RFC 5819 §2: one that the user may see, and not read.
            Some((_, _, rights)) if rights.has(Rights::READ) => {}
            None | Some(_) => attributes.push("\\Noselect"),
        }
        let subscribed = self.options.subscribed || self.options.return_subscribed;
        if subscribed && self.state.is_subscribed(name) {
            attributes.push("\\Subscribed");
        }
        let has_children = self.state.has_children(name) || self.others.has_children(name);
        attributes.push(if has_children {
            "\\HasChildren"
        } else {
            "\\HasNoChildren"
        });
        attributes.extend(uses.iter().map(|special| special.as_str()));
        attributes
    }
}

/// Whether the selection options hold for a name. RFC 5258 §3.1, RFC 6154 §2.
fn is_selected(state: &State, options: &ListOptions, name: &MailboxName) -> bool {
    let record = state.mailbox_named(name);
    let special = record.is_some_and(|record| !record.special_uses.is_empty());
    (!options.subscribed || state.is_subscribed(name)) && (!options.special_use || special)
}

/// Names above such as are selected. RFC 5258 §3.5, CHILDINFO.
#[derive(Default)]
struct Above {
    /// Whether those match a pattern does not matter.
    all: BTreeSet<MailboxName>,
    /// Above one that matches none, and so is not told itself.
    unseen: BTreeSet<MailboxName>,
}

impl Above {
    async fn of(
        state: &State,
        names: &BTreeMap<MailboxName, bool>,
        options: &ListOptions,
        patterns: &mut Patterns,
    ) -> Self {
        let mut above = Self::default();
        for (name, &level) in names {
            patterns.work.done(NAME_UNITS).await;
            if level || !is_selected(state, options, name) {
                continue;
            }
            let matched = patterns.matches(name).await;
            let mut level = name.parent();
            while let Some(parent) = level {
                level = parent.parent();
                if !matched {
                    above.unseen.insert(parent.clone());
                }
                above.all.insert(parent);
            }
        }
        above
    }
}

/// The patterns of one LIST or LSUB.
struct Patterns {
    all: Vec<Pattern>,
    work: Work,
}

impl Patterns {
    fn new(reference: &str, patterns: &[String]) -> Self {
        let patterns = patterns.iter();
        Self {
            // RFC 9051 §6.3.9: in the extended syntax, "arguments that are empty
            // strings are ignored"; in the other one they ask for the root.
            all: patterns
                .filter(|pattern| !pattern.is_empty())
                .map(|pattern| Pattern::new(reference, pattern))
                .collect(),
            work: Work::default(),
        }
    }

    /// Whether any of them means the name.
    async fn matches(&mut self, name: &MailboxName) -> bool {
        self.work.done(NAME_UNITS).await;
        for pattern in &self.all {
            let mut steps = 0;
            let matches = pattern.matches(name.as_str(), &mut steps);
            self.work.done(steps * STEP_UNITS).await;
            if matches {
                return true;
            }
        }
        false
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

/// Writes what matches, a part at a time.
async fn each_match(
    stream: &mut Stream,
    reference: &str,
    patterns: &[String],
    names: &BTreeMap<MailboxName, bool>,
    mut write: impl FnMut(&mut Vec<u8>, &MailboxName, bool),
) -> Result<(), StreamError> {
    let mut patterns = Patterns::new(reference, patterns);
    let mut out = Vec::new();
    for (name, &level) in names {
        if patterns.matches(name).await {
            write(&mut out, name, level);
        }
        if out.len() >= OUT_OCTETS {
            stream.send(&out).await?;
            out.clear();
        }
    }
    stream.send(&out).await
}
