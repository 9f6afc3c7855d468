//! Values by the throw: the same seed gives the same values, so that vectors stay and failures can be repeated.

use relevo_protocol::secret::Secret;
use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::wire::{
    Admission, Capability, CapabilityHash, Entry, Fingerprint, Grant, Head, Incarnation, MailboxId, PathSecret,
    RelayAddress, Sequence,
};

/// SplitMix64.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Numbers of every length, since CBOR writes each length in its own way.
    pub(crate) fn u64(&mut self) -> u64 {
        let shift = self.any() % 64;
        self.any() >> shift
    }

    pub(crate) fn u32(&mut self) -> u32 {
        u32::try_from(self.u64() >> 32).unwrap()
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::try_from(self.u64() >> 48).unwrap()
    }

    pub(crate) fn below(&mut self, end: u64) -> usize {
        usize::try_from(self.any() % end).unwrap()
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.any().is_multiple_of(2)
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        core::array::from_fn(|_| self.any().to_le_bytes()[0])
    }

    pub(crate) fn many(&mut self, at_most: u64) -> Vec<u8> {
        (0..self.below(at_most + 1)).map(|_| self.any().to_le_bytes()[0]).collect()
    }

    pub(crate) fn list<T>(&mut self, at_most: u64, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(at_most + 1)).map(|_| one(self)).collect()
    }

    pub(crate) fn maybe<T>(&mut self, one: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.coin().then(|| one(self))
    }

    pub(crate) fn text(&mut self, at_most: u64) -> String {
        let letters = ['a', 'ñ', 'ç', '\n', ' ', '李', '9'];
        (0..self.below(at_most + 1)).map(|_| letters[self.below(7)]).collect()
    }

    pub(crate) fn secret<const N: usize>(&mut self) -> Secret<N> {
        Secret::new(self.bytes())
    }

    pub(crate) fn hour(&mut self) -> Hour {
        Hour(self.u32())
    }

    pub(crate) fn timestamp(&mut self) -> Timestamp {
        Timestamp(self.u64())
    }

    pub(crate) fn mailbox(&mut self) -> MailboxId {
        MailboxId(self.bytes())
    }

    pub(crate) fn capability(&mut self) -> Capability {
        Capability::new(self.secret())
    }

    pub(crate) fn sequence(&mut self) -> Sequence {
        Sequence(self.u64())
    }

    pub(crate) fn incarnation(&mut self) -> Incarnation {
        Incarnation(self.bytes())
    }

    pub(crate) fn head(&mut self) -> Head {
        Head(self.bytes())
    }

    pub(crate) fn grant(&mut self) -> Grant {
        Grant {
            hash: CapabilityHash(self.bytes()),
            per_hour: self.u32(),
            bytes_per_hour: self.u64(),
            expires: self.hour(),
        }
    }

    pub(crate) fn entry(&mut self) -> Entry {
        Entry::parse(self.bytes::<512>().to_vec().into()).unwrap()
    }

    pub(crate) fn relay(&mut self) -> RelayAddress {
        let host = match self.below(3) {
            0 => "relay.example.org".to_owned(),
            1 => "192.0.2.7".to_owned(),
            _ => "2001:db8::1".to_owned(),
        };
        RelayAddress {
            fingerprint: Fingerprint(self.bytes()),
            host,
            port: if self.coin() { 443 } else { self.u16().max(1) },
            path: PathSecret::new(self.secret()),
            admission: Admission::new(self.secret()),
        }
    }
}
