//! What the commands do.

pub mod account;
pub mod device;
pub mod domain;
pub mod hold;
pub mod mail;
pub mod pop3;
pub mod store;
pub mod undo;

use crate::cli::{Cli, Command, Common, ConfigCommand};
use crate::config::{self, Config};
use crate::console::Bar;
use crate::console::{self, show};
use crate::control::client::Client;
use crate::control::message::Request;
use crate::control::server;
use crate::error::{Failure, Outcome, While as _};
use crate::node::{OpenError, Opened};
use crate::place::Place;
use crate::{demo, serving};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Octets on their way between this program's two halves where it works directly
/// on the data.
const DIRECT_OCTETS: usize = 256 << 10;
/// How long a server that begins or ends is waited for.
const REACH_MAX: Duration = Duration::from_secs(15);
/// How often it is tried.
const REACH_PAUSE: Duration = Duration::from_millis(50);

/// Does what the command line says.
///
/// # Errors
/// Says why it was not done.
pub fn run(cli: Cli) -> Outcome {
    let Cli { command, common } = cli;
    let json = common.json;
    match command {
        Command::Demo(options) => demo::demo(&options, &common),
        Command::Serve => serving::serve(&common),
        Command::Config(command) => configuration(command, &common),
        Command::Account(command) => account::run(command, &Place::find(&common)?, json),
        Command::Device(command) => device::run(command, &Place::find(&common)?, json),
        Command::Domain(command) => domain::run(command, &Place::find(&common)?, json),
        Command::Hold(command) => hold::run(command, &Place::find(&common)?, json),
        Command::Undo(command) => undo::run(command, &Place::find(&common)?, json),
        Command::Check => store::check(&Place::find(&common)?, json),
        Command::Repair { account } => store::repair(account, &Place::find(&common)?, json),
        Command::RebuildIndex => store::rebuild_index(&Place::find(&common)?, json),
        Command::Import(command) => mail::import(command, &Place::find(&common)?, json),
        Command::Pop3(command) => pop3::run(command, || Place::find(&common), json),
        Command::Export(command) => mail::export(command, &Place::find(&common)?, json),
    }
}

fn configuration(command: ConfigCommand, common: &Common) -> Outcome {
    match command {
        ConfigCommand::Example => console::print(&config::example()),
        ConfigCommand::Check { file } => {
            let file = file.or_else(|| common.config.clone());
            let file: PathBuf = file.ok_or_else(|| Failure::new("which file? Name one"))?;
            let config = Config::read(&file)?;
            let notes = config::surroundings(&file, &config)?;
            crate::texts::load(&config)?;
            let right = serde_json::json!({ "file": file, "right": true, "notes": notes });
            show(common.json, &right, |_| {
                let notes = notes.iter().map(|note| format!("not judged: {note}\n"));
                let notes: String = notes.collect();
                format!("{notes}{} is right\n", file.display())
            })
        }
    }
}

/// A runtime on all cores.
///
/// # Errors
/// If the system gives no threads.
pub fn runtime() -> Outcome<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .when("no threads can be started")
}

/// Makes a request that has one answer.
fn ask<T: serde::de::DeserializeOwned>(place: &Place, request: Request) -> Outcome<T> {
    with_client(place, async |mut client: Client| {
        client.ask(request, &Bar::hidden()).await
    })
}

/// Does `work` with the running server, or directly on the data where none runs.
fn with_client<T>(place: &Place, work: impl AsyncFnOnce(Client) -> Outcome<T>) -> Outcome<T> {
    runtime()?.block_on(async {
        let opened = match reach(place).await? {
            Reached::Server(client) => return work(client).await,
            Reached::Data(opened) => Arc::new(opened),
        };
        let (ours, theirs) = tokio::io::duplex(DIRECT_OCTETS);
        let serving = server::handle(Arc::clone(&opened), theirs);
        let ((), done) = tokio::join!(serving, work(Client::new(ours)));
        opened.close().await;
        done
    })
}

/// Who does what a command asks for.
enum Reached {
    Server(Client),
    Data(Opened),
}

/// The running server, or the data itself. A server that has the data but does
/// not answer yet, because it recovers, is waited for.
async fn reach(place: &Place) -> Outcome<Reached> {
    let mut waited = Duration::ZERO;
    loop {
        if place.data.is_dir()
            && let Some(client) = Client::connect(&place.data).await?
        {
            return Ok(Reached::Server(client));
        }
        let settings = config::Log {
            level: config::LogLevel::Warn,
            ..place.config.log.clone()
        };
        crate::log::begin(&settings);
        match Opened::open(place).await {
            Ok(opened) => return Ok(Reached::Data(opened)),
            Err(OpenError::InUse(_)) if waited < REACH_MAX => {
                tokio::time::sleep(REACH_PAUSE).await;
                waited += REACH_PAUSE;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
