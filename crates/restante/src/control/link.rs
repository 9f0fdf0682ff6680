//! The line between the command line and a running server: JSON on lines, and
//! between them the octets of messages.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
    BufWriter,
};

/// The longest line: a list of two million accounts. Only the operator can write to
/// the socket.
const LINE_OCTETS_MAX: u64 = 512 << 20;

/// What comes in.
pub struct Incoming(BufReader<Box<dyn AsyncRead + Send + Sync + Unpin>>);

/// What goes out.
pub struct Outgoing(BufWriter<Box<dyn AsyncWrite + Send + Sync + Unpin>>);

/// Both halves of a connection.
pub fn link<S>(stream: S) -> (Incoming, Outgoing)
where
    S: AsyncRead + AsyncWrite + Send + Sync + 'static,
{
    let (read, write) = tokio::io::split(stream);
    let incoming = Incoming(BufReader::with_capacity(64 << 10, Box::new(read)));
    (
        incoming,
        Outgoing(BufWriter::with_capacity(64 << 10, Box::new(write))),
    )
}

impl Incoming {
    /// The next line, or `None` where the other side has hung up.
    ///
    /// # Errors
    /// If reading fails or the line cannot be understood.
    pub async fn line<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let mut line = Vec::new();
        (&mut self.0)
            .take(LINE_OCTETS_MAX)
            .read_until(b'\n', &mut line)
            .await?;
        if line.is_empty() {
            return Ok(None);
        }
        if line.pop() != Some(b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        serde_json::from_slice(&line)
            .map(Some)
            .map_err(io::Error::from)
    }

    /// Takes what still comes and throws it away.
    pub async fn discard(&mut self) {
        // Nobody wants to know how it ended.
        let _ = tokio::io::copy(&mut self.0, &mut tokio::io::sink()).await;
    }

    /// `count` octets that follow a line.
    ///
    /// # Errors
    /// If they do not come.
    pub async fn octets(&mut self, count: u64, count_max: u64) -> io::Result<Vec<u8>> {
        if count > count_max {
            let what = format!("{count} octets announced, at most {count_max} are allowed");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        let mut octets = Vec::new();
        (&mut self.0).take(count).read_to_end(&mut octets).await?;
        if octets.len() as u64 != count {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(octets)
    }
}

impl Outgoing {
    /// Puts a line; [`Outgoing::flush`] sends it.
    ///
    /// # Errors
    /// If the other side has gone.
    pub async fn line<T: Serialize + Sync>(&mut self, value: &T) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.0.write_all(&line).await
    }

    /// Puts octets that follow a line.
    ///
    /// # Errors
    /// If the other side has gone.
    pub async fn octets(&mut self, octets: &[u8]) -> io::Result<()> {
        self.0.write_all(octets).await
    }

    /// Sends what was put.
    ///
    /// # Errors
    /// If the other side has gone.
    pub async fn flush(&mut self) -> io::Result<()> {
        self.0.flush().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_list_of_many_accounts_fits_on_a_line() {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let names: Vec<String> = (0..200_000)
            .map(|n| format!("user{n}@example.org"))
            .collect();
        let (_, mut outgoing) = link(ours);
        let (mut incoming, _) = link(theirs);
        let sends = async {
            outgoing.line(&names).await.unwrap();
            outgoing.flush().await.unwrap();
        };
        let (got, ()) = tokio::join!(incoming.line::<Vec<String>>(), sends);
        assert_eq!(got.unwrap(), Some(names.clone()));
    }
}
