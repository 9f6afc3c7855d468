//! Relevo's end-to-end tests, demo and benches, on real parts.

pub mod scan;
