package jobproc

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"strata/dispatcher/output"
	"strata/events"
	"strata/schemas/order"
)

// TestSecrets runs a job that prints what it is given: it has the secret, and its log has not.
func TestSecrets(t *testing.T) {
	const definition = "job_name: x\nsecrets: {A: store}\ntimeouts: {job: {minutes: 1}}\nactions:\n" +
		"- deploy: {to: tmpfs, images: {kernel: {url: 'ftp://127.0.0.1/s3cret/store', headers: {T: store}}}}\n"
	w := &order.Work{Definition: order.Text{Inline: definition}, Secrets: map[string]string{"store": "s3cret"}, Device: order.Text{Inline: "actions: {deploy: {methods: {tmpfs: null}}, boot: {methods: {}}}\n"}}
	text, err := Revealed(w)
	if err != nil || !strings.Contains(string(text), "A: s3cret") || !strings.Contains(string(text), "T: s3cret") || !strings.Contains(string(text), "/store") {
		t.Fatalf("definition for the run: %q, error %v; want the secret in place of its name, where names stand for secrets", text, err)
	}
	if same, err := Revealed(&order.Work{Definition: w.Definition}); err != nil || string(same) != definition {
		t.Errorf("definition that names none: %q, error %v; want it as it was", same, err)
	}
	var log strings.Builder
	l := output.New(output.Settings{Now: time.Now, Write: func(r events.Record) error {
		return json.NewEncoder(&log).Encode(r)
	}})
	j := Job{Order: order.Order{Job: 42, Work: w}, Dir: t.TempDir(), Scratch: t.TempDir(), Log: l}
	hideSecrets(j)
	l.Info("fetching with T: %s", "s3cret")
	if err := Write(j.Dir+"/"+TaskFile, Task{}); err != nil {
		t.Fatal(err)
	}
	v := Pipeline("test", time.Now)(context.Background(), j)
	if strings.Contains(log.String(), "s3cret") || strings.Contains(v.Error, "s3cret") || !strings.Contains(log.String(), "with T: "+output.Masked) {
		t.Errorf("verdict %+v and log:\n%s\nwant the secret masked in both", v, log.String())
	}
}
