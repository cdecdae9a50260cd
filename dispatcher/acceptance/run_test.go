package acceptance

import (
	"cmp"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"strata/dispatcher"
	"strata/dispatcher/dispatchertest"
	"strata/dispatcher/exports"
	"strata/dispatcher/output"
	"strata/dispatcher/pipeline"
	"strata/events"
	"strata/schemas/device"
	"strata/schemas/yaml"
)

func TestMain(m *testing.M) { dispatchertest.Main(m) }

// A job is what run needs. @NAME@ in its texts stands for values[NAME].
type job struct {
	id         string // the job's number; "42" where it is ""
	definition string // YAML
	device     string // rendered, or a dictionary that extends one of our own device types
	context    string // variables of a dictionary, YAML
	dispatcher string // the worker's configuration; its address is 127.0.0.1 where it is ""
	envDUT     string // environment of the shells on devices, YAML
	values     map[string]string
	tftp       string   // where the worker serves TFTP, such as ":69"; "" is nowhere
	tftpDir    string   // directory of a TFTP server of the host, which is used in place of ours
	worker     string   // the worker's name; "w1" where it is ""
	web        string   // where it serves HTTP, such as "127.0.0.1:0"; "" is nowhere
	env        []string // beside the test's own
}

// outcome is how a job ended and what it said.
type outcome struct {
	dispatcher.Verdict
	log      []events.Record
	services pipeline.Services // what the job was offered
}

// run runs a job to its end.
func run(t *testing.T, j job) outcome {
	t.Helper()
	id := cmp.Or(j.id, "42")
	dir := filepath.Join(t.TempDir(), id)
	servers, err := exports.Start(t.Context(), exports.Settings{
		Dir: t.TempDir(), Worker: cmp.Or(j.worker, "w1"), TFTP: j.tftp, TFTPDir: j.tftpDir, Web: j.web,
		Folder: func(name string) string {
			if name != id {
				return ""
			}
			return dir
		},
		Cache: pipeline.Store{Dir: t.TempDir()}, Logger: slog.New(slog.DiscardHandler), After: time.After})
	if err != nil {
		t.Fatal(err)
	}
	defer servers.Close()
	var log []events.Record
	started := time.Now()
	show := os.Getenv("STRATA_SHOW_LOG") != ""
	logger := output.New(output.Settings{Now: time.Now, Write: func(r events.Record) error {
		if show {
			t.Logf("%6.1f %-9s %s", time.Since(started).Seconds(), r.Level, r.Message)
		}
		log = append(log, r)
		return nil
	}})
	offer := servers.For(id, dir)
	verdict := dispatcher.Run(t.Context(), dispatcher.Job{
		ID: id, Definition: []byte(j.fill(j.definition)), Device: j.render(t),
		Dispatcher: []byte(j.fill(cmp.Or(j.dispatcher, "dispatcher_ip: 127.0.0.1\n"))), EnvDUT: []byte(j.fill(j.envDUT)),
		Dir: dir, Env: append(os.Environ(), j.env...), Services: offer, Log: logger, Now: time.Now,
	})
	return outcome{Verdict: verdict, log: log, services: offer}
}

// fill puts values into a text.
func (j job) fill(text string) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(j.values)) {
		pairs = append(pairs, "@"+name+"@", j.values[name])
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// render renders a device dictionary with our own device types.
func (j job) render(t *testing.T) []byte {
	t.Helper()
	text := []byte(j.fill(j.device))
	if !device.IsTemplate(text) {
		return text
	}
	types := &device.Templates{Text: device.OwnTemplate}
	var context *yaml.Node
	if j.context != "" {
		var err error
		if context, err = yaml.Parse([]byte(j.context)); err != nil {
			t.Fatal(err)
		}
	}
	rendered, err := types.Render("board", "", text, context)
	if err != nil {
		t.Fatal(err)
	}
	return rendered
}

// text returns a file of the test.
func text(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// serve serves the files of a folder by HTTP until the test ends, and returns the address. Only this
// machine reaches it; an emulator's user network does as 10.0.2.2.
func serve(t *testing.T, dir string) (address string) {
	t.Helper()
	site := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(site.Close)
	return site.URL
}

// text returns all messages of the log, one a line, as JSON.
func (o outcome) text() string { return dispatchertest.TextOf(o.log) }

// result returns the last result of a case, named as in wantResults; nil where there is none.
func (o outcome) result(t *testing.T, name string) map[string]any {
	t.Helper()
	suite, test, ok := strings.Cut(name, "/")
	if !ok {
		suite, test = "", name
	}
	all := dispatchertest.ResultsOf(t, slices.DeleteFunc(slices.Clone(o.log), func(r events.Record) bool {
		return suite != "" && !strings.Contains(string(r.Message), `"`+suite+`"`)
	}))
	if suite != "" && all[test]["definition"] != suite {
		return nil
	}
	return all[test]
}

// wantComplete ends the test where the job did not end well.
func (o outcome) wantComplete(t *testing.T) {
	t.Helper()
	if o.Health != events.Complete {
		t.Fatalf("the job is %s: %s: %s; its log:\n%s", o.Health, o.ErrorType, o.Error, o.text())
	}
}

// wantError ends the test where the job did not end in an error of this class that says these texts.
func (o outcome) wantError(t *testing.T, class events.ErrorType, says ...string) {
	t.Helper()
	for _, want := range says {
		if !strings.Contains(o.Error, want) {
			t.Errorf("the job's error lacks %q", want)
		}
	}
	if o.Health != events.Incomplete || o.ErrorType != class || t.Failed() {
		t.Fatalf("the job is %s: %s: %s; want %s; its log:\n%s", o.Health, o.ErrorType, o.Error, class, o.text())
	}
}

// wantResults compares results: of cases by suite and name ("0_smoke/uname"), of the pipeline's own
// steps by name alone ("job").
func (o outcome) wantResults(t *testing.T, want map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got := o.result(t, name)["result"]; got != want[name] {
			t.Errorf("result of %s: %v, want %s", name, got, want[name])
		}
	}
	if t.Failed() {
		t.Logf("the log:\n%s", o.text())
	}
}

// wantText says which texts the log lacks. Messages are JSON: a quote in them is escaped.
func (o outcome) wantText(t *testing.T, want ...string) {
	t.Helper()
	text := o.text()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("the log lacks %q:\n%s", w, text)
		}
	}
}
