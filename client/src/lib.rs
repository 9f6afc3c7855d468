//! Relevo's client: vault, conversations, sync engine and the command line.

pub mod account;
pub mod alert;
mod caught;
pub mod cli;
pub mod conversation;
pub mod disclosure;
pub mod document;
#[cfg(test)]
mod fixture;
pub mod i18n;
pub mod inbox;
pub mod link;
pub mod membership;
mod quiet;
pub mod sync;
pub mod vault;
