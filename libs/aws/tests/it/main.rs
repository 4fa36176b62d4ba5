//! Tests of the AWS client against moto and against a server that misbehaves.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a helper of a test may fail the test

mod access;
mod misbehaving;
mod moto;
mod oracle;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use driftline_aws::{Caller, ClientConfig, EndpointConfig, Partition};

/// A caller with moto's credentials.
fn caller(region: &str) -> Caller {
    Caller {
        account: "123456789012".to_owned(),
        region: region.to_owned(),
        credentials: SharedCredentialsProvider::new(Credentials::for_tests()),
        partition: Partition::of_region(region),
    }
}

/// A client whose calls all go to `url`.
fn config(url: &str) -> ClientConfig {
    ClientConfig {
        endpoint: EndpointConfig { url: Some(url.to_owned()), ..EndpointConfig::default() },
        ..ClientConfig::default()
    }
}
