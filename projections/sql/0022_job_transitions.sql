-- What happened to each job, in order. Partitions are ranges of job numbers, as in all tables of
-- jobs: a number cannot be wrong, a worker's clock can.
CREATE TABLE IF NOT EXISTS job_transitions
(
    job    UInt64                 COMMENT 'number of the job; 42' CODEC(Delta, ZSTD(1)),
    seq    UInt64                 COMMENT 'sequence in LAB of the fact' CODEC(Delta, ZSTD(1)),
    n      UInt32                 COMMENT 'number of this row among the fact''s rows here, from 0',
    time   DateTime64(6, 'UTC')   COMMENT 'when the fact was written' CODEC(Delta, ZSTD(1)),
    state  LowCardinality(String) COMMENT 'state that the fact leads to; empty where it does not change it alone; Running',
    health LowCardinality(String) COMMENT 'how the job ended, for Finished',
    event  LowCardinality(String) COMMENT 'name of the fact; job.started',
    device LowCardinality(String) COMMENT 'device that it is about, empty where none is',
    worker LowCardinality(String) COMMENT 'worker that it is about, empty where none is',
    lease  UInt64                 COMMENT 'fencing number of the assignment, 0 without one',
    reason String                 COMMENT 'why, as the fact says it' CODEC(ZSTD(1)),
    actor  LowCardinality(String) COMMENT 'the user who asked, empty where none did'
)
ENGINE = MergeTree PARTITION BY intDiv(job, 1000000) ORDER BY (job, seq, n)
SETTINGS index_granularity = 512, non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What happened to each job, one row a step.';
