//! Job 4: two people and seven, on different relays, offline or online: nothing lost, nothing twice, in order.

use anyhow::ensure;
use relevo_client::conversation::{MessageState, Standing};

use super::cast::{Cast, Person};
use super::{Story, until};

/// The group of all seven.
pub(super) const GROUP: &str = "Mesa de las siete minas";

/// Said in turn between two, in four languages: from, to and words.
fn exchanges(cast: &Cast) -> [(&Person, &Person, &'static str); 4] {
    let Cast { quilla, boreale, sabia, raven, .. } = cast;
    [
        (quilla, boreale, "¿Cuándo vence el convenio colectivo de la fundición de Rouyn?"),
        (boreale, quilla, "Le trente novembre, et l'employeur refuse déjà de nous rencontrer."),
        (raven, sabia, "The company says that you accepted the twelve-hour shift. Is it true?"),
        (sabia, raven, "É mentira, votamos contra o turno de doze horas por noventa por cento."),
    ]
}

/// Written while the other is offline.
const MEANWHILE: [&str; 5] = [
    "Uno: la gerencia canceló la reunión del martes.",
    "Dos: despidieron a dos delegados del turno B.",
    "Tres: la asamblea votó apoyar a los despedidos.",
    "Cuatro: necesitamos copia de su convenio en francés.",
    "Cinco: avísenme por aquí, nunca por el correo de la empresa.",
];

/// Said in turn in the group, each in their language.
fn round(cast: &Cast) -> [(&Person, &'static str); 7] {
    let Cast { quilla, mistral, wayra, sabia, boreale, epinette, raven } = cast;
    [
        (quilla, "Compañeras y compañeros, abrimos la mesa de las siete minas."),
        (mistral, "En Calama pedimos el mismo bono de altura que en Arequipa."),
        (wayra, "En Arequipa el bono vence en marzo, mando la tabla."),
        (sabia, "No Iñapari ainda não temos convenção, precisamos de ajuda."),
        (boreale, "Rouyn vous enverra notre convention et la grille des salaires."),
        (epinette, "À Val-d'Or la prime de nuit est de quatre dollars l'heure."),
        (raven, "Schefferville signed for three years, the table is attached next week."),
    ]
}

impl Story {
    pub(super) async fn talk(&mut self) -> anyhow::Result<()> {
        self.narrator.job("4. Talk across borders: on two relays, offline or online, nothing lost or twice, in order");
        self.talk_in_twos().await?;
        self.talk_to_somebody_offline().await?;
        self.talk_in_a_group().await
    }

    async fn talk_in_twos(&mut self) -> anyhow::Result<()> {
        for (from, to, text) in exchanges(&self.cast) {
            from.send(to.name, text, from.language.parse().ok()).await?;
            until(&format!("{} hears {}", to.name, from.name), async || {
                Ok(to.heard(from.name).await?.iter().any(|(_, heard)| heard == text).then_some(()))
            })
            .await?;
            self.narrator.done(format!("{} to {}: {text}", from.name, to.name));
            self.said.push(("text between two".to_owned(), text.to_owned()));
        }
        Ok(())
    }

    async fn talk_to_somebody_offline(&mut self) -> anyhow::Result<()> {
        let (quilla, boreale) = (&self.cast.quilla, &mut self.cast.boreale);
        let before = boreale.heard(quilla.name).await?;
        boreale.leave().await;
        let mut ids = Vec::new();
        for text in MEANWHILE {
            ids.push(quilla.send(boreale.name, text, quilla.language.parse().ok()).await?);
            self.said.push(("text to somebody offline".to_owned(), text.to_owned()));
        }
        let states = async |wanted: MessageState| {
            let said = quilla.messages(Some(boreale.name), 0, u32::MAX).await?;
            let reached = ids.iter().all(|id| said.iter().any(|one| one.id == *id && one.state == wanted));
            Ok(reached.then_some(()))
        };
        until("the relay has all five", async || states(MessageState::Sent).await).await?;
        self.narrator.done(format!("{} closes the laptop; {} writes five messages", boreale.name, quilla.name));
        boreale.come_back()?;
        let expected: Vec<_> =
            before.into_iter().chain(MEANWHILE.map(|text| (quilla.name.to_owned(), text.to_owned()))).collect();
        let heard = until(&format!("{} hears what was missed", boreale.name), async || {
            let heard = boreale.heard(quilla.name).await?;
            Ok((heard.len() >= expected.len()).then_some(heard))
        })
        .await?;
        ensure!(heard == expected, "{} heard {heard:?} instead of {expected:?}", boreale.name);
        until("all five show as delivered", async || states(MessageState::Delivered).await).await?;
        self.narrator.done(format!("{} is back and reads each once, in order; they show as delivered", boreale.name));
        Ok(())
    }

    async fn talk_in_a_group(&mut self) -> anyhow::Result<()> {
        let Self { cast, narrator, .. } = self;
        let others: Vec<String> = cast.all().iter().skip(1).map(|one| one.name.to_owned()).collect();
        cast.quilla.create_group(GROUP, &others).await?;
        for person in cast.all() {
            seats(person, 7).await?;
        }
        narrator.done(format!("{} starts the group \"{GROUP}\" of seven people on two relays", cast.quilla.name));
        let round = round(cast);
        let mut expected: Vec<(String, String)> = Vec::new();
        for (speaker, text) in &round {
            speaker.send(GROUP, text, speaker.language.parse().ok()).await?;
            expected.push((speaker.name.to_owned(), (*text).to_owned()));
            for person in cast.all() {
                until(&format!("{} hears {} in the group", person.name, speaker.name), async || {
                    Ok((person.heard(GROUP).await?.len() >= expected.len()).then_some(()))
                })
                .await?;
            }
        }
        for person in cast.all() {
            let heard = person.heard(GROUP).await?;
            ensure!(heard == expected, "{} heard {heard:?} instead of {expected:?}", person.name);
        }
        narrator.done("each says something in their language; all seven read the same seven lines in the same order");
        let texts = round.map(|(_, text)| text);
        self.note("name of a group", GROUP);
        texts.into_iter().for_each(|text| self.note("text in a group", text));
        Ok(())
    }
}

/// Waits until somebody sees a group of so many.
pub(super) async fn seats(person: &Person, count: usize) -> anyhow::Result<()> {
    until(&format!("{} sees a group of {count}", person.name), async || {
        let all = person.conversations().await?;
        let live = all.iter().find(|one| one.name == GROUP && one.standing == Standing::Live);
        Ok(live.filter(|one| one.members.len() == count).map(drop))
    })
    .await
}
