//! Changes of admissions and of blobs.

use bytes::Bytes;
use relevo_protocol::time::Hour;
use relevo_protocol::wire::{AdmissionId, AdmissionKey, BlobId, Refusal};

use super::super::applied::Applied;
use super::super::blobs::Whole;
use super::super::keys;
use super::super::record::{Admission, AdmissionKind, Blob};
use super::super::rules::{self, Relay, Spending};
use super::super::segments::to_u64;
use super::{Effect, Stop, Work};

const DONE: Result<Effect, Stop> = Ok(Effect::Told(Applied::Done));

impl Work<'_> {
    /// Takes from an admission, or refuses and takes nothing.
    pub(super) fn spend(&mut self, id: &AdmissionId, spending: Spending) -> Result<(), Stop> {
        let mut admission = self.admission(id)?;
        rules::spend(&mut admission, spending, self.now, &self.shared.config)?;
        self.draft.set_admission(id, Some(admission))?;
        Ok(())
    }

    /// Whether [`Self::spend`] would do it.
    pub(super) fn may_spend(&mut self, id: &AdmissionId, spending: Spending) -> Result<Result<(), Refusal>, Stop> {
        let mut admission = self.admission(id)?;
        Ok(rules::spend(&mut admission, spending, self.now, &self.shared.config))
    }

    fn admission(&mut self, id: &AdmissionId) -> Result<Admission, Stop> {
        let admission = self.draft.admission(id)?.filter(|admission| !admission.expires.is_past(self.now));
        Ok(admission.ok_or(Refusal::AllowanceSpent)?)
    }

    pub(super) fn provide(&mut self, id: AdmissionId, key: AdmissionKey, expires: Hour) -> Result<Effect, Stop> {
        let admission = match self.draft.admission(&id)? {
            Some(held) => Admission { key, expires, ..held },
            None => {
                self.totals.admissions = self.totals.admissions.saturating_add(1);
                self.fresh(key, AdmissionKind::Shared, expires)
            }
        };
        self.draft.set_admission(&id, Some(admission))?;
        DONE
    }

    pub(super) fn enroll(&mut self, by: AdmissionId, id: AdmissionId, key: AdmissionKey) -> Result<Effect, Stop> {
        if let Some(held) = self.draft.admission(&id)? {
            // The answer to the first try was lost: the same client asks again. Only a lasting one is an answer, else
            // a single-use admission that names itself would pass for one and never be used up.
            let same = held.kind == AdmissionKind::Enrolled && held.key == key;
            return if same { DONE } else { Err(Refusal::Malformed.into()) };
        }
        match self.admission(&by)?.kind {
            AdmissionKind::SingleUse => {}
            AdmissionKind::Shared | AdmissionKind::Enrolled => return Err(Refusal::WrongKind.into()),
        }
        self.draft.set_admission(&by, None)?;
        let until = rules::enrolled_until(self.now, &self.shared.config);
        let admission = self.fresh(key, AdmissionKind::Enrolled, until);
        self.draft.set_admission(&id, Some(admission))?;
        DONE
    }

    pub(super) fn sponsor(
        &mut self,
        by: AdmissionId,
        id: AdmissionId,
        key: AdmissionKey,
        expires: Hour,
    ) -> Result<Effect, Stop> {
        if let Some(held) = self.draft.admission(&id)? {
            return if held.key == key { DONE } else { Err(Refusal::Malformed.into()) };
        }
        if self.room(0) == Relay::Exhausted {
            return Err(Refusal::RelayFull.into());
        }
        let kind = self.admission(&by)?.kind;
        rules::admissions(&self.totals, kind, &self.shared.config)?;
        // The shared one has a bound of its own: using up one leaves the other. THREATS says what that is worth.
        if kind == AdmissionKind::Enrolled {
            self.rates.may_sponsor(self.shared.config.all_sponsored, self.now)?;
        }
        self.spend(&by, Spending::Sponsorship)?;
        if kind == AdmissionKind::Enrolled {
            self.rates.sponsored(self.now);
        }
        self.totals.admissions = self.totals.admissions.saturating_add(1);
        let longest = rules::lease(self.now, u32::MAX, &self.shared.config);
        let admission = self.fresh(key, AdmissionKind::SingleUse, expires.min(longest));
        self.draft.set_admission(&id, Some(admission))?;
        DONE
    }

    fn fresh(&self, key: AdmissionKey, kind: AdmissionKind, expires: Hour) -> Admission {
        Admission {
            key,
            kind,
            expires,
            period: rules::period(self.now),
            bytes: 0,
            mailboxes: 0,
            sponsored: 0,
            reserve: 0,
        }
    }

    pub(super) fn keep_blob(&mut self, admission: AdmissionId, blob: Whole, wished: u32) -> Result<Effect, Stop> {
        let Whole { id, bytes, busy, .. } = blob;
        self.busy.push(busy);
        let length = to_u64(bytes.len());
        let mut expires = rules::lease(self.now, wished, &self.shared.config);
        match self.draft.blob(&id)? {
            // The disk has lost its bytes; it was paid for and is counted.
            Some(before) => {
                expires = expires.max(before.expires);
                self.drop_bytes(&id, &before);
            }
            None => {
                if self.room(length) != Relay::Roomy {
                    return Err(Refusal::RelayFull.into());
                }
                self.spend(&admission, Spending::Bytes(length))?;
                self.totals.blobs = self.totals.blobs.saturating_add(1);
                self.totals.blob_bytes = self.totals.blob_bytes.saturating_add(length);
            }
        }
        let life = (self.incarnations)()?;
        self.draft.put(keys::blob_bytes(&id, life), Bytes::new(), bytes);
        self.draft.set_blob(&id, Some(&Blob { length, expires, life: Some(life) }))?;
        Ok(Effect::Told(Applied::Renewed { expires }))
    }

    pub(super) fn renew_blob(&mut self, id: BlobId, wished: u32) -> Result<Effect, Stop> {
        let mut blob = self.draft.blob(&id)?.ok_or(Refusal::NoSuchBlob)?;
        blob.expires = blob.expires.max(rules::lease(self.now, wished, &self.shared.config));
        self.draft.set_blob(&id, Some(&blob))?;
        Ok(Effect::Told(Applied::Renewed { expires: blob.expires }))
    }

    pub(super) fn remove_blob(&mut self, id: BlobId) -> Result<Effect, Stop> {
        let blob = self.draft.blob(&id)?.ok_or(Refusal::NoSuchBlob)?;
        self.drop_blob(id, &blob)?;
        DONE
    }

    /// Removes a blob.
    pub(super) fn drop_blob(&mut self, id: BlobId, blob: &Blob) -> Result<(), Stop> {
        self.draft.set_blob(&id, None)?;
        self.totals.blobs = self.totals.blobs.saturating_sub(1);
        self.totals.blob_bytes = self.totals.blob_bytes.saturating_sub(blob.length);
        self.drop_bytes(&id, blob);
        Ok(())
    }

    fn drop_bytes(&mut self, id: &BlobId, blob: &Blob) {
        if let Some(life) = blob.life {
            self.draft.remove(keys::blob_bytes(id, life));
        }
    }
}
