use relevo_protocol::content::{ContactCard, Identity, Parcel, ParcelBody, ParcelReceipt, Sender, encode_secret};
use relevo_protocol::sealed::seal_to;
use relevo_protocol::time::Hour;
use relevo_protocol::trust::ObjectHash;
use relevo_protocol::wire::{Call, Head, Incarnation, Refusal, Sequence, Standing};

use super::{founded, invite, join, newcomer};
use crate::conversation::{Desk, Rooms};
use crate::inbox::fake_relay::FakeRelay;
use crate::inbox::{self, Stock};
use crate::membership::town::Town;
use crate::membership::{self, identity, requests};
use crate::sync::{Notice, ReceivedEntry};

#[test]
fn a_parcel_that_comes_again_is_taken_once() {
    let mut town = founded();
    town.arrive("Goran");
    let link = invite(&mut town, "Ana");
    join(&mut town, "Goran", &link, None);
    let number = super::join_request(&mut town, "Ana");
    let entries: Vec<_> = town.people["Ana"].entries.iter().map(|(_, entry)| entry.clone()).collect();
    for entry in &entries {
        town.give("Ana", entry);
    }
    town.settle();
    assert_eq!(super::join_request(&mut town, "Ana"), number);
    assert_eq!(town.act("Ana", |tx, _| requests(tx)).unwrap().len(), 1);
    assert_eq!(town.warnings("Ana"), Vec::<&str>::new());
}

/// An entry for `to`'s inbox with a parcel that `from` signed for `named`.
fn letter(town: &mut Town, from: &str, named: &str, to: &str) -> ReceivedEntry {
    let (sender, recipient) = (town.act(from, |tx, _| identity::me(tx)).unwrap(), town.member(named));
    let to = town.member(to);
    let address = town.act(from, |tx, _| inbox::address_of(tx, &to)).unwrap().unwrap();
    let shown = Sender::Shown { identity: town.act(from, |tx, _| identity::my_identity(tx)).unwrap() };
    let body = ParcelBody::Receipt(ParcelReceipt { of: ObjectHash([7; 32]) });
    let parcel =
        Parcel::sign(&body, shown, sender.member, (recipient, address.mailbox), 99, town.now, &sender.device).unwrap();
    let entry = seal_to(&address.key, &address.mailbox, &encode_secret(&parcel)).unwrap();
    let incarnation = Incarnation([1; 8]);
    ReceivedEntry { incarnation, sequence: Sequence(9999), head: Head::START, expires: Hour(u32::MAX), entry }
}

#[test]
fn a_parcel_for_somebody_else_is_refused() {
    let mut town = founded();
    let entry = letter(&mut town, "Bruno", "Ana", "Ana");
    town.give("Ana", &entry);
    assert_eq!(town.warnings("Ana"), Vec::<&str>::new());
    let entry = letter(&mut town, "Bruno", "Bruno", "Ana");
    town.give("Ana", &entry);
    assert_eq!(town.warnings("Ana"), ["parcel-refused"]);
}

#[test]
fn bytes_that_are_no_parcel_are_dropped_and_said() {
    let mut town = founded();
    let mut entry = letter(&mut town, "Bruno", "Ana", "Ana");
    let mut bytes = entry.entry.bytes().to_vec();
    bytes[1500] ^= 1;
    entry.entry = relevo_protocol::wire::Entry::parse(bytes.into()).unwrap();
    town.give("Ana", &entry);
    assert_eq!(town.warnings("Ana"), ["parcel-refused"]);
}

#[test]
fn a_stranger_cannot_make_itself_a_contact() {
    let mut town = founded();
    newcomer(&mut town, "Elena");
    newcomer(&mut town, "Fatima");
    // Fatima got hold of an address of Elena's, whom she was never introduced to.
    let (elena, fatima) = (town.member("Elena"), town.member("Fatima"));
    let stolen = town.act("Elena", |tx, now| inbox::my_address_for(tx, &inbox::Holder::Member(fatima), now)).unwrap();
    town.settle();
    town.act_and_settle("Fatima", |tx, now| {
        let contact = identity::my_contact_card(tx, &inbox::Holder::Member(elena), now)?;
        let body = ParcelBody::Contact { contact, code: None };
        Ok::<_, membership::MembershipFault>(inbox::send_to(tx, &elena, &stolen, &body, now)?)
    });
    // Somebody may be about to introduce them. A week later nobody has.
    assert_eq!(town.warnings("Elena"), Vec::<&str>::new());
    town.now = town.now.plus_seconds(8 * 24 * 3600);
    town.act_and_settle("Elena", membership::tend);
    assert_eq!(town.contacts("Elena"), ["Ana", "Bruno"]);
    assert_eq!(town.warnings("Elena"), ["parcel-refused"]);
}

