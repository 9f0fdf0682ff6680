//! mbox files: mboxrd, in which a line of a message that begins with any number
//! of `>` and `From ` gets one more `>`.
//!
//! Flags stand in the header fields Status, X-Status and X-Keywords. Those at
//! the very top are ours and are taken out again; others belong to the message
//! (many programs leave them where mail has passed through) and are only read.
//! A message without a final line end gets one: the format has no other way.

use super::tree::{Kind, Tree};
use super::{
    At as _, MailError, Message, Sink, Source, UniqueIds, lines_out, mailbox_name, push_crlf,
};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Read as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use terms::{Date, Flag, FlagSet, InternalDate, Keyword, MailboxName, SystemFlag};

/// What a file is told that is none.
const NO_MBOX: &str = "no mbox: it does not begin with `From `";
/// The longest line that is read at one time; longer ones are read in pieces.
const LINE_OCTETS_MAX: u64 = 1 << 20;

/// The messages of mbox files.
pub struct Reader {
    tree: Tree,
    files: Vec<(PathBuf, MailboxName)>,
    octets: u64,
    message_octets_max: u64,
    open: Option<OpenFile>,
    unique_ids: UniqueIds,
}

/// A file that is being read.
struct OpenFile {
    path: PathBuf,
    mailbox: MailboxName,
    from: BufReader<File>,
    /// The From_ line of the next message.
    from_line: Option<Vec<u8>>,
    line: Vec<u8>,
    /// As its first message says it.
    uid_validity: Option<u32>,
}

impl Reader {
    /// Of one file, or of all files below a directory.
    ///
    /// # Errors
    /// If `path` cannot be read.
    pub fn open(
        path: &Path,
        into: Option<&MailboxName>,
        message_octets_max: u64,
        unique_ids: UniqueIds,
    ) -> Result<Self, MailError> {
        let mut found = Vec::new();
        let is_directory = fs::symlink_metadata(path).at(path)?.is_dir();
        let tree = if is_directory {
            let mut tree = Tree::open(path)?;
            walk(&mut tree, path, &mut Vec::new(), into, &mut found)?;
            if found.is_empty() {
                let what = "no mbox: no file in it begins with `From `";
                return Err(MailError::new(path, what));
            }
            found.sort();
            tree
        } else {
            found.push((path.to_owned(), mailbox_name(into, &[])));
            Tree::open(path.parent().unwrap_or(Path::new("")))?
        };
        let mut octets = 0;
        for (file, _) in &found {
            octets += tree.file(file)?.1.len();
        }
        found.reverse();
        Ok(Self {
            tree,
            files: found,
            octets,
            message_octets_max,
            open: None,
            unique_ids,
        })
    }
}

/// Finds the mbox files below a directory, sixteen levels deep at the most.
fn walk(
    tree: &mut Tree,
    directory: &Path,
    levels: &mut Vec<String>,
    into: Option<&MailboxName>,
    found: &mut Vec<(PathBuf, MailboxName)>,
) -> Result<(), MailError> {
    for entry in tree.entries(directory)? {
        let name = &entry.name;
        // Thunderbird's indexes, and what editors and file managers hide.
        if name.starts_with('.') || name.ends_with(".msf") || name.ends_with(".dat") {
            continue;
        }
        let bare = name
            .strip_suffix(".mbox")
            .or_else(|| name.strip_suffix(".sbd"));
        let level = bare.unwrap_or(name).replace("%2E", ".");
        levels.push(level);
        match entry.kind {
            Kind::Directory if levels.len() < 16 => walk(tree, &entry.path, levels, into, found)?,
            Kind::File => match is_mbox(tree, &entry.path)? {
                true => found.push((entry.path, mailbox_name(into, levels))),
                false => tree.leave_out_for(&entry, NO_MBOX),
            },
            Kind::Link => tree.leave_out(&entry),
            _ => {}
        }
        levels.pop();
    }
    Ok(())
}

/// Whether a file begins as an mbox does; an empty one does.
fn is_mbox(tree: &Tree, path: &Path) -> Result<bool, MailError> {
    let mut start = Vec::new();
    let (file, _) = tree.file(path)?;
    file.take(5).read_to_end(&mut start).at(path)?;
    Ok(start.is_empty() || start == b"From ")
}

