//! The server behind TLS, here a proxy that ends it in front of the engine; and where plaintext goes.

use std::sync::Arc;
use std::time::Duration;

use driftline_identity::{Authority, Issued, Lifetime};
use driftline_model::{Severity, Subject, TransitionKind};
use driftline_store::{Error, Store, StoreConfig, testing};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::support::{column, drift, library, row, transition};

/// Ends TLS and passes on to `to` (`host:port`); its port.
async fn proxy(server: &Issued, to: String) -> u16 {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(server.certificate.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(server.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(tls.with_no_client_auth().with_single_cert(chain, key).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((plain, _)) = listener.accept().await {
            let (acceptor, to) = (acceptor.clone(), to.clone());
            tokio::spawn(async move {
                let Ok(mut outside) = acceptor.accept(plain).await else { return };
                let mut inside = TcpStream::connect(to).await.unwrap();
                let _ = copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_known_by_its_ca_and_name() {
    let lifetime = Lifetime { now: time::OffsetDateTime::now_utc(), valid: Duration::from_secs(86_400) };
    let (authority, ca) = Authority::create("clickhouse", lifetime).unwrap();
    let (_, other) = Authority::create("others", lifetime).unwrap();
    let server = authority.server(&["localhost".to_owned()], lifetime).unwrap();
    let engine = tokio::task::spawn_blocking(|| testing::config(&library()).unwrap()).await.unwrap();
    let port = proxy(&server, engine.url.trim_start_matches("http://").to_owned()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        Some(path)
    };
    let url = format!("https://localhost:{port}");
    let good = StoreConfig { url: url.clone(), ca: file("ca.pem", &ca.certificate), ..engine.clone() };

    let store = Store::connect(good.clone()).await.unwrap();
    store.migrate().await.unwrap();
    let subject = Subject::Drift(drift("000000000001", "b", "tags.a", Severity::High));
    store.insert_transitions(&[row(&transition(subject, TransitionKind::Opened, 1), 1)]).await.unwrap();
    assert_eq!(column(&store, "SELECT count() FROM drifts").await, [json!(1)]);

    let address = format!("https://127.0.0.1:{port}");
    for (config, wanted) in [
        (StoreConfig { ca: file("other.pem", &other.certificate), ..good.clone() }, "certificate"),
        (StoreConfig { ca: None, ..good.clone() }, "certificate"),
        (StoreConfig { url: address, ..good.clone() }, "certificate"),
        (StoreConfig { ca: file("empty.pem", ""), ..good.clone() }, "no certificate in it"),
        (StoreConfig { ca: Some("/no/such.pem".into()), ..good.clone() }, "/no/such.pem"),
        (StoreConfig { url: engine.url.clone(), ..good.clone() }, "without `https`"),
        (StoreConfig { password: "wrong".into(), ..good }, "refuses"),
    ] {
        let error = Store::connect(config.clone()).await.unwrap_err();
        assert!(error.to_string().contains(wanted), "{config:?}: {error}");
    }
}

#[tokio::test]
async fn no_password_goes_over_the_network_in_plaintext_unasked() {
    for url in
        ["http://clickhouse:8123", "http://127.0.0.1.evil.org:1", "http://localhost@evil.org:1", "clickhouse:8123"]
    {
        let error = Store::connect(StoreConfig::new(url, "driftline")).await.unwrap_err();
        assert!(matches!(error, Error::Misconfigured(_)), "{url}: {error}");
    }
    let asked = StoreConfig { plaintext: true, ..StoreConfig::new("http://192.0.2.1:1", "driftline") };
    let waiting = tokio::time::timeout(Duration::from_millis(100), Store::connect(asked)).await;
    assert!(!matches!(waiting, Ok(Err(Error::Misconfigured(_)))), "{waiting:?}");
}
