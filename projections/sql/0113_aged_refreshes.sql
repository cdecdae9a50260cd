-- Refreshes of queries whose rows have left query_items by the rules of retention; see aged.
CREATE TABLE IF NOT EXISTS aged_refreshes
(
    query UInt64               COMMENT 'number of the query; 3',
    seq   UInt64               COMMENT 'sequence in LAB of the refresh',
    at    DateTime64(6, 'UTC') COMMENT 'when its rows left the table'
)
ENGINE = ReplacingMergeTree ORDER BY (query, seq)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Refreshes of queries whose rows are gone. The last one of a query always stays.';
