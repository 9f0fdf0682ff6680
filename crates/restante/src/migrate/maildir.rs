//! Maildirs with Maildir++ folders: a file for each message, flags in its name,
//! the internal date as its time of modification, keywords as letters that
//! `dovecot-keywords` explains.

use super::tree::{Entry, Kind, Tree};
use super::unique_ids::{UIDS, Uids};
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
/// Longest list of keywords that is read.
const KEYWORDS_OCTETS_MAX: u64 = 1 << 20;
/// Longest list of subscriptions that is read.
const SUBSCRIPTIONS_OCTETS_MAX: u64 = 16 << 20;
/// Where the messages of a folder lie. Some programs take a part away where it is
/// empty.
const PARTS: [&str; 2] = ["cur", "new"];
/// Where subscriptions are kept.
const SUBSCRIPTIONS: &str = "subscriptions";
/// How deep folders may lie.
const LEVELS_MAX: usize = 16;
/// What a level's dot is written as, the dot being the separator of Maildir++.
const DOT: &str = "&AC4-";

/// The messages of a Maildir and its folders.
pub struct Reader {
    tree: Tree,
    mailboxes: Vec<MailboxName>,
    subscriptions: Option<Vec<MailboxName>>,
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
        let mut tree = Tree::open(path)?;
        let mut found = Vec::new();
        find(&mut tree, path, &mut Vec::new(), into, &mut found)?;
        if found.is_empty() {
            let what = "no Maildir: neither it nor a directory in it has `cur` or `new`";
            return Err(MailError::new(path, what));
        }
        let mut octets = 0;
        for folder in &found {
            let (files, _) = files(&tree, &folder.path)?;
            octets += files.iter().map(|file| file.octets).sum::<u64>();
        }
        let subscriptions = subscriptions_of(&mut tree, path, into, &found);
        let mailboxes = found.iter().map(|folder| folder.mailbox.clone()).collect();
        found.reverse();
        Ok(Self {
            tree,
            mailboxes,
            subscriptions,
            folders: found,
            files: Vec::new(),
            current: None,
            unique_ids,
            octets,
            message_octets_max,
        })
    }
}

/// What `subscriptions` lists, as Dovecot writes it: a name on each line, its levels
/// separated as those of the folders are; from version 2 on, which begins with a line
/// `V<TAB>2` and a blank one, by tabs.
fn subscriptions_of(
    tree: &mut Tree,
    root: &Path,
    into: Option<&MailboxName>,
    found: &[Folder],
) -> Option<Vec<MailboxName>> {
    let text = tree.text(&root.join(SUBSCRIPTIONS), SUBSCRIPTIONS_OCTETS_MAX)?;
    let is_plain = |folder: &Folder| {
        let name = folder.path.file_name().unwrap_or_default();
        !folder.root && !name.to_string_lossy().starts_with('.')
    };
    let mut separator = if found.iter().any(is_plain) { '/' } else { '.' };
    let mut lines = text.lines();
    if text.starts_with("V\t") {
        separator = '\t';
        lines.next();
    }
    let names = lines.map(str::trim_end).filter(|line| !line.is_empty());
    let name = |line: &str| {
        let levels: Vec<String> = line.split(separator).map(decode).collect();
        mailbox_name(into, &levels)
    };
    Some(names.map(name).collect())
}

