//! `restante account …`, directly on the data and through a running server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Demo, bad, connect, good, json, run, run_with};
use std::fs;

/// The same commands, whoever does them.
fn life_cycle(data: &str) {
    let added = run_with(
        &[
            "account",
            "add",
            "Anna@Example.org",
            "--password-stdin",
            "--quota",
            "1G",
            "--data",
            data,
        ],
        "secret one\n",
    );
    // Where there are listeners, a line for each protocol follows.
    assert!(good(&added).starts_with("anna@example.org added\n"));
    let again = run_with(
        &[
            "account",
            "add",
            "anna@example.org",
            "--password-stdin",
            "--data",
            data,
        ],
        "x\n",
    );
    assert!(
        bad(&again).contains("there is already an account anna@example.org"),
        "{again:?}"
    );
    let star = run(&["account", "add", "*@example.org", "--data", data]);
    assert!(bad(&star).contains("could not address"), "{star:?}");

    let made = json(&["--data", data, "account", "add", "ben@example.org"]);
    assert_eq!(made["name"], "ben@example.org");
    assert_eq!(made["password"].as_str().unwrap().len(), 19);

    let shown = json(&["account", "--data", data, "show", "anna@example.org"]);
    assert_eq!(shown["quota"], 1 << 30);
    assert_eq!(shown["messages"], 0);
    let mailboxes: Vec<&str> = shown["mailboxes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["name"].as_str().unwrap())
        .collect();
    for expected in ["INBOX", "Drafts", "Sent", "Junk", "Trash", "Archive"] {
        assert!(mailboxes.contains(&expected), "{mailboxes:?}");
    }

    good(&run(&[
        "account",
        "set",
        "anna@example.org",
        "--quota",
        "none",
        "--data",
        data,
    ]));
    assert!(json(&["account", "show", "anna@example.org", "--data", data])["quota"].is_null());
    good(&run_with(
        &[
            "account",
            "passwd",
            "anna@example.org",
            "--password-stdin",
            "--data",
            data,
        ],
        "secret two\n",
    ));

    let refused = bad(&run(&[
        "account",
        "remove",
        "ben@example.org",
        "--data",
        data,
    ]));
    assert!(refused.contains("--yes"), "{refused}");
    good(&run(&[
        "account",
        "remove",
        "ben@example.org",
        "--yes",
        "--data",
        data,
    ]));
    let names: Vec<String> = json(&["account", "list", "--data", data])["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|account| account["name"].as_str().unwrap().to_owned())
        .collect();
    assert!(names.contains(&"anna@example.org".to_owned()));
    assert!(!names.contains(&"ben@example.org".to_owned()), "{names:?}");
    for command in ["show", "passwd"] {
        let said = bad(&run(&[
            "account",
            command,
            "nobody@example.org",
            "--data",
            data,
        ]));
        assert!(
            said.contains("there is no account nobody@example.org"),
            "{said}"
        );
    }
    // A removed name may be taken again, and is empty.
    good(&run(&["account", "add", "ben@example.org", "--data", data]));
    good(&run(&[
        "account",
        "remove",
        "ben@example.org",
        "--yes",
        "--data",
        data,
    ]));
}

/// Each thing that can be set, and what it does.
fn settings(data: &str, set: impl Fn(&[&str]) -> std::process::Output) {
    let shown = || json(&["account", "show", "anna", "--data", data]);
    let nothing = set(&[]);
    assert_eq!(nothing.status.code(), Some(2), "{nothing:?}");
    good(&set(&[
        "--messages",
        "3",
        "--folders",
        "yes",
        "--language",
        "de-AT",
    ]));
    good(&set(&["--alias", "Info", "--alias", "sales@demo.example"]));
    good(&set(&["--disabled", "--expires", "2001-02-03"]));
    let all = shown();
    assert_eq!(all["messages_quota"], 3, "{all}");
    assert_eq!(all["folders"], true);
    assert_eq!(all["language"], "de-at");
    assert_eq!(all["aliases"].as_array().unwrap().len(), 2, "{all}");
    assert_eq!(all["enabled"], false);
    assert_eq!(all["expires"], 981_158_400);
    let text = good(&run(&["account", "show", "info", "--data", data]));
    for line in ["expires         2001-02-03 00:00 UTC", "disabled "] {
        assert!(text.contains(line), "{text}");
    }
    // An alias of another account is not taken, nor taken away.
    good(&run(&["account", "add", "other", "--data", data]));
    let said = bad(&run(&[
        "account", "set", "other", "--alias", "info", "--data", data,
    ]));
    assert!(said.contains("is taken"), "{said}");
    let said = bad(&run(&[
        "account",
        "set",
        "other",
        "--remove-alias",
        "info",
        "--data",
        data,
    ]));
    assert!(said.contains("is a name of another account"), "{said}");

    good(&set(&[
        "--enabled",
        "--expires",
        "none",
        "--language",
        "none",
        "--folders",
        "no",
    ]));
    good(&set(&["--remove-alias", "info", "--messages", "none"]));
    let all = shown();
    for gone in ["messages_quota", "expires", "language"] {
        assert!(all[gone].is_null(), "{all}");
    }
    assert_eq!(all["aliases"].as_array().unwrap().len(), 1, "{all}");
    assert_eq!(
        (&all["enabled"], &all["folders"]),
        (&true.into(), &false.into())
    );
}

#[test]
fn settings_are_set_and_shown() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    assert_eq!(Demo::start(&data).interrupt(), Some(0));
    let data = data.to_str().unwrap();
    good(&run(&["account", "add", "anna", "--data", data]));
    settings(data, |args| {
        let mut all = vec!["account", "set", "anna", "--data", data];
        all.extend(args);
        run(&all)
    });
}

#[test]
fn mail_goes_into_folders_where_the_account_wants_it() {
    let directory = tempfile::tempdir().unwrap();
    let demo = Demo::start(directory.path());
    let data = directory.path().to_str().unwrap();
    let deliver = |to: &str, code: &str| {
        let mut lmtp = connect(demo.port("telnet"));
        lmtp.until("220 ");
        lmtp.ask("LHLO test", "250 ");
        lmtp.ask("MAIL FROM:<>", "250 ");
        let said = lmtp.ask(&format!("RCPT TO:<{to}>"), code);
        if code == "250 " {
            lmtp.ask("DATA", "354 ");
            lmtp.ask("Subject: one\r\n\r\nx\r\n.", "250 ");
        }
        said
    };
    let count = |mailbox: &str| {
        let shown = json(&["account", "show", "demo", "--data", data]);
        let mailboxes = shown["mailboxes"].as_array().unwrap().clone();
        let found = mailboxes.iter().find(|it| it["name"] == mailbox).unwrap();
        found["messages"].as_u64().unwrap()
    };
    let address = demo.line("mail address")[0].to_owned();
    let (local, domain) = address.split_once('@').unwrap();
    let folder = format!("{local}+Archive@{domain}");
    let set = |args: &[&str]| {
        let mut all = vec!["account", "set", "demo", "--data", data];
        all.extend(args);
        good(&run(&all));
    };
    deliver(&folder, "250 ");
    assert_eq!(count("Archive"), 0);
    set(&["--folders", "yes"]);
    deliver(&folder, "250 ");
    assert_eq!(count("Archive"), 1);

    set(&["--messages", "1"]);
    deliver(&address, "452 ");
    set(&["--messages", "none", "--disabled"]);
    deliver(&address, "4");
    set(&["--enabled"]);
    deliver(&address, "250 ");
}

#[test]
fn without_a_server() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    life_cycle(data.to_str().unwrap());
    // What one run has done the next finds: every command above was a run.
    let data = data.to_str().unwrap();
    assert!(good(&run(&["account", "list", "--data", data])).contains("anna@example.org"));
}

