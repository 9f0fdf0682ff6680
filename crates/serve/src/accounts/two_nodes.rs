//! Two nodes on one store: random commands on one account from both, with lost
//! answers, tables that come and go, and folds by either. Nothing may be lost,
//! done twice, or seen differently.

use super::{Account, Accounts, ExecuteError};
use crate::{Env, Limits, Node};
use account::{
    Cause, Command, HoldSettings, MailboxRef, NewMessage, Outcome, Part, Refusal, Source, State,
    Which,
};
use std::sync::Arc;
use std::time::Duration;
use store::{MemoryStore, Outcome as Lost, Store as _};
use terms::{
    AccountId, BlobId, FlagSet, MailboxId, MailboxName, StoreMode, StoreOp, SystemFlag, Timestamp,
    Uid, UidSet,
};

const ID: AccountId = AccountId(5);

/// Numbers from a seed. Small, because that is what finds things.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % limit
    }

    fn uids(&mut self) -> UidSet {
        let first = u32::try_from(self.below(150)).unwrap() + 1;
        let last = first + u32::try_from(self.below(20)).unwrap();
        UidSet::range(Uid::new(first).unwrap(), Uid::new(last).unwrap())
    }

    fn mailbox(&mut self) -> MailboxId {
        MailboxId(u32::try_from(self.below(4)).unwrap() + 1)
    }
}

fn node(store: &MemoryStore, seed: u64) -> Accounts {
    let env = Env::simulated(seed, Timestamp::from_seconds(1_700_000_000));
    let limits = Limits {
        // So small that tables go all the time.
        tables_octets_max: 20_000,
        table_idle: Duration::from_secs(2),
        ..Limits::default()
    };
    Accounts::new(Node::new(env, limits), Arc::new(store.clone()))
}

async fn put(store: &MemoryStore, id: BlobId) {
    let mut sink = store.blob_sink(id, None);
    sink.write(b"x").await.unwrap();
    sink.finish(bytes::Bytes::new()).await.unwrap();
}

async fn command(dice: &mut Dice, store: &MemoryStore, next: &mut u128) -> Command {
    let mailbox = dice.mailbox();
    match dice.below(10) {
        0..5 => {
            let mut messages = Vec::new();
            for _ in 0..=dice.below(3) {
                *next += 1;
                put(store, BlobId(*next)).await;
                messages.push(NewMessage::new(BlobId(*next), 1));
            }
            Command::Append {
                mailbox: MailboxRef::Id(mailbox),
                create: false,
                messages,
                source: Source::Delivery,
            }
        }
        5 => Command::Store {
            mailbox,
            uids: dice.uids(),
            op: StoreOp {
                mode: [StoreMode::Add, StoreMode::Remove][usize::from(dice.below(2) == 0)],
                flags: FlagSet::from_iter([terms::Flag::System(SystemFlag::Seen)]),
            },
            unchanged_since: None,
        },
        6 => Command::Expunge {
            mailbox,
            which: Which::Uids(dice.uids()),
            deleted_only: false,
            cause: Cause::Expunge,
        },
        7 => Command::Copy {
            from: mailbox,
            uids: dice.uids(),
            all: false,
            to: MailboxRef::Id(dice.mailbox()),
        },
        8 => Command::Move {
            from: mailbox,
            uids: dice.uids(),
            all: false,
            to: MailboxRef::Id(dice.mailbox()),
        },
        _ => {
            let name = format!("m{}", dice.below(5));
            let name = MailboxName::new(&name).unwrap();
            if dice.below(2) == 0 {
                Command::CreateMailbox {
                    name,
                    special_uses: account::SpecialUses::default(),
                }
            } else {
                Command::DeleteMailbox { name }
            }
        }
    }
}

/// All that can be seen of an account, as text.
async fn seen(account: &Account) -> String {
    let state = account.fresh().await.unwrap();
    let parts = state.mailboxes().map(|mailbox| Part::Table(mailbox.id));
    let state = account
        .with(parts.chain([Part::Expunged]).collect())
        .await
        .unwrap();
    let mut text = format!("{:?} {:?}\n", state.head(), state.used());
    for mailbox in state.mailboxes() {
        let table = state.table(mailbox.id).unwrap();
        assert_eq!(table.len() as u64, u64::from(mailbox.counts.messages));
        text += &format!("{mailbox:?}\n");
        for row in table.rows() {
            text += &format!("  {row:?}\n");
        }
    }
    for batch in state.expunged().unwrap().batches() {
        text += &format!("{batch:?}\n");
    }
    text
}

async fn play(seed: u64) {
    let store = MemoryStore::new();
    let (one, two) = (node(&store, seed), node(&store, seed + 1_000));
    let here = one
        .create(
            ID,
            account::Limits::default(),
            HoldSettings::default(),
            None,
        )
        .await
        .unwrap();
    let there = two.open(ID).await.unwrap();
    let mut dice = Dice(seed);
    let (mut next, mut delivered, mut unsure) = (0, 0, 0);
    for step in 0..300 {
        let mut asked = Vec::new();
        for side in 0..=dice.below(6) {
            let command = command(&mut dice, &store, &mut next).await;
            let account = if side % 2 == 0 { &here } else { &there };
            asked.push(account.execute(command));
        }
        if dice.below(8) == 0 {
            let lost = [Lost::Applied, Lost::Lost][usize::from(dice.below(2) == 0)];
            store.fail_next_commit(lost);
        }
        for answer in futures::future::join_all(asked).await {
            match answer {
                Ok(Outcome::Appended { uids, .. }) => delivered += uids.count(),
                Ok(_) => {}
                Err(ExecuteError::Refused(refusal)) => {
                    assert!(!matches!(refusal, Refusal::Needed(_)), "{refusal:?}");
                }
                // The answer was lost and the other node has folded the commit
                // away: it cannot be said whether it was ours.
                Err(ExecuteError::Unavailable) => unsure += 1,
                Err(error) => panic!("seed {seed}: {error}"),
            }
        }
        if step % 20 == 0 {
            tokio::time::sleep(Duration::from_secs(dice.below(6))).await;
        }
    }
    // Both had the time to fold, and somebody new reads the same.
    tokio::time::sleep(Duration::from_secs(10)).await;
    one.settled().await;
    two.settled().await;
    let text = seen(&here).await;
    assert_eq!(text, seen(&there).await, "seed {seed}");
    let third = node(&store, seed + 2_000).open(ID).await.unwrap();
    assert_eq!(text, seen(&third).await, "seed {seed}");
    assert!(unsure <= 12, "seed {seed}: {unsure}");
    if unsure == 0 {
        assert_eq!(delivered, u64::try_from(next).unwrap(), "seed {seed}");
    }
    let covers = store.load(ID, store::Sections::Root).await.unwrap().covers;
    assert!(covers.0 > 0, "nothing was folded");
    let _: Arc<State> = third.snapshot();
}

#[tokio::test(start_paused = true)]
async fn two_nodes_see_the_same() {
    for seed in 0..6 {
        play(seed).await;
    }
}
