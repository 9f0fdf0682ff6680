//! The server's end of the control socket.

use super::link::{Incoming, Outgoing, link};
use super::message::{
    AccountsImported, Counted, Imported, ImportedAccount, Opening, Reply, Request, UniqueId,
    VERSION,
};
use super::{SocketPath, socket_path};
use crate::admin::Admin;
use crate::error::{Failure, Outcome, While as _};
use crate::node::Opened;
use serde::Serialize;
use std::fs;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixListener;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tracing::{info, warn};

/// How often a long request tells how far it is.
const PROGRESS: Duration = Duration::from_millis(200);
/// The most accounts that one import takes.
const ACCOUNTS_MAX: usize = 2_000_000;

/// The open socket; gone when this is dropped.
pub struct Listening {
    path: SocketPath,
    task: JoinHandle<()>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
        // Somebody else may have taken it away already.
        let _ = fs::remove_file(self.path.path());
    }
}

/// Opens the control socket of a data directory that this process has open.
///
/// # Errors
/// If it cannot be opened.
pub fn listen(data: &Path, opened: Arc<Opened>) -> Outcome<Listening> {
    let path = socket_path(data)?;
    // The data is ours alone, so that a socket here is a leftover.
    let _ = fs::remove_file(path.path());
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path.path());
    rustix::process::umask(before);
    let listener = listener.when(path.path().display())?;
    let task = tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    // Operators' requests are few and may take long: each has a thread.
                    let (opened, runtime) = (Arc::clone(&opened), Handle::current());
                    tokio::task::spawn_blocking(move || runtime.block_on(handle(opened, stream)));
                }
                Err(error) => {
                    warn!(%error, "the control socket fails");
                    tokio::time::sleep(PROGRESS).await;
                }
            }
        }
    });
    Ok(Listening { path, task })
}

/// Answers the one request of a connection.
pub async fn handle<S>(opened: Arc<Opened>, stream: S)
where
    S: AsyncRead + AsyncWrite + Send + Sync + 'static,
{
    let (mut incoming, mut outgoing) = link(stream);
    let reply = match answer(&opened, &mut incoming, &mut outgoing).await {
        Ok(Some(value)) => Reply::Done(value),
        Ok(None) => return,
        Err(failure) => Reply::Failed(failure.to_string()),
    };
    let said = async {
        outgoing.line(&reply).await?;
        outgoing.flush().await
    };
    // Whoever asked may have gone; what was done is done.
    if said.await.is_ok() {
        // What it still sends is taken, so that it gets to read the answer.
        incoming.discard().await;
    }
}

async fn answer(
    opened: &Arc<Opened>,
    incoming: &mut Incoming,
    outgoing: &mut Outgoing,
) -> Outcome<Option<serde_json::Value>> {
    let opening: serde_json::Value = match incoming.line().await? {
        Some(opening) => opening,
        None => return Ok(None),
    };
    let version = opening.get("version").and_then(serde_json::Value::as_u64);
    if version != Some(u64::from(VERSION)) {
        return Err(Failure::new(format!(
            "this server speaks version {VERSION} of the control protocol, the program another: \
             use the program of the same release"
        )));
    }
    let Opening { request, .. } = serde_json::from_value(opening)?;
    let admin = opened.admin();
    let value = match request {
        Request::AccountAdd {
            name,
            password,
            quota,
        } => {
            let added = admin.add(&name, &password, quota).await?;
            info!(account = added.name, "account added");
            json(&added)
        }
        Request::AccountList => json(&admin.list().await?),
        Request::AccountShow { name } => json(&admin.show(&name).await?),
        Request::AccountSet { name, settings } => {
            let changed = admin.set(&name, settings).await?;
            info!(account = changed.name, "settings changed");
            json(&changed)
        }
        Request::AccountPasswd { name, password } => {
            let changed = admin.set_password(&name, &password).await?;
            info!(account = changed.name, "password changed");
            json(&changed)
        }
        Request::AccountRemove { name } => {
            let removed = admin.remove(&name).await?;
            info!(account = removed.name, "account removed");
            json(&removed)
        }
        Request::DeviceAdd(device) => {
            let added = admin.device_add(device).await?;
            info!(
                account = added.account,
                device = added.name,
                "device declared"
            );
            json(&added)
        }
        Request::DeviceList { account } => json(&admin.device_list(&account).await?),
        Request::DeviceRevoke { account, name } => {
            let left = admin.device_revoke(&account, &name).await?;
            info!(account = left.account, device = name, "device revoked");
            json(&left)
        }
        Request::AccountImport => json(&accounts(&admin, incoming, outgoing).await?),
        Request::HoldShow { of } => json(&admin.hold(&of).await?),
        Request::HoldPreview { of, change } => json(&admin.preview_hold(&of, &change).await?),
        Request::HoldSet { of, change } => {
            let set = admin.set_hold(&of, &change).await?;
            info!(?of, hold = set.hold, "the hold was set");
            json(&set)
        }
        Request::HoldResume => json(&admin.resume_hold().await?),
        Request::UndoList { account, which } => json(&admin.undo_list(&account, &which).await?),
        Request::UndoRestore {
            account,
            which,
            keep_collected,
        } => {
            let restored = admin.undo_restore(&account, &which, keep_collected).await?;
            info!(account, messages = restored.messages, "messages came back");
            json(&restored)
        }
        Request::DomainList => json(&admin.domains().await?),
        Request::DomainShow { name } => json(&admin.domain(&name).await?),
        Request::DomainSet {
            name,
            quota,
            messages,
            language,
            hold,
        } => {
            let set = admin.set_domain(&name, quota, messages, language, hold.as_ref());
            let set = set.await?;
            info!(domain = set.name, hold = set.hold, "a domain was set");
            json(&set)
        }
        Request::DomainRemove { name } => {
            let removed = admin.remove_domain(&name).await?;
            info!(domain = removed.name, "a domain was removed");
            json(&removed)
        }
        Request::Check => {
            let done = AtomicU64::new(0);
            let progress = |octets| done.store(octets, Ordering::Relaxed);
            let check = admin.check(&progress);
            json(&telling(outgoing, None, &done, check).await?)
        }
        Request::Repair { account } => json(&admin.repair(account.as_deref()).await?),
        Request::Import { account } => json(&import(&admin, &account, incoming).await?),
        Request::Pop3Uidls { account, device } => {
            json(&unique_ids(&admin, &account, &device, outgoing).await?)
        }
        Request::Export { account, mailbox } => {
            json(&export(&admin, &account, mailbox.as_deref(), outgoing).await?)
        }
    };
    value.map(Some)
}

