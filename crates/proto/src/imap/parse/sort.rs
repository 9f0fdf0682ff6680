//! SORT's and THREAD's arguments.

use super::cursor::{Cursor, Parsed};
use super::returns::search_return_opts;
use super::search;
use crate::imap::command::{CommandBody, SearchProgram};
use crate::imap::limits::SORT_CRITERIA_MAX;
use terms::{SortCriterion, SortKey, ThreadAlgorithm};

/// RFC 5256 §5, sort: `SP sort-criteria SP search-criteria`, after
/// search-return-opts (RFC 5267 §4.1)
pub(super) fn sort(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<CommandBody> {
    cursor.sp()?;
    let returns = search_return_opts(cursor)?;
    let criteria = cursor.list_1(SORT_CRITERIA_MAX, sort_criterion)?;
    let program = search_criteria(cursor)?;
    Ok(CommandBody::Sort {
        uid,
        returns,
        criteria,
        program,
    })
}

/// RFC 5256 §5, sort-criterion: `["REVERSE" SP] sort-key`
fn sort_criterion(cursor: &mut Cursor<'_>) -> Parsed<SortCriterion> {
    let reverse = cursor.eat_word("REVERSE ");
    let at = cursor.position();
    let name = cursor.atom("a sort key")?.to_ascii_uppercase();
    let key = match name.as_str() {
        "ARRIVAL" => SortKey::Arrival,
        "CC" => SortKey::Cc,
        "DATE" => SortKey::Date,
        "DISPLAYFROM" => SortKey::DisplayFrom,
        "DISPLAYTO" => SortKey::DisplayTo,
        "FROM" => SortKey::From,
        "SIZE" => SortKey::Size,
        "SUBJECT" => SortKey::Subject,
        "TO" => SortKey::To,
        _ => {
            cursor.rewind(at);
            return cursor.fail("a known sort key");
        }
    };
    Ok(SortCriterion { key, reverse })
}

/// RFC 5256 §5, thread: `SP thread-alg SP search-criteria`
pub(super) fn thread(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<CommandBody> {
    cursor.sp()?;
    let at = cursor.position();
    let name = cursor.atom("an algorithm")?.to_ascii_uppercase();
    let algorithm = match name.as_str() {
        "ORDEREDSUBJECT" => ThreadAlgorithm::OrderedSubject,
        "REFERENCES" => ThreadAlgorithm::References,
        "REFS" => ThreadAlgorithm::Refs,
        _ => {
            cursor.rewind(at);
            return cursor.fail("a known algorithm");
        }
    };
    let program = search_criteria(cursor)?;
    Ok(CommandBody::Thread {
        uid,
        algorithm,
        program,
    })
}

/// `SP charset 1*(SP search-key)`: RFC 5256 §5, search-criteria
fn search_criteria(cursor: &mut Cursor<'_>) -> Parsed<SearchProgram> {
    cursor.sp()?;
    let known = search::charset(cursor)?;
    cursor.sp()?;
    search::search_keys(cursor, known)
}
