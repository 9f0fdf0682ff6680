//! A death at every call of what is rare, and damage to what it writes: copying
//! forward with its ties and the segments that have gone, and mending.

use super::*;
use crate::disk::format::Kind;
use crate::disk::segment::{Handles, Item, number_of, read_header, walked_contents};
use crate::fault::{Fault, Unsynced};

const DEATHS: [Fault; 2] = [Fault::DeathBefore, Fault::DeathAfter];

/// Segments of a few bodies each.
fn smaller() -> Options {
    Options {
        segment_octets: 16 << 10,
        ..Options::small()
    }
}

/// What a power cut leaves, another each time.
fn unsynced(at: usize) -> Unsynced {
    match at % 3 {
        0 => Unsynced::Lost,
        1 => Unsynced::Kept,
        _ => Unsynced::Any(at as u64),
    }
}

/// An account with bodies in several segments. Its commits are folded, so that ties
/// alone say that every fourth body is needed; the others were released.
async fn with_ties(engine: &Simulated) -> Vec<BlobId> {
    let store = engine.start().unwrap();
    let mut blobs = Vec::new();
    for number in 1..=12u64 {
        let blob = put(&store, u128::from(number), &noise(number, 4_000)).await;
        add(&store, ACCOUNT, commit(number, &[blob], &[]))
            .await
            .unwrap();
        blobs.push(blob);
    }
    let (kept, released): (Vec<BlobId>, Vec<BlobId>) =
        blobs.into_iter().partition(|blob| blob.0 % 4 == 0);
    add(&store, ACCOUNT, commit(13, &[], &released))
        .await
        .unwrap();
    let root = Section {
        key: SectionKey::ROOT,
        number: ModSeq(13),
        octets: Bytes::from_static(b"root"),
    };
    let checkpoint = Checkpoint {
        number: ModSeq(13),
        covers: ModSeq(13),
        replaces: None,
        sections: vec![root],
        removed: Vec::new(),
    };
    store.checkpoint(ACCOUNT, checkpoint).await.unwrap();
    store.close().await;
    kept
}

async fn has_all(store: &DiskStore, kept: &[BlobId]) {
    let loaded = store.load(ACCOUNT, Sections::All).await.unwrap();
    assert!(!loaded.damaged && loaded.head >= ModSeq(13));
    assert_eq!(loaded.sections.len(), 1);
    for blob in kept {
        let number = u64::try_from(blob.0).unwrap();
        assert_eq!(whole(store, *blob).await.unwrap(), noise(number, 4_000));
    }
}

fn on(engine: &Simulated, index: OrderedIndex) -> Simulated {
    Simulated {
        machine: engine.machine.clone(),
        index,
        options: engine.options.clone(),
    }
}

#[tokio::test]
async fn copying_forward_survives_a_death_at_every_call() {
    let mut gone_before_death = 0;
    for fault in DEATHS {
        for at in 0.. {
            let engine = Simulated::new(smaller());
            let kept = with_ties(&engine).await;
            let store = engine.start().unwrap();
            let before = journals(&engine.machine).len();
            let call = engine.machine.calls().len() + at;
            engine.machine.fault_at(call, fault);
            let _ = store.clean();
            let died = engine.machine.is_dead();
            gone_before_death += before.saturating_sub(journals(&engine.machine).len());
            drop(store);
            engine.machine.power_cut(unsynced(at));
            let index = match at % 4 {
                0 => OrderedIndex::new(),
                1 => engine.index.survivor(0),
                _ => engine.index.survivor(usize::MAX),
            };
            let engine = on(&engine, index);
            let store = engine.start().unwrap();
            assert_eq!(store.went_on(), None, "{fault:?} at {at}");
            has_all(&store, &kept).await;
            store.clean().unwrap();
            has_all(&store, &kept).await;
            store.close().await;
            drop(store);
            let engine = on(&engine, OrderedIndex::new());
            let store = engine.start().unwrap();
            assert_eq!(store.went_on(), None, "{fault:?} at {at}");
            has_all(&store, &kept).await;
            let found = store.verify(&|_| {}).await.unwrap();
            assert_eq!(found.faults, Vec::<String>::new(), "{fault:?} at {at}");
            store.close().await;
            if !died {
                assert!(at > 10, "{at}");
                break;
            }
        }
    }
    assert!(gone_before_death > 10, "{gone_before_death}");
}

