//! What a command does, and how it must be answered.

use crate::client::Flags;
use crate::plan::{Key, Plan, Store, Targets, What};
use crate::session::{Open, Session};
use crate::truth::{Message, Truth};
use std::collections::BTreeSet;

/// What the answer must be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expected {
    /// `None`: either, and nothing is done.
    pub(crate) ok: Option<bool>,
    /// A response code, up to its numbers.
    pub(crate) code: Option<String>,
    /// Messages whose flags must be told, and whose text.
    pub(crate) flags: Vec<u32>,
    pub(crate) contents: Vec<u32>,
    /// Messages that the client changes by itself, unless it is told of them.
    pub(crate) silent: Vec<u32>,
    pub(crate) found: Option<Vec<u32>>,
    pub(crate) status: Option<String>,
    pub(crate) listed: Option<BTreeSet<String>>,
}

impl Expected {
    fn ok() -> Self {
        Self {
            ok: Some(true),
            ..Self::default()
        }
    }

    fn no(code: &str) -> Self {
        Self {
            ok: Some(false),
            code: (!code.is_empty()).then(|| format!("[{code}")),
            ..Self::default()
        }
    }
}

/// Works out what a command does, and how it is answered. `at` is what the session's
/// server has seen.
pub(crate) fn predict(truth: &mut Truth, session: &Session, plan: &Plan, at: u64) -> Expected {
    match &plan.what {
        What::Append { name, flags } => {
            let first = truth.contents + 1;
            truth.contents += flags.len() as u32;
            let Some(mailbox) = truth.find(name) else {
                return Expected::no("TRYCREATE]");
            };
            let append = |(index, flags): (usize, &Flags)| {
                truth.append(mailbox, first + index as u32, flags.clone())
            };
            let uids: Vec<u32> = flags.iter().enumerate().map(append).collect();
            let validity = truth.mailboxes[mailbox].validity;
            Expected {
                code: Some(format!("[APPENDUID {validity} {}", runs(&uids))),
                ..Expected::ok()
            }
        }
        What::Create(name) => match truth.find(name) {
            Some(_) => Expected::no("ALREADYEXISTS]"),
            None => {
                truth.create(name);
                Expected::ok()
            }
        },
        What::Delete(name) => match truth.find(name) {
            None => Expected::no("NONEXISTENT]"),
            Some(mailbox) => {
                truth.mailboxes[mailbox].name = None;
                Expected::ok()
            }
        },
        What::Rename(from, to) => rename(truth, from, to),
        What::Status(name) => status_of(truth, session, name),
        What::List => Expected {
            listed: Some(
                truth
                    .mailboxes
                    .iter()
                    .filter_map(|mailbox| mailbox.name.clone())
                    .collect(),
            ),
            ..Expected::ok()
        },
        What::Select { name, .. } => match truth.find(name) {
            Some(_) => Expected::ok(),
            None => Expected::no("NONEXISTENT]"),
        },
        What::Nothing | What::Question | What::Idle | What::Unselect => Expected::ok(),
        _ => predict_selected(truth, session, plan, at),
    }
}

fn rename(truth: &mut Truth, from: &str, to: &str) -> Expected {
    let Some(mailbox) = truth.find(from) else {
        return Expected::no("");
    };
    if truth.find(to).is_some() {
        return Expected::no("");
    }
    if from != "INBOX" {
        truth.mailboxes[mailbox].name = Some(to.to_owned());
        return Expected::ok();
    }
    let target = truth.create(to);
    let uids = truth.mailboxes[mailbox].live(truth.head);
    truth.r#move(mailbox, &uids, target);
    Expected::ok()
}

/// What STATUS answers, but for HIGHESTMODSEQ.
fn status_of(truth: &Truth, session: &Session, name: &str) -> Expected {
    let Some(mailbox) = truth.find(name) else {
        return Expected::no("NONEXISTENT]");
    };
    let mailbox = &truth.mailboxes[mailbox];
    let live = mailbox.live(truth.head);
    let counted = |flag: &str| {
        let has = |uid: &&u32| mailbox.messages[*uid].has(flag);
        live.iter().filter(has).count()
    };
    let mut status = format!(
        "{name} (MESSAGES {} UIDNEXT {} UIDVALIDITY {} UNSEEN {}",
        live.len(),
        mailbox.next,
        mailbox.validity,
        live.len() - counted("\\Seen"),
    );
    if session.kind.rev2 && !session.kind.condstore {
        status += &format!(" DELETED {}", counted("\\Deleted"));
    }
    Expected {
        status: Some(status),
        ..Expected::ok()
    }
}

