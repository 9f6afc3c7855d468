//! What holds, looked for in what everybody sees.

#![expect(clippy::indexing_slicing, reason = "views are named by their clients' places")]

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{bail, ensure};
use relevo_client::account::{Spoken, What};
use relevo_client::conversation::{AlarmKind, Conversation, Kind, MessageState, Standing};
use relevo_client::document::DocumentState;
use relevo_client::membership::warning::{Kind as Warned, Warning};
use relevo_protocol::content::GroupId;

use super::excuses::is_strangers;
use super::{Broken, DocumentCopy, Model, RETENTION, Sent, View, places};
use crate::simulation::town::NAMES;

impl Model {
    /// What holds at every moment of what one member sees.
    ///
    /// # Errors
    /// What does not hold.
    pub fn read(&self, who: usize, view: &View) -> anyhow::Result<()> {
        let mut seen = BTreeSet::new();
        for message in &view.messages {
            let Some(text) = words(&message.what) else { continue };
            let Some(sent) = self.sent.get(text) else {
                // Said by somebody whose vault went back, or posted by a device whose power went, before the model heard of it.
                let author = self.begun.get(text).map(|author| NAMES[*author]);
                let began = author.is_some_and(|author| message.author.is_empty() || message.author == author);
                ensure!(began || !self.rolled.is_empty(), "{} reads {text}, which nobody said", NAMES[who]);
                continue;
            };
            let again = matches!(message.what, What::Document(_)) && self.rolled.contains(&sent.who);
            // As one conversation where it goes on in another one. What a restored relay lost, and what a device has forgotten that it
            // said, is said again, perhaps before it is judged whether it goes on there.
            let apart = self.relay_rolled || self.rolled.contains(&sent.who);
            let shown = if apart { message.conversation } else { view.present(&message.conversation) };
            ensure!(seen.insert((shown, text)) || again, "{} reads {text} twice", NAMES[who]);
            let same = self.line(message.conversation) == self.line(sent.group);
            ensure!(same, "{} reads {text} in another conversation", NAMES[who]);
            let author = if message.is_ours { NAMES[who] } else { &message.author };
            // One who has left is not always known by name any more.
            ensure!(author.is_empty() || author == NAMES[sent.who], "{} reads {text} as said by {author}", NAMES[who]);
            ensure!(
                self.may_have(sent, who) || again,
                "{} reads {text} of {}, who counted {:?}",
                NAMES[who],
                NAMES[sent.who],
                sent.audience
            );
        }
        Ok(())
    }

    /// What holds when nothing moves any more.
    ///
    /// # Errors
    /// What does not hold.
    pub fn check(&self, views: &[View]) -> Result<(), Broken> {
        self.always(views).map_err(|fault| Broken { what: format!("{fault:#}"), is_final: true })?;
        self.converged(views).map_err(|fault| Broken { what: format!("{fault:#}"), is_final: false })
    }

    fn always(&self, views: &[View]) -> anyhow::Result<()> {
        for (who, view) in views.iter().enumerate() {
            self.read(who, view)?;
            self.copied(who, view)?;
            self.nobody_forged(who, view)?;
            if !self.relay_rolled && self.rolled.is_empty() {
                if let Some(alarm) =
                    view.alarms.iter().find(|alarm| accuses(alarm.kind) && !self.outlived(alarm, views))
                {
                    bail!(
                        "{} is told {:?} of an honest relay, in group {:?}",
                        NAMES[who],
                        alarm.kind,
                        self.groups.get(&alarm.group)
                    );
                }
                if self.slept < RETENTION {
                    let gap = view.alarms.iter().find(|alarm| alarm.kind == AlarmKind::Gap);
                    ensure!(gap.is_none(), "{} is told of a gap before anything expired", NAMES[who]);
                    let brought_back =
                        |one: &&Warning| one.kind == Warned::ParcelRefused && self.brought_back(who, view);
                    let excused =
                        |one: &&Warning| one.kind.code() == "undelivered" || is_late(one, views) || brought_back(one);
                    let warned = view.warnings.iter().find(|one| !excused(one));
                    ensure!(warned.is_none(), "{} is warned: {:?}", NAMES[who], warned.map(|one| one.kind.code()));
                }
            }
        }
        self.in_one_order(views)
    }

    /// What is here of documents is what their authors chose, once, and for whom they chose it.
    fn copied(&self, who: usize, view: &View) -> anyhow::Result<()> {
        let mut seen = BTreeSet::new();
        for copy in &view.copies {
            let name = &copy.name;
            ensure!(copy.is_whole != Some(false), "{} has {name} other than it was", NAMES[who]);
            let shown = self.relay_rolled.then_some(copy.conversation);
            ensure!(seen.insert((shown, name)), "{} has {name} twice", NAMES[who]);
            let Some(sent) = self.sent.get(name) else { continue };
            let may = sent.who == who || self.may_have(sent, who) || self.rolled.contains(&sent.who);
            ensure!(may, "{} has {name}, of others", NAMES[who]);
        }
        Ok(())
    }

