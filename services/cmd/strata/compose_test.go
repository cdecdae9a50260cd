package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/spf13/cobra"

	"strata/events/access"
	"strata/schemas/yaml"
)

// compose is compose.yaml as its test reads it.
type compose struct {
	root *yaml.Node
	dir  string
	text string
}

// TestCompose checks compose.yaml against this binary: every command line in it is one that the
// binary takes, every service of the lab is there, every variable is one that `strata keys` prints.
// No engine of containers is needed for that.
func TestCompose(t *testing.T) {
	t.Parallel()
	c := readCompose(t)
	served := map[string]bool{}
	for _, p := range c.root.Get("services").Pairs {
		name, s := p.Key.Text, p.Value
		if s.Get("healthcheck", "test") == nil {
			t.Errorf("%s has no health check", name)
		}
		c.checkReferences(t, name, s)
		if s.Get("image").TextOr("") != "strata" {
			continue
		}
		args := texts(s.Get("command"))
		checkCommand(t, name, args)
		if len(args) > 1 && args[0] == "serve" {
			for _, service := range args[1:] {
				if strings.HasPrefix(service, "-") {
					break
				}
				served[service] = true
			}
		}
		check := texts(s.Get("healthcheck", "test"))
		if len(check) < 2 || check[0] != "CMD" || check[1] != "strata" {
			t.Errorf("%s: health check %q is not a command of the image", name, check)
			continue
		}
		checkCommand(t, name+"'s health check", check[2:])
	}
	for _, name := range serviceNames() {
		if !served[name] {
			t.Errorf("no container serves %s", name)
		}
	}
	c.checkVariables(t)
}

// TestComposeBroker reads the broker's configuration as the nats container does, and checks it
// against what the services ask of a broker.
func TestComposeBroker(t *testing.T) {
	t.Parallel()
	c := readCompose(t)
	nats := c.root.Get("services", "nats")
	if image := nats.Get("image").TextOr(""); !strings.HasPrefix(image, "nats:"+moduleVersion(t, c.dir, "github.com/nats-io/nats-server/v2")) {
		t.Errorf("the broker's image is %s, the embedded broker is %s", image, moduleVersion(t, c.dir, "github.com/nats-io/nats-server/v2"))
	}
	if image := c.root.Get("services", "clickhouse", "image").TextOr(""); image != "clickhouse/clickhouse-server:26.7" {
		t.Errorf("ClickHouse's image is %s, want the line of the embedded engine, 26.7", image)
	}
	mounted := false
	for _, v := range texts(nats.Get("volumes")) {
		host, rest, _ := strings.Cut(v, ":")
		if !strings.HasPrefix(rest, "/etc/nats/nats.conf") {
			continue
		}
		mounted = true
		text, err := os.ReadFile(filepath.Join(c.dir, host))
		if err != nil || string(text) != brokerConfig {
			t.Errorf("the mounted %s is not the embedded configuration (%v)", host, err)
		}
	}
	if !mounted {
		t.Error("nats.conf is not mounted into the broker")
	}

	key, err := access.OpenKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	values, err := brokerVariables(key, nats.Get("environment", "STRATA_STORE").TextOr(""))
	if err != nil {
		t.Fatal(err)
	}
	for name := range values {
		if !nats.Get("environment").Has(name) {
			t.Errorf("the broker's environment has no %s, which nats.conf reads", name)
		}
	}
	var o server.Options
	if err := o.ProcessConfigString(expandConfig(brokerConfig, values)); err != nil {
		t.Fatalf("nats.conf: %v", err)
	}
	if !o.JetStream || !o.SyncAlways || o.MaxPayload != 8<<20 || o.StoreDir != "/data" {
		t.Errorf("nats.conf: JetStream %t, sync always %t, max payload %d, store %q; want true, true, 8 MiB, /data",
			o.JetStream, o.SyncAlways, o.MaxPayload, o.StoreDir)
	}
	if ws := o.Websocket; !ws.NoTLS || !slices.Contains(texts(c.root.Get("services", "api", "command")), fmt.Sprintf("ws://nats:%d", ws.Port)) {
		t.Errorf("nats.conf: websockets are at port %d with TLS %t; the api's container goes elsewhere for them", ws.Port, !ws.NoTLS)
	}
	if a := o.AuthCallout; a == nil || a.Account != access.Account || !slices.Equal(a.AuthUsers, []string{access.ServiceUser, access.SystemUser}) || a.Issuer != values["STRATA_ISSUER"] {
		t.Errorf("nats.conf: auth callout is %+v, want that of services/access", o.AuthCallout)
	}
}

