//! `restante import` and `export`: what comes in goes out again as it was.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{bad, good, json, run, run_with};
use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

const WHEN: u64 = 1_310_126_914;

/// A Maildir with folders, flags, keywords and dates.
fn maildir(root: &Path) {
    let file = |folder: &str, name: &str, text: &str, seconds: u64| {
        let directory = root.join(folder);
        for part in ["cur", "new", "tmp"] {
            fs::create_dir_all(directory.join(part)).unwrap();
        }
        let path = directory.join("cur").join(name);
        fs::write(&path, text).unwrap();
        let when = UNIX_EPOCH + Duration::from_secs(seconds);
        File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_times(FileTimes::new().set_modified(when))
            .unwrap();
    };
    file("", "1.a:2,S", "Subject: one\n\nfirst\n", WHEN);
    file(
        "",
        "2.b:2,FRa",
        "Subject: two\n\nFrom here on\n>From there\n",
        WHEN + 60,
    );
    file(
        "",
        "3.c:2,DT",
        "Subject: three\n\nno end",
        WHEN - 86_400 * 4_000,
    );
    file(
        ".Lists.Gr&APYA3w-e",
        "1.d:2,P",
        "Subject: four\nStatus: RO\n\n\n\nx\n",
        WHEN,
    );
    fs::write(root.join("dovecot-keywords"), "0 $Important\n").unwrap();
    fs::write(root.join("subscriptions"), "Lists.Gr&APYA3w-e\n").unwrap();
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(root.join(".Empty").join(part)).unwrap();
    }
}

/// Folder, text, letters and date of each message, and the folders' keywords.
fn contents(root: &Path) -> BTreeMap<(String, String), (String, u64)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![(String::new(), root.to_owned())];
    for entry in fs::read_dir(root).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with('.') {
            folders.push((name, entry.path()));
        }
    }
    for (folder, path) in folders {
        let keywords = fs::read_to_string(path.join("dovecot-keywords")).unwrap_or_default();
        for entry in fs::read_dir(path.join("cur")).unwrap() {
            let entry = entry.unwrap();
            let text = fs::read_to_string(entry.path()).unwrap();
            let name = entry.file_name().into_string().unwrap();
            let letters = name.split_once(":2,").unwrap().1;
            let letters = letters.replace('a', keywords.trim_start_matches("0 ").trim());
            let modified = entry.metadata().unwrap().modified().unwrap();
            let seconds = modified.duration_since(UNIX_EPOCH).unwrap().as_secs();
            found.insert((folder.clone(), text), (letters, seconds));
        }
    }
    found
}

fn account(directory: &Path) -> PathBuf {
    let data = directory.join("data");
    for name in ["one", "two"] {
        let args = [
            "account",
            "add",
            name,
            "--password-stdin",
            "--data",
            data.to_str().unwrap(),
        ];
        good(&run_with(&args, "pw\n"));
    }
    data
}

#[test]
fn a_maildir_goes_in_and_comes_out() {
    let directory = tempfile::tempdir().unwrap();
    let data = account(directory.path());
    let data = data.to_str().unwrap();
    let path = |name: &str| directory.path().join(name);
    let text = |name: &str| path(name).to_str().unwrap().to_owned();
    maildir(&path("in"));

    let told = json(&[
        "import",
        "maildir",
        &text("in"),
        "--account",
        "one",
        "--data",
        data,
    ]);
    assert_eq!(
        (&told["messages"], &told["verified"]),
        (&4.into(), &4.into()),
        "{told}"
    );
    let told = json(&[
        "export",
        "maildir",
        &text("out"),
        "--account",
        "one",
        "--data",
        data,
    ]);
    assert_eq!(
        (&told["messages"], &told["verified"]),
        (&4.into(), &4.into()),
        "{told}"
    );
    assert_eq!(contents(&path("out")), contents(&path("in")));
    // An empty folder, and what is subscribed to: of what is new, only what was.
    assert!(path("out/.Empty/cur").is_dir());
    let subscribed = fs::read_to_string(path("out/subscriptions")).unwrap();
    let subscribed: Vec<&str> = subscribed.lines().collect();
    assert!(subscribed.contains(&"Lists.Gr&APYA3w-e"), "{subscribed:?}");
    assert!(!subscribed.contains(&"Empty"), "{subscribed:?}");

    // By way of mbox files into another account, and out again.
    json(&[
        "export",
        "mbox",
        &text("boxes"),
        "--account",
        "one",
        "--data",
        data,
    ]);
    let inbox = fs::read_to_string(path("boxes").join("INBOX.mbox")).unwrap();
    assert!(inbox.contains("\n>From here on\n>>From there\n"), "{inbox}");
    assert!(
        inbox.contains("From MAILER-DAEMON Fri Jul  8 12:08:34 2011\n"),
        "{inbox}"
    );
    let told = json(&[
        "import",
        "mbox",
        &text("boxes"),
        "--account",
        "two",
        "--data",
        data,
    ]);
    assert_eq!(told["verified"], 4, "{told}");
    json(&[
        "export",
        "maildir",
        &text("again"),
        "--account",
        "two",
        "--data",
        data,
    ]);
    // An mbox cannot say that a message has no final line end.
    let with_end: BTreeMap<_, _> = contents(&path("in"))
        .into_iter()
        .map(|((folder, text), rest)| {
            (
                (folder, text.trim_end_matches('\n').to_owned() + "\n"),
                rest,
            )
        })
        .collect();
    assert_eq!(contents(&path("again")), with_end);

    let shown = json(&["account", "show", "one", "--data", data]).to_string();
    assert!(shown.contains("Lists/Größe"), "{shown}");
}

