//! Reading the file: what is wrong, where, and what would be right.

use super::table::{Key, Table};
use super::{
    Address, Auth, Config, HoldDefaults, Imap, Limits, Listen, Log, Metrics, OAuth, Octets, Pop3,
    Protocol, Tls,
};
use serve::accounts::AccountName;
use serve::auth::PlaintextLogin;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The longest message that the store can be told to take.
const MESSAGE_OCTETS_MAX: Octets = Octets(1 << 30);
/// RFC 5321 §4.5.3.1.7: 64K must be taken at least.
const MESSAGE_OCTETS_MIN: Octets = Octets(64 << 10);
/// RFC 5321 §4.5.3.1.8: so many must be taken at least.
const RECIPIENTS_MIN: u32 = 100;
/// RFC 9738 §3: no lower limit should be announced.
const MESSAGE_LIMIT_MIN: u32 = 1_000;
/// Less than some sessions need at one time.
const MEMORY_MIN: Octets = Octets(16 << 20);

/// A configuration file that cannot be used.
#[derive(Debug)]
pub struct ConfigError {
    /// Which file.
    pub file: PathBuf,
    /// What is wrong with it; never empty.
    pub faults: Vec<Fault>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, from one; `None` where the file has no such place.
    pub line: Option<usize>,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub right: Option<String>,
}

impl ConfigError {
    pub(super) fn unreadable(file: &Path, error: &std::io::Error) -> Self {
        let right = (error.kind() == std::io::ErrorKind::NotFound)
            .then(|| "`restante config example` writes one to begin with".to_owned());
        let what = format!("cannot be read: {error}");
        Self {
            file: file.into(),
            faults: vec![Fault {
                line: None,
                what,
                right,
            }],
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.faults.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}", self.file.display())?;
            if let Some(line) = fault.line {
                write!(f, ":{line}")?;
            }
            write!(f, ": {}", fault.what)?;
            if let Some(right) = &fault.right {
                write!(f, "; {right}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Collects faults against one text.
pub(super) struct Reader<'a> {
    text: &'a str,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    pub(super) fn fault(&mut self, at: Option<Range<usize>>, what: String, right: Option<String>) {
        let line = at.map(|at| line_of(self.text, at.start));
        self.faults.push(Fault { line, what, right });
    }
}

/// The line, from one, on which the octet stands.
fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    before.iter().filter(|&&octet| octet == b'\n').count() + 1
}

/// Reads and checks the text of a file.
pub(super) fn parse(file: &Path, text: &str) -> Result<Config, ConfigError> {
    let mut reader = Reader {
        text,
        faults: Vec::new(),
    };
    let config = reader.config();
    match config {
        Some(config) if reader.faults.is_empty() => Ok(config),
        _ => Err(ConfigError {
            file: file.into(),
            faults: reader.faults,
        }),
    }
}

impl Reader<'_> {
    fn config(&mut self) -> Option<Config> {
        let table = match DeTable::parse(self.text) {
            Ok(table) => table,
            Err(error) => {
                self.fault(error.span(), one_line(error.message()), None);
                return None;
            }
        };
        self.names(table.get_ref());
        if !self.faults.is_empty() {
            return None;
        }
        let config: Config = match toml::from_str(self.text) {
            Ok(config) => config,
            Err(error) => {
                let (what, right) = in_our_words(error.message());
                self.fault(error.span(), what, right);
                return None;
            }
        };
        self.whole(table.get_ref(), &config);
        Some(config)
    }

    /// Every key is one that is declared.
    fn names(&mut self, root: &DeTable<'_>) {
        self.keys(root, Config::KEYS, "");
        self.child(root, "tls", Tls::KEYS);
        self.child(root, "auth", Auth::KEYS);
        if let Some(oauth) = oauth(root).and_then(|oauth| oauth.get_ref().as_table()) {
            self.keys(oauth, OAuth::KEYS, " in [auth.oauth]");
        }
        self.child(root, "limits", Limits::KEYS);
        self.child(root, "imap", Imap::KEYS);
        self.child(root, "pop3", Pop3::KEYS);
        self.child(root, "hold", HoldDefaults::KEYS);
        self.child(root, "metrics", Metrics::KEYS);
        self.child(root, "log", Log::KEYS);
        for listen in listeners(root) {
            if let Some(table) = listen.get_ref().as_table() {
                self.keys(table, Listen::KEYS, " in [[listen]]");
                for needed in ["protocol", "address"] {
                    if !table.contains_key(needed) {
                        self.missing(Some(listen.span()), Listen::KEYS, needed, " in [[listen]]");
                    }
                }
            }
        }
        if let Some(tls) = root.get("tls") {
            let table = tls.get_ref().as_table();
            for needed in ["certificate", "key"] {
                if table.is_some_and(|table| !table.contains_key(needed)) {
                    self.missing(Some(tls.span()), Tls::KEYS, needed, " in [tls]");
                }
            }
        }
        if !root.contains_key("data") {
            self.missing(None, Config::KEYS, "data", "");
        }
        if !root.contains_key("listen") {
            let right = "add [[listen]] with protocol = \"imap\" and address = \"127.0.0.1:143\"";
            self.fault(None, "nothing to listen on".into(), Some(right.into()));
        }
    }

