//! The aggregator and the agent's side of the stream, over real gRPC and the embedded log.

mod rig;
mod stream;
