//! The store, the accounts in it and who may log in, opened together.

use crate::accept::Begin;
use crate::admin::Admin;
use crate::config::{self, Config, Octets, Protocol};
use crate::error::{Failure, Outcome, While as _};
use crate::languages;
use crate::listen::Bound;
use crate::memory;
use crate::metrics::Watched;
use crate::place::Place;
use crate::privileges::{Servant, make_data_directory};
use crate::secret;
use crate::tls::Certificates;
use serve::auth::oauth::ISSUER_TIMEOUT;
use serve::auth::{self, Auth, CertificateName, Cost, OAuth, OAuthSettings, Scram, TokenSource};
use serve::imap::Imap;
use serve::lmtp::{Lmtp, Nul, OverQuota};
use serve::pop3::{Languages, Policy, Pop3, Settings};
use serve::{Accounts, Directory, Env, Limits, MessageLimit, Node, Tls};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use store::{DiskStore, Options, Store, WentOn};
use tokio::sync::watch;

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
    store: Arc<DiskStore>,
    directory: Directory,
    policy: Arc<Policy>,
    languages: Arc<Languages>,
    failure: watch::Receiver<Option<String>>,
}

impl Opened {
    /// Opens the data, for this process alone.
    ///
    /// # Errors
    /// If another process has it, or it cannot be read.
    pub async fn open(place: &Place) -> Result<Self, OpenError> {
        own(place)?;
        let node = Node::new(Env::system(), limits(&place.config)?);
        if let Some(templates) = crate::texts::load(&place.config)? {
            // Nobody has set them before.
            let _ = node.templates.set(templates);
        }
        let languages = languages::load(&place.config)?;
        let store = open_store(place, options(&place.config)).await?;
        let failure = store.failure();
        let store = Arc::new(store);
        let accounts = Accounts::new(Arc::clone(&node), Arc::clone(&store) as Arc<dyn Store>);
        let settings = settings(place, &node.env)?;
        let auth = Auth::with(Arc::clone(&node), Cost::default(), settings);
        let rules = place.config.name_rules();
        let directory = Directory::open(accounts, auth, rules);
        let directory = directory.await.when("the directory of accounts")?;
        directory.configure_hold(place.config.hold.settings());
        let policy = Policy::new(Settings {
            exclusive: place.config.pop3.exclusive,
            login_delay: place.config.pop3.login_delay.0,
        });
        Ok(Self {
            node,
            store,
            directory,
            policy: Arc::new(policy),
            languages: Arc::new(languages),
            failure,
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
            Arc::clone(&self.store) as Arc<dyn Store>,
            self.directory.clone(),
        )
    }

    /// What is watched.
    pub fn watched(&self, certificates: Option<&Certificates>) -> Watched {
        Watched {
            node: Arc::clone(&self.node),
            store: Arc::clone(&self.store),
            directory: self.directory.clone(),
            certificates: certificates.cloned(),
        }
    }

    /// Takes over what can change while the server runs.
    pub fn configure(&self, config: &Config) {
        self.directory.configure_hold(config.hold.settings());
    }

    /// What begins a session on a listener.
    pub fn begin(&self, bound: &Bound, tls: Option<Tls>, config: &Config) -> Begin {
        let hostname: Arc<str> = config.hostname().into();
        let directory = self.directory.clone();
        let plaintext_login = bound.plaintext_login;
        match bound.protocol {
            Protocol::Imap | Protocol::Imaps => {
                let imap = Imap {
                    hostname,
                    directory,
                    tls,
                    plaintext_login,
                    utf8_accept: config.imap.utf8_accept,
                    quota_admins: config.imap.quota_admins.clone().into(),
                };
                Arc::new(move |stream| Box::pin(serve::imap::run(stream, imap.clone())))
            }
            Protocol::Pop3 | Protocol::Pop3s => {
                let pop3 = Pop3 {
                    tls,
                    plaintext_login,
                    policy: Arc::clone(&self.policy),
                    languages: Arc::clone(&self.languages),
                    ..Pop3::new(&hostname, directory)
                };
                Arc::new(move |stream| Box::pin(serve::pop3::run(stream, pop3.clone())))
            }
            Protocol::Lmtp => {
                let lmtp = Lmtp {
                    nul: match config.nul {
                        config::Nul::Replace => Nul::Replace,
                        config::Nul::Refuse => Nul::Refuse,
                    },
                    over_quota: match config.over_quota {
                        config::OverQuota::Temporary => OverQuota::Temporary,
                        config::OverQuota::Permanent => OverQuota::Permanent,
                    },
                    xclient: bound.xclient.clone(),
                    ..Lmtp::new(hostname, directory)
                };
                Arc::new(move |stream| Box::pin(serve::lmtp::run(stream, lmtp.clone())))
            }
        }
    }

    /// Returns when the store can go on no longer.
    pub async fn failed(&self) -> String {
        let mut failure = self.failure.clone();
        let failed = failure.wait_for(Option::is_some).await;
        let why = failed.ok().and_then(|why| why.clone());
        match why {
            Some(why) => why,
            // The store has been closed: it cannot fail any more.
            None => std::future::pending().await,
        }
    }

    /// Writes out what is waiting, and gives up the data.
    pub async fn close(&self) {
        self.directory.close().await;
    }
}

/// Opens the store and closes it again with an index that was built anew. Says what
/// had to be done because the journal had lost something.
///
/// # Errors
/// If another process has the data, or it cannot be read.
pub async fn rebuild_index(place: &Place) -> Result<Option<WentOn>, OpenError> {
    own(place)?;
    let options = Options {
        rebuild_index: true,
        ..options(&place.config)
    };
    let store = open_store(place, options).await?;
    let went_on = store.went_on();
    store.close().await;
    Ok(went_on)
}

/// Sees to the data directory. It belongs to one user, and what another (root
/// above all) would write there the server could not read any more.
fn own(place: &Place) -> Outcome {
    let config = &place.config;
    let servant = Servant::find(config.user.as_deref(), config.group.as_deref())?;
    make_data_directory(&place.data, servant.as_ref())?;
    let owner = std::fs::metadata(&place.data)
        .when(place.data.display())?
        .uid();
    if owner == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    let user = nix::unistd::User::from_uid(owner.into()).ok().flatten();
    let user = user.map_or_else(|| format!("#{owner}"), |user| user.name);
    Err(Failure::new(format!(
        "{} belongs to user {user}; run this as that user: sudo -u '{user}' restante …",
        place.data.display()
    )))
}

/// Opening reads what was written last, which may take its time.
async fn open_store(place: &Place, options: Options) -> Result<DiskStore, OpenError> {
    let data = place.data.clone();
    let open = move || DiskStore::open_dir(&data, options);
    let opened = tokio::task::spawn_blocking(open)
        .await
        .map_err(Failure::from)?;
    opened.map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => OpenError::InUse(place.data.clone()),
        _ => OpenError::Failed(Failure::new(format!("{}: {error}", place.data.display()))),
    })
}

