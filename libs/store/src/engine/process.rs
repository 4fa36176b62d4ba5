//! What the engine's own process does: takes the listener and the token from its parent, serves until the parent closes
//! the pipe (or dies), closes the data and leaves.

use std::ffi::OsString;
use std::io::{BufRead, Read};
use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::library::{exit_now, inherited_listener};
use super::{EngineConfig, Error, serve};

/// Exit status when another process has the folder.
pub(super) const EXIT_LOCKED: i32 = 75;

/// Arguments of the process: `--library FILE --path FOLDER --listener FD --lock-ms N [--remove]`. The token is the first line of
/// stdin, so that no list of processes shows it.
struct Arguments {
    library: PathBuf,
    path: PathBuf,
    listener: i32,
    lock_within: Duration,
    remove: bool,
}

fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Arguments, String> {
    let (mut library, mut path, mut listener, mut lock_ms, mut remove) = (None, None, None, None, false);
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{} needs a value", argument.display()));
        match argument.to_str() {
            Some("--library") => library = Some(PathBuf::from(value()?)),
            Some("--path") => path = Some(PathBuf::from(value()?)),
            Some("--listener") => listener = value()?.to_str().and_then(|v| v.parse().ok()),
            Some("--lock-ms") => lock_ms = value()?.to_str().and_then(|v| v.parse().ok()),
            Some("--remove") => remove = true,
            _ => return Err(format!("unknown argument {}", argument.display())),
        }
    }
    match (library, path, listener, lock_ms.map(Duration::from_millis)) {
        (Some(library), Some(path), Some(listener), Some(lock_within)) => {
            Ok(Arguments { library, path, listener, lock_within, remove })
        }
        _ => Err("an argument is missing; this process is started by driftline itself".to_owned()),
    }
}

/// Runs the engine as a process of its own; does not return. `arguments` without the program's name. Never call it where
/// anything else runs: it ends the process without running destructors.
pub fn main_like(arguments: impl Iterator<Item = OsString>) -> ! {
    let (status, why) = match parse(arguments).map_err(Error::Child).and_then(run) {
        Ok(()) => (0, None),
        Err(error @ Error::Locked { .. }) => (EXIT_LOCKED, Some(error)),
        Err(error) => (1, Some(error)),
    };
    if let Some(why) = why {
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "{why}");
    }
    exit_now(status)
}

fn run(arguments: Arguments) -> Result<(), Error> {
    let failed = |e: std::io::Error| Error::Child(e.to_string());
    let mut token = String::new();
    let mut stdin = std::io::BufReader::new(std::io::stdin());
    stdin.by_ref().take(1024).read_line(&mut token).map_err(failed)?;
    let token = token.trim_end().to_owned();
    if token.is_empty() {
        return Err(Error::Child("no token on stdin".to_owned()));
    }
    let listener = inherited_listener(arguments.listener).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let shutdown = CancellationToken::new();
    let parent_gone = shutdown.clone();
    // its end is the process's end
    std::thread::spawn(move || {
        let mut rest = Vec::new();
        let _ = stdin.take(1 << 20).read_to_end(&mut rest);
        parent_gone.cancel();
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(failed)?;
    let remove = arguments.remove.then(|| arguments.path.clone());
    let lock_within = arguments.lock_within;
    let config = EngineConfig { lock_within, ..EngineConfig::new(arguments.library, arguments.path, token) };
    let ended = runtime.block_on(async move {
        // a supervisor that signals the whole group must not take the engine from under the writer: the parent drains first
        let _ignored = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map_err(failed)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
        serve(config, listener, shutdown).await
    });
    if let Some(path) = remove {
        let _ = std::fs::remove_dir_all(path);
    }
    ended
}
