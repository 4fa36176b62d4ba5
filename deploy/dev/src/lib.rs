//! The real servers that tests and the demo use: moto (AWS answers), Apache Kafka. Each starts on a free port in a
//! temporary folder and ends with its guard. `./dev setup` installs them; the errors say so where they are missing.

pub mod kafka;
pub mod moto;
mod process;

use std::io::Write;
use std::path::PathBuf;

/// Where `./dev` keeps what it installed; the variable wins, so that a plain `cargo test` works too.
fn tool(variable: &str, default: &str) -> anyhow::Result<PathBuf> {
    let path = match std::env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        None => {
            let cache = std::env::var_os("DRIFTLINE_CACHE").map(PathBuf::from).or_else(|| {
                let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
                base.or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".cache")))
                    .map(|b| b.join("driftline"))
            });
            cache.unwrap_or_default().join("tools").join(default)
        }
    };
    anyhow::ensure!(path.exists(), "{} is not there: run `./dev setup` (or set {variable})", path.display());
    Ok(path)
}

/// `libchdb.so`, the embedded ClickHouse engine.
pub fn chdb() -> anyhow::Result<PathBuf> {
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    tool("DRIFTLINE_CHDB", &format!("chdb-26.7.3/node_modules/@chdb/lib-linux-{arch}-gnu/libchdb.so"))
}

/// `../shared` beside the checkout, where it is there; says that the test is skipped where it is not.
pub fn shared(path: &str) -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let path = root.join(path);
    if path.exists() {
        return Some(path);
    }
    // Past the test harness, which shows what a test prints only when it fails.
    let _ = writeln!(std::io::stderr().lock(), "skipped: {} is not there", path.display());
    None
}
