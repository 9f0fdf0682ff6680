//! Answers, written into memory. RFC 3501 §7.

mod acl;
mod code;
mod fetch;
mod metadata;

pub use acl::{acl, list_rights, my_rights};
pub use code::Code;
pub use fetch::fetch_item_name;
pub use metadata::{metadata, metadata_changed};

use super::utf7::encode_utf7;
use std::io::Write as _;
use terms::{FlagSet, MailboxName, ModSeq, UidSet};

/// How a command ended, or what a condition means. RFC 3501 §7.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// OK
    Ok,
    /// NO
    No,
    /// BAD
    Bad,
    /// PREAUTH
    PreAuth,
    /// BYE
    Bye,
}

impl Status {
    /// The status's text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::No => "NO",
            Self::Bad => "BAD",
            Self::PreAuth => "PREAUTH",
            Self::Bye => "BYE",
        }
    }
}

/// Writes `tag OK [CODE] text`. `tag` is `*` for an untagged one. RFC 3501 §7.1,
/// resp-cond-state. `text` must not be empty; control characters in it are
/// replaced.
pub fn status(out: &mut Vec<u8>, tag: &str, status: Status, code: Option<&Code>, text: &str) {
    put(out, tag);
    out.push(b' ');
    put(out, status.as_str());
    out.push(b' ');
    if let Some(code) = code {
        out.push(b'[');
        code.write(out);
        put(out, "] ");
    }
    resp_text(out, text);
    put(out, "\r\n");
}

/// Writes `+ text`. RFC 3501 §7.5, continue-req.
pub fn continue_req(out: &mut Vec<u8>, text: &str) {
    put(out, "+ ");
    resp_text(out, text);
    put(out, "\r\n");
}

/// The text of a response: octets that no line can hold are replaced.
fn resp_text(out: &mut Vec<u8>, text: &str) {
    out.extend(text.chars().map(|c| match c {
        ' '..='~' => u8::try_from(c).unwrap_or(b'?'),
        _ => b'?',
    }));
}

/// Writes `* 23 EXISTS` and the like. RFC 3501 §7.3.
pub fn numbered(out: &mut Vec<u8>, number: u32, name: &str) {
    // Writing to memory does not fail, here and below.
    let _ = write!(out, "* {number} {name}\r\n");
}

/// Writes `* CAPABILITY IMAP4rev1 …`. RFC 3501 §7.2.1.
pub fn capability(out: &mut Vec<u8>, names: &[impl AsRef<str>]) {
    put(out, "* CAPABILITY");
    for name in names {
        out.push(b' ');
        put(out, name.as_ref());
    }
    put(out, "\r\n");
}

/// Writes `* ENABLED …`. RFC 5161 §3.2.
pub fn enabled(out: &mut Vec<u8>, names: &[&str]) {
    put(out, "* ENABLED");
    for name in names {
        out.push(b' ');
        put(out, name);
    }
    put(out, "\r\n");
}

/// Writes `* FLAGS (…)`. RFC 3501 §7.2.6.
pub fn flags(out: &mut Vec<u8>, flags: &FlagSet) {
    put(out, "* FLAGS ");
    flag_list(out, flags, &[]);
    put(out, "\r\n");
}

/// Writes `(\Seen $Forwarded)`, then `more`. RFC 3501 §9, flag-list.
pub fn flag_list(out: &mut Vec<u8>, flags: &FlagSet, more: &[&str]) {
    out.push(b'(');
    let mut space = "";
    for flag in flags.iter() {
        put(out, space);
        put(out, flag.as_str());
        space = " ";
    }
    for flag in more {
        put(out, space);
        put(out, flag);
        space = " ";
    }
    out.push(b')');
}

/// Writes `* LIST (\HasChildren) "/" name`. RFC 3501 §7.2.2.
pub fn list(out: &mut Vec<u8>, attributes: &[&str], name: &MailboxName, utf8_names: bool) {
    mailbox_list(out, "LIST", attributes, name.as_str(), utf8_names);
}

/// Writes the same of a name below which others are selected that it is not itself,
/// or is too: `("CHILDINFO" ("SUBSCRIBED"))`. RFC 5258 §6, childinfo-extended-item.
pub fn list_with_children(
    out: &mut Vec<u8>,
    attributes: &[&str],
    name: &MailboxName,
    utf8_names: bool,
) {
    list(out, attributes, name, utf8_names);
    out.truncate(out.len().saturating_sub(2));
    put(out, " (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n");
}

