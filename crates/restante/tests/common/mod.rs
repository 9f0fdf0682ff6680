//! The real program, started as a user would start it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses its part, and a test that cannot go on fails"
)]

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// How long a test waits for anything before it fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The program with these arguments, away from this machine's own settings.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_restante"));
    command
        .args(args)
        .env_remove("RUST_LOG")
        .env_remove("NOTIFY_SOCKET")
        .stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub fn run(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

/// Runs it with `input` on standard input.
pub fn run_with(args: &[&str], input: &str) -> Output {
    let mut child = command(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

/// Standard output of a run that must have gone well.
#[track_caller]
pub fn good(output: &Output) -> String {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// Standard error of a run that must have failed.
#[track_caller]
pub fn bad(output: &Output) -> String {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    text(&output.stderr)
}

/// The answer in JSON of a run that must have gone well.
#[track_caller]
pub fn json(args: &[&str]) -> serde_json::Value {
    let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
    serde_json::from_str(&good(&run(&args))).unwrap()
}

/// A demo on free ports.
pub struct Demo {
    child: Child,
    /// What it has printed.
    pub printed: String,
    /// Its data directory.
    pub data: PathBuf,
}

impl Demo {
    /// Starts it and waits for its table.
    pub fn start(data: &Path) -> Self {
        let ports = ["--imap", "--imaps", "--pop3", "--pop3s", "--lmtp"];
        let mut args = vec!["demo", "--data", data.to_str().unwrap()];
        args.extend(ports.iter().flat_map(|port| [*port, "0"]));
        let mut child = command(&args).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut printed = String::new();
        for line in lines.by_ref() {
            let line = line.unwrap();
            printed.push_str(&line);
            printed.push('\n');
            if line.starts_with("Ctrl-C") {
                break;
            }
        }
        assert!(
            printed.contains("Ctrl-C"),
            "the demo has ended early: {printed}"
        );
        // Whatever comes later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            printed,
            data: data.into(),
        }
    }

    /// The words of the table's line that begins with `name`.
    pub fn line(&self, name: &str) -> Vec<&str> {
        let line = self
            .printed
            .lines()
            .find_map(|line| line.trim_start().strip_prefix(name));
        line.unwrap_or_else(|| panic!("no line {name}"))
            .split_whitespace()
            .collect()
    }

    /// The password.
    pub fn password(&self) -> &str {
        self.line("password")[0]
    }

    /// The port behind `protocol://127.0.0.1:`.
    pub fn port(&self, protocol: &str) -> u16 {
        let mark = format!("{protocol}://127.0.0.1:");
        let rest = self.printed.split(&mark).nth(1).unwrap();
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Ends it as Ctrl-C does, and gives its exit code.
    pub fn interrupt(mut self) -> Option<i32> {
        self.signal(rustix::process::Signal::INT);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that knows no protocol: lines out, lines in.
pub struct Line<S: Read + Write>(BufReader<S>);

/// Connects.
pub fn connect(port: u16) -> Line<TcpStream> {
    let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    Line(BufReader::new(socket))
}

/// Connects by TLS, trusting this certificate alone.
pub fn connect_tls(
    port: u16,
    certificate: &Path,
) -> Line<rustls::StreamOwned<rustls::ClientConnection, TcpStream>> {
    connect_tls_after(port, certificate, b"")
}

/// Connects by TLS, with something before it.
pub fn connect_tls_after(
    port: u16,
    certificate: &Path,
    before: &[u8],
) -> Line<rustls::StreamOwned<rustls::ClientConnection, TcpStream>> {
    use rustls::pki_types::pem::PemObject as _;
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(rustls::pki_types::CertificateDer::from_pem_file(certificate).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut first = before.to_vec();
    client.write_tls(&mut first).unwrap();
    socket.write_all(&first).unwrap();
    Line(BufReader::new(rustls::StreamOwned::new(client, socket)))
}

impl<S: Read + Write> Line<S> {
    /// On an open stream.
    pub fn new(stream: S) -> Self {
        Self(BufReader::new(stream))
    }

    /// Sends a line.
    pub fn send(&mut self, line: &str) {
        let to = self.0.get_mut();
        to.write_all(format!("{line}\r\n").as_bytes()).unwrap();
        to.flush().unwrap();
    }

    /// The next line, without its end.
    pub fn read(&mut self) -> String {
        let mut line = Vec::new();
        self.0.read_until(b'\n', &mut line).unwrap();
        String::from_utf8_lossy(&line).trim_end().to_owned()
    }

    /// Lines up to the one that begins with `end`, that one included.
    #[track_caller]
    pub fn until(&mut self, end: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.read();
            let ended = line.starts_with(end);
            assert!(
                ended
                    || lines.len() < 100_000
                        && !lines.ends_with(&[String::new(), String::new(), String::new()]),
                "no {end}: {lines:?}"
            );
            lines.push(line);
            if ended {
                return lines;
            }
        }
    }

    /// Sends a line and reads up to the one that begins with `end`.
    #[track_caller]
    pub fn ask(&mut self, line: &str, end: &str) -> Vec<String> {
        self.send(line);
        self.until(end)
    }
}
