//! What goes wrong in the program itself, as it is told to whoever started it.

use std::fmt;

/// A text for a person: what was wrong, where, and what would be right.
#[derive(Debug)]
pub struct Failure(String);

/// What every command gives.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// Says `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Adds what was being done.
pub trait While<T> {
    /// `doing: error`
    fn when(self, doing: impl fmt::Display) -> Outcome<T>;
}

impl<T, E: fmt::Display> While<T> for Result<T, E> {
    fn when(self, doing: impl fmt::Display) -> Outcome<T> {
        self.map_err(|error| Failure(format!("{doing}: {error}")))
    }
}
