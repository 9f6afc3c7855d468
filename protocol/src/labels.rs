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
    /// Public id of an admission secret.
    ADMISSION_ID = "relevo/1 admission id";
    /// Key that proves an admission.
    ADMISSION_KEY = "relevo/1 admission key";
    /// Proof that the client holds an admission.
    ADMISSION_PROOF = "relevo/1 admission proof";
}
