//! The PROXY protocol, versions 1 and 2: a load balancer says first of all for
//! whom it has connected. <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>
//!
//! Exactly the header is read, and not one octet more: what follows may be TLS.

use proxy_header::{ParseConfig, ProxyHeader};
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What begins version 2, §2.2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1, CRLF included, §2.1.
const LINE_OCTETS_MAX: usize = 107;
/// What follows the fixed part of version 2 at the most: addresses, and what the
/// balancer knows of TLS.
const REST_OCTETS_MAX: u16 = 4_096;

/// Why there is no header.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The connection broke.
    #[error("it sent no PROXY header: {0}")]
    Broken(#[from] std::io::Error),
    /// Something else came.
    #[error("what it sent is no PROXY header")]
    Other,
    /// One that is too long.
    #[error("its PROXY header is too long")]
    TooLong,
}

/// Reads the header. `None`: the balancer speaks for itself, to see whether all
/// is well, or does not know the client.
///
/// # Errors
/// If there is none.
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>, ProxyError> {
    let mut header = vec![0; SIGNATURE.len()];
    stream.read_exact(&mut header).await?;
    if header == SIGNATURE {
        let mut fixed = [0; 4];
        stream.read_exact(&mut fixed).await?;
        let [_, _, high, low] = fixed;
        let rest = u16::from_be_bytes([high, low]);
        if rest > REST_OCTETS_MAX {
            return Err(ProxyError::TooLong);
        }
        header.extend_from_slice(&fixed);
        let before = header.len();
        header.resize(before + usize::from(rest), 0);
        let rest = header.get_mut(before..).unwrap_or_default();
        stream.read_exact(rest).await?;
    } else if header.starts_with(b"PROXY ") {
        // Nobody knows where the line ends before it does; it is short.
        while !header.ends_with(b"\r\n") {
            if header.len() >= LINE_OCTETS_MAX {
                return Err(ProxyError::TooLong);
            }
            header.push(stream.read_u8().await?);
        }
    } else {
        return Err(ProxyError::Other);
    }
    let (parsed, length) =
        ProxyHeader::parse(&header, ParseConfig::default()).map_err(|_| ProxyError::Other)?;
    if length != header.len() {
        return Err(ProxyError::Other);
    }
    Ok(parsed.proxied_address().map(|address| address.source))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read, and what is left.
    async fn taken(octets: &[u8]) -> (Result<Option<String>, String>, usize) {
        let mut rest = octets;
        let read = read(&mut rest).await;
        let read = read.map(|address| address.map(|address| address.to_string()));
        (read.map_err(|error| error.to_string()), rest.len())
    }

    fn second(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut header = SIGNATURE.to_vec();
        header.extend([0x20 | command, family]);
        header.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
        header.extend(rest);
        header
    }

    #[tokio::test]
    async fn version_1() {
        for (line, client) in [
            (
                "PROXY TCP4 192.0.2.1 192.0.2.9 5000 143\r\n",
                Some("192.0.2.1:5000"),
            ),
            (
                "PROXY TCP6 2001:db8::1 2001:db8::9 5000 143\r\n",
                Some("[2001:db8::1]:5000"),
            ),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN ff::1 ff::2 1 2\r\n", None),
        ] {
            let line = format!("{line}\x16\x03");
            let expected = Ok(client.map(str::to_owned));
            assert_eq!(taken(line.as_bytes()).await, (expected, 2), "{line}");
        }
        let long = format!("PROXY TCP4 {}\r\n", "1".repeat(200));
        for (line, why) in [
            ("PROXY TCP4 192.0.2.1 192.0.2.9 5000\r\n", "no PROXY header"),
            ("PROXY TCP4 ::1 ::1 1 2\r\n", "no PROXY header"),
            ("PROXY TCP5 192.0.2.1 192.0.2.9 1 2\r\n", "no PROXY header"),
            ("1 CAPABILITY\r\n", "no PROXY header"),
            (&long, "too long"),
            ("PROXY TCP4 192.0.2.1", "no PROXY header: "),
            ("", "no PROXY header: "),
        ] {
            let said = taken(line.as_bytes()).await.0.unwrap_err();
            assert!(said.contains(why), "{line}: {said}");
        }
    }

    #[tokio::test]
    async fn version_2() {
        let v4 = [192, 0, 2, 1, 192, 0, 2, 9, 0x13, 0x88, 0, 143];
        let mut with_more = v4.to_vec();
        with_more.extend([4, 0, 2, 0, 0]);
        let mut v6 = [0; 36];
        v6[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
        v6[15] = 1;
        v6[32..].copy_from_slice(&[0x13, 0x88, 0, 143]);
        for (header, client) in [
            (second(1, 0x11, &v4), Some("192.0.2.1:5000")),
            (second(1, 0x11, &with_more), Some("192.0.2.1:5000")),
            (second(1, 0x21, &v6), Some("[2001:db8::1]:5000")),
            (second(0, 0, &[]), None),
        ] {
            let mut octets = header.clone();
            octets.extend(b"\x16\x03");
            let expected = Ok(client.map(str::to_owned));
            assert_eq!(taken(&octets).await, (expected, 2), "{header:?}");
            for cut in 0..header.len() {
                assert!(taken(&header[..cut]).await.0.is_err(), "{cut}");
            }
        }
        let said = taken(&second(1, 0x11, &[0; 5_000])).await.0.unwrap_err();
        assert!(said.contains("too long"), "{said}");
        assert!(taken(&second(1, 0x11, &[0; 3])).await.0.is_err());
    }
}
