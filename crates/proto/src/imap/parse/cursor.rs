//! The lexical rules: atoms, strings, numbers, dates.

use crate::imap::command::{IllegalName, Mailbox, SyntaxError};
use crate::imap::date::MONTHS;
use crate::imap::utf7::decode_utf7;
use terms::{
    Date, Flag, FlagSet, InternalDate, MailboxName, ModSeq, SequenceNumber, SequenceRange,
    SequenceSet,
};

/// Why the octets are no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::imap) enum Fail {
    /// They never will be.
    Syntax(SyntaxError),
    /// The octets of the last literal are still missing.
    Incomplete,
}

pub(in crate::imap) type Parsed<T> = Result<T, Fail>;

/// A literal as it is announced. RFC 7888 §8; RFC 3516 §7, literal8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::imap) struct LiteralHead {
    pub(in crate::imap) octets: u64,
    pub(in crate::imap) synchronizing: bool,
    pub(in crate::imap) literal8: bool,
}

/// Walks over the octets of a command: its lines and literals as they came,
/// without the last line's end.
#[derive(Clone, Debug)]
pub(in crate::imap) struct Cursor<'a> {
    octets: &'a [u8],
    at: usize,
    /// Mailbox names are UTF-8 and not modified UTF-7.
    utf8_names: bool,
    /// SEARCH may not name a charset. RFC 9755 §3.
    charset_fixed: bool,
}

impl<'a> Cursor<'a> {
    pub(in crate::imap) fn new(octets: &'a [u8]) -> Self {
        Self {
            octets,
            at: 0,
            utf8_names: false,
            charset_fixed: false,
        }
    }

    pub(in crate::imap) fn with_utf8_names(mut self, utf8_names: bool) -> Self {
        self.utf8_names = utf8_names;
        self
    }

    pub(in crate::imap) fn with_charset_fixed(mut self, charset_fixed: bool) -> Self {
        self.charset_fixed = charset_fixed;
        self
    }

    /// Whether SEARCH may not name a charset.
    pub(in crate::imap) fn charset_fixed(&self) -> bool {
        self.charset_fixed
    }

    pub(in crate::imap) fn at_end(&self) -> bool {
        self.at >= self.octets.len()
    }

    pub(in crate::imap) fn position(&self) -> usize {
        self.at
    }

    /// Goes back to where the cursor stood.
    pub(in crate::imap) fn rewind(&mut self, position: usize) {
        self.at = position.min(self.at);
    }

