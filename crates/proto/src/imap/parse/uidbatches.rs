//! UIDBATCHES. RFC 10022 §4.

use super::cursor::{Cursor, Parsed};
use crate::imap::command::CommandBody;

/// `"UIDBATCHES" SP nz-number [SP nz-number ":" nz-number]`
pub(super) fn uidbatches(cursor: &mut Cursor<'_>) -> Parsed<CommandBody> {
    cursor.sp()?;
    let size = cursor.nz_number()?;
    let mut range = None;
    if !cursor.at_end() {
        cursor.sp()?;
        let first = cursor.nz_number()?;
        cursor.expect(b':', "a colon")?;
        range = Some((first, cursor.nz_number()?));
    }
    Ok(CommandBody::UidBatches { size, range })
}
