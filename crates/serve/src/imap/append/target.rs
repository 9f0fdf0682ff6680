//! Where messages go, and whether they fit.

use crate::accounts::Account;
use crate::imap::reply::Reply;
use crate::imap::rights::permitted;
use crate::imap::session::Session;
use crate::imap::uid_only::uid_required;
use crate::imap::user::{User, new_name};
use crate::limits::{Limits, Octets};
use crate::stream::Node;
use account::{Command, FlagRights, MailboxRef, NewMessage, Outcome, Rights, Source, State};
use proto::imap::response::{Code, Status};
use proto::imap::{Mailbox, Replaces};
use terms::{MailboxId, MailboxName, SequenceRange, SequenceSet, Uid};

/// Octets of all messages of one command at the most: what is not bound yet
/// counts against nobody's quota.
const OCTETS_MAX: u64 = 1 << 30;

/// Where messages go.
pub(super) struct Target {
    account: Account,
    name: MailboxName,
    /// Flags that may be set there.
    may: FlagRights,
    /// The user may read it, and so learn what became of a message there.
    readable: bool,
    /// REPLACE: what goes.
    replaced: Option<(MailboxId, Uid)>,
}

/// How much may come.
pub(super) struct Room {
    /// Octets of the messages that are whole.
    octets: u64,
    messages: u64,
    /// What the quota leaves; what counts is said when they are bound.
    octets_max: Option<u64>,
    messages_max: Option<u64>,
}

impl Room {
    fn of(state: &State) -> Self {
        let (limits, used) = (state.limits(), state.used());
        let left = |max: Option<u64>, used: u64| max.map(|max| max.saturating_sub(used));
        Self {
            octets: 0,
            messages: 0,
            octets_max: left(limits.octets, used.octets),
            messages_max: left(limits.messages, used.messages),
        }
    }

    /// Whether a message that has so many octets by now may come.
    pub(super) fn check(&self, message: u64, limits: &Limits) -> Result<(), Reply> {
        let all = self.octets.saturating_add(message);
        if message > limits.message_octets_max {
            return Err(Reply::no(Code::TooBig, "the message is too big"));
        }
        if all > OCTETS_MAX {
            return Err(Reply::no(Code::Limit, "too much for one command"));
        }
        let full = self.octets_max.is_some_and(|max| all > max)
            || self.messages_max.is_some_and(|max| self.messages >= max);
        if full {
            return Err(Reply::no(Code::OverQuota, "over quota"));
        }
        Ok(())
    }

    /// A message is whole.
    pub(super) fn take(&mut self, octets: u64) {
        self.octets = self.octets.saturating_add(octets);
        self.messages += 1;
    }
}

impl Target {
    /// Where the command's messages go.
    pub(super) async fn find(
        session: &Session,
        mailbox: Mailbox,
        replaces: Option<Replaces>,
    ) -> Result<(Self, Room), Reply> {
        let Some(user) = &session.user else {
            return Err(Reply::bad("log in first"));
        };
        let replaced = match replaces {
            Some(replaces) => Some(replaced(user, replaces)?),
            None => None,
        };
        let place = user.place(new_name(mailbox)?).await?;
        let found = user.found_target(place).await?;
        if let Some(selected) = &user.selected
            && replaced.is_some()
            && selected.account.id() != found.place.account.id()
        {
            let text = "a message is replaced in the account that it is in";
            return Err(Reply::no(Code::Cannot, text));
        }
        let mut room = Room::of(&found.state);
        if replaced.is_some() {
            // What goes makes room.
            (room.octets_max, room.messages_max) = (None, None);
        }
        let target = Self {
            account: found.place.account,
            name: found.place.name,
            may: FlagRights::of(found.rights),
            readable: found.rights.has(Rights::READ),
            replaced,
        };
        Ok((target, room))
    }

    /// What of the octets in flight the account's messages may hold.
    pub(super) fn share(&self, node: &Node) -> Octets {
        self.account.append_share(&node.appends)
    }

    /// The messages become durable in their mailbox, all or none.
    pub(super) async fn bind(self, session: &mut Session, mut messages: Vec<NewMessage>) -> Reply {
        // RFC 4314 §4: flags that it may not set are left out, silently.
        for message in &mut messages {
            message.flags = permitted(&message.flags, self.may);
        }
        let to = MailboxRef::Name(self.name);
        let replaces = self.replaced.is_some();
        let command = match (self.replaced, messages.first()) {
            (_, None) => return Reply::bad("there is no message"),
            (Some((from, uid)), Some(message)) => Command::Replace {
                from,
                uid,
                to,
                message: Box::new(message.clone()),
            },
            (None, _) => Command::Append {
                mailbox: to,
                create: false,
                messages,
                source: Source::Append,
            },
        };
        match self.account.execute(command).await {
            Ok(Outcome::Appended {
                uid_validity, uids, ..
            }) => {
                let code = Code::AppendUid(uid_validity, uids);
                // RFC 9051 §6.3.12: to others "it would disclose information".
                let code = Some(code).filter(|_| self.readable);
                if !replaces {
                    let reply = Reply::ok("appended");
                    return match code {
                        Some(code) => reply.with(code),
                        None => reply,
                    };
                }
                // RFC 8508 §3.1: told before the expunge.
                session.untagged(Status::Ok, code.as_ref(), "the replacement is there");
                Reply::ok("replaced")
            }
            Ok(_) => Reply::ok("appended"),
            Err(error) => Reply::from(error).or_try_create(),
        }
    }
}

/// The row that a REPLACE takes out. RFC 8508 §3.
fn replaced(user: &User, replaces: Replaces) -> Result<(MailboxId, Uid), Reply> {
    if user.enabled.uid_only && !replaces.uid {
        return Err(uid_required());
    }
    let Some(selected) = &user.selected else {
        return Err(User::nothing_selected());
    };
    if let Some(reply) = selected.locked() {
        return Err(reply);
    }
    let removing = Rights::DELETED.and(Rights::EXPUNGE);
    if !selected.rights.has(removing) {
        return Err(user.not_allowed(removing.without(selected.rights)));
    }
    let range = SequenceRange {
        first: replaces.message,
        last: replaces.message,
    };
    let set = SequenceSet::Ranges(vec![range]);
    match selected.resolve(&set, replaces.uid)?.first() {
        Some(uid) => Ok((selected.mailbox(), uid)),
        None => Err(Reply::no(Code::NonExistent, "there is no such message")),
    }
}
