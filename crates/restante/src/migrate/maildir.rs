//! Maildirs with Maildir++ folders: a file for each message, flags in its name,
//! the internal date as its time of modification, keywords as letters that
//! `dovecot-keywords` explains.

use super::unique_ids::Uids;
use super::{
    At as _, MailError, Message, Sink, Source, UniqueIds, lines_out, mailbox_name, to_crlf,
};
use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use terms::{Flag, FlagSet, InternalDate, Keyword, MailboxName, SystemFlag};

/// Each letter of a file name's suffix and its flag.
const LETTERS: [(char, SystemFlag); 5] = [
    ('D', SystemFlag::Draft),
    ('F', SystemFlag::Flagged),
    ('R', SystemFlag::Answered),
    ('S', SystemFlag::Seen),
    ('T', SystemFlag::Deleted),
];
/// Passed on: a keyword here, a letter there.
const PASSED: &str = "$Forwarded";
/// Keywords that fit into a folder: the letters a to z.
const KEYWORDS_MAX: usize = 26;
/// What a level's dot is written as, the dot being the separator of Maildir++.
const DOT: &str = "&AC4-";

/// The messages of a Maildir and its folders.
pub struct Reader {
    /// Folders yet to be read, the next one last.
    folders: Vec<Folder>,
    /// Files yet to be read in the folder that is being read, the next one last.
    files: Vec<PathBuf>,
    current: Option<Folder>,
    unique_ids: UniqueIds,
    octets: u64,
    message_octets_max: u64,
}

struct Folder {
    path: PathBuf,
    mailbox: MailboxName,
    keywords: Vec<Option<Keyword>>,
    /// It is the Maildir itself: what POP3 has shown.
    root: bool,
    uids: Uids,
}

impl Reader {
    /// Of a Maildir with its folders, in either layout: `.A.B` beside `cur`, or
    /// `A/B`.
    ///
    /// # Errors
    /// If `path` is no Maildir or cannot be read.
    pub fn open(
        path: &Path,
        into: Option<&MailboxName>,
        message_octets_max: u64,
        unique_ids: UniqueIds,
    ) -> Result<Self, MailError> {
        let mut found = Vec::new();
        find(path, &mut Vec::new(), into, &mut found)?;
        if found.is_empty() {
            let what = "no Maildir: neither it nor a directory in it has `cur` and `new`";
            return Err(MailError::new(path, what));
        }
        let mut octets = 0;
        for folder in &found {
            for file in files(&folder.path, &Uids::default())? {
                octets += fs::metadata(&file).map(|found| found.len()).unwrap_or(0);
            }
        }
        found.reverse();
        Ok(Self {
            folders: found,
            files: Vec::new(),
            current: None,
            unique_ids,
            octets,
            message_octets_max,
        })
    }
}

fn is_maildir(path: &Path) -> bool {
    path.join("cur").is_dir() && path.join("new").is_dir()
}

/// Finds folders, sixteen levels deep at the most, the root first.
fn find(
    path: &Path,
    levels: &mut Vec<String>,
    into: Option<&MailboxName>,
    found: &mut Vec<Folder>,
) -> Result<(), MailError> {
    if is_maildir(path) {
        let mailbox = mailbox_name(into, levels);
        found.push(Folder {
            path: path.into(),
            mailbox,
            keywords: keywords_of(path),
            root: levels.is_empty(),
            uids: Uids::default(),
        });
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).at(path)? {
        let entry = entry.at(path)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() && !matches!(&*name, "cur" | "new" | "tmp") && levels.len() < 16 {
            entries.push((name, entry.path()));
        }
    }
    entries.sort();
    for (name, below) in entries {
        let depth = levels.len();
        match name.strip_prefix('.') {
            Some(folder) => levels.extend(folder.split('.').map(decode)),
            None => levels.push(decode(&name)),
        }
        find(&below, levels, into, found)?;
        levels.truncate(depth);
    }
    Ok(())
}

/// A level's name: modified UTF-7, or else what it says.
fn decode(level: &str) -> String {
    let part = |part: &str| proto::imap::decode_utf7(part).unwrap_or_else(|| part.to_owned());
    level.split(DOT).map(part).collect::<Vec<_>>().join(".")
}

