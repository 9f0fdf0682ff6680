//! COMPRESS.

use super::reply::{Reply, Tell};
use super::session::{Session, Step};
use proto::imap::Tag;
use proto::imap::response::Code;

/// RFC 4978 §3: compression begins after the CRLF of the tagged OK, and in what the
/// client sends after it.
pub(super) async fn compress(session: &mut Session, tag: &Tag, algorithm: &str) -> Step {
    if algorithm != "DEFLATE" {
        session
            .finish(tag, Reply::bad("DEFLATE alone is known"))
            .await?;
        return Ok(None);
    }
    if session.stream.is_compressed() {
        let reply = Reply::no(Code::CompressionActive, "that is on already");
        session.finish(tag, reply).await?;
        return Ok(None);
    }
    let reply = Reply::ok("compressed from here on").telling(Tell::Nothing);
    session.finish(tag, reply).await?;
    session.stream.start_deflate().await?;
    Ok(None)
}
