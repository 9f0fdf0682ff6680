//! The demo: a server that needs nothing.
//!
//! The data directory holds, besides the data: `demo-password`, which only its
//! owner can read, so that a mail program that was set up once keeps working;
//! `tls`, the self-signed certificate; `restante.toml`, what the other commands
//! need to know when they are given this directory.

mod samples;
mod settings;

use crate::cli::{Common, Demo};
use crate::config::{Address, Config, Listen, Log, LogLevel, Protocol, Tls};
use crate::error::{Failure, Outcome, While as _};
use crate::listen::{Bound, Inherited, bind};
use crate::migrate::Message;
use crate::node::Opened;
use crate::place::{OWN_CONFIG, Place};
use crate::privileges::make_data_directory;
use crate::ready::{Ready, ready};
use crate::running::Prepared;
use crate::tls::{Certificates, self_signed};
use crate::{commands, log, password};
use settings::Settings;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use terms::{InternalDate, MailboxName};

/// The account's name, as in a login.
const USER: &str = "demo";
/// The domain that completes it.
const DOMAIN: &str = "localhost";
/// The file that holds the password.
const PASSWORD_FILE: &str = "demo-password";

/// Runs the demo until a signal ends it.
///
/// # Errors
/// Says why it cannot begin.
pub fn demo(options: &Demo, common: &Common) -> Outcome {
    if common.config.is_some() {
        return Err(Failure::new(
            "the demo takes no configuration; `restante serve --config FILE` does",
        ));
    }
    let quiet = Log {
        level: LogLevel::Warn,
        ..Log::default()
    };
    log::begin(&quiet);
    let data = common.data.clone().map_or_else(usual_data, Ok)?;
    let sockets = open(options)?;
    make_data_directory(&data, None)?;
    let data = fs::canonicalize(&data).when(data.display())?;
    let today = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    let tls = self_signed(&data.join("tls"), today)?;
    let certificates = Certificates::load(&tls)?;
    let ports: Vec<(Protocol, u16)> = sockets
        .iter()
        .map(|bound| (bound.protocol, port(bound)))
        .collect();
    let place = Place {
        config: config(&data, &ports, &tls),
        data: data.clone(),
        file: None,
    };
    let prepared = Prepared {
        place,
        sockets,
        certificates: Some(certificates),
        metrics: Vec::new(),
    };
    commands::runtime()?.block_on(prepared.run(async |opened| {
        let password = account(opened, &data).await?;
        write_config(&data, &ports, &tls)?;
        let devices = devices(opened, &config(&data, &ports, &tls)).await?;
        let settings = Settings {
            data: &data,
            certificate: &tls.certificate,
            user: USER,
            address: &format!("{USER}@{DOMAIN}"),
            password: password.as_deref(),
            ports: &ports,
            devices: &devices,
        };
        crate::console::print(&format!("{settings}\n"))?;
        log::set_level(LogLevel::Info);
        Ok(())
    }))
}

/// `$XDG_DATA_HOME/restante-demo`, mostly `~/.local/share/restante-demo`.
fn usual_data() -> Outcome<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .map(|base| base.join("restante-demo"))
        .ok_or_else(|| Failure::new("there is no home directory; say --data DIR"))
}

fn open(options: &Demo) -> Outcome<Vec<Bound>> {
    let mut sockets = Vec::new();
    let ports = [
        options.imap,
        options.imaps,
        options.pop3,
        options.pop3s,
        options.lmtp,
    ];
    for (protocol, port) in Protocol::ALL.into_iter().zip(ports) {
        let listen = listener(protocol, port);
        let bound = bind(&listen, &mut Inherited::default()).map_err(|error| {
            let help = if error.taken {
                format!("; choose another port, or any free one by --{protocol} 0")
            } else {
                String::new()
            };
            Failure::new(format!("{error}{help}"))
        })?;
        sockets.extend(bound);
    }
    Ok(sockets)
}

