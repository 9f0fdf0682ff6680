//! The server that transcripts are played against: in memory, with a clock and
//! randomness of its own.

use crate::script::Bindings;
use account::directory;
use account::{
    Collect, Command, DeviceProtocols, Hold, HoldSettings, MailboxRef, NewMessage, SeenAfterRetr,
    Source, UndoWhich,
};
use bytes::Bytes;
use proto::smtp::Address;
use serve::Trusted;
use serve::accounts::{AccountName, NameRules};
use serve::auth::{self, Addition, Auth, CertificateName, Cost, PlaintextLogin};
use serve::imap::Imap;
use serve::lmtp::{FOLDERS_SETTING, Lmtp, Nul, OverQuota};
use serve::pop3::{Policy, Pop3, Settings};
use serve::{Account, Accounts, Directory, Env, Limits, MessageLimit, Node, Octets, Stream, Tls};
use std::sync::Arc;
use std::time::Duration;
use store::{MemoryStore, Outcome, Store};
use terms::{BlobId, MailboxName, Timestamp};
use tokio::io::DuplexStream;

/// 2026-01-01T00:00:00Z, where every transcript begins.
const START: i64 = 1_767_225_600;

/// Passwords are checked quickly here.
const CHEAP: Cost = Cost {
    memory: 64,
    passes: 1,
    iterations: 16,
};

const HOSTNAME: &str = "mail.example.org";

/// Octets on their way in one direction.
const PIPE_OCTETS: usize = 1 << 16;

/// Connections with a higher number are at a second server over the same store:
/// nothing may assume that it is the only one.
const FIRST_SERVER_MAX: u32 = 10;

/// A server and what belongs to it.
struct Server {
    node: Arc<Node>,
    directory: Directory,
    policy: Arc<Policy>,
}

/// Servers over one store, and who has an account.
pub(crate) struct World {
    pub(crate) env: Env,
    pub(crate) limits: Limits,
    pub(crate) store: Arc<dyn Store>,
    /// The same, where it is one that can be made to fail.
    memory: Option<Arc<MemoryStore>>,
    servers: [Option<Server>; 2],
    tls: Tls,
    client_tls: rustls::ClientConfig,
    plaintext_login: PlaintextLogin,
    utf8_accept: bool,
    quota_admins: Vec<String>,
    /// What checks bearer tokens.
    pub(crate) oauth: Option<auth::OAuth>,
    from: Option<std::net::IpAddr>,
    nul: Nul,
    over_quota: OverQuota,
    xclient: Trusted,
    pop3: Settings,
    /// Of accounts that are made.
    hold: HoldSettings,
    marked: Duration,
    /// What was put by `mail` last.
    last_blob: Option<BlobId>,
}

impl World {
    /// No accounts yet.
    pub(crate) fn new() -> Self {
        let memory = Arc::new(MemoryStore::new());
        Self {
            memory: Some(memory.clone()),
            ..Self::over(memory)
        }
    }

    /// Over another store.
    pub(crate) fn over(store: Arc<dyn Store>) -> Self {
        let env = Env::simulated(1, Timestamp::from_seconds(START));
        let (tls, client_tls) = certificate();
        Self {
            limits: Limits::default(),
            store,
            memory: None,
            servers: [None, None],
            tls,
            client_tls,
            plaintext_login: PlaintextLogin::Always,
            utf8_accept: true,
            quota_admins: Vec::new(),
            oauth: None,
            from: None,
            nul: Nul::Replace,
            over_quota: OverQuota::default(),
            xclient: Trusted::default(),
            pop3: Settings::default(),
            hold: HoldSettings {
                hold: Hold::Remove,
                ..HoldSettings::default()
            },
            marked: env.monotonic(),
            last_blob: None,
            env,
        }
    }

    fn memory(&self) -> Result<&MemoryStore, String> {
        let memory = self.memory.as_deref();
        memory.ok_or_else(|| "the store is another one".to_owned())
    }

