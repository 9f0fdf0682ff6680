//! Unique-ids that are not our own: those that came with an import, and those of
//! new mail where an account keeps the form that another server gave it.
//! RFC 1939 §7, UIDL.

use crate::maildrop::is_unique_id;
use crate::state::State;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use terms::{EmailNumber, Uid, UidValidity};

/// How the unique-ids of new mail are made: a text in which `%u` stands for the
/// message's unique identifier in the mailbox it came to and `%v` for that
/// mailbox's UIDVALIDITY, as decimal numbers or, with a width and an `X`, as
/// hexadecimal ones: `%08Xu%08Xv`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniqueIdForm(Arc<str>);

/// Why a text is no [`UniqueIdForm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UniqueIdFormError {
    /// `%` is followed by something else than a width, `X`, `u`, `v` or `%`.
    Variable,
    /// Without `%u` all messages would have the same.
    NoUid,
    /// Some ids would have over 70 octets, or others than 0x21 to 0x7E.
    Octets,
}

impl fmt::Display for UniqueIdFormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Variable => {
                "after % comes u (the UID), v (UIDVALIDITY) or %; before that perhaps a width \
                 and X, as in %08Xu"
            }
            Self::NoUid => "without %u all messages would have the same unique-id",
            Self::Octets => "a unique-id has up to 70 octets, all of them printable and no blanks",
        })
    }
}

impl std::error::Error for UniqueIdFormError {}

/// The forms that have a name, by the servers that use them.
const NAMED: [(&str, &str); 4] = [
    ("dovecot", "%08Xu%08Xv"),
    ("courier", "UID%u-%v"),
    ("cyrus", "%v.%u"),
    ("uw-imap", "%08Xv%08Xu"),
];

impl UniqueIdForm {
    /// The form that a name or a pattern stands for.
    ///
    /// # Errors
    /// See [`UniqueIdFormError`].
    pub fn new(text: &str) -> Result<Self, UniqueIdFormError> {
        let named = NAMED.iter().find(|(name, _)| *name == text);
        let form = Self(named.map_or(text, |(_, form)| form).into());
        let longest = expand(&form.0, u32::MAX, u32::MAX)?;
        let other = expand(&form.0, u32::MAX, u32::MAX - 1)?;
        if longest == other {
            return Err(UniqueIdFormError::NoUid);
        }
        if !is_unique_id(&longest) {
            return Err(UniqueIdFormError::Octets);
        }
        Ok(form)
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The unique-id of a message.
    pub fn make(&self, uid_validity: UidValidity, uid: Uid) -> String {
        // It has been tried when it was made.
        expand(&self.0, uid_validity.value(), uid.value()).unwrap_or_default()
    }
}

impl FromStr for UniqueIdForm {
    type Err = UniqueIdFormError;

    fn from_str(text: &str) -> Result<Self, UniqueIdFormError> {
        Self::new(text)
    }
}

/// Puts the numbers in.
fn expand(form: &str, uid_validity: u32, uid: u32) -> Result<String, UniqueIdFormError> {
    let mut out = String::new();
    let mut chars = form.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut width = String::new();
        while let Some(digit) = chars.next_if(char::is_ascii_digit) {
            width.push(digit);
        }
        let hexadecimal = chars.next_if_eq(&'X').is_some();
        let value = match chars.next() {
            Some('u') => uid,
            Some('v') => uid_validity,
            Some('%') if width.is_empty() && !hexadecimal => {
                out.push('%');
                continue;
            }
            _ => return Err(UniqueIdFormError::Variable),
        };
        let width = match &*width {
            "" => 0,
            width => width.parse().map_err(|_| UniqueIdFormError::Variable)?,
        };
        if width > 70 {
            return Err(UniqueIdFormError::Octets);
        }
        out.push_str(&if hexadecimal {
            format!("{value:0width$x}")
        } else {
            format!("{value:0width$}")
        });
    }
    Ok(out)
}

