package main

import (
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"strata/services/api"
	"strata/services/api/door"
	"strata/services/api/lavarpc"
	"strata/services/api/lavaworker"
	"strata/services/api/live"
	"strata/services/api/quota"
	"strata/services/api/rest"
)

// newDoor returns the door of this process's HTTP interfaces. It opens when the api answers.
// Requests that come before are answered with 503 and Retry-After: a lab that starts is not one that
// fails.
func (s surroundings) newDoor() *door.Door {
	l := s.config.Limits
	return door.New(door.Settings{Logger: s.logger.With("service", "door"), Now: s.now, Body: l.Body, Sizes: sizes(l.Body), Free: free,
		Token: quota.Rate{PerSecond: l.TokenRate, Burst: l.TokenBurst}, Address: quota.Rate{PerSecond: l.AddressRate, Burst: l.AddressBurst}})
}

// sizes is what requests of some kinds may bring, where that is less than most may.
// Paths that are not named may bring what limits.body allows. Of prefixes that both fit the longer one
// counts.
func sizes(most int64) []door.Size {
	// A definition has 1 MiB at most, up to three times as much in a form or in JSON.
	definition, secret := min(4<<20, most), min(64<<10, most)
	return []door.Size{
		{Prefix: "/api/v0.2/jobs/", Bytes: definition}, {Prefix: "/api/v0.2/token/", Bytes: secret},
		{Prefix: "/api/v0.3/jobs/", Bytes: definition}, {Prefix: "/api/v0.3/token/", Bytes: secret},
		{Prefix: "/scheduler/", Bytes: definition}, {Prefix: "/scheduler/internal/", Bytes: most}, // logs of LAVA's workers
		{Prefix: "/accounts/", Bytes: secret},
	}
}

// free says which requests are always answered: whether the lab is there is asked most when it is in trouble.
// They cost no more than their answers.
// They are outside of the rates for tokens and addresses, so nothing in them may ask ClickHouse, the
// log or the disk.
func free(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	switch strings.TrimSuffix(r.URL.Path, "/") {
	case "/v1/healthz", "/ws/v1/healthz", "/api/v0.2/system/version", "/api/v0.3/system/version":
		return true
	}
	return false
}

// newLive returns what tells the events of this process's lab.
func (s surroundings) newLive() *live.Live {
	return live.New(live.Settings{Prefix: s.config.Events.Topic, Listen: s.config.Listen.Events, All: s.config.Events.All,
		Now: s.now, Logger: s.logger.With("service", "live")})
}

// newLAVAWorkers returns what stands in for LAVA's workers in this process.
// Their directory is their memory, as a worker's data directory is.
func (s surroundings) newLAVAWorkers() *lavaworker.Workers {
	return lavaworker.New(lavaworker.Deps{Servers: s.servers, Dir: filepath.Join(s.config.Data, "lava-workers"),
		Command: []string{s.self, "lava-job"}, Build: version, MinFree: uint64(s.config.Space.Worker),
		Logger: s.logger.With("service", "lavaworkers"), Now: s.now, After: time.After})
}

// openDoor has the door lead to the interfaces. The api answers on the bus before this has ended: pages are parsed and
// packed first, which takes a slow machine seconds.
func (s surroundings) openDoor(in api.Inside) {
	s.door.Open(s.interfaces(in))
	if s.served != nil {
		s.served()
	}
}

// interfaces is what stands behind the door: a line for each interface.
// More exact patterns win over "/" whatever the order here; two that are alike panic at the start,
// which every test of a lab would see.
func (s surroundings) interfaces(in api.Inside) http.Handler {
	in = in.Closed()
	s.door.Recognise(door.Caller(in))
	mux := http.NewServeMux()
	s.live.Mount(mux, in)
	s.lavaWorkers.Mount(mux, in)
	if s.vouch.oidc != nil {
		s.vouch.oidc.Mount(mux, in)
	}
	rpc := lavarpc.Handler(lavarpc.Deps{API: in, Door: s.door, Now: s.now, Logger: s.logger.With("service", "lavarpc"),
		ExtraContext: s.config.Jobs.ExtraContext, EventSocket: s.eventSocket()})
	mux.Handle("GET "+metricsPath, s.metrics.behind(in))
	mux.Handle("/RPC2", rpc)
	mux.Handle("/RPC2/{$}", rpc)
	pages := rest.New(rest.Deps{Lab: in, Now: s.now, Logger: s.logger.With("service", "rest"), ExtraContext: s.config.Jobs.ExtraContext,
		EventSocket: s.eventSocket()})
	site := s.newSite(in)
	for _, pattern := range rest.Patterns() {
		mux.Handle(pattern, pages)
	}
	// Pages and data stand at each other's addresses here: what is no data is a page.
	for _, pattern := range rest.SharedPatterns() {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if wantsData(r, pages.Has) {
				pages.ServeHTTP(w, r)
			} else {
				site.ServeHTTP(w, r)
			}
		})
	}
	mux.Handle("/", site)
	return mux
}

// wantsData tells whether a request below an address that pages and data share is for data, of which there is what has
// says. A browser that sends a form wants a page back, also where programs send the same.
func wantsData(r *http.Request, has func(*http.Request) bool) bool {
	form := r.Method == http.MethodPost && strings.Contains(r.Header.Get("Accept"), "text/html")
	return has(r) && !form
}

// eventSocket is where clients find LAVA's events, "" where none are published.
// The answer of scheduler.get_publisher_event_socket: LAVA's clients put the host that they have asked
// in place of the star.
func (s surroundings) eventSocket() string {
	if s.config.Listen.Events == "" {
		return ""
	}
	host, port, err := net.SplitHostPort(s.config.Listen.Events)
	if a, bad := netip.ParseAddr(host); err == nil && (host == "" || bad == nil && a.IsUnspecified()) {
		return "tcp://*:" + port // clients put the lab's name there
	}
	return "tcp://" + s.config.Listen.Events
}
