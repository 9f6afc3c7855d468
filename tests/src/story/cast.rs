//! The seven people of the story, each with a vault of their own.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use relevo_client::account::{Account, Spoken, What};
use relevo_client::membership::Request;
use relevo_client::membership::request::RequestKind;
use relevo_client::vault::{Cost, Passphrase};

use super::{PATIENCE, until};

/// Passphrase of every vault of the story.
pub(super) const PASSPHRASE: &str = "cobre, niquel y hierro de tres paises";

/// Somebody, and the device in front of them.
pub(super) struct Person {
    /// What others call them.
    pub(super) name: &'static str,
    /// The language they write in.
    pub(super) language: &'static str,
    vault: PathBuf,
    account: Option<Account>,
}

/// Everybody.
pub(super) struct Cast {
    /// Chile, coordinator.
    pub(super) quilla: Person,
    /// Chile, coordinator.
    pub(super) mistral: Person,
    /// Peru.
    pub(super) wayra: Person,
    /// Peru, at the border with Brazil.
    pub(super) sabia: Person,
    /// Quebec, coordinator.
    pub(super) boreale: Person,
    /// Quebec, coordinator.
    pub(super) epinette: Person,
    /// Quebec, English-speaking.
    pub(super) raven: Person,
}

impl Person {
    fn arrive(name: &'static str, language: &'static str, folder: &Path) -> anyhow::Result<Self> {
        let vault = folder.join("vaults").join(name);
        let passphrase = Passphrase::new(PASSPHRASE.to_owned());
        let account = Account::create(&vault, &passphrase, Cost::DEFAULT, &name.parse()?)
            .with_context(|| format!("no vault for {name}"))?;
        Ok(Self { name, language, vault, account: Some(account) })
    }

    /// Where the vault lies.
    pub(super) fn vault(&self) -> &Path {
        &self.vault
    }

    /// Closes the laptop.
    pub(super) async fn leave(&mut self) {
        if let Some(account) = self.account.take() {
            account.close().await;
        }
    }

    /// Opens it again.
    pub(super) fn come_back(&mut self) -> anyhow::Result<()> {
        self.account = Some(Account::open(&self.vault, &Passphrase::new(PASSPHRASE.to_owned()))?);
        Ok(())
    }

    /// Waits until what waits here has left, as somebody does before handing a link over.
    pub(super) async fn has_sent(&self) -> anyhow::Result<()> {
        let status = self.settle(PATIENCE).await?;
        ensure!(status.is_settled(), "{} cannot send: {status:?}", self.name);
        Ok(())
    }

    /// Waits for a request.
    pub(super) async fn request(&self, what: &str, is: impl Fn(&RequestKind) -> bool) -> anyhow::Result<Request> {
        until(&format!("{} is asked {what}", self.name), async || {
            Ok(self.requests().await?.into_iter().find(|one| is(&one.kind)))
        })
        .await
    }

    /// Waits for the card.
    pub(super) async fn is_member(&self) -> anyhow::Result<()> {
        until(&format!("{} has a card", self.name), async || Ok(self.about_me().await?.card_expires.map(drop))).await
    }

    /// Waits until somebody is a contact.
    pub(super) async fn knows(&self, other: &str) -> anyhow::Result<()> {
        until(&format!("{} knows {other}", self.name), async || {
            Ok(self.contacts().await?.iter().any(|one| one.pseudonym.as_str() == other).then_some(()))
        })
        .await
    }

    /// The words of a conversation: who said what, in the order of this device.
    pub(super) async fn heard(&self, with: &str) -> anyhow::Result<Vec<(String, String)>> {
        if !self.conversations().await?.iter().any(|one| one.name == with) {
            return Ok(Vec::new());
        }
        Ok(self.messages(Some(with), 0, u32::MAX).await?.into_iter().filter_map(words).collect())
    }
}

fn words(spoken: Spoken) -> Option<(String, String)> {
    match spoken.what {
        What::Text(text) => Some((spoken.author, text)),
        What::Document(_) | What::Alert | What::Leave | What::Newer => None,
    }
}

impl core::ops::Deref for Person {
    type Target = Account;

    #[expect(clippy::expect_used, reason = "a story in which somebody acts on a closed laptop is wrong")]
    fn deref(&self) -> &Account {
        self.account.as_ref().expect("the laptop is open")
    }
}

impl Cast {
    /// Everybody makes a vault.
    pub(super) fn arrive(folder: &Path) -> anyhow::Result<Self> {
        let arrive = |name, language| Person::arrive(name, language, folder);
        Ok(Self {
            quilla: arrive("Quilla de Antofagasta", "es")?,
            mistral: arrive("Mistral de Calama", "es")?,
            wayra: arrive("Wayra de Arequipa", "es")?,
            sabia: arrive("Sabiá de Iñapari", "pt")?,
            boreale: arrive("Boréale de Rouyn", "fr")?,
            epinette: arrive("Épinette de Val-d'Or", "fr")?,
            raven: arrive("Raven of Schefferville", "en")?,
        })
    }

    /// Everybody, in the order of the story.
    pub(super) fn all(&self) -> [&Person; 7] {
        let Self { quilla, mistral, wayra, sabia, boreale, epinette, raven } = self;
        [quilla, mistral, wayra, sabia, boreale, epinette, raven]
    }

    /// Everybody opens the laptop again.
    pub(super) fn come_back(&mut self) -> anyhow::Result<()> {
        self.each().into_iter().try_for_each(Person::come_back)
    }

    /// How everybody stands, for who looks for what went wrong.
    pub(super) async fn describe(&self) -> anyhow::Result<String> {
        let mut told = String::new();
        for person in self.all().into_iter().filter(|person| person.account.is_some()) {
            writeln!(told, "{}: {:?}", person.name, person.status().await?)?;
            writeln!(told, "  {} wait, errands {:?}", person.waiting().await?, person.errands().await?)?;
            writeln!(told, "  requests {:?}", person.requests().await?)?;
            writeln!(told, "  warnings {:?}", person.warnings().await?)?;
            for alarm in person.alarms().await? {
                writeln!(told, "  alarm {:?}", alarm.kind)?;
            }
            for one in person.conversations().await? {
                writeln!(told, "  in {:?}, {:?}, {} people", one.name, one.standing, one.members.len())?;
            }
        }
        Ok(told)
    }

    /// Everybody closes the laptop.
    pub(super) async fn leave(&mut self) {
        for person in self.each() {
            person.leave().await;
        }
    }

    fn each(&mut self) -> [&mut Person; 7] {
        let Self { quilla, mistral, wayra, sabia, boreale, epinette, raven } = self;
        [quilla, mistral, wayra, sabia, boreale, epinette, raven]
    }
}
