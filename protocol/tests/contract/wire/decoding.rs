//! Frames come back as they were, and nothing makes a decoder panic.

use core::fmt::Debug;

use minicbor::{Decode, Encode};
use proptest::prelude::*;
use relevo_protocol::wire::{BlobReply, Checkpoint, FrameFault, Opening, RelayAddress, Reply, Request, Welcome};
use relevo_protocol::wire::{WelcomeBody, decode_exact, encode};

use crate::dice::Dice;
use crate::frames::{blob_replies, checkpoint, openings, replies, requests, welcome_body};

/// The same after a round trip, shorter bytes refused, flipped bytes never a panic.
fn holds<T: Encode<()> + for<'b> Decode<'b, ()> + Debug + PartialEq>(value: &T, dice: &mut Dice) {
    let bytes = encode(value);
    assert_eq!(&decode_exact::<T>(&bytes).unwrap(), value);
    for length in (0..bytes.len()).step_by(1 + bytes.len() / 64) {
        assert!(decode_exact::<T>(&bytes[..length]).is_err(), "a truncated {value:?} decodes");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(decode_exact::<T>(&longer).err(), Some(FrameFault::Malformed));
    for _ in 0..16 {
        let mut flipped = bytes.clone();
        let at = dice.below(u64::try_from(bytes.len()).unwrap());
        flipped[at] ^= 1 << dice.below(8);
        if let Ok(other) = decode_exact::<T>(&flipped) {
            let again = encode(&other);
            assert_eq!(decode_exact::<T>(&again).unwrap(), other);
        }
    }
}

fn all_hold(seed: u64) {
    let mut dice = Dice(seed);
    let dice = &mut dice;
    requests(dice).iter().for_each(|(_, request)| holds(request, dice));
    replies(dice).iter().for_each(|(_, reply)| holds(reply, dice));
    openings(dice).iter().for_each(|(_, opening)| holds(opening, dice));
    blob_replies(dice).iter().for_each(|(_, reply)| holds(reply, dice));
    let (checkpoint, relay) = (checkpoint(dice), dice.relay());
    holds(&checkpoint, dice);
    holds(&relay, dice);
    holds(&welcome_body(), dice);
}

fn decode_everything(bytes: &[u8]) {
    let _ = decode_exact::<Request>(bytes);
    let _ = decode_exact::<Reply>(bytes);
    let _ = decode_exact::<Opening>(bytes);
    let _ = decode_exact::<Welcome>(bytes);
    let _ = decode_exact::<WelcomeBody>(bytes);
    let _ = decode_exact::<BlobReply>(bytes);
    let _ = decode_exact::<Checkpoint>(bytes);
    let _ = decode_exact::<RelayAddress>(bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_frame_comes_back_and_no_damage_panics(seed in any::<u64>()) {
        all_hold(seed);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        decode_everything(&bytes);
    }
}

#[test]
fn an_unknown_call_is_refused_by_name_and_an_unknown_field_is_skipped() {
    // {0: 5, 1: [99, {}]}
    let unknown_call = [0xa2, 0x00, 0x05, 0x01, 0x82, 0x18, 0x63, 0xa0];
    assert_eq!(decode_exact::<Request>(&unknown_call), Err(FrameFault::UnknownKind));
    // {0: 5, 1: [17, {}], 9: [1, "x"]}
    let unknown_field = [0xa3, 0x00, 0x05, 0x01, 0x82, 0x11, 0xa0, 0x09, 0x82, 0x01, 0x61, 0x78];
    assert_eq!(decode_exact::<Request>(&unknown_field).unwrap().number, 5);
}

#[test]
fn depth_cannot_exhaust_the_stack() {
    let mut deep = vec![0xa1, 0x09];
    deep.extend(vec![0x81; 500_000]);
    deep.push(0);
    assert!(decode_exact::<Request>(&deep).is_err());
}

#[test]
fn a_declared_length_reserves_nothing() {
    // [6, {0: an array of 2^60 subscriptions}]
    let bytes = [0xa2, 0, 5, 1, 0x82, 6, 0xa1, 0, 0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0];
    assert!(decode_exact::<Request>(&bytes).is_err());
}
