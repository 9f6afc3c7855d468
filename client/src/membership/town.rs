//! A town for tests: people with vaults, relays in memory, and a post that carries what is in the outboxes until nothing
//! moves. No network, no clock.

use std::collections::BTreeMap;

use relevo_protocol::content::{KnownPerson, ParcelBody};
use relevo_protocol::secret::Secret;
use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::trust::MemberKey;
use relevo_protocol::wire::{
    Admission, Fingerprint, Head, Incarnation, MailboxId, PathSecret, ReadEntry, RelayAddress,
};
use tempfile::TempDir;

use super::{MembershipFault, identity, warning};
use crate::inbox::fake_relay::FakeRelay;
use crate::sync::{DispatchId, ReceivedEntry, Topic};
use crate::vault::{Cost, Passphrase, Transaction, Vault, VaultFault, followed, outbox};
use crate::{alert, inbox, membership};

/// When tests begin.
pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000);

/// Somebody with a vault.
pub(crate) struct Person {
    pub(crate) vault: Vault,
    /// Entries that came in, to replay.
    pub(crate) entries: Vec<(MailboxId, ReceivedEntry)>,
    /// Whether the post carries for them.
    pub(crate) online: bool,
    _directory: TempDir,
}

/// People and relays.
pub(crate) struct Town {
    pub(crate) people: BTreeMap<&'static str, Person>,
    pub(crate) relays: BTreeMap<[u8; 32], FakeRelay>,
    pub(crate) now: Timestamp,
}

impl Town {
    pub(crate) fn new() -> Self {
        Self { people: BTreeMap::new(), relays: BTreeMap::new(), now: NOW }
    }

    /// The address of a relay, which is there from now on.
    pub(crate) fn relay(&mut self, number: u8) -> RelayAddress {
        self.relays.entry([number; 32]).or_default();
        Self::dead_relay(number)
    }

    /// The address of a relay that does not answer, unless it is made.
    pub(crate) fn dead_relay(number: u8) -> RelayAddress {
        RelayAddress {
            fingerprint: Fingerprint([number; 32]),
            host: format!("relay{number}.example"),
            port: 443,
            path: PathSecret::new(Secret::new([number; 16])),
            admission: Admission::new(Secret::new([number; 32])),
        }
    }

    /// Somebody new, with keys.
    pub(crate) fn arrive(&mut self, name: &'static str) {
        let directory = tempfile::tempdir().unwrap();
        let passphrase = Passphrase::new("a passphrase of tests".to_owned());
        let vault = Vault::create(&directory.path().join("vault"), &passphrase, Cost::FOR_TESTS).unwrap();
        let person = Person { vault, entries: Vec::new(), online: true, _directory: directory };
        self.people.insert(name, person);
        self.act(name, |tx, _| identity::init(tx, &name.parse().unwrap())).unwrap();
    }

