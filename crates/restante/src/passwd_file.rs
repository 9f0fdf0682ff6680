//! Files of many accounts: `name:password`, or lines of a Dovecot passwd-file.

use crate::control::message::ImportedAccount;
use serve::auth::{self, VerifierError};

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
    // A bare password may hold anything, colons too.
    let secret = if rest.starts_with('{') && rest.contains('}') {
        // What follows a hash are the other fields of a passwd-file: user and
        // group numbers, home, shell. None of them means anything here.
        rest.split(':').next().unwrap_or(rest).to_owned()
    } else {
        format!("{{PLAIN}}{rest}")
    };
    if let Err(error) = auth::check(&secret) {
        return Some(Err(format!("line {number}: {name}: {}", told(error))));
    }
    Some(Ok(ImportedAccount {
        name: name.trim().to_owned(),
        secret,
        line: number,
    }))
}

/// What is wrong, and of a scheme what would be right.
fn told(error: VerifierError) -> String {
    if error != VerifierError::Scheme {
        return error.to_string();
    }
    let known: Vec<String> = auth::schemes()
        .map(|scheme| format!("{{{scheme}}}"))
        .collect();
    format!("{error}; known are {}", known.join(", "))
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
            Some(Ok(("anna", "{plain}x"))),
        );
        check(
            "a@b.example:{SSHA}D4kSuvPIF4rZzl+dW9Km/1788fBwZXBwZXI=::::::",
            Some(Ok((
                "a@b.example",
                "{SSHA}D4kSuvPIF4rZzl+dW9Km/1788fBwZXBwZXI=",
            ))),
        );
        check(
            "anna:{BLF-CRYPT}$2y$05$x",
            Some(Err(
                "line 7: anna: the text is not of the form that its scheme has",
            )),
        );
        check(
            "anna",
            Some(Err("line 7: there is no `:` between name and password")),
        );
        let told = account("anna:{MD5}x", 7).unwrap().unwrap_err();
        assert!(
            told.starts_with("line 7: anna: the scheme is not known; known are {PLAIN}, "),
            "{told}"
        );
        for scheme in auth::schemes() {
            assert!(told.contains(&format!("{{{scheme}}}")), "{scheme}: {told}");
        }
    }
}
