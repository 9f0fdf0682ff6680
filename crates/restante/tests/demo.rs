//! `restante demo`: what it prints works.

mod common;

use common::{Demo, bad, command, connect, connect_tls, run};
use std::net::TcpListener;
use std::process::{Command, Stdio};

#[test]
fn the_printed_settings_work() {
    let directory = tempfile::tempdir().unwrap();
    let demo = Demo::start(directory.path());
    let (user, password) = (demo.line("user name")[0], demo.password());
    let certificate = directory.path().join("tls/certificate.pem");
    assert!(demo.printed.contains(directory.path().to_str().unwrap()));

    let mut lmtp = connect(demo.port("telnet"));
    assert!(lmtp.read().starts_with("220 "));
    lmtp.ask("LHLO test", "250 ");
    lmtp.ask("MAIL FROM:<me@example.org>", "250 ");
    lmtp.ask(
        &format!("RCPT TO:<{}>", demo.line("mail address")[0]),
        "250 ",
    );
    lmtp.ask("DATA", "354 ");
    lmtp.ask("Subject: Through\r\n\r\nIt works.\r\n.", "250 ");
    lmtp.ask("QUIT", "221 ");

    let mut imap = connect(demo.port("imap"));
    assert!(imap.read().starts_with("* OK "));
    imap.ask(&format!("1 LOGIN {user} {password}"), "1 OK ");
    let selected = imap.ask("2 SELECT INBOX", "2 OK ");
    assert!(selected.contains(&"* 8 EXISTS".to_owned()), "{selected:?}");
    let fetched = imap.ask("3 FETCH 8 BODY.PEEK[]", "3 OK ");
    assert!(fetched.contains(&"It works.".to_owned()), "{fetched:?}");
    let envelopes = imap
        .ask("4 FETCH 1:* (ENVELOPE BODYSTRUCTURE)", "4 OK ")
        .join("\n");
    for expected in [
        "=?utf-8?",
        "\"IMAGE\" \"PNG\"",
        "timetable.pdf",
        "<lunch.2@",
    ] {
        assert!(
            envelopes.to_lowercase().contains(&expected.to_lowercase()),
            "{envelopes}"
        );
    }

    let mut imaps = connect_tls(demo.port("imaps"), &certificate);
    imaps.until("* OK ");
    imaps.ask(&format!("1 LOGIN {user} {password}"), "1 OK ");

    let mut pop3 = connect(demo.port("pop3"));
    pop3.until("+OK");
    pop3.ask(&format!("USER {user}"), "+OK");
    pop3.ask(&format!("PASS {password}"), "+OK");
    assert!(pop3.ask("STAT", "+OK")[0].starts_with("+OK 8 "));

    let mut pop3s = connect_tls(demo.port("pop3s"), &certificate);
    pop3s.until("+OK");
    pop3s.ask(&format!("USER {user}"), "+OK");
    pop3s.ask(&format!("PASS {password}"), "+OK");
    assert!(pop3s.ask("RETR 8", ".").contains(&"It works.".to_owned()));

    assert_eq!(demo.interrupt(), Some(0));
}

/// Each line that the demo prints for pasting, pasted.
#[test]
fn the_printed_lines_work_when_pasted() {
    if Command::new("curl")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_err()
    {
        eprintln!("there is no curl here: nothing to paste into");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let demo = Demo::start(directory.path());
    let lines: Vec<&str> = demo
        .printed
        .lines()
        .filter(|line| line.contains("curl"))
        .collect();
    let expected = [
        "Subject: Welcome to Restante",
        "* LIST",
        "1 ",
        "Subject: Welcome to Restante",
        "250 ",
    ];
    assert_eq!(lines.len(), expected.len());
    for (line, expected) in lines.iter().zip(expected) {
        let output = Command::new("sh").args(["-c", line]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains(expected), "{line}\n{said}\n{output:?}");
    }
    let mut pop3 = connect(demo.port("pop3"));
    pop3.until("+OK");
    pop3.ask("USER demo", "+OK");
    pop3.ask(&format!("PASS {}", demo.password()), "+OK");
    assert!(
        pop3.ask("STAT", "+OK")[0].starts_with("+OK 8 "),
        "the pasted delivery came"
    );
}

#[test]
fn a_demo_started_again_keeps_its_mail_and_password() {
    let directory = tempfile::tempdir().unwrap();
    let first = Demo::start(directory.path());
    let password = first.password().to_owned();
    let mut imap = connect(first.port("imap"));
    imap.until("* OK ");
    imap.ask(&format!("1 LOGIN demo {password}"), "1 OK ");
    imap.ask("2 SELECT INBOX", "2 OK ");
    imap.ask("3 STORE 1 +FLAGS (\\Deleted)", "3 OK ");
    imap.ask("4 EXPUNGE", "4 OK ");
    assert_eq!(first.interrupt(), Some(0));

    let second = Demo::start(directory.path());
    assert_eq!(second.password(), password);
    let mut imap = connect(second.port("imap"));
    imap.until("* OK ");
    imap.ask(&format!("1 LOGIN demo {password}"), "1 OK ");
    assert!(
        imap.ask("2 SELECT INBOX", "2 OK ")
            .contains(&"* 6 EXISTS".to_owned())
    );
}

/// `restante demo | head -3` must not end the server.
#[test]
fn nobody_need_read_what_the_demo_prints() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let mut args = vec!["demo", "--data", data];
    let ports = ["--imap", "--imaps", "--pop3", "--pop3s", "--lmtp"];
    args.extend(ports.iter().flat_map(|port| [*port, "0"]));
    let mut child = command(&args).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    // The control socket answers once the table was to be printed.
    let mut answer = None;
    for _ in 0..300 {
        let output = run(&["account", "show", "demo", "--data", data, "--json"]);
        if output.status.success() && directory.path().join("control").exists() {
            answer = serde_json::from_slice::<serde_json::Value>(&output.stdout).ok();
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(answer.unwrap()["name"], "demo@localhost");
    let ended = child.try_wait().unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&child),
        rustix::process::Signal::INT,
    )
    .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(ended, None);
}

#[test]
fn a_taken_port_is_said_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let data = directory.path().to_str().unwrap();
    let said = bad(&run(&[
        "demo", "--data", data, "--imap", "0", "--imaps", &port,
    ]));
    assert!(said.contains(&format!("127.0.0.1:{port}")), "{said}");
    assert!(said.contains("--imaps 0"), "{said}");
}

#[test]
fn two_demos_on_one_directory_do_not_mix() {
    let directory = tempfile::tempdir().unwrap();
    let _first = Demo::start(directory.path());
    let data = directory.path().to_str().unwrap();
    let mut args = vec!["demo", "--data", data];
    args.extend([
        "--imap", "0", "--imaps", "0", "--pop3", "0", "--pop3s", "0", "--lmtp", "0",
    ]);
    let said = bad(&run(&args));
    assert!(said.contains("in use"), "{said}");
}
