//! Members over a simulated log.

mod pair;
