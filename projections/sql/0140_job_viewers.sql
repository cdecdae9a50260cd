-- Who may see each job. Row policies read it whenever a visitor's statement reads a table of jobs, so it
-- is small, and has one row a job from the first fact on.
CREATE TABLE IF NOT EXISTS job_viewers
(
    job    UInt64                 COMMENT 'number of the job; 42' CODEC(Delta, ZSTD(1)),
    user   LowCardinality(String) COMMENT 'submitter; alice',
    public Bool                   COMMENT 'whether anybody may see it',
    seq    UInt64                 COMMENT 'sequence in LAB of the fact' CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(seq) ORDER BY job
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Who may see each job, one row a job.';
