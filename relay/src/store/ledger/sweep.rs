//! Removing what has expired, in slices small enough that appends between them do not wait.

use relevo_protocol::wire::MailboxId;

use super::super::applied::{Applied, Rest, Touch};
use super::super::keys::{self, Due};
use super::super::rules;
use super::{Effect, Stop, Work};

impl Work<'_> {
    pub(super) fn sweep(&mut self, limit: usize) -> Result<Effect, Stop> {
        let mut left = limit;
        let due = self.shared.engine.scan(keys::DUE, keys::DUE, limit)?;
        for (key, _) in due {
            let Some((hour, due)) = keys::parse_due(&key) else { continue };
            if left == 0 || !hour.is_past(self.now) {
                break;
            }
            left -= 1;
            if !self.knows(&due)? {
                self.draft.remove(key);
                continue;
            }
            match due {
                Due::Mailbox(id) => self.sweep_mailbox(&id, &mut left)?,
                Due::Admission(id) => {
                    let expired = self.draft.admission(&id)?.is_some_and(|held| held.expires.is_past(self.now));
                    if expired {
                        self.totals.admissions = self.totals.admissions.saturating_sub(1);
                        self.draft.set_admission(&id, None)?;
                    }
                }
                Due::Blob(id) => {
                    if let Some(blob) = self.draft.blob(&id)?.filter(|blob| blob.expires.is_past(self.now)) {
                        self.drop_blob(id, &blob)?;
                    }
                }
            }
        }
        let rest = if left == 0 { Rest::More } else { Rest::Nothing };
        Ok(Effect::Told(Applied::Swept { rest }))
    }

    /// Whether what is due still exists; a due row of something gone would be met for ever.
    fn knows(&mut self, due: &Due) -> Result<bool, Stop> {
        Ok(match due {
            Due::Mailbox(id) => self.draft.mailbox(id)?.is_some(),
            Due::Admission(id) => self.draft.admission(id)?.is_some(),
            Due::Blob(id) => self.draft.blob(id)?.is_some(),
        })
    }

    fn sweep_mailbox(&mut self, id: &MailboxId, left: &mut usize) -> Result<(), Stop> {
        let Some(mut mailbox) = self.draft.mailbox(id)? else { return Ok(()) };
        let first = mailbox.first;
        while mailbox.entries() > 0 && mailbox.first_expires.is_past(self.now) && *left > 0 {
            self.drop_first(id, &mut mailbox)?;
            *left -= 1;
        }
        if rules::is_gone(&mailbox, self.now) {
            self.erase(id, &mailbox)
        } else {
            if mailbox.first != first {
                self.touches.push((*id, Touch::Trimmed { first_available: mailbox.first }));
            }
            Ok(self.draft.set_mailbox(id, Some(mailbox))?)
        }
    }
}
