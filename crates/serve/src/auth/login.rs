//! Logging in: what a name stands for, whether what came with it is right.

use super::directory::Directory;
use super::password::Password;
use super::scheme::{self, ScramHash, ScramKeys};
use super::service::Checked;
use super::throttle::Attempt;
use crate::accounts::{Account, AccountName, ExecuteError, OpenError};
use crate::metrics::LoginResult;
use crate::sessions::SessionHeld;
use crate::stream::{Peer, Stream};
use account::DeviceId;
use account::directory::{Command, DeviceUse, Record, State};
use proto::sasl::{Binding, Mechanism};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use terms::{AccountId, Timestamp};
use tracing::{error, info, warn};

/// By which protocol somebody logs in; a device may be for some only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// IMAP.
    Imap,
    /// POP3.
    Pop3,
}

/// From where and how somebody logs in.
#[derive(Clone, Debug)]
pub struct Access {
    /// By which protocol.
    pub protocol: Protocol,
    /// By which SASL mechanism; none: by the protocol's own command.
    pub mechanism: Option<Mechanism>,
    /// From where.
    pub peer: Peer,
    /// What the connection's TLS can be bound by; empty without TLS.
    pub bindings: Vec<(Binding, Vec<u8>)>,
    /// The certificate that the client has shown, checked, in DER.
    pub certificate: Option<Vec<u8>>,
}

impl Access {
    /// Over a connection.
    pub fn over(protocol: Protocol, stream: &Stream) -> Self {
        Self {
            protocol,
            mechanism: None,
            peer: stream.peer().clone(),
            bindings: stream.channel_bindings(),
            certificate: stream.peer_certificate(),
        }
    }
}

/// Somebody who has logged in.
#[derive(Debug)]
pub struct Login {
    /// The account, as new as the store has it.
    pub account: Account,
    /// The account's name, in its normal form.
    pub name: String,
    /// As what it polls.
    pub device: DeviceId,
    /// Whether it may remove messages: a device may not have been allowed to.
    pub may_delete: bool,
    /// Its place among the account's sessions.
    pub session: SessionHeld,
}

/// Why somebody could not log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// The name or the password; it is not said which. Answered at one fixed time
    /// after the question, by the directory itself.
    #[error("wrong name or password")]
    Wrong,
    /// Too many wrong passwords came from there: nothing was looked at.
    #[error("too many wrong passwords came from your network; no login before {}", hour(*.until))]
    Blocked {
        /// Until when.
        until: Timestamp,
    },
    /// It was all right, but the account has as many sessions as it may have.
    #[error("the account has too many sessions already")]
    TooMany,
    /// Our own trouble: too much to do, or the store does not answer.
    #[error("no login is possible now, try later")]
    Unavailable,
}

/// A moment as it is told to whoever is blocked: `14:05:06 UTC`.
pub fn hour(time: Timestamp) -> String {
    let of_day = time.seconds().rem_euclid(86_400);
    let (hours, minutes, seconds) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02} UTC")
}

/// Longest name that is logged; a longer one is no account's.
const SHOWN_NAME_OCTETS_MAX: usize = 255;

/// A name as the log has it: whoever connects writes it, as long as a line may be.
pub fn shown_name(name: &str) -> &str {
    let end = name.floor_char_boundary(SHOWN_NAME_OCTETS_MAX);
    name.get(..end).unwrap_or_default()
}

/// When and from where something was used.
#[derive(Clone, Debug)]
pub(super) struct Used {
    time: Timestamp,
    from: String,
}

/// What a login name stands for.
#[derive(Clone, Debug)]
pub(super) struct Target {
    id: AccountId,
    device: DeviceId,
    /// What a password or a proof is checked against.
    verifiers: Vec<String>,
    /// Devices whose passwords open the account under its plain name.
    others: Vec<(DeviceId, Vec<String>)>,
    /// The account's own password, whose verifiers may be renewed.
    main: bool,
    /// Whether the account and the device may be used now.
    usable: bool,
}

