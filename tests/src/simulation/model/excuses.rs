//! What is known not to hold, seen in what somebody does not have.

use relevo_client::account::Spoken;
use relevo_client::conversation::{Alarm, AlarmKind, Conversation, Standing};
use relevo_client::membership::warning::Kind;
use relevo_protocol::content::GroupId;
use relevo_protocol::wire::MailboxId;

use super::holds::words;
use super::{Model, NAMES, RETENTION, Sent, View, excuses};

/// Devices keep what they have read for 8 days, of which people do other things than sleep for 2 at most.
const TAIL: u64 = 6 * 86_400;

impl Model {
    /// Whether an alarm is of a commit that others have outlived: it expired before they had read it, and they are told.
    pub(super) fn outlived(&self, alarm: &Alarm, views: &[View]) -> bool {
        let told =
            |view: &View| view.alarms.iter().any(|other| other.group == alarm.group && other.kind == AlarmKind::Gap);
        alarm.kind == AlarmKind::MissingCommit && self.slept >= RETENTION && views.iter().any(told)
    }

    /// Whether a member was told that these words may be missing here. That its relay was restored is no such thing: it is given
    /// again what it has lost, unless they are older than devices keep them, or it also went back without a word.
    /// What was said of a conversation that goes on in another one is taken back.
    pub(super) fn excused(&self, view: &View, group: &GroupId, sent: &Sent) -> bool {
        let unsaid = view.logs.get(group).is_some_and(|logs| logs.all.iter().any(|log| self.unsaid.contains(log)));
        let is_old = self.slept.saturating_sub(sent.slept) >= TAIL;
        let restored = |alarm: &Alarm| alarm.kind == AlarmKind::Rollback && !unsaid && !is_old;
        let told = |alarm: &Alarm| alarm.group == *group && excuses(alarm.kind) && !restored(alarm);
        let goes_on = view.conversation(group).is_some_and(|one| one.successor.is_some());
        let lossy = self.relay_rolled || !self.rolled.is_empty() || self.slept >= RETENTION;
        !view.is_live(group) || goes_on && lossy || view.alarms.iter().any(told)
    }

    /// Whether a relay that was put back has lost the move behind which one of two members reads a conversation, so that
    /// they read it in two places; or the other was taken out in such a log, or behind it where the first never read.
    pub(super) fn parted(&self, group: &GroupId, one: &View, other: &View) -> bool {
        let (Some(here), Some(there)) = (one.logs.get(group), other.logs.get(group)) else { return false };
        let is_lost = |log: &MailboxId| self.lost.contains(log);
        let apart = if other.is_live(group) {
            here.present != there.present
        } else {
            is_lost(&there.present) || !here.all.contains(&there.present)
        };
        apart && here.all.union(&there.all).any(is_lost)
    }

    /// Whether somebody was taken out of a group, is not in it, and was wanted back: perhaps by one who administrates it since, whose
    /// welcome is a stranger's.
    pub(super) fn brought_back(&self, who: usize, view: &View) -> bool {
        let wanted = |group: &GroupId| self.meant.iter().any(|(_, into, whom)| into == group && *whom == who);
        self.out.iter().any(|(group, whom)| *whom == who && wanted(group) && !view.is_live(group))
    }

    /// Whether somebody who meant a member to be in is told that a parcel to them did not come.
    pub(super) fn undelivered(&self, group: &Conversation, to: usize, views: &[View]) -> bool {
        let Some(seat) = group.members.iter().find(|seat| Some(&seat.pseudonym.as_str()) == NAMES.get(to)) else {
            return false;
        };
        let said = Kind::Undelivered { to: seat.member };
        let told = |view: &View| view.warnings.iter().any(|warning| warning.kind == said);
        // Whoever founds a conversation anew means all of its members, also where the power goes before this model hears of it.
        let meant = |who: usize| self.meant.contains(&(who, group.id, to)) || self.lines.contains_key(&group.id);
        views.iter().enumerate().any(|(who, view)| meant(who) && told(view))
    }

    /// Whether the welcome of a member may have gone with the gap of whoever wanted them in, or with a vault that went back:
    /// they were added again, behind words that were said meanwhile.
    pub(super) fn came_late(&self, group: &GroupId, reader: usize, views: &[View]) -> bool {
        let told = |view: &View, kind| view.alarms.iter().any(|one| one.group == *group && one.kind == kind);
        let lost = |(who, view): (usize, &View)| {
            self.meant.contains(&(who, *group, reader))
                && (self.slept >= RETENTION && told(view, AlarmKind::Gap)
                    || self.rolled.contains(&who) && told(view, AlarmKind::OlderCopy))
        };
        views.iter().enumerate().any(lost)
    }

    /// Whether a relay that was put back has given a reader's key package twice, and they know: they were counted in before
    /// they were added again by another one, behind these words. Of their author they then have nothing from before them there.
    pub(super) fn shut_out(&self, sent: &Sent, group: &GroupId, reader: &View) -> bool {
        let warned = reader.warnings.iter().any(|warning| warning.kind == Kind::ParcelRefused);
        let before = |other: &Sent| other.who == sent.who && other.number < sent.number;
        let came_in_before =
            |message: &Spoken| words(&message.what).and_then(|said| self.sent.get(said)).is_some_and(before);
        let here = |message: &&Spoken| message.conversation == *group;
        self.relay_rolled && warned && !reader.messages.iter().filter(here).any(came_in_before)
    }
}

/// Whether a member who is out was welcomed by strangers only: none of the administrators whom they know is one any more. They
/// are warned.
pub(super) fn is_strangers(one: &Conversation, theirs: &Conversation, view: &View) -> bool {
    let warned = view.warnings.iter().any(|warning| warning.kind == Kind::ParcelRefused);
    let known = theirs.administrators.iter().any(|member| one.administrators.contains(member));
    theirs.standing == Standing::Left && warned && !known
}
