-- How far the tables beside this one are. A row with done = 0 is written before a range is inserted
-- and says which one; after a crash exactly that range is sent again, with the same tokens. It lies
-- in the engine, with the rows that it speaks of: whoever loses or restores one has lost or restored both.
CREATE TABLE IF NOT EXISTS projector_positions
(
    stream LowCardinality(String) COMMENT 'stream of the log; LAB',
    n      UInt64                 COMMENT 'claim * 2^32 + number of the row within it; the highest counts',
    first  UInt64                 COMMENT 'first sequence of the range; 1001',
    last   UInt64                 COMMENT 'last sequence of the range, included; 2000',
    done   Bool                   COMMENT 'whether all tables have the range; all before it they have',
    at     DateTime64(6, 'UTC')   COMMENT 'when this was written'
)
ENGINE = ReplacingMergeTree(n) ORDER BY stream
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'How far each stream has been projected, for the projector itself.';
