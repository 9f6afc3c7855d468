//! Both engines agree on any history, and what they count is what they hold.

use proptest::prelude::*;
use relevo_protocol::wire::{CapabilityHash, GrantTable, Incarnation, Lineage, MailboxId, MailboxKind, Sequence};

use super::super::{Change, Most, Store};
use super::archive::{is_chained, refilled};
use super::world::{World, entry, grant};

/// One step of a history over three mailboxes. Rates have facts of their own: a reopened ledger forgets them.
#[derive(Clone, Debug)]
enum Step {
    Open(u8, MailboxKind, u32),
    /// As owner (0), by grant (1, 2) or with nothing.
    Append(u8, u8, usize),
    Trim(u8, u64),
    Take(u8),
    LastResort(u8, usize),
    Grants(u8, GrantTable, u8, u8),
    Renew(u8, u32),
    Freeze(u8),
    Close(u8),
    Hours(u64),
    Sweep(usize),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![Just(MailboxKind::Personal), Just(MailboxKind::Shared)];
    let table = prop_oneof![Just(GrantTable::Append), Just(GrantTable::Take)];
    let mailbox = 0..3_u8;
    prop_oneof![
        3 => (mailbox.clone(), kind, 1..900_u32).prop_map(|(mailbox, kind, hours)| Step::Open(mailbox, kind, hours)),
        12 => (mailbox.clone(), 0..4_u8, 0..4_usize).prop_map(|(mailbox, who, size)| Step::Append(mailbox, who, size)),
        3 => (mailbox.clone(), 0..12_u64).prop_map(|(mailbox, upto)| Step::Trim(mailbox, upto)),
        3 => mailbox.clone().prop_map(Step::Take),
        2 => (mailbox.clone(), 0..4_usize).prop_map(|(mailbox, size)| Step::LastResort(mailbox, size)),
        2 => (mailbox.clone(), table, 0..4_u8, 0..4_u8).prop_map(|(mailbox, table, revoke, add)| Step::Grants(mailbox, table, revoke, add)),
        1 => (mailbox.clone(), 1..2000_u32).prop_map(|(mailbox, hours)| Step::Renew(mailbox, hours)),
        1 => mailbox.clone().prop_map(Step::Freeze),
        1 => mailbox.prop_map(Step::Close),
        2 => (1..400_u64).prop_map(Step::Hours),
        2 => (1..6_usize).prop_map(Step::Sweep),
        1 => Just(Step::Reopen),
    ]
}

fn owner(mailbox: u8) -> CapabilityHash {
    CapabilityHash([mailbox; 32])
}

fn granted(n: u8) -> CapabilityHash {
    CapabilityHash([100 + n; 32])
}

fn change(world: &World, step: &Step) -> Option<Change> {
    let admission = world.purse;
    let id = |mailbox: &u8| (MailboxId::of(&owner(*mailbox)), owner(*mailbox));
    Some(match step {
        Step::Open(mailbox, kind, lease_hours) => Change::Open {
            admission,
            kind: *kind,
            owner: owner(*mailbox),
            read: None,
            append: vec![grant(granted(1))],
            take: if *kind == MailboxKind::Personal { vec![grant(granted(1))] } else { vec![] },
            lease_hours: *lease_hours,
        },
        Step::Append(mailbox, who, size) => {
            let capability = if *who == 0 { owner(*mailbox) } else { granted(*who) };
            Change::Append { admission, mailbox: id(mailbox).0, capability, entry: entry(*who, *size) }
        }
        Step::Trim(mailbox, upto) => {
            let (mailbox, capability) = id(mailbox);
            Change::Trim { mailbox, capability, upto: Sequence(*upto), incarnation: None }
        }
        Step::Take(mailbox) => Change::Take { mailbox: id(mailbox).0, capability: granted(1) },
        Step::LastResort(mailbox, size) => {
            let (mailbox, capability) = id(mailbox);
            Change::LastResort { admission, mailbox, capability, entry: entry(7, *size) }
        }
        Step::Grants(mailbox, table, revoke, add) => {
            let (mailbox, capability) = id(mailbox);
            let (revoke, add) = (vec![granted(*revoke)], vec![grant(granted(*add))]);
            Change::Grants { mailbox, capability, table: *table, revoke, add }
        }
        Step::Renew(mailbox, lease_hours) => {
            let (mailbox, capability) = id(mailbox);
            Change::Renew { mailbox, capability, lease_hours: *lease_hours }
        }
        Step::Freeze(mailbox) => {
            let (mailbox, capability) = id(mailbox);
            Change::Freeze { mailbox, capability }
        }
        Step::Close(mailbox) => {
            let (mailbox, capability) = id(mailbox);
            Change::Close { mailbox, capability }
        }
        Step::Sweep(limit) => Change::Sweep { limit: *limit },
        Step::Hours(_) | Step::Reopen => return None,
    })
}

