//! Messages in and out, past the protocols.

use crate::control::message::{Counted, Letter};
use crate::error::{Failure, Outcome, While as _};
use account::{Command, MailboxRef, NewMessage, Source, SpecialUses, State, is_unique_id};
use bytes::Bytes;
use serve::query::MessageOctets;
use serve::{Account, Env};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::Store;
use terms::{BlobId, MailboxId, MailboxName, UidSet};

/// Messages that go into one commit.
const BATCH_MESSAGES_MAX: usize = 500;
/// Octets of the messages of one commit; a longer message goes alone.
const BATCH_OCTETS_MAX: u64 = 16 << 20;
/// Refused messages that are named; more are only counted.
const REFUSED_MAX: usize = 1_000;

/// Takes messages into one account, many to a commit.
pub struct Importer {
    account: Account,
    store: Arc<dyn Store>,
    env: Env,
    octets_max: u64,
    /// What waits for the next commit, all for `mailbox`.
    batch: Vec<NewMessage>,
    batch_octets: u64,
    mailbox: Option<MailboxName>,
    /// What has been added, for counting again.
    added: BTreeMap<MailboxId, UidSet>,
    counted: Counted,
}

impl Importer {
    /// Into `account`.
    pub fn new(account: Account, store: Arc<dyn Store>, env: Env, octets_max: u64) -> Self {
        Self {
            account,
            store,
            env,
            octets_max,
            batch: Vec::new(),
            batch_octets: 0,
            mailbox: None,
            added: BTreeMap::new(),
            counted: Counted::default(),
        }
    }

    /// Takes a message. It is durable once [`Importer::finish`] has returned.
    ///
    /// # Errors
    /// If the account or the store fails. A message that cannot be taken is no
    /// error: it is named in what `finish` returns.
    pub async fn put(&mut self, letter: &Letter, octets: Vec<u8>) -> Outcome {
        let octets = storable(octets);
        let count = octets.len() as u64;
        let mailbox = match MailboxName::new(&letter.mailbox) {
            Ok(name) => name,
            Err(error) => return self.refuse(letter, &error.to_string()),
        };
        if count > self.octets_max {
            return self.refuse(letter, &format!("longer than {} octets", self.octets_max));
        }
        let full =
            self.batch.len() >= BATCH_MESSAGES_MAX || self.batch_octets + count > BATCH_OCTETS_MAX;
        if full || self.mailbox.as_ref() != Some(&mailbox) {
            self.commit().await?;
            self.mailbox = Some(mailbox);
        }
        let blob = BlobId(self.env.random_u128());
        let size = u32::try_from(count)?;
        let lacks_final_crlf = !octets.ends_with(b"\r\n");
        self.store_blob(blob, octets).await?;
        self.batch.push(NewMessage {
            flags: letter.flag_set(),
            internal_date: Some(letter.date()),
            lacks_final_crlf,
            unique_id: letter.unique_id.clone().filter(|id| is_unique_id(id)),
            ..NewMessage::new(blob, size)
        });
        self.batch_octets += count;
        Ok(())
    }

    /// Whether a message was taken that no commit has bound yet.
    pub fn waits(&self) -> bool {
        !self.batch.is_empty()
    }

    /// Makes a mailbox that is not there yet.
    ///
    /// # Errors
    /// As [`Importer::put`].
    pub async fn mailbox(&mut self, name: &str, subscribed: bool) -> Outcome {
        let name = MailboxName::new(name).when(name)?;
        if self.account.snapshot().mailbox_named(&name).is_some() {
            return Ok(());
        }
        let command = Command::CreateMailbox {
            name: name.clone(),
            special_uses: SpecialUses::default(),
        };
        self.account.execute(command).await.when(&name)?;
        match subscribed {
            true => self.subscribe(name.as_str()).await,
            false => Ok(()),
        }
    }

    /// Subscribes to a name; mail programs show what is subscribed to.
    ///
    /// # Errors
    /// As [`Importer::put`].
    pub async fn subscribe(&self, name: &str) -> Outcome {
        let name = MailboxName::new(name).when(name)?;
        let command = Command::Subscribe {
            name: name.clone(),
            subscribed: true,
        };
        self.account.execute(command).await.when(&name)?;
        Ok(())
    }

    fn refuse(&mut self, letter: &Letter, why: &str) -> Outcome {
        let refused = &mut self.counted.refused;
        if refused.len() >= REFUSED_MAX {
            return Err(Failure::new(format!(
                "over {REFUSED_MAX} messages were not taken"
            )));
        }
        refused.push(format!(
            "a message of {} octets in {}: {why}",
            letter.octets, letter.mailbox
        ));
        Ok(())
    }

    async fn store_blob(&self, blob: BlobId, octets: Vec<u8>) -> Outcome {
        let mut sink = self.store.blob_sink(blob, Some(octets.len() as u64));
        sink.write(&octets).await?;
        // Parsing takes its time, and other sessions use this thread.
        let derived = self.env.compute(move || mime::derive(&octets)).await;
        let derived = derived.ok_or_else(|| Failure::new("a message could not be read"))?;
        sink.finish(Bytes::from(derived)).await?;
        Ok(())
    }

