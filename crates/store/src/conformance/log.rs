//! Commits: order, conflicts, what is refused, what comes back.

use super::{Bench, Story, holds, same, table};
use crate::{Commit, CommitError, Loaded, Sections};
use bytes::Bytes;
use terms::{AccountId, ModSeq, Timestamp};

table![
    an_empty_store,
    commits_come_back_as_they_were,
    numbers_follow_each_other,
    a_stale_writer_conflicts,
    one_of_two_racing_writers_wins,
    what_breaks_a_rule_is_refused,
    long_payloads,
    accounts_do_not_touch_each_other,
    the_other_user_sees_a_commit_at_once,
    the_directory_is_an_account_like_any_other,
];

async fn an_empty_store(bench: &mut Bench<'_>) -> Story {
    let account = bench.account();
    same!(bench.store.head(account).await?, ModSeq::ZERO, "head");
    for sections in [Sections::Root, Sections::All, Sections::Only(Vec::new())] {
        same!(
            bench.store.load(account, sections).await?,
            Loaded::default(),
            "load"
        );
    }
    same!(bench.store.list(None, 10).await?, [], "list");
    same!(bench.store.due(Timestamp::MAX, 10).await?, [], "due");
    same!(*bench.store.watch(account).borrow(), ModSeq::ZERO, "watch");
    same!(bench.store.derived(&[]).await?, [], "derived");
    Ok(())
}

async fn commits_come_back_as_they_were(bench: &mut Bench<'_>) -> Story {
    let account = bench.account();
    let blobs = [bench.put(b"one", b"").await?, bench.put(b"two", b"").await?];
    let all_octets: Vec<u8> = (0..=u8::MAX).collect();
    let commits = [
        Commit {
            binds: blobs.to_vec(),
            due: Some(Timestamp(5)),
            ..bench.one(1, &all_octets)
        },
        Commit {
            time: Timestamp(-1),
            due: Some(Timestamp::MAX),
            ..bench.span(2, 7, b"")
        },
        Commit {
            releases: blobs.to_vec(),
            time: Timestamp(i64::MAX),
            ..bench.one(8, b"\0")
        },
        Commit {
            id: u128::MAX,
            due: Some(Timestamp(i64::MIN)),
            ..bench.one(9, b"x")
        },
    ];
    for commit in &commits {
        bench.add(account, commit.clone()).await?;
    }
    for sections in [Sections::Root, Sections::All, Sections::Only(Vec::new())] {
        let loaded = bench.store.load(account, sections).await?;
        same!(loaded.commits, commits, "the commits");
        same!(loaded.head, ModSeq(9), "the head");
        same!(loaded.covers, ModSeq::ZERO, "covers");
        same!(loaded.sections, [], "the sections");
        holds!(!loaded.damaged, "nothing is damaged");
    }
    Ok(())
}

async fn numbers_follow_each_other(bench: &mut Bench<'_>) -> Story {
    let account = bench.account();
    let mut commits = vec![
        bench.add(account, bench.one(1, b"a")).await?,
        bench.add(account, bench.span(2, 20, b"b")).await?,
    ];
    // An Epoch leaves a gap, and says after what it comes.
    let epoch = bench.one(20 + (1 << 32), b"epoch");
    bench
        .store
        .commit(account, ModSeq(20), epoch.clone())
        .await?;
    commits.push(epoch);
    let highest = bench.span(21 + (1 << 32), ModSeq::MAX.0, b"the last");
    commits.push(bench.add(account, highest).await?);
    same!(bench.store.head(account).await?, ModSeq::MAX, "head");
    let loaded = bench.store.load(account, Sections::All).await?;
    same!(loaded.commits, commits, "the commits");
    Ok(())
}

async fn a_stale_writer_conflicts(bench: &mut Bench<'_>) -> Story {
    let account = bench.account();
    let early = bench
        .store
        .commit(account, ModSeq(4), bench.one(5, b"x"))
        .await;
    same!(
        early,
        Err(CommitError::Conflict {
            current: ModSeq::ZERO
        }),
        "after a change that is not there"
    );
    same!(bench.store.list(None, 9).await?, [], "no account was made");
    let commits = bench.fill(account, 3).await?;
    let blob = bench.put(b"kept for the next try", b"").await?;
    for after in [0, 1, 2, 4, u64::from(u32::MAX)] {
        let mut late = bench.binding(after + 1, &[blob], &[]);
        late.due = Some(Timestamp(1));
        let refused = bench.store.commit(account, ModSeq(after), late).await;
        same!(
            refused,
            Err(CommitError::Conflict { current: ModSeq(3) }),
            "after change {after}"
        );
    }
    let again = bench
        .store
        .commit(account, ModSeq(2), commits[2].clone())
        .await;
    same!(
        again,
        Err(CommitError::Conflict { current: ModSeq(3) }),
        "the same commit twice"
    );
    same!(
        bench.store.load(account, Sections::All).await?.commits,
        commits,
        "nothing has changed"
    );
    same!(
        bench.store.due(Timestamp::MAX, 9).await?,
        [],
        "nothing is due"
    );
    bench.add(account, bench.binding(4, &[blob], &[])).await?;
    let octets = bench.store.blob(blob, 0..99).await?;
    same!(octets, &b"kept for the next try"[..], "the blob");
    Ok(())
}

