//! Job 5: a coordinator alerts in four languages and sees who has answered; a forged or expired alert is refused. Who
//! forged is removed, and reads no more.

use std::time::Duration;

use anyhow::{Context, ensure};
use relevo_client::account::NewAlert;
use relevo_client::conversation::Standing;
use relevo_client::membership::warning::Kind;
use relevo_protocol::content::{AlertAnswer, AlertText, Severity};

use super::cast::Person;
use super::talking::{GROUP, seats};
use super::{Story, forgery, until};

/// The alert, in each language.
const STRIKE: [(&str, &str); 4] = [
    ("en", "Strike at every site from six o'clock on Monday. Stay off company phones."),
    ("es", "Huelga en todos los sitios desde las seis del lunes. No usen teléfonos de la empresa."),
    ("fr", "Grève à tous les sites dès six heures lundi. N'utilisez pas les téléphones de l'employeur."),
    ("pt", "Greve em todas as minas a partir das seis de segunda. Não usem telefones da empresa."),
];
/// An alert that counts for a moment only.
const DRILL: &str = "Simulacro: punto de reunión en la puerta norte, ahora mismo.";
/// What the forger wants believed.
const FORGED: &str = "The strike is called off, everybody back to work by order of the coordinators.";
/// Said when the forger is out.
const AFTERWARDS: &str = "Ya somos seis. La huelga sigue en pie, nos vemos en la puerta norte.";
/// How long the drill counts.
const MOMENT: Duration = Duration::from_secs(3);

impl Story {
    pub(super) async fn alert(&mut self) -> anyhow::Result<()> {
        self.narrator.job("5. Alert: in four languages, answers counted; forged and expired ones refused");
        STRIKE.iter().for_each(|(_, text)| self.said.push(("text of an alert".to_owned(), (*text).to_owned())));
        for text in [DRILL, FORGED, AFTERWARDS] {
            self.note("text around an alert", text);
        }
        self.alert_and_count().await?;
        self.miss_the_moment().await?;
        self.forge().await?;
        self.remove_the_forger().await
    }

    async fn alert_and_count(&mut self) -> anyhow::Result<()> {
        let Self { cast, narrator, .. } = self;
        let number = cast.quilla.send_alert(GROUP, alert(&STRIKE, Duration::from_secs(24 * 3600))?).await?;
        let answers = [
            (&cast.mistral, Some(AlertAnswer::Read)),
            (&cast.wayra, Some(AlertAnswer::Read)),
            (&cast.sabia, Some(AlertAnswer::NeedHelp)),
            (&cast.boreale, Some(AlertAnswer::Read)),
            (&cast.epinette, Some(AlertAnswer::Read)),
            (&cast.raven, None),
        ];
        for (person, answer) in &answers {
            let came =
                until(&format!("{} sees the alert", person.name), async || Ok(person.alerts().await?.pop())).await?;
            ensure!(came.sender == cast.quilla.name && came.texts.len() == STRIKE.len(), "the alert came changed");
            if let Some(answer) = answer {
                person.answer_alert(came.number, *answer).await?;
            }
        }
        narrator.done(format!("{} alerts the group; six people see it, each in their language", cast.quilla.name));
        for (_, text) in STRIKE {
            narrator.more(text);
        }
        let status = until("five answers are counted", async || {
            let status = cast.quilla.alert_status(number).await?;
            Ok((status.read.len() + status.need_help.len() == 5).then_some(status))
        })
        .await?;
        let helpless: Vec<&str> = status.need_help.iter().map(|one| one.pseudonym.as_str()).collect();
        ensure!(helpless == [cast.sabia.name], "{helpless:?} need help");
        ensure!(status.silent == [cast.raven.name], "{:?} are silent", status.silent);
        narrator.done(format!("5 of 6 have answered; needs help: {}; silent: {}", cast.sabia.name, cast.raven.name));
        Ok(())
    }

    /// Somebody is offline while an alert counts.
    async fn miss_the_moment(&mut self) -> anyhow::Result<()> {
        let Self { cast, narrator, .. } = self;
        cast.epinette.leave().await;
        let expired = tokio::time::Instant::now() + MOMENT + Duration::from_secs(1);
        let drill = NewAlert { drill: true, ..alert(&[("es", DRILL)], MOMENT)? };
        cast.quilla.send_alert(GROUP, drill).await?;
        cast.quilla.has_sent().await?;
        tokio::time::sleep_until(expired).await;
        cast.epinette.come_back()?;
        refuses(&cast.epinette, &cast.quilla, 1).await?;
        narrator.done(format!("{} comes back after an alert has expired: refused, and said", cast.epinette.name));
        Ok(())
    }

