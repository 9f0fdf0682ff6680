//! APPEND and REPLACE: messages that come as literals, or as parts of messages
//! that are here already.
//!
//! Each message becomes a blob as soon as it is whole; all are bound by one
//! commit at the command's end, or none. What can be refused is refused before
//! the octets are asked for.

mod body;
mod source;
mod target;

use super::list::Renamed;
use super::message_limit::beyond;
use super::reply::{Reply, Tell};
use super::session::{End, Got, Session, Step};
use crate::limits::Octets;
use crate::stream::{Filled, StreamError};
use body::{Body, Header, hold, hold_more};
use proto::imap::response::Code;
use proto::imap::{AppendHead, AppendLiteral, AppendPart, AppendStep, Limits};
use std::sync::Arc;
use std::time::Duration;
use target::{Room, Target};
use terms::{FlagSet, InternalDate};

/// Messages of one APPEND at the most.
const MESSAGES_MAX: usize = 10_000;

/// RFC 3501 §6.3.11, RFC 3502, RFC 4469, RFC 8508.
pub(super) async fn append(session: &mut Session, head: AppendHead) -> Step {
    let AppendHead {
        mailbox,
        old_name,
        replaces,
        mut part,
        ..
    } = head;
    let renamed = Renamed::of(&mailbox, old_name);
    let mut appending = match Target::find(session, mailbox, replaces).await {
        Ok((target, room)) => Appending {
            share: target.share(session.stream.node()),
            target,
            room,
            begun: None,
            messages: Vec::new(),
        },
        Err(reply) => return refuse(session, part.literal, reply).await,
    };
    loop {
        let AppendPart { steps, literal } = part;
        let ready = match appending.steps(session, steps).await? {
            Ok(()) => appending.announced(session, literal).await,
            Err(reply) => Err(reply),
        };
        if let Err(reply) = ready {
            return refuse(session, literal, reply).await;
        }
        if literal.is_some_and(|literal| literal.synchronizing) {
            session.continue_req("go on");
        }
        session.reader.accept();
        part = loop {
            match next(session, &appending.share).await? {
                // RFC 3501 §5.4: half a message is none.
                None => return Ok(Some(End::Closed)),
                Some(Got::Chunk(octets)) => appending.take(&octets).await,
                Some(Got::AppendPart(part)) => break part,
                Some(Got::AppendEnd(tag)) => {
                    let reply = match appending.end_message(session).await {
                        Ok(()) => appending.bind(session).await,
                        Err(reply) => reply,
                    };
                    // RFC 9051 §6.3.12
                    let reply = match &session.user {
                        Some(user) => {
                            let stream = &mut session.stream;
                            user.told_renamed(stream, renamed, Ok(reply)).await?
                        }
                        None => reply,
                    };
                    session.finish(&tag, reply).await?;
                    return Ok(None);
                }
                Some(Got::Bad(Some(tag), error)) => {
                    session.finish(&tag, Reply::bad(error.to_string())).await?;
                    return Ok(None);
                }
                Some(Got::TooBig(tag)) => {
                    let reply = Reply::no(Code::TooBig, "too long a URL");
                    session.finish(&tag, reply).await?;
                    return Ok(None);
                }
                // A URL may come as a literal.
                Some(Got::Continue) => session.continue_req("go on"),
                Some(Got::Close) => return Ok(Some(End::Abuse)),
                Some(_) => {}
            }
        };
    }
}

/// The next event. `None` if the client goes or is silent for too long: not as
/// long where others wait for the room that its message has.
async fn next(session: &mut Session, share: &Octets) -> Result<Option<Got>, StreamError> {
    let node = Arc::clone(session.stream.node());
    let limits = &node.limits;
    let mut silent = Duration::ZERO;
    loop {
        if let Some(got) = session.next_event() {
            return Ok(Some(got));
        }
        let wait = limits.append_stall.min(limits.write_stall);
        let filled = session.stream.fill_more(wait).await?;
        match filled {
            Filled::Octets => silent = Duration::ZERO,
            Filled::TimedOut => {
                silent += wait;
                let wanted = [share, &node.appends, &node.octets];
                let wanted = wanted.into_iter().any(Octets::is_wanted);
                if wanted || silent >= limits.write_stall {
                    session.ended(filled);
                    return Ok(None);
                }
            }
            filled => {
                session.ended(filled);
                return Ok(None);
            }
        }
    }
}

/// Answers when the rest of the command has been thrown away: at once where the
/// client waits for its continuation request. RFC 7888 §4.
async fn refuse(session: &mut Session, literal: Option<AppendLiteral>, reply: Reply) -> Step {
    let limits = &session.stream.node().limits;
    // What would have been read anyway is read; of more, what is not yet abuse.
    let octets = literal.map_or(0, |literal| literal.octets);
    let discard_max = if octets > limits.message_octets_max {
        limits.skip_octets_max
    } else {
        limits.message_octets_max
    };
    session.reader.refuse(discard_max);
    loop {
        match session.event().await? {
            None => return Ok(Some(End::Closed)),
            Some(Got::Refused(tag)) => {
                session.finish(&tag, reply.telling(Tell::All)).await?;
                return Ok(None);
            }
            Some(_) => {}
        }
    }
}

