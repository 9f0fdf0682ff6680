//! `[auth]`: how people log in.

use super::table::table;
use super::{OAuth, Span};

table! {
    /// Logging in. docs/AUTH.md says what each mechanism is for.
    Auth {
        /// When SCRAM is announced, by which no password is shown to the server:
        /// `auto` (while every account with a password has what it needs, as all
        /// have whose password was set here), `on` or `off`. Programs that are
        /// offered SCRAM try nothing else.
        Default scram "scram": Scram = Scram::Auto, r#""auto""#;

        /// So many different wrong passwords from one network (an IPv4 address or
        /// an IPv6 /64) block it. The same one again is no other: a mail program
        /// with an old password blocks nobody. Connections from this machine
        /// itself are never blocked.
        Default failures "failures": u32 = 20, "20";

        /// From the sixth on each wrong password is answered later than the one
        /// before, but no later than this.
        Default delay_max "delay-max": Span = Span::seconds(30), r#""30s""#;

        /// How long a first block lasts; each further one twice as long.
        Default block "block": Span = Span::seconds(900), r#""15m""#;

        /// After how long a wrong password is forgotten.
        Default forget "forget": Span = Span::seconds(3_600), r#""1h""#;

        /// Bearer tokens, below.
        Set oauth "oauth": OAuth = OAuth::default(), "";
    }
}

/// When SCRAM is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scram {
    /// While it works for everybody.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// What in a client's certificate names the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientName {
    /// A mail address among its alternative names.
    Email,
    /// Its common name.
    Cn,
}