async fn one_of_two_racing_writers_wins(bench: &mut Bench<'_>) -> Story {
    let account = bench.account();
    for number in 1..=40_u64 {
        let commits = [bench.one(number, b"one"), bench.one(number, b"other")];
        let after = ModSeq(number - 1);
        let [one, other] = commits.clone();
        let (one, other) = futures::future::join(
            bench.store.commit(account, after, one),
            bench.other.commit(account, after, other),
        )
        .await;
        let conflict = Err(CommitError::Conflict {
            current: ModSeq(number),
        });
        let winner = match (one, other) {
            (Ok(()), lost) if lost == conflict => 0,
            (lost, Ok(())) if lost == conflict => 1,
            outcome => {
                return Err(super::Failure(format!("number {number}: {outcome:?}")));
            }
        };
        let loaded = bench.store.load(account, Sections::All).await?;
        same!(loaded.commits.len() as u64, number, "how many commits");
        same!(
            loaded.commits.last(),
            commits.get(winner),
            "the winner's commit"
        );
    }
    Ok(())
}

async fn what_breaks_a_rule_is_refused(bench: &mut Bench<'_>) -> Story {
    let account = bench.account();
    let commits = bench.fill(account, 2).await?;
    let known = bench.put(b"known", b"").await?;
    let cases = [
        ("numbers that go back", bench.one(2, b"")),
        ("a span that goes back", bench.span(5, 4, b"")),
        ("a number of 64 bits", bench.span(3, 1 << 63, b"")),
        (
            "an unknown blob",
            bench.binding(3, &[known, bench.blob_id()], &[]),
        ),
        (
            "a payload too long",
            Commit {
                payload: Bytes::from(vec![0; Commit::PAYLOAD_MAX + 1]),
                ..bench.one(3, b"")
            },
        ),
        (
            "too many releases",
            Commit {
                releases: vec![known; Commit::BLOBS_MAX + 1],
                ..bench.one(3, b"")
            },
        ),
    ];
    for (what, mut commit) in cases {
        commit.due = Some(Timestamp(7));
        let refused = bench.store.commit(account, ModSeq(2), commit).await;
        holds!(
            matches!(refused, Err(CommitError::Refused(_))),
            "{what}: {refused:?}"
        );
    }
    same!(
        bench.store.load(account, Sections::All).await?.commits,
        commits,
        "nothing has changed"
    );
    same!(
        bench.store.due(Timestamp::MAX, 9).await?,
        [],
        "nothing is due"
    );
    bench.add(account, bench.binding(3, &[known], &[])).await?;
    Ok(())
}

async fn long_payloads(bench: &mut Bench<'_>) -> Story {
    let account = bench.account();
    let mut commits = Vec::new();
    for length in [
        0,
        1,
        511,
        512,
        513,
        65_535,
        65_536,
        1 << 20,
        Commit::PAYLOAD_MAX,
    ] {
        let number = commits.len() as u64 + 1;
        let payload = super::noise(number, length);
        commits.push(bench.add(account, bench.one(number, &payload)).await?);
    }
    bench.reopen().await?;
    let loaded = bench.store.load(account, Sections::All).await?;
    holds!(loaded.commits == commits, "the payloads are as they were");
    Ok(())
}

async fn accounts_do_not_touch_each_other(bench: &mut Bench<'_>) -> Story {
    let accounts: Vec<_> = (0..40).map(|_| bench.account()).collect();
    let filled = futures::future::join_all(
        accounts
            .iter()
            .enumerate()
            .map(|(index, account)| bench.fill(*account, index as u64 % 7 + 1)),
    )
    .await;
    for ((index, account), commits) in accounts.iter().enumerate().zip(filled) {
        let loaded = bench.other.load(*account, Sections::All).await?;
        same!(loaded.commits, commits?, "account {index}");
        same!(loaded.head, ModSeq(index as u64 % 7 + 1), "head of {index}");
    }
    Ok(())
}

async fn the_other_user_sees_a_commit_at_once(bench: &mut Bench<'_>) -> Story {
    let account = bench.account();
    for number in 1..=20 {
        let (mine, others) = match number % 2 {
            0 => (&bench.store, &bench.other),
            _ => (&bench.other, &bench.store),
        };
        let commit = bench.one(number, b"seen");
        mine.commit(account, ModSeq(number - 1), commit).await?;
        same!(others.head(account).await?, ModSeq(number), "the head");
        let loaded = others.load(account, Sections::Root).await?;
        same!(loaded.commits.len() as u64, number, "the commits");
    }
    Ok(())
}

async fn the_directory_is_an_account_like_any_other(bench: &mut Bench<'_>) -> Story {
    let commits = bench.fill(AccountId::DIRECTORY, 2).await?;
    let highest = AccountId(u128::MAX);
    bench.fill(highest, 1).await?;
    same!(
        bench.store.list(None, 9).await?,
        [AccountId::DIRECTORY, highest],
        "the list"
    );
    bench.reopen().await?;
    let loaded = bench
        .store
        .load(AccountId::DIRECTORY, Sections::All)
        .await?;
    same!(loaded.commits, commits, "its commits");
    Ok(())
}
