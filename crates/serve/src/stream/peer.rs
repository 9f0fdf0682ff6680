//! Who is at the other end, and as what they are counted.

use ipnet::IpNet;
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

/// Those who are believed when they say for whom they speak.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trusted {
    networks: Vec<IpNet>,
    unix: bool,
}

impl Trusted {
    /// Adds `unix` (whoever can open a Unix socket), an address or a network.
    ///
    /// # Errors
    /// Says what would be right.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        if text == "unix" {
            self.unix = true;
            return Ok(());
        }
        let network = text.parse().or_else(|_| text.parse().map(IpAddr::into));
        let network: IpNet = network.map_err(|_| {
            format!(
                "`{text}` is no address or network: write \"192.0.2.1\", \"10.0.0.0/8\", \
                 \"2001:db8::/32\" or \"unix\""
            )
        })?;
        self.networks.push(network.trunc());
        Ok(())
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }

    /// Whether this peer is one of them.
    pub fn contains(&self, peer: &Peer) -> bool {
        match peer {
            Peer::Tcp(address) => {
                let address = address.ip().to_canonical();
                self.networks
                    .iter()
                    .any(|network| network.contains(&address))
            }
            Peer::Unix | Peer::Memory => self.unix,
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

    #[test]
    fn networks_are_trusted_as_they_are_written() {
        let mut trusted = Trusted::default();
        for text in ["127.0.0.1", "10.1.2.3/8", "2001:db8::/32"] {
            trusted.add(text).unwrap();
        }
        for (address, is) in [
            ("127.0.0.1:1", true),
            ("127.0.0.2:1", false),
            ("10.9.9.9:1", true),
            ("[::ffff:10.9.9.9]:1", true),
            ("[2001:db8:7::1]:1", true),
            ("[2001:db9::1]:1", false),
        ] {
            let peer = Peer::Tcp(address.parse().unwrap());
            assert_eq!(trusted.contains(&peer), is, "{address}");
        }
        assert!(!trusted.contains(&Peer::Unix));
        trusted.add("unix").unwrap();
        assert!(trusted.contains(&Peer::Unix));
        for wrong in ["", "here", "10.0.0.0/33", "1.2.3"] {
            assert!(
                trusted.add(wrong).unwrap_err().contains("10.0.0.0/8"),
                "{wrong}"
            );
        }
    }
}
