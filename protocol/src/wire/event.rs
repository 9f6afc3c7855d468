//! What a relay says unasked. SPEC 7.

use minicbor::{Decode, Encode, Encoder};

use super::entry::Entry;
use super::log::{Head, Sequence};
use super::request::SubscriptionId;
use crate::time::Hour;

/// Something that happened in a subscribed mailbox, or in the relay.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub enum Event {
    /// An entry, in order. The entry is the last field, so that its bytes can be sent as they lie in memory.
    #[n(0)]
    Entry {
        /// The subscription.
        #[n(0)]
        id: SubscriptionId,
        /// Its place.
        #[n(1)]
        sequence: Sequence,
        /// When the relay will drop it.
        #[n(2)]
        expires: Hour,
        /// The entry.
        #[n(3)]
        entry: Entry,
    },
    /// Entries between the reader's cursor and `first_available` have expired.
    #[n(1)]
    Gap {
        /// The subscription.
        #[n(0)]
        id: SubscriptionId,
        /// First sequence that can be read.
        #[n(1)]
        first_available: Sequence,
        /// Head before it.
        #[n(2)]
        head_before_first: Head,
    },
    /// The mailbox was closed or its lease ended; the subscription is over.
    #[n(2)]
    Closed {
        /// The subscription.
        #[n(0)]
        id: SubscriptionId,
    },
    /// The mailbox takes no more entries.
    #[n(3)]
    Frozen {
        /// The subscription.
        #[n(0)]
        id: SubscriptionId,
    },
    /// The relay is stopping: finish what is under way, come back after a pause.
    #[n(4)]
    Draining,
    /// The relay cannot read the next entry; the subscription is over.
    #[n(5)]
    Failed {
        /// The subscription.
        #[n(0)]
        id: SubscriptionId,
    },
}

/// All of the frame body of `Reply::Event { Event::Entry }` but the entry's own bytes, which follow it as they are.
/// A test holds it equal to the whole encoding.
#[must_use]
pub fn entry_event_prefix(id: SubscriptionId, sequence: Sequence, expires: Hour, entry: &Entry) -> Vec<u8> {
    let mut e = Encoder::new(Vec::with_capacity(40));
    // Reply::Event is [1, {0: event}]; Event::Entry is [0, {0: id, 1: sequence, 2: expires, 3: entry}].
    let written = e
        .array(2)
        .and_then(|e| e.u8(1)?.map(1)?.u8(0)?.array(2)?.u8(0)?.map(4)?.u8(0)?.u32(id.0)?.u8(1)?.u64(sequence.0))
        .and_then(|e| e.u8(2)?.u32(expires.0)?.u8(3));
    // Writing to a Vec cannot fail.
    let _: Result<_, minicbor::encode::Error<core::convert::Infallible>> = written;
    let mut prefix = e.into_writer();
    bytes_header(&mut prefix, entry.size());
    prefix
}

/// The head of a CBOR byte string, shortest form (RFC 8949, 4.2.1).
fn bytes_header(out: &mut Vec<u8>, length: usize) {
    const BYTES: u8 = 0x40;
    match (u8::try_from(length), u16::try_from(length), u32::try_from(length)) {
        (Ok(short), _, _) if short < 24 => out.push(BYTES | short),
        (Ok(byte), _, _) => out.extend([BYTES | 24, byte]),
        (_, Ok(two), _) => {
            out.push(BYTES | 25);
            out.extend(two.to_be_bytes());
        }
        (_, _, four) => {
            out.push(BYTES | 26);
            out.extend(four.unwrap_or(u32::MAX).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ENTRY_BUCKETS;
    use crate::wire::{Reply, encode};

    #[test]
    fn an_entry_event_is_its_prefix_and_the_entrys_bytes() {
        for size in ENTRY_BUCKETS {
            let entry = Entry::parse(vec![7; size].into()).unwrap();
            let (id, sequence, expires) = (SubscriptionId(300), Sequence(70_000), Hour(500_000));
            let mut built = entry_event_prefix(id, sequence, expires, &entry);
            built.extend_from_slice(entry.bytes());
            assert_eq!(built, encode(&Reply::Event { event: Event::Entry { id, sequence, expires, entry } }));
        }
    }
}
