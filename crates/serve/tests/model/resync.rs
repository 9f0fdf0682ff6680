//! A client whose line was cut, and that comes back.

use crate::client::Chance;
use crate::plan::NAMES;
use crate::predict::runs;
use crate::session::{Open, Session};
use crate::truth::Truth;

/// How a client comes back to its mailbox: the SELECT, and what it asks for then.
pub(crate) fn select(session: &Session, cache: &Open, chance: &mut Chance) -> String {
    let name = &cache.name;
    if session.kind.qresync && cache.highest > 0 && cache.validity > 0 {
        let known = known(session, cache, chance);
        let (validity, highest) = (cache.validity, cache.highest);
        return format!("SELECT {name} (QRESYNC ({validity} {highest}{known}))");
    }
    if session.kind.condstore && chance.one_in(2) {
        return format!("SELECT {name} (CONDSTORE)");
    }
    format!("SELECT {name}")
}

/// What a QRESYNC says of what the client knows. RFC 7162 §3.2.5.1, §3.2.5.2.
fn known(session: &Session, cache: &Open, chance: &mut Chance) -> String {
    let upto = cache.upto();
    if upto == 0 || chance.one_in(2) {
        return String::new();
    }
    let uids: Vec<u32> = cache
        .told
        .keys()
        .copied()
        .filter(|uid| *uid <= upto)
        .collect();
    let known = match chance.one_in(2) {
        true => format!(" 1:{upto}"),
        false => format!(" {}", runs(&uids)),
    };
    let numbered = cache.view.iter().enumerate();
    let matches: (Vec<u32>, Vec<u32>) = numbered
        .filter(|(_, uid)| **uid <= upto && !chance.one_in(3))
        .map(|(index, uid)| (index as u32 + 1, *uid))
        .unzip();
    if session.kind.uid_only || matches.0.is_empty() || chance.one_in(2) {
        return known;
    }
    format!("{known} ({} {})", runs(&matches.0), runs(&matches.1))
}

/// What a client with CONDSTORE alone asks for, once it has selected. RFC 7162 §6,
/// RFC 4549 §4.3.
pub(crate) fn questions(session: &Session, cache: &Open) -> Vec<String> {
    let upto = cache.upto();
    if !session.kind.condstore || session.kind.qresync || upto == 0 || cache.highest == 0 {
        return Vec::new();
    }
    vec![
        format!("UID SEARCH UID 1:{upto}"),
        format!(
            "UID FETCH 1:{upto} (FLAGS MODSEQ) (CHANGEDSINCE {})",
            cache.highest
        ),
    ]
}

/// What is still there of what the client knew.
pub(crate) fn keep_found(session: &mut Session) {
    let found = session.heard.found.take().expect("an answer to SEARCH");
    let open = session.open.as_mut().expect("a selected mailbox");
    open.told.retain(|uid, _| found.contains(uid));
}

/// What a client keeps: whatever it may have been told of messages that it does not
/// know all before is asked for again.
pub(crate) fn keep(session: &Session, open: Option<Open>, truth: &Truth) -> Option<Open> {
    let mut open = open?;
    let upto = match open.view.is_empty() {
        // Cut before it was told how many there are: as it was before.
        true => u32::MAX,
        false => open.upto(),
    };
    open.told.retain(|uid, _| *uid <= upto);
    if open.told.keys().any(|uid| !open.view.contains(uid)) {
        // Cut before it was told what has gone: it counts as it did before.
        open.view = open.told.keys().copied().collect();
    }
    open.seen = 0;
    if !session.kind.condstore {
        open.told.clear();
    }
    // A client knows the mailbox by its name.
    assert!(NAMES.contains(&open.name.as_str()));
    assert!(open.mailbox < truth.mailboxes.len());
    Some(open)
}
