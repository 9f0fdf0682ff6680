//! Restante, the program.
//!
//! This crate reads the command line and the configuration, binds sockets, keeps
//! the certificate, catches signals and talks to a running server over its
//! control socket. What mail is and how it is served lies in the crates below.

#![expect(
    unreachable_pub,
    reason = "a program has no callers: `pub` says what a module offers the rest of it"
)]

mod cli;
mod config;
mod control;
mod demo;
mod listen;
mod log;
mod migrate;
mod password;
mod tls;

use clap::Parser as _;
use cli::{Cli, Command, ConfigCommand};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Config(command) => config_command(command, cli.common.config),
        _ => Err("this command is not in this build".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("restante: {error}");
            ExitCode::FAILURE
        }
    }
}

fn config_command(
    command: ConfigCommand,
    config: Option<std::path::PathBuf>,
) -> Result<(), Box<dyn std::error::Error>> {
    match command {
        ConfigCommand::Example => print!("{}", config::example()),
        ConfigCommand::Check { file } => {
            let file = file
                .or(config)
                .unwrap_or_else(|| "/etc/restante/restante.toml".into());
            config::Config::read(&file)?;
            println!("{} is right", file.display());
        }
    }
    Ok(())
}
