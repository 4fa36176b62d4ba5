-- What the agents saw. `version` is the order of observations, (epoch, number) as one number: never a clock.

-- Every observation of every resource. Order: a resource's history lies together, so that bodies which hardly differ are
-- compressed against each other; a full send repeats them at almost no cost. The key is what makes an observation: read twice, it
-- falls on itself. No TTL: the last observation of a resource may be old and is still true.
CREATE TABLE IF NOT EXISTS snapshot_rows${on_cluster}
(
    account LowCardinality(String),
    region LowCardinality(String),
    type LowCardinality(String),
    id String,
    epoch UInt64,
    number UInt64,
    at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    hash String,
    gone Bool,
    arn String,
    revision LowCardinality(String),
    owner LowCardinality(String),
    attributes String CODEC(ZSTD(3)),
    unread String CODEC(ZSTD),
    relations String CODEC(ZSTD)
)
ENGINE = ${replicated}ReplacingMergeTree
PRIMARY KEY (account, region, type, id)
ORDER BY (account, region, type, id, epoch, number);

-- History by content: an observation that only repeats the one before it is left out.
CREATE OR REPLACE VIEW snapshots${on_cluster} AS
SELECT account, region, type, id, epoch, number, at, hash, gone, arn, revision, owner, attributes, unread, relations
FROM
(
    SELECT
        *,
        lagInFrame(hash, 1, '-') OVER (
            PARTITION BY account, region, type, id ORDER BY epoch, number ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
        ) AS hash_before
    FROM snapshot_rows FINAL
)
WHERE hash != hash_before;

-- The last observation of each resource: the inventory.
CREATE TABLE IF NOT EXISTS resource_rows${on_cluster}
(
    account LowCardinality(String),
    region LowCardinality(String),
    type LowCardinality(String),
    id String,
    at DateTime64(3, 'UTC'),
    hash String,
    gone Bool,
    arn String,
    revision LowCardinality(String),
    owner LowCardinality(String),
    attributes String CODEC(ZSTD),
    unread String CODEC(ZSTD),
    relations String CODEC(ZSTD),
    version UInt128
)
ENGINE = ${replicated}ReplacingMergeTree(version)
ORDER BY (account, region, type, id);

CREATE MATERIALIZED VIEW IF NOT EXISTS resources_from_snapshots${on_cluster} TO resource_rows AS
SELECT
    account, region, type, id, at, hash, gone, arn, revision, owner, attributes, unread, relations,
    bitOr(bitShiftLeft(toUInt128(epoch), 64), toUInt128(number)) AS version
FROM snapshot_rows;

CREATE OR REPLACE VIEW resources${on_cluster} AS
SELECT account, region, type, id, at, hash, arn, revision, owner, attributes, unread, relations
FROM resource_rows FINAL
WHERE NOT gone;

-- Rounds: one row per account and round with all its listings in arrays of equal length, so that a round is seen whole or
-- not at all. Scopes within regions x types without a listing were complete and empty. Order: an account's rounds in order.
CREATE TABLE IF NOT EXISTS cycle_rows${on_cluster}
(
    account LowCardinality(String),
    epoch UInt64,
    number UInt64,
    catalogue LowCardinality(String),
    regions Array(LowCardinality(String)),
    types Array(LowCardinality(String)),
    began_at DateTime64(3, 'UTC'),
    ended_at DateTime64(3, 'UTC'),
    listing_region Array(LowCardinality(String)),
    listing_type Array(LowCardinality(String)),
    listing_status Array(LowCardinality(String)),
    listing_resources Array(UInt64),
    listing_error Array(String),
    listing_began_at Array(DateTime64(3, 'UTC'))
)
ENGINE = ${replicated}ReplacingMergeTree
ORDER BY (account, epoch, number)
TTL toDateTime(ended_at) + INTERVAL 90 DAY;

-- The last round of each account, kept however old it is: what was not seen since is not known since.
CREATE TABLE IF NOT EXISTS last_cycle_rows${on_cluster}
(
    account LowCardinality(String),
    epoch UInt64,
    number UInt64,
    catalogue LowCardinality(String),
    regions Array(LowCardinality(String)),
    types Array(LowCardinality(String)),
    began_at DateTime64(3, 'UTC'),
    ended_at DateTime64(3, 'UTC'),
    listing_region Array(LowCardinality(String)),
    listing_type Array(LowCardinality(String)),
    listing_status Array(LowCardinality(String)),
    listing_resources Array(UInt64),
    listing_error Array(String),
    listing_began_at Array(DateTime64(3, 'UTC')),
    version UInt128
)
ENGINE = ${replicated}ReplacingMergeTree(version)
ORDER BY account;

CREATE MATERIALIZED VIEW IF NOT EXISTS last_cycles_from_cycles${on_cluster} TO last_cycle_rows AS
SELECT *, bitOr(bitShiftLeft(toUInt128(epoch), 64), toUInt128(number)) AS version FROM cycle_rows;

CREATE OR REPLACE VIEW cycles${on_cluster} AS
SELECT account, epoch, number, catalogue, regions, types, began_at, ended_at, length(listing_region) AS listings
FROM last_cycle_rows FINAL;

CREATE OR REPLACE VIEW coverage${on_cluster} AS
SELECT
    account, l_region AS region, l_type AS type, l_status AS status, l_resources AS resources, l_error AS error,
    l_began_at AS began_at, ended_at
FROM last_cycle_rows FINAL
ARRAY JOIN
    listing_region AS l_region, listing_type AS l_type, listing_status AS l_status,
    listing_resources AS l_resources, listing_error AS l_error, listing_began_at AS l_began_at;

CREATE OR REPLACE VIEW coverage_history${on_cluster} AS
SELECT
    account, l_region AS region, l_type AS type, l_status AS status, l_resources AS resources, l_error AS error,
    l_began_at AS began_at, ended_at, epoch, number
FROM cycle_rows FINAL
ARRAY JOIN
    listing_region AS l_region, listing_type AS l_type, listing_status AS l_status,
    listing_resources AS l_resources, listing_error AS l_error, listing_began_at AS l_began_at;

-- What is known of each account besides its resources.
CREATE TABLE IF NOT EXISTS account_rows${on_cluster}
(
    account LowCardinality(String),
    name String,
    status LowCardinality(String),
    organization LowCardinality(String),
    ou_path String,
    tags Map(String, String),
    at DateTime64(3, 'UTC'),
    version UInt128
)
ENGINE = ${replicated}ReplacingMergeTree(version)
ORDER BY account;

CREATE OR REPLACE VIEW accounts${on_cluster} AS
SELECT account, name, status, organization, ou_path, tags, at FROM account_rows FINAL;
