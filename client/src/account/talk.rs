//! Conversations as people use them: by name.

use std::time::Duration;

use relevo_protocol::content::{Body, GroupId, Kind as Known, Language, MessageId, Text};
use relevo_protocol::time::Timestamp;
use relevo_protocol::trust::{AllianceId, MemberKey};
use relevo_protocol::wire::RelayAddress;

use super::converse::{Converse, reached};
use super::names::{Meant, group_named, is_taken, meant, name_of};
use super::{Account, AccountFault};
use crate::conversation::{self, Alarm, Conversation, Conviction, HeldBack, Keeper, MessageState};
use crate::inbox;
use crate::link::LinkFault;
use crate::membership::{self, MembershipFault, charter};
use crate::quiet::shows_only;
use crate::sync;
use crate::vault::settings::Setting;
use crate::vault::{Transaction, relays};

/// Number of the last message that was shown.
const SHOWN: Setting<i64> = Setting::named("talk.shown");

/// How long a relay to move to is tried.
const REACH: Duration = Duration::from_secs(20);

/// Something that was said.
#[derive(Clone, PartialEq, Eq)]
pub struct Spoken {
    /// Its number here; grows.
    pub number: i64,
    /// Its id, the same for everybody.
    pub id: MessageId,
    /// The conversation.
    pub conversation: GroupId,
    /// The conversation's name.
    pub conversation_name: String,
    /// Who said it.
    pub author: String,
    /// Whether that is ourselves.
    pub is_ours: bool,
    /// When, as its author claims.
    pub sent: Timestamp,
    /// When it came here.
    pub received: Timestamp,
    /// How it stands.
    pub state: MessageState,
    /// What was said.
    pub what: What,
}

/// Who comes along when a conversation is founded anew, by name.
#[derive(Clone, PartialEq, Eq)]
pub struct Refounded {
    /// Invited.
    pub invited: Vec<String>,
    /// Members whom this device cannot reach outside of the old one.
    pub unreached: Vec<String>,
}

shows_only! { Refounded { } }

/// What was said.
#[derive(Clone, PartialEq, Eq)]
pub enum What {
    /// Words.
    Text(String),
    /// A document; see the list of documents.
    Document(String),
    /// An alert; see the list of alerts.
    Alert,
    /// The author wants to leave the group.
    Leave,
    /// Of a kind that needs a newer version.
    Newer,
}

shows_only! { Spoken { number, is_ours, state, what } }

impl std::fmt::Debug for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text",
            Self::Document(_) => "Document",
            Self::Alert => "Alert",
            Self::Leave => "Leave",
            Self::Newer => "Newer",
        })
    }
}

impl Account {
    /// Says something to a contact or a group. It is on its way when this returns, and `Waiting` until its echo is seen.
    ///
    /// # Errors
    /// [`AccountFault::NoSuchName`], [`AccountFault::AmbiguousName`], or the conversation's.
    pub async fn send(&self, to: &str, text: &str, language: Option<Language>) -> Result<MessageId, AccountFault> {
        let (to, text) = (to.to_owned(), text.to_owned());
        self.converse(move |with| {
            let text: Text = text.parse().map_err(|_| crate::conversation::ConversationFault::TooLong)?;
            let group = with.conversation_with(&to)?;
            with.desk(|desk| desk.send(&group, Body::Text { text, language }))
        })
        .await
    }

    /// What was said after message number `after`, in one conversation, with those that it continues, or in all, oldest first,
    /// at most `limit`.
    ///
    /// # Errors
    /// [`AccountFault::NoSuchName`].
    pub async fn messages(&self, with: Option<&str>, after: i64, limit: u32) -> Result<Vec<Spoken>, AccountFault> {
        let with = with.map(str::to_owned);
        self.look(move |tx, _| {
            let groups = match with {
                Some(name) => {
                    let group = match meant(tx, &name)? {
                        Meant::Conversation(group) => Some(group),
                        Meant::Contact(member) => conversation::pair_with(tx, &member)?,
                    };
                    conversation::lineage(tx, &group.ok_or(AccountFault::NoSuchName)?)?
                }
                None => conversation::conversations_of(tx)?.into_iter().map(|one| one.id).collect(),
            };
            let mut all = Vec::new();
            for group in groups {
                all.extend(spoken(tx, &group, after, limit)?);
            }
            all.sort_by_key(|message| message.number);
            all.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            Ok::<_, AccountFault>(all)
        })
        .await
    }

