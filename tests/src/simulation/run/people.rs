//! What people do in a run.

#![expect(clippy::indexing_slicing, reason = "clients and relays are named by their places in a world of fixed size")]

use std::time::Duration;

use relevo_client::account::{AccountFault, NewAlert};
use relevo_client::conversation::{Conversation, Kind as Sort, Standing};
use relevo_protocol::content::{AlertAnswer, AlertText, GroupId, Severity};

use super::Run;
use crate::simulation::op::Op;
use crate::simulation::town::NAMES;

#[derive(Clone, Copy)]
pub(super) enum Verb {
    Add,
    Remove,
    Leave,
    Rename,
}

impl Run {
    pub(super) fn send(&mut self, op: &Op, who: usize) -> anyhow::Result<String> {
        let Some(group) = self.group(op, who)? else { return Ok("no group".to_owned()) };
        self.say(who, &group.name, Some(group.id))
    }

    pub(super) fn tell(&mut self, who: usize, whom: usize) -> anyhow::Result<String> {
        if who == whom {
            return Ok("oneself".to_owned());
        }
        self.say(who, NAMES[whom], None)
    }

    pub(super) fn say(&mut self, who: usize, to: &str, group: Option<GroupId>) -> anyhow::Result<String> {
        if !self.world.is_open(who) {
            return Ok("away".to_owned());
        }
        let text = self.model.next_text();
        let (words, name) = (text.clone(), to.to_owned());
        let done = self.world.act(who, async move |one| one.send(&name, &words, None).await)?;
        if let Some(Err(fault)) = done {
            return verdict(fault);
        }
        // The power may have gone at any moment of it: what counts is what is in the vault.
        self.world.open(who)?;
        let view = self.view(who)?;
        let Some(found) = view.saying(&text) else { return Ok("lost with the power".to_owned()) };
        let invited = if group.is_none() { NAMES.iter().position(|name| *name == to) } else { None };
        if let Some(invited) = invited {
            self.model.invited(who, found, invited);
        }
        self.model.said(who, &text, &view, found);
        Ok("said".to_owned())
    }

    pub(super) fn read(&mut self, who: usize) -> anyhow::Result<String> {
        if !self.world.is_open(who) {
            return Ok("away".to_owned());
        }
        let view = self.view(who)?;
        self.model.read(who, &view)?;
        Ok(format!("{} messages", view.messages.len()))
    }

    pub(super) fn create(&mut self, op: &Op, who: usize) -> anyhow::Result<String> {
        let people = self.world.clients.len();
        let first = op.place(1, people);
        let count = 1 + op.place(2, people.saturating_sub(1));
        let members: Vec<usize> =
            (0..people).map(|at| (first + at) % people).filter(|at| *at != who).take(count).collect();
        self.names += 1;
        let name = format!("Mesa {}", self.names);
        let invited: Vec<String> = members.iter().map(|at| NAMES[*at].to_owned()).collect();
        if !self.world.is_open(who) {
            return Ok("away".to_owned());
        }
        let called = name.clone();
        let done = self.world.act(who, async move |one| one.create_group(&called, &invited).await)?;
        match done {
            None => {
                self.world.open(who)?;
                let made = self.view(who)?.conversations.into_iter().find(|one| one.name == name);
                for (one, member) in made.iter().flat_map(|one| members.iter().map(move |member| (one, member))) {
                    self.model.invited(who, one.id, *member);
                }
                Ok("cut".to_owned())
            }
            Some(Ok(group)) => {
                for member in members {
                    self.model.invited(who, group, member);
                }
                Ok(format!("group {}", self.model.group(&group)))
            }
            Some(Err(fault)) => verdict(fault),
        }
    }

    pub(super) fn in_group(&mut self, op: &Op, who: usize, verb: Verb) -> anyhow::Result<String> {
        let Some(group) = self.group(op, who)? else { return Ok("no group".to_owned()) };
        let people = self.world.clients.len();
        let whom = op.place(2, people);
        let (name, person) = (group.name.clone(), NAMES[whom].to_owned());
        let done = match verb {
            Verb::Add => self.world.act(who, async move |one| one.add(&name, &[person]).await)?,
            Verb::Remove => self.world.act(who, async move |one| one.remove(&name, &person).await.map(|_| ()))?,
            Verb::Leave => self.world.act(who, async move |one| one.leave(&name).await)?,
            Verb::Rename => {
                self.names += 1;
                let new = format!("Mesa {}", self.names);
                self.world.act(who, async move |one| one.rename(&name, &new).await)?
            }
        };
        match done {
            // None: the power went, perhaps after it was done.
            None | Some(Ok(())) => {
                match verb {
                    Verb::Add => self.model.invited(who, group.id, whom),
                    Verb::Remove => self.model.out(group.id, whom),
                    Verb::Leave => self.model.out(group.id, who),
                    Verb::Rename => {}
                }
                Ok("meant".to_owned())
            }
            Some(Err(fault)) => verdict(fault),
        }
    }