    async fn server(&mut self, second: bool) -> &Server {
        let index = usize::from(second);
        if self.servers[index].is_none() {
            let node = Node::new(self.env.clone(), self.limits.clone());
            let accounts = Accounts::new(node.clone(), self.store.clone());
            let settings = auth::Settings {
                external: Some(CertificateName::Email),
                oauth: self.oauth.clone(),
                ..auth::Settings::new([7; 32])
            };
            let auth = Auth::with(node.clone(), CHEAP, settings);
            let rules = NameRules {
                default_domain: Some("example.org".to_owned()),
                ..NameRules::default()
            };
            let directory = Directory::open(accounts, auth, rules)
                .await
                .expect("a directory");
            let policy = Arc::new(Policy::new(self.pop3.clone()));
            self.servers[index] = Some(Server {
                node,
                directory,
                policy,
            });
        }
        self.servers[index].as_ref().expect("a server")
    }

    /// Does what a line about the world says.
    pub(crate) async fn step(
        &mut self,
        keyword: &str,
        arguments: &str,
        block: &[String],
        bindings: &mut Bindings,
    ) -> Result<(), String> {
        let words: Vec<&str> = arguments.split(' ').collect();
        match (keyword, &*words) {
            ("account", [name, password, options @ ..]) => {
                self.account(name, password, options).await
            }
            ("mail", [account, mailbox]) => {
                let message: String = block.iter().map(|line| format!("{line}\r\n")).collect();
                self.mail(account, mailbox, message).await
            }
            ("many-mails", [account, mailbox, count]) => {
                let count = count.parse().map_err(|_| "no number")?;
                self.many_mails(account, mailbox, count).await
            }
            ("mail-without-end", [account, mailbox]) => {
                self.mail(account, mailbox, block.join("\r\n")).await
            }
            ("messages", [account, mailbox, count]) => {
                let found = self.messages(account, mailbox).await?;
                if *count == found.to_string() {
                    return Ok(());
                }
                Err(format!("{account} has {found} messages in {mailbox}"))
            }
            ("plaintext-login", [answer]) => {
                self.plaintext_login = match *answer {
                    "yes" => PlaintextLogin::Always,
                    "local" => PlaintextLogin::Local,
                    _ => PlaintextLogin::Never,
                };
                Ok(())
            }
            ("over-quota", [answer]) => {
                self.over_quota = match *answer {
                    "permanent" => OverQuota::Permanent,
                    _ => OverQuota::Temporary,
                };
                Ok(())
            }
            ("xclient", [from]) => self.xclient.add(from),
            ("literal-plus", [answer]) => {
                self.limits.literal_plus = *answer == "yes";
                Ok(())
            }
            ("nul", [answer]) => {
                self.nul = match *answer {
                    "refuse" => Nul::Refuse,
                    _ => Nul::Replace,
                };
                Ok(())
            }
            ("remove-account", [name]) => {
                let server = self.server(false).await;
                let name = AccountName::new(name, server.directory.rules());
                let name = name.map_err(|error| error.to_string())?;
                let removed = server.directory.remove(&name).await;
                removed.map_err(|error| error.to_string())
            }
            ("enabled", [name, answer]) => {
                let command = directory::Command::SetEnabled {
                    name: format!("{name}@example.org"),
                    enabled: *answer == "yes",
                };
                self.directory(command).await
            }
            ("expires", [name, seconds]) => {
                let seconds: i64 = seconds.parse().map_err(|_| "no number")?;
                let command = directory::Command::SetExpiry {
                    name: format!("{name}@example.org"),
                    expires: Some(self.env.now().plus_millis(seconds * 1_000)),
                };
                self.directory(command).await
            }
            ("password", [name, password]) => {
                let command = directory::Command::SetVerifiers {
                    name: format!("{name}@example.org"),
                    verifiers: vec![format!("{{PLAIN}}{password}")],
                    replaces: None,
                };
                self.directory(command).await
            }
            ("hold", [hold, options @ ..]) => {
                self.hold = holding(hold, options)?;
                Ok(())
            }
            ("device", [account, name, password, options @ ..]) => {
                let may_not_delete = options.contains(&"may-not-delete");
                self.device(account, name, password, may_not_delete).await
            }
            ("undo", [account, options @ ..]) => {
                let undo = Command::Undo {
                    which: UndoWhich::default(),
                    keep_collected: options.contains(&"keep-collected"),
                };
                self.execute(account, undo).await
            }
            ("set-hold", [account, hold, options @ ..]) => {
                let hold = holding(hold, options)?;
                self.execute(account, Command::SetHold(hold)).await
            }
            ("revoke", [account, device]) => {
                let account = self.find(account).await?;
                let id = account
                    .snapshot()
                    .device_named(device)
                    .map(|known| known.id);
                let revoke = Command::RevokeDevice(id.ok_or("no such device")?);
                let revoked = account.execute(revoke).await;
                revoked.map(drop).map_err(|error| format!("{error:?}"))
            }
            ("setting", [account, key, value]) => {
                let command = directory::Command::Set {
                    name: format!("{account}@example.org"),
                    key: (*key).to_owned(),
                    value: Some((*value).to_owned()),
                };
                self.directory(command).await
            }
            ("exclusive", [answer]) => {
                self.pop3.exclusive = *answer == "yes";
                Ok(())
            }
            ("login-delay", [seconds]) => {
                let seconds = seconds.parse().map_err(|_| "no number")?;
                self.pop3.login_delay = Duration::from_secs(seconds);
                Ok(())
            }
            // From where the next connections come.
            ("from", [address]) => {
                self.from = match *address {
                    "here" => None,
                    address => Some(address.parse().map_err(|_| "no address")?),
                };
                Ok(())
            }
            ("login-failures", [free, max]) => {
                self.limits.login_failures_free = free.parse().map_err(|_| "no number")?;
                self.limits.login_failures_max = max.parse().map_err(|_| "no number")?;
                Ok(())
            }
            ("utf8-accept", [answer]) => {
                self.utf8_accept = *answer == "yes";
                Ok(())
            }
            ("quota-admin", [name]) => {
                self.quota_admins.push((*name).to_owned());
                Ok(())
            }
            ("message-limit", [count]) => {
                let count = count.parse().map_err(|_| "no number")?;
                self.limits.message_limit = MessageLimit::Any(count);
                Ok(())
            }
            ("save-limit", [count]) => {
                let count = count.parse().map_err(|_| "no number")?;
                self.limits.message_limit = MessageLimit::Saving(count);
                Ok(())
            }
            ("sessions-max", [imap, pop3]) => {
                self.limits.imap_sessions_max = imap.parse().map_err(|_| "no number")?;
                self.limits.pop3_sessions_max = pop3.parse().map_err(|_| "no number")?;
                Ok(())
            }
            ("message-octets-max", [count]) => {
                self.limits.message_octets_max = count.parse().map_err(|_| "no number")?;
                Ok(())
            }
            ("store", ["full", answer]) => {
                self.memory()?.set_full(*answer == "yes");
                Ok(())
            }
            ("store", ["loses-next-commit"]) => {
                self.memory()?.fail_next_commit(Outcome::Lost);
                Ok(())
            }
            ("store", ["loses-next-answer"]) => {
                self.memory()?.fail_next_commit(Outcome::Applied);
                Ok(())
            }
            ("long-mail", [account, mailbox, lines]) => {
                let lines = lines.parse().map_err(|_| "no number")?;
                let line = format!("{}\r\n", "x".repeat(78));
                let message = format!("Subject: long\r\n\r\n{}", line.repeat(lines));
                self.mail(account, mailbox, message).await
            }
            ("damage-last-mail", [at]) if !at.is_empty() => {
                let at = at.parse().map_err(|_| "no number")?;
                let blob = self.last_blob.ok_or("no mail yet")?;
                self.memory()?.damage_blob_from(blob, at);
                Ok(())
            }
            ("damage-last-mail", _) => {
                self.memory()?
                    .damage_blob(self.last_blob.ok_or("no mail yet")?);
                Ok(())
            }
            ("stop", _) => {
                self.server(false).await.node.stop();
                Ok(())
            }
            ("octets-in-flight-max", [count]) => {
                self.limits.octets_in_flight_max = count.parse().map_err(|_| "no number")?;
                Ok(())
            }
            ("clock-jumps", [seconds]) => {
                let seconds: i64 = seconds.parse().map_err(|_| "no number")?;
                self.env.shift_wall(seconds * 1_000);
                Ok(())
            }
            ("scram-final", [hash, password, client_first, challenge, last, proof]) => {
                let challenge = bindings.get(*challenge).ok_or("no challenge")?;
                let (client, server) = scram_final(hash, password, client_first, challenge, &[]);
                bindings.insert((*last).to_owned(), client);
                bindings.insert((*proof).to_owned(), server);
                Ok(())
            }
            ("scram-salt", [challenge, name]) => {
                let challenge = decoded(bindings.get(*challenge).ok_or("no challenge")?);
                let salt = challenge.split(',').nth(1).ok_or("no salt")?.to_owned();
                let known = bindings.entry((*name).to_owned()).or_insert(salt.clone());
                (*known == salt)
                    .then_some(())
                    .ok_or("another salt".to_owned())
            }
            ("mark", _) => {
                self.marked = self.env.monotonic();
                Ok(())
            }
            ("elapsed", [seconds]) => {
                let elapsed = (self.env.monotonic() - self.marked).as_secs_f64();
                if elapsed.to_string() == *seconds {
                    return Ok(());
                }
                Err(format!("{elapsed} seconds have passed, not {seconds}"))
            }
            _ => Err(format!("the world knows no {keyword} {arguments}")),
        }
    }

