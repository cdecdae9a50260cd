-- Rows that saved queries keep. Each refresh is a fact that names all of them, so the table is made of
-- facts alone; a query shows those of its last refresh (seq), which the lab's fold knows.
CREATE TABLE IF NOT EXISTS query_items
(
    query      UInt64 COMMENT 'number of the query; 3',
    seq        UInt64 COMMENT 'sequence in LAB of the refresh that found the row',
    n          UInt32 COMMENT 'its place in the result, from 0' CODEC(Delta, ZSTD(1)),
    job        UInt64 COMMENT 'number of the job; 42' CODEC(Delta, ZSTD(1)),
    suite      LowCardinality(String) COMMENT 'name of the suite, empty where the query finds jobs; 0_smoke',
    result_seq UInt64 COMMENT 'of a case: its sequence in RESULTS, else 0' CODEC(Delta, ZSTD(1)),
    result_n   UInt32 COMMENT 'of a case: its number within that message' CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree ORDER BY (query, seq, n)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Rows that queries which are not live found when they were refreshed.';
