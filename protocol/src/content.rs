//! What members say to each other: messages, alerts, documents, parcels, codes. SPEC 12 and 13.
//!
//! Nothing here is signed but by [`crate::trust`], and nothing is confidential but by MLS or [`crate::sealed`].

mod alert;
mod bundle;
mod code;
mod codec;
mod contact;
mod document;
mod kind;
mod leave;
mod log_item;
mod message;
mod parcel;
mod text;

pub use alert::{Alert, AlertAnswer, AlertFault, AlertText, Severity};
pub use bundle::{Attested, Bundle, BundleFault};
pub use code::{CodeKind, CodeLink, CodeLinkFault, Invitation};
pub use codec::{Opaque, decode, encode_secret};
pub use contact::{ContactCard, Identity, IdentityFault, InboxAddress, KnownPerson, ShelfAddress};
pub use document::{FileName, FileNameFault, Location, Manifest, MediaType, MediaTypeFault};
pub use kind::Kind;
pub use leave::{GroupId, LeaveRequest};
pub use log_item::{LogItem, PinnedObject};
pub use message::{Body, CarriedCheckpoint, LogSeen, Message, MessageId};
pub use parcel::{
    Admission, CharterDraft, Complaint, Endorsement, Envelope, GroupOwner, Introduction, JoinRequest, Opened, Parcel,
    ParcelBody, ParcelFault, ParcelReceipt, RequestId, SafetyStep, Sender, UnionDraft, VouchRequest, Welcome,
    WelcomeSource,
};
pub use text::{Language, LanguageFault, Note, Text, TextFault};
