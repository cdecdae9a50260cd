-- Test cases as jobs reported them. Sorted for the pages of one job; conditions on a name over all
-- jobs are served by the bloom filter, and names come again in each job, so that a number for each is
-- compared. Trends of a measurement are served by the table measurements.
CREATE TABLE IF NOT EXISTS test_cases
(
    job         UInt64                  COMMENT 'number of the job; 42' CODEC(Delta, ZSTD(1)),
    suite       LowCardinality(String)  COMMENT 'name of the suite, lava for the pipeline itself; 0_smoke',
    set         LowCardinality(String)  COMMENT 'name of the set, empty without one',
    name        LowCardinality(String)  COMMENT 'name of the case; login-action',
    result      Enum8('pass' = 0, 'fail' = 1, 'skip' = 2, 'unknown' = 3) COMMENT 'outcome; the numbers are LAVA''s',
    measurement Nullable(Float64)       COMMENT 'what was measured, NULL without; 12.5',
    units       LowCardinality(String)  COMMENT 'its unit; seconds',
    time        DateTime64(6, 'UTC')    COMMENT 'when it was reported, the worker''s clock' CODEC(Delta, ZSTD(1)),
    line        UInt64                  COMMENT 'log line that carries it, from 0' CODEC(Delta, ZSTD(1)),
    start_line  Nullable(UInt64)        COMMENT 'first log line of the case, NULL where unknown',
    end_line    Nullable(UInt64)        COMMENT 'last log line of the case, NULL where unknown',
    metadata    Map(LowCardinality(String), String) COMMENT 'other keys of the report; {''error_type'': ''Job''}',
    seq         UInt64                  COMMENT 'sequence in RESULTS' CODEC(Delta, ZSTD(1)),
    n           UInt32                  COMMENT 'number of the case within that message, from 0' CODEC(Delta, ZSTD(1)),
    INDEX by_name name TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_result result TYPE set(4) GRANULARITY 1
)
ENGINE = MergeTree PARTITION BY intDiv(job, 1000000) ORDER BY (job, seq, n)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Test cases, one row a report; a name may occur more than once.';