fn predict_selected(truth: &mut Truth, session: &Session, plan: &Plan, at: u64) -> Expected {
    let open = session.open.as_ref().expect("a selected mailbox");
    if truth.mailboxes[open.mailbox].name.is_none() {
        let ok = match &plan.what {
            What::Close => Some(true),
            _ => None,
        };
        return Expected {
            ok: ok.filter(|_| open.read_only),
            ..Expected::default()
        };
    }
    match &plan.what {
        What::Store(_) | What::Expunge(_) if open.read_only => Expected::no(""),
        What::Copy { moves: true, .. } if open.read_only => Expected::no(""),
        What::Store(store) => predict_store(truth, session.kind.condstore, open, store),
        What::Fetch {
            targets,
            body,
            since,
        } => predict_fetch(truth, open, targets, (*body, *since), at),
        What::Search { keys, .. } => {
            let mailbox = &truth.mailboxes[open.mailbox];
            let messages = &mailbox.messages;
            let modseq = keys.iter().any(|key| matches!(key, Key::ModSeq(_)));
            // What is new is told first, where mod-sequences are looked for.
            let all = if modseq {
                mailbox.live(at)
            } else {
                open.view.clone()
            };
            let found = all.into_iter().filter(|uid| {
                let message = &messages[uid];
                message.is_live(at) && keys.iter().all(|key| key.matches(*uid, message, at, open))
            });
            Expected {
                found: Some(found.collect()),
                ..Expected::ok()
            }
        }
        What::Sort { reverse, .. } => {
            let messages = &truth.mailboxes[open.mailbox].messages;
            let live = open.view.iter().copied();
            let mut found: Vec<u32> = live.filter(|uid| messages[uid].is_live(at)).collect();
            // RFC 5256 §2.2, §3: REVERSE turns the key alone around, and where that is
            // the same the message number decides.
            found.sort_by_key(|uid| {
                let content = i64::from(messages[uid].content);
                (if *reverse { -content } else { content }, *uid)
            });
            Expected {
                found: Some(found),
                ..Expected::ok()
            }
        }
        What::Copy {
            targets,
            name,
            moves,
        } => predict_copy(truth, open, targets, name, *moves),
        What::Expunge(only) => {
            take_deleted(truth, open, only.as_deref(), at);
            Expected::ok()
        }
        What::Close => {
            if !open.read_only {
                take_deleted(truth, open, None, at);
            }
            Expected::ok()
        }
        other => panic!("{other:?}"),
    }
}

fn take_deleted(truth: &mut Truth, open: &Open, only: Option<&[u32]>, at: u64) {
    let head = truth.head;
    let messages = &truth.mailboxes[open.mailbox].messages;
    let goes = |(uid, message): (&u32, &Message)| {
        let deleted = message.has("\\Deleted") && message.version(at).flags.contains("\\Deleted");
        let named = only.is_none_or(|only| only.contains(uid));
        (deleted && named && message.is_live(head) && message.is_live(at)).then_some(*uid)
    };
    let gone: Vec<u32> = messages.iter().filter_map(goes).collect();
    for uid in gone {
        truth.expunge(open.mailbox, uid);
    }
}

