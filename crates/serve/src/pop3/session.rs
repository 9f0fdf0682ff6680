//! One connection.

use super::Pop3;
use super::maildrop::{Maildrop, Range};
use crate::stream::{Filled, Revoked, Stream, StreamError};
use bytes::Buf as _;
use proto::pop3::reply::{self, Capability, ResponseCode};
use proto::pop3::{self, Command, SyntaxError, line_octets_max};
use proto::sasl::{self, Exchange, Mechanism};
use proto::wire::{Line, LineReader};
use std::time::Duration;
use tracing::info;

/// Serves one connection to its end.
pub fn run(stream: Stream, pop3: Pop3) -> impl Future<Output = ()> + Send {
    // Made here, not within the future: that would carry the arguments too.
    let mut session = Session {
        stream,
        pop3,
        reader: LineReader::new(),
        state: State::Authorization(Authorization::default()),
        user: None,
        bad_commands: 0,
        wrong_passwords: 0,
        retrieved: 0,
        removed: 0,
    };
    async move {
        let env = session.stream.node().env.clone();
        let started = env.monotonic();
        let stop = session.serve().await;
        Box::pin(session.end(&stop, env.monotonic() - started)).await;
    }
}

/// Why a session ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    #[error("quit")]
    Quit,
    #[error("the client closed")]
    Ended,
    #[error("nothing came for too long")]
    TimedOut,
    #[error("the server stops")]
    Stopping,
    #[error("{0}")]
    Revoked(Revoked),
    #[error("too many errors")]
    Errors,
    /// In the middle of a message: only the end of the connection can tell.
    #[error("a message could not be read to its end")]
    Cut,
    #[error("{0}")]
    Stream(#[from] StreamError),
}

/// RFC 1939 §3. UPDATE is the QUIT that ends TRANSACTION.
enum State {
    Authorization(Authorization),
    Transaction(Box<Maildrop>),
}

/// How far a login has come.
#[derive(Default)]
pub(super) struct Authorization {
    /// The name that USER gave.
    pub(super) name: Option<String>,
    /// A SASL exchange that waits for a line.
    pub(super) exchange: Option<Exchange>,
}

pub(super) struct Session {
    pub(super) stream: Stream,
    pub(super) pop3: Pop3,
    reader: LineReader,
    state: State,
    /// Who has logged in, for the log.
    pub(super) user: Option<String>,
    bad_commands: u32,
    pub(super) wrong_passwords: u32,
    retrieved: u64,
    removed: u64,
}

/// What a line was.
enum Request {
    Command(Result<Command, SyntaxError>),
    /// A line of a SASL exchange.
    Response(Vec<u8>),
    TooLong,
}

impl Session {
    async fn end(self, stop: &Stop, duration: Duration) {
        let (octets_in, octets_out) = self.stream.octets_moved();
        info!(
            protocol = "pop3",
            peer = %self.stream.peer(),
            user = self.user.as_deref(),
            retrieved = self.retrieved,
            removed = self.removed,
            octets_in,
            octets_out,
            millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            end = %stop,
            "session ended"
        );
        match stop {
            Stop::Quit | Stop::Ended => self.stream.close().await,
            _ => self.stream.close_patiently().await,
        }
    }

    async fn serve(&mut self) -> Stop {
        // No text in angle brackets: that would offer APOP (RFC 1939 §7).
        let greeting = format!("{} POP3 ready", self.pop3.hostname);
        reply::ok(self.stream.output(), &greeting);
        loop {
            let request = match self.request().await {
                Ok(request) => request,
                Err(stop) => return stop,
            };
            // Boxed, so that a session that waits does not carry the room.
            if let Err(stop) = Box::pin(self.handle(request)).await {
                return stop;
            }
        }
    }

