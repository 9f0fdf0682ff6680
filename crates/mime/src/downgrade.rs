//! Internationalised messages for clients that know none. RFC 6858.
//!
//! Only header fields change, those of parts too: bodies go as they are. What was
//! lost is seen as missing, not as something else (§2).

use crate::address::{Address, Budget};
use crate::cut;
use crate::header::{Field, Fields};
use crate::walk::walk;
use crate::words::decode_words;

/// What stands for every address that cannot be given. RFC 6858 §2.1.
const INVALID: &str = "<invalid@internationalized-address.invalid>";

/// Fields that are address lists. RFC 6858 §2.1.
const ADDRESS_FIELDS: [&str; 12] = [
    "Bcc",
    "Cc",
    "From",
    "Reply-To",
    "Resent-Bcc",
    "Resent-Cc",
    "Resent-From",
    "Resent-Sender",
    "Resent-To",
    "Return-Path",
    "Sender",
    "To",
];

/// Fields with MIME parameters. RFC 6858 §2.2.
const PARAMETER_FIELDS: [&str; 2] = ["Content-Type", "Content-Disposition"];

/// Longest encoded word. RFC 2047 §2.
const WORD_OCTETS_MAX: usize = 75;

/// The form of a message for clients that know no internationalised mail; `None`
/// where that is the message itself.
pub fn downgrade(octets: &[u8]) -> Option<Vec<u8>> {
    let mut form = Vec::new();
    let mut copied = None;
    let mut next = 0;
    // An address may take one octet and what stands for it seventy.
    let mut budget = Budget::default();
    for (index, node) in walk(octets).iter().enumerate() {
        if index < next {
            continue;
        }
        if node.is_global() {
            // To these clients it is a part like any other, and what is in it a body.
            next = node.next;
        }
        // Most headers are ASCII, of which nothing need be read.
        let header = cut(octets, node.header, node.body);
        if header.is_ascii() {
            continue;
        }
        let mut at = node.header;
        for field in Fields::new(header) {
            let end = at + field.raw.len();
            if !field.raw.is_ascii() {
                form.extend_from_slice(cut(octets, copied.unwrap_or(0), at));
                put_field(&field, &mut budget, &mut form);
                copied = Some(end);
            }
            at = end;
        }
    }
    form.extend_from_slice(cut(octets, copied?, octets.len()));
    Some(form)
}

/// Puts what is left of a field that is not ASCII: nothing, for most.
fn put_field(field: &Field<'_>, budget: &mut Budget, form: &mut Vec<u8>) {
    let is_one_of = |names: &[&str]| names.iter().any(|name| field.is(name));
    let name = String::from_utf8_lossy(field.name);
    let mut line = Line::new(&name);
    if is_one_of(&ADDRESS_FIELDS) {
        if field.is("Return-Path") {
            line.put(INVALID);
        } else {
            put_addresses(&budget.addresses(field.value), &mut line);
        }
    } else if field.is("Subject") {
        line.put_words(&decode_words(field.value));
    } else if is_one_of(&PARAMETER_FIELDS) {
        match without_parameters(field.value) {
            Some(value) => line.text.extend_from_slice(&value),
            None => return,
        }
    } else {
        // RFC 6858 §2.4.
        return;
    }
    form.extend_from_slice(&line.text);
    form.extend_from_slice(b"\r\n");
}

/// The value without the parameters that are not ASCII; `None` where what they
/// belong to is not.
fn without_parameters(value: &[u8]) -> Option<Vec<u8>> {
    let mut left = Vec::with_capacity(value.len());
    for (index, parameter) in parameters(value.trim_ascii_end()).enumerate() {
        match (index, parameter.is_ascii()) {
            (0, false) => return None,
            (0, true) => left.extend_from_slice(parameter.trim_ascii_start()),
            (_, false) => {}
            (_, true) => {
                left.push(b';');
                left.extend_from_slice(parameter);
            }
        }
    }
    Some(left)
}

