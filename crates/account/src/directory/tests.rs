//! Random commands to the directory, against two ordered maps.

use super::{
    Changes, Command, DeviceCredential, Domain, NewAccount, Record, Refusal, State, decide,
};
use crate::{DeviceId, HoldSettings, LoadError, Stored, StoredSection};
use proptest::prelude::*;
use std::collections::BTreeMap;
use terms::{AccountId, ModSeq, Timestamp, UidValidity};

#[derive(Clone, Debug)]
struct Dice(u8, u8, u8, u16);

fn name(number: u8) -> String {
    let local = ["ann", "bob", "carl", "dora", "info", "x"][usize::from(number) % 6];
    match number / 6 % 3 {
        0 => local.to_owned(),
        1 => format!("{local}@a.example"),
        _ => format!("{local}@b.example"),
    }
}

fn verifiers(number: u16) -> Vec<String> {
    let all = ["{ARGON2ID}1", "{SCRAM-SHA-256}2", "{SCRAM-SHA-256}3"];
    let chosen = all
        .iter()
        .enumerate()
        .filter(|(bit, _)| number & (1 << bit) != 0);
    chosen.map(|(_, text)| (*text).to_owned()).collect()
}

impl Dice {
    fn command(&self, next_id: &mut u128) -> Command {
        let Self(kind, a, b, c) = *self;
        match kind % 16 {
            0..4 => Command::AddAccounts(
                (0..1 + b % 2)
                    .map(|index| {
                        *next_id += 1;
                        NewAccount {
                            name: name(a.wrapping_add(index * b)),
                            id: AccountId(*next_id),
                            verifiers: verifiers(c),
                            settings: BTreeMap::new(),
                        }
                    })
                    .collect(),
            ),
            4 => Command::RemoveAccount {
                name: name(a),
                uid_validity: UidValidity::new(c.into()),
            },
            5 => Command::RenameAccount {
                from: name(a),
                to: name(b),
                keep_alias: c % 2 == 0,
            },
            6 => Command::AddAlias {
                alias: name(a),
                name: name(b),
            },
            7 => Command::RemoveAlias { alias: name(a) },
            8 => Command::SetVerifiers {
                name: name(a),
                verifiers: verifiers(c),
                replaces: (b % 2 == 0).then(|| verifiers(c / 8)),
            },
            9 => Command::SetDevice {
                name: name(a),
                credential: DeviceCredential {
                    device: DeviceId(c.into()),
                    name: format!("device {}", b % 3),
                    verifiers: verifiers(c),
                    expires: None,
                },
            },
            10 => Command::SetDomain {
                name: ["a.example", "b.example", "c.example"][usize::from(b) % 3].into(),
                domain: Domain::default(),
            },
            11 => Command::RemoveDomain {
                name: ["a.example", "b.example", "c.example"][usize::from(b) % 3].into(),
            },
            13 => Command::SetNode {
                hold: (a % 2 == 0).then(|| (b % 2 == 0).then(HoldSettings::default)),
                settings: vec![(format!("s{}", a % 3), (c % 2 == 0).then(|| name(b)))],
            },
            12 => Command::FileUse(vec![(AccountId(b.into()), Timestamp(c.into()))]),
            14 => Command::FileDeviceUse(vec![super::DeviceUse {
                account: AccountId(b.into()),
                device: crate::DeviceId(c.into()),
                time: Timestamp(c.into()),
                from: "192.0.2.1".into(),
            }]),
            _ => Command::FinishRemoval(AccountId(b.into())),
        }
    }
}

/// Names and accounts, as a small model has them.
#[derive(Default)]
struct Model {
    accounts: BTreeMap<String, AccountId>,
    aliases: BTreeMap<String, AccountId>,
}

impl Model {
    fn find(&self, name: &str) -> Option<AccountId> {
        let of = self.accounts.get(name).or_else(|| self.aliases.get(name));
        of.copied()
    }

