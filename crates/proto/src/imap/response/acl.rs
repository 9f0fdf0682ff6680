//! ACL, LISTRIGHTS and MYRIGHTS. RFC 4314 §3.6 to §3.8.

use super::{astring, mailbox, put};
use terms::MailboxName;

/// Writes `* ACL INBOX Fred rwipslda …`. RFC 4314 §3.6.
pub fn acl(out: &mut Vec<u8>, name: &MailboxName, entries: &[(String, String)], utf8_names: bool) {
    put(out, "* ACL ");
    mailbox(out, name, utf8_names);
    for (identifier, rights) in entries {
        word(out, identifier);
        word(out, rights);
    }
    put(out, "\r\n");
}

/// Writes `* LISTRIGHTS INBOX Fred "" l r s …`: those that are always there, then
/// those that can be given. RFC 4314 §3.7.
pub fn list_rights(
    out: &mut Vec<u8>,
    name: &MailboxName,
    identifier: &str,
    required: &str,
    optional: &[String],
    utf8_names: bool,
) {
    put(out, "* LISTRIGHTS ");
    mailbox(out, name, utf8_names);
    word(out, identifier);
    word(out, required);
    for rights in optional {
        word(out, rights);
    }
    put(out, "\r\n");
}

/// Writes `* MYRIGHTS INBOX rwiptsldaex`. RFC 4314 §3.8.
pub fn my_rights(out: &mut Vec<u8>, name: &MailboxName, rights: &str, utf8_names: bool) {
    put(out, "* MYRIGHTS ");
    mailbox(out, name, utf8_names);
    word(out, rights);
    put(out, "\r\n");
}

fn word(out: &mut Vec<u8>, text: &str) {
    out.push(b' ');
    astring(out, text.as_bytes());
}