    pub(in crate::imap) fn rest(&self) -> &'a [u8] {
        self.octets.get(self.at..).unwrap_or_default()
    }

    pub(in crate::imap) fn peek(&self) -> Option<u8> {
        self.octets.get(self.at).copied()
    }

    pub(in crate::imap) fn fail<T>(&self, expected: &'static str) -> Parsed<T> {
        Err(Fail::Syntax(SyntaxError {
            expected,
            at: self.at,
        }))
    }

    /// Takes `octet` if it stands here.
    pub(in crate::imap) fn eat(&mut self, octet: u8) -> bool {
        let here = self.peek() == Some(octet);
        self.at += usize::from(here);
        here
    }

    /// Takes `word`, in any case, if it stands here.
    pub(in crate::imap) fn eat_word(&mut self, word: &str) -> bool {
        let here = self
            .rest()
            .get(..word.len())
            .is_some_and(|octets| octets.eq_ignore_ascii_case(word.as_bytes()));
        self.at += if here { word.len() } else { 0 };
        here
    }

    pub(in crate::imap) fn expect(&mut self, octet: u8, expected: &'static str) -> Parsed<()> {
        if self.eat(octet) {
            Ok(())
        } else {
            self.fail(expected)
        }
    }

    /// SP: exactly one space.
    pub(in crate::imap) fn sp(&mut self) -> Parsed<()> {
        self.expect(b' ', "a space")
    }

    /// Nothing more may stand here.
    pub(in crate::imap) fn end(&self) -> Parsed<()> {
        if self.at_end() {
            Ok(())
        } else {
            self.fail("the end of the command")
        }
    }

    fn take_while(&mut self, legal: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let count = rest
            .iter()
            .position(|&octet| !legal(octet))
            .unwrap_or(rest.len());
        self.at += count;
        rest.get(..count).unwrap_or_default()
    }

    fn take_1_while(
        &mut self,
        expected: &'static str,
        legal: impl Fn(u8) -> bool,
    ) -> Parsed<&'a [u8]> {
        let taken = self.take_while(legal);
        if taken.is_empty() {
            self.fail(expected)
        } else {
            Ok(taken)
        }
    }

    /// `"(" rule *(SP rule) ")"`, of at most `count_max`.
    pub(in crate::imap) fn list_1<T>(
        &mut self,
        count_max: usize,
        mut rule: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        self.expect(b'(', "a parenthesis")?;
        let mut items = vec![rule(self)?];
        while !self.eat(b')') {
            self.sp()?;
            if items.len() >= count_max {
                return self.fail("a shorter list");
            }
            items.push(rule(self)?);
        }
        Ok(items)
    }

    /// RFC 3501 §9, tag: 1*<any ASTRING-CHAR except "+">
    pub(in crate::imap) fn tag(&mut self) -> Parsed<&'a str> {
        let tag = self.take_1_while("a tag", |octet| is_astring_char(octet) && octet != b'+')?;
        self.ascii(tag, "a tag")
    }

    /// RFC 3501 §9, atom
    pub(in crate::imap) fn atom(&mut self, expected: &'static str) -> Parsed<&'a str> {
        let atom = self.take_1_while(expected, is_atom_char)?;
        self.ascii(atom, expected)
    }

    fn ascii(&self, octets: &'a [u8], expected: &'static str) -> Parsed<&'a str> {
        std::str::from_utf8(octets).or_else(|_| self.fail(expected))
    }

    /// RFC 3501 §9, astring: 1*ASTRING-CHAR / string
    pub(in crate::imap) fn astring(&mut self, expected: &'static str) -> Parsed<Vec<u8>> {
        if self.at_string() {
            return self.string(expected);
        }
        self.take_1_while(expected, is_astring_char)
            .map(<[u8]>::to_vec)
    }

    /// An astring that is text.
    pub(in crate::imap) fn astring_utf8(&mut self, expected: &'static str) -> Parsed<String> {
        let at = self.at;
        String::from_utf8(self.astring(expected)?)
            .map_err(|_| Fail::Syntax(SyntaxError { expected, at }))
    }

    fn at_string(&self) -> bool {
        matches!(self.peek(), Some(b'"' | b'{'))
    }

    /// RFC 3501 §9, string: quoted / literal
    pub(in crate::imap) fn string(&mut self, expected: &'static str) -> Parsed<Vec<u8>> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'{') => self.literal().map(<[u8]>::to_vec),
            _ => self.fail(expected),
        }
    }

    /// RFC 3501 §9, nstring: string / nil
    pub(in crate::imap) fn nstring(&mut self) -> Parsed<Option<Vec<u8>>> {
        if self.at_string() {
            return self.string("a string").map(Some);
        }
        if self.eat_word("NIL") {
            Ok(None)
        } else {
            self.fail("a string or NIL")
        }
    }

    /// RFC 9051 §9, quoted: UTF-8 is allowed, and programs send it in LOGIN to
    /// servers of every revision.
    pub(in crate::imap) fn quoted(&mut self) -> Parsed<Vec<u8>> {
        let start = self.at;
        self.expect(b'"', "a quote")?;
        let mut text = Vec::new();
        loop {
            text.extend_from_slice(
                self.take_while(|octet| !matches!(octet, b'"' | b'\\' | b'\r' | b'\n' | 0)),
            );
            if self.eat(b'"') {
                break;
            }
            self.expect(b'\\', "the end of the quoted string")?;
            match self.peek() {
                Some(octet @ (b'"' | b'\\')) => text.push(octet),
                _ => return self.fail("a quote or a backslash after the backslash"),
            }
            self.at += 1;
        }
        if std::str::from_utf8(&text).is_err() {
            self.at = start;
            return self.fail("UTF-8 in the quoted string");
        }
        Ok(text)
    }

    /// RFC 3501 §9, literal: `"{" number ["+"] "}" CRLF *CHAR8`. CHAR8 has no NUL.
    pub(in crate::imap) fn literal(&mut self) -> Parsed<&'a [u8]> {
        let octets = self.literal8()?;
        if let Some(at) = octets.iter().position(|&octet| octet == 0) {
            self.at -= octets.len() - at;
            return self.fail("no NUL in the literal");
        }
        Ok(octets)
    }

    /// RFC 9051 §9, literal8; with RFC 7888 §8: `"~{" number ["+"] "}" CRLF *OCTET`.
    pub(in crate::imap) fn literal8(&mut self) -> Parsed<&'a [u8]> {
        let head = self.literal_head()?;
        let octets = usize::try_from(head.octets)
            .ok()
            .and_then(|octets| self.rest().get(..octets))
            .ok_or(Fail::Incomplete)?;
        self.at += octets.len();
        Ok(octets)
    }

    /// A literal up to its octets.
    pub(in crate::imap) fn literal_head(&mut self) -> Parsed<LiteralHead> {
        let literal8 = self.eat(b'~');
        self.expect(b'{', "a literal")?;
        let octets = self.number64()?;
        let synchronizing = !self.eat(b'+');
        self.expect(b'}', "the end of the literal's length")?;
        self.eat(b'\r');
        self.expect(b'\n', "the end of the line after the literal's length")?;
        Ok(LiteralHead {
            octets,
            synchronizing,
            literal8,
        })
    }

    /// RFC 9051 §9, number64: up to 63 bits.
    pub(in crate::imap) fn number64(&mut self) -> Parsed<u64> {
        let at = self.at;
        let digits = self.take_1_while("a number", |octet| octet.is_ascii_digit())?;
        digits
            .iter()
            .try_fold(0u64, |value, digit| {
                value
                    .checked_mul(10)?
                    .checked_add(u64::from(digit.wrapping_sub(b'0')))
            })
            .filter(|&value| i64::try_from(value).is_ok())
            .ok_or(Fail::Syntax(SyntaxError {
                expected: "a smaller number",
                at,
            }))
    }

    /// RFC 3501 §9, nz-number: 32 bits, not zero, and no zero in front.
    pub(in crate::imap) fn nz_number(&mut self) -> Parsed<u32> {
        let at = self.at;
        let leading_zero = self.peek() == Some(b'0');
        let number = self.number64()?;
        u32::try_from(number)
            .ok()
            .filter(|_| !leading_zero)
            .ok_or(Fail::Syntax(SyntaxError {
                expected: "a number from 1 to 4294967295",
                at,
            }))
    }

    /// RFC 7162 §7, mod-sequence-valzer: 63 bits, zero too.
    pub(in crate::imap) fn mod_sequence_valzer(&mut self) -> Parsed<ModSeq> {
        self.number64().map(ModSeq)
    }

    /// RFC 7162 §7, mod-sequence-value: 63 bits, not zero.
    pub(in crate::imap) fn mod_sequence_value(&mut self) -> Parsed<ModSeq> {
        let at = self.at;
        match self.mod_sequence_valzer()? {
            ModSeq::ZERO => {
                self.at = at;
                self.fail("a mod-sequence above zero")
            }
            modseq => Ok(modseq),
        }
    }

    fn digits(&mut self, count: usize) -> Parsed<u32> {
        let digits = self.rest().get(..count).unwrap_or_default();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return self.fail("digits");
        }
        self.at += count;
        Ok(digits
            .iter()
            .fold(0, |value, digit| value * 10 + u32::from(digit - b'0')))
    }

    /// RFC 3501 §9, sequence-set
    /// With `$` alone, the saved result: RFC 5182 §3, seq-last-command.
    pub(in crate::imap) fn sequence_set(&mut self) -> Parsed<SequenceSet> {
        if self.eat(b'$') {
            return Ok(SequenceSet::SavedResult);
        }
        let mut ranges = Vec::new();
        loop {
            let first = self.seq_number()?;
            let last = if self.eat(b':') {
                self.seq_number()?
            } else {
                first
            };
            ranges.push(SequenceRange { first, last });
            if !self.eat(b',') {
                return Ok(SequenceSet::Ranges(ranges));
            }
        }
    }

    /// RFC 3501 §9, seq-number: nz-number / "*"
    pub(in crate::imap) fn seq_number(&mut self) -> Parsed<SequenceNumber> {
        match self.peek() {
            Some(b'*') => {
                self.at += 1;
                Ok(SequenceNumber::Last)
            }
            Some(b'0'..=b'9') => self.nz_number().map(SequenceNumber::Number),
            _ => self.fail("a message number or *"),
        }
    }

    /// RFC 3501 §9, mailbox: "INBOX" / astring
    pub(in crate::imap) fn mailbox(&mut self) -> Parsed<Mailbox> {
        Ok(self.mailbox_as_given()?.0)
    }

    /// The same, with the text that was given where that is another one than the
    /// name.
    pub(in crate::imap) fn mailbox_as_given(&mut self) -> Parsed<(Mailbox, Option<String>)> {
        let name = self.astring("a mailbox name")?;
        Ok(match self.name_text(&name) {
            Some(text) => named(&text),
            None => (Err(IllegalName::Encoding), None),
        })
    }

    /// The text of a mailbox name, or of a pattern of names: UTF-8 where the
    /// session speaks it or the octets show it, modified UTF-7 otherwise.
    pub(in crate::imap) fn name_text(&self, octets: &[u8]) -> Option<String> {
        let text = std::str::from_utf8(octets).ok()?;
        if self.utf8_names || !text.is_ascii() {
            Some(text.to_owned())
        } else {
            decode_utf7(text)
        }
    }

    /// RFC 3501 §9, flag-list: `"(" [flag *(SP flag)] ")"`
    pub(in crate::imap) fn flag_list(&mut self) -> Parsed<FlagSet> {
        self.expect(b'(', "a list of flags")?;
        if self.eat(b')') {
            return Ok(FlagSet::new());
        }
        let mut flags = FlagSet::new();
        loop {
            flags.insert(self.flag()?);
            if self.eat(b')') {
                return Ok(flags);
            }
            self.sp()?;
        }
    }

    /// RFC 3501 §9, flag, but for flag-extension: there are no other `\Names`,
    /// and `\Recent` cannot be set (§2.3.2).
    pub(in crate::imap) fn flag(&mut self) -> Parsed<Flag> {
        let at = self.at;
        let backslash = self.eat(b'\\');
        let atom = self.atom("a flag")?;
        let flag = if backslash {
            Flag::parse(&format!("\\{atom}"))
        } else {
            Flag::parse(atom)
        };
        flag.ok_or(Fail::Syntax(SyntaxError {
            expected: "a flag that can be set",
            at,
        }))
    }

    /// RFC 3501 §9, date: date-text / DQUOTE date-text DQUOTE
    pub(in crate::imap) fn date(&mut self) -> Parsed<Date> {
        let quoted = self.eat(b'"');
        let at = self.at;
        // date-day: 1*2DIGIT
        let two = self.rest().get(1).is_some_and(u8::is_ascii_digit);
        let day = self.digits(if two { 2 } else { 1 })?;
        let date = self.date_rest(day, at)?;
        if quoted {
            self.expect(b'"', "a quote")?;
        }
        Ok(date)
    }

    /// `"-" date-month "-" date-year`
    fn date_rest(&mut self, day: u32, at: usize) -> Parsed<Date> {
        self.expect(b'-', "a hyphen")?;
        let month = self.date_month()?;
        self.expect(b'-', "a hyphen")?;
        let year = i32::try_from(self.digits(4)?).unwrap_or(0);
        Date::from_ymd(year, month, day).ok_or(Fail::Syntax(SyntaxError {
            expected: "a day that the calendar has",
            at,
        }))
    }

    /// RFC 3501 §9, date-month
    fn date_month(&mut self) -> Parsed<u32> {
        for (month, name) in (1..).zip(MONTHS) {
            if self.eat_word(name) {
                return Ok(month);
            }
        }
        self.fail("a month")
    }

    /// RFC 3501 §9, date-time
    pub(in crate::imap) fn date_time(&mut self) -> Parsed<InternalDate> {
        self.expect(b'"', "a date and time")?;
        let date = self.date_time_text()?;
        self.expect(b'"', "a quote")?;
        Ok(date)
    }

    /// `date-day-fixed "-" date-month "-" date-year SP time SP zone`
    pub(in crate::imap) fn date_time_text(&mut self) -> Parsed<InternalDate> {
        let at = self.at;
        let count = if self.eat(b' ') { 1 } else { 2 };
        let day = self.digits(count)?;
        let date = self.date_rest(day, at)?;
        self.sp()?;
        let hours = self.digits_to(2, 23)?;
        self.expect(b':', "a colon")?;
        let minutes = self.digits_to(2, 59)?;
        self.expect(b':', "a colon")?;
        // A leap second counts as the one before it: it stays on its day.
        let seconds = self.digits_to(2, 60)?.min(59);
        self.sp()?;
        let east = match self.peek() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return self.fail("a time zone"),
        };
        self.at += 1;
        let zone = east * (self.digits_to(2, 23)? * 60 + self.digits_to(2, 59)?);
        let local = i64::from(date.days()) * 86_400 + hours * 3_600 + minutes * 60 + seconds;
        Ok(InternalDate {
            seconds: local - zone * 60,
            zone_minutes: i16::try_from(zone).unwrap_or(0),
        })
    }

    fn digits_to(&mut self, count: usize, max: u32) -> Parsed<i64> {
        let at = self.at;
        let value = self.digits(count)?;
        if value > max {
            return Err(Fail::Syntax(SyntaxError {
                expected: "a time that clocks show",
                at,
            }));
        }
        Ok(i64::from(value))
    }
}

