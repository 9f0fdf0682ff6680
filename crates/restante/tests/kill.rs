//! kill -9 of the real server while mail comes in, twenty times.
//!
//! Four connections deliver over LMTP, as mail servers do: what got no 250 is
//! tried again. After each kill the server comes back, sometimes without its
//! index. At the end POP3 and IMAP give every message that was acknowledged, and
//! none of them more often than it was sent.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "all of this is a test"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

const ROUNDS: u32 = 20;
const CONNECTIONS: u32 = 4;
/// Longer than any answer takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The server, until it is dropped or killed.
struct Server {
    child: Child,
    imap: u16,
    pop3: u16,
    lmtp: u16,
    user: String,
    password: String,
    address: String,
    /// Held, so that the server may go on writing to it.
    _output: BufReader<ChildStdout>,
}

impl Server {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_restante"))
            .arg("demo")
            .arg("--data")
            .arg(data)
            .args(["--imap", "0", "--imaps", "0", "--pop3", "0", "--pop3s", "0"])
            .args(["--lmtp", "0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        // The last thing told is how to end it.
        while !text.contains("Ctrl-C") {
            if output.read_line(&mut text).unwrap() == 0 {
                panic!("the server ended: {:?}\n{text}", child.wait());
            }
        }
        let port = |scheme: &str| {
            let at = format!("{scheme}://127.0.0.1:");
            let rest = text.split(&at).nth(1).expect(scheme);
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap();
            digits.parse().expect("a port")
        };
        let login = text.split("curl -u ").nth(1).expect("a login");
        let login = login.split(' ').next().unwrap().trim_matches('\'');
        let (user, password) = login.split_once(':').expect("a password");
        let address = text.split("RCPT TO:<").nth(1).expect("an address");
        Self {
            imap: port("'imap"),
            pop3: port("pop3"),
            lmtp: port("telnet"),
            user: user.to_owned(),
            password: password.to_owned(),
            address: address.split('>').next().unwrap().to_owned(),
            child,
            _output: output,
        }
    }

    /// Kill -9.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection that speaks lines.
struct Lines {
    reader: BufReader<TcpStream>,
}

impl Lines {
    fn open(port: u16) -> std::io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            reader: BufReader::new(stream),
        })
    }

    fn send(&mut self, text: &str) -> std::io::Result<()> {
        self.reader.get_mut().write_all(text.as_bytes())
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        match self.reader.read_line(&mut line)? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    /// The last line of an LMTP reply.
    fn reply(&mut self) -> std::io::Result<String> {
        loop {
            let line = self.line()?;
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line);
            }
        }
    }

    fn ask(&mut self, command: &str) -> std::io::Result<String> {
        self.send(&format!("{command}\r\n"))?;
        self.reply()
    }
}

/// What is known about one message.
#[derive(Clone, Copy, Debug, Default)]
struct Letter {
    attempts: u32,
    acknowledged: bool,
}

/// The text of a message; its length varies from octets to some pages.
fn text_of(id: u32) -> String {
    let mut text = format!("From: sender@example.org\r\nSubject: letter {id}\r\n\r\n");
    for line in 0..id * 7 % 450 {
        text += &format!("{id}: line {line} of a letter that has to arrive whole\r\n");
    }
    text + &format!("{id}: the end\r\n")
}

/// Delivers one letter after the other until the server is gone.
fn deliver(server: (u16, &str), thread: u32, letters: &Mutex<BTreeMap<u32, Letter>>) {
    let (port, address) = server;
    let run = || -> std::io::Result<()> {
        let mut lines = Lines::open(port)?;
        lines.reply()?;
        assert!(lines.ask("LHLO sender.example.org")?.starts_with("250"));
        loop {
            let id = {
                let mut letters = letters.lock().unwrap();
                let mine = |id: u32| id % CONNECTIONS == thread;
                let again = letters
                    .iter()
                    .find(|(id, letter)| mine(**id) && !letter.acknowledged)
                    .map(|(id, _)| *id);
                let newest = letters.keys().copied().filter(|id| mine(*id)).max();
                let id = again.unwrap_or(newest.map_or(thread, |id| id + CONNECTIONS));
                letters.entry(id).or_default().attempts += 1;
                id
            };
            lines.send(&format!(
                "MAIL FROM:<sender@example.org>\r\nRCPT TO:<{address}>\r\nDATA\r\n"
            ))?;
            for expected in ["250", "250", "354"] {
                let reply = lines.reply()?;
                assert!(reply.starts_with(expected), "{reply}");
            }
            lines.send(&(text_of(id) + ".\r\n"))?;
            let reply = lines.reply()?;
            assert!(reply.starts_with("250"), "{reply}");
            letters.lock().unwrap().get_mut(&id).unwrap().acknowledged = true;
        }
    };
    let ended = run().expect_err("it runs until the server is gone");
    assert_ne!(
        ended.kind(),
        std::io::ErrorKind::WouldBlock,
        "an answer is late"
    );
}

