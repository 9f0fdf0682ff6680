//! `restante account …`

use super::{ask, with_client};
use crate::cli::{AccountCommand, OrNone, PasswordFrom, Settings};
use crate::config::{Language, Octets, Until};
use crate::console::{self, Bar, Counts, columns, confirm, octets, show};
use crate::control::client::{Client, answer};
use crate::control::message::{
    AccountShown, Accounts, AccountsImported, ImportedAccount, Request, Setting,
};
use crate::error::{Failure, Outcome, While as _};
use crate::passwd_file;
use crate::place::Place;
use crate::ready::{self, Ready};
use ::account::UniqueIdForm;
use serde::Serialize;
use std::io::Read as _;
use std::path::Path;

/// Does it.
///
/// # Errors
/// Says why it was not done.
pub fn run(command: AccountCommand, place: &Place, json: bool) -> Outcome {
    match command {
        AccountCommand::Add {
            name,
            quota,
            password,
        } => {
            let (password, made) = choose(&password)?;
            let quota = quota.map(|quota| quota.0);
            let request = Request::AccountAdd {
                name,
                password: password.clone(),
                quota,
            };
            let account: AccountShown = ask(place, request)?;
            let settings = ready::ready(&place.config, &account.name, None, true, true);
            let told = Told {
                name: &account.name,
                password: made.then_some(password),
                settings,
            };
            show(json, &told, |told| told.text("added"))
        }
        AccountCommand::Passwd { name, password } => {
            let (password, made) = choose(&password)?;
            let request = Request::AccountPasswd {
                name,
                password: password.clone(),
            };
            let account: AccountShown = ask(place, request)?;
            let told = Told {
                name: &account.name,
                password: made.then_some(password),
                settings: Vec::new(),
            };
            show(json, &told, |told| told.text("has a new password"))
        }
        AccountCommand::List => {
            place.must_exist()?;
            let accounts: Accounts = ask(place, Request::AccountList)?;
            show(json, &accounts, list)
        }
        AccountCommand::Show { name } => {
            place.must_exist()?;
            let account: AccountShown = ask(place, Request::AccountShow { name })?;
            show(json, &account, shown)
        }
        AccountCommand::Set { name, settings } => {
            place.must_exist()?;
            let settings = changes(settings);
            let account: AccountShown = ask(place, Request::AccountSet { name, settings })?;
            show(json, &account, shown)
        }
        AccountCommand::Remove { name, yes } => {
            place.must_exist()?;
            let question = format!("Remove {name} and all its mail, for good?");
            if !yes && !confirm(&question, json)? {
                return Err(Failure::new("nothing was removed"));
            }
            let account: AccountShown = ask(place, Request::AccountRemove { name })?;
            show(json, &account, |account| {
                format!(
                    "{} is removed, {} messages with it\n",
                    account.name, account.messages
                )
            })
        }
        AccountCommand::Import { file } => import(place, &file, json),
    }
}

/// What is to be set; names first, as only they can be refused.
fn changes(settings: Settings) -> Vec<Setting> {
    let now = jiff::Timestamp::now().as_second();
    let mut changes: Vec<Setting> = Vec::new();
    changes.extend(settings.remove_alias.into_iter().map(Setting::RemoveAlias));
    changes.extend(settings.alias.into_iter().map(Setting::AddAlias));
    let quota = |OrNone(quota): OrNone<Octets>| quota.map(|octets| octets.0);
    changes.extend(settings.quota.map(quota).map(Setting::Quota));
    changes.extend(settings.messages.map(|count| Setting::Messages(count.0)));
    changes.extend(settings.folders.map(Setting::Folders));
    let enabled = [(settings.enabled, true), (settings.disabled, false)];
    let enabled = enabled.into_iter().find_map(|(set, to)| set.then_some(to));
    changes.extend(enabled.map(Setting::Enabled));
    let until = |OrNone(until): OrNone<Until>| until.map(|until| until.seconds(now));
    changes.extend(settings.expires.map(until).map(Setting::Expires));
    let language = |OrNone(tag): OrNone<Language>| tag.map(|tag| tag.0);
    let form = |OrNone(form): OrNone<UniqueIdForm>| form.map(|form| form.as_str().to_owned());
    changes.extend(settings.uidl_format.map(form).map(Setting::UniqueIdForm));
    changes.extend(
        settings
            .login_delay
            .map(|delay| Setting::LoginDelay(delay.0)),
    );
    changes.extend(settings.language.map(language).map(Setting::Language));
    changes
}

/// The password, and whether it was made here.
fn choose(from: &PasswordFrom) -> Outcome<(String, bool)> {
    if from.password_stdin {
        Ok((console::password_from_stdin()?, false))
    } else {
        Ok((crate::password::random()?, true))
    }
}

#[derive(Serialize)]
struct Told<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    /// What to type into a mail program.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    settings: Vec<Ready>,
}

