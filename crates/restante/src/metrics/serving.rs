//! The listener: `GET /metrics`, and nothing else.
//!
//! One request for each connection, bounded in octets and time. Anything that does
//! more would be a web server; this one is asked by one program every few seconds.

use super::page::Watched;
use crate::config::Address;
use crate::error::{Failure, Outcome, While as _};
use crate::listen;
use serve::Node;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::{info, warn};

/// Longest head of a request.
const HEAD_OCTETS_MAX: usize = 8 << 10;
/// Fields of a request's head at the most.
const FIELDS_MAX: usize = 64;
/// Those who ask at one time; further ones are closed.
const ASKING_MAX: usize = 16;
/// A request and its answer may take so long.
const PATIENCE: Duration = Duration::from_secs(10);
/// After accepting has failed.
const PAUSE: Duration = Duration::from_millis(100);

/// The open sockets.
pub type Door = Vec<(Address, std::net::TcpListener)>;

/// Opens the sockets, where an address is set.
///
/// # Errors
/// Says what is wrong and what helps.
pub fn open(address: Option<&Address>) -> Outcome<Door> {
    // The configuration's check takes no other kind of address.
    let Some(Address::Tcp { host, port }) = address else {
        return Ok(Vec::new());
    };
    let failed = |what| format!("cannot listen on {host}:{port} for metrics: {what}");
    listen::open(host, *port).map_err(|what| Failure::new(failed(what)))
}

/// Answers on these sockets until the node stops.
///
/// # Errors
/// If a socket cannot be waited on.
pub fn watch(door: Door, watched: Watched) -> Outcome {
    let watched = Arc::new(watched);
    let asking = Arc::new(Semaphore::new(ASKING_MAX));
    for (address, socket) in door {
        socket.set_nonblocking(true).when(&address)?;
        let listener = TcpListener::from_std(socket).when(&address)?;
        info!(protocol = "metrics", %address, "listening");
        tokio::spawn(accept_all(
            listener,
            Arc::clone(&watched),
            Arc::clone(&asking),
        ));
    }
    Ok(())
}

async fn accept_all(listener: TcpListener, watched: Arc<Watched>, asking: Arc<Semaphore>) {
    let node: Arc<Node> = Arc::clone(&watched.node);
    loop {
        let accepted = tokio::select! {
            () = node.stopping() => return,
            accepted = listener.accept() => accepted,
        };
        let socket = match accepted {
            Ok((socket, _)) => socket,
            Err(error) => {
                warn!(protocol = "metrics", %error, "a connection could not be taken");
                node.env.sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&asking).try_acquire_owned() else {
            continue;
        };
        let watched = Arc::clone(&watched);
        tokio::spawn(async move {
            // Whoever asks is slow or has gone: it asks again.
            let _ = timeout(PATIENCE, answer(socket, || watched.page())).await;
            drop(place);
        });
    }
}

/// Reads one request and answers it.
async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: S,
    page: impl FnOnce() -> String,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    let status = loop {
        if let Some(status) = understand(&head) {
            break status;
        }
        let mut more = [0; 1 << 10];
        let count = socket.read(&mut more).await?;
        if count == 0 {
            return Ok(());
        }
        head.extend_from_slice(more.get(..count).unwrap_or_default());
    };
    let (allow, text) = match status {
        Status::Page => ("", page()),
        Status::NotFound => ("", "the metrics are at /metrics\n".to_owned()),
        Status::NotAllowed => ("Allow: GET\r\n", "only GET is understood\n".to_owned()),
        Status::Bad => ("", "this is no HTTP request\n".to_owned()),
        Status::TooLong => ("", "the request is too long\n".to_owned()),
    };
    let kind = match status {
        Status::Page => "text/plain; version=0.0.4; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    };
    let answer = format!(
        "HTTP/1.1 {}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{allow}\
         Connection: close\r\n\r\n{text}",
        status.line(),
        text.len()
    );
    socket.write_all(answer.as_bytes()).await?;
    socket.shutdown().await
}

/// What a request is answered. RFC 9110 §15.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Page,
    Bad,
    NotFound,
    NotAllowed,
    TooLong,
}

impl Status {
    fn line(self) -> &'static str {
        match self {
            Self::Page => "200 OK",
            Self::Bad => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::NotAllowed => "405 Method Not Allowed",
            Self::TooLong => "431 Request Header Fields Too Large",
        }
    }
}

/// The answer to a head that is whole or hopeless; `None` if more must come.
fn understand(head: &[u8]) -> Option<Status> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(head) {
        Ok(httparse::Status::Partial) if head.len() < HEAD_OCTETS_MAX => None,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            Some(Status::TooLong)
        }
        Err(_) => Some(Status::Bad),
        Ok(httparse::Status::Complete(_)) => {
            let path = request.path.unwrap_or_default();
            let path = path.split('?').next().unwrap_or_default();
            Some(match (request.method, path) {
                (Some("GET"), "/metrics") => Status::Page,
                (Some("GET"), _) => Status::NotFound,
                _ => Status::NotAllowed,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_thing_can_be_got() {
        let long = format!(
            "GET /metrics HTTP/1.1\r\nX: {}",
            "x".repeat(HEAD_OCTETS_MAX)
        );
        let many = "GET /metrics HTTP/1.1\r\n".to_owned() + &"X: y\r\n".repeat(FIELDS_MAX + 1);
        for (head, status) in [
            (
                "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
                Some(Status::Page),
            ),
            ("GET /metrics?x=y HTTP/1.0\r\n\r\n", Some(Status::Page)),
            ("GET / HTTP/1.1\r\n\r\n", Some(Status::NotFound)),
            ("GET /metrics/../x HTTP/1.1\r\n\r\n", Some(Status::NotFound)),
            ("POST /metrics HTTP/1.1\r\n\r\n", Some(Status::NotAllowed)),
            ("GET /metrics HTTP/1.1\r\nHost:", None),
            ("", None),
            ("\u{16}\u{3}\u{1}", Some(Status::Bad)),
            (&long, Some(Status::TooLong)),
            (&many, Some(Status::TooLong)),
        ] {
            assert_eq!(understand(head.as_bytes()), status, "{head:.40}");
        }
    }
}
