-- What is known of each worker, in the manner of job_state.
CREATE TABLE IF NOT EXISTS worker_state
(
    worker      String COMMENT 'name of the worker; w1.example.org',
    seq         SimpleAggregateFunction(max, UInt64) COMMENT 'sequence in LAB of the last fact about the worker',
    registered  SimpleAggregateFunction(max, Tuple(seq UInt64, at DateTime64(6, 'UTC'), by String)) COMMENT 'its beginning',
    removed     SimpleAggregateFunction(max, Tuple(seq UInt64, at DateTime64(6, 'UTC'))) COMMENT 'its end',
    settings    SimpleAggregateFunction(max, Tuple(seq UInt64, description String, job_limit UInt32)) COMMENT 'its settings',
    health      SimpleAggregateFunction(max, Tuple(seq UInt64, value String, reason String, by String)) COMMENT 'what a person wants of it',
    state       SimpleAggregateFunction(max, Tuple(seq UInt64, value String, reason String, at DateTime64(6, 'UTC'))) COMMENT 'whether it is there',
    version     SimpleAggregateFunction(max, Tuple(seq UInt64, value String)) COMMENT 'version of its binary'
)
ENGINE = AggregatingMergeTree ORDER BY worker
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Storage of the view workers.';
