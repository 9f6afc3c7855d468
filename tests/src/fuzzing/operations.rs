//! Bytes read as decisions, so that a fuzzer's input is a list of operations and a shorter input a shorter list.

/// An input, read from its beginning.
#[derive(Debug)]
pub struct Tape<'b>(&'b [u8]);

/// Bytes until the end of the list.
impl Iterator for Tape<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }
}

impl<'b> Tape<'b> {
    /// Reads an input.
    #[must_use]
    pub fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    /// The next byte, 0 past the end.
    pub fn byte(&mut self) -> u8 {
        self.next().unwrap_or_default()
    }

    /// A number under `end`.
    pub fn below(&mut self, end: u8) -> u8 {
        self.byte() % end.max(1)
    }

    /// One of several.
    pub fn one_of<T: Copy>(&mut self, several: &[T], otherwise: T) -> T {
        let at = usize::from(self.byte()) % several.len().max(1);
        several.get(at).copied().unwrap_or(otherwise)
    }

    /// Numbers: mostly small, sometimes those at which arithmetic ends.
    pub fn number(&mut self) -> u64 {
        match self.byte() {
            small @ 0..=239 => u64::from(small % 24),
            240..=243 => u64::MAX,
            244..=246 => u64::MAX - 1,
            247..=249 => u64::try_from(i64::MAX).unwrap_or_default(),
            250..=252 => u64::from(u32::MAX),
            _ => 1 << 63,
        }
    }

    /// Some of the next bytes as they are.
    pub fn some(&mut self) -> &'b [u8] {
        let length = usize::from(self.byte());
        let (some, rest) = self.0.split_at_checked(length).unwrap_or((self.0, &[]));
        self.0 = rest;
        some
    }
}
