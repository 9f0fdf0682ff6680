//! The languages of replies. RFC 6856 §3.
//!
//! A text is looked up by its English form, so that the code says what a client
//! reads. English and German are built in; an operator may add others by a table
//! of texts.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Write as _};
use std::sync::Arc;

/// Octets of a text at the most: with the numbers in it, it fits a response of
/// 512 octets. RFC 2449 §4.
pub const TEXT_OCTETS_MAX: usize = 400;

/// One language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Language {
    tag: String,
    name: String,
    /// By the English text.
    texts: HashMap<&'static str, String>,
}

/// Why a language cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LanguageError {
    /// Not subtags of letters and digits. RFC 5646 §2.1.
    #[error("`{0}` is no language tag such as `fr` or `pt-BR`")]
    Tag(String),
    /// No reply has this text.
    #[error("no reply has the text `{0}`; `restante pop3 texts` prints those that there are")]
    Unknown(String),
    /// It cannot stand in a line of a reply.
    #[error("the translation of `{0}` is empty, too long, or has control characters")]
    Text(String),
    /// It names other values than the English one.
    #[error("the translation of `{0}` must have the same values in braces")]
    Values(String),
}

impl Language {
    fn english() -> Self {
        Self {
            tag: "en".into(),
            name: "English".into(),
            texts: HashMap::new(),
        }
    }

    fn german() -> Self {
        let texts = GERMAN.iter();
        Self {
            tag: "de".into(),
            name: "Deutsch".into(),
            texts: texts.map(|(en, de)| (*en, (*de).to_owned())).collect(),
        }
    }

    /// A language by its tag and its own name for itself. `texts` are English
    /// ones with their translations; what is not among them stays English.
    ///
    /// # Errors
    /// See [`LanguageError`].
    pub fn new(
        tag: &str,
        name: &str,
        texts: &BTreeMap<String, String>,
    ) -> Result<Self, LanguageError> {
        let subtag =
            |subtag: &str| matches!(subtag.len(), 1..=8) && subtag.bytes().all(is_alphanumeric);
        if tag.len() > 35 || !tag.split('-').all(subtag) {
            return Err(LanguageError::Tag(tag.to_owned()));
        }
        if !is_text(name) {
            return Err(LanguageError::Text(name.to_owned()));
        }
        let mut known = HashMap::new();
        for (english, text) in texts {
            let Some((key, _)) = GERMAN.iter().find(|(key, _)| key == english) else {
                return Err(LanguageError::Unknown(english.clone()));
            };
            if !is_text(text) {
                return Err(LanguageError::Text(english.clone()));
            }
            if values(key) != values(text) {
                return Err(LanguageError::Values(english.clone()));
            }
            known.insert(*key, text.clone());
        }
        Ok(Self {
            tag: tag.to_owned(),
            name: name.to_owned(),
            texts: known,
        })
    }

    /// Its tag.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Its own name for itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// An English text in this language.
    pub fn say<'a>(&'a self, english: &'a str) -> &'a str {
        debug_assert!(is_known(english), "`{english}` is missing in GERMAN");
        match self.texts.get(english) {
            Some(text) => text,
            None => english,
        }
    }

    /// An English text in this language, `{0}`, `{1}` … being these values.
    pub fn fill(&self, english: &str, values: &[&dyn fmt::Display]) -> String {
        let mut rest = self.say(english);
        let mut out = String::with_capacity(rest.len() + 16);
        while let Some(at) = rest.find('{') {
            let (before, from) = rest.split_at(at);
            out.push_str(before);
            let value = from.get(1..2).and_then(|digit| digit.parse().ok());
            match value.and_then(|index: usize| values.get(index)) {
                Some(value) => {
                    let _ = write!(out, "{value}");
                    rest = from.get(3..).unwrap_or_default();
                }
                None => {
                    out.push('{');
                    rest = from.get(1..).unwrap_or_default();
                }
            }
        }
        out.push_str(rest);
        out
    }
}

fn is_alphanumeric(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
}