    async fn execute(&mut self, account: &str, command: Command) -> Result<(), String> {
        let done = self.find(account).await?.execute(command).await;
        done.map(drop).map_err(|error| format!("{error:?}"))
    }

    async fn directory(&mut self, command: directory::Command) -> Result<(), String> {
        let done = self.server(false).await.directory.execute(command).await;
        done.map_err(|error| format!("{error:?}"))
    }

    /// The octets in flight of the first server.
    pub(crate) async fn octets(&mut self) -> Octets {
        self.server(false).await.node.octets.clone()
    }

    async fn lmtp(&mut self, number: u32) -> Lmtp {
        let (nul, over_quota) = (self.nul, self.over_quota);
        let xclient = self.xclient.clone();
        let server = self.server(number > FIRST_SERVER_MAX).await;
        Lmtp {
            nul,
            over_quota,
            xclient,
            ..Lmtp::new(HOSTNAME, server.directory.clone())
        }
    }

    async fn pop3(&mut self, number: u32) -> Pop3 {
        let (tls, plaintext_login) = (self.tls.clone(), self.plaintext_login);
        let server = self.server(number > FIRST_SERVER_MAX).await;
        Pop3 {
            tls: Some(tls),
            plaintext_login,
            policy: server.policy.clone(),
            ..Pop3::new(HOSTNAME, server.directory.clone())
        }
    }

