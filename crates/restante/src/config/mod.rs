//! The configuration file: TOML, every key documented where it is declared,
//! unknown keys refused with the nearest known name.
//!
//! Reading goes in three steps, and each names the line that is at fault: the
//! text must be TOML, every key must be one that a [`table::Table`] declares,
//! every value must be what its type takes and fit the others.

mod auth;
mod check;
mod example;
mod oauth;
mod sense;
mod surroundings;
mod table;
mod value;

pub use auth::{Auth, ClientName, Scram};
pub use check::ConfigError;
pub use example::example;
pub use oauth::OAuth;
pub use surroundings::check as surroundings;
pub use value::{
    Address, Language, LogFormat, LogLevel, Mode, Nul, Octets, OverQuota, Percents, Protocol,
    Proxies, Span, Until,
};

use crate::cli::hold::{CollectBy, SeenWhen};
use crate::span::HoldTerm;
use serve::accounts::NameRules;
use serve::auth::PlaintextLogin;
use std::path::{Path, PathBuf};
use table::table;

table! {
    /// Restante: the configuration file.
    ///
    /// `restante config check --config FILE` says whether a file is right and
    /// what is wrong with it. A line that begins with `#` is a comment; where one
    /// shows a setting, it shows its default, or an example where there is none.
    Config {
        /// The directory in which all accounts and all mail lie. It is made
        /// where it is not there. One process at a time has it open.
        Set data "data": PathBuf = PathBuf::new(), r#""/var/lib/restante""#;

        /// What the server calls itself in greetings and in Received fields.
        /// Without it: the name of the machine.
        Example hostname "hostname": Option<String> = None, r#""mail.example.org""#;

        /// The domain that completes a bare account name, in logins and in
        /// LMTP's RCPT: `anna` then means `anna@example.org`.
        Example default_domain "default-domain": Option<String> = None, r#""example.org""#;

        /// What stands between a name and a detail in an address, as in
        /// `anna+lists@example.org`, which is delivered to `anna@example.org`.
        Default separator "separator": Separator = Separator('+'), r#""+""#;

        /// What is done with NULs in a message that LMTP brings, as no protocol
        /// could carry them on: `replace` (by 0x80) or `refuse`.
        Default nul "nul": Nul = Nul::Replace, r#""replace""#;

        /// What LMTP says where an account is over quota: `temporary` (452, whoever
        /// sends it tries again) or `permanent` (552, the sender is told at once).
        Default over_quota "over-quota": OverQuota = OverQuota::Temporary, r#""temporary""#;

        /// How full an account is, in percent, when its owner is sent a mail about it:
        /// once on the way up, again only after there was room. `[]` for never.
        Default quota_warnings "quota-warnings": Percents = Percents(vec![80, 95]), "[80, 95]";

        /// A directory with texts of your own for such mails: `quota.fr.txt`, with a
        /// line `Subject: …`, a blank line, and {account}, {percent}, {octets},
        /// {octets-limit}, {messages}, {messages-limit}, {mailboxes}, {hold-frees} (what
        /// the hold lets go, and when), {waits-for} (the devices without which more would
        /// go) and {gives-way} (what makes room for new mail) to be filled. English and
        /// German come with the program. Read when the server starts.
        Example texts "texts": Option<PathBuf> = None, r#""/etc/restante/texts""#;

        /// The user, by name, that the server becomes once its sockets are open,
        /// where it was started as root.
        Example user "user": Option<String> = None, r#""restante""#;

        /// The group that it becomes. Without it: the user's own.
        Example group "group": Option<String> = None, r#""restante""#;

        /// Where to listen, below.
        Set listen "listen": Vec<Listen> = Vec::new(), "";

        /// The certificate, below.
        Set tls "tls": Option<Tls> = None, "";

        /// Logging in, below.
        Set auth "auth": Auth = Auth::default(), "";

        /// Limits, below.
        Set limits "limits": Limits = Limits::default(), "";

        /// IMAP, below.
        Set imap "imap": Imap = Imap::default(), "";

        /// POP3, below.
        Set pop3 "pop3": Pop3 = Pop3::default(), "";

        /// The hold, below.
        Set hold "hold": HoldDefaults = HoldDefaults::default(), "";

        /// Numbers to watch, below.
        Set metrics "metrics": Metrics = Metrics::default(), "";

        /// The log, below.
        Set log "log": Log = Log::default(), "";
    }
}

