//! What there is, by a reckoning of our own: the reference model. What a command
//! does is worked out here first; [`Truth::observe`] holds it against the server.

use crate::client::{Flags, flags_in};
use account::{Part, State};
use std::collections::{BTreeMap, BTreeSet};
use terms::ModSeq;

/// The number of a change that is not known yet.
const PENDING: u64 = u64::MAX;

/// The flags of a message since a change.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) modseq: u64,
    pub(crate) flags: Flags,
}

#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// What it says: no two messages that came say the same.
    pub(crate) content: u32,
    pub(crate) versions: Vec<Version>,
    /// The change that took it away.
    pub(crate) expunged: Option<u64>,
    /// It is in another mailbox now: here it cannot be read any more.
    pub(crate) moved: bool,
}

impl Message {
    pub(crate) fn is_live(&self, at: u64) -> bool {
        self.versions[0].modseq <= at && self.expunged.is_none_or(|change| change > at)
    }

    pub(crate) fn version(&self, at: u64) -> &Version {
        let mut versions = self.versions.iter().rev();
        let version = versions.find(|version| version.modseq <= at);
        version.unwrap_or(&self.versions[0])
    }

    pub(crate) fn flags(&self) -> &Flags {
        &self.versions[self.versions.len() - 1].flags
    }

    pub(crate) fn modseq(&self) -> u64 {
        self.versions[self.versions.len() - 1].modseq
    }

    pub(crate) fn has(&self, flag: &str) -> bool {
        self.flags().contains(flag)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    /// `None`: it was deleted.
    pub(crate) name: Option<String>,
    pub(crate) validity: u32,
    pub(crate) next: u32,
    pub(crate) highest: u64,
    /// All that ever were.
    pub(crate) messages: BTreeMap<u32, Message>,
    touched: bool,
}

impl Mailbox {
    pub(crate) fn live(&self, at: u64) -> Vec<u32> {
        let live = self.messages.iter().filter(|(_, m)| m.is_live(at));
        live.map(|(uid, _)| *uid).collect()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) mailboxes: Vec<Mailbox>,
    pub(crate) head: u64,
    pub(crate) contents: u32,
    /// What a POP3 client has taken: its rows in INBOX may go, and go at once where
    /// they are not \Flagged.
    pub(crate) collected: BTreeSet<u32>,
    validities: BTreeMap<String, BTreeSet<u32>>,
}

impl Truth {
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        let mut mailboxes = self.mailboxes.iter();
        mailboxes.position(|mailbox| mailbox.name.as_deref() == Some(name))
    }

    pub(crate) fn append(&mut self, mailbox: usize, content: u32, flags: Flags) -> u32 {
        let mailbox = &mut self.mailboxes[mailbox];
        let uid = mailbox.next;
        mailbox.next += 1;
        mailbox.touched = true;
        let version = Version {
            modseq: PENDING,
            flags,
        };
        let message = Message {
            content,
            versions: vec![version],
            expunged: None,
            moved: false,
        };
        mailbox.messages.insert(uid, message);
        uid
    }

    pub(crate) fn set_flags(&mut self, mailbox: usize, uid: u32, flags: Flags) {
        let mailbox = &mut self.mailboxes[mailbox];
        let message = mailbox.messages.get_mut(&uid).expect("a message");
        if *message.flags() != flags {
            mailbox.touched = true;
            message.versions.push(Version {
                modseq: PENDING,
                flags,
            });
        }
    }

    pub(crate) fn expunge(&mut self, mailbox: usize, uid: u32) {
        let mailbox = &mut self.mailboxes[mailbox];
        mailbox.touched = true;
        mailbox.messages.get_mut(&uid).expect("a message").expunged = Some(PENDING);
    }

