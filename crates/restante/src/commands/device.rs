//! `restante device …`

use super::ask;
use crate::cli::{DeviceCommand, DeviceProtocol};
use crate::console::{columns, confirm, show};
use crate::control::message::{DeviceShown, Devices, NewDevice, Request};
use crate::error::{Failure, Outcome};
use crate::place::Place;
use crate::ready::{self, Ready};
use crate::span::moment_text;
use serde::Serialize;

/// Does it.
///
/// # Errors
/// Says why it was not done.
pub fn run(command: DeviceCommand, place: &Place, json: bool) -> Outcome {
    place.must_exist()?;
    match command {
        DeviceCommand::Add {
            account,
            name,
            protocols,
            expires,
            may_not_delete,
        } => {
            let now = jiff::Timestamp::now().as_second();
            let expires = expires.map(|until| until.seconds(now));
            if let Some(end) = expires.filter(|end| *end <= now) {
                return Err(Failure::new(format!(
                    "its password would have ended {}: write a day to come, or a length of time \
                     from now, \"90d\"; `restante device revoke` ends a device",
                    moment_text(end)
                )));
            }
            let password = crate::password::random_long()?;
            let request = Request::DeviceAdd(NewDevice {
                account,
                name,
                password: password.clone(),
                pop3: protocols.contains(&DeviceProtocol::Pop3),
                imap: protocols.contains(&DeviceProtocol::Imap),
                expires,
                may_not_delete,
            });
            let device: DeviceShown = ask(place, request)?;
            show(json, &Added::new(place, device, password), Added::text)
        }
        DeviceCommand::List { account } => {
            let devices: Devices = ask(place, Request::DeviceList { account })?;
            show(json, &devices, list)
        }
        DeviceCommand::Revoke { account, name, yes } => {
            let question = format!("Revoke the device {name} of {account}? Its password ends.");
            if !yes && !confirm(&question, json)? {
                return Err(Failure::new("nothing was revoked"));
            }
            let request = Request::DeviceRevoke {
                account,
                name: name.clone(),
            };
            let devices: Devices = ask(place, request)?;
            show(json, &devices, |devices| {
                format!("{name} of {} is revoked\n", devices.account)
            })
        }
    }
}

#[derive(Serialize)]
struct Added {
    #[serde(flatten)]
    device: DeviceShown,
    password: String,
    settings: Vec<Ready>,
}

impl Added {
    fn new(place: &Place, device: DeviceShown, password: String) -> Self {
        let settings = ready::ready(
            &place.config,
            &device.account,
            Some(&device.name),
            device.pop3,
            device.imap,
        );
        Self {
            device,
            password,
            settings,
        }
    }

    fn text(&self) -> String {
        let Self {
            device, password, ..
        } = self;
        let lines = ready::lines(&self.settings, Some(password));
        format!(
            "{} of {} is declared. Its password is shown this once:\n\npassword: {password}\n{}\
             {lines}\n\
             The user name {} does too where the program sends the password itself (PLAIN).\n",
            device.name,
            device.account,
            if lines.is_empty() { "" } else { "\n" },
            device.account,
        )
    }
}

/// A moment, in UTC.
fn moment(seconds: Option<i64>) -> String {
    seconds
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map_or_else(
            || "-".into(),
            |time| time.strftime("%Y-%m-%d %H:%M").to_string(),
        )
}

fn list(devices: &Devices) -> String {
    let head = [
        "DEVICE",
        "PROTOCOLS",
        "COUNTS",
        "COLLECTED",
        "WAITING",
        "LAST USED",
        "FROM",
        "ENDS",
        "",
    ];
    let mut rows = vec![head.map(String::from)];
    for device in &devices.devices {
        let protocols = match (device.pop3, device.imap) {
            (true, true) => "pop3,imap",
            (true, false) => "pop3",
            (false, true) => "imap",
            (false, false) => "none",
        };
        let mut notes = Vec::new();
        if device.may_not_delete {
            notes.push("may not delete");
        }
        if !device.has_password {
            notes.push("has no password");
        }
        if device.pop3 && !device.may_not_delete && !device.counts {
            notes.push("counts from its next login over POP3 on");
        }
        rows.push([
            device.name.clone(),
            protocols.into(),
            if device.counts { "yes" } else { "no" }.into(),
            device.collected.to_string(),
            if device.pop3 {
                device.waiting.to_string()
            } else {
                "-".into()
            },
            moment(device.last_used.max(device.last_poll)),
            device.from.clone().unwrap_or_else(|| "-".into()),
            moment(device.expires),
            notes.join(", "),
        ]);
    }
    columns(&rows)
}
