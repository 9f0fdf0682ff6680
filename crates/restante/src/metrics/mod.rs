//! `[metrics]`: what an operator watches, for Prometheus. docs/METRICS.md says what
//! each one means.
//!
//! The numbers are counted where things happen (`serve::metrics`, `store::Stats`)
//! and only written down here, when somebody asks.

mod page;
mod serving;
mod text;

pub use page::Watched;
pub use serving::{Door, open, watch};
