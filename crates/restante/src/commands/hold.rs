//! `restante hold …`

use super::ask;
use crate::cli::hold::{CollectBy, HoldCommand, HoldOptions, HoldTarget, SeenWhen};
use crate::console::{columns, confirm, octets, show};
use crate::control::message::{
    HoldChange, HoldOf, HoldPreviewed, HoldResumed, HoldShown, Request, ShareShown,
};
use crate::error::{Failure, Outcome};
use crate::place::Place;
use crate::span::{day_text, moment_text};
use serde::Serialize;
use std::fmt::Write as _;

/// Days that a preview shows; the others are in JSON.
const DAYS_SHOWN: usize = 14;

/// Does it.
///
/// # Errors
/// Says why it was not done.
pub fn run(command: HoldCommand, place: &Place, json: bool) -> Outcome {
    place.must_exist()?;
    match command {
        HoldCommand::Show { of } => {
            let of = whose(of);
            let hold: HoldShown = ask(place, Request::HoldShow { of: of.clone() })?;
            let change = HoldChange::default();
            let preview: HoldPreviewed = ask(place, Request::HoldPreview { of, change })?;
            show(json, &Shown { hold, preview }, |shown| {
                format!(
                    "{}\n{}",
                    hold_text(&shown.hold),
                    preview_text(&shown.preview)
                )
            })
        }
        HoldCommand::Preview { of, change } => {
            let (of, change) = (whose(of), change_of(change));
            let preview: HoldPreviewed = ask(place, Request::HoldPreview { of, change })?;
            show(json, &preview, preview_text)
        }
        HoldCommand::Set {
            of,
            change,
            follow,
            yes,
        } => {
            let change = HoldChange {
                follow,
                ..change_of(change)
            };
            if change == HoldChange::default() {
                return Err(Failure::new(
                    "what is to be set? Say --hold 14d or another option; --help lists them",
                ));
            }
            set(place, whose(of), change, yes, json)
        }
        HoldCommand::Resume => {
            let resumed: HoldResumed = ask(place, Request::HoldResume)?;
            show(json, &resumed, |resumed| {
                if resumed.was_stopped {
                    "the wall clock is believed again, the hold goes on\n\
                     a hold that was changed while the clock was ahead waits from the date that \
                     it showed: `restante hold show` tells it; set to forever and back, it waits \
                     from now\n"
                        .to_owned()
                } else {
                    "nothing had stopped\n".to_owned()
                }
            })
        }
    }
}

/// A hold and what it comes to.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    hold: HoldShown,
    preview: HoldPreviewed,
}

/// Shows what a change comes to, and asks. An error: it shall not be.
pub(super) fn agreed(place: &Place, of: HoldOf, change: HoldChange, json: bool) -> Outcome {
    let preview: HoldPreviewed = ask(place, Request::HoldPreview { of, change })?;
    if !json {
        eprint!("{}", preview_text(&preview));
    }
    if confirm("Set this hold?", json)? {
        Ok(())
    } else {
        Err(Failure::new("the hold stays as it was"))
    }
}

/// Shows what a change comes to, asks, and does it.
fn set(place: &Place, of: HoldOf, change: HoldChange, yes: bool, json: bool) -> Outcome {
    if !yes {
        agreed(place, of.clone(), change.clone(), json)?;
    }
    let hold: HoldShown = ask(place, Request::HoldSet { of, change })?;
    show(json, &hold, hold_text)
}

fn whose(of: HoldTarget) -> HoldOf {
    match (of.account, of.domain) {
        (Some(account), _) => HoldOf::Account(account),
        (None, Some(domain)) => HoldOf::Domain(domain),
        (None, None) => HoldOf::Default,
    }
}

fn change_of(options: HoldOptions) -> HoldChange {
    HoldChange {
        hold: options.hold.map(|hold| hold.to_string()),
        retr: options.collect.map(|by| by == CollectBy::Retr),
        give_way: options.give_way,
        at_least: options.at_least,
        undo: options.undo,
        forget_device: options.forget_device,
        seen_after_retr: options.seen_after_retr.map(|when| when == SeenWhen::Quit),
        show_collected: options.show_collected,
        follow: false,
    }
}

