//! SEARCH's criteria.

use super::cursor::{Cursor, Parsed};
use super::returns::search_return_opts;
use crate::imap::command::{CommandBody, SearchProgram};
use crate::imap::limits::NESTING_MAX;
use terms::{Date, Flag, Keyword, SearchKey, SequenceSet, SystemFlag};

/// RFC 3501 §9, search: `[SP "CHARSET" SP astring] 1*(SP search-key)`, after
/// search-return-opts (RFC 4731 §4)
pub(super) fn search(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<CommandBody> {
    cursor.sp()?;
    let returns = search_return_opts(cursor)?;
    let mut known = true;
    let before = cursor.position();
    if cursor.eat_word("CHARSET ") {
        if cursor.charset_fixed() {
            // RFC 9755 §3: once UTF8=ACCEPT is enabled, all is UTF-8.
            cursor.rewind(before);
            return cursor.fail("no charset after ENABLE UTF8=ACCEPT");
        }
        known = charset(cursor)?;
        cursor.sp()?;
    }
    let program = search_keys(cursor, known)?;
    Ok(CommandBody::Search {
        uid,
        returns,
        program,
    })
}

/// RFC 3501 §9: `astring`; whether it is one that we know.
pub(super) fn charset(cursor: &mut Cursor<'_>) -> Parsed<bool> {
    let charset = cursor.astring("a charset")?;
    Ok(["UTF-8", "US-ASCII"]
        .iter()
        .any(|name| charset.eq_ignore_ascii_case(name.as_bytes())))
}

/// `search-key *(SP search-key)`, in a charset that is known or not.
pub(super) fn search_keys(cursor: &mut Cursor<'_>, known: bool) -> Parsed<SearchProgram> {
    let mut rule = Rule { known, depth: 0 };
    let mut keys = vec![rule.search_key(cursor)?];
    while cursor.eat(b' ') {
        keys.push(rule.search_key(cursor)?);
    }
    Ok(if known {
        SearchProgram::Keys(joined(keys))
    } else {
        SearchProgram::UnknownCharset
    })
}

fn joined(mut keys: Vec<SearchKey>) -> SearchKey {
    match (keys.len(), keys.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            keys.extend(last);
            SearchKey::And(keys)
        }
    }
}

struct Rule {
    /// The charset is one that we know, so texts must be UTF-8.
    known: bool,
    depth: u32,
}

impl Rule {
    /// RFC 3501 §9, search-key
    fn search_key(&mut self, cursor: &mut Cursor<'_>) -> Parsed<SearchKey> {
        match cursor.peek() {
            // `$`, the saved result, and no keyword that begins so. RFC 5182 §3.
            Some(b'0'..=b'9' | b'*' | b'$') => cursor.sequence_set().map(SearchKey::Sequence),
            Some(b'(') => self.nested(cursor, |rule, cursor| {
                cursor
                    .list_1(usize::MAX, |cursor| rule.search_key(cursor))
                    .map(joined)
            }),
            _ => {
                let at = cursor.position();
                let name = cursor.atom("a search criterion")?.to_ascii_uppercase();
                if let Some(key) = plain(&name) {
                    return Ok(key);
                }
                match self.with_argument(cursor, &name)? {
                    Some(key) => Ok(key),
                    None => {
                        cursor.rewind(at);
                        cursor.fail("a known search criterion")
                    }
                }
            }
        }
    }

