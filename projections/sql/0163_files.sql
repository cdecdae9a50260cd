CREATE OR REPLACE VIEW files
(
    job        UInt64               COMMENT 'number of the job; 42',
    suite      String               COMMENT 'suite of the test that gave it; 0_smoke',
    set        String               COMMENT 'name of the set, empty without one',
    case_name  String               COMMENT 'case that it belongs to, empty for the whole suite; boot',
    name       String               COMMENT 'name of the file; trace.dat',
    size       UInt64               COMMENT 'bytes',
    digest     String               COMMENT 'SHA-256 of its bytes, lower-case hex; files of equal digest are equal',
    type       String               COMMENT 'junit, tap, ktap: its cases are among the results; empty: just a file',
    time       DateTime64(6, 'UTC') COMMENT 'when it was whole, the worker''s clock',
    line       UInt64               COMMENT 'log line that says that it is whole, from 0',
    state      String               COMMENT 'kept; aged out: the lab''s rule erased the bytes; erased: somebody erased the log',
    kept_until Nullable(DateTime64(6, 'UTC')) COMMENT 'when its bytes were erased, NULL while they are kept',
    seq        UInt64               COMMENT 'sequence in RESULTS; with n the order in which they came',
    n          UInt32               COMMENT 'number of the file within that message, from 0'
) AS
SELECT
    f.job AS job,
    f.suite AS suite,
    f.set AS set,
    f.case_name AS case_name,
    f.name AS name,
    f.size AS size,
    f.digest AS digest,
    f.type AS type,
    f.time AS time,
    f.line AS line,
    multiIf(ifNull(e.job, 0) = 0, 'kept', e.aged, 'aged out', 'erased') AS state,
    if(ifNull(e.job, 0) = 0, NULL, e.at) AS kept_until,
    f.seq AS seq,
    f.n AS n
FROM test_files AS f
LEFT JOIN
(
    SELECT g.job AS job, argMin(g.aged, g.time) AS aged, min(g.time) AS at
    FROM (SELECT job, time, 1 AS aged FROM file_erasures UNION ALL SELECT job, time, 0 AS aged FROM removals) AS g
    GROUP BY g.job
) AS e ON e.job = f.job
COMMENT 'Files that tests gave to be kept, one row a file. Their bytes: strata artifacts.';
