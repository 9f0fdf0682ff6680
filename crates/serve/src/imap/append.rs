//! APPEND.

use super::reply::{Reply, Tell};
use super::session::{End, Got, Session, Step};
use super::user::new_name;
use crate::accounts::Account;
use crate::limits::{Octets, OctetsHeld};
use crate::stream::{Filled, Node, StreamError};
use account::{Command, MailboxRef, NewMessage, Outcome, Source, State};
use bytes::Bytes;
use proto::imap::AppendHead;
use proto::imap::response::Code;
use std::sync::Arc;
use std::time::Duration;
use store::{BlobSink, PutError, Store};
use terms::{BlobId, MailboxName};

/// RFC 3501 §6.3.11, RFC 4315 §3. What can be refused is refused before the
/// message's octets are asked for.
pub(super) async fn append(session: &mut Session, head: AppendHead) -> Step {
    let name = match acceptable(session, &head).await {
        Ok(name) => name,
        Err(reply) => return refuse(session, &head, reply).await,
    };
    // All at once: messages that each hold a part would wait for one another.
    let node = Arc::clone(session.stream.node());
    let Some(user) = &session.user else {
        return Ok(None);
    };
    let account = user.account.clone();
    let share = account.append_share(&node.appends);
    let Some(held) = hold(&node, &share, head.octets).await else {
        let reply = Reply::no(Code::Unavailable, "too much to do, try later");
        return refuse(session, &head, reply).await;
    };
    if head.synchronizing {
        session.continue_req("go on");
    }
    session.reader.accept();
    let store = Arc::clone(session.imap.directory.store());
    let mut body = Body::new(node, store, held, head.octets);
    let (tag, reply) = loop {
        match next(session, &share).await? {
            // RFC 3501 §5.4: half a message is none.
            None => return Ok(Some(End::Closed)),
            Some(Got::Chunk(octets)) => body.take(&octets).await,
            Some(Got::AppendEnd(tag)) => {
                let reply = bind(body, &account, name, &head).await;
                break (tag, reply);
            }
            Some(Got::Bad(tag, error)) => {
                break (tag.unwrap_or(head.tag), Reply::bad(error.to_string()));
            }
            Some(Got::Close) => return Ok(Some(End::Abuse)),
            Some(_) => {}
        }
    };
    session.finish(&tag, reply).await?;
    Ok(None)
}

/// Whether the message may come at all.
async fn acceptable(session: &Session, head: &AppendHead) -> Result<MailboxName, Reply> {
    let Some(user) = &session.user else {
        return Err(Reply::bad("log in first"));
    };
    if head.literal8 {
        return Err(Reply::bad("literal8 is not announced"));
    }
    let limits = &session.stream.node().limits;
    if head.octets > limits.message_octets_max {
        return Err(Reply::no(Code::TooBig, "the message is too big"));
    }
    let name = new_name(head.mailbox.clone())?;
    let state = user.fresh().await?;
    if state.mailbox_named(&name).is_none() {
        return Err(Reply::no(Code::TryCreate, "no such mailbox"));
    }
    if !fits(&state, head.octets) {
        return Err(Reply::no(Code::OverQuota, "over quota"));
    }
    Ok(name)
}

/// Whether there is room for it; what counts is said when it is bound.
fn fits(state: &State, octets: u64) -> bool {
    let (limits, used) = (state.limits(), state.used());
    limits
        .octets
        .is_none_or(|max| used.octets.saturating_add(octets) <= max)
        && limits.messages.is_none_or(|max| used.messages < max)
}

/// The next event. `None` if the client goes or is silent for too long: not as
/// long where others wait for the room that its message has.
async fn next(session: &mut Session, share: &Octets) -> Result<Option<Got>, StreamError> {
    let node = Arc::clone(session.stream.node());
    let limits = &node.limits;
    let mut silent = Duration::ZERO;
    loop {
        if let Some(got) = session.next_event() {
            return Ok(Some(got));
        }
        let wait = limits.append_stall.min(limits.write_stall);
        let filled = session.stream.fill_more(wait).await?;
        match filled {
            Filled::Octets => silent = Duration::ZERO,
            Filled::TimedOut => {
                silent += wait;
                let wanted = [share, &node.appends, &node.octets];
                let wanted = wanted.into_iter().any(Octets::is_wanted);
                if wanted || silent >= limits.write_stall {
                    session.ended(filled);
                    return Ok(None);
                }
            }
            filled => {
                session.ended(filled);
                return Ok(None);
            }
        }
    }
}

/// Room for a whole message. Those that wait for it wait for one another first,
/// not in the line of all who want octets.
async fn hold(node: &Node, share: &Octets, octets: u64) -> Option<Held> {
    let count = usize::try_from(octets).unwrap_or(usize::MAX);
    let count = count.min(node.appends.max());
    let both = async {
        let of_account = share.take(count).await;
        let of_appends = node.appends.take(count).await;
        [of_account, of_appends, node.octets.take(count).await]
    };
    let wait = node.limits.octets_wait;
    node.env.timeout(wait, both).await.ok()
}

/// Of the account's share, of [`Node::appends`] and of [`Node::octets`].
type Held = [OctetsHeld; 3];

/// Answers when the rest of the command has been thrown away: at once where the
/// client waits for its continuation request. RFC 7888 §4.
async fn refuse(session: &mut Session, head: &AppendHead, reply: Reply) -> Step {
    let limits = &session.stream.node().limits;
    // What would have been read anyway is read; of more, what is not yet abuse.
    let discard_max = if head.octets > limits.message_octets_max {
        limits.skip_octets_max
    } else {
        limits.message_octets_max
    };
    session.reader.refuse(discard_max);
    loop {
        match session.event().await? {
            None => return Ok(Some(End::Closed)),
            Some(Got::Refused(tag)) => {
                session.finish(&tag, reply.telling(Tell::All)).await?;
                return Ok(None);
            }
            Some(_) => {}
        }
    }
}

