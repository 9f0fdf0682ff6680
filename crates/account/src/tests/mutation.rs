//! Damaged octets give an error or another state, never a panic.

use super::commands::dice;
use super::{ACCOUNT, House};
use crate::changes::Changes;
use crate::{FoldKind, Part, Scope, State, StoredSection, View, decide, next_due};
use proptest::prelude::*;
use terms::MailboxId;

fn damage(octets: &mut Vec<u8>, places: &[(u16, u8)]) {
    for &(place, value) in places {
        let length = octets.len().max(1);
        match value % 5 {
            0 => octets.truncate(usize::from(place) % length),
            1 => octets.insert(usize::from(place) % length.min(octets.len() + 1), value),
            _ => {
                if let Some(octet) = octets.get_mut(usize::from(place) % length) {
                    *octet = octet.wrapping_add(value);
                }
            }
        }
    }
}

/// Goes on with whatever came of it.
fn use_it(mut state: State, house: &mut House, steps: &[super::commands::Dice]) {
    for dice in steps {
        let command = dice.command(house);
        if let Ok(decision) = decide(&state, &command, house.now) {
            state.apply(&decision.changes);
        }
    }
    let _ = next_due(&state);
    let _ = state.digest();
    let _ = state.fold(FoldKind::All);
    if let Ok(mut view) = View::open(&state, MailboxId::INBOX, None) {
        let _ = view.advance(&state, true, None);
    }
}

proptest! {
    #![proptest_config(crate::tests::cases(128))]
    #[test]
    fn damaged_octets_never_panic(
        steps in prop::collection::vec(dice(), 1..25),
        places in prop::collection::vec((any::<u16>(), any::<u8>()), 1..4),
        which in any::<u16>(),
        later in prop::collection::vec(dice(), 0..6),
    ) {
        let mut house = House::new();
        for dice in steps {
            house.now = house.now.plus_millis(dice.millis());
            let command = dice.command(&mut house);
            let _ = house.step(&command);
        }
        let (before, last) = house.log.split_at(house.log.len() - 1);
        let mut state = State::new(ACCOUNT);
        for (_, _, payload) in before {
            state.follow(payload).unwrap();
        }
        let mut payload = last[0].2.clone();
        damage(&mut payload, &places);
        let _ = Changes::decode(&payload);
        if state.follow(&payload).is_ok() {
            use_it(state, &mut house, &later);
        }

        house.fold(FoldKind::All);
        let keys: Vec<u64> = house.sections.keys().copied().collect();
        let key = keys[usize::from(which) % keys.len()];
        let mut octets = house.sections[&key].1.clone();
        damage(&mut octets, &places);
        let mut stored = house.stored(None);
        for section in &mut stored.sections {
            if section.key == key {
                *section = StoredSection { octets: &octets, ..*section };
            }
        }
        if let Ok(state) = State::load(ACCOUNT, Scope::All, &stored) {
            use_it(state, &mut house.clone(), &later);
        }
        let mut parts = house.state.clone();
        for part in [Part::Table(MailboxId::INBOX), Part::Expunged] {
            parts.unload(part);
            let _ = parts.attach(part, &stored);
        }
    }

    #[test]
    fn any_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut versioned = vec![1];
        versioned.extend_from_slice(&octets);
        for octets in [&octets, &versioned] {
            let _ = Changes::decode(octets);
            let _ = crate::codec::parts::take_chunk(octets);
            let _ = crate::codec::parts::take_log_part(octets);
            let _ = crate::codec::parts::take_expunged_part(octets);
            let _ = crate::directory::Changes::decode(octets);
        }
    }
}
