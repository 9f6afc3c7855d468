//! Relays and members for end-to-end tests: real QUIC, real sled, real vaults, one process.

#![expect(clippy::indexing_slicing, reason = "a test that names somebody who is not there is wrong")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use relevo_client::account::Account;
use relevo_client::membership::request::RequestKind;
use relevo_client::vault::{Cost, Passphrase};

use relevo_relay::{Config, Relay, Running};
use tempfile::TempDir;

/// How long anything may take that needs the network. Generous: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one round of fetching may take.
const ROUND: Duration = Duration::from_secs(10);
/// Passphrase of every vault.
pub(crate) const PASSPHRASE: &str = "una frase larga que nadie adivina";

/// A relay on a loopback port, over a folder of its own.
pub struct TestRelay {
    folder: TempDir,
    listen: SocketAddr,
    running: Option<Running>,
}

impl TestRelay {
    /// Starts a relay on a free port.
    ///
    /// # Errors
    /// It did not start.
    pub async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut relay = Self { folder, listen: "127.0.0.1:0".parse()?, running: None };
        relay.resume().await?;
        Ok(relay)
    }

    /// Starts it again on the same port, over what it kept.
    ///
    /// # Errors
    /// It did not start.
    pub async fn resume(&mut self) -> anyhow::Result<()> {
        let running = Relay::start(self.config()).await.context("the relay did not start")?;
        self.listen = running.local_addr();
        self.running = Some(running);
        Ok(())
    }

    /// Stops it; what it keeps stays.
    ///
    /// # Errors
    /// It did not stop well.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let running = self.running.take().context("the relay does not run")?;
        Ok(running.shutdown().await?)
    }

    /// The address that it hands out.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test that asks a stopped relay is wrong")]
    pub fn address(&self) -> String {
        self.running.as_ref().expect("the relay runs").address().to_text()
    }

    /// Where it listens.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What it is started with.
    #[must_use]
    pub fn config(&self) -> Config {
        Config { data: self.data(), listen: self.listen, ..Config::default() }
    }
}

/// A member with a vault of its own.
pub struct TestMember {
    folder: TempDir,
    /// What others call it.
    pub name: String,
    account: Option<Account>,
}

impl TestMember {
    /// Makes the vault.
    ///
    /// # Errors
    /// The vault's.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let passphrase = Passphrase::new(PASSPHRASE.to_owned());
        let account = Account::create(&folder.path().join("vault"), &passphrase, Cost::FOR_TESTS, &name.parse()?)?;
        Ok(Self { folder, name: name.to_owned(), account: Some(account) })
    }

    /// Its folder: the vault and whatever a test puts beside it.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Goes offline: closes vault and sessions.
    pub async fn offline(&mut self) {
        if let Some(account) = self.account.take() {
            account.close().await;
        }
    }

    /// Comes back.
    ///
    /// # Errors
    /// The vault's.
    pub fn online(&mut self) -> anyhow::Result<()> {
        let passphrase = Passphrase::new(PASSPHRASE.to_owned());
        self.account = Some(Account::open(&self.folder.path().join("vault"), &passphrase)?);
        Ok(())
    }

    /// Fetches and sends what there is.
    ///
    /// # Errors
    /// It is not settled in time.
    pub async fn sync(&self) -> anyhow::Result<()> {
        let status = self.settle(ROUND).await?;
        anyhow::ensure!(status.is_settled(), "{} is not settled: {status:?}", self.name);
        Ok(())
    }
}

impl core::ops::Deref for TestMember {
    type Target = Account;

    #[expect(clippy::expect_used, reason = "a test that uses a closed account is wrong")]
    fn deref(&self) -> &Account {
        self.account.as_ref().expect("the member is online")
    }
}

