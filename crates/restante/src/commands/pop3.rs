//! `restante pop3 …`

use super::with_client;
use crate::cli::Pop3Command;
use crate::console::{Bar, show};
use crate::control::client::{Client, reply};
use crate::control::message::{Reply, Request, UniqueId};
use crate::error::{Failure, Outcome};
use crate::languages;
use crate::place::Place;
use std::fmt::Write as _;

/// Does it.
///
/// # Errors
/// Says why it was not done.
pub fn run(command: Pop3Command, place: impl FnOnce() -> Outcome<Place>, json: bool) -> Outcome {
    match command {
        Pop3Command::Texts => {
            print!("{}", languages::template());
            Ok(())
        }
        Pop3Command::Uidls { account, device } => {
            let place = place()?;
            place.must_exist()?;
            let request = Request::Pop3Uidls { account, device };
            let listed = with_client(&place, async |client| receive(client, request).await)?;
            show(json, &listed, |listed| told(listed))
        }
    }
}

async fn receive(mut client: Client, request: Request) -> Outcome<Vec<UniqueId>> {
    client.open(request).await?;
    let mut listed = Vec::new();
    loop {
        match reply(&mut client.incoming, &Bar::hidden()).await? {
            Reply::UniqueId(message) => listed.push(message),
            Reply::Done(_) => return Ok(listed),
            other => return Err(Failure::new(format!("out of turn: {other:?}"))),
        }
    }
}

/// Columns with tabs between them: a drop may have a hundred thousand lines.
fn told(listed: &[UniqueId]) -> String {
    let mut text = String::from("NUMBER\tUIDL\tOCTETS\tUID\tRECEIVED\n");
    for message in listed {
        // A String takes every write.
        let _ = writeln!(
            text,
            "{}\t{}\t{}\t{}\t{}",
            message.number,
            message.unique_id,
            message.octets,
            message.uid,
            jiff::Timestamp::from_second(message.received).unwrap_or_default()
        );
    }
    text
}
