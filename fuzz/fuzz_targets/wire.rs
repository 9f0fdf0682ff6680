//! Lines and bodies come out the same however the octets are cut, and what is
//! stored has no bare LF and no NUL.

#![no_main]

use libfuzzer_sys::fuzz_target;
use proto::wire::{ChunkDecoder, DataDecoder, DotEncoder, Line, LineReader, TopFilter};

fn lines(octets: &[u8], piece: usize) -> Vec<Option<Vec<u8>>> {
    let mut reader = LineReader::new();
    let mut lines = Vec::new();
    for mut input in octets.chunks(piece) {
        while let Some(line) = reader.next(&mut input, |_| 40) {
            match line {
                Line::Whole(line) => lines.push(Some(line.to_vec())),
                Line::TooLong => lines.push(None),
                Line::Endless => return lines,
            }
        }
    }
    lines
}

fn data(octets: &[u8], piece: usize) -> (Vec<u8>, usize, bool) {
    let mut decoder = DataDecoder::new();
    let mut out = Vec::new();
    let mut taken = 0;
    for octets in octets.chunks(piece) {
        let decoded = decoder.decode(octets, &mut out);
        taken += decoded.taken;
        if decoded.ended {
            return (out, taken, true);
        }
    }
    (out, taken, false)
}

fn chunks(octets: &[u8], piece: usize) -> Vec<u8> {
    let mut decoder = ChunkDecoder::new();
    let mut out = Vec::new();
    for octets in octets.chunks(piece) {
        decoder.begin(octets.len() as u64);
        assert!(decoder.decode(octets, &mut out).ended);
    }
    out
}

fn assert_storable(message: &[u8]) {
    assert!(!message.contains(&0));
    let mut before = 0;
    for &octet in message {
        assert!(octet != b'\n' || before == b'\r');
        before = octet;
    }
}

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, octets) = input;
    let piece = usize::from(piece).max(1);
    assert_eq!(lines(octets, piece), lines(octets, usize::MAX));
    assert_eq!(data(octets, piece), data(octets, usize::MAX));
    assert_eq!(chunks(octets, piece), chunks(octets, usize::MAX));
    let message = chunks(octets, usize::MAX);
    assert_storable(&message);
    assert_storable(&data(octets, usize::MAX).0);

    // What RETR sends comes back as it was, but for the CRLF that it may add.
    let mut sent = Vec::new();
    let mut encoder = DotEncoder::new();
    for octets in message.chunks(piece) {
        encoder.encode(octets, &mut sent);
    }
    let added = encoder.lacks_final_crlf();
    encoder.finish(&mut sent);
    let (back, taken, ended) = data(&sent, piece);
    assert!(ended && taken == sent.len());
    assert_eq!(
        back.strip_suffix(if added { &b"\r\n"[..] } else { b"" }),
        Some(&*message)
    );

    // TOP gives a beginning of the message.
    let mut top = TopFilter::new(3);
    let mut passed = Vec::new();
    for octets in message.chunks(piece) {
        passed.extend_from_slice(top.pass(octets));
    }
    assert!(message.starts_with(&passed));
    assert!(top.is_done() || passed == message);
});