    /// Number of the last message that was shown to the person, so that `read` shows each new one once.
    ///
    /// # Errors
    /// The vault's.
    pub async fn shown(&self) -> Result<i64, AccountFault> {
        self.look(|tx, _| SHOWN.read(tx).map(|shown| shown.unwrap_or(0))).await
    }

    /// Notes that everything up to a message was shown.
    ///
    /// # Errors
    /// The vault's.
    pub async fn set_shown(&self, number: i64) -> Result<(), AccountFault> {
        self.act(move |tx, _| match SHOWN.read(tx)? {
            Some(shown) if shown >= number => Ok(()),
            _ => SHOWN.write(tx, &number),
        })
        .await
    }

    /// All conversations, the most recently active first.
    ///
    /// # Errors
    /// The vault's.
    pub async fn conversations(&self) -> Result<Vec<Conversation>, AccountFault> {
        self.look(|tx, _| {
            let mut all = conversation::conversations_of(tx)?;
            let me = membership::me(tx)?.member;
            // A pair has no name of its own: it is called by the other.
            for one in &mut all {
                one.name = name_of(tx, one, &me)?;
            }
            Ok::<_, AccountFault>(all)
        })
        .await
    }

    /// What went wrong in conversations that people must see.
    ///
    /// # Errors
    /// The vault's.
    pub async fn alarms(&self) -> Result<Vec<Alarm>, AccountFault> {
        self.look(|tx, _| conversation::alarms(tx)).await
    }

    /// What relays have signed that cannot be true of what they gave us: proof of their lies.
    ///
    /// # Errors
    /// The vault's.
    pub async fn convictions(&self) -> Result<Vec<Conviction>, AccountFault> {
        self.look(|tx, _| conversation::convictions(tx)).await
    }

    /// Conversations in which words of ours have waited for ten minutes and more, who holds them, and since when.
    ///
    /// # Errors
    /// The vault's.
    pub async fn silent(&self) -> Result<Vec<(GroupId, Keeper, Timestamp)>, AccountFault> {
        self.look(conversation::silent).await
    }

    /// Groups in which changes of ours wait for what others may know.
    ///
    /// # Errors
    /// The vault's.
    pub async fn changes_held_back(&self) -> Result<Vec<HeldBack>, AccountFault> {
        self.look(conversation::changes_held_back).await
    }

    /// Messages and commits of ours that wait for the network.
    ///
    /// # Errors
    /// The vault's.
    pub async fn waiting(&self) -> Result<u64, AccountFault> {
        self.look(|tx, _| conversation::waiting(tx)).await
    }

    /// Starts a group with contacts. The first of them helps to administrate it.
    ///
    /// # Errors
    /// [`MembershipFault::NoSuchContact`], or the conversation's.
    pub async fn create_group(&self, name: &str, members: &[String]) -> Result<GroupId, AccountFault> {
        let (name, members) = (name.to_owned(), members.to_vec());
        self.converse(move |with| {
            if is_taken(with.tx, &name)? {
                return Err(AccountFault::NameTaken);
            }
            let people = people(with.tx, &members)?;
            let relay = home(with.tx)?;
            let second = people.first().map(|(member, _)| *member);
            with.desk(|desk| desk.create_group(&name, people, second, &relay))
        })
        .await
    }

    /// Adds contacts to a group.
    ///
    /// # Errors
    /// [`MembershipFault::NoSuchContact`], or the conversation's.
    pub async fn add(&self, group: &str, members: &[String]) -> Result<(), AccountFault> {
        let (group, members) = (group.to_owned(), members.to_vec());
        self.converse(move |with| {
            let group = group_named(with.tx, &group)?;
            let people = people(with.tx, &members)?;
            with.desk(|desk| desk.add(&group, people))
        })
        .await
    }

    /// Removes a member from a group, which moves to a new mailbox. Says so; false of somebody who was not in yet, and is not
    /// added.
    ///
    /// # Errors
    /// The conversation's.
    pub async fn remove(&self, group: &str, member: &str) -> Result<bool, AccountFault> {
        let (group, member) = (group.to_owned(), member.to_owned());
        self.converse(move |with| {
            let group = group_named(with.tx, &group)?;
            // Whoever is not in yet has no seat there, but is a contact.
            let member = match seated(with.tx, &group, &member) {
                Err(AccountFault::NoSuchName) => membership::find_contact(with.tx, &member)?.member,
                seated => seated?,
            };
            with.desk(|desk| desk.remove(&group, &[member]))
        })
        .await
    }

