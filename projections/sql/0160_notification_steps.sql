-- What became of each message about a job, step by step: a row a delivery and fact. Whom a mail goes to and what else
-- an address may tell is not here, but where it goes. Read it through the view notifications.
CREATE TABLE IF NOT EXISTS notification_steps
(
    job         UInt64                 COMMENT 'number of the job; 42' CODEC(Delta, ZSTD(1)),
    n           UInt32                 COMMENT 'number of the delivery within the job, from 1',
    step        LowCardinality(String) COMMENT 'planned, sent, failed (given up) or replayed (somebody wants it sent again)',
    moment      LowCardinality(String) COMMENT 'of planned: what of the job is told; running or finished',
    kind        LowCardinality(String) COMMENT 'of planned: callback, email or irc',
    destination String                 COMMENT 'of planned: scheme and host of a callback, domain of a mail, server of IRC' CODEC(ZSTD(1)),
    last_job    UInt64                 COMMENT 'of planned: the last attempt of a job that was tried again, else 0',
    complete    Bool                   COMMENT 'of planned: whether all output had been read by then',
    attempts    UInt32                 COMMENT 'of sent and failed: attempts since the service was started',
    answer      String                 COMMENT 'of sent: what the receiver said; of failed: why it was given up; of replayed: by whom' CODEC(ZSTD(1)),
    time        DateTime64(6, 'UTC')   COMMENT 'when it was recorded' CODEC(Delta, ZSTD(1)),
    seq         UInt64                 COMMENT 'sequence in LAB' CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree PARTITION BY intDiv(job, 1000000) ORDER BY (job, n, seq)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Storage of the view notifications.';
