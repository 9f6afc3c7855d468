//! What must hold, whatever happens, and what is known not to.
//!
//! Holds always:
//! 1. Every message whose author saw it accepted reaches every member entitled to it once, unless expiry was told.
//! 2. All who read two messages of others read them in the same order.
//! 3. Nobody reads what was said while the author's device did not count them among the members, unless the author
//!    invites them.
//! 4. What is read was said so, by its author.
//! 5. Honest members of a conversation agree on name and members, or are told that they don't.
//! 6. After faults stop, nothing waits for ever, nobody is left outside whom the others count as a member, and no person
//!    had to act.
//! 7. Nobody accuses an honest relay.
//! 8. An answer to an alert that was given reaches the alert's sender.
//! 9. No nonce seals two entries (held where entries enter relays).
//!
//! Known not to hold:
//! - A vault that is put back to an older copy may use a key again until its first sync. It finds its own later entries,
//!   and what it says of itself before that is forgotten; so the owner of such a vault is asked for nothing here but
//!   not to break others.
//! - A relay that is put back takes entries with it. The members are told (`Rollback`, `ChainBroken`), and until entries
//!   are sent again after a restoration what was lost stays lost.
//! - A device that was away for longer than entries live is told of the gap (`Gap`, or it is `Behind`).
//! - A relay that withholds everything is silence.

#![expect(clippy::indexing_slicing, reason = "views are named by their clients' places")]

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{bail, ensure};
use relevo_client::account::{Spoken, What};
use relevo_client::alert::{AlertStatus, AlertView};
use relevo_client::conversation::{Alarm, AlarmKind, Conversation, Kind, MessageState, Standing};
use relevo_client::membership::warning::Warning;
use relevo_protocol::content::GroupId;

use super::town::NAMES;

/// What one member sees.
#[expect(missing_docs, reason = "each is what the account calls so")]
pub struct View {
    pub conversations: Vec<Conversation>,
    pub messages: Vec<Spoken>,
    pub alarms: Vec<Alarm>,
    pub warnings: Vec<Warning>,
    pub sent_alerts: Vec<AlertStatus>,
    pub alerts: Vec<AlertView>,
    pub waiting: u64,
}

/// Something that must hold and does not.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Broken {
    what: String,
    /// Whether time will not help.
    is_final: bool,
}

impl Broken {
    /// Whether time will not help.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.is_final
    }
}

/// A message as the model knows it.
#[derive(Debug)]
struct Sent {
    who: usize,
    group: GroupId,
    /// Whom the author's device counted as members: they must have it.
    members: BTreeSet<usize>,
    /// Those, and whom the author wants in: they may have it.
    audience: BTreeSet<usize>,
}

/// What was done so far, and whom it concerns.
#[derive(Debug)]
pub struct Model {
    people: usize,
    texts: usize,
    sent: BTreeMap<String, Sent>,
    groups: BTreeMap<GroupId, usize>,
    /// Whom somebody means to have in a group and has not seen there yet.
    inviting: BTreeSet<(usize, GroupId, usize)>,
    /// Who was ever to be out of a group.
    out: BTreeSet<(GroupId, usize)>,
    answers: Vec<(usize, relevo_protocol::trust::ObjectHash, usize)>,
    rolled: BTreeSet<usize>,
    relay_rolled: bool,
    slept: u64,
    creators: BTreeMap<GroupId, usize>,
    forger: Option<usize>,
}

/// Entries live 30 days.
const RETENTION: u64 = 29 * 86_400;

impl View {
    /// The conversation in which something was said.
    #[must_use]
    pub fn saying(&self, text: &str) -> Option<GroupId> {
        let said = |message: &&Spoken| matches!(&message.what, What::Text(words) if words == text);
        self.messages.iter().find(said).map(|message| message.conversation)
    }

    fn conversation(&self, group: &GroupId) -> Option<&Conversation> {
        self.conversations.iter().find(|one| one.id == *group)
    }

    fn is_live(&self, group: &GroupId) -> bool {
        self.conversation(group).is_some_and(|one| one.standing == Standing::Live)
    }

