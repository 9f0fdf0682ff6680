//! From a right password to the TRANSACTION state.

use super::maildrop::{Maildrop, View};
use super::policy::{InUse, file_expire};
use super::session::Session;
use crate::auth::Login;
use account::{Command, DropWindow};
use proto::pop3::reply::ResponseCode;
use terms::Timestamp;
use tracing::{info, warn};

/// What stands before a user name that wants all recent mail, whatever was
/// collected.
const RECENT: &str = "recent:";
/// What `recent:` shows, in milliseconds: the last 30 days by save date.
const RECENT_MILLIS: i64 = 30 * 86_400_000;

/// Which drop of an account a user name asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The device's own.
    Own,
    /// The last 30 days. Nothing is collected, and the device is not touched.
    Recent,
}

impl Wanted {
    /// Takes `recent:` off a user name.
    pub(super) fn of(name: &str) -> (Self, &str) {
        match name.split_at_checked(RECENT.len()) {
            Some((start, rest)) if start.eq_ignore_ascii_case(RECENT) => (Self::Recent, rest),
            _ => (Self::Own, name),
        }
    }

    fn window(self, now: Timestamp) -> DropWindow {
        match self {
            Self::Own => DropWindow::Uncollected,
            Self::Recent => DropWindow::Since(now.plus_millis(-RECENT_MILLIS)),
        }
    }
}

impl Session {
    /// Somebody has shown who they are: opens the drop, or says why not.
    pub(super) async fn open(&mut self, login: Login, wanted: Wanted) {
        let env = self.stream.node().env.clone();
        let key = (login.account.id(), login.device);
        let policy = self.pop3.policy.clone();
        let directory = self.pop3.directory.clone();
        let own = wanted == Wanted::Own;
        let lock = match own.then(|| policy.lock(key)).transpose() {
            Ok(lock) => lock.flatten(),
            Err(InUse) => {
                // RFC 2449 §8.1.1.
                let text = "the drop is in use by another session of this device";
                return self.err(Some(ResponseCode::InUse), text);
            }
        };
        let state = directory.snapshot();
        let delay = policy.login_delay(&state, key.0);
        if own && let Err(left) = policy.log_in(key, delay, env.monotonic()) {
            // RFC 2449 §8.1.2: only after the right password.
            let text = "logged in too short a time ago; try again in {0} seconds";
            let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
            return self.err_with(Some(ResponseCode::LoginDelay), text, &[&seconds]);
        }
        let view = View {
            window: wanted.window(env.now()),
            collects: own,
            utf8: self.utf8,
        };
        let opened = Maildrop::open(&login, directory.store().clone(), view, lock).await;
        let maildrop = match opened {
            Ok(maildrop) => maildrop,
            Err(code) => {
                let text = "the maildrop cannot be opened now, try later";
                return self.err(Some(code), text);
            }
        };
        let known = login.account.snapshot();
        if own && known.poll_is_due(login.device, env.now()) {
            let (account, device) = (login.account.clone(), login.device);
            let forgotten = known
                .device(device)
                .is_some_and(|device| device.forgotten.is_some());
            let filing = async move {
                if let Err(error) = account.execute(Command::Poll(device)).await {
                    warn!(account = %account.id(), %error, "a poll was not filed");
                }
            };
            // Filed once an hour: who is silent for long is not waited for any more.
            // From this login on mail waits for one that did not count: that is filed
            // before it is told, all else beside the session.
            if forgotten {
                filing.await;
            } else {
                env.spawn(filing);
            }
        }
        let (account, hold) = (key.0, maildrop.hold());
        if policy.is_unfiled(&state, account, &hold) {
            let directory = directory.clone();
            env.spawn(async move { file_expire(&directory, account, &hold).await });
        }
        info!(
            protocol = "pop3",
            peer = %self.stream.peer(),
            user = login.name,
            device = login.device.0,
            recent = !own,
            tls = self.stream.tls_summary(),
            messages = maildrop.count(),
            "login"
        );
        self.stream.heed(directory.standing(key.0, key.1));
        self.login_delay = delay;
        self.user = Some(login.name);
        self.held = Some(login.session);
        self.enter(maildrop);
    }
}
