//! Compression of what goes over the wire. RFC 4978.
//!
//! What is kept between two answers is what the peer may refer back to, some
//! 40 KB. The compressor, which is larger, is there only while an answer is being
//! written: it refers to nothing before, so that the next answer can have another.

use super::Stream;
use bytes::BytesMut;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use std::cell::RefCell;
use std::io;

/// Compressors kept for the next answer, by each thread.
const SPARES_MAX: usize = 4;
/// Compressed octets are made in pieces of this.
const PIECE_OCTETS: usize = 16 << 10;

thread_local! {
    static SPARES: RefCell<Vec<Compress>> = const { RefCell::new(Vec::new()) };
}

/// Both directions of a compressed stream.
pub(super) struct Deflate {
    inflate: Decompress,
    /// The peer has said that no more compressed octets come.
    ended: bool,
    /// What came and has not been decompressed.
    pub(super) input: BytesMut,
    /// There while an answer is being written.
    deflate: Option<Compress>,
    /// What is to be written.
    pub(super) output: BytesMut,
}

impl Deflate {
    /// Begins with octets that came already.
    pub(super) fn new(input: BytesMut) -> Self {
        Self {
            // RFC 4978 §3: raw deflate, without zlib's header.
            inflate: Decompress::new(false),
            ended: false,
            input,
            deflate: None,
            output: BytesMut::new(),
        }
    }

    /// Decompresses into `out` as much as fits; `None`: more must come.
    ///
    /// # Errors
    /// If what came is not compressed, or the peer has ended the compression.
    pub(super) fn unpack(&mut self, out: &mut [u8]) -> io::Result<Option<usize>> {
        let wrong = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
        let (taken, given) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self
            .inflate
            .decompress(&self.input, out, FlushDecompress::None)
            .map_err(|_| wrong("what came is not compressed"))?;
        let taken = usize::try_from(self.inflate.total_in() - taken).unwrap_or(usize::MAX);
        let given = usize::try_from(self.inflate.total_out() - given).unwrap_or(0);
        drop(self.input.split_to(taken.min(self.input.len())));
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        self.ended |= status == Status::StreamEnd;
        if given > 0 {
            return Ok(Some(given));
        }
        if self.ended {
            return Err(wrong("the peer has ended the compression"));
        }
        if taken == 0 && !self.input.is_empty() {
            return Err(wrong("the decompression stands still"));
        }
        Ok(None)
    }

    /// Compresses all of `plain`; with `flush` so that the peer can read all of it.
    ///
    /// # Errors
    /// None that is known of.
    pub(super) fn pack(&mut self, plain: &mut BytesMut, flush: bool) -> io::Result<()> {
        let end = if flush {
            FlushCompress::Sync
        } else {
            FlushCompress::None
        };
        self.pack_until(plain, end)
    }

    fn pack_until(&mut self, plain: &mut BytesMut, end: FlushCompress) -> io::Result<()> {
        if plain.is_empty() && self.deflate.is_none() {
            return Ok(());
        }
        let deflate = self.deflate.get_or_insert_with(spare);
        loop {
            let start = self.output.len();
            self.output.resize(start + PIECE_OCTETS, 0);
            let (taken, given) = (deflate.total_in(), deflate.total_out());
            let room = self.output.get_mut(start..).unwrap_or_default();
            let status = deflate.compress(plain, room, end);
            let taken = usize::try_from(deflate.total_in() - taken).unwrap_or(usize::MAX);
            let given = usize::try_from(deflate.total_out() - given).unwrap_or(0);
            self.output.truncate(start + given);
            drop(plain.split_to(taken.min(plain.len())));
            status.map_err(io::Error::other)?;
            // A piece that is not full holds all that there was.
            if plain.is_empty() && given < PIECE_OCTETS {
                break;
            }
        }
        if end != FlushCompress::None
            && let Some(deflate) = self.deflate.take()
        {
            keep(deflate);
        }
        Ok(())
    }
}

/// A compressor that remembers nothing.
fn spare() -> Compress {
    let kept = SPARES.with_borrow_mut(Vec::pop);
    // A fast one: compression must not cost a download its speed.
    kept.unwrap_or_else(|| Compress::new(Compression::fast(), false))
}

fn keep(mut deflate: Compress) {
    deflate.reset();
    SPARES.with_borrow_mut(|spares| {
        if spares.len() < SPARES_MAX {
            spares.push(deflate);
        }
    });
}

impl Stream {
    /// Whether what goes over the wire is compressed.
    pub fn is_compressed(&self) -> bool {
        self.deflate.is_some()
    }

    /// Compresses all that is written from now on, and takes all that comes for
    /// compressed. What has gathered is written before, as it is.
    ///
    /// # Errors
    /// The connection is of no use any more.
    pub async fn start_deflate(&mut self) -> Result<(), super::StreamError> {
        self.flush().await?;
        if self.deflate.is_none() {
            let input = std::mem::take(&mut self.input);
            self.deflate = Some(Box::new(Deflate::new(input)));
        }
        Ok(())
    }

    /// Ends the compression of what is written with what has gathered, and takes all
    /// that comes from now on as it is: whatever came has been read. RFC 8437 §4.1.
    /// False if something came behind of which nobody can say whether it is
    /// compressed: the connection is of no use any more.
    ///
    /// # Errors
    /// The connection is of no use any more.
    pub async fn stop_deflate(&mut self) -> Result<bool, super::StreamError> {
        let Some(deflate) = &mut self.deflate else {
            return Ok(true);
        };
        deflate.pack_until(&mut self.output, FlushCompress::Finish)?;
        self.flush().await?;
        let Some(mut deflate) = self.deflate.take() else {
            return Ok(true);
        };
        if !deflate.ended && !deflate.input.is_empty() {
            // What ends the compression may still be there.
            let more = deflate.unpack(&mut [0; 1]);
            if !deflate.ended || matches!(more, Ok(Some(_))) {
                return Ok(false);
            }
        }
        if !self.input.is_empty() {
            return Ok(false);
        }
        self.input = std::mem::take(&mut deflate.input);
        Ok(true)
    }
}
