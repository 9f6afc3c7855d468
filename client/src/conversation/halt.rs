//! Commits that cannot be processed: halt, complain, and be added again (DESIGN 7).

use relevo_protocol::content::{Complaint, Note, ParcelBody};
use relevo_protocol::trust::MemberKey;

use super::desk::Desk;
use super::effect::Effect;
use super::fault::ConversationFault;
use super::room::{AlarmKind, Room};
use crate::sync::ReceivedEntry;
use crate::vault::conversations;

impl Desk<'_> {
    /// Complains to the administrators' inboxes, never into the log.
    pub(super) fn complain(
        &mut self,
        room: &Room,
        commit: &[u8; 32],
        entry: &ReceivedEntry,
    ) -> Result<(), ConversationFault> {
        let mine = self.me.member;
        for administrator in room.context.administrators.iter().filter(|member| **member != mine) {
            let Some(to) = self.inbox_of(administrator)? else { continue };
            let body = ParcelBody::Complaint(Complaint {
                group: room.id,
                sequence: entry.sequence,
                commit: *commit,
                reason: Note::default(),
            });
            self.effects.push(Effect::Parcel { member: *administrator, to, body });
        }
        Ok(())
    }

    /// A member cannot process a commit.
    ///
    /// # Errors
    /// The vault's.
    pub fn complaint_received(&mut self, sender: &MemberKey, parcel: &Complaint) -> Result<(), ConversationFault> {
        if conversations::find(self.tx, &parcel.group)?.is_some() {
            self.alarm(&parcel.group, AlarmKind::Complaint, sender.as_bytes())?;
        }
        Ok(())
    }
}
