package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"strata/services/api"
	"strata/services/health"
	"strata/services/projector"
	"strata/services/scheduling"
	"strata/services/submission"
)

// counts is what the services of one process count besides their logs. A service that is not run
// here stays at zero.
// Services write them without locks; a reader may see one number newer than another.
type counts struct {
	submission submission.Counts
	scheduling scheduling.Metrics
	health     health.Metrics
	projector  *projector.Metrics
	api        *api.Metrics
}

// number is one of these counts as Prometheus sees it.
type number struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(c *counts) float64
}

// numbers lists the counts with what they mean.
// Names are an interface: dashboards and alarms ask for them. A name is never given another meaning.
func numbers() []number {
	row := func(name, help string, kind prometheus.ValueType, read func(c *counts) float64) number {
		return number{prometheus.NewDesc("strata_"+name, help, nil, nil), kind, read}
	}
	const sum, gauge = prometheus.CounterValue, prometheus.GaugeValue
	return []number{
		row("jobs_submitted_total", "Jobs that passed the gate, each part of a multinode job one.", sum,
			func(c *counts) float64 { return float64(c.submission.Submitted.Load()) }),
		row("jobs_rejected_total", "Definitions that were refused.", sum,
			func(c *counts) float64 { return float64(c.submission.Rejected.Load()) }),
		row("jobs_retried_total", "Jobs that the lab failed and that got a further attempt.", sum,
			func(c *counts) float64 { return float64(c.submission.Retried.Load()) }),
		row("queue_jobs", "Jobs that wait for a device.", gauge,
			func(c *counts) float64 { return float64(c.scheduling.Queued.Load()) }),
		row("jobs_scheduled_total", "Jobs that were given a device.", sum,
			func(c *counts) float64 { return float64(c.scheduling.Scheduled.Load()) }),
		row("jobs_withdrawn_total", "Jobs that left the queue without a device.", sum,
			func(c *counts) float64 { return float64(c.scheduling.Withdrawn.Load()) }),
		row("scheduling_conflicts_total", "Rounds of scheduling that another scheduler was faster with.", sum,
			func(c *counts) float64 { return float64(c.scheduling.Conflicts.Load()) }),
		row("devices_released_total", "Devices freed after a job.", sum,
			func(c *counts) float64 { return float64(c.health.Released.Load()) }),
		row("device_health_changes_total", "Healths of devices that the lab itself changed.", sum,
			func(c *counts) float64 { return float64(c.health.Changed.Load()) }),
		row("health_checks_total", "Health checks that were published.", sum,
			func(c *counts) float64 { return float64(c.health.Checks.Load()) }),
	}
}

func decisionDesc() *prometheus.Desc {
	return prometheus.NewDesc("strata_scheduling_decision_seconds", "Time that one decision of scheduling took, recording not included.", nil, nil)
}

// describe names the counts.
func (c *counts) describe(to chan<- *prometheus.Desc) {
	for _, n := range numbers() {
		to <- n.desc
	}
	to <- decisionDesc()
	c.projector.Describe(to)
	c.api.Describe(to)
}

// collect reads the counts.
func (c *counts) collect(to chan<- prometheus.Metric) {
	for _, n := range numbers() {
		to <- prometheus.MustNewConstMetric(n.desc, n.kind, n.read(c))
	}
	buckets, count := map[float64]uint64{}, uint64(0)
	bounds := scheduling.Bounds()
	for i := range c.scheduling.Time.Buckets {
		count += c.scheduling.Time.Buckets[i].Load()
		if i < len(bounds) { // what is above the last bound counts only in the whole
			buckets[bounds[i].Seconds()] = count
		}
	}
	// Prometheus counts in seconds, the service in nanoseconds.
	sum := float64(c.scheduling.Time.Sum.Load()) / 1e9
	to <- prometheus.MustNewConstHistogram(decisionDesc(), count, sum, buckets)
	c.projector.Collect(to)
	c.api.Collect(to)
}
