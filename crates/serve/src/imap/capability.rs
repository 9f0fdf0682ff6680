//! What the server announces.

use proto::sasl::Mechanism;

/// In every state. docs/RFCS.md lists each.
const ALWAYS: &[&str] = &[
    "IMAP4rev1",
    "IMAP4rev2",
    "LITERAL+",
    "SASL-IR",
    "ID",
    "ENABLE",
    "IDLE",
    "NAMESPACE",
    "UIDPLUS",
    "UIDONLY",
    "UIDBATCHES",
    "MOVE",
    "UNSELECT",
    "INPROGRESS",
    "CHILDREN",
    "MULTIAPPEND",
    "BINARY",
    "CATENATE",
    "URL-PARTIAL",
    "REPLACE",
    "UTF8=ACCEPT",
    "METADATA",
    "ACL",
    "RIGHTS=texk",
    "LIST-MYRIGHTS",
    "LIST-METADATA",
    "CONDSTORE",
    "QRESYNC",
    "SORT",
    "SORT=DISPLAY",
    "ESORT",
    "THREAD=ORDEREDSUBJECT",
    "THREAD=REFERENCES",
    "THREAD=REFS",
    "I18NLEVEL=1",
    "QUOTA",
    "QUOTA=RES-STORAGE",
    "QUOTA=RES-MESSAGE",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "SPECIAL-USE",
    "CREATE-SPECIAL-USE",
    "ESEARCH",
    "SEARCHRES",
    "PARTIAL",
    "WITHIN",
    "SAVEDATE",
    "STATUS=SIZE",
    "APPENDLIMIT",
    "OBJECTID",
    "PREVIEW",
];

/// To those who may set quotas. RFC 9208 §4.1.3.
pub(super) const QUOTASET: &str = "QUOTASET";

/// What is announced to a session. RFC 3501 §6.1.1.
pub(super) fn capabilities(login: &Login) -> Vec<&'static str> {
    let mut names = ALWAYS.to_vec();
    match login {
        Login::Done => {
            names.retain(|&name| name != "SASL-IR");
            // RFC 4978 §3: worth its memory for those who are known.
            names.push("COMPRESS=DEFLATE");
            // RFC 8437 §3: "only after authentication has completed".
            names.push("UNAUTHENTICATE");
        }
        Login::Open {
            start_tls,
            mechanisms,
        } => {
            if *start_tls {
                names.push("STARTTLS");
            }
            names.extend(mechanisms.iter().map(|known| announcement(*known)));
            if mechanisms.is_empty() {
                names.push("LOGINDISABLED");
            }
        }
    }
    names
}

fn announcement(mechanism: Mechanism) -> &'static str {
    match mechanism {
        Mechanism::ScramSha256Plus => "AUTH=SCRAM-SHA-256-PLUS",
        Mechanism::ScramSha1Plus => "AUTH=SCRAM-SHA-1-PLUS",
        Mechanism::ScramSha256 => "AUTH=SCRAM-SHA-256",
        Mechanism::ScramSha1 => "AUTH=SCRAM-SHA-1",
        Mechanism::OAuthBearer => "AUTH=OAUTHBEARER",
        Mechanism::XOAuth2 => "AUTH=XOAUTH2",
        Mechanism::External => "AUTH=EXTERNAL",
        Mechanism::Plain => "AUTH=PLAIN",
        Mechanism::Login => "AUTH=LOGIN",
    }
}

/// How far a session is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Login {
    /// Somebody is logged in.
    Done,
    /// Nobody is.
    Open {
        /// STARTTLS is possible.
        start_tls: bool,
        /// How: none where a password could be seen on its way.
        mechanisms: Vec<Mechanism>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MessageLimit;

    #[test]
    fn what_is_announced_is_listed_as_whole() {
        let page = include_str!("../../../../docs/RFCS.md");
        let open = Login::Open {
            start_tls: true,
            mechanisms: vec![
                Mechanism::ScramSha256Plus,
                Mechanism::ScramSha1Plus,
                Mechanism::ScramSha256,
                Mechanism::ScramSha1,
                Mechanism::OAuthBearer,
                Mechanism::XOAuth2,
                Mechanism::External,
                Mechanism::Plain,
                Mechanism::Login,
            ],
        };
        let closed = Login::Open {
            start_tls: false,
            mechanisms: Vec::new(),
        };
        for name in [open, closed, Login::Done].iter().flat_map(capabilities) {
            let quoted = format!("`{name}`");
            let mut lines = page.lines().filter(|line| line.contains(&quoted));
            assert!(lines.any(|line| line.contains("Whole")), "{name}");
        }
        assert!(page.contains(&format!("`{QUOTASET}`")));
        for limit in [MessageLimit::Any(1), MessageLimit::Saving(1)] {
            let name = limit.capability().unwrap_or_default();
            let quoted = format!("`{}`", name.trim_end_matches('1'));
            assert!(page.contains(&quoted), "{name}");
        }
    }
}
