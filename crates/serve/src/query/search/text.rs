//! Looking for texts in messages: in fields, and in decoded bodies.

use super::fold::Needle;
use crate::query::derive::{Held, compute, held_range};
use crate::query::octets::blob_size;
use crate::stream::{Node, StreamError};
use crate::work::Work;
use account::Row;
use mime::{Derived, Fields, Part, TextPart, decode_text, decode_words, html_to_text, pick_fields};
use std::ops::Range;
use std::sync::OnceLock;
use store::{BlobError, Store};

/// How many octets decoding and folding one octet of text takes.
const TEXT_FACTOR: u64 = 4;

/// What decoding an octet and looking at it takes, as [`Work`] counts.
const OCTET_UNITS: usize = 8;

/// Messages up to this are read once and as a whole.
const WHOLE_OCTETS: u64 = 256 << 10;

/// One message that is looked through.
pub(super) struct Looked<'a> {
    node: &'a Node,
    store: &'a dyn Store,
    row: &'a Row<'a>,
    pub(super) derived: &'a Derived<'a>,
    whole: OnceLock<Held>,
}

/// Whether something was found; the inner error says that the message cannot be
/// read.
type Found = Result<Result<bool, BlobError>, StreamError>;

/// Whether a field of that name has the text, by the derived row; `None` where
/// that has not kept the field.
pub(super) fn kept_field_has(
    row: &Row<'_>,
    derived: &Derived<'_>,
    names: &[String],
    needle: &Needle,
) -> Option<bool> {
    derived.has_fields(names).then(|| {
        let mut fields = Vec::new();
        pick_fields(row.prefix, names, false, &mut fields);
        derived.pick_fields(names, &mut fields);
        any_value_has(&fields, needle)
    })
}

/// Whether any of these fields has the text in its value.
fn any_value_has(fields: &[u8], needle: &Needle) -> bool {
    Fields::new(fields).any(|field| needle.is_empty() || needle.is_in(&decode_words(field.value)))
}

/// Whether a header has the text in any of its fields, names included.
pub(super) fn header_has(header: &[u8], needle: &Needle) -> bool {
    Fields::new(header).any(|field| {
        let name = String::from_utf8_lossy(field.name);
        let value = decode_words(field.value);
        needle.is_in(&format!("{name}: {value}"))
    })
}

impl<'a> Looked<'a> {
    pub(super) fn new(
        node: &'a Node,
        store: &'a dyn Store,
        row: &'a Row<'a>,
        derived: &'a Derived<'a>,
    ) -> Self {
        Self {
            node,
            store,
            row,
            derived,
            whole: OnceLock::new(),
        }
    }

    /// Whether a field of that name has the text, by the blob's header.
    pub(super) async fn field_has(
        &self,
        names: &[String],
        needle: &Needle,
        work: &mut Work,
    ) -> Found {
        let mut fields = Vec::new();
        pick_fields(self.row.prefix, names, false, &mut fields);
        if any_value_has(&fields, needle) {
            return Ok(Ok(true));
        }
        let (names, needle) = (names.to_vec(), needle.clone());
        let header = 0..self.derived.header_length;
        self.look(header, work, move |header| {
            let mut fields = Vec::new();
            pick_fields(header, &names, false, &mut fields);
            any_value_has(&fields, &needle)
        })
        .await
    }

    /// Whether the header or the body has the text. RFC 9051 §6.4.4, TEXT.
    pub(super) async fn text_has(&self, needle: &Needle, work: &mut Work) -> Found {
        if header_has(self.row.prefix, needle) {
            return Ok(Ok(true));
        }
        let header = 0..self.derived.header_length;
        let header = self.header_has(header, needle, work).await?;
        if !matches!(header, Ok(false)) {
            return Ok(header);
        }
        self.body_has(needle, work).await
    }

    /// Whether the body has the text: the texts in it, decoded, and the headers
    /// of the messages and parts in it.
    pub(super) async fn body_has(&self, needle: &Needle, work: &mut Work) -> Found {
        let parts = self.derived.parts();
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                let header = self.header_has(part.header.clone(), needle, work).await?;
                if !matches!(header, Ok(false)) {
                    return Ok(header);
                }
            }
            let body = self.part_has(part, needle, work).await?;
            if !matches!(body, Ok(false)) {
                return Ok(body);
            }
        }
        Ok(Ok(false))
    }

    async fn header_has(&self, range: Range<u64>, needle: &Needle, work: &mut Work) -> Found {
        let needle = needle.clone();
        self.look(range, work, move |header| header_has(header, &needle))
            .await
    }

    async fn part_has(&self, part: &Part, needle: &Needle, work: &mut Work) -> Found {
        let Some(TextPart { is_html, charset }) = part.text.clone() else {
            return Ok(Ok(false));
        };
        let (needle, encoding) = (needle.clone(), part.encoding);
        self.look(part.body.clone(), work, move |body| {
            let text = decode_text(body, encoding, &charset);
            // What HTML shows may be written otherwise: entities, tags in words.
            needle.is_in(&text) || is_html && needle.is_in(&html_to_text(&text))
        })
        .await
    }

    /// Looks at a range of the blob, beside the tasks if it is long.
    async fn look(
        &self,
        range: Range<u64>,
        done: &mut Work,
        work: impl FnOnce(&[u8]) -> bool + Send + 'static,
    ) -> Found {
        let octets = match self.octets(range).await? {
            Ok(octets) => octets,
            Err(error) => return Ok(Err(error)),
        };
        let found = compute(self.node, &octets, work).await;
        done.done(octets.len().saturating_mul(OCTET_UNITS)).await;
        Ok(found.ok_or_else(|| BlobError::Failed("it cannot be decoded".to_owned())))
    }

    /// A range of the blob, of the whole that is in memory where it is short.
    async fn octets(&self, range: Range<u64>) -> Result<Result<Held, BlobError>, StreamError> {
        let size = blob_size(self.row);
        if size > WHOLE_OCTETS {
            return held_range(self.node, self.store.into(), self.row, range, TEXT_FACTOR).await;
        }
        if self.whole.get().is_none() {
            match held_range(self.node, self.store.into(), self.row, 0..size, TEXT_FACTOR).await? {
                // Nobody else looks at this message at the same time.
                Ok(whole) => drop(self.whole.set(whole)),
                Err(error) => return Ok(Err(error)),
            }
        }
        let part = self.whole.get().and_then(|whole| whole.part(range));
        Ok(part.ok_or(BlobError::Damaged(self.row.blob)))
    }
}
