//! The log: what sessions and accounts tell, written to standard error.

use crate::config::{Log, LogFormat};
use std::io::{IsTerminal as _, stderr};
use tracing_subscriber::EnvFilter;

/// Begins to log. `RUST_LOG` wins over the level that is set.
pub fn begin(settings: &Log) {
    let level = settings.level.as_str();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        // The libraries below have nothing to say to whoever reads this log.
        EnvFilter::new(format!("{level},fjall=warn,lsm_tree=warn,rustls=warn"))
    });
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr);
    let begun = match settings.format {
        LogFormat::Text => subscriber
            .with_ansi(stderr().is_terminal())
            .with_target(false)
            .try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
    // Only a second call can fail, and then the log has begun.
    drop(begun);
}