    fn done(&mut self, command: &Command) {
        match command {
            Command::AddAccounts(new) => {
                self.accounts
                    .extend(new.iter().map(|new| (new.name.clone(), new.id)));
            }
            Command::RemoveAccount { name, .. } => {
                let id = self.find(name).unwrap();
                self.accounts.retain(|_, of| *of != id);
                self.aliases.retain(|_, of| *of != id);
            }
            Command::RenameAccount {
                from,
                to,
                keep_alias,
            } => {
                let id = self.find(from).unwrap();
                let old = self.accounts.iter().find(|(_, of)| **of == id);
                let old = old.unwrap().0.clone();
                self.accounts.remove(&old);
                if *keep_alias {
                    self.aliases.insert(old, id);
                }
                self.aliases.remove(to);
                self.accounts.insert(to.clone(), id);
            }
            Command::AddAlias { alias, name } => {
                let id = self.find(name).unwrap();
                self.aliases.insert(alias.clone(), id);
            }
            Command::RemoveAlias { alias } => {
                self.aliases.remove(alias).unwrap();
            }
            _ => {}
        }
    }

    fn check(&self, state: &State) {
        let all: Vec<_> = state
            .accounts(None)
            .map(|(name, r)| (name.to_owned(), r.id))
            .collect();
        assert!(all.iter().map(|(n, id)| (n, id)).eq(self.accounts.iter()));
        assert_eq!(state.account_count(), self.accounts.len());
        for number in 0..18 {
            let name = name(number);
            assert_eq!(
                state.account(&name).map(|r| r.id),
                self.find(&name),
                "{name}"
            );
        }
        for (name, id) in &self.accounts {
            assert_eq!(state.name_of(*id), Some(name.as_str()));
            let aliases = self.aliases.iter().filter(|(_, of)| *of == id);
            assert!(
                state
                    .aliases(*id)
                    .eq(aliases.map(|(name, _)| name.as_str()))
            );
        }
        let scram = |record: &Record| record.verifiers.iter().any(|v| v.contains("SCRAM"));
        let count = state
            .accounts(None)
            .filter(|(_, record)| scram(record))
            .count();
        assert_eq!(state.accounts_with("SCRAM-SHA-256"), count);
    }
}

proptest! {
    #![proptest_config(crate::tests::cases(96))]
    #[test]
    fn the_directory_agrees_with_a_model(
        steps in prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>(), any::<u16>()), 1..60),
    ) {
        let (mut state, mut model, mut next_id) = (State::new(), Model::default(), 0);
        let mut covers = ModSeq::ZERO;
        let mut sections: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        let mut log: Vec<Vec<u8>> = Vec::new();
        for (index, (a, b, c, d)) in steps.into_iter().enumerate() {
            let command = Dice(a, b, c, d).command(&mut next_id);
            let before = state.clone();
            let now = Timestamp(index as i64);
            if let Ok(decision) = decide(&state, &command, now) {
                let payload = decision.changes.encode();
                prop_assert_eq!(&Changes::decode(&payload).unwrap(), &decision.changes);
                state.apply(&decision.changes);
                if !decision.changes.is_empty() {
                    state.committed(payload.len());
                    log.push(payload);
                }
                model.done(&command);
            }
            model.check(&state);
            if d % 9 == 0 {
                let fold = state.fold();
                for (key, octets) in &fold.sections {
                    sections.insert(*key, octets.clone());
                }
                for key in &fold.removed {
                    sections.remove(key);
                }
                covers = fold.number;
                log.clear();
                state.folded(&fold);
            }
            let stored = Stored {
                covers,
                sections: sections
                    .iter()
                    .map(|(key, octets)| StoredSection { key: *key, number: covers, octets })
                    .collect(),
                commits: log.iter().map(Vec::as_slice).collect(),
            };
            let loaded = State::load(&stored).unwrap();
            prop_assert_eq!(loaded.digest(), state.digest());
            model.check(&loaded);
            drop(before);
        }
    }
}

fn many(count: u128) -> State {
    let mut state = State::new();
    for first in (0..count).step_by(1_000) {
        let accounts = (first..count.min(first + 1_000)).map(|number| NewAccount {
            name: format!("user{}@example.org", number.wrapping_mul(7_919) % count),
            id: AccountId(number + 1),
            verifiers: vec![format!("{{ARGON2ID}}{number:0100}")],
            settings: BTreeMap::new(),
        });
        let command = Command::AddAccounts(accounts.collect());
        let decision = decide(&state, &command, Timestamp(1)).unwrap();
        state.apply(&decision.changes);
    }
    state
}

#[test]
fn blocks_stay_small_and_only_changed_ones_are_written() {
    let mut state = many(20_000);
    let fold = state.fold();
    assert!(
        fold.sections
            .iter()
            .all(|(_, octets)| octets.len() <= 1 << 20)
    );
    assert!(fold.sections.len() > 40);
    state.folded(&fold);
    let command = Command::SetEnabled {
        name: "user7@example.org".into(),
        enabled: false,
    };
    let decision = decide(&state, &command, Timestamp(2)).unwrap();
    state.apply(&decision.changes);
    // The root and one block.
    assert_eq!(state.fold().sections.len(), 2);
}

