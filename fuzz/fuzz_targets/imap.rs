//! The reader of IMAP commands gives the same however the octets are cut, and
//! ends.

#![no_main]

use libfuzzer_sys::fuzz_target;
use proto::imap::{CommandReader, Event, Limits};

fn read(octets: &[u8], piece: usize, accept: bool) -> Vec<String> {
    let mut reader = CommandReader::new(Limits::LOGGED_IN);
    let mut events: Vec<String> = Vec::new();
    let mut message = Vec::new();
    for mut input in octets.chunks(piece) {
        while let Some(event) = reader.read(&mut input) {
            if let Event::Chunk(octets) = event {
                message.extend_from_slice(octets);
                continue;
            }
            events.push(format!("{} {event:?}", message.escape_ascii()));
            message.clear();
            match event {
                Event::Append(_) | Event::AppendPart(_) if accept => reader.accept(),
                Event::Append(_) | Event::AppendPart(_) => reader.refuse(1_000),
                Event::Close => return events,
                _ => {}
            }
        }
    }
    events
}

fuzz_target!(|input: (u8, bool, &[u8])| {
    let (piece, accept, octets) = input;
    let piece = usize::from(piece).max(1);
    assert_eq!(
        read(octets, piece, accept),
        read(octets, usize::MAX, accept)
    );
});
