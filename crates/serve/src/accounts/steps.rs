//! Commands that touch more rows than a commit may hold.

use super::{Account, Accounts};
use crate::{Env, Limits, Node};
use account::{
    Collect, Command, DeviceId, HoldSettings, MailboxRef, NewMessage, Outcome, Source, UndoWhich,
    Which,
};
use bytes::Bytes;
use std::sync::Arc;
use store::{MemoryStore, Store};
use terms::{AccountId, BlobId, EmailNumber, MailboxId, Timestamp, Uid, UidSet};

/// An account whose INBOX has one message 2^`doublings` times.
async fn account_with(doublings: u32) -> (Accounts, Account, EmailNumber) {
    let env = Env::simulated(1, Timestamp::from_seconds(1_767_225_600));
    let store = Arc::new(MemoryStore::new());
    let accounts = Accounts::new(Node::new(env, Limits::default()), store.clone());
    let hold = HoldSettings {
        hold: account::Hold::Remove,
        ..HoldSettings::default()
    };
    let limits = account::Limits::default();
    let account = accounts
        .create(AccountId(1), limits, hold, None)
        .await
        .unwrap();
    let mut sink = store.blob_sink(BlobId(1), None);
    sink.write(b"x").await.unwrap();
    sink.finish(Bytes::new()).await.unwrap();
    let append = Command::Append {
        mailbox: MailboxRef::Id(MailboxId::INBOX),
        create: false,
        messages: vec![NewMessage::new(BlobId(1), 1)],
        source: Source::Append,
    };
    let Ok(Outcome::Appended { first_email, .. }) = account.execute(append).await else {
        panic!("not appended");
    };
    for _ in 0..doublings {
        let copy = Command::Copy {
            from: MailboxId::INBOX,
            uids: UidSet::range(Uid::MIN, Uid::MAX),
            all: false,
            to: MailboxRef::Id(MailboxId::INBOX),
        };
        account.execute(copy).await.unwrap();
    }
    (accounts, account, first_email)
}

fn messages(account: &Account) -> u32 {
    let state = account.snapshot();
    state.mailbox(MailboxId::INBOX).unwrap().counts.messages
}

#[tokio::test(start_paused = true)]
async fn what_was_expunged_in_parts_comes_back_whole() {
    let (_accounts, account, _) = account_with(14).await;
    let expunge = Command::Expunge {
        mailbox: MailboxId::INBOX,
        which: Which::All,
        deleted_only: false,
        cause: account::Cause::Expunge,
    };
    let Ok(Outcome::Expunged { uids, .. }) = account.execute(expunge).await else {
        panic!("not expunged");
    };
    assert_eq!((uids.count(), messages(&account)), (1 << 14, 0));
    let undo = Command::Undo {
        which: UndoWhich::default(),
        keep_collected: true,
    };
    assert_eq!(
        account.execute(undo).await,
        Ok(Outcome::Restored {
            count: 1 << 14,
            over_quota: false
        })
    );
    assert_eq!(messages(&account), 1 << 14);
}

#[tokio::test(start_paused = true)]
async fn what_is_collected_goes_whole() {
    let (_accounts, account, email) = account_with(17).await;
    let collect = Command::Collect {
        device: DeviceId::DEFAULT,
        how: Collect::Dele,
        messages: vec![(email, Uid::MIN)],
    };
    let Ok(Outcome::Collected {
        collected,
        expunged,
    }) = account.execute(collect).await
    else {
        panic!("not collected");
    };
    assert_eq!((collected, expunged.count()), (1, 1 << 17));
    assert_eq!(messages(&account), 0);
}