    /// The next line.
    async fn request(&mut self) -> Result<Request, Stop> {
        if let Some(Filled::Revoked(why)) = self.stream.revoked() {
            return Err(self.revoked(why));
        }
        loop {
            let in_exchange =
                matches!(&self.state, State::Authorization(login) if login.exchange.is_some());
            let limit = |line: &[u8]| {
                if in_exchange {
                    sasl::LINE_OCTETS_MAX
                } else {
                    line_octets_max(line)
                }
            };
            let input = self.stream.input();
            let mut rest: &[u8] = input;
            let before = rest.len();
            let request = self.reader.next(&mut rest, limit).map(|line| match line {
                Line::Whole(line) if in_exchange => Some(Request::Response(line.to_vec())),
                Line::Whole(line) => Some(Request::Command(pop3::command(line))),
                Line::TooLong => Some(Request::TooLong),
                Line::Endless => None,
            });
            let taken = before - rest.len();
            input.advance(taken);
            match request {
                Some(Some(request)) => return Ok(request),
                Some(None) => {
                    self.err(None, "the line has no end");
                    return Err(Stop::Errors);
                }
                None => {}
            }
            // RFC 1939 §3: at least 10 minutes; then no word is said and nothing
            // deleted.
            let wait = match &self.state {
                State::Authorization(_) => self.stream.patience_before_login(),
                State::Transaction(_) => self.stream.node().limits.pop3_idle,
            };
            match self.stream.fill(wait).await? {
                Filled::Octets => {}
                Filled::End => return Err(Stop::Ended),
                Filled::TimedOut => return Err(Stop::TimedOut),
                Filled::Stopping => return Err(Stop::Stopping),
                Filled::Revoked(why) => return Err(self.revoked(why)),
            }
        }
    }

    /// The answer to whatever comes next; nothing is deleted.
    fn revoked(&mut self, why: Revoked) -> Stop {
        self.err(None, &why.to_string());
        Stop::Revoked(why)
    }

    async fn handle(&mut self, request: Request) -> Result<(), Stop> {
        let command = match request {
            Request::Response(line) => return self.response(&line).await,
            Request::TooLong => {
                if let State::Authorization(login) = &mut self.state {
                    login.exchange = None;
                }
                return self.bad("the line is too long");
            }
            Request::Command(Err(error)) => return self.bad(&error.to_string()),
            Request::Command(Ok(command)) => command,
        };
        match (&mut self.state, command) {
            // Both states. RFC 2449 §5.
            (_, Command::Capa) => self.capa(),
            (State::Authorization(_), Command::Quit) => {
                self.ok("goodbye");
                return Err(Stop::Quit);
            }
            (State::Transaction(_), Command::Quit) => return self.update().await,
            (State::Authorization(login), Command::User(name)) => {
                login.name = Some(name);
                if self.may_send_password() {
                    // Whether there is such a user is not told.
                    self.ok("and the password?");
                } else {
                    self.refuse_clear();
                }
            }
            (State::Authorization(login), Command::Pass(password)) => match login.name.take() {
                None => self.err(None, "say USER first"),
                Some(_) if !self.may_send_password() => self.refuse_clear(),
                Some(name) => return self.login(&name, &password).await,
            },
            (State::Authorization(_), Command::Auth { mechanism, initial }) => {
                return self.auth(&mechanism, initial).await;
            }
            (State::Authorization(_), Command::AuthList) => self.auth_list(),
            (State::Authorization(_), Command::Stls) => return self.stls().await,
            (State::Authorization(_), _) => self.err(None, "log in first"),
            (State::Transaction(maildrop), command) => {
                return Self::transaction(maildrop, &mut self.stream, &mut self.retrieved, command)
                    .await;
            }
        }
        Ok(())
    }

