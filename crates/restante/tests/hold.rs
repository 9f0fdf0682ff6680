//! `restante hold …`, `undo …` and `domain …`, through a running server and directly
//! on the data.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Demo, bad, connect, good, json, run, run_with};

/// POP3 logs in and deletes so many messages of the demo.
fn collect(demo: &Demo, count: usize) {
    let mut pop3 = connect(demo.port("pop3"));
    pop3.until("+OK");
    pop3.ask("USER demo", "+OK");
    pop3.ask(&format!("PASS {}", demo.password()), "+OK");
    for number in 1..=count {
        pop3.ask(&format!("DELE {number}"), "+OK");
    }
    pop3.ask("QUIT", "+OK");
}

#[test]
fn a_hold_is_shown_previewed_set_and_undone() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("d");
    let at = data.to_str().unwrap();
    let demo = Demo::start(&data);
    let shown = json(&["hold", "show", "demo", "--data", at]);
    assert_eq!(shown["hold"], "30d");
    assert_eq!(shown["set_by"], "configuration");
    let inbox = shown["preview"]["inbox"]["messages"].as_u64().unwrap();

    // What POP3 has collected stays for IMAP, and the preview says until when.
    collect(&demo, 2);
    let account = json(&["account", "show", "demo", "--data", at]);
    assert_eq!(account["mailboxes"][2]["messages"], inbox);
    // One of the two is flagged.
    let text = good(&run(&["hold", "preview", "demo", "--data", at]));
    assert!(text.contains("flagged: out of reach"), "{text}");
    assert!(text.starts_with("30d: 1 message, "), "{text}");
    let text = good(&run(&[
        "hold", "preview", "demo", "--hold", "14d", "--data", at,
    ]));
    assert!(text.starts_with("14d: 1 message, "), "{text}");

    // Without somebody to ask, it has to be said.
    let set = ["hold", "set", "demo", "--hold", "remove", "--data", at];
    assert!(bad(&run(&set)).contains("Say --yes"));
    let set = json(&[&set[..], &["--yes"]].concat());
    assert_eq!(set["hold"], "remove");
    assert_eq!(set["set_by"], "account");
    assert!(set["nothing_before"].is_i64());
    let nothing = run(&["hold", "set", "demo", "--yes", "--data", at]);
    assert!(bad(&nothing).contains("what is to be set?"));
    let wrong = run(&["hold", "set", "demo", "--hold", "soon", "--data", at]);
    assert_eq!(wrong.status.code(), Some(2));
    let back = json(&["hold", "set", "demo", "--follow", "--yes", "--data", at]);
    assert_eq!(back["hold"], "30d");
    assert_eq!(back["set_by"], "configuration");
    let resumed = good(&run(&["hold", "resume", "--data", at]));
    assert_eq!(resumed, "nothing had stopped\n");

    // IMAP deletes one, undo brings it back.
    let mut imap = connect(demo.port("imap"));
    imap.until("* OK");
    imap.ask(&format!("a LOGIN demo {}", demo.password()), "a OK");
    imap.ask("b SELECT INBOX", "b OK");
    imap.ask("c STORE 1 +FLAGS (\\Deleted)", "c OK");
    imap.ask("d EXPUNGE", "d OK");
    let listed = json(&["undo", "list", "demo", "--cause", "expunge", "--data", at]);
    let message = &listed["messages"][0];
    assert_eq!(message["mailbox"], "INBOX");
    assert!(!message["subject"].as_str().unwrap().is_empty());
    let uidl = message["uidl"].as_str().unwrap();
    let wrong = run(&["undo", "restore", "demo", "nothing", "--data", at]);
    assert!(bad(&wrong).contains("no expunged message is called nothing"));
    let wrong = run(&["undo", "restore", "demo", "--cause", "sun", "--data", at]);
    assert!(bad(&wrong).contains("`sun` is no cause"));
    let restored = good(&run(&["undo", "restore", "demo", uidl, "--data", at]));
    assert_eq!(restored, "1 message is back\n");
    assert!(
        imap.ask("e NOOP", "e OK")
            .iter()
            .any(|line| line.ends_with("EXISTS"))
    );
    let text = good(&run(&["undo", "list", "demo", "--data", at]));
    assert_eq!(text, "there is nothing to bring back\n");
    assert_eq!(demo.interrupt(), Some(0));
}

