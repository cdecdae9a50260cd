package main

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"strata/events"
	"strata/events/stream"
	"strata/services/archive"
)

// cluster is three brokers of one process that keep each stream three times.
type cluster struct {
	options []server.Options
	servers []*server.Server
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{}
	var routes []*url.URL
	for i := range 3 {
		host, port, err := net.SplitHostPort(freePort(t))
		if err != nil {
			t.Fatal(err)
		}
		n, _ := strconv.Atoi(port) // the system's own
		routes = append(routes, &url.URL{Scheme: "nats", Host: net.JoinHostPort(host, port)})
		c.options = append(c.options, server.Options{ServerName: fmt.Sprint("broker", i), JetStream: true, SyncAlways: true,
			StoreDir: filepath.Join(t.TempDir(), "store"), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true, MaxPayload: 8 << 20,
			Cluster: server.ClusterOpts{Name: "lab", Host: host, Port: n}})
	}
	for i := range c.options {
		c.options[i].Routes = routes
		c.servers = append(c.servers, nil)
		c.start(t, i)
	}
	t.Cleanup(func() {
		for i := range c.servers {
			c.stop(i)
		}
	})
	eventually(t, "the brokers have a leader", func() bool {
		for _, s := range c.servers {
			if s.JetStreamIsLeader() {
				return true
			}
		}
		return false
	})
	return c
}

func (c *cluster) start(t *testing.T, i int) {
	t.Helper()
	o := c.options[i] // the server writes into it
	s, err := server.NewServer(&o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(patience) {
		t.Fatalf("broker %d does not come up", i)
	}
	c.options[i].Port = s.Addr().(*net.TCPAddr).Port
	c.servers[i] = s
}

func (c *cluster) stop(i int) {
	if c.servers[i] != nil {
		c.servers[i].Shutdown()
		c.servers[i].WaitForShutdown()
		c.servers[i] = nil
	}
}

// log opens the lab's log over all brokers.
func (c *cluster) log(t *testing.T) *stream.Log {
	t.Helper()
	var urls []string
	for _, o := range c.options {
		urls = append(urls, "nats://"+net.JoinHostPort(o.Host, strconv.Itoa(o.Port)))
	}
	conn, err := nats.Connect(strings.Join(urls, ","), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.Timeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	var log *stream.Log
	eventually(t, "the streams are made on three brokers", func() bool {
		log, err = stream.Open(t.Context(), conn, stream.Settings{Now: time.Now, Replicas: 3, Synced: func() (bool, error) { return true, nil }})
		return err == nil
	})
	return log
}

// TestThreeBrokers loses one broker of three, again and again: facts go on being recorded, in one order and none
// lost, and an archive of them is whole.
func TestThreeBrokers(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	log := c.log(t)
	recorded := 0
	record := func(n int) {
		for range n {
			// Each depends on the one before: what was recorded twice, or forgotten, would be a conflict.
			expected := uint64(recorded)
			eventually(t, fmt.Sprintf("fact %d is recorded", recorded+1), func() bool {
				_, err := log.AppendOne(t.Context(), stream.Draft{Event: events.TagAdded{Tag: "t"}}, func(events.Entity) uint64 { return expected })
				return err == nil
			})
			recorded++
		}
	}
	record(20)
	for i := range c.servers {
		c.stop(i) // one of them leads LAB
		record(10)
		c.start(t, i)
		eventually(t, "the broker has caught up", func() bool {
			st, err := log.JetStream().Stream(t.Context(), stream.Lab)
			if err != nil || st.CachedInfo().Cluster == nil || st.CachedInfo().Cluster.Leader == "" {
				return false
			}
			for _, r := range st.CachedInfo().Cluster.Replicas {
				if !r.Current || r.Offline {
					return false
				}
			}
			return len(st.CachedInfo().Cluster.Replicas) == 2
		})
	}
	seq := uint64(0)
	if err := c.log(t).ReadAll(t.Context(), stream.Lab, 1, func(r stream.Recorded) error {
		if seq++; r.Seq != seq {
			return fmt.Errorf("fact %d has sequence %d", seq, r.Seq)
		}
		return nil
	}); err != nil || seq != uint64(recorded) {
		t.Errorf("read %d facts, %v; recorded were %d", seq, err, recorded)
	}
	dir := filepath.Join(t.TempDir(), "backup")
	from, err := archive.OpenDirectory(filepath.Join(t.TempDir(), "none"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := archive.Backup(t.Context(), log, from, dir, nil, archive.Manifest{})
	if err != nil || m.Streams[stream.Lab] != uint64(recorded) {
		t.Errorf("backup of the cluster: %+v, %v; want %d facts", m.Streams, err, recorded)
	}
}
