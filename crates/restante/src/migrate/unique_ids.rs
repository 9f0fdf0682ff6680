//! POP3 unique-ids that messages had where they come from: a mail program that
//! leaves mail on the server would otherwise load all of it again.

use super::tree::Tree;
use super::{At as _, MailError};
use account::{UniqueIdForm, is_unique_id};
use mime::Fields;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use terms::{Uid, UidValidity};

/// Longest list that is read: millions of messages.
const LIST_OCTETS_MAX: u64 = 256 << 20;

/// Dovecot's list of a folder's messages.
pub(super) const UIDS: &str = "dovecot-uidlist";

/// Where unique-ids are taken from.
#[derive(Clone, Debug)]
pub struct UniqueIds {
    /// What the other server made of a UIDVALIDITY and a UID.
    form: UniqueIdForm,
    /// Unique-ids by names of files or Message-IDs, given by hand.
    given: HashMap<String, String>,
}

#[cfg(test)]
impl Default for UniqueIds {
    fn default() -> Self {
        Self {
            form: UniqueIdForm::new("dovecot").unwrap(),
            given: HashMap::new(),
        }
    }
}

/// What Dovecot has kept of a folder.
#[derive(Debug, Default)]
pub struct Uids {
    pub(super) order: HashMap<String, u64>,
    unique_ids: HashMap<String, String>,
}

impl UniqueIds {
    /// `form`: a name or a pattern; `given`: a file of `uidl<TAB>name` lines.
    ///
    /// # Errors
    /// If the form is none, or the file cannot be read.
    pub fn new(form: UniqueIdForm, given: Option<&Path>) -> Result<Self, MailError> {
        let mut map = HashMap::new();
        if let Some(file) = given {
            let text = fs::read_to_string(file).at(file)?;
            for (index, line) in text.lines().enumerate() {
                let fault =
                    |what: &str| MailError::new(file, format!("line {}: {what}", index + 1));
                if line.is_empty() {
                    continue;
                }
                let (id, name) = line
                    .split_once('\t')
                    .ok_or_else(|| fault("no tab between unique-id and name"))?;
                if !is_unique_id(id) {
                    return Err(fault("a unique-id has 1 to 70 printable octets, no blanks"));
                }
                map.insert(key(name), id.to_owned());
            }
        }
        Ok(Self { form, given: map })
    }

    /// What Dovecot's `dovecot-uidlist` says of a Maildir, and else Courier's
    /// `courierpop3dsizelist`.
    pub(super) fn of_folder(&self, tree: &mut Tree, folder: &Path) -> Uids {
        let mut read = |name: &str| tree.text(&folder.join(name), LIST_OCTETS_MAX);
        if let Some(text) = read(UIDS) {
            return dovecot(&text, &self.form);
        }
        let courier = read("courierpop3dsizelist");
        Uids {
            unique_ids: courier.map(|text| courier_ids(&text)).unwrap_or_default(),
            ..Uids::default()
        }
    }

    /// That of a message in a Maildir.
    pub(super) fn of_file(&self, uids: &Uids, base: &str, message: &[u8]) -> Option<String> {
        let given = self.given.get(base);
        let given = given.or_else(|| self.by_message_id(message));
        given.or_else(|| uids.unique_ids.get(base)).cloned()
    }

    fn by_message_id(&self, message: &[u8]) -> Option<&String> {
        if self.given.is_empty() {
            return None;
        }
        let field = Fields::new(message).find(|field| field.is("Message-ID"))?;
        self.given.get(&key(&String::from_utf8_lossy(field.value)))
    }

    /// That of a message in an mbox, by its X-UID and the mbox's X-IMAPbase.
    pub(super) fn of_message(&self, mbox: &mut Option<u32>, message: &[u8]) -> Option<String> {
        let mut uid = None;
        for field in Fields::new(message) {
            let value = || String::from_utf8_lossy(field.value).trim().to_owned();
            let first = || value().split(' ').next().and_then(|word| word.parse().ok());
            if field.is("X-UID") {
                uid = first();
            } else if mbox.is_none() && (field.is("X-IMAPbase") || field.is("X-IMAP")) {
                *mbox = first();
            }
        }
        let given = self.by_message_id(message).cloned();
        given.or_else(|| self.made(mbox.and_then(UidValidity::new)?, uid?))
    }

