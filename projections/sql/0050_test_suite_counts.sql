-- Counts of each suite, added up by the engine: each stretch of results brings its own.
CREATE TABLE IF NOT EXISTS test_suite_counts
(
    job          UInt64 COMMENT 'number of the job; 42',
    suite        LowCardinality(String) COMMENT 'name of the suite; 0_smoke',
    first_seq    SimpleAggregateFunction(min, UInt64) COMMENT 'sequence in RESULTS of its first case',
    passes       SimpleAggregateFunction(sum, UInt64) COMMENT 'cases with result pass',
    failures     SimpleAggregateFunction(sum, UInt64) COMMENT 'cases with result fail',
    skips        SimpleAggregateFunction(sum, UInt64) COMMENT 'cases with result skip',
    unknowns     SimpleAggregateFunction(sum, UInt64) COMMENT 'cases with result unknown',
    first_at     SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'time of its first case',
    last_at      SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'time of its last case'
)
ENGINE = AggregatingMergeTree PARTITION BY intDiv(job, 1000000) ORDER BY (job, suite)
SETTINGS index_granularity = 512, non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Storage of the view test_suites.';
