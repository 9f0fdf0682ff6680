//! GETQUOTA, GETQUOTAROOT, SETQUOTA. RFC 9208.
//!
//! An account has one quota root for all of its mailboxes. Its owner calls it by the
//! empty name; `#user/<account>` is what those call it who may set the quotas of all.

use super::place::account_named;
use super::reply::Reply;
use super::session::emit;
use super::user::{Done, User, existing};
use crate::accounts::Account;
use crate::auth::Directory;
use crate::stream::Stream;
use account::{Command, Limits, Rights, State};
use proto::imap::Mailbox;
use proto::imap::response::{self, Code};
use std::sync::Arc;
use terms::{AccountId, MailboxName};
use tracing::info;

/// The name of one's own quota root.
const OWN_ROOT: &str = "";

/// Before the account's name, in the names of others' quota roots.
const USER_ROOT: &str = "#user/";

/// Octets in a unit of STORAGE. RFC 9208 §5.1.
const UNIT_OCTETS: u64 = 1_024;

/// Whether the account is among those that may set the quotas of all.
pub(super) fn is_admin(admins: &[String], directory: &Directory, id: AccountId) -> bool {
    let state = directory.snapshot();
    let named = |name: &String| account_named(&state, directory.rules(), name) == Some(id);
    admins.iter().any(named)
}

impl User {
    /// RFC 9208 §4.1.1
    pub(super) async fn get_quota(&mut self, stream: &mut Stream, root: &[u8]) -> Done {
        let found = async {
            let root = self.quota_root(root).await?;
            Ok((root.account.fresh().await?, root.name))
        };
        match found.await {
            Ok((state, name)) => {
                emit(stream, |out| write_quota(out, &name, &state));
                Ok(Reply::ok("that is all"))
            }
            Err(reply) => Ok(reply),
        }
    }

    /// RFC 9208 §4.1.2: also of a mailbox that is not there yet, of one's own.
    pub(super) async fn get_quota_root(&mut self, stream: &mut Stream, mailbox: Mailbox) -> Done {
        let found = async {
            let name = existing(mailbox)?;
            Ok((self.quota_root_of(name.clone()).await?, name))
        };
        match found.await {
            Ok((root, name)) => {
                let utf8 = self.enabled.utf8;
                let root = root.as_ref();
                emit(stream, |out| {
                    let of = root.map(|(name, _)| name.as_str());
                    response::quota_root(out, &name, of, utf8);
                    if let Some((name, state)) = root {
                        write_quota(out, name, state);
                    }
                });
                Ok(Reply::ok("that is all"))
            }
            Err(reply) => Ok(reply),
        }
    }

    /// RFC 9208 §4.1.3: what is not named is unlimited from now on.
    pub(super) async fn set_quota(
        &mut self,
        stream: &mut Stream,
        root: &[u8],
        limits: &[(String, u64)],
    ) -> Done {
        let set = async {
            if !self.quota_admin {
                return Err(not_allowed());
            }
            let limits = limits_of(limits)?;
            let root = self.quota_root(root).await?;
            root.account.execute(Command::SetLimits(limits)).await?;
            let (user, root_name) = (&self.name, &root.name);
            info!(
                protocol = "imap",
                user,
                root = root_name,
                octets = limits.octets,
                messages = limits.messages,
                "a quota was set"
            );
            Ok((root.account.snapshot(), root.name))
        };
        match set.await {
            Ok((state, name)) => {
                emit(stream, |out| write_quota(out, &name, &state));
                Ok(Reply::ok("set"))
            }
            Err(reply) => Ok(reply),
        }
    }

    /// What a name of a quota root stands for.
    async fn quota_root(&self, root: &[u8]) -> Result<Root, Reply> {
        if root == OWN_ROOT.as_bytes() {
            return Ok(Root {
                name: OWN_ROOT.to_owned(),
                account: self.account.clone(),
            });
        }
        let no_such_root = || Reply::no(Code::NonExistent, "there is no such quota root");
        let name = std::str::from_utf8(root).ok();
        let name = name.and_then(|root| root.strip_prefix(USER_ROOT));
        let name = name.ok_or_else(no_such_root)?;
        if !self.quota_admin {
            // Whether or not there is such an account.
            return Err(not_allowed());
        }
        self.user_root(name).await?.ok_or_else(no_such_root)
    }

    /// The quota root of any account, by the name that administrators have for it.
    async fn user_root(&self, name: &str) -> Result<Option<Root>, Reply> {
        let directory = self.directory.fresh().await?;
        let Some(id) = account_named(&directory, self.directory.rules(), name) else {
            return Ok(None);
        };
        let name = directory.name_of(id).unwrap_or_default();
        let account = self.directory.accounts().open(id).await;
        let account = account.map_err(|_| Reply::from(crate::accounts::Unavailable))?;
        Ok(Some(Root {
            name: format!("{USER_ROOT}{name}"),
            account,
        }))
    }

    /// The quota root of a mailbox, where it is told; what others take up is for
    /// administrators alone to know.
    async fn quota_root_of(
        &self,
        name: MailboxName,
    ) -> Result<Option<(String, Arc<State>)>, Reply> {
        if self.quota_admin
            && let Some((owner, Some(_))) = super::place::foreign(&name)
        {
            let root = self.user_root(owner).await?;
            let root = root.ok_or_else(super::place::no_such_mailbox)?;
            return Ok(Some((root.name, root.account.fresh().await?)));
        }
        let place = self.place(name).await?;
        if place.owner.is_none() {
            return Ok(Some((OWN_ROOT.to_owned(), self.fresh().await?)));
        }
        // RFC 4314 §4
        self.found_at(place, Rights::READ).await?;
        Ok(None)
    }
}

/// A quota root.
struct Root {
    name: String,
    account: Account,
}

fn not_allowed() -> Reply {
    Reply::no(Code::NoPerm, "quotas of others are the operator's affair")
}

/// What SETQUOTA asks for, or why it cannot be.
fn limits_of(asked: &[(String, u64)]) -> Result<Limits, Reply> {
    let mut limits = Limits::default();
    for (resource, limit) in asked {
        let (set, limit) = match resource.as_str() {
            "STORAGE" => {
                let octets = limit.checked_mul(UNIT_OCTETS);
                let too_much = || Reply::no(Code::Limit, "so much cannot be counted");
                (&mut limits.octets, octets.ok_or_else(too_much)?)
            }
            "MESSAGE" => (&mut limits.messages, *limit),
            _ => {
                let text = "there are limits of STORAGE and MESSAGE alone";
                return Err(Reply::no(Code::Cannot, text));
            }
        };
        if set.replace(limit).is_some() {
            return Err(Reply::bad("each resource once"));
        }
    }
    Ok(limits)
}

/// What has a limit, and how far it is used. Octets are told in units of 1,024 (RFC
/// 9208 §5.1): what is used rounded up, so that a mailbox which is full looks so.
fn write_quota(out: &mut Vec<u8>, root: &str, state: &State) {
    let (limits, used) = (state.limits(), state.used());
    let mut resources = Vec::new();
    if let Some(octets) = limits.octets {
        let used = used.octets.div_ceil(UNIT_OCTETS);
        resources.push(("STORAGE", used, octets / UNIT_OCTETS));
    }
    if let Some(messages) = limits.messages {
        resources.push(("MESSAGE", used.messages, messages));
    }
    response::quota(out, root, &resources);
}
