//! Publishing into the embedded log.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::oneshot;

use super::queue::Job;
use super::{Running, closed};
use crate::window::Window;
use crate::{Error, Outgoing, Producer};

pub(super) struct EmbeddedProducer {
    running: Arc<Running>,
    window: Window,
}

impl EmbeddedProducer {
    pub(super) fn new(running: Arc<Running>) -> Self {
        let window = Window::new(running.shared.config.window_bytes);
        Self { running, window }
    }
}

#[async_trait]
impl Producer for EmbeddedProducer {
    async fn send(&self, record: Outgoing) -> Result<BoxFuture<'static, Result<i64, Error>>, Error> {
        let topic = self.running.shared.store.topic(&record.topic)?;
        record.admit(&topic.spec)?;
        let place = topic.place(record.partition);
        let room = self.window.take(record.size()).await?;
        let (done, delivered) = oneshot::channel();
        self.running.shared.queue.push(Job::Publish { record, place, room, done })?;
        Ok(delivered.map(|answer| answer.unwrap_or_else(|_| Err(closed()))).boxed())
    }

    async fn flush(&self, limit: Duration) -> Result<(), Error> {
        self.window.drained(limit).await
    }
}
