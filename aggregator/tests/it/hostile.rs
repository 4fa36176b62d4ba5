//! Peers that mean harm, or are broken, beside an agent that works.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::rig::Rig;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(crate) const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// A frame's header.
pub(crate) fn frame(length: u32, kind: u8, flags: u8, stream: u32) -> Vec<u8> {
    let mut bytes = length.to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes
}

/// Whether the other end has closed, within a while.
async fn closed(mut peer: TcpStream) -> bool {
    let drain = async {
        let mut bytes = [0; 4096];
        while peer.read(&mut bytes).await.is_ok_and(|n| n > 0) {}
    };
    tokio::time::timeout(Duration::from_secs(20), drain).await.is_ok()
}

#[tokio::test]
async fn nonsense_is_closed_and_the_others_are_served() {
    let mut rig = Rig::start().await;
    rig.set(&[("vpc-a", "10.0.0.0/16")]);
    rig.start_agent();
    rig.cycles(1).await;
    let http2 = |frames: Vec<u8>| [PREFACE, SETTINGS, &frames].concat();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("HTTP/1", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("TLS", vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
        ("noise", (0..=255).cycle().take(100_000).collect()),
        ("a frame of 16 MB", http2([frame(0xff_ffff, 0, 0, 1), vec![0; 100_000]].concat())),
        ("data on a stream that is not open", http2([frame(4, 0, 0, 5), vec![0; 4]].concat())),
        ("an even stream", http2([frame(1, 1, 4, 2), vec![0x82]].concat())),
        ("a window of more than 2^31", http2([frame(4, 8, 0, 0), vec![0x7f, 0xff, 0xff, 0xff]].concat())),
        (
            "headers without an end, then something else",
            http2([frame(1, 1, 0, 1), vec![0x82], frame(8, 6, 0, 0), vec![0; 8]].concat()),
        ),
        (
            "headers for ever",
            http2(
                [frame(1, 1, 0, 1), vec![0x82], [frame(16_000, 9, 0, 1), vec![0x40; 16_000]].concat().repeat(200)]
                    .concat(),
            ),
        ),
        ("a flood of settings", http2(frame(0, 4, 0, 0).repeat(100_000))),
        (
            "a flood of streams, each reset",
            http2(
                (0..20_000)
                    .flat_map(|n| {
                        let stream = n * 2 + 1;
                        [frame(3, 1, 4, stream), vec![0x83, 0x87, 0x84], frame(4, 3, 0, stream), vec![0, 0, 0, 8]]
                            .concat()
                    })
                    .collect(),
            ),
        ),
    ];
    let mut peers = Vec::new();
    for (what, bytes) in cases {
        let mut peer = TcpStream::connect(rig.address).await.unwrap();
        // It may be closed before all is written: that is the point.
        peers.push((
            what,
            tokio::spawn(async move {
                let _ = tokio::time::timeout(Duration::from_secs(10), peer.write_all(&bytes)).await;
                closed(peer).await
            }),
        ));
    }
    // A flood of settings is no error of the protocol; who never answers a ping is closed a minute later.
    for (what, peer) in peers.into_iter().filter(|(what, _)| *what != "a flood of settings") {
        assert!(peer.await.unwrap(), "{what}: still open");
    }
    rig.cycles(rig.cycles_now().await + 2).await;
    rig.stop_agent().await;
}

/// Slow loris and half-open connections: closed once the opening is overdue.
#[tokio::test]
async fn who_does_not_begin_to_speak_is_closed() {
    let mut rig = Rig::start().await;
    rig.set(&[("vpc-a", "10.0.0.0/16")]);
    rig.start_agent();
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(rig.address).await.unwrap());
    }
    let mut slow = TcpStream::connect(rig.address).await.unwrap();
    slow.write_all(&PREFACE[..5]).await.unwrap();
    silent.push(slow);
    rig.cycles(2).await;
    let ends: Vec<_> = silent.into_iter().map(|peer| tokio::spawn(closed(peer))).collect();
    for end in ends {
        assert!(end.await.unwrap(), "a silent connection is still open");
    }
    rig.stop_agent().await;
}

/// What a stream keeps of its hello is of a size that is known; its twin is welcome.
#[tokio::test]
async fn a_hello_of_any_length_is_refused() {
    use driftline_proto::v1::agent_message::Message;
    use driftline_proto::v1::ingest_client::IngestClient;
    use driftline_proto::v1::{AgentMessage, Hello};
    let rig = Rig::start().await;
    let hello = |version: &str, account: &str| Hello {
        version: version.into(),
        agent: "a".into(),
        session: "s".into(),
        accounts: vec![account.into()],
        capabilities: vec!["challenge".into()],
    };
    let long = "1".repeat(100_000);
    for (hello, welcome) in [
        (hello("1", "111111111111"), true),
        (hello("1", &long), false),
        (hello("1", "1"), false),
        (hello(&long, "111111111111"), false),
    ] {
        let mut client = IngestClient::connect(format!("http://{}", rig.address)).await.unwrap();
        let first = tokio_stream::once(AgentMessage { message: Some(Message::Hello(hello)) });
        let answer = client.stream(first).await.unwrap().into_inner().message().await;
        assert_eq!(answer.is_ok(), welcome, "{answer:?}");
    }
}
