//! What the server announces.

/// In every state. docs/RFCS.md lists each.
const ALWAYS: &[&str] = &[
    "IMAP4rev1",
    "LITERAL+",
    "SASL-IR",
    "ID",
    "ENABLE",
    "IDLE",
    "NAMESPACE",
    "UIDPLUS",
    "MOVE",
    "UNSELECT",
    "CHILDREN",
    "MULTIAPPEND",
    "BINARY",
    "CATENATE",
    "URL-PARTIAL",
    "REPLACE",
    "CONDSTORE",
    "QRESYNC",
];

/// What is announced to a session. RFC 3501 §6.1.1.
pub(super) fn capabilities(login: Login) -> Vec<&'static str> {
    let mut names = ALWAYS.to_vec();
    match login {
        Login::Done => names.retain(|&name| name != "SASL-IR"),
        Login::Open { start_tls, clear } => {
            if start_tls {
                names.push("STARTTLS");
            }
            names.push(if clear { "AUTH=PLAIN" } else { "LOGINDISABLED" });
        }
    }
    names
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Login {
    /// Somebody is logged in.
    Done,
    /// Nobody is.
    Open {
        /// STARTTLS is possible.
        start_tls: bool,
        /// A password may come: over TLS, or the listener allows it without.
        clear: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_announced_is_listed_as_whole() {
        let page = include_str!("../../../../docs/RFCS.md");
        let open = Login::Open {
            start_tls: true,
            clear: true,
        };
        let closed = Login::Open {
            start_tls: false,
            clear: false,
        };
        for name in [open, closed, Login::Done]
            .into_iter()
            .flat_map(capabilities)
        {
            let quoted = format!("`{name}`");
            let mut lines = page.lines().filter(|line| line.contains(&quoted));
            assert!(lines.any(|line| line.contains("Whole")), "{name}");
        }
    }
}
