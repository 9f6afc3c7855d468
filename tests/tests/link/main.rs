//! The client's link and sync engine against a real relay.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test that cannot go on fails, and its numbers are small"
)]

mod blobs;
mod interception;
mod interceptor;
mod running;
mod session;

use relevo_client::link::{Connected, Incoming, Link};
use relevo_protocol::secret::Secret;
use relevo_protocol::time::Hour;
use relevo_protocol::wire::{Call, Capability, Entry, Event, Grant, MailboxId, MailboxKind, RelayAddress};
use relevo_relay::{Config, Relay, Running};
use tempfile::TempDir;

/// A relay on loopback in a directory of its own.
struct Trial {
    running: Running,
    data: TempDir,
}

impl Trial {
    async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let running = start(&data, 0).await;
        Self { running, data }
    }

    fn address(&self) -> RelayAddress {
        self.running.address()
    }

    async fn connect(&self) -> Connected {
        Link::new().unwrap().connect(&self.address()).await.unwrap()
    }

    /// Stops the relay and starts it again on the same port and data.
    async fn restart(self) -> Self {
        let Self { running, data } = self;
        let port = running.local_addr().port();
        running.shutdown().await.unwrap();
        let running = start(&data, port).await;
        Self { running, data }
    }
}

async fn start(data: &TempDir, port: u16) -> Running {
    let listen = ([127, 0, 0, 1], port).into();
    let mut config = Config { data: data.path().join("relay"), listen, ..Config::default() };
    config.store.free_bytes = 0;
    config.store.last_free_bytes = 0;
    config.store.ballast_bytes = 0;
    Relay::start(config).await.unwrap()
}

/// The capabilities of a test's mailbox.
fn owner(number: u8) -> Capability {
    Capability::new(Secret::new([number; 32]))
}

fn appender(number: u8) -> Capability {
    Capability::new(Secret::new([number.wrapping_add(100); 32]))
}

fn mailbox(number: u8) -> MailboxId {
    owner(number).mailbox()
}

fn open(number: u8) -> Call {
    let grant =
        Grant { hash: appender(number).hash(), per_hour: 1_000_000, bytes_per_hour: 1 << 40, expires: Hour(u32::MAX) };
    Call::Open {
        kind: MailboxKind::Personal,
        owner: owner(number).hash(),
        read: None,
        append: vec![grant],
        take: vec![],
        lease_hours: 24,
    }
}

fn append(to: u8, number: u32) -> Call {
    Call::Append { mailbox: mailbox(to), capability: appender(to), entry: entry(number) }
}

fn entry(number: u32) -> Entry {
    let mut bytes = vec![7; 512];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    Entry::parse(bytes.into()).unwrap()
}

fn number(entry: &Entry) -> u32 {
    u32::from_be_bytes(entry.bytes()[..4].try_into().unwrap())
}

/// The next entry that is pushed.
async fn pushed(connected: &mut Connected) -> Entry {
    loop {
        match connected.arrivals.recv().await.unwrap().incoming {
            Incoming::Event(Event::Entry { entry, .. }) => return entry,
            Incoming::Event(_) | Incoming::Answered { .. } => {}
            Incoming::Over(fault) => panic!("the session is over: {fault}"),
        }
    }
}
