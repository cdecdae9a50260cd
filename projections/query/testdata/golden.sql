-- all of testjob, for ""
SELECT job, display, user, name, state, health, submitted_at, scheduled_at, started_at, ended_at, device_type, device, worker, priority, tags, public, groups, health_check, error_type, error, metadata, group_id, parent, role, retried_as, complete, lines, cases, missing_lines, failure_tags, comment, queue_timeout FROM (SELECT s.job AS job, s.display AS display, s.user AS user, s.name AS name, multiIf(tupleElement(s.state, 'value') IN ('Scheduled', 'Running')
  AND tupleElement(s.cancel, 'seq') > 0, 'Canceling', tupleElement(s.state, 'value')) AS state, multiIf(tupleElement(s.ended, 'seq') = 0, 'Unknown', tupleElement(s.cancel, 'seq') > 0
  AND tupleElement(s.cancel, 'seq') < tupleElement(s.ended, 'seq'), 'Canceled', tupleElement(s.ended, 'health')) AS health, s.submitted_at AS submitted_at, if(tupleElement(s.run, 'lease') = 0, NULL, tupleElement(s.run, 'scheduled_at')) AS scheduled_at, if(tupleElement(s.started, 'seq') = 0, NULL, tupleElement(s.started, 'at')) AS started_at, if(tupleElement(s.ended, 'seq') = 0, NULL, tupleElement(s.ended, 'at')) AS ended_at, s.device_type AS device_type, tupleElement(s.run, 'device') AS device, tupleElement(s.run, 'worker') AS worker, tupleElement(s.priority, 'value') AS priority, s.tags AS tags, toBool(s.public) AS public, s.groups AS groups, toBool(s.health_check) AS health_check, s.queue_timeout AS queue_timeout, tupleElement(s.ended, 'error_type') AS error_type, tupleElement(s.ended, 'error') AS error, CAST(s.metadata, 'Map(String, String)') AS metadata, s.group_id AS group_id, s.parent AS parent, s.role AS role, toBool(tupleElement(s.output, 'seq') > 0) AS complete, tupleElement(s.output, 'lines') AS lines, tupleElement(s.output, 'cases') AS cases, tupleElement(s.output, 'missing') AS missing_lines, tupleElement(s.retried, 'job') AS retried_as, tupleElement(s.note, 'tags') AS failure_tags, tupleElement(s.note, 'comment') AS comment FROM job_state AS s FINAL) WHERE job IN (SELECT job FROM (SELECT s.job AS job, toBool(s.rejected != '') AS rejected, toBool(s.removed) AS removed FROM job_state AS s FINAL) WHERE NOT rejected
  AND NOT removed
  AND toString(job) NOT IN {p1:Array(String)} ORDER BY job DESC LIMIT {p2:UInt64} OFFSET {p3:UInt64}) ORDER BY job DESC
--   p1 = [7/9.0]
--   p2 = 25
--   p3 = 50