    /// Moves rows; returns their new identifiers.
    pub(crate) fn r#move(&mut self, from: usize, uids: &[u32], to: usize) -> Vec<u32> {
        let placed = self.copy(from, uids, to);
        for uid in uids {
            self.expunge(from, *uid);
            let message = self.mailboxes[from].messages.get_mut(uid);
            message.expect("a message").moved = true;
        }
        placed
    }

    /// Copies rows; returns their new identifiers.
    pub(crate) fn copy(&mut self, from: usize, uids: &[u32], to: usize) -> Vec<u32> {
        let copy = |uid: &u32| {
            let message = &self.mailboxes[from].messages[uid];
            let (content, flags) = (message.content, message.flags().clone());
            self.append(to, content, flags)
        };
        uids.iter().map(copy).collect()
    }

    pub(crate) fn create(&mut self, name: &str) -> usize {
        self.mailboxes.push(Mailbox {
            name: Some(name.to_owned()),
            validity: 0,
            next: 1,
            highest: 0,
            messages: BTreeMap::new(),
            touched: true,
        });
        self.mailboxes.len() - 1
    }

    /// Takes what the server has to be what was worked out, and learns the numbers
    /// that it gave.
    pub(crate) async fn observe(&mut self, account: &serve::Account) {
        let state = account.fresh().await.expect("a state");
        let parts = state.mailboxes().map(|mailbox| Part::Table(mailbox.id));
        let state = account.with(parts.collect()).await.expect("its tables");
        let before = self.head;
        self.head = state.head().0;
        let names: BTreeSet<String> = state.mailboxes().map(|m| m.name.to_string()).collect();
        if before == 0 {
            for name in &names {
                self.create(name);
            }
        }
        let known = self.mailboxes.iter().filter_map(|m| m.name.clone());
        assert_eq!(names, known.collect(), "the mailboxes");
        let mut changes = BTreeSet::new();
        for mailbox in state.mailboxes() {
            let index = self.find(mailbox.name.as_str()).expect("a mailbox");
            self.observe_mailbox(index, &state, mailbox, before, &mut changes);
        }
        if before > 0 && self.collected.is_empty() {
            assert!(changes.len() <= 1, "one command, the changes {changes:?}");
        }
    }

    fn observe_mailbox(
        &mut self,
        index: usize,
        state: &State,
        record: &account::Mailbox,
        before: u64,
        changes: &mut BTreeSet<u64>,
    ) {
        let is_inbox = record.name.is_inbox();
        let name = record.name.to_string();
        let mailbox = &mut self.mailboxes[index];
        let table = state.table(record.id).expect("a table");
        let rows: BTreeMap<u32, (Flags, u64)> = table
            .rows()
            .map(|row| {
                let mut out = b"FLAGS ".to_vec();
                let flags = record.flag_set(&row);
                proto::imap::response::flag_list(&mut out, &flags, &[]);
                let flags = flags_in(&String::from_utf8(out).expect("text")).expect("flags");
                (row.uid.value(), (flags, row.modseq.0))
            })
            .collect();
        let highest = record.highest_modseq.0;
        for (uid, message) in &mut mailbox.messages {
            if message.expunged == Some(PENDING) {
                message.expunged = Some(highest);
                changes.insert(highest);
            }
            if message.expunged.is_some() {
                assert!(!rows.contains_key(uid), "{name} {uid} was expunged");
                continue;
            }
            let Some((flags, modseq)) = rows.get(uid) else {
                let may = is_inbox && self.collected.contains(&message.content);
                assert!(may, "{name} {uid} is not there any more");
                message.expunged = Some(highest);
                mailbox.touched = true;
                continue;
            };
            let last = message.versions.len() - 1;
            let version = &mut message.versions[last];
            if version.modseq == PENDING {
                assert!(*modseq > before, "{name} {uid}: {modseq} after {before}");
                version.modseq = *modseq;
                changes.insert(*modseq);
            }
            let is = Version {
                modseq: *modseq,
                flags: flags.clone(),
            };
            assert_eq!(version.flags, is.flags, "{name} {uid}");
            assert_eq!(version.modseq, is.modseq, "{name} {uid}");
        }
        let known = mailbox.messages.values();
        let count = known.filter(|message| message.expunged.is_none()).count();
        assert_eq!(rows.len(), count, "{name}: {rows:?}");
        assert_eq!(
            record.uid_next.map(|next| next.value()),
            Some(mailbox.next),
            "{name}"
        );
        let counted = |flag: &str| {
            rows.values()
                .filter(|(flags, _)| flags.contains(flag))
                .count()
        };
        assert_eq!(record.counts.messages as usize, rows.len(), "{name}");
        assert_eq!(
            record.counts.unseen as usize,
            rows.len() - counted("\\Seen"),
            "{name}"
        );
        assert_eq!(
            record.counts.deleted as usize,
            counted("\\Deleted"),
            "{name}"
        );
        if std::mem::take(&mut mailbox.touched) {
            assert!(highest > before && highest <= state.head().0, "{name}");
        } else {
            assert_eq!(highest, mailbox.highest, "{name}");
        }
        mailbox.highest = highest;
        let validity = record.uid_validity.value();
        if mailbox.validity == 0 {
            let given = self.validities.entry(name.clone()).or_default();
            assert!(given.last().is_none_or(|last| *last < validity), "{name}");
            mailbox.validity = validity;
        }
        self.validities
            .entry(name.clone())
            .or_default()
            .insert(validity);
        assert_eq!(mailbox.validity, validity, "{name}");
    }
}

/// The change that an account stands at.
pub(crate) fn head_of(account: &serve::Account) -> u64 {
    let ModSeq(head) = account.snapshot().head();
    head
}