    fn child(&mut self, root: &DeTable<'_>, name: &str, known: &[Key]) {
        if let Some(table) = root.get(name).and_then(|value| value.get_ref().as_table()) {
            self.keys(table, known, &format!(" in [{name}]"));
        }
    }

    fn keys(&mut self, table: &DeTable<'_>, known: &[Key], place: &str) {
        for key in table.keys() {
            let name: &str = key.get_ref();
            if known.iter().any(|known| known.name == name) {
                continue;
            }
            let right = match nearest(name, known.iter().map(|key| key.name)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    let names: Vec<&str> = known.iter().map(|key| key.name).collect();
                    format!("known here: {}", names.join(", "))
                }
            };
            self.fault(
                Some(key.span()),
                format!("unknown key `{name}`{place}"),
                Some(right),
            );
        }
    }

    fn missing(&mut self, at: Option<Range<usize>>, known: &[Key], name: &str, place: &str) {
        let example = known
            .iter()
            .find(|key| key.name == name)
            .map_or("", |key| key.example);
        self.fault(
            at,
            format!("`{name}` is missing{place}"),
            Some(format!("add for example {name} = {example}")),
        );
    }

    /// What each value allows but together they do not.
    fn whole(&mut self, root: &DeTable<'_>, config: &Config) {
        let entries: Vec<_> = listeners(root).collect();
        let mut seen: Vec<&Address> = Vec::new();
        for (at, listen) in config.listen.iter().enumerate() {
            let entry = entries.get(at);
            let value = |key: &str| {
                let table = entry.and_then(|entry| entry.get_ref().as_table());
                table.and_then(|table| table.get(key)).map(Spanned::span)
            };
            if listen.protocol.is_tls() && config.tls.is_none() {
                let what = format!("`{}` needs a certificate", listen.protocol);
                let right = "add [tls] with certificate and key".to_owned();
                self.fault(value("protocol"), what, Some(right));
            }
            let free = matches!(listen.address, Address::Tcp { port: 0, .. });
            if seen.contains(&&listen.address) && !free {
                let what = format!("`{}` is listened on twice", listen.address);
                self.fault(value("address"), what, Some("take one away".into()));
            }
            seen.push(&listen.address);
            if !listen.xclient.0.is_empty() && listen.protocol != Protocol::Lmtp {
                let what = format!("`xclient` is of `lmtp`, not of `{}`", listen.protocol);
                let right = "use proxy-protocol".to_owned();
                self.fault(value("xclient"), what, Some(right));
            }
            let is_unix = matches!(listen.address, Address::Unix(_));
            if !listen.proxy_protocol.0.is_empty() && is_unix {
                let what = "`proxy-protocol` is of TCP, not of Unix sockets".to_owned();
                self.fault(value("proxy-protocol"), what, Some("take it away".into()));
            }
            let unusable =
                config.tls.is_none() && listen.plaintext_login() == PlaintextLogin::Never;
            if unusable && !listen.protocol.is_tls() && listen.protocol != Protocol::Lmtp {
                let what = format!("nobody could log in at `{}`", listen.address);
                let right = "add [tls], or plaintext-login = true where the network is trusted";
                self.fault(value("address"), what, Some(right.into()));
            }
        }
        if config.group.is_some() && config.user.is_none() {
            let at = root.get("group").map(Spanned::span);
            self.fault(
                at,
                "`group` without `user`".into(),
                Some("add user = \"…\"".into()),
            );
        }
        for (key, what, right) in config.auth.oauth.wrong() {
            let table = oauth(root);
            let value = table.and_then(|table| table.get_ref().as_table()?.get(key));
            let at = value.or(table).map(Spanned::span);
            self.fault(at, what, Some(right.into()));
        }
        self.limits(root, &config.limits);
        let rules = config.name_rules();
        for name in &config.imap.quota_admins {
            if let Err(error) = AccountName::new(name, &rules) {
                let imap = root.get("imap").and_then(|imap| imap.get_ref().as_table());
                let at = imap.and_then(|imap| imap.get("quota-admins"));
                let what = format!("`{name}` is no account: {error}");
                let right = "write whole names, as in \"postmaster@example.org\"".to_owned();
                self.fault(at.map(Spanned::span), what, Some(right));
            }
        }
        self.sense(root, config);
        if config.data.as_os_str().is_empty() {
            let at = root.get("data").map(Spanned::span);
            let right = "write the path of a directory".to_owned();
            self.fault(at, "`data` is empty".into(), Some(right));
        }
    }
}

