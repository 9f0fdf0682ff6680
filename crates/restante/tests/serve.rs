//! `restante serve`: listeners, signals, what it logs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{
    Line, bad, command, connect, connect_tls, connect_tls_after, good, json, run, run_with,
};
use rustix::process::Signal;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

/// A server that logs in JSON.
struct Server {
    child: Child,
    log: BufReader<ChildStderr>,
    seen: Vec<serde_json::Value>,
}

impl Server {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self {
            child,
            log,
            seen: Vec::new(),
        }
    }

    /// Reads the log up to a line that `wanted` wants.
    fn until(&mut self, wanted: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        loop {
            let mut line = String::new();
            self.log.read_line(&mut line).unwrap();
            assert!(!line.is_empty(), "the log has ended: {:#?}", self.seen);
            let event: serde_json::Value = serde_json::from_str(&line).unwrap();
            self.seen.push(event.clone());
            if wanted(&event) {
                return event;
            }
        }
    }

    fn says(&mut self, message: &str) -> serde_json::Value {
        self.until(|event| event["message"] == message)
    }

    fn port(&mut self, protocol: &str) -> u16 {
        let event = self.until(|e| e["message"] == "listening" && e["protocol"] == protocol);
        let address = event["address"].as_str().unwrap();
        address.rsplit(':').next().unwrap().parse().unwrap()
    }

    fn signal(&self, signal: Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    fn end(mut self) -> (Option<i32>, String) {
        self.signal(Signal::TERM);
        let code = self.child.wait().unwrap().code();
        let mut text = format!("{:?}", self.seen);
        for line in (&mut self.log).lines() {
            text.push_str(&line.unwrap());
        }
        (code, text)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes a certificate of its own, and gives its path.
fn certificate(directory: &Path) -> PathBuf {
    let names = vec!["localhost".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    fs::write(directory.join("cert.pem"), made.cert.pem()).unwrap();
    fs::write(directory.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    directory.join("cert.pem")
}

fn config(directory: &Path, listeners: &str) -> String {
    let path = directory.join("restante.toml");
    let text = format!(
        "data = \"{0}/data\"\nhostname = \"mail.example.org\"\ndefault-domain = \"example.org\"\n\
         {listeners}\n[tls]\ncertificate = \"{0}/cert.pem\"\nkey = \"{0}/key.pem\"\n\
         [log]\nformat = \"json\"\n",
        directory.display()
    );
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn listener(protocol: &str, address: &str) -> String {
    format!("[[listen]]\nprotocol = \"{protocol}\"\naddress = \"{address}\"\n")
}

#[test]
fn a_server_serves_until_it_is_told_to_stop() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let cert = certificate(directory);
    let socket = directory.join("lmtp");
    let listeners = [
        listener("imap", "127.0.0.1:0"),
        listener("imaps", "127.0.0.1:0"),
        listener("lmtp", &format!("unix:{}", socket.display())),
    ];
    let config = config(directory, &listeners.concat());
    let mut server = Server::start(&mut command(&["serve", "--config", &config]));
    let imap = server.port("imap");
    let imaps = server.port("imaps");
    server.until(|e| e["message"] == "listening" && e["protocol"] == "lmtp");
    assert_eq!(
        fs::metadata(&socket).unwrap().permissions().mode() & 0o777,
        0o660
    );
    assert_eq!(
        fs::metadata(directory.join("data"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o700
    );

    let add = [
        "account",
        "add",
        "anna",
        "--password-stdin",
        "--config",
        &config,
    ];
    assert_eq!(
        good(&run_with(&add, "open sesame\n")),
        "anna@example.org added\n"
    );
    let mode = fs::metadata(directory.join("data/control"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    let mut lmtp = Line::new(UnixStream::connect(&socket).unwrap());
    lmtp.until("220 ");
    lmtp.ask("LHLO test", "250 ");
    lmtp.ask("MAIL FROM:<>", "250 ");
    lmtp.ask("RCPT TO:<anna@example.org>", "250 ");
    lmtp.ask("DATA", "354 ");
    lmtp.ask("Subject: the-secret-content\r\n\r\nx\r\n.", "250 ");
    let delivery = server.says("delivery");
    assert_eq!(delivery["to"], "anna@example.org", "{delivery}");

    // What is answered last counts too.
    let mut short = UnixStream::connect(&socket).unwrap();
    short.write_all(b"LHLO test\r\nQUIT\r\n").unwrap();
    let mut answers = String::new();
    short.read_to_string(&mut answers).unwrap();
    let ended = server.says("session ended");
    assert_eq!(ended["octets_out"], answers.len(), "{ended}");

    // A name as long as a line may be is not a line of the log as long.
    let mut stranger = connect(imap);
    stranger.until("* OK ");
    let name = "x".repeat(7_000);
    stranger.ask(&format!("1 LOGIN {name} y"), "1 NO ");
    let failed = server.says("login failed");
    assert_eq!(failed["user"], "x".repeat(255));

    let mut waiting = connect(imap);
    waiting.until("* OK ");
    waiting.ask("1 LOGIN anna \"open sesame\"", "1 OK ");
    assert!(
        waiting
            .ask("2 SELECT INBOX", "2 OK ")
            .contains(&"* 1 EXISTS".to_owned())
    );
    waiting.ask("3 IDLE", "+ ");

    // STARTTLS with the old certificate, then implicit TLS with a new one.
    let mut plain = connect(imap);
    plain.until("* OK ");
    assert!(
        plain
            .ask("1 CAPABILITY", "1 OK ")
            .join(" ")
            .contains("STARTTLS")
    );
    connect_tls(imaps, &cert).until("* OK ");
    let newer = certificate(directory);
    server.signal(Signal::HUP);
    server.says("the certificate is read again");
    connect_tls(imaps, &newer).until("* OK ");

    server.signal(Signal::TERM);
    waiting.until("* BYE ");
    let (code, log) = server.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(!socket.exists() || UnixStream::connect(&socket).is_err());
    assert!(log.contains("session ended"), "{log}");
    for secret in ["sesame", "the-secret-content"] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn a_configuration_that_became_wrong_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let cert = certificate(directory.path());
    let config = config(directory.path(), &listener("imaps", "127.0.0.1:0"));
    let mut server = Server::start(&mut command(&["serve", "--config", &config]));
    let imaps = server.port("imaps");
    connect_tls(imaps, &cert).until("* OK ");

    fs::write(directory.path().join("key.pem"), "no key").unwrap();
    server.signal(Signal::HUP);
    let said = server.says("the certificate stays as it was").to_string();
    assert!(said.contains("key.pem"), "{said}");
    fs::write(&config, "dta = 1\n").unwrap();
    server.signal(Signal::HUP);
    let said = server.says("the configuration stays as it was").to_string();
    assert!(said.contains("unknown key `dta`"), "{said}");
    connect_tls(imaps, &cert).until("* OK ");
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn sockets_of_systemd_are_taken() {
    let directory = tempfile::tempdir().unwrap();
    certificate(directory.path());
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = open.local_addr().unwrap();
    let config = config(directory.path(), &listener("imap", &address.to_string()));
    // As systemd starts it: the socket is file descriptor 3.
    rustix::io::fcntl_setfd(&open, rustix::io::FdFlags::empty()).unwrap();
    let script = format!(
        "LISTEN_PID=$$ LISTEN_FDS=1 exec '{}' serve --config '{config}' 3<&{}",
        env!("CARGO_BIN_EXE_restante"),
        open.as_raw_fd()
    );
    let mut server = Server::start(
        Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::null()),
    );
    assert_eq!(server.port("imap"), address.port());
    drop(open);
    connect(address.port()).until("* OK ");
    assert_eq!(server.end().0, Some(0));
}

/// sd_notify(3): what systemd is told, and when.
#[test]
fn systemd_is_told_what_the_server_does() {
    let directory = tempfile::tempdir().unwrap();
    certificate(directory.path());
    let told = directory.path().join("notify");
    let socket = UnixDatagram::bind(&told).unwrap();
    socket.set_read_timeout(Some(common::PATIENCE)).unwrap();
    let next = || {
        let mut octets = [0; 4_096];
        let count = socket.recv(&mut octets).unwrap();
        String::from_utf8_lossy(&octets[..count]).into_owned()
    };
    let config = config(directory.path(), &listener("imap", "127.0.0.1:0"));
    let mut command = command(&["serve", "--config", &config]);
    let mut server = Server::start(command.env("NOTIFY_SOCKET", &told));
    assert!(next().contains("READY=1"));
    // Ready means that it answers.
    let port = server.port("imap");
    connect(port).until("* OK ");
    server.signal(Signal::HUP);
    let said = next();
    assert!(
        said.contains("RELOADING=1") && said.contains("MONOTONIC_USEC="),
        "{said}"
    );
    assert!(next().contains("READY=1"));
    server.signal(Signal::TERM);
    assert!(next().contains("STOPPING=1"));
    assert_eq!(server.end().0, Some(0));
}

/// Delivers a message and gives the answer to it.
fn deliver(port: u16) -> String {
    let mut lmtp = connect(port);
    lmtp.until("220 ");
    lmtp.ask("LHLO test", "250 ");
    lmtp.ask("MAIL FROM:<>", "250 ");
    lmtp.ask("RCPT TO:<anna@example.org>", "250 ");
    lmtp.ask("DATA", "354 ");
    lmtp.ask("Subject: one\r\n\r\nx\r\n.", "").concat()
}

/// A write that fails keeps nothing and harms nothing: later ones may succeed.
#[test]
fn what_cannot_be_written_is_not_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    certificate(directory.path());
    let config = config(directory.path(), &listener("lmtp", "127.0.0.1:0"));
    // Files that would grow beyond a limit give errors, not a signal.
    let script = format!(
        "trap '' XFSZ; exec '{}' serve --config '{config}'",
        env!("CARGO_BIN_EXE_restante")
    );
    let mut server = Server::start(
        Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::null()),
    );
    let port = server.port("lmtp");
    good(&run(&["account", "add", "anna", "--config", &config]));
    let pid = rustix::process::Pid::from_child(&server.child);
    let limit = |current| {
        let limit = rustix::process::Rlimit {
            current,
            maximum: None,
        };
        let size = rustix::process::Resource::Fsize;
        rustix::process::prlimit(Some(pid), size, limit).unwrap();
    };
    limit(Some(1));
    assert!(deliver(port).starts_with("451 4."));
    limit(None);
    assert!(deliver(port).starts_with("250 "));
    assert_eq!(server.end().0, Some(0));
}

/// Says EIO to every fdatasync and fsync once the file that it is told of is there.
const FAILING_SYNCS: &str = r#"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/syscall.h>
static int fails(void) { return access(getenv("SYNCS_FAIL"), F_OK) == 0; }
int fdatasync(int fd) {
    if (fails()) { errno = EIO; return -1; }
    return syscall(SYS_fdatasync, fd);
}
int fsync(int fd) {
    if (fails()) { errno = EIO; return -1; }
    return syscall(SYS_fsync, fd);
}
"#;

/// After a failed sync nothing is trusted: the server ends, and says so by its
/// exit code. Needs a C compiler for the disk that fails.
#[test]
fn a_sync_that_fails_ends_the_server_with_an_error() {
    let directory = tempfile::tempdir().unwrap();
    certificate(directory.path());
    let (source, library) = (directory.path().join("f.c"), directory.path().join("f.so"));
    fs::write(&source, FAILING_SYNCS).unwrap();
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status();
    if !compiled.is_ok_and(|status| status.success()) {
        eprintln!("there is no C compiler here: no disk that fails");
        return;
    }
    let config = config(directory.path(), &listener("lmtp", "127.0.0.1:0"));
    let fail = directory.path().join("fail");
    let mut command = command(&["serve", "--config", &config]);
    command.env("LD_PRELOAD", &library).env("SYNCS_FAIL", &fail);
    let mut server = Server::start(&mut command);
    let port = server.port("lmtp");
    good(&run(&["account", "add", "anna", "--config", &config]));
    assert!(deliver(port).starts_with("250 "));
    fs::write(&fail, "").unwrap();
    assert!(deliver(port).starts_with("451 4."));
    server.says("the store has failed");
    // Read to its end before it is waited for, so that the pipe never fills.
    let mut rest = String::new();
    server.log.read_to_string(&mut rest).unwrap();
    assert_eq!(server.child.wait().unwrap().code(), Some(1), "{rest}");
    assert!(rest.contains("started again, it recovers"), "{rest}");

    fs::remove_file(&fail).unwrap();
    let mut again = Server::start(&mut common::command(&["serve", "--config", &config]));
    let port = again.port("lmtp");
    assert!(deliver(port).starts_with("250 "));
    assert_eq!(again.end().0, Some(0));
}

#[test]
fn what_is_in_the_way_is_said() {
    let directory = tempfile::tempdir().unwrap();
    certificate(directory.path());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let file = config(directory.path(), &listener("imap", &address));
    let said = bad(&run(&["serve", "--config", &file]));
    let expected = format!("{file}:6: cannot listen on {address} for imap: another program");
    assert!(said.contains(&expected), "{said}");
    assert!(said.contains("write another address"), "{said}");

    fs::remove_file(directory.path().join("cert.pem")).unwrap();
    let file = config(directory.path(), &listener("imap", "127.0.0.1:0"));
    let said = bad(&run(&["serve", "--config", &file]));
    assert!(said.contains("cert.pem: No such file"), "{said}");
}

/// A load balancer's PROXY header: its client is who is logged and counted.
#[test]
fn a_load_balancer_says_for_whom_it_has_connected() {
    let directory = tempfile::tempdir().unwrap();
    let cert = certificate(directory.path());
    let listed = "proxy-protocol = [\"127.0.0.0/8\"]\n";
    let listeners = [
        listener("imap", "127.0.0.1:0") + listed + "plaintext-login = true\n",
        listener("imaps", "127.0.0.1:0") + listed,
        listener("pop3", "127.0.0.1:0"),
        "[limits]\nconnections-per-address = 2\n".to_owned(),
    ];
    let config = config(directory.path(), &listeners.concat());
    let mut server = Server::start(&mut command(&["serve", "--config", &config]));
    let (imap, imaps, pop3) = (
        server.port("imap"),
        server.port("imaps"),
        server.port("pop3"),
    );
    good(&run(&["account", "add", "anna", "--config", &config]));

    let connect_for = |client: &str| {
        let mut line = connect(imap);
        line.send(&format!("PROXY TCP4 {client} 192.0.2.9 5000 143"));
        line
    };
    let mut first = connect_for("192.0.2.1");
    first.until("* OK ");
    first.ask("1 LOGIN anna wrong", "1 NO ");
    let failed = server.says("login failed");
    assert_eq!(failed["peer"], "192.0.2.1:5000", "{failed}");
    let mut second = connect_for("192.0.2.1");
    second.until("* OK ");
    let said = connect_for("192.0.2.1").read();
    assert_eq!(
        said,
        "* BYE there are too many connections from this address"
    );
    let refused = server.says("refused");
    assert_eq!(refused["peer"], "192.0.2.1:5000", "{refused}");
    connect_for("192.0.2.2").until("* OK ");
    // A health check without a client is not counted.
    for _ in 0..4 {
        let mut line = connect(imap);
        line.send("PROXY UNKNOWN");
        line.until("* OK ");
    }
    // It must say it.
    let mut silent = connect(imap);
    silent.send("1 CAPABILITY");
    let refused = server.says("refused");
    assert!(
        refused["error"].to_string().contains("no PROXY header"),
        "{refused}"
    );
    // Elsewhere it is a command like any other.
    let mut other = connect(pop3);
    other.until("+OK");
    other.ask("PROXY TCP4 192.0.2.1 192.0.2.9 5000 143", "-ERR");
    // Before TLS, in one packet with what begins it.
    let header = b"PROXY TCP4 192.0.2.3 192.0.2.9 5000 993\r\n";
    connect_tls_after(imaps, &cert, header).until("* OK ");
    assert_eq!(server.end().0, Some(0));
}

/// Version 2 of that header, from a load balancer that is listed, and from a stranger:
/// what a stranger says of its address is a command like any other.
#[test]
fn only_who_is_listed_says_for_whom_it_has_connected() {
    let directory = tempfile::tempdir().unwrap();
    let cert = certificate(directory.path());
    let listeners = [
        listener("imaps", "127.0.0.1:0") + "proxy-protocol = [\"127.0.0.1\"]\n",
        listener("imap", "127.0.0.1:0")
            + "proxy-protocol = [\"192.0.2.0/24\"]\nplaintext-login = true\n",
    ];
    let config = config(directory.path(), &listeners.concat());
    let mut server = Server::start(&mut command(&["serve", "--config", &config]));
    // In the order in which the listeners stand: each is told of once.
    let (imaps, imap) = (server.port("imaps"), server.port("imap"));
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend([192, 0, 2, 1, 192, 0, 2, 9, 0x13, 0x88, 0, 143]);
    let mut listed = connect_tls_after(imaps, &cert, &header);
    listed.until("* OK ");
    listed.ask("1 LOGIN anna wrong", "1 NO ");
    let failed = server.says("login failed");
    assert_eq!(failed["peer"], "192.0.2.1:5000", "{failed}");

    let mut stranger = TcpStream::connect(("127.0.0.1", imap)).unwrap();
    stranger.write_all(&header).unwrap();
    stranger.write_all(b"\r\n1 LOGIN anna wrong\r\n").unwrap();
    Line::new(stranger).until("1 NO ");
    let failed = server.says("login failed");
    let peer = failed["peer"].as_str().unwrap();
    assert!(peer.starts_with("127.0.0.1:"), "{failed}");
    assert_eq!(server.end().0, Some(0));
}

/// `[hold]` is read again, and new accounts begin with it.
#[test]
fn the_hold_of_the_configuration_is_read_again() {
    let directory = tempfile::tempdir().unwrap();
    certificate(directory.path());
    let lines = listener("imap", "127.0.0.1:0");
    let file = config(directory.path(), &lines);
    let mut server = Server::start(&mut command(&["serve", "--config", &file]));
    server.port("imap");
    let hold = |of: &str| json(&["hold", "show", of, "--config", &file])["hold"].clone();
    assert_eq!(hold("--default"), "30d");
    config(
        directory.path(),
        &format!("{lines}[hold]\nhold = \"10d\"\nundo = \"2d\"\n"),
    );
    let reread = || {
        server.signal(Signal::HUP);
        (0..3_000).any(|_| hold("--default") == "10d")
    };
    assert!(reread());
    good(&run(&["account", "add", "anna", "--config", &file]));
    let anna = json(&["hold", "show", "anna", "--config", &file]);
    assert_eq!(
        (&anna["hold"], &anna["undo"]),
        (&"10d".into(), &"2d".into())
    );
    assert_eq!(anna["set_by"], "configuration");
    assert_eq!(server.end().0, Some(0));
}

/// Only root may become somebody else; elsewhere there is nothing to see.
#[test]
fn root_becomes_the_user_that_is_named() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    certificate(directory.path());
    let lines = format!("user = \"nobody\"\n{}", listener("imap", "127.0.0.1:0"));
    let config = config(directory.path(), &lines);
    let mut server = Server::start(&mut command(&["serve", "--config", &config]));
    let port = server.port("imap");
    connect(port).until("* OK ");
    let status = fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let uids = status
        .lines()
        .find(|line| line.starts_with("Uid:"))
        .unwrap();
    assert!(
        uids.split_whitespace().skip(1).all(|uid| uid != "0"),
        "{uids}"
    );
    // Root reaches it by its socket; without a server root would only do harm.
    let add = ["account", "add", "anna", "--config", &config];
    good(&run(&add));
    assert_eq!(server.end().0, Some(0));
    let said = bad(&run(&["account", "list", "--config", &config]));
    assert!(said.contains("belongs to user nobody"), "{said}");
}
