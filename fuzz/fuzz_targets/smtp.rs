//! No line makes the parser of LMTP panic; an address that was read is read
//! again as it is shown, and no reply breaks its line.

#![no_main]

use libfuzzer_sys::fuzz_target;
use proto::smtp::{self, Address, Command, Reply, ReversePath};

fn assert_shown_is_read(address: &Address) {
    assert_eq!(Address::parse(&address.to_string()).as_ref(), Some(address));
}

fuzz_target!(|line: &[u8]| {
    match smtp::command(line) {
        Ok(Command::Mail {
            reverse_path: ReversePath::Address(address),
            ..
        }) => assert_shown_is_read(&address),
        Ok(Command::Rcpt { recipient, .. }) => assert_shown_is_read(&recipient),
        Ok(_) => {}
        Err(reply) => {
            let mut out = Vec::new();
            reply.write(&mut out);
            assert!(out.ends_with(b"\r\n"));
        }
    }
    let mut out = Vec::new();
    Reply::plain(250, String::from_utf8_lossy(line).into_owned()).write(&mut out);
    let lines = out.split(|&octet| octet == b'\n').count() - 1;
    assert_eq!(lines, line.split(|&octet| octet == b'\n').count());
});