    async fn imap(&mut self, number: u32) -> Imap {
        let (quota_admins, utf8_accept) = (self.quota_admins.clone(), self.utf8_accept);
        let (tls, plaintext_login) = (self.tls.clone(), self.plaintext_login);
        let server = self.server(number > FIRST_SERVER_MAX).await;
        Imap {
            tls: Some(tls),
            plaintext_login,
            utf8_accept,
            quota_admins: quota_admins.into(),
            ..Imap::new(HOSTNAME, server.directory.clone())
        }
    }

    /// A connection to a listener of this protocol.
    pub(crate) async fn connect(&mut self, protocol: &str, number: u32) -> DuplexStream {
        let node = self.server(number > FIRST_SERVER_MAX).await.node.clone();
        let (mut stream, client) = Stream::memory(node, PIPE_OCTETS);
        if let Some(from) = self.from {
            stream.speaks_for(std::net::SocketAddr::new(from, 1));
        }
        match protocol {
            "lmtp" => {
                let session = serve::lmtp::run(stream, self.lmtp(number).await);
                self.env.spawn(session);
            }
            "pop3" => {
                let session = serve::pop3::run(stream, self.pop3(number).await);
                self.env.spawn(session);
            }
            "imap" => {
                let session = serve::imap::run(stream, self.imap(number).await);
                self.env.spawn(session);
            }
            other => panic!("no protocol {other}"),
        }
        client
    }

