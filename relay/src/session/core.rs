//! What each request asks of whoever drives the session: the rules of a session without I/O, clock or store, so that
//! a simulator drives the same ones.

use minicbor::Decode;
use relevo_protocol::limits::{MAX_GRANTS, MAX_SUBSCRIPTIONS};
use relevo_protocol::wire::{
    AdmissionId, Answer, Call, CapabilityHash, Cursor, FrameFault, MailboxId, Outcome, Refusal, Request, Subscription,
    SubscriptionId, decode_exact,
};

use crate::store::{AdmissionKind, Change};

/// Who a session was admitted as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Admitted {
    /// Who pays for what is stored.
    pub id: AdmissionId,
    /// What it may do.
    pub kind: AdmissionKind,
}

/// What to do with one request.
#[derive(Debug)]
pub enum Step {
    /// Answer at once.
    Answer(Outcome),
    /// Have the store change, then answer.
    Change(Change),
    /// Replace the session's single-use admission, then answer; nothing else of the session is looked at before.
    Enroll {
        /// The change to have made.
        change: Change,
        /// Who the session is from then on.
        then: Admitted,
    },
    /// Read the store or the session's subscriptions, then answer.
    Ask(Ask),
}

/// A request that changes nothing on disk.
#[derive(Debug)]
pub enum Ask {
    /// Entries after a cursor.
    Read {
        /// The mailbox.
        mailbox: MailboxId,
        /// Hash of *read* or *owner*.
        capability: CapabilityHash,
        /// Where to go on.
        cursor: Cursor,
        /// Entries at most.
        limit: u16,
    },
    /// Subscriptions.
    Resume(Vec<Subscription>),
    /// More credit.
    Credit {
        /// The subscription.
        id: SubscriptionId,
        /// Entries more.
        more: u32,
    },
    /// No more events.
    Unsubscribe(SubscriptionId),
    /// The relay's signed word.
    Checkpoint {
        /// The mailbox.
        mailbox: MailboxId,
        /// Hash of *read* or *owner*.
        capability: CapabilityHash,
    },
}

impl Ask {
    /// Bytes that the question keeps in memory while it waits, roughly.
    pub fn weight(&self) -> usize {
        const FIXED: usize = 256;
        /// A subscription, and its capability, which lies apart.
        const SUBSCRIPTION: usize = size_of::<Subscription>() + 64;
        match self {
            Self::Resume(subscriptions) => FIXED + SUBSCRIPTION * subscriptions.len(),
            Self::Read { .. } | Self::Credit { .. } | Self::Unsubscribe(_) | Self::Checkpoint { .. } => FIXED,
        }
    }
}

/// Takes a frame apart. A frame that does not parse but bears a number is refused by that number.
///
/// # Errors
/// [`FrameFault`] when it bears none: nobody can be answered, and the session ends.
pub fn request(frame: &[u8]) -> Result<Result<Request, (u32, Refusal)>, FrameFault> {
    /// Any request, of whatever kind.
    #[derive(Decode)]
    #[cbor(map)]
    struct Numbered {
        #[n(0)]
        number: u32,
    }
    let fault = match decode_exact::<Request>(frame) {
        Ok(request) => return Ok(Ok(request)),
        Err(fault) => fault,
    };
    let Numbered { number } = decode_exact(frame)?;
    let refusal = match fault {
        FrameFault::UnknownKind => Refusal::UnknownKind,
        FrameFault::Malformed | FrameFault::TooLong { .. } | FrameFault::Empty | FrameFault::Truncated => {
            Refusal::Malformed
        }
    };
    Ok(Err((number, refusal)))
}

