//! CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE.

use super::reply::Reply;
use super::user::{Done, User, existing, new_name, own_new_name};
use account::{Command, Outcome, SpecialUses};
use proto::imap::Mailbox;
use proto::imap::response::Code;
use terms::SpecialUse;

impl User {
    /// RFC 3501 §6.3.3. Superior names come into being as levels.
    pub(super) async fn create(&mut self, mailbox: Mailbox, uses: &[Option<SpecialUse>]) -> Done {
        let name = match own_new_name(mailbox) {
            Ok(name) => name,
            Err(reply) => return Ok(reply),
        };
        let special_uses = match self.special_uses(uses).await {
            Ok(special_uses) => special_uses,
            Err(reply) => return Ok(reply),
        };
        let command = Command::CreateMailbox { name, special_uses };
        match self.account.execute(command).await {
            Ok(Outcome::MailboxCreated { mailbox }) => {
                // RFC 8474 §4.1
                let id = self.account.snapshot().mailbox_id(mailbox);
                Ok(Reply::ok("created").with(Code::MailboxId(id)))
            }
            Ok(_) => Ok(Reply::ok("created")),
            Err(error) => Ok(error.into()),
        }
    }

    /// RFC 6154 §3: what a mailbox can be for that is none yet. \All and \Flagged
    /// would have to show messages that lie elsewhere.
    async fn special_uses(&self, uses: &[Option<SpecialUse>]) -> Result<SpecialUses, Reply> {
        if uses.is_empty() {
            return Ok(SpecialUses::NONE);
        }
        let state = self.fresh().await?;
        let mut found = Vec::new();
        for special in uses {
            match special {
                None | Some(SpecialUse::All | SpecialUse::Flagged) => {
                    let text = "mailboxes of that use are not kept here";
                    return Err(Reply::no(Code::UseAttr, text));
                }
                Some(special) if state.mailbox_for(*special).is_some() => {
                    let text = format!("there is a mailbox for {} already", special.as_str());
                    return Err(Reply::no(Code::UseAttr, text));
                }
                Some(special) => found.push(*special),
            }
        }
        Ok(found.into_iter().collect())
    }

    /// RFC 3501 §6.3.4
    pub(super) async fn delete(&mut self, mailbox: Mailbox) -> Done {
        match existing(mailbox) {
            Ok(name) => self.ask(Command::DeleteMailbox { name }, "deleted").await,
            Err(reply) => Ok(reply),
        }
    }

    /// RFC 3501 §6.3.5
    pub(super) async fn rename(&mut self, from: Mailbox, to: Mailbox) -> Done {
        match existing(from).and_then(|from| Ok((from, own_new_name(to)?))) {
            Ok((from, to)) => {
                self.ask(Command::RenameMailbox { from, to }, "renamed")
                    .await
            }
            Err(reply) => Ok(reply),
        }
    }

    /// RFC 3501 §6.3.6, §6.3.7: the name alone counts, whether or not there is
    /// such a mailbox.
    pub(super) async fn subscribe(&mut self, mailbox: Mailbox, subscribed: bool) -> Done {
        let name = match new_name(mailbox) {
            Ok(name) => name,
            Err(reply) => return Ok(reply),
        };
        let text = if subscribed {
            "subscribed"
        } else {
            "unsubscribed"
        };
        self.ask(Command::Subscribe { name, subscribed }, text)
            .await
    }

    async fn ask(&mut self, command: Command, done: &'static str) -> Done {
        match self.account.execute(command).await {
            Ok(_) => Ok(Reply::ok(done)),
            Err(error) => Ok(error.into()),
        }
    }
}