fn encode(level: &str) -> String {
    level
        .split('.')
        .map(proto::imap::encode_utf7)
        .collect::<Vec<_>>()
        .join(DOT)
}

/// `dovecot-keywords`: a number and a keyword on each line; the number counts
/// from the letter a.
fn keywords_of(folder: &Path) -> Vec<Option<Keyword>> {
    let text = fs::read_to_string(folder.join("dovecot-keywords")).unwrap_or_default();
    let mut keywords = vec![None; KEYWORDS_MAX];
    for line in text.lines() {
        let Some((number, name)) = line.split_once(' ') else {
            continue;
        };
        let place = number
            .parse()
            .ok()
            .and_then(|at: usize| keywords.get_mut(at));
        if let Some(place) = place {
            *place = Keyword::new(name.trim());
        }
    }
    keywords
}

/// The messages of a folder in the order of their UIDs where Dovecot has kept
/// them, others after them by name, which begins with the second of delivery.
fn files(folder: &Path, uids: &Uids) -> Result<Vec<PathBuf>, MailError> {
    let mut files = Vec::new();
    for part in ["cur", "new"] {
        let directory = folder.join(part);
        for entry in fs::read_dir(&directory).at(&directory)? {
            let entry = entry.at(&directory)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') || !entry.path().is_file() {
                continue;
            }
            let base = name.split(':').next().unwrap_or(&name).to_owned();
            let uid = uids.order.get(&base).copied().unwrap_or(u64::MAX);
            let second: u64 = base
                .split('.')
                .next()
                .and_then(|s| s.parse().ok())
                .unwrap_or(0);
            files.push((uid, second, base, entry.path()));
        }
    }
    files.sort();
    Ok(files.into_iter().map(|(.., path)| path).collect())
}

impl Source for Reader {
    fn octets(&self) -> u64 {
        self.octets
    }

    fn next(&mut self) -> Option<Result<(Message, u64), MailError>> {
        loop {
            if let (Some(folder), Some(file)) = (&self.current, self.files.pop()) {
                return Some(read(
                    folder,
                    &file,
                    self.message_octets_max,
                    &self.unique_ids,
                ));
            }
            let mut folder = self.folders.pop()?;
            folder.uids = self.unique_ids.of_folder(&folder.path);
            match files(&folder.path, &folder.uids) {
                Ok(files) => self.files = files.into_iter().rev().collect(),
                Err(error) => return Some(Err(error)),
            }
            self.current = Some(folder);
        }
    }
}

fn read(
    folder: &Folder,
    file: &Path,
    max: u64,
    unique_ids: &UniqueIds,
) -> Result<(Message, u64), MailError> {
    let found = fs::metadata(file).at(file)?;
    if found.len() > max {
        return Err(MailError::new(
            file,
            format!("longer than {max} octets, left out"),
        ));
    }
    let octets = to_crlf(&fs::read(file).at(file)?);
    let modified = found.modified().at(file)?;
    let seconds = match modified.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(0),
        Err(_) => 0,
    };
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let base = name.split(':').next().unwrap_or(&name);
    let unique_id = folder
        .root
        .then(|| unique_ids.of_file(&folder.uids, base, &octets));
    let message = Message {
        unique_id: unique_id.flatten(),
        mailbox: folder.mailbox.clone(),
        flags: flags_of(file, &folder.keywords),
        date: InternalDate {
            seconds,
            zone_minutes: 0,
        },
        octets,
    };
    Ok((message, found.len()))
}

fn flags_of(file: &Path, keywords: &[Option<Keyword>]) -> FlagSet {
    let name = file
        .file_name()
        .map(|name| name.to_string_lossy())
        .unwrap_or_default();
    let suffix = name.split_once(":2,").map_or("", |(_, suffix)| suffix);
    let flag = |letter: char| match letter {
        'P' => Keyword::new(PASSED).map(Flag::Keyword),
        'a'..='z' => {
            let at = u32::from(letter) - u32::from('a');
            let keyword = usize::try_from(at).ok().and_then(|at| keywords.get(at));
            keyword.cloned().flatten().map(Flag::Keyword)
        }
        _ => LETTERS
            .iter()
            .find(|(known, _)| *known == letter)
            .map(|(_, flag)| Flag::System(*flag)),
    };
    suffix.chars().filter_map(flag).collect()
}

