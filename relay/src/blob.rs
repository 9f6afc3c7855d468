//! Blob streams: one blob each, put or get, on a connection whose session is admitted. SPEC 8.
//!
//! A blob is at most 256 KiB and a little, so each stream holds one in memory and touches the disk once; the number of
//! streams bounds the sum.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use relevo_protocol::limits::MAX_BLOB;
use relevo_protocol::time::Hour;
use relevo_protocol::wire::{AdmissionId, BlobCall, BlobId, BlobReply, Refusal, encode};
use tokio::time::{Instant, timeout};

use crate::clock;
use crate::places::{Most, Place, Places, Source};
use crate::relay::Parts;
use crate::session::Admitted;
use crate::store::blobs::{Begun, Download, Upload, Whole};
use crate::store::{AdmissionKind, Applied, Change};
use crate::transport::{Batch, ConnectionHandle, PeerGone, ReceiveHalf, Rest, SendHalf};

/// Silence after which a put is broken off. Its client may be back on another connection already, and finds the blob
/// busy until then.
const STALLED: Duration = Duration::from_secs(10);

/// Time for one blob whatever its pace: at 10 KB/s it takes 26 s. A stream that trickles gives its place up. A get has no
/// limit on silence beside it: eight of one connection share its send window, and on a narrow link one of them may wait for
/// a minute while others move. It would not help either, since who wants to hold a place asks again at once.
const LONGEST: Duration = Duration::from_secs(300);

/// Places of blob streams. One who holds an eighth needs eight admissions to take them all, and four addresses.
pub(crate) struct BlobPlaces {
    admissions: Places<AdmissionId>,
    addresses: Places<Source>,
}

impl BlobPlaces {
    /// So many in all; an eighth of one admission of its own, a quarter of one address, which may be that of a hall.
    pub(crate) fn new(all: usize) -> Self {
        Self {
            admissions: Places::new(Most { all, each: all / 8 }),
            addresses: Places::new(Most { all, each: all / 4 }),
        }
    }

    /// One more. Everybody who has the relay's address has the shared admission: places of addresses bound it.
    fn take(&self, admitted: Admitted, address: Source) -> Option<(Place<Source>, Option<Place<AdmissionId>>)> {
        let of_address = self.addresses.take(address)?;
        let of_admission = match admitted.kind {
            AdmissionKind::Shared => None,
            AdmissionKind::SingleUse | AdmissionKind::Enrolled => Some(self.admissions.take(admitted.id)?),
        };
        Some((of_address, of_admission))
    }
}

/// Serves one blob stream.
///
/// # Errors
/// [`PeerGone`].
pub(crate) async fn serve(
    call: BlobCall,
    admitted: Admitted,
    send: SendHalf,
    receive: ReceiveHalf,
    handle: &ConnectionHandle,
    parts: &Arc<Parts>,
) -> Result<(), PeerGone> {
    let mut stream = BlobStream { send, receive, parts };
    let served = match (handle.blob_room(), parts.blobs.take(admitted, handle.source())) {
        _ if admitted.kind == AdmissionKind::SingleUse => Err(Refusal::AllowanceSpent.into()),
        (Some(_own), Some(_places)) => match call {
            BlobCall::Put { id, length, lease_hours } => stream.put(admitted, id, length, lease_hours).await,
            BlobCall::Get { id, offset, length } => {
                timeout(LONGEST, stream.get(id, offset, length)).await.unwrap_or(Err(PeerGone.into()))
            }
        },
        (None, _) | (_, None) => Err(Refusal::Busy.into()),
    };
    match served {
        Ok(()) => {}
        Err(Stop::Gone(gone)) => return Err(gone),
        Err(Stop::Refused(refusal)) => {
            parts.metrics.refusals.one();
            stream.reply(&BlobReply::Refused { refusal }).await?;
        }
    }
    stream.send.finish().await
}

/// Why a blob stream ends early.
enum Stop {
    Refused(Refusal),
    Gone(PeerGone),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<PeerGone> for Stop {
    fn from(gone: PeerGone) -> Self {
        Self::Gone(gone)
    }
}

struct BlobStream<'p> {
    send: SendHalf,
    receive: ReceiveHalf,
    parts: &'p Arc<Parts>,
}

