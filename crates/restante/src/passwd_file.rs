//! Files of many accounts: `name:password`, or lines of a Dovecot passwd-file.

use crate::control::message::ImportedAccount;

/// The schemes that are taken, without braces.
pub const SCHEMES: [&str; 5] = ["PLAIN", "ARGON2ID", "BLF-CRYPT", "SHA512-CRYPT", "SSHA256"];

/// The accounts of a file. A line that cannot be used gives a text that says
/// why; blank lines and comments give nothing.
pub fn parse(text: &str) -> Vec<Result<ImportedAccount, String>> {
    let lines = text.lines().zip(1..);
    lines
        .filter_map(|(line, number)| account(line.trim_end_matches('\r'), number))
        .collect()
}

fn account(line: &str, number: u64) -> Option<Result<ImportedAccount, String>> {
    if line.trim().is_empty() || line.starts_with('#') {
        return None;
    }
    let Some((name, rest)) = line.split_once(':') else {
        return Some(Err(format!(
            "line {number}: there is no `:` between name and password"
        )));
    };
    let secret = match rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        Some((scheme, hash)) => match known(scheme) {
            // What follows a hash are the other fields of a passwd-file: user and
            // group numbers, home, shell. None of them means anything here.
            Some("PLAIN") => format!("{{PLAIN}}{}", field(hash)),
            Some(scheme) => format!("{{{scheme}}}{}", field(hash)),
            None => {
                let schemes = SCHEMES.map(|scheme| format!("{{{scheme}}}")).join(", ");
                return Some(Err(format!(
                    "line {number}: {name}: the scheme {{{scheme}}} is not known; known are {schemes}"
                )));
            }
        },
        // A bare password may hold anything, colons too.
        None => format!("{{PLAIN}}{rest}"),
    };
    Some(Ok(ImportedAccount {
        name: name.trim().to_owned(),
        secret,
        line: number,
    }))
}

/// The scheme as this program writes it. Dovecot's suffixes for the encoding
/// (`.b64`, `.HEX`) are not taken, as these schemes have one encoding each.
fn known(scheme: &str) -> Option<&'static str> {
    SCHEMES
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(scheme))
}

/// One field of a passwd-file.
fn field(rest: &str) -> &str {
    rest.split(':').next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_kinds() {
        let check = |line: &str, expected: Option<Result<(&str, &str), &str>>| {
            let account = account(line, 7);
            let account = account.as_ref().map(|account| {
                account
                    .as_ref()
                    .map(|a| (&*a.name, &*a.secret))
                    .map_err(String::as_str)
            });
            assert_eq!(account, expected, "{line}");
        };
        check("", None);
        check("# comment", None);
        check("anna:secret", Some(Ok(("anna", "{PLAIN}secret"))));
        check("anna:a:b{c}", Some(Ok(("anna", "{PLAIN}a:b{c}"))));
        check(
            "anna:{plain}x:1000:1000::/home",
            Some(Ok(("anna", "{PLAIN}x"))),
        );
        check(
            "a@b.example:{SHA512-CRYPT}$6$salt$hash::::::",
            Some(Ok(("a@b.example", "{SHA512-CRYPT}$6$salt$hash"))),
        );
        check(
            "anna:{BLF-CRYPT}$2y$05$x",
            Some(Ok(("anna", "{BLF-CRYPT}$2y$05$x"))),
        );
        check(
            "anna",
            Some(Err("line 7: there is no `:` between name and password")),
        );
        check(
            "anna:{MD5}x",
            Some(Err(
                "line 7: anna: the scheme {MD5} is not known; known are {PLAIN}, {ARGON2ID}, \
                 {BLF-CRYPT}, {SHA512-CRYPT}, {SSHA256}",
            )),
        );
    }
}
