//! Response codes.

use super::{flag_list, put};
use std::borrow::Cow;
use std::io::Write as _;
use terms::{FlagSet, ModSeq, Uid, UidSet, UidValidity};

/// A response code. RFC 3501 §7.1 and RFC 5530 §3 where nothing else is cited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// ALERT
    Alert,
    /// ALREADYEXISTS
    AlreadyExists,
    /// APPENDUID, of several with MULTIAPPEND (RFC 4315 §3)
    AppendUid(UidValidity, UidSet),
    /// AUTHENTICATIONFAILED
    AuthenticationFailed,
    /// AUTHORIZATIONFAILED
    AuthorizationFailed,
    /// BADCHARSET, with the charsets that we know
    BadCharset,
    /// BADURL: this one stands for nothing (RFC 4469 §4.1)
    BadUrl(String),
    /// CANNOT
    Cannot,
    /// CAPABILITY
    Capability(Vec<Cow<'static, str>>),
    /// CLIENTBUG
    ClientBug,
    /// CLOSED (RFC 9051 §7.1)
    Closed,
    /// COMPRESSIONACTIVE (RFC 4978 §3)
    CompressionActive,
    /// CONTACTADMIN
    ContactAdmin,
    /// COPYUID: the source's identifiers and the copies', in the same order.
    /// RFC 4315 §3.
    CopyUid(UidValidity, UidSet, UidSet),
    /// CORRUPTION
    Corruption,
    /// EXPIRED
    Expired,
    /// EXPUNGEISSUED
    ExpungeIssued,
    /// HASCHILDREN (RFC 9051 §7.1)
    HasChildren,
    /// HIGHESTMODSEQ (RFC 7162 §3.1.2.1)
    HighestModSeq(ModSeq),
    /// INPROGRESS: of which command (not of one whose tag has a `]`), and how much of how much is done, where that is
    /// known. RFC 9585 §4.
    InProgress(Option<String>, Option<(u64, u64)>),
    /// INUSE
    InUse,
    /// LIMIT
    Limit,
    /// MAILBOXID (RFC 8474 §4.1)
    MailboxId(String),
    /// NOTSAVED: `$` is empty now. RFC 5182 §2.1.
    NotSaved,
    /// MESSAGELIMIT: how many messages a command works on, and the lowest that it did,
    /// where that is known. RFC 9738 §3.1.
    MessageLimit(u32, Option<Uid>),
    /// METADATA LONGENTRIES: so many octets has the longest value that was left out.
    /// RFC 5464 §4.2.1.
    MetadataLongEntries(u64),
    /// METADATA MAXSIZE: a value may have so many octets. RFC 5464 §4.3.
    MetadataMaxSize(usize),
    /// METADATA NOPRIVATE (RFC 5464 §4.3)
    MetadataNoPrivate,
    /// METADATA TOOMANY (RFC 5464 §4.3)
    MetadataTooMany,
    /// MODIFIED: message numbers, or unique identifiers after UID STORE. RFC 7162
    /// §3.1.3.
    Modified(UidSet),
    /// NONEXISTENT
    NonExistent,
    /// NOPERM
    NoPerm,
    /// OVERQUOTA
    OverQuota,
    /// PERMANENTFLAGS; true where new keywords can be made, `\*`
    PermanentFlags(FlagSet, bool),
    /// PRIVACYREQUIRED
    PrivacyRequired,
    /// READ-ONLY
    ReadOnly,
    /// READ-WRITE
    ReadWrite,
    /// SERVERBUG
    ServerBug,
    /// TOOBIG (RFC 4469 §4.2)
    TooBig,
    /// TOOFEW (RFC 10022 §3.1.3.2)
    TooFew,
    /// TOOMANY (RFC 10022 §3.1.5)
    TooMany,
    /// TRYCREATE
    TryCreate,
    /// USEATTR (RFC 6154 §3)
    UseAttr,
    /// UIDNEXT
    UidNext(Uid),
    /// UIDREQUIRED (RFC 9586 §3)
    UidRequired,
    /// UIDVALIDITY
    UidValidity(UidValidity),
    /// UNAVAILABLE
    Unavailable,
    /// UNKNOWN-CTE (RFC 3516 §4.3)
    UnknownCte,
    /// UNSEEN: the first message without \Seen
    Unseen(u32),
}

