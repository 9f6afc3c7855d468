//! A relay that lies: what each lie comes to, and what people are told (THREATS, "A relay that lies").

use relevo_client::conversation::AlarmKind;
use relevo_tests::evil::EvilRelay;
use relevo_tests::world::{found_at, until};

#[tokio::test(flavor = "multi_thread")]
async fn without_a_lie_it_is_a_relay_like_any_other() -> anyhow::Result<()> {
    let relay = EvilRelay::start().await?;
    let (quilla, mistral) = found_at(&relay.address()).await?;
    let both = [&quilla, &mistral];
    for round in 0..3 {
        quilla.send("Mistral", &format!("uno {round}"), None).await?;
        mistral.send("Quilla", &format!("dos {round}"), None).await?;
    }
    until("all arrive", &both, async || {
        let counts = (quilla.messages(None, 0, 10).await?.len(), mistral.messages(None, 0, 10).await?.len());
        Ok((counts == (6, 6)).then_some(()))
    })
    .await?;
    for person in both {
        let alarms: Vec<AlarmKind> = person.alarms().await?.iter().map(|alarm| alarm.kind).collect();
        assert_eq!(alarms, [], "{}", person.name);
        assert_eq!(person.warnings().await?, [], "{}", person.name);
    }
    assert_eq!(relay.lies_told(), 0);
    Ok(())
}
