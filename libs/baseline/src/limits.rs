//! Limits on what one source may hold: far above any real state, far below what would exhaust a machine.

/// Bytes of one source.
pub const MAX_BYTES: u64 = 256 * 1024 * 1024;
/// Managed instances in one source.
pub const MAX_INSTANCES: usize = 500_000;
/// Modules within modules.
pub(crate) const MAX_MODULE_DEPTH: usize = 32;
/// Marks (sensitive or unknown paths) of one instance.
pub(crate) const MAX_MARKS: usize = 10_000;
/// Sources in one folder or under one prefix.
pub const MAX_SOURCES: usize = 10_000;
/// Folders within folders.
pub const MAX_FOLDER_DEPTH: usize = 16;
