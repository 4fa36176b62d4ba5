//! The files of one queue: segments, each named by the number of its first record. No async, no limits.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use driftline_proto::v1::Record;

use super::frame::{self, Frame};

/// A segment is closed above this.
const SEGMENT: u64 = 1 << 20;
/// A queue that has nothing to send keeps no more than this of what was sent.
const KEPT: u64 = 32 << 10;
/// Bytes read at once.
const PAGE: usize = 256 << 10;

/// Writes bytes to the end of a file and makes them durable.
pub(super) type Pen = Arc<dyn Fn(&mut File, &[u8]) -> io::Result<()> + Send + Sync>;

/// The pen of every day.
pub(super) fn pen() -> Pen {
    Arc::new(|file, bytes| {
        file.write_all(bytes)?;
        file.sync_data()
    })
}

/// A file. What is behind `bytes` in it is not ours.
pub(super) struct Segment {
    pub(super) first: u64,
    pub(super) bytes: u64,
}

pub(super) struct Disk {
    folder: PathBuf,
    pub(super) segments: VecDeque<Segment>,
    /// The last segment, for writing; `None` where the next record begins another.
    file: Option<File>,
    /// The number of the next record.
    pub(super) next: u64,
    /// Everything below this was sent, and is acknowledged.
    pub(super) sent: u64,
    /// Whether records are missing between others.
    pub(super) holes: bool,
    pen: Pen,
}

/// Where a reader stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(super) number: u64,
    segment: u64,
    offset: u64,
}

