//! What is due, who is there, who wakes, and how it ends.

use super::{Bench, Story, holds, same, table};
use crate::{Checkpoint, Commit, CommitError, DueAccount, Loaded, Section, SectionKey, Sections};
use bytes::Bytes;
use std::sync::atomic::{AtomicU64, Ordering};
use terms::{AccountId, ModSeq, Timestamp};

table![
    the_longest_due_comes_first,
    the_newest_commit_says_what_is_due,
    accounts_are_listed_in_order,
    a_removed_account_has_gone,
    removing_is_durable_and_final,
    watchers_wake,
    all_is_there_after_an_orderly_end,
    a_closed_store_fails,
    verify_reads_everything,
];

fn due_at(commit: Commit, due: i64) -> Commit {
    Commit {
        due: Some(Timestamp(due)),
        ..commit
    }
}

async fn due(
    bench: &Bench<'_>,
    until: i64,
    limit: usize,
) -> Result<Vec<(i64, AccountId)>, super::Failure> {
    let due = bench.other.due(Timestamp(until), limit).await?;
    Ok(due
        .into_iter()
        .map(|DueAccount { due, account }| (due.0, account))
        .collect())
}

async fn the_longest_due_comes_first(bench: &mut Bench<'_>) -> Story {
    let mut accounts: Vec<_> = (0..6).map(|_| bench.account()).collect();
    accounts.sort_unstable();
    let times = [300, -5, 100, 100, i64::MAX, 0];
    for (account, time) in accounts.iter().zip(times) {
        bench.add(*account, due_at(bench.one(1, b""), time)).await?;
    }
    bench
        .add(bench.account(), bench.one(1, b"never due"))
        .await?;
    let all = [
        (-5, accounts[1]),
        (0, accounts[5]),
        (100, accounts[2]),
        (100, accounts[3]),
        (300, accounts[0]),
        (i64::MAX, accounts[4]),
    ];
    for _ in 0..2 {
        same!(due(bench, i64::MAX, 99).await?, all, "all");
        same!(
            due(bench, 100, 99).await?,
            all[..4],
            "until a moment, itself included"
        );
        same!(due(bench, 99, 99).await?, all[..2], "until just before");
        same!(due(bench, i64::MAX, 3).await?, all[..3], "a few");
        same!(due(bench, -6, 99).await?, [], "none yet");
        bench.reopen().await?;
    }
    Ok(())
}

async fn the_newest_commit_says_what_is_due(bench: &mut Bench<'_>) -> Story {
    let account = bench.account();
    bench.add(account, due_at(bench.one(1, b""), 10)).await?;
    bench.add(account, due_at(bench.one(2, b""), 20)).await?;
    same!(due(bench, 99, 9).await?, [(20, account)], "later");
    bench.add(account, due_at(bench.one(3, b""), 5)).await?;
    same!(due(bench, 99, 9).await?, [(5, account)], "earlier");
    // A checkpoint that covers the commit does not take its due time away.
    let folded = Checkpoint {
        number: ModSeq(3),
        covers: ModSeq(3),
        ..Checkpoint::default()
    };
    bench.store.checkpoint(account, folded).await?;
    for _ in 0..2 {
        same!(due(bench, 99, 9).await?, [(5, account)], "as before");
        bench.reopen().await?;
    }
    bench.add(account, bench.one(4, b"")).await?;
    for _ in 0..2 {
        same!(due(bench, i64::MAX, 9).await?, [], "never");
        bench.reopen().await?;
    }
    Ok(())
}

async fn accounts_are_listed_in_order(bench: &mut Bench<'_>) -> Story {
    let mut accounts: Vec<_> = (0..25).map(|_| bench.account()).collect();
    for account in &accounts {
        bench.fill(*account, 1).await?;
    }
    accounts.sort_unstable();
    for _ in 0..2 {
        same!(bench.store.list(None, 99).await?, accounts, "all");
        let mut found = Vec::new();
        loop {
            let page = bench.store.list(found.last().copied(), 4).await?;
            holds!(page.len() <= 4, "no more than asked for");
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }
        same!(found, accounts, "page by page");
        let between = AccountId(accounts[10].0 - 1);
        same!(
            bench.store.list(Some(between), 1).await?,
            accounts[10..11],
            "from an identifier that is not there"
        );
        bench.reopen().await?;
    }
    Ok(())
}

async fn a_removed_account_has_gone(bench: &mut Bench<'_>) -> Story {
    let (account, neighbour) = (bench.account(), bench.account());
    let blob = bench.put(b"a body", b"a row").await?;
    let mut commit = due_at(bench.binding(1, &[blob], &[]), 1);
    bench.add(account, commit.clone()).await?;
    commit.id = bench.id();
    bench.add(neighbour, commit).await?;
    let checkpoint = Checkpoint {
        number: ModSeq(1),
        covers: ModSeq(1),
        replaces: None,
        sections: vec![Section {
            key: SectionKey::ROOT,
            number: ModSeq(1),
            octets: Bytes::from_static(b"root"),
        }],
        removed: Vec::new(),
    };
    bench.store.checkpoint(account, checkpoint.clone()).await?;
    bench
        .store
        .checkpoint(neighbour, checkpoint.clone())
        .await?;
    bench.store.remove(account).await?;
    for _ in 0..2 {
        same!(bench.other.head(account).await?, ModSeq::ZERO, "its head");
        let loaded = bench.other.load(account, Sections::All).await?;
        same!(loaded, Loaded::default(), "what it was");
        same!(bench.store.list(None, 9).await?, [neighbour], "the list");
        same!(due(bench, 99, 9).await?, [(1, neighbour)], "what is due");
        let theirs = bench.store.load(neighbour, Sections::All).await?;
        same!(theirs.sections, checkpoint.sections, "the neighbour");
        same!(
            bench.store.blob(blob, 0..9).await?,
            &b"a body"[..],
            "the shared body"
        );
        bench.reopen().await?;
    }
    Ok(())
}

