use relevo_protocol::trust::Verified;

use super::founded;
use crate::membership::town::Town;
use crate::membership::{self, charter, errands, founding, request::RequestKind, requests};

#[test]
fn two_founders_hold_one_charter_and_have_cards() {
    let mut town = founded();
    let ana = town.act("Ana", |tx, _| membership::about_me(tx)).unwrap();
    let bruno = town.act("Bruno", |tx, _| membership::about_me(tx)).unwrap();
    assert!(ana.alliance.is_some());
    assert_eq!(ana.alliance, bruno.alliance);
    assert!(ana.is_coordinator && bruno.is_coordinator);
    assert_eq!((ana.union.clone(), ana.alliance_name.as_deref()), (bruno.union, Some("Mine to mine")));
    assert!(ana.card_expires.is_some() && bruno.card_expires.is_some());
    assert_eq!(town.contacts("Ana"), ["Bruno"]);
    assert_eq!(town.contacts("Bruno"), ["Ana"]);
    for name in ["Ana", "Bruno"] {
        assert_eq!(town.warnings(name), Vec::<&str>::new());
        assert!(town.act(name, |tx, _| requests(tx)).unwrap().is_empty());
        let contacts = town.act(name, |tx, _| membership::contacts(tx)).unwrap();
        assert!(contacts.iter().all(|contact| contact.is_coordinator && contact.union.is_some()), "{name}");
    }
}