#[test]
fn a_parcel_that_left_too_late_to_be_opened_is_said_not_to_have_come() {
    for (days, said) in [(90, vec![]), (92, vec!["undelivered"])] {
        let mut town = founded();
        town.people.get_mut("Bruno").unwrap().online = false;
        town.people.get_mut("Ana").unwrap().online = false;
        town.act_and_settle("Ana", |tx, now| membership::start_comparison(tx, "Bruno", now));
        assert_eq!(town.warnings("Ana"), Vec::<&str>::new());
        town.now = town.now.plus_seconds(days * 24 * 3600);
        town.people.get_mut("Ana").unwrap().online = true;
        town.settle();
        assert_eq!(town.warnings("Ana"), said, "{days}");
    }
}

#[test]
fn a_parcel_is_sent_again_until_somebody_says_that_it_came() {
    let mut town = founded();
    let bruno = town.member("Bruno");
    town.people.get_mut("Bruno").unwrap().online = false;
    let mailbox = town.act("Ana", |tx, _| inbox::address_of(tx, &bruno)).unwrap().unwrap().mailbox;
    let before = town.relays[&[1; 32]].depth(mailbox);
    town.act_and_settle("Ana", |tx, now| membership::start_comparison(tx, "Bruno", now));
    // The relay forgets what it took.
    let relay = town.relays.get_mut(&[1; 32]).unwrap();
    assert_eq!(relay.depth(mailbox), before + 1);
    relay.forget(mailbox);
    town.people.get_mut("Bruno").unwrap().online = true;
    town.settle();
    assert!(town.act("Bruno", |tx, _| membership::compare(tx, "Ana")).is_err());
    town.now = town.now.plus_seconds(2 * 24 * 3600);
    town.act_and_settle("Ana", inbox::tend);
    assert!(town.act("Bruno", |tx, _| membership::compare(tx, "Ana")).is_ok());
    assert_eq!(town.act("Ana", |tx, _| inbox::undelivered(tx)).unwrap(), 0);
}

#[test]
fn a_new_inbox_key_reaches_the_contacts_and_the_old_one_still_opens() {
    let mut town = founded();
    let bruno = town.member("Bruno");
    let before = town.act("Ana", |tx, _| inbox::address_of(tx, &bruno)).unwrap().unwrap();
    let late = letter(&mut town, "Ana", "Bruno", "Bruno");
    town.now = town.now.plus_seconds(8 * 24 * 3600);
    town.act_and_settle("Bruno", inbox::tend);
    let after = town.act("Ana", |tx, _| inbox::address_of(tx, &bruno)).unwrap().unwrap();
    assert_ne!(before.key, after.key);
    assert_eq!(before.append, after.append);
    town.give("Bruno", &late);
    assert_eq!(town.warnings("Bruno"), Vec::<&str>::new());
    town.now = town.now.plus_seconds(92 * 24 * 3600);
    town.act_and_settle("Bruno", inbox::tend);
    town.give("Bruno", &late);
    assert_eq!(town.warnings("Bruno"), ["parcel-refused"], "its key is destroyed");
}

#[test]
fn every_trace_of_a_parcel_in_an_outbox_is_sealed() {
    let mut town = founded();
    town.arrive("Goran");
    let link = invite(&mut town, "Ana");
    town.people.get_mut("Ana").unwrap().online = false;
    join(&mut town, "Goran", &link, None);
    // What the relay holds of the request tells neither who asks nor of whom.
    let home = town.act("Ana", |tx, _| inbox::home(tx)).unwrap();
    let bytes = town.relays[&home.fingerprint.0].everything();
    let members = [town.member("Goran"), town.member("Ana")];
    // Nothing so short that it stands in random bytes now and then.
    for needle in [&b"Goran"[..], b"Local 6500", members[0].as_bytes(), members[1].as_bytes()] {
        assert!(!bytes.windows(needle.len()).any(|window| window == needle));
    }
}

/// Ana's shelf gets what it wants.
fn stock(town: &mut Town) {
    town.act_and_settle("Ana", |tx, now| {
        let me = identity::for_conversations(tx)?.expect("a card");
        let mut rooms = Rooms::default();
        inbox::stock(tx, &mut Desk::new(tx, &me, &mut rooms, now))
    });
}

