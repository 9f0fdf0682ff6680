//! Mail outside of Restante: Maildirs and mbox files, read and written one
//! message at a time.
//!
//! Lines end in CRLF inside and in LF outside. A line that ends in a bare CR
//! before its end keeps its CRLF outside, so that what is written comes back
//! octet by octet.

pub mod maildir;
pub mod mbox;
mod tree;
mod unique_ids;

pub use unique_ids::UniqueIds;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use terms::{FlagSet, InternalDate, MailboxName};

/// One message on its way in or out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// In which mailbox.
    pub mailbox: MailboxName,
    /// Its flags and keywords.
    pub flags: FlagSet,
    /// When it came.
    pub date: InternalDate,
    /// The POP3 unique-id that it had where it comes from.
    pub unique_id: Option<String>,
    /// All of it, lines ended by CRLF.
    pub octets: Vec<u8>,
}

/// Something that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", file.display())]
pub struct MailError {
    /// Where.
    pub file: PathBuf,
    /// What is wrong.
    pub what: String,
}

impl MailError {
    fn new(file: &Path, what: impl ToString) -> Self {
        Self {
            file: file.into(),
            what: what.to_string(),
        }
    }
}

/// Turns `Result<_, io::Error>` into one that names the file.
trait At<T> {
    fn at(self, file: &Path) -> Result<T, MailError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, file: &Path) -> Result<T, MailError> {
        self.map_err(|error| MailError::new(file, error))
    }
}

/// Where messages come from.
pub trait Source: Send {
    /// How many octets there are to read, for the progress bar.
    fn octets(&self) -> u64;

    /// The mailboxes that there are, empty ones too.
    fn mailboxes(&self) -> Vec<MailboxName>;

    /// The mailboxes that are subscribed to, where that is kept.
    fn subscriptions(&self) -> Option<&[MailboxName]> {
        None
    }

    /// The next message and how many octets of files it took, or why one was
    /// left out (the next call goes on behind it). `None` at the end.
    fn next(&mut self) -> Option<Result<(Message, u64), MailError>>;
}

/// Where messages go to.
pub trait Sink: Send {
    /// Makes an empty mailbox.
    ///
    /// # Errors
    /// If it cannot be written.
    fn mailbox(&mut self, name: &MailboxName) -> Result<(), MailError>;

    /// Writes which mailboxes are subscribed to, where the format has a place for it.
    ///
    /// # Errors
    /// If it cannot be written.
    fn subscriptions(&mut self, _names: &[MailboxName]) -> Result<(), MailError> {
        Ok(())
    }

    /// Writes a message.
    ///
    /// # Errors
    /// If it cannot be written.
    fn put(&mut self, message: &Message) -> Result<(), MailError>;

    /// Everything is written: makes it durable and counts again what is there.
    ///
    /// # Errors
    /// If it cannot be written or read again.
    fn finish(self: Box<Self>) -> Result<u64, MailError>;
}

/// A name under which a folder that was found is filed: below `under` where that
/// is given, otherwise by its own. Illegal levels are mended.
fn mailbox_name(under: Option<&MailboxName>, levels: &[String]) -> MailboxName {
    let legal = |level: &String| -> String {
        let clean = |c: char| match c {
            '/' => '_',
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => '_',
            c => c,
        };
        level.chars().map(clean).collect()
    };
    let mut parts: Vec<String> = levels
        .iter()
        .map(legal)
        .filter(|level| !level.is_empty())
        .collect();
    if let Some(under) = under {
        if parts
            .first()
            .is_some_and(|first| first.eq_ignore_ascii_case("INBOX"))
        {
            parts.remove(0);
        }
        parts.insert(0, under.to_string());
    }
    MailboxName::new(&parts.join("/"))
        .unwrap_or_else(|_| under.cloned().unwrap_or_else(MailboxName::inbox))
}

/// Makes `directory`, which must not hold anything yet.
fn empty_directory(directory: &Path) -> Result<(), MailError> {
    make_directory(directory)?;
    match std::fs::read_dir(directory).at(directory)?.next() {
        None => Ok(()),
        Some(_) => Err(MailError::new(
            directory,
            "is not empty; write to a new directory, so that nothing is mixed or lost",
        )),
    }
}

