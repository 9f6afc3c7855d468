//! Every bound of the protocol, named once. SPEC 3 lists the same names and numbers; a test holds them equal.

/// Declares the limits and the list that the test against SPEC reads.
macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident: $kind:ty = $value:expr;)*) => {
        $($(#[$doc])* pub const $name: $kind = $value;)*
        /// Every scalar limit, for the test that compares this file with SPEC 3.
        pub const ALL: &[(&str, u64)] = &[$((stringify!($name), $name as u64)),*];
    };
}

/// Sizes in bytes that an entry may have; anything else is refused.
pub const ENTRY_BUCKETS: [usize; 6] = [512, 2 << 10, 8 << 10, 32 << 10, 128 << 10, 512 << 10];

limits! {
    /// Largest frame body in bytes: the largest entry and its envelope.
    MAX_FRAME: usize = (512 << 10) + 4096;
    /// Largest first frame of a stream, read before anything is proved.
    MAX_OPENING: usize = 1024;
    /// Entries that one Read answer may hold.
    MAX_READ: u16 = 256;
    /// Bytes of entries that one Read answer may hold: one of the largest entries always fits.
    MAX_READ_BYTES: usize = 512 << 10;
    /// Subscriptions in one Resume, and in one session.
    MAX_SUBSCRIPTIONS: usize = 512;
    /// Entries that a subscriber may allow to be in flight for one mailbox.
    MAX_CREDIT: u32 = 1024;
    /// Grants of each kind that a mailbox may hold.
    MAX_GRANTS: usize = 512;
    /// Longest lease in hours: 90 days.
    MAX_LEASE_HOURS: u32 = 90 * 24;
    /// Hours that an entry lives at least: a week, so that a reader who has seen all of a log knows what cannot have expired.
    MIN_ENTRY_HOURS: u32 = 7 * 24;
    /// Largest blob in bytes: a 256 KiB chunk and its authentication tag, with room.
    MAX_BLOB: u64 = (256 << 10) + 64;
    /// Entries of each shared mailbox kept for appends that show owner; as many may stand in the relay's reserve.
    RESERVED_ENTRIES: u64 = 64;
    /// Bytes of each shared mailbox kept for appends that show owner; as many may stand in the relay's reserve.
    RESERVED_BYTES: u64 = 32 << 20;
    /// Depth of nested CBOR that any decoder follows.
    MAX_DEPTH: usize = 8;
    /// Largest body that seals into an entry: the largest bucket less nonce, tag and length.
    MAX_SEALED: usize = (512 << 10) - 24 - 16 - 4;
    /// Largest body that seals into an inbox entry: the largest bucket less tag of the key, X-Wing ciphertext, tag and length.
    MAX_INBOX_SEALED: usize = (512 << 10) - 8 - 1120 - 16 - 4;
    /// Plaintext bytes of every chunk of a document but the last.
    CHUNK: usize = 256 << 10;
    /// Smallest size to which the last chunk is padded; the next ones are its doubles.
    MIN_LAST_CHUNK: usize = 4 << 10;
    /// Largest document in bytes: 2 GiB.
    MAX_DOCUMENT: u64 = 2 << 30;
    /// Chunks of the largest document, whose ids fit one entry.
    MAX_CHUNKS: usize = 8192;
    /// Field numbers below this are critical in signed objects: a reader that does not know one refuses the object.
    CRITICAL_FIELDS: u64 = 64;
    /// Characters of a name or pseudonym.
    MAX_NAME: usize = 64;
    /// Devices of one member.
    MAX_DEVICES: usize = 8;
    /// Bytes of a signed device set.
    MAX_DEVICE_SET: usize = 1024;
    /// Coordinators of one union.
    MAX_COORDINATORS: usize = 32;
    /// Bytes of a signed coordinator set: 32 coordinators with eight devices each, and their signatures.
    MAX_COORDINATOR_SET: usize = 32 << 10;
    /// Unions of one alliance.
    MAX_UNIONS: usize = 64;
    /// Relays that the charter names for one union.
    MAX_UNION_RELAYS: usize = 8;
    /// Bytes of a signed charter.
    MAX_CHARTER: usize = 128 << 10;
    /// Versions of a charter in one proof.
    MAX_CHARTERS: usize = 64;
    /// Bytes of a proof: it fits the largest entry beside other things.
    MAX_PROOF: usize = 256 << 10;
    /// Bytes of a signed card.
    MAX_CARD: usize = 1024;
    /// Bytes of a signed vouch.
    MAX_VOUCH: usize = 512;
    /// Vouches of one card.
    MAX_VOUCHES: usize = 16;
    /// Bytes of a signed revocation list.
    MAX_REVOCATIONS: usize = 128 << 10;
    /// Bytes of a signed leaf binding.
    MAX_LEAF_BINDING: usize = 384;
    /// Bytes of the identifier of an MLS group.
    MAX_GROUP_ID: usize = 64;
    /// Bytes of the credential of an MLS leaf: card, device set and binding.
    MAX_LEAF_CREDENTIAL: usize = 2560;
    /// Bytes of the pins of a conversation.
    MAX_PINS: usize = 16 << 10;
    /// Bytes of one text.
    MAX_TEXT: usize = 16 << 10;
    /// Bytes of a note beside a request.
    MAX_NOTE: usize = 1024;
    /// Characters of a language tag.
    MAX_LANGUAGE: usize = 35;
    /// Checkpoints that one message carries.
    MAX_CARRIED: usize = 4;
    /// Commits that one entry says are given back to a relay.
    MAX_RETURNED: usize = 64;
    /// Messages that one receipt names.
    MAX_RECEIPTS: usize = 256;
    /// Languages of one alert.
    MAX_ALERT_TEXTS: usize = 8;
    /// Bytes of an alert: its texts at their longest, with room.
    MAX_ALERT: usize = 136 << 10;
    /// Days that an alert may last.
    MAX_ALERT_DAYS: u64 = 30;
    /// Seconds by which a coordinator's clock may be ahead of a reader's.
    ALERT_CLOCK_SECONDS: u64 = 86_400;
    /// Bytes of a file name.
    MAX_FILE_NAME: usize = 255;
    /// Characters of a media type.
    MAX_MEDIA_TYPE: usize = 127;
    /// Relays that hold one document.
    MAX_PLACES: usize = 4;
    /// Bytes of a manifest.
    MAX_MANIFEST: usize = 2048;
    /// Bytes of a .relevo-proof file: a manifest and the longest chain of charters that is shown.
    MAX_BUNDLE: usize = MAX_PROOF + 4096;
    /// Bytes of a parcel's envelope.
    MAX_ENVELOPE: usize = 1024;
    /// Bytes of a request to leave.
    MAX_LEAVE: usize = 512;
    /// Contacts that one parcel brings.
    MAX_CONTACTS: usize = 32;
    /// Objects that a welcome brings for the pins of its group.
    MAX_PINNED: usize = 64;
    /// Entries of a log that holds the Welcome into a large group.
    MAX_WELCOME_PARTS: u16 = 16;
}
