//! CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE.

use super::place::Place;
use super::reply::Reply;
use super::special_use::usable;
use super::user::{Done, User, check_own, existing, kept_for_others, new_name};
use account::{Command, Outcome, Rights, SpecialUses};
use proto::imap::Mailbox;
use proto::imap::response::Code;
use terms::SpecialUse;

impl User {
    /// RFC 3501 §6.3.3. Superior names come into being as levels.
    pub(super) async fn create(&mut self, mailbox: Mailbox, uses: &[Option<SpecialUse>]) -> Done {
        let place = match self.new_place(mailbox).await {
            Ok(place) => place,
            Err(reply) => return Ok(reply),
        };
        let special_uses = match self.special_uses(&place, uses).await {
            Ok(special_uses) => special_uses,
            Err(reply) => return Ok(reply),
        };
        let command = Command::CreateMailbox {
            name: place.name,
            special_uses,
        };
        match place.account.execute(command).await {
            Ok(Outcome::MailboxCreated { mailbox }) => {
                // RFC 8474 §4.1
                let id = place.account.snapshot().mailbox_id(mailbox);
                Ok(Reply::ok("created").with(Code::MailboxId(id)))
            }
            Ok(_) => Ok(Reply::ok("created")),
            Err(error) => Ok(error.into()),
        }
    }

    /// RFC 6154 §3: what a mailbox can be for that is none yet.
    async fn special_uses(
        &self,
        place: &Place,
        uses: &[Option<SpecialUse>],
    ) -> Result<SpecialUses, Reply> {
        if uses.is_empty() {
            return Ok(SpecialUses::NONE);
        }
        if place.owner.is_some() {
            let text = "what a mailbox is for is its owner's affair";
            return Err(Reply::no(Code::UseAttr, text));
        }
        usable(&*self.fresh().await?, uses, None)
    }

    /// RFC 3501 §6.3.4
    pub(super) async fn delete(&mut self, mailbox: Mailbox) -> Done {
        let place = match self.found_or_own(mailbox, Rights::DELETE).await {
            Ok(place) => place,
            Err(reply) => return Ok(reply),
        };
        let name = place.name;
        match place.account.execute(Command::DeleteMailbox { name }).await {
            Ok(_) => {
                self.directory.file_shares(&place.account).await;
                Ok(Reply::ok("deleted"))
            }
            Err(error) => Ok(error.into()),
        }
    }

    /// RFC 3501 §6.3.5. RFC 4314 §4: the right x on the mailbox, and k where it
    /// goes.
    pub(super) async fn rename(&mut self, from: Mailbox, to: Mailbox) -> Done {
        let places = async {
            let from = self.found_or_own(from, Rights::DELETE).await?;
            Ok((from, self.new_place(to).await?))
        };
        let (from, to) = match places.await {
            Ok(places) => places,
            Err(reply) => return Ok(reply),
        };
        if from.account.id() != to.account.id() {
            let text = "a mailbox stays with its owner";
            return Ok(Reply::no(Code::Cannot, text));
        }
        let command = Command::RenameMailbox {
            from: from.name,
            to: to.name,
        };
        match from.account.execute(command).await {
            Ok(_) => Ok(Reply::ok("renamed")),
            Err(error) => Ok(error.into()),
        }
    }

    /// Where a mailbox is to be made. RFC 4314 §4: the right k above it.
    async fn new_place(&self, mailbox: Mailbox) -> Result<Place, Reply> {
        let place = match self.place(new_name(mailbox)?).await {
            Ok(place) => place,
            Err(_) => return Err(kept_for_others()),
        };
        if place.owner.is_none() {
            check_own(&place.name)?;
        }
        self.may_create(&place).await?;
        Ok(place)
    }

    /// A mailbox that is there, with the rights; in one's own account whatever has
    /// the name, for the account to say what it is.
    async fn found_or_own(&self, mailbox: Mailbox, asked: Rights) -> Result<Place, Reply> {
        let place = self.place(existing(mailbox)?).await?;
        if place.owner.is_none() {
            if !self.may_delete {
                return Err(self.not_allowed(asked));
            }
            return Ok(place);
        }
        Ok(self.found_at(place, asked).await?.place)
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
