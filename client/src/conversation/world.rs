//! Members with real vaults over a relay in memory: logs in total order, shelves, inboxes. Tests decide who acts when.

mod relay;

use std::collections::VecDeque;
use std::path::Path;

use ed25519_dalek::SigningKey;
use openmls::prelude::MlsMessageOut;
use relevo_protocol::content::{
    Body, GroupId, InboxAddress, MessageId, ParcelBody, ShelfAddress, Text, decode, encode_secret,
};
use relevo_protocol::sealed::{EntryKey, InboxKeyPair, seal_shelf};
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::MemberKey;
use relevo_protocol::wire::{
    Call, Capability, Cursor, Head, MailboxId, RelayAddress, RelayIdentity, Sequence, Standing as LogStanding,
};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use self::relay::{EXPIRES, Relay};
use super::room::Room;
use super::{Awaited, ConversationFault, Desk, Effect, Me, MessageState, Rooms, Standing};
use crate::fixture::{Alliance, Member, NOW, relay_address};
use crate::sync::{self, Follow, Followed, Notice, ReceivedEntry, Topic};
use crate::vault::{
    Cost, Passphrase, Transaction, Vault, VaultFault, conversations, followed, messages, relays, tails,
};

/// A member with a vault.
pub(crate) struct Person {
    pub(crate) vault: Option<Vault>,
    pub(crate) me: Me,
    pub(crate) rooms: Rooms,
    pub(crate) outbox: VecDeque<(Call, Awaited)>,
    pub(crate) parcels: VecDeque<(MemberKey, Vec<u8>)>,
    pub(crate) joined: Vec<GroupId>,
    /// How often it was said that nobody takes them in.
    pub(crate) left_out: usize,
    shelf: ShelfAddress,
    inbox: MailboxId,
    directory: TempDir,
}

/// Everything.
pub(crate) struct World {
    pub(crate) alliance: Alliance,
    pub(crate) relay: Relay,
    pub(crate) address: RelayAddress,
    pub(crate) people: Vec<Person>,
    pub(crate) now: Timestamp,
    /// Every transaction is done once and rolled back, as a crash before its end would, and then done.
    pub(crate) flaky: bool,
    /// Bytes of the largest parcel so far.
    pub(crate) largest_parcel: usize,
}

impl World {
    /// So many members of two unions.
    pub(crate) fn new(people: usize) -> Self {
        let alliance = Alliance::found(2);
        let address = relay_address(1);
        let mut world = Self {
            alliance,
            relay: Relay::default(),
            address,
            people: Vec::new(),
            now: NOW,
            flaky: false,
            largest_parcel: 0,
        };
        for number in 0..people {
            let member = world.alliance.admit(number % 2, &format!("Member {number}"));
            world.enter(member);
        }
        world
    }

    /// The relay signs checkpoints from here on, and everybody knows its key.
    pub(crate) fn signs(&mut self) {
        let key = SigningKey::from_bytes(&[42; 32]);
        let (identity, address) = (RelayIdentity(key.verifying_key().to_bytes()), self.address.duplicate());
        self.relay.key = Some(key);
        for person in 0..self.people.len() {
            self.act(person, |desk| {
                sync::remember_relay(desk.tx, &address)?;
                Ok(relays::proved(desk.tx, &address.fingerprint, &identity)?)
            })
            .unwrap();
        }
    }

    /// Somebody with a card comes.
    pub(crate) fn enter(&mut self, member: Member) -> usize {
        let directory = tempfile::tempdir().unwrap();
        let passphrase = Passphrase::new("correct horse".to_owned());
        let vault = Vault::create(&directory.path().join("vault"), &passphrase, Cost::FOR_TESTS).unwrap();
        let (signed, charter) = (self.alliance.signed.clone(), self.alliance.charter.clone());
        let me = Me {
            member: member.keys.member.public(),
            device: member.keys.device,
            card: member.card,
            devices: member.keys.device_set,
            charters: vec![(signed, charter)],
        };
        let owner = Capability::random().unwrap();
        let shelf = ShelfAddress { mailbox: owner.mailbox(), take: owner, key: EntryKey::random().unwrap() };
        let inbox = Capability::random().unwrap().mailbox();
        self.people.push(Person {
            vault: Some(vault),
            me,
            rooms: Rooms::default(),
            outbox: VecDeque::new(),
            parcels: VecDeque::new(),
            joined: Vec::new(),
            left_out: 0,
            shelf,
            inbox,
            directory,
        });
        let number = self.people.len() - 1;
        self.stock(number, 4);
        number
    }

