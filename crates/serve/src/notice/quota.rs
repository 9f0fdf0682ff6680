//! Owners are told that little room is left: once for each threshold that is
//! passed on the way up. What they were told stands in the directory, so that a
//! restart does not tell it again; falling below a threshold forgets it.

use super::{Notice, deliver, language};
use crate::accounts::Account;
use crate::auth::Directory;
use account::directory::Command;
use account::{Preview, State};
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use terms::{AccountId, Timestamp};
use tokio::sync::Notify;
use tracing::{info, warn};

/// The account's setting that holds the highest threshold that its owner was told
/// of, in percent; kept by the server itself.
pub const QUOTA_TOLD_SETTING: &str = "quota-told";

/// Mailboxes that are named, days on which something goes, devices that are waited for.
const SHOWN: usize = 5;

/// Accounts that may have passed a threshold since they were looked at.
#[derive(Debug, Default)]
pub struct QuotaWatch {
    accounts: Mutex<Accounts>,
    more: Notify,
}

#[derive(Debug, Default)]
struct Accounts {
    /// To be looked at.
    waiting: BTreeSet<AccountId>,
    /// Those whose owners were told something: they may fall again.
    told: BTreeSet<AccountId>,
}

impl QuotaWatch {
    /// The account has changed. Costs next to nothing below all thresholds.
    pub fn note(&self, state: &State, thresholds: &[u8]) {
        let limits = state.limits();
        let limited = limits.octets.is_some() || limits.messages.is_some();
        let reached = limited && level(state, thresholds) > 0;
        let mut accounts = self.accounts();
        if reached || accounts.told.contains(&state.account()) {
            accounts.waiting.insert(state.account());
            drop(accounts);
            self.more.notify_one();
        }
    }

    fn accounts(&self) -> std::sync::MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_told(&self, id: AccountId, told: bool) {
        let mut accounts = self.accounts();
        if told {
            accounts.told.insert(id);
        } else {
            accounts.told.remove(&id);
        }
    }

    async fn next(&self) -> AccountId {
        loop {
            let next = self.accounts().waiting.pop_first();
            match next {
                Some(id) => return id,
                None => self.more.notified().await,
            }
        }
    }
}

/// How much of what it may hold an account holds, in percent, rounded down; of
/// octets and messages the greater.
fn percent(state: &State) -> u64 {
    let (limits, used) = (state.limits(), state.used());
    let of = |used: u64, limit: Option<u64>| match limit {
        None => 0,
        Some(0) => 100,
        Some(limit) => u64::try_from(u128::from(used) * 100 / u128::from(limit)).unwrap_or(100),
    };
    of(used.octets, limits.octets).max(of(used.messages, limits.messages))
}

/// The highest threshold that is reached; zero below all.
fn level(state: &State, thresholds: &[u8]) -> u8 {
    let percent = percent(state);
    let reached = thresholds.iter().filter(|at| u64::from(**at) <= percent);
    reached.max().copied().unwrap_or(0)
}

/// Looks at accounts as they change, until the node stops.
pub(crate) async fn run(directory: Directory) {
    let node = std::sync::Arc::clone(directory.accounts().node());
    // Whoever was told before may have made room since.
    let told: Vec<AccountId> = {
        let state = directory.snapshot();
        let all = state.accounts(None).map(|(_, record)| record);
        let told = all.filter(|record| record.settings.contains_key(QUOTA_TOLD_SETTING));
        told.map(|record| record.id).collect()
    };
    for id in told {
        node.quota.set_told(id, true);
    }
    loop {
        let id = tokio::select! {
            () = node.stopping() => return,
            id = node.quota.next() => id,
        };
        if let Ok(account) = directory.accounts().open(id).await {
            look(&directory, &account).await;
        }
    }
}

/// Tells the owner what is new, and remembers it.
async fn look(directory: &Directory, account: &Account) {
    let node = directory.accounts().node();
    let state = account.snapshot();
    let now = level(&state, &node.limits.quota_warnings);
    let known = directory.snapshot();
    let Some(record) = known.record(account.id()) else {
        return;
    };
    let told = record.settings.get(QUOTA_TOLD_SETTING);
    let told: u8 = told.and_then(|told| told.parse().ok()).unwrap_or(0);
    node.quota.set_told(account.id(), now > 0);
    if now == told {
        return;
    }
    let Some(name) = known.name_of(account.id()) else {
        return;
    };
    if now > told {
        let notice = text(directory, account, &state, name).await;
        if let Err(error) = deliver(directory, account, &notice).await {
            // The next change of the account tries again.
            warn!(account = name, %error, "an owner was not told of the quota");
            return;
        }
        info!(
            account = name,
            percent = percent(&state),
            "little room is left: told"
        );
    }
    let command = Command::Set {
        name: name.to_owned(),
        key: QUOTA_TOLD_SETTING.to_owned(),
        value: (now > 0).then(|| now.to_string()),
    };
    if let Err(error) = directory.execute(command).await {
        warn!(account = name, %error, "what an owner was told is not kept");
    }
}

