//! Relevo's end-to-end tests, demo and benches, on real parts.

pub mod crash;
pub mod dice;
pub mod evil;
pub mod fuzzing;
pub mod hostile;
pub mod lab;
pub mod pdf;
pub mod power_cut;
pub mod proxy;
pub mod relay_process;
pub mod scan;
pub mod simulation;
pub mod story;
pub mod world;
