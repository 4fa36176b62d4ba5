//! Files in PEM, and files that are read anew when they change.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::Error;

/// Largest file that is read, bytes: ten thousand grants fit.
const MAX_BYTES: u64 = 8 << 20;

/// The whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let error = |source| Error::File { path: path.to_owned(), source };
    let size = std::fs::metadata(path).map_err(error)?.len();
    if size > MAX_BYTES {
        return Err(Error::Content { path: path.to_owned(), reason: format!("larger than {MAX_BYTES} bytes") });
    }
    std::fs::read(path).map_err(error)
}

/// All certificates of a file, at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let bytes = read(path)?;
    let content = |reason: String| Error::Content { path: path.to_owned(), reason };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let found = found.map_err(|e| content(format!("no PEM: {e}")))?;
    if found.is_empty() {
        return Err(content("no certificate in it (PEM, BEGIN CERTIFICATE)".to_owned()));
    }
    Ok(found)
}

/// The private key of a file.
pub(crate) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let bytes = read(path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|e| Error::Content {
        path: path.to_owned(),
        reason: format!("no private key in it (PEM, BEGIN PRIVATE KEY): {e}"),
    })
}

/// Tells whether any of some files changed, by their bytes: times lie where files are mounted or written twice a second.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    seen: Vec<(PathBuf, Option<Vec<u8>>)>,
}

impl Watch {
    /// Whether the files are others, or hold something else, than at the last call. True at the first.
    pub(crate) fn changed<'a>(&mut self, paths: impl Iterator<Item = &'a PathBuf>) -> bool {
        let now: Vec<_> = paths.map(|path| (path.clone(), read(path).ok())).collect();
        let changed = now != self.seen;
        self.seen = now;
        changed
    }
}
