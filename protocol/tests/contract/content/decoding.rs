//! Content comes back as it was, and nothing makes a decoder panic.

use core::fmt::Debug;

use minicbor::{Decode, Encode};
use proptest::prelude::*;
use relevo_protocol::content::{
    Body, Bundle, Invitation, Kind, LogItem, Message, Opaque, Parcel, ParcelBody, decode, encode_secret,
};
use relevo_protocol::limits::MAX_CARRIED;
use relevo_protocol::wire::encode;

use crate::alliance::Alliance;
use crate::dice::Dice;
use crate::frames::{replies, requests};
use crate::said::{bodies, invitation, log_items, messages, parcels, same_draft};

fn holds<T: Encode<()> + for<'b> Decode<'b, ()> + Debug + PartialEq>(value: &T, dice: &mut Dice) {
    let bytes = encode_secret(value);
    assert_eq!(*bytes, encode(value));
    assert_eq!(&decode::<T>(&bytes).unwrap(), value);
    for length in (0..bytes.len()).step_by(1 + bytes.len() / 32) {
        assert!(decode::<T>(&bytes[..length]).is_err(), "a truncated {value:?} decodes");
    }
    for _ in 0..16 {
        let mut flipped = bytes.to_vec();
        let at = dice.below(u64::try_from(bytes.len()).unwrap());
        flipped[at] ^= 1 << dice.below(8);
        if let Ok(other) = decode::<T>(&flipped) {
            assert_eq!(decode::<T>(&encode(&other)).unwrap(), other);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn all_content_comes_back_and_no_damage_panics(seed in any::<u64>()) {
        let alliance = Alliance::new();
        let mut dice = Dice(seed);
        let dice = &mut dice;
        messages(&alliance, dice).iter().for_each(|(_, message)| holds(message, dice));
        log_items(&alliance, dice).iter().for_each(|(_, item)| holds(item, dice));
        parcels(&alliance, dice).iter().for_each(|(_, body)| holds(body, dice));
        let invitation = invitation(&alliance, dice);
        holds(&invitation, dice);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode::<Message>(&bytes);
        let _ = decode::<LogItem>(&bytes);
        let _ = decode::<Parcel>(&bytes);
        let _ = decode::<Kind<ParcelBody>>(&bytes);
        let _ = decode::<Invitation>(&bytes);
        let _ = Bundle::from_file(&bytes);
        let _ = Bundle::from_file(&[b"relevo-proof 1\n", bytes.as_slice()].concat());
    }
}

#[test]
fn a_kind_of_a_later_version_is_told_by_its_number() {
    // [1000, {5: [1, 2]}]
    let newer = [0x82, 0x19, 0x03, 0xe8, 0xa1, 0x05, 0x82, 0x01, 0x02];
    assert_eq!(decode::<Kind<Body>>(&newer), Ok(Kind::Newer(1000)));
    let (_, mut message) = messages(&Alliance::new(), &mut Dice(1)).remove(0);
    message.body = Kind::Newer(1000);
    assert_eq!(decode::<Message>(&encode(&message)), Ok(message));
}

#[test]
fn an_unknown_kind_deeper_inside_is_malformed_and_not_news() {
    // Posted with a shelf would be known; LogItem::Pinned with object kind 77 is a broken item.
    let broken = [0x82, 0x01, 0xa1, 0x00, 0x82, 0x18, 0x4d, 0xa0];
    assert!(decode::<LogItem>(&broken).is_err());
    assert!(decode::<Kind<LogItem>>(&broken).is_err());
}

#[test]
fn a_list_longer_than_its_limit_is_refused() {
    let alliance = Alliance::new();
    let mut dice = Dice(3);
    let (_, mut message) = messages(&alliance, &mut dice).remove(0);
    let one = loop {
        if let Some(one) = messages(&alliance, &mut dice).remove(0).1.carried.pop() {
            break one;
        }
    };
    message.carried = vec![one.clone(); MAX_CARRIED];
    assert!(decode::<Message>(&encode(&message)).is_ok());
    message.carried.push(one);
    assert!(decode::<Message>(&encode(&message)).is_err());
}

/// Eight numbers in a row are bytes of something: an id, a hash, a key.
fn prints_bytes(printed: &str) -> bool {
    let is_number = |word: &str| word.parse::<u8>().is_ok();
    printed.split(['[', ']']).any(|list| list.split(", ").filter(|word| is_number(word)).count() >= 8)
}

#[test]
fn no_bytes_are_printed() {
    let (alliance, mut dice) = (Alliance::new(), Dice(2));
    let dice = &mut dice;
    let mut all: Vec<(&str, String)> = Vec::new();
    all.extend(messages(&alliance, dice).iter().map(|(name, one)| (*name, format!("{one:?}"))));
    all.extend(log_items(&alliance, dice).iter().map(|(name, one)| (*name, format!("{one:?}"))));
    all.extend(replies(dice).iter().map(|(name, one)| (*name, format!("{one:?}"))));
    all.extend(requests(dice).iter().skip(1).map(|(name, one)| (*name, format!("{one:?}"))));
    let but_signatures = |name: &str| name.ends_with("-signature");
    all.extend(
        parcels(&alliance, dice).iter().filter(|(n, _)| !but_signatures(n)).map(|(n, one)| (*n, format!("{one:?}"))),
    );
    for (name, printed) in all {
        assert!(!prints_bytes(&printed), "{name}: {printed}");
    }
}

#[test]
fn nothing_that_was_said_is_printed() {
    let alliance = Alliance::new();
    for (name, body) in bodies(&alliance, &mut Dice(1)) {
        let printed = format!("{body:?}");
        for secret in ["Gas", "convenio", "relay.example", "192.0.2.7", "2001:db8"] {
            assert!(!printed.contains(secret), "{name} prints {secret}");
        }
    }
    for (name, body) in parcels(&alliance, &mut Dice(1)) {
        let printed = format!("{body:?}");
        for secret in ["Ana", "Luc", "Pedro", "relay.example", "192.0.2.7", "Local", "Mineras"] {
            assert!(!printed.contains(secret), "{name} prints {secret}");
        }
    }
    assert_eq!(format!("{:?}", Opaque::new(vec![1, 2, 3])), "Opaque");
}

#[test]
fn a_signed_charter_gives_back_its_draft() {
    assert!(same_draft(&Alliance::new()));
}
