//! What a peer may make h3 hold: it gathers every frame but DATA whole before it looks at it (h3 0.0.8), so the lengths
//! are read here first, as the bytes come (RFC 9114, 7.1 and 6.2).

/// Longest frame other than DATA: a request's head is 8 KiB at most, settings are a few bytes.
const LONGEST: u64 = 16 << 10;
/// Type of the frames that carry a body, which h3 gives out as they come.
const DATA: u64 = 0;
/// Type of the one-way stream that carries frames; those of QPACK and unknown ones are never gathered.
const CONTROL: u64 = 0;

/// Follows the frames of one stream of the peer's.
#[derive(Debug)]
pub(super) struct FrameWatch {
    state: State,
    number: Number,
}

#[derive(Debug)]
enum State {
    /// A one-way stream says first what it is.
    StreamType,
    FrameType,
    Length {
        data: bool,
    },
    Payload(u64),
    /// A stream without frames.
    Unframed,
}

/// A variable-length integer on its way (RFC 9000, 16).
#[derive(Debug, Default)]
struct Number {
    value: u64,
    left: Option<u8>,
}

/// The peer announced a frame that would have to be held and is too long.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a frame is too long to be held")]
pub(super) struct FrameTooLong;

impl FrameWatch {
    /// Of a request's stream.
    pub(super) fn two_way() -> Self {
        Self { state: State::FrameType, number: Number::default() }
    }

    /// Of a one-way stream.
    pub(super) fn one_way() -> Self {
        Self { state: State::StreamType, number: Number::default() }
    }

    /// Looks at the next bytes of the stream.
    ///
    /// # Errors
    /// [`FrameTooLong`].
    pub(super) fn pass(&mut self, mut bytes: &[u8]) -> Result<(), FrameTooLong> {
        while !bytes.is_empty() {
            bytes = match &mut self.state {
                State::Unframed => return Ok(()),
                State::Payload(left) => {
                    let skip = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left = left.saturating_sub(u64::try_from(skip).unwrap_or(u64::MAX));
                    if *left == 0 {
                        self.state = State::FrameType;
                    }
                    bytes.get(skip..).unwrap_or_default()
                }
                State::StreamType | State::FrameType | State::Length { .. } => {
                    let (number, rest) = self.number.take(bytes);
                    if let Some(number) = number {
                        self.step(number)?;
                    }
                    rest
                }
            };
        }
        Ok(())
    }

    fn step(&mut self, number: u64) -> Result<(), FrameTooLong> {
        self.state = match self.state {
            State::StreamType if number == CONTROL => State::FrameType,
            State::StreamType | State::Unframed => State::Unframed,
            State::FrameType => State::Length { data: number == DATA },
            State::Length { data: false } if number > LONGEST => return Err(FrameTooLong),
            State::Length { .. } | State::Payload(_) if number > 0 => State::Payload(number),
            State::Length { .. } | State::Payload(_) => State::FrameType,
        };
        Ok(())
    }
}

impl Number {
    /// Takes bytes of the number; gives it when it is whole, and the bytes after it.
    fn take<'b>(&mut self, mut bytes: &'b [u8]) -> (Option<u64>, &'b [u8]) {
        while let Some((byte, rest)) = bytes.split_first() {
            bytes = rest;
            let left = match self.left {
                // The first two bits say how many bytes follow: 0, 1, 3 or 7.
                None => {
                    self.value = u64::from(byte & 0x3f);
                    (1_u8 << (byte >> 6)) - 1
                }
                Some(left) => {
                    self.value = (self.value << 8) | u64::from(*byte);
                    left - 1
                }
            };
            if left == 0 {
                return (Some(std::mem::take(self).value), bytes);
            }
            self.left = Some(left);
        }
        (None, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(value: u64) -> Vec<u8> {
        match value {
            0..=0x3f => vec![u8::try_from(value).unwrap()],
            0x40..=0x3fff => (u16::try_from(value).unwrap() | 0x4000).to_be_bytes().to_vec(),
            0x4000..=0x3fff_ffff => (u32::try_from(value).unwrap() | 0x8000_0000).to_be_bytes().to_vec(),
            _ => (value | 0xc000_0000_0000_0000).to_be_bytes().to_vec(),
        }
    }

    fn frame(kind: u64, length: usize) -> Vec<u8> {
        [number(kind), number(u64::try_from(length).unwrap()), vec![0xff; length]].concat()
    }

    /// Whether the bytes pass, given in pieces of one length.
    fn passes(mut watch: FrameWatch, bytes: &[u8], piece: usize) -> bool {
        bytes.chunks(piece).all(|piece| watch.pass(piece).is_ok())
    }

    proptest! {
        #[test]
        fn bodies_pass_at_any_length_and_other_frames_to_their_limit(
            frames in prop::collection::vec((0_u64..200_000_000_000, 0_usize..20_000), 1..6),
            piece in 1_usize..3000,
        ) {
            let bytes: Vec<u8> = frames.iter().flat_map(|(kind, length)| frame(*kind, *length)).collect();
            let fit = frames.iter().all(|(kind, length)| *kind == DATA || *length <= 16 << 10);
            prop_assert_eq!(passes(FrameWatch::two_way(), &bytes, piece), fit);
        }
    }

    #[test]
    fn a_length_is_refused_before_anything_of_the_frame_has_come() {
        let head = |kind, length| [number(kind), number(length)].concat();
        assert!(!passes(FrameWatch::two_way(), &head(0x21, (16 << 10) + 1), 1));
        assert!(!passes(FrameWatch::two_way(), &head(1, u64::MAX >> 2), 1));
        assert!(passes(FrameWatch::two_way(), &head(DATA, u64::MAX >> 2), 1));
        let control = [number(CONTROL), frame(4, 12), head(0x21, 1 << 20)].concat();
        assert!(!passes(FrameWatch::one_way(), &control, 1));
    }

    #[test]
    fn a_one_way_stream_of_another_type_has_no_frames() {
        let encoder = [number(2), vec![0xff; 100]].concat();
        assert!(passes(FrameWatch::one_way(), &encoder, 1));
    }
}
