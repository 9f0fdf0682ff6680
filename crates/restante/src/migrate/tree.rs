//! Somebody else's directory, read by an operator who may read everything: nothing
//! in it is followed that is a symbolic link, not even one that takes the place of
//! a directory while it is being read.

use super::{At as _, MailError};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

/// What links are told.
const LINK: &str = "is a symbolic link, left out";

/// A directory and what is below it.
pub(super) struct Tree {
    root: PathBuf,
    handle: OwnedFd,
    /// What was left out, and why; to be told.
    left_out: Vec<MailError>,
}

/// What stands in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) kind: Kind,
    pub(super) octets: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    File,
    Directory,
    Link,
    Other,
}

impl Tree {
    /// Of a directory, or of the one in which a file stands.
    ///
    /// # Errors
    /// If it cannot be opened, or is a link itself.
    pub(super) fn open(path: &Path) -> Result<Self, MailError> {
        // Without a slash at the end, behind which links are followed.
        let root: PathBuf = path.components().collect();
        let place = match root.as_os_str() {
            none if none.is_empty() => OsStr::new("."),
            some => some,
        };
        let handle = match open_directory(rustix::fs::CWD, place) {
            Err(Errno::NOTDIR | Errno::LOOP) if root.is_symlink() => {
                let what = "is a symbolic link; write the path to which it leads";
                return Err(MailError::new(&root, what));
            }
            other => other.map_err(io::Error::from).at(&root)?,
        };
        Ok(Self {
            root,
            handle,
            left_out: Vec::new(),
        })
    }

    /// What stands in a directory, ascending by name.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn entries(&self, directory: &Path) -> Result<Vec<Entry>, MailError> {
        let mut found = Vec::new();
        let handle = self.directory(directory).at(directory)?;
        for entry in Dir::read_from(&handle)
            .map_err(io::Error::from)
            .at(directory)?
        {
            let entry = entry.map_err(io::Error::from).at(directory)?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            let path = directory.join(name);
            let status = match statat(&handle, name, AtFlags::SYMLINK_NOFOLLOW) {
                // It has gone since.
                Err(Errno::NOENT) => continue,
                other => other.map_err(io::Error::from).at(&path)?,
            };
            found.push(Entry {
                name: name.to_string_lossy().into_owned(),
                kind: match FileType::from_raw_mode(status.st_mode) {
                    FileType::RegularFile => Kind::File,
                    FileType::Directory => Kind::Directory,
                    FileType::Symlink => Kind::Link,
                    _ => Kind::Other,
                },
                octets: u64::try_from(status.st_size).unwrap_or(0),
                path,
            });
        }
        found.sort();
        Ok(found)
    }

    /// Opens a file. What is told of it belongs to what is read.
    ///
    /// # Errors
    /// If it is none, or cannot be opened.
    pub(super) fn file(&self, path: &Path) -> Result<(File, Metadata), MailError> {
        let name = path.file_name().unwrap_or_default();
        let open = || -> io::Result<(File, Metadata)> {
            let directory = self.directory(path.parent().unwrap_or(Path::new("")))?;
            // Not blocking: a FIFO would keep us waiting before it is seen to be one.
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let file = File::from(openat(&directory, name, flags, Mode::empty())?);
            let metadata = file.metadata()?;
            Ok((file, metadata))
        };
        match open() {
            Ok((_, metadata)) if !metadata.is_file() => Err(no_file(path)),
            Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
                Err(MailError::new(path, LINK))
            }
            other => other.at(path),
        }
    }

    /// Reads a file of so many octets at the most, and what is told of it.
    ///
    /// # Errors
    /// If it is longer, or cannot be read.
    pub(super) fn read(&self, path: &Path, max: u64) -> Result<(Vec<u8>, Metadata), MailError> {
        let (file, metadata) = self.file(path)?;
        let mut octets = Vec::new();
        if metadata.len() <= max {
            // It may be growing.
            let most = max.saturating_add(1);
            file.take(most).read_to_end(&mut octets).at(path)?;
        }
        if metadata.len() > max || octets.len() as u64 > max {
            let what = format!("longer than {max} octets, left out");
            return Err(MailError::new(path, what));
        }
        Ok((octets, metadata))
    }

    /// Reads a file that may be missing. What keeps it from being read is told
    /// with what was left out.
    pub(super) fn text(&mut self, path: &Path, max: u64) -> Option<String> {
        let parent = path.parent().unwrap_or(Path::new(""));
        let name = path.file_name().unwrap_or_default();
        let missing = self
            .directory(parent)
            .and_then(|at| Ok(statat(at, name, AtFlags::SYMLINK_NOFOLLOW)?))
            .is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        if missing {
            return None;
        }
        match self.read(path, max) {
            Ok((octets, _)) => Some(String::from_utf8_lossy(&octets).into_owned()),
            Err(error) => {
                self.left_out.push(error);
                None
            }
        }
    }

    /// Notes what is neither file nor directory.
    pub(super) fn leave_out(&mut self, entry: &Entry) {
        self.left_out.push(match entry.kind {
            Kind::Link => MailError::new(&entry.path, LINK),
            _ => no_file(&entry.path),
        });
    }

    /// Notes what stands there for another reason.
    pub(super) fn leave_out_for(&mut self, entry: &Entry, what: &str) {
        self.left_out.push(MailError::new(&entry.path, what));
    }

    /// The next of what was left out that nobody has been told.
    pub(super) fn next_left_out(&mut self) -> Option<MailError> {
        self.left_out.pop()
    }

    /// Opens a directory, level by level from the root.
    fn directory(&self, path: &Path) -> io::Result<OwnedFd> {
        let below: PathBuf = path.components().collect();
        let below = below.strip_prefix(&self.root).map_err(io::Error::other)?;
        let mut handle = self.handle.try_clone()?;
        for level in below.components() {
            let Component::Normal(level) = level else {
                return Err(io::Error::other("is no place below the root"));
            };
            handle = open_directory(&handle, level)?;
        }
        Ok(handle)
    }
}