/// Every record in the journal of one of these kinds.
fn records(machine: &Machine, kinds: &[Kind]) -> Vec<(String, Item)> {
    let handles = Handles::new(machine.process(), 8);
    let mut found = Vec::new();
    for name in journals(machine) {
        let file = handles.of(number_of(&name).unwrap()).unwrap();
        let header = read_header(file.as_ref()).unwrap().unwrap();
        let length = file.length().unwrap();
        let contents = walked_contents(file.as_ref(), &header, length).unwrap();
        let items = contents.items.into_iter();
        let items = items.filter(|item| kinds.contains(&item.entry.kind));
        found.extend(items.map(|item| (name.clone(), item)));
    }
    found
}

#[tokio::test]
async fn lost_ties_and_lost_records_of_what_has_gone_cost_no_body() {
    for unreadable in [false, true] {
        let mut seen = [0, 0];
        for which in 0.. {
            let engine = Simulated::new(smaller());
            let kept = with_ties(&engine).await;
            let store = engine.start().unwrap();
            assert!(store.clean().unwrap() > 1);
            // Some more, so that what was written is in the middle.
            add(&store, AccountId(8), commit(1, &[], &[]))
                .await
                .unwrap();
            store.close().await;
            drop(store);
            let all = records(&engine.machine, &[Kind::Ties, Kind::Retire]);
            let Some((name, item)) = all.get(which) else {
                break;
            };
            seen[usize::from(item.entry.kind == Kind::Retire)] += 1;
            let at = usize::try_from(item.place.at).unwrap();
            let length = item.entry.length as usize;
            let octets = engine.machine.file(name).unwrap();
            let payload = octets[at..at + length].to_vec();
            // With its copy in the footer, if it has one.
            let windows = octets.windows(length).enumerate();
            for (at, _) in windows.filter(|(_, window)| *window == payload) {
                if unreadable {
                    engine.machine.make_unreadable(name, at..at + length);
                } else {
                    engine.machine.flip(name, at + length / 2, 4);
                }
            }
            for _ in 0..2 {
                let engine = on(&engine, OrderedIndex::new());
                let store = engine.start().unwrap();
                has_all(&store, &kept).await;
                store.clean().unwrap();
                has_all(&store, &kept).await;
                store.close().await;
            }
        }
        assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
    }
}

#[tokio::test]
async fn mending_survives_a_death_at_every_call() {
    for fault in DEATHS {
        for at in 0.. {
            let engine = Simulated::new(smaller());
            let store = engine.start().unwrap();
            for number in 1..=5 {
                add(&store, ACCOUNT, commit(number, &[], &[]))
                    .await
                    .unwrap();
            }
            store.close().await;
            drop(store);
            let [_, _, (name, item), ..] = &records(&engine.machine, &[Kind::Commit])[..] else {
                panic!("five commits");
            };
            let place = usize::try_from(item.place.at).unwrap();
            let octets = engine.machine.file(name).unwrap();
            let payload = &octets[place..place + item.entry.length as usize];
            let windows = octets.windows(payload.len()).enumerate();
            for (at, _) in windows.filter(|(_, window)| *window == payload) {
                engine.machine.flip(name, at + 20, 1);
            }

            let engine = on(&engine, OrderedIndex::new());
            let store = engine.start().unwrap();
            let call = engine.machine.calls().len() + at;
            engine.machine.fault_at(call, fault);
            let _ = store.repair(ACCOUNT).await;
            let died = engine.machine.is_dead();
            drop(store);
            engine.machine.power_cut(unsynced(at));
            let engine = on(&engine, OrderedIndex::new());
            let store = engine.start().unwrap();
            let loaded = store.load(ACCOUNT, Sections::All).await.unwrap();
            assert_eq!((loaded.head, loaded.commits.len()), (ModSeq(5), 2));
            assert_eq!(store.repair(ACCOUNT).await.unwrap(), ModSeq(5));
            let epoch = Commit {
                first: ModSeq(1 << 32),
                last: ModSeq(1 << 32),
                ..commit(6, &[], &[])
            };
            store.commit(ACCOUNT, ModSeq(5), epoch).await.unwrap();
            store.close().await;
            drop(store);
            let store = on(&engine, OrderedIndex::new()).start().unwrap();
            let loaded = store.load(ACCOUNT, Sections::All).await.unwrap();
            assert_eq!((loaded.damaged, loaded.commits.len()), (false, 3));
            store.close().await;
            if !died {
                assert!(at > 1, "{at}");
                break;
            }
        }
    }
}
