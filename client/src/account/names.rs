//! Whom and what a name means. Others choose the names of groups and, with their coordinators, of people: a name that
//! could mean somebody else than a person thinks is refused, never guessed.

use relevo_protocol::content::GroupId;
use relevo_protocol::trust::MemberKey;

use super::AccountFault;
use crate::conversation::{self, Conversation, Kind, Standing};
use crate::membership::{self, Contact, MembershipFault};
use crate::vault::Transaction;

/// What a name means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meant {
    /// A conversation.
    Conversation(GroupId),
    /// A contact with whom there may be no conversation yet.
    Contact(MemberKey),
}

/// What a person means by a name: a group, a contact, or somebody in a conversation of two.
pub(super) fn meant(tx: &Transaction<'_>, name: &str) -> Result<Meant, AccountFault> {
    let me = membership::me(tx)?.member;
    let contact = match membership::find_contact(tx, name) {
        Ok(contact) => Some(contact),
        Err(MembershipFault::NoSuchContact) => None,
        Err(other) => return Err(other.into()),
    };
    choose(&named(tx, &me, name)?, contact.as_ref(), name, &me)
}

/// The group that a person means.
pub(super) fn group_named(tx: &Transaction<'_>, name: &str) -> Result<GroupId, AccountFault> {
    let me = membership::me(tx)?.member;
    let found = named(tx, &me, name)?;
    // Somebody who is called as the group is no group.
    let groups: Vec<&Conversation> = found.iter().filter(|one| one.kind == Kind::Group).collect();
    match (groups.as_slice(), found.as_slice()) {
        ([one], _) => Ok(one.id),
        ([], [one]) => Ok(one.id),
        ([], []) => Err(AccountFault::NoSuchName),
        (_, _) => Err(AccountFault::AmbiguousName),
    }
}

/// Whether something or somebody here is called so already.
pub(super) fn is_taken(tx: &Transaction<'_>, name: &str) -> Result<bool, AccountFault> {
    match meant(tx, name) {
        Ok(_) | Err(AccountFault::AmbiguousName | AccountFault::Membership(MembershipFault::Ambiguous { .. })) => {
            Ok(true)
        }
        Err(AccountFault::NoSuchName) => Ok(false),
        Err(other) => Err(other),
    }
}

fn choose(
    found: &[Conversation],
    contact: Option<&Contact>,
    name: &str,
    me: &MemberKey,
) -> Result<Meant, AccountFault> {
    let Some(contact) = contact else {
        return match found {
            [] => Err(AccountFault::NoSuchName),
            [one] => Ok(Meant::Conversation(one.id)),
            _ => Err(AccountFault::AmbiguousName),
        };
    };
    let with = |one: &&Conversation| other_of(one, me) == Some(contact.member);
    // With the union beside the name it can be nobody else, whatever a group is called.
    let told_apart = contact.pseudonym.as_str() != name;
    if !told_apart && !found.iter().all(|one| with(&one)) {
        return Err(AccountFault::AmbiguousName);
    }
    Ok(found.iter().find(with).map_or(Meant::Contact(contact.member), |pair| Meant::Conversation(pair.id)))
}

/// Conversations by the name that people see. Those that go on in another one, or that we left, count only if there is no
/// other.
fn named(tx: &Transaction<'_>, me: &MemberKey, name: &str) -> Result<Vec<Conversation>, AccountFault> {
    let mut found = conversation::conversations_of(tx)?;
    let mut names = Vec::new();
    for one in &found {
        names.push(name_of(tx, one, me)?);
    }
    let mut called = names.into_iter().map(|called| called == name);
    found.retain(|_| called.next().unwrap_or(false));
    if found.iter().any(|one| one.successor.is_none()) {
        found.retain(|one| one.successor.is_none());
    }
    // What says that it continues another one counts when that is judged.
    let present: Vec<GroupId> = found.iter().filter(|one| one.successor.is_none()).map(|one| one.id).collect();
    found.retain(|one| one.continues.is_none_or(|before| !present.contains(&before)));
    if found.iter().any(|one| one.standing == Standing::Live) {
        found.retain(|one| one.standing == Standing::Live);
    }
    // Two people who wrote to each other at once have two pairs: both use the one whose id comes first.
    found.sort_by_key(|one| (other_of(one, me), one.id));
    found.dedup_by(|next, one| next.kind == Kind::Pair && other_of(next, me) == other_of(one, me));
    Ok(found)
}