impl BlobStream<'_> {
    async fn put(&mut self, admitted: Admitted, id: BlobId, length: u64, lease_hours: u32) -> Result<(), Stop> {
        let store = self.parts.service.store().clone();
        let begun = blocking(move || store.begin_blob(&admitted.id, id, length, clock::now())).await?;
        let expires = match begun {
            // A sweep between the two takes the blob: whoever puts it again finds it wanted.
            Begun::Held => match self.renew(id, lease_hours).await {
                Err(Refusal::NoSuchBlob) => return Err(Refusal::Busy.into()),
                renewed => renewed?,
            },
            Begun::Wanted(upload) => {
                self.reply(&BlobReply::Have { offset: upload.offset() }).await?;
                let whole = self.receive(upload).await?;
                whole.keep(self.parts.service.writer(), admitted.id, lease_hours).await?
            }
        };
        self.parts.metrics.blobs_stored.one();
        Ok(self.reply(&BlobReply::Stored { expires }).await?)
    }

    /// Takes the bytes that are wanted. What came before a break is kept for the next try.
    async fn receive(&mut self, mut upload: Upload) -> Result<Whole, Stop> {
        let wanted = usize::try_from(upload.wanted()).map_err(|_| Refusal::Malformed)?;
        // At most MAX_BLOB, and memory that nothing is written to is none.
        let mut held = BytesMut::with_capacity(wanted);
        let begun = Instant::now();
        let broken = loop {
            if held.len() >= wanted {
                break None;
            }
            let patience = STALLED.min(LONGEST.saturating_sub(begun.elapsed()));
            match timeout(patience, self.receive.gather(&mut held, wanted)).await {
                Ok(Ok(Rest::More)) => {}
                Ok(Ok(Rest::Nothing)) => break Some(Stop::Refused(Refusal::Malformed)),
                Ok(Err(gone)) => break Some(gone.into()),
                Err(_) => break Some(Stop::Refused(Refusal::Busy)),
            }
        };
        if held.len() > wanted {
            return Err(Refusal::Malformed.into());
        }
        match broken {
            None => Ok(blocking(move || upload.complete(held.freeze())).await?),
            Some(stop) => {
                blocking(move || upload.write(&held)).await?;
                Err(stop)
            }
        }
    }

    async fn renew(&self, id: BlobId, lease_hours: u32) -> Result<Hour, Refusal> {
        match self.parts.service.writer().apply(Change::RenewBlob { id, lease_hours }).await? {
            Applied::Renewed { expires } => Ok(expires),
            Applied::Done
            | Applied::Opened { .. }
            | Applied::Appended(_)
            | Applied::Taken { .. }
            | Applied::Swept { .. } => Err(Refusal::Failed),
        }
    }

    async fn get(&mut self, id: BlobId, offset: u64, length: u64) -> Result<(), Stop> {
        let store = self.parts.service.store().clone();
        let most = usize::try_from(MAX_BLOB).map_err(|_| Refusal::Failed)?;
        let read = move || {
            let mut download: Download = store.open_blob(&id, offset, length.min(MAX_BLOB), clock::now())?;
            let total = download.total();
            Ok((total, download.next_bytes(most)?))
        };
        let (total, bytes) = blocking(read).await?;
        let length = u64::try_from(bytes.len()).map_err(|_| Refusal::Failed)?;
        let mut batch = Batch::of(&encode(&BlobReply::Sending { length, total }));
        batch.raw(bytes);
        self.send.send(batch).await?;
        self.parts.metrics.blobs_sent.one();
        Ok(())
    }

    /// Says a few bytes. A client that has no room for them would keep one of the places that all share.
    async fn reply(&mut self, reply: &BlobReply) -> Result<(), PeerGone> {
        timeout(STALLED, self.send.send(Batch::of(&encode(reply)))).await.unwrap_or(Err(PeerGone))
    }
}

/// Does what blocks on the disk on a thread for that.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Refusal> + Send + 'static) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Refusal::Failed))
}