/// Every letter that POP3 gives, whole.
fn collect_by_pop3(server: &Server) -> BTreeMap<u32, u32> {
    let mut lines = Lines::open(server.pop3).unwrap();
    lines.line().unwrap();
    for command in [
        format!("USER {}", server.user),
        format!("PASS {}", server.password),
    ] {
        lines.send(&format!("{command}\r\n")).unwrap();
        let reply = lines.line().unwrap();
        assert!(reply.starts_with("+OK"), "{command}: {reply}");
    }
    lines.send("STAT\r\n").unwrap();
    let stat = lines.line().unwrap();
    let count: u32 = stat.split(' ').nth(1).unwrap().parse().unwrap();
    let mut found = BTreeMap::new();
    for number in 1..=count {
        lines.send(&format!("RETR {number}\r\n")).unwrap();
        let reply = lines.line().unwrap();
        assert!(reply.starts_with("+OK"), "{reply}");
        let mut text = String::new();
        loop {
            let line = lines.line().unwrap();
            if line == "." {
                break;
            }
            text += line.strip_prefix('.').unwrap_or(&line);
            text += "\r\n";
        }
        let subject = text.split("\r\nSubject: letter ").nth(1);
        let Some(id) = subject.and_then(|rest| rest.split("\r\n").next()?.parse().ok()) else {
            continue; // One of the demo's own.
        };
        assert!(text.ends_with(&text_of(id)), "letter {id} came as {text}");
        *found.entry(id).or_default() += 1;
    }
    lines.send("QUIT\r\n").unwrap();
    assert!(lines.line().unwrap().starts_with("+OK"));
    found
}

/// Every letter that IMAP knows, by subject.
fn list_by_imap(server: &Server) -> BTreeMap<u32, u32> {
    let mut lines = Lines::open(server.imap).unwrap();
    lines.line().unwrap();
    let mut found = BTreeMap::new();
    for (tag, command) in [
        (
            "a",
            format!("LOGIN {} \"{}\"", server.user, server.password),
        ),
        ("b", "EXAMINE INBOX".to_owned()),
        (
            "c",
            "FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])".to_owned(),
        ),
    ] {
        lines.send(&format!("{tag} {command}\r\n")).unwrap();
        loop {
            let line = lines.line().unwrap();
            if let Some(id) = line.strip_prefix("Subject: letter ") {
                *found.entry(id.parse().unwrap()).or_default() += 1;
            }
            if line.starts_with(&format!("{tag} ")) {
                assert!(line.starts_with(&format!("{tag} OK")), "{command}: {line}");
                break;
            }
        }
    }
    found
}

fn compare(letters: &BTreeMap<u32, Letter>, found: &BTreeMap<u32, u32>, how: &str) {
    for (id, letter) in letters {
        let times = found.get(id).copied().unwrap_or(0);
        assert!(
            times >= u32::from(letter.acknowledged),
            "{how}: letter {id} was acknowledged and is lost"
        );
        assert!(
            times <= letter.attempts,
            "{how}: letter {id} is there {times} times: {letter:?}"
        );
    }
    assert!(found.keys().all(|id| letters.contains_key(id)));
}

#[test]
fn nothing_acknowledged_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let letters = Mutex::new(BTreeMap::new());
    for round in 0..ROUNDS {
        if round % 5 == 4 {
            lose_index(&data);
        }
        let server = Server::start(&data);
        if round % 5 == 0 || round % 5 == 4 {
            compare(&letters.lock().unwrap(), &collect_by_pop3(&server), "POP3");
        }
        let acknowledged = || -> usize {
            let letters = letters.lock().unwrap();
            letters
                .values()
                .filter(|letter| letter.acknowledged)
                .count()
        };
        let before = acknowledged();
        std::thread::scope(|scope| {
            for thread in 0..CONNECTIONS {
                let (port, address) = (server.lmtp, server.address.clone());
                let letters = &letters;
                scope.spawn(move || deliver((port, &address), thread, letters));
            }
            // Somewhere in the middle of the work, elsewhere in each round.
            let began = Instant::now();
            while acknowledged() < before + 3 + (round as usize * 5) % 17 {
                assert!(began.elapsed() < PATIENCE, "nothing is delivered");
                std::thread::yield_now();
            }
            server.kill();
        });
    }
    lose_index(&data);
    let server = Server::start(&data);
    let letters = letters.into_inner().unwrap();
    assert!(letters.len() > 100, "{}", letters.len());
    compare(&letters, &collect_by_pop3(&server), "POP3");
    compare(&letters, &list_by_imap(&server), "IMAP");
}

/// Deletes the index while the server is down.
fn lose_index(data: &Path) {
    let index = data.join("index");
    assert!(index.is_dir(), "the index lies in {}", index.display());
    std::fs::remove_dir_all(index).unwrap();
}
