//! The languages of POP3's replies that an operator has added. RFC 6856 §3.

use crate::config::Config;
use crate::error::{Outcome, While as _};
use serde::Deserialize;
use serve::pop3::{Language, Languages, language};
use std::collections::BTreeMap;
use std::fmt::Write as _;

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
    let mut more = Vec::new();
    if let Some(file) = &config.pop3.languages {
        let text = std::fs::read_to_string(file).when(file.display())?;
        let entries: BTreeMap<String, Entry> = toml::from_str(&text).when(file.display())?;
        for (tag, entry) in entries {
            let made = Language::new(&tag, &entry.name, &entry.texts);
            more.push(made.when(file.display())?);
        }
    }
    Languages::new(more, &config.pop3.language).when("`language` in [pop3]")
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