    fn made(&self, uid_validity: UidValidity, uid: u32) -> Option<String> {
        Some(self.form.make(uid_validity, Uid::new(uid)?))
    }
}

/// Names of files without their flags, Message-IDs without their brackets.
fn key(name: &str) -> String {
    let name = name.trim();
    if let Some(id) = name.strip_prefix('<') {
        return id.strip_suffix('>').unwrap_or(id).to_owned();
    }
    let name = name.rsplit('/').next().unwrap_or(name);
    base(name).to_owned()
}

fn base(name: &str) -> &str {
    name.split(':').next().unwrap_or(name)
}

/// `dovecot-uidlist`: `3 V<uidvalidity> …`, then `uid [keys] :name`, among the
/// keys `P<unique-id>`; the older version 1: `1 uidvalidity nextuid`, then `uid
/// name`.
fn dovecot(text: &str, form: &UniqueIdForm) -> Uids {
    let mut lines = text.lines();
    let mut header = lines.next().unwrap_or_default().split(' ');
    let version = header.next().unwrap_or_default();
    let validity = match version {
        "1" => header.next(),
        _ => header.find_map(|word| word.strip_prefix('V')),
    };
    let validity = validity.and_then(|word| UidValidity::new(word.parse().ok()?));
    let mut uids = Uids::default();
    for line in lines {
        let Some((uid, rest)) = line.split_once(' ') else {
            continue;
        };
        let Ok(uid) = uid.parse::<u32>() else {
            continue;
        };
        // A unique-id may have a colon in it, but no blank.
        let (keys, name) = match (rest.strip_prefix(':'), rest.split_once(" :")) {
            _ if version == "1" => ("", rest),
            (Some(name), _) => ("", name),
            (None, Some((keys, name))) => (keys, name),
            (None, None) => ("", rest),
        };
        let name = base(name).to_owned();
        let kept = keys.split(' ').find_map(|word| word.strip_prefix('P'));
        let id = match kept {
            Some(kept) => Some(kept.to_owned()),
            None => validity.and_then(|validity| Some(form.make(validity, Uid::new(uid)?))),
        };
        if let Some(id) = id.filter(|id| is_unique_id(id)) {
            uids.unique_ids.insert(name.clone(), id);
        }
        uids.order.insert(name, uid.into());
    }
    uids
}

/// `courierpop3dsizelist`: `/version next-uid uidvalidity`, then `name octets
/// uid:uidvalidity[:…]`. Where there is no number, as in the oldest version, the
/// name of the file is the unique-id.
fn courier_ids(text: &str) -> HashMap<String, String> {
    let numbered = text.starts_with('/');
    let mut ids = HashMap::new();
    for line in text.lines().skip(usize::from(numbered)) {
        let mut words = line.rsplitn(if numbered { 3 } else { 2 }, ' ');
        let numbers = numbered.then(|| words.next()).flatten().unwrap_or_default();
        let (Some(_octets), Some(name)) = (words.next(), words.next()) else {
            continue;
        };
        let mut numbers = numbers.split(':');
        let mut number = || {
            numbers
                .next()
                .and_then(|n| n.parse::<u32>().ok())
                .unwrap_or(0)
        };
        let id = match (number(), number()) {
            (0, _) => escaped(base(name)),
            (uid, 0) => format!("UID{uid}"),
            (uid, validity) => format!("UID{uid}-{validity}"),
        };
        if is_unique_id(&id) {
            ids.insert(base(name).to_owned(), id);
        }
    }
    ids
}