/// What people call a conversation: a group by its name, a pair by the other.
pub(super) fn name_of(tx: &Transaction<'_>, one: &Conversation, me: &MemberKey) -> Result<String, AccountFault> {
    let Some(other) = other_of(one, me) else { return Ok(one.name.clone()) };
    if let Some(seat) = one.members.iter().find(|seat| seat.member == other) {
        return Ok(seat.pseudonym.clone());
    }
    // Not joined yet: as among the contacts.
    let contact = membership::contacts(tx)?.into_iter().find(|contact| contact.member == other);
    Ok(contact.map_or_else(|| one.name.clone(), |contact| contact.pseudonym.as_str().to_owned()))
}

/// The other of a pair, who is one of its two administrators before sitting in it.
fn other_of(one: &Conversation, me: &MemberKey) -> Option<MemberKey> {
    let pair = one.kind == Kind::Pair;
    let seated = one.members.iter().map(|seat| seat.member);
    seated.chain(one.administrators.iter().copied()).find(|member| pair && member != me)
}

#[cfg(test)]
mod tests {
    use relevo_protocol::time::Timestamp;

    use super::*;
    use crate::conversation::Seated;
    use crate::membership::contact::How;

    fn key(of: u8) -> MemberKey {
        MemberKey::new([of; 32])
    }

    /// Ourselves, the contact Ana, and somebody else of that name.
    const ME: u8 = 1;
    const ANA: u8 = 2;
    const OTHER: u8 = 3;

    fn conversation(id: u8, kind: Kind, with: u8) -> Conversation {
        let seat = |member| Seated { member: key(member), pseudonym: "Ana".to_owned(), administrator: true };
        Conversation {
            id: GroupId([id; 16]),
            kind,
            name: "Ana".to_owned(),
            standing: Standing::Live,
            administrators: vec![key(ME), key(with)],
            members: vec![seat(ME), seat(with)],
            active: Timestamp(0),
            successor: None,
            continues: None,
        }
    }

    fn ana() -> Contact {
        Contact {
            member: key(ANA),
            pseudonym: "Ana".parse().unwrap(),
            union: None,
            is_coordinator: false,
            verified: None,
            how: How::Code,
            since: Timestamp(0),
        }
    }

    #[test]
    fn words_for_a_contact_go_to_no_group_and_no_stranger_of_that_name() {
        for (kind, with) in [(Kind::Group, ANA), (Kind::Pair, OTHER)] {
            let trap = conversation(7, kind, with);
            let refused = choose(core::slice::from_ref(&trap), Some(&ana()), "Ana", &key(ME)).unwrap_err();
            assert!(matches!(refused, AccountFault::AmbiguousName));
            let told = choose(core::slice::from_ref(&trap), Some(&ana()), "Ana@Local 6500", &key(ME)).unwrap();
            assert_eq!(told, Meant::Contact(key(ANA)));
        }
    }

    #[test]
    fn a_contact_is_written_to_in_the_conversation_that_is_there() {
        let pair = conversation(7, Kind::Pair, ANA);
        assert_eq!(choose(&[pair], Some(&ana()), "Ana", &key(ME)).unwrap(), Meant::Conversation(GroupId([7; 16])));
        let mut begun = conversation(7, Kind::Pair, ANA);
        begun.members.pop();
        assert_eq!(choose(&[begun], Some(&ana()), "Ana", &key(ME)).unwrap(), Meant::Conversation(GroupId([7; 16])));
        assert_eq!(choose(&[], Some(&ana()), "Ana", &key(ME)).unwrap(), Meant::Contact(key(ANA)));
        assert!(matches!(choose(&[], None, "Ana", &key(ME)), Err(AccountFault::NoSuchName)));
    }
}
