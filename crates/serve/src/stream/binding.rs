//! What a certificate says for channel bindings.

use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use x509_parser::oid_registry::{
    OID_PKCS1_MD5WITHRSAENC, OID_PKCS1_SHA1WITHRSA, OID_PKCS1_SHA256WITHRSA,
    OID_PKCS1_SHA384WITHRSA, OID_PKCS1_SHA512WITHRSA, OID_SIG_ECDSA_WITH_SHA256,
    OID_SIG_ECDSA_WITH_SHA384, OID_SIG_ECDSA_WITH_SHA512,
};
use x509_parser::parse_x509_certificate;

/// The hash of a certificate by the hash function of its signature, SHA-256 in the
/// place of MD5 and SHA-1: RFC 5929 §4.1, which says nothing about signatures that
/// have none or more than one.
pub(super) fn end_point(certificate: &CertificateDer<'_>) -> Option<Box<[u8]>> {
    let (_, parsed) = parse_x509_certificate(certificate).ok()?;
    let algorithm = &parsed.signature_algorithm.algorithm;
    let is = |known: &[_]| known.contains(algorithm);
    let hash = if is(&[
        OID_PKCS1_MD5WITHRSAENC,
        OID_PKCS1_SHA1WITHRSA,
        OID_PKCS1_SHA256WITHRSA,
        OID_SIG_ECDSA_WITH_SHA256,
    ]) {
        Sha256::digest(certificate).to_vec()
    } else if is(&[OID_PKCS1_SHA384WITHRSA, OID_SIG_ECDSA_WITH_SHA384]) {
        Sha384::digest(certificate).to_vec()
    } else if is(&[OID_PKCS1_SHA512WITHRSA, OID_SIG_ECDSA_WITH_SHA512]) {
        Sha512::digest(certificate).to_vec()
    } else {
        return None;
    };
    Some(hash.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_signature() {
        let made = |algorithm| {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
            parameters.self_signed(&key).unwrap().der().clone()
        };
        let length = |algorithm| end_point(&made(algorithm)).map(|hash| hash.len());
        assert_eq!(length(&rcgen::PKCS_ECDSA_P256_SHA256), Some(32));
        assert_eq!(length(&rcgen::PKCS_ECDSA_P384_SHA384), Some(48));
        assert_eq!(length(&rcgen::PKCS_ED25519), None);
        let certificate = made(&rcgen::PKCS_ECDSA_P256_SHA256);
        let hash = Sha256::digest(&certificate).to_vec();
        assert_eq!(end_point(&certificate).unwrap().to_vec(), hash);
        assert_eq!(end_point(&CertificateDer::from(vec![1, 2, 3])), None);
    }
}
