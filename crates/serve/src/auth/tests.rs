//! The directory over a store in memory: names, passwords, adding, removing.

use super::*;
use crate::accounts::{AccountName, Accounts, ExecuteError, NameRules, OpenError};
use crate::{Env, Limits, Node};
use account::directory::Command;
use proto::smtp::Address;
use std::sync::Arc;
use std::time::Duration;
use store::{MemoryStore, Outcome, Store};
use terms::{AccountId, Timestamp};

const CHEAP: Cost = Cost {
    memory: 64,
    passes: 1,
    iterations: 16,
};

pub(crate) async fn opened(store: &MemoryStore, seed: u64) -> Directory {
    opened_at(store, seed, Timestamp::from_seconds(1_700_000_000)).await
}

/// Opened by a process whose wall clock says `wall`.
pub(crate) async fn opened_at(store: &MemoryStore, seed: u64, wall: Timestamp) -> Directory {
    let env = Env::simulated(seed, wall);
    let node = Node::new(env, Limits::default());
    let accounts = Accounts::new(Arc::clone(&node), Arc::new(store.clone()));
    let rules = NameRules {
        default_domain: Some("example.org".to_owned()),
        ..NameRules::default()
    };
    Directory::open(accounts, Auth::new(node, CHEAP), rules)
        .await
        .unwrap()
}

pub(crate) async fn add(directory: &Directory, name: &str, password: &str) -> crate::Account {
    let password = Password::new(password.as_bytes()).unwrap();
    let verifiers = directory.auth().make(&password).await.unwrap();
    let name = AccountName::new(name, directory.rules()).unwrap();
    directory
        .add(Addition {
            name,
            verifiers,
            limits: None,
            hold: None,
        })
        .await
        .unwrap()
}

async fn login(directory: &Directory, name: &str, password: &str) -> Result<AccountId, LoginError> {
    let access = Access {
        mechanism: None,
        protocol: Protocol::Imap,
        peer: crate::Peer::Memory,
        bindings: Vec::new(),
        certificate: None,
    };
    let login = directory.login(&access, name, password.as_bytes()).await?;
    Ok(login.account.id())
}

async fn recipient(directory: &Directory, path: &str) -> Result<Option<String>, RecipientError> {
    let address = Address::parse(path).unwrap();
    let found = directory.recipient(&address).await?;
    Ok(found.detail)
}

#[tokio::test(start_paused = true)]
async fn who_logs_in_is_known_by_name_and_password() {
    let store = MemoryStore::new();
    let directory = opened(&store, 1).await;
    let ann = add(&directory, "Ann", "right").await;
    assert_eq!(login(&directory, "ann", "right").await, Ok(ann.id()));
    assert_eq!(
        login(&directory, "ANN@Example.ORG", "right").await,
        Ok(ann.id())
    );
    let long = "x".repeat(Password::OCTETS_MAX + 1);
    for (name, password) in [
        ("ann", "wrong"),
        ("ann", ""),
        ("ann", &long),
        ("bob", "right"),
        ("ann+phone", "right"),
        ("a b", "right"),
        ("ann@example.com", "right"),
    ] {
        let asked = tokio::time::Instant::now();
        assert_eq!(
            login(&directory, name, password).await,
            Err(LoginError::Wrong),
            "{name}"
        );
        assert_eq!(asked.elapsed(), Limits::default().wrong_password_delay);
    }
    let disable = Command::SetEnabled {
        name: "ann@example.org".to_owned(),
        enabled: false,
    };
    directory.execute(disable).await.unwrap();
    assert_eq!(
        login(&directory, "ann", "right").await,
        Err(LoginError::Wrong)
    );
}

/// What is filed now and then is filed before the store closes.
#[tokio::test(start_paused = true)]
async fn last_use_is_filed_at_the_end() {
    let store = MemoryStore::new();
    let directory = opened(&store, 1).await;
    let ann = add(&directory, "ann", "right").await;
    login(&directory, "ann", "right").await.unwrap();
    let uses = |directory: &Directory| {
        let state = directory.snapshot();
        state.record(ann.id()).unwrap().uses.len()
    };
    assert_eq!(uses(&directory), 0);
    directory.close().await;
    assert_eq!(uses(&directory), 1);
}

