//! The trust chapter of the contract, from outside: who is believed, and whose fault it is when nobody is.
#![cfg(feature = "trust")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot set itself up has failed")]

#[path = "trust/bytes.rs"]
mod bytes;
#[path = "trust/cards.rs"]
mod cards;
#[path = "trust/charters.rs"]
mod charters;
#[path = "trust/leaves.rs"]
mod leaves;
#[path = "trust/objects.rs"]
mod objects;
#[path = "trust/pins.rs"]
mod pins;
#[path = "trust/sets.rs"]
mod sets;
#[path = "trust/spec.rs"]
mod spec;
#[path = "trust/vectors.rs"]
mod vectors;
#[path = "trust/vouches.rs"]
mod vouches;
#[path = "trust/words.rs"]
mod words;
#[path = "trust/world.rs"]
mod world;
