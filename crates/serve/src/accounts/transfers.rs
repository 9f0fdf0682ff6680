//! Moves between accounts that somebody has begun and not ended: finished where the
//! messages have arrived, withdrawn where they have not.

use super::account::{Account, Accounts, OpenError};
use account::{Command, Outcome, TransferPart};
use terms::{AccountId, Timestamp};
use tracing::{info, warn};

/// Looks after what is due of an account's moves; false if something must wait.
pub(crate) async fn settle(accounts: &Accounts, account: &Account, now: Timestamp) -> bool {
    let state = account.snapshot();
    let mut all = true;
    for (operation, transfer) in state.transfers() {
        if transfer.due() > now {
            continue;
        }
        all &= match transfer.part {
            TransferPart::Leaving { to, .. } => leaving(accounts, account, operation, to).await,
            TransferPart::Arrived { from } => arrived(accounts, account, operation, from).await,
            TransferPart::Withdrawn { .. } => forget(account, operation).await,
        };
    }
    all
}

async fn leaving(accounts: &Accounts, account: &Account, operation: u128, to: AccountId) -> bool {
    let target = match accounts.open(to).await {
        Ok(target) => target,
        // It went before they came, or with them: they are still here.
        Err(OpenError::Missing) => return forget(account, operation).await,
        Err(OpenError::Unavailable) => return false,
    };
    let from = account.id();
    let withdraw = Command::WithdrawTransfer { operation, from };
    match target.execute(withdraw).await {
        Ok(Outcome::Arrived) => {
            info!(account = %from, to = %to, "a move between accounts is finished");
            finish(account, &target, operation).await
        }
        Ok(_) => {
            info!(account = %from, to = %to, "a move between accounts is withdrawn");
            forget(account, operation).await
        }
        Err(error) => {
            warn!(account = %from, to = %to, %error, "a move between accounts waits");
            false
        }
    }
}

/// The messages have arrived: they are expunged where they were, then both forget.
pub(crate) async fn finish(account: &Account, target: &Account, operation: u128) -> bool {
    let finished = account.execute(Command::FinishTransfer(operation)).await;
    finished.is_ok() && forget(target, operation).await
}

async fn arrived(accounts: &Accounts, account: &Account, operation: u128, from: AccountId) -> bool {
    match accounts.open(from).await {
        // Its own turn comes.
        Ok(source) if source.snapshot().transfer(operation).is_some() => true,
        Ok(_) | Err(OpenError::Missing) => forget(account, operation).await,
        Err(OpenError::Unavailable) => false,
    }
}

