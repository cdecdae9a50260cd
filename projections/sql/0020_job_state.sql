-- What is known of each job. A fact writes a row with the columns that it knows; the engine keeps
-- the latest of each group of columns by sequence (max of a tuple whose first part is the sequence),
-- in any order of arrival. Columns that one fact alone can know are plain maxima. Read it through the
-- view jobs.
CREATE TABLE IF NOT EXISTS job_state
(
    job           UInt64 COMMENT 'number of the job; 42',
    seq           SimpleAggregateFunction(max, UInt64) COMMENT 'sequence in LAB of the last fact about the job',
    display       SimpleAggregateFunction(max, String) COMMENT 'number as people write it; 40.1',
    user          SimpleAggregateFunction(max, String) COMMENT 'submitter; alice',
    name          SimpleAggregateFunction(max, String) COMMENT 'job_name of the definition',
    submitted_at  SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'when the bus took the definition',
    device_type   SimpleAggregateFunction(max, String) COMMENT 'device type asked for; qemu',
    pin_device    SimpleAggregateFunction(max, String) COMMENT 'device asked for by name, empty where none was',
    pin_worker    SimpleAggregateFunction(max, String) COMMENT 'worker asked for by name, empty where none was',
    tags          SimpleAggregateFunction(groupArrayArray, Array(String)) COMMENT 'tags that the device must carry',
    public        SimpleAggregateFunction(max, UInt8) COMMENT '1 where anybody may see the job',
    groups        SimpleAggregateFunction(groupArrayArray, Array(String)) COMMENT 'members of all of them may see it',
    health_check  SimpleAggregateFunction(max, UInt8) COMMENT '1 for a health check',
    queue_timeout SimpleAggregateFunction(max, UInt64) COMMENT 'longest wait for a device, seconds; 0 is for ever',
    job_timeout   SimpleAggregateFunction(max, UInt64) COMMENT 'timeouts.job, seconds',
    metadata      SimpleAggregateFunction(groupArrayArray, Array(Tuple(String, String))) COMMENT 'metadata of the definition',
    group_id      SimpleAggregateFunction(max, String) COMMENT 'id of the multinode group, empty outside one',
    parent        SimpleAggregateFunction(max, UInt64) COMMENT 'number of part 0 of the group; 0 outside one',
    role          SimpleAggregateFunction(max, String) COMMENT 'role in the group',
    source_sha256 SimpleAggregateFunction(max, String) COMMENT 'digest of the definition as submitted, hex',
    source_bytes  SimpleAggregateFunction(max, UInt64) COMMENT 'its length, bytes',
    rejected      SimpleAggregateFunction(max, String) COMMENT 'why the definition was refused, empty where it was not',
    priority      SimpleAggregateFunction(max, Tuple(seq UInt64, value Int32)) COMMENT 'place in the queue, 0–100',
    state         SimpleAggregateFunction(max, Tuple(seq UInt64, value String)) COMMENT 'where it stands, cancelling apart',
    run           SimpleAggregateFunction(max, Tuple(seq UInt64, device String, worker String, lease UInt64, scheduled_at DateTime64(6, 'UTC'))) COMMENT 'the device that it was given',
    started       SimpleAggregateFunction(max, Tuple(seq UInt64, at DateTime64(6, 'UTC'))) COMMENT 'start of its process, the worker''s clock',
    cancel        SimpleAggregateFunction(max, Tuple(seq UInt64, at DateTime64(6, 'UTC'), by String, reason String)) COMMENT 'the wish that it end',
    ended         SimpleAggregateFunction(max, Tuple(seq UInt64, health String, error_type String, error String, at DateTime64(6, 'UTC'), lost UInt8)) COMMENT 'how it ended',
    output        SimpleAggregateFunction(max, Tuple(seq UInt64, lines UInt64, bytes UInt64, cases UInt64, missing UInt64)) COMMENT 'what was read of it, once that is complete',
    retried       SimpleAggregateFunction(max, Tuple(seq UInt64, job UInt64, attempt UInt32)) COMMENT 'the attempt after this one',
    note          SimpleAggregateFunction(max, Tuple(seq UInt64, tags Array(String), comment String, by String)) COMMENT 'a person''s judgement',
    removed       SimpleAggregateFunction(max, UInt8) COMMENT '1 where definition, output and results were erased'
)
ENGINE = AggregatingMergeTree PARTITION BY intDiv(job, 1000000) ORDER BY job
SETTINGS index_granularity = 256, non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Storage of the view jobs.';
