-- Files that tests gave, as RESULTS tells of them. Their bytes stand in the logs of jobs and in no table.
CREATE TABLE IF NOT EXISTS test_files
(
    job    UInt64                 COMMENT 'number of the job; 42' CODEC(Delta, ZSTD(1)),
    suite  LowCardinality(String) COMMENT 'suite of the test that gave it; 0_smoke',
    set    LowCardinality(String) COMMENT 'name of the set, empty without one',
    case_name String              COMMENT 'case that it belongs to, empty for the whole suite; boot' CODEC(ZSTD(1)),
    name   String                 COMMENT 'name of the file; trace.dat' CODEC(ZSTD(1)),
    size   UInt64                 COMMENT 'bytes' CODEC(Delta, ZSTD(1)),
    digest String                 COMMENT 'SHA-256 of its bytes, lower-case hex' CODEC(ZSTD(1)),
    type   LowCardinality(String) COMMENT 'junit, tap, ktap: its cases are among the results; empty: just a file',
    time   DateTime64(6, 'UTC')   COMMENT 'when it was whole, the worker''s clock' CODEC(Delta, ZSTD(1)),
    line   UInt64                 COMMENT 'log line that says that it is whole, from 0' CODEC(Delta, ZSTD(1)),
    seq    UInt64                 COMMENT 'sequence in RESULTS' CODEC(Delta, ZSTD(1)),
    n      UInt32                 COMMENT 'number of the file within that message, from 0' CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree PARTITION BY intDiv(job, 1000000) ORDER BY (job, seq, n)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Files of tests, one row a file.';
