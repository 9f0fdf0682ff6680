//! Octets to commands.

use super::command::{AppendHead, Command, SyntaxError, Tag};
use super::limits::{DISCARD_OCTETS_MAX, Limits};
use super::parse::{self, Cursor, Fail, Line};

/// What the octets have come to.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole command.
    Command(Command),
    /// The client waits to send a literal: send a continuation request.
    Continue,
    /// An APPEND as far as its message's octets. Answer with
    /// [`CommandReader::accept`] or [`CommandReader::refuse`].
    Append(AppendHead),
    /// The next octets of the message being appended.
    Chunk(&'a [u8]),
    /// The message has been whole, and so has the APPEND.
    AppendEnd(Tag),
    /// A refused APPEND is over: now its answer may be sent.
    Refused(Tag),
    /// The line that [`CommandReader::expect_line`] asked for, without its end.
    Line(Vec<u8>),
    /// That line was too long.
    LineTooLong,
    /// The command is none. An APPEND whose octets have begun to come ends with
    /// this too if its last line is wrong.
    Bad {
        /// Its tag, where one could be made out.
        tag: Option<Tag>,
        /// What is wrong with it.
        error: SyntaxError,
    },
    /// A literal is over the limit: NO `[TOOBIG]`.
    TooBig(Tag),
    /// The client sends more than is worth reading: say BYE and close. Nothing
    /// else will come.
    Close,
}

/// Reads commands out of octets that come in pieces of any size.
///
/// It keeps the octets of a command that has not come whole, and nothing
/// between commands. What is over a limit is answered as soon as the client can
/// hear it: a literal that waits for its continuation request is refused without
/// being read; one that does not wait, and an overlong line, are read and thrown
/// away up to 64 KB, and beyond that the session is given up after the answer.
#[derive(Debug)]
pub struct CommandReader {
    /// The command so far: its lines and literals as they came.
    buffer: Vec<u8>,
    /// Where in `buffer` the line begins that is being read.
    line_start: u32,
    literals: u32,
    utf8_names: bool,
    state: State,
    limits: Limits,
}

#[derive(Debug)]
enum State {
    /// In a line of a command.
    Line,
    /// In a literal of a command; this many octets are missing.
    Literal(u32),
    /// The driver owes `accept` or `refuse`.
    AppendWaits(Box<Waiting>),
    /// In the message of an APPEND.
    Message { tag: Tag, missing: u64 },
    /// In the line after it.
    Tail(Tag),
    /// In a line that is no command, of at most so many octets.
    Awaited(u32),
    /// The rest of a command is thrown away, then `verdict` is given.
    Skip {
        verdict: Verdict,
        literal: u64,
        budget: u64,
    },
    /// This is to be given next, and nothing after the last.
    Verdict { verdict: Verdict, last: bool },
    /// Nothing more.
    Closed,
}

#[derive(Debug)]
struct Waiting {
    tag: Tag,
    octets: u64,
    synchronizing: bool,
}

#[derive(Debug)]
enum Verdict {
    Bad(Option<Tag>, SyntaxError),
    TooBig(Tag),
    Refused(Tag),
    LineTooLong,
}

impl From<Verdict> for Event<'static> {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Bad(tag, error) => Event::Bad { tag, error },
            Verdict::TooBig(tag) => Event::TooBig(tag),
            Verdict::Refused(tag) => Event::Refused(tag),
            Verdict::LineTooLong => Event::LineTooLong,
        }
    }
}

impl CommandReader {
    /// At the beginning of a session.
    pub fn new(limits: Limits) -> Self {
        Self {
            buffer: Vec::new(),
            line_start: 0,
            literals: 0,
            utf8_names: false,
            state: State::Line,
            limits,
        }
    }

    /// From now on these limits hold.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Whether mailbox names come as UTF-8 and not as modified UTF-7.
    pub fn set_utf8_names(&mut self, utf8_names: bool) {
        self.utf8_names = utf8_names;
    }

    /// The next line is no command but the answer to a continuation request
    /// (AUTHENTICATE, IDLE): give it whole, up to `octets_max` octets.
    pub fn expect_line(&mut self, octets_max: u32) {
        self.state = State::Awaited(octets_max);
    }