fn predict_store(truth: &mut Truth, condstore: bool, open: &Open, store: &Store) -> Expected {
    let head = truth.head;
    let (mut missing, mut modified) = (false, Vec::new());
    let (mut answered, mut silent) = (Vec::new(), Vec::new());
    for uid in &store.targets.uids {
        let message = &truth.mailboxes[open.mailbox].messages[uid];
        if !message.is_live(head) {
            missing = true;
            continue;
        }
        if store.since.is_some_and(|since| message.modseq() > since) {
            modified.push(*uid);
            continue;
        }
        let flags = store.on(message.flags());
        let changes = flags != *message.flags();
        truth.set_flags(open.mailbox, *uid, flags);
        if !store.silent {
            answered.push(*uid);
        } else if changes || !condstore {
            silent.push(*uid);
        }
    }
    let missing = missing && !store.targets.uid;
    let numbers: Vec<u32> = if store.targets.uid {
        modified.clone()
    } else {
        let number = |uid: &u32| open.view.iter().position(|known| known == uid);
        let numbers = modified.iter().filter_map(number);
        numbers.map(|index| index as u32 + 1).collect()
    };
    Expected {
        ok: Some(!missing),
        code: if !modified.is_empty() {
            Some(format!("[MODIFIED {}]", runs(&numbers)))
        } else {
            missing.then(|| "[EXPUNGEISSUED]".to_owned())
        },
        flags: answered,
        silent,
        ..Expected::default()
    }
}

fn predict_fetch(
    truth: &mut Truth,
    open: &Open,
    targets: &Targets,
    (body, since): (bool, Option<u64>),
    at: u64,
) -> Expected {
    let (mut flags, mut contents) = (Vec::new(), Vec::new());
    let (mut lost, head) = (false, truth.head);
    for uid in &targets.uids {
        let message = &truth.mailboxes[open.mailbox].messages[uid];
        let live = message.is_live(at);
        // Which have changed is another question where expunges are held back.
        if since.is_some() || (targets.uid && !live) {
            if since.is_none_or(|since| message.version(at).modseq <= since) || !live {
                continue;
            }
            if open.ghosts(truth, at) {
                continue;
            }
        }
        if message.moved && !live {
            lost |= !targets.uid;
            continue;
        }
        contents.push(*uid);
        if !body {
            flags.push(*uid);
        }
    }
    if body && !open.read_only {
        let asked = targets.uids.clone();
        for uid in asked {
            let message = &truth.mailboxes[open.mailbox].messages[&uid];
            let changed = since.is_none_or(|since| message.version(at).modseq > since);
            let unseen = !message.version(at).flags.contains("\\Seen") && !message.has("\\Seen");
            if message.is_live(at) && message.is_live(head) && unseen && changed {
                let mut now = message.flags().clone();
                now.insert("\\Seen".to_owned());
                truth.set_flags(open.mailbox, uid, now);
            }
        }
    }
    let answer = if lost {
        // RFC 2180 §4.1.2
        Expected::no("EXPUNGEISSUED]")
    } else {
        Expected::ok()
    };
    Expected {
        flags,
        contents,
        ..answer
    }
}

fn predict_copy(
    truth: &mut Truth,
    open: &Open,
    targets: &Targets,
    name: &str,
    moves: bool,
) -> Expected {
    let head = truth.head;
    let messages = &truth.mailboxes[open.mailbox].messages;
    let is_live = |uid: &u32| messages[uid].is_live(head);
    let uids: Vec<u32> = targets.uids.iter().copied().filter(is_live).collect();
    let Some(target) = truth.find(name) else {
        // Nothing to be copied can go anywhere.
        let ok = (!targets.uids.is_empty()).then_some(false);
        let ok = ok.filter(|_| !uids.is_empty());
        return Expected {
            ok,
            ..Expected::default()
        };
    };
    if !targets.uid && uids.len() < targets.uids.len() {
        // RFC 2180 §4.4.1
        return Expected::no("EXPUNGEISSUED]");
    }
    if uids.is_empty() {
        return Expected::ok();
    }
    let placed = if moves {
        truth.r#move(open.mailbox, &uids, target)
    } else {
        truth.copy(open.mailbox, &uids, target)
    };
    let validity = truth.mailboxes[target].validity;
    Expected {
        code: Some(format!("{validity} {} {}", runs(&uids), runs(&placed))),
        ..Expected::ok()
    }
}

/// Numbers as a set: `1:3,5`.
pub(crate) fn runs(numbers: &[u32]) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    let text = |(first, last): &(u32, u32)| match first == last {
        true => first.to_string(),
        false => format!("{first}:{last}"),
    };
    runs.iter().map(text).collect::<Vec<_>>().join(",")
}