    /// Whether this member was told that this conversation is not whole here.
    fn is_told(&self, group: &GroupId) -> bool {
        !self.is_live(group) || self.alarms.iter().any(|alarm| alarm.group == *group && excuses(alarm.kind))
    }
}

/// Alarms that tell a member that something may be missing.
fn excuses(kind: AlarmKind) -> bool {
    match kind {
        AlarmKind::Rollback
        | AlarmKind::Gap
        | AlarmKind::ChainBroken
        | AlarmKind::Disagreement
        | AlarmKind::Lie
        | AlarmKind::MissingCommit
        | AlarmKind::Halted
        | AlarmKind::LostCommit
        | AlarmKind::Withheld
        | AlarmKind::Frozen
        | AlarmKind::Closed
        | AlarmKind::Damaged
        | AlarmKind::Complaint => true,
        AlarmKind::NotAdded | AlarmKind::NotMoved | AlarmKind::NotDone | AlarmKind::Other => false,
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

impl Model {
    /// A model of so many people, of whom one may be known to forge the bindings of their leaves.
    #[must_use]
    pub fn new(people: usize, forger: Option<usize>) -> Self {
        Self {
            people,
            texts: 0,
            sent: BTreeMap::new(),
            groups: BTreeMap::new(),
            inviting: BTreeSet::new(),
            out: BTreeSet::new(),
            answers: Vec::new(),
            rolled: BTreeSet::new(),
            relay_rolled: false,
            slept: 0,
            creators: BTreeMap::new(),
            forger,
        }
    }

    /// Words that nobody has said yet.
    pub fn next_text(&mut self) -> String {
        self.texts += 1;
        format!("m{}", self.texts)
    }

    /// A group's number, in the order in which groups were first seen.
    pub fn group(&mut self, id: &GroupId) -> usize {
        let next = self.groups.len();
        *self.groups.entry(*id).or_insert(next)
    }

    /// Somebody wants somebody in.
    pub fn invited(&mut self, who: usize, group: GroupId, whom: usize) {
        self.inviting.insert((who, group, whom));
        self.creators.entry(group).or_insert(who);
        // Words that wait are for whoever the author himself brings in.
        for sent in self.sent.values_mut().filter(|sent| sent.who == who && sent.group == group) {
            sent.audience.insert(whom);
        }
    }

    /// Somebody is to be out.
    pub fn out(&mut self, group: GroupId, whom: usize) {
        self.out.insert((group, whom));
    }

    /// Somebody said something.
    pub fn said(&mut self, who: usize, text: &str, view: &View, group: GroupId) {
        let members = view.conversation(&group).map(places).unwrap_or_default();
        self.inviting.retain(|(inviter, into, whom)| *inviter != who || *into != group || !members.contains(whom));
        let invited = self.inviting.iter().filter(|(inviter, into, _)| *inviter == who && *into == group);
        let audience = members.iter().copied().chain(invited.map(|(_, _, whom)| *whom)).collect();
        self.sent.insert(text.to_owned(), Sent { who, group, members, audience });
    }

    /// Somebody answered an alert.
    pub fn answered(&mut self, who: usize, alert: &AlertView) {
        if let Some(sender) = NAMES.iter().position(|name| *name == alert.sender) {
            self.answers.push((who, alert.hash, sender));
        }
    }

    /// Everybody slept.
    pub fn slept(&mut self, seconds: u64) {
        self.slept = self.slept.saturating_add(seconds);
    }

    /// A vault went back.
    pub fn vault_rolled(&mut self, who: usize) {
        self.rolled.insert(who);
    }

    /// A relay went back.
    pub fn relay_rolled(&mut self) {
        self.relay_rolled = true;
    }

    /// What holds at every moment of what one member sees.
    ///
    /// # Errors
    /// What does not hold.
    pub fn read(&self, who: usize, view: &View) -> anyhow::Result<()> {
        let mut seen = BTreeSet::new();
        for message in &view.messages {
            let What::Text(text) = &message.what else { continue };
            let Some(sent) = self.sent.get(text) else {
                // Said by somebody whose vault went back before the model heard of it.
                ensure!(!self.rolled.is_empty(), "{} reads {text}, which nobody said", NAMES[who]);
                continue;
            };
            ensure!(seen.insert((message.conversation, text)), "{} reads {text} twice", NAMES[who]);
            ensure!(message.conversation == sent.group, "{} reads {text} in another conversation", NAMES[who]);
            let author = if message.is_ours { NAMES[who] } else { &message.author };
            // One who has left is not always known by name any more.
            ensure!(author.is_empty() || author == NAMES[sent.who], "{} reads {text} as said by {author}", NAMES[who]);
            ensure!(
                sent.audience.contains(&who),
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
            self.nobody_forged(who, view)?;
            if !self.relay_rolled && self.rolled.is_empty() {
                if let Some(alarm) = view.alarms.iter().find(|alarm| accuses(alarm.kind)) {
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
                    let warned = view.warnings.iter().find(|one| one.kind.code() != "undelivered");
                    ensure!(warned.is_none(), "{} is warned: {:?}", NAMES[who], warned.map(|one| one.kind.code()));
                }
            }
        }
        self.in_one_order(views)
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
            for one in view.conversations.iter().filter(|one| !view.is_told(&one.id)) {
                self.agreed(who, one, views)?;
            }
            self.delivered(who, view, views)?;
        }
        self.answers_came(views)
    }

    fn nothing_waits(&self, who: usize, view: &View) -> anyhow::Result<()> {
        for message in view.messages.iter().filter(|message| message.is_ours) {
            let told = view.is_told(&message.conversation);
            let alone = view.conversation(&message.conversation).is_some_and(|one| one.members.len() < 2);
            if let (What::Text(text), MessageState::Waiting) = (&message.what, message.state) {
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
            let Some(theirs) = view.conversation(&one.id) else {
                // A welcome that went with a relay's lost days is not sent again yet.
                if self.relay_rolled || self.forger.is_some() {
                    continue;
                }
                bail!(
                    "{} counts {} as a member of group {group:?}, who has not heard of it",
                    NAMES[who],
                    NAMES[*other]
                );
            };
            if view.is_told(&one.id) && theirs.standing != Standing::Left {
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
            let What::Text(text) = &message.what else { continue };
            if !matches!(message.state, MessageState::Sent | MessageState::Delivered) {
                continue;
            }
            let Some(sent) = self.sent.get(text).filter(|sent| !view.is_told(&sent.group)) else { continue };
            for reader in sent.members.iter().filter(|reader| **reader != who && !self.rolled.contains(reader)) {
                let group = sent.group;
                let theirs = &views[*reader];
                // Who was to be out at some time may have been out when it came; who is told knows.
                let entitled = !self.out.contains(&(group, *reader))
                    && theirs.is_live(&group)
                    && !theirs.is_told(&group)
                    && view.conversation(&group).is_some_and(|one| places(one).contains(reader));
                let has = theirs
                    .messages
                    .iter()
                    .any(|read| read.conversation == group && matches!(&read.what, What::Text(words) if words == text));
                ensure!(has || !entitled, "{text} of {} never reaches {}", NAMES[who], NAMES[*reader]);
            }
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

    /// How many people there are.
    #[must_use]
    pub fn people(&self) -> usize {
        self.people
    }
}

fn places(one: &Conversation) -> BTreeSet<usize> {
    let place = |name: &str| NAMES.iter().position(|known| *known == name);
    one.members.iter().filter_map(|seat| place(&seat.pseudonym)).collect()
}

/// What somebody heard of others, with its place.
fn heard(view: &View) -> BTreeMap<(GroupId, &str), i64> {
    let others = view.messages.iter().filter(|message| !message.is_ours);
    others
        .filter_map(|message| match &message.what {
            What::Text(text) => Some(((message.conversation, text.as_str()), message.number)),
            What::Document(_) | What::Alert | What::Leave | What::Newer => None,
        })
        .collect()
}