#[test]
fn contacts_take_key_packages_from_the_shelf_until_only_the_last_resort_is_left() {
    let mut town = founded();
    stock(&mut town);
    assert_eq!(town.act("Ana", |tx, _| inbox::wanted(tx)).unwrap().packages, 0);
    let ana = town.member("Ana");
    let address = town.act("Bruno", |tx, _| inbox::address_of(tx, &ana)).unwrap().unwrap();
    let shelf = address.shelf.unwrap();
    let take = Call::Take { mailbox: shelf.mailbox, capability: shelf.take.duplicate() };
    let mut packages = std::collections::BTreeSet::new();
    for _ in 0..26 {
        let answer = town.relays.get_mut(&[1; 32]).unwrap().call(&take, town.now).unwrap();
        packages.insert(town.act("Bruno", |tx, _| inbox::taken(tx, &ana, &answer)).unwrap().unwrap().to_vec());
    }
    // 24 different ones, and the last resort as often as asked.
    assert_eq!(packages.len(), 25);
    town.now = town.now.plus_seconds(7 * 3600);
    town.act_and_settle("Ana", inbox::tend);
    let wanted = town.act("Ana", |tx, _| inbox::wanted(tx)).unwrap();
    assert_eq!((wanted.packages, wanted.last_resort), (24, true));
}

#[test]
fn key_packages_that_a_relay_does_not_keep_are_missed_soon_and_then_no_sooner_than_usual() {
    let mut town = founded();
    let ana = town.member("Ana");
    let shelf = town.act("Bruno", |tx, _| inbox::address_of(tx, &ana)).unwrap().unwrap().shelf.unwrap().mailbox;
    let mut wanted = Vec::new();
    for minutes in [11, 11, 350, 11] {
        stock(&mut town);
        town.relays.get_mut(&[1; 32]).unwrap().forget(shelf);
        town.now = town.now.plus_seconds(minutes * 60);
        town.act_and_settle("Ana", inbox::tend);
        wanted.push(town.act("Ana", |tx, _| inbox::wanted(tx)).unwrap().packages);
    }
    assert_eq!(wanted, [24, 0, 24, 24]);
}

#[test]
fn a_grant_that_was_taken_away_opens_no_more() {
    let mut town = founded();
    let holder = inbox::Holder::Group(relevo_protocol::content::GroupId([4; 16]));
    let address = town.act_and_settle("Ana", |tx, now| inbox::my_address_for(tx, &holder, now));
    let entry = letter(&mut town, "Bruno", "Ana", "Ana").entry;
    let append = Call::Append { mailbox: address.mailbox, capability: address.append.duplicate(), entry };
    let now = town.now;
    assert!(town.relays.get_mut(&[1; 32]).unwrap().call(&append, now).is_ok());
    town.act_and_settle("Ana", |tx, _| inbox::revoke(tx, &holder));
    assert_eq!(town.relays.get_mut(&[1; 32]).unwrap().call(&append, now), Err(Refusal::NoSuchMailbox));
}

/// The relay is put back to an earlier state, and says so to Ana.
fn goes_back(town: &mut Town, backup: FakeRelay) {
    *town.relays.get_mut(&[1; 32]).unwrap() = backup;
    let standing = Standing {
        incarnation: Incarnation([2; 8]),
        first_available: Sequence(1),
        head_before_first: Head::START,
        last: Sequence::START,
        expires: Hour(u32::MAX),
        frozen: false,
    };
    let notice = Notice::OtherIncarnation { before: Incarnation([1; 8]), standing };
    town.act("Ana", |tx, now| inbox::noticed(tx, &notice, now)).unwrap();
    town.act_and_settle("Ana", inbox::tend);
}

#[test]
fn who_was_given_an_address_after_the_backup_of_a_restored_relay_reaches_the_inbox_all_the_same() {
    let mut town = founded();
    stock(&mut town);
    let before = town.relays[&[1; 32]].clone();
    // More than the grants that lay ready in the backup.
    let mut addresses: Vec<_> = (0..17)
        .map(|group| {
            let holder = inbox::Holder::Group(relevo_protocol::content::GroupId([group; 16]));
            town.act_and_settle("Ana", |tx, now| inbox::my_address_for(tx, &holder, now))
        })
        .collect();
    let address = addresses.pop().unwrap();
    let shelf = address.shelf.as_ref().unwrap();
    let entry = letter(&mut town, "Bruno", "Ana", "Ana").entry;
    let calls = [
        Call::Append { mailbox: address.mailbox, capability: address.append.duplicate(), entry },
        Call::Take { mailbox: shelf.mailbox, capability: shelf.take.duplicate() },
    ];
    // Both lost from it, and inbox and shelf altogether.
    for backup in [before, FakeRelay::default()] {
        goes_back(&mut town, backup.clone());
        town.now = town.now.plus_seconds(600);
        goes_back(&mut town, backup);
        let now = town.now;
        let answers = calls.each_ref().map(|call| town.relays.get_mut(&[1; 32]).unwrap().call(call, now));
        assert!(answers.iter().all(|answer| *answer == Err(Refusal::NoSuchMailbox)), "not every time that it says so");
        town.now = now.plus_seconds(6 * 3600);
        town.act_and_settle("Ana", inbox::tend);
        assert_eq!(town.act("Ana", |tx, _| inbox::wanted(tx)).unwrap(), Stock { packages: 24, last_resort: true });
        let relay = &town.relays[&[1; 32]];
        assert!(relay.grants_of(address.mailbox).is_sorted(), "their order tells nothing of whose they are");
        assert!(relay.grants_of(shelf.mailbox).is_sorted());
        assert_eq!(relay.depth(shelf.mailbox), 0, "what was taken before is not given again");
        stock(&mut town);
        let now = town.now;
        for call in &calls {
            assert!(town.relays.get_mut(&[1; 32]).unwrap().call(call, now).is_ok());
        }
        town.now = now.plus_seconds(6 * 3600);
    }
}

