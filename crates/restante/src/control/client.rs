//! The command line's end of the control socket.

use super::link::{Incoming, Outgoing, link};
use super::message::{Opening, Reply, Request, VERSION};
use crate::console::Bar;
use crate::error::{Failure, Outcome, While as _};
use serde::de::DeserializeOwned;
use std::path::Path;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

/// A connection on which one request is made.
pub struct Client {
    /// What the server says.
    pub incoming: Incoming,
    /// What it is told.
    pub outgoing: Outgoing,
}

impl Client {
    /// Of an open stream.
    pub fn new<S>(stream: S) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Sync + 'static,
    {
        let (incoming, outgoing) = link(stream);
        Self { incoming, outgoing }
    }

    /// The server that has `data` open, or `None` if there is none.
    pub async fn connect(data: &Path) -> Outcome<Option<Self>> {
        let socket = super::socket_path(data)?;
        match UnixStream::connect(socket.path()).await {
            Ok(stream) => Ok(Some(Self::new(stream))),
            Err(error) => match error.kind() {
                std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => Ok(None),
                _ => Err(error).when(format_args!(
                    "cannot reach the server of {}",
                    data.display()
                )),
            },
        }
    }

    /// Says what is wanted.
    pub async fn open(&mut self, request: Request) -> Outcome {
        let opening = Opening {
            version: VERSION,
            request,
        };
        let said = async {
            self.outgoing.line(&opening).await?;
            self.outgoing.flush().await
        };
        said.await.when("the server has hung up")
    }

    /// Says what is wanted and gives the answer.
    pub async fn ask<T: DeserializeOwned>(&mut self, request: Request, bar: &Bar) -> Outcome<T> {
        self.open(request).await?;
        answer(&mut self.incoming, bar).await
    }
}

/// The next line that is no progress.
pub async fn reply(incoming: &mut Incoming, bar: &Bar) -> Outcome<Reply> {
    loop {
        match incoming.line().await.when("the server has hung up")? {
            Some(Reply::Progress { done, total }) => bar.at(done, total),
            Some(Reply::Failed(what)) => return Err(Failure::new(what)),
            Some(reply) => return Ok(reply),
            None => return Err(Failure::new("the server has hung up before it answered")),
        }
    }
}

/// The answer to a request that has one.
pub async fn answer<T: DeserializeOwned>(incoming: &mut Incoming, bar: &Bar) -> Outcome<T> {
    match reply(incoming, bar).await? {
        Reply::Done(value) => serde_json::from_value(value).when("the answer is not understood"),
        other => Err(Failure::new(format!(
            "the server has answered out of turn: {other:?}"
        ))),
    }
}