#[test]
fn a_renewed_hash_does_not_undo_a_new_password() {
    let mut state = many(1);
    let set = |replaces: Option<&str>, text: &str| Command::SetVerifiers {
        name: "user0@example.org".into(),
        verifiers: vec![text.into()],
        replaces: replaces.map(|old| vec![old.to_owned()]),
    };
    let decision = decide(&state, &set(None, "{NEW}1"), Timestamp(2)).unwrap();
    state.apply(&decision.changes);
    let late = decide(&state, &set(Some("{OLD}0"), "{RENEWED}0"), Timestamp(3));
    assert_eq!(late, Err(Refusal::Changed));
    assert!(decide(&state, &set(Some("{NEW}1"), "{NEW}2"), Timestamp(3)).is_ok());
}

#[test]
fn a_name_that_comes_back_begins_above_its_old_uidvalidities() {
    let mut state = many(1);
    let floor = UidValidity::new(1_800_000_000);
    let command = Command::RemoveAccount {
        name: "user0@example.org".into(),
        uid_validity: floor,
    };
    let decision = decide(&state, &command, Timestamp(2)).unwrap();
    state.apply(&decision.changes);
    assert!(state.account("user0@example.org").is_none());
    assert_eq!(state.uid_validity_floor("user0@example.org"), floor);
    assert_eq!(state.removals().collect::<Vec<_>>(), [AccountId(1)]);
    // A number that is on its way out is not given again.
    let again = Command::AddAccounts(vec![NewAccount {
        name: "user0@example.org".into(),
        id: AccountId(1),
        verifiers: Vec::new(),
        settings: BTreeMap::new(),
    }]);
    assert!(decide(&state, &again, Timestamp(3)).is_err());
}

#[test]
fn a_missing_section_is_noticed() {
    let state = many(2_000);
    let fold = state.fold();
    let sections = fold.sections.iter().map(|(key, octets)| StoredSection {
        key: *key,
        number: fold.number,
        octets,
    });
    let mut stored = Stored {
        covers: fold.number,
        sections: sections.collect(),
        commits: Vec::new(),
    };
    assert_eq!(State::load(&stored).unwrap().digest(), state.digest());
    for gone in 0..stored.sections.len() {
        let section = stored.sections.remove(gone);
        assert!(
            matches!(State::load(&stored), Err(LoadError::Gap(_))),
            "section {gone}"
        );
        stored.sections.insert(gone, section);
    }
}

proptest! {
    #![proptest_config(crate::tests::cases(128))]
    #[test]
    fn damaged_octets_never_panic(
        steps in prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>(), any::<u16>()), 1..20),
        place in any::<u16>(),
        value in any::<u8>(),
        which in any::<u8>(),
    ) {
        let (mut state, mut next_id) = (State::new(), 0);
        let mut last = Vec::new();
        for (a, b, c, d) in steps {
            let command = Dice(a, b, c, d).command(&mut next_id);
            if let Ok(decision) = decide(&state, &command, Timestamp(1)) {
                last = decision.changes.encode();
                state.apply(&decision.changes);
            }
        }
        let damage = |octets: &mut Vec<u8>| {
            let length = octets.len().max(1);
            if let Some(octet) = octets.get_mut(usize::from(place) % length) {
                *octet = octet.wrapping_add(value);
            }
        };
        damage(&mut last);
        let _ = Changes::decode(&last);
        let mut copy = state.clone();
        let _ = copy.follow(&last);

        let mut fold = state.fold();
        let count = fold.sections.len();
        damage(&mut fold.sections[usize::from(which) % count].1);
        let sections = fold.sections.iter().map(|(key, octets)| StoredSection {
            key: *key,
            number: fold.number,
            octets,
        });
        let stored = Stored {
            covers: fold.number,
            sections: sections.collect(),
            commits: Vec::new(),
        };
        if let Ok(mut loaded) = State::load(&stored) {
            for kind in 0..16 {
                let command = Dice(kind, which, value, place).command(&mut next_id);
                if let Ok(decision) = decide(&loaded, &command, Timestamp(2)) {
                    loaded.apply(&decision.changes);
                }
            }
            let _ = loaded.digest();
        }
    }
}
