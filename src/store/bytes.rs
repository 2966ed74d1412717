//! Variable-length integers and strings in a byte vector. Reading never panics and never allocates more than the
//! bytes that are there could need: the file may be damaged.

#[derive(Default)]
pub(super) struct Writer(pub Vec<u8>);

impl Writer {
    /// Seven bits a byte, lowest first; the top bit says that more follow.
    pub fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
    pub fn length(&mut self, value: usize) {
        self.number(value as u64);
    }
    /// `None` is 0, `Some(n)` is n + 1.
    pub fn optional(&mut self, value: Option<u64>) {
        self.number(value.map_or(0, |v| v + 1));
    }
    pub fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }
    pub fn float(&mut self, value: f32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
}

/// What was wrong with the bytes, in words.
pub type Malformed = &'static str;

pub(super) struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self
            .0
            .split_at_checked(n)
            .ok_or("a record ends too early")?;
        self.0 = rest;
        Ok(taken)
    }
    pub fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }
    pub fn number(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("a number has too many bytes")
    }
    pub fn small<T: TryFrom<u64>>(&mut self) -> Result<T, Malformed> {
        T::try_from(self.number()?).map_err(|_| "a number is too large")
    }
    pub fn optional<T: TryFrom<u64>>(&mut self) -> Result<Option<T>, Malformed> {
        match self.number()? {
            0 => Ok(None),
            n => T::try_from(n - 1)
                .map(Some)
                .map_err(|_| "a number is too large"),
        }
    }
    /// How many items follow; each takes at least one byte, so a larger count is damage.
    pub fn count(&mut self) -> Result<usize, Malformed> {
        let n = self.small::<usize>()?;
        if n > self.0.len() {
            return Err("a count is larger than its record");
        }
        Ok(n)
    }
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        let n = self.small::<usize>()?;
        std::str::from_utf8(self.take(n)?).map_err(|_| "a text is not UTF-8")
    }
    pub fn float(&mut self) -> Result<f32, Malformed> {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.take(4)?);
        Ok(f32::from_le_bytes(bytes))
    }
    pub fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err("a record is longer than its content")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_and_texts_come_back(numbers in prop::collection::vec(any::<u64>(), 0..20), text in ".*", p in any::<Option<u32>>(), f in any::<f32>()) {
            let mut out = Writer::default();
            numbers.iter().for_each(|n| out.number(*n));
            out.text(&text);
            out.optional(p.map(u64::from));
            out.float(f);
            let mut bytes = Cursor(&out.0);
            for n in &numbers {
                prop_assert_eq!(bytes.number(), Ok(*n));
            }
            prop_assert_eq!(bytes.text(), Ok(text.as_str()));
            prop_assert_eq!(bytes.optional::<u32>(), Ok(p));
            prop_assert_eq!(bytes.float().map(f32::to_bits), Ok(f.to_bits()));
            prop_assert!(bytes.end().is_ok());
        }
    }
}