impl Disk {
    pub(super) fn open(folder: PathBuf, pen: Pen) -> io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let mut firsts = Vec::new();
        for entry in std::fs::read_dir(&folder)? {
            firsts.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u64>().ok()));
        }
        firsts.sort_unstable();
        let start = firsts.first().copied().unwrap_or(1);
        let segments = VecDeque::new();
        let mut disk = Self { folder, segments, file: None, next: start, sent: start, holes: false, pen };
        for (at, first) in firsts.iter().enumerate() {
            disk.load(*first, firsts.get(at + 1).copied())?;
        }
        disk.sent = disk.sent.min(disk.next);
        Ok(disk)
    }

    /// Takes over a segment as far as it is whole; the next one's first number ends it, whatever stands behind.
    fn load(&mut self, first: u64, end: Option<u64>) -> io::Result<()> {
        let path = self.path(first);
        let content = std::fs::read(&path)?;
        self.holes |= self.next < first;
        self.next = self.next.max(first);
        let mut whole = 0;
        loop {
            match frame::decode(&content[whole..]) {
                Frame::Record(record, _) if end.is_some_and(|end| record.number >= end) => break,
                Frame::Record(record, length) => {
                    whole += length;
                    if record.key.is_empty() {
                        self.sent = self.sent.max(record.number);
                    } else {
                        self.next = record.number + 1;
                    }
                }
                Frame::End => break,
                Frame::Cut(_) | Frame::Damaged => {
                    let lost = content.len() - whole;
                    tracing::warn!(file = %path.display(), bytes = lost, "the spool was torn here and goes on before it");
                    break;
                }
            }
        }
        self.segments.push_back(Segment { first, bytes: whole as u64 });
        if end.is_none() {
            let mut file = OpenOptions::new().write(true).open(&path)?;
            file.set_len(whole as u64)?;
            file.seek(SeekFrom::End(0))?;
            self.file = Some(file);
        }
        Ok(())
    }

    fn path(&self, first: u64) -> PathBuf {
        self.folder.join(format!("{first:020}"))
    }

    /// Gives records their numbers and stores them, all or none.
    pub(super) fn append(&mut self, records: &mut [Record]) -> io::Result<u64> {
        let mut bytes = Vec::new();
        for (number, record) in (self.next..).zip(records.iter_mut()) {
            record.number = number;
            frame::encode(record, &mut bytes);
        }
        let pen = Arc::clone(&self.pen);
        self.put(&bytes, &*pen)?;
        self.next += records.len() as u64;
        Ok(bytes.len() as u64)
    }

    fn put(&mut self, bytes: &[u8], write: &dyn Fn(&mut File, &[u8]) -> io::Result<()>) -> io::Result<()> {
        if self.file.is_none() || self.segments.back().is_none_or(|s| s.bytes >= SEGMENT) {
            self.begin()?;
        }
        let (Some(file), Some(segment)) = (&mut self.file, self.segments.back_mut()) else { return Ok(()) };
        if let Err(error) = write(file, bytes) {
            // What the file holds of it now is uncertain: it is cut off, and if that fails too, the next segment's number says
            // that it doesn't count.
            let _ = file.set_len(segment.bytes);
            self.file = None;
            return Err(error);
        }
        segment.bytes += bytes.len() as u64;
        Ok(())
    }

    /// A new segment, for records from `next` on; the last one again where there is none in it.
    fn begin(&mut self) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).write(true).truncate(false).open(self.path(self.next))?;
        File::open(&self.folder)?.sync_all()?;
        let whole = self.segments.back().filter(|s| s.first == self.next).map(|s| s.bytes);
        file.set_len(whole.unwrap_or(0))?;
        file.seek(SeekFrom::End(0))?;
        if whole.is_none() {
            self.segments.push_back(Segment { first: self.next, bytes: 0 });
        }
        self.file = Some(file);
        Ok(())
    }

    /// All below `sent` is acknowledged: gives up the files that hold nothing else; how many bytes these were.
    pub(super) fn settle(&mut self, sent: u64) -> u64 {
        if sent <= self.sent {
            return 0;
        }
        self.sent = sent.min(self.next);
        // To know it at the next start. Not durable, so after a crash of the machine some records are sent once more.
        let mut mark = Vec::new();
        frame::encode(&Record { number: self.sent, ..Record::default() }, &mut mark);
        let noted = self.put(&mark, &|file, bytes| file.write_all(bytes));
        if self.sent == self.next && self.segments.back().is_some_and(|s| s.bytes >= KEPT) {
            // Where the disk is full, the old segment stays.
            let _ = noted.and_then(|()| self.begin());
        }
        let mut freed = 0;
        while self.segments.get(1).is_some_and(|second| second.first <= self.sent) {
            let Some(segment) = self.segments.pop_front() else { break };
            freed += segment.bytes;
            if let Err(error) = std::fs::remove_file(self.path(segment.first)) {
                tracing::warn!(%error, folder = %self.folder.display(), "a file of the spool stays though all of it was sent");
            }
        }
        freed
    }

    /// Where the first record stands that was not sent.
    pub(super) fn place(&self) -> Place {
        let segment = self.segments.iter().rev().find(|s| s.first <= self.sent).or(self.segments.front());
        Place { number: self.sent, segment: segment.map_or(self.next, |s| s.first), offset: 0 }
    }

    /// Some records from `place` on, which moves behind them. None: there are no more.
    pub(super) fn page(&self, place: &mut Place) -> io::Result<Vec<Record>> {
        loop {
            let Some(at) = self.segments.iter().position(|s| s.first >= place.segment) else { return Ok(Vec::new()) };
            let segment = &self.segments[at];
            if segment.first != place.segment {
                (place.segment, place.offset) = (segment.first, 0);
            }
            let content = read(&self.path(segment.first), place.offset, segment.bytes)?;
            let mut records = Vec::new();
            let mut read = 0;
            while let Frame::Record(record, length) = frame::decode(&content[read..]) {
                read += length;
                if !record.key.is_empty() && record.number >= place.number {
                    place.number = record.number + 1;
                    records.push(*record);
                }
            }
            place.offset += read as u64;
            let over = place.offset >= segment.bytes;
            if over && let Some(next) = self.segments.get(at + 1) {
                (place.segment, place.offset) = (next.first, 0);
            }
            if !records.is_empty() {
                return Ok(records);
            }
            if over && at + 1 == self.segments.len() {
                place.number = self.next;
                return Ok(records);
            }
            if !over && read == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("{}: damaged at byte {}", self.path(segment.first).display(), place.offset),
                ));
            }
        }
    }
}

/// About a page of a file, whole frames of it at least one.
fn read(path: &Path, offset: u64, end: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let left = end.saturating_sub(offset);
    let mut content = Vec::new();
    Read::by_ref(&mut file).take(left.min(PAGE as u64)).read_to_end(&mut content)?;
    if let Frame::Cut(length) = frame::decode(&content)
        && length as u64 <= left
    {
        let more = (length - content.len()) as u64;
        file.take(more).read_to_end(&mut content)?;
    }
    Ok(content)
}
