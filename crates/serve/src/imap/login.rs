//! STARTTLS, LOGIN, AUTHENTICATE.

use super::capability::{Login, capabilities};
use super::reply::{Reply, Tell};
use super::session::{End, Got, Session, Step, within};
use super::user::User;
use crate::auth::{LoginError, Protocol};
use crate::stream::StreamError;
use proto::imap::response::{Code, Status};
use proto::imap::{CommandReader, Limits, Tag};
use proto::sasl::{self, Claim, Exchange, Failure, Mechanism};
use tracing::info;

/// RFC 3501 §6.2.1. What was sent after the command and before the handshake is
/// thrown away with the old reader and the stream's input.
pub(super) async fn start_tls(session: &mut Session, tag: &Tag) -> Step {
    let tls = match session.login_state() {
        Login::Open {
            start_tls: true, ..
        } => session.imap.tls.clone(),
        _ => None,
    };
    let Some(tls) = tls else {
        return answer(session, tag, Reply::bad("TLS cannot begin now")).await;
    };
    session.finish(tag, Reply::ok("begin TLS now")).await?;
    let limits = within(&session.stream.node().limits, Limits::BEFORE_LOGIN);
    session.reader = CommandReader::new(limits);
    session.stream.start_tls(&tls).await?;
    Ok(None)
}

/// RFC 3501 §6.2.3
pub(super) async fn login(session: &mut Session, tag: &Tag, user: &[u8], password: &[u8]) -> Step {
    if let Some(reply) = unready(session) {
        return answer(session, tag, reply).await;
    }
    verify(session, tag, &String::from_utf8_lossy(user), password).await
}

/// RFC 3501 §6.2.2, RFC 4959 §3
pub(super) async fn authenticate(
    session: &mut Session,
    tag: &Tag,
    mechanism: &str,
    initial: Option<Vec<u8>>,
) -> Step {
    let Some(mechanism) = Mechanism::from_name(mechanism.as_bytes()) else {
        let reply = Reply::no(Code::Cannot, "there is no such mechanism");
        return answer(session, tag, reply).await;
    };
    if let Some(reply) = unready(session) {
        return answer(session, tag, reply).await;
    }
    let (mut exchange, mut step) = Exchange::begin(mechanism, initial.as_deref());
    loop {
        match step {
            sasl::Step::Challenge(challenge) => {
                session.continue_req(&challenge);
                let Some(line) = read_line(session).await? else {
                    return Ok(Some(End::Closed));
                };
                step = exchange.line(&line);
            }
            sasl::Step::Failed(failure) => return failed(session, tag, failure).await,
            sasl::Step::Verify(Claim::Password {
                authorization,
                name,
                password,
            }) => {
                // Nobody may act for another yet.
                if !authorization.is_empty() && authorization != name {
                    let text = "acting for another is not possible";
                    return answer(session, tag, Reply::no(Code::AuthorizationFailed, text)).await;
                }
                return verify(session, tag, &name, password.reveal().as_bytes()).await;
            }
        }
    }
}

async fn failed(session: &mut Session, tag: &Tag, failure: Failure) -> Step {
    answer(session, tag, Reply::bad(failure.to_string())).await
}

/// A line of an exchange; `None` if the client goes. One that is too long is
/// none that an exchange understands.
async fn read_line(session: &mut Session) -> Result<Option<Vec<u8>>, StreamError> {
    let octets_max = u32::try_from(sasl::LINE_OCTETS_MAX).unwrap_or(u32::MAX);
    session.reader.expect_line(octets_max);
    let limit = session.patience();
    let env = session.stream.node().env.clone();
    let wait = async {
        loop {
            match session.event().await? {
                None | Some(Got::Close) => return Ok(None),
                Some(Got::Line(line)) => return Ok(Some(line)),
                Some(Got::LineTooLong) => return Ok(Some(b"?".to_vec())),
                Some(_) => {}
            }
        }
    };
    // Dropped, the wait has lost nothing that somebody will ask for.
    env.timeout(limit, wait).await.unwrap_or(Ok(None))
}

/// Why nobody can log in now.
fn unready(session: &Session) -> Option<Reply> {
    match session.login_state() {
        Login::Done => Some(Reply::bad("somebody is logged in already")),
        // RFC 5530 §3
        Login::Open { clear: false, .. } => Some(Reply::no(
            Code::PrivacyRequired,
            "begin TLS before you show a password",
        )),
        Login::Open { .. } => None,
    }
}

async fn verify(session: &mut Session, tag: &Tag, name: &str, password: &[u8]) -> Step {
    let found = session
        .imap
        .directory
        .login(Protocol::Imap, name, password)
        .await;
    let peer = session.stream.peer();
    match found {
        Ok(login) => {
            info!(protocol = "imap", %peer, user = name, tls = session.stream.tls_summary(), "login");
            let directory = &session.imap.directory;
            let standing = directory.standing(login.account.id(), login.device);
            session.stream.heed(standing);
            session.user = Some(Box::new(User::new(login.name, login.account)));
            let limits = within(&session.stream.node().limits, Limits::LOGGED_IN);
            session.reader.set_limits(limits);
            let code = Code::Capability(capabilities(session.login_state()));
            answer(session, tag, Reply::ok("logged in").with(code)).await
        }
        Err(LoginError::Wrong) => {
            info!(protocol = "imap", %peer, user = name, "login failed");
            let reply = Reply::no(Code::AuthenticationFailed, "wrong name or password");
            answer(session, tag, reply).await?;
            session.wrong_passwords += 1;
            if session.wrong_passwords < session.stream.node().limits.wrong_passwords_max {
                return Ok(None);
            }
            session.untagged(Status::Bye, None, "too many wrong passwords");
            Ok(Some(End::Abuse))
        }
        Err(LoginError::Unavailable) => {
            let text = "no login is possible now, try later";
            answer(session, tag, Reply::no(Code::Unavailable, text)).await
        }
    }
}

async fn answer(session: &mut Session, tag: &Tag, reply: Reply) -> Step {
    session.finish(tag, reply.telling(Tell::Nothing)).await?;
    Ok(None)
}
