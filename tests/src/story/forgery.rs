//! What a member could do with a program of their own: the library's parts, without its rules about who may alert.

use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, ensure};
use relevo_client::conversation::{Desk, Effect, Me, Rooms, conversations_of};
use relevo_client::membership;
use relevo_client::sync::{self, Then, Topic};
use relevo_client::vault::{Passphrase, Transaction, Vault};
use relevo_protocol::content::{Alert, AlertText, Body, Severity};
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{Scope, Signed};
use relevo_protocol::wire::encode;

use super::cast::PASSPHRASE;

/// How long the forged alert claims to count, in seconds.
const LIFE: u64 = 24 * 3600;

/// Puts an alert that names a coordinator as its sender into the outbox of a closed vault, for a group. It is signed
/// with the only key that its owner has: their own device's.
pub(super) fn post(vault: &Path, group: &str, coordinator: &str, text: &str) -> anyhow::Result<()> {
    let now = Timestamp(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs());
    let mut vault = Vault::open(vault, &Passphrase::new(PASSPHRASE.to_owned()))?;
    vault.transaction(|tx| {
        let me = membership::for_conversations(tx)?.context("not a member")?;
        let alert = forge(&me, coordinator, text, now)?;
        let group = conversations_of(tx)?.into_iter().find(|one| one.name == group).context("no such group")?.id;
        let mut rooms = Rooms::default();
        let mut desk = Desk::new(tx, &me, &mut rooms, now);
        desk.send(&group, Body::Alert { alert })?;
        let effects = desk.into_effects();
        ensure!(!effects.is_empty(), "nothing was to be sent");
        effects.into_iter().try_for_each(|effect| perform(tx, effect))
    })
}

fn forge(me: &Me, coordinator: &str, text: &str, now: Timestamp) -> anyhow::Result<Signed<Alert>> {
    let (_, charter) = me.charters.last().context("no charter")?;
    let (union, sender) = charter
        .unions
        .iter()
        .find_map(|union| {
            let one = union.set().coordinators.iter().find(|one| one.pseudonym.as_str() == coordinator)?;
            Some((union.id, one.member))
        })
        .context("no such coordinator")?;
    let alert = Alert {
        alliance: charter.alliance(),
        union,
        scope: Scope::Union,
        sender,
        serial: 1,
        supersedes: None,
        severity: Severity::Emergency,
        texts: vec![AlertText { language: "en".parse()?, text: text.parse()? }],
        issued: now,
        expires: now.plus_seconds(LIFE),
        acknowledge: true,
        drill: false,
    };
    Ok(Signed::sign(&alert, &me.device)?)
}

fn perform(tx: &Transaction<'_>, effect: Effect) -> anyhow::Result<()> {
    match effect {
        Effect::Call { relay, call, then } => {
            sync::enqueue(tx, &relay, &call, &Then { topic: Topic::Conversation, state: encode(&then) })?;
            Ok(())
        }
        Effect::Remember(_)
        | Effect::Follow { .. }
        | Effect::Unfollow(_)
        | Effect::Joined { .. }
        | Effect::AlertLeft { .. }
        | Effect::NotTakenIn
        | Effect::Parcel { .. } => {
            anyhow::bail!("a message is one request and nothing else")
        }
    }
}