/// The message has come: it becomes durable, in its mailbox.
async fn bind(body: Body, account: &Account, name: MailboxName, head: &AppendHead) -> Reply {
    let stored = match body.finish().await {
        Ok(stored) => stored,
        Err(trouble) => return trouble.reply(),
    };
    let message = NewMessage {
        flags: head.flags.clone(),
        internal_date: head.date,
        lacks_final_crlf: stored.lacks_final_crlf,
        ..NewMessage::new(stored.blob, stored.octets)
    };
    let command = Command::Append {
        mailbox: MailboxRef::Name(name),
        create: false,
        messages: vec![message],
        source: Source::Append,
    };
    match account.execute(command).await {
        Ok(Outcome::Appended {
            uid_validity, uids, ..
        }) => {
            let reply = Reply::ok("appended");
            match uids.first() {
                Some(uid) => reply.with(Code::AppendUid(uid_validity, uid)),
                None => reply,
            }
        }
        Ok(_) => Reply::ok("appended"),
        Err(error) => Reply::from(error).or_try_create(),
    }
}

/// Why a message is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// It has NULs, which only a literal8 may have.
    Nul,
    TooBig,
    Full,
    Failed,
}

impl Trouble {
    fn reply(self) -> Reply {
        match self {
            Self::Nul => Reply::no(Code::UnknownCte, "the message has NULs"),
            Self::TooBig => Reply::no(Code::TooBig, "the message is too big"),
            Self::Full => Reply::no(Code::Unavailable, "the server has no space left"),
            Self::Failed => Reply::no(Code::Unavailable, "the message could not be stored"),
        }
    }
}

impl From<PutError> for Trouble {
    fn from(error: PutError) -> Self {
        match error {
            PutError::Full => Self::Full,
            PutError::TooLong => Self::TooBig,
            PutError::Failed(why) => {
                tracing::error!(%why, "a message could not be stored");
                Self::Failed
            }
        }
    }
}

/// A message that is in the store and waits to be bound.
struct Stored {
    blob: BlobId,
    octets: u32,
    lacks_final_crlf: bool,
}

/// A message on its way in. It is gathered in memory, because it is parsed as a
/// whole, and goes to the store as it comes.
struct Body {
    node: Arc<Node>,
    blob: BlobId,
    sink: Box<dyn BlobSink>,
    octets: Vec<u8>,
    /// How many of them the sink has.
    written: usize,
    trouble: Option<Trouble>,
    _held: Held,
}

impl Body {
    /// A message longer than this goes to the store as it comes, in pieces of it.
    const PIECE_OCTETS: usize = 256 << 10;
    /// Parsing more than this is done beside the sessions.
    const COMPUTE_OCTETS: usize = 64 << 10;

    fn new(node: Arc<Node>, store: Arc<dyn Store>, held: Held, octets: u64) -> Self {
        let blob = BlobId(node.env.random_u128());
        let room = usize::try_from(octets).unwrap_or(0).min(Self::PIECE_OCTETS);
        Self {
            // A bare LF becomes one octet more, so that its length is not known.
            sink: store.blob_sink(blob, None),
            node,
            blob,
            octets: Vec::with_capacity(room),
            written: 0,
            trouble: None,
            _held: held,
        }
    }

    /// Takes octets as they come. After trouble they are forgotten.
    async fn take(&mut self, octets: &Bytes) {
        if self.trouble.is_none()
            && let Err(trouble) = self.try_take(octets).await
        {
            self.trouble = Some(trouble);
            self.octets = Vec::new();
        }
    }

    async fn try_take(&mut self, octets: &[u8]) -> Result<(), Trouble> {
        if octets.contains(&0) {
            return Err(Trouble::Nul);
        }
        // The store holds no bare LF: it becomes CRLF.
        for line in octets.split_inclusive(|&octet| octet == b'\n') {
            match line.strip_suffix(b"\n") {
                Some(text) => {
                    self.octets.extend_from_slice(text);
                    if self.octets.last() != Some(&b'\r') {
                        self.octets.push(b'\r');
                    }
                    self.octets.push(b'\n');
                }
                None => self.octets.extend_from_slice(line),
            }
        }
        if self.octets.len() as u64 > self.node.limits.message_octets_max {
            return Err(Trouble::TooBig);
        }
        while self.octets.len() - self.written >= Self::PIECE_OCTETS {
            self.write(Self::PIECE_OCTETS).await?;
        }
        Ok(())
    }

    async fn write(&mut self, count: usize) -> Result<(), Trouble> {
        let end = self.octets.len().min(self.written + count);
        let piece = self.octets.get(self.written..end).unwrap_or_default();
        self.sink.write(piece).await?;
        self.written = end;
        Ok(())
    }

    /// The message is whole: stores it, with what is derived from it.
    async fn finish(mut self) -> Result<Stored, Trouble> {
        if let Some(trouble) = self.trouble {
            return Err(trouble);
        }
        self.write(usize::MAX - self.written).await?;
        let stored = Stored {
            blob: self.blob,
            octets: u32::try_from(self.octets.len()).map_err(|_| Trouble::TooBig)?,
            lacks_final_crlf: !self.octets.ends_with(b"\r\n"),
        };
        let octets = std::mem::take(&mut self.octets);
        let derived = if octets.len() <= Self::COMPUTE_OCTETS {
            mime::derive(&octets)
        } else {
            let derived = self.node.env.compute(move || mime::derive(&octets)).await;
            derived.ok_or(Trouble::Failed)?
        };
        self.sink.finish(Bytes::from(derived)).await?;
        Ok(stored)
    }
}
