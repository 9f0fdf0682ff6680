//! Taking the octets of a blob: packed by the caller's thread, kept in memory
//! while they are few, sent to the journal in parts when they are many.

use super::core::{PendingBlob, Request};
use super::engine::Engine;
use super::frame::{Front, Run, head_of_parts, header_end};
use super::record::Record;
use super::rows::{BlobRow, key};
use super::{indexer, lock};
use crate::{Answer, BlobSink, CommitError, PutError};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use terms::BlobId;

pub(crate) struct DiskSink {
    engine: Arc<Engine>,
    id: BlobId,
    /// What does not fill a frame yet.
    buffer: Vec<u8>,
    run: Run,
    /// How long each part is that has been sent.
    parts: Vec<u32>,
    octets: u64,
    /// Whether it is too long to be written as one record.
    streaming: bool,
    first_frame: bool,
    failed: Option<PutError>,
}

impl DiskSink {
    pub(crate) fn new(engine: Arc<Engine>, id: BlobId) -> Self {
        Self {
            engine,
            id,
            buffer: Vec::new(),
            run: Run::default(),
            parts: Vec::new(),
            octets: 0,
            streaming: false,
            first_frame: true,
            failed: None,
        }
    }

    fn check(&self, more: usize) -> Result<(), PutError> {
        let core = self.engine.core();
        if let Some(why) = &self.failed {
            return Err(why.clone());
        }
        if let Some(why) = core.poison() {
            return Err(PutError::Failed(why));
        }
        if core.is_closed() {
            return Err(PutError::Failed(super::journal::CLOSED.into()));
        }
        if self.octets + more as u64 > core.options.blob_octets_max {
            return Err(PutError::TooLong);
        }
        if core.room_is_low.load(Ordering::Relaxed) {
            // The journal looks again while it works; a commit will tell.
            self.engine.look_at_room();
            if core.room_is_low.load(Ordering::Relaxed) {
                return Err(PutError::Full);
            }
        }
        Ok(())
    }

    async fn take(&mut self, octets: &[u8]) -> Result<(), PutError> {
        let taken = match self.check(octets.len()) {
            Ok(()) => self.pack(octets).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &taken {
            self.failed = Some(error.clone());
        }
        taken
    }

    async fn pack(&mut self, mut octets: &[u8]) -> Result<(), PutError> {
        let frame = self.engine.core().options.frame_octets();
        while !octets.is_empty() {
            if self.buffer.len() >= frame {
                self.flush_frame();
                self.flush_part().await?;
            }
            let count = (frame - self.buffer.len()).min(octets.len());
            let (now, later) = octets.split_at(count);
            self.buffer.extend_from_slice(now);
            self.octets += now.len() as u64;
            octets = later;
        }
        Ok(())
    }

    /// Makes a frame of the buffer; the first one ends where a message's header
    /// does, so that the header can be read alone.
    fn flush_frame(&mut self) {
        let first = std::mem::take(&mut self.first_frame);
        let end = match header_end(&self.buffer) {
            Some(end) if first => end,
            _ => self.buffer.len(),
        };
        self.run.push(&self.buffer[..end]);
        self.buffer.drain(..end);
    }

    async fn flush_part(&mut self) -> Result<(), PutError> {
        let options = &self.engine.core().options;
        self.streaming |= self.run.plain >= options.whole_octets_max();
        if self.streaming && self.run.plain >= options.part_octets() {
            return self.send_part().await;
        }
        Ok(())
    }

    async fn send_part(&mut self) -> Result<(), PutError> {
        let run = std::mem::take(&mut self.run);
        self.parts
            .push(u32::try_from(run.plain).unwrap_or(u32::MAX));
        let part = u32::try_from(self.parts.len()).map_err(|_| PutError::TooLong)?;
        lock(&self.engine.core().blobs).streaming.insert(self.id);
        self.put(run.into_part(self.id, part)).await
    }

    async fn put(&self, record: Record) -> Result<(), PutError> {
        let answered = self
            .engine
            .ask(|reply| Request::Put { record, reply })
            .await;
        answered.map_err(|error| match error {
            CommitError::Full => PutError::Full,
            CommitError::Failed(why) => PutError::Failed(why),
            other => PutError::Failed(other.to_string()),
        })
    }

    async fn complete(mut self, derived: Bytes) -> Result<(), PutError> {
        self.check(0)?;
        if !self.buffer.is_empty() {
            let rest = std::mem::take(&mut self.buffer);
            self.run.push(&rest);
        }
        let record = if self.streaming {
            if self.run.plain > 0 {
                self.send_part().await?;
            }
            let parts = std::mem::take(&mut self.parts);
            head_of_parts(self.id, parts, &derived)
        } else {
            std::mem::take(&mut self.run).into_whole(self.id, &derived)
        };
        let (front, _) =
            Front::decode(&record.payload).map_err(|error| PutError::Failed(error.to_string()))?;
        let pending = PendingBlob {
            record: record.clone(),
            front: Arc::new(front),
            since: self.engine.core().now(),
        };
        if self.keep(pending)? {
            self.put(record).await?;
        }
        Ok(())
    }

    /// Keeps the blob in memory; `true` if it should go to the journal at once
    /// because too much is kept.
    fn keep(&self, pending: PendingBlob) -> Result<bool, PutError> {
        let core = self.engine.core();
        let key = key::blob(self.id, 0);
        let taken = indexer::guarded(core, || core.ledger.row::<BlobRow>(&key))
            .map_err(|error| PutError::Failed(error.to_string()))?;
        let mut blobs = lock(&core.blobs);
        if taken.is_some() || blobs.pending.contains_key(&self.id) {
            return Err(PutError::Failed("the blob identifier is taken".into()));
        }
        blobs.pending_octets += pending.record.payload.len();
        blobs.pending.insert(self.id, pending);
        Ok(blobs.pending_octets > core.options.pending_octets_max)
    }
}

impl Drop for DiskSink {
    fn drop(&mut self) {
        lock(&self.engine.core().blobs).streaming.remove(&self.id);
    }
}

impl BlobSink for DiskSink {
    fn write<'a>(&'a mut self, octets: &'a [u8]) -> Answer<'a, Result<(), PutError>> {
        Box::pin(self.take(octets))
    }

    fn finish(self: Box<Self>, derived: Bytes) -> Answer<'static, Result<(), PutError>> {
        Box::pin(self.complete(derived))
    }
}