/// What a call of an admitted session asks for.
pub fn step(call: Call, admitted: Admitted) -> Step {
    if admitted.kind == AdmissionKind::SingleUse && !matches!(call, Call::Enroll { .. } | Call::Ping) {
        return refuse(Refusal::AllowanceSpent);
    }
    let admission = admitted.id;
    match call {
        // The session is admitted already; a second proof is no request.
        Call::Admit { .. } => refuse(Refusal::Malformed),
        Call::Ping => Step::Answer(Outcome::Done { answer: Answer::Done }),
        Call::Enroll { id, key } => {
            let change = Change::Enroll { by: admission, id, key };
            match admitted.kind {
                AdmissionKind::SingleUse => {
                    Step::Enroll { change, then: Admitted { id, kind: AdmissionKind::Enrolled } }
                }
                // It has what it asks for, and nothing is replaced.
                AdmissionKind::Enrolled if id == admission => Step::Change(change),
                AdmissionKind::Enrolled | AdmissionKind::Shared => refuse(Refusal::WrongKind),
            }
        }
        Call::Sponsor { id, key, expires } => Step::Change(Change::Sponsor { by: admission, id, key, expires }),
        Call::Open { kind, owner, read, append, take, lease_hours } => {
            if append.len() > MAX_GRANTS || take.len() > MAX_GRANTS {
                return refuse(Refusal::TooManyGrants);
            }
            Step::Change(Change::Open { admission, kind, owner, read, append, take, lease_hours })
        }
        Call::Append { mailbox, capability, entry } => {
            Step::Change(Change::Append { admission, mailbox, capability: capability.hash(), entry })
        }
        Call::Read { mailbox, capability, cursor, limit } => {
            Step::Ask(Ask::Read { mailbox, capability: capability.hash(), cursor, limit })
        }
        Call::Resume { subscriptions } => {
            if subscriptions.len() > MAX_SUBSCRIPTIONS {
                return refuse(Refusal::TooManySubscriptions);
            }
            Step::Ask(Ask::Resume(subscriptions))
        }
        Call::Credit { id, more } => Step::Ask(Ask::Credit { id, more }),
        Call::Unsubscribe { id } => Step::Ask(Ask::Unsubscribe(id)),
        Call::Trim { mailbox, capability, upto, incarnation } => {
            Step::Change(Change::Trim { mailbox, capability: capability.hash(), upto, incarnation })
        }
        Call::Take { mailbox, capability } => Step::Change(Change::Take { mailbox, capability: capability.hash() }),
        Call::LastResort { mailbox, capability, entry } => {
            Step::Change(Change::LastResort { admission, mailbox, capability: capability.hash(), entry })
        }
        Call::Grants { mailbox, capability, table, revoke, add } => {
            if revoke.len() > MAX_GRANTS || add.len() > MAX_GRANTS {
                return refuse(Refusal::TooManyGrants);
            }
            Step::Change(Change::Grants { mailbox, capability: capability.hash(), table, revoke, add })
        }
        Call::Renew { mailbox, capability, lease_hours } => {
            Step::Change(Change::Renew { mailbox, capability: capability.hash(), lease_hours })
        }
        Call::Freeze { mailbox, capability } => Step::Change(Change::Freeze { mailbox, capability: capability.hash() }),
        Call::Close { mailbox, capability } => Step::Change(Change::Close { mailbox, capability: capability.hash() }),
        Call::Checkpoint { mailbox, capability } => {
            Step::Ask(Ask::Checkpoint { mailbox, capability: capability.hash() })
        }
    }
}

