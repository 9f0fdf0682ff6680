//! What a configuration leads to on this machine: users, files, directories.

use super::check::{ConfigError, Fault, key_line};
use super::{Address, Config};
use crate::languages;
use crate::tls::{Certificates, TlsError};
use nix::unistd::{Group, User};
use std::io::ErrorKind;
use std::path::Path;

/// A place in the file: the tables, then the key; entries of lists by their number.
type Keys<'a> = &'a [&'a str];

/// What is wrong around a file, and what could not be looked at.
struct Looks<'a> {
    text: &'a str,
    faults: Vec<Fault>,
    notes: Vec<String>,
}

/// Looks at what a configuration that was read names outside of it. The notes say what
/// could not be judged from here.
///
/// # Errors
/// Says everything with which the server could not begin, each with its line.
pub fn check(file: &Path, config: &Config) -> Result<Vec<String>, ConfigError> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut looks = Looks {
        text: &text,
        faults: Vec::new(),
        notes: Vec::new(),
    };
    looks.users(config);
    looks.certificates(config);
    looks.directories(config);
    if let Err((key, why)) = languages::read(config) {
        looks.fault(&["pop3", key], why, None);
    }
    if looks.faults.is_empty() {
        return Ok(looks.notes);
    }
    Err(ConfigError {
        file: file.into(),
        faults: looks.faults,
    })
}

impl Looks<'_> {
    fn fault(&mut self, keys: Keys<'_>, what: String, right: Option<&str>) {
        self.faults.push(Fault {
            line: key_line(self.text, keys),
            what,
            right: right.map(str::to_owned),
        });
    }

    fn users(&mut self, config: &Config) {
        if let Some(name) = &config.user
            && matches!(User::from_name(name), Ok(None))
        {
            let right = "make it, or write one that there is";
            self.fault(&["user"], format!("there is no user `{name}`"), Some(right));
        }
        if let Some(name) = &config.group
            && matches!(Group::from_name(name), Ok(None))
        {
            let right = "make it, or write one that there is";
            let what = format!("there is no group `{name}`");
            self.fault(&["group"], what, Some(right));
        }
    }

    fn certificates(&mut self, config: &Config) {
        let Some(files) = &config.tls else { return };
        let Err(error) = Certificates::load(files) else {
            return;
        };
        let file = match &error {
            // The server reads it as root.
            TlsError::File { file, error } if error.kind() == ErrorKind::PermissionDenied => {
                let file = file.display();
                self.notes
                    .push(format!("{file} may not be read by this user"));
                return;
            }
            TlsError::File { file, .. } | TlsError::Content { file, .. } => Some(file),
            TlsError::Making(_) | TlsError::Setup(_) => None,
        };
        let key = match file {
            Some(file) if *file == files.key => "key",
            Some(file) if Some(file) == files.client_ca.as_ref() => "client-ca",
            _ => "certificate",
        };
        self.fault(&["tls", key], error.to_string(), None);
    }

    fn directories(&mut self, config: &Config) {
        for (at, listen) in config.listen.iter().enumerate() {
            let Address::Unix(path) = &listen.address else {
                continue;
            };
            let Some(directory) = path.parent().filter(|directory| !directory.is_dir()) else {
                continue;
            };
            let what = format!("there is no directory {}", directory.display());
            // systemd makes those of a service when it begins (RuntimeDirectory).
            if directory.starts_with("/run") {
                self.notes.push(format!("{what} yet"));
            } else {
                let at = at.to_string();
                self.fault(&["listen", &at, "address"], what, Some("make it"));
            }
        }
    }
}
