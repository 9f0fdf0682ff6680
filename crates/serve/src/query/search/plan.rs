//! A search key made ready: sets resolved, texts folded.

use super::fold::Needle;
use std::sync::Arc;
use terms::{Date, Flag, Keyword, ModSeq, SearchKey, SequenceSet, SystemFlag, UidSet};

/// What a key asks of a message.
pub(super) enum Plan {
    /// The same for all messages.
    Constant(bool),
    /// All of them, the cheap ones first.
    And(Vec<Plan>),
    Or(Box<Plan>, Box<Plan>),
    Not(Box<Plan>),
    Flag(SystemFlag),
    /// By its place among the mailbox's keywords.
    Keyword(u16),
    Recent,
    Numbers(UidSet),
    /// Shared by all keys that stand for the same.
    Uids(Arc<UidSet>),
    InternalDate(Compare),
    SentDate(Compare),
    SaveDate(Compare),
    Larger(u64),
    Smaller(u64),
    /// Internal date at or after this second.
    ReceivedSince(i64),
    /// Internal date at or before this second.
    ReceivedUntil(i64),
    ModSeq(ModSeq),
    EmailId(String),
    /// A field's name, and what its value has; an empty needle is in every value.
    Header(Vec<String>, Needle),
    Body(Needle),
    Text(Needle),
}

/// How a date is compared with a day.
pub(super) enum Compare {
    Before(Date),
    On(Date),
    Since(Date),
}

impl Compare {
    pub(super) fn holds(&self, date: Date) -> bool {
        match *self {
            Self::Before(day) => date < day,
            Self::On(day) => date == day,
            Self::Since(day) => date >= day,
        }
    }
}

/// What resolving takes.
pub(super) struct Resolve<'a> {
    /// The largest number and UID in use.
    pub(super) last_number: Option<u32>,
    pub(super) last_uid: Option<u32>,
    /// What `$` stands for, as UIDs.
    pub(super) saved: Arc<UidSet>,
    /// What the messages' keywords are places in.
    pub(super) keywords: &'a [Keyword],
    pub(super) now_seconds: i64,
}

impl Resolve<'_> {
    /// Makes a key ready. Recurses as deep as the command's parser let it nest.
    pub(super) fn plan(&self, key: &SearchKey) -> Plan {
        let not = |plan| Plan::Not(Box::new(plan));
        match key {
            SearchKey::All | SearchKey::SaveDateSupported => Plan::Constant(true),
            // RFC 8474 §5.2: without threads no message has one.
            SearchKey::ThreadId(_) => Plan::Constant(false),
            SearchKey::And(keys) => {
                let mut plans: Vec<Plan> = keys.iter().map(|key| self.plan(key)).collect();
                plans.sort_by_key(Plan::cost);
                Plan::And(plans)
            }
            SearchKey::Or(one, other) => {
                let (mut one, mut other) = (self.plan(one), self.plan(other));
                if other.cost() < one.cost() {
                    std::mem::swap(&mut one, &mut other);
                }
                Plan::Or(Box::new(one), Box::new(other))
            }
            SearchKey::Not(key) => not(self.plan(key)),
            SearchKey::Flag(Flag::System(flag)) => Plan::Flag(*flag),
            SearchKey::Flag(Flag::Keyword(keyword)) => self.keyword(keyword),
            SearchKey::Recent => Plan::Recent,
            SearchKey::New => Plan::And(vec![Plan::Recent, not(Plan::Flag(SystemFlag::Seen))]),
            SearchKey::Old => not(Plan::Recent),
            SearchKey::Sequence(SequenceSet::SavedResult)
            | SearchKey::Uid(SequenceSet::SavedResult) => Plan::Uids(Arc::clone(&self.saved)),
            SearchKey::Sequence(set) => Plan::Numbers(set.resolve(self.last_number)),
            SearchKey::Uid(set) => Plan::Uids(Arc::new(set.resolve(self.last_uid))),
            SearchKey::Before(day) => Plan::InternalDate(Compare::Before(*day)),
            SearchKey::On(day) => Plan::InternalDate(Compare::On(*day)),
            SearchKey::Since(day) => Plan::InternalDate(Compare::Since(*day)),
            SearchKey::SentBefore(day) => Plan::SentDate(Compare::Before(*day)),
            SearchKey::SentOn(day) => Plan::SentDate(Compare::On(*day)),
            SearchKey::SentSince(day) => Plan::SentDate(Compare::Since(*day)),
            SearchKey::SavedBefore(day) => Plan::SaveDate(Compare::Before(*day)),
            SearchKey::SavedOn(day) => Plan::SaveDate(Compare::On(*day)),
            SearchKey::SavedSince(day) => Plan::SaveDate(Compare::Since(*day)),
            SearchKey::Larger(octets) => Plan::Larger(*octets),
            SearchKey::Smaller(octets) => Plan::Smaller(*octets),
            SearchKey::Younger(seconds) => Plan::ReceivedSince(self.seconds_ago(*seconds)),
            SearchKey::Older(seconds) => Plan::ReceivedUntil(self.seconds_ago(*seconds)),
            SearchKey::ModSeq(modseq) => Plan::ModSeq(*modseq),
            SearchKey::EmailId(id) => Plan::EmailId(id.clone()),
            SearchKey::Header(name, text) => Plan::Header(vec![name.clone()], Needle::new(text)),
            // An empty text is in every message.
            SearchKey::Body(text) | SearchKey::Text(text) if text.is_empty() => {
                Plan::Constant(true)
            }
            SearchKey::Body(text) => Plan::Body(Needle::new(text)),
            SearchKey::Text(text) => Plan::Text(Needle::new(text)),
        }
    }

    /// One that no message of the mailbox has ever had is not looked for.
    fn keyword(&self, keyword: &Keyword) -> Plan {
        let place = self.keywords.iter().position(|known| known == keyword);
        let place = place.and_then(|place| u16::try_from(place).ok());
        place.map_or(Plan::Constant(false), Plan::Keyword)
    }

    fn seconds_ago(&self, seconds: u32) -> i64 {
        self.now_seconds.saturating_sub(i64::from(seconds))
    }
}

impl Plan {
    /// Whether texts of messages may be looked through.
    pub(super) fn looks_through_texts(&self) -> bool {
        self.cost() == 3
    }

    /// What has to be read to answer it: 0 the row, 1 the derived row, 2 the header
    /// perhaps, 3 the blob.
    fn cost(&self) -> u8 {
        match self {
            Self::And(plans) => plans.iter().map(Self::cost).max().unwrap_or(0),
            Self::Or(one, other) => one.cost().max(other.cost()),
            Self::Not(plan) => plan.cost(),
            Self::SentDate(_) => 1,
            Self::Header(..) => 2,
            Self::Body(_) | Self::Text(_) => 3,
            _ => 0,
        }
    }
}