impl Reader<'_> {
    /// Limits with which nothing would work are slips.
    fn limits(&mut self, root: &DeTable<'_>, limits: &Limits) {
        let table = root
            .get("limits")
            .and_then(|limits| limits.get_ref().as_table());
        let at = |key: &str| table.and_then(|table| table.get(key)).map(Spanned::span);
        if limits.message_octets > MESSAGE_OCTETS_MAX {
            let what = format!("no message may be longer than {MESSAGE_OCTETS_MAX}");
            let right = Some("write less".to_owned());
            self.fault(at("message-octets"), what, right);
        }
        let sizes = [
            (
                "message-octets",
                Some(limits.message_octets),
                MESSAGE_OCTETS_MIN,
            ),
            ("memory", Some(limits.memory), MEMORY_MIN),
            ("table-memory", limits.table_memory, MEMORY_MIN),
        ];
        let counts = [
            ("connections", limits.connections, 1),
            ("connections-per-address", limits.connections_per_address, 1),
            ("imap-per-account", limits.imap_per_account, 1),
            ("pop3-per-account", limits.pop3_per_account, 1),
            ("recipients", limits.recipients, RECIPIENTS_MIN),
        ];
        let times = [
            ("login-timeout", limits.login_timeout),
            ("imap-timeout", limits.imap_timeout),
            ("imap-keep-alive", limits.imap_keep_alive),
            ("pop3-timeout", limits.pop3_timeout),
            ("lmtp-timeout", limits.lmtp_timeout),
            ("handshake-timeout", limits.handshake_timeout),
            ("stall-timeout", limits.stall_timeout),
            ("memory-timeout", limits.memory_timeout),
            ("append-timeout", limits.append_timeout),
        ];
        let mut too_small: Vec<(&str, String)> = Vec::new();
        let messages = [
            ("message-limit", limits.message_limit),
            ("save-limit", limits.save_limit),
        ];
        for (key, limit) in messages {
            if limit.is_some_and(|limit| limit < MESSAGE_LIMIT_MIN) {
                too_small.push((key, MESSAGE_LIMIT_MIN.to_string()));
            }
        }
        if limits.message_limit.is_some() && limits.save_limit.is_some() {
            let what = "`message-limit` is of COPY and APPEND too".to_owned();
            let right = "take `save-limit` away".to_owned();
            self.fault(at("save-limit"), what, Some(right));
        }
        for (key, size, least) in sizes {
            if size.is_some_and(|size| size < least) {
                too_small.push((key, format!("\"{least}\"")));
            }
        }
        for (key, count, least) in counts {
            if count < least {
                too_small.push((key, least.to_string()));
            }
        }
        for (key, time) in times {
            if time.0.is_zero() {
                too_small.push((key, "\"1s\"".to_owned()));
            }
        }
        for (key, least) in too_small {
            let what = format!("`{key}` is too little for anything to work");
            self.fault(at(key), what, Some(format!("write {least} or more")));
        }
    }
}

/// The line on which the address of a listener stands, counted from zero, where the
/// file is still as it was read.
pub(super) fn address_line(text: &str, listener: usize) -> Option<usize> {
    let root = DeTable::parse(text).ok()?;
    let entry = listeners(root.get_ref()).nth(listener)?;
    let address = entry.get_ref().as_table()?.get("address")?;
    Some(line_of(text, address.span().start))
}

/// The line of a value, by the names of the tables and its own; an entry of a list by
/// its number, from zero.
pub(super) fn key_line(text: &str, keys: &[&str]) -> Option<usize> {
    let root = DeTable::parse(text).ok()?;
    let (first, rest) = keys.split_first()?;
    let mut value = root.get_ref().get(*first)?;
    for key in rest {
        value = match value.get_ref() {
            DeValue::Array(entries) => entries.get(key.parse::<usize>().ok()?)?,
            other => other.as_table()?.get(*key)?,
        };
    }
    Some(line_of(text, value.span().start))
}

