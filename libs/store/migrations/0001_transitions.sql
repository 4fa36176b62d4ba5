-- What the analyzer found. Conventions of all files: a table `x_rows` may hold repeats and older versions of a row; the
-- view `x` shows each once, in its last version, and is what anyone reads. Values are JSON. Enumerations are words.
-- ${replicated} and ${on_cluster} are empty unless a cluster is configured.

-- The audit trail: every transition, for ever. A transition read twice has the same id, and its key columns are functions
-- of that id, so a repeat falls on itself whatever batch it comes in. No PARTITION BY: times come from records, and one
-- with an absurd time must not fail a batch for its number of partitions. Order: a month's rows lie together for reading by time,
-- within it an account's, within it a drift's history.
CREATE TABLE IF NOT EXISTS drift_event_rows${on_cluster}
(
    id String,
    transition LowCardinality(String),
    subject LowCardinality(String),
    subject_id String,
    cause String,
    at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    opened_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    account LowCardinality(String),
    region LowCardinality(String),
    type LowCardinality(String),
    resource String,
    arn String,
    kind LowCardinality(String),
    path String,
    expected String CODEC(ZSTD),
    actual String CODEC(ZSTD),
    severity LowCardinality(String),
    reason String CODEC(ZSTD),
    controls Array(LowCardinality(String)),
    rule LowCardinality(String),
    origin LowCardinality(String),
    source String CODEC(ZSTD),
    address String CODEC(ZSTD),
    line UInt32,
    remediation String,
    waiver String,
    input_offset UInt64,
    partition UInt32,
    offset UInt64,
    INDEX by_subject subject_id TYPE bloom_filter(0.001) GRANULARITY 4
)
ENGINE = ${replicated}ReplacingMergeTree(offset)
PRIMARY KEY (toYYYYMM(at), account, subject_id)
ORDER BY (toYYYYMM(at), account, subject_id, at, id);

CREATE OR REPLACE VIEW drift_events${on_cluster} AS SELECT * FROM drift_event_rows FINAL;

-- The current state of each drift, resolved ones too (a TTL would bring back an older version that is not merged away
-- yet). The version is the offset of the cause in the inputs, not of the event: a replay writes old events at new offsets.
-- Order: mostly read by account, then type; the id alone finds its row by the index.
CREATE TABLE IF NOT EXISTS drift_rows${on_cluster}
(
    id String,
    account LowCardinality(String),
    region LowCardinality(String),
    type LowCardinality(String),
    resource String,
    arn String,
    kind LowCardinality(String),
    path String,
    expected String CODEC(ZSTD),
    actual String CODEC(ZSTD),
    severity LowCardinality(String),
    reason String CODEC(ZSTD),
    controls Array(LowCardinality(String)),
    origin LowCardinality(String),
    source String CODEC(ZSTD),
    address String CODEC(ZSTD),
    line UInt32,
    remediation String,
    waiver String,
    status LowCardinality(String),
    opened_at DateTime64(3, 'UTC'),
    changed_at DateTime64(3, 'UTC'),
    version UInt64,
    INDEX by_id id TYPE bloom_filter(0.001) GRANULARITY 4
)
ENGINE = ${replicated}ReplacingMergeTree(version)
PRIMARY KEY (account, type, region)
ORDER BY (account, type, region, id);

CREATE MATERIALIZED VIEW IF NOT EXISTS drifts_from_events${on_cluster} TO drift_rows AS
SELECT
    subject_id AS id, account, region, type, resource, arn, kind, path, expected, actual, severity, reason, controls,
    origin, source, address, line, remediation, waiver,
    if(transition = 'resolved', 'resolved', 'open') AS status,
    opened_at, at AS changed_at, input_offset AS version
FROM drift_event_rows
WHERE subject = 'drift';

CREATE OR REPLACE VIEW drifts${on_cluster} AS
SELECT *, if(status = 'resolved', changed_at, NULL) AS resolved_at FROM drift_rows FINAL;

-- The current state of each posture finding; as drift_rows.
CREATE TABLE IF NOT EXISTS finding_rows${on_cluster}
(
    id String,
    account LowCardinality(String),
    region LowCardinality(String),
    type LowCardinality(String),
    resource String,
    arn String,
    path String,
    actual String CODEC(ZSTD),
    severity LowCardinality(String),
    rule LowCardinality(String),
    reason String CODEC(ZSTD),
    controls Array(LowCardinality(String)),
    status LowCardinality(String),
    opened_at DateTime64(3, 'UTC'),
    changed_at DateTime64(3, 'UTC'),
    version UInt64,
    INDEX by_id id TYPE bloom_filter(0.001) GRANULARITY 4
)
ENGINE = ${replicated}ReplacingMergeTree(version)
PRIMARY KEY (account, type, region)
ORDER BY (account, type, region, id);

CREATE MATERIALIZED VIEW IF NOT EXISTS findings_from_events${on_cluster} TO finding_rows AS
SELECT
    subject_id AS id, account, region, type, resource, arn, path, actual, severity, rule, reason, controls,
    if(transition = 'resolved', 'resolved', 'open') AS status,
    opened_at, at AS changed_at, input_offset AS version
FROM drift_event_rows
WHERE subject = 'finding';

CREATE OR REPLACE VIEW findings${on_cluster} AS
SELECT *, if(status = 'resolved', changed_at, NULL) AS resolved_at FROM finding_rows FINAL;