impl Source for Reader {
    fn octets(&self) -> u64 {
        self.octets
    }

    fn mailboxes(&self) -> Vec<MailboxName> {
        let names = self.files.iter().rev();
        names.map(|(_, name)| name.clone()).collect()
    }

    fn next(&mut self) -> Option<Result<(Message, u64), MailError>> {
        loop {
            if let Some(left_out) = self.tree.next_left_out() {
                return Some(Err(left_out));
            }
            if let Some(open) = &mut self.open {
                match open.next(self.message_octets_max, Some(&self.unique_ids)) {
                    Some(message) => return Some(message),
                    None => self.open = None,
                }
            }
            let (path, mailbox) = self.files.pop()?;
            let file = self.tree.file(&path);
            match file.and_then(|(file, _)| OpenFile::new(path, mailbox, file)) {
                Ok(open) => self.open = Some(open),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl OpenFile {
    fn new(path: PathBuf, mailbox: MailboxName, file: File) -> Result<Self, MailError> {
        let from = BufReader::with_capacity(256 << 10, file);
        let mut open = Self {
            path,
            mailbox,
            from,
            from_line: None,
            line: Vec::new(),
            uid_validity: None,
        };
        open.read_line()?;
        if open.line.starts_with(b"From ") {
            open.from_line = Some(std::mem::take(&mut open.line));
        } else if !open.line.is_empty() {
            return Err(MailError::new(&open.path, NO_MBOX));
        }
        Ok(open)
    }

    /// Reads a line, or a piece of a very long one; empty at the end.
    fn read_line(&mut self) -> Result<(), MailError> {
        self.line.clear();
        let mut piece = (&mut self.from).take(LINE_OCTETS_MAX);
        piece.read_until(b'\n', &mut self.line).at(&self.path)?;
        Ok(())
    }

    fn next(
        &mut self,
        message_octets_max: u64,
        unique_ids: Option<&UniqueIds>,
    ) -> Option<Result<(Message, u64), MailError>> {
        let from_line = self.from_line.take()?;
        let mut taken = from_line.len() as u64;
        let mut octets = Vec::new();
        let mut blank = false;
        let mut whole_line = true;
        let mut too_long = false;
        loop {
            if let Err(error) = self.read_line() {
                return Some(Err(error));
            }
            if self.line.is_empty() {
                break;
            }
            if whole_line && blank && is_from_line(&self.line) {
                self.from_line = Some(std::mem::take(&mut self.line));
                break;
            }
            taken += self.line.len() as u64;
            let line = if whole_line {
                unquoted(&self.line)
            } else {
                &self.line
            };
            if octets.len() as u64 + line.len() as u64 > message_octets_max {
                too_long = true;
            } else {
                push_crlf(&mut octets, line);
            }
            blank = whole_line && matches!(&self.line[..], b"\n" | b"\r\n");
            whole_line = self.line.ends_with(b"\n");
        }
        if too_long {
            let sender = String::from_utf8_lossy(&from_line).trim().to_owned();
            let what = format!("longer than {message_octets_max} octets, left out: {sender}");
            return Some(Err(MailError::new(&self.path, what)));
        }
        // The blank line before the next From_ line is no part of the message.
        if blank {
            octets.truncate(octets.len().saturating_sub(2));
        }
        if octets.is_empty() {
            let sender = String::from_utf8_lossy(&from_line).trim().to_owned();
            let what = format!("no message follows the line, left out: {sender}");
            return Some(Err(MailError::new(&self.path, what)));
        }
        let date = date_of_from_line(&from_line).unwrap_or(InternalDate {
            seconds: 0,
            zone_minutes: 0,
        });
        let unique_ids = unique_ids.filter(|_| self.mailbox.is_inbox());
        let unique_id = unique_ids.and_then(|ids| ids.of_message(&mut self.uid_validity, &octets));
        let (flags, ours) = flags_of(&octets);
        octets.drain(..ours);
        let message = Message {
            unique_id,
            mailbox: self.mailbox.clone(),
            flags,
            date,
            octets,
        };
        Some(Ok((message, taken)))
    }
}

/// A From_ line has a time of day; a line of prose that begins so seldom does.
fn is_from_line(line: &[u8]) -> bool {
    let time = |window: &[u8]| {
        matches!(window, [a, b, b':', c, d]
            if [a, b, c, d].iter().all(|octet| octet.is_ascii_digit() || **octet == b' '))
    };
    line.starts_with(b"From ") && line.windows(5).any(time)
}

/// mboxrd: takes one `>` off `>From `, `>>From `, …
fn unquoted(line: &[u8]) -> &[u8] {
    match line.strip_prefix(b">") {
        Some(rest) if is_quotable(rest) => rest,
        _ => line,
    }
}

fn is_quotable(line: &[u8]) -> bool {
    let at = line
        .iter()
        .position(|&octet| octet != b'>')
        .unwrap_or(line.len());
    line.get(at..)
        .is_some_and(|rest| rest.starts_with(b"From "))
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The date of `From sender Fri Jul  8 12:08:34 2011`, with a zone before or
/// after the year where there is one.
fn date_of_from_line(line: &[u8]) -> Option<InternalDate> {
    let text = String::from_utf8_lossy(line);
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let at = words.iter().rposition(|word| MONTHS.contains(word))?;
    let month = MONTHS
        .iter()
        .position(|month| Some(month) == words.get(at))?
        + 1;
    let day = words.get(at + 1)?.parse().ok()?;
    let mut clock = words.get(at + 2)?.split(':').map(str::parse::<i64>);
    let hour = clock.next()?.ok().filter(|hour| *hour < 24)?;
    let minute = clock.next()?.ok().filter(|minute| *minute < 60)?;
    let second = clock
        .next()
        .and_then(Result::ok)
        .filter(|second| *second <= 60)
        .unwrap_or(0);
    let rest = words.get(at + 3..)?;
    let year = rest.iter().find_map(|word| {
        word.parse::<i32>()
            .ok()
            .filter(|year| word.len() == 4 && *year >= 1970)
    })?;
    let zone_minutes = rest.iter().find_map(|word| zone(word)).unwrap_or(0);
    let days = Date::from_ymd(year, u32::try_from(month).ok()?, day)?.days();
    let local = i64::from(days) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(InternalDate {
        seconds: local - i64::from(zone_minutes) * 60,
        zone_minutes,
    })
}

fn zone(word: &str) -> Option<i16> {
    let sign = match word.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = word.get(1..).filter(|digits| digits.len() == 4)?;
    let number: i16 = digits.parse().ok().filter(|number| *number < 2_400)?;
    Some(sign * (number / 100 * 60 + number % 100))
}

/// What the header's status fields say, and how many octets at the top of the
/// message are status fields of ours.
fn flags_of(octets: &[u8]) -> (FlagSet, usize) {
    let mut top = 0;
    let mut at = 0;
    let mut in_top = true;
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    for line in octets.split_inclusive(|&octet| octet == b'\n') {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end();
        if text.is_empty() {
            break;
        }
        at += line.len();
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        let name = name.to_ascii_lowercase();
        let known = matches!(
            &*name,
            "status" | "x-status" | "x-keywords" | "x-mozilla-status"
        );
        in_top = in_top && matches!(&*name, "status" | "x-status" | "x-keywords");
        if in_top {
            top = at;
        }
        if known {
            fields
                .entry(name)
                .or_insert_with(|| value.trim().to_owned());
        }
        if !in_top && top > 0 {
            // Ours say everything; the message's own say nothing then.
            break;
        }
    }
    let mut flags = FlagSet::new();
    let letters = |name: &str| fields.get(name).map_or("", String::as_str).chars();
    for letter in letters("status").chain(letters("x-status")) {
        let flag = match letter {
            'R' => SystemFlag::Seen,
            'A' => SystemFlag::Answered,
            'F' => SystemFlag::Flagged,
            'T' => SystemFlag::Draft,
            'D' => SystemFlag::Deleted,
            _ => continue,
        };
        flags.insert(Flag::System(flag));
    }
    for word in fields
        .get("x-keywords")
        .map_or("", String::as_str)
        .split(' ')
    {
        insert_keyword(&mut flags, word);
    }
    mozilla(fields.get("x-mozilla-status"), &mut flags);
    (flags, top)
}

/// Nothing happens to a text that is no keyword.
fn insert_keyword(flags: &mut FlagSet, text: &str) {
    if let Some(keyword) = Keyword::new(text) {
        flags.insert(Flag::Keyword(keyword));
    }
}

/// Thunderbird's own field: bits in hexadecimal.
fn mozilla(field: Option<&String>, flags: &mut FlagSet) {
    let bits = field
        .and_then(|text| u32::from_str_radix(text, 16).ok())
        .unwrap_or(0);
    for (bit, flag) in [
        (0x1, SystemFlag::Seen),
        (0x2, SystemFlag::Answered),
        (0x4, SystemFlag::Flagged),
        (0x8, SystemFlag::Deleted),
    ] {
        if bits & bit != 0 {
            flags.insert(Flag::System(flag));
        }
    }
    if bits & 0x1000 != 0 {
        insert_keyword(flags, "$Forwarded");
    }
}

/// Writes a directory of mbox files, one for each mailbox.
pub struct Writer {
    directory: PathBuf,
    files: BTreeMap<MailboxName, PathBuf>,
    open: Option<(MailboxName, BufWriter<File>)>,
}

impl Writer {
    /// Into a directory that is not there yet or is empty.
    ///
    /// # Errors
    /// If it holds something or cannot be made.
    pub fn create(directory: &Path) -> Result<Self, MailError> {
        super::empty_directory(directory)?;
        Ok(Self {
            directory: directory.into(),
            files: BTreeMap::new(),
            open: None,
        })
    }

    fn path(&self, name: &MailboxName) -> PathBuf {
        let mut path = self.directory.clone();
        for level in name.as_str().split('/') {
            path.push(match level {
                "." => "%2E".to_owned(),
                ".." => "%2E%2E".to_owned(),
                level if level.starts_with('.') => level.replacen('.', "%2E", 1),
                level => level.to_owned(),
            });
        }
        path.as_mut_os_string().push(".mbox");
        path
    }

    fn close(&mut self) -> Result<(), MailError> {
        if let Some((name, file)) = self.open.take() {
            let path = self.path(&name);
            let file = file
                .into_inner()
                .map_err(|error| MailError::new(&path, error.error()))?;
            file.sync_all().at(&path)?;
        }
        Ok(())
    }

    fn file(&mut self, name: &MailboxName) -> Result<&mut BufWriter<File>, MailError> {
        let path = self.path(name);
        let same = self.open.as_ref().is_some_and(|(open, _)| open == name);
        if !same {
            self.close()?;
            if let Some(parent) = path.parent() {
                super::make_directory(parent)?;
            }
            let file = File::options()
                .create(true)
                .append(true)
                .mode(0o600)
                .open(&path)
                .at(&path)?;
            self.files.insert(name.clone(), path.clone());
            self.open = Some((name.clone(), BufWriter::with_capacity(256 << 10, file)));
        }
        match &mut self.open {
            Some((_, file)) => Ok(file),
            None => Err(MailError::new(&path, "is not open")),
        }
    }
}

impl Sink for Writer {
    fn mailbox(&mut self, name: &MailboxName) -> Result<(), MailError> {
        self.file(name).map(|_| ())
    }

    fn put(&mut self, message: &Message) -> Result<(), MailError> {
        let path = self.path(&message.mailbox);
        let file = self.file(&message.mailbox)?;
        write_message(file, message).at(&path)
    }

    fn finish(mut self: Box<Self>) -> Result<u64, MailError> {
        self.close()?;
        let mut count = 0;
        for (name, path) in &self.files {
            let file = File::open(path).at(path)?;
            let mut open = OpenFile::new(path.clone(), name.clone(), file)?;
            while let Some(message) = open.next(u64::MAX, None) {
                message?;
                count += 1;
            }
        }
        Ok(count)
    }
}

fn write_message(file: &mut impl Write, message: &Message) -> std::io::Result<()> {
    writeln!(
        file,
        "From {} {}",
        sender(&message.octets),
        asctime(message.date.seconds)
    )?;
    let has = |flag, letter| if message.flags.has(flag) { letter } else { "" };
    writeln!(file, "Status: {}O", has(SystemFlag::Seen, "R"))?;
    let status = [
        has(SystemFlag::Answered, "A"),
        has(SystemFlag::Flagged, "F"),
        has(SystemFlag::Draft, "T"),
        has(SystemFlag::Deleted, "D"),
    ]
    .concat();
    if !status.is_empty() {
        writeln!(file, "X-Status: {status}")?;
    }
    let keywords: Vec<&str> = message
        .flags
        .keywords()
        .iter()
        .map(Keyword::as_str)
        .collect();
    if !keywords.is_empty() {
        writeln!(file, "X-Keywords: {}", keywords.join(" "))?;
    }
    for (line, end) in lines_out(&message.octets) {
        if is_quotable(line) {
            file.write_all(b">")?;
        }
        file.write_all(line)?;
        file.write_all(if end.is_empty() { b"\n" } else { end })?;
    }
    file.write_all(b"\n")
}

/// The reverse-path that stands at the top of a delivered message.
fn sender(octets: &[u8]) -> String {
    let first = octets
        .split(|&octet| octet == b'\r')
        .next()
        .unwrap_or_default();
    let text = String::from_utf8_lossy(first);
    let path = text
        .strip_prefix("Return-Path:")
        .map(|path| path.trim().trim_matches(['<', '>']));
    match path {
        Some(path) if !path.is_empty() && !path.contains(char::is_whitespace) => path.to_owned(),
        _ => "MAILER-DAEMON".to_owned(),
    }
}

/// As C's asctime writes it, in UTC, without the line end.
fn asctime(seconds: i64) -> String {
    let date = Date::from_seconds(seconds);
    let (year, month, day) = date.ymd();
    // 1970-01-01 was a Thursday.
    let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let weekday = usize::try_from(date.days().rem_euclid(7)).unwrap_or(0);
    let month = usize::try_from(month).unwrap_or(1).saturating_sub(1);
    let clock = seconds.rem_euclid(86_400);
    format!(
        "{} {} {day:2} {:02}:{:02}:{:02} {year:04}",
        weekdays.get(weekday).unwrap_or(&"Thu"),
        MONTHS.get(month).unwrap_or(&"Jan"),
        clock / 3_600,
        clock / 60 % 60,
        clock % 60
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::{self, message};
    use super::*;

    #[test]
    fn dates_of_from_lines() {
        for (line, expected) in [
            (
                "From a@b Fri Jul  8 12:08:34 2011",
                Some((1_310_126_914, 0)),
            ),
            ("From a@b Fri Jul  8 12:08 2011", Some((1_310_126_880, 0))),
            (
                "From a@b Fri Jul  8 14:08:34 2011 +0200",
                Some((1_310_126_914, 120)),
            ),
            (
                "From a@b Fri Jul  8 10:38:34 -0130 2011",
                Some((1_310_126_914, -90)),
            ),
            (
                "From May Fri Jul  8 12:08:34 2011",
                Some((1_310_126_914, 0)),
            ),
            ("From a@b", None),
            ("From a@b Fri Jul 38 12:08:34 2011", None),
        ] {
            let date = date_of_from_line(line.as_bytes());
            assert_eq!(
                date.map(|date| (date.seconds, date.zone_minutes)),
                expected,
                "{line}"
            );
        }
        assert_eq!(asctime(1_310_126_914), "Fri Jul  8 12:08:34 2011");
        assert_eq!(asctime(0), "Thu Jan  1 00:00:00 1970");
    }

    fn read_all(path: &Path) -> Vec<Message> {
        let reader = Reader::open(path, None, 1 << 20, UniqueIds::default());
        tests::read_all(&mut reader.unwrap())
    }

    #[test]
    fn what_is_written_comes_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out");
        let messages = vec![
            message("A/.b", "Subject: a\r\n\r\nbody\r\n", &[]),
            message(
                "A/.b",
                "Return-Path: <x@y>\r\nStatus: RO\r\n\r\nFrom me\r\n>From you\r\n",
                &["$Junk"],
            ),
            message(
                "A/.b",
                "Subject: b\r\n\r\n\r\n\r\nFrom x Fri Jul  8 12:08:34 2011\r\n",
                &[
                    "\\Seen",
                    "\\Flagged",
                    "\\Answered",
                    "\\Draft",
                    "\\Deleted",
                    "x",
                    "$Forwarded",
                ],
            ),
            message("A/.b", "no header\r\n", &["\\Seen"]),
            message("A/.b", "\r\nbare\rreturn\r\r\n", &["\\Seen"]),
            message("A/.b", "Subject: only a header\r\n", &[]),
        ];
        let mut writer = Box::new(Writer::create(&path).unwrap());
        for message in &messages {
            writer.put(message).unwrap();
        }
        assert_eq!(writer.finish().unwrap(), messages.len() as u64);
        assert_eq!(read_all(&path), messages);
        let text = fs::read_to_string(path.join("A/%2Eb.mbox")).unwrap();
        assert!(text.contains("From x@y Fri Jul  8 12:08:34 2011\n"));
        assert!(text.contains("\n>From me\n>>From you\n"));
        assert!(Writer::create(&path).is_err(), "it is not empty");
        tests::is_private(&path);
    }

    #[test]
    fn other_programs_files_are_understood() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("Inbox");
        let text = "From - Fri Jul  8 12:08:34 2011\nX-Mozilla-Status: 1005\nSubject: a\n\n\
                    From the beginning, it was so.\n\nFrom now on: no split.\n\n\
                    From a@b Fri Jul  8 12:08:35 2011\nSubject: b\nStatus: RO\nX-Status: A\n\nx\n";
        fs::write(&path, text).unwrap();
        let read = read_all(&path);
        assert_eq!(read.len(), 2);
        let flags = |at: usize| {
            let flags: Vec<String> = read[at].flags.iter().map(|f| f.as_str().into()).collect();
            flags.join(" ")
        };
        assert_eq!(flags(0), "\\Flagged \\Seen $Forwarded");
        assert_eq!(flags(1), "\\Answered \\Seen");
        assert!(read[0].octets.ends_with(b"no split.\r\n"));
        // The message's own fields stay in it.
        assert!(read[1].octets.starts_with(b"Subject: b\r\nStatus: RO\r\n"));
    }

    #[test]
    fn what_is_no_mbox_or_no_message_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let open = || Reader::open(path, None, 1_000, UniqueIds::default());
        let refused = |reader: Result<Reader, MailError>| reader.err().unwrap().to_string();
        fs::write(path.join("notes.txt"), "not mail\n").unwrap();
        assert!(refused(open()).contains("no file in it begins with `From `"));
        fs::write(path.join("bare"), "From a@b Fri Jul  8 12:08:34 2011\n").unwrap();
        let mut reader = open().unwrap();
        let mut named = Vec::new();
        while let Some(next) = reader.next() {
            named.push(next.unwrap_err().to_string());
        }
        assert_eq!(named.len(), 2, "{named:?}");
        assert!(named[0].ends_with("notes.txt: no mbox: it does not begin with `From `"));
        assert!(
            named[1].contains("no message follows the line"),
            "{named:?}"
        );
    }

    #[test]
    fn a_message_that_is_too_long_is_left_out_and_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("long.mbox");
        let long = "x".repeat(5_000);
        let text = format!(
            "From a@b Fri Jul  8 12:08:34 2011\n\n{long}\n\nFrom c@d Fri Jul  8 12:08:34 2011\n\ny\n"
        );
        fs::write(&path, text).unwrap();
        let mut reader = Reader::open(&path, None, 1_000, UniqueIds::default()).unwrap();
        let error = reader.next().unwrap().unwrap_err().to_string();
        assert!(
            error.contains("longer than 1000 octets, left out: From a@b"),
            "{error}"
        );
        assert_eq!(reader.next().unwrap().unwrap().0.octets, b"\r\ny\r\n");
        assert!(reader.next().is_none());
    }
}
