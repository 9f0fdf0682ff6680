//! Values that can be read and with which nothing would work, or not as it is written.

use super::check::{Reader, listeners};
use super::{Address, Config, Listen, Metrics};
use serve::accounts::normal_domain;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use toml::Spanned;
use toml::de::DeTable;

/// The longest path of a Unix socket, in octets. unix(7): 108 with the NUL.
const SOCKET_PATH_OCTETS_MAX: usize = 107;
/// The longest host name, in octets. RFC 1035 §2.3.4.
const HOSTNAME_OCTETS_MAX: usize = 253;

/// Where a key of a table, or of the file itself, has its value.
fn at(root: &DeTable<'_>, table: Option<&str>, key: &str) -> Option<Range<usize>> {
    let table = match table {
        Some(table) => root.get(table)?.get_ref().as_table()?,
        None => root,
    };
    table.get(key).map(Spanned::span)
}

impl Reader<'_> {
    /// Says what makes no sense.
    pub(super) fn sense(&mut self, root: &DeTable<'_>, config: &Config) {
        self.names_of_hosts(root, config);
        self.sockets(root, config);
        self.metrics(root, &config.metrics, config);
        if config.hold.run_percent > 100 {
            let right = "write a whole number from 0 to 100".to_owned();
            let what = format!("`{}` is no percentage", config.hold.run_percent);
            self.fault(at(root, Some("hold"), "run-percent"), what, Some(right));
        }
        if config.auth.failures == 0 {
            let what = "`failures` is too little for anything to work".to_owned();
            let right = Some("write 1 or more".to_owned());
            self.fault(at(root, Some("auth"), "failures"), what, right);
        }
    }

    fn names_of_hosts(&mut self, root: &DeTable<'_>, config: &Config) {
        // Every greeting has it: a line end in it would be one there.
        if let Some(name) = config.hostname.as_ref().filter(|name| !is_hostname(name)) {
            let what = format!("`{}` is no host name", name.escape_debug());
            let right = "write for example \"mail.example.org\"".to_owned();
            self.fault(at(root, None, "hostname"), what, Some(right));
        }
        let domain = config.default_domain.as_ref();
        if let Some(name) = domain.filter(|name| normal_domain(name).is_err()) {
            let what = format!("`{}` is no domain", name.escape_debug());
            let right = "write for example \"example.org\"".to_owned();
            self.fault(at(root, None, "default-domain"), what, Some(right));
        }
    }

    fn sockets(&mut self, root: &DeTable<'_>, config: &Config) {
        for (entry, listen) in listeners(root).zip(&config.listen) {
            let table = entry.get_ref().as_table();
            let value = |key: &str| table.and_then(|table| table.get(key)).map(Spanned::span);
            match (&listen.address, value("mode")) {
                // The default may be written out, as the example file shows it.
                (Address::Tcp { .. }, Some(mode)) if listen.mode != Listen::default().mode => {
                    let what = "`mode` is of Unix sockets, not of TCP".to_owned();
                    self.fault(Some(mode), what, Some("take it away".into()));
                }
                (Address::Unix(path), _) => {
                    let octets = path.as_os_str().as_bytes().len();
                    if octets > SOCKET_PATH_OCTETS_MAX {
                        let what =
                            format!("the path of a Unix socket may not have {octets} octets");
                        let right = format!("write one of {SOCKET_PATH_OCTETS_MAX} or fewer");
                        self.fault(value("address"), what, Some(right));
                    }
                }
                _ => {}
            }
        }
    }

    fn metrics(&mut self, root: &DeTable<'_>, metrics: &Metrics, config: &Config) {
        let Some(address) = &metrics.address else {
            return;
        };
        let at = at(root, Some("metrics"), "address");
        let free = matches!(address, Address::Tcp { port: 0, .. });
        if matches!(address, Address::Unix(_)) {
            let right = "write for example \"127.0.0.1:9143\"".to_owned();
            self.fault(at, "metrics are told by TCP only".to_owned(), Some(right));
        } else if !free
            && config
                .listen
                .iter()
                .any(|listen| listen.address == *address)
        {
            let what = format!("`{address}` is of a [[listen]] already");
            self.fault(at, what, Some("write another".into()));
        }
    }
}

/// A name by DNS, or an address literal. RFC 5321 §4.1.3.
fn is_hostname(name: &str) -> bool {
    let literal = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    let legal = |octet: u8| octet.is_ascii_alphanumeric() || b"-._:".contains(&octet);
    let text = literal.unwrap_or(name);
    let colon = literal.is_none() && text.contains(':');
    (1..=HOSTNAME_OCTETS_MAX).contains(&text.len()) && text.bytes().all(legal) && !colon
}

#[cfg(test)]
mod tests {
    use super::super::check::tests::{IMAP, check};

    #[test]
    fn what_cannot_work_is_said() {
        let long = "x".repeat(103);
        for (before, after, expected) in [
            (
                "hostname = \"a\\r\\n* OK b\"",
                "",
                "2: `a\\r\\n* OK b` is no host name; write for example \"mail.example.org\"",
            ),
            (
                "hostname = \"\"",
                "",
                "2: `` is no host name; write for example \"mail.example.org\"",
            ),
            (
                "default-domain = \"a b\"",
                "",
                "2: `a b` is no domain; write for example \"example.org\"",
            ),
            (
                "",
                "mode = \"0600\"",
                "6: `mode` is of Unix sockets, not of TCP; take it away",
            ),
            (
                "",
                &format!("[[listen]]\nprotocol = \"lmtp\"\naddress = \"unix:/run/{long}\""),
                "8: the path of a Unix socket may not have 108 octets; write one of 107 or fewer",
            ),
            (
                "",
                "[metrics]\naddress = \"127.0.0.1:143\"",
                "7: `127.0.0.1:143` is of a [[listen]] already; write another",
            ),
            (
                "",
                "[hold]\nrun-percent = 101",
                "7: `101` is no percentage; write a whole number from 0 to 100",
            ),
            (
                "",
                "[auth]\nfailures = 0",
                "7: `failures` is too little for anything to work; write 1 or more",
            ),
        ] {
            let text = format!("data = \"/m\"\n{before}\n{IMAP}{after}\n");
            check(&text, &[&format!("r.toml:{expected}")]);
        }
    }
}
