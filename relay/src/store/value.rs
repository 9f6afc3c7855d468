//! A row as it lies in journal and index: kind u8, length of the header u8 for kinds 1 and 2, header, then body or pointer.

use bytes::Bytes;

use super::fault::{INDEX, StoreFault};
use super::segments::Pointer;

/// Bodies up to this length lie in the index: receipts and the shortest texts. A leaf of sled holds up to 17 rows and is written whole,
/// which made appends of 50 clients with 2 KiB dearer by 11 to 25 per cent; above 128 KiB it goes to a file of its own which sled
/// never syncs.
pub(crate) const INLINE: usize = 1 << 10;

/// What a row holds.
pub(crate) struct Value {
    pub(crate) header: Bytes,
    pub(crate) body: Body,
}

/// Where a body lies.
pub(crate) enum Body {
    Inline(Bytes),
    Beside(Pointer),
}

impl Value {
    const PLAIN: u8 = 0;
    const INLINE: u8 = 1;
    const BESIDE: u8 = 2;

    /// Bytes of [`Self::encode`]. A pointer has the same length wherever it points.
    pub(crate) fn length(&self) -> usize {
        let behind = match &self.body {
            Body::Inline(body) if body.is_empty() => 1,
            Body::Inline(body) => body.len().saturating_add(2),
            Body::Beside(pointer) => pointer.encode().len().saturating_add(2),
        };
        self.header.len().saturating_add(behind)
    }

    pub(crate) fn encode(&self) -> Result<Bytes, StoreFault> {
        let Self { header, body } = self;
        let body: (u8, &[u8]) = match body {
            Body::Inline(body) if body.is_empty() => return Ok([&[Self::PLAIN], header.as_ref()].concat().into()),
            Body::Inline(body) => (Self::INLINE, body),
            Body::Beside(pointer) => (Self::BESIDE, &pointer.encode()),
        };
        let length = u8::try_from(header.len()).map_err(|_| StoreFault::Corrupt { what: "header" })?;
        Ok([&[body.0, length], header.as_ref(), body.1].concat().into())
    }

    pub(crate) fn decode(mut rest: Bytes) -> Result<Self, StoreFault> {
        const FAULT: StoreFault = StoreFault::Corrupt { what: INDEX };
        let kind = *rest.first().ok_or(FAULT)?;
        let _kind = rest.split_to(1);
        if kind == Self::PLAIN {
            return Ok(Self { header: rest, body: Body::Inline(Bytes::new()) });
        }
        let length = usize::from(*rest.first().ok_or(FAULT)?);
        let _length = rest.split_to(1);
        if rest.len() < length {
            return Err(FAULT);
        }
        let header = rest.split_to(length);
        let body = match kind {
            Self::INLINE => Body::Inline(rest),
            Self::BESIDE => Body::Beside(Pointer::decode(&rest).ok_or(FAULT)?),
            _ => return Err(FAULT),
        };
        Ok(Self { header, body })
    }
}
