//! What a session that waits holds.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "these are tests"
)]

#[path = "transcript/script.rs"]
#[expect(dead_code, reason = "the world needs its bindings alone")]
mod script;
#[path = "transcript/world.rs"]
#[expect(dead_code, reason = "transcripts need more of it")]
mod world;

use world::World;

#[tokio::test(start_paused = true)]
async fn an_idle_session_is_small() {
    let mut world = World::new();
    for (protocol, octets) in world.session_octets().await {
        assert!(octets <= 1_600, "{protocol}: {octets} octets");
    }
}
