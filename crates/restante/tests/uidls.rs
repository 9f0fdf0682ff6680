//! POP3 unique-ids of people who come from another server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{good, json, run, run_with};
use std::fs;

/// Mail that Dovecot, Courier, an mbox and a map have numbered keeps its numbers,
/// at the next start of the program too; new mail has the form that is set.
#[test]
fn unique_ids_are_taken_over() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let data = data.to_str().unwrap();
    let args = ["account", "add", "ann", "--password-stdin", "--data", data];
    good(&run_with(&args, "sesame\n"));
    let folder = |name: &str, files: &[(&str, &str)]| {
        let root = directory.path().join(name);
        for part in ["cur", "new", "tmp"] {
            fs::create_dir_all(root.join(part)).unwrap();
        }
        for (file, text) in files {
            fs::write(root.join(file), text).unwrap();
        }
        root.to_str().unwrap().to_owned()
    };
    let import = |kind: &str, path: &str, more: &[&str]| {
        let args = ["import", kind, path, "--account", "ann", "--data", data];
        good(&run(&[&args, more].concat()))
    };
    let dovecot = folder(
        "dovecot",
        &[
            ("cur/1.a:2,S", "Subject: one\n\n1\n"),
            ("cur/2.b:2,", "Subject: two\n\n2\n"),
            (
                "dovecot-uidlist",
                "3 V1275660208 N9\n7 :1.a\n8 Pkept :2.b\n",
            ),
        ],
    );
    import("maildir", &dovecot, &[]);
    let courier = folder(
        "courier",
        &[
            ("cur/1.a:2,S", "Subject: three\n\n3\n"),
            (
                "courierpop3dsizelist",
                "/2 9 1275660208\n1.a 99 3:1275660208\n",
            ),
        ],
    );
    import("maildir", &courier, &[]);
    let mbox = directory.path().join("mbox");
    let text = "From a@b Fri Jul  8 12:08:34 2011\nX-IMAPbase: 1275660208 9\nX-UID: 7\n\
                Message-ID: <4@example.org>\n\n4\n\n\
                From a@b Fri Jul  8 12:08:34 2011\nMessage-ID: <5@example.org>\n\n5\n";
    fs::write(&mbox, text).unwrap();
    let map = directory.path().join("map");
    fs::write(&map, "by-hand\t<5@example.org>\n").unwrap();
    let mbox = mbox.to_str().unwrap();
    let map = ["--uidls", map.to_str().unwrap()];
    import(
        "mbox",
        mbox,
        &[&map[..], &["--uidl-format", "cyrus"]].concat(),
    );
    // The same once more: nothing has the same number twice.
    import("maildir", &dovecot, &[]);
    let set = [
        "account",
        "set",
        "ann",
        "--uidl-format",
        "courier",
        "--data",
        data,
    ];
    good(&run(&set));
    let plain = folder("plain", &[("cur/1.a:2,", "Subject: new\n\nnew\n")]);
    import("maildir", &plain, &[]);

    let args = ["pop3", "uidls", "ann", "--data", data];
    let listed = json(&args);
    let ids: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["unique_id"].as_str().unwrap())
        .collect();
    let expected = [
        "000000074c0907b0",
        "kept",
        "UID3-1275660208",
        "1275660208.7",
        "by-hand",
        "000000074c0907b0-2",
        "kept-2",
    ];
    assert_eq!(ids[..7], expected);
    assert!(ids[7].starts_with("UID8-"), "{ids:?}");
    assert_eq!(listed[0]["number"], 1);
    assert_eq!(listed[0]["octets"], 19);
    assert!(listed[0]["received"].is_i64(), "{listed}");
    let shown = good(&run(&["account", "show", "ann", "--data", data]));
    assert!(shown.contains("UID%u-%v"), "{shown}");
    let lines = good(&run(&args));
    assert!(
        lines
            .lines()
            .nth(2)
            .unwrap()
            .starts_with("2\tkept\t19\t2\t"),
        "{lines}"
    );

    // An export takes them along.
    let out = directory.path().join("out");
    let out = out.to_str().unwrap();
    good(&run(&[
        "export",
        "maildir",
        out,
        "--account",
        "ann",
        "--data",
        data,
    ]));
    let args = ["account", "add", "ben", "--password-stdin", "--data", data];
    good(&run_with(&args, "sesame\n"));
    good(&run(&[
        "import",
        "maildir",
        out,
        "--account",
        "ben",
        "--data",
        data,
    ]));
    let again = json(&["pop3", "uidls", "ben", "--data", data]);
    let of = |listed: &serde_json::Value| -> Vec<String> {
        let messages = listed.as_array().unwrap().iter();
        messages.map(|it| it["unique_id"].to_string()).collect()
    };
    assert_eq!(of(&again), of(&listed));
}