/// Writes a Maildir with Maildir++ folders.
pub struct Writer {
    directory: PathBuf,
    /// The keywords of each folder, in the order of their letters.
    folders: BTreeMap<PathBuf, Vec<Keyword>>,
    count: u64,
}

impl Writer {
    /// Into a directory that is not there yet or is empty.
    ///
    /// # Errors
    /// If it holds something or cannot be made.
    pub fn create(directory: &Path) -> Result<Self, MailError> {
        super::empty_directory(directory)?;
        let mut writer = Self {
            directory: directory.into(),
            folders: BTreeMap::new(),
            count: 0,
        };
        writer.mailbox(&MailboxName::inbox())?;
        Ok(writer)
    }

    fn folder(&self, name: &MailboxName) -> PathBuf {
        if name.is_inbox() {
            return self.directory.clone();
        }
        let levels: Vec<String> = name.as_str().split('/').map(encode).collect();
        self.directory.join(format!(".{}", levels.join(".")))
    }

    /// The letters of a message's keywords; new ones take the next letter.
    fn letters(&mut self, folder: &Path, flags: &FlagSet) -> Result<String, MailError> {
        let known = self.folders.entry(folder.into()).or_default();
        let mut letters = String::new();
        for keyword in flags
            .keywords()
            .iter()
            .filter(|keyword| keyword.as_str() != PASSED)
        {
            let at = known
                .iter()
                .position(|known| known == keyword)
                .unwrap_or(known.len());
            if at == known.len() {
                known.push(keyword.clone());
            }
            let letter = u32::try_from(at)
                .ok()
                .and_then(|at| char::from_u32(u32::from('a') + at));
            match letter.filter(|_| at < KEYWORDS_MAX) {
                Some(letter) => letters.push(letter),
                None => {
                    let what = "has more than 26 keywords, which a Maildir cannot hold; \
                                export to mbox instead";
                    return Err(MailError::new(folder, what));
                }
            }
        }
        Ok(letters)
    }
}

impl Sink for Writer {
    fn mailbox(&mut self, name: &MailboxName) -> Result<(), MailError> {
        let folder = self.folder(name);
        for part in ["cur", "new", "tmp"] {
            let directory = folder.join(part);
            fs::create_dir_all(&directory).at(&directory)?;
        }
        if !name.is_inbox() {
            let mark = folder.join("maildirfolder");
            File::create(&mark).at(&mark)?;
        }
        self.folders.entry(folder).or_default();
        Ok(())
    }

    fn put(&mut self, message: &Message) -> Result<(), MailError> {
        let folder = self.folder(&message.mailbox);
        if !self.folders.contains_key(&folder) {
            self.mailbox(&message.mailbox)?;
        }
        let mut letters: String = LETTERS
            .iter()
            .filter(|(_, flag)| message.flags.has(*flag))
            .map(|(letter, _)| *letter)
            .collect();
        if message
            .flags
            .keywords()
            .iter()
            .any(|keyword| keyword.as_str() == PASSED)
        {
            letters.push('P');
        }
        let mut letters: Vec<char> = letters.chars().collect();
        letters.sort_unstable();
        letters.extend(self.letters(&folder, &message.flags)?.chars());
        let letters: String = letters.into_iter().collect();

        self.count += 1;
        let seconds = u64::try_from(message.date.seconds).unwrap_or(0);
        let name = format!("{seconds}.R{:09}.restante", self.count);
        let draft = folder.join("tmp").join(&name);
        let modified = UNIX_EPOCH + Duration::from_secs(seconds);
        write(&draft, &message.octets, modified).at(&draft)?;
        let file = folder.join("cur").join(format!("{name}:2,{letters}"));
        fs::rename(&draft, &file).at(&file)
    }

