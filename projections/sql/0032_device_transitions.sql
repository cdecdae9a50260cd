CREATE TABLE IF NOT EXISTS device_transitions
(
    device LowCardinality(String) COMMENT 'name of the device; qemu-01',
    seq    UInt64                 COMMENT 'sequence in LAB of the fact' CODEC(Delta, ZSTD(1)),
    n      UInt32                 COMMENT 'number of this row among the fact''s rows here, from 0',
    time   DateTime64(6, 'UTC')   COMMENT 'when the fact was written' CODEC(Delta, ZSTD(1)),
    state  LowCardinality(String) COMMENT 'state that the fact leads to, empty where it does not change it; Reserved',
    health LowCardinality(String) COMMENT 'health that the fact leads to, empty where it does not change it; Bad',
    event  LowCardinality(String) COMMENT 'name of the fact; device.reserved',
    job    UInt64                 COMMENT 'job that it is about, 0 for none',
    worker LowCardinality(String) COMMENT 'worker that it is about, empty where none is',
    reason String                 COMMENT 'why, as the fact says it' CODEC(ZSTD(1)),
    actor  LowCardinality(String) COMMENT 'the user who asked, empty where none did'
)
ENGINE = MergeTree ORDER BY (device, seq, n)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What happened to each device, one row a step.';
