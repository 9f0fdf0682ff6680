//! Names of accounts, as people write them in logins and as RCPT has them.

use std::fmt;
use unicode_normalization::UnicodeNormalization as _;

/// The name of an account: lower case, NFC, the domain as IDNA writes it in
/// ASCII. With a domain it is an address.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(Box<str>);

/// Why a text is no account name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountNameError {
    /// Nothing before the `@`, or after it.
    #[error("the name is empty, or its local part or domain is")]
    Empty,
    /// Over [`AccountName::OCTETS_MAX`].
    #[error("the name is too long")]
    TooLong,
    /// Spaces, control characters, or what has a meaning elsewhere.
    #[error("the name has a character that names must not have")]
    Character,
    /// Not a domain.
    #[error("what follows the @ is no domain")]
    Domain,
}

/// What a new name may have in its local part besides letters, digits and dots: RFC
/// 5321's `atext` without `*` and `%`, which are patterns of IMAP's LIST, without `/`,
/// which separates levels of mailboxes, and without braces, which begin a literal.
const NEW_NAME_MARKS: &str = "!#$&'+-=?^_`|~";

/// Why no account can be made of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NewNameError {
    /// It is no account name at all.
    #[error(transparent)]
    Name(#[from] AccountNameError),
    /// A character that programs could not address.
    #[error(
        "the name has `{}`, which mail programs could not address; write letters, digits, \
         dots and {NEW_NAME_MARKS}",
        .0.escape_default()
    )]
    Mark(char),
    /// A dot where no dot can be.
    #[error("a name neither begins nor ends with a dot, nor has two in a row")]
    Dots,
}

/// How names are completed and taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameRules {
    /// The domain of a name without one; `None`: it stays without.
    pub default_domain: Option<String>,
    /// What separates a detail (RFC 5233 §1) or a device from the local part;
    /// `None`: nothing does.
    pub separator: Option<char>,
}

impl Default for NameRules {
    fn default() -> Self {
        Self {
            default_domain: None,
            separator: Some('+'),
        }
    }
}

impl AccountName {
    /// Longest name, in octets. RFC 5321 §4.5.3.1.3 allows a path of 256 with
    /// its brackets.
    pub const OCTETS_MAX: usize = 254;

    /// The name in its normal form, completed by the default domain.
    ///
    /// # Errors
    /// Says what it breaks.
    pub fn new(text: &str, rules: &NameRules) -> Result<Self, AccountNameError> {
        // Before any work on it: a name comes from whoever connects.
        if text.len() > Self::OCTETS_MAX {
            return Err(AccountNameError::TooLong);
        }
        let (local, domain) = match text.rsplit_once('@') {
            Some((local, domain)) => (local, Some(domain)),
            None => (text, rules.default_domain.as_deref()),
        };
        let local: String = local
            .nfc()
            .collect::<String>()
            .to_lowercase()
            .nfc()
            .collect();
        if local.is_empty() {
            return Err(AccountNameError::Empty);
        }
        // A quote or a backslash would only come from a quoted local part, which
        // no account has; a slash would be a level of `Users/<owner>/…`.
        let forbidden = |c: char| {
            c.is_control()
                || c.is_whitespace()
                || matches!(c, '"' | '@' | '\\' | '/' | '<' | '>' | ',')
        };
        if local.contains(forbidden) {
            return Err(AccountNameError::Character);
        }
        let name = match domain {
            None => local,
            Some(domain) => format!("{local}@{}", normal_domain(domain)?),
        };
        if name.len() > Self::OCTETS_MAX {
            return Err(AccountNameError::TooLong);
        }
        Ok(Self(name.into()))
    }

    /// The name for an account that is to be made: its local part is a dot-string
    /// (RFC 5321 §4.1.2), without the characters that mean something else to IMAP.
    /// Older accounts keep what they are called.
    ///
    /// # Errors
    /// Says what it breaks.
    pub fn for_new(text: &str, rules: &NameRules) -> Result<Self, NewNameError> {
        let name = Self::new(text, rules)?;
        let local = name.local_part();
        let is_legal = |c: &char| {
            !c.is_ascii() || c.is_ascii_alphanumeric() || NEW_NAME_MARKS.contains(*c) || *c == '.'
        };
        if let Some(c) = local.chars().find(|c| !is_legal(c)) {
            return Err(NewNameError::Mark(c));
        }
        if local.split('.').any(str::is_empty) {
            return Err(NewNameError::Dots);
        }
        Ok(name)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the `@`.
    pub fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or(&*self.0, |(local, _)| local)
    }

    /// What follows the `@`.
    pub fn domain(&self) -> Option<&str> {
        self.0.rsplit_once('@').map(|(_, domain)| domain)
    }