    /// Somebody with a card and key packages, but no vault: its key packages are made in the vault of `host`.
    pub(crate) fn ghost(&mut self, host: usize, name: &str) -> (MemberKey, InboxAddress) {
        let member = self.alliance.admit(1, name);
        let (signed, charter) = (self.alliance.signed.clone(), self.alliance.charter.clone());
        let me = Me {
            member: member.keys.member.public(),
            device: member.keys.device,
            card: member.card,
            devices: member.keys.device_set,
            charters: vec![(signed, charter)],
        };
        let now = self.now;
        let vault = self.people[host].vault.as_mut().unwrap();
        let package = vault
            .transaction(|tx| Desk::new(tx, &me, &mut Rooms::default(), now).publish_key_packages(1))
            .unwrap()
            .remove(0);
        let owner = Capability::random().unwrap();
        let shelf = ShelfAddress { mailbox: owner.mailbox(), take: owner, key: EntryKey::random().unwrap() };
        let entry = seal_shelf(&shelf.key, &shelf.mailbox, &package).unwrap();
        self.relay.shelves.insert(shelf.mailbox, [entry].into());
        (me.member, InboxAddress { shelf: Some(shelf), ..self.contact(host).1 })
    }

    /// Puts key packages on somebody's shelf.
    pub(crate) fn stock(&mut self, person: usize, count: usize) {
        let packages = self.act(person, |desk| desk.publish_key_packages(count)).unwrap();
        let shelf = &self.people[person].shelf;
        let entries = packages.iter().map(|package| seal_shelf(&shelf.key, &shelf.mailbox, package).unwrap());
        self.relay.shelves.entry(shelf.mailbox).or_default().extend(entries.collect::<Vec<_>>());
    }

