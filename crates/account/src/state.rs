//! The state of an account: what its changes add up to.

use crate::changes::Copies;
use crate::device::Device;
use crate::expunged::Expunged;
use crate::fold::Folding;
use crate::mailbox::Mailbox;
use crate::outcome::{Part, Refusal};
use crate::persistent::{Map, RunMap};
use crate::rows::Row;
use crate::table::Table;
use crate::transfer::Transfer;
use crate::{DeviceId, HoldSettings, Limits, UniqueIdForm, Used};
use std::collections::BTreeMap;
use std::sync::Arc;
use terms::{
    AccountId, BlobId, EmailNumber, Keyword, MailboxId, MailboxName, ModSeq, SpecialUse, Timestamp,
    Uid, UidValidity,
};

/// An account at one change. A copy costs nothing and stays as it is.
#[derive(Clone, Debug)]
pub struct State {
    pub(crate) root: Arc<Root>,
    pub(crate) slots: Map<MailboxId, Slot>,
    pub(crate) expunged: ExpungedSlot,
    pub(crate) folding: Arc<Folding>,
}

/// All of an account that is always loaded.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    pub account: AccountId,
    pub head: ModSeq,
    /// `None` before the first change.
    pub created: Option<Timestamp>,
    pub limits: Limits,
    pub used: Used,
    pub hold: HoldSettings,
    pub next_mailbox: MailboxId,
    pub next_email: EmailNumber,
    pub last_uid_validity: Option<UidValidity>,
    pub mailboxes: Map<MailboxId, Arc<Mailbox>>,
    pub names: Map<Arc<str>, MailboxId>,
    pub subscriptions: Map<MailboxName, ()>,
    pub devices: Map<DeviceId, Arc<Device>>,
    pub next_device: DeviceId,
    /// Emails that have not exactly one row in mailboxes and none expunged.
    pub copies: RunMap<Copies>,
    /// When the clock of a collected email started.
    pub clocks: RunMap<Timestamp>,
    /// Blobs that more than one email has, and how many more.
    pub shared: Map<BlobId, u32>,
    /// Unique-ids that came with an import.
    pub unique_ids: Map<EmailNumber, Arc<str>>,
    /// The last change of what was expunged and is kept.
    pub expunged_changed: ModSeq,
    /// When the oldest of that was expunged.
    pub expunged_oldest: Option<Timestamp>,
    /// Entry and value. RFC 5464.
    pub metadata: Arc<BTreeMap<String, Vec<u8>>>,
    /// Messages on their way between accounts, by the operation's number.
    pub transfers: Map<u128, Transfer>,
    /// No annotation has changed after this change. Not on disk: after loading it
    /// is the head.
    pub metadata_changed: ModSeq,
    /// Since when a run of the hold waits because it is large.
    pub run_waits: Option<Timestamp>,
    /// The form of new unique-ids; `None`: our own.
    pub unique_id_form: Option<UniqueIdForm>,
}

/// The table of a mailbox, as far as it is loaded.
#[derive(Clone, Debug)]
pub(crate) enum Slot {
    Loaded(Arc<Table>),
    Tail(Tail),
}

/// What has come to an unloaded table.
#[derive(Clone, Debug)]
pub(crate) struct Tail {
    /// Rows that came, and what was expunged, after `since`.
    pub table: Arc<Table>,
    pub since: ModSeq,
    /// The last change to rows that are not here.
    pub elsewhere: ModSeq,
}

/// What was expunged and is kept, as far as it is loaded.
#[derive(Clone, Debug)]
pub(crate) struct ExpungedSlot {
    pub list: Arc<Expunged>,
    /// `None` if everything is here; else only what came after this change.
    pub since: Option<ModSeq>,
}

impl State {
    /// An account before its first change.
    pub fn new(account: AccountId) -> Self {
        Self {
            root: Arc::new(Root::new(account)),
            slots: Map::new(),
            expunged: ExpungedSlot {
                list: Arc::new(Expunged::default()),
                since: None,
            },
            folding: Arc::new(Folding::default()),
        }
    }

    /// Whose state it is.
    pub fn account(&self) -> AccountId {
        self.root.account
    }

    /// The number of the last change.
    pub fn head(&self) -> ModSeq {
        self.root.head
    }

    /// When the account was created; `None` before.
    pub fn created(&self) -> Option<Timestamp> {
        self.root.created
    }

    /// What it may take up.
    pub fn limits(&self) -> Limits {
        self.root.limits
    }

    /// What it takes up.
    pub fn used(&self) -> Used {
        self.root.used
    }

    /// Its hold.
    pub fn hold(&self) -> HoldSettings {
        self.root.hold
    }

    /// The highest UIDVALIDITY that was given.
    pub fn last_uid_validity(&self) -> Option<UidValidity> {
        self.root.last_uid_validity
    }

    /// A mailbox by its number.
    pub fn mailbox(&self, id: MailboxId) -> Option<&Mailbox> {
        self.root.mailboxes.get(&id).map(|mailbox| &**mailbox)
    }

    /// A mailbox by its name.
    pub fn mailbox_named(&self, name: &MailboxName) -> Option<&Mailbox> {
        self.mailbox(*self.root.names.get(name.as_str())?)
    }

    /// The mailbox with this use, the first if there are several.
    pub fn mailbox_for(&self, special: SpecialUse) -> Option<&Mailbox> {
        self.mailboxes()
            .find(|mailbox| mailbox.special_uses.has(special))
    }

