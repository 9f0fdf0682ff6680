//! The texts of mails to owners that an operator has in a directory.

use crate::config::Config;
use crate::error::{Failure, Outcome, While as _};
use serve::notice::Templates;

/// All of them; `None` where none are configured.
///
/// # Errors
/// Says which files are wrong, on which lines, and what would be right.
pub fn load(config: &Config) -> Outcome<Option<Templates>> {
    let Some(directory) = &config.texts else {
        return Ok(None);
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).when(directory.display())? {
        files.push(entry.when(directory.display())?.path());
    }
    files.sort();
    let mut templates = Templates::default();
    let mut faults = Vec::new();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let shown = file.display();
        match std::fs::read(&file) {
            Err(error) => faults.push(format!("{shown}: {error}")),
            Ok(octets) => {
                if let Err(fault) = templates.add(&name, &octets) {
                    let line = fault
                        .line
                        .map_or_else(String::new, |line| format!(":{line}"));
                    faults.push(format!("{shown}{line}: {fault}"));
                }
            }
        }
    }
    if faults.is_empty() {
        return Ok(Some(templates));
    }
    Err(Failure::new(faults.join("\n")))
}
