package projector

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"strata/events/stream"
	"strata/projections"
)

// Metrics tells Prometheus how far the tables are, by stream. It is a Collector: register it, and
// give it to [Run].
type Metrics struct {
	projector atomic.Pointer[projections.Projector]
}

// NewMetrics returns metrics that are empty until Run watches over them.
func NewMetrics() *Metrics { return new(Metrics) }

func (m *Metrics) watch(p *projections.Projector) { m.projector.Store(p) }

// metric is one number of a stream.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(*projections.Counts) float64
}

func metrics() []metric {
	row := func(name, help string, kind prometheus.ValueType, read func(*projections.Counts) float64) metric {
		return metric{prometheus.NewDesc("strata_projector_"+name, help, []string{"stream"}, nil), kind, read}
	}
	const sum, gauge = prometheus.CounterValue, prometheus.GaugeValue
	return []metric{
		row("lag", "Messages that are not in the tables yet.", gauge,
			func(c *projections.Counts) float64 { return float64(c.Lag.Load()) }),
		row("position", "Sequence up to which the tables have the stream.", gauge,
			func(c *projections.Counts) float64 { return float64(c.Position.Load()) }),
		row("batches_total", "Batches inserted.", sum,
			func(c *projections.Counts) float64 { return float64(c.Batches.Load()) }),
		row("messages_total", "Messages inserted.", sum,
			func(c *projections.Counts) float64 { return float64(c.Messages.Load()) }),
		row("rows_total", "Rows inserted into all tables.", sum,
			func(c *projections.Counts) float64 { return float64(c.Rows.Load()) }),
		row("insert_seconds_total", "Time spent inserting.", sum,
			func(c *projections.Counts) float64 { return float64(c.Nanos.Load()) / 1e9 }),
		row("retries_total", "Statements that were tried again.", sum,
			func(c *projections.Counts) float64 { return float64(c.Retries.Load()) }),
		row("away", "1 while ClickHouse does not answer.", gauge,
			func(c *projections.Counts) float64 {
				if c.Away.Load() {
					return 1
				}
				return 0
			}),
	}
}

// Describe names the metrics; Prometheus asks for it.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, row := range metrics() {
		to <- row.desc
	}
}

// Collect reads the metrics; Prometheus asks for it.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	p := m.projector.Load()
	if p == nil {
		return
	}
	for _, name := range []string{stream.Lab, stream.Results, stream.Output} {
		for _, row := range metrics() {
			to <- prometheus.MustNewConstMetric(row.desc, row.kind, row.read(p.Counts(name)), name)
		}
	}
}
