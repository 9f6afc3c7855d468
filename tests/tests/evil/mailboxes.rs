//! Lies about how a mailbox stands, and answers that are none.

use relevo_client::conversation::{AlarmKind, MessageState};
use relevo_protocol::wire::{Answer, Event, Incarnation, Sequence, SignedCheckpoint};
use relevo_tests::evil::lies;

use crate::two::{MISTRAL, Two, alarmed, alarms, eventually, state};

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_sequence_is_a_contradiction_and_the_log_is_read_all_the_same() -> anyhow::Result<()> {
    let two = Two::talk().await?;
    two.relay.lie(lies::events(two.relay.spot()?.mailbox, |event| match event {
        Event::Entry { id, sequence, expires, entry } => {
            vec![Event::Entry { id, sequence: Sequence(sequence.0 + 5), expires, entry }]
        }
        event => vec![event],
    }));
    two.quilla.send("Mistral", "one", None).await?;
    alarmed(&two.mistral, AlarmKind::ChainBroken).await?;
    two.relay.repent();
    two.hears(&two.mistral, "one").await
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_cannot_have_expired_are_no_gap() -> anyhow::Result<()> {
    let mut two = Two::talk().await?;
    two.mistral.offline().await;
    let spot = two.relay.spot()?;
    for text in ["one", "two"] {
        two.quilla.send("Mistral", text, None).await?;
        eventually("it is sent", async || Ok(state(&two.quilla, text).await? == Some(MessageState::Sent))).await?;
    }
    two.relay.lie(lies::expire_early(spot, spot.since + 1, MISTRAL));
    two.mistral.online()?;
    alarmed(&two.mistral, AlarmKind::ChainBroken).await?;
    assert!(!alarms(&two.mistral).await?.contains(&AlarmKind::Gap), "nobody is told that time did it");
    two.hears(&two.mistral, "two").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_froze_is_said_to_be_frozen_by_the_relay_alone() -> anyhow::Result<()> {
    let two = Two::talk().await?;
    two.relay.lie(lies::frozen(two.relay.spot()?.mailbox));
    two.relay.hang_up();
    alarmed(&two.quilla, AlarmKind::Frozen).await?;
    alarmed(&two.mistral, AlarmKind::Frozen).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_said_to_be_gone_is_told_and_read_again_when_it_is_not() -> anyhow::Result<()> {
    let mut two = Two::talk().await?;
    two.relay.lie(lies::closed(two.relay.spot()?.mailbox));
    two.quilla.send("Mistral", "one", None).await?;
    alarmed(&two.mistral, AlarmKind::Closed).await?;
    two.relay.repent();
    two.mistral.offline().await;
    two.mistral.online()?;
    two.hears(&two.mistral, "one").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_none_is_asked_for_again() -> anyhow::Result<()> {
    let two = Two::talk().await?;
    two.relay.lie(lies::stored(two.relay.spot()?, |_| Answer::Done));
    two.quilla.send("Mistral", "one", None).await?;
    eventually("it is seen to wait", async || {
        Ok(two.quilla.status().await?.relays.iter().any(|relay| relay.put_off.is_some()))
    })
    .await?;
    two.relay.repent();
    two.hears(&two.mistral, "one").await?;
    two.nobody_is_alarmed().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_for_another_life_of_the_log_is_a_contradiction_in_the_next_session() -> anyhow::Result<()> {
    let two = Two::talk().await?;
    two.relay.lie(lies::stored(two.relay.spot()?, |answer| match answer {
        Answer::Stored { sequence, head, expires, .. } => {
            Answer::Stored { incarnation: Incarnation([3; 8]), sequence, head, expires }
        }
        other => other,
    }));
    two.quilla.send("Mistral", "one", None).await?;
    two.hears(&two.mistral, "one").await?;
    two.relay.hang_up();
    alarmed(&two.quilla, AlarmKind::ChainBroken).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_lives_of_one_log_are_noticed_when_words_cross() -> anyhow::Result<()> {
    let two = Two::talk().await?;
    // Both read the new log from its beginning, so nothing tells them which life is the true one.
    two.relay.lie(lies::other_life_than(two.relay.spot()?.mailbox, MISTRAL));
    two.quilla.move_conversation("Mistral", &two.relay.endpoint()).await?;
    // Until the move is read they go into the old log, and the first of the new one names no place of it.
    for number in 0..20 {
        let text = &format!("text {number}");
        two.mistral.send("Quilla", text, None).await?;
        let taken = [Some(MessageState::Sent), Some(MessageState::Delivered)];
        eventually("it is sent", async || Ok(taken.contains(&state(&two.mistral, text).await?))).await?;
        if number > 1 && alarms(&two.quilla).await?.contains(&AlarmKind::Disagreement) {
            return Ok(());
        }
    }
    alarmed(&two.quilla, AlarmKind::Disagreement).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_the_relay_did_not_sign_is_a_contradiction() -> anyhow::Result<()> {
    let two = Two::meet().await?;
    two.relay.lie(lies::checkpoints(|_, answer| match answer {
        Answer::Checkpointed { checkpoint } => Answer::Checkpointed {
            checkpoint: SignedCheckpoint { statement: checkpoint.statement, signature: [7; 64] },
        },
        other => other,
    }));
    two.quilla.send("Mistral", "hola", None).await?;
    alarmed(&two.quilla, AlarmKind::ChainBroken).await
}