    /// What a session of each protocol takes before it has begun.
    pub(crate) async fn session_octets(&mut self) -> Vec<(&'static str, usize)> {
        let node = self.server(false).await.node.clone();
        let stream = || Stream::memory(node.clone(), 1).0;
        let lmtp = serve::lmtp::run(stream(), self.lmtp(1).await);
        let pop3 = serve::pop3::run(stream(), self.pop3(1).await);
        vec![("lmtp", size_of_val(&lmtp)), ("pop3", size_of_val(&pop3))]
    }

    /// What a client of TLS trusts.
    pub(crate) fn client_tls(&self) -> rustls::ClientConfig {
        self.client_tls.clone()
    }

    /// Declares a device that has a password of its own.
    async fn device(
        &mut self,
        account: &str,
        name: &str,
        password: &str,
        may_not_delete: bool,
    ) -> Result<(), String> {
        let command = Command::DeclareDevice {
            name: name.to_owned(),
            protocols: DeviceProtocols {
                pop3: true,
                imap: true,
            },
            expires: None,
            may_not_delete,
        };
        let declared = self.find(account).await?.execute(command).await;
        let account::Outcome::DeviceDeclared { device } =
            declared.map_err(|error| format!("{error:?}"))?
        else {
            return Err("no device".to_owned());
        };
        let command = directory::Command::SetDevice {
            name: format!("{account}@example.org"),
            credential: directory::DeviceCredential {
                device,
                name: name.to_owned(),
                verifiers: vec![format!("{{PLAIN}}{password}")],
                expires: None,
            },
        };
        self.directory(command).await
    }

    /// Makes an account whose hold is `remove` where no other was said. Options:
    /// `quota OCTETS`, `folders`, `scram` (the password has
    /// SCRAM's verifiers), `hold SECONDS`, `hold forever`, `retr`,
    /// `show-collected`.
    pub(crate) async fn account(
        &mut self,
        name: &str,
        password: &str,
        options: &[&str],
    ) -> Result<(), String> {
        let mut hold = self.hold;
        let command = directory::Command::SetDomain {
            name: "example.org".to_owned(),
            domain: directory::Domain {
                hold: Some(hold),
                ..directory::Domain::default()
            },
        };
        self.directory(command).await?;
        let server = self.server(false).await;
        let mut limits = account::Limits::default();
        if let Some(at) = options.iter().position(|option| *option == "quota") {
            limits.octets = Some(options[at + 1].parse().map_err(|_| "no quota")?);
        }
        hold.show_collected |= options.contains(&"show-collected");
        if let Some(at) = options.iter().position(|option| *option == "hold") {
            hold.hold = match options[at + 1] {
                "forever" => Hold::Forever,
                seconds => Hold::Span(seconds.parse().map_err(|_| "no span")?),
            };
        }
        if options.contains(&"retr") {
            hold.collect = account::Collect::Retr;
        }
        let name = AccountName::new(name, server.directory.rules());
        let name = name.map_err(|error| error.to_string())?;
        let verifiers = if options.contains(&"scram") {
            let password = serve::auth::Password::new(password.as_bytes()).ok_or("no password")?;
            serve::auth::make(&password, [[1; 16], [2; 16], [3; 16]], CHEAP)
        } else {
            vec![format!("{{PLAIN}}{password}")]
        };
        let addition = Addition {
            name: name.clone(),
            verifiers,
            limits: Some(limits),
            hold: Some(hold),
        };
        let made = server.directory.add(addition).await;
        made.map_err(|error| error.to_string())?;
        if options.contains(&"folders") {
            let command = directory::Command::Set {
                name: name.to_string(),
                key: FOLDERS_SETTING.to_owned(),
                value: Some("yes".to_owned()),
            };
            let set = server.directory.execute(command).await;
            set.map_err(|error| format!("{error:?}"))?;
        }
        Ok(())
    }

