//! The directory on the machinery of this module.

use super::account::{checkpoint, stored};
use super::machine::{Decision, Machine, OpenFault, Sealed};
use account::directory::{self, Changes, Command, Fold, Refusal, State};
use store::{Checkpoint, Commit, Loaded, SectionKey, Sections};
use terms::{AccountId, ModSeq};

impl Machine for State {
    type Command = Command;
    type Outcome = ();
    type Refusal = Refusal;
    type Changes = Changes;
    // All of it is always in memory.
    type Part = ();
    type Fold = Fold;
    type Marks = ();

    fn number(&self) -> ModSeq {
        self.head()
    }

    fn weight(command: &Command) -> usize {
        match command {
            Command::AddAccounts(accounts) => accounts.len() * 512,
            Command::FileUse(uses) => uses.len() * 24,
            Command::FileDeviceUse(uses) => uses.len() * 64,
            _ => 512,
        }
    }

    fn decide(&self, command: &Command, moment: account::Moment) -> Decision<Self> {
        match directory::decide(self, command, moment.now) {
            Ok(decision) => Decision::Done {
                changes: (!decision.changes.is_empty()).then_some(decision.changes),
                outcome: (),
            },
            Err(refusal) => Decision::Refused(refusal),
        }
    }

    fn apply(&mut self, changes: &Changes) {
        Self::apply(self, changes);
    }

    fn epoch(told: ModSeq) -> Command {
        Command::Epoch { told }
    }

    fn is_epoch(command: &Command) -> bool {
        matches!(command, Command::Epoch { .. })
    }

    fn riders(&self, (): &()) -> Option<Changes> {
        None
    }

    fn seal(&self, changes: &[Changes]) -> Sealed {
        let mut all = Changes::default();
        for changes in changes {
            all.extend(changes.clone());
        }
        Sealed {
            first: all.first().unwrap_or_default(),
            last: all.last().unwrap_or_default(),
            payload: all.encode().into(),
            ..Sealed::default()
        }
    }

    fn binds(_: &Changes) -> bool {
        false
    }

    fn opening() -> Sections {
        Sections::All
    }

    fn open(_: AccountId, loaded: &Loaded) -> Result<Self, OpenFault> {
        Self::load(&stored(loaded)).map_err(|error| OpenFault::Bad(error.to_string()))
    }

    fn follow(&mut self, commits: &[Commit]) -> Result<(), String> {
        for commit in commits {
            Self::follow(self, &commit.payload).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn sections(&self, _: &[()]) -> Vec<SectionKey> {
        Vec::new()
    }

    fn fill(&mut self, _: &[()], _: &Loaded) -> Result<(), String> {
        Ok(())
    }

    fn has(&self, _: &[()]) -> bool {
        true
    }

    fn tables_octets(&self) -> usize {
        0
    }

    fn unload(&mut self) {}

    fn committed(&mut self, octets: usize) {
        Self::committed(self, octets);
    }

    fn covers(&self) -> ModSeq {
        Self::covers(self)
    }

    fn fold_due(&self) -> bool {
        Self::fold_due(self)
    }

    fn fold(&self) -> Result<(Checkpoint, Fold), Vec<()>> {
        let mut fold = Self::fold(self);
        let sections = std::mem::take(&mut fold.sections);
        let checkpoint = checkpoint(fold.number, fold.number, &sections, &fold.removed);
        fold.sections = sections
            .into_iter()
            .map(|(key, _)| (key, Vec::new()))
            .collect();
        Ok((checkpoint, fold))
    }

    fn folded(&mut self, fold: &Fold) {
        Self::folded(self, fold);
    }
}
