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
//! 10. 1 to 4 hold for a document that was posted as for words. Whoever was offered one and fetches it after faults has it
//!     whole, byte for byte and once, unless entries have expired meanwhile. What was begun to be sent is sent by then: its
//!     author's device goes on with it whenever it starts.
//!
//! Known not to hold:
//! - A vault that is put back to an older copy may use a key again until its first sync. It finds its own later entries,
//!   and what it says of itself before that is forgotten; so the owner of such a vault is asked for nothing here but
//!   not to break others. A welcome that waited in it is forgotten too: whom its owner had brought in never hears of it,
//!   or comes in when the owner is added again, behind what was said meanwhile.
//! - A relay that is put back takes entries and blobs with it. The members are told (`Rollback`, `ChainBroken`; of a blob,
//!   `blob-gone`). After a restoration it is given the entries again, and 1 holds all the same, unless a week has passed; parcels
//!   and blobs that are lost stay lost, as does whatever a snapshot of the machine takes back without a word.
//! - A relay that is put back may lose the commit by which a conversation moved. Who had read it reads elsewhere and is not
//!   told; who had not goes on in the old log, counts those whom it took out, and may move to a third place. They are two
//!   groups, and nobody is asked to agree with whoever reads in another place or was taken out there, nor to have its words,
//!   if a log of that conversation has lost entries.
//! - A relay that is put back may give a key package again that was used. Whom it was to bring in cannot open the welcome,
//!   is warned, and is added again by another one; what others said to them in between stays closed to them.
//! - A device that was away for longer than entries live is told of the gap (`Gap`, or it is `Behind`). If it was away from
//!   a commit which others go on without as well, whoever made it is told that one is missing (`MissingCommit`). Welcomes
//!   that went with its gap are made anew, but what was said meanwhile is not for those whom they let in.
//! - A welcome that left so late that its key is gone, as when a relay was full for three months, lets nobody in. Who sent
//!   it is told (`undelivered`).
//! - Who was taken out, or left, and is brought back when nobody whom they know as an administrator is one any more, cannot
//!   know that it is the same group: they stay out, and are warned.
//! - Who asks to be added again is out for a moment where that is done. What an author there says just then reaches them.
//! - An alert that comes after its end is refused, and that is said (`alert-refused`).
//! - A relay that withholds everything is silence.
//! - An author whose vault went back may post a document again, to whoever is a member by then. It is told twice, and kept
//!   once.
//! - What a restored relay had lost is said again. Where a conversation has gone on in another one meanwhile, that is there, and
//!   whoever has not judged yet whether it does reads it twice.

mod excuses;
mod holds;

use std::collections::{BTreeMap, BTreeSet};

use relevo_client::account::{Logs, Spoken, What};
use relevo_client::alert::{AlertStatus, AlertView};
use relevo_client::conversation::{Alarm, AlarmKind, Conversation, Standing};
use relevo_client::document::DocumentState;
use relevo_client::membership::warning::Warning;
use relevo_protocol::content::GroupId;
use relevo_protocol::wire::MailboxId;

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
    /// Filled when nothing moves any more, as are the copies.
    pub logs: BTreeMap<GroupId, Logs>,
    pub copies: Vec<DocumentCopy>,
}

/// A document as one member has it.
#[derive(Debug)]
pub struct DocumentCopy {
    /// What it is called; no two are called the same.
    pub name: String,
    /// Where it was posted, or is to be.
    pub conversation: GroupId,
    /// How far it has come.
    pub state: DocumentState,
    /// Whether it is byte for byte what its author chose; none if it is not here.
    pub is_whole: Option<bool>,
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
    /// How many were said before, by anybody.
    number: usize,
    who: usize,
    group: GroupId,
    /// Whom the author's device counted as members: they must have it.
    members: BTreeSet<usize>,
    /// Those, and whom the author wants in: they may have it.
    audience: BTreeSet<usize>,
    /// How long everybody had slept by then.
    slept: u64,
}

