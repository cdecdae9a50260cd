CREATE OR REPLACE VIEW workers
(
    worker        String               COMMENT 'name of the worker; w1.example.org',
    state         String               COMMENT 'Online or Offline',
    state_reason  String               COMMENT 'why it is Offline',
    state_since   DateTime64(6, 'UTC') COMMENT 'since when',
    health        String               COMMENT 'Active, Maintenance or Retired',
    health_reason String               COMMENT 'why, as the person gave it',
    version       String               COMMENT 'version of its binary, as it last said',
    job_limit     UInt32               COMMENT 'devices held at once; 0 is no limit',
    description   String               COMMENT 'for people',
    registered_at DateTime64(6, 'UTC') COMMENT 'when it was registered',
    removed       Bool                 COMMENT 'whether it has left the lab',
    seq           UInt64               COMMENT 'sequence in LAB of the last fact about it'
) AS
SELECT
    s.worker AS worker,
    max(s.state).value AS state,
    max(s.state).reason AS state_reason,
    max(s.state).at AS state_since,
    max(s.health).value AS health,
    max(s.health).reason AS health_reason,
    max(s.version).value AS version,
    max(s.settings).job_limit AS job_limit,
    max(s.settings).description AS description,
    max(s.registered).at AS registered_at,
    toBool(max(s.removed).seq > max(s.registered).seq) AS removed,
    max(s.seq) AS seq
FROM worker_state AS s
GROUP BY s.worker
COMMENT 'Workers as they stand, one row a worker.';