func readCompose(t *testing.T) compose {
	t.Helper()
	dir := workspace(t)
	text, err := os.ReadFile(filepath.Join(dir, "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := yaml.ParseWithin(text, yaml.Limits{Bytes: 1 << 20})
	if err != nil {
		t.Fatalf("compose.yaml: %v", err)
	}
	return compose{root, dir, string(text)}
}

// checkReferences holds that what a container waits for and mounts is there.
func (c compose) checkReferences(t *testing.T, name string, s *yaml.Node) {
	t.Helper()
	if on := s.Get("depends_on"); on != nil {
		for _, p := range on.Pairs {
			if !c.root.Get("services").Has(p.Key.Text) {
				t.Errorf("%s waits for %s, which is no container", name, p.Key.Text)
			}
		}
	}
	for _, v := range texts(s.Get("volumes")) {
		host, _, _ := strings.Cut(v, ":")
		switch {
		case host == "./secrets/key": // made by `strata keys --data secrets`
		case strings.HasPrefix(host, "./"):
			if _, err := os.Stat(filepath.Join(c.dir, host)); err != nil {
				t.Errorf("%s mounts %s: %v", name, host, err)
			}
		case !c.root.Get("volumes").Has(host):
			t.Errorf("%s mounts volume %s, which is not declared", name, host)
		}
	}
}

// checkVariables holds that every ${NAME} is one that `strata keys` prints.
func (c compose) checkVariables(t *testing.T) {
	t.Helper()
	w := newWorld(t)
	printed := w.must(t, "keys", "--data", filepath.Join(w.dir, "secrets"))
	used := regexp.MustCompile(`\$\{([A-Z_]+)`).FindAllStringSubmatch(c.text, -1)
	if len(used) == 0 {
		t.Error("compose.yaml uses no variable: where do its secrets come from?")
	}
	for _, m := range used {
		if !strings.Contains("\n"+printed, "\n"+m[1]+"=") {
			t.Errorf("compose.yaml wants %s, which `strata keys` does not print", m[1])
		}
	}
}

// checkCommand holds that a command line is one that this binary takes: command, flags, arguments.
func checkCommand(t *testing.T, where string, args []string) {
	t.Helper()
	cmd := checkFlags(t, where, args)
	if cmd == nil {
		return
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		t.Errorf("%s: strata %s: %v", where, strings.Join(args, " "), err)
	}
	if cmd.Name() == "serve" {
		if _, err := pick(cmd.Flags().Args()); err != nil {
			t.Errorf("%s: %v", where, err)
		}
	}
}

// checkFlags holds that a command is there and takes these flags, and returns it.
func checkFlags(t *testing.T, where string, args []string) *cobra.Command {
	t.Helper()
	a := newWorld(t).app(&bytes.Buffer{})
	a.err = io.Discard
	root := a.root()
	root.InitDefaultHelpCmd() // cobra adds these two when it is run
	root.InitDefaultCompletionCmd()
	cmd, rest, err := root.Find(args)
	if err != nil || cmd == root {
		t.Errorf("%s: strata %s: no such command (%v)", where, strings.Join(args, " "), err)
		return nil
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Errorf("%s: strata %s: %v", where, strings.Join(args, " "), err)
		return nil
	}
	return cmd
}

// texts returns a list of strings.
func texts(n *yaml.Node) (all []string) {
	if n == nil {
		return nil
	}
	for _, item := range n.Items {
		all = append(all, item.Text)
	}
	return all
}

// moduleVersion returns the version of a module in services/go.mod, without its v.
func moduleVersion(t *testing.T, dir, module string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "services", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(regexp.QuoteMeta(module) + ` v(\S+)`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("services/go.mod does not name %s", module)
	}
	return string(m[1])
}

// workspace returns the folder that holds go.work.
func workspace(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir
		}
	}
	t.Fatal("no go.work in this folder or any above it")
	return ""
}
