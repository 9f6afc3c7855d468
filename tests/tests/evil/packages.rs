//! Lies about what lies on shelves and in inboxes.

use relevo_client::conversation::AlarmKind;
use relevo_client::membership::warning;
use relevo_protocol::wire::Entry;
use relevo_tests::evil::lies;

use crate::two::{QUILLA, Two, alarmed, alarms, eventually, warned};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_package_of_somebody_else_lets_nobody_in() -> anyhow::Result<()> {
    let two = Two::talk().await?;
    // What Quilla wrote into other inboxes and onto her own shelf, in the place of Mistral's key package.
    let own = two.relay.truth(|ledger| ledger.personal().flat_map(|(_, log)| log.entries.clone()).collect::<Vec<_>>());
    let own = own.into_iter().filter(|written| written.by == QUILLA);
    let mut others = own.map(|written| written.entry).collect::<Vec<_>>().into_iter().cycle();
    two.relay.lie(lies::taken(move |honest| others.find(|other| *other != honest).unwrap_or(honest)));
    two.quilla.create_group("Mesa", &["Mistral".to_owned()]).await?;
    alarmed(&two.quilla, AlarmKind::NotAdded).await?;
    let mesa = two.quilla.conversations().await?.into_iter().find(|one| one.name == "Mesa").unwrap();
    assert_eq!(mesa.members.len(), 1, "nobody was added in Mistral's place");
    assert_eq!(two.mistral.conversations().await?.len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_package_given_twice_is_told_to_whom_it_shuts_out() -> anyhow::Result<()> {
    let two = Two::talk().await?;
    let mut first: Option<Entry> = None;
    two.relay.lie(lies::taken(move |honest| first.get_or_insert(honest).clone()));
    two.quilla.create_group("Uno", &["Mistral".to_owned()]).await?;
    eventually("Mistral is in the first", async || {
        Ok(two.mistral.conversations().await?.iter().any(|one| one.name == "Uno"))
    })
    .await?;
    assert_eq!(two.mistral.warnings().await?, []);
    two.quilla.create_group("Dos", &["Mistral".to_owned()]).await?;
    warned(&two.mistral, warning::Kind::ParcelRefused).await?;
    assert!(two.mistral.conversations().await?.iter().all(|one| one.name != "Dos"));
    assert_eq!(alarms(&two.mistral).await?, []);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_inbox_holds_opens_in_none() -> anyhow::Result<()> {
    let two = Two::talk().await?;
    let others = two.relay.entries(two.relay.inbox(0)?);
    two.relay.lie(lies::replace(two.relay.inbox(1)?, others));
    two.quilla.create_group("Mesa", &["Mistral".to_owned()]).await?;
    warned(&two.mistral, warning::Kind::ParcelRefused).await?;
    assert!(two.mistral.conversations().await?.iter().all(|one| one.name != "Mesa"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_that_loses_what_it_held_is_told() -> anyhow::Result<()> {
    let two = Two::talk().await?;
    let inbox = two.relay.inbox(1)?;
    let before = lies::Spot { since: inbox.since - 1, ..inbox };
    two.relay.lie(lies::roll_back(before, inbox.since));
    two.relay.hang_up();
    warned(&two.mistral, warning::Kind::InboxDamaged).await
}