/// Writes the same of a name that was given in another form: `("OLDNAME" ("old"))`.
/// RFC 9051 §6.3.9.7.
pub fn list_with_old_name(
    out: &mut Vec<u8>,
    attributes: &[&str],
    name: &MailboxName,
    old_name: &str,
    utf8_names: bool,
) {
    list(out, attributes, name, utf8_names);
    out.truncate(out.len().saturating_sub(2));
    put(out, " (\"OLDNAME\" (");
    mailbox_text(out, old_name, utf8_names);
    put(out, "))\r\n");
}

/// Writes `* LSUB () "/" name`. RFC 3501 §7.2.3.
pub fn lsub(out: &mut Vec<u8>, attributes: &[&str], name: &MailboxName, utf8_names: bool) {
    mailbox_list(out, "LSUB", attributes, name.as_str(), utf8_names);
}

/// Writes the answer to a LIST or LSUB with an empty pattern: the separator and
/// `root`, the root name of the reference. RFC 3501 §6.3.8.
pub fn list_root(out: &mut Vec<u8>, response: &str, root: &str) {
    mailbox_list(out, response, &["\\Noselect"], root, false);
}

fn mailbox_list(
    out: &mut Vec<u8>,
    response: &str,
    attributes: &[&str],
    name: &str,
    utf8_names: bool,
) {
    put(out, "* ");
    put(out, response);
    put(out, " (");
    for (index, attribute) in attributes.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        put(out, attribute);
    }
    put(out, ") \"/\" ");
    mailbox_text(out, name, utf8_names);
    put(out, "\r\n");
}

/// Writes a mailbox's name: modified UTF-7, or UTF-8 for a session that has
/// enabled it. RFC 3501 §9, mailbox.
pub fn mailbox(out: &mut Vec<u8>, name: &MailboxName, utf8_names: bool) {
    mailbox_text(out, name.as_str(), utf8_names);
}

fn mailbox_text(out: &mut Vec<u8>, name: &str, utf8_names: bool) {
    match (utf8_names, name.is_ascii()) {
        // RFC 9051 §9, quoted: UTF-8 stands in it as it is.
        (true, false) => quoted(out, name.as_bytes()),
        (true, true) => astring(out, name.as_bytes()),
        (false, _) => astring(out, encode_utf7(name).as_bytes()),
    }
}

/// What a STATUS item comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusValue {
    /// A number.
    Number(u64),
    /// An objectid, in parentheses. RFC 8474 §4.3.
    Id(String),
}

/// Writes `* STATUS name (MESSAGES 231 …)`. RFC 3501 §7.2.4.
pub fn mailbox_status(
    out: &mut Vec<u8>,
    name: &MailboxName,
    items: &[(&str, StatusValue)],
    utf8_names: bool,
) {
    put(out, "* STATUS ");
    mailbox(out, name, utf8_names);
    put(out, " (");
    for (index, (item, value)) in items.iter().enumerate() {
        let space = if index > 0 { " " } else { "" };
        let _ = match value {
            StatusValue::Number(value) => write!(out, "{space}{item} {value}"),
            StatusValue::Id(value) => write!(out, "{space}{item} ({value})"),
        };
    }
    put(out, ")\r\n");
}

/// Writes `* SEARCH 2 84 882`. RFC 3501 §7.2.5.
pub fn search(out: &mut Vec<u8>, numbers: impl IntoIterator<Item = u32>) {
    put(out, "* SEARCH");
    for number in numbers {
        search_number(out, number);
    }
    put(out, "\r\n");
}

/// Writes one more number of a `* SEARCH` or `* SORT` that is written in parts.
pub fn search_number(out: &mut Vec<u8>, number: u32) {
    let _ = write!(out, " {number}");
}

/// Writes `* ESEARCH (TAG "a") UID`; results follow, then the line's end. RFC 4731
/// §4, esearch-response.
pub fn esearch_head(out: &mut Vec<u8>, tag: &str, uid: bool) {
    put(out, "* ESEARCH (TAG ");
    // RFC 4466 §2.6.2: a string, and no atom.
    string(out, tag.as_bytes());
    put(out, if uid { ") UID" } else { ")" });
}

/// Writes `* UIDBATCHES (TAG "a")`; ranges follow, then the line's end. RFC 10022 §4,
/// uidbatches-response.
pub fn uidbatches_head(out: &mut Vec<u8>, tag: &str) {
    put(out, "* UIDBATCHES (TAG ");
    string(out, tag.as_bytes());
    put(out, ")");
}

/// Writes `* QUOTA "" (STORAGE 10 512)`: resource, usage, limit. RFC 9208 §4.2.1.
pub fn quota(out: &mut Vec<u8>, root: &str, resources: &[(&str, u64, u64)]) {
    put(out, "* QUOTA ");
    string(out, root.as_bytes());
    put(out, " (");
    for (index, (name, usage, limit)) in resources.iter().enumerate() {
        let space = if index > 0 { " " } else { "" };
        let _ = write!(out, "{space}{name} {usage} {limit}");
    }
    put(out, ")\r\n");
}

