//! The process's clock, and times for people.

use std::sync::Arc;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Now.
pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// Milliseconds since 1970 UTC, now.
pub(crate) fn now_ms() -> i64 {
    i64::try_from(now().unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// The clock as roles take it.
pub(crate) fn clock() -> driftline_agent::run::Clock {
    Arc::new(now_ms)
}

/// RFC 3339 in UTC, to the second.
pub(crate) fn rfc3339(ms: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(ms.div_euclid(1000)).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    at.format(&Rfc3339).unwrap_or_default()
}