/// What was done so far, and whom it concerns.
#[derive(Debug)]
pub struct Model {
    people: usize,
    texts: usize,
    documents: usize,
    sent: BTreeMap<String, Sent>,
    /// Who was ever counted as a member of which group by an author.
    counted: BTreeSet<(GroupId, usize)>,
    /// Who began to send which document.
    begun: BTreeMap<String, usize>,
    groups: BTreeMap<GroupId, usize>,
    /// Whom somebody means to have in a group and has not seen there yet.
    inviting: BTreeSet<(usize, GroupId, usize)>,
    /// All whom somebody ever meant to have in a group.
    meant: BTreeSet<(usize, GroupId, usize)>,
    /// Who was ever to be out of a group.
    out: BTreeSet<(GroupId, usize)>,
    /// Whom nobody has wanted in a group since they were to be out of it.
    unwanted: BTreeSet<(GroupId, usize)>,
    answers: Vec<(usize, relevo_protocol::trust::ObjectHash, usize)>,
    rolled: BTreeSet<usize>,
    relay_rolled: bool,
    /// Logs of which a relay that was put back has lost entries.
    lost: BTreeSet<MailboxId>,
    /// Those of which one has that went back without a word.
    unsaid: BTreeSet<MailboxId>,
    slept: u64,
    creators: BTreeMap<GroupId, usize>,
    /// Conversations that were founded anew, by one that stands for it and all in which it went on.
    lines: BTreeMap<GroupId, GroupId>,
    forger: Option<usize>,
}

/// Who hears of it that a relay went back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// The machine is put back as it was.
    Nobody,
    /// It is restored from a backup, and says so.
    Everybody,
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

    /// Where a conversation goes on: there, or in itself.
    fn present(&self, group: &GroupId) -> GroupId {
        let mut at = *group;
        while let Some(next) = self.conversation(&at).and_then(|one| one.successor) {
            at = next;
        }
        at
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
        | AlarmKind::OlderCopy
        | AlarmKind::Complaint => true,
        AlarmKind::NotAdded
        | AlarmKind::NotWelcomed
        | AlarmKind::NotMoved
        | AlarmKind::NotDone
        | AlarmKind::Refounded
        | AlarmKind::LeftBehind
        | AlarmKind::Other => false,
    }
}

impl Model {
    /// A model of so many people, of whom one may be known to forge the bindings of their leaves.
    #[must_use]
    pub fn new(people: usize, forger: Option<usize>) -> Self {
        Self {
            people,
            texts: 0,
            documents: 0,
            sent: BTreeMap::new(),
            counted: BTreeSet::new(),
            begun: BTreeMap::new(),
            groups: BTreeMap::new(),
            inviting: BTreeSet::new(),
            meant: BTreeSet::new(),
            out: BTreeSet::new(),
            unwanted: BTreeSet::new(),
            answers: Vec::new(),
            rolled: BTreeSet::new(),
            relay_rolled: false,
            unsaid: BTreeSet::new(),
            lost: BTreeSet::new(),
            slept: 0,
            creators: BTreeMap::new(),
            lines: BTreeMap::new(),
            forger,
        }
    }

    /// Words that nobody has said yet.
    pub fn next_text(&mut self) -> String {
        self.texts += 1;
        format!("m{}", self.texts)
    }

    /// Somebody begins to send a document; what it is called nobody else's is.
    pub fn next_document(&mut self, who: usize) -> String {
        self.documents += 1;
        let name = format!("d{}", self.documents);
        self.begun.insert(name.clone(), who);
        name
    }

    /// A group's number, in the order in which groups were first seen.
    pub fn group(&mut self, id: &GroupId) -> usize {
        let next = self.groups.len();
        *self.groups.entry(*id).or_insert(next)
    }

    /// Somebody wants somebody in.
    pub fn invited(&mut self, who: usize, group: GroupId, whom: usize) {
        self.inviting.insert((who, group, whom));
        self.meant.insert((who, group, whom));
        self.unwanted.remove(&(group, whom));
        self.creators.entry(group).or_insert(who);
        // Words that wait are for whoever the author himself brings in.
        let lines = &self.lines;
        let line = |group: GroupId| lines.get(&group).copied().unwrap_or(group);
        for sent in self.sent.values_mut().filter(|sent| sent.who == who && line(sent.group) == line(group)) {
            sent.audience.insert(whom);
        }
    }

