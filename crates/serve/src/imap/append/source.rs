//! CATENATE's URLs: parts of messages that are here already. RFC 4469 §3.

use super::{Appending, Kind};
use crate::accounts::AccountName;
use crate::imap::reply::Reply;
use crate::imap::session::Session;
use crate::query::{Excerpt, excerpt};
use crate::stream::StreamError;
use account::{Rights, State};
use proto::imap::MessageUrl;
use proto::imap::response::Code;
use std::sync::Arc;
use terms::{MailboxId, Uid, UidSet};

impl Appending {
    /// Adds what a URL means to the message that is coming.
    pub(super) async fn url(
        &mut self,
        session: &mut Session,
        text: &str,
    ) -> Result<Result<(), Reply>, StreamError> {
        let bad = |why: &'static str| Ok(Err(Reply::no(Code::BadUrl(text.to_owned()), why)));
        let Some(url) = MessageUrl::parse(text) else {
            return bad("no URL of a message or of its part");
        };
        let found = match find(session, &url).await {
            Ok(found) => found,
            Err(reply) => return Ok(Err(reply)),
        };
        let Some((state, mailbox, uid)) = found else {
            return bad("there is no such message");
        };
        let uids = UidSet::single(uid);
        let table = state.table(mailbox).ok();
        let Some(row) = table.and_then(|table| table.rows_in(&uids).next()) else {
            return bad("there is no such message");
        };
        let node = Arc::clone(session.stream.node());
        let store = &**session.imap.directory.store();
        let found = excerpt(&node, store, &row, &url.section, url.partial).await?;
        let mut octets = match found {
            Ok(Some(octets)) => octets,
            Ok(None) => return bad("the message has no such part"),
            Err(_) => return bad("the message cannot be read"),
        };
        let kind = Kind {
            literal8: false,
            deferred: true,
        };
        if let Err(reply) = self.expect(session, octets.length(), kind).await {
            return Ok(Err(reply));
        }
        Ok(match self.copy(&mut octets).await {
            Ok(()) => Ok(()),
            Err(_) => return bad("the message cannot be read"),
        })
    }

    async fn copy(&mut self, octets: &mut Excerpt<'_>) -> Result<(), store::BlobError> {
        while let Some(piece) = octets.next().await? {
            self.take(&piece).await;
        }
        Ok(())
    }
}

/// Where the message of a URL is, if it is one of the user's own, or of the mailbox
/// that is selected and may be read.
async fn find(
    session: &mut Session,
    url: &MessageUrl,
) -> Result<Option<(Arc<State>, MailboxId, Uid)>, Reply> {
    let Some(user) = &mut session.user else {
        return Ok(None);
    };
    if let Some(server) = &url.server {
        let rules = session.imap.directory.rules();
        let own = server.host.eq_ignore_ascii_case(&session.imap.hostname)
            && server.user.as_ref().is_none_or(|name| {
                AccountName::new(name, rules).is_ok_and(|name| name.to_string() == user.name)
            });
        if !own {
            return Ok(None);
        }
    }
    let found = match &url.mailbox {
        Some(Ok(name)) => {
            let state = user.fresh().await?;
            let mailbox = state.mailbox_named(name).map(|mailbox| mailbox.id);
            mailbox.map(|mailbox| (user.account.clone(), mailbox))
        }
        Some(Err(_)) => None,
        // Without a name it is the mailbox that is selected, whosever that is.
        None => {
            let rights = user.rights_now().await?;
            let readable = rights.is_some_and(|rights| rights.has(Rights::READ));
            let selected = user.selected.as_ref().filter(|_| readable);
            selected.map(|selected| (selected.account.clone(), selected.mailbox()))
        }
    };
    let Some((account, mailbox)) = found else {
        return Ok(None);
    };
    let state = account.with_table(mailbox).await?;
    let there = state.mailbox(mailbox).is_some_and(|mailbox| {
        url.uid_validity
            .is_none_or(|validity| validity == mailbox.uid_validity)
    });
    Ok(there.then_some((state, mailbox, url.uid)))
}
