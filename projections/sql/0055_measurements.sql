-- What cases measured, sorted for trends: one case over many jobs is one run of rows.
CREATE TABLE IF NOT EXISTS measurements
(
    suite  LowCardinality(String) COMMENT 'name of the suite; lava',
    set    LowCardinality(String) COMMENT 'name of the set, empty without one',
    name   LowCardinality(String) COMMENT 'name of the case; http-download',
    job    UInt64                 COMMENT 'number of the job; 42' CODEC(Delta, ZSTD(1)),
    value  Float64                COMMENT 'what was measured; 12.5' CODEC(Gorilla, ZSTD(1)),
    units  LowCardinality(String) COMMENT 'its unit; seconds',
    result Enum8('pass' = 0, 'fail' = 1, 'skip' = 2, 'unknown' = 3) COMMENT 'outcome of the case',
    time   DateTime64(6, 'UTC')   COMMENT 'when it was reported, the worker''s clock' CODEC(Delta, ZSTD(1)),
    seq    UInt64                 COMMENT 'sequence in RESULTS' CODEC(Delta, ZSTD(1)),
    n      UInt32                 COMMENT 'number of the case within that message, from 0' CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree PARTITION BY intDiv(job, 1000000) ORDER BY (suite, name, set, job, seq, n)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Measurements of test cases, one row each.';
