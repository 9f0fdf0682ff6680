//! A client that believes what it is told, and what it may be told.

use crate::client::{Flags, Wire, flags_in, number_after, numbers_of};
use crate::truth::{Mailbox, Truth};
use std::collections::{BTreeMap, BTreeSet};

/// What a session has switched on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) condstore: bool,
    pub(crate) qresync: bool,
    pub(crate) uid_only: bool,
    pub(crate) rev2: bool,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] = {
        const PLAIN: Kind = Kind {
            condstore: false,
            qresync: false,
            uid_only: false,
            rev2: false,
        };
        const CONDSTORE: Kind = Kind {
            condstore: true,
            ..PLAIN
        };
        const QRESYNC: Kind = Kind {
            qresync: true,
            ..CONDSTORE
        };
        const UID_ONLY: Kind = Kind {
            uid_only: true,
            ..PLAIN
        };
        const REV2: Kind = Kind {
            rev2: true,
            ..PLAIN
        };
        [
            QRESYNC,
            PLAIN,
            CONDSTORE,
            UID_ONLY,
            REV2,
            Kind {
                uid_only: true,
                ..QRESYNC
            },
            Kind {
                rev2: true,
                ..QRESYNC
            },
        ]
    };

    /// What ENABLE says.
    pub(crate) fn names(self) -> String {
        let names = [
            (self.condstore && !self.qresync, " CONDSTORE"),
            (self.qresync, " QRESYNC"),
            (self.uid_only, " UIDONLY"),
            (self.rev2, " IMAP4rev2"),
        ];
        let names = names.iter().filter(|(on, _)| *on);
        names.map(|(_, name)| *name).collect()
    }

    fn vanishes(self) -> bool {
        self.qresync || self.uid_only
    }
}

/// What a client was told of a message.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) flags: Flags,
    /// No earlier state of the message may be told any more.
    pub(crate) version: usize,
}

/// A selected mailbox, as a client knows it.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    /// Which of the model's.
    pub(crate) mailbox: usize,
    pub(crate) name: String,
    pub(crate) read_only: bool,
    /// What the message numbers stand for.
    pub(crate) view: Vec<u32>,
    /// The last message that was ever in `view`.
    pub(crate) last: u32,
    /// The messages whose flags were told.
    pub(crate) told: BTreeMap<u32, Told>,
    /// `$`
    pub(crate) saved: BTreeSet<u32>,
    pub(crate) gone: bool,
    pub(crate) validity: u32,
    /// The highest mod-sequence that a client takes as its own: at a tagged answer.
    pub(crate) highest: u64,
    pub(crate) seen: u64,
}

impl Open {
    pub(crate) fn new(mailbox: usize, name: &str, read_only: bool) -> Self {
        Self {
            mailbox,
            name: name.to_owned(),
            read_only,
            view: Vec::new(),
            last: 0,
            told: BTreeMap::new(),
            saved: BTreeSet::new(),
            gone: false,
            validity: 0,
            highest: 0,
            seen: 0,
        }
    }

    /// The message up to which the client knows all.
    pub(crate) fn upto(&self) -> u32 {
        let known = self
            .view
            .iter()
            .take_while(|uid| self.told.contains_key(uid));
        known.last().copied().unwrap_or(0)
    }

    /// Messages that are counted and not there any more.
    pub(crate) fn ghosts(&self, truth: &Truth, at: u64) -> bool {
        let messages = &truth.mailboxes[self.mailbox].messages;
        self.view.iter().any(|uid| !messages[uid].is_live(at))
    }
}

/// What one command has answered.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Messages that were answered with their flags, a mod-sequence, their text.
    pub(crate) flags: BTreeSet<u32>,
    pub(crate) modseqs: BTreeSet<u32>,
    pub(crate) contents: BTreeSet<u32>,
    /// SEARCH and SORT, as unique identifiers.
    pub(crate) found: Option<Vec<u32>>,
    pub(crate) ends: (Option<u32>, Option<u32>),
    pub(crate) count: Option<u64>,
    pub(crate) copied: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) listed: BTreeSet<String>,
    pub(crate) earlier: BTreeSet<u32>,
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) wire: Wire,
    pub(crate) number: u32,
    pub(crate) kind: Kind,
    pub(crate) open: Option<Open>,
    pub(crate) idles: bool,
    /// It has come back and does not yet know what has changed.
    pub(crate) resyncs: bool,
    pub(crate) heard: Heard,
}

