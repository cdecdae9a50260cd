-- Jobs of whose files the bytes were erased, because the lab keeps them no longer.
CREATE TABLE IF NOT EXISTS file_erasures
(
    job   UInt64               COMMENT 'number of the job; 42' CODEC(Delta, ZSTD(1)),
    files UInt64               COMMENT 'how many files the job had',
    bytes UInt64               COMMENT 'bytes of all of them, equal ones counted once',
    time  DateTime64(6, 'UTC') COMMENT 'when the fact was written' CODEC(Delta, ZSTD(1)),
    seq   UInt64               COMMENT 'sequence in LAB of the fact' CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree ORDER BY (job, seq)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Jobs of which the bytes of files have aged out.';
