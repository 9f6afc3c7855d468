//! Vouches and the commitment that hides them.

use relevo_protocol::limits;
use relevo_protocol::secret::Secret;
use relevo_protocol::trust::*;

use crate::world::{NOW, Person, Union, admitted, card, founded, vouch};

/// An alliance, its union, and an admitted voucher.
struct Hall {
    union: Union,
    charter: Verified<Charter>,
}

impl Hall {
    fn new() -> Self {
        let union = Union::new(1);
        let charter = founded(&union);
        Self { union, charter }
    }

    fn vouch(&self, voucher: &Person, newcomer: &Person, change: impl FnOnce(&mut Vouch)) -> Signed<Vouch> {
        let mut vouch = vouch(voucher, &admitted(voucher, &self.union, &self.charter), newcomer, &self.charter);
        change(&mut vouch);
        Signed::sign(&vouch, &voucher.device).unwrap()
    }

    fn verify(&self, vouch: &Signed<Vouch>, voucher: &Person) -> Result<Verified<Vouch>, VouchFault> {
        let card = Card::verify(&admitted(voucher, &self.union, &self.charter), &self.charter).unwrap();
        Vouch::verify(vouch, &card, &voucher.verified())
    }
}

#[test]
fn a_vouch_is_signed_by_the_voucher_with_their_card() {
    let (hall, ana, leo, newcomer) = (Hall::new(), Person::new(21), Person::new(22), Person::new(23));
    let fault = |change: &dyn Fn(&mut Vouch)| hall.verify(&hall.vouch(&ana, &newcomer, change), &ana).map(|_| ());
    assert_eq!(fault(&|_| ()), Ok(()));
    assert_eq!(fault(&|vouch| vouch.voucher = leo.member.public()), Err(VouchFault::OtherVoucher));
    assert_eq!(fault(&|vouch| vouch.voucher_card = ObjectHash([1; 32])), Err(VouchFault::OtherVoucher));
    assert_eq!(fault(&|vouch| vouch.alliance = AllianceId(ObjectHash([1; 32]))), Err(VouchFault::OtherVoucher));
    assert_eq!(fault(&|vouch| vouch.newcomer = ana.member.public()), Err(VouchFault::Oneself));
    let shown_as_anothers = hall.verify(&hall.vouch(&ana, &newcomer, |_| ()), &leo).map(|_| ());
    assert_eq!(shown_as_anothers, Err(VouchFault::Object(ObjectFault::Signer)));
    let forged = vouch(&ana, &admitted(&ana, &hall.union, &hall.charter), &newcomer, &hall.charter);
    let forged = Signed::sign(&forged, &leo.device).unwrap();
    let anas = Card::verify(&admitted(&ana, &hall.union, &hall.charter), &hall.charter).unwrap();
    let in_anas_name = Vouch::verify(&forged, &anas, &leo.verified()).map(|_| ());
    assert_eq!(in_anas_name, Err(VouchFault::OtherVoucher), "signed by Leo in Ana's name");
    let card = Card::verify(&admitted(&leo, &hall.union, &hall.charter), &hall.charter).unwrap();
    let mixed = Vouch::verify(&hall.vouch(&ana, &newcomer, |_| ()), &card, &ana.verified()).map(|_| ());
    assert_eq!(mixed, Err(VouchFault::OtherVoucher), "another's card with one's own devices");
}

#[test]
fn vouches_of_enough_different_people_suffice() {
    let (hall, ana, leo, newcomer) = (Hall::new(), Person::new(21), Person::new(22), Person::new(23));
    let open = |voucher: &Person, change: &dyn Fn(&mut Vouch)| {
        hall.verify(&hall.vouch(voucher, &newcomer, change), voucher).unwrap()
    };
    let alliance = hall.charter.alliance();
    let suffice = |vouches: &[&Verified<Vouch>], union: UnionId, now| {
        let vouches: Vec<Verified<Vouch>> = vouches.iter().map(|vouch| (*vouch).clone()).collect();
        Vouch::suffice(&vouches, &newcomer.member.public(), (&alliance, &union, Scope::Union), 2, now)
    };
    let (by_ana, by_leo) = (open(&ana, &|_| ()), open(&leo, &|_| ()));
    let again = open(&ana, &|vouch| vouch.issued = NOW.plus_seconds(1));
    assert_eq!(suffice(&[&by_ana, &by_leo], hall.union.id, NOW), Ok(()));
    assert_eq!(suffice(&[&by_ana], hall.union.id, NOW), Err(VouchFault::TooFew { given: 1, needed: 2 }));
    assert_eq!(suffice(&[&by_ana, &again], hall.union.id, NOW), Err(VouchFault::TooFew { given: 1, needed: 2 }));
    assert_eq!(suffice(&[&by_ana, &by_leo], UnionId([9; 16]), NOW), Err(VouchFault::OtherNewcomer));
    assert_eq!(suffice(&[&by_ana, &by_leo], hall.union.id, by_ana.expires), Err(VouchFault::Expired));
    let elsewhere = open(&leo, &|vouch| vouch.newcomer = MemberKey::new([1; 32]));
    assert_eq!(suffice(&[&by_ana, &elsewhere], hall.union.id, NOW), Err(VouchFault::OtherNewcomer));
}

#[test]
fn a_commitment_opens_only_with_its_salt_and_vouches() {
    let (hall, ana, leo, newcomer) = (Hall::new(), Person::new(21), Person::new(22), Person::new(23));
    let vouches = || vec![hall.vouch(&ana, &newcomer, |_| ()), hall.vouch(&leo, &newcomer, |_| ())];
    let opening = |salt, vouches| VouchOpening::new(VouchSalt(Secret::new([salt; 32])), vouches).unwrap();
    let good = opening(1, vouches());
    let card = Card { vouches: good.commitment(), ..card(&newcomer, &hall.union, &hall.charter) };
    let card = Signed::sign(&card, &hall.union.people[0].device).unwrap();
    let card = Card::verify(&card, &hall.charter).unwrap();
    assert_eq!(good.open(&card), Ok(vouches().as_slice()));
    assert_eq!(opening(2, vouches()).open(&card), Err(VouchFault::Commitment));
    assert_eq!(opening(1, vouches().split_off(1)).open(&card), Err(VouchFault::Commitment));
    let turned: Vec<Signed<Vouch>> = vouches().into_iter().rev().collect();
    assert_eq!(opening(1, turned).open(&card), Err(VouchFault::Commitment));
}

#[test]
fn a_card_has_a_bounded_number_of_vouches() {
    let (hall, ana, newcomer) = (Hall::new(), Person::new(21), Person::new(23));
    let many = |count| vec![hall.vouch(&ana, &newcomer, |_| ()); count];
    let new = |vouches| VouchOpening::new(VouchSalt(Secret::new([1; 32])), vouches).map(|_| ());
    let max = limits::MAX_VOUCHES;
    assert_eq!(new(many(max)), Ok(()));
    assert_eq!(new(many(max + 1)), Err(VouchFault::TooMany { max }));
}
