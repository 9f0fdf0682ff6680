//! Becoming another user once what only root may do is done.

use crate::error::{Failure, Outcome, While as _};
use nix::unistd::{Gid, Group, Uid, User};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::chown;
use std::path::Path;

/// The user to become.
#[derive(Clone, Debug)]
pub struct Servant {
    user: String,
    group: Option<String>,
    uid: Uid,
    gid: Gid,
}

impl Servant {
    /// The user and group of these names; `None` where none is named or this is
    /// not root, who alone may become somebody else.
    ///
    /// # Errors
    /// If there is no such user or group.
    pub fn find(user: Option<&str>, group: Option<&str>) -> Outcome<Option<Self>> {
        let Some(name) = user else { return Ok(None) };
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let user = User::from_name(name)
            .when(format_args!("user `{name}`"))?
            .ok_or_else(|| Failure::new(format!("there is no user `{name}`")))?;
        let gid = match group {
            Some(name) => Group::from_name(name)
                .when(format_args!("group `{name}`"))?
                .map(|group| group.gid)
                .ok_or_else(|| Failure::new(format!("there is no group `{name}`")))?,
            None => user.gid,
        };
        Ok(Some(Self {
            user: name.into(),
            group: group.map(String::from),
            uid: user.uid,
            gid,
        }))
    }

    /// Gives a file to that user.
    ///
    /// # Errors
    /// If the system does not allow it.
    pub fn give(&self, path: &Path) -> Outcome {
        chown(path, Some(self.uid.as_raw()), Some(self.gid.as_raw())).when(path.display())
    }

    /// Becomes that user, for good, in all threads.
    ///
    /// # Errors
    /// If the system does not allow it.
    pub fn become_it(&self) -> Outcome {
        let mut change = privdrop::PrivDrop::default().user(&self.user);
        if let Some(group) = &self.group {
            change = change.group(group);
        }
        change
            .apply()
            .when(format_args!("cannot become user `{}`", self.user))
    }
}

/// Makes the data directory where it is not there, for its owner alone.
///
/// # Errors
/// If it cannot be made.
pub fn make_data_directory(data: &Path, servant: Option<&Servant>) -> Outcome {
    use std::os::unix::fs::DirBuilderExt as _;
    if data.is_dir() {
        return Ok(());
    }
    if let Some(parent) = data.parent() {
        fs::create_dir_all(parent).when(parent.display())?;
    }
    match fs::DirBuilder::new().mode(0o700).create(data) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error).when(data.display()),
        Ok(()) => servant.map_or(Ok(()), |servant| servant.give(data)),
    }
}
