//! One label for each signature, hash and key derivation: no key and no digest serves two purposes.
//!
//! Every label is listed in SPEC 2, and a test holds the two lists equal.

/// Declares the labels and the list that the test against SPEC reads.
macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = $text;)*
        /// Every label, for the test that compares this file with SPEC 2.
        pub const ALL: &[(&str, &str)] = &[$((stringify!($name), $text)),*];
    };
}

labels! {
    /// Hash of a capability, which is all that a relay keeps of it.
    CAPABILITY = "relevo/1 capability";
    /// Mailbox id from the hash of the owner capability.
    MAILBOX = "relevo/1 mailbox";
    /// One link of a mailbox's hash chain.
    HEAD = "relevo/1 head";
    /// A relay's signature under a checkpoint.
    CHECKPOINT = "relevo/1 checkpoint";
    /// Fingerprint of a relay's identity key.
    FINGERPRINT = "relevo/1 relay fingerprint";
    /// TLS exporter that binds a session to its connection (RFC 8446, 7.5).
    EXPORTER = "EXPORTER-relevo/1 session";
    /// Path of the session request.
    PATH = "relevo/1 path";
    /// A relay's signature in Welcome.
    WELCOME = "relevo/1 welcome";
    /// Key by which a relay, started again, tells clients of connections that it has forgotten (RFC 9000, 10.3).
    RESET = "relevo/1 reset";
    /// Public id of an admission secret.
    ADMISSION_ID = "relevo/1 admission id";
    /// Key that proves an admission.
    ADMISSION_KEY = "relevo/1 admission key";
    /// Proof that the client holds an admission.
    ADMISSION_PROOF = "relevo/1 admission proof";
    /// An entry of a group's log, sealed under the group's wrap key.
    ENTRY = "relevo/1 entry";
    /// An entry of a shelf, sealed under the shelf key.
    SHELF = "relevo/1 shelf";
    /// The entry of a code's mailbox, sealed under a key from the code.
    CODE = "relevo/1 code";
    /// HPKE info of an inbox entry.
    INBOX = "relevo/1 inbox";
    /// Tag that tells the recipient which of its inbox keys opens an entry.
    INBOX_TAG = "relevo/1 inbox tag";
    /// One chunk of a document.
    CHUNK = "relevo/1 chunk";
    /// MLS exporter (RFC 9420, 8.5) from which a group's three secrets come.
    GROUP = "relevo/1 group";
    /// Wrap key of a group.
    GROUP_WRAP = "relevo/1 group wrap";
    /// *read* of a group's mailbox.
    GROUP_READ = "relevo/1 group read";
    /// *append* of a group's mailbox.
    GROUP_APPEND = "relevo/1 group append";
    /// *owner* of a code's mailbox.
    CODE_OWNER = "relevo/1 code owner";
    /// Key of the entry in a code's mailbox.
    CODE_KEY = "relevo/1 code key";
    /// Single-use admission that a code carries.
    CODE_ADMISSION = "relevo/1 code admission";
    /// Check characters at the end of a code.
    CODE_CHECK = "relevo/1 code check";
    /// An alert.
    ALERT = "relevo/1 alert";
    /// A document's manifest.
    MANIFEST = "relevo/1 manifest";
    /// The envelope of a parcel.
    PARCEL = "relevo/1 parcel";
    /// The body of a parcel, which its envelope names by hash.
    PARCEL_BODY = "relevo/1 parcel body";
    /// A member's request to leave a group.
    LEAVE = "relevo/1 leave";
    /// A member's device set (SPEC 9).
    DEVICE_SET = "relevo/1 device set";
    /// A union's coordinator set.
    COORDINATOR_SET = "relevo/1 coordinator set";
    /// A version of an alliance's charter.
    CHARTER = "relevo/1 charter";
    /// A member's card.
    CARD = "relevo/1 card";
    /// A member's vouch for a newcomer.
    VOUCH = "relevo/1 vouch";
    /// Salted commitment of a card to its vouches.
    VOUCHES = "relevo/1 vouches";
    /// A union's revocation list.
    REVOCATIONS = "relevo/1 revocations";
    /// One link of a union's roll.
    ROLL = "relevo/1 roll";
    /// A device's signature under the key of an MLS leaf.
    LEAF = "relevo/1 leaf";
    /// Words by which people compare an alliance.
    ALLIANCE_WORDS = "relevo/1 alliance words";
    /// First side's commitment in a verification between two people.
    SAFETY_COMMITMENT = "relevo/1 safety commitment";
    /// Words by which two people verify each other.
    SAFETY_WORDS = "relevo/1 safety words";
}
