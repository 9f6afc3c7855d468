//! Talks to relays directly: to feed a throwaway one what must never be stored, and to fetch a sealed entry that is.

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use relevo_client::link::{Connected, Link};
use relevo_protocol::limits::{ENTRY_BUCKETS, MAX_LEASE_HOURS};
use relevo_protocol::time::Hour;
use relevo_protocol::wire::{Answer, Call, Capability, Cursor, Entry, Grant, MailboxKind, RelayAddress, Sequence};

use super::needles::ReadMailbox;
use crate::scan::Scanner;

/// Feeds a relay every needle in every form, in entries that nobody sealed.
pub(super) async fn feed(address: &str, scanner: &Scanner) -> anyhow::Result<()> {
    let connected = connect(address).await?;
    let draw = || Capability::random().context("the system gives no randomness");
    let (owner, append) = (draw()?, draw()?);
    let grant = Grant { hash: append.hash(), per_hour: u32::MAX, bytes_per_hour: u64::MAX, expires: Hour(u32::MAX) };
    let open = Call::Open {
        kind: MailboxKind::Personal,
        owner: owner.hash(),
        read: None,
        append: vec![grant],
        take: Vec::new(),
        lease_hours: MAX_LEASE_HOURS,
    };
    connected.session.request(open).await?;
    for entry in unsealed(scanner)? {
        let call = Call::Append { mailbox: owner.mailbox(), capability: append.duplicate(), entry };
        let answer = connected.session.request(call).await?;
        ensure!(matches!(answer, Answer::Stored { .. }), "the throwaway relay did not store");
    }
    connected.session.close();
    Ok(())
}

/// The first entry that lies in one of these mailboxes, sealed as it came.
pub(super) async fn sealed_entry(address: &str, mailboxes: &[&ReadMailbox]) -> anyhow::Result<Bytes> {
    let connected = connect(address).await?;
    for one in mailboxes {
        let cursor = Cursor { incarnation: None, after: Sequence::START };
        let call = Call::Read { mailbox: one.mailbox, capability: one.read.duplicate(), cursor, limit: 1 };
        if let Ok(Answer::Entries { entries, .. }) = connected.session.request(call).await
            && let Some(first) = entries.first()
        {
            connected.session.close();
            return Ok(first.entry.bytes().clone());
        }
    }
    bail!("no mailbox has an entry")
}

async fn connect(address: &str) -> anyhow::Result<Connected> {
    let address: RelayAddress = address.parse()?;
    Ok(Link::new()?.connect(&address).await?)
}

/// Entries of the largest size that carry each needle in each form whole, and one of the smallest, which a store may
/// keep in another way.
fn unsealed(scanner: &Scanner) -> anyhow::Result<Vec<Entry>> {
    let [smallest, .., largest] = ENTRY_BUCKETS;
    let forms = scanner.needles().iter().flat_map(|needle| needle.forms().map(|(_, text)| text));
    let (mut entries, mut body) = (Vec::new(), Vec::new());
    let mut wrap = |body: &mut Vec<u8>, size: usize| {
        body.resize(size, 0xA5);
        entries.push(Entry::parse(Bytes::from(std::mem::take(body)))?);
        anyhow::Ok(())
    };
    for (place, text) in forms.enumerate() {
        if place == 0 {
            body.extend(&text);
            wrap(&mut body, smallest)?;
        }
        if body.len() + text.len() > largest {
            wrap(&mut body, largest)?;
        }
        // A neighbour that no form begins or ends with.
        body.extend(text);
        body.push(0xA5);
    }
    wrap(&mut body, largest)?;
    Ok(entries)
}
