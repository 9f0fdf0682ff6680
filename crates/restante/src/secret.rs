//! The secret of a data directory, made once: what is made up for names that
//! nobody has comes from it and stays the same over restarts.

use crate::error::{Failure, Outcome, While as _};
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Its file, readable by its owner alone.
const FILE: &str = "auth-secret";

/// Reads it, or makes it where there is none.
///
/// # Errors
/// If the file cannot be read or made.
pub fn of(data: &Path) -> Outcome<[u8; 32]> {
    let file = data.join(FILE);
    match fs::read(&file) {
        Ok(octets) => {
            let what = "is no secret of 32 octets: remove it, and a new one is made";
            <[u8; 32]>::try_from(octets)
                .map_err(|_| Failure::new(format!("{} {what}", file.display())))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let mut secret = [0; 32];
            getrandom::fill(&mut secret).when("a secret")?;
            // Whole or not at all.
            let new = data.join(format!("{FILE}.new"));
            let _ = fs::remove_file(&new);
            fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&new)
                .and_then(|mut open| open.write_all(&secret).and_then(|()| open.sync_all()))
                .and_then(|()| fs::rename(&new, &file))
                .when(file.display())?;
            Ok(secret)
        }
        Err(error) => Err(error).when(file.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let first = of(directory.path()).unwrap();
        assert_eq!(of(directory.path()).unwrap(), first);
        fs::write(directory.path().join(FILE), b"short").unwrap();
        assert!(of(directory.path()).is_err());
    }
}