#[test]
fn through_a_running_server() {
    let directory = tempfile::tempdir().unwrap();
    let demo = Demo::start(directory.path());
    life_cycle(directory.path().to_str().unwrap());

    // The server has seen it all at once.
    let mut imap = connect(demo.port("imap"));
    imap.until("* OK ");
    imap.ask("1 LOGIN anna@example.org \"secret one\"", "1 NO ");
    imap.ask("2 LOGIN anna@example.org \"secret two\"", "2 OK ");

    // Somebody who is logged in when the account goes learns nothing more of it.
    let data = directory.path().to_str().unwrap();
    good(&run(&[
        "account",
        "remove",
        "anna@example.org",
        "--yes",
        "--data",
        data,
    ]));
    let mut imap = connect(demo.port("imap"));
    imap.until("* OK ");
    imap.ask("1 LOGIN anna@example.org \"secret two\"", "1 NO ");
}

/// Made with `doveadm pw`; the password is `correct horse`.
const HASHES: [(&str, &str); 5] = [
    (
        "argon",
        "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$yrsHxxCR1lcdsExc8IdUwA$TrS/ywSyqBtlTBmsDX0vxD52vls6pIGWt147jXB+C4Q",
    ),
    (
        "blowfish",
        "{BLF-CRYPT}$2y$05$g9kP0074DnJ9ui36E2dh8e5Se.EOKXQbNczuIXGSE5zyD0bMjtMzC",
    ),
    (
        "sha512",
        "{SHA512-CRYPT}$6$SvnQtqR7mgzfwDHW$YH8Hbz9V15B8Re6ibi697dUPKjGk3frxKkbrmTPC/sI2Pe0dC5HDeEIehBMyqKFIeerM.Gp0RgpJluHIuw/mO1",
    ),
    (
        "salted",
        "{SSHA256}vOHNF7gtuYAL+vxp7qr4pQvxli4Pg8J6zhqHJxv+EddgDq+i",
    ),
    ("openldap", "{SSHA}LhKrkM9Fy+zlstjdD7Kv2s6QvhBzYWx0"),
];

