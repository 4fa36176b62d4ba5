//! What was stored is there again, wherever the file was torn and whenever the disk was full.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use driftline_proto::v1::Record;
use proptest::prelude::*;

use super::disk::{Disk, Pen};
use super::*;

fn record(name: u32, size: usize) -> Record {
    let body = vec![u8::try_from(name % 251).unwrap_or_default(); size];
    Record { key: format!("s/{name}"), body: body.into(), version: 1, ..Record::default() }
}

fn names(records: &[Record]) -> Vec<(u64, String)> {
    records.iter().map(|r| (r.number, r.key.clone())).collect()
}

/// All that was not sent, as a reader gets it.
fn unsent(disk: &Disk) -> Vec<(u64, String)> {
    let (mut place, mut all) = (disk.place(), Vec::new());
    loop {
        let page = disk.page(&mut place).expect("a page");
        if page.is_empty() {
            return all;
        }
        all.extend(names(&page));
    }
}

fn open(folder: &Path) -> Disk {
    Disk::open(folder.to_owned(), disk::pen()).expect("a spool opens")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()).collect();
    files.sort();
    files
}

#[test]
fn torn_or_damaged_at_any_byte_it_opens_alone_and_keeps_what_was_stored_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut ends, mut all) = (Vec::new(), Vec::new());
    let file = {
        let mut disk = open(folder.path());
        for (name, size) in [(1, 0), (2, 300), (3, 1), (4, 70)] {
            let mut records = [record(name, size)];
            disk.append(&mut records).expect("room");
            all.extend(names(&records));
            ends.push(disk.segments.iter().map(|s| s.bytes).sum::<u64>());
        }
        files(folder.path()).remove(0)
    };
    let whole = std::fs::read(&file).expect("the file");
    let length = whole.len();
    let cuts = (0..=length).map(|at| whole[..at].to_vec());
    let flips = (0..length).map(|at| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        bytes
    });
    for (case, content) in cuts.chain(flips).enumerate() {
        let at = if case <= length { case } else { case - length - 1 };
        std::fs::write(&file, &content).expect("written");
        let kept = ends.iter().filter(|end| **end <= at as u64).count();
        let mut disk = open(folder.path());
        assert_eq!(unsent(&disk), all[..kept], "case {case}, byte {at}");
        // It goes on where it broke off.
        let mut more = [record(9, 10)];
        disk.append(&mut more).expect("room");
        assert_eq!(more[0].number, kept as u64 + 1);
        drop(disk);
        let after = unsent(&open(folder.path()));
        assert_eq!(after, [&all[..kept], &names(&more)].concat(), "case {case}, byte {at}");
    }
}

/// A pen of a disk that is full after so many bytes, or that says so only when it should make them durable.
fn full_after(left: Arc<AtomicUsize>, late: bool) -> Pen {
    Arc::new(move |file: &mut File, bytes: &[u8]| {
        let room = left.load(Ordering::SeqCst);
        let fits = room.min(bytes.len());
        let _ = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |l| l.checked_sub(fits));
        if late {
            file.write_all(bytes)?;
        } else {
            file.write_all(&bytes[..fits])?;
        }
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    })
}

#[test]
fn a_disk_that_is_full_at_any_byte_loses_nothing_that_was_stored_and_shows_nothing_that_was_not() {
    for late in [false, true] {
        for room in 0..700 {
            let folder = tempfile::tempdir().expect("a folder");
            let left = Arc::new(AtomicUsize::new(room));
            let mut disk = Disk::open(folder.path().to_owned(), full_after(Arc::clone(&left), late)).expect("opens");
            let mut stored = Vec::new();
            for name in 1..8 {
                let mut one = [record(name, 80)];
                if disk.append(&mut one).is_ok() {
                    stored.extend(names(&one));
                }
            }
            assert_eq!(unsent(&disk), stored, "{room} bytes");
            assert_eq!(unsent(&open(folder.path())), stored, "{room} bytes, opened again");
            left.store(usize::MAX, Ordering::SeqCst);
            let mut more = [record(99, 80)];
            disk.append(&mut more).expect("room again");
            stored.extend(names(&more));
            drop(disk);
            assert_eq!(unsent(&open(folder.path())), stored, "{room} bytes, and then room again");
        }
    }
}

