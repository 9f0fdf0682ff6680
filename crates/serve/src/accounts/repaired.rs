//! An account and a directory whose logs have a hole: read as far as they go,
//! left in peace, and after the repair written on.

use super::{Account, Accounts, ExecuteError, Registry};
use crate::{Env, Limits, Node};
use account::directory::{self, NewAccount};
use account::{Command, HoldSettings, MailboxRef};
use std::sync::Arc;
use std::time::Duration;
use store::{MemoryStore, Store};
use terms::{AccountId, MailboxName};

const ID: AccountId = AccountId(5);

fn node() -> Arc<Node> {
    Node::new(Env::system(), Limits::default())
}

fn create(name: &str) -> Command {
    Command::CreateMailbox {
        name: MailboxName::new(name).unwrap(),
        special_uses: account::SpecialUses::default(),
    }
}

fn has(account: &Account, name: &str) -> bool {
    let name = MailboxName::new(name).unwrap();
    account.snapshot().mailbox_named(&name).is_some()
}

/// No writer is at work: whoever waits for news must not keep one busy.
async fn at_rest(accounts: &Accounts) {
    tokio::time::timeout(Duration::from_secs(60), accounts.settled())
        .await
        .expect("writers that do not end");
}

#[tokio::test(start_paused = true)]
async fn a_hole_keeps_nobody_busy_and_numbers_jump_after_its_repair() {
    let store = Arc::new(MemoryStore::new());
    let memory: Arc<dyn Store> = Arc::clone(&store) as _;
    let accounts = Accounts::new(node(), memory);
    let limits = account::Limits::default();
    let account = accounts
        .create(ID, limits, HoldSettings::default(), None)
        .await
        .unwrap();
    account.execute(create("kept")).await.unwrap();
    let kept = account.snapshot().head();
    let inbox = MailboxRef::Name(MailboxName::inbox());
    let uid_next = |account: &Account| {
        let MailboxRef::Name(name) = &inbox else {
            unreachable!()
        };
        account.snapshot().mailbox_named(name).unwrap().uid_next
    };
    let before = uid_next(&account);
    account.execute(create("lost")).await.unwrap();
    let told = account.snapshot().head();
    store.lose_commits_after(ID, kept);

    // Somebody who comes new to it, and waits for news.
    let accounts = Accounts::new(node(), store.clone());
    let account = accounts.open(ID).await.unwrap();
    assert!(has(&account, "kept") && !has(&account, "lost"));
    let waiting = account.newer_than(kept);
    let waited = tokio::time::timeout(Duration::from_secs(10), waiting).await;
    assert!(waited.is_err(), "there is no news");
    at_rest(&accounts).await;
    let refused = account.execute(create("more")).await;
    assert!(matches!(refused, Err(ExecuteError::Damaged)));
    at_rest(&accounts).await;

    // Whatever comes first after the repair begins with an Epoch.
    store.repair(ID).await.unwrap();
    account.execute(create("more")).await.unwrap();
    assert!(account.snapshot().head() > told);
    assert!(uid_next(&account) > before, "UIDs jump");
    account.execute(create("again")).await.unwrap();
    let head = account.snapshot().head();
    let accounts = Accounts::new(node(), store.clone());
    let account = accounts.open(ID).await.unwrap();
    assert_eq!(account.snapshot().head(), head);
    assert!(has(&account, "again") && has(&account, "more"));
    at_rest(&accounts).await;
}

#[tokio::test(start_paused = true)]
async fn a_directory_goes_on_after_its_repair() {
    let store = Arc::new(MemoryStore::new());
    let add = |name: &str, id: u128| {
        let account = NewAccount {
            name: name.to_owned(),
            id: AccountId(id),
            verifiers: Vec::new(),
            settings: std::collections::BTreeMap::new(),
        };
        directory::Command::AddAccounts(vec![account])
    };
    let id = AccountId::DIRECTORY;
    let open = async || {
        let registry = Registry::<directory::State>::new(node(), store.clone());
        let handle = registry.open(id).await.unwrap();
        (registry, handle)
    };
    let (_first, handle) = open().await;
    handle.execute(add("kept", 1)).await.unwrap();
    let kept = handle.snapshot().head();
    handle.execute(add("lost", 2)).await.unwrap();
    store.lose_commits_after(id, kept);
    let (_second, handle) = open().await;
    let refused = handle.execute(add("more", 3)).await;
    assert!(matches!(refused, Err(ExecuteError::Damaged)));
    store.repair(id).await.unwrap();
    handle.execute(directory::Command::Epoch).await.unwrap();
    handle.execute(add("more", 3)).await.unwrap();
    let (_third, handle) = open().await;
    let state = handle.snapshot();
    for (name, there) in [("kept", true), ("lost", false), ("more", true)] {
        assert_eq!(state.account(name).is_some(), there, "{name}");
    }
    assert_eq!(state.head(), handle.fresh().await.unwrap().head());
}
