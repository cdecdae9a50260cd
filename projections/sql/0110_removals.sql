-- Jobs that were erased. Their rows are gone from the tables of logs, and unless only the logs were
-- erased from all tables but job_state, job_transitions and events, where the facts of LAB stay.
CREATE TABLE IF NOT EXISTS removals
(
    job       UInt64                 COMMENT 'number of the job; 42' CODEC(Delta, ZSTD(1)),
    logs_only Bool                   COMMENT 'whether definition and results stay',
    by        LowCardinality(String) COMMENT 'who asked; alice',
    reason    String                 COMMENT 'why, as they said',
    time      DateTime64(6, 'UTC')   COMMENT 'when the fact was written' CODEC(Delta, ZSTD(1)),
    seq       UInt64                 COMMENT 'sequence in LAB of the fact' CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree ORDER BY (job, seq)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Which jobs were erased.';
