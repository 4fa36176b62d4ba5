//! One partition outside of any group, page by page, up to the end that it has now.

use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::Running;
use super::group::MemberId;
use super::store::Known;
use crate::{Error, Record};

/// Holds back compaction while it reads.
struct Replay {
    running: Arc<Running>,
    id: MemberId,
    topic: Arc<Known>,
    partition: u32,
    position: u64,
    end: u64,
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.running.shared.members().ended(self.id);
    }
}

pub(super) fn read(
    running: Arc<Running>,
    topic: &str,
    partition: u32,
) -> Result<BoxStream<'static, Result<Record, Error>>, Error> {
    let topic = running.shared.store.topic(topic)?;
    let end = topic.next(partition)?;
    let mut members = running.shared.members();
    let id = members.reader();
    members.reads(id, topic.place(partition), 0);
    drop(members);
    let replay = Replay { running, id, topic, partition, position: 0, end };
    let pages = stream::try_unfold(replay, |mut replay| async move {
        if replay.position >= replay.end {
            return Ok(None);
        }
        let read = move || {
            let shared = &replay.running.shared;
            let (mut page, after) =
                shared.store.page(&replay.topic, replay.partition, replay.position, shared.config.page_bytes)?;
            page.retain(|r| u64::try_from(r.offset).is_ok_and(|offset| offset < replay.end));
            replay.position = after;
            let position = i64::try_from(after).unwrap_or(i64::MAX);
            shared.members().reads(replay.id, replay.topic.place(replay.partition), position);
            Ok::<_, Error>((page, replay))
        };
        tokio::task::spawn_blocking(read).await.map_err(|e| Error::Unavailable(e.to_string()))?.map(Some)
    });
    Ok(pages.map_ok(|page| stream::iter(page.into_iter().map(Ok))).try_flatten().boxed())
}
