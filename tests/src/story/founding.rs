//! Job 2: coordinators of two unions found an alliance; neither can change it alone.

use anyhow::ensure;
use relevo_client::membership::request::RequestKind;

use super::{Story, until};

/// Names that the charter carries.
const ALLIANCE: &str = "Alianza Minera de los Andes al Bouclier";
pub(super) const NORTH: &str = "Sindicato Minero del Norte";
pub(super) const QUEBEC: &str = "Section locale 6500 de Rouyn";
/// Words on the invitation of the second union.
const NOTE: &str = "Para la seccion de Rouyn, como acordamos en Santiago";

impl Story {
    pub(super) async fn found(&mut self) -> anyhow::Result<()> {
        let Self { cast, relays, narrator, .. } = self;
        narrator.job("2. Found: coordinators of two unions found an alliance; neither can change it alone");
        let (quilla, mistral, boreale, epinette) = (&cast.quilla, &cast.mistral, &cast.boreale, &cast.epinette);

        let link = quilla.found(ALLIANCE, NORTH, &relays.north_address).await?;
        quilla.has_sent().await?;
        mistral.join(&link, None, "").await?;
        let draft = mistral.request("to sign the charter", is_charter).await?;
        mistral.sign(Some(draft.number)).await?;
        quilla.is_member().await?;
        mistral.is_member().await?;
        narrator
            .done(format!("{} and {} found the alliance with their union, both signing", quilla.name, mistral.name));

        let link = quilla.invite_union(NOTE).await?;
        quilla.has_sent().await?;
        boreale.found_union(QUEBEC, relays.quebec.address(), &link).await?;
        let link = until("the second union has a link for its other coordinator", async || {
            Ok(boreale.founding().await?.and_then(|founding| founding.cofounder_link))
        })
        .await?;
        boreale.has_sent().await?;
        epinette.join(&link, None, "").await?;
        let asked = quilla.request("to take the union in", |kind| matches!(kind, RequestKind::Union { .. })).await?;
        narrator.done(format!(
            "{} and {} found their union on their own relay and ask to enter",
            boreale.name, epinette.name
        ));

        quilla.propose(Some(asked.number)).await?;
        let mut drafts = Vec::new();
        for signer in [mistral, boreale, epinette] {
            drafts.push((signer, signer.request("to sign the amendment", is_charter).await?));
        }
        ensure!(quilla.charter().await?.unions.len() == 1, "one coordinator changed the charter alone");
        narrator.done(format!("{} proposes the amendment; alone it changes nothing", quilla.name));
        for (signer, draft) in drafts {
            signer.sign(Some(draft.number)).await?;
        }
        let founders = [quilla, mistral, boreale, epinette];
        for founder in founders {
            founder.is_member().await?;
            until(&format!("{} has the charter of two unions", founder.name), async || {
                Ok((founder.charter().await?.unions.len() == 2).then_some(()))
            })
            .await?;
        }
        narrator.done("the others sign: the charter has two unions");

        let words = quilla.alliance_words("en").await?;
        for founder in founders {
            ensure!(founder.alliance_words("en").await? == words, "{} has other words", founder.name);
        }
        narrator.done("all four read the same twelve words to each other");
        narrator.more(&words.join(" "));

        for (what, name) in [
            ("name of the alliance", ALLIANCE),
            ("name of a union", NORTH),
            ("name of a union", QUEBEC),
            ("note", NOTE),
        ] {
            self.note(what, name);
        }
        Ok(())
    }
}

fn is_charter(kind: &RequestKind) -> bool {
    matches!(kind, RequestKind::Charter { .. })
}
