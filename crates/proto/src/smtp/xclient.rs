//! XCLIENT: a proxy says for whom it speaks. There is no RFC; Postfix's
//! XCLIENT_README says what is sent.

use super::reply::{EnhancedCode, Reply};
use std::net::IpAddr;

/// What an XCLIENT command says. What it does not say stays as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Xclient {
    /// `ADDR`: the client's address.
    pub address: Option<IpAddr>,
    /// `PORT`: the client's port.
    pub port: Option<u16>,
    /// `NAME`: the client's host name, as the proxy has looked it up.
    pub name: Option<String>,
    /// `LOGIN`: as whom the client has logged in at the proxy.
    pub login: Option<String>,
}

/// What stands in LHLO's answer where the command is allowed.
pub const XCLIENT_KEYWORD: &str = "XCLIENT ADDR PORT NAME LOGIN";

/// Longest value, in octets.
const VALUE_OCTETS_MAX: usize = 255;

/// The attributes after `XCLIENT`. Keywords come in any case, values as xtext.
pub(super) fn xclient(argument: &str) -> Result<Xclient, Reply> {
    let wrong = |what: &str| {
        let text = format!("syntax: XCLIENT <attribute>=<value> ...: {what}");
        Reply::new(501, EnhancedCode(5, 5, 4), text)
    };
    let mut said = Xclient::default();
    let mut words = argument.split_ascii_whitespace().peekable();
    if words.peek().is_none() {
        return Err(wrong("there is none"));
    }
    for word in words {
        let (keyword, value) = word
            .split_once('=')
            .ok_or_else(|| wrong("an attribute has a value"))?;
        let value = xtext(value).ok_or_else(|| wrong("a value is xtext"))?;
        // Both say that there is nothing to say.
        let unknown = ["[UNAVAILABLE]", "[TEMPUNAVAIL]"]
            .iter()
            .any(|none| value.eq_ignore_ascii_case(none));
        let value = (!unknown).then_some(value);
        match keyword.to_ascii_uppercase().as_str() {
            "ADDR" => {
                let address = value.map(|value| address(&value).ok_or_else(|| wrong("no address")));
                said.address = address.transpose()?;
            }
            "PORT" => {
                let port = value.map(|value| value.parse().map_err(|_| wrong("no port")));
                said.port = port.transpose()?;
            }
            "NAME" => said.name = value,
            "LOGIN" => said.login = value,
            // Not announced, but harmless.
            "HELO" | "PROTO" | "DESTADDR" | "DESTPORT" => {}
            _ => return Err(wrong("ADDR, PORT, NAME and LOGIN are known")),
        }
    }
    Ok(said)
}

/// `IPv6:` stands before an IPv6 address, as in RFC 5321 §4.1.3.
fn address(text: &str) -> Option<IpAddr> {
    match text.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPV6:") => {
            let address = text.get(5..)?.parse().ok()?;
            Some(IpAddr::V6(address))
        }
        _ => text.parse().ok(),
    }
}

/// `xtext`, RFC 3461 §4, decoded; printable and not too long.
fn xtext(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'+' {
            octets.push(octet);
            continue;
        }
        let digit = |octet: Option<u8>| {
            let digit = char::from(octet?).to_digit(16)?;
            u8::try_from(digit).ok()
        };
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        octets.push(high << 4 | low);
    }
    let text = String::from_utf8(octets).ok()?;
    let fits = !text.is_empty() && text.len() <= VALUE_OCTETS_MAX;
    (fits && !text.contains(char::is_control)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_proxy_says() {
        let said = xclient("NAME=spike.porcupine.org ADDR=168.100.189.2 port=25").unwrap();
        assert_eq!(said.name.as_deref(), Some("spike.porcupine.org"));
        assert_eq!(said.address, "168.100.189.2".parse().ok());
        assert_eq!(said.port, Some(25));
        let said = xclient("ADDR=IPV6:2001:db8::1 LOGIN=anna+40example.org HELO=x").unwrap();
        assert_eq!(said.address, "2001:db8::1".parse().ok());
        assert_eq!(said.login.as_deref(), Some("anna@example.org"));
        let said = xclient("NAME=[UNAVAILABLE] ADDR=[TEMPUNAVAIL]").unwrap();
        assert_eq!(said, Xclient::default());
        for wrong in [
            "",
            "ADDR",
            "ADDR=",
            "ADDR=1.2.3",
            "ADDR=IPV6:1.2.3.4",
            "PORT=70000",
            "NAME=a+4",
            "NAME=a+0D+0Ab",
            "WHO=me",
        ] {
            let refused = xclient(wrong).unwrap_err();
            assert_eq!(refused.code, 501, "{wrong}");
            assert!(refused.text.is_ascii(), "{refused:?}");
        }
    }
}
