-- The logs. The text index is built by merges, not on insert (materialize_skip_indexes_on_insert=0
-- of the projector): that makes inserting four times faster, and the newest parts are searched by
-- reading them. ZSTD(3) on real consoles gives about 15 bytes a line, the index 22 more.
CREATE TABLE IF NOT EXISTS log_lines
(
    job       UInt64                 COMMENT 'number of the job; 42' CODEC(Delta, ZSTD(1)),
    line      UInt64                 COMMENT 'number of the line in the job''s log, from 0' CODEC(Delta, ZSTD(1)),
    time      DateTime64(6, 'UTC')   COMMENT 'when the worker read it, its clock' CODEC(Delta, ZSTD(1)),
    level     LowCardinality(String) COMMENT 'kind of line; target',
    message   String                 COMMENT 'the text; JSON where structured' CODEC(ZSTD(3)),
    structured Bool                  COMMENT 'whether message is JSON (a list or an object) and not plain text' CODEC(ZSTD(1)),
    namespace LowCardinality(String) COMMENT 'whose console, for feedback lines',
    continues Bool                   COMMENT 'whether the next line goes on where this one was cut' CODEC(ZSTD(1)),
    seq       UInt64                 COMMENT 'sequence in OUTPUT of its frame' CODEC(Delta, ZSTD(1)),
    INDEX words message TYPE text(tokenizer = splitByNonAlpha)
)
ENGINE = MergeTree PARTITION BY intDiv(job, 250000) ORDER BY (job, line)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Lines of the jobs'' logs, one row a line.';