-- all of testjob, for "bob"
SELECT job, display, user, name, state, health, submitted_at, scheduled_at, started_at, ended_at, device_type, device, worker, priority, tags, public, groups, health_check, error_type, error, metadata, group_id, parent, role, retried_as, complete, lines, cases, missing_lines, failure_tags, comment, queue_timeout FROM (SELECT s.job AS job, s.display AS display, s.user AS user, s.name AS name, multiIf(tupleElement(s.state, 'value') IN ('Scheduled', 'Running')
  AND tupleElement(s.cancel, 'seq') > 0, 'Canceling', tupleElement(s.state, 'value')) AS state, multiIf(tupleElement(s.ended, 'seq') = 0, 'Unknown', tupleElement(s.cancel, 'seq') > 0
  AND tupleElement(s.cancel, 'seq') < tupleElement(s.ended, 'seq'), 'Canceled', tupleElement(s.ended, 'health')) AS health, s.submitted_at AS submitted_at, if(tupleElement(s.run, 'lease') = 0, NULL, tupleElement(s.run, 'scheduled_at')) AS scheduled_at, if(tupleElement(s.started, 'seq') = 0, NULL, tupleElement(s.started, 'at')) AS started_at, if(tupleElement(s.ended, 'seq') = 0, NULL, tupleElement(s.ended, 'at')) AS ended_at, s.device_type AS device_type, tupleElement(s.run, 'device') AS device, tupleElement(s.run, 'worker') AS worker, tupleElement(s.priority, 'value') AS priority, s.tags AS tags, toBool(s.public) AS public, s.groups AS groups, toBool(s.health_check) AS health_check, s.queue_timeout AS queue_timeout, tupleElement(s.ended, 'error_type') AS error_type, tupleElement(s.ended, 'error') AS error, CAST(s.metadata, 'Map(String, String)') AS metadata, s.group_id AS group_id, s.parent AS parent, s.role AS role, toBool(tupleElement(s.output, 'seq') > 0) AS complete, tupleElement(s.output, 'lines') AS lines, tupleElement(s.output, 'cases') AS cases, tupleElement(s.output, 'missing') AS missing_lines, tupleElement(s.retried, 'job') AS retried_as, tupleElement(s.note, 'tags') AS failure_tags, tupleElement(s.note, 'comment') AS comment FROM job_state AS s FINAL) WHERE job IN (SELECT job FROM (SELECT s.job AS job, s.user AS user, toBool(s.public) AS public, s.groups AS groups, toBool(s.rejected != '') AS rejected, toBool(s.removed) AS removed FROM job_state AS s FINAL) WHERE (public
  AND empty(groups) OR user = {p1:String})
  AND NOT rejected
  AND NOT removed
  AND toString(job) NOT IN {p2:Array(String)} ORDER BY job DESC LIMIT {p3:UInt64} OFFSET {p4:UInt64}) ORDER BY job DESC
--   p1 = bob
--   p2 = [7/9.0]
--   p3 = 25
--   p4 = 50

-- testjob where job submitter is "alice" and job health is "Complete" and job end time is after "2026-11-22 18:30:00", for ""
SELECT job, display, user, name, state, health, submitted_at, scheduled_at, started_at, ended_at, device_type, device, worker, priority, tags, public, groups, health_check, error_type, error, metadata, group_id, parent, role, retried_as, complete, lines, cases, missing_lines, failure_tags, comment, queue_timeout FROM (SELECT s.job AS job, s.display AS display, s.user AS user, s.name AS name, multiIf(tupleElement(s.state, 'value') IN ('Scheduled', 'Running')
  AND tupleElement(s.cancel, 'seq') > 0, 'Canceling', tupleElement(s.state, 'value')) AS state, multiIf(tupleElement(s.ended, 'seq') = 0, 'Unknown', tupleElement(s.cancel, 'seq') > 0
  AND tupleElement(s.cancel, 'seq') < tupleElement(s.ended, 'seq'), 'Canceled', tupleElement(s.ended, 'health')) AS health, s.submitted_at AS submitted_at, if(tupleElement(s.run, 'lease') = 0, NULL, tupleElement(s.run, 'scheduled_at')) AS scheduled_at, if(tupleElement(s.started, 'seq') = 0, NULL, tupleElement(s.started, 'at')) AS started_at, if(tupleElement(s.ended, 'seq') = 0, NULL, tupleElement(s.ended, 'at')) AS ended_at, s.device_type AS device_type, tupleElement(s.run, 'device') AS device, tupleElement(s.run, 'worker') AS worker, tupleElement(s.priority, 'value') AS priority, s.tags AS tags, toBool(s.public) AS public, s.groups AS groups, toBool(s.health_check) AS health_check, s.queue_timeout AS queue_timeout, tupleElement(s.ended, 'error_type') AS error_type, tupleElement(s.ended, 'error') AS error, CAST(s.metadata, 'Map(String, String)') AS metadata, s.group_id AS group_id, s.parent AS parent, s.role AS role, toBool(tupleElement(s.output, 'seq') > 0) AS complete, tupleElement(s.output, 'lines') AS lines, tupleElement(s.output, 'cases') AS cases, tupleElement(s.output, 'missing') AS missing_lines, tupleElement(s.retried, 'job') AS retried_as, tupleElement(s.note, 'tags') AS failure_tags, tupleElement(s.note, 'comment') AS comment FROM job_state AS s FINAL) WHERE job IN (SELECT job FROM (SELECT s.job AS job, s.user AS user, multiIf(tupleElement(s.ended, 'seq') = 0, 'Unknown', tupleElement(s.cancel, 'seq') > 0
  AND tupleElement(s.cancel, 'seq') < tupleElement(s.ended, 'seq'), 'Canceled', tupleElement(s.ended, 'health')) AS health, if(tupleElement(s.ended, 'seq') = 0, NULL, tupleElement(s.ended, 'at')) AS ended_at, toBool(s.rejected != '') AS rejected, toBool(s.removed) AS removed FROM job_state AS s FINAL) WHERE NOT rejected
  AND NOT removed
  AND (user != ''
  AND user = {p1:String})
  AND health IN ('Complete')
  AND ifNull(toUnixTimestamp64Micro(ended_at) > {p2:Int64}, 0)
  AND toString(job) NOT IN {p3:Array(String)} ORDER BY job DESC LIMIT {p4:UInt64} OFFSET {p5:UInt64}) ORDER BY job DESC
