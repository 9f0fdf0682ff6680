//! The log: what sessions and accounts tell, written to standard error.

use crate::config::{Log, LogFormat, LogLevel};
use std::io::{IsTerminal as _, stderr};
use std::sync::OnceLock;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

type Filter = reload::Handle<EnvFilter, Registry>;

/// The way to another level.
static FILTER: OnceLock<Filter> = OnceLock::new();

/// Begins to log. `RUST_LOG` wins over the level that is set.
pub fn begin(settings: &Log) {
    let (filter, handle) = reload::Layer::new(filter(settings.level));
    let lines = fmt::layer().with_writer(stderr);
    let lines = match settings.format {
        LogFormat::Text => lines
            .with_ansi(stderr().is_terminal())
            .with_target(false)
            .boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    // Only a second call can fail, and then the log has begun.
    if tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init()
        .is_ok()
    {
        let _ = FILTER.set(handle);
    }
}

/// Goes on at another level.
pub fn set_level(level: LogLevel) {
    if let Some(handle) = FILTER.get() {
        // It fails only where the log has gone.
        let _ = handle.reload(filter(level));
    }
}

fn filter(level: LogLevel) -> EnvFilter {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        // The libraries below have nothing to say to whoever reads this log.
        EnvFilter::new(format!(
            "{},fjall=warn,lsm_tree=warn,rustls=warn",
            level.as_str()
        ))
    });
    // At `trace` it writes out what it sends, tokens and secrets with it: whatever
    // `RUST_LOG` says of everything does not go for it.
    match "ureq=warn".parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    }
}
