//! Cutting a stream into frames.

use proptest::prelude::*;
use relevo_protocol::wire::{FrameFault, FrameReader, write_frame};

proptest! {
    #[test]
    fn frames_come_whole_however_the_stream_is_cut(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..10),
        cuts in prop::collection::vec(1_usize..50, 1..20),
    ) {
        let mut stream = Vec::new();
        for body in &bodies {
            write_frame(&mut stream, body, 300).unwrap();
        }
        let mut reader = FrameReader::new();
        let mut got = Vec::new();
        let mut rest = stream.as_slice();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            reader.push(now);
            rest = later;
            while let Some(frame) = reader.next_frame(300).unwrap() {
                got.push(frame.to_vec());
            }
        }
        prop_assert_eq!(got, bodies);
        prop_assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..100), max in 0_usize..200) {
        let mut reader = FrameReader::new();
        reader.push(&bytes);
        while let Ok(Some(frame)) = reader.next_frame(max) {
            prop_assert!(frame.len() <= max);
        }
    }
}

#[test]
fn a_frame_over_the_limit_is_refused_by_its_length_alone() {
    let mut reader = FrameReader::new();
    reader.push(&[0, 0, 0, 11]);
    assert_eq!(reader.next_frame(10), Err(FrameFault::TooLong { max: 10 }));
    assert_eq!(write_frame(&mut Vec::new(), &[0; 11], 10), Err(FrameFault::TooLong { max: 10 }));
}

#[test]
fn an_empty_frame_is_refused() {
    let mut reader = FrameReader::new();
    reader.push(&[0, 0, 0, 0]);
    assert_eq!(reader.next_frame(10), Err(FrameFault::Empty));
}

#[test]
fn a_stream_that_ends_inside_a_frame_is_said_to() {
    let mut reader = FrameReader::new();
    reader.push(&[0, 0, 0, 3, 1]);
    assert_eq!(reader.next_frame(10), Ok(None));
    assert_eq!(reader.finish(), Err(FrameFault::Truncated));
}

#[test]
fn what_follows_the_last_frame_stays() {
    let mut reader = FrameReader::new();
    reader.push(&[0, 0, 0, 1, 7, 8, 9]);
    assert_eq!(reader.next_frame(10).unwrap().unwrap().as_ref(), [7]);
    assert_eq!(reader.into_rest().as_ref(), [8, 9]);
}

#[test]
fn a_reader_that_waits_keeps_nothing_of_the_frames_before() {
    let mut stream = Vec::new();
    write_frame(&mut stream, &vec![7; 500_000], 500_000).unwrap();
    write_frame(&mut stream, b"small", 500_000).unwrap();
    let mut reader = FrameReader::new();
    reader.push(&stream);
    let large = reader.next_frame(500_000).unwrap().unwrap();
    assert_eq!(reader.next_frame(500_000).unwrap().unwrap(), "small");
    assert!(large.is_unique(), "the reader holds on to the room of a large frame");
}
