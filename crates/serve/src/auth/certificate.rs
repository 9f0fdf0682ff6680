//! Whom a client's certificate names.

use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

/// What of a client's certificate names the account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CertificateName {
    /// A mail address among its alternative names. RFC 8550 §3.
    #[default]
    Email,
    /// The common name of its subject.
    CommonName,
}

/// Names looked at of one certificate, at the most.
const NAMES_MAX: usize = 16;

/// The names in a certificate that TLS has checked.
pub(super) fn names(certificate: &[u8], which: CertificateName) -> Vec<String> {
    let Ok((_, parsed)) = parse_x509_certificate(certificate) else {
        return Vec::new();
    };
    match which {
        CertificateName::Email => {
            let alternatives = parsed.subject_alternative_name().ok().flatten();
            let names = alternatives.map(|found| &found.value.general_names[..]);
            names
                .unwrap_or_default()
                .iter()
                .filter_map(|name| match name {
                    GeneralName::RFC822Name(address) => Some((*address).to_owned()),
                    _ => None,
                })
                .take(NAMES_MAX)
                .collect()
        }
        // Of two, nobody knows which is meant.
        CertificateName::CommonName => {
            let mut found = parsed.subject().iter_common_name();
            match (found.next(), found.next()) {
                (Some(only), None) => only.as_str().ok().map(str::to_owned).into_iter().collect(),
                _ => Vec::new(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    #[test]
    fn names_are_found() {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(["ann.example".to_owned()]).unwrap();
        for address in ["ann@example.org", "a@example.org"] {
            let name = SanType::Rfc822Name(address.try_into().unwrap());
            parameters.subject_alt_names.push(name);
        }
        parameters
            .distinguished_name
            .push(DnType::CommonName, "Ann");
        let made = parameters.self_signed(&key).unwrap();
        assert_eq!(
            names(made.der(), CertificateName::Email),
            ["ann@example.org", "a@example.org"]
        );
        assert_eq!(names(made.der(), CertificateName::CommonName), ["Ann"]);
        assert!(names(b"nothing", CertificateName::Email).is_empty());
    }
}
