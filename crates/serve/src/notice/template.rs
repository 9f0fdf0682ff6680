//! Texts with places to fill, in several languages: those that come with the
//! program, and an operator's own before them.

use std::collections::BTreeMap;
use std::fmt;

/// Texts by the name of their file: `quota.de.txt`.
#[derive(Clone, Debug, Default)]
pub struct Templates(BTreeMap<String, String>);

/// What comes with the program.
const OWN: [(&str, &str); 2] = [
    ("quota.de.txt", include_str!("texts/quota.de.txt")),
    ("quota.en.txt", include_str!("texts/quota.en.txt")),
];
/// What may be filled in.
pub(super) const QUOTA_PLACES: [&str; 10] = [
    "account",
    "gives-way",
    "hold-frees",
    "mailboxes",
    "messages",
    "messages-limit",
    "octets",
    "octets-limit",
    "percent",
    "waits-for",
];
/// What the first line begins with.
const SUBJECT: &str = "Subject: ";
/// Longest text, in octets.
const OCTETS_MAX: usize = 64 << 10;

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextFault {
    /// The line, from one on; `None` where it is of no line.
    pub line: Option<usize>,
    /// What would be right.
    pub right: String,
}

impl fmt::Display for TextFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.right)
    }
}

impl Templates {
    /// Adds a text of the operator's, by the name of its file.
    ///
    /// # Errors
    /// Says where it is wrong, and what would be right.
    pub fn add(&mut self, name: &str, octets: &[u8]) -> Result<(), TextFault> {
        let fault = |line, right: &str| {
            let right = right.to_owned();
            Err(TextFault { line, right })
        };
        let name = name.to_ascii_lowercase();
        let language = (name.strip_prefix("quota.")).and_then(|rest| rest.strip_suffix(".txt"));
        if !language.is_some_and(is_language) {
            let right = "a text is called quota.<language>.txt, such as quota.fr.txt";
            return fault(None, right);
        }
        if octets.len() > OCTETS_MAX {
            return fault(None, &format!("a text has at most {OCTETS_MAX} octets"));
        }
        let line_at = |at: usize| {
            let before = octets.get(..at).unwrap_or(octets);
            Some(before.iter().filter(|octet| **octet == b'\n').count() + 1)
        };
        let text = match std::str::from_utf8(octets) {
            Ok(text) => text,
            Err(error) => return fault(line_at(error.valid_up_to()), "a text is in UTF-8"),
        };
        if split(text).is_none() {
            let is_subject = |line: &str| {
                let subject = line.strip_prefix(SUBJECT);
                subject.is_some_and(|subject| !subject.trim().is_empty())
            };
            let line = if text.lines().next().is_some_and(is_subject) {
                2
            } else {
                1
            };
            let right = "a text begins with a line `Subject: …` and a blank line";
            return fault(Some(line), right);
        }
        if let Some((at, place)) = unknown_place(text) {
            let places = QUOTA_PLACES.join(", ");
            let right = format!("there is no {{{place}}}; what can be filled in is {places}");
            return fault(line_at(at), &right);
        }
        self.0.insert(name, text.to_owned());
        Ok(())
    }

    /// Subject and text of a kind in a language (`de-at`, else `de`, else English),
    /// each `{place}` filled.
    pub fn fill(&self, kind: &str, language: &str, places: &[(&str, String)]) -> (String, String) {
        let mut tags = vec![language];
        tags.extend(language.split_once('-').map(|(primary, _)| primary));
        tags.push("en");
        let found = tags.iter().find_map(|tag| self.text(kind, tag));
        let (subject, text) = found.and_then(split).unwrap_or_default();
        (filled(subject, places), filled(text, places))
    }

    fn text(&self, kind: &str, tag: &str) -> Option<&str> {
        let name = format!("{kind}.{tag}.txt");
        let own = || OWN.iter().find(|(own, _)| *own == name);
        let operators = self.0.get(&name).map(String::as_str);
        operators.or_else(|| own().map(|(_, text)| *text))
    }
}

