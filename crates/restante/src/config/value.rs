//! The values that settings take: octets, spans, addresses, protocols. Each says
//! in its error what would have been right.

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// A number of octets: `"64M"`, `"1G"`, `1048576`. The units are powers of 1,024.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Octets(pub u64);

impl FromStr for Octets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no size: write a number of octets, or one with K, M, G or T: \
                 \"512K\", \"64M\", \"1G\""
            )
        };
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let number: u64 = digits.trim_end().parse().map_err(|_| wrong())?;
        let unit = text.get(digits.len()..).unwrap_or_default();
        let shift = match unit.to_ascii_uppercase().as_str() {
            "" | "B" => 0,
            "K" | "KB" | "KIB" => 10,
            "M" | "MB" | "MIB" => 20,
            "G" | "GB" | "GIB" => 30,
            "T" | "TB" | "TIB" => 40,
            _ => return Err(wrong()),
        };
        let octets = number.checked_mul(1 << shift).ok_or_else(wrong)?;
        Ok(Self(octets))
    }
}

impl fmt::Display for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(40, 'T'), (30, 'G'), (20, 'M'), (10, 'K')];
        let whole = units
            .into_iter()
            .find(|(shift, _)| self.0 > 0 && self.0.is_multiple_of(1 << shift));
        match whole {
            Some((shift, unit)) => write!(f, "{}{unit}", self.0 >> shift),
            None => write!(f, "{}", self.0),
        }
    }
}

/// A length of time: `"30s"`, `"10m"`, `"6h"`, `"7d"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    /// This many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no length of time: write a number with s, m, h, d or y: \
                 \"30s\", \"10m\", \"6h\", \"7d\", \"1y\""
            )
        };
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let number: u64 = digits.trim_end().parse().map_err(|_| wrong())?;
        let seconds = match text.get(digits.len()..).unwrap_or_default() {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "y" => 365 * 86_400,
            _ => return Err(wrong()),
        };
        Ok(Self::seconds(
            number.checked_mul(seconds).ok_or_else(wrong)?,
        ))
    }
}

/// A moment that is still to come: a day (its beginning, in UTC), or a length of
/// time from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// This day.
    Day(jiff::civil::Date),
    /// So long from now.
    After(Span),
}

impl Until {
    /// Which moment that is, where it is `now`: seconds since 1970.
    pub fn seconds(self, now: i64) -> i64 {
        match self {
            Self::Day(day) => {
                let midnight = day.to_zoned(jiff::tz::TimeZone::UTC);
                midnight.map_or(i64::MAX, |midnight| midnight.timestamp().as_second())
            }
            Self::After(span) => {
                let seconds = i64::try_from(span.0.as_secs()).unwrap_or(i64::MAX);
                now.saturating_add(seconds)
            }
        }
    }
}

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let day = text.parse().map(Self::Day);
        day.or_else(|_| text.parse().map(Self::After)).map_err(|_| {
            format!("`{text}` is no moment: write a day, \"2027-01-31\", or a length of time from now, \"90d\"")
        })
    }
}

/// A language, as RFC 5646 names it: `de`, `pt-BR`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Language(pub String);

impl FromStr for Language {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let subtag = |part: &str| {
            (1..=8).contains(&part.len()) && part.bytes().all(|octet| octet.is_ascii_alphanumeric())
        };
        if text.len() <= 35 && text.split('-').all(subtag) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(format!(
                "`{text}` is no language: write its tag, \"en\", \"de\" or \"pt-BR\""
            ))
        }
    }
}

/// Reads a value from a string, or from a whole number where `from_number` allows.
struct Text<T>(fn(&str) -> Result<T, String>, &'static str);

impl<T> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.1)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<T, E> {
        (self.0)(&number.to_string()).map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Text(str::parse, "a size such as \"64M\""))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Text(str::parse, "a length of time such as \"10m\""))
    }
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `host:port`; the host is an address, a name, or `*` for all addresses.
    Tcp {
        /// Without brackets.
        host: String,
        /// Zero: any free one.
        port: u16,
    },
    /// `unix:/path`
    Unix(PathBuf),
}

impl Address {
    /// Whether only this machine can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp { host, .. } => {
                host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
            }
            Self::Unix(_) => true,
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!(
                "`{text}` is no address to listen on: {why}; write \"host:port\" \
                 (\"127.0.0.1:143\", \"[::]:993\", \"*:110\") or \"unix:/path\""
            )
        };
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.starts_with('/') {
                Ok(Self::Unix(path.into()))
            } else {
                Err(wrong("the path of a Unix socket begins with `/`"))
            };
        }
        let (host, port) = text
            .rsplit_once(':')
            .ok_or_else(|| wrong("it has no port"))?;
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        if bare.is_none() && host.contains(':') {
            return Err(wrong("an IPv6 address stands in brackets"));
        }
        let host = bare.unwrap_or(host);
        if host.is_empty() {
            return Err(wrong("it has no host"));
        }
        let port = port
            .parse()
            .map_err(|_| wrong("the port is a number from 0 to 65535"))?;
        Ok(Self::Tcp {
            host: host.into(),
            port,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(Text(str::parse, "an address such as \"127.0.0.1:143\""))
    }
}