/// Lives are numbered, the same in both worlds.
fn number_lives(world: &mut World, from: u64) {
    let mut life = from;
    world.ledger.number_lives(Box::new(move || {
        life += 1;
        Ok(Incarnation(life.to_be_bytes()))
    }));
}

/// Everything a reader can see.
fn seen(store: &Store, world: &World) -> Vec<String> {
    let most = Most { entries: usize::MAX, bytes: usize::MAX };
    let slices = (0..3).map(|mailbox| store.follow(&MailboxId::of(&owner(mailbox)), Sequence::START, most, world.now));
    slices.map(|slice| format!("{slice:?}")).chain([format!("{:?}", store.totals())]).collect()
}

/// Every mailbox has begun another life, says which it had and where, and chains its entries anew.
fn lives_go_on(before: &World, after: &World) {
    for mailbox in 0..3 {
        let (id, owner) = (MailboxId::of(&owner(mailbox)), owner(mailbox));
        let old = before.store.checkpoint(&id, &owner, before.now);
        let new = after.store.checkpoint(&id, &owner, after.now);
        assert_eq!(old.is_ok(), new.is_ok());
        let (Ok(old), Ok(new)) = (old, new) else { continue };
        assert_ne!(new.incarnation, old.incarnation);
        let Lineage { incarnation, sequence, head } = new.restored_from.unwrap();
        assert_eq!((incarnation, sequence, head), (old.incarnation, old.sequence, old.head));
        is_chained(after, &id);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn engines_agree_on_any_history(batches in prop::collection::vec(prop::collection::vec(step(), 1..8), 1..40)) {
        let (mut memory, mut sled) = (World::memory(), World::sled());
        for (round, batch) in (0_u64..).zip(&batches) {
            let mut outcomes = Vec::new();
            for world in [&mut memory, &mut sled] {
                number_lives(world, round * 1000);
                world.touches.clear();
                let changes = batch.iter().filter_map(|step| change(world, step)).collect();
                outcomes.push((world.batch(changes), std::mem::take(&mut world.touches)));
                for step in batch {
                    if let Step::Hours(hours) = step {
                        world.pass_hours(*hours);
                    } else if matches!(step, Step::Reopen) {
                        world.reopen();
                    }
                }
            }
            prop_assert_eq!(&outcomes[0], &outcomes[1]);
            prop_assert_eq!(seen(&memory.store, &memory), seen(&sled.store, &sled));
        }
        // Reopening counts anew: the sums kept along the way were right.
        let kept = sled.store.totals();
        sled.reopen();
        prop_assert_eq!(sled.store.totals(), kept);
        // A store that is filled from a backup holds the same, in other lives.
        let mut refilled = refilled(&sled, World::memory());
        prop_assert_eq!(seen(&refilled.store, &refilled), seen(&sled.store, &sled));
        lives_go_on(&sled, &refilled);
        // Time takes everything, and leaves nothing behind that would never go.
        for world in [&mut memory, &mut sled, &mut refilled] {
            world.pass_hours(200 * 24);
            world.sweep();
            prop_assert_eq!(world.store.totals(), super::world::only_the_purse());
            prop_assert_eq!(world.store.rows(b"m") + world.store.rows(b"e") + world.store.rows(b"l") + world.store.rows(b"g"), 0);
        }
    }
}
