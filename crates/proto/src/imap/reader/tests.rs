use super::*;
use crate::imap::append::AppendStep;
use proptest::prelude::*;

/// What a driver that accepts every APPEND would note down.
fn play(limits: Limits, input: &[u8], piece: usize, accept: bool) -> Vec<String> {
    let mut reader = CommandReader::new(limits);
    let mut notes: Vec<String> = Vec::new();
    let mut message = Vec::new();
    for mut octets in input.chunks(piece) {
        while let Some(event) = reader.read(&mut octets) {
            let note = match event {
                Event::Append(head) => {
                    let note = format!("append {}{}", head.tag, shown(&head.part));
                    if accept {
                        reader.accept();
                    } else {
                        reader.refuse(100_000);
                    }
                    note
                }
                Event::AppendPart(part) => {
                    let text = String::from_utf8_lossy(&std::mem::take(&mut message)).into_owned();
                    let note = format!("{text:?}{}", shown(&part));
                    if text.contains("refuse") {
                        reader.refuse(100_000);
                    } else {
                        reader.accept();
                    }
                    note
                }
                Event::Chunk(chunk) => {
                    message.extend_from_slice(chunk);
                    continue;
                }
                Event::AppendEnd(tag) => {
                    let text = String::from_utf8_lossy(&std::mem::take(&mut message)).into_owned();
                    format!("appended {tag} {text:?}")
                }
                Event::Command(command) => {
                    if command.body == super::super::CommandBody::Idle {
                        reader.expect_line(10);
                    }
                    format!("{} {}", command.tag, command.body.name())
                }
                Event::Continue => "+".into(),
                Event::Refused(tag) => format!("refused {tag}"),
                Event::Line(line) => format!("line {:?}", String::from_utf8_lossy(&line)),
                Event::LineTooLong => "line too long".into(),
                Event::Bad { tag, error } => {
                    let tag = tag.map_or("*".into(), |tag| tag.to_string());
                    format!("bad {tag} {}", error.expected)
                }
                Event::TooBig(tag) => format!("too big {tag}"),
                Event::Close => {
                    notes.push("close".into());
                    return notes;
                }
            };
            notes.push(note);
        }
    }
    notes
}

fn shown(part: &AppendPart) -> String {
    let mut out = String::new();
    for step in &part.steps {
        match step {
            AppendStep::Message { .. } => {}
            AppendStep::Url(url) => out += &format!(" <{url}>"),
        }
    }
    if let Some(literal) = part.literal {
        out += &format!(" {}", literal.octets);
    }
    out
}

const LIMITS: Limits = Limits {
    unasked_octets_max: u32::MAX,
    line_octets_max: 100,
    literal_octets_max: 50,
    command_octets_max: 300,
    literals_max: 5,
};

#[track_caller]
fn check(input: impl AsRef<[u8]>, expected: &[&str]) {
    check_with(input.as_ref(), expected, true);
}

#[track_caller]
fn check_with(input: &[u8], expected: &[&str], accept: bool) {
    for piece in [1, 3, 4_096] {
        assert_eq!(
            play(LIMITS, input, piece, accept),
            expected,
            "in pieces of {piece}"
        );
    }
}

#[test]
fn commands_come_one_after_another() {
    check(
        "a NOOP\r\nb noop\nc NOOP \r\n\r\n+ x\r\nd NOOP\r\ne NO",
        &[
            "a NOOP",
            "b NOOP",
            "bad c the end of the command",
            "bad * a tag",
            "bad * a tag",
            "d NOOP",
        ],
    );
}

#[test]
fn literals_are_asked_for() {
    check(
        "a LOGIN {4}\r\nanna {6+}\r\nsecret\r\nb NOOP\r\n",
        &["+", "a LOGIN", "b NOOP"],
    );
    check(
        "a LOGIN {0}\r\n {4}\r\n{2}\n\r\nb NOOP\r\n",
        &["+", "+", "a LOGIN", "b NOOP"],
    );
    // What looks like a literal inside one is none.
    check("a LOGIN {8+}\r\nx {9}\r\ny {3+}\r\nabc\r\n", &["a LOGIN"]);
}

#[test]
fn a_wrong_command_is_refused_where_it_announces_a_literal() {
    check(
        "a NOPE {5}\r\nb NOOP {5}\r\nc NOOP\r\n",
        &[
            "bad a a known command",
            "bad b the end of the command",
            "c NOOP",
        ],
    );
    check(
        "a NOPE {5+}\r\nhello {3+}\r\nxyz\r\nc NOOP\r\n",
        &["bad a a known command", "c NOOP"],
    );
    check(
        "a NOPE {0+}\r\n\r\nc NOOP\r\n",
        &["bad a a known command", "c NOOP"],
    );
    // The client that waits hears of it there and then.
    check(
        "a NOPE {5+}\r\nhello {3}\r\nc NOOP\r\n",
        &["bad a a known command", "c NOOP"],
    );
    check("( {5}\r\nc NOOP\r\n", &["bad * a tag", "c NOOP"]);
    check(
        "a LOGIN x {5+}\r\nhello x\r\nc NOOP\r\n",
        &["bad a the end of the command", "c NOOP"],
    );
}