    /// The account of that name.
    pub(crate) async fn find(&mut self, name: &str) -> Result<Account, String> {
        self.find_at(name, false).await
    }

    /// The account of that name, at the second server if so wished.
    pub(crate) async fn find_at(&mut self, name: &str, second: bool) -> Result<Account, String> {
        let server = self.server(second).await;
        let address = Address {
            local: name.to_owned(),
            domain: None,
        };
        let found = server.directory.recipient(&address).await;
        Ok(found.map_err(|error| format!("{name}: {error}"))?.account)
    }

    async fn mail(&mut self, account: &str, mailbox: &str, message: String) -> Result<(), String> {
        let message = self.blob(message.into_bytes()).await?;
        self.append(account, mailbox, vec![message]).await
    }

    /// Small messages, all of them at once.
    async fn many_mails(
        &mut self,
        account: &str,
        mailbox: &str,
        count: usize,
    ) -> Result<(), String> {
        let mut messages = Vec::with_capacity(count);
        for number in 1..=count {
            let message = format!("Subject: {number}\r\n\r\n");
            messages.push(self.blob(message.into_bytes()).await?);
        }
        self.append(account, mailbox, messages).await
    }

    /// A message that nobody has yet.
    async fn blob(&mut self, octets: Vec<u8>) -> Result<NewMessage, String> {
        let blob = BlobId(self.env.random_u128());
        self.last_blob = Some(blob);
        let derived = Bytes::from(mime::derive(&octets));
        let mut sink = self.store.blob_sink(blob, Some(octets.len() as u64));
        sink.write(&octets)
            .await
            .map_err(|error| error.to_string())?;
        sink.finish(derived)
            .await
            .map_err(|error| error.to_string())?;
        Ok(NewMessage {
            lacks_final_crlf: !octets.is_empty() && !octets.ends_with(b"\r\n"),
            ..NewMessage::new(blob, u32::try_from(octets.len()).unwrap())
        })
    }

    async fn append(
        &mut self,
        account: &str,
        mailbox: &str,
        messages: Vec<NewMessage>,
    ) -> Result<(), String> {
        let account = self.find(account).await?;
        let command = Command::Append {
            mailbox: MailboxRef::Name(mailbox_name(mailbox)?),
            create: true,
            messages,
            source: Source::Append,
        };
        account
            .execute(command)
            .await
            .map_err(|error| format!("{error:?}"))?;
        Ok(())
    }

    async fn messages(&mut self, account: &str, mailbox: &str) -> Result<u32, String> {
        let state = self.find(account).await?.snapshot();
        let mailbox = state.mailbox_named(&mailbox_name(mailbox)?);
        Ok(mailbox.ok_or("no such mailbox")?.counts.messages)
    }
}

/// `remove`, `forever` or seconds; then `retr`, `seen`, `give-way`.
fn holding(hold: &str, options: &[&str]) -> Result<HoldSettings, String> {
    Ok(HoldSettings {
        hold: match hold {
            "remove" => Hold::Remove,
            "forever" => Hold::Forever,
            seconds => Hold::Span(seconds.parse().map_err(|_| "no span")?),
        },
        collect: if options.contains(&"retr") {
            Collect::Retr
        } else {
            Collect::Dele
        },
        seen_after_retr: if options.contains(&"seen") {
            SeenAfterRetr::Quit
        } else {
            SeenAfterRetr::Never
        },
        give_way: options.contains(&"give-way"),
        ..HoldSettings::default()
    })
}

fn mailbox_name(name: &str) -> Result<MailboxName, String> {
    MailboxName::new(name).map_err(|error| error.to_string())
}

fn decoded(text: &str) -> String {
    let octets = proto::sasl::decode(text.as_bytes()).expect("base64");
    String::from_utf8(octets).expect("text")
}

