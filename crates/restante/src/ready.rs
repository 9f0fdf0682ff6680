//! Lines to be copied into a mail program.

use crate::config::{Address, Config, Protocol};
use serde::Serialize;

/// What a mail program asks for, for one protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ready {
    /// `POP3` or `IMAP`.
    pub protocol: &'static str,
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `SSL/TLS`, `STARTTLS` or `none`.
    pub security: &'static str,
    /// The user name.
    pub user: String,
}

/// What the configured listeners offer to a device of an account, POP3 before
/// IMAP; of several listeners the one that is safest.
pub fn ready(
    config: &Config,
    account: &str,
    device: Option<&str>,
    pop3: bool,
    imap: bool,
) -> Vec<Ready> {
    let user = user(config, account, device);
    let wanted = [
        (pop3, "POP3", Protocol::Pop3s, Protocol::Pop3),
        (imap, "IMAP", Protocol::Imaps, Protocol::Imap),
    ];
    let wanted = wanted.into_iter().filter(|(wanted, ..)| *wanted);
    wanted
        .filter_map(|(_, name, tls, start)| {
            // Where there is a choice, what others can reach.
            let port_of = |protocol: Protocol| {
                let mut ports = config
                    .listen
                    .iter()
                    .filter_map(|listen| match &listen.address {
                        // The system chooses port 0 anew at each start: it is none
                        // to write down.
                        Address::Tcp { host, port } if listen.protocol == protocol => {
                            (*port != 0).then_some((listen.address.is_local(), host, *port))
                        }
                        _ => None,
                    });
                let first = ports.next()?;
                Some(ports.fold(
                    first,
                    |best, next| if best.0 && !next.0 { next } else { best },
                ))
            };
            let (port, security) = match (port_of(tls), port_of(start)) {
                (Some(port), _) => (port, "SSL/TLS"),
                (None, Some(port)) if config.tls.is_some() => (port, "STARTTLS"),
                (None, Some(port)) => (port, "none"),
                (None, None) => return None,
            };
            let (is_local, host, port) = port;
            let host = if is_local {
                host.clone()
            } else {
                config.hostname()
            };
            Some(Ready {
                protocol: name,
                host,
                port,
                security,
                user: user.clone(),
            })
        })
        .collect()
}

/// The user name that works with every mechanism: with the device in it, unless
/// the account's name has the separator itself.
fn user(config: &Config, account: &str, device: Option<&str>) -> String {
    let separator = config.separator.0;
    let (local, domain) = match account.rsplit_once('@') {
        Some((local, domain)) => (local, Some(domain)),
        None => (account, None),
    };
    let domain = domain.map_or_else(String::new, |domain| format!("@{domain}"));
    match device {
        Some(device) if !local.contains(separator) => format!("{local}{separator}{device}{domain}"),
        _ => account.to_owned(),
    }
}

/// The lines, for people.
pub fn lines(ready: &[Ready], password: Option<&str>) -> String {
    let mut text = String::new();
    for Ready {
        protocol,
        host,
        port,
        security,
        user,
    } in ready
    {
        text.push_str(&format!(
            "{protocol}  server {host}  port {port}  security {security}  user {user}"
        ));
        if let Some(password) = password {
            text.push_str(&format!("  password {password}"));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Listen;

    fn config(listen: &[(Protocol, &str, u16)]) -> Config {
        let listen = listen.iter().map(|&(protocol, host, port)| Listen {
            protocol,
            address: Address::Tcp {
                host: host.into(),
                port,
            },
            ..Listen::default()
        });
        Config {
            hostname: Some("mail.example.org".into()),
            listen: listen.collect(),
            ..Config::default()
        }
    }

    #[test]
    fn the_safest_listener_is_told() {
        let config = config(&[
            (Protocol::Imap, "127.0.0.1", 143),
            (Protocol::Imaps, "127.0.0.1", 0),
            (Protocol::Imaps, "*", 993),
            (Protocol::Pop3s, "*", 0),
            (Protocol::Pop3, "127.0.0.1", 1110),
        ]);
        let found = ready(&config, "ann@example.org", Some("laptop"), true, true);
        assert_eq!(
            lines(&found, Some("pw")),
            "POP3  server 127.0.0.1  port 1110  security none  user ann+laptop@example.org  \
             password pw\n\
             IMAP  server mail.example.org  port 993  security SSL/TLS  \
             user ann+laptop@example.org  password pw\n"
        );
        assert_eq!(ready(&config, "a+b", Some("x"), false, true)[0].user, "a+b");
        assert!(ready(&config, "ann", None, false, false).is_empty());
    }
}
