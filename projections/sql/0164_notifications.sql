CREATE OR REPLACE VIEW notifications
(
    job             UInt64               COMMENT 'number of the job; 42',
    n               UInt32               COMMENT 'number of the delivery within the job, from 1; strata notify replay takes it',
    moment          String               COMMENT 'what of the job is told; running or finished',
    kind            String               COMMENT 'callback, email or irc',
    destination     String               COMMENT 'scheme and host of a callback, domain of a mail, server of IRC; https://ci.example.com',
    state           String               COMMENT 'waiting for its receiver, sent, or dead: given up',
    attempts        UInt64               COMMENT 'attempts that were recorded: those of a delivery that waits come when it is over',
    answer          String               COMMENT 'what the receiver said last, or why it was given up; 200 OK',
    planned_at      DateTime64(6, 'UTC') COMMENT 'when it was decided that it goes',
    at              DateTime64(6, 'UTC') COMMENT 'since when it is in its state',
    replays         UInt64               COMMENT 'how often somebody had it sent again',
    output_complete Bool                 COMMENT 'whether all output had been read when it was decided',
    last_job        UInt64               COMMENT 'the last attempt of a job that was tried again, else 0',
    seq             UInt64               COMMENT 'sequence in LAB of the last fact about it'
) AS
SELECT
    s.job AS job,
    s.n AS n,
    anyIf(s.moment, s.step = 'planned') AS moment,
    anyIf(s.kind, s.step = 'planned') AS kind,
    anyIf(s.destination, s.step = 'planned') AS destination,
    transform(argMax(s.step, s.seq), ['sent', 'failed'], ['sent', 'dead'], 'waiting') AS state,
    sum(s.attempts) AS attempts,
    argMaxIf(s.answer, s.seq, s.step IN ('sent', 'failed')) AS answer,
    minIf(s.time, s.step = 'planned') AS planned_at,
    argMax(s.time, s.seq) AS at,
    countIf(s.step = 'replayed') AS replays,
    toBool(maxIf(s.complete, s.step = 'planned')) AS output_complete,
    maxIf(s.last_job, s.step = 'planned') AS last_job,
    max(s.seq) AS seq
FROM notification_steps AS s
GROUP BY s.job, s.n
HAVING countIf(s.step = 'planned') > 0
COMMENT 'Messages about jobs, by callback, mail and IRC, and what became of them, one row a delivery.';
