//! The grammar of commands.

mod acl;
mod append;
mod create;
mod cursor;
mod fetch;
mod list;
mod metadata;
mod quota;
mod returns;
mod search;
mod select;
mod sort;
mod store;
mod uidbatches;

pub(super) use append::{Open, Start, append_part};
use cursor::Parsed;
pub(super) use cursor::{Cursor, Fail, is_astring_char};
pub(super) use fetch::whole_section;

use super::acl::AclCommand;
use super::command::{Command, CommandBody, Tag};
use super::limits::ID_PAIRS_MAX;
use terms::StatusItem;

/// What a line, with what stood before it, turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Command(Command),
    Append(Tag, Start),
}

/// RFC 3501 §9, command: `tag SP (…)`. The octets are its lines and literals
/// without the last line's end; those of an APPEND or REPLACE end where a message
/// begins.
pub(super) fn command(cursor: &mut Cursor<'_>) -> Parsed<Line> {
    let tag = Tag(cursor.tag()?.into());
    cursor.sp()?;
    let at = cursor.position();
    let name = cursor.atom("a command")?.to_ascii_uppercase();
    match name.as_str() {
        "APPEND" => return append::append(cursor).map(|start| Line::Append(tag, start)),
        "REPLACE" => return append::replace(cursor, false).map(|start| Line::Append(tag, start)),
        "UID" if is_uid_replace(cursor) => {
            return append::replace(cursor, true).map(|start| Line::Append(tag, start));
        }
        _ => {}
    }
    let body = command_body(cursor, &name, at)?;
    cursor.end()?;
    Ok(Line::Command(Command { tag, body }))
}

fn command_body(cursor: &mut Cursor<'_>, name: &str, at: usize) -> Parsed<CommandBody> {
    use CommandBody as Body;
    match name {
        "AUTHENTICATE" => authenticate(cursor),
        "CAPABILITY" => Ok(Body::Capability),
        "CHECK" => Ok(Body::Check),
        "CLOSE" => Ok(Body::Close),
        "COMPRESS" => {
            cursor.sp()?;
            let algorithm = cursor.atom("an algorithm")?.to_ascii_uppercase();
            Ok(Body::Compress(algorithm))
        }
        "COPY" => copy(cursor, false),
        "CREATE" => create::create(cursor),
        "DELETE" => {
            cursor.sp()?;
            let (mailbox, old_name) = cursor.mailbox_as_given()?;
            Ok(Body::Delete { mailbox, old_name })
        }
        "ENABLE" => enable(cursor),
        "EXAMINE" => select::select(cursor, true),
        "EXPUNGE" => Ok(Body::Expunge),
        "FETCH" => fetch::fetch(cursor, false),
        "GETQUOTA" => quota::getquota(cursor),
        "GETQUOTAROOT" => one_mailbox(cursor).map(Body::GetQuotaRoot),
        "SETQUOTA" => quota::setquota(cursor),
        "DELETEACL" => acl::delete_acl(cursor).map(Body::Acl),
        "GETACL" => one_mailbox(cursor).map(|mailbox| Body::Acl(AclCommand::Get(mailbox))),
        "LISTRIGHTS" => acl::list_rights(cursor).map(Body::Acl),
        "MYRIGHTS" => one_mailbox(cursor).map(|mailbox| Body::Acl(AclCommand::Mine(mailbox))),
        "SETACL" => acl::set_acl(cursor).map(Body::Acl),
        "GETMETADATA" => metadata::get_metadata(cursor).map(Body::GetMetadata),
        "ID" => id(cursor),
        "IDLE" => Ok(Body::Idle),
        "LIST" => list::list(cursor),
        "LOGIN" => login(cursor),
        "LOGOUT" => Ok(Body::Logout),
        "LSUB" => list::lsub(cursor),
        "MOVE" => r#move(cursor, false),
        "NAMESPACE" => Ok(Body::Namespace),
        "NOOP" => Ok(Body::Noop),
        "RENAME" => rename(cursor),
        "SEARCH" => search::search(cursor, false),
        "SELECT" => select::select(cursor, false),
        "SORT" => sort::sort(cursor, false),
        "SETMETADATA" => metadata::set_metadata(cursor).map(Body::SetMetadata),
        "STARTTLS" => Ok(Body::StartTls),
        "STATUS" => status(cursor),
        "STORE" => store::store(cursor, false),
        "SUBSCRIBE" => one_mailbox(cursor).map(Body::Subscribe),
        "THREAD" => sort::thread(cursor, false),
        "UID" => uid(cursor),
        "UIDBATCHES" => uidbatches::uidbatches(cursor),
        "UNAUTHENTICATE" => Ok(Body::Unauthenticate),
        "UNSELECT" => Ok(Body::Unselect),
        "UNSUBSCRIBE" => one_mailbox(cursor).map(Body::Unsubscribe),
        _ => {
            cursor.rewind(at);
            cursor.fail("a known command")
        }
    }
}