/// Tries until it holds, syncing everybody between tries.
///
/// # Errors
/// It does not hold in time, or the trying fails.
pub async fn until<T>(
    what: &str,
    members: &[&TestMember],
    mut holds: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = holds().await? {
            return Ok(found);
        }
        if begun.elapsed() > PATIENCE {
            let mut told = String::new();
            for member in members {
                told.push_str(&format!("\n{}: {:?}", member.name, member.status().await?));
                for alarm in member.alarms().await? {
                    told.push_str(&format!("\n  alarm {:?}", alarm.kind));
                }
                for one in member.conversations().await? {
                    told.push_str(&format!("\n  {} {:?} of {}", one.name, one.standing, one.members.len()));
                }
                told.push_str(&format!("\n  {} waiting", member.waiting().await?));
                for errand in member.errands().await? {
                    told.push_str(&format!("\n  follows {errand:?}"));
                }
                for warning in member.warnings().await? {
                    told.push_str(&format!("\n  {warning:?}"));
                }
            }
            bail!("not within {} s: {what}{told}", PATIENCE.as_secs());
        }
        for member in members {
            let _status = member.settle(Duration::from_secs(2)).await?;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Two unions on two relays in one alliance, each with two coordinators.
pub struct Allied {
    /// The first union's relay.
    pub north: TestRelay,
    /// The second union's relay.
    pub south: TestRelay,
    /// The coordinators: two of the first union, two of the second.
    pub people: Vec<TestMember>,
}

impl Allied {
    /// Founds it all.
    ///
    /// # Errors
    /// A step was not done in time.
    pub async fn found() -> anyhow::Result<Self> {
        let north = TestRelay::start().await?;
        let south = TestRelay::start().await?;
        let people = found_allied(&north.address(), &south.address()).await?;
        Ok(Self { north, south, people })
    }

    /// Everybody.
    #[must_use]
    pub fn all(&self) -> Vec<&TestMember> {
        self.people.iter().collect()
    }

    /// Makes two people each other's contacts, by a code.
    ///
    /// # Errors
    /// It was not done in time.
    pub async fn meet(&self, one: usize, other: usize) -> anyhow::Result<()> {
        let (one, other) = (&self.people[one], &self.people[other]);
        let code = one.contact_code().await?;
        one.sync().await?;
        other.add_contact(&code).await?;
        until("both are contacts", &[one, other], async || {
            let knows = |contacts: Vec<relevo_client::membership::Contact>, name: &str| {
                contacts.iter().any(|contact| contact.pseudonym.as_str() == name)
            };
            let both = knows(one.contacts().await?, &other.name) && knows(other.contacts().await?, &one.name);
            Ok(both.then_some(()))
        })
        .await
    }
}

/// The people of [`Allied`], over relays at these addresses.
///
/// # Errors
/// A step was not done in time.
pub async fn found_allied(north: &str, south: &str) -> anyhow::Result<Vec<TestMember>> {
    let (quilla, mistral) = found_at(north).await?;
    let (ceibo, aurore) = (TestMember::new("Ceibo")?, TestMember::new("Aurore")?);
    let link = quilla.invite_union("Section du Nord").await?;
    quilla.sync().await?;
    ceibo.found_union("Section du Nord", south, &link).await?;
    let people = vec![quilla, mistral, ceibo, aurore];
    let all: Vec<&TestMember> = people.iter().collect();
    let [quilla, mistral, ceibo, aurore] = all[..] else { bail!("four people") };
    let link = until("the second union's own link", &all, async || {
        Ok(ceibo.founding().await?.and_then(|founding| founding.cofounder_link))
    })
    .await?;
    ceibo.sync().await?;
    aurore.join(&link, None, "").await?;
    let asks = request(quilla, &all, "the union asks", |kind| matches!(kind, RequestKind::Union { .. })).await?;
    quilla.propose(Some(asks)).await?;
    for signer in [mistral, ceibo, aurore] {
        let draft =
            request(signer, &all, "a charter to sign", |kind| matches!(kind, RequestKind::Charter { .. })).await?;
        signer.sign(Some(draft)).await?;
    }
    for person in &all {
        until("all are members of one alliance of two unions", &all, async || {
            let member = person.about_me().await?.card_expires.is_some();
            Ok((member && person.charter().await?.unions.len() == 2).then_some(()))
        })
        .await?;
    }
    Ok(people)
}

/// An alliance with its first union: two founders on one relay.
///
/// # Errors
/// A step was not done in time.
pub async fn found_first(relay: &TestRelay) -> anyhow::Result<(TestMember, TestMember)> {
    found_at(&relay.address()).await
}

/// As [`found_first`], over a relay at this address.
///
/// # Errors
/// A step was not done in time.
pub async fn found_at(relay: &str) -> anyhow::Result<(TestMember, TestMember)> {
    let (quilla, mistral) = (TestMember::new("Quilla")?, TestMember::new("Mistral")?);
    let link = quilla.found("Alianza Minera", "Sindicato Norte", relay).await?;
    quilla.sync().await?;
    mistral.join(&link, None, "").await?;
    let both = [&quilla, &mistral];
    let draft =
        request(&mistral, &both, "a charter to sign", |kind| matches!(kind, RequestKind::Charter { .. })).await?;
    mistral.sign(Some(draft)).await?;
    until("both are members and contacts", &both, async || {
        let members = (quilla.about_me().await?.card_expires, mistral.about_me().await?.card_expires);
        let contacts = (quilla.contacts().await?.len(), mistral.contacts().await?.len());
        Ok((members.0.is_some() && members.1.is_some() && contacts == (1, 1)).then_some(()))
    })
    .await?;
    // Until key packages lie on their shelves: who is taken from an empty one comes in a minute later.
    mistral.sync().await?;
    quilla.sync().await?;
    Ok((quilla, mistral))
}

/// Number of a request that waits for somebody.
///
/// # Errors
/// It does not come in time.
pub async fn request(
    whose: &TestMember,
    members: &[&TestMember],
    what: &str,
    wanted: impl Fn(&RequestKind) -> bool,
) -> anyhow::Result<u64> {
    until(what, members, async || {
        Ok(whose.requests().await?.into_iter().find(|one| wanted(&one.kind)).map(|one| one.number))
    })
    .await
}

/// Lets a newcomer in: invited and vouched for by one founder, vouched for and admitted by the other. Gives the link.
///
/// # Errors
/// A step was not done in time.
pub async fn join(quilla: &TestMember, mistral: &TestMember, nadia: &TestMember) -> anyhow::Result<String> {
    let link = quilla.invite("", Duration::from_secs(3600)).await?;
    quilla.sync().await?;
    nadia.join(&link, Some("Mistral"), "del turno de noche").await?;
    let all = [quilla, mistral, nadia];
    let joins = |kind: &RequestKind| matches!(kind, RequestKind::Join { .. });
    let asked = request(quilla, &all, "the inviter is asked", joins).await?;
    quilla.vouch(asked).await?;
    let asked = request(mistral, &all, "the second is asked", joins).await?;
    mistral.vouch(asked).await?;
    until("a coordinator can admit", &all, async || {
        for one in mistral.requests().await? {
            if matches!(&one.kind, RequestKind::Join { vouchers, .. } if vouchers.len() == 2) {
                mistral.admit(one.number).await?;
                return Ok(Some(()));
            }
        }
        Ok(None)
    })
    .await?;
    until("the newcomer is a member with two contacts", &all, async || {
        let about = nadia.about_me().await?;
        Ok((about.card_expires.is_some() && nadia.contacts().await?.len() == 2).then_some(()))
    })
    .await?;
    until("the others have the newcomer as a contact", &all, async || {
        Ok((quilla.contacts().await?.len() == 2 && mistral.contacts().await?.len() == 2).then_some(()))
    })
    .await?;
    Ok(link)
}
