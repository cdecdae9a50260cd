package grafana

// Dashboards returns the set.
func Dashboards() []Dashboard {
	return []Dashboard{lab(), queue(), deviceHealth(), job(), testHistory()}
}

func lab() Dashboard {
	return Dashboard{UID: "strata-lab", Title: "Lab", From: "now-7d", Panels: []Panel{
		{"Jobs running", Stat, 4, "short", `SELECT countIf(state = 'Running') AS running FROM results.jobs WHERE state != 'Finished'`},
		{"Jobs waiting", Stat, 4, "short", `SELECT countIf(state = 'Submitted') AS waiting FROM results.jobs WHERE state != 'Finished'`},
		{"Jobs finished", Stat, 4, "short", `SELECT count() AS finished FROM results.jobs WHERE $__timeFilter(ended_at)`},
		{"Broken by the lab", Stat, 4, "percentunit", `SELECT countIf(verdict = 'infra') / greatest(count(), 1) AS share
FROM results.job_judgements WHERE $__timeFilter(time)`},
		{"Devices out", Stat, 4, "short", `SELECT countIf(health IN ('Bad', 'Maintenance', 'Looping')) AS out FROM results.devices WHERE NOT removed AND health != 'Retired'`},
		{"Workers away", Stat, 4, "short", `SELECT countIf(state = 'Offline') AS away FROM results.workers WHERE NOT removed AND health != 'Retired'`},
		{"Jobs finished, by health", Series, 12, "short", `SELECT $__timeInterval(ended_at) AS time,
  countIf(health = 'Complete') AS Complete, countIf(health = 'Incomplete') AS Incomplete, countIf(health = 'Canceled') AS Canceled
FROM results.jobs WHERE $__timeFilter(ended_at)
GROUP BY time ORDER BY time`},
		{"Devices at work, by type", Series, 12, "short", `SELECT $__timeInterval(started_at) AS time, device_type, sum(run_seconds) / $__interval_s AS busy
FROM results.jobs WHERE $__timeFilter(started_at) AND run_seconds IS NOT NULL
GROUP BY time, device_type ORDER BY time`},
		{"What failed, by cause", BarChart, 12, "short", `SELECT cause, count() AS jobs
FROM results.job_judgements WHERE $__timeFilter(time) AND verdict NOT IN ('pass', 'canceled')
GROUP BY cause ORDER BY jobs DESC LIMIT 15`},
		{"What broke that worked before", Table, 12, "", `SELECT suite, name, count() AS jobs, min(job) AS first, max(job) AS latest
FROM results.case_changes WHERE change = 'regression' AND $__timeFilter(time)
GROUP BY suite, name ORDER BY jobs DESC LIMIT 50`},
	}}
}

func queue() Dashboard {
	return Dashboard{UID: "strata-queue", Title: "Queue", From: "now-24h", Panels: []Panel{
		{"Waiting, by device type", Table, 12, "", `SELECT device_type, count() AS waiting, max(priority) AS priority,
  dateDiff('second', min(submitted_at), now()) AS oldest_seconds
FROM results.jobs WHERE state = 'Submitted'
GROUP BY device_type ORDER BY waiting DESC`},
		{"Waiting longest", Table, 12, "", `SELECT display AS job, user, device_type, priority, tags, submitted_at
FROM results.jobs WHERE state = 'Submitted'
ORDER BY submitted_at LIMIT 50`},
		{"Submitted and started", Series, 12, "short", `SELECT time, sum(submitted) AS submitted, sum(started) AS started FROM
(
  SELECT $__timeInterval(submitted_at) AS time, count() AS submitted, 0 AS started FROM results.jobs WHERE $__timeFilter(submitted_at) GROUP BY time
  UNION ALL
  SELECT $__timeInterval(assumeNotNull(started_at)) AS time, 0 AS submitted, count() AS started FROM results.jobs WHERE $__timeFilter(started_at) GROUP BY time
)
GROUP BY time ORDER BY time`},
		{"Wait for a device, 9 of 10 jobs", Series, 12, "s", `SELECT $__timeInterval(started_at) AS time, device_type, quantile(0.9)(wait_seconds) AS wait
FROM results.jobs WHERE $__timeFilter(started_at)
GROUP BY time, device_type ORDER BY time`},
		{"Wait by user", Table, 12, "", `SELECT user, count() AS jobs, round(quantile(0.5)(wait_seconds), 1) AS median_seconds,
  round(quantile(0.9)(wait_seconds), 1) AS p90_seconds, round(sum(run_seconds) / 3600, 1) AS device_hours
FROM results.jobs WHERE $__timeFilter(started_at)
GROUP BY user ORDER BY device_hours DESC`},
		{"Ended in the queue", Table, 12, "", `SELECT time, job, actor, reason
FROM results.job_transitions WHERE event = 'job.withdrawn' AND $__timeFilter(time)
ORDER BY time DESC LIMIT 100`},
	}}
}