/// `[auth.oauth]`
fn oauth<'a, 'i>(root: &'a DeTable<'i>) -> Option<&'a Spanned<DeValue<'i>>> {
    root.get("auth")?.get_ref().as_table()?.get("oauth")
}

/// The entries of `[[listen]]`.
pub(super) fn listeners<'a, 'i>(
    root: &'a DeTable<'i>,
) -> impl Iterator<Item = &'a Spanned<DeValue<'i>>> {
    let array = root
        .get("listen")
        .and_then(|value| value.get_ref().as_array());
    array.into_iter().flat_map(|array| array.iter())
}

/// Messages of the parser, on one line.
fn one_line(message: &str) -> String {
    message
        .lines()
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(", ")
}

/// What serde says of a value, as this file says it: what is wrong, and what would be
/// right.
fn in_our_words(message: &str) -> (String, Option<String>) {
    let message = one_line(message);
    let kind = ["invalid value: ", "invalid type: ", "unknown variant "];
    let split = message.split_once(", expected ");
    let Some((kind, (found, expected))) = split
        .and_then(|split| Some((kind.iter().find(|kind| split.0.starts_with(**kind))?, split)))
    else {
        return (message, None);
    };
    let found = found.strip_prefix(kind).unwrap_or(found);
    // `integer `-1``, `string "x"`: the value alone, as it stands in the file.
    let quoted = found.split_once(['`', '"']).map(|(_, quoted)| quoted);
    let value = quoted.map_or(found, |quoted| quoted.trim_end_matches(['`', '"']));
    let right = match expected {
        "u8" => "a whole number from 0 to 100".to_owned(),
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u64" => "a whole number from 0".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "path string" => "a path in quotes".to_owned(),
        "a string" => "a text in quotes".to_owned(),
        "a sequence" => "a list, in brackets".to_owned(),
        other => other.replace('`', "\""),
    };
    (
        format!("`{value}` cannot be here"),
        Some(format!("write {right}")),
    )
}

