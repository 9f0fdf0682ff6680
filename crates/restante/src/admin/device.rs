//! What an operator may do with an account's devices.

use super::{Admin, told, usable};
use crate::control::message::{DeviceShown, Devices, NewDevice};
use crate::error::{Failure, Outcome};
use account::directory::Refusal;
use account::{Device, DeviceId, DeviceProtocols};
use serve::auth::{self, OperatorError};
use std::collections::BTreeMap;
use terms::{MailboxId, Timestamp};

impl Admin {
    /// Declares a device.
    ///
    /// # Errors
    /// If there is no such account, or a device of the name.
    pub async fn device_add(&self, device: NewDevice) -> Outcome<DeviceShown> {
        let (name, _) = self.find(&device.account)?;
        let separator = self.directory.rules().separator;
        check_name(&device.name, separator)?;
        let new = auth::NewDevice {
            name: device.name.clone(),
            protocols: DeviceProtocols {
                pop3: device.pop3,
                imap: device.imap,
            },
            expires: device.expires.map(Timestamp::from_seconds),
            may_not_delete: device.may_not_delete,
        };
        let password = usable(&device.password)?;
        let added = self
            .directory
            .add_device(&self.name(&name)?, new, &password)
            .await;
        added.map_err(|error| match error {
            OperatorError::Refused(Refusal::DeviceTaken(device)) => {
                Failure::new(format!("{name} has a device {device} already"))
            }
            error => told(error),
        })?;
        let devices = self.device_list(&name).await?.devices;
        let found = devices.into_iter().find(|known| known.name == device.name);
        found.ok_or_else(|| Failure::new("the device is not there"))
    }

    /// The devices of an account that are not revoked.
    ///
    /// # Errors
    /// If there is no such account.
    pub async fn device_list(&self, text: &str) -> Outcome<Devices> {
        let (name, account) = self.open(text).await?;
        account.fresh().await?;
        let listed = account.read(|state| {
            let table = state.table(MailboxId::INBOX)?;
            let lists = |device: &Device| {
                let rows = table.rows();
                rows.filter(|row| !device.collected.contains(row.email))
                    .count() as u64
            };
            Ok(state
                .devices()
                .map(|device| (device.id, lists(device)))
                .collect::<BTreeMap<_, _>>())
        });
        let (state, waiting) = listed
            .await
            .map_err(|_| Failure::new("the account cannot be read"))?;
        let directory = self.directory.fresh().await?;
        let record = directory.record(account.id());
        let inbox = state
            .mailbox_named(&terms::MailboxName::inbox())
            .map_or(0, |inbox| u64::from(inbox.counts.messages));
        let devices = state.devices().filter(|device| device.revoked.is_none());
        let devices = devices.map(|device| {
            let filed = record.and_then(|record| record.uses.get(&device.id).cloned());
            let used = self
                .directory
                .unfiled_use(account.id(), device.id)
                .or(filed);
            let has_password = device.id == DeviceId::DEFAULT
                || record.is_some_and(|record| record.device(&device.name).is_some());
            DeviceShown {
                account: name.clone(),
                name: device.name.clone(),
                pop3: device.protocols.pop3,
                imap: device.protocols.imap,
                may_not_delete: device.may_not_delete,
                counts: device.counts(),
                has_password,
                declared: device.declared.seconds(),
                expires: device.expires.map(Timestamp::seconds),
                last_used: used.as_ref().map(|(time, _)| time.seconds()),
                from: used.map(|(_, from)| from),
                last_poll: device.last_poll.map(Timestamp::seconds),
                collected: device.collected.count(),
                waiting: waiting.get(&device.id).copied().unwrap_or(0),
                inbox,
            }
        });
        Ok(Devices {
            account: name.clone(),
            devices: devices.collect(),
        })
    }

    /// Revokes a device.
    ///
    /// # Errors
    /// If there is none of the name.
    pub async fn device_revoke(&self, text: &str, device: &str) -> Outcome<Devices> {
        let (name, _) = self.find(text)?;
        let revoked = self
            .directory
            .revoke_device(&self.name(&name)?, device)
            .await;
        revoked.map_err(|error| match error {
            OperatorError::Refused(Refusal::NoSuchDevice) => Failure::new(format!(
                "{name} has no device {device} that could be revoked"
            )),
            error => told(error),
        })?;
        self.device_list(&name).await
    }
}

/// A name that can stand in a user name, behind the separator.
fn check_name(name: &str, separator: Option<char>) -> Outcome {
    let legal = |c: char| {
        (c.is_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'))
            && Some(c) != separator
    };
    if !name.is_empty() && name.chars().all(legal) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "`{name}` can be no device: its name stands in the user name, so write small letters, \
         digits, `-`, `_` and `.`"
    )))
}
