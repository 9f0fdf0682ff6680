//! The demo: a server that needs nothing.

mod samples;
mod settings;