/// Whether it has the form of a language tag. RFC 5646 §2.1.
fn is_language(tag: &str) -> bool {
    let is_part = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|octet| octet.is_ascii_alphanumeric())
    };
    tag.split('-').all(is_part)
}

/// The first place that nothing can be filled in at, and at which octet it stands.
fn unknown_place(text: &str) -> Option<(usize, &str)> {
    let is_name = |name: &str| {
        let letter = |octet: u8| octet.is_ascii_lowercase() || octet == b'-';
        !name.is_empty() && name.bytes().all(letter)
    };
    text.match_indices('{').find_map(|(at, _)| {
        let (name, _) = text.get(at + 1..)?.split_once('}')?;
        (is_name(name) && !QUOTA_PLACES.contains(&name)).then_some((at, name))
    })
}

fn split(text: &str) -> Option<(&str, &str)> {
    let (first, rest) = text.split_once('\n')?;
    let subject = first.strip_prefix(SUBJECT)?.trim();
    let text = rest.trim_start_matches('\r').strip_prefix('\n')?;
    (!subject.is_empty()).then_some((subject, text))
}

/// What is filled in is not looked at again: a mailbox may be called `{account}`.
fn filled(text: &str, places: &[(&str, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let place = after.split_once('}').and_then(|(name, after)| {
            let (_, value) = places.iter().find(|(place, _)| *place == name)?;
            Some((value, after))
        });
        match place {
            Some((value, after)) => {
                out.push_str(value);
                rest = after;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_once() {
        let places = [("a", "{b}".to_owned()), ("b", "x".to_owned())];
        assert_eq!(filled("{a}{b} {c} {", &places), "{b}x {c} {");
    }

    #[test]
    fn an_operators_text_wins_and_english_is_the_last_resort() {
        let mut templates = Templates::default();
        let subject = |templates: &Templates, tag: &str| {
            let places = [("percent", "80".to_owned())];
            templates.fill("quota", tag, &places).0
        };
        assert_eq!(
            subject(&templates, "de-at"),
            "Ihr Postfach ist zu 80 % voll"
        );
        assert_eq!(subject(&templates, "fr"), "Your mailbox is 80 % full");
        let text = "Subject: Plein: {percent}\n\nBonjour\n";
        templates.add("quota.fr.txt", text.as_bytes()).unwrap();
        assert_eq!(subject(&templates, "fr"), "Plein: 80");
    }

    #[test]
    fn what_is_wrong_with_a_text_is_told_with_its_line() {
        let check = |name, text: &[u8], line, right: &str| {
            let fault = Templates::default().add(name, text).unwrap_err();
            assert_eq!(fault.line, line, "{fault}");
            assert!(fault.right.contains(right), "{fault}");
        };
        let text = b"Subject: x\n\nBonjour {percent} {Nom} {}\n";
        for name in ["quota.fr", "other.fr.txt", "quota..txt", "quota.fr.txt~"] {
            check(name, text, None, "quota.<language>.txt");
        }
        for name in ["quota.fr.txt", "quota.fr-ca.txt", "QUOTA.FR.TXT"] {
            assert_eq!(Templates::default().add(name, text), Ok(()));
        }
        let name = "quota.fr.txt";
        check(name, b"Bonjour\n", Some(1), "Subject");
        check(name, b"", Some(1), "Subject");
        check(name, b"Subject: \n\nBonjour\n", Some(1), "Subject");
        check(name, b"Subject: x\nBonjour\n", Some(2), "a blank line");
        check(name, b"Subject: x\n\n\nPl\xe9n\n", Some(4), "UTF-8");
        check(
            name,
            b"Subject: x\n\n{percent}\n{prozent}\n",
            Some(4),
            "{prozent}",
        );
        check(name, &[b' '; OCTETS_MAX + 1], None, "octets");
    }

    #[test]
    fn our_own_texts_are_right() {
        for (name, text) in OWN {
            assert_eq!(Templates::default().add(name, text.as_bytes()), Ok(()));
        }
    }
}