impl Told<'_> {
    fn text(&self, what: &str) -> String {
        let mut text = format!("{} {what}\n", self.name);
        if let Some(password) = &self.password {
            text.push_str(&format!("password: {password}\n"));
        }
        text.push_str(&ready::lines(&self.settings, self.password.as_deref()));
        text
    }
}

fn quota_text(quota: Option<u64>) -> String {
    quota.map_or_else(|| "none".into(), octets)
}

/// A moment for people, in UTC.
fn moment(seconds: i64) -> String {
    let moment = jiff::Timestamp::from_second(seconds);
    moment.map_or_else(
        |_| "-".into(),
        |moment| moment.strftime("%F %H:%M UTC").to_string(),
    )
}

/// What is out of the ordinary, a line each.
fn unusual(account: &AccountShown) -> Vec<[String; 2]> {
    let mut rows = Vec::new();
    let mut row = |name: &str, value: String| rows.push([name.to_owned(), value]);
    if let Some(messages) = account.messages_quota {
        row("messages quota", messages.to_string());
    }
    if !account.enabled {
        row("disabled", "no logins; mail is refused for now".into());
    }
    if let Some(expires) = account.expires {
        row("expires", moment(expires));
    }
    if account.folders {
        row("folders", "mail to name+folder goes there".into());
    }
    if let Some(form) = &account.unique_id_form {
        row("uidl format", form.clone());
    }
    if let Some(delay) = &account.login_delay {
        row("login delay", format!("{delay}s"));
    }
    if let Some(language) = &account.language {
        row("language", language.clone());
    }
    if !account.aliases.is_empty() {
        row("aliases", account.aliases.join(", "));
    }
    if let Some(last_used) = account.last_used {
        row("last used", moment(last_used));
    }
    if account.damaged {
        row("damaged", "read-only until `restante repair`".into());
    }
    rows
}

fn list(accounts: &Accounts) -> String {
    if accounts.accounts.is_empty() {
        return "there is no account\n".into();
    }
    let mut rows = vec![["NAME", "MESSAGES", "SIZE", "QUOTA"].map(String::from)];
    for account in &accounts.accounts {
        rows.push([
            account.name.clone(),
            account.messages.to_string(),
            octets(account.octets),
            quota_text(account.quota),
        ]);
    }
    columns(&rows)
}

fn shown(account: &AccountShown) -> String {
    let mut about = vec![
        ["name", &account.name].map(String::from),
        ["id", &account.id].map(String::from),
        ["messages".into(), account.messages.to_string()],
        ["size".into(), octets(account.octets)],
        ["quota".into(), quota_text(account.quota)],
    ];
    about.append(&mut unusual(account));
    let mut text = columns(&about);
    let mut rows = vec![["MAILBOX", "MESSAGES", "UNSEEN", "SIZE"].map(String::from)];
    for mailbox in &account.mailboxes {
        rows.push([
            mailbox.name.clone(),
            mailbox.messages.to_string(),
            mailbox.unseen.to_string(),
            octets(mailbox.octets),
        ]);
    }
    text.push('\n');
    text.push_str(&columns(&rows));
    text
}

/// Adds many accounts. Lines that cannot be used are named; the others are done.
fn import(place: &Place, file: &Path, json: bool) -> Outcome {
    let mut text = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin()
            .lock()
            .read_to_end(&mut text)
            .when("standard input")?;
    } else {
        text = std::fs::read(file).when(file.display())?;
    }
    let (mut accounts, mut wrong) = (Vec::new(), Vec::new());
    for line in passwd_file::parse(&text) {
        match line {
            Ok(account) => accounts.push(account),
            Err(why) => wrong.push(why),
        }
    }
    let bar = Bar::new("accounts", Counts::Things, Some(accounts.len() as u64));
    let done = with_client(place, async |client: Client| {
        send(client, &accounts, &bar).await
    });
    bar.end();
    let mut done = done?;
    wrong.append(&mut done.refused);
    done.refused = wrong;
    show(json, &done, |done| {
        let mut text = format!("{} added, {} changed\n", done.added, done.changed);
        for refused in &done.refused {
            text.push_str(&format!("not taken: {refused}\n"));
        }
        text
    })?;
    match done.refused.len() {
        0 => Ok(()),
        count => Err(Failure::new(format!("{count} lines were not taken"))),
    }
}

async fn send(
    mut client: Client,
    accounts: &[ImportedAccount],
    bar: &Bar,
) -> Outcome<AccountsImported> {
    client.open(Request::AccountImport).await?;
    let Client {
        mut incoming,
        mut outgoing,
    } = client;
    let send = async {
        for account in accounts {
            outgoing.line(&Some(account)).await?;
        }
        outgoing.line(&None::<ImportedAccount>).await?;
        outgoing.flush().await
    };
    // What the server says explains more than that it has hung up.
    let (sent, answer) = tokio::join!(send, answer(&mut incoming, bar));
    let answer = answer?;
    sent.when("the server has hung up")?;
    Ok(answer)
}
