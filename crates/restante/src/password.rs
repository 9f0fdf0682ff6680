//! Random passwords that can be read aloud and typed.

/// 32 characters that are not taken for one another.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A random password of 80 bits, in four groups: `k7wq-m2xd-abcd-efgh`.
///
/// # Errors
/// If the operating system has no randomness.
pub fn random() -> Result<String, getrandom::Error> {
    made::<16>()
}

/// A random password of 140 bits, in seven groups: it cannot be guessed even by
/// whoever has a fast hash of it, which is what is kept of it.
///
/// # Errors
/// If the operating system has no randomness.
pub fn random_long() -> Result<String, getrandom::Error> {
    made::<28>()
}

/// Five bits for each of `LETTERS`, in groups of four.
fn made<const LETTERS: usize>() -> Result<String, getrandom::Error> {
    let mut octets = [0; LETTERS];
    getrandom::fill(&mut octets)?;
    let mut password = String::with_capacity(LETTERS + LETTERS / 4);
    for (at, octet) in octets.into_iter().enumerate() {
        if at > 0 && at % 4 == 0 {
            password.push('-');
        }
        // 256 is a multiple of 32: each character is equally likely.
        let letter = ALPHABET.get(usize::from(octet) % ALPHABET.len());
        password.push(char::from(*letter.unwrap_or(&b'a')));
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    #[test]
    fn passwords_differ_and_need_no_quoting() {
        let one = super::random().unwrap();
        assert_eq!(one.len(), 19);
        assert!(
            one.bytes()
                .all(|o| o == b'-' || super::ALPHABET.contains(&o)),
            "{one}"
        );
        assert_ne!(one, super::random().unwrap());
        assert_eq!(super::random_long().unwrap().len(), 34);
    }
}