    /// Calls a verb in one transaction and carries out what it wants; a fault rolls all of it back.
    pub(crate) fn act<T>(
        &mut self,
        person: usize,
        verb: impl Fn(&mut Desk<'_>) -> Result<T, ConversationFault>,
    ) -> Result<T, ConversationFault> {
        if self.flaky {
            assert!(self.attempt(person, &verb, true).is_err());
        }
        let (done, effects) = self.attempt(person, &verb, false)?;
        let sender = self.people[person].me.member;
        for effect in effects {
            match effect {
                Effect::Call { call, then, .. } => self.people[person].outbox.push_back((call, then)),
                Effect::Parcel { member, body, .. } => {
                    let bytes = encode_secret(&body).to_vec();
                    self.largest_parcel = self.largest_parcel.max(bytes.len());
                    // Some members of large groups are nobody's vault.
                    if let Some(to) = self.people.iter_mut().find(|person| person.me.member == member) {
                        to.parcels.push_back((sender, bytes));
                    }
                }
                Effect::Joined { group } => self.people[person].joined.push(group),
                Effect::NotTakenIn => self.people[person].left_out += 1,
                Effect::Remember(_) | Effect::Follow { .. } | Effect::Unfollow(_) | Effect::AlertLeft { .. } => {}
            }
        }
        Ok(done)
    }

    /// One transaction, with what it follows; rolled back at its end to `crash`.
    fn attempt<T>(
        &mut self,
        person: usize,
        verb: &impl Fn(&mut Desk<'_>) -> Result<T, ConversationFault>,
        crash: bool,
    ) -> Result<(T, Vec<Effect>), ConversationFault> {
        let now = self.now;
        let Person { vault, me, rooms, .. } = &mut self.people[person];
        vault.as_mut().unwrap().transaction(|tx| {
            let mut desk = Desk::new(tx, me, rooms, now);
            let done = verb(&mut desk)?;
            let effects = desk.into_effects();
            for effect in &effects {
                follow(tx, effect)?;
            }
            if crash { Err(ConversationFault::Mls("crash")) } else { Ok((done, effects)) }
        })
    }

    /// Lets somebody write an MLS message that no honest program writes, and puts it into the log. What it did to its
    /// own group is rolled back.
    pub(crate) fn forge(
        &mut self,
        person: usize,
        group: GroupId,
        write: impl FnOnce(&mut Desk<'_>, &mut Room) -> MlsMessageOut,
    ) {
        let mut forged = None;
        let now = self.now;
        let Person { vault, me, rooms, .. } = &mut self.people[person];
        let rolled_back: Result<(), ConversationFault> = vault.as_mut().unwrap().transaction(|tx| {
            let mut desk = Desk::new(tx, me, rooms, now);
            let mut room = desk.enter(&group)?;
            let message = write(&mut desk, &mut room);
            let (_, entry) = desk.seal(&room, &message.to_bytes().unwrap())?;
            forged = Some((room.context.mailbox, entry));
            Err(ConversationFault::Mls("rolled back on purpose"))
        });
        rolled_back.unwrap_err();
        let (mailbox, entry) = forged.unwrap();
        self.relay.logs.get_mut(&mailbox).unwrap().push(&mailbox, entry);
    }

    /// Sends the oldest request of somebody; whether there was one.
    pub(crate) fn send_one(&mut self, person: usize) -> bool {
        let Some((call, then)) = self.people[person].outbox.pop_front() else { return false };
        let outcome = self.relay.answer(&call);
        self.act(person, |desk| desk.answered(&then, outcome.as_ref().map_err(|refusal| *refusal))).unwrap();
        true
    }

    /// Sends all that somebody has to send, and reads nothing.
    pub(crate) fn send_all(&mut self, person: usize) {
        while self.send_one(person) {}
    }

    /// Reads one entry of any followed mailbox; whether there was one.
    pub(crate) fn read_one(&mut self, person: usize) -> bool {
        let vault = self.people[person].vault.as_mut().unwrap();
        let rows = vault.transaction(|tx| followed::newer(tx, 0)).unwrap();
        for row in rows {
            let at = row.followed;
            let Some(log) = self.relay.logs.get(&at.mailbox) else { continue };
            assert_eq!(log.read, row.capability.hash(), "the read capability is the group's");
            let group = GroupId(at.key.as_slice().try_into().unwrap());
            if at.cursor.incarnation.is_some_and(|life| life != log.incarnation) {
                let last = Sequence(log.entries.len().try_into().unwrap());
                self.begin_anew(person, &group, &at, last);
                return true;
            }
            let sequence = at.cursor.after.next();
            let Some((entry, head)) = log.entries.get(usize::try_from(sequence.0).unwrap() - 1).cloned() else {
                continue;
            };
            let incarnation = log.incarnation;
            let received = ReceivedEntry { incarnation, sequence, head, expires: EXPIRES, entry };
            self.act(person, |desk| {
                let mut at = at.clone();
                let (mailbox, digest) = (at.mailbox, Sha256::digest(received.entry.bytes()).into());
                let repeated = followed::was_read(desk.tx, &mailbox, &digest)?;
                let mark = followed::ReadMark { mailbox, incarnation, sequence, head, digest, expires: EXPIRES };
                followed::mark_read(desk.tx, &mark, desk.now)?;
                let place = tails::Place { mailbox, incarnation, sequence };
                tails::keep(desk.tx, &place, &digest, &received.entry, desk.now)?;
                if repeated {
                    desk.noticed(&group, &mailbox, &Notice::Repeated { incarnation, sequence })?;
                } else {
                    desk.received(&group, &mailbox, &received)?;
                }
                at.cursor = Cursor { incarnation: Some(incarnation), after: sequence };
                at.head = head;
                Ok(followed::advance(desk.tx, &at)?)
            })
            .unwrap();
            return true;
        }
        false
    }

    /// The relay of a log was restored: it is read again from its first entry.
    fn begin_anew(&mut self, person: usize, group: &GroupId, at: &Followed, last: Sequence) {
        let log = &self.relay.logs[&at.mailbox];
        let incarnation = log.incarnation;
        self.act(person, |desk| {
            let standing = LogStanding {
                incarnation,
                first_available: Sequence(1),
                head_before_first: Head::START,
                last,
                expires: EXPIRES,
                frozen: false,
            };
            let before = at.cursor.incarnation.unwrap();
            followed::set_restored(desk.tx, &at.mailbox, Some(last))?;
            desk.noticed(group, &at.mailbox, &Notice::OtherIncarnation { before, standing })?;
            let cursor = Cursor { incarnation: Some(incarnation), after: Sequence::START };
            Ok(followed::advance(desk.tx, &Followed { cursor, head: Head::START, ..at.clone() })?)
        })
        .unwrap();
    }

    /// Reads all that there is for somebody.
    pub(crate) fn read_all(&mut self, person: usize) {
        while self.read_one(person) {}
    }

    /// Opens what lies in somebody's inbox.
    pub(crate) fn open_parcels(&mut self, person: usize) -> bool {
        let mut any = false;
        while let Some((sender, bytes)) = self.people[person].parcels.pop_front() {
            any = true;
            self.act(person, |desk| {
                let body = decode(&bytes).unwrap();
                if let ParcelBody::Welcome(welcome) = body {
                    match desk.join(&welcome, &sender) {
                        Err(ConversationFault::NotTakenIn { ask, why, quiet }) => {
                            desk.ask_in(&welcome.group, &ask, &why, quiet)
                        }
                        done => done,
                    }
                } else if let ParcelBody::GroupOwner(owner) = body {
                    desk.owner_received(&owner)
                } else if let ParcelBody::Complaint(complaint) = body {
                    desk.complaint_received(&sender, &complaint)
                } else if let ParcelBody::ReAdd { group } = body {
                    desk.re_add_received(&sender, &group)
                } else {
                    panic!("no parcel for conversations: {body:?}")
                }
            })
            .unwrap();
        }
        any
    }

    /// Posts where somebody can be reached into the groups that it has come into.
    fn post_inboxes(&mut self, person: usize) -> bool {
        let Some(group) = self.people[person].joined.pop() else { return false };
        let (_, inbox) = self.contact(person);
        if self.row(person, group).standing == Standing::Live {
            self.act(person, |desk| desk.post_inbox(&group, inbox.duplicate())).unwrap();
        }
        true
    }

    /// Everybody does everything until nothing is left to do.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10_000 {
            let mut busy = false;
            for person in 0..self.people.len() {
                if self.people[person].vault.is_some() {
                    busy |= self.send_one(person);
                    busy |= self.read_one(person);
                    busy |= self.open_parcels(person);
                    busy |= self.post_inboxes(person);
                }
            }
            if !busy {
                return;
            }
        }
        panic!("the world does not settle");
    }

    /// Closes and opens somebody's vault, as a crash and a start do: what was not in a transaction is gone.
    pub(crate) fn restart(&mut self, person: usize) {
        let person = &mut self.people[person];
        person.vault = None;
        person.rooms = Rooms::default();
        let passphrase = Passphrase::new("correct horse".to_owned());
        person.vault = Some(Vault::open(&person.directory.path().join("vault"), &passphrase).unwrap());
    }

    /// A copy of somebody's vault.
    pub(crate) fn copy(&mut self, person: usize) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        self.people[person].vault = None;
        copy_files(self.people[person].directory.path(), copy.path());
        self.restart(person);
        copy
    }

