-- What each job's end means: who has to act, and what changed beside the comparable jobs before it. A
-- row a JobJudged; the line itself stands in log_lines.
CREATE TABLE IF NOT EXISTS job_judgements
(
    job           UInt64                 COMMENT 'number of the job; 42' CODEC(Delta, ZSTD(1)),
    verdict       LowCardinality(String) COMMENT 'pass; test: what the job brought is to blame; infra: the lab is; canceled',
    cause         LowCardinality(String) COMMENT 'what the verdict rests on, empty for pass; kernel-panic',
    evidence      Nullable(UInt64)       COMMENT 'line of the log that shows it, from 0; NULL where none does',
    action        LowCardinality(String) COMMENT 'the action that failed, empty where none did; login-action',
    baseline      UInt64                 COMMENT 'the last comparable job before it, 0 where there was none',
    compared      UInt32                 COMMENT 'comparable jobs that were looked at',
    regressions   UInt32                 COMMENT 'cases that passed last time, and fail',
    fixes         UInt32                 COMMENT 'cases that failed last time, and pass',
    flaky         UInt32                 COMMENT 'cases that fail, as they do now and then',
    shifts        UInt32                 COMMENT 'measurements that have lastingly shifted',
    still_failing UInt32                 COMMENT 'cases that fail as they did last time',
    first_failed  UInt32                 COMMENT 'cases that fail and have no earlier run',
    issues        Array(UInt64)          COMMENT 'known issues that show in it',
    history_away  Bool                   COMMENT 'whether nothing could be compared because ClickHouse was away',
    rules         UInt32                 COMMENT 'version of the rules that judged',
    time          DateTime64(6, 'UTC')   COMMENT 'when it was judged' CODEC(Delta, ZSTD(1)),
    seq           UInt64                 COMMENT 'sequence in LAB' CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree PARTITION BY intDiv(job, 1000000) ORDER BY job
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Judgements of jobs, one row a job.';