--   p1 = alice
--   p2 = 1795372200000000
--   p3 = [7/9.0]
--   p4 = 25
--   p5 = 50

-- testjob where job submitter is "alice" and job health is "Complete" and job end time is after "2026-11-22 18:30:00", for "bob"
SELECT job, display, user, name, state, health, submitted_at, scheduled_at, started_at, ended_at, device_type, device, worker, priority, tags, public, groups, health_check, error_type, error, metadata, group_id, parent, role, retried_as, complete, lines, cases, missing_lines, failure_tags, comment, queue_timeout FROM (SELECT s.job AS job, s.display AS display, s.user AS user, s.name AS name, multiIf(tupleElement(s.state, 'value') IN ('Scheduled', 'Running')
  AND tupleElement(s.cancel, 'seq') > 0, 'Canceling', tupleElement(s.state, 'value')) AS state, multiIf(tupleElement(s.ended, 'seq') = 0, 'Unknown', tupleElement(s.cancel, 'seq') > 0
  AND tupleElement(s.cancel, 'seq') < tupleElement(s.ended, 'seq'), 'Canceled', tupleElement(s.ended, 'health')) AS health, s.submitted_at AS submitted_at, if(tupleElement(s.run, 'lease') = 0, NULL, tupleElement(s.run, 'scheduled_at')) AS scheduled_at, if(tupleElement(s.started, 'seq') = 0, NULL, tupleElement(s.started, 'at')) AS started_at, if(tupleElement(s.ended, 'seq') = 0, NULL, tupleElement(s.ended, 'at')) AS ended_at, s.device_type AS device_type, tupleElement(s.run, 'device') AS device, tupleElement(s.run, 'worker') AS worker, tupleElement(s.priority, 'value') AS priority, s.tags AS tags, toBool(s.public) AS public, s.groups AS groups, toBool(s.health_check) AS health_check, s.queue_timeout AS queue_timeout, tupleElement(s.ended, 'error_type') AS error_type, tupleElement(s.ended, 'error') AS error, CAST(s.metadata, 'Map(String, String)') AS metadata, s.group_id AS group_id, s.parent AS parent, s.role AS role, toBool(tupleElement(s.output, 'seq') > 0) AS complete, tupleElement(s.output, 'lines') AS lines, tupleElement(s.output, 'cases') AS cases, tupleElement(s.output, 'missing') AS missing_lines, tupleElement(s.retried, 'job') AS retried_as, tupleElement(s.note, 'tags') AS failure_tags, tupleElement(s.note, 'comment') AS comment FROM job_state AS s FINAL) WHERE job IN (SELECT job FROM (SELECT s.job AS job, s.user AS user, multiIf(tupleElement(s.ended, 'seq') = 0, 'Unknown', tupleElement(s.cancel, 'seq') > 0
  AND tupleElement(s.cancel, 'seq') < tupleElement(s.ended, 'seq'), 'Canceled', tupleElement(s.ended, 'health')) AS health, if(tupleElement(s.ended, 'seq') = 0, NULL, tupleElement(s.ended, 'at')) AS ended_at, toBool(s.public) AS public, s.groups AS groups, toBool(s.rejected != '') AS rejected, toBool(s.removed) AS removed FROM job_state AS s FINAL) WHERE (public
  AND empty(groups) OR user = {p1:String})
  AND NOT rejected
  AND NOT removed
  AND (user != ''
  AND user = {p2:String})
  AND health IN ('Complete')
  AND ifNull(toUnixTimestamp64Micro(ended_at) > {p3:Int64}, 0)
  AND toString(job) NOT IN {p4:Array(String)} ORDER BY job DESC LIMIT {p5:UInt64} OFFSET {p6:UInt64}) ORDER BY job DESC
