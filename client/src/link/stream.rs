//! The two halves of a stream to a relay.

use bytes::{Buf, Bytes};
use h3::client::RequestStream;
use http::StatusCode;

#[cfg(feature = "simulation")]
use super::hand::HandSending;

/// The stream, or its connection, is no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Gone;

/// Our half.
#[cfg_attr(feature = "simulation", expect(clippy::large_enum_variant, reason = "the small one is a simulator's"))]
pub(super) enum Sending {
    Http(RequestStream<h3_quinn::SendStream<Bytes>, Bytes>),
    #[cfg(feature = "simulation")]
    Hand(HandSending),
}

/// The relay's half.
pub(super) enum Receiving {
    Http(RequestStream<h3_quinn::RecvStream, Bytes>),
    #[cfg(feature = "simulation")]
    Hand(tokio::sync::mpsc::Receiver<Bytes>),
}

impl Sending {
    pub(super) async fn send_data(&mut self, bytes: Bytes) -> Result<(), Gone> {
        match self {
            Self::Http(stream) => stream.send_data(bytes).await.map_err(|_| Gone),
            #[cfg(feature = "simulation")]
            Self::Hand(stream) => stream.send(bytes),
        }
    }

    pub(super) async fn finish(&mut self) -> Result<(), Gone> {
        match self {
            Self::Http(stream) => stream.finish().await.map_err(|_| Gone),
            #[cfg(feature = "simulation")]
            Self::Hand(stream) => stream.finish(),
        }
    }
}

impl Receiving {
    /// Waits for the response's head.
    pub(super) async fn response(&mut self) -> Result<StatusCode, Gone> {
        match self {
            Self::Http(stream) => Ok(stream.recv_response().await.map_err(|_| Gone)?.status()),
            #[cfg(feature = "simulation")]
            Self::Hand(_) => Ok(StatusCode::OK),
        }
    }

    /// Waits for what comes next and gives it to `take`; [`Gone`] also when the relay says no more.
    ///
    /// # Cancel safety
    /// Safe: what came has been given.
    pub(super) async fn more(&mut self, mut take: impl FnMut(&[u8])) -> Result<(), Gone> {
        match self {
            Self::Http(stream) => {
                let mut data = stream.recv_data().await.map_err(|_| Gone)?.ok_or(Gone)?;
                while data.has_remaining() {
                    let length = data.chunk().len();
                    take(data.chunk());
                    data.advance(length);
                }
                Ok(())
            }
            #[cfg(feature = "simulation")]
            Self::Hand(heard) => heard.recv().await.map(|bytes| take(&bytes)).ok_or(Gone),
        }
    }
}
