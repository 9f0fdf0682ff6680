//! Checkpoints: what a load gives around them.

use super::{Bench, Story, holds, same, table};
use crate::{Checkpoint, Commit, CommitError, Section, SectionKey, Sections};
use bytes::Bytes;
use terms::{AccountId, ModSeq};

table![
    a_checkpoint_replaces_the_commits_it_covers,
    a_root_alone_covers_nothing,
    sections_stand_until_they_are_replaced_or_removed,
    a_load_gives_the_sections_asked_for,
    commits_of_several_changes_stay_whole,
    checkpoints_that_break_a_rule_are_refused,
    a_checkpoint_survives_an_orderly_end,
    long_sections,
];

fn section(key: u64, number: u64, octets: &str) -> Section {
    Section {
        key: SectionKey(key),
        number: ModSeq(number),
        octets: Bytes::copy_from_slice(octets.as_bytes()),
    }
}

fn checkpoint(number: u64, covers: u64, sections: &[Section]) -> Checkpoint {
    Checkpoint {
        number: ModSeq(number),
        covers: ModSeq(covers),
        replaces: None,
        sections: sections.to_vec(),
        removed: Vec::new(),
    }
}

/// Loads with both users, which must see the same, and compares.
async fn expect(
    bench: &Bench<'_>,
    account: AccountId,
    wanted: Sections,
    covers: u64,
    sections: &[Section],
    commits: &[Commit],
) -> Story {
    for store in [&bench.store, &bench.other] {
        let loaded = store.load(account, wanted.clone()).await?;
        same!(loaded.covers, ModSeq(covers), "covers");
        same!(loaded.sections, sections, "the sections");
        same!(loaded.commits, commits, "the commits");
        same!(loaded.head, store.head(account).await?, "the head");
        holds!(!loaded.damaged, "nothing is damaged");
    }
    Ok(())
}

async fn a_checkpoint_replaces_the_commits_it_covers(bench: &mut Bench<'_>) -> Story {
    let account = bench.account();
    let commits = bench.fill(account, 6).await?;
    let sections = [section(0, 4, "root"), section(9, 4, "nine")];
    bench
        .store
        .checkpoint(account, checkpoint(4, 4, &sections))
        .await?;
    expect(bench, account, Sections::All, 4, &sections, &commits[4..]).await?;
    expect(
        bench,
        account,
        Sections::Root,
        4,
        &sections[..1],
        &commits[4..],
    )
    .await?;
    expect(
        bench,
        account,
        Sections::Only(vec![]),
        4,
        &[],
        &commits[4..],
    )
    .await?;

    let sections = [section(0, 6, "root of six"), section(9, 6, "nine")];
    bench
        .store
        .checkpoint(account, checkpoint(6, 6, &sections))
        .await?;
    expect(bench, account, Sections::All, 6, &sections, &[]).await?;
    let conflict = bench
        .store
        .commit(account, ModSeq(5), bench.one(6, b""))
        .await;
    same!(
        conflict,
        Err(CommitError::Conflict { current: ModSeq(6) }),
        "the head stays"
    );
    let seventh = bench.add(account, bench.one(7, b"seven")).await?;
    expect(bench, account, Sections::All, 6, &sections, &[seventh]).await
}

async fn a_root_alone_covers_nothing(bench: &mut Bench<'_>) -> Story {
    let account = bench.account();
    let commits = bench.fill(account, 8).await?;
    let first_root = [section(0, 2, "root of two")];
    bench
        .store
        .checkpoint(account, checkpoint(2, 0, &first_root))
        .await?;
    expect(
        bench,
        account,
        Sections::Root,
        0,
        &first_root,
        &commits[2..],
    )
    .await?;
    expect(bench, account, Sections::All, 0, &first_root, &commits).await?;

    let full = [
        section(0, 4, "root of four"),
        section(1, 4, "table of four"),
    ];
    bench
        .store
        .checkpoint(account, checkpoint(4, 4, &full))
        .await?;
    let root = section(0, 7, "root of seven");
    bench
        .store
        .checkpoint(account, checkpoint(7, 4, std::slice::from_ref(&root)))
        .await?;
    let all = [root.clone(), full[1].clone()];
    expect(bench, account, Sections::Root, 4, &all[..1], &commits[7..]).await?;
    expect(bench, account, Sections::All, 4, &all, &commits[4..]).await?;
    let table = Sections::Only(vec![SectionKey(1)]);
    expect(bench, account, table, 4, &all[1..], &commits[4..]).await?;
    bench.reopen().await?;
    expect(bench, account, Sections::Root, 4, &all[..1], &commits[7..]).await?;
    expect(bench, account, Sections::All, 4, &all, &commits[4..]).await
}

async fn sections_stand_until_they_are_replaced_or_removed(bench: &mut Bench<'_>) -> Story {
    let account = bench.account();
    let commits = bench.fill(account, 9).await?;
    let start = [
        section(0, 3, "root"),
        section(1, 3, "one"),
        section(2, 3, "two"),
        section(u64::MAX, 3, "last"),
    ];
    bench
        .store
        .checkpoint(account, checkpoint(3, 3, &start))
        .await?;
    let mut next = checkpoint(6, 6, &[section(0, 6, "newer root"), section(2, 6, "")]);
    next.removed = vec![SectionKey(1), SectionKey(77)];
    bench.store.checkpoint(account, next).await?;
    let after = [
        section(0, 6, "newer root"),
        section(2, 6, ""),
        start[3].clone(),
    ];
    expect(bench, account, Sections::All, 6, &after, &commits[6..]).await?;
    let again = checkpoint(9, 9, &[section(0, 9, "root"), section(1, 9, "one again")]);
    bench.store.checkpoint(account, again).await?;
    let last = [
        section(0, 9, "root"),
        section(1, 9, "one again"),
        section(2, 6, ""),
        start[3].clone(),
    ];
    expect(bench, account, Sections::All, 9, &last, &[]).await?;
    bench.reopen().await?;
    expect(bench, account, Sections::All, 9, &last, &[]).await
}

