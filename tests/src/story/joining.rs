//! Job 3: a newcomer follows a link, two members vouch, a coordinator admits. Then people meet across the unions.

use std::time::Duration;

use anyhow::ensure;
use relevo_client::membership::request::RequestKind;
use relevo_client::membership::{Comparison, Found, words};

use super::cast::Person;
use super::{Story, until};

/// How long a link lasts.
const LINK_LIFE: Duration = Duration::from_secs(24 * 3600);
/// What newcomers write to who invites them.
const GREETING: &str = "Trabajo en el taller de molienda, turno de noche";
/// What who introduces writes.
const INTRODUCTION: &str = "Conocidas de la asamblea de Montreal";

impl Story {
    pub(super) async fn join(&mut self) -> anyhow::Result<()> {
        let Self { cast, narrator, .. } = self;
        narrator.job("3. Join: a newcomer follows a link, two members vouch, a coordinator admits");
        let (quilla, mistral, wayra, sabia) = (&cast.quilla, &cast.mistral, &cast.wayra, &cast.sabia);
        let (boreale, epinette, raven) = (&cast.boreale, &cast.epinette, &cast.raven);

        admit(wayra, mistral, quilla, quilla).await?;
        narrator.done(format!("{} comes in: {} and {} vouch", wayra.name, mistral.name, quilla.name));
        admit(sabia, wayra, mistral, quilla).await?;
        narrator.done(format!(
            "{} comes in: {} and {} vouch, {} admits",
            sabia.name, wayra.name, mistral.name, quilla.name
        ));
        admit(raven, boreale, epinette, boreale).await?;
        narrator
            .done(format!("{} comes in on the other relay: {} and {} vouch", raven.name, boreale.name, epinette.name));

        // Coordinators met when they signed the charter.
        quilla.knows(epinette.name).await?;
        introduce(boreale, quilla, raven).await?;
        introduce(quilla, sabia, raven).await?;
        narrator.done("people who both want to are introduced across the unions");

        compare(quilla, boreale).await?;
        let strangers = wayra.contacts().await?;
        ensure!(
            !strangers.iter().any(|one| one.pseudonym.as_str() == raven.name),
            "{} learned of somebody whom nobody introduced",
            wayra.name
        );
        narrator.done(format!("{} and {} compare six words by voice: the same", quilla.name, boreale.name));

        self.note("words of a newcomer", GREETING);
        self.note("words of an introduction", INTRODUCTION);
        Ok(())
    }
}

/// A newcomer comes in by a link of `inviter`, who vouches; then `second` does, and `coordinator` admits.
async fn admit(newcomer: &Person, inviter: &Person, second: &Person, coordinator: &Person) -> anyhow::Result<()> {
    let link = inviter.invite("", LINK_LIFE).await?;
    inviter.has_sent().await?;
    newcomer.join(&link, Some(second.name), GREETING).await?;
    for voucher in [inviter, second] {
        let asked = voucher.request("to vouch", |kind| is_join(kind, newcomer.name)).await?;
        voucher.vouch(asked.number).await?;
    }
    let ready = coordinator
        .request("to admit", |kind| match kind {
            RequestKind::Join { pseudonym, vouchers, .. } => pseudonym == newcomer.name && vouchers.len() == 2,
            RequestKind::Introduction { .. } | RequestKind::Charter { .. } | RequestKind::Union { .. } => false,
        })
        .await?;
    coordinator.admit(ready.number).await?;
    newcomer.is_member().await?;
    for known in [inviter, second, coordinator] {
        newcomer.knows(known.name).await?;
        known.knows(newcomer.name).await?;
    }
    Ok(())
}

fn is_join(kind: &RequestKind, newcomer: &str) -> bool {
    matches!(kind, RequestKind::Join { pseudonym, .. } if pseudonym == newcomer)
}

/// Both accept, and know each other.
async fn introduce(by: &Person, one: &Person, other: &Person) -> anyhow::Result<()> {
    by.introduce(one.name, other.name, INTRODUCTION).await?;
    for (who, whom) in [(one, other), (other, one)] {
        let asked = who
            .request(
                "to meet",
                |kind| matches!(kind, RequestKind::Introduction { pseudonym, .. } if pseudonym == whom.name),
            )
            .await?;
        who.accept(asked.number).await?;
    }
    one.knows(other.name).await?;
    other.knows(one.name).await
}

/// Two people read six words to each other.
async fn compare(one: &Person, other: &Person) -> anyhow::Result<()> {
    one.start_comparison(other.name).await?;
    let mut shown = Vec::new();
    for (who, with) in [(one, other), (other, one)] {
        shown.push(
            until(&format!("{} sees six words", who.name), async || match who.compare(with.name).await {
                Ok(Comparison::Words(words)) => Ok(Some(words)),
                // The other side has not begun, as far as this device knows.
                Ok(Comparison::Waiting) | Err(_) => Ok(None),
            })
            .await?,
        );
    }
    let read: Vec<_> = shown.iter().map(|numbers| words::in_language(numbers, "en")).collect();
    ensure!(read.windows(2).all(|two| two.first() == two.last()), "the words differ");
    one.confirm(other.name, Found::Equal).await?;
    other.confirm(one.name, Found::Equal).await?;
    Ok(())
}
