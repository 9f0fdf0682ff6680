//! The TRANSACTION state. RFC 1939 §5, §7.

use super::language::Language;
use super::maildrop::{Maildrop, Range, Sent};
use super::session::Stop;
use crate::stream::Stream;
use proto::pop3::Command;
use proto::pop3::reply::{self, ResponseCode};
use std::fmt;

/// Replies in a language.
pub(super) struct Replies<'a> {
    stream: &'a mut Stream,
    language: &'a Language,
}

impl<'a> Replies<'a> {
    pub(super) fn new(stream: &'a mut Stream, language: &'a Language) -> Self {
        Self { stream, language }
    }

    pub(super) fn ok(&mut self, text: &str) {
        reply::ok(self.stream.output(), self.language.say(text));
    }

    pub(super) fn ok_with(&mut self, text: &str, values: &[&dyn fmt::Display]) {
        reply::ok(self.stream.output(), &self.language.fill(text, values));
    }

    pub(super) fn err(&mut self, code: Option<ResponseCode>, text: &str) {
        reply::err(self.stream.output(), code, self.language.say(text));
    }

    pub(super) fn err_with(
        &mut self,
        code: Option<ResponseCode>,
        text: &str,
        values: &[&dyn fmt::Display],
    ) {
        let text = self.language.fill(text, values);
        reply::err(self.stream.output(), code, &text);
    }
}

/// A command on a drop that is open. `true`: a message was retrieved.
pub(super) async fn transaction(
    maildrop: &mut Maildrop,
    stream: &mut Stream,
    language: &Language,
    command: Command,
) -> Result<bool, Stop> {
    let mut replies = Replies::new(stream, language);
    match command {
        Command::Stat => {
            let (messages, octets) = maildrop.stat();
            reply::stat(stream.output(), messages, octets);
        }
        Command::List(None) => {
            let (messages, octets) = maildrop.stat();
            replies.ok_with("{0} messages ({1} octets)", &[&messages, &octets]);
            for (number, message) in maildrop.messages() {
                let size = maildrop.size(&message);
                reply::list_line(stream.output(), number, size.into());
                stream.relieve().await?;
            }
            reply::end(stream.output());
        }
        Command::List(Some(number)) => match maildrop.message(number) {
            Ok(message) => {
                let size = maildrop.size(&message);
                reply::list(stream.output(), number, size.into());
            }
            Err(why) => replies.err(None, why),
        },
        Command::Uidl(None) => {
            replies.ok("unique-ids follow");
            let ids = maildrop.unique_ids();
            let mut id = String::new();
            for (number, message) in maildrop.messages() {
                id.clear();
                ids.push_unique_id(message.email, &mut id);
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
            Err(why) => replies.err(None, why),
        },
        Command::Retr(number) => {
            let sent = maildrop.send(stream, language, number, Range::Whole);
            let sent = sent.await?;
            if sent == Sent::Whole {
                maildrop.mark_read(number);
            }
            return Ok(sent == Sent::Whole);
        }
        Command::Top { message, lines } => {
            let sent = maildrop.send(stream, language, message, Range::Top(lines));
            if sent.await? == Sent::Whole {
                maildrop.mark_read(message);
            }
        }
        Command::Dele(number) => match maildrop.delete(number) {
            Ok(()) => replies.ok("deleted at QUIT"),
            Err(why) => replies.err(None, why),
        },
        Command::Rset => {
            maildrop.reset();
            replies.ok("nothing is deleted");
        }
        Command::Noop => replies.ok("done"),
        // RFC 6856 §2: in AUTHORIZATION alone, as the sizes depend on it.
        Command::Utf8 => replies.err(None, "UTF8 is for before the login"),
        // RFC 2595 §4: STLS only in AUTHORIZATION.
        _ => replies.err(None, "you are logged in already"),
    }
    Ok(false)
}
