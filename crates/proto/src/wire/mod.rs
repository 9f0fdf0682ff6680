//! What all line protocols share: lines with limits, dot-stuffing, and message
//! bodies as DATA and BDAT carry them.
//!
//! Everything here takes octets in pieces of any size, keeps what it must and
//! nothing more, and holds no memory while it waits at the beginning of a line.

mod body;
mod dot;
mod line;

pub use body::{BodyChanges, ChunkDecoder, DataDecoder, Decoded};
pub use dot::{DotEncoder, TopFilter};
pub use line::{Line, LineReader};