/// RFC 3501 §9, uid; RFC 4315 §4, uid-expunge; RFC 6851 §5
fn uid(cursor: &mut Cursor<'_>) -> Parsed<CommandBody> {
    cursor.sp()?;
    let at = cursor.position();
    match cursor.atom("a command")?.to_ascii_uppercase().as_str() {
        "COPY" => copy(cursor, true),
        "EXPUNGE" => {
            cursor.sp()?;
            cursor.sequence_set().map(CommandBody::UidExpunge)
        }
        "FETCH" => fetch::fetch(cursor, true),
        "MOVE" => r#move(cursor, true),
        "SEARCH" => search::search(cursor, true),
        "SORT" => sort::sort(cursor, true),
        "STORE" => store::store(cursor, true),
        "THREAD" => sort::thread(cursor, true),
        _ => {
            cursor.rewind(at);
            cursor.fail("a command that has a UID form")
        }
    }
}

/// Takes ` REPLACE` if that follows UID.
fn is_uid_replace(cursor: &mut Cursor<'_>) -> bool {
    let at = cursor.position();
    let is = cursor.eat_word(" REPLACE") && cursor.peek() == Some(b' ');
    if !is {
        cursor.rewind(at);
    }
    is
}

/// `SP mailbox`
fn one_mailbox(cursor: &mut Cursor<'_>) -> Parsed<super::Mailbox> {
    cursor.sp()?;
    cursor.mailbox()
}

/// RFC 3501 §9, authenticate; RFC 4959 §7, initial-resp
fn authenticate(cursor: &mut Cursor<'_>) -> Parsed<CommandBody> {
    cursor.sp()?;
    let mechanism = cursor.atom("a mechanism")?.to_ascii_uppercase();
    let mut initial = None;
    if !cursor.at_end() {
        cursor.sp()?;
        // "=" is the empty one (RFC 4959 §3); base64 is the exchange's affair.
        initial = Some(cursor.atom("an initial response")?.as_bytes().to_vec());
    }
    Ok(CommandBody::Authenticate { mechanism, initial })
}

/// RFC 3501 §9, login
fn login(cursor: &mut Cursor<'_>) -> Parsed<CommandBody> {
    cursor.sp()?;
    let user = cursor.astring("a user name")?;
    cursor.sp()?;
    let password = cursor.astring("a password")?;
    Ok(CommandBody::Login { user, password })
}

/// RFC 3501 §9, rename
fn rename(cursor: &mut Cursor<'_>) -> Parsed<CommandBody> {
    cursor.sp()?;
    let (from, mut old_name) = cursor.mailbox_as_given()?;
    cursor.sp()?;
    let (to, given) = cursor.mailbox_as_given()?;
    if given.is_some() && old_name.is_none() {
        old_name = from.as_ref().ok().map(ToString::to_string);
    }
    Ok(CommandBody::Rename { from, to, old_name })
}

