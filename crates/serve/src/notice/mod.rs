//! Mail from the server itself to an account's owner: that a device will be
//! forgotten, that little room is left.
//!
//! It is put into INBOX as a delivery would be, but is not held against the quota:
//! what tells of a full account must fit into it.

mod quota;
mod template;
mod text;

pub(crate) use quota::run as watch_quota;
pub use quota::{QUOTA_TOLD_SETTING, QuotaWatch};
pub use template::{Templates, TextFault};

use crate::accounts::{Account, ExecuteError};
use crate::auth::{Directory, LANGUAGE_SETTING};
use account::{Command, DeviceId, MailboxRef, NewMessage, Source};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use jiff::tz::TimeZone;
use std::fmt::Write as _;
use store::PutError;
use terms::{BlobId, MailboxName, Timestamp};

/// What an owner is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A device has been silent and will be forgotten.
    DeviceSilent {
        /// Which.
        device: DeviceId,
    },
    /// A text that somebody else has made.
    Text {
        /// The subject.
        subject: String,
        /// The text; lines end in LF.
        text: String,
    },
}

/// Why an owner was not told.
#[derive(Debug, thiserror::Error)]
pub enum NoticeError {
    /// The store has not taken the message.
    #[error("{0}")]
    Store(String),
    /// The account has not.
    #[error("{0}")]
    Account(#[from] ExecuteError<account::Refusal>),
    /// What it is about is not there any more.
    #[error("there is nothing to tell any more")]
    Gone,
}

/// Puts a notice into the account's INBOX. Durable when this returns.
///
/// # Errors
/// See [`NoticeError`].
pub async fn deliver(
    directory: &Directory,
    account: &Account,
    notice: &Notice,
) -> Result<(), NoticeError> {
    let env = &directory.accounts().node().env;
    let known = directory.snapshot();
    let name = known.name_of(account.id()).ok_or(NoticeError::Gone)?;
    let language = language(directory, account);
    let (subject, text) = match notice {
        Notice::DeviceSilent { device } => {
            let state = account.snapshot();
            let device = state.device(*device).ok_or(NoticeError::Gone)?;
            text::device_silent(&language, name, &state, device, env.now())
        }
        Notice::Text { subject, text } => (subject.clone(), text.clone()),
    };
    let octets = message(name, &subject, &text, env.now(), env.random_u128());
    let blob = BlobId(env.random_u128());
    let size = u32::try_from(octets.len()).map_err(|_| NoticeError::Gone)?;
    let failed = |error: PutError| NoticeError::Store(error.to_string());
    let mut sink = directory.store().blob_sink(blob, Some(octets.len() as u64));
    sink.write(&octets).await.map_err(failed)?;
    sink.finish(Bytes::from(mime::derive(&octets)))
        .await
        .map_err(failed)?;
    account
        .execute(Command::Append {
            mailbox: MailboxRef::Name(MailboxName::inbox()),
            create: true,
            messages: vec![NewMessage::new(blob, size)],
            source: Source::Import,
        })
        .await?;
    Ok(())
}

/// The language that the account's owner reads: the account's setting, else its
/// domain's, else English.
pub fn language(directory: &Directory, account: &Account) -> String {
    let state = directory.snapshot();
    let own = state
        .record(account.id())
        .and_then(|record| record.settings.get(LANGUAGE_SETTING));
    let name = state.name_of(account.id());
    let domain = name.and_then(|name| state.domain(name.rsplit_once('@')?.1));
    let domain = domain.and_then(|domain| domain.settings.get(LANGUAGE_SETTING));
    own.or(domain).map_or("en", String::as_str).to_owned()
}

/// The octets of a message from the server to `name`. RFC 5322.
fn message(name: &str, subject: &str, text: &str, now: Timestamp, unique: u128) -> Vec<u8> {
    let domain = name
        .rsplit_once('@')
        .map_or("localhost", |(_, domain)| domain);
    let to = if name.contains('@') && name.is_ascii() {
        format!("<{name}>")
    } else {
        "undisclosed-recipients:;".to_owned()
    };
    let domain = if domain.is_ascii() {
        domain
    } else {
        "localhost"
    };
    let mut out = String::new();
    // RFC 3834 §5: nobody answers this by machine.
    let _ = write!(
        out,
        "From: Restante <postmaster@{domain}>\r\n\
         To: {to}\r\n\
         Subject: {}\r\n\
         Date: {}\r\n\
         Message-ID: <{unique:032x}@{domain}>\r\n\
         Auto-Submitted: auto-generated\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n",
        encoded(subject),
        date(now),
    );
    let body = text.replace('\n', "\r\n");
    let base64 = BASE64_STANDARD.encode(body);
    let mut rest = base64.as_str();
    // RFC 2045 §6.8: lines of 76 characters at the most.
    while !rest.is_empty() {
        let (line, more) = rest.split_at_checked(76).unwrap_or((rest, ""));
        out.push_str(line);
        out.push_str("\r\n");
        rest = more;
    }
    out.into_bytes()
}

/// A header field's text, in encoded words where it needs them. RFC 2047 §2: an
/// encoded word has 75 characters at the most, and no character is cut in two.
fn encoded(text: &str) -> String {
    if text.bytes().all(|octet| (0x20..=0x7e).contains(&octet)) {
        return text.to_owned();
    }
    const OCTETS_MAX: usize = 39;
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    for character in text.chars().filter(|character| !character.is_control()) {
        if word.len() + character.len_utf8() > OCTETS_MAX {
            words.push(std::mem::take(&mut word));
        }
        word.push(character);
    }
    words.push(word);
    let words = words
        .iter()
        .map(|word| format!("=?utf-8?B?{}?=", BASE64_STANDARD.encode(word)));
    words.collect::<Vec<_>>().join("\r\n ")
}

/// A date in UTC. RFC 5322 §3.3.
fn date(now: Timestamp) -> String {
    let moment = jiff::Timestamp::from_millisecond(now.0).unwrap_or_default();
    let moment = moment.to_zoned(TimeZone::UTC);
    moment.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_that_every_program_reads() {
        let text = "Grüße\n\nund mehr\n";
        let octets = message(
            "anna@example.org",
            "Das Gerät »Telefon« wird in einer Woche nicht mehr berücksichtigt, Anna",
            text,
            Timestamp::from_seconds(1_700_000_000),
            7,
        );
        let written = String::from_utf8(octets).unwrap();
        assert!(written.is_ascii());
        assert!(written.lines().all(|line| line.len() <= 78), "{written}");
        assert!(written.contains("\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n"));
        assert!(written.contains("\r\nTo: <anna@example.org>\r\n"));
        let (_, body) = written.split_once("\r\n\r\n").unwrap();
        let body: String = body.split_whitespace().collect();
        let body = BASE64_STANDARD.decode(body).unwrap();
        assert_eq!(String::from_utf8(body).unwrap(), text.replace('\n', "\r\n"));
        assert_eq!(encoded("plain"), "plain");
    }
}
