//! The engine as a child process: started, watched, started again after a crash, ended with its parent. The parent holds
//! the listening socket, so its address survives a crash and requests wait for the next process instead of failing.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Error;
use super::library::inherit;
use super::process::EXIT_LOCKED;

/// Failed starts in a row after which the engine is given up.
const MAX_FAILURES: u32 = 8;
/// A process that lived this long was well: the count of failures begins anew.
const WELL: Duration = Duration::from_secs(60);
/// Lines of the process's last words that are kept for the error.
const LAST_WORDS: usize = 20;

/// How the child is started.
#[derive(Debug, Clone)]
pub struct ChildConfig {
    /// The program: `driftline-engine`, or `driftline` itself.
    pub program: PathBuf,
    /// What comes before the engine's own arguments, as `engine`.
    pub arguments: Vec<OsString>,
    /// `libchdb.so`.
    pub library: PathBuf,
    /// Folder that the engine owns.
    pub path: PathBuf,
    /// Remove the folder at the end: for tests.
    pub remove: bool,
    /// How long a predecessor may take to let the folder go.
    pub lock_within: Duration,
    /// Longest time from start to the first answer.
    pub ready_within: Duration,
    /// Longest time for an orderly end; then it is killed.
    pub stop_within: Duration,
}

impl ChildConfig {
    /// The defaults.
    pub fn new(program: PathBuf, arguments: Vec<OsString>, library: PathBuf, path: PathBuf) -> Self {
        Self {
            program,
            arguments,
            library,
            path,
            remove: false,
            lock_within: Duration::from_secs(15),
            ready_within: Duration::from_secs(120),
            stop_within: Duration::from_secs(30),
        }
    }
}

/// What the watching task last saw.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Running(u32),
    Down,
    GivenUp(String),
}

