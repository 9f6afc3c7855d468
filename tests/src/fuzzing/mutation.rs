//! Changes to inputs as fuzzers make them, by a seed: the same seed gives the same inputs.

/// SplitMix64.
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number under `end`; 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.any() % end).unwrap_or_default()
    }

    fn byte(&mut self) -> u8 {
        let [first, ..] = self.any().to_le_bytes();
        first
    }

    /// One of the corpus, changed in one to four ways.
    pub fn mutated(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let one = self.below(corpus.len());
        let mut bytes = corpus.get(one).cloned().unwrap_or_default();
        for _ in 0..=self.below(4) {
            self.change(&mut bytes, corpus);
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        /// Lengths and numbers at which CBOR and integers turn.
        const EDGES: [u8; 12] = [0, 1, 0x17, 0x18, 0x1b, 0x1f, 0x40, 0x5f, 0x7f, 0x80, 0xfe, 0xff];
        let at = self.below(bytes.len());
        let long = self.below(8) + 1;
        let end = at.saturating_add(long).min(bytes.len());
        match self.below(8) {
            0 => {
                let bit = 1 << self.below(8);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= bit;
                }
            }
            1 => {
                let edge = EDGES.get(self.below(EDGES.len())).copied().unwrap_or_default();
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = edge;
                }
            }
            2 => drop(bytes.drain(at..end)),
            3 => {
                let more: Vec<u8> = (0..long).map(|_| self.byte()).collect();
                bytes.splice(at..at, more);
            }
            4 => {
                let again = bytes.get(at..end).map(<[u8]>::to_vec).unwrap_or_default();
                bytes.splice(at..at, again);
            }
            5 => bytes.truncate(at),
            6 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = byte.wrapping_add(1);
                }
            }
            _ => {
                let other = self.below(corpus.len());
                let tail = corpus.get(other).map(Vec::as_slice).unwrap_or_default();
                let from = self.below(tail.len());
                bytes.truncate(at);
                bytes.extend_from_slice(tail.get(from..).unwrap_or_default());
            }
        }
    }
}