--   p1 = bob
--   p2 = alice
--   p3 = 1795372200000000
--   p4 = [7/9.0]
--   p5 = 25
--   p6 = 50

-- testjob where job requested device type is not "qemu" and suite name contains "smoke" in any case and case name is "boot" and case result is "Test failed", for ""
SELECT job, display, user, name, state, health, submitted_at, scheduled_at, started_at, ended_at, device_type, device, worker, priority, tags, public, groups, health_check, error_type, error, metadata, group_id, parent, role, retried_as, complete, lines, cases, missing_lines, failure_tags, comment, queue_timeout FROM (SELECT s.job AS job, s.display AS display, s.user AS user, s.name AS name, multiIf(tupleElement(s.state, 'value') IN ('Scheduled', 'Running')
  AND tupleElement(s.cancel, 'seq') > 0, 'Canceling', tupleElement(s.state, 'value')) AS state, multiIf(tupleElement(s.ended, 'seq') = 0, 'Unknown', tupleElement(s.cancel, 'seq') > 0
  AND tupleElement(s.cancel, 'seq') < tupleElement(s.ended, 'seq'), 'Canceled', tupleElement(s.ended, 'health')) AS health, s.submitted_at AS submitted_at, if(tupleElement(s.run, 'lease') = 0, NULL, tupleElement(s.run, 'scheduled_at')) AS scheduled_at, if(tupleElement(s.started, 'seq') = 0, NULL, tupleElement(s.started, 'at')) AS started_at, if(tupleElement(s.ended, 'seq') = 0, NULL, tupleElement(s.ended, 'at')) AS ended_at, s.device_type AS device_type, tupleElement(s.run, 'device') AS device, tupleElement(s.run, 'worker') AS worker, tupleElement(s.priority, 'value') AS priority, s.tags AS tags, toBool(s.public) AS public, s.groups AS groups, toBool(s.health_check) AS health_check, s.queue_timeout AS queue_timeout, tupleElement(s.ended, 'error_type') AS error_type, tupleElement(s.ended, 'error') AS error, CAST(s.metadata, 'Map(String, String)') AS metadata, s.group_id AS group_id, s.parent AS parent, s.role AS role, toBool(tupleElement(s.output, 'seq') > 0) AS complete, tupleElement(s.output, 'lines') AS lines, tupleElement(s.output, 'cases') AS cases, tupleElement(s.output, 'missing') AS missing_lines, tupleElement(s.retried, 'job') AS retried_as, tupleElement(s.note, 'tags') AS failure_tags, tupleElement(s.note, 'comment') AS comment FROM job_state AS s FINAL) WHERE job IN (SELECT job FROM (SELECT s.job AS job, s.name AS name, s.device_type AS device_type, toBool(s.rejected != '') AS rejected, toBool(s.removed) AS removed FROM job_state AS s FINAL) WHERE NOT rejected
  AND NOT removed
  AND (device_type != ''
  AND device_type != {p1:String})
  AND job IN (SELECT job FROM test_cases WHERE position(lowerUTF8(suite), lowerUTF8({p2:String})) > 0
  AND name = {p3:String}
  AND result IN ('fail')
  AND job IN (SELECT job FROM (SELECT s.job AS job, s.device_type AS device_type FROM job_state AS s FINAL) WHERE (device_type != ''
  AND device_type != {p1:String})))
  AND toString(job) NOT IN {p4:Array(String)} ORDER BY job DESC LIMIT {p5:UInt64} OFFSET {p6:UInt64}) ORDER BY job DESC
--   p1 = qemu
--   p2 = smoke
--   p3 = boot
--   p4 = [7/9.0]
--   p5 = 25
--   p6 = 50

