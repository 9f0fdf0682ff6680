//! Whether everything is whole, and what can be done where it is not.

use super::Admin;
use crate::control::message::{Checked, Repaired};
use crate::error::{Failure, Outcome, While as _};
use account::{Command, Counts, Losses, Part, State};
use serve::accounts::OpenError;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use store::{Sections, Verification};
use terms::{AccountId, BlobId, EmailNumber, ModSeq, SystemFlag};

impl Admin {
    /// Reads everything in the store, and counts what the accounts only keep.
    ///
    /// # Errors
    /// If reading failed altogether.
    pub async fn check(&self, progress: &(dyn Fn(u64) + Send + Sync)) -> Outcome<Checked> {
        let found: Verification = self.store.verify(progress).await?;
        let mut checked = Checked {
            accounts: found.accounts,
            commits: found.commits,
            blobs: found.blobs,
            octets: found.octets,
            faults: found.faults,
            notes: found.notes,
        };
        for id in &found.damaged_accounts {
            let name = self.named(*id);
            checked.faults.push(format!(
                "{name}: its log is damaged; it is read-only until `restante repair`"
            ));
        }
        if let Some(seconds) = self.clock_ahead_seconds() {
            checked.notes.push(format!(
                "the wall clock has run away by {seconds} s: the hold has stopped until \
                 `restante hold resume`, or a day in which the clock is right"
            ));
        }
        let state = self.directory.fresh().await?;
        let mut unnamed: BTreeSet<BlobId> = found.damaged_blobs.iter().copied().collect();
        for (name, record) in state.accounts(None) {
            let is_damaged = found.damaged_accounts.contains(&record.id);
            let faults = match self.whole(record.id).await {
                Ok(state) => {
                    let mut faults = lost_bodies(&state, &found.damaged_blobs, &mut unnamed);
                    if !is_damaged {
                        faults.extend(miscounts(&state));
                    }
                    faults
                }
                Err(_) if is_damaged => Vec::new(),
                Err(fault) => vec![fault],
            };
            checked
                .faults
                .extend(faults.into_iter().map(|fault| format!("{name}: {fault}")));
        }
        let unnamed = unnamed.iter();
        checked.faults.extend(
            unnamed
                .map(|blob| format!("message body {blob} is damaged or missing; nobody shows it")),
        );
        Ok(checked)
    }

    /// An account with all that it shows, or why there is none.
    async fn whole(&self, id: AccountId) -> Result<Arc<State>, String> {
        let account = match self.directory.accounts().open(id).await {
            Ok(account) => account,
            Err(OpenError::Missing) => return Err("it is in the directory only".into()),
            Err(error) => return Err(error.to_string()),
        };
        // One state for all: a running server goes on meanwhile.
        let parts = account
            .snapshot()
            .mailboxes()
            .map(|m| account::Part::Table(m.id))
            .collect();
        let state = account.with(parts).await;
        state.map_err(|error| error.to_string())
    }

    /// The name of an account, for a message.
    fn named(&self, id: AccountId) -> String {
        if id == AccountId::DIRECTORY {
            return "the directory of accounts".into();
        }
        let state = self.directory.snapshot();
        state
            .name_of(id)
            .map_or_else(|| format!("account {id}"), str::to_owned)
    }

    /// The accounts whose logs have holes.
    async fn damaged(&self) -> Outcome<BTreeSet<AccountId>> {
        let state = self.directory.snapshot();
        let mut damaged = BTreeSet::new();
        let known = state.accounts(None).map(|(_, record)| record.id);
        for id in std::iter::once(AccountId::DIRECTORY).chain(known) {
            if self.is_damaged(id).await? || !self.is_usable(id).await {
                damaged.insert(id);
            }
        }
        Ok(damaged)
    }

    /// Whether an account whose log has no hole can be written on: all of it can
    /// be loaded, and a repair of it, if there was one, has come to its end.
    async fn is_usable(&self, id: AccountId) -> bool {
        let Ok(head) = self.store.head(id).await else {
            return false;
        };
        if id == AccountId::DIRECTORY {
            return self.directory.snapshot().head() >= head;
        }
        let account = match self.directory.accounts().open(id).await {
            Ok(account) => account,
            Err(error) => return error == OpenError::Missing,
        };
        let snapshot = account.snapshot();
        let parts = snapshot.mailboxes().map(|m| Part::Table(m.id));
        let parts = parts.chain([Part::Expunged]).collect();
        snapshot.head() >= head && account.with(parts).await.is_ok()
    }

    /// Whether an account's log has a hole.
    pub(super) async fn is_damaged(&self, id: AccountId) -> Outcome<bool> {
        let loaded = self.store.load(id, Sections::Only(Vec::new())).await?;
        Ok(loaded.damaged)
    }

