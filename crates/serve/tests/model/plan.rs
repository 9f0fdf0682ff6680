//! A command by chance.

use crate::client::{Chance, Flags};
use crate::session::{Kind, Open, Session};
use crate::truth::{Message, Truth};

/// The mailboxes that it is about.
pub(crate) const NAMES: [&str; 4] = ["INBOX", "Archive", "A", "B"];

const FLAGS: [&str; 6] = ["\\Seen", "\\Flagged", "\\Deleted", "\\Deleted", "$x", "$y"];

/// A command.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What is said, but for the tag.
    pub(crate) text: String,
    pub(crate) what: What,
}

impl Plan {
    /// What is switched on when it has been answered. RFC 7162 §3.1.
    pub(crate) fn enables(&self, kind: Kind) -> Kind {
        let qresync = kind.qresync || self.text == "ENABLE QRESYNC";
        let condstore = kind.condstore
            || qresync
            || self.text == "ENABLE CONDSTORE"
            || self.text.contains("MODSEQ");
        Kind {
            condstore,
            qresync,
            ..kind
        }
    }

    pub(crate) fn new(text: impl Into<String>, what: What) -> Self {
        let text = text.into();
        Self { text, what }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    /// NOOP: all is told.
    Nothing,
    /// Whatever changes nothing and is checked elsewhere.
    Question,
    Append {
        name: String,
        flags: Vec<Flags>,
    },
    Store(Store),
    Fetch {
        targets: Targets,
        body: bool,
        since: Option<u64>,
    },
    Search {
        uid: bool,
        keys: Vec<Key>,
        save: bool,
        ends: bool,
    },
    Sort {
        uid: bool,
        reverse: bool,
    },
    Copy {
        targets: Targets,
        name: String,
        moves: bool,
    },
    Expunge(Option<Vec<u32>>),
    Close,
    Unselect,
    Select {
        name: String,
        read_only: bool,
    },
    Create(String),
    Delete(String),
    Rename(String, String),
    Status(String),
    List,
    Idle,
}

#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) targets: Targets,
    pub(crate) sign: &'static str,
    pub(crate) flags: Flags,
    pub(crate) silent: bool,
    pub(crate) since: Option<u64>,
}

impl Store {
    pub(crate) fn on(&self, flags: &Flags) -> Flags {
        match self.sign {
            "+" => flags.union(&self.flags).cloned().collect(),
            "-" => flags.difference(&self.flags).cloned().collect(),
            _ => self.flags.clone(),
        }
    }
}

/// Messages that a command names, of those that the session counts.
#[derive(Clone, Debug)]
pub(crate) struct Targets {
    pub(crate) uid: bool,
    pub(crate) set: String,
    pub(crate) uids: Vec<u32>,
}

