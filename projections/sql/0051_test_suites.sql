CREATE OR REPLACE VIEW test_suites
(
    job         UInt64               COMMENT 'number of the job; 42',
    suite       String               COMMENT 'lava for the pipeline itself, else <index>_<name>; 0_smoke',
    cases       UInt64               COMMENT 'test cases in it',
    passes      UInt64               COMMENT 'cases with result pass',
    failures    UInt64               COMMENT 'cases with result fail',
    skips       UInt64               COMMENT 'cases with result skip',
    unknowns    UInt64               COMMENT 'cases with result unknown',
    first_at    DateTime64(6, 'UTC') COMMENT 'time of its first case, the worker''s clock',
    last_at     DateTime64(6, 'UTC') COMMENT 'time of its last case',
    first_seq   UInt64               COMMENT 'sequence in RESULTS of its first case; suites of a job in order'
) AS
SELECT
    c.job AS job,
    c.suite AS suite,
    c.passes + c.failures + c.skips + c.unknowns AS cases,
    c.passes AS passes,
    c.failures AS failures,
    c.skips AS skips,
    c.unknowns AS unknowns,
    c.first_at AS first_at,
    c.last_at AS last_at,
    c.first_seq AS first_seq
FROM test_suite_counts AS c FINAL
COMMENT 'Test suites of jobs with their counts, one row a suite.';