fn yes_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

fn hold_text(hold: &HoldShown) -> String {
    let set_by = match (hold.set_by.as_str(), &hold.name) {
        ("account", _) => "its own".to_owned(),
        ("domain", Some(name)) if !name.contains('@') => "its own".to_owned(),
        ("domain", _) => "from its domain".to_owned(),
        ("node", None) => "set here".to_owned(),
        ("node", _) => "from the node".to_owned(),
        _ => "from the configuration".to_owned(),
    };
    let mut text = columns(&[
        ["hold".to_owned(), format!("{} ({set_by})", hold.hold)],
        ["collect".to_owned(), hold.collect.clone()],
        ["give-way".to_owned(), yes_no(hold.give_way)],
        ["at-least".to_owned(), hold.at_least.clone()],
        ["seen-after-retr".to_owned(), hold.seen_after_retr.clone()],
        ["undo".to_owned(), hold.undo.clone()],
        ["forget-device".to_owned(), hold.forget_device.clone()],
        ["show-collected".to_owned(), yes_no(hold.show_collected)],
    ]);
    // A String takes every write.
    if let Some(moment) = hold.nothing_before {
        let moment = moment_text(moment);
        let _ = writeln!(text, "changed: nothing goes before {moment}");
    }
    if let Some(since) = hold.run_waits_since {
        let since = moment_text(since);
        let _ = writeln!(
            text,
            "much of the account is due at one time: it waits a day, since {since}"
        );
    }
    if let Some(ahead) = hold.clock_ahead_seconds {
        let _ = writeln!(
            text,
            "the wall clock has run away by {ahead} s: nothing goes until \
             `restante hold resume`, or a day in which it is right"
        );
    }
    text
}

fn share_text(share: ShareShown) -> String {
    let messages = match share.messages {
        1 => "1 message".to_owned(),
        count => format!("{} messages", thousands(count)),
    };
    format!("{messages}, {}", octets(share.octets))
}

/// A number with commas: 1,204.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn preview_text(preview: &HoldPreviewed) -> String {
    let mut text = String::new();
    let first = match preview.first {
        Some(first) => format!(", the first on {}", day_text(first)),
        None => String::new(),
    };
    let total = match preview.total.messages {
        0 => "nothing goes".to_owned(),
        _ => share_text(preview.total),
    };
    // A String takes every write.
    let _ = writeln!(text, "{}: {total}{first}", preview.hold);
    if preview.accounts != 1 {
        let _ = writeln!(text, "{} accounts follow it", thousands(preview.accounts));
    }
    if preview.going.len() > 1 {
        for going in preview.going.iter().take(DAYS_SHOWN) {
            let _ = writeln!(
                text,
                "  {}: {}",
                day_text(going.first),
                share_text(going.share)
            );
        }
        if let Some(more) = preview.going.len().checked_sub(DAYS_SHOWN)
            && more > 0
        {
            let _ = writeln!(text, "  and on {more} days more");
        }
    }
    for (share, what) in [
        (preview.stays, "collected, and stays"),
        (preview.flagged, "collected and flagged: out of reach"),
        (preview.not_collected, "collected by no device"),
        (preview.may_give_way, "may give way to deliveries"),
    ] {
        if share.messages > 0 {
            let _ = writeln!(text, "{}: {what}", share_text(share));
        }
    }
    for device in &preview.devices {
        if device.not_collected.messages == 0 {
            continue;
        }
        let _ = writeln!(
            text,
            "{} has not collected {}, and blocks {} alone; last heard of on {}",
            device.device,
            share_text(device.not_collected),
            share_text(device.blocks),
            day_text(device.heard)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_reads_as_a_sentence() {
        let preview = HoldPreviewed {
            hold: "14d".to_owned(),
            accounts: 1,
            total: ShareShown {
                messages: 1_204,
                octets: 2_300_000_000,
            },
            first: Some(1_700_000_000),
            ..HoldPreviewed::default()
        };
        assert_eq!(
            preview_text(&preview),
            "14d: 1,204 messages, 2.1 GB, the first on 14 November 2023\n"
        );
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (12_345_678, "12,345,678"),
        ] {
            assert_eq!(thousands(number), text);
        }
    }
}