    /// Makes damaged accounts writable again, with what is left of them.
    ///
    /// # Errors
    /// If one cannot be repaired.
    pub async fn repair(&self, text: Option<&str>) -> Outcome<Repaired> {
        let mut damaged = self.damaged().await?;
        if let Some(text) = text {
            let (_, id) = self.find(text)?;
            damaged.retain(|&damaged| damaged == id);
        }
        let mut repaired = Repaired::default();
        for id in damaged {
            let name = self.named(id);
            self.give_up_beyond_hole(id).await.when(&name)?;
            let told = self.store.repair(id).await.when(&name)?;
            if id != AccountId::DIRECTORY {
                let losses = self.directory.accounts().salvage(id).await;
                let losses = losses.map_err(Failure::new).when(&name)?;
                repaired.lost.extend(lost_lines(&name, &losses));
            }
            let left = self.store.load(id, Sections::Only(Vec::new())).await?;
            let last = left
                .commits
                .last()
                .map_or(left.covers, |commit| commit.last);
            if told > last {
                repaired.lost.push(format!(
                    "{name}: what was changed after change {last}, up to {} changes, is lost",
                    told.0 - last.0
                ));
            }
            // Numbers that may have been told for what is lost are not used again.
            if id == AccountId::DIRECTORY {
                let epoch = account::directory::Command::Epoch { told };
                self.directory.execute(epoch).await.when(&name)?;
            } else {
                self.jump(id, told).await.when(&name)?;
            }
            repaired.accounts.push(name);
        }
        Ok(repaired)
    }

    /// Whoever had a damaged account open before the damage may know more than the
    /// log still tells; nothing may be built on that.
    async fn give_up_beyond_hole(&self, id: AccountId) -> Outcome {
        let loaded = self.store.load(id, Sections::Only(Vec::new())).await?;
        if !loaded.damaged {
            return Ok(());
        }
        let last = loaded.commits.last().map(|commit| commit.last);
        let kept = last.unwrap_or(loaded.covers);
        if id == AccountId::DIRECTORY {
            if self.directory.snapshot().head() > kept {
                return Err(Failure::new("stop the server, then repair it"));
            }
            return Ok(());
        }
        self.directory.accounts().forget_beyond(id, kept);
        Ok(())
    }

    async fn jump(&self, id: AccountId, told: ModSeq) -> Outcome {
        let account = self.directory.accounts().open(id).await?;
        account.execute(Command::Epoch { told }).await?;
        Ok(())
    }
}

/// What is missing, for people.
fn lost_lines(name: &str, losses: &Losses) -> Vec<String> {
    let messages = losses.messages.iter();
    let mut lines: Vec<String> = messages
        .map(|(mailbox, count)| format!("{name}: {mailbox}: {count} messages are lost"))
        .collect();
    if losses.sections > 0 {
        lines.push(format!(
            "{name}: {} sections of what was expunged are lost",
            losses.sections
        ));
    }
    lines
}

/// The messages whose bodies are damaged; those that somebody shows are `unnamed` no
/// longer. `damaged` ascends.
fn lost_bodies(state: &State, damaged: &[BlobId], unnamed: &mut BTreeSet<BlobId>) -> Vec<String> {
    let mut faults = Vec::new();
    if damaged.is_empty() {
        return faults;
    }
    for mailbox in state.mailboxes() {
        let Ok(table) = state.table(mailbox.id) else {
            continue;
        };
        let rows = table.rows();
        for row in rows.filter(|row| damaged.binary_search(&row.blob).is_ok()) {
            unnamed.remove(&row.blob);
            faults.push(format!(
                "{}, UID {}: the message's body {} is damaged or missing",
                mailbox.name, row.uid, row.blob
            ));
        }
    }
    faults
}

/// Where kept counts are not what counting gives.
fn miscounts(state: &State) -> Vec<String> {
    let mut faults = Vec::new();
    let mut emails: HashMap<EmailNumber, u32> = HashMap::new();
    let mut rows = 0;
    for mailbox in state.mailboxes() {
        let table = match state.table(mailbox.id) {
            Ok(table) => table,
            Err(error) => {
                faults.push(format!("{}: {error}", mailbox.name));
                continue;
            }
        };
        let mut counted = Counts::default();
        for row in table.rows() {
            rows += 1;
            emails.insert(row.email, row.size);
            counted.messages += 1;
            counted.octets += u64::from(row.size);
            counted.unseen += u32::from(!row.flags.has(SystemFlag::Seen));
            if row.flags.has(SystemFlag::Deleted) {
                counted.deleted += 1;
                counted.deleted_octets += u64::from(row.size);
            }
        }
        if counted != mailbox.counts {
            let kept = mailbox.counts;
            faults.push(format!(
                "{}: kept {kept:?}, counted {counted:?}",
                mailbox.name
            ));
        }
    }
    match state.wrong_clocks() {
        Ok(wrong) => {
            if let Some(first) = wrong.first() {
                let count = wrong.len();
                faults.push(format!(
                    "the hold's clock is wrong for {count} of INBOX's messages, the first {first}"
                ));
            }
        }
        Err(error) => faults.push(error.to_string()),
    }
    let octets: u64 = emails.values().map(|size| u64::from(*size)).sum();
    let used = state.used();
    if (used.messages, used.octets) != (rows, octets) {
        faults.push(format!(
            "kept {used:?}, counted {rows} messages of {octets} octets"
        ));
    }
    faults
}
