//! The command line.

pub mod hold;

use crate::config::{Language, Octets, Until};
use account::UniqueIdForm;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::str::FromStr;

/// A mail store: mail comes in over LMTP and goes out over POP3 and IMAP.
#[derive(Debug, Parser)]
#[command(name = "restante", version, arg_required_else_help = true)]
#[command(after_help = "\
To begin with, without any configuration:  restante demo
To run a server:                           restante config example > restante.toml
                                           restante serve --config restante.toml")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What holds for every command.
    #[command(flatten)]
    pub common: Common,
}

/// What holds for every command; before or after its name.
#[derive(Args, Clone, Debug)]
pub struct Common {
    /// The configuration file [where neither this nor --data is given:
    /// /etc/restante/restante.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The data directory; wins over the one in the configuration file
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Try it out: a server on loopback with an account and sample mail
    ///
    /// Needs nothing: opens (or makes) a data directory, makes a certificate, an account `demo`
    /// with a random password and a few messages, and prints what to type into a mail program.
    /// Started again on the same directory it keeps everything, the password too.
    Demo(Demo),
    /// Run the server
    ///
    /// SIGTERM and SIGINT let running commands end. SIGHUP reads the certificate, [hold] and the
    /// log level again; other settings that have changed are logged and wait for a restart.
    Serve,
    /// Accounts: add, list, change, remove, import
    #[command(subcommand)]
    Account(AccountCommand),
    /// Devices: mail programs with a password of their own
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Domains: what their accounts begin with
    #[command(subcommand)]
    Domain(hold::DomainCommand),
    /// The hold: how long mail stays after POP3 has collected it
    #[command(subcommand)]
    Hold(hold::HoldCommand),
    /// Bring back what was expunged
    #[command(subcommand)]
    Undo(hold::UndoCommand),
    /// Read everything in the store and say whether it is whole
    Check,
    /// Make a damaged account writable again, with what is left of it
    ///
    /// What was lost is named. Mail programs will load the account anew.
    Repair {
        /// The account; without it every account that is damaged
        account: Option<String>,
    },
    /// Build the index anew from the journal
    RebuildIndex,
    /// The configuration file: check one, print an example
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Take mail over from a Maildir or an mbox
    #[command(subcommand)]
    Import(ImportCommand),
    /// POP3: unique-ids, and texts to translate
    #[command(subcommand)]
    Pop3(Pop3Command),
    /// Write an account's mail to a Maildir or to mbox files
    #[command(subcommand)]
    Export(ExportCommand),
}

/// `restante demo`
#[derive(Args, Debug)]
pub struct Demo {
    /// Port for IMAP; 0 for a free one
    #[arg(long, value_name = "PORT", default_value_t = 1143)]
    pub imap: u16,
    /// Port for IMAP over TLS; 0 for a free one
    #[arg(long, value_name = "PORT", default_value_t = 1993)]
    pub imaps: u16,
    /// Port for POP3; 0 for a free one
    #[arg(long, value_name = "PORT", default_value_t = 1110)]
    pub pop3: u16,
    /// Port for POP3 over TLS; 0 for a free one
    #[arg(long, value_name = "PORT", default_value_t = 1995)]
    pub pop3s: u16,
    /// Port for LMTP; 0 for a free one
    #[arg(long, value_name = "PORT", default_value_t = 1024)]
    pub lmtp: u16,
}

