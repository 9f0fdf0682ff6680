//! SELECT's and EXAMINE's arguments.

use super::cursor::{Cursor, Parsed};
use crate::imap::command::{CommandBody, QResync, SelectParameters};
use terms::{SequenceNumber, SequenceSet, UidSet, UidValidity};

/// RFC 3501 §9, select and examine, with RFC 4466 §2.1, select-params.
pub(super) fn select(cursor: &mut Cursor<'_>, read_only: bool) -> Parsed<CommandBody> {
    cursor.sp()?;
    let (mailbox, old_name) = cursor.mailbox_as_given()?;
    let mut parameters = SelectParameters {
        old_name,
        ..SelectParameters::default()
    };
    if !cursor.at_end() {
        cursor.sp()?;
        cursor.list_1(PARAMETERS_MAX, |cursor| parameter(cursor, &mut parameters))?;
    }
    Ok(CommandBody::Select {
        mailbox,
        read_only,
        parameters,
    })
}

/// More parameters than there are kinds of them make no sense.
const PARAMETERS_MAX: usize = 8;

fn parameter(cursor: &mut Cursor<'_>, parameters: &mut SelectParameters) -> Parsed<()> {
    let at = cursor.position();
    match cursor.atom("a parameter")?.to_ascii_uppercase().as_str() {
        "CONDSTORE" => parameters.condstore = true,
        "QRESYNC" => parameters.qresync = Some(qresync(cursor)?),
        _ => {
            cursor.rewind(at);
            return cursor.fail("a known parameter");
        }
    }
    Ok(())
}

/// RFC 7162 §7, select-param: `"QRESYNC" SP "(" uidvalidity SP mod-sequence-value
/// [SP known-uids] [SP seq-match-data] ")"`
fn qresync(cursor: &mut Cursor<'_>) -> Parsed<QResync> {
    cursor.sp()?;
    cursor.expect(b'(', "a parenthesis")?;
    let uid_validity = UidValidity::new(cursor.nz_number()?).unwrap_or(UidValidity::MIN);
    cursor.sp()?;
    let modseq = cursor.mod_sequence_value()?;
    let (mut known_uids, mut matches) = (None, None);
    while !cursor.eat(b')') {
        cursor.sp()?;
        if cursor.peek() != Some(b'(') && known_uids.is_none() && matches.is_none() {
            known_uids = Some(known_set(cursor)?);
        } else if matches.is_none() {
            matches = Some(seq_match_data(cursor)?);
        } else {
            return cursor.fail("a closing parenthesis");
        }
    }
    Ok(QResync {
        uid_validity,
        modseq,
        known_uids,
        matches,
    })
}

/// RFC 7162 §7, seq-match-data: `"(" known-sequence-set SP known-uid-set ")"`.
/// Both ascend (§3.2.5.2), and there is an identifier for each number.
fn seq_match_data(cursor: &mut Cursor<'_>) -> Parsed<(UidSet, UidSet)> {
    cursor.expect(b'(', "a parenthesis")?;
    let numbers = known_set(cursor)?;
    cursor.sp()?;
    let at = cursor.position();
    let uids = known_set(cursor)?;
    if numbers.count() != uids.count() {
        cursor.rewind(at);
        return cursor.fail("as many identifiers as message numbers");
    }
    cursor.expect(b')', "a closing parenthesis")?;
    Ok((numbers, uids))
}

/// RFC 7162 §7, known-uids: a sequence-set in which "*" is not allowed; here it
/// must ascend, as what it is compared with does.
fn known_set(cursor: &mut Cursor<'_>) -> Parsed<UidSet> {
    let at = cursor.position();
    let set = cursor.sequence_set()?;
    let SequenceSet::Ranges(ranges) = &set else {
        cursor.rewind(at);
        return cursor.fail("a set without $");
    };
    let mut before = 0;
    for range in ranges {
        match (range.first, range.last) {
            (SequenceNumber::Number(first), SequenceNumber::Number(last))
                if before < first && first <= last =>
            {
                before = last;
            }
            _ => {
                cursor.rewind(at);
                return cursor.fail("an ascending set without *");
            }
        }
    }
    Ok(set.resolve(None))
}