#[test]
fn what_is_too_big_is_refused_before_it_comes() {
    check("a LOGIN {51}\r\nb NOOP\r\n", &["too big a", "b NOOP"]);
    check(
        "a LOGIN {99999999999999999999999}\r\nb NOOP\r\n",
        &["bad a a smaller number", "b NOOP"],
    );
    let unwanted = format!("a LOGIN {{60+}}\r\n{} x\r\nb NOOP\r\n", "x".repeat(60));
    check(unwanted, &["too big a", "b NOOP"]);
    check("a LOGIN {70000+}\r\n", &["too big a", "close"]);
    let many = format!(
        "a SEARCH {}SEEN\r\nb NOOP\r\n",
        "SUBJECT {1+}\r\nx ".repeat(6)
    );
    check(many, &["too big a", "b NOOP"]);
    let long = format!(
        "a SEARCH {}SEEN\r\nb NOOP\r\n",
        format!("SUBJECT {{50+}}\r\n{} ", "x".repeat(50)).repeat(5)
    );
    check(long, &["too big a", "b NOOP"]);
}

#[test]
fn overlong_lines_are_skipped() {
    let long = "x".repeat(200);
    check(
        format!("a LOGIN {long}\r\nb NOOP\r\n"),
        &["bad a a shorter line", "b NOOP"],
    );
    check(
        format!("{long}\r\nb NOOP\r\n"),
        &["bad * a shorter line", "b NOOP"].map(|text| text),
    );
    check(
        format!("a LOGIN {long} {{5+}}\r\nq x\r\n y\r\nb NOOP\r\n"),
        &["bad a a shorter line", "b NOOP"],
    );
    check(
        format!("a LOGIN {long} {{5}}\r\nb NOOP\r\n"),
        &["bad a a shorter line", "b NOOP"],
    );
    check(
        format!("a LOGIN {}", "x".repeat(80_000)),
        &["bad a a shorter line", "close"],
    );
}

#[test]
fn a_message_passes_through() {
    check(
        "a APPEND INBOX {5}\r\nhello\r\nb NOOP\r\n",
        &["append a 5", "appended a \"hello\"", "b NOOP"],
    );
    check(
        "a APPEND {5}\r\nINBOX (\\Seen) {5+}\r\na\r\nb\n\nb NOOP\r\n",
        &["+", "append a 5", "appended a \"a\\r\\nb\\n\"", "b NOOP"],
    );
    check(
        "a APPEND INBOX {0+}\r\n\r\nb NOOP\r\n",
        &["append a 0", "appended a \"\"", "b NOOP"],
    );
    check(
        "a APPEND INBOX {2+}\r\nxy z\r\nb NOOP\r\n",
        &["append a 2", "bad a a literal", "b NOOP"],
    );
    check(
        "a APPEND INBOX {2+}\r\nxyz{3+}\r\nabc\r\nb NOOP\r\n",
        &["append a 2", "bad a a space", "b NOOP"],
    );
    check(
        "a APPEND INBOX {2+}\r\nxyz{3}\r\nb NOOP\r\n",
        &["append a 2", "bad a a space", "b NOOP"],
    );
    check("a APPEND INBOX\r\nb NOOP\r\n", &["bad a a space", "b NOOP"]);
}

