//! BODYSTRUCTURE and BODY of messages, octet for octet.

#![allow(clippy::unwrap_used)]

use mime::{StructureForm, render_bodystructure};

fn check_form(message: &str, extended: bool, global: bool, expected: &str) {
    let message = message.replace('\n', "\r\n");
    let form = StructureForm { extended, global };
    let shown = render_bodystructure(message.as_bytes(), form);
    assert_eq!(String::from_utf8_lossy(&shown), expected, "{message}");
}

fn check(message: &str, expected: &str) {
    check_form(message, true, true, expected);
}

fn check_short(message: &str, expected: &str) {
    check_form(message, false, true, expected);
}

const TEXT: &str = "\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\"";

#[test]
fn single_parts() {
    for (message, expected) in [
        ("", format!("({TEXT} 0 0 NIL NIL NIL NIL)")),
        ("A: b\n", format!("({TEXT} 0 0 NIL NIL NIL NIL)")),
        ("A: b\n\nc\nd", format!("({TEXT} 4 1 NIL NIL NIL NIL)")),
        (
            "Content-Type: nonsense\n\nc\n",
            format!("({TEXT} 3 1 NIL NIL NIL NIL)"),
        ),
        (
            "Content-Type: multipart/mixed\n\nc\n",
            format!("({TEXT} 3 1 NIL NIL NIL NIL)"),
        ),
        (
            "Content-Type: IMAGE/png; name=\"a b.png\"\nContent-Transfer-Encoding: BASE64\n\
             Content-Disposition: attachment;\n filename=\"a \\\"b.png\"\nContent-ID: <c@d>\n\
             Content-Language: en, de\nContent-Location: x y\nContent-MD5: abc==\n\
             Content-Description: gr\u{fc}n\n\nAAAA\n",
            "(\"IMAGE\" \"png\" (\"name\" \"a b.png\") \"<c@d>\" {5}\r\ngr\u{fc}n \"BASE64\" 6 \
             \"abc==\" (\"attachment\" (\"filename\" \"a \\\"b.png\")) (\"en\" \"de\") \"x y\")"
                .to_owned(),
        ),
        (
            "Content-Type: text/html; charset=utf-8\nContent-Disposition: inline\n\n\n",
            "(\"text\" \"html\" (\"charset\" \"utf-8\") NIL NIL \"7bit\" 2 1 NIL (\"inline\" NIL) \
             NIL NIL)"
                .to_owned(),
        ),
        (
            "Content-Type: text/html\n\n\n",
            "(\"text\" \"html\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 2 1 NIL NIL NIL NIL)"
                .to_owned(),
        ),
        (
            "Content-Type: message/delivery-status\n\na\n",
            "(\"message\" \"delivery-status\" NIL NIL NIL \"7bit\" 3 NIL NIL NIL NIL)".to_owned(),
        ),
    ] {
        check(message, &expected);
    }
}

/// The message of RFC 3501 §7.4.2's first example, by its numbers.
#[test]
fn rfc_3501_example() {
    let body = "x".repeat(72);
    let body = format!("{body}\n").repeat(3028 / 74);
    let rest = 3028 - body.len() - body.lines().count();
    let message = format!(
        "Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\nContent-Transfer-Encoding: 7BIT\n\n{body}{}",
        "y".repeat(rest)
    );
    let lines = body.lines().count();
    check_short(
        &message,
        &format!("(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 3028 {lines})"),
    );
}

