//! An account and a directory whose logs have a hole: read as far as they go,
//! left in peace, and after the repair written on.

use super::{Account, Accounts, ExecuteError, Registry};
use crate::{Env, Limits, Node};
use account::directory::{self, NewAccount};
use account::{Command, HoldSettings, MailboxRef, NewMessage, Part, Source};
use std::sync::Arc;
use std::time::Duration;
use store::fault::Machine;
use store::index::OrderedIndex;
use store::{DiskStore, MemoryStore, Options, Store};
use terms::{AccountId, BlobId, MailboxName, ModSeq};

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

    // Lost once more, with the Epoch: what it let jump is not told again either.
    let told = uid_next(&account);
    store.lose_commits_after(ID, kept);
    let accounts = Accounts::new(node(), store.clone());
    store.repair(ID).await.unwrap();
    let account = accounts.open(ID).await.unwrap();
    account.execute(create("last")).await.unwrap();
    assert!(has(&account, "last") && !has(&account, "more"));
    assert!(account.snapshot().head() > head);
    assert!(uid_next(&account) > told);
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
    handle
        .execute(directory::Command::Epoch { told: ModSeq::ZERO })
        .await
        .unwrap();
    handle.execute(add("more", 3)).await.unwrap();
    let (_third, handle) = open().await;
    let state = handle.snapshot();
    for (name, there) in [("kept", true), ("lost", false), ("more", true)] {
        assert_eq!(state.account(name).is_some(), there, "{name}");
    }
    assert_eq!(state.head(), handle.fresh().await.unwrap().head());
}

/// A store on these files, whose index has to be built from them.
fn store_on(files: &[(String, Vec<u8>)]) -> (Machine, Arc<DiskStore>) {
    let machine = Machine::new(1);
    for (name, octets) in files {
        machine.plant(name, octets);
    }
    let store = restarted(&machine);
    (machine, store)
}

fn restarted(machine: &Machine) -> Arc<DiskStore> {
    let options = Options {
        segment_octets: 256 << 10,
        ..Options::small()
    };
    let index = Arc::new(OrderedIndex::new());
    Arc::new(DiskStore::open(options, machine.process(), index).unwrap())
}

fn mark(number: u64) -> String {
    format!("X-Mark: number {number:04}.\r\n")
}

async fn append(
    store: &DiskStore,
    account: &Account,
    number: u64,
    padding: usize,
) -> Result<(), ExecuteError<account::Refusal>> {
    let blob = BlobId(u128::from(number) + 1_000);
    let mut sink = store.blob_sink(blob, None);
    sink.write(b"x").await.unwrap();
    sink.finish(bytes::Bytes::new()).await.unwrap();
    let mut prefix = mark(number).into_bytes();
    prefix.extend(std::iter::repeat_n(b'y', padding));
    let message = NewMessage {
        prefix,
        ..NewMessage::new(blob, 900)
    };
    let append = Command::Append {
        mailbox: MailboxRef::Name(MailboxName::inbox()),
        create: false,
        messages: vec![message],
        source: Source::Delivery,
    };
    account.execute(append).await.map(drop)
}

/// The numbers of the messages that are there, and the UID that comes next.
async fn messages(account: &Account) -> (Vec<u64>, u32) {
    let inbox = account
        .snapshot()
        .mailbox_named(&MailboxName::inbox())
        .unwrap()
        .id;
    let state = account.with(vec![Part::Table(inbox)]).await.unwrap();
    let mailbox = state.mailbox(inbox).unwrap();
    let rows = state.table(inbox).unwrap().rows();
    let numbers = rows.map(|row| {
        let text = str::from_utf8(row.prefix).unwrap();
        text.get(15..19).unwrap().parse().unwrap()
    });
    (
        numbers.collect(),
        mailbox.uid_next.map_or(0, terms::Uid::value),
    )
}

/// An account with `count` messages, its log folded on the way as it goes. Gives
/// its files, what its newest checkpoint covers, where its root stands, and the
/// number of each message's change.
async fn filled(count: u64, padding: usize) -> (Vec<(String, Vec<u8>)>, [ModSeq; 2], Vec<ModSeq>) {
    let (machine, store) = store_on(&[]);
    let accounts = Accounts::new(node(), store.clone());
    let limits = account::Limits::default();
    let account = accounts
        .create(ID, limits, HoldSettings::default(), None)
        .await
        .unwrap();
    let mut heads = Vec::new();
    for number in 1..=count {
        append(&store, &account, number, padding).await.unwrap();
        heads.push(account.snapshot().head());
        at_rest(&accounts).await;
    }
    let loaded = store.load(ID, store::Sections::Root).await.unwrap();
    let folded = [loaded.covers, loaded.sections[0].number];
    store.close().await;
    let names = machine.names().into_iter();
    let files = names.map(|name| (name.clone(), machine.file(&name).unwrap()));
    (files.collect(), folded, heads)
}

