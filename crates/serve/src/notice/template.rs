//! Texts with places to fill, in several languages: those that come with the
//! program, and an operator's own before them.

use std::collections::BTreeMap;

/// Texts by the name of their file: `quota.de.txt`.
#[derive(Clone, Debug, Default)]
pub struct Templates(BTreeMap<String, String>);

/// What comes with the program.
const OWN: [(&str, &str); 2] = [
    ("quota.de.txt", include_str!("texts/quota.de.txt")),
    ("quota.en.txt", include_str!("texts/quota.en.txt")),
];
/// What the first line begins with.
const SUBJECT: &str = "Subject: ";
/// Longest text, in octets.
const OCTETS_MAX: usize = 64 << 10;

impl Templates {
    /// Adds a text of the operator's.
    ///
    /// # Errors
    /// Says what would be right.
    pub fn add(&mut self, name: &str, text: String) -> Result<(), String> {
        let kind = name.split_once('.').map(|(kind, _)| kind);
        if kind != Some("quota") || !name.ends_with(".txt") {
            return Err("a text is called quota.<language>.txt, such as quota.fr.txt".into());
        }
        if text.len() > OCTETS_MAX {
            return Err(format!("a text has at most {OCTETS_MAX} octets"));
        }
        if split(&text).is_none() {
            return Err("a text begins with a line `Subject: …` and a blank line".into());
        }
        self.0.insert(name.to_ascii_lowercase(), text);
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
        templates.add("quota.fr.txt", text.to_owned()).unwrap();
        assert_eq!(subject(&templates, "fr"), "Plein: 80");
        for (name, text) in [
            ("quota.fr", text),
            ("other.fr.txt", text),
            ("quota.fr.txt", "Bonjour\n"),
            ("quota.fr.txt", "Subject: x\nBonjour\n"),
        ] {
            assert!(templates.add(name, text.to_owned()).is_err(), "{name}");
        }
    }
}
