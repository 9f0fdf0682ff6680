//! Restante, the program.
//!
//! This crate reads the command line and the configuration, binds sockets, keeps
//! the certificate, catches signals and talks to a running server over its
//! control socket. What mail is and how it is served lies in the crates below.

#![expect(
    unreachable_pub,
    reason = "a program has no callers: `pub` says what a module offers the rest of it"
)]

mod accept;
mod admin;
mod cli;
mod commands;
mod config;
mod console;
mod control;
mod demo;
mod descriptors;
mod error;
mod languages;
mod listen;
mod log;
mod memory;
mod metrics;
mod migrate;
mod node;
mod passwd_file;
mod password;
mod place;
mod privileges;
mod proxy;
mod ready;
mod running;
mod secret;
mod serving;
mod span;
mod texts;
mod tls;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    match commands::run(cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("restante: {error}");
            ExitCode::FAILURE
        }
    }
}
