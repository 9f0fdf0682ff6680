//! A checkpoint that cannot be read: the account goes back to what can.

use super::*;

async fn fold(store: &DiskStore, number: u64, root: &'static str) {
    let number = ModSeq(number);
    let section = |key, octets: &'static str| Section {
        key: SectionKey(key),
        number,
        octets: Bytes::from_static(octets.as_bytes()),
    };
    let checkpoint = Checkpoint {
        number,
        covers: number,
        replaces: None,
        sections: vec![section(0, root), section(1, "the same")],
        removed: Vec::new(),
    };
    store.checkpoint(ACCOUNT, checkpoint).await.unwrap();
}

/// Seven changes, folded at the third and at the sixth.
async fn folded(engine: &Simulated) {
    let store = engine.start().unwrap();
    for number in 1..=7 {
        add(&store, ACCOUNT, commit(number, &[], &[]))
            .await
            .unwrap();
        match number {
            3 => fold(&store, 3, "root of three").await,
            6 => fold(&store, 6, "root of six").await,
            _ => {}
        }
    }
    store.close().await;
}

/// Turns a bit over wherever these octets stand.
fn damage(machine: &Machine, mark: &str) {
    for name in journals(machine) {
        let octets = machine.file(&name).unwrap();
        let windows = octets.windows(mark.len()).enumerate();
        for (at, _) in windows.filter(|(_, window)| *window == mark.as_bytes()) {
            machine.flip(&name, at, 1);
        }
    }
}

#[tokio::test]
async fn a_lost_checkpoint_is_gone_back_from_as_far_as_need_be() {
    let cases: [(&[&str], u64, std::ops::RangeInclusive<u64>); 5] = [
        (&["root of six"], 3, 4..=7),
        (&["root of six", "change 5"], 3, 4..=4),
        (&["root of six", "change 7"], 3, 4..=6),
        (&["root of six", "root of three"], 0, 1..=7),
        (&["root of six", "root of three", "change 4"], 0, 1..=3),
    ];
    for (marks, covers, kept) in cases {
        let engine = Simulated::new(Options::small());
        folded(&engine).await;
        for mark in marks {
            damage(&engine.machine, mark);
        }
        let fresh = || Simulated {
            machine: engine.machine.clone(),
            index: OrderedIndex::new(),
            options: Options::small(),
        };
        let store = fresh().start().unwrap();
        let loaded = store.load(ACCOUNT, Sections::All).await.unwrap();
        assert!(loaded.damaged, "{marks:?}");
        let refused = add(&store, ACCOUNT, commit(8, &[], &[])).await;
        assert_eq!(refused, Err(CommitError::Damaged));
        assert_eq!(store.repair(ACCOUNT).await.unwrap(), ModSeq(7), "{marks:?}");
        stands(&store, covers, kept.clone()).await;
        let epoch = Commit {
            first: ModSeq(1 << 32),
            last: ModSeq(1 << 32),
            ..commit(9, &[], &[])
        };
        store.commit(ACCOUNT, ModSeq(7), epoch).await.unwrap();
        let found = store.verify(&|_| {}).await.unwrap();
        assert!(found.damaged_accounts.is_empty(), "{marks:?}");
        store.close().await;
        drop(store);
        let store = fresh().start().unwrap();
        let kept = kept.chain([1 << 32]);
        stands(&store, covers, kept).await;
    }
}

async fn stands(store: &DiskStore, covers: u64, kept: impl Iterator<Item = u64>) {
    let loaded = store.load(ACCOUNT, Sections::All).await.unwrap();
    assert_eq!((loaded.damaged, loaded.covers), (false, ModSeq(covers)));
    let numbers = loaded.commits.iter().map(|commit| commit.last.0);
    assert!(numbers.eq(kept), "{:?}", loaded.commits);
    let root = loaded.sections.first().map(|root| root.octets.clone());
    let expected = (covers > 0).then(|| Bytes::from_static(b"root of three"));
    assert_eq!(root, expected);
}
