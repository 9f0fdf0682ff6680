//! `[metrics]`: what is told, and whether docs/METRICS.md says it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{command, connect, good, run, run_with};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Stdio};

/// A server, ended with the test.
struct Server {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Server {
    /// The port of the next listener.
    fn port(&mut self, protocol: &str) -> u16 {
        loop {
            let mut line = String::new();
            assert_ne!(
                self.log.read_line(&mut line).unwrap(),
                0,
                "the log has ended"
            );
            let event: serde_json::Value = serde_json::from_str(&line).unwrap();
            if event["message"] == "listening" && event["protocol"] == protocol {
                let address = event["address"].as_str().unwrap();
                return address.rsplit(':').next().unwrap().parse().unwrap();
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ask(port: u16, request: &str) -> String {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(common::PATIENCE)).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

fn page(port: u16) -> String {
    let answer = ask(port, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let (head, page) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(
        head.contains(&format!("Content-Length: {}\r\n", page.len())),
        "{head}"
    );
    page.to_owned()
}

#[track_caller]
fn sample(page: &str, name: &str) -> f64 {
    let value = page
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value
        .unwrap_or_else(|| panic!("no {name} in {page}"))
        .parse()
        .unwrap()
}

/// Names with their types, as the page has them.
fn told(page: &str) -> BTreeSet<(&str, &str)> {
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(|line| line.split_once(' ').unwrap()).collect()
}

/// Names with their types, as docs/METRICS.md has them.
fn documented(doc: &str) -> BTreeSet<(&str, &str)> {
    let rows = doc.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| {
        let (name, rest) = row.split_once("` | ")?;
        let (kind, _) = rest.split_once(" | ")?;
        matches!(kind, "counter" | "gauge" | "histogram").then_some((name, kind))
    })
    .collect()
}

#[test]
fn what_is_told_is_what_is_documented() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("restante.toml");
    let data = directory.path().join("data");
    let text = format!(
        "data = {data:?}\ndefault-domain = \"example.org\"\n\
         [[listen]]\nprotocol = \"imap\"\naddress = \"127.0.0.1:0\"\n\
         [[listen]]\nprotocol = \"lmtp\"\naddress = \"127.0.0.1:0\"\n\
         [metrics]\naddress = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\n"
    );
    fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    let add = [
        "account",
        "add",
        "anna",
        "--password-stdin",
        "--config",
        config,
    ];
    good(&run_with(&add, "secret\n"));
    let mut child = command(&["serve", "--config", config])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = BufReader::new(child.stderr.take().unwrap());
    let mut server = Server { child, log };
    let metrics = server.port("metrics");
    let (imap, lmtp) = (server.port("imap"), server.port("lmtp"));

    let doc = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/METRICS.md");
    let doc = fs::read_to_string(doc).unwrap();
    let before = page(metrics);
    assert_eq!(told(&before), documented(&doc));
    // What is alerted on is there.
    for word in doc.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        let name = word.strip_suffix("_bucket").or(word.strip_suffix("_count"));
        let name = name.unwrap_or(word);
        let known = told(&before).iter().any(|(known, _)| *known == name);
        assert!(known || !word.starts_with("restante_"), "{word}");
    }

    let mut line = connect(imap);
    line.until("* OK ");
    line.ask("1 LOGIN anna wrong", "1 NO ");
    line.ask("2 LOGIN anna secret", "2 OK ");
    line.ask("3 NOOP", "3 OK ");
    let mut mail = connect(lmtp);
    mail.until("220 ");
    mail.ask("LHLO client", "250 ");
    mail.ask("MAIL FROM:<>", "250 ");
    mail.ask("RCPT TO:<nobody@example.org>", "550 ");
    mail.ask("RCPT TO:<anna@example.org>", "250 ");
    mail.ask("DATA", "354 ");
    mail.send("Subject: hello\r\n\r\nhello\r\n.");
    mail.until("250 ");
    let now = page(metrics);
    for (name, value) in [
        ("restante_connections{protocol=\"imap\"}", 1.0),
        ("restante_connections{protocol=\"lmtp\"}", 1.0),
        ("restante_connections_total{protocol=\"pop3\"}", 0.0),
        ("restante_sessions{protocol=\"imap\"}", 1.0),
        ("restante_deliveries_total{result=\"stored\"}", 1.0),
        (
            "restante_deliveries_total{result=\"unknown-recipient\"}",
            1.0,
        ),
        ("restante_command_seconds_count{protocol=\"lmtp\"}", 1.0),
        ("restante_command_seconds_count{protocol=\"imap\"}", 1.0),
        ("restante_login_blocks_total", 0.0),
        ("restante_store_failed", 0.0),
        ("restante_store_room_low", 0.0),
        ("restante_clock_doubted", 0.0),
    ] {
        assert_eq!(sample(&now, name), value, "{name}");
    }
    for (result, count) in [("ok", 1.0), ("wrong", 1.0), ("blocked", 0.0)] {
        let labels = format!("{{protocol=\"imap\",mechanism=\"password\",result=\"{result}\"}}");
        assert_eq!(
            sample(&now, &format!("restante_logins_total{labels}")),
            count
        );
    }
    for name in [
        "restante_store_commits_total",
        "restante_store_groups_total",
        "restante_store_syncs_total",
        "restante_commit_seconds_count",
        "restante_commit_commands_total",
        "restante_store_journal_octets",
        "restante_received_octets_total{protocol=\"imap\"}",
        "restante_sent_octets_total{protocol=\"lmtp\"}",
    ] {
        assert!(sample(&now, name) > 0.0, "{name}");
    }
    // Nobody is named, and there is nothing else to get.
    assert!(!now.contains("anna"), "{now}");
    let elsewhere = ask(metrics, "GET / HTTP/1.1\r\n\r\n");
    assert!(elsewhere.starts_with("HTTP/1.1 404 "), "{elsewhere}");
    let post = ask(metrics, "POST /metrics HTTP/1.1\r\n\r\n");
    assert!(
        post.starts_with("HTTP/1.1 405 ") && post.contains("Allow: GET"),
        "{post}"
    );

    drop((line, mail));
    let wrong = fs::read_to_string(config)
        .unwrap()
        .replace("127.0.0.1:0\"\n[log]", "unix:/x\"\n[log]");
    fs::write(config, wrong).unwrap();
    let said = common::bad(&run(&["config", "check", "--config", config]));
    assert!(said.contains("metrics are told by TCP only"), "{said}");
}
