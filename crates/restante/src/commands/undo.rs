//! `restante undo …`

use super::ask;
use crate::cli::hold::{UndoCommand, UndoOptions};
use crate::console::{columns, confirm, octets, show};
use crate::control::message::{Request, UndoFilter, UndoListed, UndoRestored};
use crate::error::{Failure, Outcome};
use crate::place::Place;
use crate::span::moment_text;

/// Does it.
///
/// # Errors
/// Says why it was not done.
pub fn run(command: UndoCommand, place: &Place, json: bool) -> Outcome {
    place.must_exist()?;
    match command {
        UndoCommand::List { account, which } => {
            let which = filter(which);
            let listed: UndoListed = ask(place, Request::UndoList { account, which })?;
            show(json, &listed, list)
        }
        UndoCommand::Restore {
            account,
            which,
            keep_collected,
            yes,
        } => {
            let which = filter(which);
            let everything = which.messages.is_empty()
                && which.mailbox.is_none()
                && which.cause.is_none()
                && which.since.is_none()
                && which.until.is_none();
            let question = format!("Bring back everything that {account} has lost?");
            if everything && !yes && !confirm(&question, json)? {
                return Err(Failure::new("nothing was brought back"));
            }
            let request = Request::UndoRestore {
                account,
                which,
                keep_collected,
            };
            let restored: UndoRestored = ask(place, request)?;
            show(json, &restored, |restored| {
                let mut text = match restored.messages {
                    1 => "1 message is back\n".to_owned(),
                    count => format!("{count} messages are back\n"),
                };
                if restored.over_quota {
                    text.push_str("the account is over its quota now\n");
                }
                text
            })
        }
    }
}

fn filter(options: UndoOptions) -> UndoFilter {
    let now = jiff::Timestamp::now().as_second();
    UndoFilter {
        messages: options.messages,
        mailbox: options.mailbox,
        cause: options.cause,
        since: options.since.map(|since| since.seconds(now)),
        until: options.until.map(|until| until.seconds(now)),
    }
}

fn list(listed: &UndoListed) -> String {
    if listed.messages.is_empty() {
        return "there is nothing to bring back\n".into();
    }
    let mut rows = vec![
        [
            "EXPUNGED", "CAUSE", "MAILBOX", "UID", "SIZE", "UIDL", "SUBJECT",
        ]
        .map(String::from),
    ];
    for message in &listed.messages {
        rows.push([
            moment_text(message.expunged),
            message.cause.clone(),
            message.mailbox.clone(),
            message.uid.to_string(),
            octets(message.octets),
            message.uidl.clone(),
            message.subject.clone(),
        ]);
    }
    let mut text = columns(&rows);
    if listed.more > 0 {
        text.push_str(&format!("and {} more\n", listed.more));
    }
    text
}
