//! One session: octets to commands, commands to answers.

use super::capability::{self, capabilities};
use super::reply::{Reply, Tell};
use super::user::User;
use super::{Imap, append, enabled, login};
use crate::auth::Offer;
use crate::metrics::Service;
use crate::stream::{Filled, Stream, StreamError};
use bytes::Bytes;
use futures::future::BoxFuture;
use proto::imap::response::{self, Code, Status};
use proto::imap::{
    AppendHead, AppendPart, Command, CommandBody, CommandReader, Event, Limits, SyntaxError, Tag,
};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// A session of one client. What it holds while it is idle is in here and in the
/// future of [`Session::run`]: a command's future is boxed and dropped at its end.
pub(super) struct Session {
    pub(super) stream: Stream,
    pub(super) reader: CommandReader,
    pub(super) imap: Imap,
    pub(super) user: Option<Box<User>>,
    /// Commands that were none, in a row.
    bad_commands: u32,
    /// Passwords that were wrong.
    pub(super) wrong_passwords: u32,
}

/// How a session ended, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// LOGOUT.
    Logout,
    /// The client closed.
    Closed,
    /// Nothing came for too long.
    TimedOut,
    /// The server stops.
    Stopping,
    /// The account is not there any more, or may not be used.
    Revoked,
    /// The client sends nonsense, or tries passwords.
    Abuse,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Logout => "logout",
            Self::Closed => "the client closed",
            Self::TimedOut => "silence",
            Self::Stopping => "the server stops",
            Self::Revoked => "the account may not be used any more",
            Self::Abuse => "abuse",
        })
    }
}

/// Whether a session goes on.
pub(super) type Step = Result<Option<End>, StreamError>;

/// An event, owning what it has.
#[derive(Debug)]
pub(super) enum Got {
    Command(Command),
    Continue,
    Append(AppendHead),
    AppendPart(AppendPart),
    Chunk(Bytes),
    AppendEnd(Tag),
    Refused(Tag),
    Line(Vec<u8>),
    LineTooLong,
    Bad(Option<Tag>, SyntaxError),
    TooBig(Tag),
    Close,
}

impl Session {
    pub(super) fn new(stream: Stream, imap: Imap) -> Self {
        let limits = within(&stream.node().limits, Limits::BEFORE_LOGIN);
        Self {
            stream,
            reader: CommandReader::new(limits),
            imap,
            user: None,
            bad_commands: 0,
            wrong_passwords: 0,
        }
    }

    /// Serves the client until the session ends, and has said so.
    pub(super) async fn run(&mut self) -> Result<End, StreamError> {
        self.greet();
        loop {
            while let Some(got) = self.next_event() {
                let revoked = self.stream.revoked();
                if let Some(end) = revoked.and_then(|revoked| self.ended(revoked)) {
                    return Ok(end);
                }
                if let Some(end) = self.step(got).await? {
                    return Ok(end);
                }
                self.stream.relieve().await?;
                self.stream.give_way().await;
            }
            if let Some(end) = self.wait().await? {
                return Ok(end);
            }
        }
    }

