//! Octets as they stand on disk: numbers, runs of octets, texts.
//!
//! Numbers are LEB128 varints where they are mostly small, little-endian where
//! they are not. Reading never panics and never allocates more than it was
//! given: a count is checked against the octets that are left.

use std::fmt;

/// The octets are not what the format says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What was expected.
    pub expected: &'static str,
    /// At which octet.
    pub at: usize,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} at octet {}", self.expected, self.at)
    }
}

impl std::error::Error for Malformed {}

/// Builds octets.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    octets: Vec<u8>,
}

impl Writer {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was written.
    pub fn into_octets(self) -> Vec<u8> {
        self.octets
    }

    /// How many octets were written.
    pub fn len(&self) -> usize {
        self.octets.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// One octet.
    pub fn u8(&mut self, value: u8) {
        self.octets.push(value);
    }

    /// Two octets, little-endian.
    pub fn u16(&mut self, value: u16) {
        self.octets.extend_from_slice(&value.to_le_bytes());
    }

    /// Four octets, little-endian.
    pub fn u32(&mut self, value: u32) {
        self.octets.extend_from_slice(&value.to_le_bytes());
    }

    /// Eight octets, little-endian.
    pub fn u64(&mut self, value: u64) {
        self.octets.extend_from_slice(&value.to_le_bytes());
    }

    /// Sixteen octets, little-endian.
    pub fn u128(&mut self, value: u128) {
        self.octets.extend_from_slice(&value.to_le_bytes());
    }

    /// One to ten octets, seven bits each, the lowest first.
    pub fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.octets.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.octets.push(value as u8);
    }

    /// A signed number as a varint, small absolute values short (zigzag).
    pub fn signed(&mut self, value: i64) {
        self.varint(((value << 1) ^ (value >> 63)) as u64);
    }

    /// Octets as they are, without a length.
    pub fn raw(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    /// A length as a varint, then the octets.
    pub fn bytes(&mut self, octets: &[u8]) {
        self.varint(octets.len() as u64);
        self.raw(octets);
    }

    /// As [`Writer::bytes`].
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }
}

/// Takes octets apart.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    octets: &'a [u8],
    at: usize,
}

type Result<T> = std::result::Result<T, Malformed>;

impl<'a> Reader<'a> {
    /// From the first octet.
    pub fn new(octets: &'a [u8]) -> Self {
        Self { octets, at: 0 }
    }

    /// How many octets have been taken.
    pub fn position(&self) -> usize {
        self.at
    }

    /// How many octets are left.
    pub fn remaining(&self) -> usize {
        self.octets.len().saturating_sub(self.at)
    }

    /// A complaint about what comes next.
    pub fn malformed(&self, expected: &'static str) -> Malformed {
        Malformed {
            expected,
            at: self.at,
        }
    }

    /// # Errors
    /// If anything is left.
    pub fn finish(&self) -> Result<()> {
        if self.remaining() == 0 {
            Ok(())
        } else {
            Err(self.malformed("the end"))
        }
    }

    /// `count` octets as they are.
    ///
    /// # Errors
    /// If fewer are left; so for all that follow.
    pub fn raw(&mut self, count: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(count);
        let octets = end.and_then(|end| self.octets.get(self.at..end));
        let octets = octets.ok_or(Malformed {
            expected: "more octets",
            at: self.at,
        })?;
        self.at += count;
        Ok(octets)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let at = self.at;
        self.raw(N)?.try_into().map_err(|_| Malformed {
            expected: "more octets",
            at,
        })
    }

    /// One octet.
    ///
    /// # Errors
    /// See [`Reader::raw`].
    pub fn u8(&mut self) -> Result<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    /// Two octets.
    ///
    /// # Errors
    /// See [`Reader::raw`].
    pub fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// Four octets.
    ///
    /// # Errors
    /// See [`Reader::raw`].
    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Eight octets.
    ///
    /// # Errors
    /// See [`Reader::raw`].
    pub fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Sixteen octets.
    ///
    /// # Errors
    /// See [`Reader::raw`].
    pub fn u128(&mut self) -> Result<u128> {
        Ok(u128::from_le_bytes(self.array()?))
    }

    /// What [`Writer::varint`] wrote.
    ///
    /// # Errors
    /// If it has no end or does not fit 64 bits.
    pub fn varint(&mut self) -> Result<u64> {
        let at = self.at;
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let octet = self.u8()?;
            let bits = u64::from(octet & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if octet < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed {
            expected: "a varint of 64 bits",
            at,
        })
    }

    /// A varint of at most 32 bits.
    ///
    /// # Errors
    /// If it is larger.
    pub fn varint32(&mut self) -> Result<u32> {
        let at = self.at;
        let value = self.varint()?;
        u32::try_from(value).map_err(|_| Malformed {
            expected: "a varint of 32 bits",
            at,
        })
    }

    /// A count of things that take at least `octets_min` octets each: no more
    /// than can follow, so that it is safe to allocate by it.
    ///
    /// # Errors
    /// If they cannot all follow.
    pub fn count(&mut self, octets_min: usize) -> Result<usize> {
        let at = self.at;
        let count = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        if count.saturating_mul(octets_min.max(1)) <= self.remaining() {
            Ok(count)
        } else {
            Err(Malformed {
                expected: "a count of what follows",
                at,
            })
        }
    }

    /// What [`Writer::signed`] wrote.
    ///
    /// # Errors
    /// See [`Reader::varint`].
    pub fn signed(&mut self) -> Result<i64> {
        let value = self.varint()?;
        Ok(((value >> 1) as i64) ^ -((value & 1) as i64))
    }

    /// What [`Writer::bytes`] wrote.
    ///
    /// # Errors
    /// See [`Reader::raw`].
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let count = self.count(1)?;
        self.raw(count)
    }

    /// What [`Writer::text`] wrote.
    ///
    /// # Errors
    /// If it is not UTF-8.
    pub fn text(&mut self) -> Result<&'a str> {
        let at = self.at;
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed {
            expected: "UTF-8",
            at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(number in any::<u64>(), signed in any::<i64>(), text in ".*") {
            let mut writer = Writer::new();
            writer.varint(number);
            writer.signed(signed);
            writer.text(&text);
            writer.u128(u128::from(number) << 3);
            let octets = writer.into_octets();
            let mut reader = Reader::new(&octets);
            prop_assert_eq!(reader.varint(), Ok(number));
            prop_assert_eq!(reader.signed(), Ok(signed));
            prop_assert_eq!(reader.text(), Ok(text.as_str()));
            prop_assert_eq!(reader.u128(), Ok(u128::from(number) << 3));
            prop_assert_eq!(reader.finish(), Ok(()));
        }
    }

    #[test]
    fn short_and_overlong_octets_are_refused() {
        assert!(Reader::new(&[0x80]).varint().is_err());
        assert!(Reader::new(&[0xff; 10]).varint().is_err());
        assert!(Reader::new(&[5, 1, 2]).bytes().is_err());
        assert!(
            Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x0f])
                .count(1)
                .is_err()
        );
    }
}
