//! IDLE.

use super::reply::{Reply, Tell};
use super::session::{Got, Session, Step};
use crate::accounts::Account;
use crate::stream::Filled;
use futures::future::{Either, select, select_all};
use proto::imap::Tag;
use proto::imap::response::Status;
use std::pin::pin;
use std::time::Duration;
use terms::ModSeq;

/// Longest line that is awaited: DONE, and some room for what is none.
const LINE_OCTETS_MAX: u32 = 1_000;

/// RFC 2177 §3: news is pushed at once, until the client says DONE. There is no
/// limit of its own to how long that takes.
pub(super) async fn idle(session: &mut Session, tag: Tag) -> Step {
    session.continue_req("idling");
    session.reader.expect_line(LINE_OCTETS_MAX);
    let keep_alive = session.stream.node().limits.imap_keep_alive;
    let keep_alive = keep_alive.max(Duration::from_secs(1));
    loop {
        match session.next_event() {
            Some(Got::Line(line)) if line.eq_ignore_ascii_case(b"DONE") => {
                Box::pin(session.finish(&tag, Reply::ok("done"))).await?;
                return Ok(None);
            }
            Some(Got::Close) => {
                session.untagged(Status::Bye, None, "too much to read");
                return Ok(Some(super::session::End::Abuse));
            }
            Some(_) => {
                let reply = Reply::bad("DONE was expected");
                Box::pin(session.finish(&tag, reply)).await?;
                return Ok(None);
            }
            None => {}
        }
        let Some(user) = &mut session.user else {
            return Ok(None);
        };
        // Taken before looking, so that nothing falls between.
        let account = user.account.clone();
        let seen = account.snapshot().head();
        let others = user.other_accounts().into_iter();
        let others: Vec<_> = others
            .map(|other| (other.snapshot().head(), other))
            .collect();
        // Boxed: telling takes more room than waiting, and is soon over.
        Box::pin(user.tell(&mut session.stream, Tell::All)).await?;
        let filled = if user.awaits_news() {
            let newer = pin!(newer(&account, seen, &others));
            // Both are cancel safe.
            match select(pin!(session.stream.fill(keep_alive)), newer).await {
                Either::Left((filled, _)) => filled?,
                Either::Right(_) => continue,
            }
        } else {
            session.stream.fill(keep_alive).await?
        };
        match filled {
            Filled::TimedOut => session.untagged(Status::Ok, None, "still here"),
            filled => {
                if let Some(end) = session.ended(filled) {
                    return Ok(Some(end));
                }
            }
        }
    }
}

/// Returns when there is something new in the account, or in one of the others. Cancel
/// safe.
async fn newer(account: &Account, seen: ModSeq, others: &[(ModSeq, Account)]) {
    let own = pin!(account.newer_than(seen));
    if others.is_empty() {
        drop(own.await);
        return;
    }
    let others = others.iter();
    let others = others.map(|(seen, other)| Box::pin(other.newer_than(*seen)));
    drop(select(own, select_all(others)).await);
}