#[test]
fn domains_and_defaults_without_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().to_str().unwrap();
    let domain = json(&[
        "domain",
        "set",
        "Example.org",
        "--quota",
        "1G",
        "--data",
        at,
    ]);
    assert_eq!(domain["name"], "example.org");
    let add = [
        "account",
        "add",
        "anna@example.org",
        "--password-stdin",
        "--data",
        at,
    ];
    good(&run_with(&add, "secret\n"));
    let anna = json(&["account", "show", "anna@example.org", "--data", at]);
    assert_eq!(anna["quota"], 1 << 30);
    let set = [
        "hold",
        "set",
        "--domain",
        "example.org",
        "--hold",
        "10d",
        "--show-collected",
        "yes",
        "--yes",
        "--data",
        at,
    ];
    assert_eq!(json(&set)["set_by"], "domain");
    let set = [
        "hold",
        "set",
        "--default",
        "--collect",
        "retr",
        "--yes",
        "--data",
        at,
    ];
    let set = json(&set);
    assert_eq!(
        (&set["set_by"], &set["collect"]),
        (&"node".into(), &"retr".into())
    );
    // Nothing of a change is done before it is agreed to, in a new domain neither.
    for name in ["example.org", "example.com"] {
        let set = [
            "domain", "set", name, "--quota", "2G", "--hold", "remove", "--data", at,
        ];
        assert!(bad(&run(&set)).contains("Say --yes"));
    }
    let domain = json(&["domain", "show", "example.org", "--data", at]);
    assert_eq!(
        (&domain["quota"], &domain["hold"]),
        (&(1u64 << 30).into(), &"10d".into())
    );
    let missing = run(&["domain", "show", "example.com", "--data", at]);
    assert!(bad(&missing).contains("there is no domain example.com"));
    let set = [
        "domain",
        "set",
        "example.com",
        "--quota",
        "2G",
        "--hold",
        "14d",
        "--yes",
        "--data",
        at,
    ];
    let set = json(&set);
    assert_eq!(
        (&set["quota"], &set["hold"]),
        (&(2u64 << 30).into(), &"14d".into())
    );
    good(&run(&["domain", "remove", "example.com", "--data", at]));
    let listed = json(&["domain", "list", "--data", at]);
    assert_eq!(listed["domains"][0]["accounts"], 1);
    assert_eq!(listed["domains"][0]["hold"], "10d");
    // A new account is made with it.
    good(&run(&["account", "add", "ben@example.org", "--data", at]));
    let ben = json(&["hold", "show", "ben@example.org", "--data", at]);
    assert_eq!(
        (&ben["hold"], &ben["set_by"]),
        (&"10d".into(), &"domain".into())
    );
    assert_eq!(ben["show_collected"], true);
    let text = good(&run(&[
        "hold",
        "preview",
        "--domain",
        "example.org",
        "--data",
        at,
    ]));
    assert!(text.contains("2 accounts follow it"), "{text}");
    let used = run(&["domain", "remove", "example.org", "--data", at]);
    assert!(bad(&used).contains("has accounts"));
    let missing = run(&["hold", "show", "--domain", "example.net", "--data", at]);
    assert!(bad(&missing).contains("there is no domain example.net"));

    // Imported accounts keep what they have.
    let import = ["account", "import", "-", "--data", at];
    good(&run_with(&import, "carl@example.org:secret\n"));
    let carl = json(&["hold", "show", "carl@example.org", "--data", at]);
    assert_eq!(
        (&carl["hold"], &carl["set_by"]),
        (&"forever".into(), &"account".into())
    );
    assert_eq!(carl["give_way"], true);
    // So does one whose first mail is imported.
    let mbox = dir.path().join("old.mbox");
    std::fs::write(
        &mbox,
        "From a@b Thu Jan  1 00:00:00 2026\nSubject: x\n\nx\n",
    )
    .unwrap();
    let import = [
        "import",
        "mbox",
        mbox.to_str().unwrap(),
        "--account",
        "ben@example.org",
    ];
    let told = good(&run(&[&import[..], &["--data", at]].concat()));
    assert!(told.contains("stays for ever"), "{told}");
    let ben = json(&["hold", "show", "ben@example.org", "--data", at]);
    assert_eq!(
        (&ben["hold"], &ben["set_by"]),
        (&"forever".into(), &"account".into())
    );
}

#[test]
fn a_domain_loses_what_was_set() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("d");
    let data = data.to_str().unwrap();
    let set = |what: &[&str]| {
        let args = ["domain", "set", "x.example", "--data", data];
        json(&[&args[..], what].concat())
    };
    let all = ["--quota", "1G", "--messages", "5", "--language", "de"];
    let shown = set(&all);
    assert_eq!(shown["quota"], 1 << 30, "{shown}");
    assert_eq!(shown["messages"], 5, "{shown}");
    assert_eq!(shown["language"], "de", "{shown}");
    // What is not named stays.
    let shown = set(&["--messages", "none"]);
    assert!(shown["messages"].is_null(), "{shown}");
    assert_eq!(shown["quota"], 1 << 30, "{shown}");
    let shown = set(&["--quota", "none", "--language", "none"]);
    for key in ["quota", "messages", "language"] {
        assert!(shown[key].is_null(), "{key}: {shown}");
    }
}