/// A file's name as Courier has told it.
fn escaped(name: &str) -> String {
    let mut out = String::new();
    for octet in name.bytes() {
        match octet {
            b'\'' | b'"' | b'+' => out.push_str(&format!("+{octet:02X}")),
            0x21..=0x7e => out.push(char::from(octet)),
            octet => out.push_str(&format!("+{octet:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> UniqueIdForm {
        UniqueIdForm::new(text).unwrap()
    }

    #[test]
    fn dovecot_keeps_some_and_makes_others() {
        let version3 =
            "3 V1275660208 N46 G3085f01b\n45 :a\n7 W12 S11 PUID7:1 :b:2,S\nx :c\n9 P :d\n";
        let uids = dovecot(version3, &form("dovecot"));
        assert_eq!(uids.unique_ids["a"], "0000002d4c0907b0");
        assert_eq!(uids.unique_ids["b"], "UID7:1");
        assert_eq!(uids.unique_ids.len(), 2);
        assert_eq!(uids.order["b"], 7);
        let version1 = "1 1275660208 46\n45 a\n46 b:2,S\n";
        let uids = dovecot(version1, &form("%v.%u"));
        assert_eq!(uids.unique_ids["a"], "1275660208.45");
        assert_eq!(uids.unique_ids["b"], "1275660208.46");
        assert!(dovecot("", &form("%u")).unique_ids.is_empty());
    }

    #[test]
    fn courier_numbers_or_names() {
        let ids =
            courier_ids("/2 9 1275660208\na.M1 100 7:1275660208\nb c 1 8:0\nd'e,S=3:2,S 5 0:0\n");
        assert_eq!(ids["a.M1"], "UID7-1275660208");
        assert_eq!(ids["b c"], "UID8");
        assert_eq!(ids["d'e,S=3"], "d+27e,S=3");
        let ids = courier_ids("/3 9 1275660208\na 100 7:1275660208:0\n");
        assert_eq!(ids["a"], "UID7-1275660208");
        let ids = courier_ids("a.M1:2, 100\nb 7\n");
        assert_eq!((&*ids["a.M1"], &*ids["b"]), ("a.M1", "b"));
    }

    #[test]
    fn given_ids_win_and_are_checked() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("map");
        fs::write(&file, "one\t1.M1:2,S\n\ntwo\t<2@example.org>\n").unwrap();
        let ids = UniqueIds::new(form("dovecot"), Some(&file)).unwrap();
        let message = b"Message-ID:\r\n <2@example.org>\r\n\r\n";
        let uids = dovecot("3 V1 N4\n1 :1.M1\n2 :2.M2\n3 :3.M3\n", &ids.form);
        let check = |base: &str, message: &[u8], expected: Option<&str>| {
            assert_eq!(
                ids.of_file(&uids, base, message).as_deref(),
                expected,
                "{base}"
            );
        };
        check("1.M1", b"", Some("one"));
        check("2.M2", message, Some("two"));
        check("3.M3", b"\r\n", Some("0000000300000001"));
        check("4.M4", b"\r\n", None);
        for (text, line) in [("one\n", "line 1"), ("a\tb\n\u{fc}\tc\n", "line 2")] {
            fs::write(&file, text).unwrap();
            let said = UniqueIds::new(form("%u"), Some(&file))
                .unwrap_err()
                .to_string();
            assert!(said.contains(line), "{said}");
        }
    }

    #[test]
    fn an_mbox_says_its_uids() {
        let ids = UniqueIds::new(form("uw-imap"), None).unwrap();
        let mut mbox = None;
        let first = b"X-IMAPbase: 1275660208 0000000046\r\nX-UID: 45\r\n\r\n";
        let id = ids.of_message(&mut mbox, first);
        assert_eq!(id.as_deref(), Some("4c0907b00000002d"));
        let id = ids.of_message(&mut mbox, b"X-UID: 46\r\n\r\nX-UID: 1\r\n");
        assert_eq!(id.as_deref(), Some("4c0907b00000002e"));
        assert_eq!(ids.of_message(&mut mbox, b"\r\nX-UID: 1\r\n"), None);
    }
}