/// The name that a text means, and the text where that is another one: another
/// form of Unicode, or INBOX in other letters (RFC 9051 §8 shows both alike).
pub(in crate::imap) fn named(text: &str) -> (Mailbox, Option<String>) {
    let name = MailboxName::new(text).map_err(IllegalName::Name);
    let differs = matches!(&name, Ok(name) if name.as_str() != text);
    (name, differs.then(|| text.to_owned()))
}

/// RFC 3501 §9, ATOM-CHAR
pub(in crate::imap) fn is_atom_char(octet: u8) -> bool {
    octet.is_ascii_graphic()
        && !matches!(
            octet,
            b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']'
        )
}

/// RFC 3501 §9, ASTRING-CHAR: ATOM-CHAR / resp-specials
pub(in crate::imap) fn is_astring_char(octet: u8) -> bool {
    is_atom_char(octet) || octet == b']'
}

/// RFC 3501 §9, list-char: ATOM-CHAR / list-wildcards / resp-specials
pub(in crate::imap) fn is_list_char(octet: u8) -> bool {
    is_astring_char(octet) || matches!(octet, b'%' | b'*')
}

impl Cursor<'_> {
    /// RFC 3501 §9, list-mailbox: 1*list-char / string
    pub(in crate::imap) fn list_mailbox(&mut self) -> Parsed<Vec<u8>> {
        if self.at_string() {
            return self.string("a pattern");
        }
        self.take_1_while("a pattern", is_list_char)
            .map(<[u8]>::to_vec)
    }
}