#[derive(Clone, Debug)]
pub(crate) enum Key {
    Has(&'static str),
    Lacks(&'static str),
    Content(u32),
    Among(String, Vec<u32>),
    ModSeq(u64),
    Saved,
}

impl Key {
    fn text(&self) -> String {
        let name = |flag: &str| match flag.strip_prefix('\\') {
            Some(flag) => flag.to_uppercase(),
            None => format!("KEYWORD {flag}"),
        };
        match self {
            Self::Has(flag) => name(flag),
            Self::Lacks(flag) => format!("NOT {}", name(flag)),
            Self::Content(content) => format!("SUBJECT m{content:05}"),
            Self::Among(text, _) => text.clone(),
            Self::ModSeq(since) => format!("MODSEQ {since}"),
            Self::Saved => "$".to_owned(),
        }
    }

    pub(crate) fn matches(&self, uid: u32, message: &Message, at: u64, open: &Open) -> bool {
        let version = message.version(at);
        match self {
            Self::Has(flag) => version.flags.contains(*flag),
            Self::Lacks(flag) => !version.flags.contains(*flag),
            Self::Content(content) => message.content == *content,
            Self::Among(_, uids) => uids.contains(&uid),
            Self::ModSeq(since) => version.modseq >= *since,
            Self::Saved => open.saved.contains(&uid),
        }
    }
}

fn some_flags(chance: &mut Chance) -> Flags {
    let count = chance.below(3);
    (0..count).map(|_| chance.pick(&FLAGS).to_owned()).collect()
}

fn targets(open: &Open, uid: bool, chance: &mut Chance) -> Targets {
    if chance.one_in(6) {
        let saved = open.view.iter().filter(|uid| open.saved.contains(uid));
        return Targets {
            uid,
            set: "$".to_owned(),
            uids: saved.copied().collect(),
        };
    }
    let last = if uid {
        open.last + 2
    } else {
        open.view.len() as u32
    };
    let mut one = || 1 + chance.below(last as usize) as u32;
    let (first, second) = (one(), one());
    let (low, high) = (first.min(second), first.max(second));
    let (set, range) = match chance.below(5) {
        0 => (format!("{low}:*"), vec![low..=u32::MAX]),
        1 => (format!("{first}:{second}"), vec![low..=high]),
        2 => (
            format!("{first},{second}"),
            vec![first..=first, second..=second],
        ),
        _ => (first.to_string(), vec![first..=first]),
    };
    let is_last = |number: u32| number as usize == open.view.len();
    let named = |index: usize, message: u32| {
        let number = if uid { message } else { index as u32 + 1 };
        // `*` is the last, wherever the other end is.
        range.iter().any(|range| range.contains(&number))
            || (set.ends_with('*') && is_last(index as u32 + 1))
    };
    let uids = open.view.iter().enumerate();
    let uids = uids.filter(|(index, uid)| named(*index, **uid));
    Targets {
        uid,
        uids: uids.map(|(_, uid)| *uid).collect(),
        set,
    }
}

fn key(session: &Session, open: &Open, truth: &Truth, chance: &mut Chance) -> Key {
    match chance.below(7) {
        0 | 1 => Key::Has(["\\Seen", "\\Flagged", "\\Deleted", "$x"][chance.below(4)]),
        2 => Key::Lacks(["\\Seen", "\\Flagged", "\\Deleted", "$y"][chance.below(4)]),
        3 => Key::Content(1 + chance.below(truth.contents.max(1) as usize) as u32),
        // While an expunge is held back no mod-sequence beyond it is found.
        4 if (session.kind.condstore || chance.one_in(8)) && !open.ghosts(truth, truth.head) => {
            Key::ModSeq(truth.head.saturating_sub(chance.below(20) as u64))
        }
        5 => Key::Saved,
        _ => {
            let by_number = !open.view.is_empty() && !session.kind.uid_only && !chance.one_in(3);
            let among = targets(open, !by_number, chance);
            let name = if by_number || among.set == "$" {
                ""
            } else {
                "UID "
            };
            Key::Among(format!("{name}{}", among.set), among.uids)
        }
    }
}

/// A command that the session may send now.
pub(crate) fn plan(session: &Session, truth: &Truth, chance: &mut Chance) -> Plan {
    let name = NAMES[chance.below(NAMES.len())].to_owned();
    let Some(open) = &session.open else {
        return match chance.below(8) {
            0 => of_account(session, &name, chance),
            1 => append(&name, truth, chance),
            _ => select(&name, chance),
        };
    };
    match chance.below(24) {
        0 => of_account(session, &name, chance),
        1 | 2 => append(&name, truth, chance),
        3 => match chance.below(5) {
            0 | 1 => Plan::new("IDLE", What::Idle),
            2 if chance.one_in(2) => {
                let name = chance.pick(&["CONDSTORE", "QRESYNC"]);
                Plan::new(format!("ENABLE {name}"), What::Question)
            }
            _ => Plan::new("NOOP", What::Nothing),
        },
        4 => match chance.below(6) {
            0 => Plan::new("CLOSE", What::Close),
            1 => Plan::new("UNSELECT", What::Unselect),
            _ => select(&name, chance),
        },
        5 | 6 => expunge(open, chance),
        7 => status(session, name),
        _ => of_messages(session, open, name, truth, chance),
    }
}

fn of_account(session: &Session, name: &str, chance: &mut Chance) -> Plan {
    let name = name.to_owned();
    let other = NAMES[1 + chance.below(3)].to_owned();
    match chance.below(6) {
        0 | 1 => Plan::new(format!("CREATE {other}"), What::Create(other)),
        2 => Plan::new(format!("DELETE {other}"), What::Delete(other)),
        3 => Plan::new(format!("RENAME {name} {other}"), What::Rename(name, other)),
        4 => Plan::new("LIST \"\" *".to_owned(), What::List),
        _ => status(session, name),
    }
}

fn status(session: &Session, name: String) -> Plan {
    let more = match (session.kind.condstore, session.kind.rev2) {
        (true, _) => " HIGHESTMODSEQ",
        (_, true) => " DELETED",
        _ => "",
    };
    Plan::new(
        format!("STATUS {name} (MESSAGES UIDNEXT UIDVALIDITY UNSEEN{more})"),
        What::Status(name),
    )
}

fn select(name: &str, chance: &mut Chance) -> Plan {
    let read_only = chance.one_in(5);
    let verb = if read_only { "EXAMINE" } else { "SELECT" };
    Plan {
        text: format!("{verb} {name}"),
        what: What::Select {
            name: name.to_owned(),
            read_only,
        },
    }
}

fn append(name: &str, truth: &Truth, chance: &mut Chance) -> Plan {
    let count = if chance.one_in(3) { 2 } else { 1 };
    let flags: Vec<Flags> = (0..count).map(|_| some_flags(chance)).collect();
    let mut text = format!("APPEND {name}");
    for (index, flags) in flags.iter().enumerate() {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let content = truth.contents + 1 + index as u32;
        let message = format!("Subject: m{content:05}\r\n\r\nbody\r\n");
        text += &format!(" ({}) {{{}+}}\r\n{message}", flags.join(" "), message.len());
    }
    Plan {
        text,
        what: What::Append {
            name: name.to_owned(),
            flags,
        },
    }
}

fn expunge(open: &Open, chance: &mut Chance) -> Plan {
    if chance.below(2) == 0 {
        return Plan::new("EXPUNGE", What::Expunge(None));
    }
    let first = 1 + chance.below(open.last as usize + 1) as u32;
    let last = first + chance.below(4) as u32;
    Plan::new(
        format!("UID EXPUNGE {first}:{last}"),
        What::Expunge(Some((first..=last).collect())),
    )
}

fn of_messages(
    session: &Session,
    open: &Open,
    name: String,
    truth: &Truth,
    chance: &mut Chance,
) -> Plan {
    let kind = session.kind;
    let uid = kind.uid_only || open.view.is_empty() || chance.one_in(3);
    let prefix = if uid { "UID " } else { "" };
    let targets = targets(open, uid, chance);
    let set = targets.set.clone();
    match chance.below(16) {
        0..=4 => store(session, prefix, targets, truth, chance),
        5..=8 => fetch(session, open, prefix, targets, chance),
        9 | 10 => search(session, open, truth, uid, chance),
        11 => {
            let reverse = chance.below(2) == 0;
            let order = if reverse {
                "REVERSE SUBJECT"
            } else {
                "SUBJECT"
            };
            Plan {
                text: format!("{prefix}SORT ({order}) UTF-8 ALL"),
                what: What::Sort { uid, reverse },
            }
        }
        12 | 13 => Plan {
            text: format!("{prefix}COPY {set} {name}"),
            what: What::Copy {
                targets,
                name,
                moves: false,
            },
        },
        _ => Plan {
            text: format!("{prefix}MOVE {set} {name}"),
            what: What::Copy {
                targets,
                name,
                moves: true,
            },
        },
    }
}

fn store(
    session: &Session,
    prefix: &str,
    targets: Targets,
    truth: &Truth,
    chance: &mut Chance,
) -> Plan {
    let sign = ["+", "+", "+", "-", "-", ""][chance.below(6)];
    let mut flags = some_flags(chance);
    if flags.is_empty() {
        flags.insert("\\Deleted".to_owned());
    }
    let silent = chance.one_in(3);
    let since = (session.kind.condstore && chance.one_in(3))
        .then(|| truth.head.saturating_sub(chance.below(12) as u64));
    let said: Vec<&str> = flags.iter().map(String::as_str).collect();
    let until = since.map_or(String::new(), |since| format!(" (UNCHANGEDSINCE {since})"));
    let text = format!(
        "{prefix}STORE {}{until} {sign}FLAGS{} ({})",
        targets.set,
        if silent { ".SILENT" } else { "" },
        said.join(" ")
    );
    Plan {
        text,
        what: What::Store(Store {
            targets,
            sign,
            flags,
            silent,
            since,
        }),
    }
}

fn fetch(
    session: &Session,
    open: &Open,
    prefix: &str,
    targets: Targets,
    chance: &mut Chance,
) -> Plan {
    let condstore = session.kind.condstore;
    let body = chance.one_in(3);
    let since = (condstore && chance.one_in(3))
        .then(|| open.highest.saturating_sub(chance.below(6) as u64).max(1));
    let vanished = since.is_some() && session.kind.qresync && targets.uid;
    // Whoever asks for it switches it on.
    let asks = condstore || chance.one_in(10);
    let modseq = if asks { " MODSEQ" } else { "" };
    let items = if body {
        format!("(UID BODY[]{modseq})")
    } else {
        format!("(UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)]{modseq})")
    };
    let more = match since {
        Some(since) if vanished => format!(" (CHANGEDSINCE {since} VANISHED)"),
        Some(since) => format!(" (CHANGEDSINCE {since})"),
        None => String::new(),
    };
    Plan {
        text: format!("{prefix}FETCH {} {items}{more}", targets.set),
        what: What::Fetch {
            targets,
            body,
            since,
        },
    }
}

fn search(session: &Session, open: &Open, truth: &Truth, uid: bool, chance: &mut Chance) -> Plan {
    let count = chance.below(3);
    let mut keys: Vec<Key> = (0..count)
        .map(|_| key(session, open, truth, chance))
        .collect();
    if keys.iter().any(|key| matches!(key, Key::ModSeq(_))) {
        // What `*` stands for may be told only then.
        keys.retain(|key| !matches!(key, Key::Among(..)));
    }
    let said: Vec<String> = keys.iter().map(Key::text).collect();
    let said = if said.is_empty() {
        "ALL".to_owned()
    } else {
        said.join(" ")
    };
    let (save, ends) = (chance.one_in(2), chance.one_in(3));
    let returns = match (save, ends) {
        (true, true) => " RETURN (SAVE MIN MAX COUNT ALL)",
        (true, false) => " RETURN (SAVE)",
        (false, true) => " RETURN (MIN MAX COUNT ALL)",
        _ => "",
    };
    let prefix = if uid { "UID " } else { "" };
    Plan {
        text: format!("{prefix}SEARCH{returns} {said}"),
        what: What::Search {
            uid,
            keys,
            save,
            ends,
        },
    }
}

/// Whether an expunge may be told while it is answered. RFC 9051 §7.5.1, RFC 7162
/// §3.2.10.
pub(crate) fn may_expunge(what: &What) -> bool {
    match what {
        What::Store(store) => store.targets.uid,
        What::Fetch { targets, .. } => targets.uid,
        What::Search { uid, keys, .. } => {
            let number = |key: &Key| matches!(key, Key::Among(text, _) if !text.starts_with("UID") && text != "$");
            *uid && !keys.iter().any(number)
        }
        What::Sort { uid, .. } => *uid,
        _ => true,
    }
}
