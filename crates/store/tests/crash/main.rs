//! The journal engine on a machine whose power fails.
//!
//! A random workload is told to the engine and to a model; the machine dies at
//! any write or sync, loses what was not synced or any part of it, and comes
//! back with its index, an older one, a damaged one or none. Then everything
//! acknowledged is there, once, and nothing unacknowledged is half there.
//!
//! `RESTANTE_SEEDS=1000` runs more lives, `RESTANTE_SEEDS=900..1200` those, and
//! `RESTANTE_SEED=17` one.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

mod life;
mod model;
mod stepped;
mod work;

use life::Life;
use model::{After, Model};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use store::fault::{Call, Chance, Fault, Machine, Unsynced};
use store::{MemoryStore, Store};
use work::Worker;

fn in_a_runtime<T>(story: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        // The story is one task that never waits for another.
        .block_on(tokio::task::unconstrained(story))
}

/// The seeds to run: few, more or a certain one.
fn seeds(few: u64) -> std::ops::Range<u64> {
    let number = |text: &str| text.parse::<u64>().ok();
    let set = |name| std::env::var(name).ok();
    if let Some(one) = set("RESTANTE_SEED").as_deref().and_then(number) {
        return one..one + 1;
    }
    let Some(many) = set("RESTANTE_SEEDS") else {
        return 0..few;
    };
    let (from, to) = many.split_once("..").unwrap_or(("0", &many));
    number(from).unwrap_or(0)..number(to).unwrap_or(few)
}

/// The workload and the model agree about an engine that keeps everything.
#[test]
fn the_model_agrees_with_the_memory_engine() {
    let mut living = 0;
    for seed in seeds(20) {
        let machine = Machine::new(seed);
        machine.plant("some.journal", b"octets that some bodies look like");
        let store = MemoryStore::new();
        let mut model = Model::default();
        let mut chance = Chance::new(seed);
        in_a_runtime(async {
            for _ in 0..80 {
                let mut worker = Worker {
                    model: &mut model,
                    chance: &mut chance,
                    machine: &machine,
                    store: &store,
                };
                worker.step().await.unwrap();
            }
            model.compare(&store, After::Use).await;
        });
        living += model.living().len();
    }
    assert!(living > 2, "the workload does something");
}

/// Runs a story of a machine; a failure comes with its seed and diary.
fn tell<T>(seed: u64, story: impl AsyncFn(&mut Life) -> T) -> T {
    let mut life = Life::new(seed);
    let told = catch_unwind(AssertUnwindSafe(|| in_a_runtime(story(&mut life))));
    told.unwrap_or_else(|panic| {
        let diary = life.diary.join("\n  ");
        eprintln!("RESTANTE_SEED={seed} fails after:\n  {diary}");
        resume_unwind(panic)
    })
}

/// Many processes after each other, each dying in its own way.
#[test]
fn everything_acknowledged_outlives_any_crash() {
    for seed in seeds(40) {
        tell(seed, async |life| {
            for _ in 0..8 {
                while life.chance.once_in(4) {
                    life.open_and_die();
                }
                let store = life.open_whole().await;
                if life.chance.once_in(5) {
                    life.note("the index fails");
                    life.index().set_failing(true);
                }
                let quiet = life.chance.once_in(6);
                if !quiet {
                    life.set_fault(60);
                }
                let steps = 4 + life.chance.below(25);
                let ended = life.work(&store, steps).await;
                if ended.is_ok() && !life.machine.is_dead() {
                    // Looking may write too, where the index has to be built anew.
                    life.machine.clear_faults();
                    life.model.compare(&store, After::Use).await;
                }
                match quiet {
                    true => life.close(store).await,
                    false => life.die(store),
                }
            }
            let store = life.open_whole().await;
            life.close(store).await;
            let store = life.open_whole().await;
            drop(store);
        });
    }
}

/// One short story, with a death at every single call in it, before and after; of
/// what was not synced a power cut leaves another part each time.
#[test]
fn a_death_at_every_call() {
    let left = [Unsynced::Lost, Unsynced::Kept, Unsynced::Any(7)];
    let all = seeds(1).end > 1;
    for seed in seeds(1) {
        for fault in [Fault::DeathBefore, Fault::DeathAfter] {
            for at in 0.. {
                let mut died = true;
                let turn = left.iter().enumerate();
                for (_, unsynced) in turn.filter(|(which, _)| all || at % 3 == *which) {
                    died &= tell(seed, async |life| life.die_at(at, fault, *unsynced).await);
                }
                if !died {
                    assert!(at > 10, "the story is not that short: {at}");
                    break;
                }
            }
        }
    }
}

/// A sync fails; what it should have made durable lies in the cache, as if it
/// were. The next process finds it there and must not trust it.
#[test]
fn a_failed_sync_is_not_trusted_later() {
    for seed in seeds(30) {
        tell(seed, async |life| {
            let store = life.open_whole().await;
            life.work(&store, 6).await.unwrap();
            let syncs = life.count(Call::Sync);
            life.machine.fail_syncs();
            life.note("the next sync fails");
            assert!(life.work(&store, 30).await.is_err(), "a commit fails");
            assert!(life.count(Call::Sync) > syncs, "there was a sync");
            // Killed: the cache outlives the process.
            life.kill(store);
            let store = life.open_whole().await;
            life.work(&store, 3).await.unwrap();
            life.cut(store, Unsynced::Lost);
            drop(life.open_whole().await);
        });
    }
}

