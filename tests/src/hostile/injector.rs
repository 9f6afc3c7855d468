//! A client's TLS that puts other frames into packets just before they are encrypted, hides some that come, and lets quinn believe that the
//! relay allows everything, so that it goes on sending packets to be filled.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, BufMut, BytesMut};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::crypto::{
    ClientConfig, CryptoError, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, Session,
};
use quinn::{ConnectError, ConnectionId, Side};
use quinn_proto::TransportError;
use quinn_proto::transport_parameters::TransportParameters;

/// Frames that wait for a packet.
#[derive(Default)]
pub(super) struct Frames {
    waiting: Mutex<VecDeque<Vec<u8>>>,
    /// Whether packets carry these alone. From then on nothing of quinn's goes out, not even acknowledgements.
    only: AtomicBool,
    /// Acknowledgements that came.
    acknowledged: AtomicU64,
}

impl Frames {
    pub(super) fn queue(&self, frames: Vec<Vec<u8>>) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).extend(frames);
        self.only.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Counts acknowledgements (RFC 9000, 19), and says whether quinn must not see a packet: it would end the connection at the sight of more
    /// NEW_CONNECTION_ID (0x18) than it takes.
    fn hides(&self, mut payload: &[u8]) -> bool {
        while let Some((kind, rest)) = payload.split_first() {
            payload = rest;
            let numbers = match kind {
                // PADDING, PING, HANDSHAKE_DONE, IMMEDIATE_ACK.
                0 | 1 | 0x1e | 0x1f => 0,
                // ACK: largest, delay, number of ranges, ranges of two numbers each but for the first; counts of ECN.
                2 | 3 => {
                    self.acknowledged.fetch_add(1, Ordering::Relaxed);
                    let [_largest, _delay, ranges] = [(); 3].map(|()| value(&mut payload));
                    2 * ranges + if *kind == 3 { 4 } else { 1 }
                }
                // MAX_DATA, MAX_STREAMS of both kinds; MAX_STREAM_DATA.
                0x10 | 0x12 | 0x13 => 1,
                0x11 => 2,
                _ => return self.only.load(Ordering::Relaxed) && *kind == 0x18,
            };
            for _ in 0..numbers {
                value(&mut payload);
            }
        }
        false
    }

    /// Fills a packet's payload: PING (1), what fits, PADDING (0).
    fn fill(&self, payload: &mut [u8]) {
        if !self.only.load(Ordering::Relaxed) {
            return;
        }
        payload.fill(0);
        let Some((ping, mut left)) = payload.split_first_mut() else { return };
        *ping = 1;
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(frame) = waiting.pop_front() {
            match left.split_at_mut_checked(frame.len()) {
                Some((place, rest)) => {
                    place.copy_from_slice(&frame);
                    left = rest;
                }
                None => {
                    waiting.push_front(frame);
                    return;
                }
            }
        }
    }
}

/// A variable-length integer (RFC 9000, 16).
pub(super) fn number(value: u64) -> Vec<u8> {
    match (u8::try_from(value), u16::try_from(value), u32::try_from(value)) {
        (Ok(value), _, _) if value < 0x40 => vec![value],
        (_, Ok(value), _) if value < 0x4000 => (value | 0x4000).to_be_bytes().to_vec(),
        (_, _, Ok(value)) if value < 0x4000_0000 => (value | 0x8000_0000).to_be_bytes().to_vec(),
        _ => (value | 0xc000_0000_0000_0000).to_be_bytes().to_vec(),
    }
}

/// Takes such an integer.
fn value(bytes: &mut &[u8]) -> u64 {
    let length = 1_usize << (bytes.first().copied().unwrap_or(0) >> 6);
    let mut number = bytes.first().map_or(0, |first| u64::from(first & 0x3f));
    for byte in bytes.iter().take(length).skip(1) {
        number = (number << 8) | u64::from(*byte);
    }
    bytes.advance(length.min(bytes.len()));
    number
}

pub(super) struct Injector {
    inner: Arc<QuicClientConfig>,
    frames: Arc<Frames>,
    hearing: Hearing,
}

/// Whether the handshake goes on when the relay has answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hearing {
    Hears,
    Deaf,
}

impl Injector {
    pub(super) fn new(inner: Arc<QuicClientConfig>, frames: Arc<Frames>) -> Self {
        Self { inner, frames, hearing: Hearing::Hears }
    }

    /// It takes no word of the relay's TLS.
    pub(super) fn deaf(self) -> Self {
        Self { hearing: Hearing::Deaf, ..self }
    }
}

