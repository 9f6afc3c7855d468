//! Processes killed, power cut, disks filled and bits flipped under real relays and real vaults. See tests/README.md.

pub mod client_rounds;
pub mod client_worker;
pub mod full_disk;
pub mod inside;
pub mod load;
pub mod relay_rounds;
pub mod truth;

use std::path::PathBuf;

/// The programs under test, and how much of what is done with them.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// `relevo-relay`.
    pub relay: PathBuf,
    /// This program, for workers.
    pub itself: PathBuf,
    /// Rounds.
    pub rounds: u64,
    /// Decides everything that is drawn.
    pub seed: u64,
}