async fn removing_is_durable_and_final(bench: &mut Bench<'_>) -> Story {
    let account = bench.account();
    bench.fill(account, 3).await?;
    bench.store.remove(account).await?;
    // Once more, and one that was never there: nothing to do.
    bench.store.remove(account).await?;
    bench.store.remove(bench.account()).await?;
    for _ in 0..2 {
        // A writer that has not heard of it does not bring it back.
        let late = bench.one(4, b"late");
        let refused = bench.store.commit(account, ModSeq(3), late).await;
        holds!(
            matches!(
                refused,
                Err(CommitError::Refused(_) | CommitError::Conflict { .. })
            ),
            "a late commit: {refused:?}"
        );
        same!(bench.store.list(None, 9).await?, [], "the list");
        bench.reopen().await?;
    }
    Ok(())
}

async fn watchers_wake(bench: &mut Bench<'_>) -> Story {
    let (account, neighbour) = (bench.account(), bench.account());
    let mut early = bench.store.watch(account);
    bench.fill(account, 1).await?;
    early.changed().await?;
    same!(
        *early.borrow_and_update(),
        ModSeq(1),
        "from before the first commit"
    );
    let mut one = bench.store.watch(account);
    let mut other = bench.other.watch(account);
    let quiet = bench.other.watch(neighbour);
    same!(
        *one.borrow_and_update(),
        ModSeq(1),
        "it begins with the head"
    );
    same!(*other.borrow_and_update(), ModSeq(1), "the other's too");
    bench.add(account, bench.span(2, 9, b"")).await?;
    for watcher in [&mut early, &mut one, &mut other] {
        watcher.changed().await?;
        same!(*watcher.borrow_and_update(), ModSeq(9), "the newest number");
    }
    drop(early);
    let commit = bench.one(10, b"");
    bench.other.commit(account, ModSeq(9), commit).await?;
    one.changed().await?;
    same!(*one.borrow_and_update(), ModSeq(10), "by the other user");
    let lost = bench
        .store
        .commit(account, ModSeq(9), bench.one(10, b""))
        .await;
    holds!(lost.is_err(), "a conflict");
    holds!(!one.has_changed()?, "nobody wakes for a conflict");
    holds!(!quiet.has_changed()?, "nobody wakes for a neighbour");
    Ok(())
}

async fn all_is_there_after_an_orderly_end(bench: &mut Bench<'_>) -> Story {
    let accounts = [bench.account(), bench.account(), bench.account()];
    let mut commits = vec![Vec::new(); accounts.len()];
    let mut bodies = Vec::new();
    for round in 1..=10_u64 {
        for (account, log) in accounts.iter().zip(&mut commits) {
            let body = super::noise(round, 7_000 * usize::try_from(round)?);
            let blob = bench.put(&body, b"row").await?;
            bodies.push((blob, body));
            log.push(
                bench
                    .add(*account, bench.binding(round, &[blob], &[]))
                    .await?,
            );
        }
        if round % 3 == 0 {
            bench.reopen().await?;
        }
        for (account, log) in accounts.iter().zip(&commits) {
            let loaded = bench.store.load(*account, Sections::All).await?;
            same!(loaded.commits, *log, "round {round}");
            same!(loaded.head, ModSeq(round), "the head in round {round}");
        }
    }
    for (blob, body) in bodies {
        holds!(
            bench.store.blob(blob, 0..u64::MAX).await? == body,
            "the bodies"
        );
    }
    Ok(())
}

async fn a_closed_store_fails(bench: &mut Bench<'_>) -> Story {
    let account = bench.account();
    bench.fill(account, 1).await?;
    bench.store.close().await;
    let failed = bench
        .store
        .commit(account, ModSeq(1), bench.one(2, b""))
        .await;
    holds!(
        matches!(failed, Err(CommitError::Failed(_))),
        "a commit: {failed:?}"
    );
    let mut sink = bench.store.blob_sink(bench.blob_id(), None);
    let put = match sink.write(b"octets").await {
        Ok(()) => sink.finish(Bytes::new()).await,
        error => error,
    };
    holds!(put.is_err(), "a blob");
    // Closing twice is no harm.
    bench.store.close().await;
    bench.reopen().await?;
    same!(bench.store.head(account).await?, ModSeq(1), "the head");
    Ok(())
}

async fn verify_reads_everything(bench: &mut Bench<'_>) -> Story {
    let (account, neighbour) = (bench.account(), bench.account());
    let small = bench.put(b"a body", b"a row").await?;
    let large = bench.put(&super::noise(1, 300_000), b"").await?;
    bench
        .add(account, bench.binding(1, &[small, large], &[]))
        .await?;
    bench.fill(neighbour, 4).await?;
    for _ in 0..2 {
        let told = AtomicU64::new(0);
        let progress = |octets| told.store(octets, Ordering::Relaxed);
        let found = bench.store.verify(&progress).await?;
        same!(found.damaged_accounts, [], "no damaged account");
        same!(found.damaged_blobs, [], "no damaged blob");
        same!(found.accounts, 2, "how many accounts");
        same!(found.commits, 5, "how many commits");
        same!(found.blobs, 2, "how many blobs");
        holds!(found.octets > 0, "it has read something");
        holds!(told.load(Ordering::Relaxed) > 0, "it has said so");
        bench.reopen().await?;
    }
    Ok(())
}