#[test]
fn an_address_that_is_handed_out_after_more_than_a_year_works_and_so_does_the_shelf() {
    let mut town = founded();
    for _ in 0..60 {
        town.now = town.now.plus_seconds(7 * 24 * 3600);
        town.act_and_settle("Ana", inbox::tend);
    }
    let holder = inbox::Holder::Group(relevo_protocol::content::GroupId([4; 16]));
    let address = town.act_and_settle("Ana", |tx, now| inbox::my_address_for(tx, &holder, now));
    let shelf = address.shelf.unwrap();
    let now = town.now;
    let relay = town.relays.get_mut(&[1; 32]).unwrap();
    let bytes = vec![7; 2048];
    let entry = relevo_protocol::wire::Entry::parse(bytes.into()).unwrap();
    let append = Call::Append { mailbox: address.mailbox, capability: address.append, entry };
    assert!(relay.call(&append, now).is_ok());
    let taken = relay.depth(shelf.mailbox);
    town.act("Ana", |tx, _| inbox::restock(tx, &[vec![1; 100]], None)).unwrap();
    town.settle();
    let relay = town.relays.get_mut(&[1; 32]).unwrap();
    assert_eq!(relay.depth(shelf.mailbox), taken + 1);
    assert!(relay.call(&Call::Take { mailbox: shelf.mailbox, capability: shelf.take }, now).is_ok());
}

#[test]
fn what_came_since_a_relay_was_restored_is_not_trimmed_with_what_was_read_before() {
    let mut town = founded();
    let ana = town.member("Ana");
    let inbox = town.act("Bruno", |tx, _| inbox::address_of(tx, &ana)).unwrap().unwrap().mailbox;
    let entry = letter(&mut town, "Bruno", "Ana", "Ana");
    town.give("Ana", &ReceivedEntry { sequence: Sequence(15), ..entry });
    let backup = town.relays[&[1; 32]].clone();
    let lies = backup.depth(inbox);
    goes_back(&mut town, backup);
    town.now = town.now.plus_seconds(60);
    town.act("Ana", inbox::tend).unwrap();
    town.settle();
    assert!(lies > 0);
    assert_eq!(town.relays[&[1; 32]].depth(inbox), lies);
}

#[test]
fn nobody_makes_a_member_connect_to_a_relay_outside_of_the_charter() {
    let mut town = founded();
    town.relay(9);
    let bruno = town.member("Bruno");
    let mut trap = town.act("Ana", |tx, _| inbox::address_of(tx, &bruno)).unwrap().unwrap();
    trap.relay = town.relay(9);
    let refused = town.act("Ana", |tx, now| inbox::learn(tx, &bruno, &trap, now));
    assert!(matches!(refused, Err(inbox::InboxFault::UnknownRelay)));
    // A newcomer whose inbox lies elsewhere is not answered there.
    town.arrive("Goran");
    let link = invite(&mut town, "Ana");
    let elsewhere = town.relay(9);
    town.act("Goran", |tx, now| inbox::establish(tx, &elsewhere, now)).unwrap();
    join(&mut town, "Goran", &link, None);
    assert!(town.act("Ana", |tx, _| requests(tx)).unwrap().is_empty());
    assert_eq!(town.warnings("Ana"), ["parcel-refused"]);
}

#[test]
fn a_contact_cannot_drop_its_card_to_take_another_name() {
    let mut town = founded();
    let (ana, bruno) = (town.member("Ana"), town.member("Bruno"));
    let devices = town.act("Bruno", |tx, _| identity::me(tx)).unwrap().devices;
    town.act_and_settle("Bruno", |tx, now| {
        let identity = Identity::Newcomer { devices, pseudonym: "Carla".parse().unwrap() };
        let inbox = inbox::my_address_for(tx, &inbox::Holder::Member(ana), now)?;
        inbox::send(tx, &ana, &ParcelBody::Contact { contact: ContactCard { identity, inbox }, code: None }, now)
    });
    assert_eq!(town.contacts("Ana"), ["Bruno"]);
    assert!(town.act("Ana", |tx, _| membership::person::known(tx, &bruno)).unwrap().unwrap().card.is_some());
}
