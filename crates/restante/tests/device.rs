//! `restante device …`: each program gets a password of its own and collects by
//! itself.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Demo, bad, connect, good, json, run};

/// Logs in by POP3 and says what the server said last.
fn login(demo: &Demo, user: &str, password: &str) -> String {
    let mut pop3 = connect(demo.port("pop3"));
    pop3.read();
    pop3.send(&format!("USER {user}"));
    pop3.read();
    pop3.send(&format!("PASS {password}"));
    pop3.read()
}

#[test]
fn a_device_has_its_own_password_and_drop() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let demo = Demo::start(directory.path());
    let device = |args: &[&str]| {
        let mut all = vec!["--data", data, "device"];
        all.extend(args);
        run(&all)
    };
    let text = good(&device(&["add", "demo", "laptop", "--expires", "1y"]));
    assert!(
        text.contains("laptop of demo@localhost is declared"),
        "{text}"
    );
    assert!(
        text.contains("user demo+laptop@localhost  password "),
        "{text}"
    );
    assert!(bad(&device(&["add", "demo", "laptop"])).contains("has a device laptop already"));
    assert!(bad(&device(&["add", "demo", "a+b"])).contains("can be no device"));
    let ended = device(&["add", "demo", "old", "--expires", "2020-01-01"]);
    assert!(bad(&ended).contains("would have ended 2020-01-01 00:00 UTC"));
    assert!(bad(&device(&["add", "demo", "old", "--expires", "0d"])).contains("would have ended"));

    let args = ["--data", data, "--json", "device", "add", "demo", "tv"];
    let made = json(&[&args[..], &["--protocols", "pop3", "--may-not-delete"]].concat());
    let password = made["password"].as_str().unwrap();
    assert_eq!(password.len(), 34);
    assert_eq!(made["settings"][0]["protocol"], "POP3");
    assert_eq!(made["settings"][0]["user"], "demo+tv@localhost");
    assert_eq!(
        (&made["imap"], &made["counts"]),
        (&false.into(), &false.into())
    );

    // By its own name and by the account's; not by another's, nor by IMAP.
    for user in ["demo+tv", "demo+TV@localhost", "demo", "recent:demo+tv"] {
        let said = login(&demo, user, password);
        assert!(said.starts_with("+OK 7 messages"), "{user}: {said}");
    }
    assert!(login(&demo, "demo+laptop", password).starts_with("-ERR [AUTH]"));
    assert!(login(&demo, "demo+radio", password).starts_with("-ERR [AUTH]"));
    let mut imap = connect(demo.port("imap"));
    imap.read();
    imap.send(&format!("a LOGIN demo+tv {password}"));
    assert!(imap.read().starts_with("a NO [AUTHENTICATIONFAILED]"));

    let listed = json(&["--data", data, "--json", "device", "list", "demo"]);
    let devices = listed["devices"].as_array().unwrap();
    let names: Vec<_> = devices
        .iter()
        .map(|d| d["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["default", "laptop", "tv"]);
    assert_eq!(devices[2]["from"], "127.0.0.1");
    assert!(devices[2]["last_used"].is_i64());
    assert!(devices[1]["expires"].is_i64() && devices[1]["last_used"].is_null());
    let text = good(&device(&["list", "demo"]));
    assert!(text.contains("may not delete"), "{text}");
    // What it has collected, and what its drop lists.
    let mut pop3 = connect(demo.port("pop3"));
    pop3.read();
    pop3.ask("USER demo+tv", "+OK");
    pop3.ask(&format!("PASS {password}"), "+OK");
    pop3.ask("DELE 1", "+OK");
    pop3.ask("QUIT", "+OK");
    let listed = json(&["--data", data, "--json", "device", "list", "demo"]);
    let counts = |at: usize| {
        let device = &listed["devices"][at];
        ["collected", "waiting", "inbox"].map(|key| device[key].as_u64().unwrap())
    };
    assert_eq!((counts(1), counts(2)), ([0, 7, 7], [1, 6, 7]));

    assert!(bad(&device(&["revoke", "demo", "tv"])).contains("--yes"));
    good(&device(&["revoke", "demo", "tv", "--yes"]));
    assert!(login(&demo, "demo+tv", password).starts_with("-ERR [AUTH]"));
    assert!(login(&demo, "demo", password).starts_with("-ERR [AUTH]"));
    assert!(bad(&device(&["revoke", "demo", "default", "--yes"])).contains("has no device"));
    // The name is free again.
    good(&device(&["add", "demo", "tv"]));
    assert!(login(&demo, "demo", demo.password()).starts_with("+OK"));
}
