//! Threads of messages that have nothing else.

use super::*;

/// Messages as subject, identifier and references; a later one has a later date.
fn told(algorithm: ThreadAlgorithm, messages: &[(&str, &str, &str)]) -> String {
    let mut facts = Facts::default();
    let mut links = Links::default();
    for (place, (subject, id, references)) in (0..).zip(messages) {
        let base = mime::base_subject(subject.as_bytes());
        facts.messages.push(Fact {
            number: place + 1,
            seconds: i64::from(place),
            subject: (!base.text.is_empty()).then(|| hash(base.text.as_bytes())),
            is_reply: base.is_reply_or_forward,
        });
        links.add(place, id.as_bytes(), references.as_bytes());
    }
    let threads = match algorithm {
        ThreadAlgorithm::OrderedSubject => facts.by_subject(),
        ThreadAlgorithm::References => facts.by_references(&mut links, true, &Stop::default()),
        ThreadAlgorithm::Refs => facts.by_references(&mut links, false, &Stop::default()),
    };
    let mut writing = threads.write();
    let mut out = Vec::new();
    while writing.some(&mut out, 1) {}
    String::from_utf8(out).unwrap()
}

#[test]
fn references_make_threads() {
    use ThreadAlgorithm::{OrderedSubject, References, Refs};
    let mail = [
        ("a", "<1>", ""),
        ("Re: a", "<2>", "<1>"),
        ("Re: a", "<3>", "<1>"),
        ("Re: a", "<4>", "<1><2>"),
        ("b", "<5>", ""),
    ];
    assert_eq!(told(References, &mail), "(1 (2 4)(3))(5)");
    assert_eq!(told(Refs, &mail), "(1 (2 4)(3))(5)");
    assert_eq!(told(OrderedSubject, &mail), "(1 (2)(3)(4))(5)");
    // Step 3: what is not there holds its children together, or goes.
    let mail = [
        ("x", "<2>", "<1>"),
        ("y", "<3>", "<1>"),
        ("z", "<5>", "<4>"),
        ("u", "<7>", "<5><6>"),
    ];
    assert_eq!(told(References, &mail), "((1)(2))(3 4)");
    // A child may come before its parent.
    let mail = [("Re: a", "<2>", "<1>"), ("a", "<1>", "")];
    assert_eq!(told(References, &mail), "(2 1)");
    // Neither itself nor its own descendant can be a parent.
    let mail = [
        ("a", "<1>", "<2>"),
        ("b", "<2>", "<1>"),
        ("c", "<3>", "<3>"),
    ];
    assert_eq!(told(References, &mail), "(2 1)(3)");
    // Two of one identifier, and some without.
    let mail = [
        ("a", "<1>", ""),
        ("b", "<1>", ""),
        ("c", "", ""),
        ("d", "", "<1>"),
    ];
    assert_eq!(told(References, &mail), "(1 4)(2)(3)");
    assert_eq!(told(References, &[]), "");
}

/// RFC 5256 §3, REFERENCES, step 5.
#[test]
fn subjects_join_roots() {
    use ThreadAlgorithm::{References, Refs};
    // A reply without references goes below the message it may answer.
    let mail = [("a", "<1>", ""), ("Re: a", "<2>", ""), ("Re: a", "<3>", "")];
    assert_eq!(told(References, &mail), "(1 (2)(3))");
    assert_eq!(told(Refs, &mail), "(1)(2)(3)");
    // Two of one subject that are no replies, and two replies, stand side by side.
    let mail = [("a", "<1>", ""), ("a", "<2>", "")];
    assert_eq!(told(References, &mail), "((1)(2))");
    let mail = [("Re: a", "<1>", ""), ("Re: a", "<2>", ""), ("a", "<3>", "")];
    assert_eq!(told(References, &mail), "(3 (1)(2))");
    // What is not there takes roots of the subject of its first child.
    let mail = [
        ("a", "<2>", "<1>"),
        ("b", "<3>", "<1>"),
        ("a", "<4>", ""),
        ("a", "<6>", "<5>"),
        ("c", "<7>", "<5>"),
    ];
    assert_eq!(told(References, &mail), "((1)(2)(3)(4)(5))");
    // Empty subjects join nothing.
    let mail = [("", "<1>", ""), ("Re:", "<2>", "")];
    assert_eq!(told(References, &mail), "(1)(2)");
}

/// draft-ietf-morg-inthread §5.1: the thread of the newest message comes last.
#[test]
fn the_newest_thread_comes_last() {
    let mail = [("a", "<1>", ""), ("b", "<2>", ""), ("c", "<3>", "<1>")];
    assert_eq!(told(ThreadAlgorithm::Refs, &mail), "(2)(1 3)");
    assert_eq!(told(ThreadAlgorithm::References, &mail), "(1 3)(2)");
}

/// Long chains and many children cost no stack, and not the square of their number.
#[test]
fn many_are_threaded() {
    let count = 20_000;
    let ids: Vec<String> = (0..count).map(|index| format!("<{index}>")).collect();
    let chain: Vec<(&str, &str, &str)> = (0..count)
        .map(|index| {
            (
                "",
                ids[index].as_str(),
                if index > 0 { &ids[index - 1] } else { "" },
            )
        })
        .collect();
    let chained = told(ThreadAlgorithm::References, &chain);
    assert!(chained.starts_with("(1 2 3 4 "));
    let star: Vec<(&str, &str, &str)> = (0..count)
        .map(|index| ("", ids[index].as_str(), if index > 0 { "<0>" } else { "" }))
        .collect();
    assert!(told(ThreadAlgorithm::Refs, &star).ends_with("(19999)(20000))"));
}

/// A chain of those that are not there grows from below by as much as a message refers
/// to; what hangs on its lower end finds the upper one once and not each time.
#[test]
fn a_chain_that_is_not_there_is_gone_through_once() {
    let mut links = Links::default();
    for mail in 0..1_000 {
        links.add(mail, b"", b"<z>");
    }
    let mut top = "<z>".to_owned();
    for mail in 1_000..1_050 {
        let mut references: String = (0..200).map(|index| format!("<{mail}.{index}>")).collect();
        references.push_str(&top);
        links.add(mail, b"", references.as_bytes());
        top = format!("<{mail}.0>");
    }
    links.take_steps();
    let parents = links.parents(1_050, &Stop::default());
    // All of one thread, below one that is not there.
    assert_eq!(parents.len(), 1_051);
    assert!(parents[..1_050].iter().all(|&parent| parent == 1_050));
    let steps = links.take_steps();
    assert!(steps <= 10_001 + 3 * 1_050, "{steps} steps");
}

#[test]
fn work_that_nobody_waits_for_stops() {
    let mut links = Links::default();
    links.add(0, b"<1>", b"");
    let facts = Facts {
        messages: vec![Fact {
            number: 1,
            seconds: 0,
            subject: None,
            is_reply: false,
        }],
    };
    assert!(
        !facts
            .by_references(&mut links, false, &Stop::default())
            .is_empty()
    );
    let unwanted = Unwanted::default();
    let stop = unwanted.0.clone();
    assert!(!stop.is_set());
    drop(unwanted);
    assert!(facts.by_references(&mut links, false, &stop).is_empty());
    assert!(stop.is_set());
}
