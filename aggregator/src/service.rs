//! The gRPC service: limits of the transport, health, reflection, and one task per stream.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use driftline_bus::Producer;
use driftline_proto::v1;
use driftline_proto::v1::ingest_server::IngestServer;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::listen::{Caller, connections};
use crate::prove::Sts;
use crate::{Config, Error, stream};

/// What the streams share.
#[derive(Clone)]
pub(crate) struct Ingest {
    pub(crate) config: Arc<Config>,
    pub(crate) producer: Arc<dyn Producer>,
    /// Permits are kilobytes that may be held unacknowledged, over all streams.
    pub(crate) held: Arc<Semaphore>,
    /// Asked where the gate takes proofs.
    pub(crate) sts: Arc<Sts>,
    pub(crate) shutdown: CancellationToken,
}

impl Ingest {
    pub(crate) fn new(config: Config, producer: Arc<dyn Producer>, shutdown: CancellationToken) -> Self {
        let held = Arc::new(Semaphore::new(config.held_bytes / 1024));
        let sts = Arc::new(Sts::new(&config.sts));
        Self { config: Arc::new(config), producer, held, sts, shutdown }
    }
}

type Answers = Pin<Box<dyn futures::Stream<Item = Result<v1::AggregatorMessage, Status>> + Send>>;

#[tonic::async_trait]
impl v1::ingest_server::Ingest for Ingest {
    type StreamStream = Answers;

    async fn stream(&self, request: Request<Streaming<v1::AgentMessage>>) -> Result<Response<Answers>, Status> {
        // Answers are small; an agent that does not read them is held up by its own window.
        let (answers, outgoing) = mpsc::channel(64);
        let ingest = self.clone();
        let caller = request.extensions().get::<Caller>().cloned();
        let caller = caller.ok_or_else(|| Status::internal("a connection without an end"))?;
        if self.config.gate.as_ref().is_some_and(|gate| gate.proofs().is_none()) && caller.peer.is_none() {
            return Err(Status::unauthenticated("no certificate"));
        }
        tokio::spawn(async move {
            if let Err(status) = stream::serve(ingest, caller, request.into_inner(), &answers).await {
                tracing::info!(code = ?status.code(), reason = status.message(), "stream ended");
                let _ = answers.send(Err(status)).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(outgoing))))
    }
}

/// Serves until `shutdown`, then until the streams have drained, at most the configured time.
pub(crate) async fn serve(ingest: Ingest, listener: TcpListener, shutdown: CancellationToken) -> Result<(), Error> {
    let config = Arc::clone(&ingest.config);
    let incoming = connections(listener, config.gate.clone(), shutdown.clone());
    // A batch may hold several records: the message limit is the window, never more than 16 MB.
    let message = usize::try_from(config.window_bytes.clamp(1 << 20, 16 << 20)).unwrap_or(16 << 20);
    let service = IngestServer::new(ingest).max_decoding_message_size(message).max_encoding_message_size(1 << 20);
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<IngestServer<Ingest>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(v1::DESCRIPTORS)
        .build_v1()
        .map_err(|e| Error::Descriptors(e.to_string()))?;
    let draining = shutdown.clone();
    let server = tonic::transport::Server::builder()
        .max_concurrent_streams(8) // one ingest stream, health and reflection: nobody needs more on one connection
        .initial_stream_window_size(1 << 20) // a round trip of 100 ms carries 10 MB/s, more than an agent reads
        .initial_connection_window_size(2 << 20) // what a connection may make us hold beyond the window of its stream
        .http2_adaptive_window(Some(false)) // or the two above would grow with a peer's speed
        .max_frame_size(64 << 10) // a batch takes few frames, and no frame holds up an acknowledgement for long
        .http2_max_header_list_size(16 << 10) // gRPC's own are below 1 KB; room for trace context
        .http2_max_pending_accept_reset_streams(Some(20)) // streams opened and reset at once (rapid reset)
        .http2_max_local_error_reset_streams(Some(64)) // streams that we had to reset: a peer with that many is hostile
        .http2_keepalive_interval(Some(Duration::from_secs(30))) // below the idle limits of load balancers (60 s, 350 s)
        .http2_keepalive_timeout(Some(Duration::from_secs(20))) // a dead peer holds its room for 50 s at most
        .max_connection_age(config.age * 2) // streams go by themselves at half of it; this is for those that don't
        .max_connection_age_grace(Duration::from_secs(60))
        .timeout(Duration::from_secs(30)) // until a call is answered; a stream is at once
        .accept_http1(false)
        .add_service(health_service)
        .add_service(reflection)
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, async move { draining.cancelled().await });
    let limit = async {
        shutdown.cancelled().await;
        health.set_not_serving::<IngestServer<Ingest>>().await;
        tokio::time::sleep(config.drain).await;
    };
    tokio::select! {
        served = server => Ok(served?),
        () = limit => {
            tracing::warn!("agents still connected after the drain limit");
            Ok(())
        }
    }
}
