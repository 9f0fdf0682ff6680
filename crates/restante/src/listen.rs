//! Opening sockets: TCP and Unix ones, and those that systemd has opened.

use crate::config::{Address, Listen, Mode, Protocol};
use serve::Trusted;
use serve::auth::PlaintextLogin;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Connections that may wait to be taken: programs that all come back at one time after
/// a restart. The standard library asks for 128; asked again, the system takes the new
/// number. listen(2)
const BACKLOG: i32 = 1_024;

/// An open socket.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix stream socket.
    Unix(UnixListener),
}

/// A listener whose sockets are open.
#[derive(Debug)]
pub struct Bound {
    /// What is spoken.
    pub protocol: Protocol,
    /// Where it is heard: of port 0, the port that was free.
    pub address: Address,
    /// Where a password may come without TLS.
    pub plaintext_login: PlaintextLogin,
    /// Who says by the PROXY protocol for whom it has connected.
    pub proxies: Trusted,
    /// Who may say by XCLIENT for whom it speaks.
    pub xclient: Trusted,
    /// The socket.
    pub socket: Socket,
}

/// A socket that could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for {protocol}: {what}")]
pub struct BindError {
    /// Where.
    pub address: Address,
    /// For what.
    pub protocol: Protocol,
    /// Whether another program has it.
    pub taken: bool,
    /// What is wrong and what helps.
    pub what: String,
}

/// Sockets that were open when the program started. systemd.socket(5).
#[derive(Debug, Default)]
pub struct Inherited(Vec<(Address, Socket)>);

impl Inherited {
    /// Those that the environment names.
    ///
    /// # Errors
    /// If one is neither TCP nor a Unix stream socket.
    pub fn from_environment() -> io::Result<Self> {
        let mut fds = listenfd::ListenFd::from_env();
        let mut sockets = Vec::new();
        for at in 0..fds.len() {
            if let Ok(Some(tcp)) = fds.take_tcp_listener(at) {
                sockets.push((tcp_address(tcp.local_addr()?), Socket::Tcp(tcp)));
                continue;
            }
            let unix = fds.take_unix_listener(at).map_err(|error| {
                io::Error::other(format!(
                    "inherited socket {at} is no stream socket: {error}"
                ))
            })?;
            if let Some(unix) = unix {
                let path = unix.local_addr()?.as_pathname().map(PathBuf::from);
                sockets.push((Address::Unix(path.unwrap_or_default()), Socket::Unix(unix)));
            }
        }
        Ok(Self(sockets))
    }

    fn take(&mut self, wanted: &Address) -> Option<(Address, Socket)> {
        let at = self
            .0
            .iter()
            .position(|(address, _)| same(address, wanted))?;
        Some(self.0.swap_remove(at))
    }

    /// The addresses of those that no listener wanted.
    pub fn left(&self) -> impl Iterator<Item = &Address> {
        self.0.iter().map(|(address, _)| address)
    }
}

fn same(open: &Address, wanted: &Address) -> bool {
    let (
        Address::Tcp { host: ours, port },
        Address::Tcp {
            host,
            port: wanted_port,
        },
    ) = (open, wanted)
    else {
        return open == wanted;
    };
    let everywhere =
        |host: &str| host == "*" || host.parse().is_ok_and(|ip: IpAddr| ip.is_unspecified());
    port == wanted_port && (ours == host || everywhere(ours) && everywhere(host))
}

fn tcp_address(address: SocketAddr) -> Address {
    Address::Tcp {
        host: address.ip().to_string(),
        port: address.port(),
    }
}

/// Opens the sockets of one listener: one, or several where a name has several
/// addresses.
///
/// # Errors
/// Says what is wrong and what helps.
pub fn bind(listen: &Listen, inherited: &mut Inherited) -> Result<Vec<Bound>, BindError> {
    let bound = |(address, socket)| Bound {
        protocol: listen.protocol,
        address,
        plaintext_login: listen.plaintext_login(),
        proxies: listen.proxy_protocol.0.clone(),
        xclient: listen.xclient.0.clone(),
        socket,
    };
    if let Some(open) = inherited.take(&listen.address) {
        return Ok(vec![bound(open)]);
    }
    let opened = match &listen.address {
        Address::Tcp { host, port } => tcp(host, *port),
        Address::Unix(path) => unix(path, listen.mode)
            .map(|socket| vec![(listen.address.clone(), Socket::Unix(socket))]),
    };
    match opened {
        Ok(sockets) => Ok(sockets.into_iter().map(bound).collect()),
        Err(error) => Err(BindError {
            address: listen.address.clone(),
            protocol: listen.protocol,
            taken: error.kind() == ErrorKind::AddrInUse,
            what: explain(&error),
        }),
    }
}