-- testjob where job requested device type is not "qemu" and suite name contains "smoke" in any case and case name is "boot" and case result is "Test failed", for "bob"
SELECT job, display, user, name, state, health, submitted_at, scheduled_at, started_at, ended_at, device_type, device, worker, priority, tags, public, groups, health_check, error_type, error, metadata, group_id, parent, role, retried_as, complete, lines, cases, missing_lines, failure_tags, comment, queue_timeout FROM (SELECT s.job AS job, s.display AS display, s.user AS user, s.name AS name, multiIf(tupleElement(s.state, 'value') IN ('Scheduled', 'Running')
  AND tupleElement(s.cancel, 'seq') > 0, 'Canceling', tupleElement(s.state, 'value')) AS state, multiIf(tupleElement(s.ended, 'seq') = 0, 'Unknown', tupleElement(s.cancel, 'seq') > 0
  AND tupleElement(s.cancel, 'seq') < tupleElement(s.ended, 'seq'), 'Canceled', tupleElement(s.ended, 'health')) AS health, s.submitted_at AS submitted_at, if(tupleElement(s.run, 'lease') = 0, NULL, tupleElement(s.run, 'scheduled_at')) AS scheduled_at, if(tupleElement(s.started, 'seq') = 0, NULL, tupleElement(s.started, 'at')) AS started_at, if(tupleElement(s.ended, 'seq') = 0, NULL, tupleElement(s.ended, 'at')) AS ended_at, s.device_type AS device_type, tupleElement(s.run, 'device') AS device, tupleElement(s.run, 'worker') AS worker, tupleElement(s.priority, 'value') AS priority, s.tags AS tags, toBool(s.public) AS public, s.groups AS groups, toBool(s.health_check) AS health_check, s.queue_timeout AS queue_timeout, tupleElement(s.ended, 'error_type') AS error_type, tupleElement(s.ended, 'error') AS error, CAST(s.metadata, 'Map(String, String)') AS metadata, s.group_id AS group_id, s.parent AS parent, s.role AS role, toBool(tupleElement(s.output, 'seq') > 0) AS complete, tupleElement(s.output, 'lines') AS lines, tupleElement(s.output, 'cases') AS cases, tupleElement(s.output, 'missing') AS missing_lines, tupleElement(s.retried, 'job') AS retried_as, tupleElement(s.note, 'tags') AS failure_tags, tupleElement(s.note, 'comment') AS comment FROM job_state AS s FINAL) WHERE job IN (SELECT job FROM (SELECT s.job AS job, s.user AS user, s.name AS name, s.device_type AS device_type, toBool(s.public) AS public, s.groups AS groups, toBool(s.rejected != '') AS rejected, toBool(s.removed) AS removed FROM job_state AS s FINAL) WHERE (public
  AND empty(groups) OR user = {p1:String})
  AND NOT rejected
  AND NOT removed
  AND (device_type != ''
  AND device_type != {p2:String})
  AND job IN (SELECT job FROM test_cases WHERE position(lowerUTF8(suite), lowerUTF8({p3:String})) > 0
  AND name = {p4:String}
  AND result IN ('fail')
  AND job IN (SELECT job FROM (SELECT s.job AS job, s.device_type AS device_type FROM job_state AS s FINAL) WHERE (device_type != ''
  AND device_type != {p2:String})))
  AND toString(job) NOT IN {p5:Array(String)} ORDER BY job DESC LIMIT {p6:UInt64} OFFSET {p7:UInt64}) ORDER BY job DESC
--   p1 = bob
--   p2 = qemu
--   p3 = smoke
--   p4 = boot
--   p5 = [7/9.0]
--   p6 = 25
--   p7 = 50

