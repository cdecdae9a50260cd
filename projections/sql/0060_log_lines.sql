-- The logs, each line in two parts: the number of its template, and what stands in the template's holes.
-- A boot repeats its templates, so the number compresses to some 2 bytes where the text takes 13. Large
-- blocks let the compressor see several boots at once. Read it through the view log_lines.
CREATE TABLE IF NOT EXISTS log_line_state
(
    job       UInt64                 COMMENT 'number of the job; 42' CODEC(Delta, ZSTD(1)),
    line      UInt64                 COMMENT 'number of the line in the job''s log, from 0' CODEC(Delta, ZSTD(1)),
    time      DateTime64(6, 'UTC')   COMMENT 'when the worker read it, its clock' CODEC(Delta, ZSTD(1)),
    level     LowCardinality(String) COMMENT 'kind of line; target' CODEC(ZSTD(1)),
    stamp     Int64                  COMMENT 'the kernel''s clock at the head of the line, microseconds since it started; -1 without' CODEC(Delta, ZSTD(1)),
    template  UInt64                 COMMENT 'number of the line''s template, see log_templates' CODEC(ZSTD(3)),
    variables String                 COMMENT 'what its holes hold, with the byte 0x12 between' CODEC(ZSTD(3)),
    structured Bool                  COMMENT 'whether the message is JSON (a list or an object) and not plain text' CODEC(ZSTD(1)),
    namespace LowCardinality(String) COMMENT 'whose console, for feedback lines',
    continues Bool                   COMMENT 'whether the next line goes on where this one was cut' CODEC(ZSTD(1)),
    seq       UInt64                 COMMENT 'sequence in OUTPUT of its frame' CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree PARTITION BY intDiv(job, 250000) ORDER BY (job, line)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_compress_block_size = 262144, max_compress_block_size = 1048576
COMMENT 'Storage of the view log_lines.';
