//! Where the data lies and what is configured for it.

use crate::cli::Common;
use crate::config::Config;
use crate::error::{Failure, Outcome};
use std::path::{Path, PathBuf};

/// The configuration file where none is named.
const USUAL_CONFIG: &str = "/etc/restante/restante.toml";
/// A configuration file that a data directory may hold; the demo's does.
pub const OWN_CONFIG: &str = "restante.toml";

/// The data, and what is configured for it.
#[derive(Clone, Debug)]
pub struct Place {
    /// The data directory.
    pub data: PathBuf,
    /// The configuration file, if there is one.
    pub file: Option<PathBuf>,
    /// What it says; without a file, what holds then.
    pub config: Config,
}

impl Place {
    /// What the options say.
    ///
    /// # Errors
    /// If they name no data, or the file is wrong.
    pub fn find(common: &Common) -> Outcome<Self> {
        let own = common.data.as_ref().map(|data| data.join(OWN_CONFIG));
        let implied = own
            .or_else(|| Some(USUAL_CONFIG.into()))
            .filter(|file| file.is_file());
        let file = common.config.clone().or(implied);
        let config = match &file {
            Some(file) => Config::read(file)?,
            None => Config::default(),
        };
        let data = match &common.data {
            Some(data) => data.clone(),
            None if file.is_some() => config.data.clone(),
            None => {
                return Err(Failure::new(format!(
                    "which data? Say --config FILE or --data DIR; {USUAL_CONFIG} is not there"
                )));
            }
        };
        Ok(Self { data, file, config })
    }

    /// The data directory must be there already.
    ///
    /// # Errors
    /// If it is not.
    pub fn must_exist(&self) -> Outcome {
        if self.data.is_dir() {
            return Ok(());
        }
        Err(Failure::new(format!(
            "there is no data directory {}",
            shown(&self.data)
        )))
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
