-- Which rows of which jobs have left the tables by the rules of retention, so that a question about an
-- old job is not answered by silence. The one table of jobs that is no function of the log: it hangs on
-- the rules and on the day. Once the tables are made anew it is empty, and the rules are applied again.
CREATE TABLE IF NOT EXISTS aged
(
    job      UInt64                 COMMENT 'number of the job; 42',
    what     LowCardinality(String) COMMENT 'rows that are gone: logs, results, measurements or history; see docs/operations.md',
    ended_at DateTime64(6, 'UTC')   COMMENT 'when the job was Finished',
    at       DateTime64(6, 'UTC')   COMMENT 'when its rows left the tables'
)
ENGINE = ReplacingMergeTree ORDER BY (what, job)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What has left the tables of jobs that ended long ago, one row a job and kind of rows. Streams and archive still have it.';