/// The values that Dovecot gives for a message of the same shape.
#[test]
fn multiparts_and_messages() {
    let message = "From: user@domain.org\nMime-Version: 1.0\n\
        Content-Type: multipart/mixed; boundary=\"foo\n bar\"\n\nprologue\n\n\
        --foo bar\nContent-Type: text/x-myown; charset=us-ascii; foo=\"quoted\\\"string\"\n\
        Content-ID: <foo@example.com>\nContent-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\n\
        Content-Disposition: inline; foo=bar\nContent-Description: hellodescription\n\
        Content-Language: en, fi, se\nContent-Location: http://example.com/test.txt\n\n\
        hello\n\n\
        --foo bar\nContent-Type: message/rfc822\n\n\
        From: sub@domain.org\nTo: sub-to1@domain.org, sub-to2@domain.org\n\
        Date: Sun, 12 Aug 2012 12:34:56 +0300\nSubject: submsg\n\
        Content-Type: multipart/alternative; boundary=\"sub1\"\n\nSub MIME prologue\n\
        --sub1\nContent-Type: text/html\nContent-Transfer-Encoding: 8bit\n\n<p>Hello world</p>\n\n\
        --sub1\nContent-Type: text/plain\nContent-Transfer-Encoding: ?invalid\n\n\
        Hello another world\n\n\
        --sub1--\nSub MIME epilogue\n\n\
        --foo bar--\nRoot MIME epilogue\n";
    let envelope = "(\"Sun, 12 Aug 2012 12:34:56 +0300\" \"submsg\" \
        ((NIL NIL \"sub\" \"domain.org\")) ((NIL NIL \"sub\" \"domain.org\")) \
        ((NIL NIL \"sub\" \"domain.org\")) ((NIL NIL \"sub-to1\" \"domain.org\")\
        (NIL NIL \"sub-to2\" \"domain.org\")) NIL NIL NIL NIL)";
    let first = "\"text\" \"x-myown\" (\"charset\" \"us-ascii\" \"foo\" \"quoted\\\"string\") \
        \"<foo@example.com>\" \"hellodescription\" \"7bit\" 7 1";
    let html = "\"text\" \"html\" (\"charset\" \"us-ascii\") NIL NIL \"8bit\" 20 1";
    check(
        message,
        &format!(
            "(({first} \"Q2hlY2sgSW50ZWdyaXR5IQ==\" (\"inline\" (\"foo\" \"bar\")) \
             (\"en\" \"fi\" \"se\") \"http://example.com/test.txt\")\
             (\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 412 {envelope} \
             (({html} NIL NIL NIL NIL)({TEXT} 21 1 NIL NIL NIL NIL) \"alternative\" \
             (\"boundary\" \"sub1\") NIL NIL NIL) 21 NIL NIL NIL NIL) \"mixed\" \
             (\"boundary\" \"foo bar\") NIL NIL NIL)"
        ),
    );
    check_short(
        message,
        &format!(
            "(({first})(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 412 {envelope} \
             (({html})({TEXT} 21 1) \"alternative\") 21) \"mixed\")"
        ),
    );
}

#[test]
fn broken_boundaries() {
    let plain = |octets: u32, lines: u32| format!("({TEXT} {octets} {lines})");
    for (message, expected) in [
        // The end is missing.
        (
            "--a\n\none\n--a\n\ntwo\n",
            format!("({}{} \"mixed\")", plain(3, 0), plain(5, 1)),
        ),
        // Nothing between two boundaries, and a part without a header's end.
        (
            "--a\n--a\nX: y\n--a--\n",
            format!("({}{} \"mixed\")", plain(0, 0), plain(0, 0)),
        ),
        // Blanks behind the boundary; more on a line than the boundary.
        (
            "--a  \n\none\n--ab\n\ntwo\n--a--",
            format!("({}{} \"mixed\")", plain(3, 0), plain(3, 0)),
        ),
        // Not at the beginning of a line.
        (
            "--a\n\none\n --a\n--a--",
            format!("({} \"mixed\")", plain(9, 1)),
        ),
        // Closed before anything was opened: text.
        ("--a--\nrest\n", plain(13, 2)),
    ] {
        let message = format!("Content-Type: multipart/mixed; boundary=a\n\n{message}");
        check_short(&message, &expected);
    }
}

#[test]
fn a_message_global_is_a_message_in_imap4rev2_alone() {
    let message = "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: message/global\n\
        Content-Transfer-Encoding: 8bit\n\nFrom: B\u{e9}a <b\u{e9}a@d.example>\nSubject: c\n\n\
        e\n--x--\n";
    let address = "{4}\r\nB\u{e9}a NIL {4}\r\nb\u{e9}a \"d.example\"";
    let envelope =
        format!("(NIL \"c\" (({address})) (({address})) (({address})) NIL NIL NIL NIL NIL)");
    let part = "\"message\" \"global\" NIL NIL NIL \"8bit\" 44";
    check(
        message,
        &format!(
            "(({part} {envelope} ({TEXT} 1 0 NIL NIL NIL NIL) 3 NIL NIL NIL NIL) \"mixed\" \
             (\"boundary\" \"x\") NIL NIL NIL)"
        ),
    );
    check_short(
        message,
        &format!("(({part} {envelope} ({TEXT} 1 0) 3) \"mixed\")"),
    );
    check_form(
        message,
        true,
        false,
        &format!("(({part} NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"x\") NIL NIL NIL)"),
    );
    check_form(message, false, false, &format!("(({part}) \"mixed\")"));
}
