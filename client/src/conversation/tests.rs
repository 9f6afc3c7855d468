//! Members over a simulated log.

mod again;
mod carried;
mod crash;
mod doors;
mod group;
mod halt;
mod heads;
mod held;
mod hostile;
mod invite;
mod key_package;
mod large;
mod older;
mod pair;
mod put_back;
mod race;
mod refound;