fn refuse(refusal: Refusal) -> Step {
    Step::Answer(Outcome::Refused { refusal })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use relevo_protocol::secret::Secret;
    use relevo_protocol::wire::{Admission, Capability, encode};

    const OWN: Admitted = Admitted { id: AdmissionId([1; 16]), kind: AdmissionKind::Enrolled };
    const INVITED: Admitted = Admitted { id: AdmissionId([2; 16]), kind: AdmissionKind::SingleUse };

    fn refused(step: &Step, expected: Refusal) -> bool {
        matches!(step, Step::Answer(Outcome::Refused { refusal }) if *refusal == expected)
    }

    #[test]
    fn an_unknown_kind_is_refused_by_its_number() {
        // {0: 77, 1: [99, {}]}
        let frame = [0xa2, 0x00, 0x18, 77, 0x01, 0x82, 0x18, 99, 0xa0];
        assert_eq!(request(&frame).unwrap(), Err((77, Refusal::UnknownKind)));
    }

    #[test]
    fn an_unknown_field_is_skipped() {
        let mut frame = encode(&Request { number: 3, call: Call::Ping });
        assert_eq!(frame.first(), Some(&0xa2));
        frame[0] = 0xa3;
        frame.extend([0x09, 0x61, b'x']);
        assert_eq!(request(&frame).unwrap(), Ok(Request { number: 3, call: Call::Ping }));
    }

    #[test]
    fn a_frame_without_a_number_ends_the_session() {
        assert!(request(&[0xa0]).is_err());
        assert!(request(&[0xff]).is_err());
    }

    #[test]
    fn a_single_use_admission_is_good_for_enrolling_only() {
        let mailbox = MailboxId([0; 16]);
        let read = Call::Checkpoint { mailbox, capability: Capability::random().unwrap() };
        assert!(refused(&step(read, INVITED), Refusal::AllowanceSpent));
        assert!(matches!(step(Call::Ping, INVITED), Step::Answer(Outcome::Done { .. })));
    }

    #[test]
    fn only_a_single_use_admission_is_replaced() {
        let key = || Admission::new(Secret::new([0; 32])).key();
        let enroll = |id| Call::Enroll { id: AdmissionId([id; 16]), key: key() };
        let then = Admitted { id: AdmissionId([3; 16]), kind: AdmissionKind::Enrolled };
        assert!(matches!(step(enroll(3), INVITED), Step::Enroll { then: replaced, .. } if replaced == then));
        assert!(matches!(step(enroll(1), OWN), Step::Change(Change::Enroll { .. })));
        assert!(refused(&step(enroll(3), OWN), Refusal::WrongKind));
        let shared = Admitted { kind: AdmissionKind::Shared, ..OWN };
        assert!(refused(&step(enroll(3), shared), Refusal::WrongKind));
    }

    #[test]
    fn a_second_admit_is_no_request() {
        let admit = Call::Admit { id: AdmissionId([1; 16]), proof: [0; 32] };
        assert!(refused(&step(admit, OWN), Refusal::Malformed));
    }

    #[test]
    fn a_resume_that_waits_weighs_what_its_subscriptions_take() {
        let subscription = |id| Subscription {
            id: SubscriptionId(id),
            mailbox: MailboxId([0; 16]),
            capability: Capability::random().unwrap(),
            cursor: Cursor { incarnation: None, after: relevo_protocol::wire::Sequence::START },
            credit: 1,
        };
        let most = u32::try_from(MAX_SUBSCRIPTIONS).unwrap();
        let Step::Ask(ask) = step(Call::Resume { subscriptions: (0..most).map(subscription).collect() }, OWN) else {
            panic!("a Resume asks")
        };
        assert!(ask.weight() >= MAX_SUBSCRIPTIONS * (size_of::<Subscription>() + 32));
        // One always fits what a session may have waiting, else it would wait for ever.
        assert!(ask.weight() <= relevo_protocol::limits::MAX_FRAME);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(frame in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _any = request(&frame);
        }

        #[test]
        fn no_flip_makes_it_panic(at in 0usize..40, bit in 0u8..8) {
            let mailbox = MailboxId([0; 16]);
            let call = Call::Checkpoint { mailbox, capability: Capability::random().unwrap() };
            let mut frame = encode(&Request { number: 9, call });
            let at = at % frame.len();
            frame[at] ^= 1 << bit;
            if let Ok(Ok(request)) = request(&frame) {
                let _any = step(request.call, OWN);
            }
        }
    }
}