#[tokio::test(start_paused = true)]
async fn a_right_password_renews_old_verifiers() {
    let store = MemoryStore::new();
    let directory = opened(&store, 1).await;
    let name = AccountName::new("ann", directory.rules()).unwrap();
    directory
        .add(Addition {
            name: name.clone(),
            verifiers: vec!["{PLAIN}right".to_owned()],
            limits: None,
            hold: None,
        })
        .await
        .unwrap();
    assert!(login(&directory, "ann", "wrong").await.is_err());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let verifiers = |directory: &Directory| {
        let state = directory.snapshot();
        state.account("ann@example.org").unwrap().verifiers.clone()
    };
    assert_eq!(verifiers(&directory), ["{PLAIN}right"]);
    login(&directory, "ann", "right").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let made = verifiers(&directory);
    assert_eq!(made.len(), 3);
    assert!(is_strong(made.first().unwrap(), CHEAP));
    login(&directory, "ann", "right").await.unwrap();

    let other = Password::new(b"other").unwrap();
    directory.set_password(&name, &other).await.unwrap();
    // What is remembered is no way around a new password.
    assert!(login(&directory, "ann", "right").await.is_err());
    login(&directory, "ann", "other").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn recipients_are_exact_before_they_are_split() {
    let store = MemoryStore::new();
    let directory = opened(&store, 1).await;
    add(&directory, "ann", "x").await;
    add(&directory, "ann+list", "x").await;
    add(&directory, "eve@other.example", "x").await;
    let alias = Command::AddAlias {
        alias: "info@example.org".to_owned(),
        name: "ann@example.org".to_owned(),
    };
    directory.execute(alias).await.unwrap();
    for (path, found) in [
        ("ann", Ok(None)),
        ("ANN@Example.org", Ok(None)),
        ("ann+List@example.org", Ok(None)),
        ("ann+Work@example.org", Ok(Some("Work".to_owned()))),
        ("info+a+b@example.org", Ok(Some("a+b".to_owned()))),
        ("eve@other.example", Ok(None)),
        ("bob@example.org", Err(RecipientError::UnknownUser)),
        ("eve@example.org", Err(RecipientError::UnknownUser)),
        ("ann@nowhere.example", Err(RecipientError::UnknownDomain)),
        ("\"ann@x\"@example.org", Err(RecipientError::UnknownUser)),
    ] {
        assert_eq!(recipient(&directory, path).await, found, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_is_added_and_removed_on_every_node() {
    let store = MemoryStore::new();
    let (one, two) = (opened(&store, 1).await, opened(&store, 2).await);
    let ann = add(&one, "ann", "right").await;
    assert_eq!(login(&two, "ann", "right").await, Ok(ann.id()));
    let name = AccountName::new("ann", one.rules()).unwrap();
    let again = Addition {
        name: name.clone(),
        verifiers: Vec::new(),
        limits: None,
        hold: None,
    };
    assert!(matches!(
        two.add(again).await,
        Err(OperatorError::Refused(_))
    ));
    let first = ann.snapshot().last_uid_validity();
    two.remove(&name).await.unwrap();
    assert!(login(&one, "ann", "right").await.is_err());
    for directory in [&one, &two] {
        assert_eq!(
            directory.accounts().open(ann.id()).await.err(),
            Some(OpenError::Missing)
        );
    }
    // A session that still has it open finds it gone.
    assert!(ann.fresh().await.is_err());
    let subscribe = account::Command::Subscribe {
        name: terms::MailboxName::inbox(),
        subscribed: false,
    };
    assert_eq!(ann.execute(subscribe).await, Err(ExecuteError::Unavailable));
    // The same name again is another account, and its UIDVALIDITYs are above.
    let new = add(&one, "ann", "right").await;
    assert_ne!(new.id(), ann.id());
    let second = new.snapshot().mailboxes().map(|m| m.uid_validity).min();
    assert!(second > first);
    assert_eq!(store.list(None, 10).await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_removal_is_finished() {
    let store = MemoryStore::new();
    let ann = {
        let directory = opened(&store, 1).await;
        let ann = add(&directory, "ann", "x").await;
        let begin = Command::RemoveAccount {
            name: "ann@example.org".to_owned(),
            uid_validity: None,
        };
        directory.execute(begin).await.unwrap();
        ann.id()
    };
    assert!(store.list(None, 10).await.unwrap().contains(&ann));
    let directory = opened(&store, 2).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!store.list(None, 10).await.unwrap().contains(&ann));
    assert_eq!(directory.snapshot().removals().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn many_are_added_and_a_taken_name_stops_it() {
    let store = MemoryStore::new();
    let directory = opened(&store, 1).await;
    let addition = |number: usize| Addition {
        name: AccountName::new(&format!("u{number}"), directory.rules()).unwrap(),
        verifiers: vec![format!("{{PLAIN}}p{number}")],
        limits: None,
        hold: None,
    };
    let mut seen = 0;
    directory
        .add_many((0..2_500).map(addition).collect(), |done| seen = done)
        .await
        .unwrap();
    assert_eq!(seen, 2_500);
    assert_eq!(directory.snapshot().account_count(), 2_500);
    login(&directory, "u2499", "p2499").await.unwrap();
    assert!(
        directory
            .add_many(vec![addition(2_500), addition(7)], |_| ())
            .await
            .is_err()
    );
    // Found again by another node, from the checkpoint.
    let other = opened(&store, 2).await;
    assert!(other.snapshot().account_count() >= 2_500);
}

#[tokio::test(start_paused = true)]
async fn what_was_expunged_is_let_go_when_it_is_due() {
    use account::{Cause, MailboxRef, NewMessage, Source, Which};
    let store = MemoryStore::new();
    let directory = opened(&store, 1).await;
    let ann = add(&directory, "ann", "x").await;
    let blob = terms::BlobId(9);
    let mut sink = store.blob_sink(blob, None);
    sink.write(b"Subject: x\r\n\r\n").await.unwrap();
    sink.finish(bytes::Bytes::new()).await.unwrap();
    // A lost answer on the way is nobody's business.
    store.fail_next_commit(Outcome::Applied);
    ann.execute(account::Command::Append {
        mailbox: MailboxRef::Id(terms::MailboxId::INBOX),
        create: false,
        messages: vec![NewMessage::new(blob, 14)],
        source: Source::Delivery,
    })
    .await
    .unwrap();
    ann.execute(account::Command::Expunge {
        mailbox: terms::MailboxId::INBOX,
        which: Which::All,
        deleted_only: false,
        cause: Cause::Expunge,
    })
    .await
    .unwrap();
    drop(ann);
    assert_eq!(store.blob_count(), 1);
    tokio::time::sleep(Duration::from_secs(6 * 86_400)).await;
    assert_eq!(store.blob_count(), 1);
    tokio::time::sleep(Duration::from_secs(3 * 86_400)).await;
    assert_eq!(store.blob_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_full_store_takes_no_mail_but_logins() {
    let store = MemoryStore::new();
    let directory = opened(&store, 1).await;
    let ann = add(&directory, "ann", "x").await;
    let blob = terms::BlobId(9);
    let sink = store.blob_sink(blob, None);
    sink.finish(bytes::Bytes::new()).await.unwrap();
    store.set_full(true);
    let append = account::Command::Append {
        mailbox: account::MailboxRef::Id(terms::MailboxId::INBOX),
        create: false,
        messages: vec![account::NewMessage::new(blob, 0)],
        source: account::Source::Delivery,
    };
    assert_eq!(ann.execute(append).await, Err(ExecuteError::Full));
    assert_eq!(login(&directory, "ann", "x").await, Ok(ann.id()));
}
