//! What a guess at the passphrase costs.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::{Zeroize, Zeroizing};

use super::{
    fault::{Part, VaultFault},
    passphrase::Passphrase,
};

const DAMAGED: VaultFault = VaultFault::Damaged { what: Part::Slots };

/// What one guess at the passphrase costs: Argon2id's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// 64 MiB, 3 passes, 1 lane: 160 ms measured on a slow core (RFC 9106's second choice, on one lane).
    pub const DEFAULT: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 1 };
    /// Guessable at once: for tests, which open hundreds of vaults.
    pub const FOR_TESTS: Self = Self { memory_kib: 64, passes: 1, lanes: 1 };

    /// Bounds what a damaged or planted file can ask of this machine: 64 KiB to 1 GiB, 1 to 16 passes, 1 to 4 lanes.
    pub(super) fn parse(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, VaultFault> {
        let sane = (64..=1024 * 1024).contains(&memory_kib) && (1..=16).contains(&passes) && (1..=4).contains(&lanes);
        sane.then_some(Self { memory_kib, passes, lanes }).ok_or(DAMAGED)
    }

    /// The parameters in the order of the file.
    pub(super) fn numbers(self) -> [u32; 3] {
        [self.memory_kib, self.passes, self.lanes]
    }

    /// 32 bytes that only this passphrase and salt give.
    pub(super) fn root(self, passphrase: &Passphrase, salt: &[u8]) -> Result<Zeroizing<[u8; 32]>, VaultFault> {
        let mut root = Zeroizing::new([0; 32]);
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).map_err(|_| DAMAGED)?;
        let mut memory = Vec::new();
        memory
            .try_reserve_exact(params.block_count())
            .map_err(|_| VaultFault::System(std::io::ErrorKind::OutOfMemory))?;
        memory.resize(params.block_count(), Block::new());
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let done = argon2.hash_password_into_with_memory(passphrase.bytes(), salt, root.as_mut_slice(), &mut memory);
        memory.iter_mut().for_each(Zeroize::zeroize);
        done.map_err(|_| DAMAGED)?;
        Ok(root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_that_would_stall_the_machine_are_refused() {
        assert_eq!(Cost::parse(64 * 1024, 3, 1).unwrap(), Cost::DEFAULT);
        for (memory_kib, passes, lanes) in [
            (0, 3, 1),
            (63, 3, 1),
            (u32::MAX, 3, 1),
            (1024, 0, 1),
            (1024, u32::MAX, 1),
            (1024, 3, 0),
            (1024, 3, 1 << 20),
        ] {
            assert!(matches!(Cost::parse(memory_kib, passes, lanes), Err(DAMAGED)), "{memory_kib} {passes} {lanes}");
        }
    }
}