#[test]
fn accounts_come_from_files() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    // It leaves its own configuration behind, with the domain that completes names.
    assert_eq!(Demo::start(&data).interrupt(), Some(0));
    let file = directory.path().join("users");
    let mut text = String::from("# people\nplain:correct horse\ncolon:a:b\n");
    for (name, hash) in HASHES {
        text.push_str(&format!("{name}:{hash}:1000:1000::/home/{name}::\n"));
    }
    text.push_str(
        "dovecot:{PLAIN}correct horse::::::\nclear:{CLEARTEXT}correct horse\nbroken\nold:{MD5}x\n",
    );
    fs::write(&file, text).unwrap();
    let data = data.to_str().unwrap();
    let file = file.to_str().unwrap();
    let output = run(&["account", "import", file, "--data", data, "--json"]);
    assert!(bad(&output).contains("2 lines were not taken"));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&told["added"], &told["changed"]),
        (&9.into(), &0.into()),
        "{told}"
    );
    let refused = told["refused"].to_string();
    assert!(
        refused.contains("line 11") && refused.contains("{SHA512-CRYPT}"),
        "{refused}"
    );

    let again = run(&["account", "import", file, "--data", data, "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(
        (&told["added"], &told["changed"]),
        (&0.into(), &9.into()),
        "{told}"
    );

    let demo = Demo::start(std::path::Path::new(data));
    let mut logins: Vec<(&str, &str)> = HASHES.map(|(name, _)| (name, "correct horse")).to_vec();
    logins.extend([
        ("plain", "correct horse"),
        ("dovecot", "correct horse"),
        ("clear", "correct horse"),
        ("colon", "a:b"),
    ]);
    for (name, password) in logins {
        let mut imap = connect(demo.port("imap"));
        imap.until("* OK ");
        imap.ask(&format!("1 LOGIN {name} \"{password}\""), "1 OK ");
    }
}
