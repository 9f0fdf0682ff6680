//! One connection.

use super::Pop3;
use super::language::Language;
use super::maildrop::Maildrop;
use super::transaction::{Replies, transaction};
use crate::auth::{Dialogue, LANGUAGE_SETTING};
use crate::metrics::Service;
use crate::sessions::SessionHeld;
use crate::stream::{Filled, Revoked, Stream, StreamError};
use bytes::Buf as _;
use proto::pop3::reply::{self, Capability, ResponseCode};
use proto::pop3::{self, Command, SyntaxError, line_octets_max};
use proto::sasl;
use proto::wire::{Line, LineReader};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tracing::info;

/// Serves one connection to its end.
pub fn run(mut stream: Stream, pop3: Pop3) -> impl Future<Output = ()> + Send {
    stream.count_as(Service::Pop3);
    // Made here, not within the future: that would carry the arguments too.
    let env = stream.node().env.clone();
    let mut session = Session {
        started: env.monotonic(),
        language: pop3.languages.first(),
        utf8: false,
        login_delay: Duration::ZERO,
        stream,
        pop3,
        reader: LineReader::new(),
        state: State::Authorization(Authorization::default()),
        user: None,
        held: None,
        bad_commands: 0,
        wrong_passwords: 0,
        retrieved: 0,
        removed: 0,
    };
    async move {
        let started = session.started;
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
    pub(super) exchange: Option<Box<Dialogue>>,
}

pub(super) struct Session {
    pub(super) stream: Stream,
    pub(super) pop3: Pop3,
    /// By the monotonic clock.
    started: Duration,
    /// Of replies.
    language: Arc<Language>,
    /// The client has said UTF8.
    pub(super) utf8: bool,
    /// What LOGIN-DELAY is for who has logged in.
    pub(super) login_delay: Duration,
    reader: LineReader,
    state: State,
    /// Who has logged in, for the log.
    pub(super) user: Option<String>,
    /// Its place among the account's sessions.
    pub(super) held: Option<SessionHeld>,
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
        let hostname = Arc::clone(&self.pop3.hostname);
        self.ok_with("{0} POP3 ready", &[&hostname]);
        loop {
            let request = match self.request().await {
                Ok(request) => request,
                Err(stop) => return stop,
            };
            // Boxed, so that a session that waits does not carry the room.
            if let Err(stop) = Box::pin(self.handle(request)).await {
                return stop;
            }
            self.stream.give_way().await;
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
            Request::Command(Err(SyntaxError::Unknown)) => return self.bad("unknown command"),
            Request::Command(Err(SyntaxError::Arguments(right))) => {
                self.err_with(None, "syntax: {0}", &[&right]);
                return self.count_bad();
            }
            Request::Command(Ok(command)) => command,
        };
        match (&mut self.state, command) {
            // Both states. RFC 2449 §5.
            (_, Command::Capa) => self.capa(),
            // Both states. RFC 6856 §3.1.
            (_, Command::Lang(range)) => self.lang(range.as_deref()),
            (State::Authorization(_), Command::Quit) => {
                self.ok("goodbye");
                return Err(Stop::Quit);
            }
            (State::Transaction(_), Command::Quit) => {
                let begun = self.stream.node().env.monotonic();
                let stop = self.update().await;
                self.took(begun);
                return stop;
            }
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
            (State::Authorization(_), Command::Utf8) => {
                self.utf8 = true;
                self.ok("UTF8 is on");
            }
            (State::Authorization(_), _) => self.err(None, "log in first"),
            (State::Transaction(maildrop), command) => {
                let begun = self.stream.node().env.monotonic();
                let retrieved = transaction(maildrop, &mut self.stream, &self.language, command);
                self.retrieved += u64::from(retrieved.await?);
                self.took(begun);
            }
        }
        Ok(())
    }

    /// Counts a command that began then.
    fn took(&self, begun: Duration) {
        let node = self.stream.node();
        let took = node.env.monotonic().saturating_sub(begun);
        node.metrics.of(Service::Pop3).commands.observe(took);
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
        self.ok_with("{0} messages ({1} octets)", &[&messages, &octets]);
    }

    /// The login that is in progress.
    pub(super) fn authorization(&mut self) -> Option<&mut Authorization> {
        match &mut self.state {
            State::Authorization(login) => Some(login),
            State::Transaction(_) => None,
        }
    }

    fn capa(&mut self) {
        let mechanisms = self.mechanisms();
        let names: Vec<&str> = mechanisms.iter().map(|known| known.name()).collect();
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
        let (expire_days, login_delay, user) = match &self.state {
            State::Transaction(maildrop) => {
                (maildrop.hold().expire_days(), self.login_delay, false)
            }
            State::Authorization(_) => {
                let now = self.stream.node().env.monotonic();
                let extremes = self.pop3.policy.extremes(&self.pop3.directory, now);
                (extremes.expire_days, extremes.login_delay, true)
            }
        };
        capabilities.extend([
            Capability::Expire {
                days: expire_days,
                user,
            },
            Capability::LoginDelay {
                seconds: login_delay.as_secs(),
                user,
            },
            Capability::Utf8User,
            Capability::Lang,
            Capability::Implementation("Restante"),
        ]);
        let text = self.language.say("capability list follows");
        reply::capa(self.stream.output(), text, &capabilities);
    }

    /// RFC 6856 §3.
    fn lang(&mut self, range: Option<&str>) {
        let languages = Arc::clone(&self.pop3.languages);
        let Some(range) = range else {
            self.ok("language listing follows");
            for language in languages.all() {
                reply::language(self.stream.output(), language.tag(), language.name());
            }
            return reply::end(self.stream.output());
        };
        let found = match range {
            "*" => Some(self.preferred()),
            range => languages.matching(range),
        };
        let Some(language) = found else {
            return self.err_with(None, "there is no language {0}", &[&range]);
        };
        self.language = Arc::clone(&language);
        let text = language.fill("the language is {0} now", &[&language.name()]);
        reply::ok(self.stream.output(), &format!("{} {text}", language.tag()));
    }

    /// The language of whoever has logged in, else the operator's.
    fn preferred(&self) -> Arc<Language> {
        let languages = &self.pop3.languages;
        let directory = self.pop3.directory.snapshot();
        let record = self.user.as_ref().and_then(|name| directory.account(name));
        record
            .and_then(|record| languages.matching(record.settings.get(LANGUAGE_SETTING)?))
            .unwrap_or_else(|| languages.preferred())
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
        // RFC 6856 §2.1.
        if self.utf8 {
            self.err(None, "no STLS after UTF8");
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
        self.pop3.plaintext_login.allows(&self.stream)
    }

    pub(super) fn refuse_clear(&mut self) {
        self.err(None, "no password without TLS: say STLS first");
    }

    fn replies(&mut self) -> Replies<'_> {
        Replies::new(&mut self.stream, &self.language)
    }

    pub(super) fn ok(&mut self, text: &str) {
        self.replies().ok(text);
    }

    fn ok_with(&mut self, text: &str, values: &[&dyn fmt::Display]) {
        self.replies().ok_with(text, values);
    }

    pub(super) fn err(&mut self, code: Option<ResponseCode>, text: &str) {
        self.replies().err(code, text);
    }

    pub(super) fn err_with(
        &mut self,
        code: Option<ResponseCode>,
        text: &str,
        values: &[&dyn fmt::Display],
    ) {
        self.replies().err_with(code, text, values);
    }

    pub(super) fn bad(&mut self, text: &str) -> Result<(), Stop> {
        self.err(None, text);
        self.count_bad()
    }

    fn count_bad(&mut self) -> Result<(), Stop> {
        self.bad_commands += 1;
        if self.bad_commands > self.stream.node().limits.bad_commands_max {
            return Err(Stop::Errors);
        }
        Ok(())
    }
}