/// The known name that `name` was probably meant to be.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|&(distance, candidate)| distance <= 1 + candidate.len() / 3)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// The Levenshtein distance, with `_` taken for `-` and capitals for small letters.
fn distance(a: &str, b: &str) -> usize {
    let fold = |c: char| {
        if c == '_' {
            '-'
        } else {
            c.to_ascii_lowercase()
        }
    };
    let b: Vec<char> = b.chars().map(fold).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().map(fold).enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (y, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let cost = (diagonal + usize::from(x != *y))
                .min(left + 1)
                .min(*cell + 1);
            diagonal = std::mem::replace(cell, cost);
            left = cost;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("plaintext_login", "plaintext-login", 0),
            ("lisen", "listen", 1),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    /// `expected` holds one line for each fault.
    pub(in super::super) fn check(text: &str, expected: &[&str]) {
        let error = parse(Path::new("r.toml"), text).unwrap_err();
        assert_eq!(error.to_string(), expected.join("\n"), "{text}");
    }

    pub(in super::super) const IMAP: &str =
        "[[listen]]\nprotocol = \"imap\"\naddress = \"127.0.0.1:143\"\n";

    #[test]
    fn a_short_file_is_enough() {
        let config = parse(Path::new("r.toml"), &format!("data = \"/m\"\n{IMAP}")).unwrap();
        assert_eq!(config.listen[0].plaintext_login(), PlaintextLogin::Local);
        assert_eq!(config.limits, Limits::default());
    }

    #[test]
    fn unknown_keys_name_the_nearest() {
        check(
            &format!("data = \"/m\"\ndefault_domain = \"x\"\n{IMAP}plaintxt-login = true\n"),
            &[
                "r.toml:2: unknown key `default_domain`; did you mean `default-domain`?",
                "r.toml:6: unknown key `plaintxt-login` in [[listen]]; did you mean \
                 `plaintext-login`?",
            ],
        );
        check(
            &format!("data = \"/m\"\n{IMAP}[log]\nzzzzzzzzz = 1\n"),
            &["r.toml:6: unknown key `zzzzzzzzz` in [log]; known here: format, level"],
        );
    }

    #[test]
    fn what_is_missing_is_said() {
        check(
            "[[listen]]\nprotocol = \"lmtp\"\n[tls]\nkey = \"k\"\n",
            &[
                "r.toml:1: `address` is missing in [[listen]]; add for example address = \
                 \"127.0.0.1:143\"",
                "r.toml:3: `certificate` is missing in [tls]; add for example certificate = \
                 \"/etc/restante/certificate.pem\"",
                "r.toml: `data` is missing; add for example data = \"/var/lib/restante\"",
            ],
        );
        check(
            "data = \"/m\"\n",
            &[
                "r.toml: nothing to listen on; add [[listen]] with protocol = \"imap\" and \
               address = \"127.0.0.1:143\"",
            ],
        );
    }

    #[test]
    fn values_say_what_would_be_right() {
        check(
            "data = \"/m\"\n[[listen]]\nprotocol = \"imapz\"\naddress = \"*:1\"\n",
            &[
                "r.toml:3: `imapz` cannot be here; write one of \"imap\", \"imaps\", \"pop3\", \
               \"pop3s\", \"lmtp\"",
            ],
        );
        check(
            "data = \"/m\"\n[[listen]]\nprotocol = \"imap\"\naddress = \"143\"\n",
            &[
                "r.toml:4: `143` is no address to listen on: it has no port; write \
               \"host:port\" (\"127.0.0.1:143\", \"[::]:993\", \"*:110\") or \"unix:/path\"",
            ],
        );
        check(
            &format!("data = \"/m\"\n{IMAP}[limits]\nmemory = \"much\"\n"),
            &[
                "r.toml:6: `much` is no size: write a number of octets, or one with K, M, G or T: \
               \"512K\", \"64M\", \"1G\"",
            ],
        );
    }

    #[test]
    fn settings_must_fit_together() {
        check(
            &format!(
                "data = \"/m\"\n{IMAP}{IMAP}[[listen]]\nprotocol = \"imaps\"\naddress = \"*:993\"\n\
                 [[listen]]\nprotocol = \"pop3\"\naddress = \"*:110\"\n"
            ),
            &[
                "r.toml:7: `127.0.0.1:143` is listened on twice; take one away",
                "r.toml:9: `imaps` needs a certificate; add [tls] with certificate and key",
                "r.toml:13: nobody could log in at `*:110`; add [tls], or plaintext-login = true \
                 where the network is trusted",
            ],
        );
        check(
            &format!("data = \"/m\"\n{IMAP}proxy-protocol = [\"127.0.0.1\"]\n"),
            &[
                "r.toml:4: nobody could log in at `127.0.0.1:143`; add [tls], or plaintext-login \
                 = true where the network is trusted",
            ],
        );
    }

    #[test]
    fn a_password_without_tls_comes_from_here_or_where_it_is_said() {
        let listen = |more: &str| {
            let text = format!("data = \"/m\"\n{IMAP}{more}");
            let config = parse(Path::new("r.toml"), &text).unwrap();
            config.listen[0].plaintext_login()
        };
        let proxies = "proxy-protocol = [\"127.0.0.1\"]\nplaintext-login = true\n";
        assert_eq!(listen(""), PlaintextLogin::Local);
        assert_eq!(listen(proxies), PlaintextLogin::Always);
        let tls = "[tls]\ncertificate = \"/c\"\nkey = \"/k\"\n";
        for more in [
            "plaintext-login = false\n",
            "proxy-protocol = [\"127.0.0.1\"]\n",
        ] {
            assert_eq!(listen(&format!("{more}{tls}")), PlaintextLogin::Never);
        }
    }

    #[test]
    fn tokens_need_somebody_who_knows_them() {
        let oauth = |text: &str, expected: &[&str]| {
            check(
                &format!("data = \"/m\"\n{IMAP}[auth.oauth]\n{text}"),
                expected,
            );
        };
        oauth(
            "isuer = \"https://id.example\"\n",
            &["r.toml:6: unknown key `isuer` in [auth.oauth]; did you mean `issuer`?"],
        );
        oauth(
            "audience = \"mail\"\n",
            &[
                "r.toml:5: `[auth.oauth]` does not say how a token is checked; add issuer = \
               \"https://…\"",
            ],
        );
        oauth(
            "issuer = \"http://id.example\"\n",
            &[
                "r.toml:6: `http://id.example` can be read and changed on its way; write https://",
                "r.toml:5: `audience` is missing in [auth.oauth]; add for example audience = \
                 \"restante\"",
            ],
        );
        oauth(
            "introspection-url = \"http://127.0.0.1/\"\njwks-url = \"https://x/\"\n",
            &[
                "r.toml:7: `jwks-url` and `introspection-url` are two ways; take one away",
                "r.toml:6: `introspection-url` needs to know as whom to ask; add client-id and \
                 client-secret-file",
            ],
        );
        oauth(
            "jwks-url = \"https://x/\"\naudience = \"a\"\nclient-secret = \"s\"\n",
            &["r.toml:8: `client-secret` is of `introspection-url`; take it away"],
        );
    }

    #[test]
    fn types_are_told_in_our_words() {
        for (line, expected) in [
            (
                "connections = -1",
                "`-1` cannot be here; write a whole number from 0 to 4294967295",
            ),
            (
                "connections = \"many\"",
                "`many` cannot be here; write a whole number from 0 to 4294967295",
            ),
            (
                "connections = 1.5",
                "`1.5` cannot be here; write a whole number from 0 to 4294967295",
            ),
            (
                "literal-plus = 1",
                "`1` cannot be here; write true or false",
            ),
            (
                "memory = true",
                "`true` cannot be here; write a size such as \"64M\"",
            ),
        ] {
            check(
                &format!("data = \"/m\"\n{IMAP}[limits]\n{line}\n"),
                &[&format!("r.toml:6: {expected}")],
            );
        }
    }

    #[test]
    fn a_path_stands_in_quotes() {
        check(
            &format!("data = 5\n{IMAP}"),
            &["r.toml:1: `5` cannot be here; write a path in quotes"],
        );
    }

    #[test]
    fn limits_leave_room_for_something() {
        for (key, little, least) in [
            ("message-octets", "0", "\"64K\""),
            ("memory", "\"1M\"", "\"16M\""),
            ("table-memory", "0", "\"16M\""),
            ("connections", "0", "1"),
            ("connections-per-address", "0", "1"),
            ("imap-per-account", "0", "1"),
            ("pop3-per-account", "0", "1"),
            ("recipients", "99", "100"),
            ("login-timeout", "\"0s\"", "\"1s\""),
            ("imap-timeout", "\"0s\"", "\"1s\""),
            ("imap-keep-alive", "\"0s\"", "\"1s\""),
            ("pop3-timeout", "\"0s\"", "\"1s\""),
            ("lmtp-timeout", "\"0s\"", "\"1s\""),
            ("handshake-timeout", "\"0s\"", "\"1s\""),
            ("stall-timeout", "\"0s\"", "\"1s\""),
            ("memory-timeout", "\"0s\"", "\"1s\""),
            ("append-timeout", "\"0s\"", "\"1s\""),
        ] {
            let text = |value: &str| format!("data = \"/m\"\n{IMAP}[limits]\n{key} = {value}\n");
            let right = "is too little for anything to work; write";
            check(
                &text(little),
                &[&format!("r.toml:6: `{key}` {right} {least} or more")],
            );
            assert!(parse(Path::new("r.toml"), &text(least)).is_ok(), "{key}");
        }
    }

    #[test]
    fn one_limit_of_messages_that_is_not_too_low() {
        let limits = |lines: &str| format!("data = \"/m\"\n{IMAP}[limits]\n{lines}\n");
        for key in ["message-limit", "save-limit"] {
            check(
                &limits(&format!("{key} = 999")),
                &[&format!(
                    "r.toml:6: `{key}` is too little for anything to work; write 1000 or more"
                )],
            );
            assert!(parse(Path::new("r.toml"), &limits(&format!("{key} = 1000"))).is_ok());
        }
        check(
            &limits("message-limit = 2000\nsave-limit = 1000"),
            &["r.toml:7: `message-limit` is of COPY and APPEND too; take `save-limit` away"],
        );
    }

    #[test]
    fn who_may_set_quotas_is_an_account() {
        check(
            &format!("data = \"/m\"\n{IMAP}[imap]\nquota-admins = [\"a@example.org\", \"\"]\n"),
            &[
                "r.toml:6: `` is no account: the name is empty, or its local part or domain is; write whole names, as in \
               \"postmaster@example.org\"",
            ],
        );
    }

    #[test]
    fn a_message_has_a_longest_length() {
        check(
            &format!("data = \"/m\"\n{IMAP}[limits]\nmessage-octets = \"2G\"\n"),
            &["r.toml:6: no message may be longer than 1G; write less"],
        );
    }

    #[test]
    fn broken_toml_names_its_line() {
        let error = parse(Path::new("r.toml"), "data = \"/m\"\nhostname = \n").unwrap_err();
        assert_eq!(error.faults[0].line, Some(2));
    }
}
