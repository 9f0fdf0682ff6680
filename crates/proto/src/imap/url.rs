//! URLs of messages and their parts. RFC 5092.

use super::command::{IllegalName, Mailbox};
use super::parse::{Cursor, whole_section};
use terms::{MailboxName, Partial, Section, Uid, UidValidity};

/// A message on this or another server, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageUrl {
    /// The server, where the URL names one.
    pub server: Option<UrlServer>,
    /// The mailbox; `None`: the one that is selected. RFC 4469 §3.
    pub mailbox: Option<Mailbox>,
    /// The mailbox's UIDVALIDITY is to be this.
    pub uid_validity: Option<UidValidity>,
    /// The message.
    pub uid: Uid,
    /// What of it.
    pub section: Section,
    /// Which octets of that. RFC 5550 §3.2, URL-PARTIAL.
    pub partial: Option<Partial>,
}

/// RFC 5092 §11, iserver
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlServer {
    /// Whose mailboxes are meant, if that is said.
    pub user: Option<String>,
    /// The host's name, without its port.
    pub host: String,
}

impl MessageUrl {
    /// Reads `/Drafts;UIDVALIDITY=385759045/;UID=20/;SECTION=1.2` and its like;
    /// `None` if it is no URL of a message. RFC 5092 §11, absolute-path and
    /// iurlauth-less imapurl.
    pub fn parse(url: &str) -> Option<Self> {
        let (server, path) = match strip_prefix_ignoring_case(url, "imap://") {
            Some(rest) => {
                let (server, path) = rest.split_at_checked(rest.find('/')?)?;
                (Some(UrlServer::parse(server)?), path)
            }
            None => (None, url),
        };
        let (name, parameters) = path.split_at_checked(path.find(';')?)?;
        let mut this = Self {
            server,
            mailbox: None,
            uid_validity: None,
            uid: Uid::MIN,
            section: Section::default(),
            partial: None,
        };
        let name = name.strip_suffix('/').unwrap_or(name);
        if !name.is_empty() {
            let name = decoded(name.strip_prefix('/')?)?;
            let name = MailboxName::new(&name).map_err(IllegalName::Name);
            this.mailbox = Some(name);
        } else if this.server.is_some() {
            return None;
        }
        this.parameters(parameters)?;
        Some(this)
    }

    /// `[uidvalidity] iuid [isection] [ipartial]`, in this order.
    fn parameters(&mut self, text: &str) -> Option<()> {
        let mut before = 0;
        for parameter in text.strip_prefix(';')?.split(';') {
            let parameter = parameter.strip_suffix('/').unwrap_or(parameter);
            let (name, value) = parameter.split_once('=')?;
            let place = match name.to_ascii_uppercase().as_str() {
                "UIDVALIDITY" => {
                    self.uid_validity = Some(UidValidity::new(number(value)?)?);
                    1
                }
                "UID" => {
                    self.uid = Uid::new(number(value)?)?;
                    2
                }
                "SECTION" => {
                    self.section = whole_section(&mut Cursor::new(decoded(value)?.as_bytes()))?;
                    3
                }
                "PARTIAL" => {
                    self.partial = Some(partial(value)?);
                    4
                }
                _ => return None,
            };
            // The message must be named, and each stands once.
            if place <= before || place > 2 && before < 2 {
                return None;
            }
            before = place;
        }
        (before >= 2).then_some(())
    }
}

impl UrlServer {
    /// `[iuserinfo "@"] host [":" port]`
    fn parse(text: &str) -> Option<Self> {
        let (user, host) = match text.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, text),
        };
        // `;AUTH=` may follow the name, or stand alone.
        let user = user.and_then(|user| user.split(';').next());
        let host = match host.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => host,
            _ => host,
        };
        Some(Self {
            user: match user.filter(|user| !user.is_empty()) {
                Some(user) => Some(decoded(user)?),
                None => None,
            },
            host: decoded(host)?,
        })
    }
}

/// RFC 5092 §11, partial-range: `number ["." nz-number]`
fn partial(value: &str) -> Option<Partial> {
    let (offset, count) = match value.split_once('.') {
        Some((offset, count)) => (offset, Some(count)),
        None => (value, None),
    };
    let count = match count {
        Some(count) => Some(number64(count)?).filter(|&count| count > 0)?,
        None => u64::MAX,
    };
    Some(Partial {
        offset: number64(offset)?,
        count,
    })
}

fn number64(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

fn number(text: &str) -> Option<u32> {
    number64(text).and_then(|number| u32::try_from(number).ok())
}

/// Percent-encoding undone; the octets must be UTF-8. RFC 3986 §2.1.
fn decoded(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'%' {
            octets.push(octet);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let value = digit()? * 16 + digit()?;
        octets.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(octets).ok()
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use terms::SectionText;

    fn name(text: &str) -> Option<Mailbox> {
        Some(Ok(MailboxName::new(text).unwrap()))
    }

    #[test]
    fn messages_and_parts() {
        let url = |text| MessageUrl::parse(text).expect(text);
        let one = url("/Drafts;UIDVALIDITY=385759045/;UID=20/;section=1.2.MIME");
        assert_eq!(one.mailbox, name("Drafts"));
        assert_eq!(one.uid_validity, UidValidity::new(385_759_045));
        assert_eq!(one.uid.value(), 20);
        let section = Section {
            path: vec![1, 2],
            text: Some(SectionText::Mime),
        };
        assert_eq!(one.section, section);
        let one = url("imap://joe%40x;AUTH=*@Example.org:143/a/b%C3%A4%3B;uid=7/;PARTIAL=3.4");
        let server = UrlServer {
            user: Some("joe@x".to_owned()),
            host: "Example.org".to_owned(),
        };
        assert_eq!((one.server, one.mailbox), (Some(server), name("a/bä;")));
        let partial = Partial {
            offset: 3,
            count: 4,
        };
        assert_eq!(
            (one.partial, one.section),
            (Some(partial), Section::default())
        );
        let one = url(";UID=9/;SECTION=HEADER.FIELDS%20(To)/;PARTIAL=5");
        assert_eq!((one.mailbox, one.uid.value()), (None, 9));
        assert_eq!(one.partial.map(|partial| partial.count), Some(u64::MAX));
        let fields = SectionText::HeaderFields(vec!["To".to_owned()]);
        assert_eq!(one.section.text, Some(fields));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for text in [
            "",
            "/Drafts",
            "/Drafts;UIDVALIDITY=1",
            "Drafts/;UID=1",
            "/Drafts/;UID=0",
            "/Drafts/;UID=+1",
            "/Drafts/;UID=1/;UID=2",
            "/Drafts/;UID=1/;SECTION=",
            "/Drafts/;UID=1/;SECTION=1]x",
            "/Drafts/;UID=1/;SECTION=MIME",
            "/Drafts/;UID=1/;PARTIAL=1.0",
            "/Drafts/;UID=1;URLAUTH=anonymous",
            "/Drafts/;SECTION=1/;UID=1",
            "/%zz/;UID=1",
            "/%ff/;UID=1",
            "imap://host/;UID=1",
            "imap://host",
            "http://host/a/;UID=1",
        ] {
            assert_eq!(MessageUrl::parse(text), None, "{text}");
        }
    }
}
