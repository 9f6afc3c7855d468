//! Relevo's client: vault, conversations, sync engine and command line over one account (client/DESIGN.md).

pub mod link;
pub mod sync;
pub mod vault;