    /// What an event asks for, in a box of its own: a session that idles for days
    /// holds the room of IDLE, not of the largest command.
    fn step<'a>(&'a mut self, got: Got) -> BoxFuture<'a, Step> {
        match got {
            Got::Command(command) => match command.body {
                CommandBody::Idle if self.user.is_some() => {
                    Box::pin(super::idle::idle(self, command.tag))
                }
                body => Box::pin(self.command(command.tag, body)),
            },
            Got::Append(head) => Box::pin(append::append(self, head)),
            got => Box::pin(self.handle(got)),
        }
    }

    /// RFC 3501 §7.1.1, OK as a greeting.
    fn greet(&mut self) {
        let code = Code::Capability(self.capabilities());
        let text = format!("{} Restante ready", self.imap.hostname);
        self.untagged(Status::Ok, Some(&code), &text);
    }

    /// What is announced now.
    pub(super) fn capabilities(&self) -> Vec<Cow<'static, str>> {
        let mut names = capabilities(&self.login_state());
        let limits = &self.stream.node().limits;
        if !limits.literal_plus {
            // RFC 7888 §5: one of the two.
            for name in names.iter_mut().filter(|name| **name == "LITERAL+") {
                *name = "LITERAL-";
            }
        }
        if self.user.as_ref().is_some_and(|user| user.quota_admin) {
            names.push(capability::QUOTASET);
        }
        if !self.imap.utf8_accept {
            names.retain(|name| *name != "UTF8=ACCEPT");
        }
        let limit = limits.message_limit.capability().map(Cow::Owned);
        names.into_iter().map(Cow::Borrowed).chain(limit).collect()
    }

    pub(super) fn login_state(&self) -> capability::Login {
        if self.user.is_some() {
            return capability::Login::Done;
        }
        capability::Login::Open {
            start_tls: !self.stream.is_secure() && self.imap.tls.is_some(),
            mechanisms: self.imap.directory.mechanisms(self.offer()),
        }
    }

    /// What this connection allows before login.
    pub(super) fn offer(&self) -> Offer {
        Offer::of(&self.stream, self.imap.plaintext_login)
    }

    /// Waits for octets where none are left.
    async fn wait(&mut self) -> Step {
        let filled = if self.reader.is_idle() {
            let wait = self.patience();
            self.stream.fill(wait).await?
        } else {
            // Within a command: the client is slow, or has gone.
            let wait = self.stream.node().limits.write_stall;
            self.stream.fill_more(wait.min(self.patience())).await?
        };
        Ok(self.ended(filled))
    }

    /// How long nothing may come between two commands.
    pub(super) fn patience(&self) -> Duration {
        let limits = &self.stream.node().limits;
        if self.user.is_some() {
            limits.imap_idle
        } else {
            self.stream.patience_before_login()
        }
    }

    /// The end that waiting has come to, with its BYE.
    pub(super) fn ended(&mut self, filled: Filled) -> Option<End> {
        let revoked;
        let (end, code, text) = match filled {
            Filled::Octets => return None,
            Filled::End => return Some(End::Closed),
            // RFC 3501 §5.4
            Filled::TimedOut => (End::TimedOut, None, "nothing came for too long"),
            Filled::Stopping => (End::Stopping, Some(Code::Unavailable), "the server stops"),
            Filled::Revoked(why) => {
                revoked = why.to_string();
                (End::Revoked, None, revoked.as_str())
            }
        };
        self.untagged(Status::Bye, code.as_ref(), text);
        Some(end)
    }

    /// The next event in what has come; `None` if more must come.
    pub(super) fn next_event(&mut self) -> Option<Got> {
        let input = self.stream.input();
        let mut octets: &[u8] = input;
        let event = self.reader.read(&mut octets);
        let taken = input.len() - octets.len();
        let got = match event {
            None => {
                self.stream.consume(taken);
                return None;
            }
            // In a message the reader takes nothing else.
            Some(Event::Chunk(_)) => return Some(Got::Chunk(input.split_to(taken).freeze())),
            Some(Event::Command(command)) => Got::Command(command),
            Some(Event::Continue) => Got::Continue,
            Some(Event::Append(head)) => Got::Append(head),
            Some(Event::AppendPart(part)) => Got::AppendPart(part),
            Some(Event::AppendEnd(tag)) => Got::AppendEnd(tag),
            Some(Event::Refused(tag)) => Got::Refused(tag),
            Some(Event::Line(line)) => Got::Line(line),
            Some(Event::LineTooLong) => Got::LineTooLong,
            Some(Event::Bad { tag, error }) => Got::Bad(tag, error),
            Some(Event::TooBig(tag)) => Got::TooBig(tag),
            Some(Event::Close) => Got::Close,
        };
        self.stream.consume(taken);
        Some(got)
    }

    /// The next event, however long it takes to come. `None` if the client goes
    /// or is silent within a command.
    pub(super) async fn event(&mut self) -> Result<Option<Got>, StreamError> {
        loop {
            if let Some(got) = self.next_event() {
                return Ok(Some(got));
            }
            let wait = self.stream.node().limits.write_stall;
            match self.stream.fill_more(wait).await? {
                Filled::Octets => {}
                Filled::Revoked(why) => {
                    self.ended(Filled::Revoked(why));
                    return Ok(None);
                }
                _ => return Ok(None),
            }
        }
    }

    async fn handle(&mut self, got: Got) -> Step {
        match got {
            Got::Continue => self.continue_req("go on"),
            Got::Bad(tag, error) => {
                let text = error.to_string();
                match tag {
                    Some(tag) => self.finish(&tag, Reply::bad(text)).await?,
                    None => self.untagged(Status::Bad, None, &text),
                }
                return Ok(self.count_bad());
            }
            Got::TooBig(tag) => {
                let reply = Reply::no(Code::TooBig, "the literal is too long");
                self.finish(&tag, reply.telling(Tell::Nothing)).await?;
            }
            Got::Close => {
                self.untagged(Status::Bye, None, "too much to read");
                return Ok(Some(End::Abuse));
            }
            // Done elsewhere, or asked for by a command which is over.
            Got::Append(_)
            | Got::AppendEnd(_)
            | Got::AppendPart(_)
            | Got::Chunk(_)
            | Got::Command(_)
            | Got::Refused(_)
            | Got::Line(_)
            | Got::LineTooLong => {}
        }
        Ok(None)
    }

    fn count_bad(&mut self) -> Option<End> {
        self.bad_commands += 1;
        if self.bad_commands < self.stream.node().limits.bad_commands_max {
            return None;
        }
        self.untagged(Status::Bye, None, "too many bad commands");
        Some(End::Abuse)
    }

    async fn command(&mut self, tag: Tag, body: CommandBody) -> Step {
        let tag = &tag;
        let reply = match body {
            CommandBody::Logout => {
                self.untagged(Status::Bye, None, "goodbye");
                let reply = Reply::ok("logged out").telling(Tell::Nothing);
                self.finish(tag, reply).await?;
                return Ok(Some(End::Logout));
            }
            CommandBody::Compress(algorithm) if self.user.is_some() => {
                return super::compress::compress(self, tag, &algorithm).await;
            }
            CommandBody::Unauthenticate if self.user.is_some() => {
                return login::unauthenticate(self, tag).await;
            }
            CommandBody::StartTls => return login::start_tls(self, tag).await,
            CommandBody::Login { user, password } => {
                return login::login(self, tag, &user, &password).await;
            }
            CommandBody::Authenticate { mechanism, initial } => {
                return login::authenticate(self, tag, &mechanism, initial).await;
            }
            CommandBody::Capability => {
                let names = self.capabilities();
                self.emit(|out| response::capability(out, &names));
                Reply::ok("that is all")
            }
            CommandBody::Id(_) => {
                // RFC 2971 §3.1: nothing here depends on what the client says.
                self.emit(|out| response::id(out, &ID));
                Reply::ok("that is who")
            }
            CommandBody::Enable(names) => enabled::enable(self, &names),
            CommandBody::Noop if self.user.is_none() => Reply::ok("nothing done"),
            body => match &mut self.user {
                Some(user) => {
                    let node = Arc::clone(self.stream.node());
                    let begun = node.env.monotonic();
                    let reply = user
                        .command(&mut self.stream, &self.imap, tag, body)
                        .await?;
                    let took = node.env.monotonic().saturating_sub(begun);
                    node.metrics.of(Service::Imap).commands.observe(took);
                    reply
                }
                None => Reply::bad("log in first"),
            },
        };
        let bad = reply.is_bad();
        self.finish(tag, reply).await?;
        if bad {
            return Ok(self.count_bad());
        }
        self.bad_commands = 0;
        Ok(None)
    }

    /// Ends a command: what may be told, then its answer.
    pub(super) async fn finish(&mut self, tag: &Tag, reply: Reply) -> Result<(), StreamError> {
        let mut reply = reply;
        if let Some(user) = &mut self.user {
            user.tell(&mut self.stream, reply.tell).await?;
            reply.fill_in_modseq(|| user.highest_modseq());
        }
        if let Some(code) = reply.fill_in_limit() {
            let text = "there were more messages than a command works on";
            self.untagged(Status::No, Some(&code), text);
        }
        self.emit(|out| reply.write(out, tag.as_str()));
        Ok(())
    }

    pub(super) fn continue_req(&mut self, text: &str) {
        self.emit(|out| response::continue_req(out, text));
    }

    pub(super) fn untagged(&mut self, status: Status, code: Option<&Code>, text: &str) {
        self.emit(|out| response::status(out, "*", status, code, text));
    }

    fn emit(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        emit(&mut self.stream, write);
    }
}

/// What may be read in one state, within what the node allows at all.
pub(super) fn within(node: &crate::limits::Limits, state: Limits) -> Limits {
    let least = |octets: u32, max: usize| octets.min(u32::try_from(max).unwrap_or(u32::MAX));
    Limits {
        line_octets_max: least(state.line_octets_max, node.line_octets_max),
        unasked_octets_max: if node.literal_plus {
            u32::MAX
        } else {
            Limits::LITERAL_MINUS_OCTETS_MAX
        },
        literal_octets_max: least(state.literal_octets_max, node.literals_octets_max),
        ..state
    }
}

/// Gathers a short answer.
pub(super) fn emit(stream: &mut Stream, write: impl FnOnce(&mut Vec<u8>)) {
    let mut out = Vec::new();
    write(&mut out);
    stream.queue(&out);
}

/// RFC 2971 §3.3
const ID: [(&str, &str); 2] = [("name", "Restante"), ("version", env!("CARGO_PKG_VERSION"))];
