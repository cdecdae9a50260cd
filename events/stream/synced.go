package stream

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// ErrLossyBroker says that the broker may lose what it has acknowledged: it does not sync each
// write, or nothing says that it does.
var ErrLossyBroker = errors.New("broker may lose acknowledged facts when the power fails")

const lossyAdvice = "set `sync_interval: always` in the jetstream block of nats-server's configuration and restart it, " +
	"or start strata with --allow-lossy-broker"

// checkSync refuses a broker that is not known to sync.
func checkSync(s Settings) error {
	if s.AllowLossyBroker {
		return nil
	}
	if s.Synced == nil {
		return fmt.Errorf("%w: cannot see whether it syncs each write; "+
			"give the address of its monitoring port or a credential of its system account, or start strata with --allow-lossy-broker", ErrLossyBroker)
	}
	always, err := s.Synced()
	if err != nil {
		return fmt.Errorf("%w: ask whether it syncs each write: %w", ErrLossyBroker, err)
	}
	if !always {
		return fmt.Errorf("%w: it does not sync each write; %s", ErrLossyBroker, lossyAdvice)
	}
	return nil
}

// jsz is what we read of a server's JetStream state. The setting is nowhere else: the account's own
// $JS.API.INFO has no such field.
type jsz struct {
	Disabled bool `json:"disabled"`
	Config   struct {
		SyncAlways bool `json:"sync_always"`
	} `json:"config"`
}

// SyncedByMonitor asks the broker's monitoring address, such as http://127.0.0.1:8222.
func SyncedByMonitor(url string) func() (bool, error) {
	return func() (bool, error) {
		client := http.Client{Timeout: 10 * time.Second}
		resp, err := client.Get(strings.TrimSuffix(url, "/") + "/jsz")
		if err != nil {
			return false, err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return false, fmt.Errorf("GET %s/jsz: %s", url, resp.Status)
		}
		var state jsz
		if err := json.NewDecoder(resp.Body).Decode(&state); err != nil {
			return false, fmt.Errorf("GET %s/jsz: %w", url, err)
		}
		if state.Disabled {
			return false, fmt.Errorf("GET %s/jsz: JetStream is not enabled there", url)
		}
		return state.Config.SyncAlways, nil
	}
}

// SyncedBySystem asks over a connection of the broker's system account. In a cluster all servers
// with JetStream that answer must sync.
func SyncedBySystem(nc *nats.Conn) func() (bool, error) {
	return func() (bool, error) {
		inbox := nc.NewInbox()
		sub, err := nc.SubscribeSync(inbox)
		if err != nil {
			return false, err
		}
		defer func() { _ = sub.Unsubscribe() }()
		if err := nc.PublishRequest("$SYS.REQ.SERVER.PING.JSZ", inbox, nil); err != nil {
			return false, err
		}
		// Nobody says how many servers there are: the first may take long, the others are close behind.
		wait, answers := 10*time.Second, 0
		for {
			msg, err := sub.NextMsg(wait)
			if errors.Is(err, nats.ErrTimeout) && answers > 0 {
				return true, nil
			}
			if err != nil {
				return false, fmt.Errorf("request $SYS.REQ.SERVER.PING.JSZ, which needs a credential of the system account: %w", err)
			}
			var answer struct {
				Data jsz `json:"data"`
			}
			if err := json.Unmarshal(msg.Data, &answer); err != nil {
				return false, fmt.Errorf("answer to $SYS.REQ.SERVER.PING.JSZ: %w", err)
			}
			if answer.Data.Disabled {
				continue
			}
			if !answer.Data.Config.SyncAlways {
				return false, nil
			}
			wait, answers = 250*time.Millisecond, answers+1
		}
	}
}
