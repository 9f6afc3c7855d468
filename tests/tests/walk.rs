//! The jobs of USERS.md, end to end on real parts.

use std::time::Duration;

use relevo_client::account::{NewAlert, What};
use relevo_client::conversation::{MessageState, Standing};
use relevo_protocol::content::{AlertAnswer, AlertText, Severity};
use relevo_tests::world::{Allied, TestMember, TestRelay, found_first, join, until};

/// The texts that a member has from others, in order.
async fn heard(member: &TestMember, with: Option<&str>) -> anyhow::Result<Vec<String>> {
    let said = member.messages(with, 0, 10_000).await?;
    Ok(said
        .into_iter()
        .filter(|said| !said.is_ours)
        .filter_map(|said| match said.what {
            What::Text(text) => Some(text),
            What::Document(_) | What::Alert | What::Leave | What::Newer => None,
        })
        .collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_founders_write_to_each_other() -> anyhow::Result<()> {
    let relay = TestRelay::start().await?;
    let (quilla, mistral) = found_first(&relay).await?;
    let both = [&quilla, &mistral];
    let id = quilla.send("Mistral", "¿Cuándo vence su convenio?", None).await?;
    let said = until("the text arrives", &both, async || Ok(mistral.messages(None, 0, 10).await?.pop())).await?;
    assert_eq!(said.what, What::Text("¿Cuándo vence su convenio?".to_owned()));
    assert_eq!(said.author, "Quilla");
    until("it shows as delivered", &both, async || {
        let sent = quilla.messages(Some("Mistral"), 0, 10).await?;
        let state = sent.iter().find(|said| said.id == id).map(|said| said.state);
        Ok((state == Some(MessageState::Delivered)).then_some(()))
    })
    .await?;
    mistral.send("Quilla", "En marzo.", None).await?;
    until("the answer arrives", &both, async || Ok((heard(&quilla, None).await? == ["En marzo."]).then_some(()))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_joins_with_two_vouches() -> anyhow::Result<()> {
    let relay = TestRelay::start().await?;
    let (quilla, mistral) = found_first(&relay).await?;
    let nadia = TestMember::new("Nadia")?;
    let link = join(&quilla, &mistral, &nadia).await?;
    let all = [&quilla, &mistral, &nadia];
    nadia.send("Quilla", "Gracias por avalarme", None).await?;
    until("the newcomer can talk", &all, async || {
        Ok((heard(&quilla, None).await? == ["Gracias por avalarme"]).then_some(()))
    })
    .await?;
    // The link served once.
    let late = TestMember::new("Tarde")?;
    late.join(&link, None, "").await?;
    until("a used link is said", &[&late], async || {
        let errands = late.errands().await?;
        let failed = |errand: &relevo_client::membership::Errand| {
            matches!(errand.state, relevo_client::membership::ErrandState::Failed { .. })
        };
        let status = late.status().await?;
        let refused = status.relays.iter().any(|relay| relay.fault.is_some());
        Ok((errands.iter().any(failed) || refused).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_two_unions_talk_across_two_relays_online_and_offline() -> anyhow::Result<()> {
    let mut allied = Allied::found().await?;
    allied.meet(0, 2).await?;
    let words: Vec<String> = (0..20).map(|n| format!("message {n}")).collect();
    allied.people[2].offline().await;
    for text in &words {
        allied.people[0].send("Ceibo", text, None).await?;
    }
    allied.people[0].sync().await?;
    allied.people[2].online()?;
    until("all arrive, once and in order", &allied.all(), async || {
        let heard = heard(&allied.people[2], None).await?;
        assert!(heard.len() <= words.len() && heard == words[..heard.len()], "{heard:?}");
        Ok((heard.len() == words.len()).then_some(()))
    })
    .await?;
    // Both relays restart; nothing is lost.
    allied.north.stop().await?;
    allied.south.stop().await?;
    allied.people[2].send("Quilla", "¿sigue ahí?", None).await?;
    allied.north.resume().await?;
    allied.south.resume().await?;
    until("it arrives after the restart", &allied.all(), async || {
        Ok((heard(&allied.people[0], None).await? == ["¿sigue ahí?"]).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_grows_talks_and_moves_away_from_who_is_removed() -> anyhow::Result<()> {
    let allied = Allied::found().await?;
    allied.meet(0, 2).await?;
    allied.meet(0, 3).await?;
    let [quilla, mistral, ceibo, aurore] = allied.all()[..] else { anyhow::bail!("four people") };
    quilla.create_group("Mesa", &["Mistral".to_owned(), "Ceibo".to_owned()]).await?;
    until("both are in", &allied.all(), async || {
        let seats =
            quilla.conversations().await?.into_iter().find(|one| one.name == "Mesa").map(|one| one.members.len());
        Ok((seats == Some(3) && ceibo.conversations().await?.len() == 1).then_some(()))
    })
    .await?;
    ceibo.send("Mesa", "Hola a todos", None).await?;
    for member in [quilla, mistral] {
        until("a text reaches the group", &allied.all(), async || {
            Ok((heard(member, Some("Mesa")).await? == ["Hola a todos"]).then_some(()))
        })
        .await?;
    }
    quilla.add("Mesa", &["Aurore".to_owned()]).await?;
    until("one more is in", &allied.all(), async || {
        let seats =
            aurore.conversations().await?.into_iter().find(|one| one.name == "Mesa").map(|one| one.members.len());
        Ok((seats == Some(4)).then_some(()))
    })
    .await?;
    quilla.rename("Mesa", "Mesa 2027").await?;
    until("all see the new name", &allied.all(), async || {
        let named = |all: Vec<relevo_client::conversation::Conversation>| all.iter().any(|one| one.name == "Mesa 2027");
        Ok((named(ceibo.conversations().await?) && named(aurore.conversations().await?)).then_some(()))
    })
    .await?;
    quilla.remove("Mesa 2027", "Aurore").await?;
    until("the removed one knows, the others have moved", &allied.all(), async || {
        let out = aurore.conversations().await?.into_iter().all(|one| one.standing == Standing::Left);
        let seats = |all: Vec<relevo_client::conversation::Conversation>| {
            all.into_iter().find(|one| one.name == "Mesa 2027").map(|one| one.members.len())
        };
        let moved = seats(ceibo.conversations().await?) == Some(3) && seats(mistral.conversations().await?) == Some(3);
        Ok((out && moved).then_some(()))
    })
    .await?;
    mistral.send("Mesa 2027", "Ahora sin ella", None).await?;
    until("the others hear it", &allied.all(), async || {
        let all = heard(ceibo, Some("Mesa 2027")).await?;
        Ok(all.contains(&"Ahora sin ella".to_owned()).then_some(()))
    })
    .await?;
    assert!(!heard(aurore, None).await?.contains(&"Ahora sin ella".to_owned()));
    ceibo.leave("Mesa 2027").await?;
    until("one leaves", &allied.all(), async || {
        let seats =
            quilla.conversations().await?.into_iter().find(|one| one.name == "Mesa 2027").map(|one| one.members.len());
        Ok((seats == Some(2)).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_whose_relay_is_gone_is_founded_anew_on_the_other_one() -> anyhow::Result<()> {
    let mut allied = Allied::found().await?;
    allied.meet(0, 2).await?;
    allied.meet(0, 3).await?;
    // Aurore's union keeps its relay; the group lives at the one that goes.
    let [quilla, mistral, ceibo, aurore] = allied.all()[..] else { anyhow::bail!("four people") };
    ceibo.create_group("Mesa", &["Quilla".to_owned(), "Aurore".to_owned()]).await?;
    until("all are in", &allied.all(), async || {
        let seats =
            ceibo.conversations().await?.into_iter().find(|one| one.name == "Mesa").map(|one| one.members.len());
        Ok((seats == Some(3) && aurore.conversations().await?.len() == 1).then_some(()))
    })
    .await?;
    aurore.send("Mesa", "antes", None).await?;
    until("a text reaches the group", &allied.all(), async || {
        let both = [heard(quilla, Some("Mesa")).await?, heard(ceibo, Some("Mesa")).await?];
        Ok(both.iter().all(|heard| *heard == ["antes"]).then_some(()))
    })
    .await?;
    assert!(mistral.conversations().await?.iter().all(|one| one.name != "Mesa"));
    let north = allied.north.listen().to_string();
    let refused = quilla.refound("Mesa", &["Mistral".to_owned()], Some(&north)).await.unwrap_err();
    assert_eq!(refused.code(), "no-such-name", "whoever is not in it cannot be left out");
    let refused = aurore.refound("Mesa", &[], Some(&north)).await.unwrap_err();
    assert_eq!(refused.code(), "not-administrator");
    let refounded = quilla.refound("Mesa", &[], Some(&north)).await?;
    let mut invited = refounded.invited;
    invited.sort_unstable();
    assert_eq!((invited, refounded.unreached), (vec!["Aurore".to_owned(), "Ceibo".to_owned()], Vec::new()));
    until("it goes on for all", &allied.all(), async || {
        let mut seats = Vec::new();
        for member in [quilla, ceibo, aurore] {
            let all = member.conversations().await?;
            let here = all.into_iter().find(|one| one.name == "Mesa" && one.successor.is_none());
            seats.push(here.map(|one| (one.id, one.members.len())));
        }
        Ok((seats[0].is_some_and(|(_, seats)| seats == 3) && seats.iter().all(|one| *one == seats[0])).then_some(()))
    })
    .await?;
    // The old one's relay is gone, and nobody needs it.
    allied.south.stop().await?;
    let [quilla, _, ceibo, aurore] = allied.all()[..] else { anyhow::bail!("four people") };
    quilla.send("Mesa", "después", None).await?;
    until("words reach all by the other relay, and the old ones are still there", &allied.all(), async || {
        let all = [heard(ceibo, Some("Mesa")).await?, heard(aurore, Some("Mesa")).await?];
        Ok((all == [vec!["antes".to_owned(), "después".to_owned()], vec!["después".to_owned()]]).then_some(()))
    })
    .await?;
    assert_eq!(aurore.messages(Some("Mesa"), 0, 10).await?.len(), 2, "what one said oneself, too");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_answered_and_counted() -> anyhow::Result<()> {
    let allied = Allied::found().await?;
    allied.meet(0, 2).await?;
    let [quilla, mistral, ceibo, _] = allied.all()[..] else { anyhow::bail!("four people") };
    quilla.create_group("Mesa", &["Mistral".to_owned(), "Ceibo".to_owned()]).await?;
    until("both are in", &allied.all(), async || {
        Ok((mistral.conversations().await?.len() + ceibo.conversations().await?.len()
            == 2 + usize::from(mistral.conversations().await?.len() == 2))
        .then_some(()))
    })
    .await?;
    let text = |language: &str, text: &str| AlertText {
        language: language.parse().unwrap_or_else(|_| unreachable!()),
        text: text.parse().unwrap_or_else(|_| unreachable!()),
    };
    let number = quilla
        .send_alert(
            "Mesa",
            NewAlert {
                texts: vec![text("es", "Cierran la mina mañana"), text("fr", "La mine ferme demain")],
                severity: Severity::Emergency,
                life: Duration::from_secs(3600),
                answer_wanted: true,
                drill: false,
            },
        )
        .await?;
    for (member, answer) in [(mistral, AlertAnswer::Read), (ceibo, AlertAnswer::NeedHelp)] {
        let alert = until("the alert arrives", &allied.all(), async || Ok(member.alerts().await?.pop())).await?;
        assert_eq!(alert.texts.len(), 2);
        assert_eq!(alert.sender, "Quilla");
        member.answer_alert(alert.number, answer).await?;
    }
    until("both answers are counted", &allied.all(), async || {
        let status = quilla.alert_status(number).await?;
        Ok((status.read.len() == 1 && status.need_help.len() == 1 && status.silent.is_empty()).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_crosses_two_relays_and_is_verified_offline() -> anyhow::Result<()> {
    let allied = Allied::found().await?;
    allied.meet(0, 2).await?;
    let [quilla, _, ceibo, _] = allied.all()[..] else { anyhow::bail!("four people") };
    let file = quilla.folder().join("convenio.pdf");
    std::fs::write(&file, relevo_tests::pdf::generate("Convenio", "Salario base", 1 << 20)?)?;
    let number = quilla.prepare_document("Ceibo", &file).await?;
    quilla.upload(number, |_| {}).await?;
    let offered = until("it is offered", &allied.all(), async || Ok(ceibo.documents().await?.pop())).await?;
    assert_eq!(offered.manifest.name.as_str(), "convenio.pdf");
    ceibo.fetch(offered.number, |_| {}).await?;
    let out = ceibo.folder().join("recibido.pdf");
    ceibo.save_document(offered.number, &out).await?;
    assert_eq!(std::fs::read(&out)?, std::fs::read(&file)?);
    let proof = ceibo.folder().join("prueba");
    ceibo.export_document(offered.number, &proof).await?;
    let attestation = relevo_client::document::verify(&proof, None)?;
    assert_eq!(attestation.attested.author.card.pseudonym.as_str(), "Quilla");
    Ok(())
}