fn options(config: &Config) -> Options {
    let defaults = Options::default();
    let longest = config.limits.message_octets.0.max(defaults.blob_octets_max);
    Options {
        blob_octets_max: longest,
        ..defaults
    }
}

/// What is set, or a quarter of the memory.
fn tables_octets_max(set: Option<Octets>) -> Outcome<usize> {
    match set {
        Some(set) => Ok(usize::try_from(set.0)?),
        None => match memory::octets() {
            Some(octets) => Ok(usize::try_from(octets / 4)?),
            None => Ok(Limits::default().tables_octets_max),
        },
    }
}

/// How people log in.
fn settings(place: &Place, env: &Env) -> Outcome<auth::Settings> {
    let set = &place.config.auth;
    Ok(auth::Settings {
        scram: match set.scram {
            config::Scram::Auto => Scram::Auto,
            config::Scram::On => Scram::On,
            config::Scram::Off => Scram::Off,
        },
        external: place.config.tls.as_ref().and_then(|tls| {
            tls.client_ca.as_ref()?;
            Some(match tls.client_name {
                config::ClientName::Email => CertificateName::Email,
                config::ClientName::Cn => CertificateName::CommonName,
            })
        }),
        oauth: oauth(&set.oauth, env)?,
        ..auth::Settings::new(secret::of(&place.data)?)
    })
}

/// What checks bearer tokens, where it is said how.
fn oauth(set: &config::OAuth, env: &Env) -> Outcome<Option<OAuth>> {
    if !set.is_set() {
        return Ok(None);
    }
    let source = match (&set.introspection_url, &set.jwks_url) {
        (Some(url), _) => {
            let secret = match (&set.client_secret, &set.client_secret_file) {
                (Some(secret), _) => secret.0.clone(),
                (None, Some(file)) => {
                    let text = std::fs::read_to_string(file).when(file.display())?;
                    text.trim_end_matches(['\r', '\n']).to_owned()
                }
                (None, None) => String::new(),
            };
            TokenSource::Introspection {
                url: url.clone(),
                client_id: set.client_id.clone().unwrap_or_default(),
                client_secret: secret.into(),
            }
        }
        (None, Some(url)) => TokenSource::Keys(url.clone()),
        (None, None) => TokenSource::Issuer,
    };
    let ca = set.ca.as_ref();
    let ca = ca.map(|file| std::fs::read(file).when(file.display()));
    let settings = OAuthSettings {
        source,
        issuer: set.issuer.clone(),
        audience: set.audience.clone(),
        claim: set.claim.clone(),
        scopes: set.scopes.clone(),
        ca: ca.transpose()?,
        timeout: ISSUER_TIMEOUT,
    };
    OAuth::new(env, settings)
        .map(Some)
        .map_err(|why| Failure::new(format!("[auth.oauth]: {why}")))
}

fn limits(config: &Config) -> Outcome<Limits> {
    let set = &config.limits;
    Ok(Limits {
        connections_max: usize::try_from(set.connections)?,
        imap_sessions_max: usize::try_from(set.imap_per_account)?,
        pop3_sessions_max: usize::try_from(set.pop3_per_account)?,
        octets_in_flight_max: usize::try_from(set.memory.0)?,
        tables_octets_max: tables_octets_max(set.table_memory)?,
        message_octets_max: set.message_octets.0,
        recipients_max: usize::try_from(set.recipients)?,
        before_login: set.login_timeout.0,
        imap_idle: set.imap_timeout.0,
        literal_plus: set.literal_plus,
        message_limit: match (set.message_limit, set.save_limit) {
            (Some(limit), _) => MessageLimit::Any(limit),
            (None, Some(limit)) => MessageLimit::Saving(limit),
            (None, None) => MessageLimit::None,
        },
        imap_keep_alive: set.imap_keep_alive.0,
        pop3_idle: set.pop3_timeout.0,
        lmtp_idle: set.lmtp_timeout.0,
        handshake: set.handshake_timeout.0,
        write_stall: set.stall_timeout.0,
        octets_wait: set.memory_timeout.0,
        append_stall: set.append_timeout.0,
        quota_warnings: config.quota_warnings.0.clone(),
        shutdown: set.shutdown.0,
        login_failures_max: usize::try_from(config.auth.failures)?,
        login_delay_max: config.auth.delay_max.0,
        login_block: config.auth.block.0,
        login_forget: config.auth.forget.0,
        ..Limits::default()
    })
}
