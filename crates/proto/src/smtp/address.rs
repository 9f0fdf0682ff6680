//! Addresses in MAIL and RCPT. RFC 5321 §4.1.2, RFC 6531 §3.3.

use std::fmt;

/// What stands right of the `@`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Domain {
    /// A name, as it came; U-labels and A-labels are not compared here.
    Name(String),
    /// An address literal, without its brackets. RFC 5321 §4.1.3.
    Literal(String),
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Literal(literal) => write!(f, "[{literal}]"),
        }
    }
}

/// An address. Shown as it stands in a path, quoted where it must be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The local part, without quotes.
    pub local: String,
    /// None for `<postmaster>` (RFC 5321 §4.1.1.3) and other bare names.
    pub domain: Option<Domain>,
}

impl Address {
    /// Longest local part. RFC 5321 §4.5.3.1.1 says 64 and asks to take more; a
    /// folder's name may stand in it.
    pub const LOCAL_OCTETS_MAX: usize = 512;
    /// Longest domain. RFC 5321 §4.5.3.1.2.
    pub const DOMAIN_OCTETS_MAX: usize = 255;

    /// Whether it can be written without SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        let domain_is_ascii = match &self.domain {
            Some(Domain::Name(name) | Domain::Literal(name)) => name.is_ascii(),
            None => true,
        };
        self.local.is_ascii() && domain_is_ascii
    }

    /// Takes what stands between `<` and `>`, a source route included, which is
    /// dropped (RFC 5321 §4.1.1.3, appendix C).
    pub fn parse(text: &str) -> Option<Self> {
        let text = if text.starts_with('@') {
            text.split_once(':')?.1
        } else {
            text
        };
        let (local, rest) = local_part(text)?;
        if local.is_empty() || local.len() > Self::LOCAL_OCTETS_MAX {
            return None;
        }
        let domain = match rest.strip_prefix('@') {
            Some(text) => Some(domain(text)?),
            None if rest.is_empty() => None,
            None => return None,
        };
        Some(Self { local, domain })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_dot_string = self.local.chars().all(|c| c == '.' || is_atext(c))
            && self.local.split('.').all(|atom| !atom.is_empty());
        if is_dot_string {
            f.write_str(&self.local)?;
        } else {
            f.write_str("\"")?;
            for c in self.local.chars() {
                if matches!(c, '"' | '\\') {
                    f.write_str("\\")?;
                }
                write!(f, "{c}")?;
            }
            f.write_str("\"")?;
        }
        match &self.domain {
            Some(domain) => write!(f, "@{domain}"),
            None => Ok(()),
        }
    }
}

/// Where MAIL says that the message comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReversePath {
    /// `<>`: a notice that must not cause another. RFC 5321 §4.5.5.
    Null,
    /// An address.
    Address(Address),
}

impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Address(address) => write!(f, "<{address}>"),
        }
    }
}

/// `atext`, RFC 5322 §3.2.3, and what RFC 6531 §3.3 adds to it.
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(c)
        || (!c.is_ascii() && !c.is_control())
}

/// The local part, unquoted, and what follows it. A dot-string is taken with dots
/// in any place, as some hosts have given out such addresses.
fn local_part(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text
            .find(|c| c != '.' && !is_atext(c))
            .unwrap_or(text.len());
        let (local, rest) = text.split_at_checked(end)?;
        return Some((local.into(), rest));
    };
    let mut local = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => return Some((local, chars.as_str())),
            '\\' => local.push(chars.next().filter(|c| !c.is_control())?),
            c if c.is_control() => return None,
            c => local.push(c),
        }
    }
}

/// `Domain / address-literal`. Underscores are taken: there are hosts with them.
fn domain(text: &str) -> Option<Domain> {
    if text.is_empty() || text.len() > Address::DOMAIN_OCTETS_MAX {
        return None;
    }
    if let Some(literal) = text.strip_prefix('[') {
        let literal = literal.strip_suffix(']')?;
        let is_dcontent = |c: char| c.is_ascii_graphic() && !matches!(c, '[' | ']' | '\\');
        return (!literal.is_empty() && literal.chars().all(is_dcontent))
            .then(|| Domain::Literal(literal.into()));
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| {
                c.is_ascii_alphanumeric()
                    || c == '-'
                    || c == '_'
                    || (!c.is_ascii() && !c.is_control())
            })
    };
    text.split('.')
        .all(is_label)
        .then(|| Domain::Name(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses() {
        let check = |text: &str, local: &str, domain: Option<&str>, shown: &str| {
            let address = Address::parse(text).unwrap_or_else(|| panic!("{text:?}"));
            assert_eq!(address.local, local);
            assert_eq!(
                address.domain.as_ref().map(ToString::to_string).as_deref(),
                domain
            );
            assert_eq!(address.to_string(), shown);
        };
        check("a@b.example", "a", Some("b.example"), "a@b.example");
        check("Postmaster", "Postmaster", None, "Postmaster");
        check("a+b/c@x", "a+b/c", Some("x"), "a+b/c@x");
        check("\"a b\"@x", "a b", Some("x"), "\"a b\"@x");
        check("\"a\"@x", "a", Some("x"), "a@x");
        check(r#""a\"\\@b"@x"#, r#"a"\@b"#, Some("x"), r#""a\"\\@b"@x"#);
        check(".a..b.@x", ".a..b.", Some("x"), "\".a..b.\"@x");
        check("a@[127.0.0.1]", "a", Some("[127.0.0.1]"), "a@[127.0.0.1]");
        check("a@[IPv6:::1]", "a", Some("[IPv6:::1]"), "a@[IPv6:::1]");
        check("@r1,@r2:a@b", "a", Some("b"), "a@b");
        check(
            "jürgen@bücher.example",
            "jürgen",
            Some("bücher.example"),
            "jürgen@bücher.example",
        );
        check("a@_x.b", "a", Some("_x.b"), "a@_x.b");
    }

    #[test]
    fn what_is_no_address() {
        for text in [
            "",
            "@",
            "@b",
            "a@",
            "a b@c",
            "a@b c",
            "a@-b",
            "a@b-",
            "a@b..c",
            "a@.b",
            "a@b.",
            "a@[]",
            "a@[1",
            "a@[1]x",
            "\"a@b",
            "\"\"@b",
            "\"a\"b@c",
            "a@b@c",
            "<a@b>",
            "a\u{85}@b",
            "\"a\r\"@b",
            "@r1,@r2",
            "a,b@c",
            "a\0@b",
        ] {
            assert_eq!(Address::parse(text), None, "{text:?}");
        }
        assert_eq!(Address::parse(&format!("{}@b", "a".repeat(513))), None);
        assert_eq!(Address::parse(&format!("a@{}", "b".repeat(256))), None);
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(local in "[a. \"\\\\@ü<>]{1,8}", domain in "[a-z]{1,4}(\\.[a-zü]{1,3})?") {
            let address = Address { local, domain: Some(Domain::Name(domain)) };
            prop_assert_eq!(Address::parse(&address.to_string()), Some(address));
        }
    }
}