/// What stands between the semicolons that are in no quotes.
fn parameters(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    value.split(move |&octet| {
        match octet {
            _ if escaped => {
                escaped = false;
                return false;
            }
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        octet == b';' && !quoted
    })
}

fn put_addresses(list: &[Address], line: &mut Line) {
    let mut first = true;
    for address in list {
        if *address == Address::GroupEnd {
            line.put(";");
            first = false;
            continue;
        }
        if !first {
            line.put(",");
            line.fold();
        }
        first = false;
        match address {
            Address::Group(name) => {
                line.put_phrase(name);
                line.put(":");
                first = true;
            }
            Address::Mailbox {
                name,
                local_part,
                domain,
                ..
            } => put_mailbox(name.as_deref(), local_part, domain, line),
            Address::GroupEnd => {}
        }
    }
}

fn put_mailbox(name: Option<&[u8]>, local_part: &[u8], domain: &[u8], line: &mut Line) {
    if local_part.is_ascii() && domain.is_ascii() {
        let local_part = word(local_part, b".");
        let domain = String::from_utf8_lossy(domain);
        let at = if domain.is_empty() { "" } else { "@" };
        match name {
            Some(name) => {
                line.put_phrase(name);
                line.put(" ");
                line.put(&format!("<{local_part}{at}{domain}>"));
            }
            None => line.put(&format!("{local_part}{at}{domain}")),
        }
        return;
    }
    // The user sees whose address it is, and no program can write to it.
    let address = format!(
        "{}@{}",
        String::from_utf8_lossy(local_part),
        String::from_utf8_lossy(domain)
    );
    match name {
        Some(name) => line.put_words(&format!("{} <{address}>", decode_words(name))),
        None => line.put_words(&address),
    }
    line.put(" ");
    line.put(INVALID);
}

/// An ASCII word as it stands, or in quotes where it needs them.
fn word(octets: &[u8], besides: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets);
    let is_plain = |octet: &u8| {
        octet.is_ascii_alphanumeric()
            || b"!#$%&'*+-/=?^_`{|}~".contains(octet)
            || besides.contains(octet)
    };
    if !octets.is_empty() && octets.iter().all(is_plain) {
        return text.into_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A field that is being written.
struct Line {
    text: Vec<u8>,
    /// Where its present line begins.
    start: usize,
}

impl Line {
    fn new(name: &str) -> Self {
        Self {
            text: format!("{name}: ").into_bytes(),
            start: 0,
        }
    }

    fn column(&self) -> usize {
        self.text.len() - self.start
    }

    fn put(&mut self, text: &str) {
        self.text.extend_from_slice(text.as_bytes());
    }

    /// Goes on in the next line.
    fn fold(&mut self) {
        self.text.extend_from_slice(b"\r\n");
        self.start = self.text.len();
        self.text.push(b' ');
    }

    /// A display name. Encoded words stay what they are: in quotes they would be
    /// none.
    fn put_phrase(&mut self, name: &[u8]) {
        if !name.is_ascii() {
            self.put_words(&decode_words(name));
        } else if name.windows(2).any(|two| two == b"=?") {
            self.text.extend_from_slice(name);
        } else {
            self.put(&word(name, b" "));
        }
    }

    /// A text as encoded words, one to a line. RFC 2047 §4.2, §5 (3): only what
    /// may stand in a phrase too.
    fn put_words(&mut self, text: &str) {
        let mut open = false;
        for c in text.chars() {
            let mut code = String::new();
            match c {
                ' ' => code.push('_'),
                c if c.is_ascii_alphanumeric() || "!*+-/".contains(c) => code.push(c),
                c => {
                    let mut octets = [0; 4];
                    for octet in c.encode_utf8(&mut octets).bytes() {
                        code.push_str(&format!("={octet:02X}"));
                    }
                }
            }
            let full = self.column() + code.len() + 2 > WORD_OCTETS_MAX;
            if open && full {
                self.put("?=");
                self.fold();
                open = false;
            } else if !open && self.column() + code.len() + 12 > WORD_OCTETS_MAX {
                self.fold();
            }
            if !open {
                self.put("=?utf-8?q?");
                open = true;
            }
            self.put(&code);
        }
        if open {
            self.put("?=");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::ADDRESSES_MAX;
    use proptest::prelude::*;

    fn form(message: &str) -> String {
        let form = downgrade(message.as_bytes()).expect("a form");
        String::from_utf8(form).unwrap()
    }

    /// Checks one field.
    fn check(field: &str, expected: &str) {
        let message = format!("A: b\r\n{field}\r\nC: d\r\n\r\nbödy\r\n");
        let expected = format!("A: b\r\n{expected}C: d\r\n\r\nbödy\r\n");
        assert_eq!(form(&message), expected, "{field}");
    }

    #[test]
    fn addresses_tell_what_they_were() {
        // RFC 6858 §2.1.
        check(
            "From: fred@éxample.com",
            "From: =?utf-8?q?fred=40=C3=A9xample=2Ecom?= \
             <invalid@internationalized-address.invalid>\r\n",
        );
        check(
            "To: Fred Foo <frédéric@example.com>, \"Bar, B.\" <b@example.com>",
            "To: =?utf-8?q?Fred_Foo_=3Cfr=C3=A9d=C3=A9ric=40example=2Ecom=3E?= \
             <invalid@internationalized-address.invalid>,\r\n \"Bar, B.\" <b@example.com>\r\n",
        );
        check(
            "Cc: Jøran <j@example.com>, =?utf-8?q?=C3=B8?= <o@example.com>",
            "Cc: =?utf-8?q?J=C3=B8ran?= <j@example.com>,\r\n =?utf-8?q?=C3=B8?= <o@example.com>\r\n",
        );
        check(
            "Reply-To: Gruppe ö: a@b.example, ü@b.example;, c@d.example",
            "Reply-To: =?utf-8?q?Gruppe_=C3=B6?=:a@b.example,\r\n \
             =?utf-8?q?=C3=BC=40b=2Eexample?= <invalid@internationalized-address.invalid>;,\r\n \
             c@d.example\r\n",
        );
        check(
            "Return-Path: <ü@b.example>",
            "Return-Path: <invalid@internationalized-address.invalid>\r\n",
        );
    }

    #[test]
    fn addresses_of_all_fields_have_one_limit() {
        let fields = "To: ü,ü,ü,ü,ü,ü,ü,ü,ü,ü\r\n".repeat(ADDRESSES_MAX / 10 + 1_000);
        let form = form(&format!("{fields}\r\n"));
        assert_eq!(form.matches(INVALID).count(), ADDRESSES_MAX);
    }

    #[test]
    fn parameters_are_excised() {
        // RFC 6858 §2.2.
        check(
            "Content-Disposition: attachment; filename=FÖÖ",
            "Content-Disposition: attachment\r\n",
        );
        check(
            "Content-Disposition: attachment;\r\n filename=\"ö;ä.txt\";\r\n size=12",
            "Content-Disposition: attachment;\r\n size=12\r\n",
        );
        check(
            "Content-Type: text/plain; name=\"ä\\\";x\"; charset=utf-8",
            "Content-Type: text/plain; charset=utf-8\r\n",
        );
        check("Content-Type: tëxt/plain; charset=utf-8", "");
    }

    #[test]
    fn the_subject_is_encoded_and_the_rest_excised() {
        check(
            "Subject: Grüße aus Köln",
            "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?=\r\n",
        );
        check("X-Note: naïve", "");
        check("Message-ID: <ö@example.com>", "");
        check("Received: from ö\r\n by b", "");
        check("no colön", "");
        check("Nämé: x", "");
    }

    #[test]
    fn long_texts_take_several_words() {
        let subject = "日本語の長い件名".repeat(9);
        let message = format!("Subject: {subject}\r\n\r\n");
        let form = form(&message);
        for line in form.lines() {
            assert!(line.len() <= 76 && line.is_ascii(), "{line}");
        }
        let value = form.strip_prefix("Subject: ").unwrap();
        assert_eq!(decode_words(value.as_bytes()), subject);
    }

    #[test]
    fn headers_of_parts_change_too() {
        let message = "Content-Type: multipart/mixed; boundary=b\r\n\r\nprëamble\r\n--b\r\n\
            Content-Disposition: attachment; filename=é.txt\r\n\r\nX-é: y\r\n--b\r\n\
            Content-Type: message/rfc822\r\n\r\nSubject: ö\r\n\r\nö\r\n--b--\r\n";
        let expected = "Content-Type: multipart/mixed; boundary=b\r\n\r\nprëamble\r\n--b\r\n\
            Content-Disposition: attachment\r\n\r\nX-é: y\r\n--b\r\n\
            Content-Type: message/rfc822\r\n\r\nSubject: =?utf-8?q?=C3=B6?=\r\n\r\nö\r\n--b--\r\n";
        assert_eq!(form(message), expected);
    }

    #[test]
    fn what_needs_no_form_has_none() {
        for message in ["", "Subject: a\r\n\r\nbödy\r\n", "\r\nSubject: ö\r\n", "a"] {
            assert_eq!(downgrade(message.as_bytes()), None, "{message:?}");
        }
    }

    #[test]
    fn a_prefix_adds_what_it_would_add_alone() {
        let prefix = "Delivered-To: jøran@example.org\r\n";
        let blob = "Subject: ö\r\n\r\nbody";
        let whole = form(&format!("{prefix}{blob}"));
        assert_eq!(whole, form(prefix) + &form(blob));
    }

    proptest! {
        #[test]
        fn headers_become_ascii(octets in proptest::collection::vec(any::<u8>(), 0..400),
                                start in "(Subject|To|Content-Type|X|Return-Path): ") {
            let message = [start.as_bytes(), &octets].concat();
            let Some(form) = downgrade(&message) else { return Ok(()) };
            for node in walk(&form) {
                prop_assert!(cut(&form, node.header, node.body).is_ascii());
            }
            prop_assert_eq!(downgrade(&form), None);
        }
    }
}
