//! Octets to commands.

use super::append::{AppendHead, AppendLiteral, AppendPart};
use super::command::{Command, SyntaxError, Tag};
use super::limits::{DISCARD_OCTETS_MAX, Limits};
use super::parse::{self, Cursor, Fail, Line, Open};

/// What the octets have come to.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole command.
    Command(Command),
    /// The client waits to send a literal: send a continuation request.
    Continue,
    /// An APPEND or REPLACE as far as its first literal, or its end. Answer with
    /// [`CommandReader::accept`] or [`CommandReader::refuse`].
    Append(AppendHead),
    /// The next octets of the literal.
    Chunk(&'a [u8]),
    /// What follows that literal, as far as the next one or the end. Answer as
    /// for [`Event::Append`].
    AppendPart(AppendPart),
    /// The APPEND or REPLACE has been whole.
    AppendEnd(Tag),
    /// One that was refused is over: now its answer may be sent.
    Refused(Tag),
    /// The line that [`CommandReader::expect_line`] asked for, without its end.
    Line(Vec<u8>),
    /// That line was too long.
    LineTooLong,
    /// The command is none. An APPEND whose octets have begun to come ends with
    /// this too if a later line is wrong.
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
    charset_fixed: bool,
    /// The APPEND or REPLACE of which a literal has begun.
    appending: Option<Box<Appending>>,
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
    AppendWaits(Option<Announced>),
    /// In a literal of an APPEND; this many octets are missing.
    Message(u64),
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
struct Appending {
    tag: Tag,
    open: Open,
}

#[derive(Debug)]
enum Verdict {
    Bad(Option<Tag>, SyntaxError),
    TooBig(Tag),
    Refused(Tag),
    AppendEnd(Tag),
    LineTooLong,
}

impl From<Verdict> for Event<'static> {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Bad(tag, error) => Event::Bad { tag, error },
            Verdict::TooBig(tag) => Event::TooBig(tag),
            Verdict::Refused(tag) => Event::Refused(tag),
            Verdict::AppendEnd(tag) => Event::AppendEnd(tag),
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
            charset_fixed: false,
            appending: None,
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

    /// Whether SEARCH may name no charset, since all is UTF-8. RFC 9755 §3.
    pub fn set_charset_fixed(&mut self, charset_fixed: bool) {
        self.charset_fixed = charset_fixed;
    }

    /// The next line is no command but the answer to a continuation request
    /// (AUTHENTICATE, IDLE): give it whole, up to `octets_max` octets.
    pub fn expect_line(&mut self, octets_max: u32) {
        self.state = State::Awaited(octets_max);
    }

    /// Whether nothing of a command has come yet.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Line | State::Awaited(_))
            && self.buffer.is_empty()
            && self.appending.is_none()
    }

    /// Lets the literal of an [`Event::Append`] or [`Event::AppendPart`] come, or
    /// the command end where there is none. The driver sends a continuation request
    /// first if [`super::AppendLiteral::synchronizing`] says so.
    pub fn accept(&mut self) {
        if let State::AppendWaits(literal) = self.state {
            self.state = match (literal, self.appending.take()) {
                (Some(literal), appending) => {
                    self.appending = appending;
                    State::Message(literal.octets)
                }
                (None, Some(appending)) => State::Verdict {
                    verdict: Verdict::AppendEnd(appending.tag),
                    last: false,
                },
                (None, None) => State::Line,
            };
        }
    }

    /// Refuses the rest of an APPEND or REPLACE: [`Event::Refused`] comes when it
    /// has been thrown away. The octets of a literal that does not wait are read
    /// if there are at most `discard_octets_max`.
    pub fn refuse(&mut self, discard_octets_max: u64) {
        let State::AppendWaits(literal) = self.state else {
            return;
        };
        let Some(appending) = self.appending.take() else {
            return;
        };
        let verdict = Verdict::Refused(appending.tag);
        self.state = match literal {
            Some(literal) if !literal.synchronizing && literal.octets > discard_octets_max => {
                State::Verdict {
                    verdict,
                    last: true,
                }
            }
            Some(literal) if !literal.synchronizing => State::Skip {
                verdict,
                literal: literal.octets,
                budget: discard_octets_max.saturating_add(DISCARD_OCTETS_MAX),
            },
            _ => State::Verdict {
                verdict,
                last: false,
            },
        };
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
                State::Message(0) => self.begin_line(),
                _ if input.is_empty() => return None,
                State::Message(missing) => {
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
        self.appending = None;
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
        let octets = without_line_end(octets);
        let tag = self.tag_of(octets);
        let error = match self.parse(octets) {
            Ok(Parsed::Command(command)) => {
                self.reset();
                return Event::Command(command);
            }
            // A literal that is announced has more lines after it.
            Ok(Parsed::Append(event, None)) => return self.append(event, None),
            Ok(Parsed::Append(_, Some(_))) | Err(Fail::Incomplete) => incomplete(octets),
            Err(Fail::Syntax(error)) => error,
        };
        self.reset();
        Event::Bad { tag, error }
    }

    /// The command so far, or what follows the last literal of an APPEND.
    fn parse(&mut self, octets: &[u8]) -> Result<Parsed, Fail> {
        let mut cursor = Cursor::new(octets)
            .with_utf8_names(self.utf8_names)
            .with_charset_fixed(self.charset_fixed);
        if let Some(appending) = &mut self.appending {
            let mut open = appending.open;
            let part = parse::append_part(&mut cursor, &mut open)?;
            appending.open = open;
            let literal = part.literal.map(Announced::from);
            return Ok(match (&literal, part.steps.is_empty()) {
                // Nothing is left to be said but that it is over.
                (None, true) => Parsed::Append(Event::AppendEnd(appending.tag.clone()), None),
                _ => Parsed::Append(Event::AppendPart(part), literal),
            });
        }
        Ok(match parse::command(&mut cursor)? {
            Line::Command(command) => Parsed::Command(command),
            Line::Append(tag, start) => {
                self.appending = Some(Box::new(Appending {
                    tag: tag.clone(),
                    open: start.open,
                }));
                let literal = start.part.literal.map(Announced::from);
                let head = AppendHead {
                    tag,
                    mailbox: start.mailbox,
                    old_name: start.old_name,
                    replaces: start.replaces,
                    part: start.part,
                };
                Parsed::Append(Event::Append(head), literal)
            }
        })
    }

    /// The tag of the command that `octets` are of.
    fn tag_of(&self, octets: &[u8]) -> Option<Tag> {
        match &self.appending {
            Some(appending) => Some(appending.tag.clone()),
            None => tag(octets),
        }
    }

    /// A line has announced a literal.
    fn literal(&mut self, buffer: Vec<u8>, literal: Announced) -> Option<Event<'static>> {
        self.literals += 1;
        // Looked at early so that what is no command is refused before its literal
        // comes, and the APPEND is known; not for ever, since it starts anew each time.
        let tag = self.tag_of(&buffer);
        if self.literals <= PREVIEWED_LITERALS_MAX {
            match self.parse(&buffer) {
                Ok(Parsed::Append(event, Some(literal))) => {
                    return Some(self.append(event, Some(literal)));
                }
                Err(Fail::Syntax(error)) if error.at < buffer.len() => {
                    return self.give_up(literal, Verdict::Bad(tag, error));
                }
                _ => {}
            }
        }
        let Some(tag) = tag else {
            let error = SyntaxError {
                expected: "a tag",
                at: 0,
            };
            return self.give_up(literal, Verdict::Bad(None, error));
        };
        let octets = u32::try_from(literal.octets).unwrap_or(u32::MAX);
        if !literal.synchronizing && octets > self.limits.unasked_octets_max {
            let error = SyntaxError {
                expected: "a literal that waits, being so long,",
                at: 0,
            };
            return self.give_up(literal, Verdict::Bad(Some(tag), error));
        }
        let total = u64::from(octets).saturating_add(buffer.len() as u64);
        if octets > self.limits.literal_octets_max
            || total > u64::from(self.limits.command_octets_max)
            || self.literals > self.limits.literals_max
            // The literals of an APPEND are known by what stands before them alone.
            || self.appending.is_some() && self.literals > PREVIEWED_LITERALS_MAX
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

    /// The driver is asked what is to become of the rest.
    fn append(&mut self, event: Event<'static>, literal: Option<Announced>) -> Event<'static> {
        let appending = self.appending.take();
        self.reset();
        if !matches!(event, Event::AppendEnd(_)) {
            self.appending = appending;
            self.state = State::AppendWaits(literal);
        }
        event
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
        let tag = match &self.appending {
            Some(appending) => Some(appending.tag.clone()),
            None => tag(&self.buffer).filter(|_| self.buffer.contains(&b' ')),
        };
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

impl From<AppendLiteral> for Announced {
    fn from(literal: AppendLiteral) -> Self {
        Self {
            octets: literal.octets,
            synchronizing: literal.synchronizing,
        }
    }
}

/// What octets of a command were found to be.
enum Parsed {
    Command(Command),
    /// Of an APPEND or REPLACE, with the literal that is announced there.
    Append(Event<'static>, Option<Announced>),
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
