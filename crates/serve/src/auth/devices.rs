//! What the operator does to an account's devices: declaring, revoking.

use super::directory::Directory;
use super::operator::OperatorError;
use super::password::Password;
use crate::accounts::AccountName;
use account::directory::{Command, DeviceCredential, Refusal};
use account::{DeviceId, DeviceProtocols, Outcome};
use terms::Timestamp;
use tracing::warn;

/// A device that is to be declared.
#[derive(Clone, Debug)]
pub struct NewDevice {
    /// What its owner calls it.
    pub name: String,
    /// What its password opens.
    pub protocols: DeviceProtocols,
    /// When its password ends.
    pub expires: Option<Timestamp>,
    /// Its DELE hides for it alone, and IMAP lets it remove nothing.
    pub may_not_delete: bool,
}

impl Directory {
    /// Declares a device whose password has 128 random bits or more.
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn add_device(
        &self,
        account: &AccountName,
        device: NewDevice,
        password: &Password,
    ) -> Result<DeviceId, OperatorError> {
        let state = self.fresh().await?;
        let record = state
            .account(account.as_str())
            .ok_or_else(|| Refusal::NoSuchAccount(account.to_string()))
            .map_err(OperatorError::Refused)?;
        if record.device(&device.name).is_some() {
            let taken = Refusal::DeviceTaken(device.name);
            return Err(OperatorError::Refused(taken));
        }
        let verifiers = self.auth().make_random(password).await?;
        let opened = self.accounts().open(record.id).await;
        let opened = opened.map_err(|_| OperatorError::Unavailable)?;
        // Declared once before, and its password never came to be kept.
        let half = opened.snapshot().device_named(&device.name).map(|d| d.id);
        if let Some(half) = half.filter(|half| *half != DeviceId::DEFAULT) {
            let revoke = account::Command::RevokeDevice(half);
            opened.execute(revoke).await?;
        }
        let declare = account::Command::DeclareDevice {
            name: device.name.clone(),
            protocols: device.protocols,
            expires: device.expires,
            may_not_delete: device.may_not_delete,
        };
        let Outcome::DeviceDeclared { device: id } = opened.execute(declare).await? else {
            return Err(OperatorError::Unavailable);
        };
        let credential = DeviceCredential {
            device: id,
            name: device.name,
            verifiers,
            expires: device.expires,
        };
        let name = account.as_str().to_owned();
        let kept = self.execute(Command::SetDevice { name, credential }).await;
        if let Err(error) = kept {
            // Without a password it would keep mail waiting for nobody.
            let revoked = opened.execute(account::Command::RevokeDevice(id)).await;
            if let Err(error) = revoked {
                warn!(%account, ?error, "a device without a password stays declared");
            }
            return Err(error.into());
        }
        Ok(id)
    }

    /// Revokes a device: nobody logs in with its password any more, and no message
    /// waits for it.
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn revoke_device(
        &self,
        account: &AccountName,
        device: &str,
    ) -> Result<(), OperatorError> {
        let state = self.fresh().await?;
        let record = state
            .account(account.as_str())
            .ok_or_else(|| Refusal::NoSuchAccount(account.to_string()))
            .map_err(OperatorError::Refused)?;
        let opened = self.accounts().open(record.id).await;
        let opened = opened.map_err(|_| OperatorError::Unavailable)?;
        let credential = record.device(device).map(|known| known.device);
        let declared = opened.snapshot().device_named(device).map(|known| known.id);
        if credential
            .or(declared)
            .is_none_or(|id| id == DeviceId::DEFAULT)
        {
            return Err(OperatorError::Refused(Refusal::NoSuchDevice));
        }
        // The password first: what follows must not be undone by a login.
        if let Some(device) = credential {
            let name = account.as_str().to_owned();
            self.execute(Command::RemoveDevice { name, device }).await?;
        }
        for id in [credential, declared].into_iter().flatten() {
            opened.execute(account::Command::RevokeDevice(id)).await?;
        }
        Ok(())
    }
}
