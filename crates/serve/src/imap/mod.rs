//! IMAP: mailboxes for any number of programs at once. RFC 3501, RFC 9051 for who
//! enables it, and the extensions that `capability` announces.
//!
//! A session is a small loop over [`proto::imap::CommandReader`]. Each command
//! has its own file and runs in a boxed future that is dropped at its end, so that
//! an idle session holds next to nothing. What a session knows of its mailbox
//! stands in an [`account::View`]: numbers move only when it may be told.
//!
//! What must stay true: a tagged OK leaves after what it stands for is durable;
//! an expunge is told only where RFC 3501 §7.4.1 allows it; what was sent before
//! a TLS handshake is never seen after it; an answer that has begun is finished
//! or the connection is closed.

mod acl;
mod annotations;
mod append;
mod capability;
mod compress;
mod copy;
mod enabled;
mod expunge;
mod fetch;
mod idle;
mod list;
mod login;
mod mailboxes;
mod matches;
mod message_limit;
mod metadata;
mod pattern;
mod place;
mod progress;
mod quota;
mod reply;
mod resync;
mod rights;
mod search;
mod select;
mod selected;
mod session;
mod sort;
mod special_use;
mod status;
mod store;
#[cfg(test)]
mod tests;
mod thread;
mod transfer;
mod uid_only;
mod uidbatches;
mod user;

use crate::auth::{Directory, PlaintextLogin};
use crate::metrics::Service;
use crate::stream::{Stream, StreamError, Tls};
use session::{End, Session};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tracing::info;

/// What the sessions of a listener share. Cheap to clone.
#[derive(Clone)]
pub struct Imap {
    /// What we call ourselves.
    pub hostname: Arc<str>,
    /// Who may log in.
    pub directory: Directory,
    /// For STARTTLS; `None`: not offered.
    pub tls: Option<Tls>,
    /// Where passwords are taken without TLS.
    pub plaintext_login: PlaintextLogin,
    /// Whether UTF8=ACCEPT is there. With it a message whose header has octets above 127
    /// is refused from sessions that have not enabled it. RFC 9755 §4.
    pub utf8_accept: bool,
    /// The names of accounts that may set the quotas of all others. RFC 9208 §4.1.3.
    pub quota_admins: Arc<[String]>,
}

impl Imap {
    /// A listener without TLS that takes no password in the clear.
    pub fn new(hostname: impl Into<Arc<str>>, directory: Directory) -> Self {
        Self {
            hostname: hostname.into(),
            directory,
            tls: None,
            plaintext_login: PlaintextLogin::Never,
            utf8_accept: true,
            quota_admins: Arc::default(),
        }
    }
}

impl fmt::Debug for Imap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Imap")
            .field("hostname", &self.hostname)
            .field("plaintext_login", &self.plaintext_login)
            .finish_non_exhaustive()
    }
}

/// Serves one connection to its end.
pub fn run(mut stream: Stream, imap: Imap) -> impl Future<Output = ()> + Send {
    stream.count_as(Service::Imap);
    // Made here, not within the future: that would carry the arguments too.
    let mut session = Session::new(stream, imap);
    async move {
        let env = session.stream.node().env.clone();
        let started = env.monotonic();
        let end = session.run().await;
        Box::pin(close(session, end, env.monotonic() - started)).await;
    }
}

async fn close(session: Session, end: Result<End, StreamError>, duration: Duration) {
    let asked = matches!(end, Ok(End::Logout | End::Closed));
    let end = match &end {
        Ok(end) => end.to_string(),
        Err(error) => error.to_string(),
    };
    let (octets_in, octets_out) = session.stream.octets_moved();
    info!(
        protocol = "imap",
        peer = %session.stream.peer(),
        user = session.user.as_ref().map(|user| user.name.as_str()),
        octets_in,
        octets_out,
        millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        end,
        "session ended"
    );
    if asked {
        session.stream.close().await;
    } else {
        session.stream.close_patiently().await;
    }
}