    /// Moves a conversation, with a contact or of a group, to another relay of the charter, named by host, `host:port` or
    /// the beginning of its fingerprint. Returns once that relay was reached: a move to one that cannot be reached would
    /// hold the conversation up.
    ///
    /// # Errors
    /// [`conversation::ConversationFault::NoSuchRelay`], [`AccountFault::Link`], or the conversation's.
    pub async fn move_conversation(&self, name: &str, relay: &str) -> Result<(), AccountFault> {
        let (name, wanted) = (name.to_owned(), relay.to_lowercase());
        let (group, relay) =
            self.converse(move |with| Ok((with.known_conversation(&name)?, with.relay_called(&wanted)?))).await?;
        self.reach(&relay).await?;
        self.converse(move |with| with.desk(|desk| desk.move_to(&group, &relay))).await
    }

    /// Founds a conversation anew, with a contact or of a group, that cannot go on: with all its members but `without`, at a
    /// relay of the charter named as above, or where it was. Returns once that relay was reached.
    ///
    /// # Errors
    /// [`conversation::ConversationFault::NoSuchRelay`], [`AccountFault::Link`], or the conversation's.
    pub async fn refound(
        &self,
        name: &str,
        without: &[String],
        relay: Option<&str>,
    ) -> Result<Refounded, AccountFault> {
        let (name, without, wanted) = (name.to_owned(), without.to_vec(), relay.map(str::to_lowercase));
        let (group, without, relay) = self
            .converse(move |with| {
                let group = with.known_conversation(&name)?;
                let without =
                    without.iter().map(|name| seated(with.tx, &group, name)).collect::<Result<Vec<_>, _>>()?;
                let relay = match wanted {
                    Some(wanted) => with.relay_called(&wanted)?,
                    None => with.relay_of(&group)?,
                };
                Ok((group, without, relay))
            })
            .await?;
        self.reach(&relay).await?;
        self.converse(move |with| {
            let anew = with.desk(|desk| desk.refound(&group, &without, &relay))?;
            let before = conversation::conversation(with.tx, &group)?.map(|one| one.members).unwrap_or_default();
            let called = |member: &MemberKey| {
                let seat = before.iter().find(|seat| seat.member == *member);
                match seat {
                    Some(seat) => Ok(seat.pseudonym.clone()),
                    None => Ok(membership::contacts(with.tx)?
                        .into_iter()
                        .find(|contact| contact.member == *member)
                        .map_or_else(String::new, |contact| contact.pseudonym.as_str().to_owned())),
                }
            };
            let names = |all: &[MemberKey]| all.iter().map(called).collect::<Result<Vec<_>, AccountFault>>();
            Ok(Refounded { invited: names(&anew.invited)?, unreached: names(&anew.unreached)? })
        })
        .await
    }

    /// Waits until a relay is reached: what goes on at one that cannot be would not go on at all.
    async fn reach(&self, relay: &RelayAddress) -> Result<(), AccountFault> {
        let Err(status) = self.runner.session(relay.fingerprint, REACH).await? else { return Ok(()) };
        let row = status.relays.iter().find(|row| row.relay == relay.fingerprint);
        Err(row.and_then(|row| row.fault).unwrap_or(LinkFault::Unreachable).into())
    }

    /// Leaves a group: an administrator who is online carries it out.
    ///
    /// # Errors
    /// The conversation's.
    pub async fn leave(&self, group: &str) -> Result<(), AccountFault> {
        let group = group.to_owned();
        self.converse(move |with| {
            let group = group_named(with.tx, &group)?;
            with.desk(|desk| desk.leave(&group))
        })
        .await
    }

    /// Gives a group another name.
    ///
    /// # Errors
    /// The conversation's.
    pub async fn rename(&self, group: &str, name: &str) -> Result<(), AccountFault> {
        let (group, name) = (group.to_owned(), name.to_owned());
        self.converse(move |with| {
            let group = group_named(with.tx, &group)?;
            with.desk(|desk| desk.rename(&group, &name))
        })
        .await
    }
}

