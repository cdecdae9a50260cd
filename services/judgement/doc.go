// Package judgement says of each job that ended who has to act, on what evidence, and what changed since
// the comparable jobs before it.
//
// It follows LAB. Once all output of a job has been read (JobOutputComplete) it reads the job's facts, its log
// from OUTPUT and its results from RESULTS, asks the tables for the same cases in comparable jobs, and
// appends one JobJudged. Package verdict reads the log, package trend (of projections) judges the
// series, and [decide] puts both together; it is pure.
//
// # What it promises
//
// A job is judged once: JobJudged is appended on the condition that the job has no newer facts, and a job
// that has one is passed over, after a restart and beside another judgement too. The rows that it compares with are
// those of earlier jobs, and it waits until the tables have them; where ClickHouse stays away for longer
// than [Patience], the verdict is given without a comparison, and says so. Jobs with the same
// name and device type are judged one after the other, so that each is compared with the one before. A job that
// cannot be read goes behind the others, for up to five minutes at a time, and is tried again until it can be.
//
// Nothing of the log's text gets into the fact: it names the line.
package judgement