#[test]
fn what_is_lost_in_the_middle_shows() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut disk = open(folder.path());
    for name in 0..30 {
        disk.append(&mut [record(name, 100_000)]).expect("room");
    }
    drop(disk);
    assert!(!open(folder.path()).holes);
    let all = files(folder.path());
    assert!(all.len() > 2, "{all:?}");
    let mut bytes = std::fs::read(&all[1]).expect("the file");
    bytes[500_000] ^= 1;
    std::fs::write(&all[1], bytes).expect("written");
    let disk = open(folder.path());
    assert!(disk.holes);
    let there = unsent(&disk);
    assert!(there.is_sorted() && there.first().is_some_and(|r| r.0 == 1) && there.last().is_some_and(|r| r.0 == 30));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever is stored, sent and opened again: each record is read once, in order, under the number that it got.
    #[test]
    fn every_record_is_there_until_it_is_acknowledged(steps in prop::collection::vec((0..4u8, 1..40_000usize), 1..60)) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut disk = open(folder.path());
        let (mut name, mut stored, mut acknowledged) = (0, Vec::new(), 0);
        for (step, n) in steps {
            match step {
                0 | 1 => {
                    let mut records: Vec<_> = (0..n % 7 + 1).map(|_| { name += 1; record(name, n) }).collect();
                    disk.append(&mut records).expect("room");
                    stored.extend(names(&records));
                }
                2 => {
                    acknowledged = stored.len().min(acknowledged + n % 9);
                    let sent = stored.get(acknowledged).map_or(disk.next, |r| r.0);
                    disk.settle(sent);
                }
                _ => disk = open(folder.path()),
            }
            prop_assert_eq!(unsent(&disk), &stored[acknowledged..]);
        }
        prop_assert!(stored.iter().map(|r| r.0).eq(1..=stored.len() as u64));
        disk.settle(disk.next);
        let kept: u64 = files(folder.path()).iter().map(|f| f.metadata().expect("a file").len()).sum();
        prop_assert!(kept < (32 << 10) + (1 << 10), "{} bytes of what was sent", kept);
    }
}

fn queue(folder: &Path, spool: &Spool, pen: Pen) -> Arc<Queue> {
    Arc::new(Queue::open(folder.join("a"), Arc::clone(&spool.room), pen).expect("opens"))
}

/// Until the load is as wanted.
async fn load(spool: &Spool, wanted: impl FnMut(&Load) -> bool) -> Load {
    let mut load = spool.load();
    let load = tokio::time::timeout(Duration::from_secs(30), load.wait_for(wanted)).await;
    *load.expect("in time").expect("the spool lives")
}

#[tokio::test]
async fn a_full_spool_holds_who_stores_until_something_was_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = Spool::new(folder.path().to_owned(), 5000);
    let (one, two) = (spool.queue("1").expect("opens"), spool.queue("2").expect("opens"));
    one.append((0..4).map(|n| record(n, 1000)).collect()).await;
    let (waiting, wanted) = (Arc::clone(&two), (0..3).map(|n| record(n, 1000)).collect());
    let stored = tokio::spawn(async move { waiting.append(wanted).await });
    let full = load(&spool, |l| l.waiting == 1).await;
    assert!(full.bytes <= 5000 && two.next() == 1, "{full:?}: the limit is over all accounts");

    let mut place = one.place();
    assert_eq!(one.page(&mut place).await.expect("a page").len(), 4);
    one.settle(3).await;
    assert_eq!(load(&spool, |_| true).await.waiting, 1, "its file is not done with");
    one.settle(5).await;
    assert_eq!(stored.await.expect("stored"), 4);
    assert_eq!(load(&spool, |_| true).await.waiting, 0);

    // What waits counts at the next start too.
    let before = load(&spool, |_| true).await.bytes;
    drop((one, two));
    let spool = Spool::new(folder.path().to_owned(), 5000);
    let _two = spool.queue("2").expect("opens");
    assert!(before > 3000 && load(&spool, |_| true).await.bytes == before);
}

#[tokio::test]
async fn a_disk_that_takes_nothing_is_asked_again_until_it_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = Spool::new(folder.path().to_owned(), 1 << 20);
    let left = Arc::new(AtomicUsize::new(50));
    let queue = queue(folder.path(), &spool, full_after(Arc::clone(&left), false));
    let waiting = Arc::clone(&queue);
    let stored = tokio::spawn(async move { waiting.append(vec![record(1, 100), record(2, 100)]).await });
    load(&spool, |l| l.waiting == 1).await;
    assert!(!stored.is_finished());
    left.store(usize::MAX, Ordering::SeqCst);
    assert_eq!(stored.await.expect("stored"), 3);
    let mut place = queue.place();
    let page = queue.page(&mut place).await.expect("a page");
    assert_eq!(names(&page), [(1, "s/1".to_owned()), (2, "s/2".to_owned())]);
}

#[tokio::test]
async fn who_reads_gets_each_record_once_while_others_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = Spool::new(folder.path().to_owned(), 300_000);
    let queue = queue(folder.path(), &spool, disk::pen());
    let (writing, seen) = (Arc::clone(&queue), Mutex::new(BTreeSet::new()));
    let stored = async {
        for n in 0..200 {
            writing.append(vec![record(n, 9000), record(n, 10)]).await;
        }
    };
    let sent = async {
        let mut place = queue.place();
        let mut count = 0;
        while count < 400 {
            let page = queue.page(&mut place).await.expect("a page");
            count += page.len();
            seen.lock().expect("sound").extend(page.iter().map(|r| r.number));
            queue.settle(page.last().map_or(0, |r| r.number + 1)).await;
        }
        count
    };
    let ((), count) = tokio::join!(stored, sent);
    assert_eq!((count, seen.lock().expect("sound").len()), (400, 400));
    assert!(spool.load().borrow().bytes == 0);
}
