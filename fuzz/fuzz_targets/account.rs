//! Any octets as a commit's payload, or as a section: an error or a state that can
//! be used, and what was read is written again as it was.

#![no_main]

use account::{Changes, Command, FoldKind, Scope, State, Stored, StoredSection, View};
use account::{HoldSettings, Limits, decide, directory, next_due};
use libfuzzer_sys::fuzz_target;
use terms::{AccountId, MailboxId, ModSeq, Timestamp};

const ACCOUNT: AccountId = AccountId(1);
const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn created() -> State {
    let mut state = State::new(ACCOUNT);
    let command = Command::CreateAccount {
        limits: Limits::default(),
        hold: HoldSettings::default(),
        uid_validity_floor: None,
    };
    let decision = decide(&state, &command, NOW).expect("a new account");
    state.apply(&decision.changes);
    state
}

fn use_it(state: &State) {
    let _ = next_due(state);
    let _ = state.digest();
    let _ = state.fold(FoldKind::All);
    let _ = decide(state, &Command::Sweep(account::SweepRules::default()), NOW);
    if let Ok(mut view) = View::open(state, MailboxId::INBOX, None) {
        let _ = view.advance(state, true, None);
    }
}

fuzz_target!(|octets: &[u8]| {
    if let Ok(changes) = Changes::decode(octets) {
        let written = changes.encode();
        let again = Changes::decode(&written).expect("what was just written");
        assert_eq!(again.encode(), written);
    }
    let mut state = created();
    if state.follow(octets).is_ok() {
        use_it(&state);
    }
    let mut state = directory::State::new();
    if state.follow(octets).is_ok() {
        let _ = state.digest();
        let _ = state.fold();
    }
    let Some((&choice, section)) = octets.split_first() else {
        return;
    };
    let mut fold = created().fold(FoldKind::All).expect("all is loaded");
    let count = fold.sections.len();
    if let Some(chosen) = fold.sections.get_mut(usize::from(choice) % count) {
        chosen.1 = section.to_vec();
    }
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
    for scope in [Scope::All, Scope::Root] {
        if let Ok(state) = State::load(ACCOUNT, scope, &stored) {
            assert!(state.head() <= ModSeq::MAX);
            use_it(&state);
        }
    }
});