fn is_text(text: &str) -> bool {
    (1..=TEXT_OCTETS_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn is_known(english: &str) -> bool {
    GERMAN.iter().any(|(known, _)| *known == english)
}

/// Which values a text names.
fn values(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = text
        .match_indices('{')
        .filter_map(|(at, _)| text.get(at..at + 3))
        .collect();
    found.sort_unstable();
    found
}

/// All languages of a node.
#[derive(Clone, Debug)]
pub struct Languages {
    known: Vec<Arc<Language>>,
    preferred: Arc<Language>,
}

impl Default for Languages {
    fn default() -> Self {
        let english = Arc::new(Language::english());
        Self {
            known: vec![Arc::clone(&english), Arc::new(Language::german())],
            preferred: english,
        }
    }
}

impl Languages {
    /// English, German, and these; one of a known tag takes its place. `preferred`
    /// is the tag of the one that `LANG *` gives.
    ///
    /// # Errors
    /// If there is no language of that tag.
    pub fn new(more: Vec<Language>, preferred: &str) -> Result<Self, LanguageError> {
        let mut languages = Self::default();
        for language in more {
            let same = |known: &Arc<Language>| known.tag.eq_ignore_ascii_case(&language.tag);
            languages.known.retain(|known| !same(known));
            languages.known.push(Arc::new(language));
        }
        languages.preferred = languages
            .matching(preferred)
            .ok_or_else(|| LanguageError::Tag(preferred.to_owned()))?;
        Ok(languages)
    }

    /// What a session begins with: replies are ASCII before LANG. RFC 6856 §3.2.
    pub fn first(&self) -> Arc<Language> {
        let english = self.known.iter().find(|language| language.tag == "en");
        Arc::clone(english.unwrap_or(&self.preferred))
    }

    /// The operator's choice. RFC 6856 §3.2.
    pub fn preferred(&self) -> Arc<Language> {
        Arc::clone(&self.preferred)
    }

    /// All of them.
    pub fn all(&self) -> &[Arc<Language>] {
        &self.known
    }

    /// The language that a basic language range means: one whose tag it begins
    /// (RFC 4647 §3.3.1), else one that is more general than it (§3.4).
    pub fn matching(&self, range: &str) -> Option<Arc<Language>> {
        let mut range = range;
        let begins = |tag: &str, range: &str| {
            let Some((start, rest)) = tag.split_at_checked(range.len()) else {
                return false;
            };
            start.eq_ignore_ascii_case(range) && (rest.is_empty() || rest.starts_with('-'))
        };
        loop {
            let found = self
                .known
                .iter()
                .filter(|language| begins(&language.tag, range))
                .min_by_key(|language| language.tag.len());
            match (found, range.rsplit_once('-')) {
                (Some(found), _) => return Some(Arc::clone(found)),
                (None, Some((general, _))) => range = general,
                (None, None) => return None,
            }
        }
    }
}

/// Every text of a reply and its German form.
pub const GERMAN: &[(&str, &str)] = &[
    ("{0} POP3 ready", "{0} POP3 bereit"),
    ("{0} messages ({1} octets)", "{0} Nachrichten ({1} Oktette)"),
    ("{0} octets", "{0} Oktette"),
    ("TLS is on already", "TLS ist schon an"),
    (
        "UTF8 is for before the login",
        "UTF8 gehört vor die Anmeldung",
    ),
    ("UTF8 is on", "UTF8 ist an"),
    (
        "acting for another is not possible",
        "für andere zu handeln ist nicht möglich",
    ),
    ("and the password?", "und das Passwort?"),
    ("authentication cancelled", "Anmeldung abgebrochen"),
    ("begin TLS", "TLS beginnt"),
    ("capability list follows", "es folgen die Fähigkeiten"),
    ("deleted at QUIT", "wird bei QUIT gelöscht"),
    ("done", "erledigt"),
    ("goodbye", "auf Wiedersehen"),
    ("invalid base64", "kein gültiges base64"),
    ("invalid response", "keine gültige Antwort"),
    ("language listing follows", "es folgen die Sprachen"),
    ("log in first", "erst anmelden"),
    (
        "logged in too short a time ago; try again in {0} seconds",
        "die letzte Anmeldung ist zu kurz her; nächster Versuch in {0} Sekunden",
    ),
    ("mechanisms follow", "es folgen die Verfahren"),
    ("no STLS after UTF8", "nach UTF8 kein STLS"),
    ("no exchange is in progress", "es läuft kein Verfahren"),
    (
        "no login is possible now, try later",
        "jetzt ist keine Anmeldung möglich, bitte später",
    ),
    (
        "no password without TLS: say STLS first",
        "kein Passwort ohne TLS: erst STLS",
    ),
    ("nothing is deleted", "nichts ist gelöscht"),
    (
        "nothing was deleted: the store could not do it",
        "nichts wurde gelöscht: der Speicher konnte es nicht",
    ),
    ("say USER first", "erst USER"),
    ("syntax: {0}", "Syntax: {0}"),
    (
        "the account has been disabled",
        "das Konto ist gesperrt worden",
    ),
    (
        "the account has been removed",
        "das Konto ist entfernt worden",
    ),
    ("the account has expired", "das Konto ist abgelaufen"),
    (
        "the account has too many sessions already",
        "das Konto hat schon zu viele Sitzungen",
    ),
    (
        "the device is not allowed any more",
        "das Gerät ist nicht mehr zugelassen",
    ),
    (
        "the drop is in use by another session of this device",
        "eine andere Sitzung dieses Geräts hat den Postkasten",
    ),
    ("the language is {0} now", "die Sprache ist jetzt {0}"),
    ("the line has no end", "die Zeile hat kein Ende"),
    ("the line is too long", "die Zeile ist zu lang"),
    (
        "the maildrop cannot be opened now, try later",
        "der Postkasten lässt sich jetzt nicht öffnen, bitte später",
    ),
    (
        "the message cannot be read now, try later",
        "die Nachricht lässt sich jetzt nicht lesen, bitte später",
    ),
    (
        "the message is for clients that say UTF8",
        "die Nachricht ist für Programme, die UTF8 sagen",
    ),
    ("the message is damaged", "die Nachricht ist beschädigt"),
    ("the message is deleted", "die Nachricht ist gelöscht"),
    ("there is no TLS here", "TLS gibt es hier nicht"),
    ("there is no language {0}", "eine Sprache {0} gibt es nicht"),
    (
        "there is no such mechanism",
        "ein solches Verfahren gibt es nicht",
    ),
    (
        "there is no such message",
        "eine solche Nachricht gibt es nicht",
    ),
    (
        "top of message follows",
        "es folgt der Anfang der Nachricht",
    ),
    ("unique-ids follow", "es folgen die Kennungen"),
    (
        "too many wrong passwords came from your network; no login before {0}",
        "zu viele falsche Passwörter aus diesem Netz; keine Anmeldung vor {0}",
    ),
    (
        "the channel binding does not fit this connection",
        "die Kanalbindung passt nicht zu dieser Verbindung",
    ),
    (
        "channel binding is possible here: somebody has hidden that from you",
        "Kanalbindung ist hier möglich: jemand hat das verborgen",
    ),
    ("unknown command", "unbekannter Befehl"),
    ("wrong name or password", "Name oder Passwort ist falsch"),
    ("you are logged in already", "schon angemeldet"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Denied, LoginError};
    use crate::stream::Revoked;

    #[test]
    fn every_german_text_can_be_sent() {
        for (english, german) in GERMAN {
            assert!(is_text(english) && english.is_ascii(), "{english}");
            assert!(is_text(german), "{german}");
            assert_eq!(values(english), values(german), "{english}");
        }
        let once: BTreeMap<_, _> = GERMAN.iter().copied().collect();
        assert_eq!(once.len(), GERMAN.len());
    }

    /// Texts that come from elsewhere must be here too.
    #[test]
    fn every_failure_can_be_told() {
        use proto::sasl::Failure;
        for failure in [
            Failure::Cancelled,
            Failure::Base64,
            Failure::Malformed,
            Failure::Binding,
            Failure::Downgrade,
        ] {
            assert!(is_known(&failure.to_string()), "{failure}");
        }
        for denied in [
            Denied::Mechanism,
            Denied::Acting,
            Denied::Login(LoginError::TooMany),
            Denied::Login(LoginError::Unavailable),
            Denied::Login(LoginError::Wrong),
        ] {
            assert!(is_known(&denied.to_string()), "{denied}");
        }
        for revoked in [
            Revoked::Removed,
            Revoked::Disabled,
            Revoked::Expired,
            Revoked::Device,
        ] {
            assert!(is_known(&revoked.to_string()), "{revoked}");
        }
    }

    #[test]
    fn a_range_finds_its_language() {
        let swiss = Language::new("pt-BR", "Português", &BTreeMap::new()).unwrap();
        let languages = Languages::new(vec![swiss], "de").unwrap();
        for (range, tag) in [
            ("de", Some("de")),
            ("DE-CH-1996", Some("de")),
            ("pt", Some("pt-BR")),
            ("pt-br", Some("pt-BR")),
            ("p", None),
            ("mul", None),
            ("en-GB", Some("en")),
        ] {
            let found = languages.matching(range);
            assert_eq!(found.as_ref().map(|found| found.tag()), tag, "{range}");
        }
        assert_eq!(languages.preferred().tag(), "de");
        assert_eq!(languages.first().tag(), "en");
        assert!(Languages::new(Vec::new(), "fr").is_err());
    }

    #[test]
    fn an_operators_language_is_checked() {
        let new = |tag: &str, english: &str, text: &str| {
            let texts = BTreeMap::from([(english.to_owned(), text.to_owned())]);
            Language::new(tag, "Français", &texts)
        };
        let french = new("fr", "{0} octets", "c'est {1} octets");
        assert!(matches!(french, Err(LanguageError::Values(_))));
        let french = new("fr", "{0} octets", "octets : {0}").unwrap();
        assert_eq!(french.fill("{0} octets", &[&7]), "octets : 7");
        assert_eq!(french.say("goodbye"), "goodbye");
        assert!(matches!(
            new("f r", "done", "fait"),
            Err(LanguageError::Tag(_))
        ));
        assert!(matches!(
            new("fr", "Done", "fait"),
            Err(LanguageError::Unknown(_))
        ));
        assert!(matches!(
            new("fr", "done", "a\nb"),
            Err(LanguageError::Text(_))
        ));
    }
}
