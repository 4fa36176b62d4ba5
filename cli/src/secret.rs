//! The organization's key for secrets, as settings give it, or a random one of this process.

use anyhow::Result;

use crate::config::Secrets;

/// A key and its name.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) bytes: Vec<u8>,
}

impl Key {
    /// The configured key; without one, a random one under a name of its own, so that hashes of two processes never
    /// compare as different values.
    pub(crate) fn of(secrets: &Secrets) -> Result<Self> {
        Ok(match &secrets.key {
            Some(reference) => {
                let text = reference.resolve()?;
                anyhow::ensure!(text.len() >= 16, "the secret key (`secrets.key`) needs at least 16 characters");
                Self { id: secrets.key_id.clone(), bytes: text.into_bytes() }
            }
            None => {
                let id = format!("process-{:08x}", rand::random::<u32>());
                Self { id, bytes: rand::random::<[u8; 32]>().to_vec() }
            }
        })
    }

    /// As `up` uses it: without a configured one, a key of its folder, kept, so that a restart compares.
    pub(crate) fn kept(secrets: &Secrets, folder: &std::path::Path) -> Result<Self> {
        if secrets.key.is_some() {
            return Self::of(secrets);
        }
        let path = folder.join("secret.key");
        if let Ok(bytes) = std::fs::read(&path)
            && bytes.len() == 32
        {
            let id = format!("local-{}", &blake3::hash(&bytes).to_hex()[..8]);
            return Ok(Self { id, bytes });
        }
        let bytes = rand::random::<[u8; 32]>();
        std::fs::create_dir_all(folder)?;
        write_private(&path, &bytes)?;
        Self::kept(secrets, folder)
    }
}

fn write_private(path: &std::path::Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    Ok(file.sync_all()?)
}
