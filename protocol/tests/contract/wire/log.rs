//! The hash chain and the relay's word about it.

use relevo_protocol::wire::{
    CheckpointFault, Entry, Head, Incarnation, MailboxId, RelayIdentity, Sequence, SignedCheckpoint, encode,
};

use crate::dice::Dice;
use crate::frames::{checkpoint, relay_key};

fn identity() -> RelayIdentity {
    RelayIdentity(relay_key().verifying_key().to_bytes())
}

#[test]
fn a_head_depends_on_all_that_it_names() {
    let entry = |byte: u8| Entry::parse(vec![byte; 512].into()).unwrap();
    let (mailbox, incarnation, sequence) = (MailboxId([1; 16]), Incarnation([2; 8]), Sequence(1));
    let head = Head::START.extend(&mailbox, incarnation, sequence, &entry(3));
    for other in [
        Head::START.extend(&MailboxId([9; 16]), incarnation, sequence, &entry(3)),
        Head::START.extend(&mailbox, Incarnation([9; 8]), sequence, &entry(3)),
        Head::START.extend(&mailbox, incarnation, Sequence(2), &entry(3)),
        Head::START.extend(&mailbox, incarnation, sequence, &entry(9)),
        Head([9; 32]).extend(&mailbox, incarnation, sequence, &entry(3)),
    ] {
        assert_ne!(head, other);
    }
}

#[test]
fn a_checkpoint_is_believed_from_its_relay_only() {
    let said = checkpoint(&mut Dice(1));
    let signed = SignedCheckpoint::sign(&said, &relay_key());
    assert_eq!(signed.verify(&identity()), Ok(said.clone()));
    assert_eq!(signed.verify(&RelayIdentity([9; 32])), Err(CheckpointFault::Signature));
    let mut changed = said;
    changed.sequence = changed.sequence.next();
    let changed = SignedCheckpoint { statement: encode(&changed), signature: signed.signature };
    assert_eq!(changed.verify(&identity()), Err(CheckpointFault::Signature));
}

#[test]
fn a_relays_other_signatures_are_no_checkpoints() {
    // Small-order keys verify anything in lenient Ed25519.
    let mut small_order = [0; 32];
    small_order[0] = 1;
    let signed = SignedCheckpoint { statement: encode(&checkpoint(&mut Dice(1))), signature: [0; 64] };
    assert_eq!(signed.verify(&RelayIdentity(small_order)), Err(CheckpointFault::Signature));
}
