//! The collation of searching, sorting and threading: i;unicode-casemap.
//! RFC 5051 §2, RFC 5255 §4.2.

use unicode_normalization::UnicodeNormalization;

/// The form in which texts are compared, octet by octet: each character in its
/// titlecase, then decomposed.
pub fn unicode_casemap(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_uppercase();
    }
    text.chars().map(titlecase).nfkd().collect()
}

/// Adds that form of a text, and ends as soon as there are more than `max` octets.
pub(crate) fn casemap_into(text: &str, max: usize, out: &mut String) {
    if text.is_ascii() {
        let room = (max + 1).saturating_sub(out.len());
        out.push_str(&unicode_casemap(text.get(..room).unwrap_or(text)));
        return;
    }
    for character in text.chars().map(titlecase).nfkd() {
        if out.len() > max {
            return;
        }
        out.push(character);
    }
}

/// The simple titlecase mapping of the Unicode character database; the standard
/// library knows the full uppercase mapping, which differs where that is longer
/// than a character, or a digraph has a titlecase of its own.
fn titlecase(character: char) -> char {
    match character {
        'Ǆ' | 'ǅ' | 'ǆ' => 'ǅ',
        'Ǉ' | 'ǈ' | 'ǉ' => 'ǈ',
        'Ǌ' | 'ǋ' | 'ǌ' => 'ǋ',
        'Ǳ' | 'ǲ' | 'ǳ' => 'ǲ',
        // Georgian has capitals and no titlecase.
        '\u{10d0}'..='\u{10ff}' => character,
        // Greek with a iota below.
        '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => {
            char::from_u32(u32::from(character) + 8).unwrap_or(character)
        }
        '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => {
            char::from_u32(u32::from(character) + 9).unwrap_or(character)
        }
        _ => {
            let mut upper = character.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(upper), None) => upper,
                _ => character,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts() {
        for (one, other, equal) in [
            ("hello", "HELLO", true),
            ("Grüße", "GRÜßE", true),
            ("Grüße", "GRÜSSE", false),
            ("gru\u{308}n", "GRÜN", true),
            ("σας", "ΣΑΣ", true),
            ("ı", "I", true),
            ("\u{212a}", "k", true),
            ("ǆ", "Ǆ", true),
            ("ᾳ", "ᾼ", true),
            ("ａ", "A", true),
            ("ა", "ა", true),
            ("a", "b", false),
        ] {
            let same = unicode_casemap(one) == unicode_casemap(other);
            assert_eq!(same, equal, "{one} {other}");
        }
    }
}
