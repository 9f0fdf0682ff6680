//! What a search is to tell of what it found.

use super::cursor::{Cursor, Parsed};
use crate::imap::command::{PartialRange, SearchReturn};

/// RFC 4731 §4: `["RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")"
/// SP]`. An empty list means ALL (§3.1).
pub(super) fn search_return_opts(cursor: &mut Cursor<'_>) -> Parsed<Option<SearchReturn>> {
    if !cursor.eat_word("RETURN ") {
        return Ok(None);
    }
    let at = cursor.position();
    let mut returns = SearchReturn::default();
    if cursor.eat_word("()") {
        returns = SearchReturn::ALL;
    } else {
        cursor.list_1(OPTIONS_MAX, |cursor| option(cursor, &mut returns))?;
    }
    // RFC 9394 §3.1: "either one PARTIAL, one ALL, or neither".
    if returns.all && returns.partial.is_some() {
        cursor.rewind(at);
        return cursor.fail("PARTIAL or ALL, not both");
    }
    cursor.sp()?;
    Ok(Some(returns))
}

/// More options than there are kinds of them make no sense.
const OPTIONS_MAX: usize = 16;

fn option(cursor: &mut Cursor<'_>, returns: &mut SearchReturn) -> Parsed<()> {
    let at = cursor.position();
    match cursor
        .atom("a result option")?
        .to_ascii_uppercase()
        .as_str()
    {
        "ALL" => returns.all = true,
        "COUNT" => returns.count = true,
        "MAX" => returns.max = true,
        "MIN" => returns.min = true,
        "PARTIAL" if returns.partial.is_none() => {
            cursor.sp()?;
            returns.partial = Some(partial_range(cursor)?);
        }
        "SAVE" => returns.save = true,
        _ => {
            cursor.rewind(at);
            return cursor.fail("a known result option");
        }
    }
    Ok(())
}

/// RFC 9394 §4, partial-range: `1:500`, `-1:-100`
pub(super) fn partial_range(cursor: &mut Cursor<'_>) -> Parsed<PartialRange> {
    let from_end = cursor.eat(b'-');
    let first = cursor.nz_number()?;
    cursor.expect(b':', "a colon")?;
    if from_end {
        cursor.expect(b'-', "a minus")?;
    }
    let last = cursor.nz_number()?;
    Ok(PartialRange {
        first,
        last,
        from_end,
    })
}