-- testjob where suite name is "lava" and metadata branch is "next", for ""
SELECT job, display, user, name, state, health, submitted_at, scheduled_at, started_at, ended_at, device_type, device, worker, priority, tags, public, groups, health_check, error_type, error, metadata, group_id, parent, role, retried_as, complete, lines, cases, missing_lines, failure_tags, comment, queue_timeout FROM (SELECT s.job AS job, s.display AS display, s.user AS user, s.name AS name, multiIf(tupleElement(s.state, 'value') IN ('Scheduled', 'Running')
  AND tupleElement(s.cancel, 'seq') > 0, 'Canceling', tupleElement(s.state, 'value')) AS state, multiIf(tupleElement(s.ended, 'seq') = 0, 'Unknown', tupleElement(s.cancel, 'seq') > 0
  AND tupleElement(s.cancel, 'seq') < tupleElement(s.ended, 'seq'), 'Canceled', tupleElement(s.ended, 'health')) AS health, s.submitted_at AS submitted_at, if(tupleElement(s.run, 'lease') = 0, NULL, tupleElement(s.run, 'scheduled_at')) AS scheduled_at, if(tupleElement(s.started, 'seq') = 0, NULL, tupleElement(s.started, 'at')) AS started_at, if(tupleElement(s.ended, 'seq') = 0, NULL, tupleElement(s.ended, 'at')) AS ended_at, s.device_type AS device_type, tupleElement(s.run, 'device') AS device, tupleElement(s.run, 'worker') AS worker, tupleElement(s.priority, 'value') AS priority, s.tags AS tags, toBool(s.public) AS public, s.groups AS groups, toBool(s.health_check) AS health_check, s.queue_timeout AS queue_timeout, tupleElement(s.ended, 'error_type') AS error_type, tupleElement(s.ended, 'error') AS error, CAST(s.metadata, 'Map(String, String)') AS metadata, s.group_id AS group_id, s.parent AS parent, s.role AS role, toBool(tupleElement(s.output, 'seq') > 0) AS complete, tupleElement(s.output, 'lines') AS lines, tupleElement(s.output, 'cases') AS cases, tupleElement(s.output, 'missing') AS missing_lines, tupleElement(s.retried, 'job') AS retried_as, tupleElement(s.note, 'tags') AS failure_tags, tupleElement(s.note, 'comment') AS comment FROM job_state AS s FINAL) WHERE job IN (SELECT job FROM (SELECT s.job AS job, toBool(s.rejected != '') AS rejected, CAST(s.metadata, 'Map(String, String)') AS metadata, toBool(s.removed) AS removed FROM job_state AS s FINAL) WHERE NOT rejected
  AND NOT removed
  AND (mapContains(metadata, {p1:String})
  AND metadata[{p1:String}] = {p2:String})
  AND job IN (SELECT job FROM test_suite_counts WHERE suite = {p3:String}
  AND job IN (SELECT job FROM (SELECT s.job AS job, CAST(s.metadata, 'Map(String, String)') AS metadata FROM job_state AS s FINAL) WHERE (mapContains(metadata, {p1:String})
  AND metadata[{p1:String}] = {p2:String})))
  AND toString(job) NOT IN {p4:Array(String)} ORDER BY job DESC LIMIT {p5:UInt64} OFFSET {p6:UInt64}) ORDER BY job DESC
--   p1 = branch
--   p2 = next
--   p3 = lava
--   p4 = [7/9.0]
--   p5 = 25
--   p6 = 50