/// Opens the TCP sockets of an address for something else than mail.
///
/// # Errors
/// Says what is wrong and what helps.
pub fn open(host: &str, port: u16) -> Result<Vec<(Address, TcpListener)>, String> {
    let opened = tcp(host, port).map_err(|error| explain(&error))?;
    let tcp = opened
        .into_iter()
        .filter_map(|(address, socket)| match socket {
            Socket::Tcp(socket) => Some((address, socket)),
            Socket::Unix(_) => None,
        });
    Ok(tcp.collect())
}

fn explain(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => "another program listens there already".into(),
        ErrorKind::PermissionDenied => format!(
            "{error}; ports below 1024 need root or CAP_NET_BIND_SERVICE, a Unix socket a \
             directory that may be written"
        ),
        _ => error.to_string(),
    }
}

fn tcp(host: &str, port: u16) -> io::Result<Vec<(Address, Socket)>> {
    let open = |address: SocketAddr| -> io::Result<(Address, Socket)> {
        let listener = TcpListener::bind(address)?;
        rustix::net::listen(&listener, BACKLOG)?;
        Ok((tcp_address(listener.local_addr()?), Socket::Tcp(listener)))
    };
    if host == "*" {
        // One socket hears IPv4 and IPv6, where the machine has IPv6 at all.
        return match open((Ipv6Addr::UNSPECIFIED, port).into()) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => Err(error),
            Err(_) => Ok(vec![open((Ipv4Addr::UNSPECIFIED, port).into())?]),
            Ok(socket) => Ok(vec![socket]),
        };
    }
    let addresses: Vec<SocketAddr> = (host, port)
        .to_socket_addrs()
        .map_err(|error| io::Error::other(format!("the name is not known: {error}")))?
        .collect();
    addresses.into_iter().map(open).collect()
}

fn unix(path: &Path, mode: Mode) -> io::Result<UnixListener> {
    let leftover = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if leftover {
        // Nobody answers: an earlier run left it behind.
        match UnixStream::connect(path) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path)?,
            _ => return Err(ErrorKind::AddrInUse.into()),
        }
    }
    // Nobody else may connect before the mode is what it should be.
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path);
    rustix::process::umask(before);
    let listener = listener?;
    rustix::net::listen(&listener, BACKLOG)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode.0))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(address: &str) -> Listen {
        Listen {
            address: address.parse().unwrap(),
            ..Listen::default()
        }
    }

    #[test]
    fn a_free_port_is_found_and_a_taken_one_is_said() {
        let first = bind(&listen("127.0.0.1:0"), &mut Inherited::default()).unwrap();
        let address = first[0].address.to_string();
        assert!(!address.ends_with(":0"), "{address}");
        let error = bind(&listen(&address), &mut Inherited::default()).unwrap_err();
        assert!(error.taken);
        assert_eq!(
            error.to_string(),
            format!("cannot listen on {address} for imap: another program listens there already")
        );
    }

    #[test]
    fn unix_sockets_have_their_mode_and_leftovers_go() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let mut listen = listen(&format!("unix:{}", path.display()));
        listen.mode = Mode(0o666);
        let open = bind(&listen, &mut Inherited::default()).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o666);
        assert!(bind(&listen, &mut Inherited::default()).unwrap_err().taken);
        drop(open);
        assert!(bind(&listen, &mut Inherited::default()).is_ok());
    }

    #[test]
    fn an_inherited_socket_is_found_by_its_address() {
        let address = |text: &str| text.parse::<Address>().unwrap();
        for (open, wanted, found) in [
            ("127.0.0.1:143", "127.0.0.1:143", true),
            ("[::]:993", "*:993", true),
            ("0.0.0.0:993", "*:993", true),
            ("0.0.0.0:993", "*:995", false),
            ("127.0.0.1:993", "*:993", false),
            ("unix:/run/lmtp", "unix:/run/lmtp", true),
            ("unix:/run/lmtp", "unix:/run/other", false),
        ] {
            assert_eq!(
                same(&address(open), &address(wanted)),
                found,
                "{open} {wanted}"
            );
        }
    }
}