async fn text(directory: &Directory, account: &Account, state: &State, name: &str) -> Notice {
    let moment = directory.accounts().node().moment();
    let preview = account.read(|state| account::preview(state, &state.hold(), moment));
    // That little room is left is told whether INBOX can be read or not.
    let preview = preview
        .await
        .map(|(_, preview)| preview)
        .unwrap_or_default();
    let (limits, used) = (state.limits(), state.used());
    let mut mailboxes: Vec<_> = state.mailboxes().collect();
    mailboxes.sort_by_key(|mailbox| std::cmp::Reverse(mailbox.counts.octets));
    let lines = mailboxes.iter().take(SHOWN).map(|mailbox| {
        let counts = mailbox.counts;
        let share = share(counts.octets, counts.messages.into());
        format!("  {}: {share}", mailbox.name)
    });
    let gives_way = match state.hold().give_way {
        true => preview.may_give_way,
        false => Default::default(),
    };
    let none = || "\u{221e}".to_owned();
    let places = [
        ("account", name.to_owned()),
        ("percent", percent(state).to_string()),
        ("octets", size(used.octets)),
        ("octets-limit", limits.octets.map_or_else(none, size)),
        ("messages", used.messages.to_string()),
        (
            "messages-limit",
            limits.messages.map_or_else(none, |limit| limit.to_string()),
        ),
        ("mailboxes", lines.collect::<Vec<_>>().join("\n")),
        ("hold-frees", hold_frees(&preview)),
        ("gives-way", share(gives_way.octets, gives_way.messages)),
        ("waits-for", waits_for(state, &preview)),
    ];
    let templates = &directory.accounts().node().templates;
    let templates = templates.get().cloned().unwrap_or_default();
    let (subject, text) = templates.fill("quota", &language(directory, account), &places);
    Notice::Text { subject, text }
}

fn share(octets: u64, messages: u64) -> String {
    format!("{} ({messages})", size(octets))
}

/// What goes by itself, day by day, and all that goes later.
fn hold_frees(preview: &Preview) -> String {
    let day = |time: Timestamp| {
        let moment = jiff::Timestamp::from_millisecond(time.0).unwrap_or_default();
        moment.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d")
    };
    let line = |going: &account::Going, more: &str| {
        let share = share(going.share.octets, going.share.messages);
        format!("  {}{more}: {share}", day(going.first))
    };
    let (first, rest) = (preview.going.split_at_checked(SHOWN)).unwrap_or((&preview.going, &[]));
    let mut lines: Vec<String> = first.iter().map(|going| line(going, "")).collect();
    if let Some(later) = rest.first() {
        let rest = Preview {
            going: rest.to_vec(),
            ..Preview::default()
        };
        let share = rest.total();
        lines.push(line(&account::Going { share, ..*later }, "\u{2026}"));
    }
    if lines.is_empty() {
        return format!("  {}", share(0, 0));
    }
    lines.join("\n")
}

/// The devices without which more would go.
fn waits_for(state: &State, preview: &Preview) -> String {
    let blocking = preview.devices.iter().filter_map(|waiting| {
        let device = state.device(waiting.device)?;
        let blocks = waiting.blocks;
        let share = share(blocks.octets, blocks.messages);
        (blocks.messages > 0).then(|| format!("  {}: {share}", device.name))
    });
    let lines: Vec<String> = blocking.take(SHOWN).collect();
    if lines.is_empty() {
        return "  \u{2013}".to_owned();
    }
    lines.join("\n")
}