/// What stands behind a line: the model, how far this session's server has seen it,
/// and whether an expunge may be told.
#[derive(Clone, Copy)]
pub(crate) struct Behind<'a> {
    pub(crate) truth: &'a Truth,
    pub(crate) at: u64,
    pub(crate) expunges: bool,
    /// It is answered what a SELECT has asked.
    pub(crate) selects: bool,
}

impl Session {
    /// Whether its server is another one than that of most.
    pub(crate) fn is_remote(&self) -> bool {
        self.number > 10
    }

    /// Takes in one untagged response.
    pub(crate) fn hear(&mut self, line: &str, behind: Behind<'_>) {
        if line.starts_with("+ ") {
            return;
        }
        let line = line.strip_prefix("* ").expect("an untagged response");
        assert!(!line.starts_with("BYE"), "{line}");
        assert!(!line.starts_with("BAD"), "{line}");
        self.see_highest(line, behind);
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        match first {
            "OK" => self.hear_ok(rest, behind.truth),
            "NO" => self.hear_gone(rest, behind.truth),
            "VANISHED" => self.hear_vanished(rest, behind),
            "SEARCH" | "SORT" => self.hear_found(rest),
            "ESEARCH" => self.hear_esearch(rest),
            "STATUS" => self.heard.status = Some(rest.to_owned()),
            "LIST" => {
                let name = rest.rsplit(' ').next().unwrap_or_default();
                self.heard.listed.insert(name.trim_matches('"').to_owned());
            }
            "FLAGS" | "ENABLED" | "CAPABILITY" => {}
            number => {
                let number: usize = number.parse().expect(line);
                self.hear_number(number, rest, behind);
            }
        }
    }

    /// HIGHESTMODSEQ: none beyond what the session has been told, for a client may
    /// take it as its own at once. SELECT says it before what has changed.
    fn see_highest(&mut self, line: &str, behind: Behind<'_>) {
        let highest = number_after(line, "HIGHESTMODSEQ ");
        let (Some(highest), Some(open)) = (highest, &mut self.open) else {
            return;
        };
        if let Some(status) = line.strip_prefix("STATUS ") {
            let name = behind.truth.mailboxes[open.mailbox].name.as_deref();
            if status.split(' ').next() != name {
                return;
            }
        }
        open.seen = open.seen.max(highest);
        if !behind.selects {
            self.check_told(behind.truth, highest);
        }
    }

    fn hear_ok(&mut self, text: &str, truth: &Truth) {
        if let Some((_, code)) = text.split_once("[COPYUID ") {
            self.heard.copied = code.split_once(']').map(|(code, _)| code.to_owned());
        }
        let Some(open) = &mut self.open else { return };
        if let Some(told) = number_after(text, "[UIDVALIDITY ") {
            let told = u32::try_from(told).expect("a UIDVALIDITY");
            if open.validity != told {
                // RFC 7162 §3.2.5: what the client had is of another mailbox.
                open.told.clear();
                open.highest = 0;
            }
            open.validity = told;
            assert_eq!(told, truth.mailboxes[open.mailbox].validity);
        }
        if let Some(told) = number_after(text, "[UIDNEXT ") {
            assert_eq!(told, u64::from(truth.mailboxes[open.mailbox].next));
        }
        if let Some(number) = number_after(text, "[UNSEEN ") {
            assert!(!self.kind.uid_only && !self.kind.rev2);
            let messages = &truth.mailboxes[open.mailbox].messages;
            let mut unseen = open.view.iter();
            let first = unseen.position(|uid| !messages[uid].has("\\Seen"));
            assert_eq!(first.map(|first| first as u64 + 1), Some(number), "UNSEEN");
        }
    }

    fn hear_gone(&mut self, text: &str, truth: &Truth) {
        let open = self.open.as_mut().expect("a selected mailbox");
        assert!(text.starts_with("[NONEXISTENT]"), "{text}");
        assert!(!open.gone, "told twice");
        assert!(truth.mailboxes[open.mailbox].name.is_none(), "{text}");
        open.gone = true;
    }