    /// A command of the TRANSACTION state. RFC 1939 §5, §7.
    async fn transaction(
        maildrop: &mut Maildrop,
        stream: &mut Stream,
        retrieved: &mut u64,
        command: Command,
    ) -> Result<(), Stop> {
        match command {
            Command::Stat => {
                let (messages, octets) = maildrop.stat();
                reply::stat(stream.output(), messages, octets);
            }
            Command::List(None) => {
                let (messages, octets) = maildrop.stat();
                let text = format!("{messages} messages ({octets} octets)");
                reply::ok(stream.output(), &text);
                for (number, message) in maildrop.messages() {
                    reply::list_line(stream.output(), number, message.size.into());
                    stream.relieve().await?;
                }
                reply::end(stream.output());
            }
            Command::List(Some(number)) => match maildrop.message(number) {
                Ok(message) => {
                    reply::list(stream.output(), number, message.size.into());
                }
                Err(why) => reply::err(stream.output(), None, why),
            },
            Command::Uidl(None) => {
                reply::ok(stream.output(), "unique-ids follow");
                let ids = maildrop.unique_ids();
                for (number, message) in maildrop.messages() {
                    let id = ids.unique_id(message.email);
                    reply::uidl_line(stream.output(), number, &id);
                    stream.relieve().await?;
                }
                reply::end(stream.output());
            }
            Command::Uidl(Some(number)) => match maildrop.message(number) {
                Ok(message) => {
                    let id = maildrop.unique_ids().unique_id(message.email);
                    reply::uidl(stream.output(), number, &id);
                }
                Err(why) => reply::err(stream.output(), None, why),
            },
            Command::Retr(number) => {
                if maildrop.send(stream, number, Range::Whole).await? {
                    *retrieved += 1;
                }
            }
            Command::Top { message, lines } => {
                maildrop.send(stream, message, Range::Top(lines)).await?;
            }
            Command::Dele(number) => match maildrop.delete(number) {
                Ok(()) => reply::ok(stream.output(), "deleted at QUIT"),
                Err(why) => reply::err(stream.output(), None, why),
            },
            Command::Rset => {
                maildrop.reset();
                reply::ok(stream.output(), "nothing is deleted");
            }
            Command::Noop => reply::ok(stream.output(), "done"),
            // RFC 2595 §4: STLS only in AUTHORIZATION.
            _ => reply::err(stream.output(), None, "you are logged in already"),
        }
        Ok(())
    }

    /// UPDATE. RFC 1939 §6.
    async fn update(&mut self) -> Result<(), Stop> {
        let State::Transaction(maildrop) = &self.state else {
            return Err(Stop::Quit);
        };
        match maildrop.update().await {
            Ok(removed) => {
                self.removed = removed;
                self.ok("goodbye");
            }
            Err(code) => self.err(Some(code), "nothing was deleted: the store could not do it"),
        }
        Err(Stop::Quit)
    }

    /// The login has succeeded: the drop is open.
    pub(super) fn enter(&mut self, maildrop: Maildrop) {
        let (messages, octets) = maildrop.stat();
        self.state = State::Transaction(Box::new(maildrop));
        self.ok(&format!("{messages} messages ({octets} octets)"));
    }

    /// The login that is in progress.
    pub(super) fn authorization(&mut self) -> Option<&mut Authorization> {
        match &mut self.state {
            State::Authorization(login) => Some(login),
            State::Transaction(_) => None,
        }
    }

    fn capa(&mut self) {
        let names: Vec<&str> = self.mechanisms().map(Mechanism::name).collect();
        let mut capabilities = vec![
            Capability::Top,
            Capability::Uidl,
            Capability::RespCodes,
            Capability::AuthRespCode,
            Capability::Pipelining,
        ];
        if self.pop3.tls.is_some() && !self.stream.is_secure() {
            capabilities.push(Capability::Stls);
        }
        if self.may_send_password() {
            capabilities.push(Capability::User);
        }
        if !names.is_empty() {
            capabilities.push(Capability::Sasl(&names));
        }
        capabilities.push(Capability::Implementation("Restante"));
        reply::capa(self.stream.output(), &capabilities);
    }

    /// RFC 2595 §4.
    async fn stls(&mut self) -> Result<(), Stop> {
        let Some(tls) = self.pop3.tls.clone() else {
            self.err(None, "there is no TLS here");
            return Ok(());
        };
        if self.stream.is_secure() {
            self.err(None, "TLS is on already");
            return Ok(());
        }
        self.ok("begin TLS");
        // What has been said so far was said in the clear: it counts for nothing.
        self.reader.clear();
        self.state = State::Authorization(Authorization::default());
        self.stream.start_tls(&tls).await?;
        Ok(())
    }

    pub(super) fn may_send_password(&self) -> bool {
        self.pop3.plaintext_login || self.stream.is_secure()
    }

    pub(super) fn refuse_clear(&mut self) {
        self.err(None, "no password without TLS: say STLS first");
    }

    pub(super) fn ok(&mut self, text: &str) {
        reply::ok(self.stream.output(), text);
    }

    pub(super) fn err(&mut self, code: Option<ResponseCode>, text: &str) {
        reply::err(self.stream.output(), code, text);
    }

    pub(super) fn bad(&mut self, text: &str) -> Result<(), Stop> {
        self.err(None, text);
        self.bad_commands += 1;
        if self.bad_commands > self.stream.node().limits.bad_commands_max {
            return Err(Stop::Errors);
        }
        Ok(())
    }
}