    /// Whether words were for somebody.
    fn may_have(&self, sent: &Sent, who: usize) -> bool {
        sent.audience.contains(&who)
    }

    /// Nobody is a member by a leaf that is not theirs.
    fn nobody_forged(&self, who: usize, view: &View) -> anyhow::Result<()> {
        let Some(forger) = self.forger.filter(|forger| *forger != who) else { return Ok(()) };
        for one in view.conversations.iter().filter(|one| self.creators.get(&one.id) != Some(&forger)) {
            ensure!(!places(one).contains(&forger), "{} counts the forger as a member", NAMES[who]);
        }
        Ok(())
    }

    /// All who read two messages of others read them in the same order.
    fn in_one_order(&self, views: &[View]) -> anyhow::Result<()> {
        if self.relay_rolled || !self.rolled.is_empty() {
            return Ok(());
        }
        let orders: Vec<BTreeMap<(GroupId, &str), i64>> = views.iter().map(heard).collect();
        for (one, first) in orders.iter().enumerate() {
            for (other, second) in orders.iter().enumerate().skip(one + 1) {
                let mut both: Vec<(i64, i64, GroupId, &str)> = first
                    .iter()
                    .filter_map(|((group, text), at)| {
                        second.get(&(*group, *text)).map(|too| (*at, *too, *group, *text))
                    })
                    .collect();
                both.sort_unstable_by_key(|row| (row.2, row.0));
                for pair in both.windows(2) {
                    let [earlier, later] = pair else { continue };
                    ensure!(
                        earlier.2 != later.2 || earlier.1 < later.1,
                        "{} reads {} before {}, {} the other way round",
                        NAMES[one],
                        earlier.3,
                        later.3,
                        NAMES[other]
                    );
                }
            }
        }
        Ok(())
    }

    fn converged(&self, views: &[View]) -> anyhow::Result<()> {
        for (who, view) in views.iter().enumerate() {
            if self.rolled.contains(&who) {
                continue;
            }
            if !self.relay_rolled {
                self.nothing_waits(who, view)?;
            }
            let present = |one: &&Conversation| !view.is_told(&one.id) && one.successor.is_none();
            for one in view.conversations.iter().filter(present) {
                self.agreed(who, one, views)?;
            }
            self.delivered(who, view, views)?;
            self.moved(who, view)?;
        }
        self.answers_came(views)
    }

    fn nothing_waits(&self, who: usize, view: &View) -> anyhow::Result<()> {
        for message in view.messages.iter().filter(|message| message.is_ours) {
            let told = view.is_told(&message.conversation);
            let alone = view.conversation(&message.conversation).is_some_and(|one| one.members.len() < 2);
            if let (Some(text), MessageState::Waiting) = (words(&message.what), message.state) {
                ensure!(told || alone, "{text} of {} waits for ever", NAMES[who]);
            }
        }
        Ok(())
    }

    /// Whoever somebody counts as a member sees the same.
    fn agreed(&self, who: usize, one: &Conversation, views: &[View]) -> anyhow::Result<()> {
        let members = places(one);
        let group = self.groups.get(&one.id);
        for other in members.iter().filter(|other| **other != who && !self.rolled.contains(other)) {
            let view = &views[*other];
            // A welcome that went with a relay's lost days, or with a vault's, is not sent again yet.
            let meant = |who: &usize| self.meant.contains(&(*who, one.id, *other));
            let forgotten = self.rolled.iter().any(meant);
            let Some(theirs) = view.conversation(&one.id) else {
                if self.relay_rolled || self.forger.is_some() || forgotten {
                    continue;
                }
                // One that waited longer than it opens, as for a relay that was full: whoever sent it is told.
                if self.slept >= RETENTION && self.undelivered(one, *other, views) {
                    continue;
                }
                bail!(
                    "{} counts {} as a member of group {group:?}, who has not heard of it",
                    NAMES[who],
                    NAMES[*other]
                );
            };
            let told = view.is_told(&one.id) && theirs.standing != Standing::Left;
            let out = theirs.standing == Standing::Left;
            if told || out && forgotten || self.parted(&one.id, &views[who], view) || is_strangers(one, theirs, view) {
                continue;
            }
            ensure!(
                theirs.standing == Standing::Live,
                "{} counts {} as a member of group {group:?}, who is {:?}",
                NAMES[who],
                NAMES[*other],
                theirs.standing
            );
            ensure!(
                places(theirs) == members && (one.kind == Kind::Pair || theirs.name == one.name),
                "{} and {} do not agree on group {group:?}: {members:?} {} and {:?} {}",
                NAMES[who],
                NAMES[*other],
                one.name,
                places(theirs),
                theirs.name
            );
        }
        Ok(())
    }