fn json<T: Serialize>(value: &T) -> Outcome<serde_json::Value> {
    serde_json::to_value(value).map_err(Failure::from)
}

/// Does `work` and tells how far `done` is meanwhile.
async fn telling<T>(
    outgoing: &mut Outgoing,
    total: Option<u64>,
    done: &AtomicU64,
    work: impl Future<Output = Outcome<T>>,
) -> Outcome<T> {
    let mut work = std::pin::pin!(work);
    loop {
        match tokio::time::timeout(PROGRESS, work.as_mut()).await {
            Ok(result) => return result,
            Err(_) => {
                let done = done.load(Ordering::Relaxed);
                outgoing.line(&Reply::Progress { done, total }).await?;
                outgoing.flush().await?;
            }
        }
    }
}

async fn accounts(
    admin: &Admin,
    incoming: &mut Incoming,
    outgoing: &mut Outgoing,
) -> Outcome<AccountsImported> {
    let mut accounts: Vec<ImportedAccount> = Vec::new();
    while let Some(account) = next(incoming).await? {
        if accounts.len() >= ACCOUNTS_MAX {
            return Err(Failure::new(format!(
                "more than {ACCOUNTS_MAX} accounts at one time"
            )));
        }
        accounts.push(account);
    }
    let total = accounts.len() as u64;
    let done = AtomicU64::new(0);
    let imported = telling(outgoing, Some(total), &done, admin.import(accounts, &done)).await?;
    info!(
        added = imported.added,
        changed = imported.changed,
        "accounts imported"
    );
    Ok(imported)
}

/// The next of what follows a request; `None` at its end.
async fn next<T: serde::de::DeserializeOwned>(incoming: &mut Incoming) -> Outcome<Option<T>> {
    match incoming.line::<Option<T>>().await? {
        Some(next) => Ok(next),
        None => Err(Failure::new("the other side has hung up")),
    }
}

async fn import(admin: &Admin, account: &str, incoming: &mut Incoming) -> Outcome<Counted> {
    let mut importer = admin.importer(account).await?;
    let mut kept = None;
    let octets_max = admin.message_octets_max();
    while let Some(imported) = next::<Imported>(incoming).await? {
        match imported {
            Imported::Mailbox { name, subscribed } => importer.mailbox(&name, subscribed).await?,
            Imported::Subscribed(name) => importer.subscribe(&name).await?,
            Imported::Letter(letter) => {
                let octets = incoming
                    .octets(letter.octets, octets_max.saturating_mul(2))
                    .await?;
                importer.put(&letter, octets).await?;
                // Before the first message is bound; not where none is taken.
                if kept.is_none() && importer.waits() {
                    kept = Some(admin.keep_imported(account).await?);
                }
            }
        }
    }
    let mut counted = importer.finish().await?;
    if kept == Some(true) {
        counted.notes.push(format!(
            "what was imported stays for ever: `restante hold set {account} --follow` lets the \
             account follow the default again"
        ));
    }
    info!(
        account,
        messages = counted.messages,
        octets = counted.octets,
        "mail imported"
    );
    Ok(counted)
}

async fn unique_ids(
    admin: &Admin,
    account: &str,
    device: &str,
    outgoing: &mut Outgoing,
) -> Outcome<u64> {
    let (state, drop) = admin.maildrop(account, device).await?;
    let mut count = 0;
    for (number, row) in drop.messages() {
        let line = UniqueId {
            number,
            unique_id: state.unique_id(row.email),
            octets: row.maildrop_size(false),
            uid: row.uid.value(),
            received: row.internal_date.seconds,
        };
        outgoing.line(&Reply::UniqueId(line)).await?;
        count += 1;
    }
    Ok(count)
}

async fn export(
    admin: &Admin,
    account: &str,
    mailbox: Option<&str>,
    outgoing: &mut Outgoing,
) -> Outcome<Counted> {
    let exporter = admin.exporter(account, mailbox).await?;
    let mut counted = Counted::default();
    if mailbox.is_none() {
        let names = exporter.subscriptions();
        outgoing.line(&Reply::Subscriptions(names)).await?;
    }
    for (id, name) in exporter.mailboxes() {
        outgoing.line(&Reply::Mailbox(name.to_string())).await?;
        let state = exporter.table(id).await?;
        // It may have gone since the export began.
        let Some(mailbox) = state.mailbox(id) else {
            continue;
        };
        for row in state.table(id)?.rows() {
            let (letter, octets) = exporter.read(&name, mailbox, row).await?;
            outgoing.line(&Reply::Letter(letter)).await?;
            outgoing.octets(&octets).await?;
            counted.messages += 1;
            counted.octets += octets.len() as u64;
        }
    }
    info!(
        account,
        messages = counted.messages,
        octets = counted.octets,
        "mail exported"
    );
    Ok(counted)
}