/// What a group of the workload holds, about: accounts and blobs.
const GROUP_THINGS: usize = 4;

/// A store that has worked for a while and was closed in order.
async fn closed(life: &mut Life) {
    let store = life.open_whole().await;
    life.work(&store, 30).await.unwrap();
    store.close().await;
}

/// Starts twice over what was hit: at most so many things are damaged each time, and
/// `verify` names them. Then the store goes on.
async fn harms_no_more_than(life: &mut Life, most: usize) {
    for _ in 0..2 {
        let store = life.open_again();
        let damage = life.model.compare_damaged(&store).await;
        assert!(damage.count() <= most, "more than {most}: {damage:?}");
        damage.is_named(&store.verify(&|_| ()).await.unwrap());
        store.close().await;
    }
    let store = life.open_again();
    assert_eq!(life.commit_elsewhere(&store).await, Ok(()));
    store.close().await;
}

/// How many things may be damaged where octets of these files are hit and each hit
/// costs so many. Who loses a segment's header and the index loses the segment.
fn at_most(hits: &[(String, usize)], each: usize) -> usize {
    let header = |(name, at): &(String, usize)| *at < 512 && name.ends_with(".journal");
    match hits.iter().any(header) {
        true => usize::MAX,
        false => each * hits.len(),
    }
}

/// One bit turns over where it lies. What is damaged says so; all else is there.
#[test]
fn a_flipped_bit_harms_one_thing() {
    for seed in seeds(60) {
        tell(seed, async |life| {
            closed(life).await;
            let hit = life.flip_a_bit();
            harms_no_more_than(life, at_most(&[hit], 1)).await;
        });
    }
}

/// Several bits turn over. What one alone would not harm, a group whose directory a
/// footer has once more, two may.
#[test]
fn several_flipped_bits_harm_what_they_hit() {
    for seed in seeds(60) {
        tell(seed, async |life| {
            closed(life).await;
            let hits: Vec<_> = (0..2 + seed % 7).map(|_| life.flip_a_bit()).collect();
            harms_no_more_than(life, at_most(&hits, GROUP_THINGS)).await;
        });
    }
}

/// Sectors cannot be read any more. That is damage of what lies in them, and neither
/// a store that does not open nor one that fails.
#[test]
fn unreadable_sectors_harm_what_lies_in_them() {
    for seed in seeds(60) {
        tell(seed, async |life| {
            closed(life).await;
            let hits: Vec<_> = (0..1 + seed % 4).map(|_| life.lose_a_sector()).collect();
            harms_no_more_than(life, at_most(&hits, GROUP_THINGS)).await;
        });
    }
}

/// Several bits turn over and sectors cannot be read any more, in a journal that has
/// been through a crash and copying forward: no more is harmed than was hit, and
/// neither is it at the start after the next. A header that is hit takes with
/// it all that is in its group, where no footer has a copy.
#[test]
fn damage_after_a_crash_harms_what_it_hits() {
    for seed in seeds(60) {
        tell(seed, async |life| {
            let store = life.open_whole().await;
            life.work(&store, 20).await.unwrap();
            life.cut(store, Unsynced::Any(seed));
            let store = life.open_whole().await;
            life.work(&store, 20).await.unwrap();
            store.close().await;
            drop(store);
            let mut hits = Vec::new();
            for _ in 0..1 + life.chance.below(4) {
                hits.push(match life.chance.once_in(3) {
                    true => life.lose_a_sector(),
                    false => life.flip_a_bit(),
                });
            }
            harms_no_more_than(life, at_most(&hits, GROUP_THINGS)).await;
        });
    }
}

/// The disk fills up: mail is refused, deleting goes on, and with room again so
/// does everything.
#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    for seed in seeds(6) {
        tell(seed, async |life| {
            // The marks lie further apart than what is written between two looks.
            life.options.segment_octets = 512 << 10;
            life.options.low_octets = 7 << 20;
            life.options.lowest_octets = 2 << 20;
            life.options.reserve_octets = 1 << 20;
            life.machine.set_capacity(12 << 20);
            let store = life.open_whole().await;
            while life.model.full < 5 {
                life.work(&store, 5).await.unwrap();
            }
            life.note("the disk is full");
            life.model.compare(&store, After::Use).await;
            life.release_everything(&store).await;
            life.model.compare(&store, After::Use).await;
            life.close(store).await;
            let store = life.open_whole().await;
            life.machine.set_capacity(1 << 30);
            store.pass(2_000);
            life.model.full = 0;
            life.work(&store, 30).await.unwrap();
            assert_eq!(life.model.full, 0, "there is room again");
            life.cut(store, Unsynced::Lost);
            drop(life.open_whole().await);
        });
    }
}