    fn nested<T>(
        &mut self,
        cursor: &mut Cursor<'_>,
        inner: impl FnOnce(&mut Self, &mut Cursor<'_>) -> Parsed<T>,
    ) -> Parsed<T> {
        if self.depth == NESTING_MAX {
            return cursor.fail("fewer nested criteria");
        }
        self.depth += 1;
        let parsed = inner(self, cursor);
        self.depth -= 1;
        parsed
    }

    /// The criteria that have arguments; `None` for an unknown name.
    fn with_argument(&mut self, cursor: &mut Cursor<'_>, name: &str) -> Parsed<Option<SearchKey>> {
        let key = match name {
            "BCC" => self.header(cursor, "Bcc")?,
            "BEFORE" => SearchKey::Before(date(cursor)?),
            "BODY" => SearchKey::Body(self.text(cursor)?),
            "CC" => self.header(cursor, "Cc")?,
            // RFC 8474 §6
            "EMAILID" => SearchKey::EmailId(objectid(cursor)?),
            "FROM" => self.header(cursor, "From")?,
            "HEADER" => {
                let field = self.text(cursor)?;
                SearchKey::Header(field, self.text(cursor)?)
            }
            "KEYWORD" => keyword(cursor)?,
            "LARGER" => SearchKey::Larger(number(cursor)?),
            "MODSEQ" => search_modsequence(cursor)?,
            "NOT" => self.nested(cursor, |rule, cursor| {
                cursor.sp()?;
                Ok(SearchKey::Not(Box::new(rule.search_key(cursor)?)))
            })?,
            // RFC 5032 §3
            "OLDER" => SearchKey::Older(interval(cursor)?),
            "ON" => SearchKey::On(date(cursor)?),
            "OR" => self.nested(cursor, |rule, cursor| {
                cursor.sp()?;
                let left = Box::new(rule.search_key(cursor)?);
                cursor.sp()?;
                Ok(SearchKey::Or(left, Box::new(rule.search_key(cursor)?)))
            })?,
            // RFC 8514 §4.3
            "SAVEDBEFORE" => SearchKey::SavedBefore(date(cursor)?),
            "SAVEDON" => SearchKey::SavedOn(date(cursor)?),
            "SAVEDSINCE" => SearchKey::SavedSince(date(cursor)?),
            "SENTBEFORE" => SearchKey::SentBefore(date(cursor)?),
            "SENTON" => SearchKey::SentOn(date(cursor)?),
            "SENTSINCE" => SearchKey::SentSince(date(cursor)?),
            "SINCE" => SearchKey::Since(date(cursor)?),
            "SMALLER" => SearchKey::Smaller(number(cursor)?),
            "SUBJECT" => self.header(cursor, "Subject")?,
            "TEXT" => SearchKey::Text(self.text(cursor)?),
            "THREADID" => SearchKey::ThreadId(objectid(cursor)?),
            "TO" => self.header(cursor, "To")?,
            "UID" => {
                cursor.sp()?;
                SearchKey::Uid(cursor.sequence_set()?)
            }
            // RFC 9738 §3.2: of a number that ends the identifiers there is none.
            "UIDAFTER" => {
                let uid = uniqueid(cursor)?;
                SearchKey::Uid(SequenceSet::from(uid.checked_add(1)))
            }
            "UIDBEFORE" => {
                let last = uniqueid(cursor)? - 1;
                SearchKey::Uid(SequenceSet::up_to(Some(last).filter(|&last| last > 0)))
            }
            "YOUNGER" => SearchKey::Younger(interval(cursor)?),
            "UNKEYWORD" => SearchKey::Not(Box::new(keyword(cursor)?)),
            _ => return Ok(None),
        };
        Ok(Some(key))
    }

    /// `SP astring`, decoded. Without a CHARSET, UTF-8 is understood too: that is
    /// what RFC 9051 §6.4.4 makes the default, and US-ASCII is part of it.
    fn text(&self, cursor: &mut Cursor<'_>) -> Parsed<String> {
        cursor.sp()?;
        if self.known {
            return cursor.astring_utf8("a text in the search's charset");
        }
        cursor
            .astring("a text")
            .map(|octets| String::from_utf8_lossy(&octets).into_owned())
    }

    fn header(&self, cursor: &mut Cursor<'_>, field: &str) -> Parsed<SearchKey> {
        Ok(SearchKey::Header(field.to_owned(), self.text(cursor)?))
    }
}

/// The criteria that stand alone.
fn plain(name: &str) -> Option<SearchKey> {
    let flag = |flag| SearchKey::Flag(Flag::System(flag));
    let not = |flag| SearchKey::Not(Box::new(SearchKey::Flag(Flag::System(flag))));
    Some(match name {
        "ALL" => SearchKey::All,
        "ANSWERED" => flag(SystemFlag::Answered),
        "DELETED" => flag(SystemFlag::Deleted),
        "DRAFT" => flag(SystemFlag::Draft),
        "FLAGGED" => flag(SystemFlag::Flagged),
        "NEW" => SearchKey::New,
        "OLD" => SearchKey::Old,
        "RECENT" => SearchKey::Recent,
        "SAVEDATESUPPORTED" => SearchKey::SaveDateSupported,
        "SEEN" => flag(SystemFlag::Seen),
        "UNANSWERED" => not(SystemFlag::Answered),
        "UNDELETED" => not(SystemFlag::Deleted),
        "UNDRAFT" => not(SystemFlag::Draft),
        "UNFLAGGED" => not(SystemFlag::Flagged),
        "UNSEEN" => not(SystemFlag::Seen),
        _ => return None,
    })
}

fn date(cursor: &mut Cursor<'_>) -> Parsed<Date> {
    cursor.sp()?;
    cursor.date()
}

/// RFC 5032 §4: `SP nz-number`, in seconds
fn interval(cursor: &mut Cursor<'_>) -> Parsed<u32> {
    cursor.sp()?;
    cursor.nz_number()
}

/// `SP uniqueid`, which is not zero
fn uniqueid(cursor: &mut Cursor<'_>) -> Parsed<u32> {
    cursor.sp()?;
    cursor.nz_number()
}

/// RFC 8474 §7: `SP objectid`, 1 to 255 letters, digits, `_` and `-`
fn objectid(cursor: &mut Cursor<'_>) -> Parsed<String> {
    cursor.sp()?;
    let at = cursor.position();
    let id = cursor.atom("an objectid")?;
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if id.len() > 255 || !id.chars().all(legal) {
        cursor.rewind(at);
        return cursor.fail("an objectid");
    }
    Ok(id.to_owned())
}

fn number(cursor: &mut Cursor<'_>) -> Parsed<u64> {
    cursor.sp()?;
    cursor.number64()
}

/// RFC 7162 §7, search-modsequence: `[SP entry-name SP entry-type-req] SP
/// mod-sequence-valzer`. A row has one mod-sequence, so the entry does not matter
/// (§3.1.5).
fn search_modsequence(cursor: &mut Cursor<'_>) -> Parsed<SearchKey> {
    cursor.sp()?;
    if cursor.peek() == Some(b'"') {
        let at = cursor.position();
        let entry = cursor.quoted()?;
        if !entry.starts_with(b"/flags/") {
            cursor.rewind(at);
            return cursor.fail("/flags/ and a flag");
        }
        cursor.sp()?;
        if !["priv ", "shared ", "all "]
            .iter()
            .any(|kind| cursor.eat_word(kind))
        {
            return cursor.fail("priv, shared or all");
        }
    }
    cursor.mod_sequence_valzer().map(SearchKey::ModSeq)
}

/// `SP flag-keyword`
fn keyword(cursor: &mut Cursor<'_>) -> Parsed<SearchKey> {
    cursor.sp()?;
    let at = cursor.position();
    let keyword = Keyword::new(cursor.atom("a keyword")?);
    let Some(keyword) = keyword else {
        cursor.rewind(at);
        return cursor.fail("a shorter keyword");
    };
    Ok(SearchKey::Flag(Flag::Keyword(keyword)))
}
