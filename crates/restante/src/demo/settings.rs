//! What the demo prints: where everything is, what to type into a mail program,
//! and a line for each protocol that can be pasted.

use crate::config::Protocol;
use crate::ready::{self, Ready};
use std::fmt;
use std::path::Path;

/// What there is to print.
pub struct Settings<'a> {
    /// Where the data lies.
    pub data: &'a Path,
    /// The certificate's file.
    pub certificate: &'a Path,
    /// The login.
    pub user: &'a str,
    /// The address for mail to it.
    pub address: &'a str,
    /// The password, or `None` where it is known to its owner alone.
    pub password: Option<&'a str>,
    /// The port of each protocol.
    pub ports: &'a [(Protocol, u16)],
    /// The ready lines of each device, and whether its password is the one above.
    pub devices: &'a [(Vec<Ready>, bool)],
}

impl Settings<'_> {
    fn port(&self, wanted: Protocol) -> u16 {
        let found = self.ports.iter().find(|(protocol, _)| *protocol == wanted);
        found.map_or(0, |(_, port)| *port)
    }
}

impl fmt::Display for Settings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [imap, imaps, pop3, pop3s, lmtp] = Protocol::ALL.map(|protocol| self.port(protocol));
        let Self { user, address, .. } = self;
        let version = env!("CARGO_PKG_VERSION");
        let password = self.password.unwrap_or("(the one that you have set)");
        writeln!(
            f,
            "Restante {version}: a mail store to try out, on this machine alone."
        )?;
        writeln!(f, "Everything lies in {}\n", self.data.display())?;
        writeln!(f, "Type this into a mail program:\n")?;
        for (name, imap, pop3) in [
            ("", "IMAP".to_owned(), "POP3".to_owned()),
            ("server", "127.0.0.1".into(), "127.0.0.1".into()),
            ("port, SSL/TLS", imaps.to_string(), pop3s.to_string()),
            (
                "port, plain",
                format!("{imap}, or STARTTLS"),
                format!("{pop3}, or STARTTLS"),
            ),
            ("user name", user.to_string(), user.to_string()),
            ("password", password.to_owned(), password.to_owned()),
        ] {
            writeln!(f, "  {name:<15}{imap:<23}{pop3}")?;
        }
        writeln!(f, "  {:<15}{address}", "mail address")?;
        writeln!(
            f,
            "\nOr copy a line. Each POP3 program is a device of its own, so that none takes mail\n\
             from another; `restante --data {} device add {user} laptop`\n\
             declares one.\n",
            quoted(&self.data.to_string_lossy())
        )?;
        for (lines, known) in self.devices {
            let password = match known {
                true => self.password,
                false => Some("(shown when it was declared)"),
            };
            for line in ready::lines(lines, password).lines() {
                writeln!(f, "  {line}")?;
            }
        }
        writeln!(
            f,
            "\nThe certificate is self-signed: let the program make an exception for it."
        )?;
        let certificate = quoted(&self.certificate.to_string_lossy());
        let login = quoted(&format!("{user}:{}", self.password.unwrap_or("PASSWORD")));
        writeln!(f, "\nOr paste a line into another terminal:\n")?;
        let tls = format!("curl --cacert {certificate} -u {login}");
        let plain = format!("curl -u {login}");
        writeln!(f, "  {plain} 'imap://127.0.0.1:{imap}/INBOX;MAILINDEX=7'")?;
        writeln!(f, "  {tls} imaps://127.0.0.1:{imaps}/")?;
        writeln!(f, "  {plain} pop3://127.0.0.1:{pop3}/")?;
        writeln!(f, "  {tls} pop3s://127.0.0.1:{pop3s}/7")?;
        writeln!(f, "  {}", deliver(address, lmtp))?;
        writeln!(
            f,
            "\nCtrl-C ends it. Nothing is lost: started again, it goes on where it was."
        )
    }
}

/// curl speaks SMTP but not LMTP; it carries the lines all the same.
fn deliver(address: &str, port: u16) -> String {
    format!(
        "(printf '%s\\r\\n' 'LHLO here' 'MAIL FROM:<me@example.org>' 'RCPT TO:<{address}>' DATA \
         'Subject: Hello' '' 'It works.' . QUIT; sleep 1) | curl -sN telnet://127.0.0.1:{port}"
    )
}

/// For a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@".contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_and_a_line_for_each_protocol() {
        let ports: Vec<_> = Protocol::ALL.into_iter().zip(40_001..).collect();
        let line = |user: &str| Ready {
            protocol: "POP3",
            host: "127.0.0.1".into(),
            port: 40_004,
            security: "SSL/TLS",
            user: user.into(),
        };
        let text = Settings {
            data: Path::new("/d"),
            certificate: Path::new("/it's/c.pem"),
            user: "demo",
            address: "demo@localhost",
            password: Some("pw"),
            ports: &ports,
            devices: &[
                (vec![line("demo")], true),
                (vec![line("demo+laptop")], false),
            ],
        }
        .to_string();
        for expected in [
            "  POP3  server 127.0.0.1  port 40004  security SSL/TLS  user demo  password pw\n",
            "user demo+laptop  password (shown when it was declared)\n",
            "`restante --data /d device add demo laptop`",
            "Everything lies in /d\n",
            "  port, SSL/TLS  40002                  40004\n",
            "curl -u demo:pw 'imap://127.0.0.1:40001/INBOX;MAILINDEX=7'\n",
            r"curl --cacert '/it'\''s/c.pem' -u demo:pw imaps://127.0.0.1:40002/",
            "pop3://127.0.0.1:40003/\n",
            "pop3s://127.0.0.1:40004/7\n",
            "'RCPT TO:<demo@localhost>'",
            "telnet://127.0.0.1:40005\n",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
    }
}
