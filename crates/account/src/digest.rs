//! A number that two states have in common if they say the same.

use crate::codec::parts::{put_batch, put_log_part};
use crate::codec::put_rows;
use crate::codec::root::put_root;
use crate::expunge_log::LogPart;
use crate::outcome::Refusal;
use crate::rows::Rows;
use crate::state::State;
use std::sync::Arc;
use terms::Writer;

impl State {
    /// A number that follows from all that the changes add up to, however they
    /// were loaded: every release finds the same for the same log.
    ///
    /// # Errors
    /// `Needed` if a part is not loaded.
    pub fn digest(&self) -> Result<u128, Refusal> {
        let mut hash = Fnv::new();
        let mut w = Writer::new();
        put_root(&mut w, &self.root);
        hash.write(&w.into_octets());
        for mailbox in self.root.mailboxes.values() {
            let table = self.table(mailbox.id)?;
            let mut w = Writer::new();
            w.u32(mailbox.id.0);
            let mut rows = Rows::new();
            for row in table.rows() {
                rows.push(&row);
            }
            put_rows(&mut w, &rows);
            w.u64(table.log.floor().0);
            for (number, uids) in table.log.entries() {
                let entry = LogPart {
                    entries: vec![(number, Arc::new(uids.clone()))],
                    ..LogPart::default()
                };
                w.bytes(&put_log_part(&entry));
            }
            hash.write(&w.into_octets());
        }
        for batch in self.expunged()?.batches() {
            let mut w = Writer::new();
            put_batch(&mut w, batch);
            hash.write(&w.into_octets());
        }
        Ok(hash.finish())
    }
}

/// FNV-1a of 128 bits: small, and the same forever.
pub(crate) struct Fnv(u128);

impl Fnv {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

    pub(crate) fn new() -> Self {
        Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    pub(crate) fn write(&mut self, octets: &[u8]) {
        let length = (octets.len() as u64).to_le_bytes();
        for &octet in length.iter().chain(octets) {
            self.0 = (self.0 ^ u128::from(octet)).wrapping_mul(Self::PRIME);
        }
    }

    pub(crate) fn finish(&self) -> u128 {
        self.0
    }
}