/// The client's side of SCRAM, bound by `data`: its last message, and what the
/// server then has to say. RFC 5802 §3.
pub(crate) fn scram_final(
    hash: &str,
    password: &str,
    first: &str,
    challenge: &str,
    data: &[u8],
) -> (String, String) {
    let (first, challenge) = (decoded(first), decoded(challenge));
    let bare = first.splitn(3, ',').nth(2).expect("a first message");
    let mut fields = challenge.split(',').map(|field| &field[2..]);
    let (nonce, salt) = (fields.next().expect("r="), fields.next().expect("s="));
    let rounds = fields.next().expect("i=").parse().expect("a number");
    let salt = proto::sasl::decode(salt.as_bytes()).expect("base64");
    let header = &first.as_bytes()[..first.len() - bare.len()];
    let channel = proto::sasl::encode(&[header, data].concat());
    let without_proof = format!("c={channel},r={nonce}");
    let signed = format!("{bare},{challenge},{without_proof}");
    let (proof, signature) = match hash {
        "sha-1" => proof::<hmac::Hmac<sha1::Sha1>, sha1::Sha1>(password, &salt, rounds, &signed),
        _ => proof::<hmac::Hmac<sha2::Sha256>, sha2::Sha256>(password, &salt, rounds, &signed),
    };
    let last = format!("{without_proof},p={}", proto::sasl::encode(&proof));
    let server = format!("v={}", proto::sasl::encode(&signature));
    (
        proto::sasl::encode(last.as_bytes()),
        proto::sasl::encode(server.as_bytes()),
    )
}

fn proof<M: hmac::Mac + hmac::KeyInit, D: sha2::Digest>(
    password: &str,
    salt: &[u8],
    rounds: u32,
    signed: &str,
) -> (Vec<u8>, Vec<u8>) {
    let keyed = |key: &[u8], text: &[u8]| {
        let mut mac = <M as hmac::KeyInit>::new_from_slice(key).expect("a key");
        mac.update(text);
        mac.finalize().into_bytes().to_vec()
    };
    // PBKDF2 with one block.
    let mut round = keyed(password.as_bytes(), &[salt, &[0, 0, 0, 1]].concat());
    let mut salted = round.clone();
    for _ in 1..rounds {
        round = keyed(password.as_bytes(), &round);
        salted.iter_mut().zip(&round).for_each(|(a, b)| *a ^= b);
    }
    let client = keyed(&salted, b"Client Key");
    let signature = keyed(&D::digest(&client), signed.as_bytes());
    let proof = client.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
    let server = keyed(&salted, b"Server Key");
    (proof, keyed(&server, signed.as_bytes()))
}

/// A certificate for `localhost`, and who certifies clients; and a client that
/// trusts the first.
fn certificate() -> (Tls, rustls::ClientConfig) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut clients = rustls::RootCertStore::empty();
    clients.add(issuer().0).expect("an issuer");
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
        Arc::new(clients),
        provider.clone(),
    );
    let verifier = verifier
        .allow_unauthenticated()
        .build()
        .expect("a verifier");
    let server = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .expect("a configuration");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a root");
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let offered = made.cert.der().clone();
    let tls = Tls::new(Arc::new(server)).with_certificate(move || Some(offered.clone()));
    (tls, client)
}

/// Who certifies clients here.
pub(crate) fn issuer() -> (
    rustls::pki_types::CertificateDer<'static>,
    &'static rcgen::Issuer<'static, rcgen::KeyPair>,
) {
    type Made = (
        rustls::pki_types::CertificateDer<'static>,
        rcgen::Issuer<'static, rcgen::KeyPair>,
    );
    static MADE: std::sync::OnceLock<Made> = std::sync::OnceLock::new();
    let (certificate, issuer) = MADE.get_or_init(|| {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut parameters = rcgen::CertificateParams::new([]).expect("parameters");
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).expect("an issuer");
        let der = certificate.der().clone();
        (der, rcgen::Issuer::new(parameters, key))
    });
    (certificate.clone(), issuer)
}