    /// Whether nothing of a command has come yet.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Line | State::Awaited(_)) && self.buffer.is_empty()
    }

    /// Lets the message of an [`Event::Append`] come. The driver sends a
    /// continuation request first if [`AppendHead::synchronizing`] says so.
    pub fn accept(&mut self) {
        if let State::AppendWaits(waiting) = &self.state {
            self.state = State::Message {
                tag: waiting.tag.clone(),
                missing: waiting.octets,
            };
        }
    }

    /// Refuses the message of an [`Event::Append`]: [`Event::Refused`] comes when
    /// the rest of the command has been thrown away. The octets of a message
    /// that does not wait are read if there are at most `discard_octets_max`.
    pub fn refuse(&mut self, discard_octets_max: u64) {
        if let State::AppendWaits(waiting) = &self.state {
            let verdict = Verdict::Refused(waiting.tag.clone());
            self.state = if waiting.synchronizing {
                State::Verdict {
                    verdict,
                    last: false,
                }
            } else if waiting.octets > discard_octets_max {
                State::Verdict {
                    verdict,
                    last: true,
                }
            } else {
                State::Skip {
                    verdict,
                    literal: waiting.octets,
                    budget: discard_octets_max.saturating_add(DISCARD_OCTETS_MAX),
                }
            };
        }
    }

    /// Takes octets from the front of `input` up to the next event; `None` when
    /// all have been taken and more are needed.
    pub fn read<'a>(&mut self, input: &mut &'a [u8]) -> Option<Event<'a>> {
        loop {
            match &mut self.state {
                State::Verdict { last, .. } => {
                    let next = if *last { State::Closed } else { State::Line };
                    let state = std::mem::replace(&mut self.state, next);
                    if let State::Verdict { verdict, .. } = state {
                        return Some(verdict.into());
                    }
                }
                State::Closed => return Some(Event::Close),
                State::AppendWaits(_) => return None,
                State::Message { tag, missing: 0 } => {
                    self.state = State::Tail(tag.clone());
                }
                _ if input.is_empty() => return None,
                State::Message { missing, .. } => {
                    let chunk = take(input, *missing);
                    *missing -= chunk.len() as u64;
                    return Some(Event::Chunk(chunk));
                }
                State::Literal(missing) => {
                    let octets = take(input, u64::from(*missing));
                    self.buffer.extend_from_slice(octets);
                    *missing -= u32::try_from(octets.len()).unwrap_or(*missing);
                    if *missing == 0 {
                        self.begin_line();
                    }
                }
                State::Line => {
                    if let Some(event) = self.line(input) {
                        return Some(event);
                    }
                }
                State::Tail(_) => {
                    if let Some(event) = self.tail(input) {
                        return Some(event);
                    }
                }
                State::Awaited(octets_max) => {
                    let octets_max = *octets_max;
                    if let Some(event) = self.awaited(input, octets_max) {
                        return Some(event);
                    }
                }
                State::Skip { .. } => self.skip(input),
            }
        }
    }

    fn begin_line(&mut self) {
        self.line_start = u32::try_from(self.buffer.len()).unwrap_or(u32::MAX);
        self.state = State::Line;
    }

    /// The command is over: nothing of it is kept.
    fn reset(&mut self) {
        self.buffer = Vec::new();
        self.line_start = 0;
        self.literals = 0;
        self.state = State::Line;
    }

    /// Takes octets of a line of a command.
    fn line(&mut self, input: &mut &[u8]) -> Option<Event<'static>> {
        let line_octets = self.buffer.len().saturating_sub(self.line_start as usize);
        let room = (self.limits.line_octets_max as usize).saturating_sub(line_octets);
        let Some(octets) = take_line(input, room) else {
            self.too_long(input, room);
            return None;
        };
        if octets.last() != Some(&b'\n') {
            self.buffer.extend_from_slice(octets);
            return None;
        }
        if self.buffer.is_empty() && announced(octets).is_none() {
            // The common case: a command in one piece is read where it lies.
            return Some(self.whole(octets));
        }
        self.buffer.extend_from_slice(octets);
        let buffer = std::mem::take(&mut self.buffer);
        let line = buffer.get(self.line_start as usize..).unwrap_or_default();
        match announced(line) {
            Some(literal) => self.literal(buffer, literal),
            None => Some(self.whole(&buffer)),
        }
    }

    /// A command's last line has come.
    fn whole(&mut self, octets: &[u8]) -> Event<'static> {
        self.reset();
        let octets = without_line_end(octets);
        let mut cursor = Cursor::new(octets).with_utf8_names(self.utf8_names);
        match parse::command(&mut cursor) {
            Ok(Line::Command(command)) => Event::Command(command),
            // The grammar lets an APPEND end in a literal only, and this has none.
            Ok(Line::Append(head)) => Event::Bad {
                tag: Some(head.tag),
                error: incomplete(octets),
            },
            Err(Fail::Incomplete) => Event::Bad {
                tag: tag(octets),
                error: incomplete(octets),
            },
            Err(Fail::Syntax(error)) => Event::Bad {
                tag: tag(octets),
                error,
            },
        }
    }

    /// A line has announced a literal.
    fn literal(&mut self, buffer: Vec<u8>, literal: Announced) -> Option<Event<'static>> {
        self.literals += 1;
        // Looked at early so that what is no command is refused before its literal
        // comes, and the APPEND is known; not for ever, since it starts anew each time.
        if self.literals <= PREVIEWED_LITERALS_MAX {
            let mut cursor = Cursor::new(&buffer).with_utf8_names(self.utf8_names);
            match parse::command(&mut cursor) {
                Ok(Line::Append(head)) => return Some(self.append(head)),
                Err(Fail::Syntax(error)) if error.at < buffer.len() => {
                    return self.give_up(literal, Verdict::Bad(tag(&buffer), error));
                }
                _ => {}
            }
        }
        let Some(tag) = tag(&buffer) else {
            let error = SyntaxError {
                expected: "a tag",
                at: 0,
            };
            return self.give_up(literal, Verdict::Bad(None, error));
        };
        let octets = u32::try_from(literal.octets).unwrap_or(u32::MAX);
        let total = u64::from(octets).saturating_add(buffer.len() as u64);
        if octets > self.limits.literal_octets_max
            || total > u64::from(self.limits.command_octets_max)
            || self.literals > self.limits.literals_max
        {
            return self.give_up(literal, Verdict::TooBig(tag));
        }
        self.buffer = buffer;
        if octets == 0 {
            self.begin_line();
        } else {
            self.state = State::Literal(octets);
        }
        literal.synchronizing.then_some(Event::Continue)
    }

    fn append(&mut self, head: AppendHead) -> Event<'static> {
        self.reset();
        self.state = State::AppendWaits(Box::new(Waiting {
            tag: head.tag.clone(),
            octets: head.octets,
            synchronizing: head.synchronizing,
        }));
        Event::Append(head)
    }

    /// The command is refused where it announces a literal.
    fn give_up(&mut self, literal: Announced, verdict: Verdict) -> Option<Event<'static>> {
        self.reset();
        if literal.synchronizing {
            return Some(verdict.into());
        }
        if literal.octets > DISCARD_OCTETS_MAX {
            self.state = State::Closed;
            return Some(verdict.into());
        }
        self.state = State::Skip {
            verdict,
            literal: literal.octets,
            budget: DISCARD_OCTETS_MAX,
        };
        None
    }

    /// The line is over its limit: `room` more octets would still have fitted.
    fn too_long(&mut self, input: &mut &[u8], room: usize) {
        self.buffer.extend_from_slice(take(input, room as u64));
        let error = SyntaxError {
            expected: "a shorter line",
            at: self.buffer.len(),
        };
        // A line without a space is not taken for a tag.
        let tag = tag(&self.buffer).filter(|_| self.buffer.contains(&b' '));
        self.skip_line(Verdict::Bad(tag, error));
    }

    /// Skips the rest of the line in `buffer`, of which only the end counts: it
    /// may announce a literal.
    fn skip_line(&mut self, verdict: Verdict) {
        let tail = self
            .buffer
            .split_off(self.buffer.len().saturating_sub(ANNOUNCEMENT_OCTETS_MAX));
        self.reset();
        self.buffer = tail;
        self.state = State::Skip {
            verdict,
            literal: 0,
            budget: DISCARD_OCTETS_MAX,
        };
    }

    fn skip(&mut self, input: &mut &[u8]) {
        let State::Skip {
            literal, budget, ..
        } = &mut self.state
        else {
            return;
        };
        if *literal > *budget {
            self.end_skip(true);
            return;
        }
        let octets = if *literal > 0 {
            let octets = take(input, *literal);
            *literal -= octets.len() as u64;
            octets
        } else {
            let octets = take_line(input, usize::MAX).unwrap_or_default();
            self.buffer.extend_from_slice(
                octets
                    .get(octets.len().saturating_sub(ANNOUNCEMENT_OCTETS_MAX)..)
                    .unwrap_or_default(),
            );
            octets
        };
        let over = octets.len() as u64 > *budget;
        *budget = budget.saturating_sub(octets.len() as u64);
        let ended = self.buffer.last() == Some(&b'\n');
        let announced = if ended { announced(&self.buffer) } else { None };
        if let (Some(announced), State::Skip { literal, .. }) = (announced, &mut self.state) {
            self.buffer.clear();
            // One that waits for its continuation request hears the verdict instead.
            if !announced.synchronizing {
                *literal = announced.octets;
                return;
            }
        }
        if over || ended {
            self.end_skip(over);
        } else {
            let surplus = self.buffer.len().saturating_sub(ANNOUNCEMENT_OCTETS_MAX);
            self.buffer.drain(..surplus);
        }
    }

    fn end_skip(&mut self, over: bool) {
        let state = std::mem::replace(&mut self.state, State::Line);
        self.reset();
        if let State::Skip { verdict, .. } = state {
            self.state = State::Verdict {
                verdict,
                last: over,
            };
        }
    }

    /// The line after an APPEND's message: it has nothing in it.
    fn tail(&mut self, input: &mut &[u8]) -> Option<Event<'static>> {
        let octets = take_line(input, usize::MAX).unwrap_or_default();
        self.buffer.extend_from_slice(
            octets
                .get(..octets.len().min(ANNOUNCEMENT_OCTETS_MAX))
                .unwrap_or_default(),
        );
        let ended = octets.last() == Some(&b'\n');
        if !ended && (self.buffer == b"\r" || self.buffer.is_empty()) {
            return None;
        }
        let State::Tail(tag) = std::mem::replace(&mut self.state, State::Line) else {
            return None;
        };
        if ended && without_line_end(&self.buffer).is_empty() {
            self.reset();
            return Some(Event::AppendEnd(tag));
        }
        let error = SyntaxError {
            expected: "the end of the command after the message",
            at: 0,
        };
        let verdict = Verdict::Bad(Some(tag), error);
        if ended && announced(octets).is_none() {
            self.reset();
            return Some(verdict.into());
        }
        self.buffer = octets.to_vec();
        self.skip_line(verdict);
        if ended {
            // The line is over already and announces a literal.
            let literal = announced(octets)?;
            let State::Skip { verdict, .. } = std::mem::replace(&mut self.state, State::Line)
            else {
                return None;
            };
            return self.give_up(literal, verdict);
        }
        None
    }

    fn awaited(&mut self, input: &mut &[u8], octets_max: u32) -> Option<Event<'static>> {
        let room = (octets_max as usize).saturating_sub(self.buffer.len());
        let Some(octets) = take_line(input, room) else {
            self.skip_line(Verdict::LineTooLong);
            return None;
        };
        self.buffer.extend_from_slice(octets);
        if octets.last() != Some(&b'\n') {
            return None;
        }
        let mut line = std::mem::take(&mut self.buffer);
        line.truncate(without_line_end(&line).len());
        self.reset();
        Some(Event::Line(line))
    }
}