/// What is spoken on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// IMAP, with STARTTLS where there is a certificate.
    Imap,
    /// IMAP over implicit TLS. RFC 8314 §3.2.
    Imaps,
    /// POP3, with STLS where there is a certificate.
    Pop3,
    /// POP3 over implicit TLS. RFC 8314 §3.1.
    Pop3s,
    /// LMTP.
    Lmtp,
}

impl Protocol {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 5] = [Self::Imap, Self::Imaps, Self::Pop3, Self::Pop3s, Self::Lmtp];

    /// Whether TLS begins with the connection.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Imaps | Self::Pop3s)
    }

    /// As it is written in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Imap => "imap",
            Self::Imaps => "imaps",
            Self::Pop3 => "pop3",
            Self::Pop3s => "pop3s",
            Self::Lmtp => "lmtp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The access mode of a Unix socket, in octal: `"0660"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let mode = u32::from_str_radix(&text, 8)
            .ok()
            .filter(|&mode| mode <= 0o777);
        mode.map(Self).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` is no access mode: write it in octal, \"0660\" or \"0666\""
            ))
        })
    }
}

/// Who is believed when it says for whom it speaks: addresses and networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies(pub serve::Trusted);

impl<'de> Deserialize<'de> for Proxies {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut trusted = serve::Trusted::default();
        for text in Vec::<String>::deserialize(from)? {
            trusted.add(&text).map_err(D::Error::custom)?;
        }
        Ok(Self(trusted))
    }
}

/// Thresholds in percent, ascending, at most eight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Percents(pub Vec<u8>);

impl<'de> Deserialize<'de> for Percents {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let percents = Vec::<u8>::deserialize(from)?;
        let ascending = percents.is_sorted_by(|one, next| one < next);
        if ascending && percents.len() <= 8 && percents.iter().all(|it| (1..=100).contains(it)) {
            Ok(Self(percents))
        } else {
            Err(D::Error::custom(
                "thresholds are up to eight numbers from 1 to 100, ascending: [80, 95]",
            ))
        }
    }
}

/// What a delivery over quota is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OverQuota {
    /// 452: try again.
    Temporary,
    /// 552: refused for good.
    Permanent,
}

/// What is done with NULs in a message that comes in: the store holds none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Nul {
    /// They become 0x80.
    Replace,
    /// The message is refused.
    Refuse,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object on each line.
    Json,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Only what needs somebody to act.
    Error,
    /// And what looks wrong.
    Warn,
    /// And a line for each login, delivery and end of a session.
    Info,
    /// And what helps to find a fault.
    Debug,
}

impl LogLevel {
    /// As tracing names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans() {
        let octets = |text: &str| text.parse::<Octets>().map(|octets| octets.0);
        assert_eq!(octets("0"), Ok(0));
        assert_eq!(octets("17"), Ok(17));
        assert_eq!(octets("512K"), Ok(512 << 10));
        assert_eq!(octets("1g"), Ok(1 << 30));
        assert_eq!(octets("2 MiB"), Ok(2 << 20));
        for wrong in ["", "M", "1X", "-1", "1.5G", "99999999999T"] {
            assert!(octets(wrong).unwrap_err().contains("64M"), "{wrong}");
        }
        for octets in [0, 1, 1 << 10, 3 << 20, 1 << 30, 5 << 40, 1_500] {
            assert_eq!(Octets(octets).to_string().parse(), Ok(Octets(octets)));
        }
        let span = |text: &str| text.parse::<Span>().map(|span| span.0.as_secs());
        assert_eq!(span("10m"), Ok(600));
        assert_eq!(span("7d"), Ok(604_800));
        assert_eq!(span("1y"), Ok(31_536_000));
        for wrong in ["", "10", "m", "1w", "-3s"] {
            assert!(span(wrong).unwrap_err().contains("10m"), "{wrong}");
        }
    }

    #[test]
    fn moments_and_languages() {
        let until = |text: &str| text.parse::<Until>().map(|until| until.seconds(1_000));
        assert_eq!(until("1970-01-03"), Ok(2 * 86_400));
        assert_eq!(until("1h"), Ok(4_600));
        for wrong in ["", "tomorrow", "2027-13-01", "7"] {
            assert!(until(wrong).unwrap_err().contains("2027-01-31"), "{wrong}");
        }
        let language = |text: &str| text.parse::<Language>().map(|tag| tag.0);
        assert_eq!(language("pt-BR"), Ok("pt-br".into()));
        for wrong in ["", "d e", "de-", "deutschland"] {
            assert!(language(wrong).unwrap_err().contains("pt-BR"), "{wrong}");
        }
    }

    #[test]
    fn addresses_go_both_ways_and_know_what_is_local() {
        for (text, local) in [
            ("127.0.0.1:143", true),
            ("localhost:0", true),
            ("[::1]:993", true),
            ("[::]:993", false),
            ("*:110", false),
            ("192.0.2.1:24", false),
            ("unix:/run/restante/lmtp", true),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(
                (address.to_string().as_str(), address.is_local()),
                (text, local)
            );
        }
        for (text, why) in [
            ("127.0.0.1", "no port"),
            ("::1:143", "brackets"),
            (":143", "no host"),
            ("host:imap", "a number"),
            ("host:70000", "a number"),
            ("unix:run", "begins with `/`"),
        ] {
            assert!(text.parse::<Address>().unwrap_err().contains(why), "{text}");
        }
    }
}
