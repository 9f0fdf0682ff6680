//! A node in a world of its own: the clock, chance, the disk and the index are
//! the simulation's.

use crate::story::{Connect, Door, PASSWORD, Story, USERS};
use account::{Hold, HoldSettings};
use serve::accounts::{AccountName, Accounts, NameRules};
use serve::auth::{Addition, Auth, Cost, Directory, Password, PlaintextLogin};
use serve::imap::Imap;
use serve::lmtp::Lmtp;
use serve::pop3::Pop3;
use serve::stream::Node;
use serve::{Env, Limits, Stream};
use std::sync::Arc;
use std::time::Duration;
use store::fault::{Chance, Fault, Machine, Unsynced};
use store::index::OrderedIndex;
use store::{DiskStore, Drive, Options, Store};
use terms::Timestamp;

/// Octets that a connection takes before who writes has to wait.
const PIPE_OCTETS: usize = 8_192;

/// One machine, and what is known about its mail.
pub struct World {
    seed: u64,
    lives: u64,
    machine: Machine,
    index: OrderedIndex,
    chance: Chance,
    story: Story,
}

/// How a life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All clients were done.
    Done,
    /// The machine died.
    Died,
}

impl World {
    /// An empty machine.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            lives: 0,
            machine: Machine::new(seed),
            index: OrderedIndex::new(),
            chance: Chance::new(seed),
            story: Story::default(),
        }
    }

    /// What the clients know.
    pub fn story(&self) -> &Story {
        &self.story
    }

    /// One life of the server, on a runtime and a clock of its own: it starts,
    /// everything acknowledged before is looked for, clients come, and somewhere
    /// among that the machine dies. Then the power is cut, or only the process
    /// was killed.
    ///
    /// # Panics
    /// If anything is there that should not be or the other way round.
    pub fn live(&mut self, may_die: bool) -> End {
        self.lives += 1;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        let Ok(runtime) = runtime else {
            panic!("no runtime");
        };
        let end = runtime.block_on(self.run(may_die));
        // Every task of the server ends here, wherever it stood.
        drop(runtime);
        if may_die {
            self.crash();
        } else {
            self.machine.kill();
            self.index = self.index.survivor(usize::MAX);
        }
        end
    }

    fn crash(&mut self) {
        let mut batches = usize::MAX;
        match self.chance.below(4) {
            0 => self.machine.kill(),
            1 => {
                self.machine.power_cut(Unsynced::Lost);
                batches = 0;
            }
            _ => {
                let unsynced = Unsynced::Any(self.chance.number());
                self.machine.power_cut(unsynced);
                batches = self.chance.below(self.index.unpersisted() + 1);
            }
        }
        self.index = match self.chance.once_in(5) {
            true => OrderedIndex::new(),
            false => self.index.survivor(batches),
        };
    }

    async fn run(&mut self, may_die: bool) -> End {
        let wall = 1_700_000_000 + i64::try_from(self.lives).unwrap_or(0) * 3_600;
        let env = Env::simulated(
            self.seed ^ (self.lives << 32),
            Timestamp::from_seconds(wall),
        );
        let connect = self.open(&env).await;
        self.story
            .check(&connect)
            .await
            .unwrap_or_else(|error| panic!("a client met: {error}"));
        if may_die {
            let at = self.machine.calls().len() + self.chance.below(120);
            let fault = match self.chance.below(4) {
                0 => Fault::DeathBefore,
                1 => Fault::Failure,
                _ => Fault::DeathAfter,
            };
            self.machine.fault_at(at, fault);
        }
        self.clients(&env, &connect).await
    }

    /// Opens the store and a node over it; users are made in the first life.
    async fn open(&self, env: &Env) -> Connect {
        let options = Options {
            drive: Drive::Caller,
            segment_octets: 256 << 10,
            salt_seed: Some(self.seed),
            ..Options::small()
        };
        let disk = self.machine.process();
        let store = match DiskStore::open(options, disk, Arc::new(self.index.clone())) {
            Ok(store) => store,
            Err(error) => panic!("the store does not open: {error}"),
        };
        let store: Arc<dyn Store> = Arc::new(store);
        let node = Node::new(env.clone(), Limits::default());
        let accounts = Accounts::new(Arc::clone(&node), store);
        let cost = Cost {
            memory: 8,
            passes: 1,
            iterations: 1,
        };
        let auth = Auth::new(Arc::clone(&node), cost);
        let opened = Directory::open(accounts, auth, NameRules::default()).await;
        let Ok(directory) = opened else {
            panic!("the directory does not open");
        };
        if self.lives == 1 {
            add_users(&directory).await;
        }
        connector(node, directory)
    }

    /// All clients at once, until they are done or the machine has died.
    async fn clients(&mut self, env: &Env, connect: &Connect) -> End {
        let mut tasks = Vec::new();
        for which in 0..6 {
            let (story, connect) = (self.story.clone(), Arc::clone(connect));
            let mut chance = Chance::new(self.chance.number());
            let pause = Duration::from_millis(chance.below(50) as u64);
            let inner = env.clone();
            tasks.push(env.spawn(async move {
                inner.sleep(pause).await;
                match which {
                    0..=2 => story.post(&connect, chance, 12).await,
                    3 => story.collect(&connect, "bob", chance).await,
                    4 => story.read(&connect, "ann", chance).await,
                    _ => story.read(&connect, "eve", chance).await,
                }
            }));
        }
        let mut end = End::Done;
        for task in tasks {
            let ended = self.outcome(env, task).await;
            let alive = !self.machine.is_dead() && !self.machine.has_failed();
            if !alive {
                end = End::Died;
            }
            if let Some(ended) = ended {
                Story::judge(ended, alive);
            }
        }
        if end == End::Done {
            let checked = self.story.check(connect).await;
            Story::judge(checked, !self.machine.is_dead());
        }
        end
    }

    /// What a client says; `None` if it still waits for a dead server.
    async fn outcome(
        &self,
        env: &Env,
        task: serve::env::JoinHandle<std::io::Result<()>>,
    ) -> Option<std::io::Result<()>> {
        // Longer than any limit of the server.
        let limit = Duration::from_secs(3 * 3_600);
        match env.timeout(limit, task).await {
            Ok(Ok(ended)) => Some(ended),
            Ok(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
            Err(_) if self.machine.is_dead() || self.machine.has_failed() => None,
            Err(_) => panic!("a client waits for ever"),
        }
    }
}

