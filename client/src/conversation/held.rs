//! What others say of a conversation in which we are: a welcome, or that somebody must be added again. Whether they still
//! belong to it, and as what, the log tells, which may not be read yet: it is read first, as far as the relay says that it
//! goes when their word is here (SPEC 11).

use core::convert::Infallible;

use openmls::group::StagedWelcome;
use relevo_protocol::content::{GroupId, Welcome, decode, encode_secret};
use relevo_protocol::trust::MemberKey;
use relevo_protocol::wire::{Answer, Call, Incarnation, MailboxId, Refusal, Sequence};

use super::desk::Desk;
use super::effect::{Awaited, Effect};
use super::fault::ConversationFault;
use super::halt::DAY;
use super::refound::Sure;
use super::room::Standing;
use crate::sync;
use crate::vault::conversations::{self, SeatRow};
use crate::vault::held::{self, Held, Kind, Matter, Upto};
use crate::vault::records::{self, Noun};
use crate::vault::{Part, VaultFault};

/// Seconds after which it is judged by what is known whether a conversation goes on in another one: where its relay is gone, it is
/// founded anew for that.
const HOUR: u64 = 3600;

impl Desk<'_> {
    /// Keeps a welcome until the log is read.
    pub(super) fn hold_welcome(
        &mut self,
        welcome: &Welcome,
        bytes: &[u8],
        sender: &MemberKey,
    ) -> Result<(), ConversationFault> {
        let epoch = |(staged, _): (StagedWelcome, _)| staged.group_context().epoch().as_u64();
        // Looked at and put back: MLS gives up the key package that opens it.
        let look = || Err::<Infallible, _>(self.open_welcome(welcome, bytes, sender).map(epoch));
        let Err(looked) = records::attempt(self.tx, look)?;
        let epoch = looked?;
        // A relay that was put back gives a key package twice, and it opens one of two welcomes: the later one, and nothing between.
        let theirs = |held: &Held| held.kind == Kind::Welcome && held.sender == *sender;
        let mut useless = Vec::new();
        for held in held::of(self.tx, &welcome.group)?.into_iter().filter(theirs) {
            let Some(Matter::Welcome { welcome: other, bytes: others, epoch: then }) =
                held::matter(self.tx, held.number)?
            else {
                continue;
            };
            let other = decode(&other).map_err(|_| VaultFault::Damaged { what: Part::Row })?;
            let (mine, theirs) = ((welcome, bytes), (&other, others.as_slice()));
            if then >= epoch && !self.opens_behind(mine, theirs, sender)? {
                return Ok(());
            }
            if then < epoch && !self.opens_behind(theirs, mine, sender)? {
                useless.push(held.number);
            }
        }
        for number in useless {
            held::remove(self.tx, number)?;
        }
        let matter = Matter::Welcome { welcome: encode_secret(welcome), bytes: bytes.to_vec(), epoch };
        if self.wait_for_log(&welcome.group, sender, &matter)? { Ok(()) } else { Err(ConversationFault::Welcome) }
    }

    /// Whether a welcome still opens when another one has.
    fn opens_behind(
        &self,
        (first, first_bytes): (&Welcome, &[u8]),
        (second, second_bytes): (&Welcome, &[u8]),
        sender: &MemberKey,
    ) -> Result<bool, ConversationFault> {
        let look = || {
            let first = self.open_welcome(first, first_bytes, sender).map(drop);
            Err::<Infallible, _>(first.and_then(|()| self.open_welcome(second, second_bytes, sender).map(drop)))
        };
        let Err(looked) = records::attempt(self.tx, look)?;
        match looked {
            Ok(()) => Ok(true),
            Err(fault @ (ConversationFault::Vault(_) | ConversationFault::Randomness)) => Err(fault),
            Err(_) => Ok(false),
        }
    }

    /// Keeps what somebody says of a conversation, and asks the relay where its log stands. False if nothing of theirs is.
    pub(super) fn wait_for_log(
        &mut self,
        group: &GroupId,
        sender: &MemberKey,
        matter: &Matter,
    ) -> Result<bool, ConversationFault> {
        let kept = held::put(self.tx, group, sender, matter, self.now)?;
        if kept {
            self.ask_standing(group)?;
        }
        Ok(kept)
    }

    /// Asks where a log stands, for all that waits for it: once at a time, so that nobody makes us ask without end.
    fn ask_standing(&mut self, group: &GroupId) -> Result<(), ConversationFault> {
        let Some(row) = conversations::find(self.tx, group)? else { return Ok(()) };
        let Some(place) = conversations::place(self.tx, &row.mailbox)? else { return Ok(()) };
        if records::get(self.tx, Noun::StandingAsked, &group.0)? == Some(place.mailbox) {
            return Ok(());
        }
        records::put(self.tx, Noun::StandingAsked, &group.0, &place.mailbox)?;
        let number = held::asked(self.tx, group, &place.mailbox)?;
        let call = Call::Checkpoint { mailbox: place.mailbox, capability: place.secrets.read };
        let then = Awaited::Standing { group: *group, held: number, mailbox: place.mailbox };
        self.effects.push(Effect::Call { relay: place.relay, call, then });
        Ok(())
    }

    /// The relay has said where a log stands, or that it does not say.
    pub(super) fn stands(
        &mut self,
        group: &GroupId,
        number: i64,
        mailbox: &MailboxId,
        outcome: Result<&Answer, Refusal>,
    ) -> Result<(), ConversationFault> {
        let word = match (outcome, conversations::place(self.tx, mailbox)?) {
            (Ok(Answer::Checkpointed { checkpoint }), Some(place)) => {
                let relay = sync::relay_identity(self.tx, &place.relay)?;
                relay.and_then(|relay| checkpoint.verify(&relay).ok()).filter(|word| word.mailbox == *mailbox)
            }
            (Ok(_) | Err(_), _) => None,
        };
        if records::get(self.tx, Noun::StandingAsked, &group.0)? == Some(*mailbox) {
            records::remove(self.tx, Noun::StandingAsked, &group.0)?;
        }
        let upto = word.map_or(Upto::Nothing, |word| Upto::Entry(word.incarnation, word.sequence));
        held::stands(self.tx, group, Some(number), mailbox, upto)?;
        self.weigh(group)
    }

    /// The relay holds more of a log and does not give it.
    ///
    /// # Errors
    /// This device's own trouble.
    pub fn withheld(&mut self, group: &GroupId, mailbox: &MailboxId) -> Result<(), ConversationFault> {
        held::stands(self.tx, group, None, mailbox, Upto::Nothing)?;
        self.weigh(group)
    }

    /// Looks again at what waits, once an hour: its relay may have been restored since it answered, or have said that the log
    /// goes further than it does. An asking is judged after a day by what is known.
    pub(super) fn weigh_all(&mut self) -> Result<(), ConversationFault> {
        for group in held::conversations(self.tx)? {
            self.weigh(&group)?;
            held::ask_again(self.tx, &group)?;
            self.weigh(&group)?;
        }
        Ok(())
    }

    /// Judges what waits for nothing more to be read.
    pub(super) fn weigh(&mut self, group: &GroupId) -> Result<(), ConversationFault> {
        // Of whom an earlier welcome waits: a later one goes not before it.
        let mut before = Vec::new();
        for held in held::of(self.tx, group)? {
            if held.kind == Kind::Welcome && before.contains(&held.sender) {
                continue;
            }
            let Held { number, mailbox, upto, .. } = held;
            let Some(row) = conversations::find(self.tx, group)? else { return Ok(()) };
            let patience = match held.kind {
                Kind::Welcome => None,
                Kind::ReAdd | Kind::Complaint => Some(DAY),
                Kind::Succession => Some(HOUR),
            };
            let given_up = patience.is_some_and(|seconds| held.at.plus_seconds(seconds) <= self.now);
            if row.standing == Standing::Live && !given_up {
                if mailbox != Some(row.mailbox) {
                    // Not asked yet, or it has moved, and goes on there.
                    self.ask_standing(group)?;
                    before.extend((held.kind == Kind::Welcome).then_some(held.sender));
                    continue;
                }
                let read = match upto {
                    Upto::Unknown => false,
                    Upto::Entry(incarnation, sequence) => self.has_read(&row.mailbox, incarnation, sequence)?,
                    Upto::Nothing => true,
                };
                if !read {
                    before.extend((held.kind == Kind::Welcome).then_some(held.sender));
                    continue;
                }
            }
            // What was judged before it may have ended it.
            let Some(matter) = held::matter(self.tx, number)? else { continue };
            held::remove(self.tx, number)?;
            let (tx, wanted) = (self.tx, self.effects.len());
            let sure = if given_up { Sure::AsFarAsKnown } else { Sure::Yes };
            match records::attempt(tx, || self.judge_held(group, &held, &matter, sure))? {
                // What was answered for the log before says nothing of this one.
                Ok(()) if held.kind == Kind::Welcome && !held::of(tx, group)?.is_empty() => {
                    held::ask_again(tx, group)?;
                    return self.ask_standing(group);
                }
                Ok(()) => {}
                // Ours, and it will pass: what is judged comes again.
                Err(fault @ (ConversationFault::Vault(_) | ConversationFault::Randomness)) => return Err(fault),
                // What is wrong with it is its author's fault.
                Err(fault) => {
                    tracing::debug!(code = fault.code(), "parcel dropped");
                    self.effects.truncate(wanted);
                    self.not_taken_in(group, &fault)?;
                }
            }
        }
        Ok(())
    }

    fn judge_held(
        &mut self,
        group: &GroupId,
        held: &Held,
        matter: &Matter,
        sure: Sure,
    ) -> Result<(), ConversationFault> {
        let Held { sender, .. } = held;
        // Added since, and in: they have written their leaf themselves.
        let written = |seat: &SeatRow| seat.member == *sender && seat.committed_at.is_some();
        if held.came
            && matches!(matter, Matter::ReAdd | Matter::Complaint { .. })
            && conversations::seats(self.tx, group)?.iter().any(written)
        {
            return Ok(());
        }
        match matter {
            Matter::Welcome { welcome, bytes, epoch: _ } => {
                let welcome = decode(welcome).map_err(|_| VaultFault::Damaged { what: Part::Row })?;
                self.enter_by(&welcome, bytes, sender)
            }
            Matter::Succession { anew } => self.succeed(group, anew, sender, sure),
            Matter::ReAdd => self.add_again(group, sender),
            // An administrator who could not apply it either has nothing better to give.
            Matter::Complaint { commit } if conversations::is_merged(self.tx, group, commit)? => {
                self.add_again(group, sender)
            }
            Matter::Complaint { .. } => Ok(()),
        }
    }

    fn has_read(
        &self,
        mailbox: &MailboxId,
        incarnation: Incarnation,
        sequence: Sequence,
    ) -> Result<bool, ConversationFault> {
        // The cursor follows when the rules have seen an entry, and this is asked while they see the last one.
        if sync::head_at(self.tx, mailbox, incarnation, sequence)?.is_some() {
            return Ok(true);
        }
        let cursor = sync::following(self.tx, mailbox)?.map(|followed| followed.cursor);
        Ok(cursor.is_some_and(|at| {
            sequence == Sequence::START || (at.incarnation == Some(incarnation) && at.after >= sequence)
        }))
    }
}
