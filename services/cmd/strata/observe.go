package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"strata/events/stream"
	"strata/schemas/config"
	"strata/services/api"
	"strata/services/api/door"
	"strata/services/projector"
)

// metrics is what a process tells Prometheus: the counters of each service's log and its own counts,
// read when they are asked for.
type metrics struct {
	counts counts

	mu   sync.Mutex
	logs map[string]*stream.Log
}

func newMetrics() *metrics {
	return &metrics{logs: map[string]*stream.Log{}, counts: counts{projector: projector.NewMetrics(), api: api.NewMetrics()}}
}

// watch adds a service's log.
// One of the same name takes the place of the one before.
func (m *metrics) watch(service string, log *stream.Log) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.logs[service] = log
}

// counter is one number of a service's log.
type counter struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(c *stream.Counters) uint64
}

// counters lists the numbers with what they mean.
// Every row is there for every service of the process, told apart by the label service: a service that
// has nothing to count shows zeros.
func counters() []counter {
	row := func(name, help string, kind prometheus.ValueType, read func(c *stream.Counters) uint64) counter {
		return counter{prometheus.NewDesc("strata_"+name, help, []string{"service"}, nil), kind, read}
	}
	const sum, gauge = prometheus.CounterValue, prometheus.GaugeValue
	return []counter{
		row("stream_lag", "Messages between what the service has read and the end of its stream.", gauge,
			func(c *stream.Counters) uint64 { return c.Lag.Load() }),
		row("stream_position", "Sequence of the last fact that the service has read.", gauge,
			func(c *stream.Counters) uint64 { return c.Position.Load() }),
		row("facts_read_total", "Facts that the service has read.", sum,
			func(c *stream.Counters) uint64 { return c.Folded.Load() }),
		row("facts_appended_total", "Facts that the service has recorded.", sum,
			func(c *stream.Counters) uint64 { return c.Facts.Load() }),
		row("append_conflicts_total", "Appends that lost a race and were decided again.", sum,
			func(c *stream.Counters) uint64 { return c.Conflicts.Load() }),
		row("append_retries_total", "Messages or batches sent again because the broker did not answer.", sum,
			func(c *stream.Counters) uint64 { return c.Retries.Load() }),
		row("append_duplicates_total", "Messages sent again that were there already.", sum,
			func(c *stream.Counters) uint64 { return c.Duplicates.Load() }),
		row("reader_resets_total", "Times a reader began again after a lost connection.", sum,
			func(c *stream.Counters) uint64 { return c.Resets.Load() }),
		row("bad_frames_total", "Frames of output that could not be read.", sum,
			func(c *stream.Counters) uint64 { return c.BadFrames.Load() }),
	}
}

// batchBounds are the upper bounds of [stream.Counters.BatchSizes].
// 100 is the most that one batch may have on the broker.
var batchBounds = [...]float64{1, 3, 7, 15, 31, 63, 100}

func batchDesc() *prometheus.Desc {
	return prometheus.NewDesc("strata_append_batch_size", "Facts recorded by one append.", []string{"service"}, nil)
}

// Describe names the metrics; Prometheus asks for it.
func (m *metrics) Describe(to chan<- *prometheus.Desc) {
	for _, c := range counters() {
		to <- c.desc
	}
	to <- batchDesc()
	m.counts.describe(to)
}

// Collect reads the counters; Prometheus asks for it.
func (m *metrics) Collect(to chan<- prometheus.Metric) {
	m.counts.collect(to)
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, log := range m.logs {
		read := log.Counters()
		for _, c := range counters() {
			to <- prometheus.MustNewConstMetric(c.desc, c.kind, float64(c.read(read)), name)
		}
		// A histogram's buckets hold all below their bound, the log's only their own.
		buckets, count := map[float64]uint64{}, uint64(0)
		for i := range read.BatchSizes {
			count += read.BatchSizes[i].Load()
			buckets[batchBounds[i]] = count
		}
		to <- prometheus.MustNewConstHistogram(batchDesc(), count, float64(read.Facts.Load()), buckets, name)
	}
}

// healthReport is what /healthz answers.
// Its fields are read by probes of containers and by people's scripts: they stay, others may come.
type healthReport struct {
	Status   string            `json:"status"` // ok, or failing
	Version  string            `json:"version"`
	Services []partHealth      `json:"services"`
	Notes    map[string]string `json:"notes,omitempty"` // what is away without being a failure
}

// observation serves /healthz and /metrics.
type observation struct{ *port }

// observed is what a process tells of itself.
type observed struct {
	super   *supervisor
	metrics *metrics
	notes   func() map[string]string    // what is away without being a failure; may be nil
	more    map[string]http.HandlerFunc // further pages, by pattern
	door    *door.Door                  // all other pages; may be nil
	private bool                        // the api is behind the door, and with it who may see what: see metrics.behind

	config config.Config
	pair   *certificates // nil: plaintext
	logger *slog.Logger
	now    func() time.Time
}

// observe starts to serve what a process tells of itself.
// The error is that of the port or of the configuration's proxies. It serves at once, also while
// services still start: /healthz says which do not run.
func observe(listen string, what observed) (*observation, error) {
	mux := http.NewServeMux()
	// Else the numbers are behind the door, which knows who asks. Without an api the port is for Prometheus alone, and
	// knows nobody.
	if !what.private || what.config.Listen.MetricsOpen {
		mux.Handle("GET "+metricsPath, promhttp.HandlerFor(what.metrics.registry(), promhttp.HandlerOpts{}))
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		h := healthReport{Status: "ok", Version: version, Services: what.super.health()}
		if what.notes != nil {
			h.Notes = what.notes()
		}
		code := http.StatusOK
		for _, s := range h.Services {
			if !s.Running {
				// What is away without being a failure (notes) leaves the status at 200: a lab without
				// ClickHouse or without room is not one to be restarted.
				h.Status, code = "failing", http.StatusServiceUnavailable
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(h) // the caller may have gone
	})
	if what.door == nil {
		mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, "Strata %s\n\nHealth: /healthz\nMetrics: /metrics\n", version)
		})
	}
	for pattern, handler := range what.more {
		mux.HandleFunc(pattern, handler)
	}
	if what.door != nil {
		mux.Handle("/", what.door)
	}
	p, err := openPort(listen, what.config, what.pair, what.logger, &door.Guard{Next: mux, Now: what.now})
	if err != nil {
		return nil, err
	}
	return &observation{p}, nil
}

const metricsPath = "/metrics"

// registry is what Prometheus is told by this process.
func (m *metrics) registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// behind shows who is known to a lab its numbers, without the names of what is hidden from that one. That a request
// comes from this machine says nothing: a proxy here may pass on those of others without saying so.
func (m *metrics) behind(in api.Inside) http.Handler {
	registry := m.registry()
	in = in.Closed()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := door.Read(r)
		var who api.Caller
		if err == nil {
			who, err = door.Who(in, r, c)
		}
		if err != nil || who.User == "" {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "the lab's numbers are for who has a token; --metrics-open shows them to all who reach this port", http.StatusUnauthorized)
			return
		}
		promhttp.HandlerFor(in.Shown(who, registry), promhttp.HandlerOpts{}).ServeHTTP(w, r)
	})
}

// stop ends the serving and waits for it.
// Requests in hand have five seconds.
func (o *observation) stop(logger *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := o.server.Shutdown(ctx)
	if served := o.ended(); err == nil {
		err = served
	}
	if err != nil {
		logger.Warn("stop serving HTTP", "err", err)
	}
}