#[test]
fn one_mailbox_may_be_named() {
    let directory = tempfile::tempdir().unwrap();
    let data = account(directory.path());
    let data = data.to_str().unwrap();
    let mbox = directory.path().join("old");
    fs::write(
        &mbox,
        "From a@b Fri Jul  8 12:08:34 2011\nSubject: x\n\ny\n",
    )
    .unwrap();
    let mbox = mbox.to_str().unwrap();
    let into = [
        "import",
        "mbox",
        mbox,
        "--account",
        "one",
        "--mailbox",
        "Old/2011",
    ];
    let args: Vec<&str> = into.into_iter().chain(["--data", data]).collect();
    assert_eq!(json(&args)["messages"], 1);
    let out = directory.path().join("out");
    let out = out.to_str().unwrap();
    let from = [
        "export",
        "mbox",
        out,
        "--account",
        "one",
        "--mailbox",
        "Old/2011",
    ];
    let args: Vec<&str> = from.into_iter().chain(["--data", data]).collect();
    assert_eq!(json(&args)["verified"], 1);
    assert!(Path::new(out).join("Old/2011.mbox").is_file());
    assert!(!Path::new(out).join("INBOX.mbox").exists());
}

#[test]
fn what_cannot_be_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let data = account(directory.path());
    let data = data.to_str().unwrap();
    let here = directory.path().to_str().unwrap();
    let import = |form: &str, path: &str, name: &str| {
        bad(&run(&[
            "import",
            form,
            path,
            "--account",
            name,
            "--data",
            data,
        ]))
    };
    assert!(import("maildir", "/gone", "one").contains("/gone"));
    assert!(import("maildir", here, "one").contains("no Maildir"));
    let mbox = directory.path().join("mbox");
    fs::write(&mbox, "From a@b Fri Jul  8 12:08:34 2011\n\ny\n").unwrap();
    let said = import("mbox", mbox.to_str().unwrap(), "nobody");
    assert!(said.contains("there is no account nobody"), "{said}");
    let said = bad(&run(&[
        "export",
        "mbox",
        here,
        "--account",
        "one",
        "--data",
        data,
    ]));
    assert!(said.contains("is not empty"), "{said}");
}

#[test]
fn an_import_of_nothing_leaves_the_hold() {
    let directory = tempfile::tempdir().unwrap();
    let data = account(directory.path());
    let data = data.to_str().unwrap();
    let empty = directory.path().join("empty");
    fs::create_dir_all(empty.join("cur")).unwrap();
    fs::create_dir_all(empty.join(".Sent/new")).unwrap();
    let empty = empty.to_str().unwrap();
    let import = [
        "import",
        "maildir",
        empty,
        "--account",
        "one",
        "--data",
        data,
    ];
    let hold = || json(&["hold", "show", "one", "--data", data])["hold"].clone();
    let told = json(&import);
    assert_eq!(told["messages"], 0, "{told}");
    assert_eq!(hold(), "30d");
    // The first message: it stays, though the folder was made before.
    fs::write(Path::new(empty).join(".Sent/new/1.a"), "x\n").unwrap();
    let told = json(&import);
    assert_eq!(told["messages"], 1, "{told}");
    assert_eq!(hold(), "forever");
}