/// Turns a bit over wherever `mark` stands.
fn damaged(files: &[(String, Vec<u8>)], mark: &str) -> Vec<(String, Vec<u8>)> {
    let mut files = files.to_vec();
    let mut places = 0;
    for (_, octets) in &mut files {
        let found: Vec<usize> = memchr::memmem::find_iter(octets, mark.as_bytes()).collect();
        places += found.len();
        for at in found {
            octets[at + 3] ^= 1;
        }
    }
    assert!(places > 0, "the journal has no {mark}");
    files
}

/// Each commit of the log damaged in turn, whatever was folded before and after.
async fn every_commit_damaged(count: u64, padding: usize) {
    let (files, [covers, root], heads) = filled(count, padding).await;
    assert!(root > covers, "the root was folded alone: {root} {covers}");
    // Long messages have everything folded before.
    assert_eq!(padding > 0, covers > ModSeq::ZERO, "{covers}");
    let after = heads.iter().filter(|head| **head > covers).count() as u64;
    for lost in count - after + 1..=count {
        let (machine, store) = store_on(&damaged(&files, &mark(lost)));
        let found = store.verify(&|_| {}).await.unwrap();
        assert_eq!(found.damaged_accounts, [ID], "{lost}");
        let accounts = Accounts::new(node(), store.clone());
        let account = accounts.open(ID).await.unwrap();
        let kept: Vec<u64> = (1..lost).collect();
        assert_eq!(messages(&account).await.0, kept, "{lost}");
        let refused = append(&store, &account, 5_000, 0).await;
        assert!(matches!(refused, Err(ExecuteError::Damaged)), "{lost}");

        store.repair(ID).await.unwrap();
        account
            .execute(Command::Epoch { told: ModSeq::ZERO })
            .await
            .unwrap();
        append(&store, &account, 5_001, 0).await.unwrap();
        let expected = [kept, vec![5_001]].concat();
        for fresh in [false, true] {
            // Once more without the index, and long after.
            let store = if fresh {
                restarted(&machine)
            } else {
                store.clone()
            };
            let accounts = Accounts::new(node(), store.clone());
            let account = accounts.open(ID).await.unwrap();
            let (there, uid_next) = messages(&account).await;
            assert_eq!(there, expected, "{lost} {fresh}");
            assert!(u64::from(uid_next) > count + 2, "{lost}: {uid_next}");
            assert!(account.snapshot().head() > *heads.last().unwrap());
            let found = store.verify(&|_| {}).await.unwrap();
            assert!(found.damaged_accounts.is_empty(), "{lost}");
            store.close().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_damaged_commit_of_a_short_log_is_survived() {
    every_commit_damaged(150, 0).await;
}

#[tokio::test(start_paused = true)]
async fn every_damaged_commit_since_a_checkpoint_is_survived() {
    every_commit_damaged(148, 750).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_section_costs_its_own_messages() {
    let (files, [covers, _], heads) = filled(148, 750).await;
    assert!(covers > ModSeq::ZERO);
    // The first message's commit and the section that it is folded into.
    let (machine, store) = store_on(&damaged(&files, &mark(1)));
    let found = store.verify(&|_| {}).await.unwrap();
    assert_eq!(found.damaged_accounts, [ID]);
    let told = store.repair(ID).await.unwrap();
    let accounts = Accounts::new(node(), store.clone());
    let losses = accounts.salvage(ID).await.unwrap();
    let [(name, lost)] = &losses.messages[..] else {
        panic!("{losses:?}");
    };
    assert_eq!(name, &MailboxName::inbox());
    let account = accounts.open(ID).await.unwrap();
    account.execute(Command::Epoch { told }).await.unwrap();
    append(&store, &account, 5_001, 0).await.unwrap();
    let first = u64::from(*lost) + 1;
    assert!(first > 1 && first < 149, "{first}");
    let expected: Vec<u64> = (first..=148).chain([5_001]).collect();
    assert_eq!(messages(&account).await.0, expected);
    assert!(account.snapshot().head() > *heads.last().unwrap());
    store.close().await;
    let store = restarted(&machine);
    let accounts = Accounts::new(node(), store.clone());
    assert_eq!(
        accounts.salvage(ID).await.unwrap(),
        account::Losses::default()
    );
    let account = accounts.open(ID).await.unwrap();
    assert_eq!(messages(&account).await.0, expected);
    let found = store.verify(&|_| {}).await.unwrap();
    assert!(found.damaged_accounts.is_empty());
    store.close().await;
}
