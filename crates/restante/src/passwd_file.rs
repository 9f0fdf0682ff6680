//! Files of many accounts: `name:password`, or lines of a Dovecot passwd-file.

use crate::control::message::ImportedAccount;
use serve::auth::{self, VerifierError};

/// What hashes of crypt(3) and their like begin with. Nobody's password does by chance.
const HASHES: [&str; 13] = [
    "$1$", "$2$", "$2a$", "$2b$", "$2x$", "$2y$", "$5$", "$6$", "$7$", "$y$", "$gy$", "$argon2",
    "$apr1$",
];

/// The accounts of a file. A line that cannot be used gives a text that says
/// why; blank lines and comments give nothing.
pub fn parse(text: &[u8]) -> Vec<Result<ImportedAccount, String>> {
    let lines = text.split(|&octet| octet == b'\n').zip(1..);
    lines
        .filter_map(|(line, number)| match std::str::from_utf8(line) {
            Ok(line) => account(line.trim_end_matches('\r'), number),
            Err(_) => Some(Err(format!("line {number}: it is not UTF-8"))),
        })
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
    let bare_hash = HASHES.iter().any(|hash| rest.starts_with(hash));
    // What follows a hash are the other fields of a passwd-file: user and
    // group numbers, home, shell. None of them means anything here.
    let first = rest.split(':').next().unwrap_or(rest);
    let secret = if bare_hash {
        format!("{{CRYPT}}{first}")
    } else if rest.starts_with('{') && rest.contains('}') {
        first.to_owned()
    } else {
        format!("{{PLAIN}}{rest}")
    };
    if let Err(error) = auth::check(&secret) {
        let mut why = format!("line {number}: {name}: {}", told(error));
        if bare_hash {
            why.push_str(" (a password that begins so is written behind {PLAIN})");
        }
        return Some(Err(why));
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
        let hash = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1";
        let crypt = format!("{{CRYPT}}{hash}");
        check(&format!("anna:{hash}"), Some(Ok(("anna", &crypt))));
        check(
            &format!("anna:{hash}:19000:0:99999:7:::"),
            Some(Ok(("anna", &crypt))),
        );
        check("anna:$6", Some(Ok(("anna", "{PLAIN}$6"))));
        check("anna:{PLAIN}$1$x", Some(Ok(("anna", "{PLAIN}$1$x"))));
        for bare in [
            "$1$salt$hash",
            "$y$j9T$salt$hash",
            "$6$x",
            "$2y$05$x",
            "$argon2id$x",
        ] {
            let told = account(&format!("anna:{bare}"), 7).unwrap().unwrap_err();
            assert!(told.starts_with("line 7: anna: the "), "{told}");
            assert!(told.ends_with("is written behind {PLAIN})"), "{told}");
        }
        let lines = parse(b"a:x\n\xff:y\r\nc:z\r\n");
        assert_eq!(lines[1].as_ref().unwrap_err(), "line 2: it is not UTF-8");
        assert_eq!((lines.len(), lines[2].as_ref().unwrap().line), (3, 3));
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