    fn finish(self: Box<Self>) -> Result<u64, MailError> {
        for (folder, keywords) in &self.folders {
            if keywords.is_empty() {
                continue;
            }
            let lines = keywords.iter().enumerate();
            let text: String = lines
                .map(|(at, keyword)| format!("{at} {keyword}\n"))
                .collect();
            let file = folder.join("dovecot-keywords");
            fs::write(&file, text).at(&file)?;
        }
        let mut count = 0;
        for folder in self.folders.keys() {
            count += files(folder, &Uids::default())?.len() as u64;
            let directory = folder.join("cur");
            File::open(&directory)
                .and_then(|open| open.sync_all())
                .at(&directory)?;
        }
        Ok(count)
    }
}

fn write(path: &Path, octets: &[u8], modified: SystemTime) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create_new(path)?);
    for (line, end) in lines_out(octets) {
        file.write_all(line)?;
        file.write_all(end)?;
    }
    let file = file
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)?;
    file.set_times(FileTimes::new().set_modified(modified))?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(mailbox: &str, octets: &str, flags: &[&str]) -> Message {
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

    fn read_all(path: &Path) -> Vec<Message> {
        let mut reader = Reader::open(path, None, 1 << 20, UniqueIds::default()).unwrap();
        let mut messages = Vec::new();
        let mut octets = 0;
        while let Some(next) = reader.next() {
            let (message, taken) = next.unwrap();
            messages.push(message);
            octets += taken;
        }
        assert_eq!(octets, reader.octets());
        messages
    }

    #[test]
    fn what_is_written_comes_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out");
        let messages = vec![
            message("INBOX", "Subject: a\r\n\r\nbody\r\n", &[]),
            message(
                "INBOX",
                "bare\rreturn\r\r\nno end",
                &["\\Seen", "$Forwarded", "b"],
            ),
            message(
                "INBOX",
                "",
                &["\\Answered", "\\Draft", "\\Deleted", "\\Flagged", "b", "C"],
            ),
            message("Archive/v1.0/Größe", "x\r\n", &["$Junk"]),
        ];
        let mut writer = Box::new(Writer::create(&path).unwrap());
        for message in &messages {
            writer.put(message).unwrap();
        }
        writer.mailbox(&MailboxName::new("Empty").unwrap()).unwrap();
        assert_eq!(writer.finish().unwrap(), messages.len() as u64);
        assert_eq!(read_all(&path), messages);
        assert!(path.join(".Archive.v1&AC4-0.Gr&APYA3w-e/cur").is_dir());
        assert!(path.join(".Empty/maildirfolder").is_file());
        assert!(Writer::create(&path).is_err(), "it is not empty");
    }

    #[test]
    fn a_dovecot_maildir_keeps_its_order_and_keywords() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        for part in ["cur", "new", "tmp", "Plain/cur", "Plain/new"] {
            fs::create_dir_all(path.join(part)).unwrap();
        }
        fs::write(
            path.join("dovecot-uidlist"),
            "3 V1 N4 G0\n1 :3.M3\n2 W4 :1.M1\n",
        )
        .unwrap();
        fs::write(path.join("dovecot-keywords"), "0 $Junk\n2 later\n").unwrap();
        fs::write(path.join("cur/1.M1:2,Sac"), "first\n").unwrap();
        fs::write(path.join("cur/3.M3:2,"), "third\n").unwrap();
        fs::write(path.join("new/2.M2"), "second\n").unwrap();
        fs::write(path.join("Plain/cur/1.x:2,F"), "plain\n").unwrap();
        let read = read_all(path);
        let texts: Vec<_> = read
            .iter()
            .map(|m| String::from_utf8_lossy(&m.octets))
            .collect();
        assert_eq!(texts, ["third\r\n", "first\r\n", "second\r\n", "plain\r\n"]);
        let flags: Vec<String> = read[1]
            .flags
            .iter()
            .map(|flag| flag.as_str().into())
            .collect();
        assert_eq!(flags, ["\\Seen", "$Junk", "later"]);
        assert_eq!(read[3].mailbox.as_str(), "Plain");
    }
}
