//! What a session has switched on, and ENABLE.

use super::reply::Reply;
use super::session::{Session, emit};
use proto::imap::response;

/// Extensions that change what the server says unasked. Nothing switches them
/// off again while the connection lasts (RFC 5161 §3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Enabled {
    /// FLAGS come with UID and MODSEQ. RFC 7162 §3.1, §3.2.4.
    pub(super) condstore: bool,
    /// VANISHED instead of EXPUNGE. RFC 7162 §3.2.3.
    pub(super) qresync: bool,
    /// Messages are called by their unique identifiers alone. RFC 9586 §3.
    pub(super) uid_only: bool,
    /// METADATA comes unasked. RFC 5464 §4.4.
    metadata: bool,
    /// Names and messages are UTF-8. RFC 9755 §3.
    pub(super) utf8: bool,
    /// SEARCH may name no charset. RFC 9755 §3.
    charset_fixed: bool,
    /// The session speaks IMAP4rev2. RFC 9051 §6.3.1.
    pub(super) rev2: bool,
}

impl Enabled {
    /// Switches on what `name`, in capitals, stands for; false if nothing.
    fn enable(&mut self, name: &str) -> bool {
        match name {
            "CONDSTORE" => self.condstore = true,
            "QRESYNC" => {
                self.condstore = true;
                self.qresync = true;
            }
            "UIDONLY" => self.uid_only = true,
            "METADATA" => self.metadata = true,
            UTF8_ACCEPT => {
                self.utf8 = true;
                self.charset_fixed = true;
            }
            // RFC 9051 app. A: strings are UTF-8 with it.
            IMAP4REV2 => {
                self.utf8 = true;
                self.rev2 = true;
            }
            _ => return false,
        }
        true
    }
}

const UTF8_ACCEPT: &str = "UTF8=ACCEPT";
const IMAP4REV2: &str = "IMAP4REV2";

/// RFC 5161 §3.1: names that are not known are passed over.
pub(super) fn enable(session: &mut Session, names: &[String]) -> Reply {
    let Some(user) = &mut session.user else {
        return Reply::bad("log in first");
    };
    let early = |name: &String| name == UTF8_ACCEPT || name == IMAP4REV2;
    if user.selected.is_some() && names.iter().any(early) {
        // RFC 9755 §3, RFC 9051 §6.3.1: "only valid in the authenticated state". What
        // the session knows of the mailbox's messages would be wrong after it.
        let text = "UTF8=ACCEPT and IMAP4rev2 are enabled before a mailbox is selected";
        return Reply::bad(text);
    }
    let before = user.enabled;
    let mut known: Vec<&str> = Vec::new();
    for name in names {
        if name == UTF8_ACCEPT && !session.imap.utf8_accept {
            continue;
        }
        let told = if name == IMAP4REV2 { "IMAP4rev2" } else { name };
        if user.enabled.enable(name) && !known.contains(&told) {
            known.push(told);
        }
    }
    session.reader.set_utf8_names(user.enabled.utf8);
    session.reader.set_charset_fixed(user.enabled.charset_fixed);
    emit(&mut session.stream, |out| response::enabled(out, &known));
    if user.enabled.condstore && !before.condstore {
        user.tell_highest_modseq(&mut session.stream);
    }
    if user.enabled.metadata {
        user.enable_metadata();
    }
    Reply::ok("enabled")
}
