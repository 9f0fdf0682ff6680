//! A running server: listeners, signals, the control socket, the end.

use crate::accept::{self, Sessions};
use crate::config::{ClientName, Config};
use crate::control;
use crate::error::{Failure, Outcome, While as _};
use crate::listen::Bound;
use crate::metrics;
use crate::node::{OpenError, Opened};
use crate::place::Place;
use crate::tls::Certificates;
use sd_notify::NotifyState;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

/// What has to be done before a server can run, done.
pub struct Prepared {
    /// Where the data lies and what is configured.
    pub place: Place,
    /// The open sockets.
    pub sockets: Vec<Bound>,
    /// The certificate.
    pub certificates: Option<Certificates>,
    /// The open sockets of `[metrics]`.
    pub metrics: metrics::Door,
}

/// Why a server ends.
enum End {
    /// Somebody wants it to.
    Asked,
    /// The store can go on no longer.
    StoreFailed,
}

impl Prepared {
    /// Runs until a signal ends it. `ready` is done once the server answers.
    ///
    /// # Errors
    /// If it cannot begin, or the store has failed.
    pub async fn run(self, ready: impl AsyncFnOnce(&Arc<Opened>) -> Outcome) -> Outcome {
        // Before anything is served: a signal that came sooner than its handler would
        // end the process where it stands.
        let mut signals = Signals::new()?;
        let opened = Arc::new(open(&self.place).await?);
        let config = &self.place.config;
        let per_address = usize::try_from(config.limits.connections_per_address)?;
        let sessions = Sessions::new(Arc::clone(opened.node()), per_address);
        let control = control::server::listen(&self.place.data, Arc::clone(&opened))?;
        metrics::watch(self.metrics, opened.watched(self.certificates.as_ref()))?;
        let tls = self.certificates.as_ref().map(Certificates::tls);
        for bound in self.sockets {
            let begin = opened.begin(&bound, tls.clone(), config);
            accept::listen(bound, tls.clone(), begin, &sessions).when("cannot listen")?;
        }
        ready(&opened).await?;
        notify(&[NotifyState::Ready]);
        let end = signals
            .wait(&self.place, self.certificates.as_ref(), &opened)
            .await;
        notify(&[NotifyState::Stopping]);
        stop(&opened, &sessions, config.limits.shutdown.0).await;
        drop(control);
        opened.close().await;
        match end {
            End::Asked => Ok(()),
            End::StoreFailed => Err(Failure::new(
                "the store has failed and takes nothing more; started again, it recovers",
            )),
        }
    }
}

/// Tells systemd, where it wants to know.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "systemd cannot be told");
    }
}

/// What the operator may send.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the end; reads the settings again as often as it is asked to.
    async fn wait(
        &mut self,
        place: &Place,
        certificates: Option<&Certificates>,
        opened: &Opened,
    ) -> End {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return End::Asked,
                _ = self.interrupt.recv() => return End::Asked,
                why = opened.failed() => {
                    error!(why, "the store has failed");
                    return End::StoreFailed;
                }
                _ = self.hangup.recv() => {
                    reloading();
                    reload(place, certificates, opened);
                    notify(&[NotifyState::Ready]);
                }
            }
        }
    }
}

fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => warn!(%error, "systemd cannot be told"),
    }
}

/// Reads the configuration and the certificate again. What is wrong is logged,
/// and what was stays.
fn reload(place: &Place, certificates: Option<&Certificates>, opened: &Opened) {
    let config = match place
        .file
        .as_ref()
        .map(|file| Config::read(file))
        .transpose()
    {
        Ok(config) => config.unwrap_or_else(|| place.config.clone()),
        Err(error) => {
            error!(%error, "the configuration stays as it was");
            return;
        }
    };
    if let (Some(certificates), Some(tls)) = (certificates, &config.tls) {
        match certificates.reload(tls) {
            Ok(()) => info!(file = %tls.certificate.display(), "the certificate is read again"),
            Err(error) => error!(%error, "the certificate stays as it was"),
        }
    }
    crate::log::set_level(config.log.level);
    opened.configure(&config);
    for what in needs_restart(&place.config, &config) {
        warn!(what, "takes effect when the server is started again");
    }
}

/// Who certifies clients, and what of a certificate counts.
fn clients(config: &Config) -> Option<(&PathBuf, ClientName)> {
    let tls = config.tls.as_ref()?;
    Some((tls.client_ca.as_ref()?, tls.client_name))
}

/// The settings that have changed and cannot be changed while the server runs.
fn needs_restart<'a>(old: &Config, new: &Config) -> impl Iterator<Item = &'a str> {
    // Taken apart whole: a new setting has to be named here, or is none that compiles.
    let Config {
        data,
        hostname,
        default_domain,
        separator,
        nul,
        over_quota,
        quota_warnings,
        texts,
        user,
        group,
        listen,
        tls,
        auth,
        limits,
        imap,
        pop3,
        hold: _,
        metrics,
        log,
    } = old;
    [
        ("data", *data != new.data),
        ("hostname", *hostname != new.hostname),
        ("default-domain", *default_domain != new.default_domain),
        ("separator", *separator != new.separator),
        ("nul", *nul != new.nul),
        ("over-quota", *over_quota != new.over_quota),
        ("quota-warnings", *quota_warnings != new.quota_warnings),
        ("texts", *texts != new.texts),
        ("user", *user != new.user || *group != new.group),
        ("listen", *listen != new.listen),
        ("tls", tls.is_some() != new.tls.is_some()),
        ("tls.client-ca", clients(old) != clients(new)),
        ("auth", *auth != new.auth),
        ("limits", *limits != new.limits),
        ("imap", *imap != new.imap),
        ("pop3", *pop3 != new.pop3),
        ("metrics", *metrics != new.metrics),
        ("log.format", log.format != new.log.format),
    ]
    .into_iter()
    .filter_map(|(what, changed)| changed.then_some(what))
}

/// Takes no more connections and lets what runs end, for so long.
async fn stop(opened: &Opened, sessions: &Sessions, patience: Duration) {
    opened.node().stop();
    let running = sessions.count();
    info!(sessions = running, "stopping");
    if tokio::time::timeout(patience, sessions.none())
        .await
        .is_err()
    {
        warn!(sessions = sessions.count(), "these did not end in time");
    }
}

/// Opens the data. A command that works on it directly is done soon: it is waited
/// for, as commands wait for a server that begins.
async fn open(place: &Place) -> Result<Opened, OpenError> {
    let mut waited = Duration::ZERO;
    loop {
        match Opened::open(place).await {
            Err(OpenError::InUse(_)) if waited < OPEN_MAX => {
                tokio::time::sleep(OPEN_PAUSE).await;
                waited += OPEN_PAUSE;
            }
            other => return other,
        }
    }
}

/// How long a command that has the data is waited for.
const OPEN_MAX: Duration = Duration::from_secs(5);
/// How often it is tried.
const OPEN_PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_a_restart_is_named() {
        let old = Config::default();
        let named = |change: &dyn Fn(&mut Config)| {
            let mut new = old.clone();
            change(&mut new);
            needs_restart(&old, &new).collect::<Vec<_>>()
        };
        assert!(named(&|new| new.hold.run_percent = 1).is_empty());
        assert_eq!(named(&|new| new.pop3.exclusive = true), ["pop3"]);
        assert_eq!(named(&|new| new.imap.utf8_accept = false), ["imap"]);
        assert_eq!(named(&|new| new.nul = crate::config::Nul::Refuse), ["nul"]);
    }
}