/// An APPEND or REPLACE on its way.
struct Appending {
    target: Target,
    /// What of the octets in flight the account's messages may hold.
    share: Octets,
    room: Room,
    /// The message that is coming.
    begun: Option<Begun>,
    /// Those that are whole.
    messages: Vec<account::NewMessage>,
}

/// A message that is coming.
struct Begun {
    flags: FlagSet,
    date: Option<InternalDate>,
    /// None until its first octets are announced.
    body: Option<Body>,
    /// RFC 9755 §4.
    utf8: bool,
}

/// What may be said of octets that come.
#[derive(Clone, Copy)]
struct Kind {
    /// NULs may come: RFC 3516 §4.4.
    literal8: bool,
    /// More may follow from elsewhere, so that the whole is looked at at its end.
    deferred: bool,
}

impl Appending {
    /// What stands between two literals.
    async fn steps(
        &mut self,
        session: &mut Session,
        steps: Vec<AppendStep>,
    ) -> Result<Result<(), Reply>, StreamError> {
        for step in steps {
            match step {
                AppendStep::Message { flags, date } => {
                    if let Err(reply) = self.end_message(session).await {
                        return Ok(Err(reply));
                    }
                    let limit = session.stream.node().limits.message_limit.of_saving();
                    if let Some(limit) =
                        limit.filter(|&limit| self.messages.len() as u64 >= u64::from(limit))
                    {
                        // RFC 9738 §3.1: all or nothing, so nothing.
                        return Ok(Err(beyond(limit)));
                    }
                    if self.messages.len() == MESSAGES_MAX {
                        let text = format!("no more than {MESSAGES_MAX} messages at once");
                        return Ok(Err(Reply::no(Code::Limit, text)));
                    }
                    self.begun = Some(Begun {
                        flags,
                        date,
                        body: None,
                        utf8: false,
                    });
                }
                AppendStep::Url(url) => {
                    if let Err(reply) = self.url(session, &url).await? {
                        return Ok(Err(reply));
                    }
                }
            }
        }
        Ok(Ok(()))
    }

    /// A literal is announced; where there is none, the command has ended.
    async fn announced(
        &mut self,
        session: &Session,
        literal: Option<AppendLiteral>,
    ) -> Result<(), Reply> {
        let Some(literal) = literal else {
            return Ok(());
        };
        let unasked_max = u64::from(Limits::LITERAL_MINUS_OCTETS_MAX);
        if !session.stream.node().limits.literal_plus
            && !literal.synchronizing
            && literal.octets > unasked_max
        {
            return Err(Reply::bad("so long a literal has to wait"));
        }
        let enabled = session.user.as_ref().is_some_and(|user| user.enabled.utf8);
        if literal.utf8 && !enabled {
            // RFC 6855 §4: for sessions that have enabled it.
            return Err(Reply::bad("UTF8=ACCEPT is not enabled"));
        }
        let kind = Kind {
            literal8: literal.literal8,
            deferred: literal.literal8 || literal.utf8,
        };
        self.expect(session, literal.octets, kind).await?;
        if let Some(begun) = &mut self.begun {
            // RFC 9755 §4: who has enabled it may leave the word UTF8 out.
            begun.utf8 |= enabled;
        }
        Ok(())
    }

    /// Makes room for octets of the message that is coming.
    async fn expect(&mut self, session: &Session, octets: u64, kind: Kind) -> Result<(), Reply> {
        let node = session.stream.node();
        let Some(begun) = &mut self.begun else {
            return Ok(());
        };
        if let Some(body) = &begun.body
            && let Some(reply) = body.trouble()
        {
            return Err(reply);
        }
        let before = begun.body.as_ref().map_or(0, Body::octets);
        let message = before.saturating_add(octets);
        self.room.check(message, &node.limits)?;
        match &mut begun.body {
            None => {
                // All at once: messages that each hold a part would wait for one
                // another.
                let held = hold(node, &self.share, octets, kind.deferred).await?;
                let store = session.imap.directory.store();
                let body = Body::new(node, store, held, octets, kind.deferred);
                begun.body.insert(body).expect(kind.literal8);
            }
            Some(body) => {
                body.hold(hold_more(node, &self.share, octets)?);
                body.expect(kind.literal8);
            }
        }
        Ok(())
    }

    async fn take(&mut self, octets: &[u8]) {
        if let Some(Begun {
            body: Some(body), ..
        }) = &mut self.begun
        {
            body.take(octets).await;
        }
    }

    /// The message that was coming is whole: it becomes a blob.
    async fn end_message(&mut self, session: &Session) -> Result<(), Reply> {
        let Some(Begun {
            flags,
            date,
            body: Some(body),
            utf8,
        }) = self.begun.take()
        else {
            return Ok(());
        };
        if body.octets() == 0 && body.trouble().is_none() {
            // RFC 3502 §3: with no octets where a message should be a client withdraws
            // the whole command.
            return Err(Reply::no(Code::Cannot, "nothing to append"));
        }
        let header = match (utf8, session.imap.utf8_accept) {
            (true, _) => Header::Utf8,
            (false, true) => Header::Ascii,
            (false, false) => Header::Any,
        };
        let message = body.finish(flags, date, header).await?;
        self.room.take(u64::from(message.size));
        self.messages.push(message);
        Ok(())
    }

    /// All messages become durable, in their mailbox.
    async fn bind(self, session: &mut Session) -> Reply {
        self.target.bind(session, self.messages).await
    }
}
