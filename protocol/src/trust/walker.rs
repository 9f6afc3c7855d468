//! Reads CBOR as strictly as a signed object must be written. minicbor alone is lenient.
//!
//! Refuses indefinite lengths, numbers and lengths that are not in their shortest form, map keys that do not rise or
//! are no unsigned integers, tags, floats, and nesting deeper than [`MAX_DEPTH`] (RFC 8949, 4.2.1).

use zeroize::Zeroizing;

use super::object::ObjectFault;
use crate::limits::{CRITICAL_FIELDS, MAX_DEPTH};

/// Walks one item that fills the bytes whole and gives it back without the fields past the critical range.
///
/// Two objects with the same projection say the same to a reader who knows only the critical fields.
pub(super) fn project(bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, ObjectFault> {
    let mut walker = Walker { rest: bytes };
    let mut out = Zeroizing::new(Vec::with_capacity(bytes.len()));
    walker.item(&mut out, 0)?;
    if walker.rest.is_empty() { Ok(out) } else { Err(ObjectFault::Malformed) }
}

struct Walker<'b> {
    rest: &'b [u8],
}

/// First bytes of an item: its major type and argument (RFC 8949, 3), and how they were written.
struct Head<'b> {
    major: u8,
    argument: u64,
    written: &'b [u8],
}

impl<'b> Walker<'b> {
    fn item(&mut self, out: &mut Vec<u8>, depth: usize) -> Result<(), ObjectFault> {
        let head = self.head()?;
        match head.major {
            0 | 1 => out.extend_from_slice(head.written),
            2 | 3 => {
                let body = self.take(head.argument)?;
                if head.major == 3 {
                    core::str::from_utf8(body).map_err(|_| ObjectFault::Malformed)?;
                }
                out.extend_from_slice(head.written);
                out.extend_from_slice(body);
            }
            4 => {
                let depth = deeper(depth)?;
                out.extend_from_slice(head.written);
                for _ in 0..self.count(head.argument)? {
                    self.item(out, depth)?;
                }
            }
            5 => self.map(head.argument, out, deeper(depth)?)?,
            // 20 false, 21 true, 22 null: no floats, nothing undefined.
            7 if (20..=22).contains(&head.argument) && head.written.len() == 1 => out.extend_from_slice(head.written),
            _ => return Err(ObjectFault::Malformed),
        }
        Ok(())
    }

    fn map(&mut self, fields: u64, out: &mut Vec<u8>, depth: usize) -> Result<(), ObjectFault> {
        let mut kept = 0;
        let mut body = Zeroizing::new(Vec::new());
        let mut last = None;
        for _ in 0..self.count(fields)? {
            let key = self.head()?;
            if key.major != 0 {
                return Err(ObjectFault::Malformed);
            }
            if last.is_some_and(|last| last >= key.argument) {
                return Err(ObjectFault::KeyOrder);
            }
            last = Some(key.argument);
            if key.argument < CRITICAL_FIELDS {
                kept += 1_u64;
                body.extend_from_slice(key.written);
                self.item(&mut body, depth)?;
            } else {
                self.item(&mut Zeroizing::new(Vec::new()), depth)?;
            }
        }
        // Only a projection is compared, so the count need not be CBOR: one byte for the kind, eight for the count.
        out.push(5 << 5);
        out.extend(kept.to_be_bytes());
        out.extend_from_slice(&body);
        Ok(())
    }

    fn head(&mut self) -> Result<Head<'b>, ObjectFault> {
        let all = self.rest;
        let (first, rest) = all.split_first().ok_or(ObjectFault::Malformed)?;
        let low = first & 0x1f;
        let length = match low {
            0..=23 => 0,
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            31 => return Err(ObjectFault::Indefinite),
            _ => return Err(ObjectFault::Malformed),
        };
        let (body, rest) = rest.split_at_checked(length).ok_or(ObjectFault::Malformed)?;
        let argument =
            if length == 0 { u64::from(low) } else { body.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)) };
        let shortest = match length {
            0 => true,
            1 => argument >= 24,
            2 => argument > u64::from(u8::MAX),
            4 => argument > u64::from(u16::MAX),
            _ => argument > u64::from(u32::MAX),
        };
        // A float's bytes are no number; it is refused as such by who asked for an item.
        if !shortest && first >> 5 != 7 {
            return Err(ObjectFault::NotShortest);
        }
        self.rest = rest;
        let (written, _) = all.split_at_checked(1 + length).ok_or(ObjectFault::Malformed)?;
        Ok(Head { major: first >> 5, argument, written })
    }

    fn take(&mut self, length: u64) -> Result<&'b [u8], ObjectFault> {
        let length = usize::try_from(length).map_err(|_| ObjectFault::Malformed)?;
        let (body, rest) = self.rest.split_at_checked(length).ok_or(ObjectFault::Malformed)?;
        self.rest = rest;
        Ok(body)
    }

    /// A count of items that can be there at all: each takes a byte or more.
    fn count(&self, items: u64) -> Result<usize, ObjectFault> {
        usize::try_from(items).ok().filter(|items| *items <= self.rest.len()).ok_or(ObjectFault::Malformed)
    }
}

fn deeper(depth: usize) -> Result<usize, ObjectFault> {
    if depth < MAX_DEPTH { Ok(depth + 1) } else { Err(ObjectFault::TooDeep) }
}
