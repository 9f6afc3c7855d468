//! Lies about what a log holds.

use relevo_client::conversation::{AlarmKind, MessageState};
use relevo_protocol::wire::{Entry, Incarnation};
use relevo_tests::evil::lies::{self, Spot};

use crate::two::{MISTRAL, QUILLA, Two, alarmed, alarms, eventually, state, texts};

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_entry_is_missed_by_its_author_when_the_next_one_comes() -> anyhow::Result<()> {
    let mut two = Two::talk().await?;
    two.mistral.offline().await;
    two.relay.lie(lies::drop_every(two.relay.spot()?, 2));
    for text in ["one", "two", "three"] {
        two.quilla.send("Mistral", text, None).await?;
        if text != "two" {
            eventually("it is in the log", async || Ok(state(&two.quilla, text).await? == Some(MessageState::Sent)))
                .await?;
        }
    }
    alarmed(&two.quilla, AlarmKind::ChainBroken).await?;
    assert_eq!(state(&two.quilla, "two").await?, Some(MessageState::Waiting), "what is not there is not called sent");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_answered_for_and_forgotten_is_missed_at_the_next_one() -> anyhow::Result<()> {
    let two = Two::talk().await?;
    two.relay.lie(lies::forget(two.relay.spot()?, QUILLA));
    two.quilla.send("Mistral", "one", None).await?;
    two.quilla.send("Mistral", "two", None).await?;
    alarmed(&two.quilla, AlarmKind::ChainBroken).await?;
    assert_eq!(state(&two.quilla, "one").await?, Some(MessageState::Waiting));
    assert_eq!(alarms(&two.mistral).await?, []);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_gives_one_member_nothing_any_more_is_caught_in_the_next_session() -> anyhow::Result<()> {
    let two = Two::talk().await?;
    let spot = two.relay.spot()?;
    two.relay.lie(lies::silence(spot, MISTRAL));
    two.mistral.send("Quilla", "one", None).await?;
    eventually("something is taken", async || Ok(two.relay.entries(spot).len() > spot.since)).await?;
    eventually("it is answered for", async || Ok(two.mistral.status().await?.relays.iter().any(|row| row.behind > 0)))
        .await?;
    two.relay.hang_up();
    alarmed(&two.mistral, AlarmKind::ChainBroken).await?;
    assert_eq!(state(&two.mistral, "one").await?, Some(MessageState::Waiting));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_member_from_whom_the_others_are_kept_is_noticed_when_it_speaks_again() -> anyhow::Result<()> {
    let two = Two::talk().await?;
    two.relay.lie(lies::withhold_from(two.relay.spot()?, MISTRAL));
    two.quilla.send("Mistral", "never shown", None).await?;
    let sent = async || Ok(state(&two.quilla, "never shown").await? == Some(MessageState::Sent));
    eventually("it is sent", sent).await?;
    // What Mistral says first names the last place that both have seen alike.
    for text in ["one", "two"] {
        two.mistral.send("Quilla", text, None).await?;
        eventually("it is sent", async || Ok(state(&two.mistral, text).await? == Some(MessageState::Sent))).await?;
    }
    alarmed(&two.quilla, AlarmKind::Disagreement).await?;
    let about: Vec<_> = two.quilla.alarms().await?.iter().filter_map(|alarm| alarm.about).collect();
    assert_eq!(about, [two.mistral.about_me().await?.member], "it is said who saw another log");
    two.hears(&two.quilla, "one").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_only_delayed_arrives_and_alarms_nobody() -> anyhow::Result<()> {
    let two = Two::talk().await?;
    two.relay.lie(lies::withhold_from(two.relay.spot()?, MISTRAL));
    two.quilla.send("Mistral", "one", None).await?;
    eventually("it is sent", async || Ok(state(&two.quilla, "one").await? == Some(MessageState::Sent))).await?;
    assert_eq!(state(&two.mistral, "one").await?, None);
    two.relay.repent();
    two.hears(&two.mistral, "one").await?;
    two.nobody_is_alarmed().await
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_shown_in_another_order_are_noticed_at_the_next_message() -> anyhow::Result<()> {
    let mut two = Two::talk().await?;
    two.mistral.offline().await;
    two.relay.lie(lies::reorder(two.relay.spot()?, MISTRAL));
    for text in ["one", "two", "three"] {
        two.quilla.send("Mistral", text, None).await?;
        eventually("it is sent", async || Ok(state(&two.quilla, text).await? == Some(MessageState::Sent))).await?;
    }
    two.mistral.online()?;
    alarmed(&two.mistral, AlarmKind::Disagreement).await
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_come_again_change_nothing() -> anyhow::Result<()> {
    let two = Two::talk().await?;
    two.relay.lie(lies::replay(two.relay.spot()?));
    two.quilla.send("Mistral", "one", None).await?;
    two.mistral.send("Quilla", "two", None).await?;
    two.hears(&two.mistral, "one").await?;
    two.hears(&two.quilla, "two").await?;
    assert!(two.relay.lies_told() > 0);
    for person in [&two.quilla, &two.mistral] {
        let mut said = texts(person).await?;
        said.sort();
        assert_eq!(said, ["hola", "hola, hola", "one", "sigamos", "two"]);
    }
    two.nobody_is_alarmed().await
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_of_the_relays_own_making_or_of_other_mailboxes_change_nothing() -> anyhow::Result<()> {
    let two = Two::talk().await?;
    let mut foreign = two.relay.entries(two.relay.inbox(0)?);
    foreign.push(Entry::parse(vec![7; 512].into())?);
    foreign.push(Entry::parse(vec![0; 8192].into())?);
    two.relay.lie(lies::inject(two.relay.spot()?, foreign));
    two.quilla.send("Mistral", "one", None).await?;
    two.mistral.send("Quilla", "two", None).await?;
    two.hears(&two.mistral, "one").await?;
    two.hears(&two.quilla, "two").await?;
    for person in [&two.quilla, &two.mistral] {
        let all = person.conversations().await?;
        assert_eq!(all.iter().map(|one| one.members.len()).collect::<Vec<_>>(), [2], "nobody was let in");
    }
    two.nobody_is_alarmed().await
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_of_another_mailbox_in_the_place_of_ours_are_missed_at_the_next_one() -> anyhow::Result<()> {
    let two = Two::talk().await?;
    let foreign = two.relay.entries(two.relay.inbox(0)?);
    two.relay.lie(lies::replace(two.relay.spot()?, foreign));
    two.quilla.send("Mistral", "one", None).await?;
    two.quilla.send("Mistral", "two", None).await?;
    alarmed(&two.quilla, AlarmKind::ChainBroken).await?;
    assert_eq!(state(&two.quilla, "one").await?, Some(MessageState::Waiting));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_altered_for_others_is_noticed_at_the_next_message() -> anyhow::Result<()> {
    let two = Two::talk().await?;
    two.relay.lie(lies::alter(two.relay.spot()?, 1));
    two.quilla.send("Mistral", "one", None).await?;
    eventually("it is sent", async || Ok(state(&two.quilla, "one").await? == Some(MessageState::Sent))).await?;
    two.quilla.send("Mistral", "two", None).await?;
    alarmed(&two.mistral, AlarmKind::Disagreement).await?;
    assert_eq!(state(&two.mistral, "one").await?, None, "what was altered is not shown");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_altered_for_all_are_missed_by_their_author() -> anyhow::Result<()> {
    let two = Two::talk().await?;
    two.relay.lie(lies::alter_for_all(two.relay.spot()?));
    two.quilla.send("Mistral", "one", None).await?;
    two.quilla.send("Mistral", "two", None).await?;
    alarmed(&two.quilla, AlarmKind::ChainBroken).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_goes_back_without_saying_so_contradicts_itself() -> anyhow::Result<()> {
    let two = Two::talk().await?;
    let Spot { mailbox, since } = two.relay.spot()?;
    two.relay.lie(lies::roll_back(Spot { mailbox, since: since - 2 }, since));
    two.relay.hang_up();
    alarmed(&two.quilla, AlarmKind::ChainBroken).await?;
    alarmed(&two.mistral, AlarmKind::ChainBroken).await?;
    two.quilla.send("Mistral", "all the same", None).await?;
    two.hears(&two.mistral, "all the same").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_says_that_it_was_restored_has_not_lied() -> anyhow::Result<()> {
    let two = Two::talk().await?;
    let Spot { mailbox, since } = two.relay.spot()?;
    two.relay.lie(lies::restored(Spot { mailbox, since: since - 2 }, since, Incarnation([9; 8])));
    two.relay.hang_up();
    alarmed(&two.quilla, AlarmKind::Rollback).await?;
    alarmed(&two.mistral, AlarmKind::Rollback).await?;
    two.quilla.send("Mistral", "all the same", None).await?;
    two.hears(&two.mistral, "all the same").await?;
    for person in [&two.quilla, &two.mistral] {
        assert_eq!(alarms(person).await?, [AlarmKind::Rollback], "{}", person.name);
        assert!(person.convictions().await?.is_empty());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_passed_over_by_another_life_of_the_same_name_are_a_contradiction() -> anyhow::Result<()> {
    let mut two = Two::talk().await?;
    two.mistral.offline().await;
    let spot = two.relay.spot()?;
    for text in ["one", "two"] {
        two.quilla.send("Mistral", text, None).await?;
        eventually("it is sent", async || Ok(state(&two.quilla, text).await? == Some(MessageState::Sent))).await?;
    }
    two.relay.lie(lies::same_life(spot, spot.since + 1, MISTRAL));
    two.mistral.online()?;
    alarmed(&two.mistral, AlarmKind::ChainBroken).await?;
    two.hears(&two.mistral, "two").await?;
    assert!(!alarms(&two.mistral).await?.contains(&AlarmKind::Rollback), "nothing was restored");
    Ok(())
}