/// RFC 3501 §9, status
fn status(cursor: &mut Cursor<'_>) -> Parsed<CommandBody> {
    let mailbox = one_mailbox(cursor)?;
    cursor.sp()?;
    let items = status_items(cursor)?;
    Ok(CommandBody::Status { mailbox, items })
}

/// RFC 3501 §9: `"(" status-att *(SP status-att) ")"`, each once
fn status_items(cursor: &mut Cursor<'_>) -> Parsed<Vec<StatusItem>> {
    let mut items = Vec::new();
    for item in cursor.list_1(usize::MAX, status_att)? {
        if !items.contains(&item) {
            items.push(item);
        }
    }
    Ok(items)
}

/// RFC 3501 §9, status-att
fn status_att(cursor: &mut Cursor<'_>) -> Parsed<StatusItem> {
    let at = cursor.position();
    match cursor.atom("a status item")?.to_ascii_uppercase().as_str() {
        // RFC 9208 §4.1.4
        "DELETED-STORAGE" => Ok(StatusItem::DeletedStorage),
        // RFC 7162 §3.1.7
        "HIGHESTMODSEQ" => Ok(StatusItem::HighestModSeq),
        // RFC 7889 §3
        "APPENDLIMIT" => Ok(StatusItem::AppendLimit),
        // RFC 9051 §6.3.11
        "DELETED" => Ok(StatusItem::Deleted),
        // RFC 8474 §4.3
        "MAILBOXID" => Ok(StatusItem::MailboxId),
        "MESSAGES" => Ok(StatusItem::Messages),
        "RECENT" => Ok(StatusItem::Recent),
        // RFC 8438 §2
        "SIZE" => Ok(StatusItem::Size),
        "UIDNEXT" => Ok(StatusItem::UidNext),
        "UIDVALIDITY" => Ok(StatusItem::UidValidity),
        "UNSEEN" => Ok(StatusItem::Unseen),
        _ => {
            cursor.rewind(at);
            cursor.fail("a known status item")
        }
    }
}

/// RFC 3501 §9, copy
fn copy(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<CommandBody> {
    cursor.sp()?;
    let set = cursor.sequence_set()?;
    let mailbox = one_mailbox(cursor)?;
    Ok(CommandBody::Copy { uid, set, mailbox })
}

/// RFC 6851 §5, move
fn r#move(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<CommandBody> {
    cursor.sp()?;
    let set = cursor.sequence_set()?;
    let mailbox = one_mailbox(cursor)?;
    Ok(CommandBody::Move { uid, set, mailbox })
}

/// RFC 5161 §5, enable: 1*(SP capability)
fn enable(cursor: &mut Cursor<'_>) -> Parsed<CommandBody> {
    let mut names = Vec::new();
    loop {
        cursor.sp()?;
        names.push(cursor.atom("a capability")?.to_ascii_uppercase());
        if cursor.at_end() {
            return Ok(CommandBody::Enable(names));
        }
    }
}

/// RFC 2971 §4, id: `SP id-params-list`, `"(" *(string SP nstring) ")" / nil`
fn id(cursor: &mut Cursor<'_>) -> Parsed<CommandBody> {
    cursor.sp()?;
    if cursor.eat_word("NIL") {
        return Ok(CommandBody::Id(None));
    }
    cursor.expect(b'(', "a list or NIL")?;
    let mut pairs = Vec::new();
    while !cursor.eat(b')') {
        if !pairs.is_empty() {
            cursor.sp()?;
        }
        if pairs.len() == ID_PAIRS_MAX {
            return cursor.fail("no more than 30 pairs");
        }
        let text = |octets: Vec<u8>| String::from_utf8_lossy(&octets).into_owned();
        let field = cursor.string("a field")?;
        cursor.sp()?;
        let value = cursor.nstring()?;
        pairs.push((text(field), value.map(text)));
    }
    Ok(CommandBody::Id(Some(pairs)))
}

#[cfg(test)]
mod tests;
