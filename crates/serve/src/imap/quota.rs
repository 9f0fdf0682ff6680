//! GETQUOTA, GETQUOTAROOT, SETQUOTA. RFC 9208.
//!
//! An account has one quota root, whose name is empty, for all of its mailboxes.
//! Quotas are the operator's to set, so QUOTASET is not announced.

use super::reply::Reply;
use super::session::emit;
use super::user::{Done, User, existing};
use crate::stream::Stream;
use account::{Rights, State};
use proto::imap::Mailbox;
use proto::imap::response::{self, Code};

/// The name of an account's quota root.
const ROOT: &str = "";

impl User {
    /// RFC 9208 §4.1.2
    pub(super) async fn get_quota(&mut self, stream: &mut Stream, root: &[u8]) -> Done {
        if root != ROOT.as_bytes() {
            let text = "there is no such quota root";
            return Ok(Reply::no(Code::NonExistent, text));
        }
        match self.fresh().await {
            Ok(state) => {
                emit(stream, |out| write_quota(out, &state));
                Ok(Reply::ok("that is all"))
            }
            Err(reply) => Ok(reply),
        }
    }

    /// RFC 9208 §4.1.3. One's own mailbox need not be there: whoever asks may be about
    /// to make it.
    pub(super) async fn get_quota_root(&mut self, stream: &mut Stream, mailbox: Mailbox) -> Done {
        let found = async {
            let name = existing(mailbox)?;
            let place = self.place(name.clone()).await?;
            if place.owner.is_none() {
                return Ok((name, Some(self.fresh().await?)));
            }
            // RFC 4314 §4. What others take up is theirs to know.
            self.found_at(place, Rights::READ).await?;
            Ok((name, None))
        };
        match found.await {
            Ok((name, own)) => {
                let utf8 = self.enabled.utf8;
                emit(stream, |out| {
                    response::quota_root(out, &name, own.is_some().then_some(ROOT), utf8);
                    if let Some(state) = &own {
                        write_quota(out, state);
                    }
                });
                Ok(Reply::ok("that is all"))
            }
            Err(reply) => Ok(reply),
        }
    }

    /// RFC 9208 §4.1.1
    pub(super) fn set_quota() -> Reply {
        Reply::no(Code::NoPerm, "quotas are the operator's to set")
    }
}

/// What has a limit, and how far it is used. Octets are told in units of 1,024 (RFC
/// 9208 §5.1): what is used rounded up, so that a mailbox which is full looks so.
fn write_quota(out: &mut Vec<u8>, state: &State) {
    let (limits, used) = (state.limits(), state.used());
    let mut resources = Vec::new();
    if let Some(octets) = limits.octets {
        resources.push(("STORAGE", used.octets.div_ceil(1_024), octets / 1_024));
    }
    if let Some(messages) = limits.messages {
        resources.push(("MESSAGE", used.messages, messages));
    }
    response::quota(out, ROOT, &resources);
}