/// A running engine. Dropping it ends the process too, without waiting.
#[derive(Debug)]
pub struct Child {
    address: SocketAddr,
    token: String,
    seen: watch::Receiver<Seen>,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Child {
    /// Starts the engine and waits until it answers.
    ///
    /// # Errors
    /// [`Error::Locked`] when another process has the folder; [`Error::Child`] with its last words otherwise.
    pub async fn spawn(config: ChildConfig) -> Result<Self, Error> {
        let failed = |e: std::io::Error| Error::Child(e.to_string());
        let listener = TcpListener::bind("127.0.0.1:0").map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let token = format!("{:032x}", rand::random::<u128>());
        let launcher = Launcher { config, listener, address, token: token.clone() };
        let mut process = launcher.start()?;
        launcher.wait_ready(&mut process).await?;
        let (tell, seen) = watch::channel(Seen::Running(process.id()));
        let stop = CancellationToken::new();
        let task = tokio::spawn(watch_over(launcher, process, tell, stop.clone()));
        Ok(Self { address, token, seen, stop, task: Some(task) })
    }

    /// Where it serves: `http://127.0.0.1:PORT`; stays the same over restarts.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What clients must present as password.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Process id, while one runs.
    pub fn pid(&self) -> Option<u32> {
        match &*self.seen.borrow() {
            Seen::Running(pid) => Some(*pid),
            Seen::Down | Seen::GivenUp(_) => None,
        }
    }

    /// Resolves when the engine is given up: it kept failing to start.
    pub async fn failed(&self) -> Error {
        let mut seen = self.seen.clone();
        match seen.wait_for(|seen| matches!(seen, Seen::GivenUp(_))).await.as_deref() {
            Ok(Seen::GivenUp(why)) => Error::Child(why.clone()),
            _ => std::future::pending().await,
        }
    }

    /// Ends it: requests under way are answered, data closed.
    ///
    /// # Errors
    /// When it had to be given up before.
    pub async fn stop(mut self) -> Result<(), Error> {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            task.await.map_err(|e| Error::Child(e.to_string()))?;
        }
        match &*self.seen.borrow() {
            Seen::GivenUp(why) => Err(Error::Child(why.clone())),
            Seen::Running(_) | Seen::Down => Ok(()),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// One process and its pipes.
struct Process {
    child: tokio::process::Child,
    stdin: Option<ChildStdin>,
    words: Arc<Mutex<VecDeque<String>>>,
    listening: JoinHandle<()>,
    started: Instant,
}

impl Process {
    fn id(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// Waits for its end and collects its last words.
    async fn ended(&mut self) -> (Option<ExitStatus>, String) {
        let status = self.child.wait().await.ok();
        let _ = tokio::time::timeout(Duration::from_secs(1), &mut self.listening).await;
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let how = status.map_or_else(|| "lost".to_owned(), |s| s.to_string());
        (status, if words.is_empty() { how } else { format!("{how}: {}", words.join("\n")) })
    }
}

/// Starts processes on the same socket.
struct Launcher {
    config: ChildConfig,
    listener: TcpListener,
    address: SocketAddr,
    token: String,
}

impl Launcher {
    fn start(&self) -> Result<Process, Error> {
        let mut command = Command::new(&self.config.program);
        command.args(&self.config.arguments);
        command.arg("--library").arg(&self.config.library).arg("--path").arg(&self.config.path);
        command.arg("--listener").arg(self.listener.as_raw_fd().to_string());
        command.arg("--lock-ms").arg(self.config.lock_within.as_millis().to_string());
        if self.config.remove {
            command.arg("--remove");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        // a terminal's Ctrl-C is for the parent, which drains before it ends the engine
        command.process_group(0);
        inherit(&mut command, self.listener.as_raw_fd());
        let failed = |e: std::io::Error| Error::Child(format!("starting {}: {e}", self.config.program.display()));
        let mut child = command.spawn().map_err(failed)?;
        let words = Arc::new(Mutex::new(VecDeque::new()));
        let listening = match child.stderr.take() {
            Some(stderr) => tokio::spawn(listen(stderr, words.clone())),
            None => tokio::spawn(async {}),
        };
        Ok(Process { stdin: child.stdin.take(), child, words, listening, started: Instant::now() })
    }

    /// Gives the token and waits for the first answer.
    async fn wait_ready(&self, process: &mut Process) -> Result<(), Error> {
        if let Some(stdin) = &mut process.stdin {
            // a process that has already ended says why below
            let _ = stdin.write_all(format!("{}\n", self.token).as_bytes()).await;
        }
        let (address, limit) = (self.address, self.config.ready_within);
        tokio::select! {
            (status, words) = process.ended() => match status.and_then(|s| s.code()) {
                Some(EXIT_LOCKED) => Err(Error::Locked { path: self.config.path.clone(), holder: holder(&words) }),
                _ => Err(Error::Child(words)),
            },
            answered = tokio::time::timeout(limit, ping(address)) => match answered {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(Error::Child(format!("no answer: {error}"))),
                Err(_) => Err(Error::Child(format!("not ready within {limit:?}"))),
            },
        }
    }
}

/// The process id in the child's message.
fn holder(words: &str) -> String {
    let rest = words.rsplit("by process ").next().unwrap_or_default();
    rest.chars().take_while(char::is_ascii_digit).collect()
}

/// Passes the process's messages on and keeps the last.
async fn listen(stderr: impl tokio::io::AsyncRead + Unpin, words: Arc<Mutex<VecDeque<String>>>) {
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    while matches!((&mut reader).take(4096).read_until(b'\n', &mut line).await, Ok(1..)) {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        tracing::warn!(target: "driftline::engine", "{text}");
        let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
        words.push_back(text);
        if words.len() > LAST_WORDS {
            words.pop_front();
        }
        line.clear();
    }
}

/// The socket is open from the beginning, so this waits in its queue until the process serves.
async fn ping(address: SocketAddr) -> std::io::Result<()> {
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    stream.write_all(b"GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.take(1024).read_to_end(&mut answer).await?;
    match answer.starts_with(b"HTTP/1.1 200") {
        true => Ok(()),
        false => Err(std::io::Error::other(String::from_utf8_lossy(&answer).into_owned())),
    }
}

async fn watch_over(launcher: Launcher, first: Process, tell: watch::Sender<Seen>, stop: CancellationToken) {
    let mut process = first;
    let mut failures = 0_u32;
    loop {
        let words = tokio::select! {
            (_, words) = process.ended() => words,
            () = stop.cancelled() => return end(&launcher, process, &tell).await,
        };
        failures = if process.started.elapsed() > WELL { 1 } else { failures + 1 };
        tell.send_replace(Seen::Down);
        tracing::error!(words, failures, "the embedded engine ended unasked");
        process = loop {
            if failures >= MAX_FAILURES {
                tell.send_replace(Seen::GivenUp(words));
                return;
            }
            let pause = Duration::from_millis(50) * 2_u32.pow(failures);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
            match launcher.start() {
                Ok(mut next) => {
                    let ready = tokio::select! {
                        ready = launcher.wait_ready(&mut next) => ready,
                        () = stop.cancelled() => return end(&launcher, next, &tell).await,
                    };
                    match ready {
                        Ok(()) => break next,
                        Err(error) => tracing::error!(%error, "the embedded engine does not start"),
                    }
                }
                Err(error) => tracing::error!(%error, "the embedded engine does not start"),
            }
            failures += 1;
        };
        tell.send_replace(Seen::Running(process.id()));
    }
}

/// Closes the pipe, which asks for the end, and waits; kills after the limit.
async fn end(launcher: &Launcher, mut process: Process, tell: &watch::Sender<Seen>) {
    drop(process.stdin.take());
    let limit = launcher.config.stop_within;
    if tokio::time::timeout(limit, process.ended()).await.is_err() {
        tracing::error!(?limit, "the embedded engine did not end in time and is killed");
        let _ = process.child.kill().await;
    }
    tell.send_replace(Seen::Down);
}
