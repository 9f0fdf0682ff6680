//! The languages of POP3's replies that an operator has added. RFC 6856 §3.

use crate::config::Config;
use crate::error::{Failure, Outcome, While as _};
use serde::Deserialize;
use serve::pop3::{Language, Languages, language};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// A language, as the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// What its speakers call it.
    name: String,
    /// English texts and their translations.
    #[serde(default)]
    texts: BTreeMap<String, String>,
}

/// English, German and what the file adds.
///
/// # Errors
/// Says which text is wrong, and why.
pub fn load(config: &Config) -> Outcome<Languages> {
    read(config).map_err(|(key, why)| Failure::new(format!("`{key}` in [pop3]: {why}")))
}

/// The same.
///
/// # Errors
/// Which key of `[pop3]` is wrong, and why.
pub fn read(config: &Config) -> Result<Languages, (&'static str, String)> {
    let more = match &config.pop3.languages {
        Some(file) => further(file).map_err(|why| ("languages", why.to_string()))?,
        None => Vec::new(),
    };
    let mut tags = vec!["en".to_owned(), "de".to_owned()];
    tags.extend(more.iter().map(|language| language.tag().to_owned()));
    let preferred = &config.pop3.language;
    Languages::new(more, preferred).map_err(|_| {
        let known = tags.join(", ");
        let why = format!(
            "there is no language `{preferred}`; there are {known}, and `languages` adds others"
        );
        ("language", why)
    })
}

/// What a file adds.
fn further(file: &Path) -> Outcome<Vec<Language>> {
    let text = std::fs::read_to_string(file).when(file.display())?;
    let entries: BTreeMap<String, Entry> = toml::from_str(&text).when(file.display())?;
    let entries = entries.into_iter();
    let made = entries
        .map(|(tag, entry)| Language::new(&tag, &entry.name, &entry.texts).when(file.display()));
    made.collect()
}

/// The file that a translation begins with: all texts, in German.
pub fn template() -> String {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let mut out = String::from(
        "# The texts of POP3's replies: English on the left, the translation on the\n\
         # right. Give the file to `languages` in [pop3]. {0} and {1} stand for numbers\n\
         # and names and must come again; what is left out stays English.\n\n\
         [de]\nname = \"Deutsch\"\n\n[de.texts]\n",
    );
    for (english, german) in language::GERMAN {
        // A String takes every write.
        let _ = writeln!(out, "{} = {}", quoted(english), quoted(german));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str, language: &str) -> Outcome<Languages> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("languages.toml");
        std::fs::write(&file, text).unwrap();
        let mut config = Config::default();
        config.pop3.languages = Some(file);
        config.pop3.language = language.into();
        load(&config)
    }

    #[test]
    fn the_template_is_a_language() {
        let languages = with(&template(), "de").unwrap();
        assert_eq!(languages.preferred().say("goodbye"), "auf Wiedersehen");
        assert_eq!(languages.all().len(), 2);
    }

    #[test]
    fn a_language_is_added_and_faults_are_told() {
        let french = "[fr]\nname = \"Français\"\n[fr.texts]\n\"goodbye\" = \"au revoir\"\n";
        let languages = with(french, "fr").unwrap();
        assert_eq!(
            languages.matching("fr-CA").unwrap().say("goodbye"),
            "au revoir"
        );
        for (text, language, says) in [
            (french, "es", "es"),
            ("[fr]\nname = \"F\"\n[fr.texts]\nbye = \"x\"\n", "fr", "bye"),
            ("[fr]\nnames = \"F\"\n", "fr", "languages.toml"),
        ] {
            let said = with(text, language).unwrap_err().to_string();
            assert!(said.contains(says), "{said}");
        }
    }
}
