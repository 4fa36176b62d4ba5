//! An aggregator in a process of its own, so that its memory is its own: peers that mean harm come in waves, and what it holds
//! at most does not grow from wave to wave, while an agent is served all along.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use driftline_bus::{EmbeddedConfig, EmbeddedLog, Log};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::hostile::{PREFACE, SETTINGS, frame};
use crate::rig::{World, agent_config};

const FOLDER: &str = "DRIFTLINE_TEST_AGGREGATOR";
/// Waves before memory counts: allocator, runtime and log have then taken what they need.
const WARM: usize = 3;
const WAVES: usize = 6;
/// What the most that it held may grow by over the waves that count, kB: caches of the log, fragments.
const GROWTH: u64 = 12 << 10;

/// The child: this very test, told where to work. Without that it has nothing to do.
#[tokio::test(flavor = "multi_thread")]
async fn an_aggregator_of_its_own() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let log = EmbeddedLog::open(EmbeddedConfig::new(folder.join("log"))).await.unwrap();
    log.ensure(&driftline_bus::topics(3)).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::fs::write(folder.join("address.new"), address).unwrap();
    std::fs::rename(folder.join("address.new"), folder.join("address")).unwrap();
    let config = driftline_aggregator::Config { partitions: 3, ..driftline_aggregator::Config::default() };
    driftline_aggregator::run(config, listener, Arc::new(log), CancellationToken::new()).await.unwrap();
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    async fn start(folder: &Path) -> (Self, SocketAddr) {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "memory::an_aggregator_of_its_own"]).env(FOLDER, folder);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let (process, end) = (Self(child), Instant::now() + Duration::from_secs(30));
        loop {
            if let Ok(address) = std::fs::read_to_string(folder.join("address")) {
                return (process, address.parse().unwrap());
            }
            assert!(Instant::now() < end, "the child does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The most that it ever held, kB.
    fn most(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

/// The head of a call to the stream whose messages are gzip, in HPACK's literal form.
fn compressed_call() -> Vec<u8> {
    let literal = |text: &[u8]| [&[u8::try_from(text.len()).unwrap()], text].concat();
    let head = [
        vec![0x83, 0x86, 0x04],
        literal(b"/driftline.v1.Ingest/Stream"),
        vec![0x01],
        literal(b"a"),
        vec![0x0f, 0x10],
        literal(b"application/grpc"),
        vec![0x00],
        literal(b"te"),
        literal(b"trailers"),
        vec![0x00],
        literal(b"grpc-encoding"),
        literal(b"gzip"),
    ]
    .concat();
    [frame(u32::try_from(head.len()).unwrap(), 1, 4, 1), head].concat()
}

/// A message of 64 MB of nothing, compressed to what one frame takes several times.
fn bomb() -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..64 {
        gzip.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let body = gzip.finish().unwrap();
    let message = [&[1][..], &u32::try_from(body.len()).unwrap().to_be_bytes(), &body].concat();
    let frames = message.chunks(16_000).flat_map(|c| [frame(u32::try_from(c.len()).unwrap(), 0, 0, 1), c.to_vec()]);
    [compressed_call(), frames.collect::<Vec<_>>().concat()].concat()
}

/// What hostile peers write, each so many times at once; then they wait for the others, and go.
fn peers() -> Vec<(usize, Vec<u8>)> {
    let http2 = |frames: Vec<u8>| [PREFACE, SETTINGS, &frames].concat();
    let streams = |n: u32| {
        let stream = n * 2 + 1;
        [frame(3, 1, 4, stream), vec![0x83, 0x87, 0x84], frame(4, 3, 0, stream), vec![0, 0, 0, 8]].concat()
    };
    let open = |n: u32| [frame(3, 1, 4, n * 2 + 1), vec![0x83, 0x87, 0x84]].concat();
    vec![
        // Half-open, and slow loris before and after the preface.
        (60, Vec::new()),
        (60, PREFACE[..5].to_vec()),
        (60, http2(frame(100, 1, 4, 1)[..4].to_vec())),
        // A frame of 16 MB, and as much as is taken of it.
        (8, http2([frame(0xff_ffff, 0, 0, 1), vec![0; 1 << 20]].concat())),
        // Headers without an end.
        (
            8,
            http2(
                [frame(1, 1, 0, 1), vec![0x82], [frame(16_000, 9, 0, 1), vec![0x40; 16_000]].concat().repeat(60)]
                    .concat(),
            ),
        ),
        // Streams, each reset, and streams that stay open.
        (8, http2((0..5_000).flat_map(streams).collect())),
        (8, http2((0..5_000).flat_map(open).collect())),
        (8, http2(frame(0, 4, 0, 0).repeat(20_000))),
        (8, http2([frame(8, 6, 0, 0), vec![7; 8]].concat().repeat(20_000))),
        // A compressed message that grows a thousandfold; one that says that it is 4 GB.
        (8, http2(bomb())),
        (8, http2([compressed_call(), frame(9, 0, 0, 1), vec![0, 255, 255, 255, 255, 0, 0, 0, 0]].concat())),
    ]
}

async fn wave(address: SocketAddr) {
    let mut all = JoinSet::new();
    for (times, bytes) in peers() {
        let bytes = Arc::new(bytes);
        for _ in 0..times {
            let bytes = Arc::clone(&bytes);
            all.spawn(async move {
                let mut peer = TcpStream::connect(address).await.ok()?;
                // It may be closed before all is written: that is the point.
                let _ = tokio::time::timeout(Duration::from_secs(5), peer.write_all(&bytes)).await;
                Some(peer)
            });
        }
    }
    // Those that connect again and again, while the others are there.
    for _ in 0..300 {
        all.spawn(async move { TcpStream::connect(address).await.ok().filter(|_| false) });
    }
    let held = all.join_all().await;
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_flat_under_hostile_peers_while_an_agent_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let (process, address) = Process::start(folder.path()).await;
    let world = Arc::new(World::default());
    let stop = CancellationToken::new();
    let config = agent_config(format!("http://{address}"), folder.path(), None);
    let agent = driftline_agent::run(config, world.clone(), Arc::new(|| 1_000), stop.clone());
    let agent = tokio::spawn(agent);
    let served = async |more: i64| {
        let goal = world.rounds.load(Ordering::SeqCst) + more;
        let end = Instant::now() + Duration::from_secs(60);
        while world.rounds.load(Ordering::SeqCst) < goal {
            assert!(Instant::now() < end, "the agent is not served");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    served(5).await;
    let mut most = Vec::new();
    for _ in 0..WARM + WAVES {
        tokio::join!(wave(address), served(3));
        most.push(process.most());
    }
    served(3).await;
    stop.cancel();
    agent.await.unwrap().unwrap();
    let (before, after) = (most[WARM - 1], most[most.len() - 1]);
    assert!(after - before <= GROWTH, "at most {before} kB before, {after} kB after: {most:?}");
    assert!(after < 256 << 10, "{most:?}");
}
