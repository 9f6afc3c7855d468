//! Members over a simulated log.

mod crash;
mod doors;
mod group;
mod halt;
mod heads;
mod pair;
mod race;
