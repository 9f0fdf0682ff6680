//! Some seeds of the whole system: deliveries, readers, a crash, the next life.
//!
//! `RESTANTE_SEEDS=1000` runs more, `RESTANTE_SEED=17` one.

use sim::world::World;

fn seeds(few: u64) -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok()?.parse().ok();
    match (number("RESTANTE_SEED"), number("RESTANTE_SEEDS")) {
        (Some(one), _) => one..one + 1,
        (None, Some(many)) => 0..many,
        (None, None) => 0..few,
    }
}

#[test]
fn everything_acknowledged_is_there_in_the_next_life() {
    for seed in seeds(6) {
        let lives = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            for _ in 0..5 {
                world.live(true);
            }
            world.live(false);
            world.live(false);
            world.story().taken()
        });
        match lives {
            Ok(taken) => assert!(taken > 30, "seed {seed}: only {taken} letters were taken"),
            Err(panic) => {
                eprintln!("RESTANTE_SEED={seed} fails");
                std::panic::resume_unwind(panic);
            }
        }
    }
}

/// The same seed is the same story.
#[test]
fn a_seed_is_one_story() {
    let tell = || {
        let mut world = World::new(3);
        let ends: Vec<_> = (0..3).map(|_| world.live(true)).collect();
        (ends, world.story().taken())
    };
    assert_eq!(tell(), tell());
}