/// An attempt to log in, from its question on.
pub(super) struct Asked<'a> {
    attempt: Attempt<'a>,
    at: Duration,
}

impl Directory {
    /// Checks a name and a password and opens the account. A wrong answer comes
    /// at one fixed time after the question, or later where many were wrong.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn login(
        &self,
        access: &Access,
        name: &str,
        password: &[u8],
    ) -> Result<Login, LoginError> {
        let asked = self.ask(access, name)?;
        // A password that can be none is still computed with.
        let (password, possible) = match Password::new(password) {
            Some(password) => (password, true),
            None => (Password::none(), false),
        };
        let found = self.by_password(access, name, &password, possible).await;
        self.answer(asked, access, name, Some(&password), found)
            .await
    }

    /// Whether somebody may try at all.
    pub(super) fn ask(&self, access: &Access, name: &str) -> Result<Asked<'_>, LoginError> {
        let env = &self.accounts().node().env;
        let now = env.monotonic();
        let network = access.peer.network();
        match self.auth().throttle().enter(network, now) {
            Ok(attempt) => Ok(Asked { attempt, at: now }),
            Err(blocked) => {
                count(&self.auth().counters().refused);
                self.count_login(access, LoginResult::Blocked);
                info!(peer = %access.peer, user = name, "a login was refused: its network is blocked");
                let until = self.wall(blocked.until);
                Err(LoginError::Blocked { until })
            }
        }
    }

    /// When the wall clock will show what the other shows at `moment`.
    fn wall(&self, moment: Duration) -> Timestamp {
        let env = &self.accounts().node().env;
        let wait = moment.saturating_sub(env.monotonic());
        env.now()
            .plus_millis(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
    }

    /// Counts what came of an attempt, and has a wrong one wait. `secret` is what
    /// was wrong, where it can be told from another.
    pub(super) async fn answer(
        &self,
        asked: Asked<'_>,
        access: &Access,
        name: &str,
        secret: Option<&Password>,
        found: Result<Login, LoginError>,
    ) -> Result<Login, LoginError> {
        let (auth, env) = (self.auth(), &self.accounts().node().env);
        let counters = auth.counters();
        self.count_login(access, LoginResult::of(&found));
        match found {
            Ok(login) => {
                count(&counters.right);
                asked.attempt.right(name);
                self.note_use(&login, access, env.now());
                Ok(login)
            }
            Err(LoginError::Wrong) => {
                count(&counters.wrong);
                let consequence = asked.attempt.wrong(name, secret, env.monotonic());
                if let Some(until) = consequence.blocked {
                    count(&counters.blocks);
                    let until = hour(self.wall(until));
                    warn!(peer = %access.peer, user = shown_name(name), until, "too many wrong passwords: the network is blocked");
                }
                auth.wait_before_wrong(asked.at, consequence.delay).await;
                Err(LoginError::Wrong)
            }
            Err(LoginError::TooMany) => {
                count(&counters.too_many);
                // Nothing was guessed.
                asked.attempt.right(name);
                info!(peer = %access.peer, user = name, "a login was refused: too many sessions");
                Err(LoginError::TooMany)
            }
            Err(error) => {
                count(&counters.unavailable);
                Err(error)
            }
        }
    }

    fn count_login(&self, access: &Access, result: LoginResult) {
        let logins = &self.accounts().node().metrics.logins;
        let counter = logins.of(access.protocol, access.mechanism, result);
        counter.increment();
    }

    async fn by_password(
        &self,
        access: &Access,
        name: &str,
        password: &Password,
        possible: bool,
    ) -> Result<Login, LoginError> {
        let state = self.fresh().await.map_err(|_| LoginError::Unavailable)?;
        let target = self.target(&state, name).filter(|target| target.usable);
        let device = target
            .as_ref()
            .filter(|_| possible)
            .and_then(|target| target.device_by(password));
        if let (Some(target), Some(device)) = (&target, device) {
            return self.open_login(&state, access, target.id, device).await;
        }
        let against = target
            .as_ref()
            .filter(|_| possible)
            .map(|target| (target.id, &target.verifiers[..]));
        let checked = self.auth().check(against, password).await;
        let (renew, target) = match (checked, target) {
            (Ok(Checked::Right { renew }), Some(target)) => (renew, target),
            (Ok(_), _) => return Err(LoginError::Wrong),
            (Err(busy), _) => {
                warn!(%busy, "a login was put off");
                return Err(LoginError::Unavailable);
            }
        };
        let login = self
            .open_login(&state, access, target.id, target.device)
            .await?;
        if renew && target.main {
            self.renew(&login.name, target.verifiers, password.clone());
        }
        Ok(login)
    }

    /// The keys that a SCRAM exchange for this name goes on with: ones that nobody
    /// has where it has none.
    pub(super) async fn scram_keys(
        &self,
        name: &str,
        hash: ScramHash,
    ) -> Result<(Option<Target>, ScramKeys), LoginError> {
        let state = self.fresh().await.map_err(|_| LoginError::Unavailable)?;
        let normal = AccountName::new(name, self.rules());
        let normal = normal.as_ref().map_or(name, AccountName::as_str);
        let nobodys = self.auth().nobodys_keys(normal, hash);
        let target = self.target(&state, name);
        let mut verifiers = target.iter().flat_map(|target| &target.verifiers);
        let keys = verifiers.find_map(|text| scheme::scram_keys_of(text, hash));
        Ok(match keys {
            Some(keys) => (target, keys),
            None => (None, nobodys),
        })
    }

    /// Opens what a proof was right for.
    pub(super) async fn by_proof(
        &self,
        access: &Access,
        target: Option<&Target>,
        right: bool,
    ) -> Result<Login, LoginError> {
        let target = target.filter(|target| right && target.usable);
        let target = target.ok_or(LoginError::Wrong)?;
        self.open_login(&self.snapshot(), access, target.id, target.device)
            .await
    }

    /// Opens the account of a name that somebody else has vouched for; its owner may
    /// say, by `wanted`, as which of its devices it polls.
    pub(super) async fn by_name(
        &self,
        access: &Access,
        name: &str,
        wanted: &str,
    ) -> Result<Login, LoginError> {
        let state = self.fresh().await.map_err(|_| LoginError::Unavailable)?;
        let target = self.target(&state, name).filter(|target| target.usable);
        // Nobody vouches for a device: it is no name of a person.
        let target = target.filter(|target| target.main);
        let target = target.ok_or(LoginError::Wrong)?;
        let device = match self.target(&state, wanted) {
            Some(wanted) if wanted.id == target.id => wanted
                .usable
                .then_some(wanted.device)
                .ok_or(LoginError::Wrong)?,
            // Another's, or nobody's: the caller has to see to that.
            _ => target.device,
        };
        self.open_login(&state, access, target.id, device).await
    }

    async fn open_login(
        &self,
        state: &State,
        access: &Access,
        id: AccountId,
        device: DeviceId,
    ) -> Result<Login, LoginError> {
        let account = self.accounts().open(id).await.map_err(|error| {
            if error == OpenError::Missing {
                error!(account = %id, "the directory names an account that there is not");
            }
            LoginError::Unavailable
        })?;
        let node = self.accounts().node();
        let now = node.env.now();
        let snapshot = account.snapshot();
        let device = snapshot.device(device).filter(|device| {
            let may = match access.protocol {
                Protocol::Imap => device.protocols.imap,
                Protocol::Pop3 => device.protocols.pop3,
            };
            may && device.revoked.is_none() && device.expires.is_none_or(|end| now < end)
        });
        let device = device.ok_or(LoginError::Wrong)?;
        let sessions_max = match access.protocol {
            Protocol::Imap => node.limits.imap_sessions_max,
            Protocol::Pop3 => node.limits.pop3_sessions_max,
        };
        let session = node.sessions.enter(id, access.protocol, sessions_max);
        Ok(Login {
            session: session.map_err(|_| LoginError::TooMany)?,
            name: state.name_of(id).unwrap_or_default().to_owned(),
            device: device.id,
            may_delete: !device.may_not_delete,
            account,
        })
    }

    /// Finds what a login name stands for: the exact name of an account or an
    /// alias, else `name+device`.
    pub(super) fn target(&self, state: &State, text: &str) -> Option<Target> {
        let now = self.accounts().node().env.now();
        let name = AccountName::new(text, self.rules()).ok()?;
        if let Some(record) = state.account(name.as_str()) {
            return Some(Target::account(record, now));
        }
        let (base, device) = AccountName::split(text, self.rules())?;
        let record = state.account(base.as_str())?;
        let device = record
            .devices
            .iter()
            .find(|known| known.name.to_lowercase() == device.to_lowercase())?;
        Some(Target {
            id: record.id,
            device: device.device,
            verifiers: device.verifiers.clone(),
            others: Vec::new(),
            main: false,
            usable: record.is_usable(now) && device.expires.is_none_or(|end| now < end),
        })
    }

    /// Makes the verifiers that are missing, beside the session.
    fn renew(&self, name: &str, old: Vec<String>, password: Password) {
        let (directory, name) = (self.clone(), name.to_owned());
        self.accounts().node().env.spawn(async move {
            let Ok(verifiers) = directory.auth().make(&password).await else {
                return;
            };
            let command = Command::SetVerifiers {
                name: name.clone(),
                verifiers,
                replaces: Some(old),
            };
            match directory.execute(command).await {
                Ok(()) => info!(name, "the password's verifiers are renewed"),
                // Another password meanwhile, or another login was faster.
                Err(ExecuteError::Refused(_)) => {}
                Err(error) => warn!(name, %error, "verifiers were not renewed"),
            }
        });
    }

    fn note_use(&self, login: &Login, access: &Access, time: Timestamp) {
        let from = match &access.peer {
            Peer::Tcp(address) => address.ip().to_canonical().to_string(),
            other => other.to_string(),
        };
        self.0
            .used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert((login.account.id(), login.device), Used { time, from });
    }

    /// Takes what logins have noted, to file it.
    pub(super) fn take_uses(&self) -> Vec<DeviceUse> {
        let mut used = self.0.used.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *used)
            .into_iter()
            .map(|((account, device), used)| DeviceUse {
                account,
                device,
                time: used.time,
                from: used.from,
            })
            .collect()
    }

    /// When and from where a device was used since that was last filed.
    pub fn unfiled_use(&self, id: AccountId, device: DeviceId) -> Option<(Timestamp, String)> {
        let used = self.0.used.lock().unwrap_or_else(PoisonError::into_inner);
        let used = used.get(&(id, device))?;
        Some((used.time, used.from.clone()))
    }
}

