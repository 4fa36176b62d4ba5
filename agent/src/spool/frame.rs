//! Records as they stand in a spool's file: length, checksum, record. What was torn shows. Pure.

use driftline_proto::v1::Record;
use prost::Message;

/// Length (4 bytes, little endian) and checksum (8 bytes).
pub(super) const HEAD: usize = 12;
/// No frame is longer: the aggregator takes no record above 4 MB.
const LONGEST: usize = 16 << 20;

/// What stands at the beginning of some bytes.
#[derive(Debug, PartialEq)]
pub(super) enum Frame {
    /// A whole frame, and its length.
    Record(Box<Record>, usize),
    /// Nothing at all.
    End,
    /// A frame of that length, of which not all is there.
    Cut(usize),
    /// No frame: torn or damaged.
    Damaged,
}

/// Adds a record to `out`.
pub(super) fn encode(record: &Record, out: &mut Vec<u8>) {
    let payload = record.encode_to_vec();
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
    out.extend(length);
    out.extend(checksum(length, &payload));
    out.extend(payload);
}

/// Reads the frame at the beginning of `bytes`.
pub(super) fn decode(bytes: &[u8]) -> Frame {
    if bytes.is_empty() {
        return Frame::End;
    }
    let Some((head, rest)) = bytes.split_at_checked(HEAD) else { return Frame::Cut(HEAD) };
    let Some(length) = head.first_chunk::<4>().copied() else { return Frame::Damaged };
    let size = u32::from_le_bytes(length) as usize;
    if size > LONGEST {
        return Frame::Damaged;
    }
    let Some(payload) = rest.get(..size) else { return Frame::Cut(HEAD + size) };
    if head[4..] != checksum(length, payload) {
        return Frame::Damaged;
    }
    Record::decode(payload).map_or(Frame::Damaged, |record| Frame::Record(Box::new(record), HEAD + size))
}

fn checksum(length: [u8; 4], payload: &[u8]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&length).update(payload);
    let mut sum = [0; 8];
    sum.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    sum
}