table! {
    /// One place to listen. There may be many. Sockets that systemd has opened
    /// (socket activation) are used where their address is the same.
    Listen {
        /// What is spoken: `imap` or `pop3` (with STARTTLS or STLS), `imaps` or
        /// `pop3s` (TLS from the first octet), or `lmtp`.
        Set protocol "protocol": Protocol = Protocol::Imap, r#""imap""#;

        /// `host:port`, where the host is an address, a name or `*` for all
        /// addresses; or `unix:/path`.
        Set address "address": Address = Address::Tcp { host: String::new(), port: 0 },
            r#""127.0.0.1:143""#;

        /// Whether a password may come without TLS. Without it: only where nobody
        /// but this machine can listen in, that is on loopback and Unix sockets, and
        /// not from clients that a load balancer there speaks for.
        Example plaintext_login "plaintext-login": Option<bool> = None, "false";

        /// Load balancers that say by the PROXY protocol (version 1 or 2) for whom
        /// they have connected: addresses and networks. They must say it, before TLS;
        /// from anybody else it is no greeting. What is logged, counted and slowed
        /// down is then meant for the client.
        Example proxy_protocol "proxy-protocol": Proxies = Proxies::default(),
            r#"["192.0.2.1", "10.0.0.0/8"]"#;

        /// Mail servers that may say by LMTP's XCLIENT for whom they speak: addresses,
        /// networks, or `unix` for whoever can open a Unix socket.
        Example xclient "xclient": Proxies = Proxies::default(), r#"["192.0.2.1", "unix"]"#;

        /// The access mode of a Unix socket.
        Default mode "mode": Mode = Mode(0o660), r#""0660""#;
    }
}

table! {
    /// The certificate for `imaps`, `pop3s`, STARTTLS and STLS. Both files are
    /// read again on SIGHUP; if they do not fit then, the old ones stay.
    Tls {
        /// The certificate and its chain, in PEM, the server's own first.
        Set certificate "certificate": PathBuf = PathBuf::new(),
            r#""/etc/restante/certificate.pem""#;

        /// Its private key, in PEM.
        Set key "key": PathBuf = PathBuf::new(), r#""/etc/restante/key.pem""#;

        /// The certificates, in PEM, of those who certify clients. With it each
        /// client is asked for a certificate, and one that has one logs in by it
        /// (EXTERNAL) without a password; one without logs in as ever.
        Example client_ca "client-ca": Option<PathBuf> = None,
            r#""/etc/restante/clients.pem""#;

        /// What in a client's certificate names the account: `email` (a mail
        /// address among its alternative names) or `cn` (its common name).
        Default client_name "client-name": ClientName = ClientName::Email, r#""email""#;
    }
}

table! {
    /// IMAP, on all its listeners.
    Imap {
        /// Whether programs may ask for names and messages in UTF-8 (UTF8=ACCEPT). With
        /// it, APPEND refuses messages whose header has octets above 127 from those that
        /// have not asked, as RFC 9755 §4 has it. `false` while old mail is moved here by
        /// IMAP: it is then taken octet for octet.
        Default utf8_accept "utf8-accept": bool = true, "true";

        /// Accounts that may ask for and set the quotas of all others by IMAP (GETQUOTA
        /// and SETQUOTA, RFC 9208). Without it nobody may: quotas are set by
        /// `restante account set`.
        Example quota_admins "quota-admins": Vec<String> = Vec::new(),
            r#"["postmaster@example.org"]"#;
    }
}

table! {
    /// POP3, on all its listeners.
    Pop3 {
        /// One session at a time for each device, as RFC 1939 has it: others are
        /// told `[IN-USE]`. Without it each session has a snapshot of its own, and
        /// nobody waits.
        Default exclusive "exclusive": bool = false, "false";

        /// How long a device waits between two logins; too soon is told
        /// `[LOGIN-DELAY]`. Kept in memory: a restart forgets who was here when.
        Default login_delay "login-delay": Span = Span::seconds(0), r#""0s""#;

        /// The language of `LANG *`, by its tag, for whoever has not logged in or
        /// has no language set.
        Default language "language": String = String::from("en"), r#""en""#;

        /// A file with further languages than English and German;
        /// `restante pop3 texts` prints one to begin with.
        Example languages "languages": Option<PathBuf> = None,
            r#""/etc/restante/languages.toml""#;
    }
}

