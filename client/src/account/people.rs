//! Founding, joining, vouching, contacts: thin over membership.

use std::time::Duration;

use relevo_protocol::content::Note;
use relevo_protocol::trust::Pseudonym;
use relevo_protocol::wire::{AddressFault, RelayAddress};

use super::{Account, AccountFault};
use crate::membership::{
    self, AboutMe, Comparison, Contact, Errand, Founding, MembershipFault, Request,
    charter::{self, CharterView},
    warning::{self, Warning},
};

impl Account {
    /// What a person may be told about themselves.
    ///
    /// # Errors
    /// The vault's.
    pub async fn about_me(&self) -> Result<AboutMe, AccountFault> {
        self.look(|tx, _| membership::about_me(tx)).await
    }

    /// Founds an alliance with a first union. Gives the link for the second coordinator.
    ///
    /// # Errors
    /// [`MembershipFault`], [`AccountFault::Address`].
    pub async fn found(&self, alliance: &str, union: &str, relay: &str) -> Result<String, AccountFault> {
        let (alliance, union, relay) = (name(alliance)?, name(union)?, address(relay)?);
        self.act(move |tx, now| membership::found(tx, &alliance, &union, &relay, now)).await
    }

    /// Founds a union that joins an alliance by a link of one of its coordinators. The link for the second coordinator
    /// comes with [`Account::founding`], once the alliance has been heard of.
    ///
    /// # Errors
    /// [`MembershipFault`], [`AccountFault::Address`].
    pub async fn found_union(&self, union: &str, relay: &str, link: &str) -> Result<(), AccountFault> {
        let (union, relay, link) = (name(union)?, address(relay)?, link.to_owned());
        self.act(move |tx, now| membership::found_union(tx, &union, &relay, &link, now).map(drop)).await
    }

    /// Gives up founding a union while nobody has followed the link for the second coordinator.
    ///
    /// # Errors
    /// [`MembershipFault`].
    pub async fn give_up_founding(&self) -> Result<(), AccountFault> {
        self.act(|tx, _| membership::give_up_founding(tx)).await
    }

    /// The union that we are founding, if we are.
    ///
    /// # Errors
    /// The vault's.
    pub async fn founding(&self) -> Result<Option<Founding>, AccountFault> {
        self.look(|tx, _| membership::founding(tx)).await
    }

    /// Makes a link for one newcomer.
    ///
    /// # Errors
    /// [`MembershipFault`].
    pub async fn invite(&self, note: &str, life: Duration) -> Result<String, AccountFault> {
        let note = note_of(note)?;
        self.act(move |tx, now| membership::invite(tx, note, life.as_secs(), now)).await
    }

    /// Makes a link for another union's coordinator.
    ///
    /// # Errors
    /// [`MembershipFault`].
    pub async fn invite_union(&self, note: &str) -> Result<String, AccountFault> {
        let note = note_of(note)?;
        self.act(move |tx, now| membership::invite_union(tx, note, now)).await
    }

    /// Follows a link: to become a member, or a union's second coordinator.
    ///
    /// # Errors
    /// [`MembershipFault`].
    pub async fn join(&self, link: &str, second: Option<&str>, note: &str) -> Result<(), AccountFault> {
        let (link, note) = (link.to_owned(), note_of(note)?);
        let second: Option<Pseudonym> = second.map(str::parse).transpose().map_err(|_| AccountFault::Name)?;
        self.act(move |tx, now| membership::join(tx, &link, second.as_ref(), note, now).map(drop)).await
    }

    /// Links that we follow, and how far each has come.
    ///
    /// # Errors
    /// The vault's.
    pub async fn errands(&self) -> Result<Vec<Errand>, AccountFault> {
        self.look(|tx, _| membership::errands(tx)).await
    }

    /// What waits for our word.
    ///
    /// # Errors
    /// The vault's.
    pub async fn requests(&self) -> Result<Vec<Request>, AccountFault> {
        self.look(|tx, _| membership::requests(tx)).await
    }

    /// Gives our signed word for a newcomer.
    ///
    /// # Errors
    /// [`MembershipFault`].
    pub async fn vouch(&self, request: u64) -> Result<(), AccountFault> {
        self.act(move |tx, now| membership::vouch(tx, request, now)).await
    }

    /// Asks a member to vouch.
    ///
    /// # Errors
    /// [`MembershipFault`].
    pub async fn ask(&self, request: u64, whom: &str) -> Result<(), AccountFault> {
        let whom = whom.to_owned();
        self.act(move |tx, now| membership::ask(tx, request, &whom, now)).await
    }

    /// Admits a newcomer who has the vouches.
    ///
    /// # Errors
    /// [`MembershipFault`].
    pub async fn admit(&self, request: u64) -> Result<(), AccountFault> {
        self.act(move |tx, now| membership::admit(tx, request, now)).await
    }

