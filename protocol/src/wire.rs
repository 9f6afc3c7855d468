//! What a relay and a client say to each other: opaque entries, capabilities, leases. Nothing here knows
//! what an entry holds or who wrote it. SPEC 4 to 8.

mod address;
mod answer;
mod blob;
mod capability;
mod entry;
mod event;
mod frame;
mod greeting;
mod log;
mod refusal;
mod request;

pub use address::{AddressFault, Admission, AdmissionId, AdmissionKey, PathSecret, RelayAddress};
#[cfg(feature = "content")]
pub(crate) use address::{authority, parse_authority};
pub use answer::{Answer, Outcome, ReadEntry, Reply, Resumed, Standing};
pub use blob::{BlobCall, BlobId, BlobReply};
pub use capability::{Capability, CapabilityHash, Grant, MailboxId};
pub use entry::{Entry, EntryFault};
pub use event::{Event, entry_event_prefix};
pub use frame::{FrameFault, FrameReader, decode_exact, encode, write_frame};
pub use greeting::{
    Exporter, Fingerprint, GreetingFault, Hello, Opening, RelayIdentity, SessionLimits, Version, Welcome, WelcomeBody,
};
pub use log::{Checkpoint, CheckpointFault, Head, Incarnation, Lineage, Sequence, SignedCheckpoint};
pub use refusal::Refusal;
pub use request::{Call, Cursor, GrantTable, MailboxKind, Request, Subscription, SubscriptionId};