async fn a_load_gives_the_sections_asked_for(bench: &mut Bench<'_>) -> Story {
    let (account, neighbour) = (bench.account(), bench.account());
    bench.fill(account, 1).await?;
    bench.fill(neighbour, 1).await?;
    let sections: Vec<_> = [0, 1, 255, 256, 65_536, 1 << 40]
        .into_iter()
        .map(|key| section(key, 1, &format!("section {key}")))
        .collect();
    // In any order they are given, ascending they come back.
    let mut given = sections.clone();
    given.reverse();
    bench
        .store
        .checkpoint(account, checkpoint(1, 1, &given))
        .await?;
    let theirs = [section(0, 1, "theirs")];
    bench
        .store
        .checkpoint(neighbour, checkpoint(1, 1, &theirs))
        .await?;
    expect(bench, account, Sections::All, 1, &sections, &[]).await?;
    let keys = [65_536, 7, 255, 1, 255].map(SectionKey).to_vec();
    let some = [&sections[1], &sections[2], &sections[4]].map(Clone::clone);
    expect(bench, account, Sections::Only(keys), 1, &some, &[]).await?;
    expect(bench, neighbour, Sections::All, 1, &theirs, &[]).await
}

async fn commits_of_several_changes_stay_whole(bench: &mut Bench<'_>) -> Story {
    let account = bench.account();
    let mut commits = Vec::new();
    for (first, last) in [(1, 10), (11, 11), (12, 30)] {
        commits.push(bench.add(account, bench.span(first, last, b"span")).await?);
    }
    let root = [section(0, 10, "root")];
    bench
        .store
        .checkpoint(account, checkpoint(11, 10, &root))
        .await?;
    expect(bench, account, Sections::All, 10, &root, &commits[1..]).await?;
    expect(bench, account, Sections::Root, 10, &root, &commits[1..]).await
}

async fn checkpoints_that_break_a_rule_are_refused(bench: &mut Bench<'_>) -> Story {
    let account = bench.account();
    let commits = bench.fill(account, 5).await?;
    let good = [section(0, 3, "root")];
    bench
        .store
        .checkpoint(account, checkpoint(3, 3, &good))
        .await?;
    let too_long = Section {
        octets: Bytes::from(vec![b'x'; Section::OCTETS_MAX + 1]),
        ..section(0, 4, "")
    };
    let cases = [
        ("beyond the head", checkpoint(6, 4, &[])),
        ("covers more than its number", checkpoint(4, 5, &[])),
        ("covers less than before", checkpoint(5, 2, &[])),
        // Two fold the same log: the second knows nothing of the first.
        (
            "made from an older one",
            Checkpoint {
                replaces: Some(ModSeq(2)),
                ..checkpoint(5, 5, &[])
            },
        ),
        (
            "a section beyond its number",
            checkpoint(4, 4, &[section(0, 5, "")]),
        ),
        ("a section too long", checkpoint(4, 4, &[too_long])),
    ];
    for (what, wrong) in cases {
        let refused = bench.store.checkpoint(account, wrong).await;
        holds!(
            matches!(refused, Err(CommitError::Refused(_))),
            "{what}: {refused:?}"
        );
    }
    let stranger = bench.account();
    let refused = bench
        .store
        .checkpoint(stranger, checkpoint(1, 0, &[]))
        .await;
    holds!(
        matches!(refused, Err(CommitError::Refused(_))),
        "an account without a commit: {refused:?}"
    );
    expect(bench, account, Sections::All, 3, &good, &commits[3..]).await
}

async fn a_checkpoint_survives_an_orderly_end(bench: &mut Bench<'_>) -> Story {
    let account = bench.account();
    let commits = bench.fill(account, 30).await?;
    for number in [10, 20, 25] {
        let sections = [
            section(0, number, "root"),
            section(number, number, "table of its own"),
        ];
        bench
            .store
            .checkpoint(account, checkpoint(number, number, &sections))
            .await?;
    }
    for _ in 0..2 {
        bench.reopen().await?;
        let sections = [
            section(0, 25, "root"),
            section(10, 10, "table of its own"),
            section(20, 20, "table of its own"),
            section(25, 25, "table of its own"),
        ];
        expect(bench, account, Sections::All, 25, &sections, &commits[25..]).await?;
    }
    Ok(())
}

async fn long_sections(bench: &mut Bench<'_>) -> Story {
    let account = bench.account();
    bench.fill(account, 1).await?;
    let sections: Vec<_> = [0, 1, 65_535, 65_536, 65_537, Section::OCTETS_MAX]
        .into_iter()
        .zip(0..)
        .map(|(length, key)| Section {
            key: SectionKey(key),
            number: ModSeq(1),
            octets: Bytes::from(super::noise(key + 1, length)),
        })
        .collect();
    bench
        .store
        .checkpoint(account, checkpoint(1, 1, &sections))
        .await?;
    for _ in 0..2 {
        let loaded = bench.store.load(account, Sections::All).await?;
        holds!(loaded.sections == sections, "the sections are as they were");
        bench.reopen().await?;
    }
    Ok(())
}
