-- Sums that stay right when rows are repeated, and how far the stored data reach.

-- Transitions per day: sets of ids, not counts, so that a transition fed twice is still one.
CREATE TABLE IF NOT EXISTS drift_activity_rows${on_cluster}
(
    day Date,
    account LowCardinality(String),
    subject LowCardinality(String),
    transition LowCardinality(String),
    severity LowCardinality(String),
    ids AggregateFunction(uniqExact, String)
)
ENGINE = ${replicated}AggregatingMergeTree
ORDER BY (day, account, subject, transition, severity);

CREATE MATERIALIZED VIEW IF NOT EXISTS drift_activity_from_events${on_cluster} TO drift_activity_rows AS
SELECT toDate(at) AS day, account, subject, transition, severity, uniqExactState(id) AS ids
FROM drift_event_rows
GROUP BY day, account, subject, transition, severity;

-- What came before this file; fed again after a crash in the middle, the sets stay the same.
INSERT INTO drift_activity_rows
SELECT toDate(at) AS day, account, subject, transition, severity, uniqExactState(id) AS ids
FROM drift_event_rows
GROUP BY day, account, subject, transition, severity;

CREATE OR REPLACE VIEW drift_activity${on_cluster} AS
SELECT day, account, subject, transition, severity, uniqExactMerge(ids) AS transitions
FROM drift_activity_rows
GROUP BY day, account, subject, transition, severity;

-- What is open now, per account: computed when read, so there is nothing that could go wrong with it.
CREATE OR REPLACE VIEW posture${on_cluster} AS
SELECT
    account,
    countIf(subject = 'drift') AS drifts,
    countIf(subject = 'finding') AS findings,
    countIf(severity = 'CRITICAL') AS critical,
    countIf(severity = 'HIGH') AS high,
    countIf(severity = 'MEDIUM') AS medium,
    countIf(severity = 'LOW') AS low
FROM
(
    SELECT account, severity, 'drift' AS subject FROM drift_rows FINAL WHERE status = 'open' AND waiver = ''
    UNION ALL
    SELECT account, severity, 'finding' AS subject FROM finding_rows FINAL WHERE status = 'open'
)
GROUP BY account;

-- Per topic and partition the next offset to be stored, and the time of the last record that was.
CREATE TABLE IF NOT EXISTS watermark_rows${on_cluster}
(
    topic LowCardinality(String),
    partition UInt32,
    offset UInt64,
    at DateTime64(3, 'UTC')
)
ENGINE = ${replicated}ReplacingMergeTree(offset)
ORDER BY (topic, partition);

CREATE OR REPLACE VIEW watermarks${on_cluster} AS SELECT topic, partition, offset, at FROM watermark_rows FINAL;