    /// Puts a copy in the place of somebody's vault. What waited to be sent is gone.
    pub(crate) fn put_back(&mut self, person: usize, copy: TempDir) {
        self.people[person].vault = None;
        self.people[person].outbox.clear();
        self.people[person].directory = copy;
        self.restart(person);
    }

    /// Who somebody is and where it is reached.
    pub(crate) fn contact(&self, person: usize) -> (MemberKey, InboxAddress) {
        let person = &self.people[person];
        let inbox = InboxAddress {
            relay: self.address.duplicate(),
            mailbox: person.inbox,
            append: Capability::random().unwrap(),
            key: InboxKeyPair::generate().unwrap().public().clone(),
            shelf: Some(person.shelf.duplicate()),
        };
        (person.me.member, inbox)
    }

    pub(crate) fn contacts(&self, people: impl IntoIterator<Item = usize>) -> Vec<(MemberKey, InboxAddress)> {
        people.into_iter().map(|person| self.contact(person)).collect()
    }

    pub(crate) fn member(&self, person: usize) -> MemberKey {
        self.people[person].me.member
    }

    /// A pair that has settled.
    pub(crate) fn pair(&mut self, one: usize, other: usize) -> GroupId {
        let (contact, address) = (self.contact(other), self.address.duplicate());
        let group = self.act(one, |desk| desk.create_pair((contact.0, contact.1.duplicate()), &address)).unwrap();
        self.settle();
        group
    }