/// `restante account …`
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Add an account
    Add {
        /// Its name, as in a login: `anna` or `anna@example.org`
        name: String,
        /// What it may hold, such as 500M or 1G
        #[arg(long)]
        quota: Option<Octets>,
        #[command(flatten)]
        password: PasswordFrom,
    },
    /// List the accounts
    List,
    /// Show one account
    Show {
        /// Its name
        name: String,
    },
    /// Change an account's settings
    Set {
        /// Its name
        name: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Set a new password
    ///
    /// Sessions that are logged in go on with the old one.
    Passwd {
        /// Its name
        name: String,
        #[command(flatten)]
        password: PasswordFrom,
    },
    /// Remove an account and all its mail, for good
    ///
    /// Its sessions end at once.
    Remove {
        /// Its name
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Add many accounts from a file
    ///
    /// A line for each: `name:password`, or a line of a Dovecot passwd-file with a scheme such as
    /// {PLAIN}, {ARGON2ID}, {BLF-CRYPT}, {SHA512-CRYPT}, {SSHA256} or {SSHA}. Hashes are taken as
    /// they are, those of crypt(3) ($6$…) without a scheme too. An account that is there already gets the password of its line.
    Import {
        /// The file; `-` for standard input
        file: PathBuf,
    },
}

/// What can be set for an account.
#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
pub struct Settings {
    /// What it may hold, such as 500M or 1G; `none` for no limit
    #[arg(long, value_name = "SIZE", value_parser = or_none::<Octets>, allow_hyphen_values = true)]
    pub quota: Option<OrNone<Octets>>,
    /// How many messages it may hold; `none` for no limit
    #[arg(long, value_name = "COUNT", value_parser = count_or_none, allow_hyphen_values = true)]
    pub messages: Option<OrNone<u64>>,
    /// Whether mail to `name+folder` goes into that folder: whoever writes then chooses
    /// where their mail goes
    #[arg(long, value_name = "yes|no", value_parser = yes_or_no, action = clap::ArgAction::Set)]
    pub folders: Option<bool>,
    /// Let it be used (again)
    #[arg(long, conflicts_with = "disabled")]
    pub enabled: bool,
    /// Refuse logins, and mail for now, until --enabled
    #[arg(long)]
    pub disabled: bool,
    /// Until when it can be used: a day (2027-01-31, from its beginning in UTC on it cannot),
    /// a length of time from now (90d), or `none`
    #[arg(long, value_name = "WHEN", value_parser = or_none::<Until>, allow_hyphen_values = true)]
    pub expires: Option<OrNone<Until>>,
    /// The language in which it is written to, such as `de`; `none` for English
    #[arg(long, value_name = "TAG", value_parser = or_none::<Language>)]
    pub language: Option<OrNone<Language>>,
    /// The form of the POP3 unique-ids of new mail, so that it goes on as another server began:
    /// dovecot, courier, cyrus, uw-imap, or a pattern such as %08Xu%08Xv; `none` for our own
    #[arg(long, value_name = "FORM", value_parser = or_none::<UniqueIdForm>)]
    pub uidl_format: Option<OrNone<UniqueIdForm>>,
    /// Seconds between two POP3 logins of a device; `none` for the server's
    #[arg(long, value_name = "SECONDS", value_parser = count_or_none, allow_hyphen_values = true)]
    pub login_delay: Option<OrNone<u64>>,
    /// Give it another name, that mail and logins may use too; may be repeated
    #[arg(long, value_name = "NAME")]
    pub alias: Vec<String>,
    /// Take such a name away; may be repeated
    #[arg(long, value_name = "NAME")]
    pub remove_alias: Vec<String>,
}

/// A value, or `none`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrNone<T>(pub Option<T>);

fn or_none<T: FromStr>(text: &str) -> Result<OrNone<T>, T::Err> {
    match text {
        "none" => Ok(OrNone(None)),
        text => text.parse().map(|value| OrNone(Some(value))),
    }
}

/// A whole number, of messages or of seconds.
fn count_or_none(text: &str) -> Result<OrNone<u64>, String> {
    or_none(text).map_err(|_| {
        format!("`{text}` is no whole number: write one such as 10, without a unit, or none")
    })
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("say yes or no".into()),
    }
}

/// Where a password comes from.
#[derive(Args, Debug)]
pub struct PasswordFrom {
    /// Read the password from standard input, up to the end of its first line.
    /// Without this a random one is made and printed
    #[arg(long)]
    pub password_stdin: bool,
}

/// `restante device …`
#[derive(Debug, Subcommand)]
pub enum DeviceCommand {
    /// Declare a device, with a password that is made and printed
    ///
    /// A POP3 program that has one collects by itself: what another has taken away is still there
    /// for it. Prints what to type into the program.
    Add {
        /// Whose
        account: String,
        /// What it is called: small letters, digits, `-`, `_`, `.`
        name: String,
        /// What its password opens
        #[arg(long, value_delimiter = ',', default_value = "pop3,imap")]
        protocols: Vec<DeviceProtocol>,
        /// When its password ends: a length of time from now (90d, 1y) or a day to come (2027-01-31)
        #[arg(long, value_name = "WHEN")]
        expires: Option<Until>,
        /// It may remove nothing: POP3's DELE hides for it alone, IMAP refuses
        #[arg(long)]
        may_not_delete: bool,
    },
    /// List an account's devices: whether mail waits for them, when and from where they were last
    /// used
    List {
        /// Whose
        account: String,
    },
    /// Revoke a device: its password ends, its sessions end, and no mail waits for it
    Revoke {
        /// Whose
        account: String,
        /// Its name
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// What a device's password may open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DeviceProtocol {
    /// POP3.
    Pop3,
    /// IMAP.
    Imap,
}

/// `restante config …`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say whether a configuration file is right
    Check {
        /// The file; the same as --config
        file: Option<PathBuf>,
    },
    /// Print a commented example
    Example,
}

