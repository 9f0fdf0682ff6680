//! INPROGRESS: how far a command is that says nothing else until its end. RFC 9585.

use super::reply::Reply;
use super::session::emit;
use crate::query::Messages;
use crate::stream::{Stream, StreamError};
use futures::future::BoxFuture;
use proto::imap::Tag;
use proto::imap::response::{self, Code, Status};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// So often it is told, and first after as long: most commands are over before.
const INTERVAL: Duration = Duration::from_secs(10);

/// How many of a command's messages have been looked at.
pub(super) struct Progress {
    done: Arc<AtomicU64>,
    /// How many there are; `None`: nobody can say how much is left.
    goal: Option<u64>,
}

impl Progress {
    /// Of so many messages.
    pub(super) fn of(goal: u64) -> Self {
        Self {
            done: Arc::default(),
            goal: Some(goal),
        }
    }

    /// Of a part of a command whose messages have been counted already: the numbers
    /// that are told never fall (RFC 9585 §4).
    pub(super) fn unknown() -> Self {
        Self {
            done: Arc::default(),
            goal: None,
        }
    }

    /// The same messages, counted as they are taken.
    pub(super) fn count<'m>(&self, messages: Messages<'m>) -> Messages<'m> {
        let done = Arc::clone(&self.done);
        Box::new(messages.inspect(move |_| {
            done.fetch_add(1, Ordering::Relaxed);
        }))
    }

    /// Does the work, which writes nothing, and tells how far it is meanwhile. An
    /// answer of NO where the node has too much to do for it: the session goes on.
    pub(super) async fn of_work<T>(
        &self,
        stream: &mut Stream,
        tag: &Tag,
        mut work: BoxFuture<'_, Result<T, StreamError>>,
    ) -> Result<Result<T, Reply>, StreamError> {
        let env = stream.node().env.clone();
        loop {
            match env.timeout(INTERVAL, work.as_mut()).await {
                Ok(Ok(done)) => return Ok(Ok(done)),
                Ok(Err(StreamError::Crowded)) => {
                    let text = "the server has too much to do, try later";
                    return Ok(Err(Reply::no(Code::Unavailable, text)));
                }
                Ok(Err(error)) => return Err(error),
                Err(_) => {
                    self.tell(stream, tag);
                    stream.flush().await?;
                }
            }
        }
    }

    fn tell(&self, stream: &mut Stream, tag: &Tag) {
        let done = self.done.load(Ordering::Relaxed);
        // RFC 9585 §4: the goal "MUST be greater than PROGRESS".
        let known = self
            .goal
            .filter(|&goal| done < goal)
            .map(|goal| (done, goal));
        // "If it contains the "]" character, it MUST be set to NIL".
        let tag = Some(tag.as_str()).filter(|tag| !tag.contains(']'));
        let code = Code::InProgress(tag.map(str::to_owned), known);
        emit(stream, |out| {
            response::status(out, "*", Status::Ok, Some(&code), "still at it");
        });
    }
}
