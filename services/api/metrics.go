package api

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"strata/events"
	"strata/events/lab"
	"strata/events/stream"
)

// Metrics tells Prometheus how the lab's jobs fare, from facts as they are recorded: those of before this
// process began are not counted. It is a Collector: register it, and give it to [Run].
// Labels are names of the lab's own types, devices and actions, so there are as many series as there
// are of these.
type Metrics struct {
	wait, run, action *prometheus.HistogramVec
	failures          *prometheus.CounterVec
	actions           map[string]bool // names that have been seen; of one goroutine
}

// Labels that name what may be hidden. A label for anything else that may be needs a line in maySeries.
const (
	labelType   = "device_type"
	labelDevice = "device"
)

// NewMetrics returns metrics that have counted nothing.
// Buckets grow by threes: waits from half a second to a day, runs from a second to five hours,
// actions from 50 ms.
func NewMetrics() *Metrics {
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "strata_" + name, Help: help, Buckets: buckets}, labels)
	}
	return &Metrics{
		wait:   histogram("job_queue_seconds", "Time from a job's submission to its start.", prometheus.ExponentialBuckets(0.5, 3, 12), labelType),
		run:    histogram("job_run_seconds", "Time from a job's start to its end.", prometheus.ExponentialBuckets(1, 3, 10), labelType),
		action: histogram("action_seconds", "Duration of the pipeline's actions that report one.", prometheus.ExponentialBuckets(0.05, 3, 10), "action", labelType),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "strata_job_failures_total",
			Help: "Jobs that ended Incomplete, by the class of their error."}, []string{labelType, labelDevice, "error_type"}),
		actions: map[string]bool{},
	}
}

// Describe names the metrics; Prometheus asks for it.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, c := range []prometheus.Collector{m.wait, m.run, m.action, m.failures} {
		c.Describe(to)
	}
}

// Collect reads the metrics; Prometheus asks for it.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	for _, c := range []prometheus.Collector{m.wait, m.run, m.action, m.failures} {
		c.Collect(to)
	}
}

// note counts what a fact did to a job.
// j is the job after the fact, maybe just gone from the state. It is called under the lock that the
// fold holds; nil metrics count nothing.
func (m *Metrics) note(s *lab.State, r stream.Recorded, j *lab.Job) {
	if m == nil || j == nil {
		return
	}
	kind := string(s.Resolve(j.DeviceType))
	switch e := r.Event.(type) {
	case events.JobStarted:
		// Times are of two machines' clocks, which may disagree by a little.
		m.wait.WithLabelValues(kind).Observe(max(0, e.At.Sub(j.SubmittedAt).Seconds()))
	case events.JobFinished:
		if j.Run != nil && !j.Run.StartedAt.IsZero() {
			m.run.WithLabelValues(kind).Observe(max(0, e.At.Sub(j.Run.StartedAt).Seconds()))
		}
		if e.Health == events.Incomplete {
			m.failures.WithLabelValues(kind, string(e.Device), string(e.ErrorType)).Inc()
		}
	}
}

// Shown returns what a caller may see of what from gathers: without the series that name a device or device type which is
// hidden from it. They are left out rather than summed up under another name: a sum would jump, and look like a
// burst, whenever somebody is shown or hidden something.
// Numbers that name nothing are of the whole lab, and for everybody.
func (i Inside) Shown(who Caller, from prometheus.Gatherer) prometheus.Gatherer {
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, err := from.Gather()
		i.a.read(func(s *lab.State) {
			for _, f := range families {
				f.Metric = slices.DeleteFunc(f.Metric, func(m *dto.Metric) bool { return !who.caller().maySeries(s, m.Label) })
			}
		})
		// The format has no way to write down a family without a series.
		return slices.DeleteFunc(families, func(f *dto.MetricFamily) bool { return len(f.Metric) == 0 }), err
	})
}

// maySeries says that a caller may see all that the labels of a series name.
func (c caller) maySeries(s *lab.State, labels []*dto.LabelPair) bool {
	for _, l := range labels {
		kind := events.DeviceType
		switch l.GetName() {
		case labelDevice:
			kind = events.Device
		case labelType:
		default:
			continue
		}
		if name := l.GetValue(); name != "" && !c.can(s, lab.View, events.Entity{Kind: kind, ID: name}) {
			return false
		}
	}
	return true
}

// mostActions bounds the label action: names come from workers, which may be of any version.
// Far more than there are actions: what is beyond is nonsense, and counted as "other".
const mostActions = 300

// countActions follows results from here on and counts how long actions took, until ctx ends.
// It returns at once. Several processes that serve the api each count all: Prometheus tells them
// apart by their instance.
func (a *api) countActions(ctx context.Context, group *sync.WaitGroup) {
	if a.metrics == nil {
		return
	}
	last, err := a.log.Last(ctx, stream.Results)
	if err != nil {
		a.logger.Warn("durations of actions are not counted", "err", err)
		return
	}
	group.Go(func() {
		err := a.log.Follow(ctx, stream.Results, last+1, func(r stream.Recorded) error {
			e, ok := r.Event.(events.ResultsRecorded)
			if !ok {
				return nil
			}
			kind := ""
			// A job that is over has left the state: its last results count without a type.
			a.read(func(s *lab.State) {
				if j := s.Job(e.Job); j != nil {
					kind = string(s.Resolve(j.DeviceType))
				}
			})
			for _, c := range e.Cases {
				a.metrics.noteAction(c, kind)
			}
			return nil
		})
		if err != nil && ctx.Err() == nil {
			a.logger.Warn("durations of actions are not counted any more", "err", err)
		}
	})
}

// noteAction counts a case of the suite lava that is an action with a duration: those that sum up a test
// definition are called like its suite, 0_smoke.
// LAVA's records have the duration of an action in the case's metadata, in seconds.
func (m *Metrics) noteAction(c events.Case, kind string) {
	seconds, err := strconv.ParseFloat(c.Metadata["duration"], 64)
	// A worker of any release may send nonsense; a year is more than any action takes.
	if c.Suite != "lava" || err != nil || seconds < 0 || seconds > (365*24*time.Hour).Seconds() {
		return
	}
	if number, _, ok := strings.Cut(c.Name, "_"); ok && strings.Trim(number, "0123456789") == "" {
		return
	}
	name := c.Name
	if !m.actions[name] {
		if len(m.actions) >= mostActions {
			name = "other"
		}
		m.actions[name] = true
	}
	m.action.WithLabelValues(name, kind).Observe(seconds)
}
