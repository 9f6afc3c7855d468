//! What relays and clients say to each other.

mod addresses;
mod decoding;
mod greeting;
mod log;
mod reader;
