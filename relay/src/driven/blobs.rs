//! Blob streams of a driven relay: what is done with one, a step at a time, as `crate::blob` does it on a connection.

use bytes::{Bytes, BytesMut};
use relevo_protocol::limits::{MAX_BLOB, MAX_FRAME};
use relevo_protocol::time::{Hour, Timestamp};
use relevo_protocol::wire::{BlobCall, BlobId, BlobReply, Opening, Refusal, decode_exact, encode, write_frame};

use super::{DrivenRelay, SessionId, Whose};
use crate::session::core::Admitted;
use crate::store::blobs::{Begun, Leftover, Upload};
use crate::store::{AdmissionKind, Applied, Change};

/// Names a blob stream of a driven relay.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BlobStream {
    /// In this session.
    pub session: SessionId,
    /// The client's number for it.
    pub number: u64,
}

/// What a client does with a blob stream.
#[derive(Debug)]
pub enum BlobSaid {
    /// Begins it, with the opening frame's body.
    Opened(Bytes),
    /// Sends bytes.
    Bytes(Bytes),
    /// Sends no more.
    Finished,
    /// Is gone before it has sent everything.
    Left,
}

/// How far a put has come.
pub(super) enum Put {
    Taking {
        upload: Upload,
        held: BytesMut,
        lease_hours: u32,
    },
    /// In the next batch; none for a blob whose lease is renewed.
    Keeping(Option<Leftover>),
}

impl DrivenRelay {
    /// Takes what a client says on a blob stream; changes wait for [`Self::commit`].
    pub fn blob(&mut self, stream: BlobStream, said: BlobSaid, now: Timestamp) {
        let Some(admitted) = self.sessions.get(&stream.session).map(|session| session.admitted()) else { return };
        let done = match said {
            BlobSaid::Opened(opening) => self.opened(stream, &opening, admitted, now),
            BlobSaid::Bytes(bytes) => self.took(stream, &bytes, admitted),
            BlobSaid::Finished => self.broken(stream).map_or(Ok(()), |()| Err(Refusal::Malformed)),
            BlobSaid::Left => {
                self.broken(stream);
                Ok(())
            }
        };
        if let Err(refusal) = done {
            self.puts.remove(&stream);
            self.reply(stream, &BlobReply::Refused { refusal });
            self.replies.push_back((stream, None));
        }
    }

    /// Whether a blob is on its way in.
    #[must_use]
    pub fn takes_blobs(&self) -> bool {
        !self.puts.is_empty()
    }

    /// What the relay says on blob streams: bytes, or none at the end of its half.
    pub fn take_blobs(&mut self) -> Vec<(BlobStream, Option<Bytes>)> {
        self.replies.drain(..).collect()
    }

    fn opened(
        &mut self,
        stream: BlobStream,
        opening: &[u8],
        admitted: Admitted,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let Ok(Opening::Blob { call }) = decode_exact(opening) else { return Err(Refusal::Malformed) };
        if admitted.kind == AdmissionKind::SingleUse {
            return Err(Refusal::AllowanceSpent);
        }
        match call {
            BlobCall::Put { id, length, lease_hours } => {
                match self.store.begin_blob(&admitted.id, id, length, now)? {
                    Begun::Held => {
                        self.waiting.push_back((Whose::Blob(stream), Change::RenewBlob { id, lease_hours }));
                        self.puts.insert(stream, Put::Keeping(None));
                    }
                    Begun::Wanted(upload) => {
                        self.reply(stream, &BlobReply::Have { offset: upload.offset() });
                        let held = BytesMut::new();
                        self.puts.insert(stream, Put::Taking { upload, held, lease_hours });
                        self.took(stream, &[], admitted)?;
                    }
                }
                Ok(())
            }
            BlobCall::Get { id, offset, length } => self.send(stream, &id, offset, length, now),
        }
    }

    fn send(
        &mut self,
        stream: BlobStream,
        id: &BlobId,
        offset: u64,
        length: u64,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let most = usize::try_from(MAX_BLOB).map_err(|_| Refusal::Failed)?;
        let mut download = self.store.open_blob(id, offset, length.min(MAX_BLOB), now)?;
        let (length, total) = (download.length(), download.total());
        self.reply(stream, &BlobReply::Sending { length, total });
        self.replies.push_back((stream, Some(download.next_bytes(most)?)));
        self.replies.push_back((stream, None));
        Ok(())
    }

    /// Takes bytes of a put, and with the last of them has the blob kept.
    fn took(&mut self, stream: BlobStream, bytes: &[u8], admitted: Admitted) -> Result<(), Refusal> {
        let Some(Put::Taking { upload, mut held, lease_hours }) = self.puts.remove(&stream) else { return Ok(()) };
        held.extend_from_slice(bytes);
        let wanted = usize::try_from(upload.wanted()).map_err(|_| Refusal::Malformed)?;
        if held.len() > wanted {
            return Err(Refusal::Malformed);
        }
        if held.len() < wanted {
            // Written with the last of them, or when the stream breaks.
            self.puts.insert(stream, Put::Taking { upload, held, lease_hours });
            return Ok(());
        }
        let (change, leftover) = upload.complete(held.freeze())?.change(admitted.id, lease_hours);
        self.waiting.push_back((Whose::Blob(stream), change));
        self.puts.insert(stream, Put::Keeping(Some(leftover)));
        Ok(())
    }

    /// Keeps what has come of a put for the next try; none if the stream takes nothing.
    fn broken(&mut self, stream: BlobStream) -> Option<()> {
        match self.puts.remove(&stream)? {
            Put::Taking { mut upload, held, .. } => {
                // What cannot be kept is sent again.
                let _kept = upload.write(&held);
                Some(())
            }
            keeping @ Put::Keeping(_) => {
                self.puts.insert(stream, keeping);
                None
            }
        }
    }

    /// A session is over, and its blob streams with it.
    pub(super) fn break_blobs(&mut self, session: SessionId) {
        let its: Vec<BlobStream> = self.puts.keys().filter(|stream| stream.session == session).copied().collect();
        for stream in its {
            self.broken(stream);
        }
    }

    /// The outcome of a put.
    pub(super) fn settle_blob(&mut self, stream: BlobStream, outcome: Result<Applied, Refusal>) {
        let kept = match self.puts.remove(&stream) {
            Some(Put::Keeping(Some(leftover))) => leftover.settle(outcome),
            // A sweep between the two takes the blob: whoever puts it again finds it wanted.
            Some(Put::Keeping(None)) | Some(Put::Taking { .. }) | None => match renewed(outcome) {
                Err(Refusal::NoSuchBlob) => Err(Refusal::Busy),
                renewed => renewed,
            },
        };
        self.reply(
            stream,
            &match kept {
                Ok(expires) => BlobReply::Stored { expires },
                Err(refusal) => BlobReply::Refused { refusal },
            },
        );
        self.replies.push_back((stream, None));
    }

    fn reply(&mut self, stream: BlobStream, reply: &BlobReply) {
        let mut frame = Vec::new();
        if write_frame(&mut frame, &encode(reply), MAX_FRAME).is_ok() {
            self.replies.push_back((stream, Some(frame.into())));
        }
    }
}

fn renewed(outcome: Result<Applied, Refusal>) -> Result<Hour, Refusal> {
    match outcome? {
        Applied::Renewed { expires } => Ok(expires),
        Applied::Done
        | Applied::Opened { .. }
        | Applied::Appended(_)
        | Applied::Taken { .. }
        | Applied::Swept { .. } => Err(Refusal::Failed),
    }
}
