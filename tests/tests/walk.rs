//! The jobs of USERS.md, end to end on real parts.

use relevo_client::account::What;
use relevo_client::conversation::MessageState;
use relevo_client::membership::request::RequestKind;
use relevo_tests::world::{TestMember, TestRelay, until};

/// An alliance of one union with two coordinators.
async fn founded(relay: &TestRelay) -> anyhow::Result<(TestMember, TestMember)> {
    let (quilla, mistral) = (TestMember::new("Quilla")?, TestMember::new("Mistral")?);
    let link = quilla.found("Alianza Minera", "Sindicato Norte", &relay.address()).await?;
    quilla.sync().await?;
    mistral.join(&link, None, "").await?;
    let both = [&quilla, &mistral];
    let draft = until("a charter to sign", &both, async || {
        let requests = mistral.requests().await?;
        Ok(requests.into_iter().find(|one| matches!(one.kind, RequestKind::Charter { .. })))
    })
    .await?;
    mistral.sign(Some(draft.number)).await?;
    until("both are members", &both, async || {
        let members = (quilla.about_me().await?, mistral.about_me().await?);
        Ok((members.0.card_expires.is_some() && members.1.card_expires.is_some()).then_some(()))
    })
    .await?;
    until("both are contacts", &both, async || {
        let contacts = (quilla.contacts().await?.len(), mistral.contacts().await?.len());
        Ok((contacts == (1, 1)).then_some(()))
    })
    .await?;
    Ok((quilla, mistral))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_founders_write_to_each_other() -> anyhow::Result<()> {
    let relay = TestRelay::start().await?;
    let (quilla, mistral) = founded(&relay).await?;
    let both = [&quilla, &mistral];
    let id = quilla.send("Mistral", "¿Cuándo vence su convenio?", None).await?;
    let heard = until("the text arrives", &both, async || Ok(mistral.messages(None, 0, 10).await?.pop())).await?;
    assert_eq!(heard.what, What::Text("¿Cuándo vence su convenio?".to_owned()));
    assert_eq!(heard.author, "Quilla");
    until("it shows as delivered", &both, async || {
        let sent = quilla.messages(Some("Mistral"), 0, 10).await?;
        let state = sent.iter().find(|said| said.id == id).map(|said| said.state);
        Ok((state == Some(MessageState::Delivered)).then_some(()))
    })
    .await?;
    mistral.send("Quilla", "En marzo.", None).await?;
    until("the answer arrives", &both, async || Ok((quilla.messages(None, 0, 10).await?.len() == 2).then_some(())))
        .await?;
    Ok(())
}
