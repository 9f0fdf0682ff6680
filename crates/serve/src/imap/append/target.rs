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
use terms::{MailboxId, SequenceRange, SequenceSet, Uid};

/// Octets of all messages of one command at the most: what is not bound yet
/// counts against nobody's quota.
const OCTETS_MAX: u64 = 1 << 30;

/// Where messages go.
pub(super) struct Target {
    account: Account,
    /// One's own by its name; another user's is the one that was found.
    to: MailboxRef,
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
        session: &mut Session,
        mailbox: Mailbox,
        replaces: Option<Replaces>,
    ) -> Result<(Self, Room), Reply> {
        let Some(user) = &mut session.user else {
            return Err(Reply::bad("log in first"));
        };
        let replaced = match replaces {
            Some(replaces) => Some(replaced(user, replaces).await?),
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
            to: match found.place.owner {
                Some(_) => found.id.into(),
                None => found.place.name.into(),
            },
            account: found.place.account,
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

    /// Whether it may still be done: the octets may have been long in coming.
    async fn ask_again(&mut self, user: &mut User) -> Result<(), Reply> {
        if self.replaced.is_some() {
            may_remove(user).await?;
        }
        if let MailboxRef::Id(id) = self.to {
            let rights = user.still_may(&self.account, id, Rights::INSERT).await?;
            self.may = FlagRights::of(rights);
            self.readable = rights.has(Rights::READ);
        }
        Ok(())
    }

    /// The messages become durable in their mailbox, all or none.
    pub(super) async fn bind(
        mut self,
        session: &mut Session,
        mut messages: Vec<NewMessage>,
    ) -> Reply {
        if let Some(user) = &mut session.user
            && let Err(reply) = self.ask_again(user).await
        {
            return reply;
        }
        // RFC 4314 §4: flags that it may not set are left out, silently.
        for message in &mut messages {
            message.flags = permitted(&message.flags, self.may);
        }
        let to = self.to;
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
async fn replaced(user: &mut User, replaces: Replaces) -> Result<(MailboxId, Uid), Reply> {
    if user.enabled.uid_only && !replaces.uid {
        return Err(uid_required());
    }
    let Some(selected) = &user.selected else {
        return Err(User::nothing_selected());
    };
    if let Some(reply) = selected.locked() {
        return Err(reply);
    }
    may_remove(user).await?;
    let Some(selected) = &user.selected else {
        return Err(User::nothing_selected());
    };
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

/// Whether the user may take messages out of the mailbox that is selected.
async fn may_remove(user: &mut User) -> Result<(), Reply> {
    let removing = Rights::DELETED.and(Rights::EXPUNGE);
    let rights = user.rights_now().await?.ok_or_else(Reply::gone)?;
    if !rights.has(removing) {
        return Err(user.not_allowed(removing.without(rights)));
    }
    Ok(())
}
