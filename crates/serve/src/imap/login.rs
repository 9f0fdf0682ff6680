//! STARTTLS, LOGIN, AUTHENTICATE.

use super::capability::Login;
use super::quota::is_admin;
use super::reply::{Reply, Tell};
use super::session::{End, Got, Session, Step, within};
use super::user::User;
use crate::auth::{self, Access, Denied, Dialogue, LoginError, Next, Protocol, shown_name};
use crate::stream::StreamError;
use proto::imap::response::{Code, Status};
use proto::imap::{CommandReader, Limits, Tag};
use proto::sasl;
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
    let name = String::from_utf8_lossy(user);
    let access = Access::over(Protocol::Imap, &session.stream);
    match session.imap.directory.login(&access, &name, password).await {
        Ok(login) => logged_in(session, tag, login).await,
        Err(error) => deny(session, tag, &name, &error.into()).await,
    }
}

/// RFC 3501 §6.2.2, RFC 4959 §3
pub(super) async fn authenticate(
    session: &mut Session,
    tag: &Tag,
    mechanism: &str,
    initial: Option<Vec<u8>>,
) -> Step {
    if let Some(reply) = unready(session) {
        return answer(session, tag, reply).await;
    }
    let access = Access::over(Protocol::Imap, &session.stream);
    let offer = session.offer();
    let directory = &session.imap.directory;
    let begun = Dialogue::begin(
        directory,
        access,
        offer,
        mechanism,
        str::to_owned,
        initial.as_deref(),
    );
    let (mut dialogue, mut next) = match begun.await {
        Ok(begun) => begun,
        Err(denied) => return deny(session, tag, "", &denied).await,
    };
    loop {
        match next {
            Next::Challenge(challenge) => {
                session.continue_req(&challenge);
                let Some(line) = read_line(session).await? else {
                    return Ok(Some(End::Closed));
                };
                next = dialogue.line(&line).await;
            }
            Next::End(Ok(login)) => return logged_in(session, tag, login).await,
            Next::End(Err(denied)) => return deny(session, tag, dialogue.name(), &denied).await,
        }
    }
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
        Login::Open { mechanisms, .. } if mechanisms.is_empty() => Some(Reply::no(
            Code::PrivacyRequired,
            "begin TLS before you show a password",
        )),
        Login::Open { .. } => None,
    }
}

async fn logged_in(session: &mut Session, tag: &Tag, login: auth::Login) -> Step {
    let tls = session.stream.tls_summary();
    info!(protocol = "imap", peer = %session.stream.peer(), user = login.name, tls, "login");
    let directory = &session.imap.directory;
    let standing = directory.standing(login.account.id(), login.device);
    session.stream.heed(standing);
    let admins = &session.imap.quota_admins;
    let quota_admin = is_admin(admins, directory, login.account.id());
    let mut user = User::new(login.name, login.account, directory.clone());
    user.session = Some(login.session);
    user.may_delete = login.may_delete;
    user.quota_admin = quota_admin;
    session.user = Some(Box::new(user));
    let limits = within(&session.stream.node().limits, Limits::LOGGED_IN);
    session.reader.set_limits(limits);
    let code = Code::Capability(session.capabilities());
    answer(session, tag, Reply::ok("logged in").with(code)).await
}

/// RFC 8437 §3: everything is as after the greeting, but for TLS; never NO. How many
/// wrong passwords have come is not of the login, and stays.
pub(super) async fn unauthenticate(session: &mut Session, tag: &Tag) -> Step {
    let user = session.user.take();
    let user = user.as_ref().map(|user| user.name.as_str());
    info!(protocol = "imap", peer = %session.stream.peer(), user, "unauthenticated");
    session.stream.forget_login();
    let limits = within(&session.stream.node().limits, Limits::BEFORE_LOGIN);
    session.reader.set_limits(limits);
    session.reader.set_utf8_names(false);
    session.reader.set_charset_fixed(false);
    answer(session, tag, Reply::ok("nobody is logged in now")).await?;
    if !session.stream.stop_deflate().await? {
        // "Servers MAY close the connection with an untagged BYE response".
        session.untagged(Status::Bye, None, "the compression has not ended");
        return Ok(Some(End::Abuse));
    }
    Ok(None)
}

async fn deny(session: &mut Session, tag: &Tag, name: &str, denied: &Denied) -> Step {
    let text = denied.to_string();
    let reply = match denied {
        Denied::Mechanism => Reply::no(Code::Cannot, text),
        Denied::Exchange(_) => Reply::bad(text),
        Denied::Acting => Reply::no(Code::AuthorizationFailed, text),
        Denied::Login(LoginError::Blocked { .. } | LoginError::Unavailable) => {
            Reply::no(Code::Unavailable, text)
        }
        // RFC 5530 §3: the operator's limit, not a failure.
        Denied::Login(LoginError::TooMany) => Reply::no(Code::Limit, text),
        Denied::Login(LoginError::Wrong) => Reply::no(Code::AuthenticationFailed, text),
    };
    answer(session, tag, reply).await?;
    if *denied == Denied::Login(LoginError::Wrong) {
        info!(protocol = "imap", peer = %session.stream.peer(), user = shown_name(name), "login failed");
        session.wrong_passwords += 1;
        if session.wrong_passwords >= session.stream.node().limits.wrong_passwords_max {
            session.untagged(Status::Bye, None, "too many wrong passwords");
            return Ok(Some(End::Abuse));
        }
    }
    Ok(None)
}

async fn answer(session: &mut Session, tag: &Tag, reply: Reply) -> Step {
    session.finish(tag, reply.telling(Tell::Nothing)).await?;
    Ok(None)
}