/// Finds folders, sixteen levels deep at the most, the root first.
fn find(
    tree: &mut Tree,
    path: &Path,
    levels: &mut Vec<String>,
    into: Option<&MailboxName>,
    found: &mut Vec<Folder>,
) -> Result<(), MailError> {
    let entries = tree.entries(path)?;
    // A link to a directory stands where a folder could; others are no mail.
    let links = entries.iter().filter(|entry| entry.kind == Kind::Link);
    for link in links.filter(|link| link.path.is_dir()) {
        tree.leave_out(link);
    }
    let folders = entries
        .into_iter()
        .filter(|entry| entry.kind == Kind::Directory);
    let (parts, folders): (Vec<Entry>, Vec<Entry>) =
        folders.partition(|folder| matches!(&*folder.name, "cur" | "new" | "tmp"));
    let has = |name: &str| parts.iter().any(|part| part.name == name);
    if PARTS.iter().any(|part| has(part)) {
        found.push(Folder {
            path: path.into(),
            mailbox: mailbox_name(into, levels),
            keywords: keywords_of(tree, path),
            root: levels.is_empty(),
            uids: Uids::default(),
        });
    }
    if levels.len() >= LEVELS_MAX {
        return Ok(());
    }
    for folder in folders {
        let depth = levels.len();
        match folder.name.strip_prefix('.') {
            Some(name) => levels.extend(name.split('.').map(decode)),
            None => levels.push(decode(&folder.name)),
        }
        find(tree, &folder.path, levels, into, found)?;
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
fn keywords_of(tree: &mut Tree, folder: &Path) -> Vec<Option<Keyword>> {
    let text = tree.text(&folder.join("dovecot-keywords"), KEYWORDS_OCTETS_MAX);
    let text = text.unwrap_or_default();
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

/// The files of a folder that are messages, and what stands among them.
fn files(tree: &Tree, folder: &Path) -> Result<(Vec<Entry>, Vec<Entry>), MailError> {
    let mut found = Vec::new();
    for part in tree.entries(folder)? {
        if part.kind == Kind::Directory && PARTS.contains(&&*part.name) {
            found.extend(tree.entries(&part.path)?);
        }
    }
    found.retain(|entry| !entry.name.starts_with('.') && entry.kind != Kind::Directory);
    Ok(found
        .into_iter()
        .partition(|entry| entry.kind == Kind::File))
}

/// The messages of a folder in the order of their UIDs where Dovecot has kept
/// them, others after them by name, which begins with the second of delivery.
fn in_order(files: Vec<Entry>, uids: &Uids) -> Vec<PathBuf> {
    let mut ordered = Vec::with_capacity(files.len());
    for Entry { name, path, .. } in files {
        let base = name.split(':').next().unwrap_or(&name).to_owned();
        let uid = uids.order.get(&base).copied().unwrap_or(u64::MAX);
        let second: u64 = base
            .split('.')
            .next()
            .and_then(|s| s.parse().ok())
            .unwrap_or(0);
        ordered.push((uid, second, base, path));
    }
    ordered.sort();
    ordered.into_iter().map(|(.., path)| path).collect()
}

impl Source for Reader {
    fn octets(&self) -> u64 {
        self.octets
    }

    fn mailboxes(&self) -> Vec<MailboxName> {
        self.mailboxes.clone()
    }

    fn subscriptions(&self) -> Option<&[MailboxName]> {
        self.subscriptions.as_deref()
    }

    fn next(&mut self) -> Option<Result<(Message, u64), MailError>> {
        loop {
            if let Some(left_out) = self.tree.next_left_out() {
                return Some(Err(left_out));
            }
            if let (Some(folder), Some(file)) = (&self.current, self.files.pop()) {
                return Some(read(
                    &self.tree,
                    folder,
                    &file,
                    self.message_octets_max,
                    &self.unique_ids,
                ));
            }
            let mut folder = self.folders.pop()?;
            folder.uids = self.unique_ids.of_folder(&mut self.tree, &folder.path);
            match files(&self.tree, &folder.path) {
                Ok((files, others)) => {
                    others.iter().for_each(|other| self.tree.leave_out(other));
                    self.files = in_order(files, &folder.uids);
                    self.files.reverse();
                }
                Err(error) => return Some(Err(error)),
            }
            self.current = Some(folder);
        }
    }
}

fn read(
    tree: &Tree,
    folder: &Folder,
    file: &Path,
    max: u64,
    unique_ids: &UniqueIds,
) -> Result<(Message, u64), MailError> {
    let (octets, found) = tree.read(file, max)?;
    let taken = octets.len() as u64;
    let octets = to_crlf(&octets);
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
    Ok((message, taken))
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
    /// The lines of the Maildir's own list of unique-ids.
    uids: String,
    uid_next: u32,
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
            uids: String::new(),
            uid_next: 1,
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

    /// Writes which unique-ids POP3 has shown, where Dovecot and `import` look for
    /// them.
    fn write_uids(&self) -> Result<(), MailError> {
        if self.uids.is_empty() {
            return Ok(());
        }
        // Every export numbers anew, so that its UIDVALIDITY is its own.
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let seconds = now.map_or(1, |now| now.as_secs());
        let validity = u32::try_from(seconds).unwrap_or(u32::MAX).max(1);
        let text = format!("3 V{validity} N{}\n{}", self.uid_next, self.uids);
        super::write_text(&self.directory.join(UIDS), &text)
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
            super::make_directory(&folder.join(part))?;
        }
        if !name.is_inbox() {
            let mark = folder.join("maildirfolder");
            super::new_file(&mark).at(&mark)?;
        }
        self.folders.entry(folder).or_default();
        Ok(())
    }

    fn subscriptions(&mut self, names: &[MailboxName]) -> Result<(), MailError> {
        let line = |name: &MailboxName| {
            let levels: Vec<String> = name.as_str().split('/').map(encode).collect();
            format!("{}\n", levels.join("."))
        };
        let file = self.directory.join(SUBSCRIPTIONS);
        super::write_text(&file, &names.iter().map(line).collect::<String>())
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
        fs::rename(&draft, &file).at(&file)?;
        if let Some(id) = message
            .unique_id
            .as_ref()
            .filter(|_| folder == self.directory)
        {
            self.uids
                .push_str(&format!("{} P{id} :{name}\n", self.uid_next));
            self.uid_next += 1;
        }
        Ok(())
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
            super::write_text(&folder.join("dovecot-keywords"), &text)?;
        }
        self.write_uids()?;
        let tree = Tree::open(&self.directory)?;
        let mut count = 0;
        for folder in self.folders.keys() {
            count += files(&tree, folder)?.0.len() as u64;
            let directory = folder.join("cur");
            File::open(&directory)
                .and_then(|open| open.sync_all())
                .at(&directory)?;
        }
        Ok(count)
    }
}

fn write(path: &Path, octets: &[u8], modified: SystemTime) -> std::io::Result<()> {
    let mut file = BufWriter::new(super::new_file(path)?);
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
    use super::super::tests::{self, message};
    use super::*;
    use std::os::unix::fs::symlink;

    fn read_all(path: &Path) -> Vec<Message> {
        let reader = Reader::open(path, None, 1 << 20, UniqueIds::default());
        tests::read_all(&mut reader.unwrap())
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
        tests::is_private(&path);
    }

    #[test]
    fn unique_ids_come_back_with_what_pop3_shows() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out");
        let mut messages = Vec::new();
        for (seconds, id) in [(9, "b:1"), (7, "a"), (8, "0000002d4c0907b0")] {
            let mut message = message("INBOX", "x\r\n", &["\\Seen"]);
            message.date.seconds = seconds;
            message.unique_id = Some(id.to_owned());
            messages.push(message);
        }
        let mut writer = Box::new(Writer::create(&path).unwrap());
        for message in &messages {
            writer.put(message).unwrap();
        }
        writer.finish().unwrap();
        assert_eq!(read_all(&path), messages);
        tests::is_private(&path);
    }

    #[test]
    fn a_folder_may_lack_cur_or_new() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        for part in ["cur", ".New/new", ".Cur/cur", ".Cur/tmp", ".None/tmp"] {
            fs::create_dir_all(path.join(part)).unwrap();
        }
        fs::write(path.join(".New/new/1.a"), "new\n").unwrap();
        fs::write(path.join(".Cur/cur/1.a:2,"), "cur\n").unwrap();
        let read = read_all(path);
        let read: Vec<_> = read
            .iter()
            .map(|m| (m.mailbox.as_str(), &*m.octets))
            .collect();
        assert_eq!(read, [("Cur", b"cur\r\n" as &[u8]), ("New", b"new\r\n")]);
        let reader = Reader::open(path, None, 1 << 20, UniqueIds::default()).unwrap();
        assert_eq!(reader.mailboxes().len(), 3);
    }

    #[test]
    fn links_are_left_out_and_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let outside = tempfile::tempdir().unwrap();
        let outside = outside.path();
        for part in ["cur", "new"] {
            fs::create_dir(path.join(part)).unwrap();
            fs::create_dir(outside.join(part)).unwrap();
        }
        fs::write(outside.join("cur/1.x:2,"), "another's\n").unwrap();
        fs::write(outside.join("dovecot-keywords"), "0 secret\n").unwrap();
        fs::write(path.join("cur/1.own:2,a"), "own\n").unwrap();
        let links = [
            ("cur/1.x:2,", "cur/2.link:2,S"),
            ("", ".Folder"),
            ("dovecot-keywords", "dovecot-keywords"),
            ("dovecot-keywords", "dovecot-uidlist"),
            ("dovecot-keywords", "courierpop3dsizelist"),
            ("dovecot-keywords", "subscriptions"),
        ];
        for (to, from) in links {
            symlink(outside.join(to), path.join(from)).unwrap();
        }
        let mut reader = Reader::open(path, None, 1 << 20, UniqueIds::default()).unwrap();
        assert_eq!(reader.subscriptions(), None);
        let (mut texts, mut left_out) = (Vec::new(), Vec::new());
        while let Some(next) = reader.next() {
            match next {
                Ok((message, _)) => texts.push((message.octets, message.flags.keywords().len())),
                Err(error) => left_out.push(error.to_string()),
            }
        }
        assert_eq!(texts, [(b"own\r\n".to_vec(), 0)]);
        for (_, from) in links {
            let told = format!(
                "{}: is a symbolic link, left out",
                path.join(from).display()
            );
            assert!(left_out.contains(&told), "{from}: {left_out:#?}");
        }
        assert_eq!(left_out.len(), links.len());
    }

    #[test]
    fn subscriptions_are_read_as_dovecot_writes_them() {
        for (folders, text) in [
            (".A.b&AOk-", "INBOX\nA.b&AOk-\nv1&AC4-0\n"),
            (".A.b&AOk-", "V\t2\n\nINBOX\nA\tb&AOk-\nv1.0\n"),
            ("A/b&AOk-", "INBOX\nA/bé\nv1.0\n"),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path();
            for folder in [".", folders] {
                fs::create_dir_all(path.join(folder).join("cur")).unwrap();
                fs::create_dir_all(path.join(folder).join("new")).unwrap();
            }
            fs::write(path.join("subscriptions"), text).unwrap();
            let reader = Reader::open(path, None, 1, UniqueIds::default()).unwrap();
            let names = |names: &[MailboxName]| {
                let names = names.iter().map(MailboxName::to_string);
                names.collect::<Vec<_>>().join(" ")
            };
            assert_eq!(names(&reader.mailboxes()), "INBOX A/bé", "{text}");
            let subscribed = reader.subscriptions().map(names);
            assert_eq!(subscribed.as_deref(), Some("INBOX A/bé v1.0"), "{text}");
        }
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