    /// A member posts an alert in a coordinator's name, with a program that checks nothing.
    async fn forge(&mut self) -> anyhow::Result<()> {
        let Self { cast, narrator, .. } = self;
        cast.raven.leave().await;
        forgery::post(cast.raven.vault(), GROUP, cast.quilla.name, FORGED)?;
        cast.raven.come_back()?;
        for person in [&cast.quilla, &cast.mistral, &cast.wayra, &cast.sabia, &cast.boreale, &cast.epinette] {
            refuses(person, &cast.raven, 1).await?;
        }
        narrator
            .done(format!("{} forges an alert of {}: all six devices refuse it", cast.raven.name, cast.quilla.name));
        Ok(())
    }

    async fn remove_the_forger(&mut self) -> anyhow::Result<()> {
        let Self { cast, narrator, .. } = self;
        let stay = [&cast.quilla, &cast.mistral, &cast.wayra, &cast.sabia, &cast.boreale, &cast.epinette];
        cast.quilla.remove(GROUP, cast.raven.name).await?;
        for person in stay {
            seats(person, 6).await?;
        }
        cast.quilla.send(GROUP, AFTERWARDS, cast.quilla.language.parse().ok()).await?;
        for person in stay {
            until(&format!("{} hears on", person.name), async || {
                Ok(person.heard(GROUP).await?.last().is_some_and(|(_, text)| text == AFTERWARDS).then_some(()))
            })
            .await?;
        }
        let raven = &cast.raven;
        until(&format!("{} is told of the removal", raven.name), async || {
            let all = raven.conversations().await?;
            Ok(all.iter().any(|one| one.name == GROUP && one.standing == Standing::Left).then_some(()))
        })
        .await?;
        raven.has_sent().await?;
        ensure!(!raven.heard(GROUP).await?.iter().any(|(_, text)| text == AFTERWARDS), "the removed still reads");
        ensure!(raven.send(GROUP, "Am I still in?", None).await.is_err(), "the removed still writes");
        narrator.done(format!("{} is removed; the group moves to another mailbox and goes on as six", raven.name));
        Ok(())
    }
}

fn alert(texts: &[(&str, &str)], life: Duration) -> anyhow::Result<NewAlert> {
    let text = |(language, text): &(&str, &str)| Ok(AlertText { language: language.parse()?, text: text.parse()? });
    let texts = texts.iter().map(text).collect::<anyhow::Result<_>>()?;
    Ok(NewAlert { texts, severity: Severity::Urgent, life, answer_wanted: true, drill: false })
}

/// Waits until somebody's device has refused so many alerts that another posted; none of them is shown.
async fn refuses(person: &Person, posted_by: &Person, count: usize) -> anyhow::Result<()> {
    let poster = posted_by.about_me().await?.member;
    let refused = until(&format!("{} refuses", person.name), async || {
        let warnings = person.warnings().await?;
        let refused: Vec<_> = warnings
            .iter()
            .filter_map(|one| match one.kind {
                Kind::AlertRefused { from, alert } if from == poster => Some(alert),
                Kind::AlertRefused { .. }
                | Kind::Undelivered { .. }
                | Kind::CharterFork { .. }
                | Kind::CharterRollback
                | Kind::KeyChanged { .. }
                | Kind::ParcelRefused
                | Kind::WordsBroken { .. }
                | Kind::ComparisonBroken
                | Kind::LinkUsedTwice
                | Kind::LinkExpired
                | Kind::InboxDamaged => None,
            })
            .collect();
        Ok((refused.len() >= count).then_some(refused))
    })
    .await?;
    ensure!(refused.len() == count, "{} refused {} alerts instead of {count}", person.name, refused.len());
    let shown = person.alerts().await.context("the alerts that are shown")?;
    ensure!(!shown.iter().any(|one| refused.contains(&one.hash)), "{} is shown a refused alert", person.name);
    Ok(())
}
