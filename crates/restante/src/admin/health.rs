//! Whether everything is whole, and what can be done where it is not.

use super::Admin;
use crate::control::message::{Checked, Repaired};
use crate::error::{Failure, Outcome, While as _};
use account::{Command, Counts, Part, State};
use serve::accounts::OpenError;
use std::collections::{BTreeSet, HashMap};
use store::{Sections, Verification};
use terms::{AccountId, EmailNumber, SystemFlag};

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
        for blob in &found.damaged_blobs {
            checked
                .faults
                .push(format!("message body {blob} is damaged or missing"));
        }
        if let Some(seconds) = self.clock_ahead_seconds() {
            checked.notes.push(format!(
                "the wall clock has run away by {seconds} s: the hold has stopped until \
                 `restante hold resume`, or a day in which the clock is right"
            ));
        }
        let state = self.directory.fresh().await?;
        for (name, record) in state.accounts(None) {
            if found.damaged_accounts.contains(&record.id) {
                continue;
            }
            let faults = self.check_account(record.id).await;
            checked
                .faults
                .extend(faults.into_iter().map(|fault| format!("{name}: {fault}")));
        }
        Ok(checked)
    }

    /// Counts again what an account keeps.
    async fn check_account(&self, id: AccountId) -> Vec<String> {
        let account = match self.directory.accounts().open(id).await {
            Ok(account) => account,
            Err(OpenError::Missing) => return vec!["it is in the directory only".into()],
            Err(error) => return vec![error.to_string()],
        };
        // One state for all: a running server goes on meanwhile.
        let parts = account
            .snapshot()
            .mailboxes()
            .map(|m| account::Part::Table(m.id))
            .collect();
        match account.with(parts).await {
            Ok(state) => miscounts(&state),
            Err(error) => vec![error.to_string()],
        }
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
            self.store.repair(id).await.when(&name)?;
            // Numbers that may have been told for what is lost are not used again.
            if id == AccountId::DIRECTORY {
                let epoch = account::directory::Command::Epoch;
                self.directory.execute(epoch).await.when(&name)?;
            } else {
                self.jump(id).await.when(&name)?;
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

    async fn jump(&self, id: AccountId) -> Outcome {
        let account = self.directory.accounts().open(id).await?;
        account.execute(Command::Epoch).await?;
        Ok(())
    }
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
