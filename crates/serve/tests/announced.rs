//! Everything that is announced stands in docs/RFCS.md.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "these are tests")]

#[path = "transcript/script.rs"]
#[expect(dead_code, reason = "the world needs its bindings alone")]
mod script;
#[path = "transcript/world.rs"]
#[expect(dead_code, reason = "transcripts need more of it")]
mod world;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use world::World;

const PAGE: &str = include_str!("../../../docs/RFCS.md");

/// All that the server says to `commands`.
async fn told(protocol: &str, commands: &str) -> Vec<String> {
    let mut world = World::new();
    let mut wire = world.connect(protocol, 1).await;
    wire.write_all(commands.as_bytes()).await.unwrap();
    let mut answers = String::new();
    wire.read_to_string(&mut answers).await.unwrap();
    answers.lines().map(str::to_owned).collect()
}

/// The words between backticks in the table under the heading.
fn listed(heading: &str) -> Vec<&'static str> {
    let section = PAGE
        .split("\n## ")
        .find(|section| section.starts_with(heading));
    let section = section.expect("the section");
    let quoted = section.split('`').skip(1).step_by(2);
    quoted.flat_map(|words| words.split(' ')).collect()
}

fn check(heading: &str, announced: &[&str]) {
    let listed = listed(heading);
    assert!(announced.len() > 3, "{announced:?}");
    for word in announced {
        assert!(listed.contains(word), "{word} is not under {heading}");
    }
}

#[tokio::test(start_paused = true)]
async fn pop3() {
    let lines = told("pop3", "CAPA\r\nQUIT\r\n").await;
    let end = lines.iter().position(|line| line == ".").unwrap();
    let capabilities = &lines[2..end];
    let words: Vec<&str> = capabilities
        .iter()
        .filter_map(|line| line.split(' ').next())
        .collect();
    check("POP3", &words);
}

#[tokio::test(start_paused = true)]
async fn lmtp() {
    let lines = told("lmtp", "LHLO c\r\nQUIT\r\n").await;
    let words: Vec<&str> = lines[2..lines.len() - 1]
        .iter()
        .filter_map(|line| line.get(4..)?.split(' ').next())
        .collect();
    check("LMTP", &words);
}

#[tokio::test(start_paused = true)]
async fn imap() {
    let lines = told("imap", "a CAPABILITY\r\nb LOGOUT\r\n").await;
    let line = lines
        .iter()
        .find_map(|line| line.strip_prefix("* CAPABILITY "));
    let words: Vec<&str> = line
        .unwrap()
        .split(' ')
        .filter(|word| *word != "STARTTLS" && *word != "LOGINDISABLED")
        .collect();
    check("IMAP", &words);
}
