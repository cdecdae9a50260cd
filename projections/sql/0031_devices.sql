CREATE OR REPLACE VIEW devices
(
    device        String               COMMENT 'name of the device; qemu-01',
    device_type   String               COMMENT 'its kind; qemu',
    worker        String               COMMENT 'worker that it hangs on, empty for none',
    state         String               COMMENT 'Idle, Reserved or Running',
    state_since   DateTime64(6, 'UTC') COMMENT 'since when',
    job           UInt64               COMMENT 'job that holds it, 0 when Idle',
    health        String               COMMENT 'Good, Unknown, Looping, Bad, Maintenance or Retired',
    health_reason String               COMMENT 'why, as the last fact says it',
    health_since  DateTime64(6, 'UTC') COMMENT 'when the health was last set',
    tags          Array(String)        COMMENT 'tags that it carries, sorted',
    description   String               COMMENT 'as it was added with',
    added_at      DateTime64(6, 'UTC') COMMENT 'when it was added',
    configured_at Nullable(DateTime64(6, 'UTC')) COMMENT 'when its dictionary was last changed',
    configured_by String               COMMENT 'by whom',
    last_check    UInt64               COMMENT 'job of the latest health check that was asked for, 0 for none',
    removed       Bool                 COMMENT 'whether it has left the lab',
    seq           UInt64               COMMENT 'sequence in LAB of the last fact about it'
) AS
WITH (SELECT maxMap(tags) FROM device_state WHERE device = '') AS abolished
SELECT
    s.device AS device,
    max(s.added).device_type AS device_type,
    max(s.worker).value AS worker,
    max(s.state).value AS state,
    max(s.state).at AS state_since,
    max(s.state).job AS job,
    max(s.health).value AS health,
    max(s.health).reason AS health_reason,
    max(s.health).at AS health_since,
    arraySort(mapKeys(mapFilter((tag, word) -> (word % 2 = 1) AND (intDiv(word, 2) >= max(s.added).seq)
        AND (word > abolished[tag]), maxMap(s.tags)))) AS tags,
    max(s.added).description AS description,
    max(s.added).at AS added_at,
    if(max(s.configured).seq = 0, NULL, max(s.configured).at) AS configured_at,
    max(s.configured).by AS configured_by,
    max(s.check_asked).job AS last_check,
    toBool(max(s.removed).seq > max(s.added).seq) AS removed,
    max(s.seq) AS seq
FROM device_state AS s
WHERE s.device != ''
GROUP BY s.device
COMMENT 'Devices as they stand, one row a device.';
