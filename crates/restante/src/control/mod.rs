//! The control socket: how the command line talks to a running server.
//!
//! A Unix socket in the data directory that only its owner may open. Each
//! connection makes one request. Where no server runs, the command line opens the
//! data itself and speaks the same to itself, so that there is one way only.

pub mod client;
pub mod hold;
pub mod link;
pub mod message;
pub mod server;

use crate::error::{Outcome, While as _};
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

/// The socket's name in the data directory.
const SOCKET: &str = "control";
/// The longest path of a Unix socket, with some left over. unix(7).
const SOCKET_PATH_MAX: usize = 100;

/// The way to the socket; good as long as this lives.
pub struct SocketPath {
    path: PathBuf,
    /// Holds open the directory that a short path goes through.
    _directory: Option<File>,
}

impl SocketPath {
    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Where the control socket of a data directory is. A path that is too long for
/// a socket is made short by way of the open directory.
///
/// # Errors
/// If that directory cannot be opened.
pub fn socket_path(data: &Path) -> Outcome<SocketPath> {
    let path = data.join(SOCKET);
    if path.as_os_str().len() <= SOCKET_PATH_MAX {
        return Ok(SocketPath {
            path,
            _directory: None,
        });
    }
    let directory = File::open(data).when(data.display())?;
    let path = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", directory.as_raw_fd()));
    Ok(SocketPath {
        path,
        _directory: Some(directory),
    })
}