-- testjob where suite name is "lava" and metadata branch is "next", for "bob"
SELECT job, display, user, name, state, health, submitted_at, scheduled_at, started_at, ended_at, device_type, device, worker, priority, tags, public, groups, health_check, error_type, error, metadata, group_id, parent, role, retried_as, complete, lines, cases, missing_lines, failure_tags, comment, queue_timeout FROM (SELECT s.job AS job, s.display AS display, s.user AS user, s.name AS name, multiIf(tupleElement(s.state, 'value') IN ('Scheduled', 'Running')
  AND tupleElement(s.cancel, 'seq') > 0, 'Canceling', tupleElement(s.state, 'value')) AS state, multiIf(tupleElement(s.ended, 'seq') = 0, 'Unknown', tupleElement(s.cancel, 'seq') > 0
  AND tupleElement(s.cancel, 'seq') < tupleElement(s.ended, 'seq'), 'Canceled', tupleElement(s.ended, 'health')) AS health, s.submitted_at AS submitted_at, if(tupleElement(s.run, 'lease') = 0, NULL, tupleElement(s.run, 'scheduled_at')) AS scheduled_at, if(tupleElement(s.started, 'seq') = 0, NULL, tupleElement(s.started, 'at')) AS started_at, if(tupleElement(s.ended, 'seq') = 0, NULL, tupleElement(s.ended, 'at')) AS ended_at, s.device_type AS device_type, tupleElement(s.run, 'device') AS device, tupleElement(s.run, 'worker') AS worker, tupleElement(s.priority, 'value') AS priority, s.tags AS tags, toBool(s.public) AS public, s.groups AS groups, toBool(s.health_check) AS health_check, s.queue_timeout AS queue_timeout, tupleElement(s.ended, 'error_type') AS error_type, tupleElement(s.ended, 'error') AS error, CAST(s.metadata, 'Map(String, String)') AS metadata, s.group_id AS group_id, s.parent AS parent, s.role AS role, toBool(tupleElement(s.output, 'seq') > 0) AS complete, tupleElement(s.output, 'lines') AS lines, tupleElement(s.output, 'cases') AS cases, tupleElement(s.output, 'missing') AS missing_lines, tupleElement(s.retried, 'job') AS retried_as, tupleElement(s.note, 'tags') AS failure_tags, tupleElement(s.note, 'comment') AS comment FROM job_state AS s FINAL) WHERE job IN (SELECT job FROM (SELECT s.job AS job, s.user AS user, toBool(s.public) AS public, s.groups AS groups, toBool(s.rejected != '') AS rejected, CAST(s.metadata, 'Map(String, String)') AS metadata, toBool(s.removed) AS removed FROM job_state AS s FINAL) WHERE (public
  AND empty(groups) OR user = {p1:String})
  AND NOT rejected
  AND NOT removed
  AND (mapContains(metadata, {p2:String})
  AND metadata[{p2:String}] = {p3:String})
  AND job IN (SELECT job FROM test_suite_counts WHERE suite = {p4:String}
  AND job IN (SELECT job FROM (SELECT s.job AS job, CAST(s.metadata, 'Map(String, String)') AS metadata FROM job_state AS s FINAL) WHERE (mapContains(metadata, {p2:String})
  AND metadata[{p2:String}] = {p3:String})))
  AND toString(job) NOT IN {p5:Array(String)} ORDER BY job DESC LIMIT {p6:UInt64} OFFSET {p7:UInt64}) ORDER BY job DESC
--   p1 = bob
--   p2 = branch
--   p3 = next
--   p4 = lava
--   p5 = [7/9.0]
--   p6 = 25
--   p7 = 50

-- testsuite where suite name is "LAVA" in any case and case measurement is over "12.5" and job priority is "Medium", for ""
SELECT job, suite, cases, passes, failures, skips, unknowns, first_at, last_at FROM test_suites WHERE job NOT IN (SELECT job FROM job_state WHERE removed > 0)
  AND job IN (SELECT job FROM (SELECT s.job AS job, tupleElement(s.priority, 'value') AS priority FROM job_state AS s FINAL) WHERE priority IN (50))
  AND (job, suite) IN (SELECT job, suite FROM test_cases WHERE lowerUTF8(suite) = lowerUTF8({p1:String})
  AND ifNull(measurement > {p2:Float64}, 0)
  AND job IN (SELECT job FROM (SELECT s.job AS job, tupleElement(s.priority, 'value') AS priority FROM job_state AS s FINAL) WHERE priority IN (50)))
  AND concat(toString(job), '/', suite) NOT IN {p3:Array(String)} ORDER BY job DESC, suite LIMIT {p4:UInt64} OFFSET {p5:UInt64}
--   p1 = LAVA
--   p2 = 12.5
--   p3 = [7/9.0]
--   p4 = 25
--   p5 = 50

-- testsuite where suite name is "LAVA" in any case and case measurement is over "12.5" and job priority is "Medium", for "bob"
SELECT job, suite, cases, passes, failures, skips, unknowns, first_at, last_at FROM test_suites WHERE job IN (SELECT job FROM (SELECT s.job AS job, s.user AS user, toBool(s.public) AS public, s.groups AS groups, toBool(s.removed) AS removed FROM job_state AS s FINAL) WHERE (public
  AND empty(groups) OR user = {p1:String})
  AND NOT removed)
  AND job IN (SELECT job FROM (SELECT s.job AS job, tupleElement(s.priority, 'value') AS priority FROM job_state AS s FINAL) WHERE priority IN (50))
  AND (job, suite) IN (SELECT job, suite FROM test_cases WHERE lowerUTF8(suite) = lowerUTF8({p2:String})
  AND ifNull(measurement > {p3:Float64}, 0)
  AND job IN (SELECT job FROM (SELECT s.job AS job, tupleElement(s.priority, 'value') AS priority FROM job_state AS s FINAL) WHERE priority IN (50)))
  AND concat(toString(job), '/', suite) NOT IN {p4:Array(String)} ORDER BY job DESC, suite LIMIT {p5:UInt64} OFFSET {p6:UInt64}
