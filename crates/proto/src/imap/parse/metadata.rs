//! RFC 5464 §5: getmetadata and setmetadata.

use super::cursor::{Cursor, Parsed};
use crate::imap::command::Mailbox;
use crate::imap::limits::{METADATA_ENTRIES_MAX, METADATA_ENTRY_OCTETS_MAX};
use crate::imap::metadata::{Entry, GetMetadata, MetadataDepth, MetadataOptions, SetMetadata};

/// `getmetadata`. The options stand before the mailbox in the grammar and after it
/// in the examples (§4.2.1, §4.2.2): both are taken.
pub(super) fn get_metadata(cursor: &mut Cursor<'_>) -> Parsed<GetMetadata> {
    let mut wanted = MetadataOptions::default();
    cursor.sp()?;
    let has_options = cursor.peek() == Some(b'(');
    if has_options {
        options(cursor, &mut wanted)?;
        cursor.sp()?;
    }
    let mailbox = mailbox_or_server(cursor)?;
    cursor.sp()?;
    if !has_options && at_options(cursor) {
        options(cursor, &mut wanted)?;
        cursor.sp()?;
    }
    wanted.entries = entries(cursor)?;
    Ok(GetMetadata { mailbox, wanted })
}

/// `setmetadata`
pub(super) fn set_metadata(cursor: &mut Cursor<'_>) -> Parsed<SetMetadata> {
    cursor.sp()?;
    let mailbox = mailbox_or_server(cursor)?;
    cursor.sp()?;
    let entries = cursor.list_1(METADATA_ENTRIES_MAX, |cursor| {
        let entry = named_entry(cursor, true)?;
        cursor.sp()?;
        Ok((entry, value(cursor)?))
    })?;
    Ok(SetMetadata { mailbox, entries })
}

/// A mailbox; the empty name is the server.
fn mailbox_or_server(cursor: &mut Cursor<'_>) -> Parsed<Option<Mailbox>> {
    let at = cursor.position();
    if cursor.astring("a mailbox name")?.is_empty() {
        return Ok(None);
    }
    cursor.rewind(at);
    cursor.mailbox().map(Some)
}

/// Whether a parenthesis begins options: entries begin with a slash.
fn at_options(cursor: &Cursor<'_>) -> bool {
    let mut ahead = cursor.clone();
    ahead.eat(b'(') && (ahead.eat_word("MAXSIZE ") || ahead.eat_word("DEPTH "))
}

/// `getmetadata-options`
fn options(cursor: &mut Cursor<'_>, wanted: &mut MetadataOptions) -> Parsed<()> {
    let (mut maxsize, mut depth) = (false, false);
    cursor.list_1(2, |cursor| {
        if !maxsize && cursor.eat_word("MAXSIZE ") {
            maxsize = true;
            wanted.octets_max = Some(cursor.number64()?);
            return Ok(());
        }
        if depth || !cursor.eat_word("DEPTH ") {
            return cursor.fail("MAXSIZE or DEPTH");
        }
        depth = true;
        wanted.depth = scope(cursor)?;
        Ok(())
    })?;
    Ok(())
}

/// RFC 9590 §4: `[getmetadata-options SP] "(" entry *(SP entry) ")"`, of a LIST.
pub(super) fn metadata_options(cursor: &mut Cursor<'_>) -> Parsed<MetadataOptions> {
    let mut wanted = MetadataOptions::default();
    if at_options(cursor) {
        options(cursor, &mut wanted)?;
        cursor.sp()?;
    }
    if cursor.peek() != Some(b'(') {
        return cursor.fail("a list of entries");
    }
    wanted.entries = entries(cursor)?;
    Ok(wanted)
}

/// `"0" / "1" / "infinity"`
fn scope(cursor: &mut Cursor<'_>) -> Parsed<MetadataDepth> {
    let at = cursor.position();
    match cursor.atom("a depth")?.to_ascii_lowercase().as_str() {
        "0" => Ok(MetadataDepth::Zero),
        "1" => Ok(MetadataDepth::One),
        "infinity" => Ok(MetadataDepth::Infinity),
        _ => {
            cursor.rewind(at);
            cursor.fail("0, 1 or infinity")
        }
    }
}

/// `entries`: one, or some in parentheses.
pub(super) fn entries(cursor: &mut Cursor<'_>) -> Parsed<Vec<Entry>> {
    if cursor.peek() == Some(b'(') {
        cursor.list_1(METADATA_ENTRIES_MAX, |cursor| named_entry(cursor, false))
    } else {
        named_entry(cursor, false).map(|entry| vec![entry])
    }
}