impl Code {
    /// Writes it, without the brackets. RFC 3501 §9, resp-text-code.
    pub fn write(&self, out: &mut Vec<u8>) {
        // Writing to memory does not fail.
        let _ = match self {
            Self::AppendUid(validity, uid) => write!(out, "APPENDUID {validity} {uid}"),
            Self::BadUrl(url) => {
                put(out, "BADURL ");
                url_resp_text(out, url);
                Ok(())
            }
            Self::Capability(names) => {
                put(out, "CAPABILITY");
                for name in names {
                    out.push(b' ');
                    put(out, name);
                }
                Ok(())
            }
            Self::CopyUid(validity, from, to) => write!(out, "COPYUID {validity} {from} {to}"),
            Self::HighestModSeq(modseq) => write!(out, "HIGHESTMODSEQ {modseq}"),
            // A tag has nothing that a quoted string could not have (RFC 3501 §9).
            Self::InProgress(tag, known) => {
                let _ = match tag {
                    Some(tag) => write!(out, "INPROGRESS (\"{tag}\" "),
                    None => write!(out, "INPROGRESS (NIL "),
                };
                match known {
                    Some((done, goal)) => write!(out, "{done} {goal})"),
                    None => write!(out, "NIL NIL)"),
                }
            }
            Self::MailboxId(id) => write!(out, "MAILBOXID ({id})"),
            Self::MessageLimit(limit, Some(lowest)) => {
                write!(out, "MESSAGELIMIT {limit} {lowest}")
            }
            Self::MessageLimit(limit, None) => write!(out, "MESSAGELIMIT {limit}"),
            Self::MetadataLongEntries(octets) => write!(out, "METADATA LONGENTRIES {octets}"),
            Self::MetadataMaxSize(octets) => write!(out, "METADATA MAXSIZE {octets}"),
            Self::Modified(set) => write!(out, "MODIFIED {set}"),
            Self::PermanentFlags(flags, more) => {
                put(out, "PERMANENTFLAGS ");
                flag_list(out, flags, if *more { &["\\*"] } else { &[] });
                Ok(())
            }
            Self::UidNext(uid) => write!(out, "UIDNEXT {uid}"),
            Self::UidValidity(validity) => write!(out, "UIDVALIDITY {validity}"),
            Self::Unseen(number) => write!(out, "UNSEEN {number}"),
            plain => {
                put(out, plain.name());
                Ok(())
            }
        };
    }

    /// The code's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Alert => "ALERT",
            Self::AlreadyExists => "ALREADYEXISTS",
            Self::AppendUid(..) => "APPENDUID",
            Self::AuthenticationFailed => "AUTHENTICATIONFAILED",
            Self::AuthorizationFailed => "AUTHORIZATIONFAILED",
            Self::BadCharset => "BADCHARSET (US-ASCII UTF-8)",
            Self::BadUrl(_) => "BADURL",
            Self::Cannot => "CANNOT",
            Self::Capability(_) => "CAPABILITY",
            Self::ClientBug => "CLIENTBUG",
            Self::Closed => "CLOSED",
            Self::CompressionActive => "COMPRESSIONACTIVE",
            Self::ContactAdmin => "CONTACTADMIN",
            Self::CopyUid(..) => "COPYUID",
            Self::Corruption => "CORRUPTION",
            Self::Expired => "EXPIRED",
            Self::ExpungeIssued => "EXPUNGEISSUED",
            Self::HasChildren => "HASCHILDREN",
            Self::HighestModSeq(_) => "HIGHESTMODSEQ",
            Self::InProgress(..) => "INPROGRESS",
            Self::InUse => "INUSE",
            Self::Limit => "LIMIT",
            Self::MailboxId(_) => "MAILBOXID",
            Self::MessageLimit(..) => "MESSAGELIMIT",
            Self::MetadataLongEntries(_) => "METADATA LONGENTRIES",
            Self::MetadataMaxSize(_) => "METADATA MAXSIZE",
            Self::MetadataNoPrivate => "METADATA NOPRIVATE",
            Self::MetadataTooMany => "METADATA TOOMANY",
            Self::Modified(_) => "MODIFIED",
            Self::NotSaved => "NOTSAVED",
            Self::NonExistent => "NONEXISTENT",
            Self::NoPerm => "NOPERM",
            Self::OverQuota => "OVERQUOTA",
            Self::PermanentFlags(..) => "PERMANENTFLAGS",
            Self::PrivacyRequired => "PRIVACYREQUIRED",
            Self::ReadOnly => "READ-ONLY",
            Self::ReadWrite => "READ-WRITE",
            Self::ServerBug => "SERVERBUG",
            Self::TooBig => "TOOBIG",
            Self::TooFew => "TOOFEW",
            Self::TooMany => "TOOMANY",
            Self::TryCreate => "TRYCREATE",
            Self::UseAttr => "USEATTR",
            Self::UidNext(_) => "UIDNEXT",
            Self::UidRequired => "UIDREQUIRED",
            Self::UidValidity(_) => "UIDVALIDITY",
            Self::Unavailable => "UNAVAILABLE",
            Self::UnknownCte => "UNKNOWN-CTE",
            Self::Unseen(_) => "UNSEEN",
        }
    }
}

/// RFC 4469 §5, url-resp-text: TEXT-CHARs but for brackets. Quoted as in the
/// standard's examples.
fn url_resp_text(out: &mut Vec<u8>, url: &str) {
    let octets = url.bytes().take(URL_OCTETS_MAX);
    out.push(b'"');
    out.extend(octets.filter(|octet| matches!(octet, b' '..=b'~') && !b"[]\"\\".contains(octet)));
    out.push(b'"');
}

/// Of a longer URL the beginning is told.
const URL_OCTETS_MAX: usize = 1_000;
