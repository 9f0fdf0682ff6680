//! The hold over a whole directory: defaults that accounts follow, owners that are
//! told, the wall clock over restarts.

use super::tests::{add, opened, opened_at};
use super::*;
use account::directory::{Command, Domain, NewAccount};
use account::{Collect, DeviceId, DeviceProtocols, Hold, HoldSettings, NewMessage, Source};
use std::time::Duration;
use store::MemoryStore;
use terms::{AccountId, BlobId, EmailNumber, MailboxId, Timestamp, Uid};

const DAY: u64 = 86_400;

fn days(days: u32) -> HoldSettings {
    HoldSettings {
        hold: Hold::Span(days * 86_400),
        ..HoldSettings::default()
    }
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

fn hold_of(account: &crate::Account) -> Hold {
    account.snapshot().hold().hold
}

/// One message in INBOX.
async fn mail(directory: &Directory, account: &crate::Account, blob: u128) {
    let blob = BlobId(blob);
    let mut sink = directory.store().blob_sink(blob, None);
    sink.write(b"Subject: x\r\n\r\n").await.unwrap();
    sink.finish(bytes::Bytes::new()).await.unwrap();
    let command = account::Command::Append {
        mailbox: MailboxId::INBOX.into(),
        create: false,
        messages: vec![NewMessage::new(blob, 14)],
        source: Source::Delivery,
    };
    account.execute(command).await.unwrap();
}

async fn collect(account: &crate::Account, device: DeviceId) {
    let command = account::Command::Collect {
        device,
        how: Collect::Dele,
        messages: vec![(EmailNumber(1), Uid::MIN)],
    };
    account.execute(command).await.unwrap();
}

fn messages(account: &crate::Account) -> u32 {
    let state = account.snapshot();
    state.mailbox(MailboxId::INBOX).unwrap().counts.messages
}

#[tokio::test(start_paused = true)]
async fn accounts_follow_their_domain_and_else_the_node() {
    let store = MemoryStore::new();
    let directory = opened(&store, 1).await;
    let alice = add(&directory, "alice", "x").await;
    let bob = add(&directory, "bob@example.net", "x").await;
    assert_eq!(hold_of(&alice), Hold::Span(30 * 86_400));
    let own = Command::Set {
        name: "bob@example.net".into(),
        key: account::directory::Record::HOLD.into(),
        value: Some("own".into()),
    };
    directory.execute(own).await.unwrap();
    // What is configured, then what the store has for the node, then the domain's.
    directory.configure_hold(HoldDefaults {
        hold: days(20),
        ..HoldDefaults::default()
    });
    pass(70).await;
    assert_eq!(hold_of(&alice), Hold::Span(20 * 86_400));
    let node = Command::SetNode {
        hold: Some(Some(days(40))),
        settings: Vec::new(),
    };
    directory.execute(node).await.unwrap();
    pass(70).await;
    assert_eq!(hold_of(&alice), Hold::Span(40 * 86_400));
    let domain = Command::SetDomain {
        name: "example.org".into(),
        domain: Domain {
            hold: Some(days(10)),
            ..Domain::default()
        },
    };
    directory.execute(domain).await.unwrap();
    pass(70).await;
    assert_eq!(hold_of(&alice), Hold::Span(10 * 86_400));
    // It waits a day, as any change that lets mail go sooner.
    let hold = alice.snapshot().hold();
    assert_eq!(hold.floor(), hold.changed.plus_millis(86_400_000));
    // A new account is made with it and waits for nothing.
    let carl = add(&directory, "carl", "x").await;
    assert_eq!(carl.snapshot().hold(), days(10));
    // Bob has his own.
    assert_eq!(hold_of(&bob), Hold::Span(30 * 86_400));
    // Once all follow, nothing is written any more.
    let head = directory.snapshot().head();
    pass(600).await;
    assert_eq!(directory.snapshot().head(), head);
}

/// Few at a time, and a restart goes on where it was.
#[tokio::test(start_paused = true)]
async fn defaults_are_followed_step_by_step() {
    let store = MemoryStore::new();
    let directory = opened(&store, 1).await;
    for name in ["a", "b", "c", "d", "e"] {
        add(&directory, name, "x").await;
    }
    let node = Command::SetNode {
        hold: Some(Some(days(40))),
        settings: Vec::new(),
    };
    directory.execute(node).await.unwrap();
    assert!(!directory.follow_defaults(2).await);
    let second = opened(&store, 2).await;
    assert_eq!(following(&second, 40).await, 2);
    assert!(!second.follow_defaults(2).await);
    assert_eq!(following(&second, 40).await, 4);
    assert!(second.follow_defaults(2).await);
    assert_eq!(following(&second, 40).await, 5);
    assert!(second.follow_defaults(2).await);
}

/// An account that cannot be set is tried again, by another process too; one that was
/// added while others were looked at is looked at in the end.
#[tokio::test(start_paused = true)]
async fn nobody_is_left_behind() {
    let store = MemoryStore::new();
    let first = opened(&store, 1).await;
    for name in ["c", "d"] {
        add(&first, name, "x").await;
    }
    let enter = |name: &str, id| {
        let entry = NewAccount {
            name: name.into(),
            id,
            verifiers: Vec::new(),
            settings: Default::default(),
        };
        first.execute(Command::AddAccounts(vec![entry]))
    };
    // Its mail cannot be found.
    let gone = AccountId(8);
    enter("b@example.org", gone).await.unwrap();
    set_default(&first, Some(40)).await;
    assert!(!first.follow_defaults(2).await);
    // Made before all that, entered behind the walk's back.
    let old = first
        .accounts()
        .create(AccountId(7), Default::default(), days(30), None);
    old.await.unwrap();
    enter("a@example.org", AccountId(7)).await.unwrap();
    assert!(first.follow_defaults(2).await);
    for name in ["a@example.org", "c@example.org", "d@example.org"] {
        let id = first.snapshot().account(name).unwrap().id;
        let account = first.accounts().open(id).await.unwrap();
        assert_eq!(hold_of(&account), Hold::Span(40 * 86_400), "{name}");
    }
    let marked = |directory: &Directory| {
        let state = directory.snapshot();
        let record = state.account("b@example.org").unwrap();
        record.settings.contains_key("hold-behind")
    };
    assert!(marked(&first));
    // It is there again, with what it had.
    let second = opened(&store, 2).await;
    let back = second
        .accounts()
        .create(gone, Default::default(), days(30), None);
    let back = back.await.unwrap();
    pass(70).await;
    assert_eq!(hold_of(&back), Hold::Span(40 * 86_400));
    assert!(!marked(&second));
}

/// A default that changes while an account is made.
#[tokio::test(start_paused = true)]
async fn an_account_follows_what_changes_while_it_is_made() {
    let store = MemoryStore::new();
    let directory = opened(&store, 1).await;
    let mark = directory.defaults_mark(&directory.snapshot());
    let alice = add(&directory, "alice", "x").await;
    set_default(&directory, Some(40)).await;
    directory.follow_now(mark, vec![alice.id()]).await;
    assert_eq!(hold_of(&alice), Hold::Span(40 * 86_400));
}

/// What was set while the wall clock was ahead does not keep its date, once that is
/// right again; an account with a hold of its own neither.
#[tokio::test(start_paused = true)]
async fn late_dates_are_mended_when_the_clock_is_right_again() {
    let store = MemoryStore::new();
    let directory = opened(&store, 1).await;
    let alice = add(&directory, "alice", "x").await;
    let own = Command::Set {
        name: "alice@example.org".into(),
        key: account::directory::Record::HOLD.into(),
        value: Some("own".into()),
    };
    directory.execute(own).await.unwrap();
    mail(&directory, &alice, 77).await;
    let node = directory.accounts().node().clone();
    pass(70).await;
    node.env.shift_wall(400 * 86_400_000);
    pass(70).await;
    collect(&alice, DeviceId::DEFAULT).await;
    let command = account::Command::SetHold(days(1));
    alice.execute(command).await.unwrap();
    let ahead = node.env.now();
    assert!(alice.snapshot().hold().changed >= ahead.plus_millis(-60_000));
    node.env.shift_wall(-400 * 86_400_000);
    pass(130).await;
    assert_eq!(node.clock.doubt(), None);
    let now = node.env.now();
    let hold = alice.snapshot().hold();
    assert!(hold.changed <= now && hold.changed > now.plus_millis(-130_000));
    assert_eq!(messages(&alice), 1);
    pass(DAY).await;
    assert_eq!(messages(&alice), 0);
    // Nobody is looked at any more.
    let head = directory.snapshot().head();
    pass(600).await;
    assert_eq!(directory.snapshot().head(), head);
}

/// How many accounts have a hold of so many days.
async fn following(directory: &Directory, days: u32) -> usize {
    let mut following = 0;
    let state = directory.snapshot();
    for (_, record) in state.accounts(None) {
        let account = directory.accounts().open(record.id).await.unwrap();
        following += usize::from(hold_of(&account) == Hold::Span(days * 86_400));
    }
    following
}

/// The node's hold, in days; `None`: what is built in.
async fn set_default(directory: &Directory, hold: Option<u32>) {
    let node = Command::SetNode {
        hold: Some(hold.map(days)),
        settings: Vec::new(),
    };
    directory.execute(node).await.unwrap();
}

/// A default that is withdrawn while accounts begin to follow it leaves nobody on it,
/// wherever the walk was and whoever goes on with it.
#[tokio::test(start_paused = true)]
async fn nobody_stays_on_a_default_that_was_withdrawn() {
    for (kept, tried) in [
        (Some(40), Some(10)),
        (Some(10), Some(40)),
        (None, Some(10)),
        (Some(10), None),
    ] {
        for restart in [false, true] {
            let store = MemoryStore::new();
            let mut directory = opened(&store, 1).await;
            for name in ["a", "b", "c", "d", "e"] {
                add(&directory, name, "x").await;
            }
            // What is built in is a default that was worked through, too.
            for hold in [Some(20), kept] {
                set_default(&directory, hold).await;
                assert!(directory.follow_defaults(9).await);
            }
            let (kept_days, tried_days) = (kept.unwrap_or(30), tried.unwrap_or(30));
            assert_eq!(following(&directory, kept_days).await, 5);
            set_default(&directory, tried).await;
            assert!(!directory.follow_defaults(3).await);
            assert_eq!(following(&directory, tried_days).await, 3);
            if restart {
                directory = opened(&store, 2).await;
            }
            set_default(&directory, kept).await;
            assert!(!directory.follow_defaults(2).await);
            assert_eq!(following(&directory, tried_days).await, 1);
            if restart {
                directory = opened(&store, 3).await;
            }
            assert!(!directory.follow_defaults(2).await);
            assert!(directory.follow_defaults(2).await);
            let left = following(&directory, kept_days).await;
            assert_eq!(left, 5, "{kept:?} {tried:?} {restart}");
            let head = directory.snapshot().head();
            assert!(directory.follow_defaults(2).await);
            assert_eq!(directory.snapshot().head(), head);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_owner_is_told_before_a_device_is_forgotten() {
    let store = MemoryStore::new();
    let directory = opened(&store, 1).await;
    let alice = add(&directory, "alice", "x").await;
    let language = Command::Set {
        name: "alice@example.org".into(),
        key: LANGUAGE_SETTING.into(),
        value: Some("de".into()),
    };
    directory.execute(language).await.unwrap();
    let declare = account::Command::DeclareDevice {
        name: "phone".into(),
        protocols: DeviceProtocols {
            pop3: true,
            imap: false,
        },
        expires: None,
        may_not_delete: false,
    };
    alice.execute(declare).await.unwrap();
    let poll = account::Command::Poll(DeviceId::DEFAULT);
    alice.execute(poll).await.unwrap();
    mail(&directory, &alice, 77).await;
    collect(&alice, DeviceId(2)).await;
    pass(82 * DAY).await;
    assert_eq!(messages(&alice), 1);
    pass(2 * DAY).await;
    // One each for the phone and for the default device.
    assert_eq!(messages(&alice), 3);
    let state = alice.with_table(MailboxId::INBOX).await.unwrap();
    let table = state.table(MailboxId::INBOX).unwrap();
    let row = table.rows().nth(1).unwrap();
    let octets = directory.store().blob(row.blob, 0..4_096).await.unwrap();
    let text = String::from_utf8(octets.to_vec()).unwrap();
    assert!(text.contains("Subject: =?utf-8?B?"), "{text}");
    assert!(state.device(DeviceId(1)).unwrap().counts());
    pass(6 * DAY).await;
    assert!(alice.snapshot().device(DeviceId(1)).unwrap().counts());
    pass(2 * DAY).await;
    assert!(!alice.snapshot().device(DeviceId(1)).unwrap().counts());
    // What the phone had collected goes 30 days after nobody waits any more.
    assert_eq!(messages(&alice), 3);
    pass(30 * DAY).await;
    assert_eq!(messages(&alice), 2);
    assert_eq!(directory.accounts().node().sweeps.totals().expunged, 1);
}

/// A wall clock that has jumped while the server was off lets nothing go, until the
/// operator says that it is right.
#[tokio::test(start_paused = true)]
async fn a_jump_over_a_restart_stops_the_hold() {
    let store = MemoryStore::new();
    let first = opened(&store, 1).await;
    let alice = add(&first, "alice", "x").await;
    mail(&first, &alice, 77).await;
    collect(&alice, DeviceId::DEFAULT).await;
    pass(7_200).await;
    first.accounts().node().stop();
    pass(60).await;

    // The next process begins with a clock of its own, 40 days later.
    let second = opened(&store, 2).await;
    let node = second.accounts().node().clone();
    node.env.shift_wall(40 * 86_400_000);
    let alice = second.accounts().open(alice.id()).await.unwrap();
    pass(3_600).await;
    assert_eq!(messages(&alice), 1);
    assert!(node.clock.doubt().is_some());
    assert_eq!(node.sweeps.totals().stopped, 1);
    node.stop();
    pass(60).await;

    // A third does not believe it either, and is told.
    let third = opened(&store, 3).await;
    let node = third.accounts().node().clone();
    node.env.shift_wall(40 * 86_400_000);
    let alice = third.accounts().open(alice.id()).await.unwrap();
    pass(3_600).await;
    assert_eq!(messages(&alice), 1);
    third.resume_sweeping().await.unwrap();
    pass(120).await;
    assert_eq!(messages(&alice), 0);
    assert_eq!(node.clock.doubt(), None);
}

/// The same where the first process has ended before it ever found its clock right:
/// sooner than it looked at it, or after the clock had run away at once.
#[tokio::test(start_paused = true)]
async fn a_jump_in_the_first_minute_is_not_forgotten() {
    let ahead = Timestamp::from_seconds(1_700_000_000).plus_millis(40 * 86_400_000);
    for looked in [false, true] {
        let store = MemoryStore::new();
        let first = opened(&store, 1).await;
        let alice = add(&first, "alice", "x").await;
        mail(&first, &alice, 77).await;
        collect(&alice, DeviceId::DEFAULT).await;
        let node = first.accounts().node();
        if looked {
            node.env.shift_wall(40 * 86_400_000);
        }
        pass(if looked { 70 } else { 10 }).await;
        assert_eq!(node.clock.doubt().is_some(), looked);
        node.stop();
        pass(60).await;

        let second = opened_at(&store, 2, ahead).await;
        let doubt = second.accounts().node().clock.doubt().unwrap();
        assert!(doubt.ahead_millis > 39 * 86_400_000, "{doubt:?}");
        let alice = second.accounts().open(alice.id()).await.unwrap();
        pass(3_600).await;
        assert_eq!(messages(&alice), 1);
    }
}
