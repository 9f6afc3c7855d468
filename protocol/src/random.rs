//! The one door to randomness: the operating system, and nothing else in anything that people are given.
//!
//! With the feature `simulation`, which no product build has (a test of the workspace holds that), a simulator may put a
//! seeded sequence in its place on its own thread, so that a run can be had again.

/// Fills `out` from the operating system.
///
/// # Errors
/// The operating system gave no randomness.
pub fn fill(out: &mut [u8]) -> Result<(), getrandom::Error> {
    #[cfg(feature = "simulation")]
    if seeded::fill(out) {
        return Ok(());
    }
    getrandom::fill(out)
}

/// A sequence that anybody can have again, for simulators.
#[cfg(feature = "simulation")]
pub mod seeded {
    use core::cell::Cell;

    thread_local! {
        static STATE: Cell<Option<u64>> = const { Cell::new(None) };
    }

    /// While this lives, [`super::fill`] gives a sequence of its seed on this thread.
    #[derive(Debug)]
    pub struct Seeded(());

    impl Seeded {
        /// Begins the sequence of a seed.
        #[must_use]
        pub fn begin(seed: u64) -> Self {
            STATE.set(Some(seed));
            Self(())
        }
    }

    impl Drop for Seeded {
        fn drop(&mut self) {
            STATE.set(None);
        }
    }

    /// Fills `out` if a sequence has begun here. SplitMix64 (Steele, Lea, Flood 2014): predictable, and meant to be.
    pub(super) fn fill(out: &mut [u8]) -> bool {
        let Some(mut state) = STATE.get() else { return false };
        for chunk in out.chunks_mut(8) {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.iter_mut().zip((z ^ (z >> 31)).to_be_bytes()).for_each(|(to, from)| *to = from);
        }
        STATE.set(Some(state));
        true
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::secret::Secret;

        fn drawn() -> [[u8; 32]; 2] {
            [(); 2].map(|()| *Secret::<32>::random().unwrap().expose())
        }

        #[test]
        fn a_seed_gives_its_sequence_again_and_nothing_outlives_it() {
            let seeded = Seeded::begin(7);
            let first = drawn();
            drop(seeded);
            let free = drawn();
            let _again = Seeded::begin(7);
            assert_eq!(drawn(), first);
            assert_ne!(free, first);
            assert_ne!(first[0], first[1]);
        }
    }
}
