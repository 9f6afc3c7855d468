//! A relay that lies: what each lie comes to, and what people are told (THREATS, "A relay that lies").

#![expect(clippy::wildcard_enum_match_arm, reason = "a lie is about one thing, and leaves the rest as it is")]

#[path = "evil/allied.rs"]
mod allied;
#[path = "evil/logs.rs"]
mod logs;
#[path = "evil/mailboxes.rs"]
mod mailboxes;
#[path = "evil/packages.rs"]
mod packages;
#[path = "evil/two.rs"]
mod two;

use two::Two;

#[tokio::test(flavor = "multi_thread")]
async fn without_a_lie_it_is_a_relay_like_any_other() -> anyhow::Result<()> {
    let two = Two::talk().await?;
    two.quilla.send("Mistral", "uno", None).await?;
    two.mistral.send("Quilla", "dos", None).await?;
    two.hears(&two.mistral, "uno").await?;
    two.hears(&two.quilla, "dos").await?;
    two.relay.hang_up();
    two.quilla.send("Mistral", "tres", None).await?;
    two.hears(&two.mistral, "tres").await?;
    two.nobody_is_alarmed().await?;
    assert_eq!(two.relay.lies_told(), 0);
    Ok(())
}