func deviceHealth() Dashboard {
	return Dashboard{UID: "strata-device-health", Title: "Device health", From: "now-7d", Panels: []Panel{
		{"Health of each device", Timeline, 24, "", `SELECT time, device, health
FROM results.device_transitions WHERE health != '' AND $__timeFilter(time)
ORDER BY time`},
		{"Out now", Table, 12, "", `SELECT device, device_type, worker, health, health_since, health_reason
FROM results.devices WHERE health IN ('Bad', 'Maintenance', 'Looping') AND NOT removed
ORDER BY health_since`},
		{"Jobs that the lab broke, by device", Table, 12, "", `SELECT device, countIf(error_type = 'Infrastructure') AS broken, count() AS jobs,
  round(broken / jobs, 3) AS share, maxIf(job, error_type = 'Infrastructure') AS latest
FROM results.jobs WHERE $__timeFilter(ended_at) AND device != ''
GROUP BY device HAVING broken > 0 ORDER BY share DESC`},
		{"Health checks", Series, 12, "short", `SELECT $__timeInterval(ended_at) AS time, countIf(health = 'Complete') AS Complete, countIf(health = 'Incomplete') AS Incomplete
FROM results.jobs WHERE health_check AND $__timeFilter(ended_at)
GROUP BY time ORDER BY time`},
		{"What people and the lab changed", Table, 12, "", `SELECT time, device, event, health, actor, reason
FROM results.device_transitions WHERE health != '' AND $__timeFilter(time)
ORDER BY time DESC LIMIT 200`},
	}}
}

func job() Dashboard {
	return Dashboard{UID: "strata-job", Title: "Job", From: "now-30d",
		Variables: []Variable{{Name: "job", Label: "Job", Default: "1"}},
		Panels: []Panel{
			{"Job", Table, 24, "", `SELECT display, name, user, state, health, device_type, device, worker, submitted_at, started_at, ended_at, error_type, error
FROM results.jobs WHERE job = toUInt64OrZero('${job}')`},
			{"Verdict", Table, 12, "", `SELECT verdict, cause, action, evidence AS log_line, baseline, regressions, fixes, flaky, shifts
FROM results.job_judgements WHERE job = toUInt64OrZero('${job}')`},
			{"Steps", Table, 12, "", `SELECT time, event, state, device, actor, reason
FROM results.job_transitions WHERE job = toUInt64OrZero('${job}')
ORDER BY seq, n`},
			{"Suites", Table, 12, "", `SELECT suite, passes, failures, skips, unknowns
FROM results.test_suites WHERE job = toUInt64OrZero('${job}')
ORDER BY first_seq`},
			{"Cases that did not pass", Table, 12, "", `SELECT suite, set, name, result, start_line, end_line
FROM results.test_cases WHERE job = toUInt64OrZero('${job}') AND result != 'pass'
ORDER BY seq, n LIMIT 500`},
			{"Errors and warnings of the log", Table, 24, "", `SELECT line, time, level, message
FROM results.log_lines WHERE job = toUInt64OrZero('${job}') AND level IN ('error', 'exception', 'warning')
ORDER BY line LIMIT 500`},
		}}
}

func testHistory() Dashboard {
	const (
		where = "WHERE $__timeFilter(time) AND suite = '${suite}' AND name = '${case}'"
		since = "time > now() - INTERVAL 90 DAY"
	)
	return Dashboard{UID: "strata-test-history", Title: "Test history", From: "now-30d",
		Variables: []Variable{
			{Name: "suite", Label: "Suite", Default: "0_smoke", SQL: "SELECT DISTINCT suite FROM results.test_cases WHERE " + since + " ORDER BY suite LIMIT 1000"},
			{Name: "case", Label: "Case", Default: "boot-time", SQL: "SELECT DISTINCT name FROM results.test_cases WHERE suite = '${suite}' AND " + since + " ORDER BY name LIMIT 5000"},
		},
		Panels: []Panel{
			{"Outcomes", Series, 12, "short", "SELECT $__timeInterval(time) AS time, countIf(result = 'pass') AS pass, countIf(result = 'fail') AS fail,\n" +
				"  countIf(result = 'skip') AS skip, countIf(result = 'unknown') AS unknown\nFROM results.test_cases AS c WHERE $__timeFilter(c.time) AND suite = '${suite}' AND name = '${case}'\nGROUP BY time ORDER BY time"},
			{"Measurement", Series, 12, "", "SELECT time, value FROM results.measurements " + where + " ORDER BY time LIMIT 10000"},
			{"By device type", Table, 12, "", `SELECT j.device_type AS device_type, count() AS runs, countIf(c.result = 'fail') AS failed, round(failed / runs, 3) AS share
FROM results.test_cases AS c
JOIN results.jobs AS j ON j.job = c.job
WHERE $__timeFilter(c.time) AND c.suite = '${suite}' AND c.name = '${case}'
GROUP BY device_type ORDER BY share DESC`},
			{"Changes", Table, 12, "", "SELECT time, job, change, since, score, before, after FROM results.case_changes " + where + " ORDER BY time DESC LIMIT 200"},
			{"Runs", Table, 24, "", "SELECT time, job, result, measurement, units, start_line, end_line FROM results.test_cases " + where + " ORDER BY time DESC LIMIT 500"},
		}}
}