    /// All mailboxes, ascending by name.
    pub fn mailboxes(&self) -> impl Iterator<Item = &Mailbox> + '_ {
        self.root.names.values().filter_map(|&id| self.mailbox(id))
    }

    /// How many mailboxes.
    pub fn mailbox_count(&self) -> usize {
        self.root.mailboxes.len()
    }

    /// Whether there is a mailbox below `name`. RFC 9051 §7.3.1, \HasChildren.
    pub fn has_children(&self, name: &MailboxName) -> bool {
        let below = format!("{name}{}", MailboxName::SEPARATOR);
        self.root
            .names
            .range_from(below.as_str())
            .next()
            .is_some_and(|(next, _)| next.starts_with(&below))
    }

    /// Whether `name` is a level of some mailbox's name and no mailbox itself.
    /// RFC 9051 §7.3.1, \NonExistent.
    pub fn is_level(&self, name: &MailboxName) -> bool {
        self.mailbox_named(name).is_none() && self.has_children(name)
    }

    /// Whether `name` is subscribed to.
    pub fn is_subscribed(&self, name: &MailboxName) -> bool {
        self.root.subscriptions.contains(name)
    }

    /// All names that are subscribed to, whether or not there is a mailbox, ascending.
    pub fn subscriptions(&self) -> impl Iterator<Item = &MailboxName> + '_ {
        self.root.subscriptions.iter().map(|(name, ())| name)
    }

    /// All devices, revoked ones too.
    pub fn devices(&self) -> impl Iterator<Item = &Device> + '_ {
        self.root.devices.values().map(|device| &**device)
    }

    /// A device.
    pub fn device(&self, id: DeviceId) -> Option<&Device> {
        self.root.devices.get(&id).map(|device| &**device)
    }

    /// The device of this name that was not revoked.
    pub fn device_named(&self, name: &str) -> Option<&Device> {
        self.devices()
            .find(|device| device.revoked.is_none() && device.name == name)
    }

    /// The table of a mailbox.
    ///
    /// # Errors
    /// `NoSuchMailbox`; `Needed` if it is not loaded.
    pub fn table(&self, mailbox: MailboxId) -> Result<&Arc<Table>, Refusal> {
        match self.slots.get(&mailbox) {
            None => Err(Refusal::NoSuchMailbox),
            Some(Slot::Loaded(table)) => Ok(table),
            Some(Slot::Tail(_)) => Err(Refusal::Needed(Part::Table(mailbox))),
        }
    }

    /// Whether the part is loaded, or is of a mailbox that does not exist.
    pub fn is_loaded(&self, part: Part) -> bool {
        match part {
            Part::Table(mailbox) => !matches!(self.slots.get(&mailbox), Some(Slot::Tail(_))),
            Part::Expunged => self.expunged.since.is_none(),
        }
    }

    /// What was expunged and is kept.
    ///
    /// # Errors
    /// `Needed` if it is not loaded.
    pub fn expunged(&self) -> Result<&Expunged, Refusal> {
        match self.expunged.since {
            None => Ok(&self.expunged.list),
            Some(_) => Err(Refusal::Needed(Part::Expunged)),
        }
    }

    /// The row that `uid` of a mailbox is, or was before it was expunged, and
    /// what its keywords are places in. A session that has not been told of an
    /// expunge still reads the message (RFC 2180 §4.1.2), and so does one whose
    /// mailbox was deleted. `None` once the undo window has passed.
    ///
    /// # Errors
    /// `Needed` if a part is not loaded.
    pub fn row_or_ghost(
        &self,
        mailbox: MailboxId,
        uid: Uid,
    ) -> Result<Option<(Row<'_>, &[Keyword])>, Refusal> {
        if let Some(record) = self.mailbox(mailbox)
            && let Some(row) = self.table(mailbox)?.get(uid)
        {
            return Ok(Some((row, record.keywords.as_slice())));
        }
        if let Some((row, batch)) = self.expunged.list.find(mailbox, uid) {
            return Ok(Some((row, batch.keywords.as_slice())));
        }
        self.expunged()?;
        Ok(None)
    }

    /// The form of the unique-ids of new mail; `None`: our own.
    pub fn unique_id_form(&self) -> Option<&UniqueIdForm> {
        self.root.unique_id_form.as_ref()
    }

    /// When the clock of a collected email started.
    pub fn clock(&self, email: EmailNumber) -> Option<Timestamp> {
        self.root.clocks.get(email.0)
    }

    /// Since when a run of the hold waits because it would expunge too much of the
    /// account at one time.
    pub fn run_waits(&self) -> Option<Timestamp> {
        self.root.run_waits
    }

    /// How many rows an email has in mailboxes, if it has any.
    pub(crate) fn copies(&self, email: EmailNumber) -> Copies {
        self.root.copies.get(email.0).unwrap_or(Copies::ONE)
    }
}

impl Root {
    pub(crate) fn new(account: AccountId) -> Self {
        Self {
            account,
            head: ModSeq::ZERO,
            created: None,
            limits: Limits::default(),
            used: Used::default(),
            hold: HoldSettings::default(),
            next_mailbox: MailboxId::INBOX,
            next_email: EmailNumber(1),
            last_uid_validity: None,
            mailboxes: Map::new(),
            names: Map::new(),
            subscriptions: Map::new(),
            devices: Map::new(),
            next_device: DeviceId::DEFAULT,
            copies: RunMap::default(),
            clocks: RunMap::default(),
            shared: Map::new(),
            unique_ids: Map::new(),
            expunged_changed: ModSeq::ZERO,
            expunged_oldest: None,
            metadata: Arc::default(),
            transfers: Map::new(),
            metadata_changed: ModSeq::ZERO,
            run_waits: None,
            unique_id_form: None,
        }
    }
}