    /// Somebody sees conversations that go on in others.
    pub fn goes_on(&mut self, conversations: &[Conversation]) {
        for (one, anew) in conversations.iter().filter_map(|one| one.successor.map(|anew| (one, anew))) {
            // Whoever founded it invites them, also if the power goes before this model hears of it.
            let coming = self.inviting.iter().filter(|(_, into, _)| *into == one.id).map(|(_, _, whom)| *whom);
            let people: BTreeSet<usize> = places(one).into_iter().chain(coming).collect();
            self.counted.extend(people.into_iter().map(|whom| (anew, whom)));
            let before = one.id;
            let (before, anew) = (self.line(before), self.line(anew));
            let all = [before, anew].into_iter().chain(self.lines.keys().copied()).collect::<BTreeSet<_>>();
            for one in all.into_iter().filter(|one| self.line(*one) == before).collect::<Vec<_>>() {
                self.lines.insert(one, anew);
            }
            self.lines.insert(anew, anew);
        }
    }

    fn line(&self, group: GroupId) -> GroupId {
        self.lines.get(&group).copied().unwrap_or(group)
    }

    /// Somebody has founded a conversation anew.
    pub fn refounded(&mut self, who: usize, group: GroupId, without: Option<usize>, conversations: &[Conversation]) {
        self.goes_on(conversations);
        let before = conversations.iter().find(|one| one.id == group);
        let Some((before, anew)) = before.and_then(|one| Some((one, one.successor?))) else { return };
        let coming = self.inviting.iter().filter(|(inviter, into, _)| *inviter == who && *into == group);
        let people: BTreeSet<usize> = places(before).into_iter().chain(coming.map(|(_, _, whom)| *whom)).collect();
        for whom in people.into_iter().filter(|whom| *whom != who && Some(*whom) != without) {
            self.invited(who, anew, whom);
            self.counted.insert((anew, whom));
        }
        if let Some(whom) = without {
            self.out(group, whom);
        }
    }

    /// Somebody is to be out.
    pub fn out(&mut self, group: GroupId, whom: usize) {
        self.out.insert((group, whom));
        self.unwanted.insert((group, whom));
    }

    /// Somebody said something.
    pub fn said(&mut self, who: usize, text: &str, view: &View, group: GroupId) {
        self.sent_to(who, text, group, view.conversation(&group).map(places).unwrap_or_default());
    }

    /// Somebody posted a document in a conversation as their device saw it.
    pub fn posted(&mut self, who: usize, name: &str, conversation: &Conversation) {
        self.sent_to(who, name, conversation.id, places(conversation));
    }

    fn sent_to(&mut self, who: usize, text: &str, group: GroupId, members: BTreeSet<usize>) {
        self.inviting.retain(|(inviter, into, whom)| *inviter != who || *into != group || !members.contains(whom));
        let invited = self.inviting.iter().filter(|(inviter, into, _)| *inviter == who && *into == group);
        // Whom nobody wants out and who was counted before may just be out to be added again.
        let line = self.line(group);
        let known = self.counted.iter().filter(|(of, _)| self.line(*of) == line).map(|(_, member)| *member);
        let unwanted: BTreeSet<usize> =
            self.unwanted.iter().filter(|(of, _)| self.line(*of) == line).map(|(_, member)| *member).collect();
        let between = known.filter(|member| !unwanted.contains(member));
        let audience = members.iter().copied().chain(invited.map(|(_, _, whom)| *whom)).chain(between).collect();
        let number = self.sent.len();
        for member in &members {
            self.counted.insert((group, *member));
        }
        self.sent.insert(text.to_owned(), Sent { number, who, group, members, audience, slept: self.slept });
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

    /// A relay went back, and has lost entries of these logs.
    pub fn relay_rolled(&mut self, lost: BTreeSet<MailboxId>, told: Told) {
        self.relay_rolled = true;
        if told == Told::Nobody {
            self.unsaid.extend(lost.iter().copied());
        }
        self.lost.extend(lost);
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
