//! What members say to each other.

mod alerts;
mod codes;
mod decoding;
mod documents;
mod parcels;
mod texts;