fn open_directory(at: impl std::os::fd::AsFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(at, name, flags, Mode::empty())
}

fn no_file(path: &Path) -> MailError {
    MailError::new(path, "is no file, left out")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn nothing_is_read_by_way_of_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let outside = directory.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret"), "secret").unwrap();
        let root = directory.path().join("root");
        fs::create_dir_all(root.join("in/deep")).unwrap();
        fs::write(root.join("in/deep/own"), "own").unwrap();
        symlink(outside.join("secret"), root.join("link")).unwrap();
        symlink(&outside, root.join("folder")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, root.join("fifo"), Mode::RUSR).unwrap();

        let mut tree = Tree::open(&root).unwrap();
        let own = root.join("in/deep/own");
        assert_eq!(tree.read(&own, 3).unwrap().0, b"own");
        assert!(
            tree.read(&own, 2)
                .unwrap_err()
                .what
                .contains("longer than 2")
        );
        for path in ["link", "folder/secret", "fifo", "in"] {
            let error = tree.file(&root.join(path)).unwrap_err();
            assert!(error.file.ends_with(path), "{error}");
        }
        assert!(tree.file(&outside.join("secret")).is_err());
        assert!(tree.file(&root.join("../outside/secret")).is_err());
        assert!(tree.entries(&root.join("folder")).is_err());
        let kinds: Vec<_> = tree
            .entries(&root)
            .unwrap()
            .into_iter()
            .map(|it| it.kind)
            .collect();
        assert_eq!(
            kinds,
            [Kind::Other, Kind::Link, Kind::Directory, Kind::Link]
        );
        assert_eq!(tree.text(&root.join("none"), 9), None);
        assert!(tree.next_left_out().is_none());
        assert_eq!(tree.text(&root.join("link"), 9), None);
        assert!(tree.next_left_out().is_some_and(|left| left.what == LINK));

        for path in ["folder", "folder/"] {
            let error = Tree::open(&root.join(path)).err().unwrap();
            assert!(error.what.contains("symbolic link"), "{error}");
        }
    }
}