/// Longest announcement of a literal: braces, 20 digits, a plus, the line's end.
const ANNOUNCEMENT_OCTETS_MAX: usize = 32;
/// At so many literals a command is looked at before it is whole.
const PREVIEWED_LITERALS_MAX: u32 = 8;

fn take<'a>(input: &mut &'a [u8], count_max: u64) -> &'a [u8] {
    let count = usize::try_from(count_max)
        .unwrap_or(usize::MAX)
        .min(input.len());
    let (taken, rest) = input.split_at_checked(count).unwrap_or((input, &[]));
    *input = rest;
    taken
}

/// Takes the rest of the line, its end included, or all of `input` where it does
/// not end there; `None`, and nothing taken, if that is more than `room`.
fn take_line<'a>(input: &mut &'a [u8], room: usize) -> Option<&'a [u8]> {
    let within = input.get(..room.min(input.len())).unwrap_or_default();
    let count = match within.iter().position(|&octet| octet == b'\n') {
        Some(at) => at + 1,
        None if within.len() < input.len() => return None,
        None => within.len(),
    };
    Some(take(input, count as u64))
}

/// RFC 3501 §2.2 ends lines with CRLF; a bare LF comes from people who type
/// commands through netcat.
fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Announced {
    octets: u64,
    synchronizing: bool,
}

/// The literal that `line` ends with the announcement of: `{n}` or `{n+}`.
fn announced(line: &[u8]) -> Option<Announced> {
    let line = without_line_end(line).strip_suffix(b"}")?;
    let start = line.iter().rposition(|&octet| octet == b'{')?;
    let number = line.get(start + 1..)?;
    let digits = number.strip_suffix(b"+").unwrap_or(number);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let octets = std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok());
    Some(Announced {
        octets: octets.unwrap_or(u64::MAX),
        synchronizing: digits.len() == number.len(),
    })
}

/// The tag that `octets` begin with. Taken even where what follows is nonsense,
/// so that the client finds its answer.
fn tag(octets: &[u8]) -> Option<Tag> {
    let mut cursor = Cursor::new(octets);
    let tag = cursor.tag().ok()?;
    (cursor.at_end() || matches!(cursor.peek(), Some(b' ' | b'\r' | b'\n')))
        .then(|| Tag(tag.into()))
}

fn incomplete(octets: &[u8]) -> SyntaxError {
    SyntaxError {
        expected: "a literal",
        at: octets.len(),
    }
}

#[cfg(test)]
mod tests;