/// `entry`. RFC 5464 §3.2: what breaks the rules of names is BAD. One that is set
/// has two components at the least.
fn named_entry(cursor: &mut Cursor<'_>, set: bool) -> Parsed<Entry> {
    let at = cursor.position();
    let octets = cursor.astring("an entry")?;
    let entry = String::from_utf8(octets).unwrap_or_default();
    if is_entry(&entry, set) {
        return Ok(entry.to_ascii_lowercase());
    }
    cursor.rewind(at);
    cursor.fail("an entry below /private or /shared")
}

fn is_entry(entry: &str, set: bool) -> bool {
    let Some(components) = entry.strip_prefix('/') else {
        return false;
    };
    // §3.2: "MUST NOT contain consecutive "/" characters and MUST NOT end with
    // one", nor "*" or "%", nor what is not ASCII or a control character.
    let legal = |c: char| matches!(c, ' '..='~') && !matches!(c, '*' | '%');
    let mut components = components.split('/');
    let scope = components.next().unwrap_or_default();
    let mut below = components.peekable();
    let has_scope = ["private", "shared"]
        .iter()
        .any(|known| scope.eq_ignore_ascii_case(known));
    entry.len() <= METADATA_ENTRY_OCTETS_MAX
        && entry.chars().all(legal)
        && has_scope
        && !(set && below.peek().is_none())
        && below.all(|component| !component.is_empty())
}

/// `value = nstring / literal8`
fn value(cursor: &mut Cursor<'_>) -> Parsed<Option<Vec<u8>>> {
    if cursor.peek() == Some(b'~') {
        return cursor.literal8().map(|octets| Some(octets.to_vec()));
    }
    cursor.nstring()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(text: &str) -> Option<GetMetadata> {
        let mut cursor = Cursor::new(text.as_bytes());
        let parsed = get_metadata(&mut cursor).ok()?;
        cursor.end().ok().map(|()| parsed)
    }

    #[test]
    fn options_stand_before_or_after_the_mailbox() {
        let before = get(" (DEPTH 1 MAXSIZE 5) \"\" /Shared/Comment").unwrap();
        let after = get(" \"\" (maxsize 5 depth 1) (/shared/comment)").unwrap();
        assert_eq!(before, after);
        assert_eq!(before.mailbox, None);
        assert_eq!(before.wanted.octets_max, Some(5));
        for bad in [
            " \"\" ()",
            " \"\" /other/comment",
            " \"\" comment",
            " \"\" /shared//x",
            " \"\" /shared/x/",
            " \"\" \"/shared/*\"",
            " \"\" \"/shared/%\"",
            " \"\" \"/shared/\u{e9}\"",
            " (DEPTH 2) \"\" /shared/x",
            " (DEPTH 1 DEPTH 1) \"\" /shared/x",
            " () \"\" /shared/x",
            " (MAXSIZE 1) \"\" (DEPTH 1) /shared/x",
            " \"\" /shared/x /private/x",
        ] {
            assert_eq!(get(bad), None, "{bad}");
        }
    }

    #[test]
    fn depth_says_how_far_below() {
        let mut wanted = get(" INBOX /private/a").unwrap().wanted;
        let matching = |wanted: &MetadataOptions| -> Vec<bool> {
            [
                "/private/a",
                "/private/a/b",
                "/private/a/b/c",
                "/private/ab",
            ]
            .map(|entry| wanted.wants(entry))
            .to_vec()
        };
        assert_eq!(matching(&wanted), [true, false, false, false]);
        wanted.depth = MetadataDepth::One;
        assert_eq!(matching(&wanted), [true, true, false, false]);
        wanted.depth = MetadataDepth::Infinity;
        assert_eq!(matching(&wanted), [true, true, true, false]);
    }

    #[test]
    fn values_are_strings_nil_or_octets() {
        let text = b" INBOX (/private/a NIL /private/b \"x\" /private/c ~{3+}\r\na\0b)";
        let parsed = set_metadata(&mut Cursor::new(text)).unwrap();
        let values: Vec<_> = parsed.entries.into_iter().map(|entry| entry.1).collect();
        assert_eq!(values, [None, Some(b"x".to_vec()), Some(b"a\0b".to_vec())]);
        for bad in [
            &b" INBOX ()"[..],
            b" INBOX /private/a \"x\"",
            b" INBOX (/private \"x\")",
            b" INBOX (/private/a)",
            b" INBOX (/private/a x)",
        ] {
            assert!(set_metadata(&mut Cursor::new(bad)).is_err());
        }
    }
}
