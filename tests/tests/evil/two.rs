//! Two people with a conversation on a relay that may lie.

use std::time::{Duration, Instant};

use anyhow::bail;
use relevo_client::account::What;
use relevo_client::conversation::{AlarmKind, MessageState};
use relevo_client::membership::warning;
use relevo_tests::evil::{EvilRelay, Who};
use relevo_tests::world::{TestMember, found_at};

/// Whom the relay knows as Quilla.
pub(crate) const QUILLA: Who = Who::Member(0);
/// Whom it knows as Mistral.
pub(crate) const MISTRAL: Who = Who::Member(1);
/// Generous: the machine may be busy. Sessions stay open, so nothing here waits for a round.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Two {
    pub(crate) relay: EvilRelay,
    pub(crate) quilla: TestMember,
    pub(crate) mistral: TestMember,
}

impl Two {
    /// They know each other, and have said nothing yet.
    pub(crate) async fn meet() -> anyhow::Result<Self> {
        let relay = EvilRelay::start().await?;
        let (quilla, mistral) = found_at(&relay.address()).await?;
        Ok(Self { relay, quilla, mistral })
    }

    /// They have talked, and everything has arrived. Quilla spoke last: her next words need no new keys.
    pub(crate) async fn talk() -> anyhow::Result<Self> {
        let two = Self::meet().await?;
        two.quilla.send("Mistral", "hola", None).await?;
        two.hears(&two.mistral, "hola").await?;
        two.mistral.send("Quilla", "hola, hola", None).await?;
        two.hears(&two.quilla, "hola, hola").await?;
        two.quilla.send("Mistral", "sigamos", None).await?;
        two.hears(&two.mistral, "sigamos").await?;
        eventually("all is delivered", async || {
            let states = [state(&two.quilla, "sigamos").await?, state(&two.mistral, "hola, hola").await?];
            Ok(states == [Some(MessageState::Delivered); 2])
        })
        .await?;
        two.nobody_is_alarmed().await?;
        Ok(two)
    }

    pub(crate) async fn hears(&self, who: &TestMember, text: &str) -> anyhow::Result<()> {
        let what = format!("{} hears {text}", who.name);
        let heard = eventually(&what, async || Ok(state(who, text).await?.is_some())).await;
        if heard.is_err() {
            let mut stand = String::new();
            for one in [&self.quilla, &self.mistral] {
                let said: Vec<_> = one.messages(None, 0, 100).await?.iter().map(|message| message.state).collect();
                let rooms = one.conversations().await?;
                let rooms: Vec<_> = rooms.iter().map(|room| (room.standing, room.members.len())).collect();
                let (alarms, warnings) = (alarms(one).await?, one.warnings().await?);
                let status = one.status().await?;
                stand += &format!("\n{}: {said:?} {rooms:?} {alarms:?} {warnings:?} {status:?}", one.name);
            }
            bail!("{what} not:{stand}");
        }
        Ok(())
    }

    pub(crate) async fn nobody_is_alarmed(&self) -> anyhow::Result<()> {
        for person in [&self.quilla, &self.mistral] {
            assert_eq!(alarms(person).await?, [], "{}", person.name);
            assert_eq!(person.warnings().await?, [], "{}", person.name);
        }
        Ok(())
    }
}

/// Waits for an alarm.
pub(crate) async fn alarmed(who: &TestMember, kind: AlarmKind) -> anyhow::Result<()> {
    let what = format!("{} is told {kind:?}", who.name);
    let told = eventually(&what, async || Ok(alarms(who).await?.contains(&kind))).await;
    if told.is_err() {
        bail!("{what}: it has {:?}, {:?}", alarms(who).await?, who.status().await?);
    }
    Ok(())
}

/// Waits for a warning.
pub(crate) async fn warned(who: &TestMember, kind: warning::Kind) -> anyhow::Result<()> {
    eventually(&format!("{} is warned: {kind:?}", who.name), async || {
        Ok(who.warnings().await?.iter().any(|warning| warning.kind == kind))
    })
    .await
}

pub(crate) async fn alarms(who: &TestMember) -> anyhow::Result<Vec<AlarmKind>> {
    Ok(who.alarms().await?.iter().map(|alarm| alarm.kind).collect())
}

/// How a text stands with somebody, if they have it.
pub(crate) async fn state(who: &TestMember, text: &str) -> anyhow::Result<Option<MessageState>> {
    let said = who.messages(None, 0, 100).await?;
    Ok(said.iter().find(|message| message.what == What::Text(text.to_owned())).map(|message| message.state))
}

/// The texts that somebody has, in order.
pub(crate) async fn texts(who: &TestMember) -> anyhow::Result<Vec<String>> {
    let said = who.messages(None, 0, 100).await?;
    Ok(said
        .into_iter()
        .filter_map(|message| if let What::Text(text) = message.what { Some(text) } else { None })
        .collect())
}

/// Looks until it holds.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !holds().await? {
        if begun.elapsed() > PATIENCE {
            bail!("not within {} s: {what}", PATIENCE.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
