//! The organization's key for secrets, as settings give it, or a random one of this process.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, Result};
use driftline_model::secret::SecretKey;

use crate::config::Secrets;

/// Shortest key that is taken, in bytes.
const MIN_KEY: usize = 16;

/// The configured key; without one, a random one under a name of its own, so that hashes of two processes never compare as
/// different values.
pub(crate) fn of_process(secrets: &Secrets) -> Result<SecretKey> {
    match configured(secrets)? {
        Some(key) => Ok(key),
        None => {
            let id = format!("process-{:08x}", rand::random::<u32>());
            Ok(SecretKey::new(id, rand::random::<[u8; 32]>()))
        }
    }
}

/// As long-lived roles use it: without a configured one, a key of their folder, kept, so that a restart compares.
pub(crate) fn of_folder(secrets: &Secrets, folder: &Path) -> Result<SecretKey> {
    if let Some(key) = configured(secrets)? {
        return Ok(key);
    }
    let path = folder.join("secret.key");
    let bytes = match std::fs::read(&path) {
        Ok(bytes) if bytes.len() == 32 => bytes,
        _ => {
            let bytes = rand::random::<[u8; 32]>().to_vec();
            private_folder(folder)?;
            write_private(&path, &bytes)?;
            bytes
        }
    };
    Ok(SecretKey::new(format!("local-{}", &blake3::hash(&bytes).to_hex()[..8]), bytes))
}

fn configured(secrets: &Secrets) -> Result<Option<SecretKey>> {
    let Some(reference) = &secrets.key else { return Ok(None) };
    let text = reference.resolve()?;
    anyhow::ensure!(text.len() >= MIN_KEY, "the secret key (`secrets.key`) needs at least {MIN_KEY} characters");
    Ok(Some(SecretKey::new(&secrets.key_id, text.into_bytes())))
}

/// Makes a folder that only its owner may enter. One that is there stays as it is.
pub(crate) fn private_folder(path: &Path) -> Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| path.display().to_string())
}

/// Writes a file that only its owner may read, in one step.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(std::fs::rename(&beside, path)?)
}