/// Writes `* QUOTAROOT INBOX ""`; `None` where no root is told. RFC 9208 §4.2.2.
pub fn quota_root(out: &mut Vec<u8>, name: &MailboxName, root: Option<&str>, utf8_names: bool) {
    put(out, "* QUOTAROOT ");
    mailbox(out, name, utf8_names);
    if let Some(root) = root {
        out.push(b' ');
        string(out, root.as_bytes());
    }
    put(out, "\r\n");
}

/// Writes the end of a `* SEARCH` whose criteria had MODSEQ. RFC 7162 §3.1.6.
pub fn search_modseq(out: &mut Vec<u8>, modseq: ModSeq) {
    let _ = write!(out, " (MODSEQ {modseq})");
}

/// Writes `* VANISHED 405,407`, or `* VANISHED (EARLIER) 41,43:116`, in lines of
/// bounded length. RFC 7162 §3.2.10.
pub fn vanished(out: &mut Vec<u8>, earlier: bool, uids: &UidSet) {
    let name = if earlier {
        "* VANISHED (EARLIER) "
    } else {
        "* VANISHED "
    };
    let mut part = UidSet::new();
    for (first, last) in uids.runs() {
        part.insert_range(first, last);
        if part.run_count() == VANISHED_RUNS_MAX {
            let _ = write!(out, "{name}{part}\r\n");
            part = UidSet::new();
        }
    }
    if !part.is_empty() {
        let _ = write!(out, "{name}{part}\r\n");
    }
}

/// Runs of identifiers in one line.
const VANISHED_RUNS_MAX: usize = 500;

/// Writes `* NAMESPACE (("" "/")) (("Users/" "/")) NIL`: own mailboxes, and those of
/// other users below `others`. RFC 2342 §5.
pub fn namespace(out: &mut Vec<u8>, others: &str) {
    put(out, "* NAMESPACE ((\"\" \"/\")) ((");
    quoted(out, others.as_bytes());
    put(out, " \"/\")) NIL\r\n");
}

/// Writes `* ID ("name" "Restante" …)`. RFC 2971 §3.2.
pub fn id(out: &mut Vec<u8>, pairs: &[(&str, &str)]) {
    put(out, "* ID ");
    if pairs.is_empty() {
        put(out, "NIL");
    } else {
        out.push(b'(');
        for (index, (field, value)) in pairs.iter().enumerate() {
            if index > 0 {
                out.push(b' ');
            }
            string(out, field.as_bytes());
            out.push(b' ');
            string(out, value.as_bytes());
        }
        out.push(b')');
    }
    put(out, "\r\n");
}

/// Writes an atom where the octets are one, a string otherwise. RFC 3501 §9,
/// astring.
pub fn astring(out: &mut Vec<u8>, octets: &[u8]) {
    let atom = !octets.is_empty()
        && octets.iter().copied().all(super::parse::is_astring_char)
        && !octets.eq_ignore_ascii_case(b"NIL");
    if atom {
        out.extend_from_slice(octets);
    } else {
        string(out, octets);
    }
}

/// Writes a quoted string where that can carry the octets, a literal otherwise.
/// RFC 3501 §9, string.
pub fn string(out: &mut Vec<u8>, octets: &[u8]) {
    let legal = |octet: &u8| (1..=0x7f).contains(octet) && !matches!(octet, b'\r' | b'\n');
    if octets.len() <= QUOTED_OCTETS_MAX && octets.iter().all(legal) {
        quoted(out, octets);
    } else {
        literal(out, octets);
    }
}

/// Writes a string, or NIL. RFC 3501 §9, nstring.
pub fn nstring(out: &mut Vec<u8>, octets: Option<&[u8]>) {
    match octets {
        Some(octets) => string(out, octets),
        None => put(out, "NIL"),
    }
}

/// Writes a quoted string; the octets have no CR, LF or NUL.
fn quoted(out: &mut Vec<u8>, octets: &[u8]) {
    out.push(b'"');
    for &octet in octets {
        if matches!(octet, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(octet);
    }
    out.push(b'"');
}

/// Writes a literal. RFC 3501 §9, literal.
pub fn literal(out: &mut Vec<u8>, octets: &[u8]) {
    literal_head(out, octets.len() as u64);
    out.extend_from_slice(octets);
}

/// Writes what stands before the octets of a literal.
pub fn literal_head(out: &mut Vec<u8>, octets: u64) {
    let _ = write!(out, "{{{octets}}}\r\n");
}

/// Longest string that is quoted; others go as literals, which clients can read
/// without looking at each octet.
const QUOTED_OCTETS_MAX: usize = 1_000;

fn put(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests;