/// RFC 3502 §6.3.11, RFC 4469 §3, RFC 8508 §3.1, RFC 9755 §4.
#[test]
fn several_literals_pass_through() {
    check(
        "a APPEND INBOX {2+}\r\nxy (\\Seen) {3+}\r\nabc {0+}\r\n\r\nb NOOP\r\n",
        &[
            "append a 2",
            "\"xy\" 3",
            "\"abc\" 0",
            "appended a \"\"",
            "b NOOP",
        ],
    );
    check(
        "a APPEND x CATENATE (URL \"/a\" TEXT {2+}\r\nxy URL {2+}\r\n/b URL /c)\r\nb NOOP\r\n",
        &[
            "append a </a> 2",
            "\"xy\" </b> </c>",
            "appended a \"\"",
            "b NOOP",
        ],
    );
    check(
        "a APPEND x CATENATE (URL /a) {2+}\r\nxy\r\nb NOOP\r\n",
        &["append a </a> 2", "appended a \"xy\"", "b NOOP"],
    );
    check(
        "a APPEND x CATENATE (URL /a)\r\nb NOOP\r\n",
        &["append a </a>", "appended a \"\"", "b NOOP"],
    );
    check(
        "a REPLACE 4 x UTF8 (~{2+}\r\nxy)\r\nb NOOP\r\n",
        &["append a 2", "appended a \"xy\"", "b NOOP"],
    );
    check(
        "a UID REPLACE 4 x {2+}\r\nxy {2}\r\nb NOOP\r\n",
        &["append a 2", "bad a the end of the command", "b NOOP"],
    );
    check(
        "a APPEND x CATENATE (TEXT {2+}\r\nxy\r\nb NOOP\r\n",
        &["append a 2", "bad a a space", "b NOOP"],
    );
    check(
        "a APPEND x CATENATE ()\r\nb APPEND x UTF8 ({2+}\r\nxy)\r\nc NOOP\r\n",
        &["bad a TEXT or URL", "bad b a literal8", "c NOOP"],
    );
    check(
        "a APPEND x {6+}\r\nrefuse {2+}\r\nxy {3+}\r\nabc\r\nb NOOP\r\n",
        &["append a 6", "\"refuse\" 2", "refused a", "b NOOP"],
    );
    check(
        "a APPEND x {6+}\r\nrefuse {2}\r\nb NOOP\r\n",
        &["append a 6", "\"refuse\" 2", "refused a", "b NOOP"],
    );
    // Each line of it is bounded as those of other commands are.
    let long = "x".repeat(100);
    check(
        format!("a APPEND x {{2+}}\r\nxy ({long}) {{2}}\r\nb NOOP\r\n"),
        &["append a 2", "bad a a shorter line", "b NOOP"],
    );
}

#[test]
fn a_refused_message_is_not_read() {
    check_with(
        b"a APPEND INBOX {5}\r\nb NOOP\r\n",
        &["append a 5", "refused a", "b NOOP"],
        false,
    );
    check_with(
        b"a APPEND INBOX {5+}\r\nhello\r\nb NOOP\r\n",
        &["append a 5", "refused a", "b NOOP"],
        false,
    );
    check_with(
        b"a APPEND INBOX {500000+}\r\nhello",
        &["append a 500000", "refused a", "close"],
        false,
    );
}

#[test]
fn awaited_lines_are_no_commands() {
    check(
        "a IDLE\r\nDONE\r\nb NOOP\r\n",
        &["a IDLE", "line \"DONE\"", "b NOOP"],
    );
    check("a IDLE\r\n\nb NOOP\r\n", &["a IDLE", "line \"\"", "b NOOP"]);
    check(
        "a IDLE\r\nDONE DONE DONE DONE\r\nb NOOP\r\n",
        &["a IDLE", "line too long", "b NOOP"],
    );
}

#[test]
fn an_idle_reader_keeps_nothing() {
    let mut reader = CommandReader::new(Limits::LOGGED_IN);
    for text in [
        "a LOGIN {4+}\r\nanna x\r\n",
        "b APPEND INBOX {1+}\r\nx\r\n",
        "c NOPE\r\n",
    ] {
        let mut input = text.as_bytes();
        while reader.read(&mut input).is_some() {
            reader.accept();
        }
        assert!(reader.is_idle());
        assert_eq!(reader.buffer.capacity(), 0, "{text}");
    }
    assert!(
        size_of::<CommandReader>() <= 136,
        "{}",
        size_of::<CommandReader>()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn the_pieces_do_not_matter(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "a NOOP\r\n", "b LOGIN {4}\r\n", "c LOGIN {3+}\r\n", "abc", " x\r\n", "d APPEND INBOX {9+}\r\n", "\r\n", "{60+}\r\n",
                "e APPEND INBOX {2}\r\n", "h APPEND x CATENATE (URL /a TEXT {1+}\r\n", " URL {1+}\r\n", ")", " {2+}\r\n", "f IDLE\r\n", "DONE\r\n", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "\n", "\r", "}", "{1}",
                "g NOPE {3+}\r\n", "\0", " ",
            ]),
            0..20,
        ),
        accept in any::<bool>(),
        piece in 1usize..9,
    ) {
        let input = words.concat();
        let whole = play(LIMITS, input.as_bytes(), usize::MAX, accept);
        prop_assert_eq!(play(LIMITS, input.as_bytes(), piece, accept), whole);
    }

    #[test]
    fn nothing_panics(octets in prop::collection::vec(any::<u8>(), 0..300), piece in 1usize..50) {
        play(LIMITS, &octets, piece, true);
    }
}
