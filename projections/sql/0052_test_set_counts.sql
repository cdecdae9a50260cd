-- Counts of each set within a suite, in the manner of test_suite_counts.
CREATE TABLE IF NOT EXISTS test_set_counts
(
    job       UInt64 COMMENT 'number of the job; 42',
    suite     LowCardinality(String) COMMENT 'name of the suite; 0_smoke',
    set       LowCardinality(String) COMMENT 'name of the set; network',
    first_seq SimpleAggregateFunction(min, UInt64) COMMENT 'sequence in RESULTS of its first case',
    passes    SimpleAggregateFunction(sum, UInt64) COMMENT 'cases with result pass',
    failures  SimpleAggregateFunction(sum, UInt64) COMMENT 'cases with result fail',
    skips     SimpleAggregateFunction(sum, UInt64) COMMENT 'cases with result skip',
    unknowns  SimpleAggregateFunction(sum, UInt64) COMMENT 'cases with result unknown'
)
ENGINE = AggregatingMergeTree PARTITION BY intDiv(job, 1000000) ORDER BY (job, suite, set)
SETTINGS index_granularity = 512, non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Storage of the view test_sets.';
