//! Whether a command was answered as was worked out.

use crate::plan::{Plan, What};
use crate::predict::Expected;
use crate::session::{Heard, Session};

/// Holds the answer against what was expected; the lines have been heard.
pub(crate) fn check(session: &mut Session, plan: &Plan, expected: &Expected, answer: &str) {
    match expected.ok {
        Some(ok) => assert_eq!(answer.starts_with("OK"), ok, "{answer}"),
        None => assert!(!answer.starts_with("BAD"), "{answer}"),
    }
    assert!(ok_or_no(answer), "{answer}");
    check_code(&session.heard, plan, expected, answer);
    let heard = &session.heard;
    for uid in &expected.flags {
        assert!(heard.flags.contains(uid), "no flags of {uid}");
    }
    for uid in &expected.contents {
        assert!(heard.contents.contains(uid), "no text of {uid}");
    }
    if let Some(status) = &expected.status {
        let is = heard.status.as_deref().unwrap_or_default();
        assert!(is.starts_with(status.as_str()), "{is}, not {status}");
    }
    if let Some(listed) = &expected.listed {
        assert_eq!(heard.listed, *listed);
    }
    if let Some(found) = &expected.found {
        check_found(session, plan, found);
    }
}

fn ok_or_no(answer: &str) -> bool {
    answer.starts_with("OK") || answer.starts_with("NO")
}

fn check_code(heard: &Heard, plan: &Plan, expected: &Expected, answer: &str) {
    if let What::Copy { moves, .. } = &plan.what
        && expected.ok == Some(true)
    {
        let told = if *moves {
            heard.copied.clone()
        } else {
            let code = answer.split_once("[COPYUID ").map(|(_, code)| code);
            code.and_then(|code| Some(code.split_once(']')?.0.to_owned()))
        };
        assert_eq!(told, expected.code, "COPYUID");
        return;
    }
    if let Some(code) = &expected.code {
        assert!(answer.contains(code.as_str()), "{answer}, not {code}");
    }
}

fn check_found(session: &mut Session, plan: &Plan, found: &[u32]) {
    let (uid, save, ends) = match &plan.what {
        What::Search {
            uid, save, ends, ..
        } => (*uid, *save, *ends),
        What::Sort { uid, .. } => (*uid, false, false),
        other => panic!("{other:?}"),
    };
    let heard = &session.heard;
    let open = session.open.as_mut().expect("a selected mailbox");
    let told = |number: u32| {
        if uid {
            number
        } else {
            open.view[number as usize - 1]
        }
    };
    if ends || !save {
        let is = heard.found.as_ref().expect("an answer");
        let is: Vec<u32> = is.iter().map(|number| told(*number)).collect();
        assert_eq!(is, found, "found");
    }
    if ends {
        let (min, max) = heard.ends;
        assert_eq!(min.map(told), found.first().copied(), "MIN");
        assert_eq!(max.map(told), found.last().copied(), "MAX");
        assert_eq!(heard.count, Some(found.len() as u64), "COUNT");
    }
    if save {
        open.saved = found.iter().copied().collect();
    }
}

/// What a client makes of a `.SILENT` that was done: it knows what it has asked for.
pub(crate) fn take_silent(session: &mut Session, plan: &Plan, expected: &Expected, answer: &str) {
    let What::Store(store) = &plan.what else {
        return;
    };
    let condstore = session.kind.condstore;
    let (Some(open), heard) = (&mut session.open, &session.heard) else {
        return;
    };
    if !condstore && !answer.starts_with("OK") {
        // Which were done it cannot know: it is told.
        return;
    }
    for uid in &expected.silent {
        let told_alone = heard.modseqs.contains(uid) && !heard.flags.contains(uid);
        if condstore {
            assert!(
                heard.modseqs.contains(uid) || heard.flags.contains(uid),
                "no MODSEQ of {uid}"
            );
        }
        let applies = if condstore {
            told_alone
        } else {
            !heard.flags.contains(uid)
        };
        if let Some(told) = open.told.get_mut(uid).filter(|_| applies) {
            told.flags = store.on(&told.flags);
        }
    }
}