impl ClientConfig for Injector {
    fn start_session(
        self: Arc<Self>,
        version: u32,
        name: &str,
        parameters: &TransportParameters,
    ) -> Result<Box<dyn Session>, ConnectError> {
        let inner = Arc::clone(&self.inner).start_session(version, name, parameters)?;
        Ok(Box::new(Injecting { inner, frames: Arc::clone(&self.frames), hearing: self.hearing, keys: 0 }))
    }
}

struct Injecting {
    inner: Box<dyn Session>,
    frames: Arc<Frames>,
    hearing: Hearing,
    /// Keys given out: the first are of the handshake.
    keys: usize,
}

impl Injecting {
    fn filled(&self, keys: KeyPair<Box<dyn PacketKey>>) -> KeyPair<Box<dyn PacketKey>> {
        let filling = |inner| -> Box<dyn PacketKey> { Box::new(Filling { inner, frames: Arc::clone(&self.frames) }) };
        KeyPair { local: filling(keys.local), remote: filling(keys.remote) }
    }
}

impl Session for Injecting {
    fn initial_keys(&self, id: &ConnectionId, side: Side) -> Keys {
        self.inner.initial_keys(id, side)
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        self.inner.handshake_data()
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        self.inner.peer_identity()
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        self.inner.early_crypto()
    }

    fn early_data_accepted(&self) -> Option<bool> {
        self.inner.early_data_accepted()
    }

    fn is_handshaking(&self) -> bool {
        self.inner.is_handshaking()
    }

    fn read_handshake(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        match self.hearing {
            Hearing::Hears => self.inner.read_handshake(bytes),
            Hearing::Deaf => Ok(false),
        }
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        Ok(self.inner.transport_parameters()?.map(|parameters| boundless(&parameters)))
    }

    fn write_handshake(&mut self, out: &mut Vec<u8>) -> Option<Keys> {
        let keys = self.inner.write_handshake(out)?;
        self.keys += 1;
        let Keys { header, packet: KeyPair { local, remote } } = keys;
        let packet = KeyPair { local, remote };
        Some(Keys { header, packet: if self.keys > 1 { self.filled(packet) } else { packet } })
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        let keys = self.inner.next_1rtt_keys()?;
        Some(self.filled(keys))
    }

    fn is_valid_retry(&self, id: &ConnectionId, header: &[u8], payload: &[u8]) -> bool {
        self.inner.is_valid_retry(id, header, payload)
    }

    fn export_keying_material(
        &self,
        out: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        self.inner.export_keying_material(out, label, context)
    }
}

/// The relay's transport parameters with flow control that never ends (RFC 9000, 18.2: data 0x04, one-way streams 0x07 and 0x09).
fn boundless(parameters: &TransportParameters) -> TransportParameters {
    let mut bytes = Vec::new();
    parameters.write(&mut bytes);
    let mut left = bytes.as_slice();
    let mut out = Vec::new();
    while !left.is_empty() {
        let (id, length) = (value(&mut left), value(&mut left));
        let body: Vec<u8> = left.iter().take(usize::try_from(length).unwrap_or(0)).copied().collect();
        left.advance(body.len());
        let body = if matches!(id, 0x04 | 0x07 | 0x09) { number(1 << 40) } else { body };
        out.put_slice(&number(id));
        out.put_slice(&number(u64::try_from(body.len()).unwrap_or(0)));
        out.put_slice(&body);
    }
    TransportParameters::read(Side::Client, &mut out.as_slice()).unwrap_or(*parameters)
}

struct Filling {
    inner: Box<dyn PacketKey>,
    frames: Arc<Frames>,
}

impl PacketKey for Filling {
    fn encrypt(&self, packet: u64, bytes: &mut [u8], header: usize) {
        let end = bytes.len().saturating_sub(self.inner.tag_len());
        if let Some(payload) = bytes.get_mut(header..end) {
            self.frames.fill(payload);
        }
        self.inner.encrypt(packet, bytes, header);
    }

    fn decrypt(&self, packet: u64, header: &[u8], payload: &mut BytesMut) -> Result<(), CryptoError> {
        self.inner.decrypt(packet, header, payload)?;
        if self.frames.hides(payload) { Err(CryptoError) } else { Ok(()) }
    }

    fn tag_len(&self) -> usize {
        self.inner.tag_len()
    }

    fn confidentiality_limit(&self) -> u64 {
        self.inner.confidentiality_limit()
    }

    fn integrity_limit(&self) -> u64 {
        self.inner.integrity_limit()
    }
}