fn listener(protocol: Protocol, port: u16) -> Listen {
    Listen {
        protocol,
        address: Address::Tcp {
            host: "127.0.0.1".into(),
            port,
        },
        ..Listen::default()
    }
}

fn port(bound: &Bound) -> u16 {
    match &bound.address {
        Address::Tcp { port, .. } => *port,
        Address::Unix(_) => 0,
    }
}

fn config(data: &Path, ports: &[(Protocol, u16)], tls: &Tls) -> Config {
    Config {
        data: data.into(),
        hostname: Some(DOMAIN.into()),
        default_domain: Some(DOMAIN.into()),
        listen: ports
            .iter()
            .map(|&(protocol, port)| listener(protocol, port))
            .collect(),
        tls: Some(tls.clone()),
        ..Config::default()
    }
}

/// Keeps the same for other commands, and for whoever wants to go on from here.
fn write_config(data: &Path, ports: &[(Protocol, u16)], tls: &Tls) -> Outcome {
    let text = |path: &Path| toml::Value::String(path.to_string_lossy().into_owned());
    let mut lines = format!(
        "# The demo's own settings, written at each start.\n\
         data = {}\nhostname = \"{DOMAIN}\"\ndefault-domain = \"{DOMAIN}\"\n",
        text(data)
    );
    for (protocol, port) in ports {
        lines.push_str(&format!(
            "\n[[listen]]\nprotocol = \"{protocol}\"\naddress = \"127.0.0.1:{port}\"\n"
        ));
    }
    lines.push_str(&format!(
        "\n[tls]\ncertificate = {}\nkey = {}\n",
        text(&tls.certificate),
        text(&tls.key)
    ));
    let file = data.join(OWN_CONFIG);
    fs::write(&file, lines).when(file.display())
}

/// Sees to the account and its sample messages; gives the password if it is
/// known here.
async fn account(opened: &Arc<Opened>, data: &Path) -> Outcome<Option<String>> {
    let (password, new) = password_of(data)?;
    let admin = opened.admin();
    let known = admin.exists(USER);
    if !known {
        admin.add(USER, &password, None).await?;
    } else if new {
        // Somebody has removed the file: that is how to get a new password.
        admin.set_password(USER, &password).await?;
    }
    let mailbox = MailboxName::inbox();
    if admin.is_untouched(USER, &mailbox).await? {
        let now = InternalDate {
            seconds: jiff::Timestamp::now().as_second(),
            zone_minutes: 0,
        };
        let address = format!("{USER}@{DOMAIN}");
        let messages = samples::samples(&address, now).map(|sample| Message {
            unique_id: None,
            mailbox: mailbox.clone(),
            flags: sample.flags,
            date: sample.date,
            octets: sample.octets,
        });
        admin.append(USER, messages.collect()).await?;
    }
    let right = !known || new || admin.is_password(USER, &password).await?;
    Ok(right.then_some(password))
}

/// The ready lines of each device, and whether its password is the account's.
async fn devices(opened: &Arc<Opened>, config: &Config) -> Outcome<Vec<(Vec<Ready>, bool)>> {
    let listed = opened.admin().device_list(USER).await?;
    let devices = listed.devices.iter().filter(|device| device.has_password);
    let lines = devices.map(|device| {
        let is_default = device.name == "default";
        let name = (!is_default).then_some(device.name.as_str());
        let lines = ready(config, USER, name, device.pop3, device.imap);
        (lines, is_default)
    });
    Ok(lines.collect())
}

/// The kept password, or a new one that is kept from now on.
fn password_of(data: &Path) -> Outcome<(String, bool)> {
    let file = data.join(PASSWORD_FILE);
    match fs::read_to_string(&file) {
        Ok(text) if !text.trim().is_empty() => return Ok((text.trim().to_owned(), false)),
        Ok(_) => fs::remove_file(&file).when(file.display())?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).when(file.display()),
    }
    let password = password::random()?;
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&file)
        .and_then(|mut open| writeln!(open, "{password}"))
        .when(file.display())?;
    Ok((password, true))
}
