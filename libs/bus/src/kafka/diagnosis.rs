//! Why no broker can be talked to. librdkafka's calls only tell that none answered; the reason goes to the error callback of
//! a client that is polled, so one is made to ask, once something has failed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, Producer, ProducerContext};

use super::{KafkaConfig, client};
use crate::Error;

const LIMIT: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(50);

/// Keeps the last error that says more than that all is down.
#[derive(Default)]
struct Failures(Mutex<Option<(Code, String)>>);

impl Failures {
    fn last(&self) -> Option<(Code, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientContext for Failures {
    fn error(&self, error: KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code().filter(|code| *code != Code::AllBrokersDown) else { return };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((code, reason.to_owned()));
    }
}

impl ProducerContext for Failures {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

/// An error that names what stands in the way of every connection, where that can be found out.
pub(super) async fn explain(config: Arc<KafkaConfig>, error: Error) -> Error {
    let found = tokio::task::spawn_blocking(move || ask(&config)).await.ok().flatten();
    let Some((code, reason)) = found else { return error };
    match remedy(code, &reason) {
        Some(remedy) => Error::Misconfigured(format!("kafka: {remedy}: {reason}")),
        None => Error::Unavailable(format!("kafka: {reason}")),
    }
}

fn ask(config: &KafkaConfig) -> Option<(Code, String)> {
    let asking = BaseProducer::from_config_and_context(&client::base(config), Failures::default()).ok()?;
    let end = Instant::now() + LIMIT;
    while Instant::now() < end {
        // the answer does not matter: it is a connection that is wanted
        let answered = asking.client().fetch_metadata(None, PAUSE).is_ok();
        asking.poll(PAUSE);
        let failure = asking.context().last();
        if answered || failure.is_some() {
            return failure;
        }
    }
    None
}

/// What to do about a failure that time alone won't mend. Codes tell TLS and SASL apart, and only the text what of it.
fn remedy(code: Code, reason: &str) -> Option<&'static str> {
    let has = |words: &str| reason.contains(words);
    match code {
        // TLS 1.3 tells a client only after its handshake, on a connection that is then lost
        _ if has("alert") && (has("certificate") || has("unknown ca")) => {
            Some("the brokers do not take this client's certificate (`bus.tls.certificate` and `bus.tls.key`)")
        }
        Code::Authentication | Code::SaslAuthenticationFailed if has("not enabled") || has("nsupported") => {
            Some("the brokers do not take this way to show a password (`bus.sasl.mechanism`)")
        }
        Code::UnsupportedSASLMechanism => {
            Some("the brokers do not take this way to show a password (`bus.sasl.mechanism`)")
        }
        Code::Authentication | Code::SaslAuthenticationFailed => {
            Some("the brokers do not know this user and password (`bus.sasl`)")
        }
        Code::SSL if has("verify") => {
            Some("the brokers' certificate is not of the CA that is trusted (`bus.tls.ca`), or not for their name")
        }
        Code::SSL => Some("TLS with the brokers fails (`bus.tls`)"),
        _ => None,
    }
}
