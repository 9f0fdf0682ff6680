//! SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS. RFC 4314.
//!
//! Identifiers are the names of accounts, and `anyone`; with `-` before it what is
//! taken (§2). The owner has all rights, always: nobody can lock them out, nor they
//! themselves. Groups there are none.

use super::place::{Found, no_such_mailbox};
use super::reply::Reply;
use super::session::emit;
use super::user::{Done, User, existing};
use crate::accounts::AccountName;
use crate::stream::Stream;
use account::directory::State as Directory;
use account::{Command, Grantee, Identifier, Rights};
use proto::imap::response::{self, Code};
use proto::imap::{AclCommand, Mailbox};
use terms::{MailboxName, StoreMode};

/// RFC 4314 §3, "anyone".
const ANYONE: &str = "anyone";

impl User {
    pub(super) async fn acl(&mut self, stream: &mut Stream, command: AclCommand) -> Done {
        let done = match command {
            AclCommand::Set {
                mailbox,
                identifier,
                mode,
                rights,
            } => {
                // RFC 4314 §3.1: an unrecognised right is BAD.
                let Some(rights) = Rights::parse(&rights) else {
                    return Ok(Reply::bad("a right that is none"));
                };
                self.set_acl(mailbox, &identifier, mode, rights).await
            }
            AclCommand::Delete {
                mailbox,
                identifier,
            } => {
                let (mode, none) = (StoreMode::Replace, Rights::NONE);
                self.set_acl(mailbox, &identifier, mode, none).await
            }
            AclCommand::Get(mailbox) => self.get_acl(stream, mailbox).await,
            AclCommand::List {
                mailbox,
                identifier,
            } => self.list_rights(stream, mailbox, &identifier).await,
            AclCommand::Mine(mailbox) => self.my_rights(stream, mailbox).await,
        };
        Ok(done.unwrap_or_else(|reply| reply))
    }

    /// RFC 4314 §3.1, §3.2
    async fn set_acl(
        &mut self,
        mailbox: Mailbox,
        identifier: &str,
        mode: StoreMode,
        rights: Rights,
    ) -> Result<Reply, Reply> {
        let found = self.found(mailbox, Rights::ADMINISTER).await?;
        let directory = self.directory.fresh().await?;
        let identifier = self.identifier(&directory, identifier)?;
        let owner = found.state.account();
        if identifier.grantee == Grantee::Account(owner) {
            return Err(Reply::no(
                Code::Cannot,
                "the owner of a mailbox has all rights, always",
            ));
        }
        let gives = !identifier.negative && mode != StoreMode::Remove && !rights.is_empty();
        if gives {
            // Filed before, so that nobody has a right and does not find the mailbox.
            self.directory.will_share(owner, identifier.grantee).await?;
        }
        let account = &found.place.account;
        self.still_may(account, found.id, Rights::ADMINISTER)
            .await?;
        let command = Command::SetRights {
            mailbox: found.id,
            identifier,
            mode,
            rights,
        };
        account.execute(command).await?;
        self.directory.file_shares(account).await;
        Ok(Reply::ok("done"))
    }

    /// RFC 4314 §3.3
    async fn get_acl(&mut self, stream: &mut Stream, mailbox: Mailbox) -> Result<Reply, Reply> {
        let (name, found) = self.named(mailbox, Rights::ADMINISTER).await?;
        let directory = self.directory.fresh().await?;
        let owner = found.state.account();
        let owner = directory.name_of(owner).unwrap_or_default().to_owned();
        let mut entries = vec![(owner, Rights::ALL.to_string())];
        if let Some(record) = found.state.mailbox(found.id) {
            for (identifier, rights) in record.rights() {
                // An account that is no more has no name, and gets no rights.
                if let Some(text) = text(&directory, identifier) {
                    entries.push((text, rights.to_string()));
                }
            }
        }
        let utf8 = self.enabled.utf8;
        emit(stream, |out| response::acl(out, &name, &entries, utf8));
        Ok(Reply::ok("that is all"))
    }

    /// RFC 4314 §3.4: each right can be given by itself.
    async fn list_rights(
        &mut self,
        stream: &mut Stream,
        mailbox: Mailbox,
        identifier: &str,
    ) -> Result<Reply, Reply> {
        let (name, found) = self.named(mailbox, Rights::ADMINISTER).await?;
        let directory = self.directory.fresh().await?;
        let grantee = self.identifier(&directory, identifier)?.grantee;
        let (required, optional) = if grantee == Grantee::Account(found.state.account()) {
            (Rights::ALL.to_string(), Vec::new())
        } else {
            // §2.1.1: the old ones too.
            let letters = Rights::letters().chain(['c', 'd']);
            (String::new(), letters.map(String::from).collect())
        };
        let utf8 = self.enabled.utf8;
        emit(stream, |out| {
            response::list_rights(out, &name, identifier, &required, &optional, utf8);
        });
        Ok(Reply::ok("that is all"))
    }

    /// RFC 4314 §3.5: for whoever has one of the rights l, r, i, k, x, a.
    async fn my_rights(&mut self, stream: &mut Stream, mailbox: Mailbox) -> Result<Reply, Reply> {
        let (name, found) = self.named(mailbox, Rights::NONE).await?;
        let any = [
            Rights::LOOKUP,
            Rights::READ,
            Rights::INSERT,
            Rights::CREATE,
            Rights::DELETE,
            Rights::ADMINISTER,
        ];
        if !any.into_iter().any(|right| found.rights.has(right)) {
            return Err(no_such_mailbox());
        }
        let rights = found.rights.to_string();
        let utf8 = self.enabled.utf8;
        emit(stream, |out| response::my_rights(out, &name, &rights, utf8));
        Ok(Reply::ok("that is all"))
    }

    /// A mailbox, and the name that the user has for it.
    async fn named(&self, mailbox: Mailbox, asked: Rights) -> Result<(MailboxName, Found), Reply> {
        let name = existing(mailbox)?;
        let place = self.place(name.clone()).await?;
        Ok((name, self.found_at(place, asked).await?))
    }

    /// What an identifier stands for. RFC 4314 §3.
    fn identifier(&self, directory: &Directory, text: &str) -> Result<Identifier, Reply> {
        let (negative, name) = match text.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, text),
        };
        if name.eq_ignore_ascii_case(ANYONE) {
            return Ok(Identifier {
                negative,
                grantee: Grantee::Anyone,
            });
        }
        let known = AccountName::new(name, self.directory.rules()).ok();
        let record = known.and_then(|name| directory.account(name.as_str()));
        match record {
            Some(record) => Ok(Identifier {
                negative,
                grantee: Grantee::Account(record.id),
            }),
            None => Err(Reply::no(Code::Cannot, "there is no such user")),
        }
    }
}

/// An identifier as clients know it.
fn text(directory: &Directory, identifier: Identifier) -> Option<String> {
    let minus = if identifier.negative { "-" } else { "" };
    let name = match identifier.grantee {
        Grantee::Anyone => ANYONE,
        Grantee::Account(id) => directory.name_of(id)?,
    };
    Some(format!("{minus}{name}"))
}
