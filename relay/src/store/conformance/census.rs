use relevo_protocol::wire::MailboxKind;

use super::super::{Census, Change};
use super::facts;
use super::world::{World, entry};

facts!(a_census_counts_mailboxes_and_entries_by_size);

fn a_census_counts_mailboxes_and_entries_by_size(world: &mut World) {
    let (inbox, log) = (world.open(MailboxKind::Personal), world.open(MailboxKind::Shared));
    world.append(&inbox, 1);
    let appended = world.append(&log, 2);
    world.append_as(&log, log.append, entry(3, 2)).unwrap();
    let (admission, mailbox, capability) = (world.purse, inbox.id, inbox.owner);
    world.apply(Change::LastResort { admission, mailbox, capability, entry: entry(4, 1) }).unwrap();
    let census = Census {
        personal: 1,
        shared: 1,
        entries: [(512, 2), (2 << 10, 1), (8 << 10, 1)].into(),
        entry_hours: [appended.expires()].into(),
        blobs: 0,
        blob_bytes: 0,
    };
    assert_eq!(world.store.census().unwrap(), census);
}