--   p1 = bob
--   p2 = LAVA
--   p3 = 12.5
--   p4 = [7/9.0]
--   p5 = 25
--   p6 = 50

-- testcase where case name contains "boot" in any case and job description contains "next" in any case and (metadata build is at least "9" or job health check is not "True") and not (suite name is "lava" and case result is not "Test passed"), for ""
SELECT job, suite, set, name, result, measurement, units, time, line, start_line, end_line, metadata, seq, n FROM test_cases WHERE job NOT IN (SELECT job FROM job_state WHERE removed > 0)
  AND job IN (SELECT job FROM (SELECT s.job AS job, s.name AS name FROM job_state AS s FINAL) WHERE position(lowerUTF8(name), lowerUTF8({p1:String})) > 0)
  AND position(lowerUTF8(name), lowerUTF8({p2:String})) > 0
  AND ((job IN (SELECT job FROM (SELECT s.job AS job, CAST(s.metadata, 'Map(String, String)') AS metadata FROM job_state AS s FINAL) WHERE (mapContains(metadata, {p3:String})
  AND ifNull(toFloat64OrNull(metadata[{p3:String}]) >= {p4:Float64}, 0)))) OR (job IN (SELECT job FROM (SELECT s.job AS job, toBool(s.health_check) AS health_check FROM job_state AS s FINAL) WHERE health_check = false)))
  AND NOT (suite = {p5:String}
  AND result NOT IN ('pass'))
  AND concat(toString(job), '/', toString(seq), '.', toString(n)) NOT IN {p6:Array(String)} ORDER BY job DESC, seq DESC, n DESC LIMIT {p7:UInt64} OFFSET {p8:UInt64}
--   p1 = next
--   p2 = boot
--   p3 = build
--   p4 = 9
--   p5 = lava
--   p6 = [7/9.0]
--   p7 = 25
--   p8 = 50

-- testcase where case name contains "boot" in any case and job description contains "next" in any case and (metadata build is at least "9" or job health check is not "True") and not (suite name is "lava" and case result is not "Test passed"), for "bob"
SELECT job, suite, set, name, result, measurement, units, time, line, start_line, end_line, metadata, seq, n FROM test_cases WHERE job IN (SELECT job FROM (SELECT s.job AS job, s.user AS user, toBool(s.public) AS public, s.groups AS groups, toBool(s.removed) AS removed FROM job_state AS s FINAL) WHERE (public
  AND empty(groups) OR user = {p1:String})
  AND NOT removed)
  AND job IN (SELECT job FROM (SELECT s.job AS job, s.name AS name FROM job_state AS s FINAL) WHERE position(lowerUTF8(name), lowerUTF8({p2:String})) > 0)
  AND position(lowerUTF8(name), lowerUTF8({p3:String})) > 0
  AND ((job IN (SELECT job FROM (SELECT s.job AS job, CAST(s.metadata, 'Map(String, String)') AS metadata FROM job_state AS s FINAL) WHERE (mapContains(metadata, {p4:String})
  AND ifNull(toFloat64OrNull(metadata[{p4:String}]) >= {p5:Float64}, 0)))) OR (job IN (SELECT job FROM (SELECT s.job AS job, toBool(s.health_check) AS health_check FROM job_state AS s FINAL) WHERE health_check = false)))
  AND NOT (suite = {p6:String}
  AND result NOT IN ('pass'))
  AND concat(toString(job), '/', toString(seq), '.', toString(n)) NOT IN {p7:Array(String)} ORDER BY job DESC, seq DESC, n DESC LIMIT {p8:UInt64} OFFSET {p9:UInt64}
--   p1 = bob
--   p2 = next
--   p3 = boot
--   p4 = build
--   p5 = 9
--   p6 = lava
--   p7 = [7/9.0]
--   p8 = 25
--   p9 = 50

