//! The writer against faults, with a state as small as can be: a list of words.

use super::{Decision, ExecuteError, Handle, Machine, OpenFault, Registry, Sealed};
use crate::{Env, Limits, Node};
use bytes::Bytes;
use futures::future::join_all;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use store::{
    Checkpoint, Commit, Loaded, MemoryStore, Outcome, Section, SectionKey, Sections, Store,
};
use terms::{AccountId, BlobId, ModSeq, Timestamp};

/// The root counts the words, the only table lists them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Words {
    number: ModSeq,
    count: u64,
    list: Option<Arc<Vec<String>>>,
    covers: ModSeq,
    root: ModSeq,
}

#[derive(Clone, Debug)]
enum Ask {
    Add(&'static str),
    AddBlob(BlobId),
    /// Only if so many are there.
    AddAt(u64, &'static str),
    Last,
    Nothing,
    Panic,
}

const LIST: SectionKey = SectionKey(1);
const ID: AccountId = AccountId(77);

impl Words {
    fn words(&self) -> Vec<String> {
        self.list.as_ref().unwrap().to_vec()
    }

    fn add(&mut self, word: &str) {
        self.number = self.number.next();
        self.count += 1;
        if let Some(list) = &mut self.list {
            Arc::make_mut(list).push(word.to_owned());
        }
    }

    fn words_of(commit: &Commit) -> Vec<String> {
        std::str::from_utf8(&commit.payload)
            .unwrap()
            .split_terminator(' ')
            .map(str::to_owned)
            .collect()
    }
}

impl Machine for Words {
    type Command = Ask;
    type Outcome = String;
    type Refusal = u64;
    type Changes = (String, Option<BlobId>);
    type Part = ();
    type Fold = (ModSeq, bool);
    type Marks = ();

    fn number(&self) -> ModSeq {
        self.number
    }

    fn weight(_: &Ask) -> usize {
        1
    }

    fn decide(&self, ask: &Ask, _: account::Moment) -> Decision<Self> {
        let (word, blob) = match ask {
            Ask::Add(word) => ((*word).to_owned(), None),
            Ask::AddAt(count, word) if *count == self.count => ((*word).to_owned(), None),
            Ask::AddAt(..) => return Decision::Refused(self.count),
            Ask::AddBlob(blob) => (blob.to_string(), Some(*blob)),
            Ask::Last => {
                let Some(list) = &self.list else {
                    return Decision::Needs(vec![()]);
                };
                return Decision::Done {
                    changes: None,
                    outcome: list.last().cloned().unwrap_or_default(),
                };
            }
            Ask::Nothing => {
                return Decision::Done {
                    changes: None,
                    outcome: String::new(),
                };
            }
            Ask::Panic => panic!("told to"),
        };
        Decision::Done {
            outcome: format!("{}:{word}", self.count),
            changes: Some((word, blob)),
        }
    }

    fn apply(&mut self, (word, _): &Self::Changes) {
        self.add(word);
    }

    fn epoch(_: ModSeq) -> Ask {
        Ask::Nothing
    }

    fn is_epoch(ask: &Ask) -> bool {
        matches!(ask, Ask::Nothing)
    }

    fn riders(&self, (): &()) -> Option<Self::Changes> {
        None
    }

    fn seal(&self, changes: &[Self::Changes]) -> Sealed {
        let payload: String = changes.iter().map(|(word, _)| format!("{word} ")).collect();
        Sealed {
            first: ModSeq(self.number.0 + 1 - changes.len() as u64),
            last: self.number,
            binds: changes.iter().filter_map(|(_, blob)| *blob).collect(),
            releases: Vec::new(),
            due: None,
            payload: payload.into(),
        }
    }

    fn binds(changes: &Self::Changes) -> bool {
        changes.1.is_some()
    }

    fn opening() -> Sections {
        Sections::Root
    }

    fn open(_: AccountId, loaded: &Loaded) -> Result<Self, OpenFault> {
        let mut words = Self {
            covers: loaded.covers,
            ..Self::default()
        };
        for section in &loaded.sections {
            if section.key == SectionKey::ROOT {
                words.number = section.number;
                words.count = section.number.0;
                words.root = section.number;
            }
        }
        if loaded.covers == ModSeq::ZERO {
            words.list = (words.number == ModSeq::ZERO).then(Arc::default);
        }
        let news: Vec<_> = loaded
            .commits
            .iter()
            .filter(|commit| commit.first > words.number)
            .cloned()
            .collect();
        words.follow(&news).map_err(OpenFault::Bad)?;
        Ok(words)
    }

    fn follow(&mut self, commits: &[Commit]) -> Result<(), String> {
        for commit in commits {
            if commit.first != self.number.next() {
                return Err("a hole".into());
            }
            for word in Self::words_of(commit) {
                self.add(&word);
            }
        }
        Ok(())
    }

    fn sections(&self, _: &[()]) -> Vec<SectionKey> {
        vec![LIST]
    }

    fn fill(&mut self, _: &[()], loaded: &Loaded) -> Result<(), String> {
        let mut list = Vec::new();
        if let Some(section) = loaded.sections.first() {
            let text = std::str::from_utf8(&section.octets).unwrap();
            list.extend(text.split_terminator(' ').map(str::to_owned));
        }
        for commit in &loaded.commits {
            list.extend(Self::words_of(commit));
        }
        if list.len() as u64 != self.count {
            return Err(format!("{} of {} words", list.len(), self.count));
        }
        self.list = Some(Arc::new(list));
        Ok(())
    }

    fn has(&self, parts: &[()]) -> bool {
        parts.is_empty() || self.list.is_some()
    }

    fn tables_octets(&self) -> usize {
        self.list.as_ref().map_or(0, |list| 100 * list.len())
    }

    fn unload(&mut self) {
        self.list = None;
    }

    fn committed(&mut self, _: usize) {}

    fn covers(&self) -> ModSeq {
        self.covers
    }

    fn fold_due(&self) -> bool {
        self.number.0 - self.root.0 >= 64
    }

    fn fold(&self) -> Result<(Checkpoint, (ModSeq, bool)), Vec<()>> {
        let root_only = self.number.0 - self.covers.0 < 300;
        let section = |key, text: String| Section {
            key,
            number: self.number,
            octets: text.into(),
        };
        let mut sections = vec![section(SectionKey::ROOT, String::new())];
        if !root_only {
            let list = self.list.as_ref().ok_or(vec![()])?;
            let text = list.iter().map(|word| format!("{word} ")).collect();
            sections.push(section(LIST, text));
        }
        let checkpoint = Checkpoint {
            number: self.number,
            covers: if root_only { self.covers } else { self.number },
            replaces: None,
            sections,
            removed: Vec::new(),
        };
        Ok((checkpoint, (self.number, root_only)))
    }

    fn folded(&mut self, (number, root_only): &(ModSeq, bool)) {
        self.root = *number;
        if !root_only {
            self.covers = *number;
        }
    }
}

fn registry(store: &MemoryStore, seed: u64) -> Registry<Words> {
    let env = Env::simulated(seed, Timestamp::from_seconds(1_000_000));
    let limits = Limits {
        tables_octets_max: 3_000,
        ..Limits::default()
    };
    Registry::new(Node::new(env, limits), Arc::new(store.clone()))
}

async fn opened(store: &MemoryStore, seed: u64) -> (Registry<Words>, Handle<Words>) {
    let registry = registry(store, seed);
    let handle = registry.open(ID).await.unwrap();
    (registry, handle)
}

async fn put(store: &MemoryStore, id: BlobId) {
    let mut sink = store.blob_sink(id, None);
    sink.write(b"x").await.unwrap();
    sink.finish(Bytes::new()).await.unwrap();
}

async fn commits(store: &MemoryStore) -> Vec<Vec<String>> {
    let loaded = store.load(ID, Sections::All).await.unwrap();
    loaded.commits.iter().map(Words::words_of).collect()
}

#[tokio::test(start_paused = true)]
async fn what_waits_goes_out_in_one_commit() {
    let store = MemoryStore::new();
    let (_registry, handle) = opened(&store, 1).await;
    let asked = ["a", "b", "c"].map(|word| handle.execute(Ask::Add(word)));
    let answers = join_all(asked).await;
    assert_eq!(
        answers,
        ["0:a", "1:b", "2:c"].map(|answer| Ok(answer.to_owned()))
    );
    assert_eq!(commits(&store).await, [["a", "b", "c"]]);
    assert_eq!(handle.snapshot().words(), ["a", "b", "c"]);
    assert_eq!(
        handle.execute(Ask::AddAt(2, "d")).await,
        Err(ExecuteError::Refused(3))
    );
}

#[tokio::test(start_paused = true)]
async fn a_command_is_done_though_nobody_waits() {
    let store = MemoryStore::new();
    let (_registry, handle) = opened(&store, 1).await;
    {
        let mut asked = Box::pin(handle.execute(Ask::Add("a")));
        let polled = std::future::poll_fn(|cx| {
            std::task::Poll::Ready(std::future::Future::poll(asked.as_mut(), cx).is_ready())
        });
        assert!(!polled.await);
    }
    let state = handle.newer_than(ModSeq::ZERO).await;
    assert_eq!(state.words(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn two_writers_over_one_store_lose_nothing() {
    let store = MemoryStore::new();
    let (_one, here) = opened(&store, 1).await;
    let (_two, there) = opened(&store, 2).await;
    let mut asked = Vec::new();
    for word in ["a", "b", "c", "d", "e"] {
        asked.push(here.execute(Ask::Add(word)));
        asked.push(there.execute(Ask::Add(word)));
    }
    assert!(join_all(asked).await.iter().all(Result::is_ok));
    let (mine, theirs) = (here.fresh().await.unwrap(), there.fresh().await.unwrap());
    assert_eq!(mine.words(), theirs.words());
    assert_eq!(mine.number(), ModSeq(10));

    // A refusal rests on the newest state, not on what this one has seen.
    here.execute(Ask::Add("f")).await.unwrap();
    assert_eq!(there.execute(Ask::AddAt(11, "g")).await.unwrap(), "11:g");
    assert_eq!(
        here.execute(Ask::AddAt(11, "h")).await,
        Err(ExecuteError::Refused(12))
    );
}

#[tokio::test(start_paused = true)]
async fn another_writers_commit_is_seen_and_pushed() {
    let store = MemoryStore::new();
    let (_one, here) = opened(&store, 1).await;
    let (_two, there) = opened(&store, 2).await;
    let waiting = tokio::spawn({
        let there = there.clone();
        async move { there.newer_than(ModSeq::ZERO).await }
    });
    tokio::task::yield_now().await;
    here.execute(Ask::Add("a")).await.unwrap();
    assert_eq!(waiting.await.unwrap().words(), ["a"]);
    here.execute(Ask::Add("b")).await.unwrap();
    assert_eq!(there.fresh().await.unwrap().words(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_looked_up() {
    for outcome in [Outcome::Applied, Outcome::Lost] {
        let store = MemoryStore::new();
        let (_registry, handle) = opened(&store, 1).await;
        store.fail_next_commit(outcome);
        let asked = ["a", "b"].map(|word| handle.execute(Ask::Add(word)));
        let answers = join_all(asked).await;
        assert_eq!(answers, ["0:a", "1:b"].map(|text| Ok(text.to_owned())));
        assert_eq!(commits(&store).await, [["a", "b"]], "{outcome:?}");
        assert_eq!(handle.snapshot().words(), ["a", "b"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_keeps_failing_is_unavailable_and_then_works() {
    let store = MemoryStore::new();
    let (_registry, handle) = opened(&store, 1).await;
    for _ in 0..Limits::default().commit_attempts_max {
        store.fail_next_commit(Outcome::Lost);
    }
    let asked = ["a", "b"].map(|word| handle.execute(Ask::Add(word)));
    for answer in join_all(asked).await {
        assert_eq!(answer, Err(ExecuteError::Unavailable));
    }
    assert_eq!(handle.execute(Ask::Add("c")).await.unwrap(), "0:c");
    assert_eq!(handle.snapshot().words(), ["c"]);
}

#[tokio::test(start_paused = true)]
async fn a_full_store_refuses_only_what_binds() {
    let store = MemoryStore::new();
    let (_registry, handle) = opened(&store, 1).await;
    put(&store, BlobId(1)).await;
    store.set_full(true);
    let asked = [Ask::Add("a"), Ask::AddBlob(BlobId(1)), Ask::Add("b")];
    let answers = join_all(asked.map(|ask| handle.execute(ask))).await;
    assert_eq!(
        answers,
        [
            Ok("0:a".to_owned()),
            Err(ExecuteError::Full),
            Ok("1:b".to_owned())
        ]
    );
    assert_eq!(handle.snapshot().words(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_bad_command_spoils_nothing_for_the_others() {
    let store = MemoryStore::new();
    let (_registry, handle) = opened(&store, 1).await;
    let asked = [Ask::Add("a"), Ask::AddBlob(BlobId(9)), Ask::Add("b")];
    let answers = join_all(asked.map(|ask| handle.execute(ask))).await;
    assert_eq!(
        answers,
        [
            Ok("0:a".to_owned()),
            Err(ExecuteError::Unavailable),
            Ok("1:b".to_owned())
        ]
    );

    // A fault of the state itself: told, and the account goes on.
    assert_eq!(
        handle.execute(Ask::Panic).await,
        Err(ExecuteError::Unavailable)
    );
    assert_eq!(handle.execute(Ask::Add("c")).await.unwrap(), "2:c");
}

#[tokio::test(start_paused = true)]
async fn a_damaged_account_is_read_only() {
    let store = MemoryStore::new();
    let (_registry, handle) = opened(&store, 1).await;
    handle.execute(Ask::Add("a")).await.unwrap();
    store.damage_account(ID);
    assert_eq!(
        handle.execute(Ask::Add("b")).await,
        Err(ExecuteError::Damaged)
    );
    assert_eq!(handle.execute(Ask::Last).await.unwrap(), "a");
}

#[tokio::test(start_paused = true)]
async fn tables_come_when_they_are_needed_and_go() {
    let store = MemoryStore::new();
    let (registry, handle) = opened(&store, 1).await;
    for _ in 0..20 {
        handle.execute(Ask::Add("w")).await.unwrap();
    }
    // Counted now and then.
    assert_eq!(registry.tables_octets(), 1_600);
    // Idle: the tables go, the root stays.
    tokio::time::sleep(Limits::default().table_idle * 2).await;
    assert_eq!(registry.tables_octets(), 0);
    assert!(handle.snapshot().list.is_none());
    assert_eq!(handle.execute(Ask::Add("x")).await.unwrap(), "20:x");
    assert_eq!(handle.snapshot().number(), ModSeq(21));
    assert_eq!(handle.execute(Ask::Last).await.unwrap(), "x");
    assert_eq!(handle.with(vec![()]).await.unwrap().words().len(), 21);

    // Too many: they go at once.
    for _ in 0..40 {
        handle.execute(Ask::Add("w")).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(registry.tables_octets() <= 3_000);

    // Nobody has it open any more: the whole account goes.
    drop(handle);
    tokio::time::sleep(Limits::default().table_idle * 6).await;
    assert_eq!(registry.live_count(), 0);
    assert_eq!(registry.tables_octets(), 0);
    let handle = registry.open(ID).await.unwrap();
    assert_eq!(handle.with(vec![()]).await.unwrap().words().len(), 61);
}

#[tokio::test(start_paused = true)]
async fn a_long_log_is_folded() {
    let store = MemoryStore::new();
    let (_registry, handle) = opened(&store, 1).await;
    for _ in 0..700 {
        handle.execute(Ask::Add("w")).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(commits(&store).await.len() < 400);
    let root = store.load(ID, Sections::Root).await.unwrap();
    assert!(root.commits.len() <= 64 + 1);
    let (_other, there) = opened(&store, 2).await;
    assert_eq!(there.snapshot().number(), ModSeq(700));
    assert_eq!(there.with(vec![()]).await.unwrap().words().len(), 700);

    // Both fold the same log: the one that comes later is refused and goes on.
    for _ in 0..600 {
        here_and_there(&handle, &there).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(commits(&store).await.len() < 700);
    assert_eq!(
        handle.fresh().await.unwrap().number(),
        there.fresh().await.unwrap().number()
    );
}

async fn here_and_there(here: &Handle<Words>, there: &Handle<Words>) {
    here.execute(Ask::Add("h")).await.unwrap();
    there.execute(Ask::Add("t")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_lets_wait() {
    let store = MemoryStore::new();
    let env = Env::simulated(1, Timestamp::EPOCH);
    let limits = Limits {
        queue_octets_max: 600,
        ..Limits::default()
    };
    let registry: Registry<Words> = Registry::new(Node::new(env, limits), Arc::new(store.clone()));
    let handle = registry.open(ID).await.unwrap();
    let done = AtomicUsize::new(0);
    let asked = (0..50).map(|_| async {
        handle.execute(Ask::Add("w")).await.unwrap();
        done.fetch_add(1, Ordering::Relaxed);
    });
    join_all(asked).await;
    assert_eq!(done.into_inner(), 50);
    // Two fitted at a time.
    assert_eq!(commits(&store).await.len(), 25);
    assert_eq!(handle.execute(Ask::Nothing).await.unwrap(), "");
}