    fn hear_vanished(&mut self, rest: &str, behind: Behind<'_>) {
        let open = self.open.as_mut().expect("a selected mailbox");
        let messages = &behind.truth.mailboxes[open.mailbox].messages;
        let is_live = |uid: &u32| messages.get(uid).is_some_and(|m| m.is_live(behind.at));
        if let Some(set) = rest.strip_prefix("(EARLIER) ") {
            assert!(self.kind.qresync);
            for uid in numbers_of(set) {
                // RFC 7162 §3.2.10: no message number is touched by it.
                assert!(!open.view.contains(&uid), "EARLIER {uid} is counted");
                assert!(!is_live(&uid), "EARLIER {uid} is there");
                open.told.remove(&uid);
                self.heard.earlier.insert(uid);
            }
            return;
        }
        assert!(self.kind.vanishes() && behind.expunges, "VANISHED {rest}");
        for uid in numbers_of(rest) {
            let at = open.view.iter().position(|known| *known == uid);
            assert!(!is_live(&uid), "VANISHED {uid} is there");
            open.view
                .remove(at.expect("VANISHED of what was never told"));
            open.told.remove(&uid);
            open.saved.remove(&uid);
        }
    }

    fn hear_number(&mut self, number: usize, rest: &str, behind: Behind<'_>) {
        let open = self.open.as_mut().expect("a selected mailbox");
        let mailbox = &behind.truth.mailboxes[open.mailbox];
        let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        match name {
            "EXISTS" => take_arrivals(open, mailbox, number, behind),
            "RECENT" => {
                assert!(!self.kind.rev2, "RECENT");
                assert!(number <= open.view.len(), "RECENT {number}");
            }
            "EXPUNGE" => {
                assert!(!self.kind.vanishes() && behind.expunges, "EXPUNGE {number}");
                assert!(number >= 1 && number <= open.view.len(), "EXPUNGE {number}");
                let uid = open.view.remove(number - 1);
                assert!(
                    !mailbox.messages[&uid].is_live(behind.at),
                    "EXPUNGE of {uid}"
                );
                open.told.remove(&uid);
                open.saved.remove(&uid);
            }
            "FETCH" => {
                assert!(!self.kind.uid_only, "FETCH");
                assert!(number >= 1 && number <= open.view.len(), "FETCH {number}");
                let uid = open.view[number - 1];
                self.hear_fetch(uid, rest, behind);
            }
            "UIDFETCH" => {
                assert!(self.kind.uid_only, "UIDFETCH");
                let uid = u32::try_from(number).expect("a UID");
                assert!(open.view.contains(&uid), "UIDFETCH {number}");
                self.hear_fetch(uid, rest, behind);
            }
            other => panic!("{number} {other}"),
        }
    }

    fn hear_fetch(&mut self, uid: u32, items: &str, behind: Behind<'_>) {
        let open = self.open.as_mut().expect("a selected mailbox");
        let message = &behind.truth.mailboxes[open.mailbox].messages[&uid];
        if let Some(told) = number_after(items, "UID ") {
            assert_eq!(told, u64::from(uid), "the UID of a message");
        }
        let earliest = open.told.get(&uid).map_or(0, |told| told.version);
        let modseq = number_after(items, "MODSEQ (");
        if let Some(modseq) = modseq {
            assert!(self.kind.condstore, "MODSEQ of {uid}");
            assert!(modseq <= message.modseq(), "MODSEQ of {uid}");
            open.seen = open.seen.max(modseq);
            self.heard.modseqs.insert(uid);
        }
        if let Some(content) = number_after(items, "Subject: m") {
            assert_eq!(content, u64::from(message.content), "the text of {uid}");
            self.heard.contents.insert(uid);
        }
        let Some(flags) = flags_in(items) else { return };
        let mut versions = message.versions.iter().enumerate().rev();
        let version = versions.find(|(_, version)| version.flags == flags);
        let (version, _) = version.unwrap_or_else(|| panic!("{uid} never had {flags:?}"));
        assert!(
            version >= earliest,
            "{uid}: {flags:?} are older than what was told"
        );
        open.told.insert(uid, Told { flags, version });
        self.heard.flags.insert(uid);
    }

    /// `* SEARCH 1 2 (MODSEQ 5)`, `* SORT 2 1`
    fn hear_found(&mut self, rest: &str) {
        let (numbers, modseq) = rest.split_once('(').unwrap_or((rest, ""));
        let numbers = numbers.split_whitespace();
        let numbers: Vec<u32> = numbers.map(|n| n.parse().expect("a number")).collect();
        let open = self.open.as_mut().expect("a selected mailbox");
        if let Some(modseq) = number_after(modseq, "MODSEQ ") {
            open.seen = open.seen.max(modseq);
        }
        self.heard.found = Some(numbers);
    }

