-- Where each word with a digit occurs: the other half of the search's index.
CREATE TABLE IF NOT EXISTS log_words
(
    word    String COMMENT 'a run of letters and digits; ffffffff81000000' CODEC(ZSTD(1)),
    job     UInt64 COMMENT 'number of the job; 42' CODEC(Delta, ZSTD(1)),
    stretch UInt32 COMMENT 'number of the line divided by 16384' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree ORDER BY (word, job, stretch)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'In which stretches of which logs a word with a digit occurs, one row each (more until parts are merged).';
