//! Blob streams: one blob each, put or get, on a connection whose session is admitted. SPEC 8.

use std::sync::Arc;

use relevo_protocol::wire::{BlobCall, BlobReply, Refusal, encode};

use crate::relay::Parts;
use crate::session::Admitted;
use crate::transport::{Batch, ConnectionHandle, PeerGone, ReceiveHalf, SendHalf};

/// Serves one blob stream.
///
/// # Errors
/// [`PeerGone`].
pub(crate) async fn serve(
    call: BlobCall,
    admitted: Admitted,
    mut send: SendHalf,
    receive: ReceiveHalf,
    handle: &ConnectionHandle,
    parts: &Arc<Parts>,
) -> Result<(), PeerGone> {
    let _ = (call, admitted, receive, handle, parts);
    send.send(Batch::of(&encode(&BlobReply::Refused { refusal: Refusal::UnknownKind }))).await?;
    send.finish().await
}
