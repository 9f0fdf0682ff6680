//! What mailboxes are for, as CREATE and SETMETADATA say it. RFC 6154 §3, §4.

use super::reply::Reply;
use super::user::{Done, User};
use account::{Command, Mailbox, Metadata, SpecialUses, State};
use proto::imap::response::Code;
use std::sync::Arc;
use terms::{MailboxId, SpecialUse};

/// The annotation of a mailbox that says what it is for. RFC 6154 §4.
const ENTRY: &str = "/private/specialuse";

impl User {
    /// What SETMETADATA does where what one's own mailbox is for is among `entries`;
    /// `None` where it is not. It is not kept as an annotation, so it cannot be set
    /// together with such, all or none.
    pub(super) async fn set_uses(
        &self,
        mailbox: MailboxId,
        entries: &[(String, Option<Vec<u8>>)],
    ) -> Option<Done> {
        let uses = match entries {
            [(entry, value)] if entry == ENTRY => value.as_deref().map(uses),
            entries if entries.iter().any(|(entry, _)| entry == ENTRY) => {
                let text = format!("{ENTRY} is set by itself");
                return Some(Ok(Reply::no(Code::Cannot, text)));
            }
            _ => return None,
        };
        let set = async {
            let state = self.fresh().await?;
            let special_uses = usable(&state, &uses.unwrap_or_default(), Some(mailbox))?;
            let command = Command::SetSpecialUses {
                mailbox,
                special_uses,
            };
            self.account.execute(command).await?;
            Ok(Reply::ok("set"))
        };
        Some(Ok(set.await.unwrap_or_else(|reply: Reply| reply)))
    }
}

/// The uses that a value names; `None` among them for what is none.
fn uses(value: &[u8]) -> Vec<Option<SpecialUse>> {
    let words = value.split(|&octet| octet == b' ');
    let named = |word: &[u8]| {
        let mut all = SpecialUse::ALL.into_iter();
        all.find(|special| word.eq_ignore_ascii_case(special.as_str().as_bytes()))
    };
    words.map(named).collect()
}

/// What a mailbox can be for that is for nothing yet, or is `of`. \All and \Flagged
/// would have to show messages that lie elsewhere.
pub(super) fn usable(
    state: &State,
    uses: &[Option<SpecialUse>],
    of: Option<MailboxId>,
) -> Result<SpecialUses, Reply> {
    let mut found = Vec::new();
    for special in uses {
        let Some(special) =
            special.filter(|special| !matches!(special, SpecialUse::All | SpecialUse::Flagged))
        else {
            let text = "mailboxes of that use are not kept here";
            return Err(Reply::no(Code::UseAttr, text));
        };
        let there = state.mailbox_for(special);
        if there.is_some_and(|there| Some(there.id) != of) {
            let text = format!("there is a mailbox for {} already", special.as_str());
            return Err(Reply::no(Code::UseAttr, text));
        }
        found.push(special);
    }
    Ok(found.into_iter().collect())
}

/// The annotations of one's own mailbox, with what it is for.
pub(super) fn with_uses(record: &Mailbox) -> Metadata {
    let mut metadata = Arc::clone(&record.metadata);
    let uses: Vec<&str> = record.special_uses.iter().map(SpecialUse::as_str).collect();
    if !uses.is_empty() {
        let value = uses.join(" ").into_bytes();
        Arc::make_mut(&mut metadata).insert(ENTRY.to_owned(), value);
    } else if metadata.contains_key(ENTRY) {
        Arc::make_mut(&mut metadata).remove(ENTRY);
    }
    metadata
}
