-- What is to be kept whatever the rules of retention say: jobs that somebody has pinned, and everybody's
-- favourites. The latest row of a job, kind and user counts. Read it with FINAL.
CREATE TABLE IF NOT EXISTS keeps
(
    job    UInt64                 COMMENT 'number of the job; 42' CODEC(Delta, ZSTD(1)),
    kind   LowCardinality(String) COMMENT 'pin: for everybody; favourite: for the user',
    user   LowCardinality(String) COMMENT 'whose favourite it is; empty for a pin',
    kept   Bool                   COMMENT 'false where it was given up',
    by     LowCardinality(String) COMMENT 'who said so; alice',
    reason String                 COMMENT 'why, of a pin',
    time   DateTime64(6, 'UTC')   COMMENT 'when the fact was written' CODEC(Delta, ZSTD(1)),
    seq    UInt64                 COMMENT 'sequence in LAB of the fact' CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(seq) ORDER BY (job, kind, user)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Jobs that are pinned, and favourites.';
