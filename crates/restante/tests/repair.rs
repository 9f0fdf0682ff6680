//! Damage on the disk, and what `check` and `repair` make of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Demo, bad, connect, good, json, run, run_with};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Adds an account whose password is `secret`.
fn add(data: &Path, name: &str) {
    let data = data.to_str().unwrap();
    let args = ["account", "add", name, "--password-stdin", "--data", data];
    good(&run_with(&args, "secret\n"));
}

/// Delivers a message and gives the last answer.
fn deliver(demo: &Demo, to: &str) -> String {
    let mut lmtp = connect(demo.port("telnet"));
    lmtp.until("220 ");
    lmtp.ask("LHLO test", "250 ");
    lmtp.ask("MAIL FROM:<>", "250 ");
    let said = lmtp.ask(&format!("RCPT TO:<{to}@localhost>"), "").concat();
    if !said.starts_with("250 ") {
        return said;
    }
    lmtp.ask("DATA", "354 ");
    lmtp.ask(&format!("Subject: {to}\r\n\r\nx\r\n."), "")
        .concat()
}

/// The UIDs in INBOX, and UIDVALIDITY with UIDNEXT.
fn uids(demo: &Demo, name: &str) -> (Vec<u64>, String) {
    let mut imap = connect(demo.port("imap"));
    imap.until("* OK ");
    imap.ask(&format!("1 LOGIN {name} secret"), "1 OK ");
    let selected = imap.ask("2 EXAMINE INBOX", "2 OK ");
    let numbers = selected
        .iter()
        .filter(|line| line.contains("[UID"))
        .cloned();
    let numbers = numbers.collect::<String>();
    let search = imap.ask("3 UID SEARCH ALL", "3 OK ");
    let uids = search[0].split_whitespace().skip(2);
    (uids.map(|uid| uid.parse().unwrap()).collect(), numbers)
}

/// Flips an octet wherever the journal has `mark`, and takes the index away.
fn damage(data: &Path, mark: &str) {
    let mut places = 0;
    for entry in fs::read_dir(data.join("journal")).unwrap() {
        let path = entry.unwrap().path();
        let mut octets = fs::read(&path).unwrap();
        let found: Vec<usize> = octets
            .windows(mark.len())
            .enumerate()
            .filter(|(_, window)| *window == mark.as_bytes())
            .map(|(at, _)| at)
            .collect();
        places += found.len();
        for at in &found {
            octets[at + mark.len() / 2] ^= 1;
        }
        if !found.is_empty() {
            fs::write(&path, octets).unwrap();
        }
    }
    assert!(places > 0, "the journal has no {mark}");
    fs::remove_dir_all(data.join("index")).unwrap();
}

#[test]
fn a_damaged_account_is_named_and_goes_on_after_repair() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    let path = data.to_str().unwrap();
    let demo = Demo::start(data);
    add(data, "anna");
    add(data, "ben");
    for to in ["anna+1", "ben+1", "anna+2", "ben+2", "anna+3", "ben+3"] {
        assert!(deliver(&demo, to).starts_with("250 "));
    }
    let before = uids(&demo, "ben");
    assert_eq!(demo.interrupt(), Some(0));
    good(&run(&["check", "--data", path]));
    damage(data, "Delivered-To: anna+2@localhost");

    let output = run(&["check", "--data", path]);
    bad(&output);
    let said = String::from_utf8(output.stdout).unwrap();
    let faults: Vec<&str> = said.lines().filter(|l| l.starts_with("fault: ")).collect();
    assert!(
        faults.len() == 1 && faults[0].contains("anna@localhost") && faults[0].contains("repair"),
        "{said}"
    );

    // Everybody else notices nothing; her mail waits at the sender.
    let demo = Demo::start(data);
    assert!(json(&["account", "show", "anna", "--data", path])["damaged"] == true);
    let said = deliver(&demo, "anna");
    assert!(said.starts_with("451 4."), "{said}");
    assert_eq!(uids(&demo, "ben"), before);
    assert!(deliver(&demo, "ben").starts_with("250 "));
    let (kept, numbers) = uids(&demo, "anna");
    assert_eq!(kept, [1], "{numbers}");

    let said = good(&run(&["repair", "anna", "--data", path]));
    assert!(said.contains("anna@localhost is repaired"), "{said}");
    assert!(deliver(&demo, "anna").starts_with("250 "));
    let (after, numbers_after) = uids(&demo, "anna");
    // What was lost keeps its number: no UID is given twice.
    assert_eq!(after.len(), 2, "{after:?}");
    assert!(after[1] > 3 || numbers != numbers_after, "{numbers_after}");
    good(&run(&["check", "--data", path]));
    assert_eq!(
        good(&run(&["repair", "--data", path])),
        "nothing is damaged\n"
    );
    assert_eq!(demo.interrupt(), Some(0));
    good(&run(&["rebuild-index", "--data", path]));
    let demo = Demo::start(data);
    assert_eq!(uids(&demo, "anna").0, after);
    assert_eq!(uids(&demo, "ben").0.len(), 4);
}

