-- Where each template occurs: the half of the search's index that knows words without a digit. A
-- stretch is 16,384 lines of a log.
CREATE TABLE IF NOT EXISTS log_template_jobs
(
    template UInt64                 COMMENT 'number of the template' CODEC(ZSTD(1)),
    job      UInt64                 COMMENT 'number of the job; 42' CODEC(Delta, ZSTD(1)),
    stretch  UInt32                 COMMENT 'number of the line divided by 16384' CODEC(ZSTD(1)),
    level    LowCardinality(String) COMMENT 'kind of the lines; target' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree ORDER BY (template, job, stretch, level)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'In which stretches of which logs a template occurs, one row each (more until parts are merged).';