    /// A group of everybody that has settled; the first two are administrators.
    pub(crate) fn group(&mut self, name: &str) -> GroupId {
        let people = self.contacts(1..self.people.len());
        let (second, address) = (people.first().map(|(member, _)| *member), self.address.duplicate());
        let group = self.act(0, |desk| desk.create_group(name, again(&people), second, &address)).unwrap();
        self.settle();
        group
    }

    pub(crate) fn say(&mut self, person: usize, group: GroupId, text: &str) -> MessageId {
        let body = || Body::Text { text: text.parse::<Text>().unwrap(), language: None };
        self.act(person, |desk| desk.send(&group, body())).unwrap()
    }

    /// The texts that somebody has of a conversation, in order.
    pub(crate) fn texts(&mut self, person: usize, group: GroupId) -> Vec<String> {
        let vault = self.people[person].vault.as_mut().unwrap();
        let rows = vault.transaction(|tx| messages::after(tx, &group, 0, 10_000)).unwrap();
        rows.iter()
            .filter_map(|row| {
                let body = decode::<relevo_protocol::content::Kind<Body>>(&row.body).unwrap();
                let relevo_protocol::content::Kind::Known(Body::Text { text, .. }) = body else { return None };
                Some(text.as_str().to_owned())
            })
            .collect()
    }

    /// How a message of somebody's own stands.
    pub(crate) fn state(&mut self, person: usize, group: GroupId, id: MessageId) -> MessageState {
        let member = self.member(person);
        let vault = self.people[person].vault.as_mut().unwrap();
        vault.transaction(|tx| messages::by_id(tx, &group, &member, id)).unwrap().unwrap().state
    }

    /// Where somebody believes that a conversation stands.
    pub(crate) fn row(&mut self, person: usize, group: GroupId) -> conversations::ConversationRow {
        let vault = self.people[person].vault.as_mut().unwrap();
        vault.transaction(|tx| conversations::find(tx, &group)).unwrap().unwrap()
    }

    /// The kinds of alarm that somebody has.
    pub(crate) fn alarms(&mut self, person: usize) -> Vec<super::AlarmKind> {
        let vault = self.people[person].vault.as_mut().unwrap();
        let rows = vault.transaction(crate::vault::intentions::alarms).unwrap();
        rows.iter().map(|row| super::AlarmKind::from_code(row.kind)).collect()
    }
}

fn copy_files(from: &Path, to: &Path) {
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let target = to.join(file.file_name());
        if file.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_files(&file.path(), &target);
        } else {
            std::fs::copy(file.path(), target).unwrap();
        }
    }
}

fn follow(tx: &Transaction<'_>, effect: &Effect) -> Result<(), VaultFault> {
    match effect {
        Effect::Follow { relay, mailbox, read, group, start } => sync::follow(
            tx,
            &Follow {
                relay: *relay,
                mailbox: *mailbox,
                capability: read.duplicate(),
                topic: Topic::Conversation,
                key: group.0.to_vec(),
                start: *start,
            },
        ),
        Effect::Unfollow(mailbox) => {
            sync::unfollow(tx, mailbox)?;
            followed::sweep_unfollowed(tx).map(|_| ())
        }
        Effect::Remember(relay) => sync::remember_relay(tx, relay),
        Effect::Call { .. }
        | Effect::Joined { .. }
        | Effect::Parcel { .. }
        | Effect::AlertLeft { .. }
        | Effect::NotTakenIn => Ok(()),
    }
}

/// The same people once more: a crash does not consume them.
pub(crate) fn again(people: &[(MemberKey, InboxAddress)]) -> Vec<(MemberKey, InboxAddress)> {
    people.iter().map(|(member, inbox)| (*member, inbox.duplicate())).collect()
}