#[test]
fn a_damaged_body_is_named_by_its_message() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    let path = data.to_str().unwrap();
    let demo = Demo::start(data);
    add(data, "anna");
    for to in ["anna+1", "anna+2"] {
        assert!(deliver(&demo, to).starts_with("250 "));
    }
    assert_eq!(demo.interrupt(), Some(0));
    damage(data, "Subject: anna+2");
    let output = run(&["check", "--data", path]);
    bad(&output);
    let said = String::from_utf8(output.stdout).unwrap();
    let faults: Vec<&str> = said.lines().filter(|l| l.starts_with("fault: ")).collect();
    let named = "fault: anna@localhost: INBOX, UID 2: ";
    assert!(faults.len() == 1 && faults[0].starts_with(named), "{said}");
}

#[test]
fn a_damaged_directory_keeps_the_accounts_that_it_still_knows() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    let path = data.to_str().unwrap();
    let demo = Demo::start(data);
    add(data, "anna");
    add(data, "ben");
    assert!(deliver(&demo, "anna").starts_with("250 "));
    assert_eq!(demo.interrupt(), Some(0));
    damage(data, "n:ben@localhost");

    let output = run(&["check", "--data", path]);
    bad(&output);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("fault: the directory of accounts"), "{said}");

    // What it still knows works; nothing can be added.
    let demo = Demo::start(data);
    assert_eq!(uids(&demo, "anna").0, [1]);
    assert!(deliver(&demo, "anna").starts_with("250 "));
    let refused = bad(&run(&["account", "add", "carl", "--data", path]));
    assert!(refused.contains("damaged"), "{refused}");
    let said = good(&run(&["repair", "--data", path]));
    assert!(
        said.contains("the directory of accounts is repaired"),
        "{said}"
    );
    add(data, "carl");
    assert!(deliver(&demo, "carl").starts_with("250 "));
    let said = good(&run(&["check", "--data", path]));
    assert!(said.contains("everything is whole"), "{said}");
    assert_eq!(demo.interrupt(), Some(0));
    let demo = Demo::start(data);
    assert_eq!(uids(&demo, "anna").0, [1, 2]);
}

/// The journal's segments as they are.
fn segments(data: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(data.join("journal")).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|it| it == "journal"));
    files
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(&path).unwrap())
        })
        .collect()
}

/// The journal is what it was, without all that came later.
fn put_back(data: &Path, old: &BTreeMap<String, Vec<u8>>) {
    for name in segments(data).keys() {
        fs::remove_file(data.join("journal").join(name)).unwrap();
    }
    for (name, octets) in old {
        fs::write(data.join("journal").join(name), octets).unwrap();
    }
}

#[test]
fn a_journal_that_lost_its_end_tells_no_number_twice() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    let path = data.to_str().unwrap();
    let demo = Demo::start(data);
    add(data, "anna");
    for _ in 0..2 {
        assert!(deliver(&demo, "anna").starts_with("250 "));
    }
    assert_eq!(demo.interrupt(), Some(0));
    let old = segments(data);
    let demo = Demo::start(data);
    add(data, "ben");
    for to in ["anna", "ben", "anna"] {
        assert!(deliver(&demo, to).starts_with("250 "));
    }
    assert_eq!(uids(&demo, "anna").0, [1, 2, 3, 4]);
    assert_eq!(demo.interrupt(), Some(0));

    // Nothing starts; who wants to goes on with what the index still has: the
    // names, and which messages there were.
    put_back(data, &old);
    let refused = bad(&run(&["check", "--data", path]));
    assert!(refused.contains("missing"), "{refused}");
    let said = good(&run(&["rebuild-index", "--data", path]));
    assert!(said.contains("never told"), "{said}");
    let demo = Demo::start(data);
    assert_eq!(uids(&demo, "anna").0, [1, 2, 3, 4]);
    assert_eq!(uids(&demo, "ben").0, [1]);
    assert!(deliver(&demo, "anna").starts_with("250 "));
    let (first, numbers) = uids(&demo, "anna");
    assert!(first.len() == 5 && first[4] > 65_536, "{first:?} {numbers}");
    assert_eq!(demo.interrupt(), Some(0));

    // The same without the index, and the numbers of then are lost as well.
    put_back(data, &old);
    fs::remove_dir_all(data.join("index")).unwrap();
    let refused = bad(&run(&["check", "--data", path]));
    assert!(refused.contains("missing"), "{refused}");
    good(&run(&["rebuild-index", "--data", path]));
    let demo = Demo::start(data);
    assert_eq!(uids(&demo, "anna").0, [1, 2]);
    assert!(deliver(&demo, "anna").starts_with("250 "));
    let (second, numbers) = uids(&demo, "anna");
    assert!(second[2] > first[4] + 1_000, "{second:?} {numbers}");
    let said = good(&run(&["check", "--data", path]));
    assert!(said.contains("everything is whole"), "{said}");
    assert_eq!(demo.interrupt(), Some(0));
}
