//! Publishing: idempotent, acknowledged by all in-sync replicas, from the delivery report alone.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, NoCustomPartitioner, ProducerContext, ThreadedProducer};
use tokio::sync::oneshot;

use super::{KafkaConfig, Known, client, convert};
use crate::window::{Room, Window};
use crate::{Error, Outgoing, Producer};

/// A batch is refused whole where it is above a topic's limit, so it stays below the smallest one.
const BATCH_BYTES: u32 = 512 << 10;
/// librdkafka's queue is full although the window had room: only where its limits were set lower from outside.
const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(5);

/// A record under way: gives its room back and tells its offset when the broker, or the timeout, has spoken.
struct Flight {
    room: Room,
    done: oneshot::Sender<Result<i64, Error>>,
}

#[derive(Default)]
struct Reports {
    /// Why the producer takes nothing more, where that is a right which its user lacks.
    denied: Mutex<Option<String>>,
}

impl Reports {
    /// What a failed delivery means: a producer that failed for good only tells that it threw the record away.
    fn failed(&self, error: &KafkaError, topic: &str) -> Error {
        let denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (error.rdkafka_error_code(), denied) {
            (Some(Code::PurgeQueue | Code::PurgeInflight | Code::Fatal), Some(reason)) => {
                let text = format!("kafka: publishing to {topic}: {reason}");
                convert::code(Some(Code::ClusterAuthorizationFailed), &text)
            }
            _ => convert::error(error, topic),
        }
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "kafka producer");
        if reason.contains("authorization failed") {
            *self.denied.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
        }
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Flight>;

    fn delivery(&self, report: &DeliveryResult<'_>, flight: Box<Flight>) {
        let answer = match report {
            Ok(message) => Ok(message.offset()),
            Err((error, message)) => Err(self.failed(error, message.topic())),
        };
        let Flight { room, done } = *flight;
        drop(room);
        // Whoever sent it may not care any more.
        let _ = done.send(answer);
    }
}

type Native = ThreadedProducer<Reports, NoCustomPartitioner>;

/// Its end purges and joins a thread: up to a second that must not hold an async worker.
struct Parked(Option<Native>);

impl Drop for Parked {
    fn drop(&mut self) {
        let native = self.0.take();
        std::thread::spawn(move || drop(native));
    }
}

/// One producer of librdkafka; a new one where that has failed for good.
pub(super) struct KafkaProducer {
    config: Arc<KafkaConfig>,
    known: Known,
    window: Window,
    native: RwLock<Arc<Parked>>,
}

impl KafkaProducer {
    pub(super) fn new(config: Arc<KafkaConfig>, known: Known) -> Result<Self, Error> {
        let native = RwLock::new(Arc::new(connect(&config, &known)?));
        Ok(Self { window: Window::new(config.window_bytes), config, known, native })
    }

    fn native(&self) -> Arc<Parked> {
        self.native.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// An idempotent producer that met a gap takes nothing more, ever. What it held has failed and was reported.
    fn replace(&self, failed: &Arc<Parked>) -> Result<(), Error> {
        let mut native = self.native.write().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&native, failed) {
            tracing::warn!("kafka producer failed for good and is replaced");
            *native = Arc::new(connect(&self.config, &self.known)?);
        }
        Ok(())
    }
}

fn connect(config: &KafkaConfig, known: &Known) -> Result<Parked, Error> {
    let batch = known.smallest_limit().unwrap_or(BATCH_BYTES).min(BATCH_BYTES);
    let mut settings = client::base(config);
    settings
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("delivery.timeout.ms", config.delivery_timeout.as_millis().to_string())
        .set("compression.type", "lz4")
        .set("linger.ms", "2")
        .set("batch.size", batch.to_string())
        .set("queue.buffering.max.messages", "1000000")
        .set("queue.buffering.max.kbytes", (u64::from(config.window_bytes) / 512 + 65_536).to_string());
    let native = Native::from_config_and_context(&settings, Reports::default()).map_err(convert::misconfigured)?;
    Ok(Parked(Some(native)))
}

#[async_trait]
impl Producer for KafkaProducer {
    async fn send(&self, record: Outgoing) -> Result<BoxFuture<'static, Result<i64, Error>>, Error> {
        if let Some(topic) = self.known.get(&record.topic) {
            record.admit(&topic)?;
        }
        let room = self.window.take(record.size()).await?;
        let (done, delivered) = oneshot::channel();
        let mut flight = Box::new(Flight { room, done });
        loop {
            let native = self.native();
            let Some(producer) = &native.0 else { return Err(Error::Unavailable("the producer ended".to_owned())) };
            let Err((code, back)) = enqueue(producer, &record, flight) else { break };
            flight = back;
            match code {
                Some(Code::QueueFull) => tokio::time::sleep(QUEUE_FULL_PAUSE).await,
                Some(Code::Fatal) => self.replace(&native)?,
                code => return Err(convert::code(code, &format!("kafka: topic {}: {code:?}", record.topic))),
            }
        }
        let answer = delivered.map(|answer| {
            answer.unwrap_or_else(|_| Err(Error::Unavailable("the producer ended before delivery".to_owned())))
        });
        Ok(answer.boxed())
    }

    async fn flush(&self, limit: Duration) -> Result<(), Error> {
        self.window.drained(limit).await
    }
}

/// Copies the record into librdkafka's queue, or gives the flight back with the reason.
fn enqueue(native: &Native, record: &Outgoing, flight: Box<Flight>) -> Result<(), (Option<Code>, Box<Flight>)> {
    let mut out: BaseRecord<'_, [u8], [u8], Box<Flight>> = BaseRecord::with_opaque_to(&record.topic, flight);
    out = out.partition(convert::raw_partition(record.partition));
    if !record.key.is_empty() {
        out = out.key(&record.key);
    }
    if let Some(value) = &record.value {
        out = out.payload(value);
    }
    if !record.headers.is_empty() {
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (name, value) in &record.headers {
            headers = headers.insert(Header { key: name, value: Some(value) });
        }
        out = out.headers(headers);
    }
    native.send(out).map_err(|(error, back)| (error.rdkafka_error_code(), back.delivery_opaque))
}
