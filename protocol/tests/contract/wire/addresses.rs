//! Relay addresses, admissions, paths, capabilities.

use proptest::prelude::*;
use relevo_protocol::secret::Secret;
use relevo_protocol::wire::{AddressFault, Admission, Capability, MailboxId, PathSecret, RelayAddress};

use crate::dice::Dice;

fn address() -> RelayAddress {
    Dice(1).relay()
}

#[test]
fn an_address_in_capitals_is_the_same_address() {
    let text = address().to_text();
    assert_eq!(text.to_ascii_uppercase().parse::<RelayAddress>(), Ok(address()));
    assert_eq!(format!(" {text}\n").parse::<RelayAddress>(), Ok(address()));
}

#[test]
fn a_damaged_address_says_where() {
    let text = address().to_text();
    assert_eq!(text.replace("relevo:", "https:").parse::<RelayAddress>(), Err(AddressFault::Scheme));
    assert_eq!(text.replacen('@', "", 1).parse::<RelayAddress>(), Err(AddressFault::Fingerprint));
    assert_eq!(text.replacen("://", "://a", 1).parse::<RelayAddress>(), Err(AddressFault::Fingerprint));
    assert_eq!(text.split('#').next().unwrap().parse::<RelayAddress>(), Err(AddressFault::Secrets));
    assert_eq!(text[..text.len() - 1].parse::<RelayAddress>(), Err(AddressFault::Secrets));
    let (start, end) = (text.split('@').next().unwrap(), text.split("/#").nth(1).unwrap());
    for host in ["", "a b", "a:0", "a:70000", "a:+5", "a:", "[::1", "[a]", "[::1]5", "ü.org", "a/b", "a?b"] {
        let text = format!("{start}@{host}/#{end}");
        assert_eq!(text.parse::<RelayAddress>(), Err(AddressFault::Host), "{host}");
    }
    for host in ["a", "a.b-c.org:5", "10.0.0.1", "[::1]", "[2001:db8::7]:8443"] {
        let text = format!("{start}@{host}/#{end}");
        assert_eq!(text.parse::<RelayAddress>().unwrap().to_text(), text, "{host}");
    }
}

#[test]
fn an_address_prints_nothing_of_itself() {
    assert_eq!(format!("{:?}", address()), "RelayAddress");
}

#[test]
fn a_path_and_a_proof_belong_to_one_connection() {
    let (here, there) = (Secret::new([1; 32]), Secret::new([2; 32]));
    let path = PathSecret::new(Secret::new([3; 16]));
    assert!(path.matches(&path.path(&here), &here));
    assert!(!path.matches(&path.path(&here), &there));
    assert!(!path.matches("/", &here));
    assert!(!PathSecret::new(Secret::new([4; 16])).matches(&path.path(&here), &here));
    let key = Admission::new(Secret::new([5; 32])).key();
    assert!(key.accepts(&key.proof(&here), &here));
    assert!(!key.accepts(&key.proof(&here), &there));
}

#[test]
fn an_admission_shows_neither_itself_nor_its_key_in_its_id() {
    let admission = Admission::new(Secret::new([5; 32]));
    let key = admission.key();
    assert_ne!(key.expose()[..16], admission.id().0);
    assert_ne!(key.expose(), admission.expose());
}

#[test]
fn a_mailbox_is_named_by_its_owner_alone() {
    let owner = Capability::new(Secret::new([6; 32]));
    assert_eq!(owner.mailbox(), MailboxId::of(&owner.hash()));
    assert_ne!(owner.mailbox(), Capability::new(Secret::new([7; 32])).mailbox());
}

proptest! {
    #[test]
    fn any_address_comes_back_from_its_text(seed in any::<u64>()) {
        let address = Dice(seed).relay();
        prop_assert_eq!(address.to_text().parse::<RelayAddress>(), Ok(address));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "(relevo://)?\\PC{0,80}") {
        let _ = text.parse::<RelayAddress>();
    }

    #[test]
    fn any_changed_character_changes_the_address_or_is_refused(at in any::<prop::sample::Index>(), by in "[a-z2-7@#/:.]") {
        let text = address().to_text();
        let at = at.index(text.len());
        let changed = format!("{}{by}{}", &text[..at], &text[at + 1..]);
        prop_assume!(changed != text);
        prop_assert_ne!(changed.parse::<RelayAddress>(), Ok(address()));
    }
}
