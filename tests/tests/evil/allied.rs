//! One relay of two lies: the other one convicts it, and the conversation goes there.

use relevo_client::conversation::{AlarmKind, MessageState};
use relevo_protocol::wire::Checkpoint;
use relevo_tests::evil::{EvilRelay, Who, lies};
use relevo_tests::world::{TestMember, TestRelay, found_allied};

use crate::two::{alarmed, alarms, eventually, state};

/// Two unions, the first one's relay a liar; a group of three there, and a pair of two of them on the honest relay.
struct Alliance {
    liar: EvilRelay,
    honest: TestRelay,
    people: Vec<TestMember>,
}

impl Alliance {
    async fn found() -> anyhow::Result<Self> {
        let (liar, honest) = (EvilRelay::start().await?, TestRelay::start().await?);
        let people = found_allied(&liar.address(), &honest.address()).await?;
        let alliance = Self { liar, honest, people };
        let [quilla, mistral, ceibo, _] = &alliance.people[..] else { anyhow::bail!("four people") };
        let code = ceibo.contact_code().await?;
        ceibo.sync().await?;
        quilla.add_contact(&code).await?;
        eventually("they are contacts", async || {
            let knows = |all: Vec<relevo_client::membership::Contact>, name: &str| {
                all.iter().any(|one| one.pseudonym.as_str() == name)
            };
            Ok(knows(quilla.contacts().await?, "Ceibo") && knows(ceibo.contacts().await?, "Quilla"))
        })
        .await?;
        ceibo.send("Quilla", "between us", None).await?;
        alliance.hears(quilla, "between us").await?;
        quilla.create_group("Mesa", &["Mistral".to_owned(), "Ceibo".to_owned()]).await?;
        eventually("three are in the group", async || {
            let mut all = 0;
            for person in [quilla, mistral, ceibo] {
                let mesa = person.conversations().await?.into_iter().find(|one| one.name == "Mesa");
                all += mesa.map_or(0, |mesa| mesa.members.len());
            }
            Ok(all == 9)
        })
        .await?;
        // Joiners write their leaves anew at once; words behind that are in everybody's epoch.
        for (who, text) in [(ceibo, "ceibo is here"), (mistral, "mistral is here"), (quilla, "all are here")] {
            who.send("Mesa", text, None).await?;
            for other in [quilla, mistral, ceibo] {
                alliance.hears(other, text).await?;
            }
        }
        eventually("nothing is under way", async || {
            let mut waiting = 0;
            for person in [quilla, mistral, ceibo] {
                waiting += person.waiting().await?;
            }
            Ok(waiting == 0)
        })
        .await?;
        Ok(alliance)
    }

    async fn hears(&self, who: &TestMember, text: &str) -> anyhow::Result<()> {
        eventually(&format!("{} hears {text}", who.name), async || Ok(state(who, text).await?.is_some())).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_shows_two_logs_is_convicted_by_its_own_signatures_and_left() -> anyhow::Result<()> {
    let alliance = Alliance::found().await?;
    let [quilla, mistral, ceibo, _] = &alliance.people[..] else { anyhow::bail!("four people") };
    let spot = alliance.liar.spot()?;
    // Ceibo, whose inbox is elsewhere, sees only what Ceibo writes.
    alliance.liar.lie(lies::withhold_from(spot, Who::Visitor));
    quilla.send("Mesa", "kept from Ceibo", None).await?;
    alliance.hears(mistral, "kept from Ceibo").await?;
    for text in ["one", "two"] {
        ceibo.send("Mesa", text, None).await?;
        eventually("it is sent", async || Ok(state(ceibo, text).await? == Some(MessageState::Sent))).await?;
    }
    // A member's word alone is a disagreement.
    alarmed(quilla, AlarmKind::Disagreement).await?;
    alarmed(mistral, AlarmKind::Disagreement).await?;
    assert!(quilla.convictions().await?.is_empty());
    // The relay's own word, which Quilla has asked for, crosses by the other relay.
    quilla.sync().await?;
    quilla.send("Ceibo", "by the way", None).await?;
    alliance.hears(ceibo, "by the way").await?;
    ceibo.send("Mesa", "three", None).await?;
    alarmed(ceibo, AlarmKind::Lie).await?;
    eventually("both words are kept", async || {
        Ok(ceibo.convictions().await?.iter().any(|proof| proof.against.is_some()))
    })
    .await?;
    let proofs = ceibo.convictions().await?;
    let proof = proofs.iter().find(|proof| proof.against.is_some()).unwrap();
    let words: Vec<Checkpoint> = [Some(&proof.word), proof.against.as_ref()]
        .into_iter()
        .flatten()
        .map(|word| word.verify(&proof.relay).unwrap())
        .collect();
    let place = |word: &Checkpoint| (word.mailbox, word.incarnation, word.sequence);
    assert_eq!(place(&words[0]), place(&words[1]));
    assert_ne!(words[0].head, words[1].head);

    // The conversation on the honest relay was never disturbed.
    let pair = ceibo.conversations().await?.into_iter().find(|one| one.name == "Quilla").unwrap().id;
    for person in [quilla, ceibo] {
        assert!(person.alarms().await?.iter().all(|alarm| alarm.group != pair), "{}", person.name);
    }

    // The group goes there, and whom the liar kept out is taken back in.
    quilla.move_conversation("Mesa", &alliance.honest.listen().to_string()).await?;
    eventually("Mistral has moved along", async || {
        quilla.send("Mesa", "¿oyes?", None).await?;
        Ok(state(mistral, "¿oyes?").await?.is_some())
    })
    .await?;
    quilla.remove("Mesa", "Ceibo").await?;
    eventually("Ceibo is out", async || {
        let mesa = quilla.conversations().await?.into_iter().find(|one| one.name == "Mesa");
        Ok(mesa.is_some_and(|mesa| mesa.members.len() == 2))
    })
    .await?;
    quilla.add("Mesa", &["Ceibo".to_owned()]).await?;
    eventually("Ceibo is back", async || {
        let mesa = quilla.conversations().await?.into_iter().find(|one| one.name == "Mesa");
        Ok(mesa.is_some_and(|mesa| mesa.members.len() == 3))
    })
    .await?;
    quilla.send("Mesa", "here we are", None).await?;
    alliance.hears(ceibo, "here we are").await?;
    ceibo.send("Mesa", "at last", None).await?;
    alliance.hears(mistral, "at last").await?;
    // What Ceibo says now goes nowhere near the liar.
    assert_eq!(alarms(ceibo).await?.iter().filter(|kind| **kind == AlarmKind::Halted).count(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn words_that_a_liar_lost_go_out_again_when_the_conversation_moves() -> anyhow::Result<()> {
    let alliance = Alliance::found().await?;
    let [quilla, mistral, ceibo, _] = &alliance.people[..] else { anyhow::bail!("four people") };
    // Two entries by whomever are lost, and no more.
    let spot = alliance.liar.spot()?;
    alliance.liar.lie(lies::lose(spot, 2));
    for text in ["one", "two", "three"] {
        quilla.send("Mesa", text, None).await?;
    }
    alarmed(quilla, AlarmKind::ChainBroken).await?;
    alliance.hears(mistral, "three").await?;
    assert_eq!(state(mistral, "one").await?, None);
    quilla.move_conversation("Mesa", &alliance.honest.listen().to_string()).await?;
    for text in ["one", "two"] {
        for other in [mistral, ceibo] {
            alliance.hears(other, text).await?;
        }
    }
    Ok(())
}