    /// The name in `text` without what follows the first separator in its local
    /// part, and that, as it was written. `None` where either would be empty.
    pub fn split(text: &str, rules: &NameRules) -> Option<(Self, String)> {
        let (local, domain) = match text.rsplit_once('@') {
            Some((local, domain)) => (local, Some(domain)),
            None => (text, None),
        };
        let (base, detail) = local.split_once(rules.separator?)?;
        if base.is_empty() || detail.is_empty() {
            return None;
        }
        let name = match domain {
            Some(domain) => Self::new(&format!("{base}@{domain}"), rules),
            None => Self::new(base, rules),
        };
        Some((name.ok()?, detail.to_owned()))
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// A domain in its normal form: IDNA's ASCII, or an address literal as it is in
/// lower case. RFC 5321 §4.1.3.
pub fn normal_domain(domain: &str) -> Result<String, AccountNameError> {
    if domain.is_empty() {
        return Err(AccountNameError::Empty);
    }
    if let Some(literal) = domain.strip_prefix('[').and_then(|d| d.strip_suffix(']')) {
        let legal =
            |c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ':') || c.is_ascii_alphabetic();
        return if !literal.is_empty() && literal.chars().all(legal) {
            Ok(domain.to_ascii_lowercase())
        } else {
            Err(AccountNameError::Domain)
        };
    }
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    match idna::domain_to_ascii_strict(domain) {
        Ok(ascii) if !ascii.is_empty() => Ok(ascii),
        _ => Err(AccountNameError::Domain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(default_domain: Option<&str>) -> NameRules {
        NameRules {
            default_domain: default_domain.map(str::to_owned),
            ..NameRules::default()
        }
    }

    #[test]
    fn names_have_one_form() {
        let bare = rules(None);
        let home = rules(Some("example.org"));
        for (text, rules, wanted) in [
            ("Ann", &bare, Ok("ann")),
            ("Ann", &home, Ok("ann@example.org")),
            ("ANN@Example.COM", &home, Ok("ann@example.com")),
            ("ann@example.com.", &home, Ok("ann@example.com")),
            ("ann@BÜCHER.example", &bare, Ok("ann@xn--bcher-kva.example")),
            (
                "ann@xn--bcher-kva.example",
                &bare,
                Ok("ann@xn--bcher-kva.example"),
            ),
            // A decomposed letter is the composed one.
            ("Zoe\u{308}", &bare, Ok("zo\u{eb}")),
            ("ann@[192.0.2.1]", &bare, Ok("ann@[192.0.2.1]")),
            (
                "ann@[IPv6:2001:DB8::1]",
                &bare,
                Ok("ann@[ipv6:2001:db8::1]"),
            ),
            ("", &home, Err(AccountNameError::Empty)),
            ("@example.org", &home, Err(AccountNameError::Empty)),
            ("ann@", &home, Err(AccountNameError::Empty)),
            ("a b", &home, Err(AccountNameError::Character)),
            ("a\0", &home, Err(AccountNameError::Character)),
            ("a/b", &home, Err(AccountNameError::Character)),
            ("\"ann\"", &home, Err(AccountNameError::Character)),
            ("ann@exa mple", &home, Err(AccountNameError::Domain)),
            ("ann@-.example", &home, Err(AccountNameError::Domain)),
            ("ann@[]", &home, Err(AccountNameError::Domain)),
        ] {
            let name = AccountName::new(text, rules);
            assert_eq!(
                name.as_ref().map(AccountName::as_str),
                wanted.as_ref().copied(),
                "{text}"
            );
            if let Ok(name) = name {
                assert_eq!(AccountName::new(name.as_str(), rules).unwrap(), name);
            }
        }
        let long = "a".repeat(AccountName::OCTETS_MAX + 1);
        assert_eq!(
            AccountName::new(&long, &bare),
            Err(AccountNameError::TooLong)
        );
    }

    #[test]
    fn new_names_can_be_addressed() {
        let rules = rules(Some("example.org"));
        for text in ["ann", "Ann.B-c_d+e", "o'neill", "zo\u{eb}", "x@y.example"] {
            let name = AccountName::for_new(text, &rules);
            assert_eq!(name, Ok(AccountName::new(text, &rules).unwrap()));
        }
        for c in "*%(){}[];:".chars() {
            for text in [format!("{c}"), format!("a{c}b"), format!("a{c}@x.example")] {
                assert_eq!(
                    AccountName::for_new(&text, &rules),
                    Err(NewNameError::Mark(c)),
                    "{text}"
                );
                assert!(AccountName::new(&text, &rules).is_ok(), "it may be there");
            }
        }
        for text in [".ann", "ann.", "a..b", "."] {
            let name = AccountName::for_new(text, &rules);
            assert_eq!(name, Err(NewNameError::Dots), "{text}");
        }
        for c in "\"\\/<>, \t\0\u{85}\u{a0}".chars() {
            let name = AccountName::for_new(&format!("a{c}b"), &rules);
            let error = NewNameError::Name(AccountNameError::Character);
            assert_eq!(name, Err(error), "{c:?}");
        }
    }

    #[test]
    fn names_come_apart_at_the_separator() {
        let rules = rules(Some("example.org"));
        let split = |text: &str| {
            AccountName::split(text, &rules).map(|(base, detail)| (base.to_string(), detail))
        };
        let ann = |detail: &str| Some(("ann@example.org".to_owned(), detail.to_owned()));
        assert_eq!(split("ann+phone"), ann("phone"));
        assert_eq!(split("Ann+A+b@Example.org"), ann("A+b"));
        assert_eq!(split("ann"), None);
        assert_eq!(split("+ann"), None);
        assert_eq!(split("ann+"), None);
        let none = NameRules {
            separator: None,
            ..rules.clone()
        };
        assert_eq!(AccountName::split("ann+x", &none), None);
    }
}