    /// Somebody does something in a transaction of their vault.
    pub(crate) fn act<T, E: From<VaultFault>>(
        &mut self,
        name: &str,
        work: impl FnOnce(&Transaction<'_>, Timestamp) -> Result<T, E>,
    ) -> Result<T, E> {
        let now = self.now;
        self.people.get_mut(name).unwrap().vault.transaction(|tx| work(tx, now))
    }

    /// Like [`Town::act`], and then the post carries what follows from it.
    pub(crate) fn act_and_settle<T, E: From<VaultFault> + std::fmt::Debug>(
        &mut self,
        name: &str,
        work: impl FnOnce(&Transaction<'_>, Timestamp) -> Result<T, E>,
    ) -> T {
        let done = self.act(name, work).unwrap();
        self.settle();
        done
    }

    /// The member key of somebody.
    pub(crate) fn member(&mut self, name: &str) -> MemberKey {
        self.act(name, |tx, _| identity::me(tx)).unwrap().member
    }

    /// Codes of the warnings that somebody has.
    pub(crate) fn warnings(&mut self, name: &str) -> Vec<&'static str> {
        self.act(name, |tx, _| warning::list(tx)).unwrap().iter().map(|warning| warning.kind.code()).collect()
    }

    /// Pseudonyms of somebody's contacts.
    pub(crate) fn contacts(&mut self, name: &str) -> Vec<String> {
        let all = self.act(name, |tx, _| membership::contacts(tx)).unwrap();
        all.iter().map(|contact| contact.pseudonym.as_str().to_owned()).collect()
    }

    /// Carries everything until nothing moves.
    pub(crate) fn settle(&mut self) {
        let names: Vec<&'static str> = self.people.keys().copied().collect();
        for round in 0.. {
            assert!(round < 200, "the post never comes to rest");
            let moved: usize = names.iter().map(|name| self.send_all(name) + self.read_all(name)).sum();
            if moved == 0 {
                return;
            }
        }
    }

    fn send_all(&mut self, name: &str) -> usize {
        let Self { people, relays, now } = self;
        let person = people.get_mut(name).unwrap();
        let mut sent = 0;
        while person.online {
            let next = person.vault.transaction(|tx| {
                outbox::sweep_withdrawn(tx)?;
                followed::sweep_unfollowed(tx)?;
                // What is for a relay that does not answer waits.
                let mut rows = outbox::newer(tx, DispatchId(0))?.into_iter();
                let row = rows.find(|row| relays.contains_key(&row.relay.0));
                row.map(|row| Ok::<_, VaultFault>((row, outbox::call(tx, row.id)?))).transpose()
            });
            let Some((row, call)) = next.unwrap() else { break };
            let relay = relays.get_mut(&row.relay.0).expect("a relay of this town");
            let outcome = relay.call(&call.expect("a call that decodes"), *now);
            person
                .vault
                .transaction(|tx| {
                    let Some(outbox::Finished { then, .. }) = outbox::finish(tx, row.id)? else { return Ok(()) };
                    match then.topic {
                        Topic::Inbox => inbox::answered(tx, &then, outcome.as_ref().map_err(|no| *no), *now)?,
                        Topic::Membership => {
                            membership::answered(tx, &then, outcome.as_ref().map_err(|no| *no), *now)?;
                        }
                        Topic::Conversation | Topic::Document | Topic::Alert => {}
                    }
                    Ok::<_, MembershipFault>(())
                })
                .unwrap();
            sent += 1;
        }
        sent
    }

    fn read_all(&mut self, name: &str) -> usize {
        let Self { people, relays, now } = self;
        let person = people.get_mut(name).unwrap();
        if !person.online {
            return 0;
        }
        let mut read = 0;
        for row in person.vault.transaction(|tx| followed::newer(tx, 0)).unwrap() {
            if row.followed.topic != Topic::Inbox {
                continue;
            }
            let Some(relay) = relays.get_mut(&row.followed.relay.0) else { continue };
            let mut to = row.followed.clone();
            for ReadEntry { sequence, entry, .. } in relay.follow(to.mailbox, &row.capability, to.cursor.after) {
                let incarnation = Incarnation([1; 8]);
                let entry = ReceivedEntry { incarnation, sequence, head: Head::START, expires: Hour(u32::MAX), entry };
                person.entries.push((to.mailbox, entry.clone()));
                to.cursor.after = sequence;
                person
                    .vault
                    .transaction(|tx| receive(tx, &entry, *now).and_then(|()| Ok(followed::advance(tx, &to)?)))
                    .unwrap();
                read += 1;
            }
        }
        read
    }

    /// Gives somebody an entry, as a relay that lies might.
    pub(crate) fn give(&mut self, name: &str, entry: &ReceivedEntry) {
        self.act(name, |tx, now| receive(tx, entry, now)).unwrap();
    }
}

/// What the account does with an entry of the inbox.
fn receive(tx: &Transaction<'_>, entry: &ReceivedEntry, now: Timestamp) -> Result<(), MembershipFault> {
    let mut deliver = |tx: &Transaction<'_>, from: &KnownPerson, body: ParcelBody| {
        let ParcelBody::AlertAnswer { alert, answer } = body else { return Err(MembershipFault::Unexpected) };
        alert::answered(tx, &from.member, &alert, answer, now)
    };
    Ok(inbox::received(tx, entry, &mut deliver, now)?)
}