    /// `* ESEARCH (TAG "a") UID MIN 1 COUNT 2 ALL 1:2 MODSEQ 5`
    fn hear_esearch(&mut self, rest: &str) {
        let open = self.open.as_mut().expect("a selected mailbox");
        if let Some(modseq) = number_after(rest, " MODSEQ ") {
            open.seen = open.seen.max(modseq);
        }
        let end = |name| number_after(rest, name).map(|n| u32::try_from(n).expect("a number"));
        self.heard.ends = (end(" MIN "), end(" MAX "));
        self.heard.count = number_after(rest, " COUNT ");
        let all = rest.split_once(" ALL ").map(|(_, set)| set);
        let all = all.and_then(|set| set.split(' ').next());
        self.heard.found = Some(all.map(numbers_of).unwrap_or_default());
    }

    /// What a client makes of a tagged answer. RFC 7162 §6.
    pub(crate) fn take_modseq(&mut self, answer: &str) {
        if let Some(open) = &mut self.open {
            let told = number_after(answer, "[HIGHESTMODSEQ ").unwrap_or(0);
            open.highest = open.highest.max(open.seen).max(told);
            open.seen = 0;
        }
    }

    /// A client that takes the highest mod-sequence that it saw as its own, and whose
    /// line is cut now, must not miss anything.
    pub(crate) fn check_highest(&self, truth: &Truth) {
        if let Some(open) = &self.open {
            self.check_told(truth, open.highest);
        }
    }

    /// Nor while it is answered: expunges are told before anything that is later.
    pub(crate) fn check_expunges(&self, truth: &Truth) {
        let Some(open) = self.open.as_ref().filter(|_| self.kind.qresync) else {
            return;
        };
        let messages = &truth.mailboxes[open.mailbox].messages;
        let highest = open.highest.max(open.seen);
        for uid in &open.view {
            let missed = messages[uid]
                .expunged
                .is_some_and(|change| change <= highest);
            assert!(!missed, "at {highest} the expunge of {uid} is not told");
        }
    }

    fn check_told(&self, truth: &Truth, highest: u64) {
        let Some(open) = self.open.as_ref().filter(|_| self.kind.condstore) else {
            return;
        };
        let messages = &truth.mailboxes[open.mailbox].messages;
        assert!(highest <= truth.head, "{highest} is beyond all");
        for uid in &open.view {
            let expunged = messages[uid].expunged;
            let missed = self.kind.qresync && expunged.is_some_and(|change| change <= highest);
            assert!(!missed, "at {highest} the expunge of {uid} is not told");
        }
        for (uid, told) in &open.told {
            let message = &messages[uid];
            // What has changed later is told to whoever asks since `highest`.
            let missed = message.expunged.is_none()
                && message.modseq() <= highest
                && told.flags != *message.flags();
            assert!(!missed, "at {highest} the flags of {uid} are not told");
        }
    }

    /// The session knows the mailbox as it was at a change.
    pub(crate) fn check_current(&self, truth: &Truth, at: u64) {
        let Some(open) = &self.open else { return };
        let mailbox = &truth.mailboxes[open.mailbox];
        if mailbox.name.is_none() {
            return;
        }
        assert_eq!(open.view, mailbox.live(at), "the messages at {at}");
        for (uid, told) in &open.told {
            let message = &mailbox.messages[uid];
            let is = &message.version(at).flags;
            assert_eq!(told.flags, *is, "the flags of {uid} at {at}");
        }
    }
}

/// EXISTS: those that have come, in order.
fn take_arrivals(open: &mut Open, mailbox: &Mailbox, count: usize, behind: Behind<'_>) {
    assert!(count >= open.view.len(), "EXISTS {count}");
    let more = count - open.view.len();
    let new = mailbox
        .live(behind.at)
        .into_iter()
        .filter(|uid| *uid > open.last);
    let new: Vec<u32> = new.take(more).collect();
    assert_eq!(new.len(), more, "EXISTS {count}");
    // While an expunge is held back, nothing that came after it is told.
    let expunged = |uid: &u32| mailbox.messages[uid].expunged;
    let held = open.view.iter().filter_map(expunged).min();
    let came = |uid: &u32| mailbox.messages[uid].versions[0].modseq;
    let late = new
        .iter()
        .find(|uid| held.is_some_and(|held| came(uid) > held));
    assert_eq!(late, None, "came after an expunge that is not told");
    open.view.extend(&new);
    open.last = open
        .view
        .last()
        .map_or(open.last, |last| open.last.max(*last));
}