    pub(super) fn move_away(&mut self, op: &Op, who: usize) -> anyhow::Result<String> {
        let Some(one) = self.conversation(op, who, |_| true)? else { return Ok("no conversation".to_owned()) };
        let name = called(&one, who);
        let host = self.world.host(op.place(2, self.world.relays.len()));
        let begun = self.world.move_conversation(who, name, host)?;
        Ok(if begun { "begun" } else { "away" }.to_owned())
    }

    pub(super) fn refound(&mut self, op: &Op, who: usize) -> anyhow::Result<String> {
        let Some(one) = self.conversation(op, who, |_| true)? else { return Ok("no conversation".to_owned()) };
        // Half of the groups without anybody left out.
        let others: Vec<usize> =
            one.members.iter().filter_map(|seat| NAMES.iter().position(|name| *name == seat.pseudonym)).collect();
        let others: Vec<usize> = others.into_iter().filter(|whom| *whom != who && one.kind == Sort::Group).collect();
        let without = others.get(op.place(2, 2 * others.len().max(1))).copied();
        let begun = self.world.refound(who, called(&one, who), one.id, without)?;
        Ok(if begun { "begun" } else { "away" }.to_owned())
    }

    pub(super) fn alert(&mut self, op: &Op, who: usize) -> anyhow::Result<String> {
        let Some(group) = self.group(op, who)? else { return Ok("no group".to_owned()) };
        let text = self.model.next_text();
        let alert = NewAlert {
            texts: vec![AlertText { language: "es".parse()?, text: text.parse()? }],
            severity: Severity::Urgent,
            life: Duration::from_secs(3 * 86_400),
            answer_wanted: true,
            drill: false,
        };
        let name = group.name.clone();
        match self.world.act(who, async move |one| one.send_alert(&name, alert).await)? {
            None => Ok("away".to_owned()),
            Some(Ok(_)) => Ok("alerted".to_owned()),
            Some(Err(fault)) => verdict(fault),
        }
    }

    pub(super) fn answer(&mut self, who: usize) -> anyhow::Result<String> {
        let Some(alerts) = self.world.act(who, async |one| one.alerts().await)? else { return Ok("away".to_owned()) };
        let Some(open) = alerts?.into_iter().find(|alert| alert.answer.is_none()) else { return Ok("none".to_owned()) };
        let done = self.world.act(who, async move |one| one.answer_alert(open.number, AlertAnswer::Read).await)?;
        match done {
            None => Ok("cut".to_owned()),
            Some(Ok(())) => {
                self.model.answered(who, &open);
                Ok("answered".to_owned())
            }
            Some(Err(fault)) => verdict(fault),
        }
    }

    /// A group that somebody is in, by its number in the order in which groups were first seen.
    pub(super) fn group(&mut self, op: &Op, who: usize) -> anyhow::Result<Option<Conversation>> {
        self.conversation(op, who, |kind| kind == Sort::Group)
    }

    /// A conversation of such a kind that somebody is in, by its number.
    fn conversation(
        &mut self,
        op: &Op,
        who: usize,
        is_meant: impl Fn(Sort) -> bool,
    ) -> anyhow::Result<Option<Conversation>> {
        let Some(all) = self.world.act(who, async |one| one.conversations().await)? else { return Ok(None) };
        let mut all: Vec<Conversation> =
            all?.into_iter().filter(|one| is_meant(one.kind) && one.standing == Standing::Live).collect();
        all.retain(|one| one.successor.is_none());
        all.sort_by_key(|one| self.model.group(&one.id));
        if all.is_empty() {
            return Ok(None);
        }
        let place = op.place(1, all.len());
        Ok(Some(all.swap_remove(place)))
    }
}

/// What somebody calls a conversation: a pair by the other's name.
fn called(one: &Conversation, who: usize) -> String {
    match one.kind {
        Sort::Group => one.name.clone(),
        Sort::Pair => {
            let other = one.members.iter().find(|seat| seat.pseudonym != NAMES[who]);
            other.map(|seat| seat.pseudonym.clone()).unwrap_or_default()
        }
    }
}

/// A verb that is refused is no fault of anybody; a vault that fails is.
pub(super) fn verdict(fault: AccountFault) -> anyhow::Result<String> {
    if let AccountFault::Vault(_) | AccountFault::Closed = fault {
        return Err(fault.into());
    }
    Ok(fault.code().to_owned())
}