/// Finds unique-ids that no message of the account has.
pub(crate) struct Free<'a> {
    state: &'a State,
    /// What our own ids begin with: they are left to those whose they are.
    own: String,
    /// Whether there are so many to find that it is worth to gather those that
    /// there are.
    gather: bool,
    known: Option<BTreeSet<&'a str>>,
    new: BTreeSet<String>,
}

impl<'a> Free<'a> {
    /// So few are looked for one by one.
    const FEW: usize = 4;

    /// For so many messages.
    pub(crate) fn new(state: &'a State, count: usize) -> Self {
        let mut own = state.unique_id(EmailNumber(0));
        own.pop();
        Self {
            own,
            gather: count > Self::FEW,
            known: None,
            new: BTreeSet::new(),
            state,
        }
    }

    fn is_taken(&self, text: &str) -> bool {
        let is_known = match &self.known {
            Some(known) => known.contains(text),
            None => self
                .state
                .root
                .unique_ids
                .values()
                .any(|has| **has == *text),
        };
        let is_own = text.strip_prefix(&self.own).is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|octet| octet.is_ascii_hexdigit())
        });
        is_known || is_own || self.new.contains(text)
    }

    /// The id that is wanted, or with a suffix where another message has that.
    pub(crate) fn take(&mut self, wanted: &str) -> String {
        if self.gather && self.known.is_none() {
            let texts = self.state.root.unique_ids.values();
            self.known = Some(texts.map(|text| &**text).collect());
        }
        let mut text = wanted.to_owned();
        let mut number = 2u64;
        while self.is_taken(&text) {
            let suffix = format!("-{number}");
            let room = 70usize.saturating_sub(suffix.len());
            text = wanted.chars().take(room).collect();
            text.push_str(&suffix);
            number += 1;
        }
        self.new.insert(text.clone());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use terms::AccountId;

    #[test]
    fn forms_of_other_servers() {
        let validity = UidValidity::new(1_275_660_208).unwrap();
        let uid = Uid::new(45).unwrap();
        for (form, expected) in [
            ("dovecot", "0000002d4c0907b0"),
            ("%08Xu%08Xv", "0000002d4c0907b0"),
            ("courier", "UID45-1275660208"),
            ("cyrus", "1275660208.45"),
            ("uw-imap", "4c0907b00000002d"),
            ("%u", "45"),
            ("%Xv%%%5u!", "4c0907b0%00045!"),
        ] {
            let made = UniqueIdForm::new(form).unwrap().make(validity, uid);
            assert_eq!(made, expected, "{form}");
        }
        for (form, error) in [
            ("", UniqueIdFormError::NoUid),
            ("%v", UniqueIdFormError::NoUid),
            ("%f%u", UniqueIdFormError::Variable),
            ("%u%", UniqueIdFormError::Variable),
            ("%0%%u", UniqueIdFormError::Variable),
            ("%99999999999999999999u", UniqueIdFormError::Variable),
            ("%71u", UniqueIdFormError::Octets),
            ("%u a", UniqueIdFormError::Octets),
            ("%uü", UniqueIdFormError::Octets),
            ("%40u%40v", UniqueIdFormError::Octets),
        ] {
            assert_eq!(UniqueIdForm::new(form), Err(error), "{form}");
        }
    }

    #[test]
    fn what_is_taken_gets_a_suffix() {
        let state = State::new(AccountId(7));
        for count in [1, 100] {
            let mut free = Free::new(&state, count);
            assert_eq!(free.take("a"), "a");
            assert_eq!(free.take("a"), "a-2");
            assert_eq!(free.take("a"), "a-3");
            assert_eq!(free.take("a-2"), "a-2-2");
            let long = "x".repeat(70);
            assert_eq!(free.take(&long), long);
            assert_eq!(free.take(&long), format!("{}-2", "x".repeat(68)));
            // What we might make ourselves some day.
            let own = state.unique_id(EmailNumber(0x2f));
            assert_eq!(free.take(&own), format!("{own}-2"));
        }
    }
}
