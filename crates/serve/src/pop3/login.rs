//! The AUTHORIZATION state.

use super::enter::Wanted;
use super::session::{Session, Stop};
use crate::auth::{LoginError, Protocol};
use proto::pop3::reply::{self, ResponseCode};
use proto::sasl::{Claim, Exchange, Mechanism, Secret, Step};
use tracing::info;

impl Session {
    /// The mechanisms that may be used now.
    pub(super) fn mechanisms(&self) -> impl Iterator<Item = Mechanism> + use<> {
        let may_send_password = self.may_send_password();
        Mechanism::ALL
            .into_iter()
            .filter(move |mechanism| may_send_password || !mechanism.is_clear())
    }

    /// `AUTH` alone: older programs ask so.
    pub(super) fn auth_list(&mut self) {
        let mechanisms = self.mechanisms();
        self.ok("mechanisms follow");
        for mechanism in mechanisms {
            self.stream.queue(mechanism.name().as_bytes());
            self.stream.queue(b"\r\n");
        }
        reply::end(self.stream.output());
    }

    /// RFC 5034 §4.
    pub(super) async fn auth(
        &mut self,
        mechanism: &str,
        initial: Option<Vec<u8>>,
    ) -> Result<(), Stop> {
        let Some(mechanism) = Mechanism::from_name(mechanism.as_bytes()) else {
            self.err(None, "there is no such mechanism");
            return Ok(());
        };
        if mechanism.is_clear() && !self.may_send_password() {
            self.refuse_clear();
            return Ok(());
        }
        let (exchange, step) = Exchange::begin(mechanism, initial.as_deref());
        if let Some(login) = self.authorization() {
            login.exchange = Some(exchange);
        }
        self.step(step).await
    }

    /// A line of an exchange.
    pub(super) async fn response(&mut self, line: &[u8]) -> Result<(), Stop> {
        let exchange = self
            .authorization()
            .and_then(|login| login.exchange.as_mut());
        match exchange.map(|exchange| exchange.line(line)) {
            Some(step) => self.step(step).await,
            None => self.bad("no exchange is in progress"),
        }
    }

    async fn step(&mut self, step: Step) -> Result<(), Stop> {
        if let Step::Challenge(challenge) = &step {
            reply::challenge(self.stream.output(), challenge);
            return Ok(());
        }
        if let Some(login) = self.authorization() {
            login.exchange = None;
        }
        match step {
            Step::Challenge(_) => Ok(()),
            Step::Failed(failure) => self.bad(&failure.to_string()),
            Step::Verify(Claim::Password {
                authorization,
                name,
                password,
            }) => {
                // Nobody may act for another yet.
                if authorization.is_empty() || authorization == name {
                    self.login(&name, &password).await
                } else {
                    self.err(
                        Some(ResponseCode::Auth),
                        "acting for another is not possible",
                    );
                    Ok(())
                }
            }
        }
    }

    /// Checks the password and opens the drop.
    pub(super) async fn login(&mut self, name: &str, password: &Secret) -> Result<(), Stop> {
        let (wanted, name) = Wanted::of(name);
        let found = self
            .pop3
            .directory
            .login(Protocol::Pop3, name, password.reveal().as_bytes())
            .await;
        let login = match found {
            Ok(login) => login,
            Err(LoginError::Wrong) => {
                info!(protocol = "pop3", peer = %self.stream.peer(), user = name, "login failed");
                // RFC 3206 §4: whose fault it is; not which of the two was wrong.
                self.err(Some(ResponseCode::Auth), "wrong name or password");
                self.wrong_passwords += 1;
                if self.wrong_passwords >= self.stream.node().limits.wrong_passwords_max {
                    return Err(Stop::Errors);
                }
                return Ok(());
            }
            Err(LoginError::Unavailable) => {
                self.err(
                    Some(ResponseCode::SysTemp),
                    "no login is possible now, try later",
                );
                return Ok(());
            }
        };
        self.open(login, wanted).await;
        Ok(())
    }
}
