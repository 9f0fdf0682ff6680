//! Who is at the other end, and as what they are counted.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Who is at the other end. Behind a load balancer that names its clients this is
/// the client: what is logged, counted and slowed down is meant for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// By TCP.
    Tcp(SocketAddr),
    /// By a Unix socket.
    Unix,
    /// In this process: a test.
    Memory,
}

impl Peer {
    /// Whether it is on this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix | Self::Memory => true,
        }
    }

    /// As what it is counted and slowed down: `None` for this machine, where an
    /// address says nothing about who it is.
    pub fn network(&self) -> Option<Network> {
        match self {
            Self::Tcp(address) if !self.is_local() => Some(Network::of(address.ip())),
            _ => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
            Self::Memory => f.write_str("memory"),
        }
    }
}

/// What one customer of a network has: an IPv4 address, or the /64 of an IPv6
/// address, as anybody with one address there has them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network(IpAddr);

impl Network {
    /// That of an address; an IPv4 address in IPv6 form counts as itself.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
            address => Self(address),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(address) => write!(f, "{address}/64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_counted_by_address_or_by_64() {
        for (address, network) in [
            ("192.0.2.7:1", Some("192.0.2.7")),
            ("[::ffff:192.0.2.7]:1", Some("192.0.2.7")),
            ("[2001:db8:1:2:3:4:5:6]:1", Some("2001:db8:1:2::/64")),
            ("[2001:db8:1:2::1]:9", Some("2001:db8:1:2::/64")),
            ("127.0.0.1:1", None),
            ("[::1]:1", None),
            ("[::ffff:127.0.0.1]:1", None),
        ] {
            let peer = Peer::Tcp(address.parse().unwrap());
            let counted = peer.network().map(|network| network.to_string());
            assert_eq!(counted.as_deref(), network, "{address}");
        }
        assert_eq!(Peer::Unix.network(), None);
    }
}
