//! Files and folders. A state that is being written is read again until it held still.

use std::fs::{self, File, Metadata};
use std::io::Read;
use std::path::Path;
use std::time::UNIX_EPOCH;

use super::{At, Found, Version, fetch_error, is_candidate, too_large};
use crate::error::Error;
use crate::limits::{MAX_FOLDER_DEPTH, MAX_SOURCES};

/// How often a file that changes while it is read is read again.
const ATTEMPTS: usize = 5;

pub(super) fn list(path: &Path) -> Result<Found, Error> {
    let name = path.display().to_string();
    let metadata = fs::metadata(path).map_err(|e| fetch_error(&name, e))?;
    if !metadata.is_dir() {
        return Ok(vec![(name, At::File(path.to_owned()), version(&metadata))]);
    }
    let mut found = Vec::new();
    let mut open = vec![(path.to_owned(), 0)];
    while let Some((folder, depth)) = open.pop() {
        let shown = folder.display().to_string();
        if depth > MAX_FOLDER_DEPTH {
            return Err(Error::TooLarge(format!("{shown}: folders are nested deeper than {MAX_FOLDER_DEPTH}")));
        }
        for entry in fs::read_dir(&folder).map_err(|e| fetch_error(&shown, e))? {
            let entry = entry.map_err(|e| fetch_error(&shown, e))?;
            let path = entry.path();
            let shown = path.display().to_string();
            // A linked folder may lead round in circles; a linked file is how mounted volumes hold their files.
            if entry.file_type().map_err(|e| fetch_error(&shown, e))?.is_dir() {
                // `.terraform` holds what looks like a state and is none.
                if !entry.file_name().to_string_lossy().starts_with('.') {
                    open.push((path, depth + 1));
                }
                continue;
            }
            if !is_candidate(&shown) {
                continue;
            }
            let metadata = fs::metadata(&path).map_err(|e| fetch_error(&shown, e))?;
            if !metadata.is_file() {
                continue;
            }
            if found.len() == MAX_SOURCES {
                return Err(Error::TooLarge(format!("{name}: more than {MAX_SOURCES} files")));
            }
            found.push((shown, At::File(path), version(&metadata)));
        }
    }
    Ok(found)
}

pub(super) fn read(path: &Path, name: &str, max: u64) -> Result<(Vec<u8>, Version), Error> {
    let error = |e: std::io::Error| fetch_error(name, e);
    for _ in 0..ATTEMPTS {
        let mut file = File::open(path).map_err(error)?;
        let before = file.metadata().map_err(error)?;
        if before.is_dir() {
            return Err(fetch_error(name, "a folder"));
        }
        if before.len() > max {
            return Err(too_large(name, max));
        }
        let mut bytes = Vec::new();
        (&mut file).take(max + 1).read_to_end(&mut bytes).map_err(error)?;
        if bytes.len() as u64 > max {
            return Err(too_large(name, max));
        }
        let after = fs::metadata(path).map_err(error)?;
        let same = version(&before) == version(&after) && after.len() == bytes.len() as u64;
        // A pipe has no version to compare, and can't be read again.
        if same || !before.is_file() {
            return Ok((bytes, version(&before)));
        }
    }
    Err(fetch_error(name, "it is being written"))
}

fn version(metadata: &Metadata) -> Version {
    let modified = metadata.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    Version { etag: None, modified_ms: modified.and_then(|d| i64::try_from(d.as_millis()).ok()), bytes: metadata.len() }
}