impl LoginResult {
    fn of(found: &Result<Login, LoginError>) -> Self {
        match found {
            Ok(_) => Self::Ok,
            Err(LoginError::Wrong) => Self::Wrong,
            Err(LoginError::Blocked { .. }) => Self::Blocked,
            Err(LoginError::TooMany) => Self::TooMany,
            Err(LoginError::Unavailable) => Self::Unavailable,
        }
    }
}

impl Target {
    /// Whose it is.
    pub(super) fn account_id(&self) -> AccountId {
        self.id
    }

    fn account(record: &Record, now: Timestamp) -> Self {
        let devices = record.devices.iter();
        let devices = devices.filter(|device| device.expires.is_none_or(|end| now < end));
        Self {
            id: record.id,
            device: DeviceId::DEFAULT,
            verifiers: record.verifiers.clone(),
            others: devices
                .map(|device| (device.device, device.verifiers.clone()))
                .collect(),
            main: true,
            usable: record.is_usable(now),
        }
    }

    /// The device whose password it is. Only what costs next to nothing is
    /// computed, for at most as many devices as an account may have.
    fn device_by(&self, password: &Password) -> Option<DeviceId> {
        let fits = |text: &String| {
            scheme::is_quick(text) && scheme::verify(text, password).unwrap_or_default()
        };
        let mut others = self.others.iter();
        let found = others.find(|(_, verifiers)| verifiers.iter().any(fits));
        found.map(|(device, _)| *device)
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
