//! The folder of one embedded engine: who holds it, where its data are, and the configuration that fences it in.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{EngineConfig, Error};

/// A folder that this process holds until it is dropped.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) data: PathBuf,
    pub(super) config: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder ready and takes its lock, waiting a while for a predecessor that is still closing.
    pub(super) async fn take(config: &EngineConfig) -> Result<Self, Error> {
        let root = &config.path;
        let failed = |error: std::io::Error| Error::Folder(format!("{}: {error}", root.display()));
        // a relative path would be read against the library's idea of a current folder
        private_folder(root).map_err(failed)?;
        let root = root.canonicalize().map_err(failed)?;
        let lock = lock(&root, config.lock_within).await?;
        let data = root.join("data");
        // without `metadata` the library takes the folder for a temporary one, and DROP ... SYNC hangs
        private_folder(&data.join("metadata")).map_err(failed)?;
        let users = root.join("users.xml");
        write_private(&users, &users_xml(config)).map_err(failed)?;
        let path = root.join("config.xml");
        write_private(&path, &config_xml(&users)).map_err(failed)?;
        Ok(Self { data, config: path, _lock: lock })
    }
}

async fn lock(root: &Path, patience: Duration) -> Result<File, Error> {
    let path = root.join("lock");
    let failed = |error: std::io::Error| Error::Folder(format!("{}: {error}", path.display()));
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(&path).map_err(failed)?;
    let end = tokio::time::Instant::now() + patience;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if tokio::time::Instant::now() < end => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = (&mut file).take(20).read_to_string(&mut holder);
                return Err(Error::Locked { path: root.to_owned(), holder: holder.trim().to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
    file.set_len(0).map_err(failed)?;
    file.rewind().map_err(failed)?;
    writeln!(file, "{}", std::process::id()).map_err(failed)?;
    Ok(file)
}

fn private_folder(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}

/// Durability: by default an insert is acknowledged before it is on the disk, and a merged part's sources are removed at once.
fn config_xml(users: &Path) -> String {
    let users = escape(&users.display().to_string());
    format!(
        "<clickhouse>
  <users_config>{users}</users_config>
  <merge_tree>
    <fsync_after_insert>1</fsync_after_insert>
    <fsync_part_directory>1</fsync_part_directory>
    <old_parts_lifetime>60</old_parts_lifetime>
  </merge_tree>
  <access_control_improvements>
    <table_engines_require_grant>true</table_engines_require_grant>
  </access_control_improvements>
  <max_server_memory_usage_to_ram_ratio>0.5</max_server_memory_usage_to_ram_ratio>
  <mark_cache_size>67108864</mark_cache_size>
</clickhouse>
"
    )
}

/// What the one user may do: everything inside databases, nothing that reads or writes outside them.
fn users_xml(config: &EngineConfig) -> String {
    let mut grants = String::new();
    for engine in ["MergeTree", "ReplacingMergeTree", "AggregatingMergeTree", "SummingMergeTree", "Memory", "Null"] {
        grants.push_str(&format!("      <query>GRANT TABLE ENGINE ON {engine}</query>\n"));
    }
    let (seconds, memory, bytes) = (config.max_seconds, config.max_query_memory, config.max_answer_bytes);
    format!(
        "<clickhouse>
  <users><default>
    <password></password><networks><ip>127.0.0.1</ip><ip>::1</ip></networks>
    <profile>default</profile><quota>default</quota>
    <grants>
      <query>GRANT SHOW, SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP, TRUNCATE, OPTIMIZE, CHECK, KILL QUERY ON *.*</query>
{grants}    </grants>
  </default></users>
  <profiles><default>
    <max_execution_time>{seconds}</max_execution_time>
    <max_memory_usage>{memory}</max_memory_usage>
    <max_result_bytes>{bytes}</max_result_bytes>
    <result_overflow_mode>throw</result_overflow_mode>
  </default></profiles>
  <quotas><default></default></quotas>
</clickhouse>
"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