pub(crate) async fn forget(account: &Account, operation: u128) -> bool {
    let forgotten = account.execute(Command::ForgetTransfer(operation)).await;
    forgotten.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Env;
    use crate::limits::Limits;
    use crate::stream::Node;
    use account::{HoldSettings, NewMessage, Source};
    use std::sync::Arc;
    use store::{MemoryStore, Store};
    use terms::{BlobId, MailboxId, Uid, UidSet};

    const FROM: AccountId = AccountId(1);
    const TO: AccountId = AccountId(2);
    const OPERATION: u128 = 7;

    /// What is left where a process ends: the store. Every step is done by another.
    struct Nodes {
        store: Arc<MemoryStore>,
        now: Timestamp,
    }

    impl Nodes {
        fn next(&self) -> Accounts {
            let env = Env::simulated(1, self.now);
            let node = Node::new(env, Limits::default());
            Accounts::new(node, self.store.clone())
        }

        async fn execute(&self, id: AccountId, command: Command) -> bool {
            let account = self.next().open(id).await.unwrap();
            account.execute(command).await.is_ok()
        }

        async fn blob(&self, blob: u128) -> NewMessage {
            let mut sink = self.store.blob_sink(BlobId(blob), None);
            sink.write(b"a\r\n").await.unwrap();
            sink.finish(bytes::Bytes::new()).await.unwrap();
            NewMessage::new(BlobId(blob), 3)
        }

        /// Messages in both, and operations that are not over.
        async fn counts(&self) -> (u32, u32, usize) {
            let accounts = self.next();
            let from = accounts.open(FROM).await.unwrap().snapshot();
            let to = accounts.open(TO).await.unwrap().snapshot();
            let messages =
                |state: &account::State| state.mailbox(MailboxId::INBOX).unwrap().counts.messages;
            let open = from.transfers().count() + to.transfers().count();
            (messages(&from), messages(&to), open)
        }

        /// A day of looking after both, by whoever is there.
        async fn settle(&mut self) {
            for _ in 0..3 {
                self.now = self.now.plus_millis(86_400_000);
                for id in [FROM, TO] {
                    let accounts = self.next();
                    let account = accounts.open(id).await.unwrap();
                    assert!(settle(&accounts, &account, self.now).await);
                }
            }
        }
    }

    async fn nodes() -> Nodes {
        let nodes = Nodes {
            store: Arc::new(MemoryStore::new()),
            now: Timestamp::from_seconds(1_767_225_600),
        };
        for id in [FROM, TO] {
            let limits = account::Limits::default();
            let created = nodes.next();
            let created = created.create(id, limits, HoldSettings::default(), None);
            created.await.unwrap();
        }
        let messages = vec![nodes.blob(1).await, nodes.blob(2).await];
        let command = Command::Append {
            mailbox: MailboxId::INBOX.into(),
            create: false,
            messages,
            source: Source::Append,
        };
        assert!(nodes.execute(FROM, command).await);
        nodes
    }

    fn begin() -> Command {
        Command::BeginTransfer {
            operation: OPERATION,
            to: TO,
            mailbox: MailboxId::INBOX,
            uids: UidSet::single(Uid::MIN),
        }
    }

    async fn receive(nodes: &Nodes) -> Command {
        Command::ReceiveTransfer {
            operation: OPERATION,
            from: FROM,
            mailbox: MailboxId::INBOX,
            messages: vec![nodes.blob(3).await],
        }
    }

    #[tokio::test(start_paused = true)]
    async fn wherever_it_ends_messages_are_in_one_account() {
        for steps in 0..=4 {
            let mut nodes = nodes().await;
            let all = [
                (FROM, begin()),
                (TO, receive(&nodes).await),
                (FROM, Command::FinishTransfer(OPERATION)),
                (TO, Command::ForgetTransfer(OPERATION)),
            ];
            for (id, command) in all.into_iter().take(steps) {
                assert!(nodes.execute(id, command).await, "{steps}");
            }
            nodes.settle().await;
            let wanted = if steps < 2 { (2, 0, 0) } else { (1, 1, 0) };
            assert_eq!(nodes.counts().await, wanted, "after {steps} steps");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_withdrawn_does_not_arrive() {
        let nodes = nodes().await;
        assert!(nodes.execute(FROM, begin()).await);
        // Meanwhile nobody begins it anew.
        let again = Command::BeginTransfer {
            operation: OPERATION + 1,
            to: TO,
            mailbox: MailboxId::INBOX,
            uids: UidSet::range(Uid::MIN, Uid::MAX),
        };
        assert!(!nodes.execute(FROM, again).await);
        let late = receive(&nodes).await;
        let mut later = nodes;
        later.now = later.now.plus_millis(600_000);
        let accounts = later.next();
        let account = accounts.open(FROM).await.unwrap();
        assert!(settle(&accounts, &account, later.now).await);
        assert!(!later.execute(TO, late).await);
        later.settle().await;
        assert_eq!(later.counts().await, (2, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_settled_before_its_time() {
        let nodes = nodes().await;
        assert!(nodes.execute(FROM, begin()).await);
        let accounts = nodes.next();
        let account = accounts.open(FROM).await.unwrap();
        assert!(settle(&accounts, &account, nodes.now).await);
        assert!(nodes.execute(TO, receive(&nodes).await).await);
        assert_eq!(nodes.counts().await, (2, 1, 2));
    }
}
