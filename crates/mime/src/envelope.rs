//! ENVELOPE. RFC 9051 §7.5.2, RFC 3501 §7.4.2.

use crate::address::{Address, Budget};
use crate::header::{Fields, unfold};
use crate::string::{put_nstring, put_string};

/// The ENVELOPE of the message whose header this is, parentheses included.
pub fn render_envelope(header: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    put_envelope(&mut out, header, &mut Budget::default());
    out
}

/// As [`render_envelope`]; `budget` is how much of addresses may still be read.
pub(crate) fn put_envelope(out: &mut Vec<u8>, header: &[u8], budget: &mut Budget) {
    let fields = EnvelopeFields::read(header);
    let text = |out: &mut Vec<u8>, value: Option<&[u8]>| {
        put_nstring(out, value.map(unfold).as_deref());
    };
    out.push(b'(');
    text(out, fields.date);
    out.push(b' ');
    text(out, fields.subject);
    out.push(b' ');
    let from_start = out.len();
    put_addresses(out, &fields.from, budget);
    let from = out.split_off(from_start);
    out.extend_from_slice(&from);
    for values in [&fields.sender, &fields.reply_to] {
        out.push(b' ');
        let start = out.len();
        put_addresses(out, values, budget);
        // RFC 9051 §7.5.2: absent or empty ones are set to From's value.
        if out.get(start..) == Some(b"NIL") {
            out.truncate(start);
            out.extend_from_slice(&from);
        }
    }
    for values in [&fields.to, &fields.cc, &fields.bcc] {
        out.push(b' ');
        put_addresses(out, values, budget);
    }
    out.push(b' ');
    text(out, fields.in_reply_to);
    out.push(b' ');
    text(out, fields.message_id);
    out.push(b')');
}

/// The first of each text; of addresses, all fields of the name together.
#[derive(Default)]
struct EnvelopeFields<'a> {
    date: Option<&'a [u8]>,
    subject: Option<&'a [u8]>,
    from: Vec<&'a [u8]>,
    sender: Vec<&'a [u8]>,
    reply_to: Vec<&'a [u8]>,
    to: Vec<&'a [u8]>,
    cc: Vec<&'a [u8]>,
    bcc: Vec<&'a [u8]>,
    in_reply_to: Option<&'a [u8]>,
    message_id: Option<&'a [u8]>,
}

impl<'a> EnvelopeFields<'a> {
    fn read(header: &'a [u8]) -> Self {
        let mut this = Self::default();
        for field in Fields::new(header) {
            let text = match field.name.len() {
                2 if field.is("To") => {
                    this.to.push(field.value);
                    continue;
                }
                2 if field.is("Cc") => {
                    this.cc.push(field.value);
                    continue;
                }
                3 if field.is("Bcc") => {
                    this.bcc.push(field.value);
                    continue;
                }
                4 if field.is("From") => {
                    this.from.push(field.value);
                    continue;
                }
                4 if field.is("Date") => &mut this.date,
                6 if field.is("Sender") => {
                    this.sender.push(field.value);
                    continue;
                }
                7 if field.is("Subject") => &mut this.subject,
                8 if field.is("Reply-To") => {
                    this.reply_to.push(field.value);
                    continue;
                }
                10 if field.is("Message-ID") => &mut this.message_id,
                11 if field.is("In-Reply-To") => &mut this.in_reply_to,
                _ => continue,
            };
            text.get_or_insert(field.value);
        }
        this
    }
}

fn put_addresses(out: &mut Vec<u8>, values: &[&[u8]], budget: &mut Budget) {
    let start = out.len();
    out.push(b'(');
    for value in values {
        for address in &budget.addresses(value) {
            put_address(out, address);
        }
    }
    if out.len() == start + 1 {
        out.truncate(start);
        out.extend_from_slice(b"NIL");
    } else {
        out.push(b')');
    }
}

fn put_address(out: &mut Vec<u8>, address: &Address) {
    match address {
        Address::Group(name) => {
            out.extend_from_slice(b"(NIL NIL ");
            put_string(out, name);
            out.extend_from_slice(b" NIL)");
        }
        Address::GroupEnd => out.extend_from_slice(b"(NIL NIL NIL NIL)"),
        Address::Mailbox {
            name,
            route,
            local_part,
            domain,
        } => {
            out.push(b'(');
            put_nstring(out, name.as_deref());
            out.push(b' ');
            put_nstring(out, route.as_deref());
            out.push(b' ');
            put_string(out, or_missing(local_part, b"MISSING_MAILBOX"));
            out.push(b' ');
            put_string(out, or_missing(domain, b"MISSING_DOMAIN"));
            out.push(b')');
        }
    }
}