    /// Accepts an introduction.
    ///
    /// # Errors
    /// [`MembershipFault`].
    pub async fn accept(&self, request: u64) -> Result<(), AccountFault> {
        self.act(move |tx, now| membership::accept(tx, request, now)).await
    }

    /// Refuses a request. Nobody is told.
    ///
    /// # Errors
    /// [`MembershipFault`].
    pub async fn refuse(&self, request: u64) -> Result<(), AccountFault> {
        self.act(move |tx, _| membership::refuse(tx, request)).await
    }

    /// The charter, and drafts that wait.
    ///
    /// # Errors
    /// [`MembershipFault`].
    pub async fn charter(&self) -> Result<CharterView, AccountFault> {
        self.look(|tx, _| charter::show(tx)).await
    }

    /// Proposes the amendment that brings a union in.
    ///
    /// # Errors
    /// [`MembershipFault`].
    pub async fn propose(&self, request: Option<u64>) -> Result<(), AccountFault> {
        self.act(move |tx, now| membership::propose(tx, request, now)).await
    }

    /// Signs a draft of the charter.
    ///
    /// # Errors
    /// [`MembershipFault`].
    pub async fn sign(&self, request: Option<u64>) -> Result<(), AccountFault> {
        self.act(move |tx, now| membership::sign(tx, request, now)).await
    }

    /// The alliance's twelve words in a language.
    ///
    /// # Errors
    /// [`MembershipFault`].
    pub async fn alliance_words(&self, language: &str) -> Result<Vec<&'static str>, AccountFault> {
        let language = language.to_owned();
        self.look(move |tx, _| {
            let alliance = charter::known_alliance(tx)?.ok_or(MembershipFault::NotMember)?;
            Ok::<_, MembershipFault>(membership::words::in_language(&membership::words::alliance(&alliance), &language))
        })
        .await
    }

    /// Our contacts, by name.
    ///
    /// # Errors
    /// The vault's.
    pub async fn contacts(&self) -> Result<Vec<Contact>, AccountFault> {
        self.look(|tx, _| membership::contacts(tx)).await
    }

    /// A code for one person to become our contact by.
    ///
    /// # Errors
    /// [`MembershipFault`].
    pub async fn contact_code(&self) -> Result<String, AccountFault> {
        self.act(membership::contact_code).await
    }

    /// Follows the code of a person.
    ///
    /// # Errors
    /// [`MembershipFault`].
    pub async fn add_contact(&self, code: &str) -> Result<(), AccountFault> {
        let code = code.to_owned();
        self.act(move |tx, now| membership::add_code(tx, &code, now).map(drop)).await
    }

    /// Introduces two contacts to each other.
    ///
    /// # Errors
    /// [`MembershipFault`].
    pub async fn introduce(&self, one: &str, other: &str, note: &str) -> Result<(), AccountFault> {
        let (one, other, note) = (one.to_owned(), other.to_owned(), note_of(note)?);
        self.act(move |tx, now| membership::introduce(tx, &one, &other, &note, now)).await
    }

    /// Begins to compare words with a contact, or goes on with what the other has begun.
    ///
    /// # Errors
    /// [`MembershipFault`].
    pub async fn start_comparison(&self, with: &str) -> Result<(), AccountFault> {
        let with = with.to_owned();
        self.act(move |tx, now| membership::start_comparison(tx, &with, now)).await
    }

    /// How far a comparison has come: the six words, once both sides are there.
    ///
    /// # Errors
    /// [`MembershipFault`].
    pub async fn compare(&self, with: &str) -> Result<Comparison, AccountFault> {
        let with = with.to_owned();
        self.act(move |tx, _| membership::compare(tx, &with)).await
    }

    /// Records what the comparison found.
    ///
    /// # Errors
    /// [`MembershipFault`].
    pub async fn confirm(&self, with: &str, found: membership::Found) -> Result<(), AccountFault> {
        let with = with.to_owned();
        self.act(move |tx, now| membership::confirm(tx, &with, found, now)).await
    }

    /// What went wrong that people must see.
    ///
    /// # Errors
    /// The vault's.
    pub async fn warnings(&self) -> Result<Vec<Warning>, AccountFault> {
        self.look(|tx, _| warning::list(tx)).await
    }
}

fn address(text: &str) -> Result<RelayAddress, AccountFault> {
    text.parse().map_err(|fault: AddressFault| fault.into())
}

fn name(text: &str) -> Result<relevo_protocol::trust::Name, AccountFault> {
    text.parse().map_err(|_| AccountFault::Name)
}

fn note_of(text: &str) -> Result<Note, AccountFault> {
    text.parse().map_err(|_| AccountFault::Name)
}
