//! The METADATA response. RFC 5464 §4.4.

use super::{astring, literal_head, mailbox, nstring, put};
use terms::MailboxName;

/// Writes `* METADATA "INBOX" (/shared/comment "text" …)`; without a mailbox: of
/// the server. A value that is not there is NIL. RFC 5464 §4.4.1.
pub fn metadata<'a>(
    out: &mut Vec<u8>,
    name: Option<&MailboxName>,
    values: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>,
    utf8_names: bool,
) {
    head(out, name, utf8_names);
    let mut before = " (";
    for (entry, value) in values {
        put(out, before);
        astring(out, entry.as_bytes());
        out.push(b' ');
        match value {
            // RFC 5464 §5, value: octets that no string has go as literal8.
            Some(octets) if octets.contains(&0) => {
                out.push(b'~');
                literal_head(out, octets.len() as u64);
                out.extend_from_slice(octets);
            }
            value => nstring(out, value),
        }
        before = " ";
    }
    put(out, ")\r\n");
}

/// Writes `* METADATA "INBOX" /shared/comment …`: these have changed.
/// RFC 5464 §4.4.2.
pub fn metadata_changed<'a>(
    out: &mut Vec<u8>,
    name: Option<&MailboxName>,
    entries: impl IntoIterator<Item = &'a str>,
    utf8_names: bool,
) {
    head(out, name, utf8_names);
    for entry in entries {
        out.push(b' ');
        astring(out, entry.as_bytes());
    }
    put(out, "\r\n");
}

fn head(out: &mut Vec<u8>, name: Option<&MailboxName>, utf8_names: bool) {
    put(out, "* METADATA ");
    match name {
        Some(name) => mailbox(out, name, utf8_names),
        None => put(out, "\"\""),
    }
}