/// `restante import …`
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// From a Maildir, its Maildir++ folders with it
    ///
    /// Empty folders are made too. Where there is a file `subscriptions`, as Dovecot keeps it, what
    /// it lists is subscribed to; otherwise every new mailbox is. Symbolic links are not followed:
    /// whoever owns the Maildir could have them lead anywhere. They are named and left out.
    Maildir(Import),
    /// From an mbox file, or from every file of a directory (each one mailbox)
    ///
    /// Symbolic links are not followed; they and files that are no mbox are named and left out.
    Mbox(Import),
}

/// What an import takes.
#[derive(Args, Debug)]
pub struct Import {
    /// The Maildir, the mbox file or the directory
    pub path: PathBuf,
    /// Into which account
    #[arg(long, value_name = "NAME")]
    pub account: String,
    /// Into which mailbox; folders go below it. Without it INBOX, and folders by their own names
    #[arg(long, value_name = "MAILBOX")]
    pub mailbox: Option<String>,
    /// How the other server made POP3 unique-ids of UIDs: dovecot, courier, cyrus, uw-imap, or a
    /// pattern such as %08Xu%08Xv. For UIDs of a `dovecot-uidlist`, or of an mbox's X-UID
    ///
    /// %u stands for the UID, %v for UIDVALIDITY; a width and X make hexadecimal numbers. A
    /// `dovecot-uidlist` that says another unique-id for a message is believed, and so is a
    /// `courierpop3dsizelist`. An id that another message has already gets a suffix.
    #[arg(long, value_name = "FORM", default_value = "dovecot", value_parser = UniqueIdForm::new)]
    pub uidl_format: UniqueIdForm,
    /// A file of lines `UIDL<TAB>NAME`, where the name is a Maildir file's or a Message-ID: these
    /// messages keep that POP3 unique-id
    #[arg(long, value_name = "FILE")]
    pub uidls: Option<PathBuf>,
}

/// `restante pop3 …`
#[derive(Debug, Subcommand)]
pub enum Pop3Command {
    /// List what a device finds in its drop: numbers, unique-ids, sizes, UIDs, dates
    Uidls {
        /// The account
        account: String,
        /// The device
        #[arg(long, value_name = "NAME", default_value = "default")]
        device: String,
    },
    /// Print the texts of replies, to translate them into a further language
    Texts,
}

/// `restante export …`
#[derive(Debug, Subcommand)]
pub enum ExportCommand {
    /// To a Maildir with Maildir++ folders, and what is subscribed to in `subscriptions`
    ///
    /// The POP3 unique-ids of INBOX stand in `dovecot-uidlist`, from where an import takes them.
    Maildir(Export),
    /// To a directory of mbox files (mboxrd)
    Mbox(Export),
}

/// What an export takes.
#[derive(Args, Debug)]
pub struct Export {
    /// The directory to make; it must not be there or be empty
    pub path: PathBuf,
    /// From which account
    #[arg(long, value_name = "NAME")]
    pub account: String,
    /// Only this mailbox
    #[arg(long, value_name = "MAILBOX")]
    pub mailbox: Option<String>,
}

/// The two forms of mail outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MailForm {
    /// A file for each message.
    Maildir,
    /// A file for each mailbox.
    Mbox,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_would_be_right_is_said() {
        for (line, says) in [
            (
                "hold set anna --at-least -1d",
                "`-1d` is no length of time: write a number with s, m",
            ),
            (
                "hold set anna --hold -1d",
                "`-1d` is no hold: write remove, forever, or",
            ),
            (
                "account set anna --login-delay x",
                "`x` is no whole number: write one",
            ),
            (
                "account set anna --messages -1",
                "`-1` is no whole number: write one",
            ),
            (
                "account set anna --quota -1G",
                "`-1G` is no size: write a number of octets",
            ),
            (
                "domain set x.example --messages 5s",
                "`5s` is no whole number",
            ),
        ] {
            let words = std::iter::once("restante").chain(line.split(' '));
            let said = Cli::try_parse_from(words).unwrap_err().to_string();
            assert!(said.contains(says), "{line}: {said}");
        }
    }

    #[test]
    fn common_options_stand_before_or_after() {
        for line in [
            "restante --data /d --json account list",
            "restante account --data /d list --json",
            "restante account list --json --data /d",
        ] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(cli.common.data, Some("/d".into()), "{line}");
            assert!(cli.common.json, "{line}");
        }
    }
}
