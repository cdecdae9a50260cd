-- Projection zero: every message of LAB and RESULTS as it was written, so that the lab at any time
-- is a query. Sorted as the log is; one entity's story is found by the bloom filter.
CREATE TABLE IF NOT EXISTS events
(
    stream  LowCardinality(String) COMMENT 'LAB or RESULTS',
    seq     UInt64                 COMMENT 'sequence in the stream, from 1; 8812' CODEC(Delta, ZSTD(1)),
    time    DateTime64(6, 'UTC')   COMMENT 'when it was written, by the writer''s clock' CODEC(Delta, ZSTD(1)),
    type    LowCardinality(String) COMMENT 'name of the event; job.scheduled',
    schema  LowCardinality(String) COMMENT 'name and version of its payload; job.scheduled.v1',
    kind    LowCardinality(String) COMMENT 'kind of entity that it is about; job',
    entity  String                 COMMENT 'the entity within its kind; 42' CODEC(ZSTD(1)),
    actor   LowCardinality(String) COMMENT 'the user who asked, empty where none did; alice',
    source  LowCardinality(String) COMMENT 'service that wrote it; services/scheduling',
    cause   String                 COMMENT 'what led to it; LAB/8811' CODEC(ZSTD(1)),
    trace   String                 COMMENT 'W3C trace context, empty where there is none' CODEC(ZSTD(1)),
    id      String                 COMMENT 'CloudEvents id, a UUIDv7' CODEC(ZSTD(1)),
    body    String                 COMMENT 'payload, JSON, byte for byte' CODEC(ZSTD(3)),
    INDEX by_entity (kind, entity) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_time time TYPE minmax GRANULARITY 1,
    INDEX by_type type TYPE set(64) GRANULARITY 1
)
ENGINE = MergeTree PARTITION BY (stream, toYYYYMM(time)) ORDER BY (stream, seq)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Every fact of the lab as it was written, one row each.';