    /// Has the account bind what waits.
    async fn commit(&mut self) -> Outcome {
        let messages = std::mem::take(&mut self.batch);
        let Some(name) = self.mailbox.clone().filter(|_| !messages.is_empty()) else {
            return Ok(());
        };
        let count = messages.len() as u64;
        let command = Command::Append {
            mailbox: MailboxRef::Name(name.clone()),
            create: true,
            messages,
            source: Source::Import,
        };
        let appended = self.account.execute(command).await.when(&name)?;
        let account::Outcome::Appended { mailbox, uids, .. } = appended else {
            return Err(Failure::new("the account has answered out of turn"));
        };
        self.added.entry(mailbox).or_default().extend(&uids);
        self.counted.messages += count;
        self.counted.octets += std::mem::take(&mut self.batch_octets);
        Ok(())
    }

    /// Everything has come: makes the rest durable and counts again.
    ///
    /// # Errors
    /// As [`Importer::put`].
    pub async fn finish(mut self) -> Outcome<Counted> {
        self.commit().await?;
        for (mailbox, uids) in &self.added {
            let state = self.account.with_table(*mailbox).await?;
            let table = state.table(*mailbox)?;
            self.counted.verified += table.rows_in(uids).count() as u64;
        }
        Ok(self.counted)
    }
}

/// What a store may hold: every LF behind a CR, no NUL. As LMTP does it.
fn storable(mut octets: Vec<u8>) -> Vec<u8> {
    for octet in &mut octets {
        if *octet == 0 {
            *octet = 0x80;
        }
    }
    let mut before = 0;
    let bare = octets.iter().any(|&octet| {
        let bare = octet == b'\n' && before != b'\r';
        before = octet;
        bare
    });
    if !bare {
        return octets;
    }
    let mut out = Vec::with_capacity(octets.len() + octets.len() / 30);
    for octet in octets {
        if octet == b'\n' && out.last() != Some(&b'\r') {
            out.push(b'\r');
        }
        out.push(octet);
    }
    out
}

/// Gives out an account's messages as they were when it began.
pub struct Exporter {
    account: Account,
    store: Arc<dyn Store>,
    state: Arc<State>,
    only: Option<MailboxId>,
}

impl Exporter {
    /// Of one mailbox, or of all.
    ///
    /// # Errors
    /// If there is no such mailbox.
    pub fn new(
        account: Account,
        store: Arc<dyn Store>,
        state: Arc<State>,
        mailbox: Option<&str>,
    ) -> Outcome<Self> {
        let only = match mailbox {
            Some(name) => {
                let name = MailboxName::new(name).when(name)?;
                let found = state.mailbox_named(&name).map(|mailbox| mailbox.id);
                Some(found.ok_or_else(|| Failure::new(format!("there is no mailbox {name}")))?)
            }
            None => None,
        };
        Ok(Self {
            account,
            store,
            state,
            only,
        })
    }

    /// The mailboxes, ascending by name.
    pub fn mailboxes(&self) -> Vec<(MailboxId, MailboxName)> {
        let wanted = |id| self.only.is_none_or(|only| only == id);
        let all = self.state.mailboxes().filter(|mailbox| wanted(mailbox.id));
        all.map(|mailbox| (mailbox.id, mailbox.name.clone()))
            .collect()
    }

    /// The names that are subscribed to, ascending.
    pub fn subscriptions(&self) -> Vec<String> {
        self.state
            .subscriptions()
            .map(MailboxName::to_string)
            .collect()
    }

    /// A state in which the mailbox's table is.
    ///
    /// # Errors
    /// If it cannot be loaded.
    pub async fn table(&self, mailbox: MailboxId) -> Outcome<Arc<State>> {
        Ok(self.account.with_table(mailbox).await?)
    }

    /// Reads one message.
    ///
    /// # Errors
    /// If it is damaged or cannot be read.
    pub async fn read(
        &self,
        name: &MailboxName,
        mailbox: &account::Mailbox,
        row: account::Row<'_>,
    ) -> Outcome<(Letter, Vec<u8>)> {
        let mut octets = Vec::with_capacity(usize::try_from(row.size)?);
        let mut parts = MessageOctets::new(&*self.store, row);
        let place = || format!("message {} in {name}", row.uid);
        while let Some(part) = parts.next().await.when(place())? {
            octets.extend_from_slice(&part);
        }
        let flags = mailbox.flag_set(&row);
        let letter = Letter::new(name, &flags, row.internal_date, octets.len() as u64);
        // What POP3 has shown of it.
        let shown = name.is_inbox().then(|| self.state.unique_id(row.email));
        let letter = Letter {
            unique_id: shown,
            ..letter
        };
        Ok((letter, octets))
    }
}

#[cfg(test)]
mod tests {
    use super::storable;

    #[test]
    fn what_is_stored_has_no_bare_lf_and_no_nul() {
        for (text, expected) in [
            ("a\r\nb\r\n", "a\r\nb\r\n".as_bytes()),
            ("a\nb\r\n\n", b"a\r\nb\r\n\r\n"),
            ("a\rb\n", b"a\rb\r\n"),
            ("a\0b", b"a\x80b"),
            ("", b""),
        ] {
            assert_eq!(storable(text.as_bytes().to_vec()), expected, "{text:?}");
        }
    }
}
