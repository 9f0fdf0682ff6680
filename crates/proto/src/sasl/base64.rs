//! Base64 as the exchanges write it. RFC 4648 §4.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The standard alphabet; padding is written, and its lack forgiven.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The octets that `text` stands for; `None` where it is not base64 or longer
/// than a line may be ([`super::LINE_OCTETS_MAX`]).
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() > super::LINE_OCTETS_MAX {
        return None;
    }
    ENGINE.decode(text).ok()
}

/// `octets` in base64, in one line.
pub fn encode(octets: &[u8]) -> String {
    ENGINE.encode(octets)
}