/// Makes a directory, and those above it, for its owner alone: it holds somebody's
/// mail.
fn make_directory(directory: &Path) -> Result<(), MailError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(directory).at(directory)
}

/// Makes a file, for its owner alone.
fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Makes a file of a text.
fn write_text(path: &Path, text: &str) -> Result<(), MailError> {
    let written = new_file(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.at(path)
}

/// Lines outside end in LF, or in CRLF; inside in CRLF.
fn to_crlf(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() + octets.len() / 30);
    for line in octets.split_inclusive(|&octet| octet == b'\n') {
        push_crlf(&mut out, line);
    }
    out
}

/// Adds one line; see [`to_crlf`].
fn push_crlf(out: &mut Vec<u8>, line: &[u8]) {
    match line.strip_suffix(b"\n") {
        Some(text) if !text.ends_with(b"\r") => {
            out.extend_from_slice(text);
            out.extend_from_slice(b"\r\n");
        }
        _ => out.extend_from_slice(line),
    }
}

/// The lines as they are written outside.
fn lines_out(octets: &[u8]) -> impl Iterator<Item = (&[u8], &'static [u8])> {
    octets
        .split_inclusive(|&octet| octet == b'\n')
        .map(|line| match line.strip_suffix(b"\r\n") {
            Some(text) if !text.ends_with(b"\r") => (text, b"\n" as &[u8]),
            Some(text) => (text, b"\r\n" as &[u8]),
            None => (line, b"" as &[u8]),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use terms::Flag;

    /// Nothing below a directory is for others than its owner.
    pub(super) fn is_private(directory: &Path) {
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(directory), 0o700, "{}", directory.display());
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => is_private(&path),
                false => assert_eq!(mode(&path), 0o600, "{}", path.display()),
            }
        }
    }

    /// A message that came in July 2011.
    pub(super) fn message(mailbox: &str, octets: &str, flags: &[&str]) -> Message {
        Message {
            unique_id: None,
            mailbox: MailboxName::new(mailbox).unwrap(),
            flags: flags.iter().filter_map(|flag| Flag::parse(flag)).collect(),
            date: InternalDate {
                seconds: 1_310_126_914,
                zone_minutes: 0,
            },
            octets: octets.as_bytes().to_vec(),
        }
    }

    /// All messages, none left out, as long together as they were said to be.
    pub(super) fn read_all(source: &mut dyn Source) -> Vec<Message> {
        let mut messages = Vec::new();
        let mut octets = 0;
        while let Some(next) = source.next() {
            let (message, taken) = next.unwrap();
            messages.push(message);
            octets += taken;
        }
        assert_eq!(octets, source.octets());
        messages
    }

    #[test]
    fn line_ends_come_back() {
        for text in [
            "",
            "a",
            "a\r\nb\r\n",
            "a\r\n\r\nb",
            "a\r\r\nb\r\n",
            "a\rb\r\n",
            "\r\n\r\n",
        ] {
            let mut out = Vec::new();
            for (line, end) in lines_out(text.as_bytes()) {
                out.extend_from_slice(line);
                out.extend_from_slice(end);
            }
            assert_eq!(to_crlf(&out), text.as_bytes(), "{text:?}");
        }
        assert_eq!(to_crlf(b"a\nb\r\nc\n"), b"a\r\nb\r\nc\r\n");
    }

    #[test]
    fn folders_become_mailboxes() {
        let under = MailboxName::new("Old").unwrap();
        for (levels, plain, below) in [
            (vec![], "INBOX", "Old"),
            (vec!["inbox"], "INBOX", "Old"),
            (vec!["INBOX", "x"], "INBOX/x", "Old/x"),
            (vec!["A", "", "B/c"], "A/B_c", "Old/A/B_c"),
            (vec!["tab\tbed"], "tab_bed", "Old/tab_bed"),
        ] {
            let levels: Vec<String> = levels.into_iter().map(String::from).collect();
            assert_eq!(mailbox_name(None, &levels).as_str(), plain);
            assert_eq!(mailbox_name(Some(&under), &levels).as_str(), below);
        }
    }
}
