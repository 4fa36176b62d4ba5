//! A store for tests, of this crate and others: one embedded engine per test process, one database per test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::engine::{Child, ChildConfig};
use crate::{Error, Store, StoreConfig};

/// Address and token of this process's engine.
#[derive(Debug, Clone)]
struct Shared {
    url: String,
    token: String,
}

static ENGINE: OnceLock<Result<Shared, String>> = OnceLock::new();

/// How to reach a database of its own on this process's engine, which is started if it does not run yet and ends with the
/// process. `library` is `libchdb.so`.
///
/// # Errors
/// When the engine does not start.
pub fn config(library: &Path) -> Result<StoreConfig, Error> {
    let shared = ENGINE.get_or_init(|| start_engine(library)).clone().map_err(Error::Unavailable)?;
    let database = format!("test_{:032x}", rand::random::<u128>());
    Ok(StoreConfig::new(shared.url, database).with_credentials("", shared.token))
}

/// A migrated store in a database of its own; see [`config`].
///
/// # Errors
/// As of [`config`].
pub async fn start(library: &Path) -> Result<Store, Error> {
    let library = library.to_owned();
    let config = tokio::task::spawn_blocking(move || config(&library));
    let config = config.await.map_err(|e| Error::Unavailable(e.to_string()))??;
    let store = Store::connect(config).await?;
    store.migrate().await?;
    Ok(store)
}

/// The program `driftline-engine` of this build, made if it is not there: `cargo test -p x` builds only x's own programs.
///
/// # Errors
/// When it is not found and cannot be built.
pub fn program() -> Result<PathBuf, String> {
    let test = std::env::current_exe().map_err(|e| e.to_string())?;
    // target/debug/deps/it-0123: beside it or one folder up
    let folders: Vec<&Path> = test.ancestors().skip(1).take(2).collect();
    let program = |folder: &Path| folder.join(format!("driftline-engine{}", std::env::consts::EXE_SUFFIX));
    if let Some(found) = folders.iter().map(|f| program(f)).find(|p| p.exists()) {
        return Ok(found);
    }
    let help = "driftline-engine is not there: run `cargo build -p driftline-store --bin driftline-engine`";
    let cargo = std::env::var_os("CARGO").ok_or(help)?;
    let [_, profile] = folders.as_slice() else { return Err(help.to_owned()) };
    let target = profile.parent().ok_or(help)?;
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "-p", "driftline-store", "--bin", "driftline-engine", "--target-dir"]).arg(target);
    if profile.ends_with("release") {
        build.arg("--release");
    }
    let built = build.current_dir(env!("CARGO_MANIFEST_DIR")).status().map_err(|e| format!("{help}: {e}"))?;
    match program(profile) {
        path if built.success() && path.exists() => Ok(path),
        _ => Err(help.to_owned()),
    }
}

/// Starts the engine on a thread of its own: it outlives the runtime of the test that happens to come first.
fn start_engine(library: &Path) -> Result<Shared, String> {
    let path = std::env::temp_dir().join(format!("driftline-engine-{:032x}", rand::random::<u128>()));
    let mut config = ChildConfig::new(program()?, Vec::new(), library.to_owned(), path);
    config.remove = true;
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    let run = move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(tell.send(Err(error.to_string()))),
        };
        runtime.block_on(async move {
            match Child::spawn(config).await {
                Ok(child) => {
                    let shared = Shared { url: child.url(), token: child.token().to_owned() };
                    let _ = tell.send(Ok(shared));
                    child.failed().await;
                }
                Err(error) => drop(tell.send(Err(error.to_string()))),
            }
        });
    };
    std::thread::Builder::new().name("engine".to_owned()).spawn(run).map_err(|e| e.to_string())?;
    told.recv().map_err(|e| e.to_string())?
}
