-- What is known of each device, in the manner of job_state. Tags are a map to 2 * sequence, + 1
-- where the tag was put on, so that the latest word on each tag is a maximum. The row with an empty
-- name stands for all devices: it carries the tags that were abolished.
CREATE TABLE IF NOT EXISTS device_state
(
    device      String COMMENT 'name of the device; qemu-01',
    seq         SimpleAggregateFunction(max, UInt64) COMMENT 'sequence in LAB of the last fact about the device',
    added       SimpleAggregateFunction(max, Tuple(seq UInt64, at DateTime64(6, 'UTC'), device_type String, description String, by String)) COMMENT 'its beginning',
    removed     SimpleAggregateFunction(max, Tuple(seq UInt64, at DateTime64(6, 'UTC'))) COMMENT 'its end',
    worker      SimpleAggregateFunction(max, Tuple(seq UInt64, value String)) COMMENT 'worker that it hangs on',
    health      SimpleAggregateFunction(max, Tuple(seq UInt64, value String, reason String, by String, at DateTime64(6, 'UTC'))) COMMENT 'how well it is',
    state       SimpleAggregateFunction(max, Tuple(seq UInt64, value String, job UInt64, lease UInt64, at DateTime64(6, 'UTC'))) COMMENT 'whether it is free',
    configured  SimpleAggregateFunction(max, Tuple(seq UInt64, at DateTime64(6, 'UTC'), by String, comment String)) COMMENT 'its dictionary''s latest version',
    check_asked SimpleAggregateFunction(max, Tuple(seq UInt64, job UInt64, reason String, at DateTime64(6, 'UTC'))) COMMENT 'the latest health check that was asked for',
    versions    SimpleAggregateFunction(sum, UInt64) COMMENT 'versions of its dictionary',
    tags        SimpleAggregateFunction(maxMap, Map(String, UInt64)) COMMENT 'latest word on each tag'
)
ENGINE = AggregatingMergeTree ORDER BY device
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Storage of the view devices.';
