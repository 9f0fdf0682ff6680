//! Any octets become a derived row that can be read, and every section of it is
//! within them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mime::{DERIVED_OCTETS_MAX, Derived, derive};

fuzz_target!(|message: &[u8]| {
    let row = derive(message);
    assert!(row.len() <= DERIVED_OCTETS_MAX);
    let derived = Derived::decode(&row).expect("a row that was just made");
    assert_eq!(derived.size, message.len() as u64);
    assert!(derived.header_length <= derived.size);
    derived.parts();
    assert!(mime::derive_searchable(message).len() <= DERIVED_OCTETS_MAX);
    if let Ok(encoded) = mime::encode_binary(message) {
        assert!(!encoded.contains(&0));
    }
    mime::render_envelope(message);
    mime::decode_words(message);
    mime::parse_date(message);
    mime::base_subject(message);
    mime::html_to_text(&String::from_utf8_lossy(message));
});
