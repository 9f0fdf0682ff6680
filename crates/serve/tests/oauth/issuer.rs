//! A small issuer of tokens: a real HTTP server on this machine, on a thread of
//! its own, so that it answers while the simulated world stands still.

use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// What it says at a path.
#[derive(Clone)]
pub(crate) enum Answer {
    /// This, with 200.
    Json(Value),
    /// A status and what follows its line.
    Other(&'static str),
    /// Nothing, until the client goes.
    Silence,
}

/// What it was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) authorization: String,
    pub(crate) body: String,
}

pub(crate) struct Issuer {
    pub(crate) url: String,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Issuer {
    /// With a configuration, and over TLS if there is some.
    pub(crate) fn start(tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let issuer = Self {
            url: url.clone(),
            answers: Arc::default(),
            asked: Arc::default(),
        };
        let configuration = json!({"issuer": url, "jwks_uri": format!("{url}/jwks")});
        issuer.says(
            "/.well-known/openid-configuration",
            Answer::Json(configuration),
        );
        let (answers, asked) = (Arc::clone(&issuer.answers), Arc::clone(&issuer.asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (answers, asked) = (Arc::clone(&answers), Arc::clone(&asked));
                let tls = tls.clone();
                std::thread::spawn(move || {
                    let stream = stream.unwrap();
                    match tls {
                        None => answer(stream, &answers, &asked),
                        Some(tls) => {
                            let tls = rustls::ServerConnection::new(tls).unwrap();
                            let stream = rustls::StreamOwned::new(tls, stream);
                            answer(stream, &answers, &asked);
                        }
                    }
                });
            }
        });
        issuer
    }

    pub(crate) fn says(&self, path: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// What it was asked since this was last asked.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn answer(
    stream: impl Read + Write,
    answers: &Mutex<HashMap<String, Answer>>,
    asked: &Mutex<Vec<Asked>>,
) {
    let mut stream = BufReader::new(stream);
    while let Some((request, path)) = read(&mut stream) {
        asked.lock().unwrap().push(request);
        let answer = answers.lock().unwrap().get(&path).cloned();
        let text = match answer {
            Some(Answer::Json(value)) => {
                let body = value.to_string();
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json";
                format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            }
            Some(Answer::Other(text)) => format!("HTTP/1.1 {text}"),
            Some(Answer::Silence) => {
                let _ = stream.read(&mut [0]);
                return;
            }
            None => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
        };
        let stream = stream.get_mut();
        if stream.write_all(text.as_bytes()).is_err() || stream.flush().is_err() {
            return;
        }
    }
}

/// A request and its path.
fn read(stream: &mut impl std::io::BufRead) -> Option<(Asked, String)> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let header = |name: &str| {
        let mut pairs = lines.iter().filter_map(|line| line.split_once(':'));
        let found = pairs.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim().to_owned())
    };
    let length = header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let line = lines.first()?.clone();
    let path = line.split(' ').nth(1)?.to_owned();
    let asked = Asked {
        line,
        authorization: header("authorization").unwrap_or_default(),
        body: String::from_utf8(body).ok()?,
    };
    Some((asked, path))
}