/// Octets for people, in units of 1,024.
fn size(octets: u64) -> String {
    let units = [(30, "GB"), (20, "MB"), (10, "KB")];
    let unit = units.into_iter().find(|(shift, _)| octets >> shift > 0);
    match unit {
        None => format!("{octets} B"),
        Some((shift, unit)) => {
            let tenths = (octets >> (shift - 10)) % 1_024 * 10 / 1_024;
            format!("{}.{tenths} {unit}", octets >> shift)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::tests::{add, opened};
    use account::Limits;
    use std::time::Duration;
    use store::MemoryStore;
    use terms::MailboxName;

    /// Long enough for all that waits to be done.
    async fn settled() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    fn messages(account: &Account) -> u32 {
        let state = account.snapshot();
        let inbox = state.mailbox_named(&MailboxName::inbox()).unwrap();
        inbox.counts.messages
    }

    /// Some text that its owner writes, as a stand-in for mail.
    async fn put(directory: &Directory, account: &Account) {
        let notice = Notice::Text {
            subject: "mail".into(),
            text: "x".into(),
        };
        deliver(directory, account, &notice).await.unwrap();
        settled().await;
    }

    #[tokio::test(start_paused = true)]
    async fn owners_are_told_once_on_the_way_up() {
        let store = MemoryStore::new();
        let directory = opened(&store, 1).await;
        let account = add(&directory, "ann", "right").await;
        let limit = |messages| {
            account::Command::SetLimits(Limits {
                octets: None,
                messages: Some(messages),
            })
        };
        account.execute(limit(10)).await.unwrap();
        for _ in 0..7 {
            put(&directory, &account).await;
        }
        assert_eq!(messages(&account), 7);
        put(&directory, &account).await;
        assert_eq!(messages(&account), 9, "80 percent are reached");
        let told = |directory: &Directory| {
            let state = directory.snapshot();
            let record = state.record(account.id()).unwrap();
            record.settings.get(QUOTA_TOLD_SETTING).cloned()
        };
        assert_eq!(told(&directory).as_deref(), Some("80"));
        put(&directory, &account).await;
        assert_eq!(messages(&account), 11, "95 percent, and never refused");
        put(&directory, &account).await;
        assert_eq!(messages(&account), 12);

        // Another process does not tell it again.
        let directory = opened(&store, 2).await;
        let account = directory.accounts().open(account.id()).await.unwrap();
        put(&directory, &account).await;
        assert_eq!(messages(&account), 13);
        // Room is made, then it goes again: told again.
        account.execute(limit(100)).await.unwrap();
        settled().await;
        assert_eq!(told(&directory), None);
        account.execute(limit(16)).await.unwrap();
        settled().await;
        assert_eq!(messages(&account), 14);
        assert_eq!(told(&directory).as_deref(), Some("80"));
    }

    /// Who is told hears what the hold will free, and who is waited for.
    #[tokio::test(start_paused = true)]
    async fn owners_are_told_what_the_hold_frees() {
        use account::{Collect, Command, DeviceId, DeviceProtocols};
        let store = MemoryStore::new();
        let directory = opened(&store, 1).await;
        let account = add(&directory, "ann", "right").await;
        for _ in 0..3 {
            put(&directory, &account).await;
        }
        let inbox = account.with_table(terms::MailboxId::INBOX).await.unwrap();
        let table = inbox.table(terms::MailboxId::INBOX).unwrap();
        let rows: Vec<_> = table.rows().map(|row| (row.email, row.uid)).collect();
        let octets: u64 = table.rows().take(1).map(|row| u64::from(row.size)).sum();
        let collect = |messages: &[_]| Command::Collect {
            device: DeviceId::DEFAULT,
            how: Collect::Dele,
            messages: messages.to_vec(),
        };
        account.execute(collect(&rows[..1])).await.unwrap();
        let declare = Command::DeclareDevice {
            name: "laptop".into(),
            protocols: DeviceProtocols {
                pop3: true,
                imap: false,
            },
            expires: None,
            may_not_delete: false,
        };
        account.execute(declare).await.unwrap();
        account.execute(collect(&rows[1..])).await.unwrap();
        let state = account.snapshot();
        let Notice::Text { text, .. } = text(&directory, &account, &state, "ann").await else {
            panic!("no text");
        };
        let one = share(octets, 1);
        for expected in [
            format!("collected it:\n\n  2023-12-14: {one}\n\n"),
            format!(
                "not collected it:\n\n  laptop: {}\n\n",
                share(2 * octets, 2)
            ),
            "would have none: 0 B (0)\n".to_owned(),
        ] {
            assert!(text.contains(&expected), "{expected}\n{text}");
        }
    }

    #[test]
    fn what_goes_later_is_told_at_once() {
        let going = |day: i64| account::Going {
            first: Timestamp(day * 86_400_000),
            share: account::Share {
                messages: 1,
                octets: 1_024,
            },
        };
        let mut preview = Preview::default();
        assert_eq!(hold_frees(&preview), "  0 B (0)");
        preview.going = (0..8).map(going).collect();
        let text = hold_frees(&preview);
        assert_eq!(text.lines().count(), 6);
        assert!(text.starts_with("  1970-01-01: 1.0 KB (1)\n"), "{text}");
        assert!(
            text.ends_with("\n  1970-01-06\u{2026}: 3.0 KB (3)"),
            "{text}"
        );
    }

    #[test]
    fn sizes_are_for_people() {
        for (octets, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_536, "1.5 KB"),
            (812 << 20, "812.0 MB"),
            (1 << 30, "1.0 GB"),
        ] {
            assert_eq!(size(octets), text);
        }
    }
}