table! {
    /// The hold: how long mail stays on the server after POP3 has collected it.
    /// These are the defaults; `restante hold set` changes them for all accounts,
    /// for those of a domain or for one. An account that has none of its own follows
    /// a default that has changed within minutes; nothing goes for a day after that.
    /// docs/HOLD.md says what it all means.
    HoldDefaults {
        /// `remove`: it goes at the QUIT that collects it, as RFC 1939 has it; a
        /// length of time: it stays in INBOX for so long; `forever`.
        Default hold "hold": HoldTerm = HoldTerm(account::Hold::Span(30 * 86_400)), r#""30d""#;

        /// What collects: `dele`, or `retr`: a RETR too.
        Default collect "collect": CollectBy = CollectBy::Dele, r#""dele""#;

        /// Whether a delivery that does not fit may expunge the oldest that was
        /// collected. Without it: only under `forever`.
        Example give_way "give-way": Option<bool> = None, "true";

        /// How long mail stays at least that was only read, or that gives way.
        Default at_least "at-least": Span = Span::seconds(86_400), r#""1d""#;

        /// When what POP3 retrieves becomes \Seen: `never`, or `quit`.
        Default seen_after_retr "seen-after-retr": SeenWhen = SeenWhen::Never, r#""never""#;

        /// How long what was expunged can be brought back.
        Default undo "undo": Span = Span::seconds(7 * 86_400), r#""7d""#;

        /// After how long a silent device is waited for no longer.
        Default forget_device "forget-device": Span = Span::seconds(90 * 86_400), r#""90d""#;

        /// Whether IMAP sees the keyword `$Collected`.
        Default show_collected "show-collected": bool = false, "false";

        /// A run that would expunge more than so many of a hundred messages of an
        /// account at one time waits a day and is logged.
        Default run_percent "run-percent": u8 = 50, "50";

        /// A run of fewer messages never waits.
        Default run_messages "run-messages": u64 = 100, "100";
    }
}

table! {
    /// Numbers for whoever watches the server, as Prometheus reads them, at
    /// `http://ADDRESS/metrics`. docs/METRICS.md has them all, and what to alert on.
    Metrics {
        /// Where to listen; without it: nowhere. No password is asked there, so that
        /// this should be loopback, or a network of your own.
        Example address "address": Option<Address> = None, r#""127.0.0.1:9143""#;
    }
}

table! {
    /// The log, on standard error: a line for each login, delivery and end of a
    /// session. Never a message's content, never a password.
    Log {
        /// `text` or `json`.
        Default format "format": LogFormat = LogFormat::Text, r#""text""#;

        /// `error`, `warn`, `info` or `debug`.
        Default level "level": LogLevel = LogLevel::Info, r#""info""#;
    }
}

table! {
    /// Limits. What reaches one is told so; nothing is dropped silently.
    Limits {
        /// The longest message, delivered or appended.
        Default message_octets "message-octets": Octets = Octets(64 << 20), r#""64M""#;

        /// Connections at one time, all listeners together.
        Default connections "connections": u32 = 10_000, "10000";

        /// Connections at one time from one IPv4 address or one /64 of IPv6
        /// (loopback is not counted).
        Default connections_per_address "connections-per-address": u32 = 100, "100";

        /// IMAP sessions of one account at one time; one more is told `[LIMIT]`.
        Default imap_per_account "imap-per-account": u32 = 50, "50";

        /// POP3 sessions of one account at one time; one more is told `[IN-USE]`.
        Default pop3_per_account "pop3-per-account": u32 = 10, "10";

        /// Recipients of one LMTP delivery.
        Default recipients "recipients": u32 = 1_000, "1000";

        /// Memory for octets on their way, all sessions together: when it is
        /// used up, sessions stop reading until some is free again.
        Default memory "memory": Octets = Octets(256 << 20), r#""256M""#;

        /// Memory for the tables of mailboxes that are in use. Without it: a quarter
        /// of the machine's, or of what the control group may have.
        Example table_memory "table-memory": Option<Octets> = None, r#""1G""#;

        /// How long a client may send nothing before it logs in. It may take three
        /// times as long to log in at all.
        Default login_timeout "login-timeout": Span = Span::seconds(180), r#""3m""#;

        /// How long an IMAP client may send nothing, outside of IDLE.
        /// RFC 9051 §5.4 asks for 30 minutes at least.
        Default imap_timeout "imap-timeout": Span = Span::seconds(1_800), r#""30m""#;

        /// Whether IMAP literals of any length may come without waiting (LITERAL+); if
        /// not, none above 4,096 octets (LITERAL-).
        Default literal_plus "literal-plus": bool = true, "true";

        /// How many messages one IMAP command may work on (MESSAGELIMIT, RFC 9738):
        /// COPY and APPEND of more are refused, other commands take the newest ones.
        /// Programs that do not know of it see no others. Without it: any number.
        Example message_limit "message-limit": Option<u32> = None, "10000";

        /// The same for COPY and APPEND alone (SAVELIMIT).
        Example save_limit "save-limit": Option<u32> = None, "10000";

        /// How often an IMAP client in IDLE is told that the server is still there, so
        /// that boxes in between which forget silent connections do not.
        Default imap_keep_alive "imap-keep-alive": Span = Span::seconds(120), r#""2m""#;

        /// How long a POP3 client may send nothing. RFC 1939 §3 asks for 10
        /// minutes at least.
        Default pop3_timeout "pop3-timeout": Span = Span::seconds(600), r#""10m""#;

        /// How long an LMTP client may send nothing. RFC 5321 §4.5.3.2.7 asks for 5
        /// minutes at least.
        Default lmtp_timeout "lmtp-timeout": Span = Span::seconds(300), r#""5m""#;

        /// How long a TLS handshake may take.
        Default handshake_timeout "handshake-timeout": Span = Span::seconds(60), r#""1m""#;

        /// How long a client may take not one octet of what is sent to it; then
        /// it is cut off. However slow it is, it is not while any octet moves.
        Default stall_timeout "stall-timeout": Span = Span::seconds(300), r#""5m""#;

        /// How long a session waits for `memory`; then it is told that the server
        /// has too much to do, and closed.
        Default memory_timeout "memory-timeout": Span = Span::seconds(300), r#""5m""#;

        /// How long an APPEND of which nothing comes keeps its room in `memory` while
        /// others wait for it.
        Default append_timeout "append-timeout": Span = Span::seconds(30), r#""30s""#;

        /// How long running commands may take to end when the server stops.
        Default shutdown "shutdown": Span = Span::seconds(10), r#""10s""#;
    }
}

