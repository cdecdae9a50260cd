CREATE OR REPLACE VIEW test_sets
(
    job       UInt64 COMMENT 'number of the job; 42',
    suite     String COMMENT 'name of the suite; 0_smoke',
    set       String COMMENT 'name of the set; network',
    cases     UInt64 COMMENT 'test cases in it',
    passes    UInt64 COMMENT 'cases with result pass',
    failures  UInt64 COMMENT 'cases with result fail',
    skips     UInt64 COMMENT 'cases with result skip',
    unknowns  UInt64 COMMENT 'cases with result unknown',
    first_seq UInt64 COMMENT 'sequence in RESULTS of its first case'
) AS
SELECT
    c.job AS job,
    c.suite AS suite,
    c.set AS set,
    c.passes + c.failures + c.skips + c.unknowns AS cases,
    c.passes AS passes,
    c.failures AS failures,
    c.skips AS skips,
    c.unknowns AS unknowns,
    c.first_seq AS first_seq
FROM test_set_counts AS c FINAL
COMMENT 'Test sets of suites with their counts, one row a set.';
