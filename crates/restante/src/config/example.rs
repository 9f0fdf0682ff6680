//! The example file, made from the declarations of the tables.

use super::table::{Key, Shown, Table};
use super::{Auth, Config, HoldDefaults, Imap, Limits, Listen, Log, Metrics, OAuth, Pop3, Tls};
use std::fmt::Write as _;

/// The listeners that the example shows besides the first.
const MORE_LISTENERS: [(&str, &str); 4] = [
    ("imaps", "*:993"),
    ("pop3", "127.0.0.1:110"),
    ("pop3s", "*:995"),
    ("lmtp", "unix:/run/restante/lmtp"),
];

/// The commented example file, `restante.example.toml`.
pub fn example() -> String {
    let mut out = String::new();
    comment(&mut out, Config::ABOUT);
    keys(&mut out, Config::KEYS);
    table::<Listen>(&mut out, "[[listen]]");
    for (protocol, address) in MORE_LISTENERS {
        // A String takes every write.
        let _ = write!(
            out,
            "\n[[listen]]\nprotocol = \"{protocol}\"\naddress = \"{address}\"\n"
        );
    }
    table::<Tls>(&mut out, "[tls]");
    table::<Auth>(&mut out, "[auth]");
    table::<OAuth>(&mut out, "[auth.oauth]");
    table::<Limits>(&mut out, "[limits]");
    table::<Imap>(&mut out, "[imap]");
    table::<Pop3>(&mut out, "[pop3]");
    table::<HoldDefaults>(&mut out, "[hold]");
    table::<Metrics>(&mut out, "[metrics]");
    table::<Log>(&mut out, "[log]");
    out
}

fn table<T: Table>(out: &mut String, header: &str) {
    out.push_str("\n\n");
    comment(out, T::ABOUT);
    out.push_str(header);
    out.push('\n');
    keys(out, T::KEYS);
}

/// What has no example is a table and stands below.
fn keys(out: &mut String, keys: &[Key]) {
    for key in keys.iter().filter(|key| !key.example.is_empty()) {
        out.push('\n');
        comment(out, key.manual);
        let mark = if key.shown == Shown::Set { "" } else { "#" };
        let _ = writeln!(out, "{mark}{} = {}", key.name, key.example);
    }
}

/// Doc lines begin with the space that follows `///`.
fn comment(out: &mut String, lines: &[&str]) {
    for line in lines {
        let _ = writeln!(out, "#{}", line.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;
    use std::path::Path;

    fn parse(text: &str) -> Config {
        check::parse(Path::new("example"), text).unwrap()
    }

    #[test]
    fn the_committed_example_is_the_generated_one() {
        let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../restante.example.toml");
        let committed = std::fs::read_to_string(committed).unwrap();
        assert_eq!(
            committed,
            example(),
            "write it anew: restante config example > restante.example.toml"
        );
    }

    #[test]
    fn the_example_is_a_configuration() {
        let config = parse(&example());
        assert_eq!(config.listen.len(), 1 + MORE_LISTENERS.len());
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.log, Log::default());
        assert_eq!(config.default_domain, None);
    }

    /// What the manual calls a default is the default: setting every commented
    /// key to what it shows changes nothing but the keys that have an example.
    #[test]
    fn shown_defaults_are_the_defaults() {
        let plain = example();
        let examples: Vec<String> = [
            Config::KEYS,
            Listen::KEYS,
            Limits::KEYS,
            HoldDefaults::KEYS,
            Metrics::KEYS,
            Imap::KEYS,
            Pop3::KEYS,
            Tls::KEYS,
            OAuth::KEYS,
        ]
        .iter()
        .flat_map(|keys| keys.iter())
        .filter(|key| key.shown == Shown::Example)
        .map(|key| format!("#{} =", key.name))
        .collect();
        let is_setting =
            |line: &str| line.starts_with('#') && !line.starts_with("# ") && line.contains(" = ");
        let set: Vec<&str> = plain
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(setting)
                    if is_setting(line)
                        && !examples.iter().any(|example| line.starts_with(example)) =>
                {
                    setting
                }
                _ => line,
            })
            .collect();
        assert!(set.len() > 50 && set.contains(&"message-octets = \"64M\""));
        assert_eq!(parse(&set.join("\n")), parse(&plain));
    }
}