/// NIL in the mailbox's or the host's place would mean a group (RFC 9051 §7.5.2),
/// so what is missing is said in words, those that programs know from Dovecot.
fn or_missing<'a>(text: &'a [u8], missing: &'a [u8]) -> &'a [u8] {
    if text.is_empty() { missing } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, expected: &str) {
        let header = header.replace('\n', "\r\n");
        let envelope = render_envelope(header.as_bytes());
        assert_eq!(String::from_utf8_lossy(&envelope), expected, "{header}");
    }

    #[test]
    fn rfc_3501_example() {
        check(
            "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\n\
             From: Terry Gray <gray@cac.washington.edu>\n\
             Subject: IMAP4rev1 WG mtg summary and minutes\n\
             To: imap@cac.washington.edu\n\
             cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\n\
             Message-Id: <B27397-0100000@cac.washington.edu>\n\
             MIME-Version: 1.0\nContent-Type: TEXT/PLAIN; CHARSET=US-ASCII\n\n",
            "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev1 WG mtg summary and minutes\" \
             ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
             ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
             ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
             ((NIL NIL \"imap\" \"cac.washington.edu\")) \
             ((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")\
             (\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL \
             \"<B27397-0100000@cac.washington.edu>\")",
        );
    }

    #[test]
    fn all_fields_have_their_places() {
        check(
            "Message-ID: <m@i>\nIn-Reply-To: <r@i>\nDate: D\nSubject: S\nFrom: F <f@d>\n\
             To: T <t@d>\nCc: C <c@d>\nBcc: B <b@d>\nSender: S <s@d>\nReply-To: R <r@d>\n\n",
            "(\"D\" \"S\" ((\"F\" NIL \"f\" \"d\")) ((\"S\" NIL \"s\" \"d\")) \
             ((\"R\" NIL \"r\" \"d\")) ((\"T\" NIL \"t\" \"d\")) ((\"C\" NIL \"c\" \"d\")) \
             ((\"B\" NIL \"b\" \"d\")) \"<r@i>\" \"<m@i>\")",
        );
    }

    #[test]
    fn groups_and_comments() {
        check(
            "From: user@domain (Real Name)\n\
             To: group: g1@d1.org, g2@d2.org;, group2: g3@d3.org;\n\
             Cc: group:;, group2: (foo) ;\nSender: \nReply-To:\n\n",
            "(NIL NIL ((\"Real Name\" NIL \"user\" \"domain\")) \
             ((\"Real Name\" NIL \"user\" \"domain\")) ((\"Real Name\" NIL \"user\" \"domain\")) \
             ((NIL NIL \"group\" NIL)(NIL NIL \"g1\" \"d1.org\")(NIL NIL \"g2\" \"d2.org\")\
             (NIL NIL NIL NIL)(NIL NIL \"group2\" NIL)(NIL NIL \"g3\" \"d3.org\")\
             (NIL NIL NIL NIL)) ((NIL NIL \"group\" NIL)(NIL NIL NIL NIL)\
             (NIL NIL \"group2\" NIL)(NIL NIL NIL NIL)) NIL NIL NIL)",
        );
    }

    #[test]
    fn nothing_at_all() {
        check("", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
        check(
            "Subject:\nDate:  \n\n",
            "(\"\" \"\" NIL NIL NIL NIL NIL NIL NIL NIL)",
        );
    }

    #[test]
    fn odd_octets() {
        check(
            "Subject: a\n b\n\t\"c\\\nFrom: <@route:\"a b\"@domain>\nTo: root, Foo <>\n\n",
            "(NIL \"a b\t\\\"c\\\\\" ((NIL \"@route\" \"a b\" \"domain\")) \
             ((NIL \"@route\" \"a b\" \"domain\")) ((NIL \"@route\" \"a b\" \"domain\")) \
             ((NIL NIL \"root\" \"MISSING_DOMAIN\")\
             (\"Foo\" NIL \"MISSING_MAILBOX\" \"MISSING_DOMAIN\")) NIL NIL NIL NIL)",
        );
        check(
            "Subject: grün\nTo: Jörg <j@x>\nTo: k@x\nSubject: second\n\n",
            "(NIL {5}\r\ngrün NIL NIL NIL (({5}\r\nJörg NIL \"j\" \"x\")(NIL NIL \"k\" \"x\")) \
             NIL NIL NIL NIL)",
        );
    }
}