    /// What somebody saw accepted is with everybody entitled to it.
    fn delivered(&self, who: usize, view: &View, views: &[View]) -> anyhow::Result<()> {
        for message in view.messages.iter().filter(|message| message.is_ours) {
            let Some(text) = words(&message.what) else { continue };
            if !matches!(message.state, MessageState::Sent | MessageState::Delivered) {
                continue;
            }
            // Where it was said at last, if it went on there.
            let group = message.conversation;
            let Some(sent) = self.sent.get(text).filter(|sent| !self.excused(view, &group, sent)) else { continue };
            for reader in sent.members.iter().filter(|reader| **reader != who && !self.rolled.contains(reader)) {
                let theirs = &views[*reader];
                // Who was to be out at some time may have been out when it came; who is told knows.
                let out = self.out.iter().any(|(of, whom)| whom == reader && self.line(*of) == self.line(group));
                let entitled = !out
                    && theirs.is_live(&group)
                    && !self.excused(theirs, &group, sent)
                    && !self.parted(&group, view, theirs)
                    && !self.came_late(&group, *reader, views)
                    && !self.shut_out(sent, &group, theirs)
                    && view.conversation(&group).is_some_and(|one| places(one).contains(reader));
                let here = |read: &&Spoken| self.line(read.conversation) == self.line(group);
                let has = theirs.messages.iter().filter(here).any(|read| words(&read.what) == Some(text));
                ensure!(
                    has || !entitled,
                    "{text} of {} in group {:?} never reaches {}",
                    NAMES[who],
                    self.groups.get(&group),
                    NAMES[*reader]
                );
            }
        }
        Ok(())
    }

    /// Every document that somebody was told of is here whole, and every one that somebody began to send is sent, unless
    /// its author is told that the conversation is over.
    fn moved(&self, who: usize, view: &View) -> anyhow::Result<()> {
        if self.relay_rolled {
            return Ok(());
        }
        for message in &view.messages {
            let What::Document(name) = &message.what else { continue };
            let author = self.sent.get(name).map(|sent| sent.who);
            if message.is_ours || self.slept >= RETENTION || author.is_none_or(|author| self.rolled.contains(&author)) {
                continue;
            }
            let copy = view.copies.iter().find(|copy| copy.name == *name);
            let state = copy.map(|copy| copy.state);
            ensure!(state == Some(DocumentState::Here), "{} cannot have {name}: {state:?}", NAMES[who]);
        }
        let present = |copy: &&DocumentCopy| !view.is_told(&view.present(&copy.conversation));
        for copy in view.copies.iter().filter(present) {
            ensure!(copy.state != DocumentState::Failed, "{} of {} was given up", copy.name, NAMES[who]);
            ensure!(copy.state != DocumentState::Sending, "{} of {} is never sent", copy.name, NAMES[who]);
        }
        Ok(())
    }

    fn answers_came(&self, views: &[View]) -> anyhow::Result<()> {
        for (who, hash, sender) in &self.answers {
            if self.rolled.contains(who) || self.rolled.contains(sender) || self.relay_rolled {
                continue;
            }
            let alert = views[*sender].sent_alerts.iter().find(|alert| alert.hash == *hash);
            let came = alert.is_some_and(|alert| {
                alert.read.iter().chain(&alert.need_help).any(|answer| answer.pseudonym == NAMES[*who])
            });
            ensure!(came, "the answer of {} to an alert never reaches {}", NAMES[*who], NAMES[*sender]);
        }
        Ok(())
    }
}

/// Alarms that say that a relay has lied or lost something.
fn accuses(kind: AlarmKind) -> bool {
    matches!(
        kind,
        AlarmKind::Rollback
            | AlarmKind::ChainBroken
            | AlarmKind::Disagreement
            | AlarmKind::Lie
            | AlarmKind::MissingCommit
            | AlarmKind::Halted
            | AlarmKind::LostCommit
            | AlarmKind::Complaint
    )
}

/// Whether a warning is of an alert that came after its end.
fn is_late(warning: &Warning, views: &[View]) -> bool {
    let Warned::AlertRefused { alert, .. } = &warning.kind else { return false };
    views.iter().flat_map(|view| &view.sent_alerts).any(|sent| sent.hash == *alert && sent.expires <= warning.at)
}

/// What somebody heard of others, with its place.
fn heard(view: &View) -> BTreeMap<(GroupId, &str), i64> {
    let others = view.messages.iter().filter(|message| !message.is_ours);
    others
        .filter_map(|message| words(&message.what).map(|text| ((message.conversation, text), message.number)))
        .collect()
}

/// What was said, or what the document is called that was posted.
pub(super) fn words(what: &What) -> Option<&str> {
    match what {
        What::Text(words) | What::Document(words) => Some(words),
        What::Alert | What::Leave | What::Newer => None,
    }
}