impl Converse<'_> {
    /// The conversation that a person means: a group of this name, or the pair with a contact, started if need be.
    pub(super) fn conversation_with(&mut self, name: &str) -> Result<GroupId, AccountFault> {
        let member = match meant(self.tx, name)? {
            Meant::Conversation(group) => return self.desk(|desk| desk.revived(&group)),
            Meant::Contact(member) => member,
        };
        if let Some(pair) = conversation::pair_with(self.tx, &member)? {
            // Begun, and the other has not joined yet.
            return Ok(pair);
        }
        let person = reached(self.tx, &member)?;
        let relay = home(self.tx)?;
        self.desk(|desk| desk.create_pair(person, &relay))
    }

    /// The conversation that a person means, of those that are there.
    fn known_conversation(&mut self, name: &str) -> Result<GroupId, AccountFault> {
        match meant(self.tx, name)? {
            Meant::Conversation(group) => Ok(group),
            Meant::Contact(member) => conversation::pair_with(self.tx, &member)?.ok_or(AccountFault::NoSuchName),
        }
    }

    /// The relay of the charter that a person names, which may be one that was not met yet.
    fn relay_called(&mut self, name: &str) -> Result<RelayAddress, AccountFault> {
        let relay = charter::relay_named(self.tx, name)?.ok_or(conversation::ConversationFault::NoSuchRelay)?;
        if relays::find(self.tx, &relay.fingerprint)?.is_none() {
            sync::remember_relay(self.tx, &relay)?;
        }
        Ok(relay)
    }

    /// The relay that holds a conversation's mailbox.
    pub(super) fn relay_of(&mut self, group: &GroupId) -> Result<RelayAddress, AccountFault> {
        self.desk(|desk| desk.relay_of(group))
    }

    /// The alliance that we belong to.
    pub(super) fn alliance(&mut self) -> Result<AllianceId, AccountFault> {
        Ok(charter::known_alliance(self.tx)?.ok_or(MembershipFault::NotMember)?)
    }
}

fn people(
    tx: &Transaction<'_>,
    names: &[String],
) -> Result<Vec<(MemberKey, relevo_protocol::content::InboxAddress)>, AccountFault> {
    names.iter().map(|name| reached(tx, &membership::find_contact(tx, name)?.member)).collect()
}

fn seated(tx: &Transaction<'_>, group: &GroupId, name: &str) -> Result<MemberKey, AccountFault> {
    let seats = conversation::conversation(tx, group)?.map(|one| one.members).unwrap_or_default();
    let found: Vec<MemberKey> =
        seats.into_iter().filter(|seat| seat.pseudonym == name).map(|seat| seat.member).collect();
    match found.as_slice() {
        [] => Err(AccountFault::NoSuchName),
        [one] => Ok(*one),
        _ => Err(AccountFault::AmbiguousName),
    }
}

/// The relay of our own inbox, where conversations that we start live.
fn home(tx: &Transaction<'_>) -> Result<RelayAddress, AccountFault> {
    Ok(inbox::home(tx)?)
}

fn spoken(tx: &Transaction<'_>, group: &GroupId, after: i64, limit: u32) -> Result<Vec<Spoken>, AccountFault> {
    let me = membership::me(tx)?;
    let Some(one) = conversation::conversation(tx, group)? else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    let conversation_name = name_of(tx, &one, &me.member)?;
    for said in conversation::said(tx, group, after, limit)? {
        let what = match &said.body {
            Known::Known(Body::Text { text, .. }) => What::Text(text.as_str().to_owned()),
            Known::Known(Body::Alert { .. }) => What::Alert,
            Known::Known(Body::Document { manifest, .. }) => What::Document(document_name(tx, manifest)?),
            Known::Known(Body::Leave { .. }) => What::Leave,
            // Not for people.
            Known::Known(Body::Receipt { .. } | Body::Reaction { .. } | Body::Posted { .. }) => continue,
            Known::Newer(_) => What::Newer,
        };
        let seat = one.members.iter().find(|seat| seat.member == said.author);
        let author = match seat {
            Some(seat) => seat.pseudonym.clone(),
            None if said.author == me.member => me.pseudonym.as_str().to_owned(),
            // Left or removed since.
            None => match membership::person::known(tx, &said.author) {
                Ok(person) => person.map_or_else(String::new, |person| person.pseudonym.as_str().to_owned()),
                Err(fault) if fault.is_vaults() => return Err(fault.into()),
                // One whom the charter does not bear out any more has said it all the same.
                Err(_) => String::new(),
            },
        };
        all.push(Spoken {
            number: said.number,
            id: said.id,
            conversation: said.group,
            conversation_name: conversation_name.clone(),
            is_ours: said.author == me.member,
            author,
            sent: said.sent,
            received: said.received,
            state: said.state,
            what,
        });
    }
    Ok(all)
}

fn document_name(
    tx: &Transaction<'_>,
    manifest: &relevo_protocol::trust::Signed<relevo_protocol::content::Manifest>,
) -> Result<String, AccountFault> {
    let known = crate::document::list(tx)?.into_iter().find(|known| known.manifest.bytes() == manifest.bytes());
    Ok(known.map_or_else(String::new, |known| known.manifest.name.as_str().to_owned()))
}
