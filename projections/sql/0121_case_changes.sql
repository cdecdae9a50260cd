-- What changed in a case beside the comparable jobs before. At most 200 rows of each kind of change a
-- job; job_judgements has the counts.
CREATE TABLE IF NOT EXISTS case_changes
(
    job    UInt64                 COMMENT 'number of the job that shows the change; 42' CODEC(Delta, ZSTD(1)),
    suite  LowCardinality(String) COMMENT 'name of the suite; 0_smoke',
    set    LowCardinality(String) COMMENT 'name of the set, empty without one',
    name   String                 COMMENT 'name of the case; boot-time' CODEC(ZSTD(1)),
    change LowCardinality(String) COMMENT 'regression, fix, flaky, shifted-up, shifted-down, still-failing or first-time-failed',
    since  UInt64                 COMMENT 'the job that it is compared with; of a shift the first that is shifted',
    score  Float64                COMMENT 'of a flaky case: how often its outcome changed, 0–1',
    before Float64                COMMENT 'of a shift: median before it',
    after  Float64                COMMENT 'of a shift: median since',
    worse  Nullable(Bool)         COMMENT 'of a shift: whether it is for the worse; NULL where the unit does not say',
    issue  UInt64                 COMMENT 'the known issue that explains it, 0 where none does',
    time   DateTime64(6, 'UTC')   COMMENT 'when it was judged' CODEC(Delta, ZSTD(1)),
    seq    UInt64                 COMMENT 'sequence in LAB' CODEC(Delta, ZSTD(1)),
    n      UInt32                 COMMENT 'number of the change within that message, from 0'
)
ENGINE = MergeTree PARTITION BY intDiv(job, 1000000) ORDER BY (job, seq, n)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Regressions, fixes, flaky cases and shifts, one row a change.';
