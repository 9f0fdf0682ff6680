//! The AUTHORIZATION state.

use super::enter::Wanted;
use super::session::{Session, Stop};
use crate::auth::{Access, Denied, Dialogue, LoginError, Next, Offer, Protocol, hour, shown_name};
use proto::pop3::reply::{self, ResponseCode};
use proto::sasl::{Mechanism, Secret};
use tracing::info;

impl Session {
    fn offer(&self) -> Offer {
        Offer::of(&self.stream, self.pop3.plaintext_login)
    }

    /// The mechanisms that may be used now.
    pub(super) fn mechanisms(&self) -> Vec<Mechanism> {
        self.pop3.directory.mechanisms(self.offer())
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
        if !self.may_send_password() {
            self.refuse_clear();
            return Ok(());
        }
        let access = Access::over(Protocol::Pop3, &self.stream);
        let offer = self.offer();
        let directory = &self.pop3.directory;
        let base = |name: &str| Wanted::of(name).1.to_owned();
        let begun = Dialogue::begin(
            directory,
            access,
            offer,
            mechanism,
            base,
            initial.as_deref(),
        );
        match begun.await {
            Ok((dialogue, next)) => self.next(Box::new(dialogue), next).await,
            Err(denied) => self.deny("", &denied),
        }
    }

    /// A line of an exchange.
    pub(super) async fn response(&mut self, line: &[u8]) -> Result<(), Stop> {
        let exchange = self.authorization().and_then(|login| login.exchange.take());
        match exchange {
            Some(mut dialogue) => {
                let next = dialogue.line(line).await;
                self.next(dialogue, next).await
            }
            None => self.bad("no exchange is in progress"),
        }
    }

    async fn next(&mut self, dialogue: Box<Dialogue>, next: Next) -> Result<(), Stop> {
        match next {
            Next::Challenge(challenge) => {
                reply::challenge(self.stream.output(), &challenge);
                if let Some(login) = self.authorization() {
                    login.exchange = Some(dialogue);
                }
                Ok(())
            }
            Next::End(Ok(login)) => {
                let (wanted, _) = Wanted::of(dialogue.name());
                self.open(login, wanted).await;
                Ok(())
            }
            Next::End(Err(denied)) => self.deny(dialogue.name(), &denied),
        }
    }

    /// USER and PASS.
    pub(super) async fn login(&mut self, name: &str, password: &Secret) -> Result<(), Stop> {
        let (wanted, name) = Wanted::of(name);
        let access = Access::over(Protocol::Pop3, &self.stream);
        let password = password.reveal().as_bytes();
        match self.pop3.directory.login(&access, name, password).await {
            Ok(login) => {
                self.open(login, wanted).await;
                Ok(())
            }
            Err(error) => self.deny(name, &error.into()),
        }
    }

    fn deny(&mut self, name: &str, denied: &Denied) -> Result<(), Stop> {
        let text = denied.to_string();
        match denied {
            Denied::Mechanism => self.err(None, &text),
            Denied::Exchange(_) => return self.bad(&text),
            Denied::Acting => self.err(Some(ResponseCode::Auth), &text),
            Denied::Login(LoginError::Unavailable) => {
                self.err(Some(ResponseCode::SysTemp), &text);
            }
            // RFC 2449 §8.1.1: the password was right, others have the drop.
            Denied::Login(LoginError::TooMany) => self.err(Some(ResponseCode::InUse), &text),
            Denied::Login(LoginError::Blocked { until }) => {
                let text = "too many wrong passwords came from your network; no login before {0}";
                let until = hour(*until);
                self.err_with(Some(ResponseCode::SysTemp), text, &[&until]);
            }
            Denied::Login(LoginError::Wrong) => {
                info!(protocol = "pop3", peer = %self.stream.peer(), user = shown_name(name), "login failed");
                // RFC 3206 §4: whose fault it is; not which of the two was wrong.
                self.err(Some(ResponseCode::Auth), &text);
                self.wrong_passwords += 1;
                if self.wrong_passwords >= self.stream.node().limits.wrong_passwords_max {
                    return Err(Stop::Errors);
                }
            }
        }
        Ok(())
    }
}
