//! Whom a message is for.

use super::Lmtp;
use super::deliver::over_quota;
use crate::accounts::Account;
use crate::auth::{Directory, RecipientError};
use account::State;
use proto::smtp::{Address, EnhancedCode, Reply};
use terms::MailboxName;

/// The account's setting that lets `name+folder` file into a folder: `yes`, or
/// anything else for no. Off at first: a sender would choose, the Trash too.
pub const FOLDERS_SETTING: &str = "folders";

/// A recipient that was taken.
pub(super) struct Recipient {
    /// As RCPT had it.
    pub(super) address: Address,
    pub(super) account: Account,
    /// Where to, if not into INBOX.
    pub(super) folder: Option<MailboxName>,
}

impl Recipient {
    /// Looks the address up.
    pub(super) async fn find(lmtp: &Lmtp, address: &Address) -> Result<Self, Reply> {
        let directory = &lmtp.directory;
        let found = directory
            .recipient(address)
            .await
            .map_err(|error| match error {
                RecipientError::UnknownUser => unknown_user(),
                RecipientError::UnknownDomain => {
                    Reply::new(550, EnhancedCode(5, 1, 2), "there is no such domain here")
                }
                // Mail for it waits at the sender's: it may be enabled again.
                RecipientError::Disabled => Reply::new(
                    450,
                    EnhancedCode(4, 2, 1),
                    "the account is disabled, its mail is refused for now",
                ),
                RecipientError::Unavailable => Reply::new(
                    451,
                    EnhancedCode(4, 3, 0),
                    "the account cannot be looked up now, try later",
                ),
            })?;
        let state = found.account.snapshot();
        if is_full(&state) {
            return Err(over_quota(lmtp.over_quota));
        }
        let folder = found
            .detail
            .filter(|_| files_into_folders(directory, &found.account))
            .and_then(|detail| folder(&state, &detail))
            .filter(|folder| !folder.is_inbox());
        Ok(Self {
            address: address.clone(),
            account: found.account,
            folder,
        })
    }
}

pub(super) fn unknown_user() -> Reply {
    Reply::new(550, EnhancedCode(5, 1, 1), "there is no such user here")
}

fn files_into_folders(directory: &Directory, account: &Account) -> bool {
    let state = directory.snapshot();
    let record = state.record(account.id());
    record.is_some_and(|it| {
        it.settings
            .get(FOLDERS_SETTING)
            .is_some_and(|is| is == "yes")
    })
}

/// Whether one more delivery would be refused: the limit is reached already. The
/// account itself decides at the end; here it spares the client the text.
fn is_full(state: &State) -> bool {
    let (limits, used) = (state.limits(), state.used());
    !state.hold().give_way
        && (limits.octets.is_some_and(|limit| used.octets >= limit)
            || limits.messages.is_some_and(|limit| used.messages >= limit))
}

/// The folder that a detail names, if there is one: as it is written, else in any
/// case, as addresses lose theirs on the way.
fn folder(state: &State, detail: &str) -> Option<MailboxName> {
    let name = MailboxName::new(detail).ok()?;
    if state.mailbox_named(&name).is_some() {
        return Some(name);
    }
    let folded = name.as_str().to_lowercase();
    state
        .mailboxes()
        .find(|mailbox| mailbox.name.as_str().to_lowercase() == folded)
        .map(|mailbox| mailbox.name.clone())
}