/// What stands between a name and a detail in an address: one character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Separator(pub char);

impl<'de> serde::Deserialize<'de> for Separator {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(only), None) if "+-=#_".contains(only) => Ok(Self(only)),
            _ => Err(serde::de::Error::custom(format!(
                "`{text}` is no separator: write one of \"+\", \"-\", \"=\", \"#\", \"_\""
            ))),
        }
    }
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Says everything that is wrong, each with its line.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|error| ConfigError::unreadable(path, &error))?;
        check::parse(path, &text)
    }

    /// `file:line` of the address of a listener, counted from zero; without the
    /// line where the file has changed since.
    pub fn address_place(path: &Path, listener: usize) -> String {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        match check::address_line(&text, listener) {
            Some(line) => format!("{}:{line}", path.display()),
            None => path.display().to_string(),
        }
    }

    /// The name to greet with.
    pub fn hostname(&self) -> String {
        self.hostname.clone().unwrap_or_else(machine_name)
    }
}

impl Config {
    /// How names are completed and taken apart.
    pub fn name_rules(&self) -> NameRules {
        NameRules {
            default_domain: self.default_domain.clone(),
            separator: Some(self.separator.0),
        }
    }
}

impl HoldDefaults {
    /// What accounts follow, and how careful a sweep is.
    pub fn settings(&self) -> serve::auth::HoldDefaults {
        let seconds = |span: Span| u32::try_from(span.0.as_secs()).unwrap_or(u32::MAX);
        let hold = account::HoldSettings {
            hold: self.hold.0,
            collect: match self.collect {
                CollectBy::Dele => account::Collect::Dele,
                CollectBy::Retr => account::Collect::Retr,
            },
            give_way: self
                .give_way
                .unwrap_or(self.hold.0 == account::Hold::Forever),
            at_least_seconds: seconds(self.at_least),
            seen_after_retr: match self.seen_after_retr {
                SeenWhen::Never => account::SeenAfterRetr::Never,
                SeenWhen::Quit => account::SeenAfterRetr::Quit,
            },
            undo_seconds: seconds(self.undo),
            forget_device_seconds: seconds(self.forget_device),
            show_collected: self.show_collected,
            ..account::HoldSettings::default()
        };
        let rules = account::SweepRules {
            run_percent_max: self.run_percent,
            run_rows_min: self.run_messages,
        };
        serve::auth::HoldDefaults { hold, rules }
    }
}

impl Listen {
    /// Where a password may come without TLS. Who comes by a load balancer comes from
    /// elsewhere, also where that does not say from where (`PROXY UNKNOWN`).
    pub fn plaintext_login(&self) -> PlaintextLogin {
        let local = self.address.is_local() && self.proxy_protocol.0.is_empty();
        match self.plaintext_login {
            Some(true) => PlaintextLogin::Always,
            None if local => PlaintextLogin::Local,
            Some(false) | None => PlaintextLogin::Never,
        }
    }
}

/// What the machine is called.
pub fn machine_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "localhost".into(),
        name => name.to_ascii_lowercase(),
    }
}