async fn add_users(directory: &Directory) {
    let password = Password::new(PASSWORD.as_bytes());
    let Some(password) = password else {
        panic!("a password");
    };
    for user in USERS {
        let made = directory.auth().make(&password).await;
        let name = AccountName::new(user, directory.rules());
        let (Ok(verifiers), Ok(name)) = (made, name) else {
            panic!("a name and its verifiers");
        };
        // What POP3 deletes is gone for IMAP too.
        let hold = HoldSettings {
            hold: Hold::Remove,
            ..HoldSettings::default()
        };
        let added = directory
            .add(Addition {
                name,
                verifiers,
                limits: None,
                hold: Some(hold),
            })
            .await;
        if let Err(error) = added {
            panic!("{user} cannot be added: {error}");
        }
    }
}

/// Opens a session of the protocol at each knock.
fn connector(node: Arc<Node>, directory: Directory) -> Connect {
    Arc::new(move |door| {
        let (stream, client) = Stream::memory(Arc::clone(&node), PIPE_OCTETS);
        let directory = directory.clone();
        let hostname: Arc<str> = "sim.example".into();
        let env = &node.env;
        // A session ends by itself, or with the runtime.
        drop(match door {
            Door::Lmtp => env.spawn(serve::lmtp::run(stream, Lmtp::new(hostname, directory))),
            Door::Pop3 => env.spawn(serve::pop3::run(
                stream,
                Pop3 {
                    plaintext_login: PlaintextLogin::Always,
                    ..Pop3::new(&hostname, directory)
                },
            )),
            Door::Imap => {
                let mut imap = Imap::new(hostname, directory);
                imap.plaintext_login = PlaintextLogin::Always;
                env.spawn(serve::imap::run(stream, imap))
            }
        });
        client
    })
}
