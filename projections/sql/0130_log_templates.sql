-- What lines say but for their variables. A number is the FNV-1a of the text, so every batch of lines
-- brings its templates again, and the engine keeps one.
CREATE TABLE IF NOT EXISTS log_templates
(
    template UInt64 COMMENT 'number of the template',
    text     String COMMENT 'its text, with the byte 0x11 for each variable; one byte 0x12 is that of lines kept whole' CODEC(ZSTD(3)),
    plain    String MATERIALIZED replaceRegexpAll(text, '\x1b\\[[ -?]*[@-~]', '') COMMENT 'the text without terminal sequences; what is searched' CODEC(ZSTD(3))
)
ENGINE = ReplacingMergeTree ORDER BY template
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Templates of log lines, one row each (more until parts are merged).';
