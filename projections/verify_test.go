package projections

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"strata/events"
	"strata/events/eventtest"
	"strata/events/stream"
)

// TestVerifyFindsOneAlteredRow compares tables with the log: sound ones, and after each of some forgeries.
func TestVerifyFindsOneAlteredRow(t *testing.T) {
	t.Parallel()
	broker, db := eventtest.Start(t), openTest(t)
	lab := story(t, broker, 1)
	story(t, broker, 3)
	p, stop := project(t, broker, db)
	awaitPosition(t, db, stream.Lab, lab)
	stop() // the rest of the log is projected by the verification itself
	// The last message of OUTPUT is erased: that must not be waited for.
	st, err := broker.Log.JetStream().Stream(t.Context(), stream.Output)
	if err == nil {
		err = st.Purge(t.Context(), jetstream.WithPurgeSubject(events.OutputSubject(3)))
	}
	if err != nil {
		t.Fatal(err)
	}

	broker.Append(t, events.JobRemoved{Job: 3, LogsOnly: true, By: "alice"})
	if err := db.exec(t.Context(), "INSERT INTO log_templates (template, text) VALUES (7, 'only in an erased log')"); err != nil {
		t.Fatal(err)
	}

	steps := []struct{ forgery, table, row string }{
		{"", "", ""},
		{"ALTER TABLE test_cases UPDATE result = 'pass' WHERE job = 1 AND name = 'b'", "test_cases", "'pass'"},
		{"ALTER TABLE log_line_state DELETE WHERE job = 1 AND line = 2", "log_line_state", "1,2,"},
		{"ALTER TABLE job_state UPDATE user = 'mallory' WHERE job = 3", "job_state", "mallory"},
		{"INSERT INTO measurements SELECT * REPLACE (99 AS seq) FROM measurements LIMIT 1", "measurements", "99"},
	}
	forged := map[string]string{}
	for _, step := range steps {
		if step.forgery != "" {
			if err := db.alter(t.Context(), step.forgery); err != nil {
				t.Fatalf("%s: %v", step.forgery, err)
			}
			forged[step.table] = step.row
		}
		v, err := p.Verify(t.Context())
		if err != nil {
			t.Fatalf("after %q: %v", step.forgery, err)
		}
		if v.Streams[stream.Lab] <= lab || len(v.Tables) < 12 {
			t.Errorf("after %q: compared %d tables up to %v", step.forgery, len(v.Tables), v.Streams)
		}
		for _, c := range v.Tables {
			row, bad := forged[c.Table]
			told := strings.Join(append(c.Extra, c.Missing...), " ")
			if c.Equal() == bad || bad && !strings.Contains(told, row) {
				t.Errorf("after %q: table %s: %+v; forged %q", step.forgery, c.Table, c, row)
			}
		}
	}
	if err := p.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	v, err := p.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range v.Tables {
		if !c.Equal() {
			t.Errorf("after a rebuild: table %s: %+v", c.Table, c)
		}
	}
	if text := text(t, db, "SELECT count() FROM system.databases WHERE name LIKE '%_verify'"); text != "0" {
		t.Errorf("%s databases of verifications are left", text)
	}
}
