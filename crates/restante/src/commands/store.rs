//! `restante check`, `repair` and `rebuild-index`

use super::with_client;
use crate::console::{Bar, Counts, octets, show};
use crate::control::client::Client;
use crate::control::message::{Checked, Repaired, Request};
use crate::error::{Failure, Outcome};
use crate::node::{self, OpenError};
use crate::place::Place;
use serde::Serialize;

/// Reads everything and says what is wrong.
///
/// # Errors
/// If anything is.
pub fn check(place: &Place, json: bool) -> Outcome {
    place.must_exist()?;
    let bar = Bar::new("checking", Counts::Octets, None);
    let checked = with_client(place, async |mut client: Client| {
        client.ask(Request::Check, &bar).await
    });
    bar.end();
    let checked: Checked = checked?;
    show(json, &checked, |checked| {
        let mut text = format!(
            "{} accounts, {} commits, {} messages, {} read\n",
            checked.accounts,
            checked.commits,
            checked.blobs,
            octets(checked.octets)
        );
        for note in &checked.notes {
            text.push_str(&format!("note: {note}\n"));
        }
        for fault in &checked.faults {
            text.push_str(&format!("fault: {fault}\n"));
        }
        if checked.faults.is_empty() {
            text.push_str("everything is whole\n");
        }
        text
    })?;
    match checked.faults.len() {
        0 => Ok(()),
        1 => Err(Failure::new("there is a fault")),
        count => Err(Failure::new(format!("there are {count} faults"))),
    }
}

/// Goes on with damaged accounts.
///
/// # Errors
/// If one cannot be repaired.
pub fn repair(account: Option<String>, place: &Place, json: bool) -> Outcome {
    place.must_exist()?;
    let request = Request::Repair { account };
    let repaired: Repaired = with_client(place, async |mut client: Client| {
        client.ask(request, &Bar::hidden()).await
    })?;
    show(json, &repaired, |repaired| {
        if repaired.accounts.is_empty() {
            return "nothing is damaged\n".into();
        }
        let accounts = repaired.accounts.iter();
        let accounts = accounts.map(|name| format!("{name} is repaired\n"));
        let lost = repaired.lost.iter().map(|line| format!("{line}\n"));
        accounts.chain(lost).collect()
    })
}

/// What rebuilding the index has brought.
#[derive(Serialize)]
struct Rebuilt {
    rebuilt: bool,
    /// Accounts whose numbers jump, because the journal had lost something.
    jumping_accounts: u64,
    /// Changes that only the old index knew.
    found_commits: u64,
}

/// Builds the index anew.
///
/// # Errors
/// If a server runs, or the data cannot be read.
pub fn rebuild_index(place: &Place, json: bool) -> Outcome {
    place.must_exist()?;
    let went_on = super::runtime()?
        .block_on(node::rebuild_index(place))
        .map_err(|error| match error {
            OpenError::InUse(_) => Failure::new(format!(
                "{error}; the index can be built anew while no server runs"
            )),
            other => Failure::from(other),
        })?;
    let went_on = went_on.unwrap_or_default();
    let rebuilt = Rebuilt {
        rebuilt: true,
        jumping_accounts: went_on.accounts,
        found_commits: went_on.commits,
    };
    show(json, &rebuilt, |rebuilt| {
        let mut text = String::from("the index is built anew\n");
        if rebuilt.jumping_accounts > 0 {
            text.push_str(&format!(
                "the journal had lost something that was acknowledged; the old index had {} \
                 of the lost commits\n{} accounts go on with numbers that were never told; \
                 `restante check` says whose mail is damaged\n",
                rebuilt.found_commits, rebuilt.jumping_accounts
            ));
        }
        text
    })
}
