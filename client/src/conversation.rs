//! Conversations: MLS groups of two people or many, over one mailbox each (DESIGN 6, 7; SPEC 11).
//!
//! No network here, and no clock: every verb runs inside one vault transaction that changes MLS state, history, outbox
//! and cursor together, and says by [`Effect`]s what is to be sent, which the account puts into the outbox in the same
//! transaction. The log's order decides: the first valid commit of an epoch wins.

mod add;
mod answer;
mod carried;
mod commit;
mod context;
mod create;
mod desk;
mod effect;
mod fault;
mod halt;
mod heads;
mod held;
mod intention;
mod invite;
mod join;
mod judge;
mod key_package;
mod leaf;
mod list;
mod merge;
mod porch;
mod proof;
mod put_back;
mod receive;
mod refound;
mod room;
mod send;
mod signer;
mod suite;
mod validity;

pub use commit::Unsure;
pub use context::{Context, Kind};
pub use desk::{Desk, Me, Rooms};
pub use effect::{Awaited, Effect};
pub use fault::{CommitFault, ConversationFault};
pub use list::{
    Alarm, Conversation, Conviction, Decision, HeldBack, Said, Seated, alarms, changes_held_back, conversation,
    conversations_of, convictions, lineage, pair_with, said, silent, waiting,
};
pub use refound::Anew;
pub use room::{AlarmKind, Keeper, MessageState, Standing};

#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;
